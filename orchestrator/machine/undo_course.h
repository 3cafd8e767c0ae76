#pragma once
/// The course of an undo: whether an abort or a rollback begins, and what comes next until all is undone. Where the
/// undo stands is in undo.h; what it would lose is judged by losses.h. A view for one input; pure.
#include <cstdint>
#include <optional>

#include "orchestrator/machine/backfill.h"
#include "orchestrator/machine/intent.h"
#include "orchestrator/machine/ledger.h"
#include "orchestrator/machine/losses.h"
#include "orchestrator/machine/orders.h"
#include "orchestrator/machine/protocol.h"
#include "orchestrator/machine/then.h"
#include "orchestrator/machine/undo.h"
#include "phases/program.h"

namespace weir {

struct UndoCourse {
    Undo& undo;
    Orders& orders;
    Intent& intent;  ///< an undo that begins, or must not, makes it go_on; never where it is stop
    Program const& program;
    RunRecord const& record;
    Epoch epoch{};
    std::optional<std::int64_t> accept_loss;  ///< by an option; nothing: as the ledger says
    bool by_command{};                        ///< the command itself asked for the undo
    Stamp at;

    /// In the midst of contract it becomes a rollback. REQUIRES Intent::abort, and that no undo has begun.
    Then abort(Ids& ids, Commands& out) const;
    /// What it would lose is asked first. REQUIRES Intent::roll_back.
    Then roll_back(Ids& ids, Commands& out) const;
    /// It is in the ledger, or goes on as that says.
    void begun() const;
    /// REQUIRES that an undo has begun.
    Then next(Ids& ids, Commands& out) const;
    /// The answer to what the undo owns.
    Then answered(Outcome const& outcome, Ids& ids, Commands& out) const;
    /// The batches that count what a step loses.
    Then counted(BackfillMachine const& batches, Ids& ids, Commands& out) const;
    /// It is not begun, and the ledger stays as it is. That an order was refused is written down, or every weir to come
    /// would refuse it again and could not go forward.
    Then refused(Problem const& why, Commands& out) const;

  private:
    Losses losses() const;
    void say(Commands& out, decltype(Event::what) what) const;
};

}  // namespace weir
