// stray_brace
#include "plans/sql.h"

weir::Sql use() { return weir::sql("SELECT }"); }
