#pragma once
/// The rest of a run between contract and the drops, as long as the plan's quarantine lasts: its beginning is an entry,
/// its end the server's clock says. A child of the run machine; pure and copyable.
#include <optional>

#include "orchestrator/machine/ledger.h"
#include "orchestrator/machine/then.h"
#include "phases/program.h"

namespace weir {

class QuarantineRest {
  public:
    /// The run may go on to the drops.
    bool over() const { return over_; }
    /// The run has come to it: the entry that begins it, or a question to the control session.
    Then come(Program const& program, RunRecord const& record, Ids& ids, Commands& out);
    bool owns(CommandId id) const { return asking_ == id; }
    /// REQUIRES that this is the answer to what it owns.
    Then answered(Outcome const& outcome);

  private:
    std::optional<CommandId> asking_;
    bool over_{};
};

}  // namespace weir
