// private
#include "plans/sql.h"

weir::UserExpr use() { return weir::UserExpr{"a"}; }
