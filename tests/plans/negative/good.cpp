// everything is well
#include "plans/sql.h"

weir::Sql use(weir::Ident const& a) { return weir::sql("SELECT {0}, {0}, '{{}}'", a); }
