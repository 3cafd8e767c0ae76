// constant expression
#include "plans/sql.h"

#include <string>

weir::Sql use(std::string const& text) { return weir::sql(text.c_str()); }
