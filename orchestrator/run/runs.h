#pragma once
/// The runs of the ledger, as `weir status`, the dashboard's history and `weir status --metrics` list them.
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "orchestrator/machine/ledger.h"

namespace weir {

/// One row a run, oldest first: run, plan, began, kind of the last entry, its time, last step, how many steps are done,
/// gate opened, gate approved, aborting ('t'/'f'), message and hint of a stop that is the last entry, who paused it,
/// end of the quarantine, is that over, rolling back, reopened, values that did not go back; then began, last entry,
/// end of the quarantine as seconds since 1970, who began it, and as a JSON array the users who approved its gate if it
/// needs several. `name`: of this plan; empty: all.
Batch list_runs(std::string const& name);
/// The newest `most` runs, newest first: as list_runs(), and what work_of_run() reads. REQUIRES a ledger.
Batch list_history(std::size_t most);

/// Where a run stands.
enum class Standing : std::uint8_t {
    running,
    at_gate,
    stopped,
    stopped_at_gate,
    paused,
    undoing,
    undone,
    aside,       ///< in quarantine
    aside_over,  ///< the quarantine's time is over
    rolling_back,
    rolled_back,
    done,
};
/// Of a row of list_runs().
Standing standing_of(Row const& row);
/// In the words of `weir status`; `led`: a weir works on it now.
std::string in_words(Standing standing, bool led);
bool is_over(Standing standing);
bool is_aside(Standing standing);

/// A row of list_runs() by name. Times are seconds since 1970 by the server's clock.
struct LedgerRun {
    std::int64_t run{};
    std::string plan, by;
    Standing standing{};
    bool led{};
    double began{}, last{};
    std::optional<double> quarantine_ends{};
    std::int64_t values_not_back{};
    std::string stopped{}, hint{};
};
/// `leader`: the application_name of the session that leads.
LedgerRun run_of(Row const& row, std::string const& leader);

/// What list_history() adds. A phase's time is that up to its last entry, stops in between included and the wait at a
/// gate not; phases in which nothing was done are absent.
struct RunWork {
    std::vector<std::pair<std::string, std::int64_t>> phases_ms{};
    std::int64_t rows{};                                                   ///< written by the fills
    std::optional<std::int64_t> rows_read{}, rows_filled{}, rows_wrong{};  ///< of the newest proof of each step, summed
};
RunWork work_of_run(Row const& row);

}  // namespace weir
