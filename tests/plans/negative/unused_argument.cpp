// unused_argument
#include "plans/sql.h"

weir::Sql use(weir::Ident const& a) { return weir::sql("SELECT 1", a); }
