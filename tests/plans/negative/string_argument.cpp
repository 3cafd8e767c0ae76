// SqlPart
#include "plans/sql.h"

#include <string>

weir::Sql use(std::string const& text) { return weir::sql("SELECT {0}", text); }
