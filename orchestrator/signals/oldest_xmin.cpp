#include "orchestrator/signals/oldest_xmin.h"

#include <algorithm>

#include "orchestrator/signals/answer.h"

namespace weir {
namespace {

constexpr auto key = "oldest_xmin";

enum Column : std::size_t { next, hidden, behind, seconds, who, columns };

}  // namespace

Batch OldestXmin::measure() const {
    // age() counts from one and the same ID within a statement, so the difference of two is their distance.
    return {sql(R"(SELECT n.next, u.hidden, h.behind, h.seconds, h.who
FROM (SELECT pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot()) AS next) AS n
CROSS JOIN (SELECT pg_catalog.count(*) AS hidden FROM pg_catalog.pg_stat_activity AS a
            WHERE {0} OR (a.backend_type IS NULL AND NOT pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE')
                          AND EXISTS (SELECT FROM pg_catalog.pg_stat_replication AS r WHERE r.pid = a.pid))) AS u
LEFT JOIN LATERAL (
    SELECT pg_catalog.age(x.xid) - pg_catalog.age(n.next::pg_catalog.xid) AS behind, x.seconds, x.who
    FROM (
        SELECT b.xid, pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - a.xact_start) AS seconds,
               'pid ' || a.pid || ' (' || coalesce(nullif(a.application_name, ''), a.backend_type) || ')' AS who
        FROM pg_catalog.pg_stat_activity AS a
        CROSS JOIN LATERAL (VALUES (a.backend_xid),
            (CASE WHEN a.datname = pg_catalog.current_database() OR a.backend_type = 'walsender'
                  THEN a.backend_xmin END)) AS b(xid)
        WHERE b.xid IS NOT NULL AND NOT {1}
          AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_progress_vacuum AS v WHERE v.pid = a.pid)
        UNION ALL
        SELECT p.transaction, pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - p.prepared),
               'prepared transaction ' || p.gid
        FROM pg_catalog.pg_prepared_xacts AS p
        UNION ALL
        SELECT s.xmin, NULL, 'slot ' || s.slot_name
        FROM pg_catalog.pg_replication_slots AS s WHERE s.xmin IS NOT NULL
    ) AS x
    ORDER BY behind DESC, x.seconds DESC NULLS LAST, x.who LIMIT 1
) AS h ON true)",
                answer::hidden(), answer::ours(plan_))};
}

std::vector<Reading> OldestXmin::read(Outcome const& outcome, Millis now) {
    auto const* row = answer::only_row(outcome, columns);
    auto const position = row != nullptr ? answer::integer(row->fields[next]) : std::nullopt;
    auto const unseen = row != nullptr ? answer::integer(row->fields[hidden]) : std::nullopt;
    if (!position || !unseen) return {answer::unread(key, "s", answer::why(outcome))};
    next_.note(*position, now);
    if (*unseen > 0) return {answer::unread(key, "s", answer::sessions_are_hidden(*unseen))};
    auto reading = answer::reading(key, "s");
    reading.value = 0;
    auto const distance = answer::integer(row->fields[behind]);
    if (!distance || *distance <= 0) return {reading};
    auto const to_seconds = [](Millis time) { return static_cast<double>(time.count()) / 1000; };
    if (auto const since = next_.since(*position - *distance, now))
        reading.value = to_seconds(*since);
    else
        reading.value = std::max(to_seconds(next_.watched(now)), answer::number(row->fields[seconds]).value_or(0));
    reading.remark = "held by " + row->fields[who].value_or("somebody");
    return {reading};
}

}  // namespace weir
