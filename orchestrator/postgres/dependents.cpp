#include "orchestrator/postgres/dependents.h"

#include "phases/craft/names.h"

namespace weir {

Sql ours(Sql const& trigger_name) { return sql("{0} ~ '{1}'", trigger_name, own_triggers()); }

Sql own_and_dependent(Sql const& roots) {
    return sql(R"(
own (root, classid, objid) AS (
  SELECT r.root, 'pg_class'::regclass::oid, r.root FROM ({0}) AS r(root)
  UNION
  SELECT o.root, d.classid, d.objid FROM own o
  JOIN pg_depend d ON d.refclassid = o.classid AND d.refobjid = o.objid AND d.deptype IN ('a', 'i', 'P', 'S')),
link AS MATERIALIZED (
  SELECT own.root, own.classid AS partclass, own.objid AS part, d.classid, d.objid, d.objsubid, d.refobjsubid, d.deptype,
         (own.root, d.classid, d.objid) IN (SELECT root, classid, objid FROM own) AS inside
  FROM own JOIN pg_depend d ON d.refclassid = own.classid AND d.refobjid = own.objid),
dependent AS MATERIALIZED (
  SELECT f.root, f.classid, f.objid, f.objsubid, f.deptype, f.inside, f.relid, f.attnum, f.attname, f.whole_row,
         f.relation, f.view, f.inherited,
         CASE WHEN f.generated THEN 'generated column' ELSE o.type END AS kind, o.identity
  FROM (
    SELECT DISTINCT d.root, d.classid, d.objid, d.objsubid, d.deptype, d.inside,
      t.oid AS relid, a.attnum, a.attname,
      d.refobjsubid = 0 AND (t.oid IS NOT NULL OR d.partclass = 'pg_type'::regclass) AS whole_row,
      coalesce(r.ev_class, g.adrelid, nullif(k.conrelid, 0), p.polrelid, w.tgrelid, c.oid) AS relation,
      CASE WHEN r.rulename = '_RETURN' THEN r.ev_class END AS view,
      coalesce(k.conparentid, 0) <> 0 AS inherited,
      a.attnum IS NOT NULL AND (g.oid IS NOT NULL OR c.oid = a.attrelid) AS generated,
      coalesce(g.adrelid, c.oid) AS adrelid, coalesce(g.adnum, d.objsubid) AS adnum
    FROM link d
    LEFT JOIN pg_class t ON d.partclass = 'pg_class'::regclass AND t.oid = d.part
      AND t.relkind IN ('r', 'p', 'f', 'v', 'm')
    LEFT JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid AND d.refobjsubid > 0
      AND NOT a.attisdropped
    LEFT JOIN pg_class c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid
    LEFT JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
    LEFT JOIN pg_attrdef g ON d.classid = 'pg_attrdef'::regclass AND g.oid = d.objid
    LEFT JOIN pg_constraint k ON d.classid = 'pg_constraint'::regclass AND k.oid = d.objid
    LEFT JOIN pg_policy p ON d.classid = 'pg_policy'::regclass AND p.oid = d.objid
    LEFT JOIN pg_trigger w ON d.classid = 'pg_trigger'::regclass AND w.oid = d.objid
    WHERE (a.attnum IS NOT NULL OR (d.deptype = 'n' AND NOT d.inside)
           OR (t.oid IS NOT NULL AND d.refobjsubid = 0 AND (d.deptype = 'n' OR 0 = ANY (k.conkey))))
      AND coalesce(NOT (g.adrelid = a.attrelid AND g.adnum = a.attnum), true)
      AND coalesce(c.oid <> a.attrelid OR d.objsubid > 0, true)
      AND coalesce(NOT (r.rulename = '_RETURN' AND r.ev_class = t.oid), true)
      AND coalesce(NOT {1}, true)
      AND k.contype IS DISTINCT FROM 'n'
      AND (coalesce(t.oid, d.root) = d.root
           OR NOT (g.oid IS NOT NULL OR coalesce(c.oid = t.oid, false) OR coalesce(c.relispartition, false) OR coalesce(w.tgparentid <> 0, false)
                   OR coalesce(k.conparentid <> 0 OR k.coninhcount > 0, false)))) f
  CROSS JOIN LATERAL pg_identify_object(
    CASE WHEN f.generated OR f.view IS NOT NULL THEN 'pg_class'::regclass::oid ELSE f.classid END,
    CASE WHEN f.generated THEN f.adrelid ELSE coalesce(f.view, f.objid) END,
    CASE WHEN f.generated THEN f.adnum WHEN f.view IS NOT NULL THEN 0 ELSE f.objsubid END) o))",
               roots, ours(sql("w.tgname")));
}

Sql functions_that_say(Sql const& word) {
    return sql(R"(FROM pg_proc p JOIN pg_namespace home ON home.oid = p.pronamespace
    JOIN pg_language l ON l.oid = p.prolang AND l.lanname NOT IN ('internal', 'c')
    WHERE p.prosqlbody IS NULL AND home.nspname NOT IN ('pg_catalog', 'information_schema', 'weir', 'weir_sync')
      AND p.prosrc ~* {0})",
               word);
}

Sql whole_word(Sql const& name) {
    return sql(
        R"(('(^|[^[:alnum:]_$])' || regexp_replace({0}, '([^[:alnum:]])', '\\\1', 'g') || '($|[^[:alnum:]_$])'))",
        name);
}

}  // namespace weir
