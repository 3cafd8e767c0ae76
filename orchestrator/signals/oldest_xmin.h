#pragma once
/// How long dead rows must be kept for somebody who may still look at them.
#include <string>
#include <vector>

#include "orchestrator/signals/signal.h"
#include "orchestrator/signals/trail.h"

namespace weir {

/// Signal `oldest_xmin`, in seconds: how far back the xmin horizon of this database lies. Row versions that died since
/// then cannot be removed, by VACUUM or in passing, so each update needs room of its own. The remark names who holds
/// it: a session, a prepared transaction or a replication slot.
///
/// It is held by snapshots in this database, by transactions that write and by prepared ones in any database, and by
/// standbys and slots that feed back the xmin of their queries (a logical slot's catalog_xmin holds no table of the
/// application). The run's own sessions and a running VACUUM are not counted. Slots and standbys tell a transaction ID
/// and no time, so the time is kept here: each measurement notes the next transaction ID, and the horizon is as old as
/// the newest note that it has passed. So an idle server reads 0, whatever is open: nothing dies. And a long
/// transaction whose statements each take a new snapshot holds nothing either. What was held already at the first
/// measurement is as old as its transaction, and no younger than that measurement; for a slot or a standby only the
/// latter is known.
///
/// Never too small but in that last case; too large by one poll at most (3 % when far behind). CREATE INDEX
/// CONCURRENTLY of others counts, though not all of its forms hold the horizon.
///
/// Needs pg_read_all_stats (which pg_monitor includes) when sessions belong to other roles: as long as one of them
/// hides what it does, there is no value. Costs one look at pg_stat_activity, pg_prepared_xacts and
/// pg_replication_slots.
class OldestXmin : public Signal {
  public:
    /// `plan`: its name, by which its sessions introduce themselves.
    explicit OldestXmin(std::string plan) : plan_{std::move(plan)} {}
    Batch measure() const override;
    std::vector<Reading> read(Outcome const& outcome, Millis now) override;

  private:
    std::string plan_;
    Trail next_;  ///< of next transaction IDs
};

}  // namespace weir
