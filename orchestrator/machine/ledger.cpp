#include "orchestrator/machine/ledger.h"

namespace weir {
namespace {

// 'weir' as a number; the second key tells leader and hands apart.
constexpr std::int64_t lock_space = 0x77656972;
Int space() { return Int{lock_space}; }

/// Of pg_locks l: somebody's granted share of one of the two locks in this database.
Sql held_lock(std::int64_t which) {
    return sql(
        "l.locktype = 'advisory' AND l.granted AND l.classid = {0} AND l.objid = {1} AND l.objsubid = 2 "
        "AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())",
        space(), Int{which});
}

}  // namespace

Batch read_meta() { return {sql("SELECT version, epoch FROM weir.meta")}; }

Batch may_write_ledger() {
    return {
        sql("SELECT pg_catalog.has_table_privilege('weir.meta', 'UPDATE') "
            "AND pg_catalog.has_table_privilege('weir.entries', 'INSERT')")};
}

Batch raise_epoch() {
    return {sql("SET LOCAL synchronous_commit = on"), sql("UPDATE weir.meta SET epoch = epoch + 1 RETURNING epoch")};
}

Batch raise_past(Epoch seen) {
    return {sql("UPDATE weir.meta SET epoch = epoch + 1 WHERE epoch = {0} RETURNING epoch",
                Int{static_cast<std::int64_t>(seen)})};
}

Sql fence(Epoch epoch) { return sql("SELECT weir.fence({0})", Int{static_cast<std::int64_t>(epoch)}); }

Batch try_leader() { return {sql("SELECT pg_catalog.pg_try_advisory_lock({0}, 1)", space())}; }

Batch who_leads() {
    return {sql(
        R"(SELECT a.pid, a.usename, a.application_name, a.backend_start::timestamptz(0), coalesce(a.client_addr::text, 'local')
FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a USING (pid) WHERE {0})",
        held_lock(1))};
}

Batch look_at_leader() {
    return {sql(
        R"(SELECT a.pid, a.usename, a.application_name, a.backend_start::timestamptz(0), coalesce(a.client_addr::text, 'local'),
  a.backend_start,
  pg_catalog.current_setting('is_superuser')::boolean
    OR NOT u.rolsuper AND (pg_catalog.pg_has_role(a.usesysid, 'USAGE') OR pg_catalog.pg_has_role('pg_signal_backend', 'USAGE'))
FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a USING (pid) JOIN pg_catalog.pg_roles u ON u.oid = a.usesysid
WHERE {0})",
        held_lock(1))};
}

Batch end_leader(std::string const& pid, std::string const& started) {
    return {
        sql("SELECT pg_catalog.pg_terminate_backend(a.pid) FROM pg_catalog.pg_stat_activity a "
            "WHERE a.pid = {0}::pg_catalog.int4 AND a.backend_start = {1}::pg_catalog.timestamptz",
            Value{pid}, Value{started})};
}

Batch end_hands() {
    return {
        sql("SELECT pg_catalog.pg_terminate_backend(l.pid) FROM pg_catalog.pg_locks l "
            "WHERE {0} AND l.pid <> pg_catalog.pg_backend_pid()",
            held_lock(2))};
}

Batch try_all_hands() {
    return {
        sql("SELECT CASE WHEN pg_catalog.pg_try_advisory_lock({0}, 2) THEN pg_catalog.pg_advisory_unlock({0}, 2) "
            "ELSE false END",
            space())};
}

Batch take_hand(Epoch epoch) {
    // The epoch is looked at only once the share is held: a newcomer raises it first and then waits for the shares.
    return {sql("SELECT pg_catalog.pg_try_advisory_lock_shared({0}, 2)", space()), fence(epoch),
            sql("SELECT EXISTS (SELECT FROM pg_catalog.pg_locks l WHERE l.pid = pg_catalog.pg_backend_pid() "
                "AND l.locktype = 'advisory' AND l.classid = {0} AND l.objid = 2 AND l.granted), "
                "pg_catalog.pg_backend_pid()",
                space())};
}

Batch gate_condition(RunId run, std::optional<Millis> after, std::optional<UserExpr> const& until) {
    Sql const is = until
                       ? sql("coalesce({0}, false)", *until)
                       : sql("pg_catalog.clock_timestamp() >= (SELECT min(e.at) FROM weir.entries e WHERE e.run = {0} "
                             "AND e.kind = 'gate_opened') + pg_catalog.make_interval(secs => {1} / 1000.0)",
                             Int{static_cast<std::int64_t>(run)}, Int{after->count()});
    return {sql("SET LOCAL transaction_read_only = on"), sql("SELECT {0}", is)};
}

Sql end_of_quarantine() {
    return sql("e.at + pg_catalog.make_interval(secs => (e.detail->>'quarantine_ms')::pg_catalog.float8 / 1000)");
}

Sql values_lost(Sql const& run) {
    return sql(
        "(SELECT coalesce(pg_catalog.sum(s.last_value), 0) FROM pg_catalog.pg_sequences s\n"
        "  WHERE s.schemaname = 'weir_sync' AND s.sequencename ~ ('^r' || {0} || '_[0-9]+_lost$'))",
        run);
}

Batch quarantine_end(RunId run) {
    return {sql("SET LOCAL transaction_read_only = on"),
            sql("SELECT pg_catalog.clock_timestamp() >= q.until, q.until::timestamptz(0), "
                "pg_catalog.round(1000 * extract(epoch FROM q.until))::pg_catalog.int8\n"
                "FROM (SELECT {1} AS until FROM weir.entries e WHERE e.run = {0} AND e.kind = 'quarantined' "
                "ORDER BY e.seq LIMIT 1) q",
                Int{static_cast<std::int64_t>(run)}, end_of_quarantine())};
}

Batch count_lost(RunId run) {
    return {sql("SET LOCAL transaction_read_only = on"),
            sql("SELECT {0}", values_lost(sql("{0}", Int{static_cast<std::int64_t>(run)})))};
}

Batch list_due() {
    return {sql(R"(SELECT b.detail->>'name' FROM weir.entries b
JOIN weir.entries e ON e.run = b.run AND e.kind = 'quarantined'
WHERE b.kind = 'began' AND pg_catalog.clock_timestamp() >= {0}
  AND NOT EXISTS (SELECT FROM weir.entries o WHERE o.run = b.run AND o.kind IN ('rolling_back', 'finished'))
ORDER BY b.run)",
                end_of_quarantine())};
}

Batch next_run() { return {sql("SELECT coalesce(max(run), 0) + 1 FROM weir.entries")}; }

Batch newest_order() { return {sql("SELECT coalesce(max(id), 0) FROM weir.orders")}; }

Batch read_orders(std::string const& plan_name, RunId run) {
    return {
        // Not by the time that they were given: a clock may be set back. The first version noted no number.
        sql("SELECT o.id, o.word, o.argument, o.by_user FROM weir.orders o, weir.entries e "
            "WHERE o.plan = {0} AND e.run = {1} AND e.kind = 'began' "
            "AND CASE WHEN e.detail ? 'order' THEN o.id > (e.detail->>'order')::pg_catalog.int8 ELSE o.at >= e.at END "
            "ORDER BY o.id",
            Value{plan_name}, Int{static_cast<std::int64_t>(run)})};
}

Batch insert_order(std::string const& plan_name, std::string_view word, std::string const& argument) {
    return {sql("INSERT INTO weir.orders (plan, word, argument) VALUES ({0}, {1}, {2})", Value{plan_name},
                Value{std::string{word}}, Value{argument})};
}

Batch write_beat(RunId run, Epoch epoch) {
    return {sql("SET LOCAL synchronous_commit = on"), fence(epoch),
            sql("INSERT INTO weir.heartbeat AS h (run, beat, at) VALUES ({0}, 1, pg_catalog.clock_timestamp()) "
                "ON CONFLICT (run) DO UPDATE SET beat = h.beat + 1, at = EXCLUDED.at RETURNING beat",
                Int{static_cast<std::int64_t>(run)})};
}

Batch write_picture(RunId run, Epoch epoch, std::string const& picture) {
    return {sql("SET LOCAL synchronous_commit = off"), fence(epoch),
            sql("UPDATE weir.heartbeat SET picture = {1}::pg_catalog.jsonb WHERE run = {0}",
                Int{static_cast<std::int64_t>(run)}, Value{picture})};
}

Batch read_beat(RunId run) {
    return {sql("SELECT pg_catalog.pg_is_in_recovery(), (SELECT h.beat FROM weir.heartbeat h WHERE h.run = {0})",
                Int{static_cast<std::int64_t>(run)})};
}

Batch read_picture(RunId run) {
    return {
        sql("SELECT h.beat, EXTRACT(epoch FROM pg_catalog.clock_timestamp() - h.at)::pg_catalog.float8, h.picture "
            "FROM weir.heartbeat h WHERE h.run = {0}",
            Int{static_cast<std::int64_t>(run)})};
}

}  // namespace weir
