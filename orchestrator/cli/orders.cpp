#include <boost/asio/io_context.hpp>
#include <cstdio>

#include "orchestrator/cli/commands.h"
#include "orchestrator/run/prepared.h"
#include "plans/reader.h"

namespace weir {
namespace {

/// Writes the order into the ledger, for the live run of the plan that is named first. `check` may refuse it. `told`:
/// what the order is about.
template <class Check>
int give(Options const& options, OrderWord word, std::string const& argument, Check check, std::string const& said,
         boost::json::object const& told = {}) {
    auto const& plan = options.words[0];
    auto const verb = std::string{name(word)};
    boost::asio::io_context io;
    auto opened = Asker::open(io, options.database, {"weir " + verb + " " + plan, false});
    if (auto* problem = std::get_if<Problem>(&opened)) return tell(*problem);
    auto& asker = *std::get<std::unique_ptr<Asker>>(opened);
    auto prepared = prepare_live(asker, plan);
    if (auto* problems = std::get_if<Problems>(&prepared)) return tell(*problems);
    if (auto problem = check(std::get<Prepared>(prepared))) return tell(*problem);
    auto const ordered = asker.ask(insert_order(plan, verb, argument));
    if (ordered.fate != Fate::done) return tell(order_refused(ordered));
    boost::json::object document{{"event", "ordered"}, {"plan", plan}, {"order", verb}};
    document.insert(told.begin(), told.end());
    say(options, document, said);
    return 0;
}

std::optional<Problem> always(Prepared const&) { return {}; }

}  // namespace

int approve_command(Options const& options) {
    auto const& plan = options.words[0];
    auto const& gate = options.words[1];
    auto const check = [&](Prepared const& ready) -> std::optional<Problem> {
        if (gate != "contract")
            return Problem{Code::unknown_gate, {}, "there is no gate " + gate, "the gate is called contract"};
        if (!ready.program.gate)
            return Problem{Code::unknown_gate, {}, "plan " + plan + " has no gate", "it goes on by itself"};
        return {};
    };
    return give(options, OrderWord::approve, gate, check, "approved: gate " + gate + " of " + plan, {{"gate", gate}});
}

int pause_command(Options const& options) {
    return give(options, OrderWord::pause, "", always,
                "ordered: " + options.words[0] + " pauses; to go on: weir resume " + options.words[0]);
}

int resume_command(Options const& options) {
    return give(options, OrderWord::resume, "", always, "ordered: " + options.words[0] + " goes on");
}

int set_command(Options const& options) {
    auto const& key = options.words[1];
    auto const& value = options.words[2];
    // What cannot be a setting is said here, before anybody hears of it.
    auto const changed = with_setting({}, key, value);
    if (auto const* problems = std::get_if<Problems>(&changed)) return tell(*problems);
    return give(options, OrderWord::set, key + " " + value, always,
                "ordered: " + key + " of " + options.words[0] + " becomes " + value, {{"key", key}, {"value", value}});
}

}  // namespace weir
