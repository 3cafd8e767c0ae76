#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdio>

#include "metrics/ledger_metrics.h"
#include "orchestrator/cli/commands.h"
#include "orchestrator/postgres/ask.h"
#include "orchestrator/postgres/leadership.h"
#include "orchestrator/run/runs.h"

namespace weir {
namespace {

/// Whether somebody works on it, and at which gate, are other figures. Of ledger_states.
std::string_view plain_state(Standing standing) {
    switch (standing) {
        case Standing::running:
            return "running";
        case Standing::at_gate:
            return "waiting";
        case Standing::stopped:
        case Standing::stopped_at_gate:
            return "stopped";
        case Standing::paused:
            return "paused";
        case Standing::undoing:
            return "undoing";
        case Standing::undone:
            return "undone";
        case Standing::aside:
        case Standing::aside_over:
            return "quarantined";
        case Standing::rolling_back:
            return "rolling_back";
        case Standing::rolled_back:
            return "rolled_back";
        case Standing::done:
            return "done";
    }
    return "";
}

RunSeen seen(LedgerRun const& run) {
    return {.plan = run.plan,
            .state = plain_state(run.standing),
            .led = run.led,
            .over = is_over(run.standing),
            .began = run.began,
            .last_entry = run.last,
            .quarantine_ends = run.quarantine_ends,
            .values_not_back = run.values_not_back};
}

}  // namespace

int status_metrics(Options const& options) {
    boost::asio::io_context io;
    auto opened = Asker::open(io, options.database, {"weir status", false});
    if (auto* problem = std::get_if<Problem>(&opened)) return tell(*problem);
    auto& asker = *std::get<std::unique_ptr<Asker>>(opened);
    auto const ledger = has_ledger(asker);
    if (auto const* problem = std::get_if<Problem>(&ledger)) return tell(*problem);
    std::vector<RunSeen> runs;
    if (std::get<bool>(ledger)) {
        auto const who = asker.ask(who_leads());
        if (who.fate != Fate::done) return tell(problem_of(who, "cannot see who leads"));
        auto const leader = who.rows.empty() ? "" : who.rows[0].fields[2].value_or("");
        auto const listed = asker.ask(list_runs(""));
        if (listed.fate != Fate::done) return tell(problem_of(listed, "cannot read the ledger"));
        for (auto const& row : listed.rows) runs.push_back(seen(run_of(row, leader)));
    }
    auto const now = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
    auto const text = ledger_metrics(asker.facts().database, now, runs);
    std::fwrite(text.data(), 1, text.size(), stdout);
    return 0;
}

}  // namespace weir
