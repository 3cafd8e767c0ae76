#pragma once
/// How many sessions queue for the tables that are being changed.
#include <string>
#include <vector>

#include "orchestrator/signals/signal.h"

namespace weir {

/// Signal `lock_queue`: the number of sessions, the run's own not counted, that wait for a heavyweight lock on one of
/// the tables or on a partition of one: for the table itself, for one of its pages or rows, or for the transaction that
/// holds a row. Whoever they wait for, us or each other.
///
/// Cannot see: who waits for a transaction without having asked for a row first (two that insert the same key), because
/// the server does not say of which table; nor waits for light locks. A table that is not there has no queue.
///
/// Needs no privilege. Reads pg_locks once, and only when somebody waits for a lock.
class LockQueue : public Signal {
  public:
    /// `plan`: its name, by which its sessions introduce themselves.
    LockQueue(std::string plan, std::vector<TableName> tables) : plan_{std::move(plan)}, tables_{std::move(tables)} {}
    Batch measure() const override;
    std::vector<Reading> read(Outcome const& outcome, Millis now) override;

  private:
    std::string plan_;
    std::vector<TableName> tables_;
};

}  // namespace weir
