#include "orchestrator/machine/run_record.h"

#include <algorithm>
#include <array>

namespace weir {
namespace {

constexpr std::array kinds{
    std::pair{EntryKind::began, std::string_view{"began"}},
    std::pair{EntryKind::step_begun, std::string_view{"step_begun"}},
    std::pair{EntryKind::step_done, std::string_view{"step_done"}},
    std::pair{EntryKind::step_told, std::string_view{"step_told"}},
    std::pair{EntryKind::backed_up, std::string_view{"backed_up"}},
    std::pair{EntryKind::gate_opened, std::string_view{"gate_opened"}},
    std::pair{EntryKind::approval, std::string_view{"approval"}},
    std::pair{EntryKind::gate_approved, std::string_view{"gate_approved"}},
    std::pair{EntryKind::checked, std::string_view{"checked"}},
    std::pair{EntryKind::paused, std::string_view{"paused"}},
    std::pair{EntryKind::resumed, std::string_view{"resumed"}},
    std::pair{EntryKind::set, std::string_view{"set"}},
    std::pair{EntryKind::aborting, std::string_view{"aborting"}},
    std::pair{EntryKind::step_undone, std::string_view{"step_undone"}},
    std::pair{EntryKind::quarantined, std::string_view{"quarantined"}},
    std::pair{EntryKind::rolling_back, std::string_view{"rolling_back"}},
    std::pair{EntryKind::reopened, std::string_view{"reopened"}},
    std::pair{EntryKind::finished, std::string_view{"finished"}},
    std::pair{EntryKind::undone, std::string_view{"undone"}},
    std::pair{EntryKind::rolled_back, std::string_view{"rolled_back"}},
    std::pair{EntryKind::stopped, std::string_view{"stopped"}},
};

}  // namespace

std::string_view name(EntryKind kind) {
    return std::find_if(kinds.begin(), kinds.end(), [&](auto const& k) { return k.first == kind; })->second;
}

Sql insert_entry(RunId run, std::int64_t seq, Epoch epoch, EntryKind kind, std::string const& step,
                 EntryDetail const& detail) {
    auto const number = Int{static_cast<std::int64_t>(run)};
    std::vector<Sql> pairs;
    auto const add = [&](std::string const& key, std::string const& value) {
        if (!value.empty()) pairs.push_back(sql("{0}, {1}::text", Value{key}, Value{value}));
    };
    add("name", detail.name);
    add("plan", detail.plan);
    add("catalog", detail.catalog);
    add("version", detail.version);
    add("hash", detail.hash);
    add("identity", detail.identity);
    add("user", detail.user);
    add("message", detail.message);
    add("hint", detail.hint);
    auto const count = [&](char const* key, std::optional<std::int64_t> n) {
        if (n) add(key, std::to_string(*n));
    };
    count("rows_read", detail.rows_read);
    count("rows_filled", detail.rows_filled);
    count("rows_wrong", detail.rows_wrong);
    count("order", detail.order);
    add("key", detail.key);
    add("value", detail.value);
    count("quarantine_ms", detail.quarantine_ms);
    count("accept_loss", detail.accept_loss);
    add("file", detail.file);
    count("bytes", detail.bytes);
    add("sha256", detail.sha256);
    return sql(
        "INSERT INTO weir.entries (run, seq, epoch, kind, step, detail) VALUES ({0}, {1}, {2}, {3}, {4}, "
        "pg_catalog.jsonb_build_object({5}))",
        number, Int{seq}, Int{static_cast<std::int64_t>(epoch)}, Value{std::string{name(kind)}}, Value{step},
        Sql::join(pairs, ", "));
}

Batch read_run(std::string const& plan_name) {
    return {sql(R"(SELECT e.run, e.seq, e.kind, e.step, e.at::timestamptz(0), e.detail->>'name', e.detail->>'plan',
  e.detail->>'catalog', e.detail->>'version', e.detail->>'hash', e.detail->>'identity',
  e.detail->>'user', e.detail->>'order', e.detail->>'key', e.detail->>'value', e.detail->>'accept_loss',
  e.detail->>'file', e.detail->>'bytes'
FROM weir.entries e
WHERE e.run = (SELECT max(b.run) FROM weir.entries b WHERE b.kind = 'began' AND b.detail->>'name' = {0})
ORDER BY e.seq)",
                Value{plan_name})};
}

void apply(RunRecord& record, EntryKind kind, std::string const& step, EntryDetail const& detail) {
    switch (kind) {
        case EntryKind::began:
            record.begin = detail;
            return;
        case EntryKind::step_begun:
            record.begun.insert(step);
            return;
        case EntryKind::step_done:
            record.done.insert(step);
            return;
        case EntryKind::backed_up:
            record.done.insert(step);
            record.backups[step] = {detail.file, detail.bytes.value_or(0)};
            return;
        case EntryKind::gate_opened:
            record.gate_opened = true;
            return;
        case EntryKind::approval:
            record.approvals.insert(detail.user);
            return;
        case EntryKind::gate_approved:
            record.gate_approved = true;
            return;
        case EntryKind::paused:
            record.paused_by = detail.user;
            break;
        case EntryKind::resumed:
            record.paused_by.clear();
            break;
        case EntryKind::set:
            record.settings.emplace_back(detail.key, detail.value);
            break;
        case EntryKind::aborting:
            record.aborting = true;
            if (detail.accept_loss) record.accept_loss = detail.accept_loss;
            return;
        case EntryKind::step_undone:
            record.undone_steps.insert(step);
            return;
        case EntryKind::quarantined:
            record.quarantined = true;
            return;
        case EntryKind::rolling_back:
            record.aborting = record.rolling_back = true;
            record.accept_loss = detail.accept_loss;
            return;
        case EntryKind::reopened:
            record.reopened = true;
            record.last_abort = std::max(record.last_abort, detail.order.value_or(0));
            return;
        case EntryKind::finished:
            record.finished = true;
            return;
        case EntryKind::undone:
            record.undone = true;
            return;
        case EntryKind::rolled_back:
            record.undone = record.rolled_back = true;
            return;
        case EntryKind::stopped:
            if (detail.order) record.refused_abort = detail.order;
            return;
        case EntryKind::step_told:
        case EntryKind::checked:
            return;
    }
    record.last_order = std::max(record.last_order, detail.order.value_or(0));
}

namespace {

/// The fields of read_run() after `at`; those that a row ends before are not there.
EntryDetail detail_of(Row const& row) {
    auto const text = [&](std::size_t i) { return i < row.fields.size() ? row.fields[i].value_or("") : std::string{}; };
    auto const number = [&](std::size_t i) -> std::optional<std::int64_t> {
        auto const field = text(i);
        return field.empty() ? std::nullopt : std::optional<std::int64_t>{std::stoll(field)};
    };
    EntryDetail detail;
    detail.name = text(5);
    detail.plan = text(6);
    detail.catalog = text(7);
    detail.version = text(8);
    detail.hash = text(9);
    detail.identity = text(10);
    detail.user = text(11);
    detail.order = number(12);
    detail.key = text(13);
    detail.value = text(14);
    detail.accept_loss = number(15);
    detail.file = text(16);
    detail.bytes = number(17);
    return detail;
}

}  // namespace

std::optional<RunRecord> fold(std::vector<Row> const& rows) {
    if (rows.empty()) return std::nullopt;
    RunRecord record;
    for (auto const& row : rows) {
        auto const field = [&](std::size_t i) { return row.fields[i].value_or(""); };
        record.run = RunId{std::stoll(field(0))};
        record.last_seq = std::max<std::int64_t>(record.last_seq, std::stoll(field(1)));
        auto const kind = std::find_if(kinds.begin(), kinds.end(), [&](auto const& k) { return k.second == field(2); });
        if (kind == kinds.end()) continue;
        apply(record, kind->first, field(3), detail_of(row));
        if (kind->first == EntryKind::began) record.began_at = field(4);
        if (record.finished || record.undone) record.ended_at = field(4);
    }
    return record;
}

Batch audit_ledger() {
    std::vector<Sql> known;
    for (auto const& kind : kinds) known.push_back(sql("{0}", Value{std::string{kind.second}}));
    return {sql(R"(WITH r AS (SELECT e.run, max(e.seq) AS last, count(DISTINCT e.seq) AS different,
    pg_catalog.bool_or(e.kind = 'began' AND e.seq = 1) AS begins FROM weir.entries e GROUP BY e.run)
SELECT x.what FROM (
  SELECT 1 AS n, 'run ' || r.run || ' has no first entry' AS what FROM r WHERE NOT r.begins
  UNION ALL SELECT 2, 'run ' || r.run || ' has no entry ' || (SELECT min(s) FROM pg_catalog.generate_series(1, r.last) s
      WHERE NOT EXISTS (SELECT FROM weir.entries e WHERE e.run = r.run AND e.seq = s)) || ' of ' || r.last
    FROM r WHERE r.begins AND r.different <> r.last
  UNION ALL SELECT 3, 'run ' || e.run || ' has two entries ' || e.seq FROM weir.entries e GROUP BY e.run, e.seq
    HAVING count(*) > 1
  UNION ALL SELECT 4, 'entry ' || e.seq || ' of run ' || e.run || ' is of the kind ' || e.kind || ', which weir never wrote'
    FROM weir.entries e WHERE e.kind NOT IN ({0})
  UNION ALL SELECT 5, 'an entry was written under epoch ' || max(e.epoch) || ', and weir.meta says ' || max(m.epoch)
    FROM weir.entries e, weir.meta m HAVING max(e.epoch) > max(m.epoch)
  UNION ALL SELECT 6, 'the epoch falls at entry ' || e.seq || ' of run ' || e.run
    FROM (SELECT f.run, f.seq, f.epoch < pg_catalog.lag(f.epoch) OVER (PARTITION BY f.run ORDER BY f.seq) AS falls
          FROM weir.entries f) e WHERE e.falls
  UNION ALL SELECT 7, 'run ' || p.run || ' has no entries, and weir.progress has rows of it'
    FROM weir.progress p WHERE p.run NOT IN (SELECT r.run FROM r) GROUP BY p.run
  UNION ALL SELECT 8, 'run ' || f.run || ' has no entries, and function weir_sync.' || min(f.name) || ' is of it'
    FROM (SELECT p.proname::text AS name, pg_catalog.substring(p.proname::text, '^r([0-9]+)_')::bigint AS run
          FROM pg_catalog.pg_proc p WHERE p.pronamespace = pg_catalog.to_regnamespace('weir_sync')
            AND p.proname ~ '^r[0-9]{{1,18}}_') f
    WHERE f.run NOT IN (SELECT r.run FROM r) GROUP BY f.run) x
ORDER BY x.n, x.what LIMIT 5)",
                Sql::join(known, ", "))};
}

}  // namespace weir
