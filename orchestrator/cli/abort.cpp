#include <boost/asio/io_context.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <thread>
#include <variant>

#include "orchestrator/cli/carry_out.h"
#include "orchestrator/cli/commands.h"
#include "orchestrator/postgres/leadership.h"
#include "orchestrator/run/prepared.h"

namespace weir {
namespace {

constexpr std::chrono::milliseconds dying_leader{1000};
constexpr std::chrono::milliseconds orders_glance{50};

/// What looks like a leader may be the last moments of one that was killed: then nobody hears the order.
bool left_alone(Asker& asker, std::string const& name) {
    auto const deadline = std::chrono::steady_clock::now() + dying_leader;
    while (std::chrono::steady_clock::now() < deadline) {
        auto const still = asker.ask(who_leads());
        if (still.fate != Fate::done) return false;
        if (still.rows.empty()) {
            auto record = load_run(asker, name);
            auto const* known = std::get_if<std::optional<RunRecord>>(&record);
            return !(known && *known && ((*known)->undone || (*known)->reopened));
        }
        std::this_thread::sleep_for(orders_glance);
    }
    return false;
}

/// `by`: who obeys.
void say_ordered(Options const& options, RunRecord const& record, std::string const& by) {
    auto const& name = options.words[0];
    say(options, {{"event", "ordered"}, {"plan", name}, {"order", "abort"}},
        "ordered: " + name + " is undone by the weir that runs it (" + by + ")" +
            (record.gate_opened
                 ? "\nhint: the gate was open, so that it first ends with exit code 3; when nothing uses the new "
                   "shape any more, once more: weir abort " +
                       name
                 : ""));
}

}  // namespace

int abort_command(Options const& options) {
    auto const& name = options.words[0];
    boost::asio::io_context io;
    auto opened = Asker::open(io, options.database, {"weir abort " + name, false});
    if (auto* problem = std::get_if<Problem>(&opened)) return tell(*problem);
    auto& asker = *std::get<std::unique_ptr<Asker>>(opened);
    auto prepared = prepare_live(asker, name);
    if (auto* problems = std::get_if<Problems>(&prepared)) return tell(*problems);
    auto const leader = asker.ask(who_leads());
    if (leader.fate != Fate::done) return tell(problem_of(leader, "cannot see who leads"));
    bool const led = !leader.rows.empty() && leader.rows[0].fields[2] == control_name(name);
    auto const may = asker.ask(may_write_ledger());
    if (may.fate != Fate::done) return tell(problem_of(may, "cannot read the ledger"));
    bool const operates = may.rows[0].fields[0] != "t";
    // Nobody works on it, or somebody on another run: then take_lead() says who.
    if (!led && !operates) return carry_out(options, Task::abort, nullptr, name);
    // Nobody would obey: whoever works on it next drops what is aside.
    auto const& record = *std::get<Prepared>(prepared).record;
    if (record.quarantined && !record.rolling_back)
        return tell({Code::not_now,
                     {},
                     "contract of " + name + " is done, and what it set aside is in quarantine",
                     "weir rollback " + name + " brings everything back"});
    auto const ordered = asker.ask(insert_order(name, "abort", ""));
    if (ordered.fate != Fate::done) return tell(order_refused(ordered));
    if (!operates && left_alone(asker, name)) return carry_out(options, Task::abort, nullptr, name);
    say_ordered(options, record, led ? control_name(name) : "nobody now: by the next `weir run` of it");
    return 0;
}

}  // namespace weir
