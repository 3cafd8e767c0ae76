#include "orchestrator/machine/ending.h"

#include <cassert>
#include <utility>

#include "orchestrator/machine/refusal.h"

namespace weir {
namespace {

void say(Stamp at, Commands& out, decltype(Event::what) what) {
    out.emplace_back(Announce{{at.wall, std::move(what)}});
}

bool ledger_is_ours(Code why) {
    return why != Code::connection_lost && why != Code::other_leader && why != Code::ledger_damaged;
}

}  // namespace

Problem failure(Outcome const& outcome, Tried const& tried) {
    bool const undoing = tried.record.aborting;
    Attempt attempt;
    attempt.plan = tried.program.plan;
    attempt.way_back = way_back(tried.program, tried.record);
    attempt.way = tried.undo.weighed()                                    ? Attempt::Way::weighed_undo
                  : undoing                                               ? Attempt::Way::undo
                  : gone_for_good(tried.program, tried.record) != nullptr ? Attempt::Way::forward_alone
                                                                          : Attempt::Way::forward;
    if (Step const* step = tried.step; step != nullptr) {
        if (tried.connected) attempt.step = "step " + step->id + " (" + step->title + ")";
        if (tried.alone) attempt.work = Attempt::Work::alone;
        if (step->rows && !undoing) {
            attempt.work = step->rows->erases ? Attempt::Work::deletions : Attempt::Work::batches;
            attempt.table = step->rows->table.text();
        }
    }
    return refusal(outcome, attempt);
}

Then Ending::stop(then::Stop const& what, Standing standing, Stamp at, Commands& out) {
    assert(state_ == State::ahead);
    state_ = State::stopping;
    auto const& why = what.why;
    exit_ = exit_code(why.code);
    if (why.code == Code::connection_lost && connects_again_ && !standing.asked) {
        lost_ = why.message;
        if (at_work_.empty()) at_work_ = std::move(standing.at_work);
        say(at, out, ConnectionLost{why.message});
        return stopped();
    }
    say(at, out, Stopped{why});
    if (!ledger_is_ours(why.code) || !standing.connected) return stopped();
    EntryDetail detail;
    detail.message = why.message;
    detail.hint = why.hint;
    detail.order = what.refused;
    return then::Write{{EntryKind::stopped, "", detail, {}}};
}

Then Ending::stopped() const {
    assert(state_ == State::stopping);
    return then::Quit{exit_, RunState::stopped};
}

void Ending::finish(then::Quit const& how, bool connected, Millis proofs_took, Stamp at, Commands& out) {
    assert(state_ != State::over);
    state_ = State::over;
    exit_ = how.exit;
    // Of a connection that was lost the run goes on with another.
    if (lost_.empty()) say(at, out, RunDone{how.state, at.steady - began_, how.until, how.until_at});
    out.emplace_back(Finish{how.exit, lost_, connected, at_work_, proofs_took});
}

}  // namespace weir
