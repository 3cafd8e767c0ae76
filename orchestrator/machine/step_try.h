#pragma once
/// The transaction of a step, forward or undone, as the lock ladder tries it; and what a person reads when it gave up.
/// Pure.
#include <cstdint>
#include <string>

#include "orchestrator/machine/ladder.h"
#include "orchestrator/machine/ledger.h"
#include "phases/program.h"
#include "plans/plan.h"

namespace weir {

/// The proof that a step stands on. REQUIRES that it stands on one.
Step const& proof_of(Program const& program, Step const& step);

/// `seq`: of its entry. What it stands on is looked at under its locks. `bound` and what else the settings say of locks
/// is in it; `seed` and deadlock_timeout are the caller's.
LockLadder::Config forward_try(Program const& program, Step const& step, Epoch epoch, std::int64_t seq,
                               Settings const& settings);
/// `still_so`: what was found out before, looked at once more.
LockLadder::Config undo_try(Program const& program, Step const& step, Epoch epoch, std::int64_t seq,
                            Settings const& settings, Batch still_so);

/// REQUIRES State::too_much.
Problem too_much_work(LockLadder const& ladder, Step const& step, std::string const& plan, Settings const& settings);
/// REQUIRES State::gave_up.
Problem gave_up(LockLadder const& ladder, Step const& step, Settings const& settings);

}  // namespace weir
