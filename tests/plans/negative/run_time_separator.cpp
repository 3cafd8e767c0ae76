// constant expression
#include "plans/sql.h"

#include <vector>
weir::Sql use(char const* separator) { return weir::Sql::join({}, separator); }
