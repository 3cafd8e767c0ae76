#include "orchestrator/postgres/belongings.h"

namespace weir {
namespace {

/// `own`: the table and all its parts; `tables`: those of them that hold rows.
Sql parts() {
    return sql(R"(RECURSIVE own (classid, objid) AS (
    SELECT 'pg_class'::regclass::oid, root
    UNION
    SELECT d.classid, d.objid FROM own o
    JOIN pg_depend d ON d.refclassid = o.classid AND d.refobjid = o.objid AND d.deptype IN ('a', 'i', 'P', 'S')),
  tables AS (
    SELECT c.oid, n.nspname, c.relname FROM own
    JOIN pg_class c ON own.classid = 'pg_class'::regclass AND c.oid = own.objid AND c.relkind IN ('r', 'p', 'f')
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname <> 'pg_toast'))");
}

/// A view stands for the rule that makes it one.
Sql obstacles() {
    return sql(R"(
    SELECT o.type AS kind, o.identity, coalesce(r.ev_class, g.adrelid, nullif(k.conrelid, 0), p.polrelid, t.tgrelid,
                                                CASE WHEN d.classid = 'pg_class'::regclass THEN d.objid END) AS of
    FROM own
    JOIN pg_depend d ON d.refclassid = own.classid AND d.refobjid = own.objid AND d.deptype = 'n'
    LEFT JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
    LEFT JOIN pg_attrdef g ON d.classid = 'pg_attrdef'::regclass AND g.oid = d.objid
    LEFT JOIN pg_constraint k ON d.classid = 'pg_constraint'::regclass AND k.oid = d.objid
    LEFT JOIN pg_policy p ON d.classid = 'pg_policy'::regclass AND p.oid = d.objid
    LEFT JOIN pg_trigger t ON d.classid = 'pg_trigger'::regclass AND t.oid = d.objid
    CROSS JOIN LATERAL pg_identify_object(CASE WHEN r.rulename = '_RETURN' THEN 'pg_class'::regclass::oid ELSE d.classid END,
                                          CASE WHEN r.rulename = '_RETURN' THEN r.ev_class ELSE d.objid END,
                                          CASE WHEN r.rulename = '_RETURN' THEN 0 ELSE d.objsubid END) o
    WHERE (d.classid, d.objid) NOT IN (SELECT classid, objid FROM own) AND coalesce(k.conparentid, 0) = 0
    UNION
    SELECT 'publication', pub.pubname::text, NULL FROM tables
    JOIN pg_publication_rel m ON m.prrelid = tables.oid JOIN pg_publication pub ON pub.oid = m.prpubid
    UNION
    SELECT 'subscription', s.subname::text, NULL FROM tables
    JOIN pg_subscription_rel m ON m.srrelid = tables.oid JOIN pg_subscription s ON s.oid = m.srsubid
    UNION
    SELECT 'extension', e.extname::text, NULL FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
    WHERE d.classid = 'pg_class'::regclass AND d.objid = root AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e')");
}

/// The names of the columns of `relation` that an array of numbers holds, in its order.
Sql names_of(Sql const& relation, Sql const& numbers) {
    return sql(R"((SELECT coalesce(json_agg(a.attname ORDER BY u.at), '[]')
        FROM unnest({1}) WITH ORDINALITY AS u(number, at)
        JOIN pg_attribute a ON a.attrelid = {0} AND a.attnum = u.number))",
               relation, numbers);
}

/// Version 14 has no list of columns that ON DELETE SET NULL writes, hence the detour by JSON.
Sql references() {
    return sql(R"(
    SELECT coalesce(json_agg(json_build_object(
      'name', k.conname, 'table', json_build_array(t.nspname, t.relname), 'to', json_build_array(n.nspname, c.relname),
      'definition', pg_get_constraintdef(k.oid), 'columns', {0}, 'to_columns', {1},
      'match', k.confmatchtype::text, 'on_update', k.confupdtype::text, 'on_delete', k.confdeltype::text, 'set_columns', {2},
      'deferrable', k.condeferrable, 'deferred', k.condeferred, 'validated', k.convalidated,
      'plain', k.confmatchtype IN ('s', 'f') AND pg_get_constraintdef(k.oid) !~ '\m(PERIOD|NOT ENFORCED)\M',
      'to_partitioned', c.relkind = 'p',
      'may_lock', has_table_privilege(c.oid, 'UPDATE, DELETE, TRUNCATE'),
      'may_refer', has_table_privilege(changes, c.oid, 'REFERENCES'),
      'comment', obj_description(k.oid, 'pg_constraint'),
      'to_refers', (SELECT coalesce(json_agg(json_build_array(schema, name) ORDER BY schema COLLATE "C", name COLLATE "C"), '[]')
                    FROM (SELECT DISTINCT y.nspname AS schema, x.relname AS name
                          FROM pg_constraint f JOIN pg_class x ON x.oid = f.confrelid
                          JOIN pg_namespace y ON y.oid = x.relnamespace
                          WHERE f.conrelid = k.confrelid AND f.contype = 'f' AND f.confrelid <> k.confrelid) further))
      ORDER BY t.nspname COLLATE "C", t.relname COLLATE "C", k.conname COLLATE "C"), '[]')
    FROM tables t JOIN pg_constraint k ON k.conrelid = t.oid AND k.contype = 'f' AND k.conparentid = 0
    JOIN pg_class c ON c.oid = k.confrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE k.confrelid NOT IN (SELECT oid FROM tables))",
               names_of(sql("k.conrelid"), sql("k.conkey")), names_of(sql("k.confrelid"), sql("k.confkey")),
               names_of(sql("k.conrelid"), sql("ARRAY(SELECT jsonb_array_elements_text(CASE WHEN "
                                               "jsonb_typeof(to_jsonb(k)->'confdelsetcols') = 'array' "
                                               "THEN to_jsonb(k)->'confdelsetcols' ELSE '[]' END)::int)")));
}

Sql document() {
    return sql(R"(
  WITH {0}
  SELECT json_build_object(
    'comment', obj_description(root, 'pg_class'),
    'role', pg_get_userbyid(changes),
    'may_rename', (SELECT has_schema_privilege(changes, c.relnamespace, 'CREATE') FROM pg_class c WHERE c.oid = root),
    'relations', (SELECT coalesce(json_agg(json_build_array(n.nspname, c.relname)
                                           ORDER BY n.nspname COLLATE "C", c.relname COLLATE "C"), '[]')
                  FROM own JOIN pg_class c ON own.classid = 'pg_class'::regclass AND c.oid = own.objid AND c.oid <> root
                  JOIN pg_namespace n ON n.oid = c.relnamespace
                  WHERE c.relkind IN ('r', 'p', 'f', 'S', 'i', 'I') AND n.nspname <> 'pg_toast'),
    'outward', (SELECT coalesce(json_agg(json_build_object('kind', kind, 'identity', identity)
                                         ORDER BY kind COLLATE "C", identity COLLATE "C"), '[]')
                FROM (SELECT DISTINCT o.type AS kind, o.identity FROM own
                      JOIN pg_depend d ON d.classid = own.classid AND d.objid = own.objid AND d.deptype = 'n'
                        AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0
                        AND d.refobjid NOT IN (SELECT oid FROM tables)
                      CROSS JOIN LATERAL pg_identify_object(d.classid, d.objid, d.objsubid) o) found),
    'obstacles', (SELECT coalesce(json_agg(json_build_object(
                           'what', json_build_object('kind', kind, 'identity', identity),
                           'of', CASE WHEN c.oid IS NOT NULL THEN json_build_array(n.nspname, c.relname) END)
                                           ORDER BY kind COLLATE "C", identity COLLATE "C"), '[]')
                  FROM ({1}) found LEFT JOIN pg_class c ON c.oid = found.of LEFT JOIN pg_namespace n ON n.oid = c.relnamespace),
    'references', ({2}),
    'published', (SELECT coalesce(json_agg(DISTINCT p.pubname::text COLLATE "C" ORDER BY p.pubname::text COLLATE "C"), '[]')
                  FROM pg_publication_tables p JOIN tables t ON t.nspname = p.schemaname AND t.relname = p.tablename
                  WHERE NOT EXISTS (SELECT FROM pg_publication_rel m JOIN pg_publication q ON q.oid = m.prpubid
                                    WHERE m.prrelid = t.oid AND q.pubname = p.pubname)),
    'mentions', (SELECT coalesce(json_agg(DISTINCT (q.nspname || '.' || p.proname) COLLATE "C" ORDER BY (q.nspname || '.' || p.proname) COLLATE "C"), '[]')
                 FROM pg_proc p JOIN pg_namespace q ON q.oid = p.pronamespace
                 JOIN pg_language l ON l.oid = p.prolang AND l.lanname NOT IN ('internal', 'c')
                 WHERE p.prosqlbody IS NULL AND q.nspname NOT IN ('pg_catalog', 'information_schema', 'weir', 'weir_sync')
                   AND p.prosrc ~* word))::text)",
               parts(), obstacles(), references());
}

}  // namespace

Batch ask_belongings(DropQuestion const& question, std::string const& role) {
    return {sql("SET LOCAL search_path = pg_catalog, pg_temp"),
            sql("DO {0}", Sql::body(sql(R"(
DECLARE
  root oid := {0}::regclass;
  changes oid := coalesce((SELECT r.oid FROM pg_roles r WHERE r.rolname = {3}),
                          (SELECT c.relowner FROM pg_class c WHERE c.oid = root));
  word text := '(^|[^[:alnum:]_$])' || regexp_replace({1}, '([^[:alnum:]])', '\\\1', 'g') || '($|[^[:alnum:]_$])';
BEGIN
  RAISE EXCEPTION USING ERRCODE = 'WE100', MESSAGE = ({2});
END
)",
                                        Value{sql("{0}", question.table).text()}, Value{question.table.name.text()},
                                        document(), Value{role})))};
}

}  // namespace weir
