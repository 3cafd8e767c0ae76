#include "orchestrator/postgres/scratch.h"

#include <regex>
#include <vector>

#include "plans/expression.h"

namespace weir {
namespace {

/// What the copy says of itself; the originals' names come by the map.
Sql create_print() {
    return sql(R"(
CREATE FUNCTION pg_temp."weir print"(copy oid) RETURNS TABLE (kind text, name text, said text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $weir$
  SELECT 'index', c.relname::text, (
      SELECT substr(pg_get_indexdef(c.oid), length(p.prefix) + 1)
      FROM (SELECT format('CREATE %sINDEX %I ON %s.%I ', CASE WHEN i.indisunique THEN 'UNIQUE ' ELSE '' END, c.relname,
                          s.schema, t.relname) AS prefix FROM unnest(ARRAY['pg_temp', n.nspname::text]) AS s(schema)) p
      WHERE starts_with(pg_get_indexdef(c.oid), p.prefix))
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid
    JOIN pg_namespace n ON n.oid = t.relnamespace WHERE i.indrelid = copy
  UNION ALL
  SELECT 'check', k.conname::text, pg_get_constraintdef(k.oid) FROM pg_constraint k
    WHERE k.conrelid = copy AND k.contype = 'c'
  UNION ALL
  SELECT 'statistics', s.stxname::text, coalesce((
      SELECT '(' || string_agg(CASE u.kind WHEN 'd' THEN 'ndistinct' WHEN 'f' THEN 'dependencies' ELSE 'mcv' END, ', '
                               ORDER BY u.at) || ') '
      FROM unnest(s.stxkind) WITH ORDINALITY AS u(kind, at) WHERE u.kind <> 'e' HAVING count(*) BETWEEN 1 AND 2), '')
      || 'ON ' || pg_get_statisticsobjdef_columns(s.oid)
    FROM pg_statistic_ext s WHERE s.stxrelid = copy
$weir$)");
}

/// By attribute number the columns of a type are those of the table: the server then prints what it keeps of the
/// table with the names of the type. It is called as the table is, since subqueries name it.
Sql create_rename() {
    return sql(R"(
CREATE FUNCTION pg_temp."weir rename"(root oid, olds text[], news text[]) RETURNS TABLE (kind text, name text, said text)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $weir$
DECLARE
  called name := (SELECT c.relname FROM pg_class c WHERE c.oid = root);
  typed oid;
BEGIN
  EXECUTE format('CREATE TYPE pg_temp.%I AS (%s)', called, (
    SELECT string_agg(format('%I int4', CASE
      WHEN a.attname IS NULL OR a.attisdropped OR (a.attname <> ALL (olds) AND a.attname = ANY (news)) THEN 'weir ' || number
      ELSE coalesce(news[array_position(olds, a.attname::text)], a.attname::text) END), ', ' ORDER BY number)
    FROM generate_series(1, (SELECT c.relnatts FROM pg_class c WHERE c.oid = root)) AS number
    LEFT JOIN pg_attribute a ON a.attrelid = root AND a.attnum = number));
  typed := format('pg_temp.%I', called)::regclass;
  RETURN QUERY
    SELECT 'using', p.polname::text, pg_get_expr(p.polqual, typed) FROM pg_policy p
      WHERE p.polrelid = root AND p.polqual IS NOT NULL
    UNION ALL
    SELECT 'with check', p.polname::text, pg_get_expr(p.polwithcheck, typed) FROM pg_policy p
      WHERE p.polrelid = root AND p.polwithcheck IS NOT NULL
    UNION ALL
    SELECT 'generated', a.attname::text, pg_get_expr(d.adbin, typed) FROM pg_attrdef d
      JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
      WHERE d.adrelid = root AND a.attgenerated <> '' AND a.attname <> ALL (olds);
  IF current_setting('server_version_num')::int >= 150000 THEN
    RETURN QUERY EXECUTE 'SELECT ''filter'', p.pubname::text, pg_get_expr(r.prqual, $1) FROM pg_publication_rel r
      JOIN pg_publication p ON p.oid = r.prpubid WHERE r.prrelid = $2 AND r.prqual IS NOT NULL' USING typed, root;
  END IF;
  EXECUTE format('DROP TYPE pg_temp.%I', called);
END $weir$)");
}

/// `{4}`: a type each, with its collation; empty where the column keeps its own.
Sql answer(TableName const& table, Sql const& olds, Sql const& twins, Sql const& asides, Sql const& types) {
    return sql("DO {0}",
               Sql::body(sql(R"(
DECLARE
  root CONSTANT oid := {0}::regclass;
  called CONSTANT text := {1};
  olds CONSTANT text[] := {2};
  twins CONSTANT text[] := {3};
  asides CONSTANT text[] := {4};
  types CONSTANT text[] := {5};
  alter_it CONSTANT text := format('ALTER TABLE pg_temp.%I ', called);
  copy oid;
  names jsonb;
  defaults text[];
  now jsonb; aside jsonb; twin jsonb;
  one record;
  i int;
BEGIN
  SELECT jsonb_object_agg(r.kind || ' ' || r.name, r.said) INTO now FROM pg_temp."weir rename"(root, olds, olds) r;
  SELECT jsonb_object_agg(r.kind || ' ' || r.name, r.said) INTO aside FROM pg_temp."weir rename"(root, olds, asides) r;
  SELECT jsonb_object_agg(r.kind || ' ' || r.name, r.said) INTO twin FROM pg_temp."weir rename"(root, olds, twins) r;

  EXECUTE format('CREATE TABLE pg_temp.%I (LIKE %s INCLUDING ALL)', called, {0});
  copy := format('pg_temp.%I', called)::regclass;
  -- Copies come in the order of the originals; once altered they do not.
  SELECT jsonb_object_agg(p.kind || ' ' || p.name, o.name) INTO names FROM (
    SELECT 'index' AS kind, c.relname::text AS name, row_number() OVER (ORDER BY c.oid) AS at
      FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = root
    UNION ALL SELECT 'statistics', format('%s.%s', n.nspname, s.stxname), row_number() OVER (ORDER BY s.oid)
      FROM pg_statistic_ext s JOIN pg_namespace n ON n.oid = s.stxnamespace WHERE s.stxrelid = root) o
  FULL JOIN (
    SELECT 'index' AS kind, c.relname::text AS name, row_number() OVER (ORDER BY c.oid) AS at
      FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = copy
    UNION ALL SELECT 'statistics', s.stxname::text, row_number() OVER (ORDER BY s.oid)
      FROM pg_statistic_ext s WHERE s.stxrelid = copy) p USING (kind, at);
  now := coalesce(now, '{{}}') || coalesce((SELECT jsonb_object_agg(p.kind || ' ' || p.name, p.said) FROM pg_temp."weir print"(copy) p), '{{}}');
  SELECT array_agg(pg_get_expr(d.adbin, d.adrelid) ORDER BY u.at) INTO defaults FROM unnest(olds) WITH ORDINALITY AS u(name, at)
    JOIN pg_attribute a ON a.attrelid = root AND a.attname = u.name
    LEFT JOIN pg_attrdef d ON d.adrelid = root AND d.adnum = a.attnum AND a.attgenerated = '';

  FOR i IN 1 .. cardinality(olds) LOOP EXECUTE alter_it || format('RENAME COLUMN %I TO %I', olds[i], asides[i]); END LOOP;
  aside := coalesce(aside, '{{}}') || coalesce((SELECT jsonb_object_agg(p.kind || ' ' || p.name, p.said) FROM pg_temp."weir print"(copy) p), '{{}}');
  FOR i IN 1 .. cardinality(olds) LOOP EXECUTE alter_it || format('RENAME COLUMN %I TO %I', asides[i], olds[i]); END LOOP;

  -- What is not told would only be in the way.
  FOR one IN
    SELECT a.attname FROM pg_attribute a JOIN pg_attrdef g ON g.adrelid = a.attrelid AND g.adnum = a.attnum
      WHERE a.attrelid = copy AND a.attgenerated <> '' AND EXISTS (
        SELECT FROM pg_depend d JOIN pg_attribute o ON o.attrelid = copy AND o.attnum = d.refobjsubid
        WHERE d.refobjid = copy AND o.attnum <> a.attnum AND types[array_position(olds, o.attname::text)] <> ''
          AND ((d.classid = 'pg_attrdef'::regclass AND d.objid = g.oid)
            OR (d.classid = 'pg_class'::regclass AND d.objid = copy AND d.objsubid = a.attnum)))
  LOOP EXECUTE alter_it || format('DROP COLUMN %I', one.attname); END LOOP;
  FOR one IN
    SELECT k.conname FROM pg_constraint k WHERE k.conrelid = copy AND k.contype = 'x' AND EXISTS (
      SELECT FROM pg_depend d JOIN pg_attribute o ON o.attrelid = copy AND o.attnum = d.refobjsubid
      WHERE d.refobjid = copy AND types[array_position(olds, o.attname::text)] <> ''
        AND (d.objid = k.oid OR d.objid = k.conindid))
  LOOP EXECUTE alter_it || format('DROP CONSTRAINT %I', one.conname); END LOOP;
  FOR i IN 1 .. cardinality(olds) LOOP
    CONTINUE WHEN types[i] = '';
    IF EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = copy AND a.attname = olds[i] AND a.attidentity <> '') THEN
      EXECUTE alter_it || format('ALTER COLUMN %I DROP IDENTITY', olds[i]);
    END IF;
  END LOOP;
  -- At once: what stands on two of them is made anew once.
  IF cardinality(array_remove(types, '')) > 0 THEN
    EXECUTE alter_it || (
      SELECT string_agg(format('ALTER COLUMN %1$I DROP DEFAULT, ALTER COLUMN %1$I TYPE %2$s USING NULL', u.old, u.type), ', ' ORDER BY u.at)
      FROM unnest(olds, types) WITH ORDINALITY AS u(old, type, at) WHERE u.type <> '');
  END IF;
  FOR i IN 1 .. cardinality(olds) LOOP
    IF twins[i] <> olds[i] THEN
      EXECUTE alter_it || format('DROP COLUMN IF EXISTS %I', twins[i]);
      EXECUTE alter_it || format('RENAME COLUMN %I TO %I', olds[i], twins[i]);
    END IF;
    CONTINUE WHEN defaults[i] IS NULL;
    EXECUTE alter_it || format('ALTER COLUMN %I SET DEFAULT %s', twins[i], defaults[i]);
    now := now || jsonb_build_object('default ' || olds[i], '');
    aside := aside || jsonb_build_object('default ' || olds[i], defaults[i]);
    twin := coalesce(twin, '{{}}') || (
      SELECT jsonb_build_object('default ' || olds[i], pg_get_expr(d.adbin, d.adrelid)) FROM pg_attribute a
      JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum WHERE a.attrelid = copy AND a.attname = twins[i]);
  END LOOP;
  twin := coalesce(twin, '{{}}') || coalesce((SELECT jsonb_object_agg(p.kind || ' ' || p.name, p.said) FROM pg_temp."weir print"(copy) p), '{{}}');

  IF EXISTS (SELECT FROM jsonb_each_text(now || aside || twin) e WHERE e.value IS NULL)
      OR EXISTS (SELECT FROM jsonb_each_text(names) e WHERE e.key IS NULL OR e.value IS NULL) THEN
    RAISE EXCEPTION USING ERRCODE = 'WE106', MESSAGE = 'the copy of ' || called || ' does not say what the table says';
  END IF;
  RAISE EXCEPTION USING ERRCODE = 'WE100', MESSAGE = (
    SELECT coalesce(json_agg(json_build_object('kind', f.kind, 'name', f.name, 'twin', f.twin, 'aside', f.aside)
                             ORDER BY f.kind COLLATE "C", f.name COLLATE "C"), '[]')::text
    FROM (SELECT k.kind, coalesce(names ->> e.key, substr(e.key, length(k.kind) + 2)) AS name,
                 twin ->> e.key AS twin, aside ->> e.key AS aside
          FROM jsonb_each_text(now) e
          CROSS JOIN LATERAL (SELECT substring(e.key FROM '^(with check|[a-z]+) ') AS kind) k
          WHERE aside ->> e.key <> e.value AND twin ? e.key) f);
END
)",
                             Value{sql("{0}", table).text()}, Value{table.name.text()}, olds, twins, asides, types)));
}

Sql texts(std::vector<Sql> const& items) { return sql("ARRAY[{0}]::text[]", Sql::join(items, ", ")); }

Batch refusal(std::string const& words) {
    return {sql("DO {0}",
                Sql::body(sql("BEGIN RAISE EXCEPTION USING ERRCODE = '42601', MESSAGE = {0}; END", Value{words})))};
}

}  // namespace

Batch ask_scratch(ScratchQuestion const& question) {
    std::vector<Sql> olds, twins, asides, types;
    for (auto const& column : question.columns) {
        std::string type;
        if (!column.type.empty()) {
            auto const declared = declare_type(column.type, {});
            if (auto const* problem = std::get_if<Problem>(&declared)) return refusal(problem->message);
            type = std::get<TypeName>(declared).text();
            static std::regex const collation{R"x("([^"]|"")+"(\."([^"]|"")+")?)x"};
            if (!column.collation.empty() && !std::regex_match(column.collation, collation))
                return refusal("not a collation: " + column.collation);
            if (!column.collation.empty()) type += " COLLATE " + column.collation;
        }
        olds.push_back(sql("{0}", Value{column.column}));
        twins.push_back(sql("{0}", Value{column.twin}));
        asides.push_back(sql("{0}", Value{column.aside}));
        types.push_back(sql("{0}", Value{type}));
    }
    return {sql("SET LOCAL search_path = pg_catalog, pg_temp"), create_print(), create_rename(),
            answer(question.table, texts(olds), texts(twins), texts(asides), texts(types))};
}

}  // namespace weir
