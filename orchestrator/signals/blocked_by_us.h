#pragma once
/// How long the application has been waiting for us.
#include <string>
#include <vector>

#include "orchestrator/signals/signal.h"

namespace weir {

/// Signal `blocked_by_us`, in seconds: for how long that session has been waiting which has waited longest for a lock
/// that one of the run's sessions holds, or asked for before it and waits for itself. 0 when nobody waits so; the
/// remark names the one that does.
///
/// Direct waits only: who waits for a session that waits for us counts as soon as that one is through or gone. Of
/// several hundred that wait at once the 64 longest waits are looked at. A wait shorter than the poll may be missed.
///
/// Needs no privilege. Reads pg_locks only when somebody waits for a lock, and then asks pg_blocking_pids(), which
/// stops the lock manager for a moment, for one waiter after the other until the first that waits for us.
class BlockedByUs : public Signal {
  public:
    /// `plan`: its name, by which its sessions introduce themselves.
    explicit BlockedByUs(std::string plan) : plan_{std::move(plan)} {}
    Batch measure() const override;
    std::vector<Reading> read(Outcome const& outcome, Millis now) override;

  private:
    std::string plan_;
};

}  // namespace weir
