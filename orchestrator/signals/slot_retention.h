#pragma once
/// How much WAL replication slots keep from being removed.
#include <vector>

#include "orchestrator/signals/signal.h"

namespace weir {

/// Signal `slot_retention`, in bytes: one reading a replication slot, subject its name, worst first and no more than 8:
/// the WAL between the slot's restart position and the primary's insert position. One reading of 0 without subject when
/// the server has no slot.
///
/// A slot that the server has given up on (`lost`) retains nothing, reads 0, and its remark says so; so does the remark
/// of one that is about to be (`unreserved`), whose value is what it still needs. A slot that nobody uses says that it
/// is inactive.
///
/// Needs no privilege, and costs one look at pg_replication_slots.
class SlotRetention : public Signal {
  public:
    Batch measure() const override;
    std::vector<Reading> read(Outcome const& outcome, Millis now) override;
};

}  // namespace weir
