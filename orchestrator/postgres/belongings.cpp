#include "orchestrator/postgres/belongings.h"

#include "orchestrator/postgres/dependents.h"

namespace weir {
namespace {

/// `own` and `dependent` of the table, and `tables`: those of its parts that hold rows.
Sql parts() {
    return sql(R"(RECURSIVE {0},
  tables AS (
    SELECT c.oid, n.nspname, c.relname FROM own
    JOIN pg_class c ON own.classid = 'pg_class'::regclass AND c.oid = own.objid AND c.relkind IN ('r', 'p', 'f')
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname <> 'pg_toast'))",
               own_and_dependent(sql("SELECT asked")));
}

Sql obstacles() {
    return sql(R"(
    SELECT d.kind, d.identity, d.relation AS of FROM dependent d WHERE d.deptype = 'n' AND NOT d.inside AND NOT d.inherited
    UNION
    SELECT 'publication', pub.pubname::text, NULL FROM tables
    JOIN pg_publication_rel m ON m.prrelid = tables.oid JOIN pg_publication pub ON pub.oid = m.prpubid
    UNION
    SELECT 'subscription', s.subname::text, NULL FROM tables
    JOIN pg_subscription_rel m ON m.srrelid = tables.oid JOIN pg_subscription s ON s.oid = m.srsubid
    UNION
    SELECT 'extension', e.extname::text, NULL FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
    WHERE d.classid = 'pg_class'::regclass AND d.objid = asked AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e')");
}

Sql document() {
    return sql(R"(
  WITH {0}
  SELECT json_build_object(
    'comment', obj_description(asked, 'pg_class'),
    'role', pg_get_userbyid(changes),
    'may_rename', (SELECT has_schema_privilege(changes, c.relnamespace, 'CREATE') FROM pg_class c WHERE c.oid = asked),
    'may_not_refer', (SELECT coalesce(json_agg(json_build_array(x.schema, x.name) ORDER BY x.schema COLLATE "C", x.name COLLATE "C"), '[]')
                      FROM (SELECT DISTINCT n.nspname AS schema, c.relname AS name
                            FROM tables t JOIN pg_constraint k ON k.conrelid = t.oid AND k.contype = 'f'
                            JOIN pg_class c ON c.oid = k.confrelid JOIN pg_namespace n ON n.oid = c.relnamespace
                            WHERE k.confrelid NOT IN (SELECT oid FROM tables)
                              AND NOT has_table_privilege(changes, c.oid, 'REFERENCES')) x),
    'relations', (SELECT coalesce(json_agg(json_build_array(n.nspname, c.relname)
                                           ORDER BY n.nspname COLLATE "C", c.relname COLLATE "C"), '[]')
                  FROM own JOIN pg_class c ON own.classid = 'pg_class'::regclass AND c.oid = own.objid AND c.oid <> asked
                  JOIN pg_namespace n ON n.oid = c.relnamespace
                  WHERE c.relkind IN ('r', 'p', 'f', 'S', 'i', 'I') AND n.nspname <> 'pg_toast'),
    'outward', (SELECT coalesce(json_agg(json_build_object('kind', kind, 'identity', identity)
                                         ORDER BY kind COLLATE "C", identity COLLATE "C"), '[]')
                FROM (SELECT DISTINCT o.type AS kind, o.identity FROM own
                      JOIN pg_depend d ON d.classid = own.classid AND d.objid = own.objid AND d.deptype = 'n'
                        AND d.refclassid = 'pg_class'::regclass
                        AND d.refobjid NOT IN (SELECT oid FROM tables)
                      CROSS JOIN LATERAL pg_identify_object(d.classid, d.objid, d.objsubid) o) found),
    'obstacles', (SELECT coalesce(json_agg(json_build_object(
                           'what', json_build_object('kind', kind, 'identity', identity),
                           'of', CASE WHEN c.oid IS NOT NULL THEN json_build_array(n.nspname, c.relname) END)
                                           ORDER BY kind COLLATE "C", identity COLLATE "C"), '[]')
                  FROM ({1}) found LEFT JOIN pg_class c ON c.oid = found.of LEFT JOIN pg_namespace n ON n.oid = c.relnamespace),
    'published', (SELECT coalesce(json_agg(DISTINCT p.pubname::text COLLATE "C" ORDER BY p.pubname::text COLLATE "C"), '[]')
                  FROM pg_publication_tables p JOIN tables t ON t.nspname = p.schemaname AND t.relname = p.tablename
                  WHERE NOT EXISTS (SELECT FROM pg_publication_rel m JOIN pg_publication q ON q.oid = m.prpubid
                                    WHERE m.prrelid = t.oid AND q.pubname = p.pubname)),
    'mentions', (SELECT coalesce(json_agg(DISTINCT (home.nspname || '.' || p.proname) COLLATE "C" ORDER BY (home.nspname || '.' || p.proname) COLLATE "C"), '[]')
                 {2}))::text)",
               parts(), obstacles(), functions_that_say(sql("word")));
}

}  // namespace

Batch ask_belongings(DropQuestion const& question, std::string const& role) {
    return {sql("SET LOCAL search_path = pg_catalog, pg_temp"),
            sql("DO {0}", Sql::body(sql(R"(
DECLARE
  asked oid := {0}::regclass;
  changes oid := coalesce((SELECT r.oid FROM pg_roles r WHERE r.rolname = {3}),
                          (SELECT c.relowner FROM pg_class c WHERE c.oid = asked));
  word text := {1};
BEGIN
  RAISE EXCEPTION USING ERRCODE = 'WE100', MESSAGE = ({2});
END
)",
                                        Value{sql("{0}", question.table).text()},
                                        whole_word(sql("{0}::text", Value{question.table.name.text()})), document(),
                                        Value{role})))};
}

}  // namespace weir
