#include "orchestrator/machine/ledger_schema.h"
#include "phases/craft/names.h"

namespace weir {
namespace {

// Room on the page, so that beats need no index entries. Truncation would lock readers out, on standbys too.
Sql create_heartbeat() {
    return sql(R"(CREATE TABLE IF NOT EXISTS weir.heartbeat (
  run bigint PRIMARY KEY,
  beat bigint NOT NULL,
  at timestamptz NOT NULL,
  picture jsonb) WITH (fillfactor = 10, vacuum_truncate = off))");
}

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
    WHERE g.tgtype & 3 = 3 AND g.tgname::text !~ '{0}'
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
)",
                      own_triggers())));
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
      AND g.tgname::pg_catalog.text OPERATOR(pg_catalog.!~) '{0}'
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
)",
                      own_triggers())));
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

}  // namespace weir
