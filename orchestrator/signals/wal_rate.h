#pragma once
/// How much WAL the server writes.
#include <deque>
#include <vector>

#include "orchestrator/signals/signal.h"

namespace weir {

/// Signal `wal_rate`, in bytes a second: how far the primary's insert position moved, by everybody's work, over the
/// last two seconds, or since the measurement before this one when that is longer ago.
///
/// The first measurement has no value, nor has the first after the position fell (a failover to a server that had
/// received less). The rest of a segment that a switch skips (archive_timeout, pg_switch_wal) counts as written.
///
/// Needs no privilege, and costs next to nothing.
class WalRate : public Signal {
  public:
    Batch measure() const override;
    std::vector<Reading> read(Outcome const& outcome, Millis now) override;

  private:
    struct Sample {
        std::int64_t lsn{};
        Millis at{};
    };
    std::deque<Sample> history_;  ///< the front is the youngest that is two seconds old, or what there is
};

}  // namespace weir
