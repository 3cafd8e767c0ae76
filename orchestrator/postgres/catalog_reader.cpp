#include "orchestrator/postgres/catalog_reader.h"

#include <string>

#include "orchestrator/postgres/catalog_sql.h"
#include "orchestrator/postgres/dependents.h"

namespace weir {
namespace {

using namespace catalog_sql;

/// One flat JSON object, and nothing that the server's own cast could refuse: `IS JSON` is 16's.
std::string json_text() { return R"x("([^"\\[:cntrl:]]|\\["\\/bfnrt]|\\u00(0[1-9a-fA-F]|[1-9a-fA-F][0-9a-fA-F]))*")x"; }
Value flat_array() { return Value{R"(^\[()" + json_text() + "(," + json_text() + R"()*)?\]$)"}; }
Value flat_json() {
    std::string const text = json_text();
    std::string const member = text + R"(\s*:\s*()" + text + R"(|-?(0|[1-9]\d{0,17})|true|false|null))";
    return Value{R"(^\s*\{\s*)" + member + R"((\s*,\s*)" + member + R"()*\s*\}\s*$)"};
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
      WHERE g.tgrelid = c.oid AND NOT g.tgisinternal AND {0} AND g.tgname ~ '_last_u$'
        AND CASE WHEN j->'weir' = '1' AND jsonb_typeof(j->'run') = 'number' AND jsonb_typeof(j->'number') = 'number'
                      AND jsonb_typeof(j->'from') = 'string' AND jsonb_typeof(j->'to') = 'string'
                      AND jsonb_typeof(j->'two_way') = 'boolean'
                 THEN (j->>'run')::numeric > 0 AND (j->>'number')::numeric BETWEEN 1 AND 1000000
                 ELSE false END) live)",
               ours(sql("g.tgname")), flat_json(), flat_array());
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

/// Of parents or children, which `condition` tells by pg_inherits, `h`.
Sql kin(Sql const& relation, Sql const& condition) {
    return sql(R"((SELECT coalesce(json_agg({0} ORDER BY {0} COLLATE "C"), '[]') FROM pg_inherits h
                   JOIN pg_class r ON r.oid = {1} JOIN pg_namespace o ON o.oid = r.relnamespace WHERE {2}))",
               said(sql("o.nspname"), sql("r.relname")), relation, condition);
}

Sql key() {
    return sql(R"((SELECT coalesce(json_agg(a.attname ORDER BY k.at), '[]')
            FROM pg_index i
            CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, at)
            JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
            WHERE i.indrelid = c.oid AND i.indisprimary AND k.at <= i.indnkeyatts))");
}

Sql attributes() {
    return sql(R"(
    'kind', c.relkind::text,
    'persistence', c.relpersistence::text,
    'owner', pg_get_userbyid(c.relowner),
    'owned_by_us', pg_has_role(c.relowner, 'USAGE'),
    'comment', obj_description(c.oid, 'pg_class'),
    'parents', {0},
    'children', {1},
    'grants', {2},
    'labels', {3},
    'options', {4},
    'tablespace', {5},
    'access_method', coalesce((SELECT m.amname FROM pg_am m WHERE m.oid = c.relam), 'heap'),
    'replica_identity', CASE WHEN c.relkind IN ('r', 'p') THEN c.relreplident::text ELSE 'd' END,
    'row_security', c.relrowsecurity,
    'forced_row_security', c.relforcerowsecurity,
    'partition_key', CASE WHEN c.relkind = 'p' THEN pg_get_partkeydef(c.oid) ELSE '' END,
    'leaves', (SELECT count(*) FROM pg_partition_tree(c.oid) p WHERE p.relid <> c.oid))",
               kin(sql("h.inhparent"), sql("h.inhrelid = c.oid")),
               kin(sql("h.inhrelid"), sql("h.inhparent = c.oid AND NOT r.relispartition")), acl(sql("c.relacl")),
               labels(sql("c.oid"), sql("0")), list(sql("c.reloptions")), tablespace(sql("c.reltablespace")));
}

Sql table() {
    return sql(R"(
  SELECT json_build_object(
    'name', json_build_array(n.nspname, c.relname), {0},
    'columns', ({1}),
    'differing_leaves', ({2}),
    'key', {3},
    'indexes', ({4}),
    'constraints', ({5}),
    'foreign_keys', ({6}),
    'triggers', ({7}),
    'syncs', ({8}),
    'rules', ({9}),
    'policies', ({10}),
    'views', ({11}),
    'publications', ({12}),
    'sequences', ({13}),
    'statistics', ({14}),
    'dependents', ({15}),
    'mentions', ({16}),
    'foreign_leaves', ({17})
  ) AS document, c.oid
  FROM wanted
  JOIN pg_namespace n ON n.nspname = wanted.schema
  JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = wanted.name
  WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm')
  ORDER BY n.nspname COLLATE "C", c.relname COLLATE "C")",
               attributes(), columns(), differing_leaves(), key(), indexes(), constraints(), foreign_keys(), triggers(),
               syncs(), rules(), policies(), views(), publications(), sequences(), statistics(), dependents(),
               mentions(), foreign_leaves());
}

Sql roots() {
    return sql(R"(SELECT c.oid FROM wanted JOIN pg_namespace n ON n.nspname = wanted.schema
  JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = wanted.name AND c.relkind IN ('r', 'p', 'f', 'v', 'm'))");
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
WITH RECURSIVE wanted AS MATERIALIZED (
  SELECT DISTINCT w.schema, w.name
  FROM unnest(ARRAY[{0}]::text[], ARRAY[{1}]::text[]) AS w(schema, name)),
{3},
{4},
described AS MATERIALIZED ({2})
SELECT json_build_object(
  'format', 2,
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
  'neighbours', ({5}),
  'enums', ({6}),
  'aside_tables', (
    SELECT coalesce(json_agg(json_build_object('name', json_build_array(n.nspname, c.relname), 'value', d.description)
                             ORDER BY n.nspname COLLATE "C", c.relname COLLATE "C"), '[]')
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_description d ON d.classoid = 'pg_class'::regclass AND d.objoid = c.oid AND d.objsubid = 0
    WHERE c.relname LIKE 'weir\_q%' AND c.relkind IN ('r', 'p')),
  'answers', '[]'::json))",
                Sql::join(schemas, ", "), Sql::join(names, ", "), table(), own_and_dependent(roots()), read_by(),
                neighbours(), enums())};
}

}  // namespace weir
