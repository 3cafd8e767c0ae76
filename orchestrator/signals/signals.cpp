#include "orchestrator/signals/signals.h"

#include "orchestrator/signals/active_sessions.h"
#include "orchestrator/signals/archive_backlog.h"
#include "orchestrator/signals/blocked_by_us.h"
#include "orchestrator/signals/freeze_age.h"
#include "orchestrator/signals/lock_queue.h"
#include "orchestrator/signals/oldest_xmin.h"
#include "orchestrator/signals/slot_retention.h"
#include "orchestrator/signals/sql_number.h"
#include "orchestrator/signals/wal_rate.h"

namespace weir {

std::vector<std::unique_ptr<Signal>> signals_of(Asked const& asked) {
    std::vector<std::unique_ptr<Signal>> signals;
    auto const wants = [&](std::string_view key) { return asked.keys.contains(key); };
    if (wants("wal_rate")) signals.push_back(std::make_unique<WalRate>());
    if (wants("slot_retention")) signals.push_back(std::make_unique<SlotRetention>());
    if (wants("freeze_age")) signals.push_back(std::make_unique<FreezeAge>());
    if (wants("active_sessions")) signals.push_back(std::make_unique<ActiveSessions>(asked.plan));
    if (wants("blocked_by_us")) signals.push_back(std::make_unique<BlockedByUs>(asked.plan));
    if (wants("lock_queue")) signals.push_back(std::make_unique<LockQueue>(asked.plan, asked.tables));
    if (wants("oldest_xmin")) signals.push_back(std::make_unique<OldestXmin>(asked.plan));
    if (wants("archive_backlog")) signals.push_back(std::make_unique<ArchiveBacklog>());
    for (auto const& [name, query] : asked.sql) signals.push_back(std::make_unique<SqlNumber>(name, query));
    return signals;
}

}  // namespace weir
