#pragma once
/// What a new session of a table's owner would have set in this database. It is read where the server keeps it; what
/// weir's own session has says nothing of it: that has its own role's settings, the options of its connection, and what
/// weir sets for itself.
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "orchestrator/machine/protocol.h"
#include "plans/catalog/catalog.h"

namespace weir {

/// For Session::execute() as an implicit transaction; it leaves nothing behind. Asked are the settings of
/// keys::session, and those of extensions and applications (`app.tenant`) that are set for the owner or the database.
/// In this order: the owner in the database, the owner, the database, all roles, the server itself. A value that the
/// server would not take is passed over, as it does it itself.
Batch settings_batch(std::vector<TableName> const& tables);

/// By owner. Only what weir's sessions need not have of themselves, and what is hidden. REQUIRES: `outcome` is what
/// settings_batch() gave.
std::variant<std::map<std::string, std::vector<SessionSetting>>, Problem> settings_answer(Outcome const& outcome);

}  // namespace weir
