#pragma once
/// The run at its gate: how it comes to it, what an answer or a vote lets follow, and the proofs that are repeated
/// while it waits. The gate itself is in gate.h, when a proof is due in gate_proofs.h. A child of the run machine; pure
/// and copyable.
#include <cstdint>
#include <string>
#include <utility>

#include "orchestrator/machine/entries.h"
#include "orchestrator/machine/gate.h"
#include "orchestrator/machine/gate_proofs.h"
#include "orchestrator/machine/protocol.h"
#include "orchestrator/machine/then.h"
#include "phases/program.h"

namespace weir {

class GateKeeper {
  public:
    /// Where the run is.
    enum class Place : std::uint8_t {
        elsewhere,
        waiting,  ///< at the gate
        proving,  ///< at the gate, a proof is repeated
    };

    /// `no_wait`: the run ends (exit 3) where it would wait. `proofs_took`: the proofs when they were made last; 0: not
    /// known.
    GateKeeper(GateMachine::Config gate, bool no_wait, Millis proofs_took)
        : gate_{std::move(gate)}, proofs_{proofs_took}, no_wait_{no_wait} {}

    /// The run has come to it and waits, unless something follows.
    Then come(RunRecord const& record, Stamp at, Entries& entries, Ids& ids, Commands& out);
    Then vote(std::string const& user, Place place, Stamp at, Entries& entries, Commands& out);
    /// What the gate cannot be told is asked. REQUIRES that the run is at it.
    void watch(Place place, Ids& ids, Commands& out);

    bool owns(CommandId id) const { return gate_.owns(id); }
    /// `leaving`: it is not to be approved any more. REQUIRES owns(completed.command).
    Then completed(Stamp at, Completed const& completed, Place place, bool leaving, Commands& out);

    /// The proofs are to be repeated.
    bool due(Millis now) const { return proofs_.due(now); }
    /// The first of them. REQUIRES due().
    Then prove(Program const& program, RunRecord const& record, bool leaving, Stamp at, Ids& ids, Commands& out);
    /// What the one before has found is told, or it was given up: the next, or the run waits again.
    Then prove_next(Program const& program, RunRecord const& record, bool leaving, Stamp at, Ids& ids, Commands& out);
    /// The one that was begun last is in the ledger.
    void proven() { proofs_.proven(); }
    /// The run itself has made the proof of that step, if it is one that is repeated.
    void made(Step const& step, Millis took) {
        if (GateProofs::repeats(step)) proofs_.made(took);
    }
    Millis proofs_took() const { return proofs_.took(); }

  private:
    Then approved() const;
    Then pass(Place place) const;

    GateMachine gate_;
    GateProofs proofs_;
    bool no_wait_;
};

}  // namespace weir
