#pragma once
/// What follows from what an undo would lose: what is asked and counted next, and whether so much was accepted. The
/// figures are the undo's (undo.h). A view for one input; pure.
#include <cstdint>
#include <string>

#include "orchestrator/machine/backfill.h"
#include "orchestrator/machine/ledger.h"
#include "orchestrator/machine/then.h"
#include "orchestrator/machine/undo.h"
#include "phases/program.h"

namespace weir {

struct Losses {
    Undo& undo;
    Program const& program;
    RunRecord const& record;
    Epoch epoch{};
    std::string const& user;  ///< who asked for the undo
    std::int64_t accepted{};  ///< values that need not go back, or rows whose values are given up
    bool stopping{};          ///< nothing is begun any more

    /// The answer to Undo::count(): the values that a rollback would lose.
    Then values_counted(Outcome const& outcome) const;
    /// What the next step would lose; when all were weighed, whether that was accepted.
    Then next(Ids& ids, Commands& out) const;
    /// The answer of Undo::State::guarding.
    Then guarded(Outcome const& outcome, Ids& ids, Commands& out) const;
    /// The batches that count the rows of a step.
    Then counted(BackfillMachine const& batches, Ids& ids, Commands& out) const;

  private:
    Then weighed() const;
    Then accept(EntryKind kind) const;
};

}  // namespace weir
