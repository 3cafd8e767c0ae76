#include "orchestrator/run/connections.h"

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <variant>

#include "orchestrator/postgres/leadership.h"
#include "orchestrator/run/begin.h"
#include "orchestrator/run/drive.h"

namespace weir {
namespace {

/// A server as its history tells it: a promoted standby has the same system and a higher timeline.
struct Origin {
    std::string system;
    std::int64_t timeline{};
};

std::variant<Origin, Problem> origin(Asker& asker) {
    // pg_control_checkpoint() would tell the old timeline until the first checkpoint after a promotion.
    auto const asked = asker.ask({sql(
        "SELECT system_identifier, "
        "('x' || substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 1, 8))::bit(32)::pg_catalog.int8 "
        "FROM pg_catalog.pg_control_system()")});
    if (asked.fate != Fate::done || asked.rows.empty()) return problem_of(asked, "cannot see which server this is");
    return Origin{asked.rows[0].fields[0].value_or(""), std::stoll(asked.rows[0].fields[1].value_or("0"))};
}

/// Not the server that was worked on, or one that is behind in its history.
std::optional<Problem> strange(Origin const& now, Origin const& before) {
    constexpr auto hint =
        "let --database lead to the primary (target_session_attrs=read-write chooses it among several hosts), and run "
        "again";
    if (now.system != before.system)
        return Problem{Code::wrong_server,
                       {},
                       "the address leads to another cluster: system " + now.system + " instead of " + before.system,
                       hint};
    if (now.timeline < before.timeline)
        return Problem{Code::wrong_server,
                       {},
                       "the server is on timeline " + std::to_string(now.timeline) + ", and the run was on " +
                           std::to_string(before.timeline) + ": an old primary",
                       hint};
    return std::nullopt;
}

/// While a server restarts, fails over, or has not noticed yet that our last session is dead.
bool passes(Problems const& problems) {
    return std::ranges::all_of(problems, [](Problem const& problem) {
        return problem.code == Code::cannot_connect || problem.code == Code::is_replica ||
               problem.code == Code::other_leader;
    });
}

/// What came of one connection. Finish::lost: it was, and the run is not over.
using Stay = std::variant<Finish, Problems>;

/// `seen`: the server of the last connection; becomes that of this one.
Stay stay(RunContext& context, std::optional<Origin>& seen) {
    auto opened = Asker::open(context.io, context.request.database, {control_name(context.request.name), true});
    if (auto* problem = std::get_if<Problem>(&opened)) return Problems{*problem};
    auto& asker = *std::get<std::unique_ptr<Asker>>(opened);
    auto now = origin(asker);
    if (auto* problem = std::get_if<Problem>(&now)) return Problems{*problem};
    if (seen)
        if (auto problem = strange(std::get<Origin>(now), *seen)) return Problems{*problem};
    seen = std::get<Origin>(std::move(now));
    auto begun = begin(context, asker);
    if (auto* problems = std::get_if<Problems>(&begun)) return std::move(*problems);
    if (auto* over = std::get_if<Finish>(&begun)) return *over;
    return drive(context, asker, std::get<Begun>(std::move(begun)));
}

void rest(RunContext& context, Millis time) {
    boost::asio::steady_timer timer{context.io, time};
    bool rested = false;
    timer.async_wait([&](boost::system::error_code) { rested = true; });
    context.interrupts.tell([&](int) { timer.cancel(); });
    context.io.restart();
    while (!rested && context.io.run_one() > 0) {
    }
    context.interrupts.tell(nullptr);
}

int stop(RunContext& context, Problem const& why) {
    context.outputs.say(Stopped{why});
    return exit_code(why.code);
}

/// Nothing: no other connection would help, and the problems are the answer.
std::optional<ReconnectMachine::Next> next_of(RunContext& context, Stay const& stayed) {
    auto& reconnect = context.reconnect;
    auto const now = std::chrono::duration_cast<Millis>(std::chrono::steady_clock::now().time_since_epoch());
    if (auto const* ended = std::get_if<Finish>(&stayed))
        return ended->connected ? reconnect.lost(now, ended->lost, ended->at_work)
                                : reconnect.refused(now, {Code::connection_lost, {}, ended->lost, ""});
    auto const& problems = std::get<Problems>(stayed);
    if (!reconnect.was_lost() || context.displaced || !passes(problems)) return std::nullopt;
    return reconnect.refused(now, problems[0]);
}

}  // namespace

int run_on_connections(RunContext& context) {
    std::optional<Origin> seen;
    for (;;) {
        auto const stayed = stay(context, seen);
        if (auto const* ended = std::get_if<Finish>(&stayed); ended && ended->lost.empty()) return ended->exit;
        if (auto const* ended = std::get_if<Finish>(&stayed)) context.proofs_took = ended->proofs_took;
        auto const next = next_of(context, stayed);
        if (!next) {
            auto const& problems = std::get<Problems>(stayed);
            context.request.refused(problems);
            return exit_code(problems);
        }
        if (next->stop) return stop(context, *next->stop);
        if (next->tell) context.outputs.say(Warned{next->tell->message, next->tell->hint, next->tell->more});
        if (context.interrupts.times() == 0) rest(context, next->rest);
        if (context.interrupts.times() > 0)
            return stop(context, {Code::interrupted,
                                  {},
                                  "interrupted while the connection was lost",
                                  "run the same command again to go on"});
    }
}

}  // namespace weir
