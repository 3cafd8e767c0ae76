#pragma once
/// A DO block of weir's own among statements that run under the settings of a table's owner.
#include "plans/sql.h"

namespace weir {

/// `DO` with these declarations and this body. Names and operators in it are the system's, whoever the session's
/// search_path puts first; the path is put back at the end. The body may not RETURN.
Sql block(Sql const& variables, Sql const& body);

}  // namespace weir
