#include "orchestrator/run/runs.h"

#include <boost/json.hpp>

#include "orchestrator/postgres/leadership.h"

namespace weir {
namespace {

std::string text(Row const& row, std::size_t i) { return row.fields[i].value_or(""); }

std::optional<double> seconds(Row const& row, std::size_t i) {
    if (!row.fields[i]) return std::nullopt;
    return std::stod(*row.fields[i]);
}

std::optional<std::int64_t> number(Row const& row, std::size_t i) {
    if (!row.fields[i]) return std::nullopt;
    return std::stoll(*row.fields[i]);
}

Sql runs(Sql const& which) {
    return sql(R"(SELECT b.run, b.detail->>'name', b.at::timestamptz(0), coalesce(last.kind, ''),
  (SELECT max(e.at)::timestamptz(0) FROM weir.entries e WHERE e.run = b.run),
  coalesce((SELECT e.step FROM weir.entries e WHERE e.run = b.run AND e.step <> '' ORDER BY e.seq DESC LIMIT 1), ''),
  (SELECT count(DISTINCT e.step) FROM weir.entries e WHERE e.run = b.run AND e.kind IN ('step_done', 'backed_up')),
  EXISTS (SELECT FROM weir.entries e WHERE e.run = b.run AND e.kind = 'gate_opened'),
  EXISTS (SELECT FROM weir.entries e WHERE e.run = b.run AND e.kind = 'gate_approved'),
  EXISTS (SELECT FROM weir.entries e WHERE e.run = b.run AND e.kind = 'aborting'),
  CASE WHEN last.kind = 'stopped' THEN last.detail->>'message' END,
  CASE WHEN last.kind = 'stopped' THEN last.detail->>'hint' END,
  coalesce((SELECT CASE WHEN e.kind = 'paused' THEN e.detail->>'user' END FROM weir.entries e
    WHERE e.run = b.run AND e.kind IN ('paused', 'resumed') ORDER BY e.seq DESC LIMIT 1), ''),
  aside.until::timestamptz(0), pg_catalog.clock_timestamp() >= aside.until,
  EXISTS (SELECT FROM weir.entries e WHERE e.run = b.run AND e.kind = 'rolling_back'),
  EXISTS (SELECT FROM weir.entries e WHERE e.run = b.run AND e.kind = 'reopened'),
  CASE WHEN aside.until IS NULL THEN 0 ELSE {1} END,
  extract(epoch FROM b.at), (SELECT extract(epoch FROM max(e.at)) FROM weir.entries e WHERE e.run = b.run),
  extract(epoch FROM aside.until), b.by_user,
  (SELECT json_agg(DISTINCT e.detail->>'user') FROM weir.entries e WHERE e.run = b.run AND e.kind = 'approval')
FROM weir.entries b
LEFT JOIN LATERAL (SELECT e.kind, e.detail FROM weir.entries e WHERE e.run = b.run ORDER BY e.seq DESC LIMIT 1) last ON true
LEFT JOIN LATERAL (SELECT {2} AS until
  FROM weir.entries e WHERE e.run = b.run AND e.kind = 'quarantined' ORDER BY e.seq LIMIT 1) aside ON true
WHERE b.kind = 'began' AND {0} ORDER BY b.run)",
               which, values_lost(sql("b.run")), end_of_quarantine());
}

}  // namespace

Batch list_runs(std::string const& name) {
    return {runs(name.empty() ? sql("true") : sql("b.detail->>'name' = {0}", Value{name}))};
}

Batch list_history(std::size_t most) {
    return {
        sql("SET LOCAL transaction_read_only = on"),
        sql(R"(SELECT l.*, times.phases, filled.rows, proven.rows_read, proven.rows_filled, proven.rows_wrong
FROM ({0}) l
LEFT JOIN LATERAL (SELECT json_object_agg(s.phase, s.ms) AS phases FROM (
  SELECT split_part(e.step, '.', 1) AS phase, round(1000 * extract(epoch FROM sum(e.at - e.before)))::bigint AS ms
  FROM (SELECT e.step, e.kind, e.at, lag(e.at) OVER history AS before, lag(e.kind) OVER history AS after_kind
    FROM weir.entries e WHERE e.run = l.run AND e.kind IN ('began', 'step_begun', 'step_done', 'step_told', 'backed_up',
      'checked', 'gate_opened', 'gate_approved', 'quarantined', 'rolling_back', 'reopened', 'aborting', 'step_undone')
    WINDOW history AS (ORDER BY e.seq)) e
  WHERE e.step <> '' AND e.kind IN ('step_begun', 'step_done', 'step_told', 'backed_up')
    AND e.after_kind NOT IN ('quarantined', 'reopened') GROUP BY 1) s) times ON true
LEFT JOIN LATERAL (SELECT coalesce(sum(p.rows), 0) AS rows FROM weir.progress p
  WHERE p.run = l.run AND p.step LIKE 'backfill.%') filled ON true
LEFT JOIN LATERAL (SELECT sum(e.rows_read) AS rows_read, sum(e.rows_filled) AS rows_filled, sum(e.rows_wrong) AS rows_wrong
  FROM (SELECT DISTINCT ON (e.step) (e.detail->>'rows_read')::bigint AS rows_read,
      coalesce((e.detail->>'rows_filled')::bigint, 0) AS rows_filled,
      coalesce((e.detail->>'rows_wrong')::bigint, 0) AS rows_wrong
    FROM weir.entries e WHERE e.run = l.run AND e.kind IN ('step_done', 'checked') AND e.detail ? 'rows_read'
    ORDER BY e.step, e.seq DESC) e) proven ON true
ORDER BY l.run DESC)",
            runs(sql("b.run IN (SELECT n.run FROM weir.entries n WHERE n.kind = 'began' ORDER BY n.run DESC LIMIT {0})",
                     Int{static_cast<std::int64_t>(most)})))};
}

Standing standing_of(Row const& row) {
    std::string const last = text(row, 3);
    if (last == "finished") return Standing::done;
    if (last == "undone") return Standing::undone;
    if (last == "rolled_back") return Standing::rolled_back;
    if (text(row, 15) == "t") return Standing::rolling_back;
    if (!text(row, 13).empty()) return text(row, 14) == "t" ? Standing::aside_over : Standing::aside;
    if (text(row, 9) == "t") return Standing::undoing;
    if (!text(row, 12).empty()) return Standing::paused;
    bool const at_gate = text(row, 7) == "t" && text(row, 8) != "t";
    if (last == "stopped") return at_gate ? Standing::stopped_at_gate : Standing::stopped;
    return at_gate ? Standing::at_gate : Standing::running;
}

std::string in_words(Standing standing, bool led) {
    std::string const alone = led ? "" : ", nobody works on it";
    switch (standing) {
        case Standing::running:
            return led ? "running" : "begun" + alone;
        case Standing::at_gate:
            return "waiting at gate contract";
        case Standing::stopped:
            return "stopped";
        case Standing::stopped_at_gate:
            return "stopped at gate contract";
        case Standing::paused:
            return "paused" + alone;
        case Standing::undoing:
            return "undoing" + alone;
        case Standing::undone:
            return "undone";
        case Standing::aside:
            return "in quarantine";
        case Standing::aside_over:
            return "quarantine is over";
        case Standing::rolling_back:
            return "rolling back" + alone;
        case Standing::rolled_back:
            return "rolled back";
        case Standing::done:
            return "done";
    }
    return "";
}

bool is_over(Standing standing) {
    return standing == Standing::done || standing == Standing::undone || standing == Standing::rolled_back;
}
bool is_aside(Standing standing) { return standing == Standing::aside || standing == Standing::aside_over; }

LedgerRun run_of(Row const& row, std::string const& leader) {
    LedgerRun one;
    one.run = number(row, 0).value_or(0);
    one.plan = text(row, 1);
    one.led = leader == control_name(one.plan);
    one.standing = standing_of(row);
    one.by = text(row, 21);
    one.began = seconds(row, 18).value_or(0);
    one.last = seconds(row, 19).value_or(0);
    if (is_aside(one.standing)) {
        one.quarantine_ends = seconds(row, 20);
        one.values_not_back = number(row, 17).value_or(0);
    }
    one.stopped = text(row, 10);
    one.hint = text(row, 11);
    return one;
}

RunWork work_of_run(Row const& row) {
    constexpr std::size_t first = 23;
    RunWork work;
    // In the order of the life of a run.
    if (row.fields[first]) {
        auto const times = boost::json::parse(*row.fields[first]).as_object();
        for (auto const phase : {Phase::expand, Phase::backfill, Phase::proof, Phase::contract, Phase::quarantine})
            if (auto const* time = times.if_contains(name(phase)))
                work.phases_ms.emplace_back(name(phase), time->to_number<std::int64_t>());
    }
    work.rows = number(row, first + 1).value_or(0);
    work.rows_read = number(row, first + 2);
    work.rows_filled = number(row, first + 3);
    work.rows_wrong = number(row, first + 4);
    return work;
}

}  // namespace weir
