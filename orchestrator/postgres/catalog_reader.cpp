#include "orchestrator/postgres/catalog_reader.h"

#include <string>

#include "phases/craft/names.h"

namespace weir {
namespace {

/// One flat JSON object, and nothing that the server's own cast could refuse: `IS JSON` is 16's.
std::string json_text() { return R"x("([^"\\[:cntrl:]]|\\["\\/bfnrt]|\\u00(0[1-9a-fA-F]|[1-9a-fA-F][0-9a-fA-F]))*")x"; }
Value flat_array() { return Value{R"(^\[()" + json_text() + "(," + json_text() + R"()*)?\]$)"}; }
Value flat_json() {
    std::string const text = json_text();
    std::string const member = text + R"(\s*:\s*()" + text + R"(|-?(0|[1-9]\d{0,17})|true|false|null))";
    return Value{R"(^\s*\{\s*)" + member + R"((\s*,\s*)" + member + R"()*\s*\}\s*$)"};
}

/// What depends on column `a` of table `c`, or on the same column of one of its partitions, and is not a part of it.
/// What a partition has from its parent is named there.
Sql dependents() {
    return sql(R"(
      SELECT coalesce(json_agg(json_build_object('kind', kind, 'identity', identity)
                               ORDER BY kind COLLATE "C", identity COLLATE "C"), '[]')
      FROM (
        SELECT DISTINCT CASE WHEN g.adnum IS NOT NULL THEN 'generated column' ELSE o.type END AS kind, o.identity
        FROM (SELECT c.oid AS relid UNION SELECT relid::oid FROM pg_partition_tree(c.oid)) s
        JOIN pg_attribute member ON member.attrelid = s.relid AND member.attname = a.attname AND NOT member.attisdropped
        JOIN pg_depend x ON x.refclassid = 'pg_class'::regclass AND x.refobjid = s.relid AND x.refobjsubid = member.attnum
        LEFT JOIN pg_attrdef g ON x.classid = 'pg_attrdef'::regclass AND g.oid = x.objid
        LEFT JOIN pg_rewrite r ON x.classid = 'pg_rewrite'::regclass AND r.oid = x.objid AND r.rulename = '_RETURN'
        LEFT JOIN pg_trigger w ON x.classid = 'pg_trigger'::regclass AND w.oid = x.objid
        LEFT JOIN pg_constraint k ON x.classid = 'pg_constraint'::regclass AND k.oid = x.objid
        CROSS JOIN LATERAL pg_identify_object(
          CASE WHEN g.oid IS NOT NULL OR r.oid IS NOT NULL THEN 'pg_class'::regclass::oid ELSE x.classid END,
          coalesce(g.adrelid, r.ev_class, x.objid), coalesce(g.adnum, x.objsubid)) o
        LEFT JOIN pg_class i ON x.classid = 'pg_class'::regclass AND i.oid = x.objid
        WHERE NOT (g.oid IS NOT NULL AND g.adrelid = s.relid AND g.adnum = member.attnum)
          AND NOT (x.classid = 'pg_class'::regclass AND x.objid = s.relid)
          AND NOT (r.oid IS NOT NULL AND r.ev_class = s.relid)
          AND coalesce(w.tgname !~ '{0}', true)
          AND (s.relid = c.oid OR NOT (g.oid IS NOT NULL OR coalesce(i.relispartition, false) OR coalesce(w.tgparentid <> 0, false)
                                       OR coalesce(k.conparentid <> 0 OR k.coninhcount > 0, false)))
          AND k.contype IS DISTINCT FROM 'n') found)",
               own_triggers());
}

Sql columns() {
    // Some builds note a version of their own among the options (`pg_attver`); it is the server's, no user's, and
    // changes with every ALTER.
    return sql(R"(
    SELECT coalesce(json_agg(json_build_object(
      'name', a.attname,
      'type', format_type(a.atttypid, a.atttypmod),
      'collation', CASE WHEN a.attcollation NOT IN (0, t.typcollation)
                        THEN (SELECT format('"%s"."%s"', replace(n.nspname, '"', '""'), replace(l.collname, '"', '""'))
                              FROM pg_collation l JOIN pg_namespace n ON n.oid = l.collnamespace
                              WHERE l.oid = a.attcollation)
                        ELSE '' END,
      'not_null', a.attnotnull AND NOT EXISTS (
        SELECT FROM pg_constraint k
        WHERE k.conrelid = c.oid AND k.contype = 'n' AND k.conkey = ARRAY[a.attnum] AND NOT k.convalidated),
      'default_expression', coalesce(pg_get_expr(d.adbin, d.adrelid), ''),
      'default_is_constant', d.adbin IS NOT NULL AND a.attgenerated = ''
        AND d.adbin::text !~ '\{{(NEXTVALUEEXPR|SQLVALUEFUNCTION|COERCEVIAIO|COERCETODOMAIN|XMLEXPR|PARAM)\M'
        AND NOT EXISTS (SELECT FROM regexp_matches(d.adbin::text, ':(?:funcid|opfuncid) (\d+)', 'g') AS f(id)
                        LEFT JOIN pg_proc p ON p.oid = f.id[1]::oid WHERE p.provolatile IS DISTINCT FROM 'i'),
      'identity', a.attidentity::text,
      'generated', a.attgenerated::text,
      'storage', CASE WHEN a.attstorage <> t.typstorage THEN a.attstorage::text ELSE '' END,
      'compression', a.attcompression::text,
      'statistics_target', coalesce(a.attstattarget, -1),
      'options', coalesce((SELECT array_agg(o.option ORDER BY o.at)
                           FROM unnest(a.attoptions) WITH ORDINALITY AS o(option, at)
                           WHERE o.option !~ '^pg_attver=')::text, ''),
      'comment', col_description(c.oid, a.attnum),
      'grants', (SELECT coalesce(json_agg(json_build_object('grantee', grantee, 'privilege', privilege,
                                                            'grantable', grantable)
                                          ORDER BY grantee COLLATE "C", privilege COLLATE "C", grantable), '[]')
                 FROM (SELECT DISTINCT CASE WHEN x.grantee = 0 THEN '' ELSE pg_get_userbyid(x.grantee)::text END AS grantee,
                              x.privilege_type AS privilege, x.is_grantable AS grantable
                       FROM aclexplode(a.attacl) x) granted),
      'in_partition_key', EXISTS (
        SELECT FROM (SELECT relid FROM pg_partition_ancestors(c.oid) UNION SELECT relid FROM pg_partition_tree(c.oid)) s
        JOIN pg_partitioned_table k ON k.partrelid = s.relid
        JOIN pg_attribute o ON o.attrelid = k.partrelid AND o.attname = a.attname
        WHERE o.attnum = ANY (k.partattrs::int2[]) OR k.partexprs::text ~ (':varattno ' || o.attnum || '\M')),
      'dependents', ({0})
    ) ORDER BY a.attnum), '[]')
    FROM pg_attribute a
    JOIN pg_type t ON t.oid = a.atttypid
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)",
               dependents());
}

/// From the comment of the trigger that every sync has; what is no such comment is somebody else's.
Sql syncs() {
    return sql(R"(
    SELECT coalesce(json_agg(json_build_object('run', run, 'number', number, 'from', "from", 'to', "to",
                                               'two_way', two_way, 'forward', forward, 'reverse', reverse,
                                               'reads', reads, 'in_order', in_order) ORDER BY run, number), '[]')
    FROM (
      SELECT DISTINCT (j->>'run')::numeric AS run, (j->>'number')::numeric AS number,
             j->>'from' AS "from", j->>'to' AS "to", (j->>'two_way')::boolean AS two_way,
             coalesce(j->>'forward', '') AS forward, coalesce(j->>'reverse', '') AS reverse,
             CASE WHEN j->>'reads' ~ {2} THEN (j->>'reads')::jsonb ELSE '[]' END AS reads,
             g.tgname ~ '^~weir_run' AS in_order
      FROM pg_trigger g
      CROSS JOIN LATERAL (SELECT obj_description(g.oid, 'pg_trigger') AS said) AS comment
      CROSS JOIN LATERAL (SELECT CASE WHEN said ~ {1} THEN said::jsonb END AS j) AS document
      WHERE g.tgrelid = c.oid AND NOT g.tgisinternal AND g.tgname ~ '{0}' AND g.tgname ~ '_last_u$'
        AND CASE WHEN j->'weir' = '1' AND jsonb_typeof(j->'run') = 'number' AND jsonb_typeof(j->'number') = 'number'
                      AND jsonb_typeof(j->'from') = 'string' AND jsonb_typeof(j->'to') = 'string'
                      AND jsonb_typeof(j->'two_way') = 'boolean'
                 THEN (j->>'run')::numeric > 0 AND (j->>'number')::numeric BETWEEN 1 AND 1000000
                 ELSE false END) live)",
               own_triggers(), flat_json(), flat_array());
}

/// The names of the columns of `relation` that a list of numbers holds, in its order; without the zeros of expressions.
Sql names_of(Sql const& relation, Sql const& numbers) {
    return sql(R"((SELECT coalesce(json_agg(o.attname ORDER BY u.at), '[]')
                   FROM unnest({1}::int2[]) WITH ORDINALITY AS u(number, at)
                   JOIN pg_attribute o ON o.attrelid = {0} AND o.attnum = u.number AND u.number > 0))",
               relation, numbers);
}

/// As people write it: without the schema if that is public.
Sql said(Sql const& schema, Sql const& name) {
    return sql("CASE WHEN {0} = 'public' THEN {1}::text ELSE {0} || '.' || {1} END", schema, name);
}

Sql indexes() {
    return sql(R"(
    SELECT coalesce(json_agg(json_build_object(
      'name', l.relname, 'definition', pg_get_indexdef(l.oid), 'method', m.amname,
      'columns', (SELECT coalesce(json_agg(attname ORDER BY attname COLLATE "C"), '[]') FROM (
        SELECT o.attname FROM unnest(i.indkey::int2[]) AS u(number)
        JOIN pg_attribute o ON o.attrelid = i.indrelid AND o.attnum = u.number AND u.number > 0
        UNION
        SELECT o.attname FROM pg_depend x
        JOIN pg_attribute o ON o.attrelid = x.refobjid AND o.attnum = x.refobjsubid AND x.refobjsubid > 0
        WHERE x.classid = 'pg_class'::regclass AND x.objid = i.indexrelid
          AND x.refclassid = 'pg_class'::regclass AND x.refobjid = i.indrelid) used)
    ) ORDER BY l.relname COLLATE "C"), '[]')
    FROM pg_index i JOIN pg_class l ON l.oid = i.indexrelid JOIN pg_am m ON m.oid = l.relam
    WHERE i.indrelid = c.oid)");
}

/// The table's, and those that only one of its partitions has: batches write partitions.
Sql foreign_keys() {
    return sql(R"(
    SELECT coalesce(json_agg(json_build_object(
      'name', name, 'table', json_build_array(schema, "table"), 'refers_to_us', refers_to_us, 'on_delete', on_delete, 'columns', columns)
      ORDER BY schema COLLATE "C", "table" COLLATE "C", name COLLATE "C", refers_to_us), '[]')
    FROM (
      SELECT k.conname::text AS name, o.nspname::text AS schema, r.relname::text AS "table", way.refers_to_us, k.confdeltype::text AS on_delete,
             CASE WHEN way.refers_to_us THEN {1} ELSE {0} END AS columns
      FROM (SELECT c.oid AS relid UNION SELECT relid::oid FROM pg_partition_tree(c.oid)) s
      CROSS JOIN (VALUES (false), (true)) AS way(refers_to_us)
      JOIN pg_constraint k ON CASE WHEN way.refers_to_us THEN k.confrelid ELSE k.conrelid END = s.relid
      JOIN pg_class r ON r.oid = k.conrelid JOIN pg_namespace o ON o.oid = r.relnamespace
      WHERE k.contype = 'f' AND k.conparentid = 0) found)",
               names_of(sql("k.conrelid"), sql("k.conkey")), names_of(sql("k.confrelid"), sql("k.confkey")));
}

Sql triggers() {
    return sql(R"(
    SELECT coalesce(json_agg(json_build_object(
      'name', g.tgname, 'definition', pg_get_triggerdef(g.oid), 'enabled', g.tgenabled::text,
      'partition', CASE WHEN g.tgrelid = c.oid THEN '' ELSE {1} END,
      'each_row', g.tgtype & 1 > 0, 'before', g.tgtype & 2 > 0, 'on_update', g.tgtype & 16 > 0,
      'on_delete', g.tgtype & 8 > 0, 'columns', {2}, 'function', {3})
      ORDER BY g.tgname COLLATE "C", {1} COLLATE "C"), '[]')
    FROM (SELECT c.oid AS relid UNION SELECT relid::oid FROM pg_partition_tree(c.oid)) s
    JOIN pg_trigger g ON g.tgrelid = s.relid
    JOIN pg_class r ON r.oid = g.tgrelid JOIN pg_namespace o ON o.oid = r.relnamespace
    JOIN pg_proc p ON p.oid = g.tgfoid JOIN pg_namespace q ON q.oid = p.pronamespace
    WHERE NOT g.tgisinternal AND (g.tgrelid = c.oid OR g.tgparentid = 0) AND g.tgname !~ '{0}')",
               own_triggers(), said(sql("o.nspname"), sql("r.relname")), names_of(sql("g.tgrelid"), sql("g.tgattr")),
               said(sql("q.nspname"), sql("p.proname")));
}

/// A view's own rule has the event SELECT.
Sql rules() {
    return sql(R"(
    SELECT coalesce(json_agg(json_build_object(
      'name', w.rulename, 'event', CASE w.ev_type WHEN '2' THEN 'UPDATE' WHEN '3' THEN 'INSERT' ELSE 'DELETE' END,
      'partition', CASE WHEN w.ev_class = c.oid THEN '' ELSE {0} END)
      ORDER BY w.rulename COLLATE "C", {0} COLLATE "C"), '[]')
    FROM (SELECT c.oid AS relid UNION SELECT relid::oid FROM pg_partition_tree(c.oid)) s
    JOIN pg_rewrite w ON w.ev_class = s.relid
    JOIN pg_class r ON r.oid = w.ev_class JOIN pg_namespace o ON o.oid = r.relnamespace
    WHERE w.ev_type <> '1' AND w.ev_enabled <> 'D')",
               said(sql("o.nspname"), sql("r.relname")));
}

/// Of partitions and of inheritance children alike.
Sql foreign_leaves() {
    return sql(R"(
    WITH RECURSIVE below(relid) AS (
      SELECT h.inhrelid FROM pg_inherits h WHERE h.inhparent = c.oid
      UNION SELECT h.inhrelid FROM below JOIN pg_inherits h ON h.inhparent = below.relid)
    SELECT coalesce(json_agg({0} ORDER BY {0} COLLATE "C"), '[]')
    FROM below JOIN pg_class r ON r.oid = below.relid JOIN pg_namespace o ON o.oid = r.relnamespace
    WHERE r.relkind = 'f')",
               said(sql("o.nspname"), sql("r.relname")));
}

Sql table() {
    return sql(R"(
  SELECT json_build_object(
    'name', json_build_array(n.nspname, c.relname),
    'kind', c.relkind::text,
    'persistence', c.relpersistence::text,
    'owner', pg_get_userbyid(c.relowner),
    'owned_by_us', pg_has_role(c.relowner, 'USAGE'),
    'comment', obj_description(c.oid, 'pg_class'),
    'parents', (SELECT coalesce(json_agg({8} ORDER BY {8} COLLATE "C"), '[]') FROM pg_inherits h
                JOIN pg_class r ON r.oid = h.inhparent JOIN pg_namespace o ON o.oid = r.relnamespace
                WHERE h.inhrelid = c.oid),
    'children', (SELECT coalesce(json_agg({8} ORDER BY {8} COLLATE "C"), '[]') FROM pg_inherits h
                 JOIN pg_class r ON r.oid = h.inhrelid JOIN pg_namespace o ON o.oid = r.relnamespace
                 WHERE h.inhparent = c.oid AND NOT r.relispartition),
    'leaves', (SELECT count(*) FROM pg_partition_tree(c.oid) p WHERE p.relid <> c.oid),
    'columns', ({0}),
    'key', (SELECT coalesce(json_agg(a.attname ORDER BY k.at), '[]')
            FROM pg_index i
            CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, at)
            JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
            WHERE i.indrelid = c.oid AND i.indisprimary AND k.at <= i.indnkeyatts),
    'indexes', ({3}),
    'constraints', (SELECT coalesce(json_agg(json_build_object('name', k.conname, 'kind', k.contype::text,
                                                               'definition', pg_get_constraintdef(k.oid),
                                                               'validated', k.convalidated, 'columns', {5})
                                             ORDER BY k.conname COLLATE "C"), '[]')
                    FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype <> 'n'),
    'foreign_keys', ({4}),
    'triggers', ({1}),
    'syncs', ({2}),
    'rules', ({6}),
    'foreign_leaves', ({7})
  ) AS document, c.oid
  FROM wanted
  JOIN pg_namespace n ON n.nspname = wanted.schema
  JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = wanted.name
  WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm')
  ORDER BY n.nspname COLLATE "C", c.relname COLLATE "C")",
               columns(), triggers(), syncs(), indexes(), foreign_keys(), names_of(sql("k.conrelid"), sql("k.conkey")),
               rules(), foreign_leaves(), said(sql("o.nspname"), sql("r.relname")));
}

}  // namespace

Batch catalog_query(std::vector<TableName> const& tables) {
    std::vector<Sql> schemas;
    std::vector<Sql> names;
    for (auto const& name : tables) {
        schemas.push_back(sql("{0}", Value{name.schema.text()}));
        names.push_back(sql("{0}", Value{name.name.text()}));
    }
    return {sql("SET LOCAL search_path = pg_catalog, pg_temp"),
            sql(R"(
WITH wanted AS MATERIALIZED (
  SELECT DISTINCT w.schema, w.name
  FROM unnest(ARRAY[{0}]::text[], ARRAY[{1}]::text[]) AS w(schema, name)),
described AS MATERIALIZED ({2})
SELECT json_build_object(
  'format', 1,
  'server_version', current_setting('server_version_num')::int / 10000,
  'database', current_database(),
  'lock_slots', least(2000000000, current_setting('max_locks_per_transaction')::int8 * (
    SELECT sum(s.setting::int8) + 1 FROM pg_settings s
    WHERE s.name IN ('max_connections', 'autovacuum_max_workers', 'max_worker_processes', 'max_wal_senders',
                     'max_prepared_transactions'))),
  'locks_per_transaction', current_setting('max_locks_per_transaction')::int,
  'tables', (SELECT coalesce(json_agg(document), '[]') FROM described),
  'other_relations', (
    SELECT coalesce(json_agg(json_build_array(n.nspname, c.relname) ORDER BY n.nspname COLLATE "C", c.relname COLLATE "C"), '[]')
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm', 'S', 'i', 'I', 'c')
      AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'weir', 'weir_sync')
      AND n.nspname !~ '^pg_(toast_)?temp_'
      AND c.oid NOT IN (SELECT oid FROM described)),
  'aside_tables', (
    SELECT coalesce(json_agg(json_build_object('name', json_build_array(n.nspname, c.relname), 'value', d.description)
                             ORDER BY n.nspname COLLATE "C", c.relname COLLATE "C"), '[]')
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_description d ON d.classoid = 'pg_class'::regclass AND d.objoid = c.oid AND d.objsubid = 0
    WHERE c.relname LIKE 'weir\_q%' AND c.relkind IN ('r', 'p')),
  'answers', '[]'::json))",
                Sql::join(schemas, ", "), Sql::join(names, ", "), table())};
}

}  // namespace weir
