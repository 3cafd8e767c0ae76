#pragma once
/// What is looked at before a run begins or goes on: nothing is touched yet.
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "orchestrator/machine/ledger.h"
#include "orchestrator/postgres/ask.h"
#include "phases/program.h"
#include "plans/plan.h"

namespace weir {

/// The tables that the program works on.
std::vector<TableName> tables_of(Program const& program);

/// Queries of the plan that are asked only later: one that the server refuses is said before anything starts.
Problems refused_queries(Asker& asker, Plan const& plan, Program const& program);

struct Backups {
    std::string directory{};          ///< absolute; empty: no dump is ahead
    std::optional<Warned> warning{};  ///< the dumps may find no room
};
/// Whether the dumps that are ahead can be made and find room. What cannot be seen is no reason to stand still: a dump
/// that finds none stops the run, and nothing is dropped. `wanted`: the plan's directory; empty: it wants none.
std::variant<Backups, Problem> look_at_backups(Asker& asker, std::string const& wanted, Program const& program,
                                               RunRecord const& record);

/// What still uses the columns and tables that are dropped when the run's quarantine is over. A Problem only when the
/// connection is lost.
std::variant<std::vector<Warned>, Problem> still_used(Asker& asker, std::string const& name, RunId run);

}  // namespace weir
