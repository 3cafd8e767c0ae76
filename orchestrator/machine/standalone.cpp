#include "orchestrator/machine/standalone.h"

#include <cassert>
#include <string>
#include <utility>

#include "orchestrator/machine/entries.h"

namespace weir {
namespace {

constexpr int tries_at_most = 40;
constexpr Millis rest{250};
constexpr int tries_to_a_look = 13;

}  // namespace

void Standalone::start(Ids& ids, Commands& out) { attempt(ids, out); }

void Standalone::attempt(Ids& ids, Commands& out) {
    execute(deed_.probe.empty() ? State::running : State::probing, ids, out);
}

void Standalone::execute(State state, Ids& ids, Commands& out) {
    state_ = state;
    pending_ = ids();
    if (state == State::probing) {
        out.emplace_back(Execute{*pending_, first_hand, deed_.probe, Transaction::implicit, entry_limits});
        return;
    }
    // CONCURRENTLY blocks nobody, and a timeout would leave an invalid index; what may fail need not wait long.
    Millis const lock = deed_.may_fail ? lock_timeout_ : Millis{0};
    out.emplace_back(Execute{*pending_,
                             first_hand,
                             state == State::repairing ? deed_.repair : deed_.statements,
                             Transaction::standalone,
                             {lock, Millis{0}, Millis{0}}});
}

void Standalone::stop(Commands& out) const {
    if (pending_ && state_ != State::probing) out.emplace_back(Cancel{*pending_});
}

void Standalone::finish(State state, Outcome const& outcome) {
    state_ = state;
    outcome_ = outcome;
}

void Standalone::completed(Completed const& completed, bool leaving, InTheWay& way, Ids& ids, Commands& out) {
    assert(owns(completed.command));
    pending_.reset();
    auto const& outcome = completed.outcome;
    if (state_ == State::resting) {
        // What failed may have left damage.
        if (leaving)
            finish(State::stopped, outcome);
        else
            attempt(ids, out);
    } else if (outcome.fate == Fate::lost || outcome.fate == Fate::in_doubt || outcome.fate == Fate::fenced) {
        finish(State::failed, outcome);
    } else if (leaving && outcome.fate != Fate::done) {
        finish(State::stopped, outcome);
    } else if (state_ == State::probing) {
        probed(outcome, leaving, ids, out);
    } else {
        assert(unlimited());
        ran(outcome, leaving, way, ids, out);
    }
}

Then Standalone::moved(Step const& step, bool undoing, Stamp at, Commands& out) const {
    std::string const way = undoing ? "undo of step " : "step ";
    switch (state_) {
        case State::probing:
        case State::repairing:
        case State::running:
        case State::resting:
            break;
        case State::tolerated:
            out.emplace_back(
                Announce{{at.wall, Warned{way + step.id + " (" + step.title + ") did not work: " + outcome_.message,
                                          "the run goes on; do it by hand when there is time", words_of(outcome_)}}});
            [[fallthrough]];
        case State::done:
            return then::Write{{undoing ? EntryKind::step_undone : EntryKind::step_done, step.id, {}, {}}};
        case State::no_result:
            return then::Stop{
                {Code::statement_refused, {}, way + step.id + " ran, and the server does not show its result", ""}};
        case State::stopped:
            return then::GoOn{};
        case State::failed:
            return then::Fail{outcome_};
    }
    return then::Wait{};
}

void Standalone::probed(Outcome const& outcome, bool leaving, Ids& ids, Commands& out) {
    auto const found = outcome.rows.empty() ? std::nullopt : probe(outcome.rows[0].fields[0].value_or(""));
    if (outcome.fate != Fate::done || !found)
        finish(State::failed, outcome);
    else if (*found == Probe::done)
        finish(State::done, outcome);
    else if (executed_)
        finish(State::no_result, outcome);
    else if (leaving)
        finish(State::stopped, outcome);
    else
        execute(*found == Probe::damaged ? State::repairing : State::running, ids, out);
}

void Standalone::ran(Outcome const& outcome, bool leaving, InTheWay& way, Ids& ids, Commands& out) {
    bool const busy = outcome.fate == Fate::lock_busy || outcome.fate == Fate::deadlock;
    if (outcome.fate == Fate::done && state_ == State::repairing) {
        if (leaving)
            finish(State::stopped, outcome);
        else
            execute(State::running, ids, out);
    } else if (outcome.fate == Fate::done && deed_.probe.empty()) {
        finish(State::done, outcome);
    } else if (outcome.fate == Fate::done) {
        executed_ = true;
        execute(State::probing, ids, out);
    } else if (busy && ++busy_ < tries_at_most) {
        state_ = State::resting;
        pending_ = ids();
        out.emplace_back(Rest{*pending_, rest});
        // Before it gives up, so that there is somebody to name.
        if (busy_ % tries_to_a_look == 0 && !deed_.locks.empty()) way.of(deed_.locks, ids, out);
    } else {
        give_up(outcome, busy, way);
    }
}

void Standalone::give_up(Outcome const& outcome, bool busy, InTheWay const& way) {
    finish(deed_.may_fail ? State::tolerated : State::failed, outcome);
    if (!busy || way.blockers().empty()) return;
    std::string who, seen;
    for (auto const& blocker : way.blockers()) {
        who += "; " + std::string{who.empty() ? "in the way: " : ""} + blocker.text;
        seen += (seen.empty() ? "in the way: " : "; ") + blocker.seen.reveal();
    }
    outcome_.message += who;
    outcome_.said = {};
    outcome_.more = Sealed{std::move(seen)};
}

}  // namespace weir
