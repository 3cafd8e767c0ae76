#pragma once
/// The runs of a ledger with their work, proofs, backups and uses, as `weir status` tells of them.
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "orchestrator/cli/status.h"
#include "orchestrator/postgres/ask.h"
#include "orchestrator/postgres/uses.h"
#include "orchestrator/run/runs.h"

namespace weir {

struct RatedWork {
    StepWork work;
    std::optional<std::int64_t> rate;  ///< rows a second
};

struct RunReport {
    Row row;  ///< of list_runs()
    Standing standing{};
    bool led{};  ///< a weir works on it now
    std::vector<RatedWork> progress{};
    std::vector<ProofFigures> proofs{};
    std::vector<Row> backups{};            ///< step, time, file, bytes, SHA-256
    int approvals_needed{1};               ///< by its gate, while it waits there
    std::vector<std::string> approvals{};  ///< that it has, if it needs several: database users
    std::optional<std::variant<std::vector<Use>, Problem>> uses{};  ///< of one run in quarantine that was named
    std::string picture{};  ///< JSON, of a run that is led; empty: none that is fresh
    double picture_age{};   ///< seconds
};

struct StatusReport {
    std::vector<RunReport> runs{};
    std::string leader{};    ///< application_name; empty: nobody leads
    std::size_t left_out{};  ///< runs that are over
    bool over{};             ///< of the plan that is named: nothing will change by itself
};

/// Field i of a row; empty for NULL.
std::string field(Row const& row, std::size_t i);

/// `name`: of one plan, Code::unknown_plan when it has no run; empty: all. `watched`: of all runs only those that are
/// not over. Takes a second more for each run that somebody works on, to see how fast.
std::variant<StatusReport, Problem> read_status(Asker& asker, std::string const& name, bool watched);

}  // namespace weir
