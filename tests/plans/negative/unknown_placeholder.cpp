// unknown_placeholder
#include "plans/sql.h"

weir::Sql use(weir::Ident const& a) { return weir::sql("SELECT {1} {0}", a); }
