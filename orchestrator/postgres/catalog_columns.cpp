#include "orchestrator/postgres/catalog_sql.h"

namespace weir::catalog_sql {

namespace {

/// Some builds note a version of their own among the options (`pg_attver`); it is the server's, no user's, and changes
/// with every ALTER.
Sql options(Sql const& column) {
    return sql(R"(coalesce((SELECT array_agg(o.option ORDER BY o.at)
                           FROM unnest({0}.attoptions) WITH ORDINALITY AS o(option, at)
                           WHERE o.option !~ '^pg_attver=')::text, ''))",
               column);
}

/// The server says so of a column, too, whose NOT NULL is not validated.
Sql not_null(Sql const& column) {
    return sql(R"(({0}.attnotnull AND NOT EXISTS (
        SELECT FROM pg_constraint k
        WHERE k.conrelid = {0}.attrelid AND k.contype = 'n' AND k.conkey = ARRAY[{0}.attnum] AND NOT k.convalidated)))",
               column);
}

}  // namespace

Sql columns() {
    return sql(R"(
    SELECT coalesce(json_agg(json_build_object(
      'name', a.attname,
      'type', format_type(a.atttypid, a.atttypmod),
      'collation', CASE WHEN a.attcollation NOT IN (0, t.typcollation)
                        THEN (SELECT format('"%s"."%s"', replace(n.nspname, '"', '""'), replace(l.collname, '"', '""'))
                              FROM pg_collation l JOIN pg_namespace n ON n.oid = l.collnamespace
                              WHERE l.oid = a.attcollation)
                        ELSE '' END,
      'not_null', {2},
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
      'options', {3},
      'comment', col_description(c.oid, a.attnum),
      'grants', {0}, 'labels', {1},
      'in_partition_key', EXISTS (
        SELECT FROM (SELECT relid FROM pg_partition_ancestors(c.oid) UNION SELECT relid FROM pg_partition_tree(c.oid)) s
        JOIN pg_partitioned_table k ON k.partrelid = s.relid
        JOIN pg_attribute o ON o.attrelid = k.partrelid AND o.attname = a.attname
        WHERE o.attnum = ANY (k.partattrs::int2[]) OR k.partexprs::text ~ (':varattno ' || o.attnum || '\M'))
    ) ORDER BY a.attnum), '[]')
    FROM pg_attribute a
    JOIN pg_type t ON t.oid = a.atttypid
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)",
               grants(sql("a.attacl")), labels(sql("c.oid"), sql("a.attnum")), not_null(sql("a")), options(sql("a")));
}

Sql differing_leaves() {
    return sql(R"(
    SELECT coalesce(json_agg(json_build_object('name', {0}, 'columns', coalesce(own.columns, '[]'),
                                               'constraints', coalesce(own.constraints, '[]'))
                             ORDER BY n.nspname COLLATE "C", r.relname COLLATE "C"), '[]')
    FROM (
      SELECT coalesce(l.relid, k.relid) AS relid, l.columns, k.constraints
      FROM (
        SELECT d.relid, json_agg(json_strip_nulls(json_build_object(
            'name', d.attname,
            'default_expression', CASE WHEN d.has IS DISTINCT FROM d.roots THEN coalesce(d.has, '') END,
            'not_null', nullif(d.not_null, d.root_not_null), 'storage', nullif(d.storage, d.root_storage),
            'compression', nullif(d.compression, d.root_compression), 'statistics_target', nullif(d.target, d.root_target),
            'options', nullif(d.options, d.root_options), 'comment', d.comment, 'grants', d.grants)) ORDER BY d.attnum) AS columns
        FROM (
          SELECT s.relid, a.attnum, a.attname, pg_get_expr(ld.adbin, ld.adrelid) AS has, pg_get_expr(ad.adbin, ad.adrelid) AS roots,
            {1} AS not_null, {2} AS root_not_null, l.attstorage::text AS storage, a.attstorage::text AS root_storage,
            l.attcompression::text AS compression, a.attcompression::text AS root_compression,
            coalesce(l.attstattarget, -1) AS target, coalesce(a.attstattarget, -1) AS root_target,
            {3} AS options, {4} AS root_options, col_description(s.relid, l.attnum) AS comment,
            CASE WHEN l.attacl IS NULL THEN '[]' ELSE {5} END AS grants
          FROM {6} s
          JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
          JOIN pg_attribute l ON l.attrelid = s.relid AND l.attname = a.attname
          LEFT JOIN pg_attrdef ad ON ad.adrelid = c.oid AND ad.adnum = a.attnum
          LEFT JOIN pg_attrdef ld ON ld.adrelid = s.relid AND ld.adnum = l.attnum
          WHERE s.relid <> c.oid) d
        WHERE d.has IS DISTINCT FROM d.roots OR d.not_null <> d.root_not_null OR d.storage <> d.root_storage
          OR d.compression <> d.root_compression OR d.target <> d.root_target OR d.options <> d.root_options
          OR d.comment IS NOT NULL OR d.grants::text <> '[]'
        GROUP BY d.relid) l
      FULL JOIN (
        SELECT s.relid, json_agg({7} ORDER BY k.conname COLLATE "C") AS constraints
        FROM {6} s JOIN pg_constraint k ON k.conrelid = s.relid
        WHERE s.relid <> c.oid AND k.contype NOT IN ('n', 'f') AND k.conparentid = 0 AND k.coninhcount = 0
        GROUP BY s.relid) k ON k.relid = l.relid) own
    JOIN pg_class r ON r.oid = own.relid JOIN pg_namespace n ON n.oid = r.relnamespace)",
               name(sql("n.nspname"), sql("r.relname")), not_null(sql("l")), not_null(sql("a")), options(sql("l")),
               options(sql("a")), grants(sql("l.attacl")), tree(), constraint());
}

}  // namespace weir::catalog_sql
