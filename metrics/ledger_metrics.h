#pragma once
/// What a ledger tells Prometheus when no process lives to be scraped: `weir status --metrics`. docs/metrics.md lists
/// every series; a test holds that list against this code.
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "plans/event.h"

namespace weir {

/// Times are seconds since 1970.
struct RunSeen {
    std::string plan;
    std::string_view state;  ///< of ledger_states
    bool led{};              ///< a weir works on it now
    bool over{};
    double began{}, last_entry{};
    std::optional<double> quarantine_ends{};
    std::int64_t values_not_back{};
};

inline constexpr std::array<std::string_view, 10> ledger_states{"running", "waiting",     "paused",       "stopped",
                                                                "undoing", "quarantined", "rolling_back", "done",
                                                                "undone",  "rolled_back"};

/// The text exposition format, version 0.0.4, of `runs`, oldest first: counts of all, and the newest run of each plan.
/// Bounded whatever the history: of plans that are over the newest `over_at_most`. No NaN; series in a stable order.
std::string ledger_metrics(std::string const& database, double read_at, std::vector<RunSeen> const& runs,
                           std::size_t over_at_most = 20);

}  // namespace weir
