#include "orchestrator/postgres/catalog_sql.h"
#include "orchestrator/postgres/dependents.h"

namespace weir::catalog_sql {

Sql tree() { return sql("(SELECT c.oid AS relid UNION SELECT relid::oid FROM pg_partition_tree(c.oid))"); }

Sql said(Sql const& schema, Sql const& name) {
    return sql("CASE WHEN {0} = 'public' THEN {1}::text ELSE {0} || '.' || {1} END", schema, name);
}

Sql name(Sql const& schema, Sql const& relation) { return sql("json_build_array({0}, {1})", schema, relation); }

Sql names_of(Sql const& relation, Sql const& numbers) {
    return sql(R"((SELECT coalesce(json_agg(o.attname ORDER BY u.at), '[]')
                   FROM unnest({1}::int2[]) WITH ORDINALITY AS u(number, at)
                   JOIN pg_attribute o ON o.attrelid = {0} AND o.attnum = u.number AND u.number > 0))",
               relation, numbers);
}

Sql grants(Sql const& list) {
    return sql(
        R"((SELECT coalesce(json_agg(json_build_object('grantee', grantee, 'privilege', privilege, 'grantable', grantable)
                                          ORDER BY grantee COLLATE "C", privilege COLLATE "C", grantable), '[]')
                 FROM (SELECT DISTINCT CASE WHEN x.grantee = 0 THEN '' ELSE pg_get_userbyid(x.grantee)::text END AS grantee,
                              x.privilege_type AS privilege, x.is_grantable AS grantable
                       FROM aclexplode({0}) x) granted))",
        list);
}

Sql acl(Sql const& list) { return sql("CASE WHEN {0} IS NOT NULL THEN {1} END", list, grants(list)); }

Sql list(Sql const& texts) { return sql("to_json(coalesce({0}, '{{}}'))", texts); }

Sql labels(Sql const& relation, Sql const& number) {
    return sql(R"((SELECT coalesce(json_agg(json_build_object('provider', l.provider, 'label', l.label)
                                            ORDER BY l.provider COLLATE "C"), '[]')
                   FROM pg_seclabel l
                   WHERE l.classoid = 'pg_class'::regclass AND l.objoid = {0} AND l.objsubid = {1}))",
               relation, number);
}

Sql tablespace(Sql const& oid) {
    return sql("coalesce((SELECT p.spcname FROM pg_tablespace p WHERE p.oid = {0}), '')", oid);
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
          AND x.refclassid = 'pg_class'::regclass AND x.refobjid = i.indrelid) used),
      'unique', i.indisunique, 'primary', i.indisprimary, 'valid', i.indisvalid,
      'constraint', coalesce((SELECT k.conname FROM pg_constraint k
                              WHERE k.conindid = l.oid AND k.conrelid = c.oid AND k.contype IN ('p', 'u', 'x')), ''),
      'parent', (SELECT {0} FROM pg_inherits h JOIN pg_class r ON r.oid = h.inhparent
                 JOIN pg_namespace o ON o.oid = r.relnamespace WHERE h.inhrelid = l.oid),
      'replica_identity', i.indisreplident, 'clustered', i.indisclustered, 'options', {1},
      'statistics', (SELECT coalesce(json_agg(json_build_object('number', o.attnum, 'target', o.attstattarget) ORDER BY o.attnum), '[]')
                     FROM pg_attribute o WHERE o.attrelid = l.oid AND o.attstattarget >= 0),
      'tablespace', {2}, 'comment', obj_description(l.oid, 'pg_class')
    ) ORDER BY l.relname COLLATE "C"), '[]')
    FROM pg_index i JOIN pg_class l ON l.oid = i.indexrelid JOIN pg_am m ON m.oid = l.relam
    WHERE i.indrelid = c.oid)",
               name(sql("o.nspname"), sql("r.relname")), list(sql("l.reloptions")), tablespace(sql("l.reltablespace")));
}

Sql constraint() {
    return sql(R"(json_build_object(
      'name', k.conname, 'kind', k.contype::text, 'definition', pg_get_constraintdef(k.oid), 'validated', k.convalidated,
      'columns', {0}, 'deferrable', k.condeferrable, 'deferred', k.condeferred, 'no_inherit', k.contype = 'c' AND k.connoinherit,
      'local', k.conislocal, 'inherited', k.coninhcount,
      'index', coalesce((SELECT l.relname FROM pg_class l WHERE l.oid = k.conindid), ''),
      'comment', obj_description(k.oid, 'pg_constraint')))",
               names_of(sql("k.conrelid"), sql("k.conkey")));
}

Sql constraints() {
    return sql(R"(
    SELECT coalesce(json_agg({0} ORDER BY k.conname COLLATE "C"), '[]')
    FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype NOT IN ('n', 'f'))",
               constraint());
}

/// Version 14 has no list of columns that ON DELETE SET NULL writes: `confdelsetcols` is then that of `absent`.
Sql foreign_keys() {
    return sql(R"(
    SELECT coalesce(json_agg(json_build_object(
      'name', k.conname, 'table', {2}, 'to', {3}, 'ours', a.relid IS NOT NULL, 'theirs', b.relid IS NOT NULL,
      'definition', pg_get_constraintdef(k.oid), 'columns', {0}, 'to_columns', {1},
      'match', k.confmatchtype::text, 'on_update', k.confupdtype::text, 'on_delete', k.confdeltype::text,
      'set_columns', {4}, 'deferrable', k.condeferrable, 'deferred', k.condeferred, 'validated', k.convalidated,
      'plain', k.confmatchtype IN ('s', 'f') AND pg_get_constraintdef(k.oid) !~ '\m(PERIOD|NOT ENFORCED)\M',
      'comment', obj_description(k.oid, 'pg_constraint'))
      ORDER BY n.nspname COLLATE "C", r.relname COLLATE "C", k.conname COLLATE "C"), '[]')
    FROM (SELECT f.oid FROM {5} s JOIN pg_constraint f ON f.conrelid = s.relid AND f.contype = 'f' AND f.conparentid = 0
          UNION
          SELECT f.oid FROM {5} s JOIN pg_constraint f ON f.confrelid = s.relid AND f.contype = 'f' AND f.conparentid = 0) found
    JOIN pg_constraint k ON k.oid = found.oid
    LEFT JOIN {5} a ON a.relid = k.conrelid LEFT JOIN {5} b ON b.relid = k.confrelid
    JOIN pg_class r ON r.oid = k.conrelid JOIN pg_namespace n ON n.oid = r.relnamespace
    JOIN pg_class t ON t.oid = k.confrelid JOIN pg_namespace o ON o.oid = t.relnamespace
    CROSS JOIN (SELECT NULL::int2[] AS confdelsetcols) absent
    CROSS JOIN LATERAL (SELECT confdelsetcols AS numbers FROM pg_constraint x WHERE x.oid = found.oid) of_delete)",
               names_of(sql("k.conrelid"), sql("k.conkey")), names_of(sql("k.confrelid"), sql("k.confkey")),
               name(sql("n.nspname"), sql("r.relname")), name(sql("o.nspname"), sql("t.relname")),
               names_of(sql("k.conrelid"), sql("of_delete.numbers")), tree());
}

namespace {

/// The relation `of` as the one partition that an object is on; nothing for the table itself.
Sql partition(Sql const& of) {
    return sql("CASE WHEN {0} = c.oid THEN '' ELSE {1} END", of, said(sql("o.nspname"), sql("r.relname")));
}

}  // namespace

Sql triggers() {
    return sql(R"(
    SELECT coalesce(json_agg(json_build_object(
      'name', g.tgname, 'definition', pg_get_triggerdef(g.oid), 'enabled', g.tgenabled::text,
      'partition', {1}, 'each_row', g.tgtype & 1 > 0, 'before', g.tgtype & 2 > 0, 'on_update', g.tgtype & 16 > 0,
      'on_delete', g.tgtype & 8 > 0, 'columns', {2}, 'function', {3}, 'comment', obj_description(g.oid, 'pg_trigger'))
      ORDER BY g.tgname COLLATE "C", {5} COLLATE "C"), '[]')
    FROM {4} s
    JOIN pg_trigger g ON g.tgrelid = s.relid
    JOIN pg_class r ON r.oid = g.tgrelid JOIN pg_namespace o ON o.oid = r.relnamespace
    JOIN pg_proc p ON p.oid = g.tgfoid JOIN pg_namespace q ON q.oid = p.pronamespace
    WHERE NOT g.tgisinternal AND (g.tgrelid = c.oid OR g.tgparentid = 0) AND NOT {0})",
               ours(sql("g.tgname")), partition(sql("g.tgrelid")), names_of(sql("g.tgrelid"), sql("g.tgattr")),
               said(sql("q.nspname"), sql("p.proname")), tree(), said(sql("o.nspname"), sql("r.relname")));
}

/// A view's own rule has the event SELECT.
Sql rules() {
    return sql(R"(
    SELECT coalesce(json_agg(json_build_object(
      'name', w.rulename, 'event', CASE w.ev_type WHEN '2' THEN 'UPDATE' WHEN '3' THEN 'INSERT' ELSE 'DELETE' END,
      'partition', {0}, 'enabled', w.ev_enabled::text, 'definition', pg_get_ruledef(w.oid),
      'comment', obj_description(w.oid, 'pg_rewrite'))
      ORDER BY w.rulename COLLATE "C", {2} COLLATE "C"), '[]')
    FROM {1} s
    JOIN pg_rewrite w ON w.ev_class = s.relid
    JOIN pg_class r ON r.oid = w.ev_class JOIN pg_namespace o ON o.oid = r.relnamespace
    WHERE w.ev_type <> '1')",
               partition(sql("w.ev_class")), tree(), said(sql("o.nspname"), sql("r.relname")));
}

Sql policies() {
    return sql(R"(
    SELECT coalesce(json_agg(json_build_object(
      'name', p.polname, 'partition', {0}, 'command', p.polcmd::text, 'permissive', p.polpermissive,
      'roles', (SELECT json_agg(role ORDER BY role COLLATE "C") FROM (
                  SELECT CASE WHEN u.role = 0 THEN '' ELSE pg_get_userbyid(u.role)::text END AS role
                  FROM unnest(p.polroles) AS u(role)) named),
      'using_expression', pg_get_expr(p.polqual, p.polrelid), 'check_expression', pg_get_expr(p.polwithcheck, p.polrelid),
      'comment', obj_description(p.oid, 'pg_policy'))
      ORDER BY p.polname COLLATE "C", {2} COLLATE "C"), '[]')
    FROM {1} s JOIN pg_policy p ON p.polrelid = s.relid
    JOIN pg_class r ON r.oid = p.polrelid JOIN pg_namespace o ON o.oid = r.relnamespace)",
               partition(sql("p.polrelid")), tree(), said(sql("o.nspname"), sql("r.relname")));
}

/// Version 14 has neither lists nor filters nor schemas: what it lacks is that of `absent`, and pg_depend has no row of
/// a catalog that is not there.
Sql publications() {
    return sql(R"(
    SELECT coalesce(json_agg(json_build_object(
      'name', p.pubname, 'owner', pg_get_userbyid(p.pubowner), 'by', way.by, 'partition', {0}, 'columns', way.columns,
      'filter', coalesce(way.filter, ''),
      'operations', concat_ws(', ', CASE WHEN p.pubinsert THEN 'insert' END, CASE WHEN p.pubupdate THEN 'update' END,
                              CASE WHEN p.pubdelete THEN 'delete' END, CASE WHEN p.pubtruncate THEN 'truncate' END),
      'via_root', p.pubviaroot, 'comment', obj_description(p.oid, 'pg_publication'))
      ORDER BY p.pubname COLLATE "C", way.by COLLATE "C", {2} COLLATE "C"), '[]')
    FROM (
      SELECT m.prpubid AS pub, 'table' AS by, m.prrelid AS relid, of_table.columns, of_table.filter
      FROM {1} s JOIN pg_publication_rel m ON m.prrelid = s.relid
      CROSS JOIN (SELECT NULL::int2vector AS prattrs, NULL::pg_node_tree AS prqual) absent
      CROSS JOIN LATERAL (
        SELECT CASE WHEN prattrs IS NOT NULL THEN
                 (SELECT json_agg(a.attname ORDER BY a.attnum) FROM pg_attribute a
                  WHERE a.attrelid = b.prrelid AND a.attnum = ANY (prattrs::int2[])) END AS columns,
               pg_get_expr(prqual, b.prrelid) AS filter
        FROM pg_publication_rel b WHERE b.oid = m.oid) of_table
      UNION ALL
      SELECT e.refobjid, 'schema', s.relid, NULL, NULL
      FROM {1} s JOIN pg_class x ON x.oid = s.relid
      JOIN pg_depend d ON d.refclassid = 'pg_namespace'::regclass AND d.refobjid = x.relnamespace
        AND d.classid = to_regclass('pg_publication_namespace')
      JOIN pg_depend e ON e.classid = d.classid AND e.objid = d.objid AND e.refclassid = 'pg_publication'::regclass
      WHERE s.relid = c.oid OR x.relnamespace <> c.relnamespace
      UNION ALL
      SELECT a.oid, 'all', c.oid, NULL, NULL FROM pg_publication a WHERE a.puballtables) way
    JOIN pg_publication p ON p.oid = way.pub
    JOIN pg_class r ON r.oid = way.relid JOIN pg_namespace o ON o.oid = r.relnamespace)",
               partition(sql("way.relid")), tree(), said(sql("o.nspname"), sql("r.relname")));
}

Sql sequences() {
    return sql(R"(
    SELECT coalesce(json_agg(json_build_object(
      'name', {0}, 'column', a.attname, 'identity', d.deptype = 'i', 'type', format_type(q.seqtypid, NULL),
      'start', q.seqstart, 'increment', q.seqincrement, 'min', q.seqmin, 'max', q.seqmax, 'cache', q.seqcache,
      'cycle', q.seqcycle, 'owner', pg_get_userbyid(r.relowner), 'grants', {1},
      'comment', obj_description(r.oid, 'pg_class'))
      ORDER BY n.nspname COLLATE "C", r.relname COLLATE "C"), '[]')
    FROM pg_depend d
    JOIN pg_class r ON r.oid = d.objid AND r.relkind = 'S' JOIN pg_namespace n ON n.oid = r.relnamespace
    JOIN pg_sequence q ON q.seqrelid = r.oid
    JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
    WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid
      AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i'))",
               name(sql("n.nspname"), sql("r.relname")), acl(sql("r.relacl")));
}

Sql statistics() {
    return sql(R"(
    SELECT coalesce(json_agg(json_build_object(
      'name', {0}, 'kinds', (SELECT string_agg(u.kind, '' ORDER BY u.kind COLLATE "C") FROM unnest(x.stxkind::text[]) AS u(kind)),
      'definition', pg_get_statisticsobjdef(x.oid), 'columns', {1}, 'target', coalesce(x.stxstattarget, -1),
      'owner', pg_get_userbyid(x.stxowner), 'comment', obj_description(x.oid, 'pg_statistic_ext'))
      ORDER BY n.nspname COLLATE "C", x.stxname COLLATE "C"), '[]')
    FROM pg_statistic_ext x JOIN pg_namespace n ON n.oid = x.stxnamespace WHERE x.stxrelid = c.oid)",
               name(sql("n.nspname"), sql("x.stxname")), names_of(sql("x.stxrelid"), sql("x.stxkeys")));
}

Sql dependents() {
    return sql(R"(
    SELECT coalesce(json_agg(json_build_object(
      'what', json_build_object('kind', d.kind, 'identity', d.identity),
      'columns', (SELECT coalesce(json_agg(a.attname ORDER BY a.attnum), '[]') FROM pg_attribute a
                  WHERE a.attrelid = c.oid AND a.attnum > 0 AND a.attname = ANY (d.names)),
      'whole_row', d.whole_row) ORDER BY d.kind COLLATE "C", d.identity COLLATE "C"), '[]')
    FROM (SELECT kind, identity, array_agg(attname) AS names, bool_or(whole_row) AS whole_row
          FROM dependent WHERE root = c.oid GROUP BY kind, identity) d)");
}

Sql mentions() {
    return sql(R"(
    SELECT coalesce(json_agg(json_build_object('function', m.function, 'trigger', m.trigger)
                             ORDER BY m.function COLLATE "C", m.trigger), '[]')
    FROM (SELECT DISTINCT home.nspname || '.' || p.proname AS function,
                 EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = c.oid AND g.tgfoid = p.oid) AS trigger
          {0}) m)",
               functions_that_say(whole_word(sql("c.relname::text"))));
}

Sql read_by() {
    return sql(R"(
read_by (root, relid, depth) AS (
  SELECT d.root, d.view, 1 FROM dependent d WHERE d.view IS NOT NULL
  UNION
  SELECT b.root, r.ev_class, b.depth + 1 FROM read_by b
  JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = b.relid AND d.classid = 'pg_rewrite'::regclass
  JOIN pg_rewrite r ON r.oid = d.objid AND r.rulename = '_RETURN' AND r.ev_class <> b.relid))");
}

Sql views() {
    return sql(R"(
    SELECT coalesce(json_agg(json_build_object(
      'name', {0}, 'materialized', r.relkind = 'm', 'depth', b.depth, 'definition', pg_get_viewdef(r.oid),
      'owner', pg_get_userbyid(r.relowner), 'grants', {1}, 'options', {2}, 'comment', obj_description(r.oid, 'pg_class'),
      'dependents', (
        SELECT coalesce(json_agg(json_build_object('kind', f.kind, 'identity', f.identity)
                                 ORDER BY f.kind COLLATE "C", f.identity COLLATE "C"), '[]')
        FROM (
          SELECT DISTINCT o.type AS kind, o.identity FROM pg_depend d
          LEFT JOIN pg_rewrite w ON d.classid = 'pg_rewrite'::regclass AND w.oid = d.objid AND w.rulename = '_RETURN'
          CROSS JOIN LATERAL pg_identify_object(
            CASE WHEN w.oid IS NOT NULL THEN 'pg_class'::regclass::oid ELSE d.classid END, coalesce(w.ev_class, d.objid),
            CASE WHEN w.oid IS NOT NULL THEN 0 ELSE d.objsubid END) o
          WHERE d.deptype IN ('n', 'a') AND w.ev_class IS DISTINCT FROM r.oid
            AND (d.refclassid = 'pg_class'::regclass AND d.refobjid = r.oid
                 OR d.refclassid = 'pg_type'::regclass
                    AND d.refobjid IN (r.reltype, (SELECT t.typarray FROM pg_type t WHERE t.oid = r.reltype)))) f))
      ORDER BY n.nspname COLLATE "C", r.relname COLLATE "C"), '[]')
    FROM (SELECT relid, max(depth) AS depth FROM read_by WHERE root = c.oid GROUP BY relid) b
    JOIN pg_class r ON r.oid = b.relid JOIN pg_namespace n ON n.oid = r.relnamespace)",
               name(sql("n.nspname"), sql("r.relname")), acl(sql("r.relacl")), list(sql("r.reloptions")));
}

Sql neighbours() {
    return sql(R"(
    SELECT coalesce(json_agg(json_build_object(
      'name', {0}, 'kind', r.relkind::text, 'owner', pg_get_userbyid(r.relowner),
      'may_lock', has_table_privilege(r.oid, 'UPDATE, DELETE, TRUNCATE'),
      'refers', (SELECT coalesce(json_agg({1} ORDER BY schema COLLATE "C", name COLLATE "C"), '[]')
                 FROM (SELECT DISTINCT y.nspname AS schema, x.relname AS name
                       FROM pg_constraint f JOIN pg_class x ON x.oid = f.confrelid
                       JOIN pg_namespace y ON y.oid = x.relnamespace
                       WHERE f.conrelid = r.oid AND f.contype = 'f' AND f.confrelid <> r.oid) further))
      ORDER BY n.nspname COLLATE "C", r.relname COLLATE "C"), '[]')
    FROM (
      SELECT DISTINCT e.relid FROM described c CROSS JOIN LATERAL (
        (SELECT k.confrelid AS relid FROM {2} s
           JOIN pg_constraint k ON k.conrelid = s.relid AND k.contype = 'f' AND k.conparentid = 0
         UNION
         SELECT k.conrelid FROM {2} s
           JOIN pg_constraint k ON k.confrelid = s.relid AND k.contype = 'f' AND k.conparentid = 0)
        EXCEPT SELECT s.relid FROM {2} s) e) ends
    JOIN pg_class r ON r.oid = ends.relid JOIN pg_namespace n ON n.oid = r.relnamespace)",
               name(sql("n.nspname"), sql("r.relname")), name(sql("schema"), sql("name")), tree());
}

Sql enums() {
    return sql(R"(
    SELECT coalesce(json_agg(json_build_object(
      'name', {0},
      'labels', (SELECT coalesce(json_agg(e.enumlabel ORDER BY e.enumsortorder), '[]') FROM pg_enum e WHERE e.enumtypid = t.oid),
      'owner', pg_get_userbyid(t.typowner), 'grants', {1}, 'comment', obj_description(t.oid, 'pg_type'))
      ORDER BY n.nspname COLLATE "C", t.typname COLLATE "C"), '[]')
    FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
    WHERE t.typtype = 'e' AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'weir', 'weir_sync')
      AND n.nspname !~ '^pg_(toast_)?temp_')",
               name(sql("n.nspname"), sql("t.typname")), acl(sql("t.typacl")));
}

}  // namespace weir::catalog_sql
