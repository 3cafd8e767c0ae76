#pragma once
/// The question that reads the world: one statement, whose only cell is the document that catalog_from_json() takes.
/// That text, as it comes, is the snapshot which the ledger keeps.
#include <vector>

#include "plans/sql.h"

namespace weir {

/// For Session::execute() as an implicit transaction. Tables that do not exist are not in the answer; `answers` is
/// empty. Names come qualified whatever the session's search_path is. PostgreSQL 14 to 18.
Batch catalog_query(std::vector<TableName> const& tables);

}  // namespace weir
