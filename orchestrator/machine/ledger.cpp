#include "orchestrator/machine/ledger.h"

#include <algorithm>
#include <array>

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

// Room on the page, so that beats need no index entries. Truncation would lock readers out, on standbys too.
Sql create_heartbeat() {
    return sql(R"(CREATE TABLE IF NOT EXISTS weir.heartbeat (
  run bigint PRIMARY KEY,
  beat bigint NOT NULL,
  at timestamptz NOT NULL,
  picture jsonb) WITH (fillfactor = 10, vacuum_truncate = off))");
}

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

namespace {

/// The shape of a table, a leaf a row: what a proof stands on. Of the root its columns, its BEFORE ROW triggers and its
/// rules; of a leaf the same but the columns, and which attachments made it one. A word for people stands before `#`;
/// what is a leaf's own begins with `partition`. All in one query: a thousand leaves take some milliseconds.
Sql create_shapes() {
    return sql(
        "CREATE OR REPLACE FUNCTION weir.shapes(root oid) RETURNS TABLE (leaf oid, filenode oid, pages bigint, "
        "shape text[]) LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS {0}",
        Sql::body(sql(R"(
WITH RECURSIVE tree AS (
  SELECT root AS relid, '' AS attached
  UNION ALL
  SELECT i.inhrelid, pg_catalog.concat(t.attached, ' ', i.xmin)
    FROM tree t JOIN pg_catalog.pg_inherits i ON i.inhparent = t.relid AND NOT i.inhdetachpending),
hooks AS (
  SELECT g.tgrelid AS relid, pg_catalog.concat('trigger ', g.tgname, ' #', g.tgenabled, g.xmin) AS item
    FROM pg_catalog.pg_trigger g JOIN tree t ON t.relid = g.tgrelid
    WHERE g.tgtype & 3 = 3 AND g.tgname::text !~ '^[ ~]weir_r(un)?[0-9]'
  UNION ALL
  SELECT r.ev_class, pg_catalog.concat('rule ', r.rulename, ' #', r.ev_enabled, r.xmin)
    FROM pg_catalog.pg_rewrite r JOIN tree t ON t.relid = r.ev_class),
mine AS (
  SELECT h.relid, pg_catalog.array_agg(h.item ORDER BY h.item COLLATE "C") AS items,
      pg_catalog.array_agg('partition ' || h.item ORDER BY h.item COLLATE "C") AS leafs
    FROM hooks h GROUP BY h.relid),
columns AS (
  SELECT 'columns #' || pg_catalog.md5(pg_catalog.string_agg(
      pg_catalog.concat_ws(' ', a.attnum, a.attname, a.atttypid, a.atttypmod), ',' ORDER BY a.attnum)) AS item
    FROM pg_catalog.pg_attribute a WHERE a.attrelid = root AND a.attnum > 0 AND NOT a.attisdropped
      AND a.attname !~ '^weir_q[0-9]')
SELECT c.oid, pg_catalog.pg_relation_filenode(c.oid),
  pg_catalog.pg_relation_size(c.oid) / pg_catalog.current_setting('block_size')::bigint,
  k.item || (SELECT m.items FROM mine m WHERE m.relid = root)
    || CASE WHEN c.oid <> root THEN ARRAY['partition attached #' || t.attached] || m.leafs END
FROM tree t JOIN pg_catalog.pg_class c ON c.oid = t.relid AND c.relkind = 'r'
  LEFT JOIN mine m ON m.relid = c.oid CROSS JOIN columns k
)")));
}

/// Raises WE008 when rows stand, or would stand, where weir neither fills nor proves: in an inheritance child or in a
/// foreign table.
Sql create_check_kinds() {
    return sql(
        "CREATE OR REPLACE FUNCTION weir.check_kinds(root oid) RETURNS void LANGUAGE plpgsql SET search_path = "
        "pg_catalog, pg_temp AS {0}",
        Sql::body(sql(R"(
DECLARE one record;
BEGIN
  SELECT i.relid, i.parent, i.relkind INTO one FROM (
    WITH RECURSIVE tree AS (
      SELECT root AS relid, root AS parent UNION ALL
      SELECT h.inhrelid, t.relid FROM tree t JOIN pg_catalog.pg_inherits h ON h.inhparent = t.relid)
    SELECT t.relid, t.parent, c.relkind FROM tree t JOIN pg_catalog.pg_class c ON c.oid = t.relid
      WHERE t.relid <> root AND (c.relkind = 'f' OR NOT c.relispartition)) i
    ORDER BY i.relid LIMIT 1;
  IF one.relkind = 'f' THEN
    RAISE EXCEPTION 'foreign table % has become a part of %', one.relid::pg_catalog.regclass, root::pg_catalog.regclass
      USING ERRCODE = 'WE008', HINT = pg_catalog.format('its rows can be neither filled nor proven: ALTER TABLE %s '
        'DETACH PARTITION %s (or ALTER FOREIGN TABLE %s NO INHERIT %s), and run again', one.parent::pg_catalog.regclass,
        one.relid::pg_catalog.regclass, one.relid::pg_catalog.regclass, one.parent::pg_catalog.regclass);
  ELSIF one.relid IS NOT NULL THEN
    RAISE EXCEPTION 'table % inherits from % now', one.relid::pg_catalog.regclass, root::pg_catalog.regclass
      USING ERRCODE = 'WE008', HINT = pg_catalog.format('its rows are neither filled nor proven: ALTER TABLE %s NO '
        'INHERIT %s, or drop it, and run again', one.relid::pg_catalog.regclass, one.parent::pg_catalog.regclass);
  END IF;
END
)")));
}

/// Raises WE008 when a rule rewrites what weir writes there: a batch would change nothing, or be refused.
Sql create_check_rules() {
    return sql(
        "CREATE OR REPLACE FUNCTION weir.check_rules(root oid, event text) RETURNS void LANGUAGE plpgsql SET "
        "search_path = pg_catalog, pg_temp AS {0}",
        Sql::body(sql(R"(
DECLARE one record;
BEGIN
  SELECT w.rulename, w.ev_class INTO one FROM pg_catalog.pg_rewrite w
    WHERE (w.ev_class = root OR w.ev_class IN (SELECT p.relid FROM pg_catalog.pg_partition_tree(root) p))
      AND w.ev_enabled <> 'D' AND w.ev_type = CASE event WHEN 'DELETE' THEN '4' ELSE '2' END::pg_catalog."char"
    ORDER BY w.ev_class, w.rulename LIMIT 1;
  IF one.rulename IS NOT NULL THEN
    RAISE EXCEPTION 'rule % on % rewrites each %, also those of weir', one.rulename, one.ev_class::pg_catalog.regclass,
      event USING ERRCODE = 'WE008', HINT = pg_catalog.format('make a trigger of it, or ALTER TABLE %s DISABLE RULE '
        '%I, and run again', one.ev_class::pg_catalog.regclass, one.rulename);
  END IF;
END
)")));
}

/// Raises WE007 unless the proof's last pass came to its end without a miss and each leaf that has pages is what it was
/// when that proof noted it.
Sql create_check_shape() {
    return sql(
        "CREATE OR REPLACE FUNCTION weir.check_shape(tab text, of_run bigint, proof text) RETURNS void LANGUAGE "
        "plpgsql SET search_path = pg_catalog, pg_temp AS {0}",
        Sql::body(sql(R"(
DECLARE
  root pg_catalog.oid := pg_catalog.to_regclass(tab);
  found text;
BEGIN
  PERFORM weir.check_kinds(root);
  SELECT pg_catalog.string_agg(x.what, ', ') INTO found FROM (
    SELECT DISTINCT s.leaf::pg_catalog.regclass::text AS what FROM weir.shapes(root) s
      LEFT JOIN weir.progress p ON p.run = of_run AND p.step = proof AND p.leaf = s.leaf AND p.from_page = 0
      WHERE s.pages > 0 AND (p.shape IS DISTINCT FROM s.shape OR p.filenode IS DISTINCT FROM s.filenode)
    UNION
    SELECT p.leaf::pg_catalog.regclass::text FROM weir.progress p
      WHERE p.run = of_run AND p.step = proof AND (p.next_page < p.to_page OR p.misses > 0)
    LIMIT 5) x;
  IF found IS NOT NULL THEN
    RAISE EXCEPTION 'no longer what was proven: %', found USING ERRCODE = 'WE007';
  END IF;
END
)")));
}

/// As if the proofs of these names had read the whole table.
Sql create_note_shape() {
    return sql(
        "CREATE OR REPLACE FUNCTION weir.note_shape(tab text, of_run bigint, proofs text[]) RETURNS void "
        "LANGUAGE sql SET search_path = pg_catalog, pg_temp AS {0}",
        Sql::body(sql(R"(
INSERT INTO weir.progress (run, step, leaf, from_page, to_page, next_page, filenode, shape)
SELECT of_run, p.step, s.leaf, 0, s.pages, s.pages, s.filenode, s.shape
FROM weir.shapes(pg_catalog.to_regclass(tab)) s, pg_catalog.unnest(proofs) p (step) WHERE s.pages > 0
ON CONFLICT DO NOTHING
)")));
}

/// A disable and enable of a trigger, or a replaced function, changes xmin; every transaction of ours that made or
/// replaced one has an entry. Leaves inherit the triggers; each must have them as it got them: from our transaction, or
/// from the one that attached it.
Sql create_check_sync() {
    return sql(
        "CREATE OR REPLACE FUNCTION weir.check_sync(tab text, made_by bigint, number integer, expected integer) "
        "RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS {0}",
        Sql::body(sql(R"(
DECLARE
  root pg_catalog.oid := pg_catalog.to_regclass(tab);
  tag pg_catalog.text := pg_catalog.concat('r', made_by, '_', number);
  -- As weir names them, and as it named them before their names were in order.
  in_order pg_catalog.text := pg_catalog.concat('run', pg_catalog.lpad(made_by::pg_catalog.text,
    GREATEST(10, pg_catalog.length(made_by::pg_catalog.text)), '0'), '_', pg_catalog.lpad(number::pg_catalog.text,
    GREATEST(4, pg_catalog.length(number::pg_catalog.text)), '0'));
  names pg_catalog.text[];
  functions pg_catalog.text[];
  ours pg_catalog.xid[] := ARRAY(SELECT e.xid FROM weir.entries e WHERE e.run OPERATOR(pg_catalog.=) made_by);
  found bigint;
  leaf pg_catalog.oid;
  outside record;
BEGIN
  SELECT pg_catalog.array_agg(pg_catalog.format(f, t)) INTO names
    FROM pg_catalog.unnest(ARRAY[' weir_%s_first_i', ' weir_%s_first_u', '~weir_%s_last_i', '~weir_%s_last_u']) f,
      pg_catalog.unnest(ARRAY[tag, in_order]) t;
  SELECT pg_catalog.array_agg(pg_catalog.concat(tag, f)) INTO functions
    FROM pg_catalog.unnest(ARRAY['_f', '_g', '_ok', '_first', '_last']) f;
  SELECT pg_catalog.count(*) INTO found FROM pg_catalog.pg_trigger t
    WHERE t.tgrelid OPERATOR(pg_catalog.=) root AND t.tgname::pg_catalog.text OPERATOR(pg_catalog.=) ANY (names)
      AND t.tgenabled OPERATOR(pg_catalog.=) 'A' AND t.xmin OPERATOR(pg_catalog.=) ANY (ours);
  IF found OPERATOR(pg_catalog.<>) expected THEN
    RAISE EXCEPTION 'the sync triggers of % were disabled, dropped or replaced', tab USING ERRCODE = 'WE003';
  END IF;
  SELECT pg_catalog.count(*) INTO found FROM pg_catalog.pg_proc p
    JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) p.pronamespace
    WHERE n.nspname OPERATOR(pg_catalog.=) 'weir_sync'
      AND p.proname::pg_catalog.text OPERATOR(pg_catalog.=) ANY (functions)
      AND p.xmin OPERATOR(pg_catalog.=) ANY (ours);
  -- Two triggers stand on f, ok and last; four on g and first as well.
  IF found OPERATOR(pg_catalog.<>) (expected OPERATOR(pg_catalog.+) 1) THEN
    RAISE EXCEPTION 'the sync functions of % were dropped or replaced', tab USING ERRCODE = 'WE003';
  END IF;
  -- All leaves at a time: one after another a thousand take longer than others may be kept waiting.
  SELECT p.relid INTO leaf FROM pg_catalog.pg_partition_tree(root) p
    LEFT JOIN (SELECT t.tgrelid, pg_catalog.count(*) AS number FROM pg_catalog.pg_trigger t
        WHERE t.tgname::pg_catalog.text OPERATOR(pg_catalog.=) ANY (names) AND t.tgenabled OPERATOR(pg_catalog.=) 'A'
          AND (t.xmin OPERATOR(pg_catalog.=) ANY (ours)
            OR EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.xmin OPERATOR(pg_catalog.=) t.xmin
                         AND i.inhrelid OPERATOR(pg_catalog.=) ANY (SELECT a.relid
                           FROM pg_catalog.pg_partition_ancestors(t.tgrelid) a)))
        GROUP BY t.tgrelid) c ON c.tgrelid OPERATOR(pg_catalog.=) p.relid
    WHERE p.relid OPERATOR(pg_catalog.<>) root
      AND COALESCE(c.number, 0::bigint) OPERATOR(pg_catalog.<>) expected::bigint LIMIT 1;
  IF leaf IS NOT NULL THEN
    RAISE EXCEPTION 'the sync triggers of partition % were disabled, dropped or replaced', leaf::pg_catalog.regclass
      USING ERRCODE = 'WE003';
  END IF;
  -- It would see, or leave behind, a row that is half set: weir's own go first and last, by name.
  SELECT g.tgname, g.tgrelid INTO outside FROM pg_catalog.pg_trigger g
    WHERE (g.tgrelid OPERATOR(pg_catalog.=) root
        OR g.tgrelid OPERATOR(pg_catalog.=) ANY (SELECT p.relid FROM pg_catalog.pg_partition_tree(root) p))
      AND (g.tgtype::pg_catalog.int4 OPERATOR(pg_catalog.&) 3) OPERATOR(pg_catalog.=) 3
      AND (g.tgtype::pg_catalog.int4 OPERATOR(pg_catalog.&) 20) OPERATOR(pg_catalog.<>) 0
      AND g.tgenabled OPERATOR(pg_catalog.<>) 'D'
      AND g.tgname::pg_catalog.text OPERATOR(pg_catalog.!~) '^[ ~]weir_r(un)?[0-9]'
      AND (g.tgname::pg_catalog.text COLLATE pg_catalog."C" OPERATOR(pg_catalog.<) ' weir_s'
        OR g.tgname::pg_catalog.text COLLATE pg_catalog."C" OPERATOR(pg_catalog.>) '~weir_r')
    ORDER BY g.tgname, g.tgrelid LIMIT 1;
  IF outside.tgname IS NOT NULL THEN
    RAISE EXCEPTION 'trigger % on % runs outside weir''s own triggers, which go first and last by name', outside.tgname,
      outside.tgrelid::pg_catalog.regclass USING ERRCODE = 'WE008', HINT = pg_catalog.format('rename it (ALTER TRIGGER '
        '%I ON %s RENAME TO …), so that it begins with a letter or digit, or drop it; then run again', outside.tgname,
        outside.tgrelid::pg_catalog.regclass);
  END IF;
END
)")));
}

}  // namespace

Batch create_ledger() {
    auto all = create_ledger_copy();
    all.push_back(sql("INSERT INTO weir.meta (version, epoch) VALUES ({0}, 0)", Int{ledger_version}));
    return all;
}

Batch create_ledger_copy() {
    return {
        sql("CREATE SCHEMA weir"),
        sql("COMMENT ON SCHEMA weir IS 'the ledger of weir, which changes this database''s schema; see "
            "docs/ledger.md'"),
        sql(R"(CREATE TABLE weir.meta (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  version integer NOT NULL,
  epoch bigint NOT NULL))"),
        sql(R"(CREATE TABLE weir.entries (
  run bigint NOT NULL,
  seq bigint NOT NULL,
  at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
  epoch bigint NOT NULL,
  kind text NOT NULL,
  step text NOT NULL DEFAULT '',
  detail jsonb NOT NULL DEFAULT '{{}}',
  by_user text NOT NULL DEFAULT session_user,
  xid xid NOT NULL DEFAULT (pg_catalog.pg_current_xact_id()::pg_catalog.xid),
  PRIMARY KEY (run, seq)))"),
        sql(R"(CREATE TABLE weir.progress (
  run bigint NOT NULL,
  step text NOT NULL,
  leaf oid NOT NULL,
  from_page bigint NOT NULL,
  to_page bigint NOT NULL,
  next_page bigint NOT NULL,
  filenode oid NOT NULL,
  rows bigint NOT NULL DEFAULT 0,
  hot bigint NOT NULL DEFAULT 0,
  misses bigint NOT NULL DEFAULT 0,
  shape text[],
  PRIMARY KEY (run, step, leaf, from_page)) WITH (fillfactor = 50))"),
        sql(R"(CREATE TABLE weir.orders (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  plan text NOT NULL,
  word text NOT NULL CHECK (word IN ('approve', 'abort', 'pause', 'resume', 'set')),
  argument text NOT NULL DEFAULT '',
  at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
  by_user text NOT NULL DEFAULT session_user))"),
        create_heartbeat(),
        // User and time are the server's word, whatever the INSERT says.
        sql("CREATE FUNCTION weir.sign_order() RETURNS trigger LANGUAGE plpgsql AS {0}", Sql::body(sql(R"(
BEGIN
  NEW.by_user := session_user;
  NEW.at := pg_catalog.clock_timestamp();
  PERFORM pg_catalog.pg_notify('weir', NEW.plan);
  RETURN NEW;
END
)"))),
        sql("CREATE TRIGGER sign_order BEFORE INSERT ON weir.orders FOR EACH ROW EXECUTE FUNCTION weir.sign_order()"),
        sql("CREATE FUNCTION weir.fence(mine bigint) RETURNS void LANGUAGE plpgsql AS {0}", Sql::body(sql(R"(
DECLARE theirs bigint;
BEGIN
  SELECT m.epoch INTO theirs FROM weir.meta m;
  IF theirs IS NULL OR mine IS NULL OR theirs OPERATOR(pg_catalog.<>) mine THEN
    RAISE EXCEPTION 'another orchestrator leads: epoch % has passed %', theirs, mine USING ERRCODE = 'WE001';
  END IF;
END
)"))),
        sql("CREATE FUNCTION weir.same_file(leaf oid, noted oid, root oid) RETURNS void LANGUAGE plpgsql AS {0}",
            Sql::body(sql(R"(
BEGIN
  IF COALESCE(pg_catalog.pg_relation_filenode(leaf) OPERATOR(pg_catalog.<>) noted, true) THEN
    RAISE EXCEPTION 'table % was rewritten', leaf::pg_catalog.regclass USING ERRCODE = 'WE002';
  END IF;
  IF leaf OPERATOR(pg_catalog.<>) root AND NOT EXISTS (SELECT FROM pg_catalog.pg_partition_ancestors(leaf) a
      WHERE a.relid OPERATOR(pg_catalog.=) root) THEN
    RAISE EXCEPTION 'table % was detached', leaf::pg_catalog.regclass USING ERRCODE = 'WE002';
  END IF;
END
)"))),
        create_check_sync(),
        create_shapes(),
        create_check_kinds(),
        create_check_rules(),
        create_check_shape(),
        create_note_shape(),
        // Functions only: whatever a trigger calls must be executable by every role that may write the table.
        sql("CREATE SCHEMA weir_sync"),
        sql("COMMENT ON SCHEMA weir_sync IS 'functions by which weir keeps old and new columns equal while a run "
            "lives'"),
        sql("GRANT USAGE ON SCHEMA weir_sync TO PUBLIC"),
    };
}

Batch upgrade_ledger() {
    return {
        create_heartbeat(),
        sql("ALTER TABLE weir.progress ADD COLUMN IF NOT EXISTS shape text[]"),
        create_check_sync(),
        create_shapes(),
        create_check_kinds(),
        create_check_rules(),
        create_check_shape(),
        create_note_shape(),
        sql(R"(ALTER TABLE weir.orders DROP CONSTRAINT IF EXISTS orders_word_check,
  ADD CONSTRAINT orders_word_check CHECK (word IN ('approve', 'abort', 'pause', 'resume', 'set')))"),
        sql("UPDATE weir.meta SET version = {0}", Int{ledger_version}),
    };
}

Batch look_for_ledger() {
    return {sql(
        "SELECT pg_catalog.to_regclass('weir.meta') IS NOT NULL, "
        "EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname IN ('weir', 'weir_sync')), "
        "pg_catalog.to_regclass('weir.entries') IS NOT NULL OR pg_catalog.to_regclass('weir.progress') IS NOT NULL")};
}

Batch look_for_parts() {
    return {sql(R"(SELECT pg_catalog.string_agg(x.what, ', ' ORDER BY x.what) FROM (
  SELECT 'table weir.' || n AS what FROM pg_catalog.unnest(ARRAY['entries', 'progress', 'orders']) n
    WHERE pg_catalog.to_regclass('weir.' || n) IS NULL
  UNION ALL SELECT 'table weir.heartbeat' FROM weir.meta m
    WHERE m.version > 1 AND pg_catalog.to_regclass('weir.heartbeat') IS NULL
  UNION ALL SELECT 'function weir.' || f FROM pg_catalog.unnest(ARRAY['fence(bigint)', 'same_file(oid, oid, oid)',
      'check_sync(text, bigint, integer, integer)', 'sign_order()']) f
    WHERE pg_catalog.to_regprocedure('weir.' || f) IS NULL
  UNION ALL SELECT 'function weir.' || f FROM weir.meta m,
      pg_catalog.unnest(ARRAY['shapes(oid)', 'check_kinds(oid)', 'check_rules(oid, text)',
      'check_shape(text, bigint, text)', 'note_shape(text, bigint, text[])']) f
    WHERE m.version > 2 AND pg_catalog.to_regprocedure('weir.' || f) IS NULL
  UNION ALL SELECT 'schema weir_sync' WHERE pg_catalog.to_regnamespace('weir_sync') IS NULL
  UNION ALL SELECT 'trigger sign_order of weir.orders' WHERE pg_catalog.to_regclass('weir.orders') IS NOT NULL
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgrelid = pg_catalog.to_regclass('weir.orders')
                      AND t.tgname = 'sign_order' AND t.tgenabled <> 'D')
  UNION ALL SELECT 'primary key of weir.entries' WHERE pg_catalog.to_regclass('weir.entries') IS NOT NULL
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = pg_catalog.to_regclass('weir.entries')
                      AND i.indisprimary)) x)")};
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

Sql check_kinds(TableName const& table) {
    return sql("SELECT weir.check_kinds(pg_catalog.to_regclass({0}))", Value{sql("{0}", table).text()});
}

Sql check_rules(TableName const& table, bool deletes) {
    return sql("SELECT weir.check_rules(pg_catalog.to_regclass({0}), {1})", Value{sql("{0}", table).text()},
               Value{deletes ? "DELETE" : "UPDATE"});
}

Sql note_shape(TableName const& table, RunId run, std::string const& proof) {
    return sql("SELECT weir.note_shape({0}, {1}, ARRAY[{2}, {3}])", Value{sql("{0}", table).text()},
               Int{static_cast<std::int64_t>(run)}, Value{proof}, Value{proof + ".back"});
}

Sql keep_shape(TableName const& table, RunId run, std::string const& proof) {
    return sql(
        "UPDATE weir.progress p SET shape = s.shape FROM weir.shapes(pg_catalog.to_regclass({0})) s WHERE p.run "
        "OPERATOR(pg_catalog.=) {1} AND p.step OPERATOR(pg_catalog.=) {2} AND p.leaf OPERATOR(pg_catalog.=) s.leaf AND "
        "p.from_page OPERATOR(pg_catalog.=) 0",
        Value{sql("{0}", table).text()}, Int{static_cast<std::int64_t>(run)}, Value{proof});
}

Sql check_shape(TableName const& table, RunId run, std::string const& proof) {
    return sql("SELECT weir.check_shape({0}, {1}, {2})", Value{sql("{0}", table).text()},
               Int{static_cast<std::int64_t>(run)}, Value{proof});
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

std::optional<RunRecord> fold(std::vector<Row> const& rows) {
    if (rows.empty()) return std::nullopt;
    RunRecord record;
    for (auto const& row : rows) {
        auto const field = [&](std::size_t i) { return row.fields[i].value_or(""); };
        record.run = RunId{std::stoll(field(0))};
        record.last_seq = std::max<std::int64_t>(record.last_seq, std::stoll(field(1)));
        std::string const kind = field(2);
        std::string const step = field(3);
        auto const is = [&](EntryKind k) { return kind == name(k); };
        if (is(EntryKind::began)) {
            record.begin = {};
            record.begin.name = field(5);
            record.begin.plan = field(6);
            record.begin.catalog = field(7);
            record.begin.version = field(8);
            record.begin.hash = field(9);
            record.begin.identity = field(10);
            record.began_at = field(4);
        }
        if (is(EntryKind::step_begun)) record.begun.insert(step);
        if (is(EntryKind::step_done)) record.done.insert(step);
        if (is(EntryKind::backed_up)) {
            record.done.insert(step);
            record.backups[step] = {field(16), std::stoll("0" + field(17))};
        }
        if (is(EntryKind::gate_opened)) record.gate_opened = true;
        if (is(EntryKind::approval)) record.approvals.insert(field(11));
        if (is(EntryKind::gate_approved)) record.gate_approved = true;
        if (is(EntryKind::aborting)) {
            record.aborting = true;
            if (!field(15).empty()) record.accept_loss = std::stoll(field(15));
        }
        if (is(EntryKind::paused)) record.paused_by = field(11);
        if (is(EntryKind::resumed)) record.paused_by.clear();
        if (is(EntryKind::set)) record.settings.emplace_back(field(13), field(14));
        if (is(EntryKind::paused) || is(EntryKind::resumed) || is(EntryKind::set))
            record.last_order = std::max<std::int64_t>(record.last_order, std::stoll(field(12)));
        if (is(EntryKind::stopped) && !field(12).empty()) record.refused_abort = std::stoll(field(12));
        if (is(EntryKind::step_undone)) record.undone_steps.insert(step);
        if (is(EntryKind::quarantined)) record.quarantined = true;
        if (is(EntryKind::rolling_back)) {
            record.aborting = record.rolling_back = true;
            record.accept_loss = row.fields[15] ? std::optional{std::stoll(*row.fields[15])} : std::nullopt;
        }
        if (is(EntryKind::reopened)) {
            record.reopened = true;
            record.last_abort = std::max<std::int64_t>(record.last_abort, std::stoll("0" + field(12)));
        }
        if (is(EntryKind::finished)) record.finished = true;
        if (is(EntryKind::undone) || is(EntryKind::rolled_back)) record.undone = true;
        if (is(EntryKind::rolled_back)) record.rolled_back = true;
        if (record.finished || record.undone) record.ended_at = field(4);
    }
    return record;
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
