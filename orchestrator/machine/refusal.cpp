#include "orchestrator/machine/refusal.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "orchestrator/machine/room.h"

namespace weir {
namespace {

using Work = Attempt::Work;
using Way = Attempt::Way;

bool undoes(Attempt const& a) { return a.way == Way::undo || a.way == Way::weighed_undo; }
bool always(Attempt const&) { return true; }
bool weighed(Attempt const& a) { return a.way == Way::weighed_undo; }
bool stuck(Attempt const& a) { return a.way != Way::forward; }
bool in_batches(Attempt const& a) { return a.work == Work::batches || a.work == Work::deletions; }
bool alone(Attempt const& a) { return a.work == Work::alone; }
bool deletes(Attempt const& a) { return a.work == Work::deletions; }

enum class Words : std::uint8_t {
    ours,       ///< the message of weir's own function, and the server's words for the terminal
    ours_bare,  ///< that message alone
    server,     ///< the server's, with its SQLSTATE
};

/// `{plan}`, `{table}`, `{back}` (the command that undoes) and `{advice}` (of weir's own function) stand for their
/// values.
struct Answer {
    std::string_view sqlstate;  ///< empty: any other
    bool (*fits)(Attempt const&);
    Code code;
    Words words;
    std::string_view hint;
};

/// The first that fits counts.
constexpr std::array answers{
    Answer{"WE003", weighed, Code::trigger_changed, Words::ours_bare,
           "rows may have been written past the sync since it was looked at: {back} counts what they would lose"},
    Answer{"WE003", stuck, Code::trigger_changed, Words::ours,
           "rows may have been written past the sync, and the run can go neither on nor back: compare both columns and "
           "end it by hand as in \"When it is damaged\" in docs/ledger.md"},
    Answer{
        "WE003", always, Code::trigger_changed, Words::ours,
        "rows may have been written past the sync, and nothing mends that: weir abort {plan} undoes the run; then run "
        "it again"},
    Answer{"WE004", always, Code::would_lose, Words::ours,
           "more was written meanwhile: {back} says how many there are now"},
    Answer{"WE005", always, Code::statement_refused, Words::ours,
           "make it on the column that stays, drop it here, and run again; nothing of this step is left behind"},
    Answer{"WE006", always, Code::statement_refused, Words::ours,
           "make it what it was when the run began, and run again; nothing of this step is left behind"},
    Answer{"WE007", always, Code::table_changed, Words::ours_bare, "{advice}"},
    Answer{"WE008", always, Code::table_changed, Words::ours_bare, "{advice}"},
    Answer{"23503", undoes, Code::statement_refused, Words::server,
           "delete such rows of the table aside, or put back what they refer to; then again: weir rollback {plan}"},
    Answer{"23503", deletes, Code::statement_refused, Words::server,
           "other rows refer to it: leave such rows out of where, or delete the others before, and run again"},
    Answer{
        "21000", in_batches, Code::statement_refused, Words::server,
        "a subquery finds more than one row for a row of {table}: make its condition (on) unique or take one by min(), "
        "mend the plan or the rows, and run again"},
    Answer{"", in_batches, Code::statement_refused, Words::server,
           "mend what the server names, and run again: it goes on where the batches stand"},
    Answer{"", alone, Code::statement_refused, Words::server,
           "mend what the server names, and run again: what is left of this try is removed before the next, and by "
           "{back}"},
    Answer{"", always, Code::statement_refused, Words::server,
           "mend what the server names, and run again; nothing of this step is left behind"},
};

std::string filled(std::string_view hint, Attempt const& attempt, Outcome const& outcome) {
    std::string text;
    for (auto open = hint.find('{'); open != std::string_view::npos; open = hint.find('{')) {
        auto const close = hint.find('}', open);
        auto const mark = hint.substr(open + 1, close - open - 1);
        text += hint.substr(0, open);
        text += mark == "plan"    ? attempt.plan
                : mark == "table" ? attempt.table
                : mark == "back"  ? attempt.way_back
                                  : advice_of(outcome);
        hint.remove_prefix(close + 1);
    }
    return text += hint;
}

std::string where(Attempt const& attempt) { return attempt.step.empty() ? "" : attempt.step + ": "; }

Problem by_sqlstate(Outcome const& outcome, Attempt const& attempt) {
    auto const says = "the server refuses (" + outcome.sqlstate + "): " + outcome.message;
    if (no_room(outcome))
        return {Code::no_room,
                {},
                where(attempt) + says,
                no_room_hint(outcome, in_batches(attempt) ? "run again: it goes on where the batches stand"
                                      : alone(attempt)    ? "run again: what is left of this try is removed before"
                                                          : "run again; nothing of this step is left behind"),
                words_of(outcome)};
    auto const& answer = *std::find_if(answers.begin(), answers.end(), [&](Answer const& one) {
        return (one.sqlstate.empty() || one.sqlstate == outcome.sqlstate) && one.fits(attempt);
    });
    return {answer.code,
            {},
            where(attempt) + (answer.words == Words::server ? says : outcome.message),
            filled(answer.hint, attempt, outcome),
            answer.words == Words::ours_bare ? Sealed{} : words_of(outcome)};
}

}  // namespace

Problem refusal(Outcome const& outcome, Attempt const& attempt) {
    auto const stop = [&](Code code, std::string const& words, std::string hint) {
        return Problem{code, {}, where(attempt) + words + outcome.message, std::move(hint), words_of(outcome)};
    };
    switch (outcome.fate) {
        case Fate::fenced:
            return stop(Code::other_leader, "", "another weir took over; `weir status` names it");
        case Fate::lost:
        case Fate::in_doubt:
            return stop(Code::connection_lost,
                        "the connection was lost: ", "run the same command again: it goes on where the ledger stands");
        case Fate::lock_busy:
        case Fate::deadlock:
            return stop(Code::gave_up_lock, "", "run again at a quieter time");
        case Fate::canceled:
            return stop(Code::statement_refused, "", "run again; if it comes back, give it more time (locks.timeout)");
        case Fate::done:
        case Fate::refused:
            break;
    }
    return by_sqlstate(outcome, attempt);
}

std::optional<Problem> rollback_refusal(Outcome const& outcome, std::string const& plan) {
    if (outcome.sqlstate == "WE003")
        return Problem{Code::trigger_changed,
                       {},
                       outcome.message,
                       "rows may have been written past the sync, so that not all of them would come back: compare "
                       "both columns and copy by hand what is missing"};
    if (outcome.sqlstate == "WE008") return Problem{Code::table_changed, {}, outcome.message, advice_of(outcome)};
    if (outcome.sqlstate == "WE006")
        return Problem{Code::not_now,
                       {},
                       outcome.message,
                       "rename back what was set aside, or rename or drop what took its old name; then again: weir "
                       "rollback " +
                           plan};
    return std::nullopt;
}

Problem interrupted() {
    return {Code::interrupted,
            {},
            "interrupted; what was begun is finished or rolled back",
            "run the same command again to go on"};
}

Problem control_lost(std::string const& message) {
    return {Code::connection_lost,
            {},
            "the connection was lost: " + message,
            "run the same command again: it goes on where the ledger stands"};
}

Problem ledger_gone(Outcome const& outcome) {
    return {Code::ledger_damaged,
            {},
            "the ledger in schema weir is gone: " + outcome.message,
            "the application goes on; columns under sync stay equal as long as their triggers are there; see \"When it "
            "is damaged\" in docs/ledger.md",
            words_of(outcome)};
}

std::string advice_of(Outcome const& outcome) {
    return outcome.advice.empty() ? "take back what was changed, and run again" : outcome.advice;
}

}  // namespace weir
