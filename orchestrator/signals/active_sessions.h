#pragma once
/// How busy the server is with its clients.
#include <string>
#include <vector>

#include "orchestrator/signals/signal.h"

namespace weir {

/// Signal `active_sessions`: the number of client sessions of the whole server, all databases, that run a statement at
/// this moment or wait for a lock in it, the run's own not counted. Parallel workers, background processes and
/// replication are no clients, and a session that is idle in its transaction is not active.
///
/// Needs pg_read_all_stats (which pg_monitor includes) when sessions belong to other roles: as long as one of them
/// hides what it does, there is no value. Costs one look at pg_stat_activity.
class ActiveSessions : public Signal {
  public:
    /// `plan`: its name, by which its sessions introduce themselves.
    explicit ActiveSessions(std::string plan) : plan_{std::move(plan)} {}
    Batch measure() const override;
    std::vector<Reading> read(Outcome const& outcome, Millis now) override;

  private:
    std::string plan_;
};

}  // namespace weir
