#pragma once
/// The transaction of a step, forward or undone, as the lock ladder tries it; and what a person reads when it gave up.
/// Pure.
#include <cstdint>
#include <string>

#include "orchestrator/machine/ladder.h"
#include "orchestrator/machine/ledger.h"
#include "orchestrator/machine/then.h"
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

/// What follows from where the tries are. Of State::done the entry that waits until the standbys have it, too: the lock
/// is gone with the local commit.
Then tried(LockLadder const& ladder, Step const& step, std::string const& plan, Settings const& settings);

}  // namespace weir
