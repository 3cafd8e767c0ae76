#pragma once
/// A run from the lead to its end, over all its connections.
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "plans/event.h"
#include "plans/plan.h"
#include "plans/problem.h"

namespace weir {

enum class Task : std::uint8_t { run, abort, rollback, purge };

/// What is asked of a run, and what it says beside the events.
struct RunRequest {
    Task task{};
    Plan const* plan{};    ///< of Task::run only; else the ledger's is taken. It must outlive the run
    std::string name;      ///< of the plan
    std::string database;  ///< as libpq takes it; empty: its own variables and files
    std::optional<Phase> until{};
    std::set<std::string> approve{};
    bool no_wait{};
    bool take_over{};
    bool subscribers_ready{};
    std::optional<std::int64_t> accept_loss{};
    std::string http{};              ///< ADDR:PORT; empty: none
    std::optional<Millis> linger{};  ///< how long the listener of `http` stays for a last scrape

    /// Called once: who shows the events to the one who runs. It is there while SIGINT and SIGTERM are heard.
    std::function<std::unique_ptr<Listener>()> display;
    /// The run does not begin, or cannot go on.
    std::function<void(Problems const&)> refused;
    /// A signal was heard: whoever has more to do leaves it.
    std::function<void()> interrupted{};
    /// It is over already, since when; `state` as how_it_ended() has it.
    std::function<void(std::string const& state, std::string const& since)> nothing_to_do;
};

/// Runs it to its end on the calling thread, and gives the exit code. From now on SIGPIPE is ignored.
int run(RunRequest const& request);

}  // namespace weir
