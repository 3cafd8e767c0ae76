#include "phases/craft/sync.h"

#include <algorithm>
#include <regex>

#include "phases/craft/subject.h"

namespace weir {
namespace {

Sql in_sync(Ident const& function) { return sql("weir_sync.{0}", function); }

Sql parameters(std::vector<Column> const& columns) {
    std::vector<Sql> parts;
    for (auto const& column : columns) parts.push_back(sql("{0} {1}", Ident::of(column.name), type_of(column.type)));
    return Sql::join(parts, ", ");
}

Sql types(std::vector<Column> const& columns) {
    std::vector<Sql> parts;
    for (auto const& column : columns) parts.push_back(sql("{0}", type_of(column.type)));
    return Sql::join(parts, ", ");
}

Sql names(std::vector<Column> const& columns) {
    std::vector<Sql> parts;
    for (auto const& column : columns) parts.push_back(sql("{0}", Ident::of(column.name)));
    return Sql::join(parts, ", ");
}

/// The same columns of NEW or OLD.
Sql fields(bool old_row, std::vector<Column> const& columns) {
    std::vector<Sql> parts;
    for (auto const& column : columns) {
        Ident const name = Ident::of(column.name);
        parts.push_back(old_row ? sql("OLD.{0}", name) : sql("NEW.{0}", name));
    }
    return Sql::join(parts, ", ");
}

std::vector<Column> inputs(Mapping const& m) {
    std::vector<Column> all{m.from};
    all.insert(all.end(), m.reads.begin(), m.reads.end());
    return all;
}

std::vector<Column> all_columns(Mapping const& m) {
    auto all = inputs(m);
    all.push_back(m.to);
    return all;
}

/// An expression of a trigger's body: the column has a default at this moment. One of an ancestor counts, too: a row
/// that is written through it comes with the ancestor's.
Sql has_default(Column const& column) {
    return sql(
        "EXISTS (SELECT FROM (SELECT TG_RELID AS relid\n"
        "        UNION ALL SELECT p.relid::pg_catalog.oid FROM pg_catalog.pg_partition_ancestors(TG_RELID) p) s\n"
        "      JOIN pg_catalog.pg_attribute c ON c.attrelid OPERATOR(pg_catalog.=) s.relid\n"
        "        AND c.attname OPERATOR(pg_catalog.=) {0}::pg_catalog.name\n"
        "      JOIN pg_catalog.pg_type y ON y.oid OPERATOR(pg_catalog.=) c.atttypid\n"
        "      WHERE c.atthasdef OR c.attidentity OPERATOR(pg_catalog.<>) ''::pg_catalog.\"char\"\n"
        "        OR y.typdefault IS NOT NULL)",
        Value{column.name});
}

/// What a mapping's function returns. A type of the user's is left to the assignment, which refuses a value that is too
/// long for a domain; an explicit cast would cut it.
Sql returned(Column const& target, Sql const& value) {
    bool const users_own = target.type.find('.') != std::string::npos && target.type.find('(') == std::string::npos;
    return users_own ? value : sql("CAST({0} AS {1})", value, cast_target(target.type));
}

/// A converted value as the column stores it: `character(n)` pads. One that is too long stays too long.
Sql stored(Column const& target, Column const& source, bool converted, Sql const& value) {
    static std::regex const padded{R"(^character\((\d+)\)$)"};
    std::smatch found;
    if ((!converted && target.type == source.type) || !std::regex_match(target.type, found, padded)) return value;
    return sql("CAST(pg_catalog.rpad({0}, GREATEST({1}, pg_catalog.char_length({0}))) AS pg_catalog.bpchar)", value,
               Int{std::stoll(found[1])});
}

/// True for a value that is not NULL, and for a row of nulls, which is no NULL.
Sql given(Sql const& value) { return sql("pg_catalog.num_nulls({0}) OPERATOR(pg_catalog.=) 0", value); }
Sql not_given(Sql const& value) { return sql("pg_catalog.num_nulls({0}) OPERATOR(pg_catalog.=) 1", value); }

/// Without IS DISTINCT FROM, whose operator cannot be qualified.
Sql not_our_batch() {
    return sql("COALESCE(pg_catalog.current_setting('weir.batch', true), '') OPERATOR(pg_catalog.<>) 'on'");
}

Sql during(char const* operation) { return sql("TG_OP OPERATOR(pg_catalog.=) {0}", Value{operation}); }

}  // namespace

SyncNames sync_names(Mapping const& m) { return sync_names(m.run, m.number, m.in_order); }

TypeName cast_target(std::string const& type) {
    static std::regex const length{R"(^(character varying|character|bit varying|bit)\(\d+\))"};
    // Without a modifier `character` and `bit` mean one character or bit; under these names they have no limit. It must
    // be the same type: record_image_eq() compares no bit with a varbit.
    std::smatch found;
    if (std::regex_search(type, found, length)) {
        std::string const rest = type.substr(static_cast<std::size_t>(found.length(0)));
        if (found[1] == "character") return type_of("pg_catalog.bpchar" + rest);
        if (found[1] == "bit") return type_of("pg_catalog.\"bit\"" + rest);
        return type_of(found[1].str() + rest);
    }
    return type_of(type);
}

Mapping mapping_of(TableName const& table, Table const& shape, Sync const& sync) {
    Mapping m{RunId{sync.run}, sync.number, table,        *shape.find(sync.from), *shape.find(sync.to), {}, {},
              sync.two_way,    {},          sync.in_order};
    if (!sync.forward.empty()) m.forward = expression_of(sync.forward);
    if (!sync.reverse.empty()) m.reverse = expression_of(sync.reverse);
    for (auto const& column : sync.reads)
        if (Column const* found = shape.find(column)) m.reads.push_back(*found);
    return m;
}

Sync sync_of(Mapping const& m) {
    Sync sync{static_cast<std::int64_t>(m.run), m.number, m.from.name, m.to.name, m.two_way, {}, {}, {}, m.in_order};
    if (m.forward) sync.forward = m.forward->text();
    if (m.reverse) sync.reverse = m.reverse->text();
    for (auto const& column : m.reads) sync.reads.push_back(column.name);
    return sync;
}

Sync const* sync_to(Table const& shape, std::string_view column) {
    auto const found =
        std::find_if(shape.syncs.begin(), shape.syncs.end(), [&](Sync const& s) { return s.to == column; });
    return found == shape.syncs.end() ? nullptr : &*found;
}

Sync const* sync_from(Table const& shape, std::string_view column) {
    auto const found = std::find_if(shape.syncs.begin(), shape.syncs.end(), [&](Sync const& s) {
        return s.from == column || std::find(s.reads.begin(), s.reads.end(), column) != s.reads.end();
    });
    return found == shape.syncs.end() ? nullptr : &*found;
}

Sql ok_of(Mapping const& m) { return sql("{0}({1})", in_sync(sync_names(m).ok), names(all_columns(m))); }

Sql reverse_of(Mapping const& m) { return sql("{0}({1})", in_sync(sync_names(m).reverse), Ident::of(m.to.name)); }

Sql forward_of(Mapping const& m) { return sql("{0}({1})", in_sync(sync_names(m).forward), names(inputs(m))); }

Ident both_counter(Mapping const& m) { return sync_names(m).both; }

namespace {

Sql function_of(Ident const& function, bool replace, Sql const& body) {
    return replace ? sql("CREATE OR REPLACE FUNCTION {0}() RETURNS trigger LANGUAGE plpgsql AS {1}", in_sync(function),
                         Sql::body(body))
                   : sql("CREATE FUNCTION {0}() RETURNS trigger LANGUAGE plpgsql AS {1}", in_sync(function),
                         Sql::body(body));
}

/// No rollback takes it back, and whoever may write the table may do it.
Sql count_both(Mapping const& m) {
    return sql("PERFORM pg_catalog.nextval({0});", Value{in_sync(both_counter(m)).text()});
}

Sql first_function(Mapping const& m, bool replace) {
    auto const n = sync_names(m);
    Sql const a = sql("NEW.{0}", Ident::of(m.from.name));
    Sql const derive = sql("{0} := {1}(NEW.{2});", a, in_sync(n.reverse), Ident::of(m.to.name));
    // Of an INSERT that gives both one may have come by a default. The old side, which wins without one of its own, is
    // the last trigger's to carry over.
    return function_of(n.first, replace,
                       sql("\nBEGIN\n  IF {0} THEN RETURN NEW; END IF;\n"
                           "  IF {1} AND {2} THEN\n"
                           "    IF NOT {3} THEN RETURN NEW; END IF;\n"
                           "    IF {4} THEN {5} END IF;\n"
                           "  END IF;\n  {6}\n  RETURN NEW;\nEND\n",
                           sql("{0}({1})", in_sync(n.ok), fields(false, all_columns(m))), during("INSERT"), given(a),
                           has_default(m.from), has_default(m.to), count_both(m), derive));
}

Sql last_function(Mapping const& m, bool replace) {
    auto const n = sync_names(m);
    Ident const b = Ident::of(m.to.name);
    Sql const derive = sql("NEW.{0} := {1}({2});", b, in_sync(n.forward), fields(false, inputs(m)));
    Sql const ok_call = sql("{0}({1})", in_sync(n.ok), fields(false, all_columns(m)));
    Sql const as_old_row_gave =
        stored(m.to, m.from, true, sql("{0}({1})", in_sync(n.forward), fields(true, inputs(m))));
    if (!m.two_way)
        // Without a reverse a value of the new application's own stays: one that is not what the old row gave.
        return function_of(n.last, replace,
                           sql("\nBEGIN\n  IF {0} THEN RETURN NEW; END IF;\n"
                               "  IF {1} THEN\n"
                               "    IF {2} THEN\n"
                               "      IF pg_catalog.record_image_ne(ROW(OLD.{3}), ROW({4})) THEN RETURN NEW; END IF;\n"
                               "    ELSIF {5} OR NOT {6} THEN\n      RETURN NEW;\n"
                               "    ELSIF {7} THEN\n      {8}\n      RETURN NEW;\n"
                               "    END IF;\n  END IF;\n  {9}\n  RETURN NEW;\nEND\n",
                               ok_call, given(sql("NEW.{0}", b)), during("UPDATE"), b, as_old_row_gave,
                               not_given(sql("NEW.{0}", Ident::of(m.from.name))), has_default(m.to),
                               has_default(m.from), count_both(m), derive));
    // A new value that came of the columns that forward alone reads follows them: the reverse says nothing of those, so
    // that the row still looks consistent. A value of the new application's own stays.
    Sql follows;
    if (!m.reads.empty())
        follows =
            sql("\n    OR ({4} AND pg_catalog.record_image_ne(ROW({0}), ROW({1}))\n"
                "      AND pg_catalog.record_image_eq(ROW(OLD.{2}), ROW(NEW.{2}))\n"
                "      AND pg_catalog.record_image_eq(ROW(OLD.{2}), ROW({3})))",
                fields(true, m.reads), fields(false, m.reads), b, as_old_row_gave, during("UPDATE"));
    return function_of(
        n.last, replace,
        sql("\nBEGIN\n  IF NOT {0}{1} THEN {2} END IF;\n  RETURN NEW;\nEND\n", ok_call, follows, derive));
}

}  // namespace

Batch replace_sync(Mapping const& m) { return {first_function(m, true), last_function(m, true)}; }

bool may_not_go_back(Mapping const& m) { return m.forward || m.reverse || m.from.type != m.to.type; }

ColumnStake stake_of(Mapping const& m, bool made) {
    // Not by the sync's own function: somebody may have dropped it, and its loss must not hinder an undo.
    Ident const from = Ident::of(m.from.name);
    Sql const value =
        sql("CAST({0} AS {1})", m.forward ? sql("{0}", *m.forward) : sql("{0}", from), cast_target(m.to.type));
    ColumnStake stake{.table = m.table, .column = Ident::of(m.to.name), .made = made, .synced = true};
    stake.by_plan = sql("pg_catalog.record_image_eq(ROW({0}), ROW({1}))", stake.column,
                        stored(m.to, m.from, m.forward.has_value(), value));
    if (m.two_way && !may_not_go_back(m)) stake.held_while = {guard_sync(m)};
    return stake;
}

Ident lost_counter(Mapping const& m) { return sync_names(m).lost; }

Batch replace_with_way_back(Mapping const& m) {
    auto const n = sync_names(m);
    Ident const a = Ident::of(m.from.name);
    Ident const b = Ident::of(m.to.name);
    Sql const new_a = sql("NEW.{0}", a);
    Sql const new_b = sql("NEW.{0}", b);
    Batch made{function_of(n.first, true, sql("\nBEGIN\n  RETURN NEW;\nEND\n"))};
    // An INSERT without a list of columns still reaches the one aside.
    Sql const aside_given = sql("{0} AND {1}", during("INSERT"), given(new_a));
    if (!may_not_go_back(m)) {
        made.push_back(
            function_of(n.last, true,
                        sql("\nBEGIN\n  IF {0} AND pg_catalog.record_image_ne(ROW({1}), ROW({2})) THEN\n"
                            "    IF {3} THEN\n      {2} := {1};\n      RETURN NEW;\n    END IF;\n    {4}\n  END IF;\n"
                            "  {1} := {2};\n  RETURN NEW;\nEND\n",
                            aside_given, new_a, new_b, not_given(new_b), count_both(m))));
        return made;
    }
    Sql const same =
        sql("pg_catalog.record_image_eq(ROW({0}), ROW({1}))", new_b,
            stored(m.to, m.from, m.forward.has_value(), sql("{0}({1})", in_sync(n.forward), fields(false, inputs(m)))));
    Sql const reversed = sql("{0}({1})", in_sync(n.reverse), new_b);
    Sql const other = sql("pg_catalog.record_image_ne(ROW({0}), ROW({1}))", new_a,
                          stored(m.from, m.to, m.reverse.has_value(), reversed));
    // A row whose new column stays may have its old one mended by hand.
    made.push_back(function_of(
        n.last, true,
        sql("\nBEGIN\n  IF {0} AND pg_catalog.record_image_eq(ROW(OLD.{1}), ROW({2})) THEN RETURN NEW; END IF;\n"
            "  IF {3} AND {4} AND {5} THEN\n    {2} := {6}({7});\n    RETURN NEW;\n  END IF;\n"
            "  BEGIN\n    IF {8} THEN RETURN NEW; END IF;\n"
            "    IF {3} AND {5} THEN {9} END IF;\n"
            "    {10} := {11};\n    IF {8} THEN RETURN NEW; END IF;\n"
            "  EXCEPTION WHEN OTHERS THEN\n    {10} := NULL;\n  END;\n"
            "  PERFORM pg_catalog.nextval({12});\n  RETURN NEW;\nEND\n",
            during("UPDATE"), b, new_b, aside_given, not_given(new_b), other, in_sync(n.forward),
            fields(false, inputs(m)), same, count_both(m), new_a, reversed, Value{in_sync(lost_counter(m)).text()})));
    return made;
}

Batch create_sync(Mapping const& m) {
    auto const n = sync_names(m);
    Ident const a = Ident::of(m.from.name);
    Ident const b = Ident::of(m.to.name);

    Batch made;
    made.push_back(
        sql("CREATE FUNCTION {0}({1}) RETURNS {2} LANGUAGE sql IMMUTABLE PARALLEL SAFE\n"
            "  RETURN {3}",
            in_sync(n.forward), parameters(inputs(m)), cast_target(m.to.type),
            returned(m.to, m.forward ? sql("{0}", *m.forward) : sql("{0}", a))));
    if (m.two_way)
        made.push_back(
            sql("CREATE FUNCTION {0}({1}) RETURNS {2} LANGUAGE sql IMMUTABLE PARALLEL SAFE\n"
                "  RETURN {3}",
                in_sync(n.reverse), parameters({m.to}), cast_target(m.from.type),
                returned(m.from, m.reverse ? sql("{0}", *m.reverse) : sql("{0}", b))));
    Sql ok = sql("pg_catalog.record_image_eq(ROW({0}), ROW({1}))", b,
                 stored(m.to, m.from, m.forward.has_value(), forward_of(m)));
    if (m.two_way)
        ok = sql("{0}\n    OR ({1} AND pg_catalog.record_image_eq(ROW({2}), ROW({3})))", ok, given(sql("{0}", b)), a,
                 stored(m.from, m.to, m.reverse.has_value(), sql("{0}({1})", in_sync(n.reverse), b)));
    made.push_back(sql("CREATE FUNCTION {0}({1}) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE\n  RETURN {2}",
                       in_sync(n.ok), parameters(all_columns(m)), ok));
    made.push_back(sql("CREATE SEQUENCE {0}", in_sync(both_counter(m))));
    made.push_back(sql("GRANT SELECT, USAGE ON SEQUENCE {0} TO PUBLIC", in_sync(both_counter(m))));
    if (m.two_way) made.push_back(first_function(m, false));
    // A trigger's function needs no right of the writer's, but what it calls does; PUBLIC may have lost it by default.
    std::vector<Sql> called{sql("{0}({1})", in_sync(n.forward), types(inputs(m))),
                            sql("{0}({1})", in_sync(n.ok), types(all_columns(m)))};
    if (m.two_way) called.push_back(sql("{0}({1})", in_sync(n.reverse), types({m.to})));
    made.push_back(sql("GRANT EXECUTE ON FUNCTION {0} TO PUBLIC", Sql::join(called, ", ")));
    made.push_back(last_function(m, false));

    Sql const a_changed =
        sql("pg_catalog.record_image_ne(ROW({0}), ROW({1}))", fields(true, inputs(m)), fields(false, inputs(m)));
    Sql const b_changed = sql("pg_catalog.record_image_ne(ROW(OLD.{0}), ROW(NEW.{0}))", b);
    Sql const b_null = not_given(sql("NEW.{0}", b));
    if (m.two_way) {
        Sql const a_kept = sql("pg_catalog.record_image_eq(ROW(OLD.{0}), ROW(NEW.{0}))", a);
        made.push_back(
            sql("CREATE TRIGGER {0} BEFORE INSERT ON {1} FOR EACH ROW\n"
                "  WHEN ({2})\n  EXECUTE FUNCTION {3}()",
                n.first_insert, m.table, given(sql("NEW.{0}", b)), in_sync(n.first)));
        made.push_back(
            sql("CREATE TRIGGER {0} BEFORE UPDATE ON {1} FOR EACH ROW\n"
                "  WHEN ({2} AND {3} AND {4})\n  EXECUTE FUNCTION {5}()",
                n.first_update, m.table, b_changed, a_kept, not_our_batch(), in_sync(n.first)));
    }
    made.push_back(sql("CREATE TRIGGER {0} BEFORE INSERT ON {1} FOR EACH ROW\n  EXECUTE FUNCTION {2}()", n.last_insert,
                       m.table, in_sync(n.last)));
    // Without a reverse a value that the application gives to the new column is the application's: it stays.
    Sql const update_when =
        m.two_way ? sql("{0} OR ({1} AND ({2} OR {3}))", a_changed, not_our_batch(), b_changed, b_null)
                  : sql("({0} AND NOT {1}) OR ({2} AND {3})", a_changed, b_changed, not_our_batch(), b_null);
    made.push_back(sql("CREATE TRIGGER {0} BEFORE UPDATE ON {1} FOR EACH ROW\n  WHEN ({2})\n  EXECUTE FUNCTION {3}()",
                       n.last_update, m.table, update_when, in_sync(n.last)));
    std::vector<Sql> always;
    auto const enable = [&](Ident const& trigger) { always.push_back(sql("ENABLE ALWAYS TRIGGER {0}", trigger)); };
    if (m.two_way) {
        enable(n.first_insert);
        enable(n.first_update);
    }
    enable(n.last_insert);
    enable(n.last_update);
    made.push_back(sql("ALTER TABLE {0} {1}", m.table, Sql::join(always, ", ")));
    made.push_back(
        sql("COMMENT ON TRIGGER {0} ON {1} IS {2}", n.last_update, m.table, Value{sync_comment(sync_of(m))}));
    return made;
}

namespace {

Batch drop_what_is(Mapping const& m, Sql const& there) {
    auto const n = sync_names(m);
    Batch made;
    auto const trigger = [&](Ident const& name) {
        made.push_back(sql("DROP TRIGGER {0}{1} ON {2}", there, name, m.table));
    };
    auto const function = [&](Sql const& name, Sql const& of) {
        made.push_back(sql("DROP FUNCTION {0}{1}({2})", there, name, of));
    };
    trigger(n.last_update);
    trigger(n.last_insert);
    if (m.two_way) {
        trigger(n.first_update);
        trigger(n.first_insert);
    }
    function(in_sync(n.last), sql(""));
    if (m.two_way) function(in_sync(n.first), sql(""));
    function(in_sync(n.ok), types(all_columns(m)));
    if (m.two_way) function(in_sync(n.reverse), types({m.to}));
    function(in_sync(n.forward), types(inputs(m)));
    made.push_back(sql("DROP SEQUENCE IF EXISTS {0}", in_sync(both_counter(m))));
    return made;
}

}  // namespace

Batch drop_sync(Mapping const& m) { return drop_what_is(m, sql("")); }

Batch undo_sync(Mapping const& m) {
    Batch made{sql("SELECT {0} FROM {1} LIMIT 0", names(inputs(m)), m.table)};
    for (auto& statement : drop_what_is(m, sql("IF EXISTS "))) made.push_back(std::move(statement));
    return made;
}

Sql guard_sync(Mapping const& m) {
    // The tag finds all objects of the sync: two triggers or four, three functions or five.
    return sql("SELECT weir.check_sync({0}, {1}, {2}, {3})", Value{sql("{0}", m.table).text()},
               Int{static_cast<std::int64_t>(m.run)}, Int{m.number}, Int{m.two_way ? 4 : 2});
}

Sql look_at_sync(Mapping const& m) {
    auto const a = said(m.table, m.from.name);
    auto const b = said(m.table, m.to.name);
    return sql(R"(SELECT {3}, pg_catalog.concat({1}::pg_catalog.text, ' has a default now, on ', d.tables), {4}
FROM (SELECT pg_catalog.string_agg(s.relid::pg_catalog.regclass::pg_catalog.text, ', ') AS tables
  FROM (SELECT pg_catalog.to_regclass({0})::pg_catalog.oid AS relid
        UNION SELECT p.relid::pg_catalog.oid FROM pg_catalog.pg_partition_tree(pg_catalog.to_regclass({0})) p) s
  JOIN pg_catalog.pg_attribute c ON c.attrelid OPERATOR(pg_catalog.=) s.relid
    AND c.attname OPERATOR(pg_catalog.=) {2}::pg_catalog.name
  WHERE c.atthasdef OR c.attidentity OPERATOR(pg_catalog.<>) ''::pg_catalog."char") d WHERE d.tables IS NOT NULL
UNION ALL
SELECT {5}, pg_catalog.concat(q.last_value, {6}::pg_catalog.text), {7}
FROM pg_catalog.pg_sequences q WHERE q.schemaname OPERATOR(pg_catalog.=) 'weir_sync'
  AND q.sequencename OPERATOR(pg_catalog.=) {8}::pg_catalog.name AND q.last_value IS NOT NULL)",
               Value{sql("{0}", m.table).text()}, Value{b}, Value{m.to.name}, Value{"default of " + b},
               Value{"an INSERT that gives " + a + " alone keeps what it gives while " + a +
                     " has no default; with one of both the value of " + b + " wins, and that is counted; " + b +
                     " keeps its default when " + a + " goes"},
               Value{"both of " + b},
               Value{" INSERTs had values in " + a + " and " + b +
                     " that do not fit, and both columns have a default: " + b + " was kept"},
               Value{"drop one of the two defaults: then it is plain which of them was given"},
               Value{both_counter(m).text()});
}

void trigger_order(Table const& shape, TableName const& table, Place const& place, Problems& problems) {
    for (auto const& trigger : shape.triggers) {
        if (trigger.definition.find(" BEFORE ") == std::string::npos) continue;
        if (trigger.name < " weir_s" || trigger.name > "~weir_r")
            problems.push_back({Code::conflict, place,
                                "trigger " + trigger.name + " on " + table.text() +
                                    " would run outside weir's own triggers, which go first and last by name",
                                "rename it (ALTER TRIGGER … RENAME TO …), so that it begins with a letter or digit"});
    }
}

}  // namespace weir
