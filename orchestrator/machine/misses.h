#pragma once
/// What a person reads of rows that a proof found wrong and that weir may not fill. Pure.
#include "orchestrator/machine/backfill.h"
#include "plans/event.h"
#include "plans/problem.h"
#include "plans/step.h"

namespace weir {

/// REQUIRES of all of these that `proof` has come to its end and that there are such rows; `proven` is what it was made
/// for, or the step. Why the run stops:
Problem misses(BackfillMachine const& proof, Rows const& proven, bool gate_opened);
/// Why an undo stops before the column that was set aside comes back.
Problem misses_aside(BackfillMachine const& proof, Step const& step);
/// While the gate is open.
Warned misses_at_gate(BackfillMachine const& proof, Rows const& proven);

}  // namespace weir
