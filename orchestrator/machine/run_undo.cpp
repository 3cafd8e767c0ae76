#include <algorithm>

#include "orchestrator/machine/run.h"

namespace weir {

/// A step of contract that is done, and that no undo takes back; nothing: there is none. Rows that were deleted keep
/// nobody from undoing the rest.
Step const* RunMachine::gone_for_good() const {
    auto const& steps = config_.program.steps;
    auto const gone = std::find_if(steps.begin(), steps.end(), [&](Step const& s) {
        return s.phase == Phase::contract && s.kind == StepKind::transactional && !s.destroys.empty() && is_done(s);
    });
    return gone == steps.end() ? nullptr : &*gone;
}

/// REQUIRES gone_for_good().
Problem RunMachine::only_forward() const {
    Step const& gone = *gone_for_good();
    return {
        Code::not_now,
        {},
        "step " + gone.id + " (" + gone.title + ") is done, and what it dropped cannot be brought back",
        "only forward is possible: let the run come to its end (weir run goes on with it), and write a plan for the "
        "way back"};
}

/// True: it begins the next step of contract, which does nothing forward: the undo of a step before needs its undo
/// (the check that makes NOT NULL cheap).
bool RunMachine::complete_way_back(Commands& out) {
    auto const& steps = config_.program.steps;
    auto const next = std::find_if(steps.begin(), steps.end(), [&](Step const& s) { return !is_done(s); });
    if (next == steps.end() || next->phase != Phase::contract || next->kind != StepKind::transactional ||
        !next->forward.empty())
        return false;
    step_ = static_cast<std::size_t>(next - steps.begin());
    begin_step(*next, out);
    return true;
}

}  // namespace weir
