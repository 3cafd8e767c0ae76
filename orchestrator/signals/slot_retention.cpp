#include "orchestrator/signals/slot_retention.h"

#include <utility>

#include "orchestrator/signals/answer.h"

namespace weir {
namespace {

constexpr auto key = "slot_retention";
constexpr auto unit = "B";

enum Column : std::size_t { slot, retained, status, active, columns };

}  // namespace

Batch SlotRetention::measure() const {
    // From 16 on a slot can be lost and still tell a restart position, which holds nothing.
    return {sql(R"(SELECT s.slot_name, s.retained, s.wal_status, s.active
FROM (SELECT) AS one
LEFT JOIN (
    SELECT s.slot_name, s.wal_status, s.active,
           CASE WHEN s.wal_status = 'lost' OR s.restart_lsn IS NULL THEN 0
                ELSE greatest(pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_insert_lsn(), s.restart_lsn), 0)
           END::pg_catalog.int8 AS retained
    FROM pg_catalog.pg_replication_slots AS s
) AS s ON true
ORDER BY s.retained DESC, s.wal_status = 'lost' DESC, s.slot_name LIMIT 8)")};
}

std::vector<Reading> SlotRetention::read(Outcome const& outcome, Millis /*now*/) {
    std::vector<Reading> readings;
    if (outcome.fate != Fate::done || outcome.rows.empty()) return {answer::unread(key, unit, answer::why(outcome))};
    for (auto const& row : outcome.rows) {
        if (row.fields.size() != columns) return {answer::unread(key, unit, answer::why(outcome))};
        auto reading = answer::reading(key, unit);
        // The row of the left join: no slot.
        if (!row.fields[slot]) {
            reading.value = 0;
            return {reading};
        }
        auto const bytes = answer::integer(row.fields[retained]);
        if (!bytes) return {answer::unread(key, unit, answer::why(outcome))};
        reading.subject = *row.fields[slot];
        reading.value = static_cast<double>(*bytes);
        if (auto const word = row.fields[status].value_or(""); word == "lost")
            reading.remark = "the slot is lost: the WAL that it needs is gone";
        else if (word == "unreserved")
            reading.remark = "the slot is unreserved: the next checkpoint may remove what it needs";
        else if (row.fields[active] == "f")
            reading.remark = "the slot is inactive";
        readings.push_back(std::move(reading));
    }
    return readings;
}

}  // namespace weir
