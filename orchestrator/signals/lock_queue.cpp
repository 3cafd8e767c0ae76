#include "orchestrator/signals/lock_queue.h"

#include "orchestrator/signals/answer.h"

namespace weir {
namespace {

constexpr auto key = "lock_queue";
constexpr auto unit = "sessions";

}  // namespace

Batch LockQueue::measure() const {
    std::vector<Sql> oids;
    for (auto const& table : tables_)
        oids.push_back(sql("pg_catalog.to_regclass({0})::pg_catalog.oid", Value{sql("{0}", table).text()}));
    // Who waits for the transaction that holds a row keeps its place at that row by a tuple lock, which names the
    // table.
    return {sql(R"(WITH t AS MATERIALIZED (SELECT ARRAY[{0}]::pg_catalog.oid[] AS tables),
l AS MATERIALIZED (
    SELECT l.pid, l.granted, l.database, l.relation FROM pg_catalog.pg_locks AS l
    WHERE {1} AND (NOT l.granted OR l.locktype = 'tuple')
)
SELECT pg_catalog.count(DISTINCT w.pid)
FROM l AS w JOIN l AS r ON r.pid = w.pid
WHERE NOT w.granted
  AND r.database = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database())
  AND (r.relation = ANY ((SELECT t.tables FROM t)::pg_catalog.oid[])
       OR EXISTS (SELECT FROM pg_catalog.pg_partition_ancestors(r.relation) AS p
                  WHERE p.relid = ANY ((SELECT t.tables FROM t)::pg_catalog.oid[])))
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_activity AS a WHERE a.pid = w.pid AND {2}))",
                Sql::join(oids, ", "), answer::somebody_waits(), answer::ours(plan_))};
}

std::vector<Reading> LockQueue::read(Outcome const& outcome, Millis /*now*/) {
    auto const* row = answer::only_row(outcome, 1);
    auto const count = row != nullptr ? answer::integer(row->fields[0]) : std::nullopt;
    if (!count) return {answer::unread(key, unit, answer::why(outcome))};
    auto reading = answer::reading(key, unit);
    reading.value = static_cast<double>(*count);
    return {reading};
}

}  // namespace weir
