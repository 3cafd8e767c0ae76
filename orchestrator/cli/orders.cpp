#include <boost/asio/io_context.hpp>
#include <string>
#include <utility>
#include <variant>

#include "orchestrator/cli/carry_out.h"
#include "orchestrator/cli/commands.h"
#include "orchestrator/run/prepared.h"
#include "plans/reader.h"

namespace weir {
namespace {

/// An order that needs not be given any more, and why.
struct Needless {
    std::string state, words;
};

/// What is said of an order that may be given; or why it is not.
using Verdict = std::variant<std::string, Needless, Problem>;

/// Writes the order into the ledger, for the live run of the plan that is named first. `told`: what the order is about.
template <class Judge>
int give(Options const& options, OrderWord word, std::string const& argument, Judge judge,
         boost::json::object const& told = {}) {
    auto const& plan = options.words[0];
    auto const verb = std::string{name(word)};
    boost::asio::io_context io;
    auto opened = Asker::open(io, options.database, {"weir " + verb + " " + plan, false});
    if (auto* problem = std::get_if<Problem>(&opened)) return tell(*problem);
    auto& asker = *std::get<std::unique_ptr<Asker>>(opened);
    auto prepared = prepare_live(asker, plan);
    if (auto* problems = std::get_if<Problems>(&prepared)) return tell(*problems);
    auto const verdict = judge(std::get<Prepared>(prepared), asker.facts().user);
    if (auto const* problem = std::get_if<Problem>(&verdict)) return tell(*problem);
    if (auto const* needless = std::get_if<Needless>(&verdict)) {
        say_nothing_to_do(options, plan, needless->state, "", needless->words);
        return 0;
    }
    auto const ordered = asker.ask(insert_order(plan, verb, argument));
    if (ordered.fate != Fate::done) return tell(order_refused(ordered));
    boost::json::object document{{"event", "ordered"}, {"plan", plan}, {"order", verb}};
    document.insert(told.begin(), told.end());
    say(options, document, std::get<std::string>(verdict));
    return 0;
}

auto always(std::string said) {
    return [said = std::move(said)](Prepared const&, std::string const&) -> Verdict { return said; };
}

/// With one of several approvals the run does not go on.
std::string approved_words(std::string const& plan, Prepared const& ready, std::string const& user) {
    auto const gate = "gate contract of " + plan;
    if (ready.program.approvals <= 1) return "approved: " + gate;
    auto const& have = ready.record->approvals;
    if (have.contains(user))
        return user + " has approved " + gate + " before: it has " + std::to_string(have.size()) + " of " +
               std::to_string(ready.program.approvals) + ", each by another database user";
    std::string users;
    for (auto const& one : have) users += (users.empty() ? ", by " : ", ") + one;
    return "your approval of " + gate + " is noted: it needs " + std::to_string(ready.program.approvals) +
           ", each by another database user; before yours it had " + std::to_string(have.size()) + users;
}

}  // namespace

int approve_command(Options const& options) {
    auto const& plan = options.words[0];
    auto const& gate = options.words[1];
    auto const judge = [&](Prepared const& ready, std::string const& user) -> Verdict {
        if (gate != "contract")
            return Problem{Code::unknown_gate, {}, "there is no gate " + gate, "the gate is called contract"};
        if (!ready.program.gate)
            return Problem{Code::unknown_gate, {}, "plan " + plan + " has no gate", "it goes on by itself"};
        if (ready.record->gate_approved)
            return Needless{"approved", "gate contract of " + plan + " was approved before: nothing to do"};
        if (ready.record->aborting)
            return Problem{Code::not_now, {}, "plan " + plan + " is being undone", "weir status " + plan + " shows it"};
        return approved_words(plan, ready, user);
    };
    return give(options, OrderWord::approve, gate, judge, {{"gate", gate}});
}

int pause_command(Options const& options) {
    return give(options, OrderWord::pause, "",
                always("ordered: " + options.words[0] + " pauses; to go on: weir resume " + options.words[0]));
}

int resume_command(Options const& options) {
    return give(options, OrderWord::resume, "", always("ordered: " + options.words[0] + " goes on"));
}

int set_command(Options const& options) {
    auto const& key = options.words[1];
    auto const& value = options.words[2];
    // What cannot be a setting is said here, before anybody hears of it.
    auto const changed = with_setting({}, key, value);
    if (auto const* problems = std::get_if<Problems>(&changed)) return tell(*problems);
    return give(options, OrderWord::set, key + " " + value,
                always("ordered: " + key + " of " + options.words[0] + " becomes " + value),
                {{"key", key}, {"value", value}});
}

}  // namespace weir
