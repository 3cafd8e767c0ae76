#include "orchestrator/signals/blocked_by_us.h"

#include "orchestrator/signals/answer.h"

namespace weir {
namespace {

constexpr auto key = "blocked_by_us";

}  // namespace

Batch BlockedByUs::measure() const {
    // The inner LIMIT keeps the order for the outer one: pg_blocking_pids() is called longest wait first, and no
    // further than the first hit.
    return {sql(R"(WITH ours AS MATERIALIZED (
    SELECT coalesce(pg_catalog.array_agg(a.pid), '{{}}') AS pids FROM pg_catalog.pg_stat_activity AS a WHERE {0}
)
SELECT coalesce(b.seconds, 0), b.pid,
       (SELECT a.application_name FROM pg_catalog.pg_stat_activity AS a WHERE a.pid = b.pid)
FROM (SELECT) AS one
LEFT JOIN (
    SELECT w.pid,
           greatest(pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - w.waitstart), 0) AS seconds
    FROM (SELECT l.pid, l.waitstart FROM pg_catalog.pg_locks AS l
          WHERE {1} AND NOT l.granted AND l.waitstart IS NOT NULL
            AND l.pid <> ALL ((SELECT o.pids FROM ours AS o)::pg_catalog.int4[])
          ORDER BY l.waitstart LIMIT 64) AS w
    WHERE pg_catalog.pg_blocking_pids(w.pid) OPERATOR(pg_catalog.&&) (SELECT o.pids FROM ours AS o)
    LIMIT 1
) AS b ON true)",
                answer::ours(plan_), answer::somebody_waits())};
}

std::vector<Reading> BlockedByUs::read(Outcome const& outcome, Millis /*now*/) {
    auto const* row = answer::only_row(outcome, 3);
    auto const seconds = row != nullptr ? answer::number(row->fields[0]) : std::nullopt;
    if (!seconds) return {answer::unread(key, "s", answer::why(outcome))};
    auto reading = answer::reading(key, "s");
    reading.value = *seconds;
    if (row->fields[1]) {
        reading.remark = "pid " + *row->fields[1];
        if (auto const name = row->fields[2].value_or(""); !name.empty()) reading.remark += " (" + name + ")";
        reading.remark += " waits";
    }
    return {reading};
}

}  // namespace weir
