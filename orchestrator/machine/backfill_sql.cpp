#include "orchestrator/machine/backfill_sql.h"

#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "phases/craft/shape.h"

namespace weir {
namespace {

Value page(std::int64_t number) { return Value{"(" + std::to_string(number) + ",0)"}; }

Int number(RunId run) { return Int{static_cast<std::int64_t>(run)}; }

/// The table's name as a literal, for regclass and to_regclass().
Value name_literal(TableName const& table) { return Value{sql("{0}", table).text()}; }

void append(Batch& batch, Batch more) {
    batch.insert(batch.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

/// What every transaction before is over for everybody: running xids of the whole cluster, snapshots held in this
/// database or by walsenders, and physical slots (logical slots and snapshots of other databases are
/// harmless). Who is a walsender shows with pg_read_all_stats only; without it the HOT share tells.
Sql horizon_now() {
    return sql(R"((SELECT least(pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot())::pg_catalog.text::bigint,
    h.now OPERATOR(pg_catalog.-) (SELECT pg_catalog.max(pg_catalog.age(a.backend_xmin)) FROM pg_catalog.pg_stat_activity a
             WHERE a.pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid()
               AND (a.datname OPERATOR(pg_catalog.=) pg_catalog.current_database() OR a.backend_type OPERATOR(pg_catalog.=) 'walsender')),
    h.now OPERATOR(pg_catalog.-) (SELECT pg_catalog.max(pg_catalog.age(s.xmin)) FROM pg_catalog.pg_replication_slots s))
  FROM (SELECT pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::pg_catalog.text::bigint AS now) h))");
}

/// A fill's settings: small plans are cheap, and a page range must never be read by a scan of the whole table.
Batch quiet_plans() {
    return {sql("SET LOCAL synchronous_commit = off"), sql("SET LOCAL enable_seqscan = off"),
            sql("SET LOCAL jit = off"), sql("SET LOCAL max_parallel_workers_per_gather = 0")};
}

Batch forget_progress(ProgressKey const& progress, bool all) {
    Int const run = number(progress.run);
    Value const step{progress.step};
    // What was wrong when the run stopped is looked at again.
    Batch batch{
        sql("UPDATE weir.progress SET next_page = from_page, rows = 0, hot = 0, misses = 0 "
            "WHERE run = {0} AND step = {1} AND misses > 0",
            run, step)};
    if (all)
        batch.push_back(
            sql("UPDATE weir.progress SET next_page = from_page, rows = 0, hot = 0 WHERE run = {0} AND step = {1}", run,
                step));
    return batch;
}

/// Into weir.changed, before the progress that shows it is deleted.
Sql note_root_changes(Rows const& rows, ProgressKey const& progress, bool proof) {
    Sql const root_changed = sql(R"(SELECT pg_catalog.string_agg(DISTINCT pg_catalog.split_part(x.item, ' #', 1), ', ')
  FROM weir.progress p JOIN weir.shapes(pg_catalog.to_regclass({2})) s ON s.leaf = p.leaf,
    LATERAL ((SELECT pg_catalog.unnest(p.shape) AS item EXCEPT SELECT pg_catalog.unnest(s.shape))
      UNION (SELECT pg_catalog.unnest(s.shape) EXCEPT SELECT pg_catalog.unnest(p.shape))) x
  WHERE p.run = {0} AND p.step = {1} AND p.from_page = 0 AND x.item NOT LIKE 'partition %')",
                                 number(progress.run), Value{progress.step}, name_literal(rows.table));
    return sql("SELECT pg_catalog.set_config('weir.changed', coalesce(({0}), ''), true)",
               proof ? root_changed : sql("NULL"));
}

/// A table that was rewritten or truncated has another file: its pages say nothing any more. A partition that was
/// detached is none of ours. What a proof has seen stands on the shape, too; a fill is proven anyway.
Sql drop_stale_progress(Rows const& rows, ProgressKey const& progress, bool proof) {
    Sql const same = proof ? sql("p.filenode = s.filenode AND p.shape = s.shape") : sql("p.filenode = s.filenode");
    return sql(
        "DELETE FROM weir.progress WHERE run = {0} AND step = {1} AND leaf NOT IN (SELECT s.leaf "
        "FROM weir.shapes(pg_catalog.to_regclass({2})) s JOIN weir.progress p ON p.run = {0} AND p.step = {1} "
        "AND p.leaf = s.leaf AND p.from_page = 0 AND {3})",
        number(progress.run), Value{progress.step}, name_literal(rows.table), same);
}

/// New leaves and new pages at the end get stripes of their own. They are open at a time over all leaves, and a
/// sweep is no longer than its stripe: small leaves are not cut smaller.
Sql make_stripes(Rows const& rows, ProgressKey const& progress, std::int64_t pages_at_most) {
    return sql(R"(INSERT INTO weir.progress (run, step, leaf, from_page, to_page, next_page, filenode, shape)
SELECT {0}, {1}, k.leaf, s, least(s + k.width, k.pages), s, k.filenode, CASE WHEN s = 0 THEN k.shape END
FROM (SELECT l.leaf, l.pages, l.filenode, l.shape,
        greatest(16, least({3}, ((pg_catalog.sum(l.pages) OVER ())::bigint + 15) / 16)) AS width,
        coalesce((SELECT max(p.to_page) FROM weir.progress p WHERE p.run = {0} AND p.step = {1} AND p.leaf = l.leaf), 0) AS first
      FROM weir.shapes(pg_catalog.to_regclass({2})) l) k,
  LATERAL pg_catalog.generate_series(k.first, k.pages - 1, k.width) s)",
               number(progress.run), Value{progress.step}, name_literal(rows.table), Int{pages_at_most});
}

Sql read_stripes(Rows const& rows, ProgressKey const& progress) {
    return sql(R"(SELECT p.leaf, n.nspname, c.relname, p.filenode, p.from_page, p.to_page, p.next_page, p.rows,
  CASE WHEN row_number() OVER (PARTITION BY p.leaf ORDER BY p.from_page) = 1 THEN greatest(c.reltuples, 0)::bigint ELSE 0 END,
  CASE WHEN c.relpages > 0 THEN greatest(c.reltuples, 0) / c.relpages ELSE 0 END, current_setting('track_counts'),
  pg_catalog.to_regclass({2})::oid, current_setting('weir.changed')
FROM weir.progress p JOIN pg_catalog.pg_class c ON c.oid = p.leaf JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE p.run = {0} AND p.step = {1} ORDER BY n.nspname, c.relname, p.from_page)",
               number(progress.run), Value{progress.step}, name_literal(rows.table));
}

Sql in_span(Rows const& rows, PageSpan const& span) {
    return sql(
        "{0}.ctid OPERATOR(pg_catalog.>=) {1}::pg_catalog.tid AND {0}.ctid OPERATOR(pg_catalog.<) "
        "{2}::pg_catalog.tid",
        rows.table.name, page(span.from), page(span.to));
}

Sql assignments(Rows const& rows) {
    std::vector<Sql> sets;
    for (auto const& [column, value] : rows.set) sets.push_back(sql("{0} = {1}", column, value));
    return Sql::join(sets, ", ");
}

/// The span's row of weir.progress p.
Sql its_progress(PageSpan const& span) {
    return sql(
        "p.run OPERATOR(pg_catalog.=) {0} AND p.step OPERATOR(pg_catalog.=) {1} AND p.leaf OPERATOR(pg_catalog.=) {2} "
        "AND p.from_page OPERATOR(pg_catalog.=) {3}",
        number(span.progress.run), Value{span.progress.step}, Int{span.leaf.oid}, Int{span.stripe});
}

/// How many updates of this transaction were HOT so far, into weir.hot.
Sql note_hot(LeafFile const& leaf) {
    return sql(
        "SELECT pg_catalog.set_config('weir.hot', "
        "pg_catalog.pg_stat_get_xact_tuples_hot_updated({0})::pg_catalog.text, true)",
        Int{leaf.oid});
}

Sql key_text(Rows const& rows) {
    Ident const alias = rows.table.name;
    std::vector<Sql> parts;
    for (auto const& column : rows.key)
        parts.push_back(sql("pg_catalog.concat({0}, coalesce({1}.{2}::pg_catalog.text, 'null'))",
                            Value{column.text() + "="}, alias, column));
    return parts.empty() ? sql("pg_catalog.concat('ctid=', {0}.ctid)", alias)
                         : sql("pg_catalog.concat_ws(', ', {0})", Sql::join(parts, ", "));
}

}  // namespace

Batch prepare_progress(Rows const& rows, Preparation const& how) {
    Batch batch{fence(how.epoch)};
    // A table that is gone is no table that is done.
    batch.push_back(sql("SELECT {0}::pg_catalog.regclass", name_literal(rows.table)));
    batch.push_back(check_kinds(rows.table));
    if (!how.counts) batch.push_back(check_rules(rows.table, rows.erases));
    append(batch, rows.guard);
    append(batch, forget_progress(how.progress, how.restart));
    batch.push_back(note_root_changes(rows, how.progress, how.proof));
    batch.push_back(drop_stale_progress(rows, how.progress, how.proof));
    batch.push_back(make_stripes(rows, how.progress, how.stripe));
    batch.push_back(read_stripes(rows, how.progress));
    return batch;
}

StripeRow stripe_row(Row const& row) {
    auto const text = [&](std::size_t i) { return row.fields[i].value_or("0"); };
    auto const number = [&](std::size_t i) { return std::int64_t{std::stoll(text(i))}; };
    return {.leaf = {number(0), number(3), number(11), {Ident::of(text(1)), Ident::of(text(2))}},
            .from = number(4),
            .to = number(5),
            .next = number(6),
            .rows = number(7),
            .rows_estimate = number(8),
            .rows_a_page = std::stod(text(9)),
            .counted = text(10) == "on",
            .changed = row.fields.size() > 12 ? row.fields[12].value_or("") : ""};
}

Batch look_for_leaves(Rows const& rows, Epoch epoch, ProgressKey const& progress, bool proof) {
    return {fence(epoch), check_kinds(rows.table),
            sql(R"(SELECT EXISTS (SELECT FROM weir.shapes(pg_catalog.to_regclass({0})) s
  WHERE s.pages > 0 AND NOT EXISTS (SELECT FROM weir.progress p WHERE p.run = {1} AND p.step = {2} AND p.leaf = s.leaf
    AND p.from_page = 0 AND p.filenode = s.filenode AND {3})))",
                name_literal(rows.table), number(progress.run), Value{progress.step},
                proof ? sql("p.shape = s.shape") : sql("true"))};
}

Batch read_horizon() { return {sql("SELECT {0}", horizon_now())}; }

Batch empty_commit() { return {sql("SELECT pg_catalog.pg_logical_emit_message(true, 'weir', '')")}; }

Batch vacuum(TableName const& leaf) { return {sql("VACUUM (TRUNCATE false) {0}", leaf)}; }

Batch open_batch(Rows const& rows, Epoch epoch, LeafFile const& leaf, bool writes) {
    // Durable with the synchronous entry that ends the step (WAL order); data and progress share the transaction.
    Batch batch = quiet_plans();
    if (writes) {
        batch.push_back(sql("SET LOCAL weir.batch = 'on'"));
        append(batch, rows.settings);
    }
    batch.push_back(fence(epoch));
    if (writes)
        batch.push_back(sql("LOCK TABLE ONLY {0} IN ROW EXCLUSIVE MODE", leaf.name));
    else
        batch.push_back(sql("LOCK TABLE ONLY {0} IN ACCESS SHARE MODE", leaf.name));
    batch.push_back(sql("SELECT weir.same_file({0}, {1}, {2})", Int{leaf.oid}, Int{leaf.filenode}, Int{leaf.root}));
    append(batch, rows.session);
    return batch;
}

Sql write_rows(Rows const& rows, Sql const& todo, PageSpan const& span, OnLocked locked) {
    Ident const alias = rows.table.name;
    Sql const verb = rows.erases ? sql("DELETE FROM ONLY {0} AS {1}", span.leaf.name, alias)
                                 : sql("UPDATE ONLY {0} AS {1} SET {2}", span.leaf.name, alias, assignments(rows));
    if (locked == OnLocked::wait)
        return sql(
            "WITH u AS ({0} WHERE {1} AND {2} RETURNING 1)\nSELECT pg_catalog.set_config('weir.rows', "
            "pg_catalog.count(*)::pg_catalog.text, "
            "true) FROM u",
            verb, in_span(rows, span), todo);
    return sql(
        R"(WITH l AS MATERIALIZED (SELECT {1}.ctid FROM ONLY {0} AS {1} WHERE {2} AND {3} FOR {5} SKIP LOCKED),
u AS ({4} WHERE {1}.ctid OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT l.ctid FROM l)) AND {3} RETURNING 1)
SELECT pg_catalog.set_config('weir.rows', pg_catalog.count(*)::pg_catalog.text, true) FROM u)",
        span.leaf.name, alias, in_span(rows, span), todo, verb, rows.erases ? sql("UPDATE") : sql("NO KEY UPDATE"));
}

Batch fill_span(Rows const& rows, Sql const& todo, PageSpan const& span, OnLocked locked, bool horizon) {
    return {
        note_hot(span.leaf), write_rows(rows, todo, span, locked),
        sql(R"(UPDATE weir.progress p SET next_page = {0}, rows = p.rows OPERATOR(pg_catalog.+) pg_catalog.current_setting('weir.rows')::bigint,
  hot = p.hot OPERATOR(pg_catalog.+) pg_catalog.pg_stat_get_xact_tuples_hot_updated({2}) OPERATOR(pg_catalog.-) pg_catalog.current_setting('weir.hot')::bigint
WHERE {1} RETURNING pg_catalog.current_setting('weir.rows'),
  pg_catalog.pg_stat_get_xact_tuples_hot_updated({2}) OPERATOR(pg_catalog.-) pg_catalog.current_setting('weir.hot')::bigint,
  pg_catalog.pg_current_xact_id_if_assigned()::pg_catalog.text, {3})",
            Int{span.to}, its_progress(span), Int{span.leaf.oid}, horizon ? horizon_now() : sql("NULL"))};
}

/// A page at a time: its scan prunes the page, and the limit takes the next few rows that are not right. The table's
/// columns come first when a bare name is looked up, so ours are qualified by a name that is not the table's.
Batch sweep_span(Rows const& rows, Sql const& todo, PageSpan const& span, std::int64_t rows_a_page, OnLocked locked,
                 bool horizon) {
    Ident const alias = rows.table.name;
    Ident const numbers = Ident::of(alias.text() == "weir page" ? "weir pages" : "weir page");
    return {
        note_hot(span.leaf),
        sql(R"(WITH u AS (UPDATE ONLY {0} AS {1} SET {2} WHERE {1}.ctid OPERATOR(pg_catalog.=) ANY (ARRAY(
  SELECT x.ctid FROM pg_catalog.generate_series({3}, {4}) AS {8}(n),
    LATERAL (SELECT {1}.ctid FROM ONLY {0} AS {1}
      WHERE {1}.ctid OPERATOR(pg_catalog.>=) pg_catalog.concat('(', {8}.n, ',0)')::pg_catalog.tid
        AND {1}.ctid OPERATOR(pg_catalog.<) pg_catalog.concat('(', {8}.n OPERATOR(pg_catalog.+) 1, ',0)')::pg_catalog.tid
        AND {5} LIMIT {6}{7}) x)) AND {5} RETURNING 1)
SELECT pg_catalog.set_config('weir.rows', pg_catalog.count(*)::pg_catalog.text, true) FROM u)",
            span.leaf.name, alias, assignments(rows), Int{span.from}, Int{span.to - 1}, todo, Int{rows_a_page},
            locked == OnLocked::pass ? sql(" FOR NO KEY UPDATE SKIP LOCKED") : sql(""), numbers),
        sql(R"(UPDATE weir.progress p SET rows = p.rows OPERATOR(pg_catalog.+) pg_catalog.current_setting('weir.rows')::bigint,
  hot = p.hot OPERATOR(pg_catalog.+) pg_catalog.pg_stat_get_xact_tuples_hot_updated({1}) OPERATOR(pg_catalog.-) pg_catalog.current_setting('weir.hot')::bigint
WHERE {0} RETURNING pg_catalog.current_setting('weir.rows'),
  pg_catalog.pg_stat_get_xact_tuples_hot_updated({1}) OPERATOR(pg_catalog.-) pg_catalog.current_setting('weir.hot')::bigint,
  pg_catalog.pg_current_xact_id_if_assigned()::pg_catalog.text, {2})",
            its_progress(span), Int{span.leaf.oid}, horizon ? horizon_now() : sql("NULL"))};
}

Sql count_span(Rows const& rows, Sql const& wrong, PageSpan const& span, bool counts) {
    return sql(
        R"(WITH n AS MATERIALIZED (SELECT pg_catalog.count(*) AS n, pg_catalog.count(*) FILTER (WHERE {3}) AS wrong
  FROM ONLY {0} AS {1} WHERE {2}),
d AS (UPDATE weir.progress p SET next_page = {4}, rows = p.rows OPERATOR(pg_catalog.+) n.n FROM n WHERE {5}{6})
SELECT n.n, n.wrong FROM n)",
        span.leaf.name, rows.table.name, in_span(rows, span), wrong, Int{span.to}, its_progress(span),
        counts ? sql("") : sql(" AND n.wrong OPERATOR(pg_catalog.=) 0"));
}

Sql name_misses(Rows const& rows, Sql const& wrong, PageSpan const& span, std::int64_t misses) {
    return sql(R"(WITH k AS (SELECT {6} AS k FROM ONLY {0} AS {1} WHERE {2} AND {3} LIMIT 10),
d AS (UPDATE weir.progress p SET next_page = {4}, misses = p.misses OPERATOR(pg_catalog.+) {7} WHERE {5})
SELECT k.k FROM k)",
               span.leaf.name, rows.table.name, in_span(rows, span), wrong, Int{span.to}, its_progress(span),
               key_text(rows), Int{misses});
}

}  // namespace weir
