#include "phases/craft/hand_over.h"

#include <algorithm>
#include <boost/json.hpp>

#include "phases/craft/block.h"
#include "phases/craft/sync.h"

namespace weir {
namespace {

/// Under the lock a scan of so much (16 MB) fits the bound.
constexpr std::int64_t scanned_at_once = 16 << 20;

Sql text(std::string const& words) { return sql("{0}::pg_catalog.text", Value{words}); }
Sql text(std::optional<std::string> const& words) { return words ? text(*words) : sql("NULL::pg_catalog.text"); }
Sql boolean(bool value) { return value ? sql("true") : sql("false"); }

/// The table and its partitions, the table first, with the column of that name.
Sql relations(TableName const& table, Sql const& fields, Sql const& joins) {
    return sql(R"(SELECT s.relid, s.level, format('%I.%I', n.nspname, r.relname) AS name, {1}
    FROM (SELECT to_regclass({0})::oid AS relid, 0 AS level
          UNION SELECT p.relid, p.level FROM pg_partition_tree(to_regclass({0})) p) s
    JOIN pg_class r ON r.oid = s.relid JOIN pg_namespace n ON n.oid = r.relnamespace {2}
    ORDER BY s.level, s.relid)",
               Value{sql("{0}", table).text()}, fields, joins);
}

/// The column under an alias, with its default as `<alias>d`.
Sql column_of(Ident const& alias, Ident const& default_of, std::string const& name) {
    return sql(R"(
    JOIN pg_attribute {0} ON {0}.attrelid = s.relid AND {0}.attname = {2} AND NOT {0}.attisdropped
    LEFT JOIN pg_attrdef {1} ON {1}.adrelid = s.relid AND {1}.adnum = {0}.attnum)",
               alias, default_of, Value{name});
}

std::string item(Grant const& grant) { return grant.privilege + (grant.grantable ? "|t|" : "|f|") + grant.grantee; }

Sql items(std::vector<Grant> const& grants) {
    std::vector<Sql> all;
    for (auto const& grant : grants) all.push_back(sql("{0}", Value{item(grant)}));
    return sql("ARRAY[{0}]::text[]", Sql::join(all, ", "));
}

Ident const a = Ident::of("a");
Ident const ad = Ident::of("ad");
Ident const b = Ident::of("b");
Ident const bd = Ident::of("bd");

}  // namespace

bool takes_over(Table const& shape, Column const& from) {
    Sync const* live = sync_from(shape, from.name);
    return live && live->from == from.name && live->two_way && live->forward.empty() &&
           shape.find(live->to)->type == from.type;
}

Sql hand_over(TableName const& table, Column const& from, Column const& to) {
    bool const comments = !to.comment || to.comment == from.comment;
    bool const statistics = to.statistics_target < 0 || to.statistics_target == from.statistics_target;
    Sql const both = relations(table, sql(R"(a.attnum, b.attnum AS to_attnum,
      pg_get_expr(ad.adbin, ad.adrelid) AS old_default, pg_get_expr(bd.adbin, bd.adrelid) AS new_default,
      a.attnotnull AND NOT b.attnotnull AS wants_not_null, col_description(s.relid, a.attnum) AS old_comment,
      col_description(s.relid, b.attnum) AS new_comment, coalesce(a.attstattarget, -1) AS old_statistics,
      coalesce(b.attstattarget, -1) AS new_statistics, a.attacl AS old_acl, b.attacl AS new_acl)"),
                               sql("{0}{1}", column_of(a, ad, from.name), column_of(b, bd, to.name)));
    Sql const size =
        sql("SELECT coalesce(sum(pg_relation_size(p.relid)), pg_relation_size(one.relid)) "
            "FROM pg_partition_tree(one.relid) p");
    return block(
        sql(R"(  one pg_catalog.record;
  item pg_catalog.record;
  whole pg_catalog.bool;
  now_default pg_catalog.text;)"),
        sql(R"(  FOR one IN {0} LOOP
    IF one.level = 0 THEN
      -- One statement reaches every partition where none of them has one of its own.
      whole := one.old_default IS NOT NULL AND NOT EXISTS (
        SELECT FROM pg_partition_tree(one.relid) p JOIN pg_attribute o ON o.attrelid = p.relid
          AND o.attname = {1} AND o.atthasdef);
      whole := whole AND one.new_default IS NULL;
      IF whole THEN
        EXECUTE format('ALTER TABLE %s ALTER COLUMN %I SET DEFAULT %s', one.name, {1}, one.old_default);
        now_default := one.old_default;
      END IF;
    END IF;
    IF one.new_default IS NULL AND one.old_default IS DISTINCT FROM now_default THEN
      EXECUTE format('ALTER TABLE ONLY %s ALTER COLUMN %I %s', one.name, {1},
        coalesce('SET DEFAULT ' || one.old_default, 'DROP DEFAULT'));
    END IF;
    IF {2} AND one.old_comment IS DISTINCT FROM one.new_comment
        AND one.new_comment IS NOT DISTINCT FROM (CASE WHEN one.level = 0 THEN {3} END) THEN
      EXECUTE format('COMMENT ON COLUMN %s.%I IS %L', one.name, {1}, one.old_comment);
    END IF;
    IF {4} AND one.old_statistics <> one.new_statistics AND one.new_statistics = {5} THEN
      EXECUTE format('ALTER TABLE ONLY %s ALTER COLUMN %I SET STATISTICS %s', one.name, {1}, one.old_statistics);
    END IF;
    FOR item IN
      WITH held AS (
        SELECT DISTINCT h.side, x.privilege_type AS privilege, x.is_grantable AS grantable,
            CASE WHEN x.grantee = 0 THEN '' ELSE pg_get_userbyid(x.grantee)::text END AS grantee
          FROM (VALUES ('old', one.old_acl), ('new', one.new_acl)) h(side, acl), aclexplode(h.acl) x),
      given AS (
        SELECT split_part(g, '|', 1) AS privilege, split_part(g, '|', 2)::bool AS grantable,
            substr(g, length(split_part(g, '|', 1)) + 4) AS grantee
          FROM unnest({6}) g WHERE one.level = 0)
      SELECT 'REVOKE ' || CASE WHEN k.privilege IS NOT NULL THEN 'GRANT OPTION FOR ' ELSE '' END AS verb, v.privilege,
          'FROM' AS preposition, v.grantee, '' AS rest
        FROM given v JOIN held w ON w.side = 'new' AND w.privilege = v.privilege AND w.grantee = v.grantee
          AND w.grantable = v.grantable
        LEFT JOIN held k ON k.side = 'old' AND k.privilege = v.privilege AND k.grantee = v.grantee
        WHERE k.grantable IS DISTINCT FROM v.grantable AND NOT coalesce(k.grantable, false)
      UNION ALL
      SELECT 'GRANT ', h.privilege, 'TO', h.grantee, CASE WHEN h.grantable THEN ' WITH GRANT OPTION' ELSE '' END
        FROM held h
        WHERE h.side = 'old' AND NOT EXISTS (SELECT FROM held w WHERE w.side = 'new' AND w.privilege = h.privilege
            AND w.grantee = h.grantee AND w.grantable >= h.grantable)
          AND NOT EXISTS (SELECT FROM given v WHERE v.privilege = h.privilege AND v.grantee = h.grantee
            AND v.grantable = h.grantable)
    LOOP
      EXECUTE format('%s%s (%I) ON %s %s %s%s', item.verb, item.privilege, {1}, one.name, item.preposition,
        CASE WHEN item.grantee = '' THEN 'PUBLIC' ELSE quote_ident(item.grantee) END, item.rest);
    END LOOP;
    IF {7} AND one.wants_not_null AND NOT (SELECT o.attnotnull FROM pg_attribute o
        WHERE o.attrelid = one.relid AND o.attnum = one.to_attnum) THEN
      IF ({8}) > {9} AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = one.relid AND k.contype = 'c'
          AND k.convalidated AND pg_get_constraintdef(k.oid) = format('CHECK ((%I IS NOT NULL))', {1})) THEN
        RAISE EXCEPTION 'column % of % became NOT NULL since the run began, and % is not', {10}, one.name, {1}
          USING ERRCODE = 'WE008', HINT = format('ALTER TABLE %s ADD CHECK (%I IS NOT NULL) NOT VALID, validate it, '
            'then run again: proven so, it needs no scan under the lock', one.name, {1});
      END IF;
      EXECUTE format('ALTER TABLE %s%s ALTER COLUMN %I SET NOT NULL', CASE WHEN one.level = 0 THEN '' ELSE 'ONLY ' END,
        one.name, {1});
    END IF;
  END LOOP;)",
            both, Value{to.name}, boolean(comments), text(to.comment), boolean(statistics), Int{to.statistics_target},
            items(to.grants), boolean(!from.not_null), size, Int{scanned_at_once}, Value{from.name}));
}

void handed_over(Column const& from, Column& to) {
    if (to.default_expression.empty()) {
        to.default_expression = from.default_expression;
        to.default_is_constant = from.default_is_constant;
    }
    if (!to.comment) to.comment = from.comment;
    if (to.statistics_target < 0) to.statistics_target = from.statistics_target;
    for (auto const& grant : from.grants) {
        auto const same = std::find_if(to.grants.begin(), to.grants.end(), [&](Grant const& g) {
            return g.grantee == grant.grantee && g.privilege == grant.privilege;
        });
        if (same == to.grants.end())
            to.grants.push_back(grant);
        else
            same->grantable = same->grantable || grant.grantable;
    }
    std::sort(to.grants.begin(), to.grants.end());
}

Sql note_aside(TableName const& table, Column const& column, Column const* to, bool taken, std::string const& mark) {
    Sql const with_default = to ? sql(R"(
      pg_get_expr(ad.adbin, ad.adrelid) AS old_default,
      coalesce({0} AND pg_get_expr(ad.adbin, ad.adrelid) = pg_get_expr(bd.adbin, bd.adrelid), false) AS moved)",
                                      boolean(taken))
                                : sql("NULL::text AS old_default, false AS moved");
    Sql const of_both =
        to ? sql("{0}{1}", column_of(a, ad, column.name), column_of(b, bd, to->name)) : column_of(a, ad, column.name);
    return block(
        sql(R"(  one pg_catalog.record;
  root pg_catalog.record;)"),
        sql(R"(  FOR one IN {0} LOOP
    IF one.level = 0 THEN root := one; END IF;
    IF one.level = 0 OR one.said IS NOT NULL OR (one.old_default, one.moved, one.attnotnull)
        IS DISTINCT FROM (root.old_default, root.moved, root.attnotnull) THEN
      EXECUTE format('COMMENT ON COLUMN %s.%I IS %L', one.name, {1}, left({2}, -1)
        || coalesce(',"default":' || to_json(one.old_default), '') || CASE WHEN one.moved THEN ',"moved":true' ELSE '' END
        || CASE WHEN one.attnotnull THEN ',"not_null":true' ELSE '' END
        || coalesce(',"comment":' || to_json(one.said), '') || '}}');
    END IF;
  END LOOP;)",
            relations(table, sql("a.attnotnull, col_description(s.relid, a.attnum) AS said, {0}", with_default),
                      of_both),
            Value{column.name}, text(mark)));
}

std::string noted_aside(Column const& column, Column const* to, bool taken, std::string const& mark) {
    auto const quoted = [](std::string const& words) {
        return boost::json::serialize(boost::json::string_view{words});
    };
    std::string noted = mark.substr(0, mark.size() - 1);
    if (to && !column.default_expression.empty()) {
        noted += ",\"default\":" + quoted(column.default_expression);
        if (taken && (to->default_expression.empty() || to->default_expression == column.default_expression))
            noted += ",\"moved\":true";
    }
    if (column.not_null) noted += ",\"not_null\":true";
    if (column.comment) noted += ",\"comment\":" + quoted(*column.comment);
    return noted + "}";
}

Sql bring_back(TableName const& table, Column const& column, Column const* to, std::string const& mark) {
    Sql const defaults = to ? sql(R"(
    IF alike AND one.level = 0 OR NOT alike THEN
      IF noted->>'default' IS NOT NULL THEN
        EXECUTE format('ALTER TABLE %s%s ALTER COLUMN %I SET DEFAULT %s', only_it, one.name, {0}, noted->>'default');
      END IF;
      IF noted->'moved' IS NOT NULL THEN
        EXECUTE format('ALTER TABLE %s%s ALTER COLUMN %I DROP DEFAULT', only_it, one.name, {1});
      END IF;
    END IF;)",
                                  Value{column.name}, Value{to->name})
                            : sql("");
    return block(sql(R"(  one pg_catalog.record;
  root pg_catalog.jsonb;
  noted pg_catalog.jsonb;
  alike pg_catalog.bool;
  only_it pg_catalog.text;)"),
                 sql(R"(  FOR one IN {0} LOOP
    IF one.level = 0 THEN
      alike := NOT EXISTS (SELECT FROM pg_partition_tree(one.relid) p JOIN pg_attribute o ON o.attrelid = p.relid
        AND o.attname = {1} AND NOT o.attisdropped WHERE p.relid <> one.relid
          AND col_description(p.relid, o.attnum) ~ '^\{{"weir":');
      only_it := CASE WHEN alike THEN '' ELSE 'ONLY ' END;
    END IF;
    BEGIN
      noted := CASE WHEN one.said ~ '^\{{"weir":' THEN one.said::jsonb WHEN one.level = 0 THEN {2}::jsonb END;
    EXCEPTION WHEN data_exception THEN
      noted := CASE WHEN one.level = 0 THEN {2}::jsonb END;
    END;
    IF one.level = 0 THEN root := noted; END IF;
    IF noted IS NOT NULL THEN
      EXECUTE format('COMMENT ON COLUMN %s.%I IS %L', one.name, {1}, noted->>'comment');
    END IF;
    noted := coalesce(noted, root);{3}
    IF {4} AND noted->'not_null' IS NOT NULL AND NOT (SELECT o.attnotnull FROM pg_attribute o
        WHERE o.attrelid = one.relid AND o.attnum = one.attnum)
        AND (SELECT coalesce(sum(pg_relation_size(p.relid)), pg_relation_size(one.relid))
             FROM pg_partition_tree(one.relid) p) <= {5} THEN
      EXECUTE format('ALTER TABLE %s%s ALTER COLUMN %I SET NOT NULL', CASE WHEN one.level = 0 THEN '' ELSE 'ONLY ' END,
        one.name, {1});
    END IF;
  END LOOP;)",
                     relations(table, sql("a.attnum, col_description(s.relid, a.attnum) AS said"),
                               column_of(a, ad, column.name)),
                     Value{column.name}, text(mark), defaults, boolean(!column.not_null), Int{scanned_at_once}));
}

}  // namespace weir
