#include "orchestrator/postgres/judge.h"

#include <boost/json.hpp>

#include "orchestrator/postgres/belongings.h"
#include "orchestrator/postgres/scratch.h"
#include "orchestrator/postgres/trial.h"
#include "plans/expression.h"

namespace weir {
namespace {

namespace json = boost::json;

void add(Batch& batch, Batch const& more) { batch.insert(batch.end(), more.begin(), more.end()); }

/// What expressions see.
Batch seen(Batch const& session) {
    Batch batch{sql("SET LOCAL search_path = pg_catalog, public, pg_temp")};
    add(batch, session);
    return batch;
}

/// For what is weir's own in a question; expressions then see `weir.path`.
Sql own_path() { return sql("SET LOCAL search_path = pg_catalog, pg_temp"); }

/// The tools of every question: raise an answer, and try a statement.
Batch tools(Batch const& session = {}) {
    auto batch = seen(session);
    add(batch,
        {
            sql("SELECT pg_catalog.set_config('weir.path', pg_catalog.current_setting('search_path'), true)"),
            sql(R"(CREATE FUNCTION pg_temp."weir say"(code text, words text) RETURNS void LANGUAGE plpgsql AS $weir$
BEGIN
  RAISE EXCEPTION USING ERRCODE = code, MESSAGE = words;
END $weir$)"),
            // Class 42 holds "generation expression is not immutable" and its kin; 0A000 is a subquery. The rest is an
            // error.
            sql(R"(CREATE FUNCTION pg_temp."weir try"(statement text) RETURNS boolean LANGUAGE plpgsql AS $weir$
BEGIN
  PERFORM set_config('search_path', current_setting('weir.path'), true);
  EXECUTE statement;
  SET LOCAL search_path = pg_catalog, pg_temp;
  RETURN true;
EXCEPTION WHEN syntax_error_or_access_rule_violation OR feature_not_supported THEN
  RETURN false;
END $weir$)"),
        });
    return batch;
}

Batch refusal(std::string const& why) {
    auto batch = tools();
    batch.push_back(sql(R"(SELECT pg_temp."weir say"('42601', {0}))", Value{why}));
    return batch;
}

/// A generated column admits immutable expressions only. The cast to its type is written out: the server looks at the
/// expression before it adds one.
Sql is_immutable(Sql const& column, Sql const& expression, TypeName const& type) {
    auto const statement =
        sql(R"(ALTER TABLE pg_temp."weir judge" ADD COLUMN {0} {1} GENERATED ALWAYS AS (CAST({2} AS {1})) STORED)",
            column, type, expression);
    return sql(R"(pg_temp."weir try"({0}))", Value{statement.text()});
}

/// The columns that a view over the judged table reads.
Sql columns_of(Value const& view) {
    return sql(R"((SELECT coalesce(json_agg(attname ORDER BY attname COLLATE "C"), '[]') FROM (
  SELECT DISTINCT a.attname FROM pg_depend d
  JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid AND r.ev_class = {0}::regclass
  JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
  WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = 'pg_temp."weir judge"'::regclass AND a.attnum > 0) read))",
               view);
}

/// A view's rule is kept as a tree with the functions of its calls and operators; the views that it reads have theirs.
Sql calls_volatile(Value const& view) {
    return sql(R"((WITH RECURSIVE read(rule) AS (
    SELECT r.oid FROM pg_rewrite r WHERE r.ev_class = {0}::regclass
    UNION SELECT r.oid FROM read
      JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = read.rule AND d.refclassid = 'pg_class'::regclass
      JOIN pg_rewrite r ON r.ev_class = d.refobjid AND r.rulename = '_RETURN')
  SELECT bool_or(r.ev_action::text ~ '\{{(NEXTVALUEEXPR|TABLESAMPLECLAUSE)\M' OR EXISTS (
    SELECT FROM regexp_matches(r.ev_action::text, ':(?:funcid|opfuncid|aggfnoid|winfnoid) (\d+)', 'g') AS f(id)
    JOIN pg_proc p ON p.oid = f.id[1]::oid WHERE p.provolatile = 'v'))
  FROM read JOIN pg_rewrite r ON r.oid = read.rule))",
               view);
}

/// Remembers how the catalog reader writes the type of a column of the judged table: with every name qualified.
Batch remember_type(Value const& column, Batch const& session) {
    Batch batch{sql("SET LOCAL search_path = pg_catalog, pg_temp"),
                sql(R"(SELECT set_config('weir.type', format_type(atttypid, atttypmod), true) FROM pg_attribute
WHERE attrelid = 'pg_temp."weir judge"'::regclass AND attname = {0})",
                    column)};
    add(batch, seen(session));
    return batch;
}

/// How the view's expression reads the table or one of its kin, other than by its row.
Sql ways_to_table(Value const& view, TableName const& table) {
    return sql(R"((WITH RECURSIVE kin(relid) AS (
    SELECT {1}::regclass::oid
    UNION SELECT step.relid FROM kin JOIN LATERAL (
      SELECT h.inhrelid FROM pg_inherits h WHERE h.inhparent = kin.relid
      UNION ALL SELECT h.inhparent FROM pg_inherits h WHERE h.inhrelid = kin.relid) AS step(relid) ON true),
  used(classid, objid, via) AS (
    SELECT 'pg_rewrite'::regclass::oid, r.oid, '' FROM pg_rewrite r WHERE r.ev_class = {0}::regclass
    UNION SELECT next.classid, next.objid, CASE WHEN used.via <> '' THEN used.via ELSE next.said END
    FROM used JOIN pg_depend d ON d.classid = used.classid AND d.objid = used.objid
    JOIN LATERAL (
      SELECT r.tableoid, r.oid, (SELECT o.type || ' ' || o.identity FROM pg_identify_object(d.refclassid, d.refobjid, 0) o)
        FROM pg_rewrite r WHERE d.refclassid = 'pg_class'::regclass AND r.ev_class = d.refobjid AND r.rulename = '_RETURN' AND r.oid <> used.objid
      UNION ALL SELECT d.refclassid, d.refobjid, o.type || ' ' || o.identity FROM pg_identify_object(d.refclassid, d.refobjid, 0) o
        WHERE d.refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass)) AS next(classid, objid, said) ON true)
  SELECT coalesce(json_agg(found.via ORDER BY found.via COLLATE "C"), '[]') FROM (
    SELECT used.via FROM used JOIN pg_depend d ON d.classid = used.classid AND d.objid = used.objid
      AND d.refclassid = 'pg_class'::regclass JOIN kin ON kin.relid = d.refobjid
    UNION SELECT used.via FROM used JOIN pg_proc p ON used.classid = 'pg_proc'::regclass AND p.oid = used.objid
      JOIN pg_language l ON l.oid = p.prolang AND l.lanname IN ('sql', 'plpgsql')
      WHERE p.provolatile <> 'i' AND p.prosqlbody IS NULL
        AND p.prosrc ~* ('\m' || regexp_replace({2}, '([^[:alnum:]_])', '\', 'g') || '\M')) found))",
               view, Value{sql("{0}", table).text()}, Value{table.name.text()});
}

/// Of the row: what a write of it changes.
Sql system_columns_of(Value const& view) {
    return sql(R"((SELECT coalesce(json_agg(DISTINCT a.attname), '[]') FROM pg_depend d
  JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid AND r.ev_class = {0}::regclass
  JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
  WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = 'pg_temp."weir judge"'::regclass
    AND a.attname IN ('ctid', 'xmin', 'xmax', 'cmin', 'cmax') AND a.attnum < 0))",
               view);
}

constexpr std::string_view by_text{"a cast by way of text"};

/// The time is the same in a transaction whatever is set; what a literal of a time means is decided when it is read.
Sql by_settings(Value const& view) {
    return sql(R"((SELECT coalesce(json_agg(found.said ORDER BY found.said COLLATE "C"), '[]') FROM (
    SELECT p.oid::regprocedure::text AS said
      FROM pg_rewrite r, regexp_matches(r.ev_action::text, ':(?:funcid|opfuncid|aggfnoid|winfnoid) (\d+)', 'g') AS f(id)
      JOIN pg_proc p ON p.oid = f.id[1]::oid
      WHERE r.ev_class = {0}::regclass AND p.provolatile = 's'
        AND p.oid NOT IN ('pg_catalog.now()'::regprocedure, 'pg_catalog.transaction_timestamp()'::regprocedure,
                          'pg_catalog.statement_timestamp()'::regprocedure)
    UNION SELECT 'a constant of type ' || format_type(f.id[1]::oid, NULL)
      FROM pg_rewrite r, regexp_matches(r.ev_action::text,
        '\{{CONST :consttype (\d+) :consttypmod -?\d+ :constcollid \d+ :constlen -?\d+ :constbyval \w+ :constisnull false', 'g') AS f(id)
      WHERE r.ev_class = {0}::regclass AND f.id[1]::oid IN ('timestamptz'::regtype, 'timetz'::regtype, 'timestamp'::regtype,
                                                          'date'::regtype, 'interval'::regtype, 'money'::regtype)
    UNION SELECT {1} FROM pg_rewrite r WHERE r.ev_class = {0}::regclass
        AND r.ev_action::text ~ '\{{COERCEVIAIO\M') found))",
               view, Value{std::string{by_text}});
}

/// A column of such a type cannot be added empty: the server checks NULL against the domain row by row, in a rewrite.
Sql is_empty_refused(TypeName const& type) {
    return sql(R"(SELECT pg_temp."weir say"('WE101', format('domain %s has %s', format_type(oid, NULL),
    CASE WHEN typdefault IS NOT NULL THEN 'a default' ELSE 'a constraint' END))
FROM (WITH RECURSIVE chain AS (
        SELECT t.* FROM pg_catalog.pg_type t WHERE t.oid OPERATOR(pg_catalog.=) {0}::pg_catalog.regtype
        UNION ALL SELECT t.* FROM chain JOIN pg_catalog.pg_type t ON t.oid OPERATOR(pg_catalog.=) chain.typbasetype)
      SELECT * FROM chain) t
WHERE typtype OPERATOR(pg_catalog.=) 'd' AND (typnotnull OR typdefault IS NOT NULL
  OR EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.contypid OPERATOR(pg_catalog.=) t.oid)))",
               Value{type.text()});
}

Batch ask(ExpressionQuestion const& question, Batch const& session) {
    auto const expression = declare_expression(question.expression, {});
    if (auto const* problem = std::get_if<Problem>(&expression)) return refusal(problem->message);
    auto const type = declare_type(question.column_type, {});
    if (auto const* problem = std::get_if<Problem>(&type)) return refusal(problem->message);
    auto const text = sql("{0}", std::get<UserExpr>(expression));
    auto const& column_type = std::get<TypeName>(type);

    auto batch = tools(session);
    if (question.expression == "NULL") batch.push_back(is_empty_refused(column_type));
    add(batch, {
                   sql(R"(CREATE TABLE pg_temp."weir judge" (LIKE {0}))", question.table),
               });
    for (auto const& planned : question.planned) {
        auto const name = Ident::make(planned.name);
        auto const planned_type = declare_type(planned.type, {});
        if (!name || !std::holds_alternative<TypeName>(planned_type)) return refusal("not a column: " + planned.name);
        batch.push_back(
            sql(R"(ALTER TABLE pg_temp."weir judge" ADD COLUMN {0} {1})", *name, std::get<TypeName>(planned_type)));
    }
    add(batch, {
                   sql(R"(ALTER TABLE pg_temp."weir judge" ADD COLUMN " weir value" {0})", column_type),
               });
    add(batch, remember_type(Value{" weir value"}, session));
    // Under the table's own name, as in a batch: inside a subquery that is how the row's columns are told apart.
    Ident const& alias = question.table.name;
    Value const view{"pg_temp.\"weir read\""};
    add(batch,
        {
            sql(R"(EXPLAIN UPDATE pg_temp."weir judge" AS {1} SET " weir value" = {0})", text, alias),
            sql(R"(CREATE VIEW pg_temp."weir read" AS SELECT {0} AS value FROM pg_temp."weir judge" AS {1})", text,
                alias),
            own_path(),
            sql(R"(SELECT pg_temp."weir say"('WE100', json_build_object(
  'immutable', {0}, 'calls_volatile', {2}, 'columns', {1}, 'reverse_columns', '[]'::json, 'null_is_value', false,
  'type', current_setting('weir.type'), 'reads_table', {3}, 'system_columns', {4}, 'by_settings', {5})::text))",
                is_immutable(sql("\" weir generated\""), text, column_type), columns_of(view), calls_volatile(view),
                ways_to_table(view, question.table), system_columns_of(view), by_settings(view)),
        });
    return batch;
}

Batch ask(QuietQuestion const&, Batch const&) {
    auto batch = tools();
    batch.push_back(sql("SET LOCAL session_replication_role = replica"));
    batch.push_back(sql(R"(SELECT pg_temp."weir say"('WE100', '{{}}'))"));
    return batch;
}

Batch ask(ScratchQuestion const& question, Batch const&) { return ask_scratch(question); }

/// Of partitions and of inheritance children alike.
Batch ask(RoleQuestion const& question, Batch const&) {
    return {sql("SET LOCAL search_path = pg_catalog, pg_temp"),
            sql("DO {0}", Sql::body(sql(R"(
BEGIN
  RAISE EXCEPTION USING ERRCODE = 'WE100', MESSAGE = (
    WITH RECURSIVE root AS (
      SELECT c.oid, c.relowner, c.relnamespace FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE n.nspname = {0} AND c.relname = {1}),
    tree(relid) AS (
      SELECT oid FROM root UNION SELECT h.inhrelid FROM tree JOIN pg_inherits h ON h.inhparent = tree.relid),
    asked AS (
      SELECT r.oid, r.rolname, r.rolsuper OR r.rolbypassrls AS sees_all FROM pg_roles r
      WHERE CASE WHEN {2} = '' THEN r.oid = (SELECT relowner FROM root) ELSE r.rolname = {2} END)
    SELECT coalesce((SELECT json_build_object(
      'role', a.rolname,
      'may_become', pg_has_role(session_user, a.oid,
        CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END),
      'owns', (SELECT pg_has_role(a.oid, root.relowner, 'USAGE') FROM root),
      'not_owned', (SELECT coalesce(json_agg({3} ORDER BY {3} COLLATE "C"), '[]')
        FROM tree JOIN pg_class r ON r.oid = tree.relid JOIN pg_namespace o ON o.oid = r.relnamespace
        WHERE r.oid <> (SELECT oid FROM root) AND NOT pg_has_role(a.oid, r.relowner, 'USAGE')),
      'uses_schema', (SELECT has_schema_privilege(a.oid, root.relnamespace, 'USAGE') FROM root),
      'uses_plpgsql', has_language_privilege(a.oid, 'plpgsql', 'USAGE'),
      'sees_some_rows', NOT a.sees_all AND EXISTS (SELECT FROM tree JOIN pg_class r ON r.oid = tree.relid
        WHERE r.relrowsecurity AND r.relforcerowsecurity)) FROM asked a, root),
      (SELECT json_build_object('role', {2}, 'exists', false,
        'roles', coalesce(json_agg(r.rolname ORDER BY r.rolname COLLATE "C"), '[]')) FROM pg_roles r
        WHERE r.rolname !~ '^pg_'))::text);
END
)",
                                        Value{question.table.schema.text()}, Value{question.table.name.text()},
                                        Value{question.role},
                                        sql("CASE WHEN o.nspname = 'public' THEN r.relname::text ELSE o.nspname || '.' "
                                            "|| r.relname END"))))};
}

Batch ask(SettingQuestion const& question, Batch const&) {
    auto batch = tools();
    std::vector<Sql> path;
    for (auto const& schema : question.schemas) {
        auto const name = Ident::make(schema);
        if (!name) return refusal("not a name: " + schema);
        path.push_back(sql("{0}", *name));
        if (schema == "pg_temp") continue;
        batch.push_back(sql(R"(SELECT pg_temp."weir say"('WE102', format('schema %s does not exist', {0}))
  WHERE NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = {0}))",
                            Value{schema}));
    }
    Value const value{path.empty() ? question.value : Sql::join(path, ", ").text()};
    if (question.name != "search_path" || !path.empty())
        batch.push_back(sql("SELECT set_config({0}, {1}, true)", Value{question.name}, value));
    batch.push_back(sql(R"(SELECT pg_temp."weir say"('WE100', '{{}}'))"));
    return batch;
}

Batch ask(MappingQuestion const& question, Batch const& session) {
    bool const identity = question.forward.empty() && question.reverse.empty();
    bool const two_way = identity || !question.reverse.empty();
    auto const from = Ident::make(question.from);
    auto const to = Ident::make(question.to);
    if (!from || !to) return refusal("not a column name");
    auto const from_declared = declare_type(question.from_type, {});
    if (auto const* problem = std::get_if<Problem>(&from_declared)) return refusal(problem->message);
    auto const to_declared = declare_type(question.to_type, {});
    if (auto const* problem = std::get_if<Problem>(&to_declared)) return refusal(problem->message);
    auto const& from_type = std::get<TypeName>(from_declared);
    auto const& to_type = std::get<TypeName>(to_declared);

    Sql forward = sql("{0}", *from);
    Sql reverse = sql("{0}", *to);
    if (!identity) {
        if (question.forward.empty()) return refusal("a reverse expression without a forward one");
        auto const declared = declare_expression(question.forward, {});
        if (auto const* problem = std::get_if<Problem>(&declared)) return refusal(problem->message);
        forward = sql("{0}", std::get<UserExpr>(declared));
        if (two_way) {
            auto const back = declare_expression(question.reverse, {});
            if (auto const* problem = std::get_if<Problem>(&back)) return refusal(problem->message);
            reverse = sql("{0}", std::get<UserExpr>(back));
        }
    }

    auto batch = tools(session);
    add(batch,
        {
            sql(R"(CREATE TABLE pg_temp."weir judge" (LIKE {0}))", question.table),
            sql(R"(ALTER TABLE pg_temp."weir judge" ADD COLUMN IF NOT EXISTS {0} {1}, ADD COLUMN IF NOT EXISTS {2} {3})",
                *from, from_type, *to, to_type),
            sql(R"(EXPLAIN UPDATE pg_temp."weir judge" SET {0} = {1})", *to, forward),
            sql(R"(CREATE VIEW pg_temp."weir forward" AS SELECT {0} AS value FROM pg_temp."weir judge")", forward),
            // Its parameters are known only now: the column that it is for, then the others that it reads.
            sql(R"(CREATE FUNCTION pg_temp."weir make"(mine text, body text, returns text) RETURNS integer
LANGUAGE plpgsql AS $weir$
DECLARE
  columns text[];
BEGIN
  SELECT array_agg(format('%I %s', a.attname, format_type(a.atttypid, a.atttypmod)) ORDER BY a.attname <> mine, a.attnum)
  INTO columns FROM pg_attribute a
  WHERE a.attrelid = 'pg_temp."weir judge"'::regclass AND a.attnum > 0 AND (a.attname = mine OR EXISTS (
    SELECT FROM pg_depend d JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
    WHERE r.ev_class = 'pg_temp."weir forward"'::regclass AND d.refclassid = 'pg_class'::regclass
      AND d.refobjid = a.attrelid AND d.refobjsubid = a.attnum));
  PERFORM set_config('search_path', current_setting('weir.path'), true);
  EXECUTE pg_catalog.format('CREATE FUNCTION pg_temp."weir f"(%s) RETURNS %s LANGUAGE sql IMMUTABLE RETURN %s',
                 pg_catalog.array_to_string(columns, ', '), returns, body);
  SET LOCAL search_path = pg_catalog, pg_temp;
  RETURN cardinality(columns);
END $weir$)"),
        });
    Sql reverse_columns = sql("'[]'::json");
    Sql immutable = is_immutable(sql("\" weir f\""), forward, to_type);
    Sql probe = sql(R"(SELECT num_nulls(pg_temp."weir f"(NULL)) = 1)");
    if (two_way) {
        add(batch,
            {
                sql(R"(CREATE FUNCTION pg_temp."weir g"({0} {1}) RETURNS {2} LANGUAGE sql IMMUTABLE RETURN {3})", *to,
                    to_type, from_type, reverse),
                sql(R"(EXPLAIN UPDATE pg_temp."weir judge" SET {0} = {1})", *from, reverse),
                sql(R"(CREATE VIEW pg_temp."weir reverse" AS SELECT {0} AS value FROM pg_temp."weir judge")", reverse),
            });
        reverse_columns = columns_of(Value{"pg_temp.\"weir reverse\""});
        immutable = sql("{0} AND {1}", immutable, is_immutable(sql("\" weir g\""), reverse, from_type));
        probe = sql(R"(SELECT num_nulls(pg_temp."weir f"(pg_temp."weir g"(NULL))) = 1)");
    }
    add(batch,
        {
            sql(R"(CREATE FUNCTION pg_temp."weir probe"(parameters integer) RETURNS boolean LANGUAGE plpgsql AS {0})",
                Sql::body(sql(R"(
DECLARE
  answer boolean;
BEGIN
  IF parameters > 1 THEN
    RETURN false;
  END IF;
  EXECUTE {0} INTO answer;
  RETURN answer;
END )",
                              Value{probe.text()}))),
            own_path(),
            sql(R"(SELECT pg_temp."weir say"('WE100', json_build_object(
  'null_is_value', pg_temp."weir probe"(pg_temp."weir make"({0}, {1}, {2})),
  'immutable', {3}, 'columns', {4}, 'reverse_columns', {5})::text))",
                Value{question.from}, Value{forward.text()}, Value{to_type.text()}, immutable,
                columns_of(Value{"pg_temp.\"weir forward\""}), reverse_columns),
        });
    return batch;
}

bool truth(json::object const& object, std::string_view name) {
    auto const* value = object.if_contains(json::string_view{name.data(), name.size()});
    return value != nullptr && value->is_bool() && value->get_bool();
}

std::vector<std::string> texts(json::object const& object, std::string_view name) {
    std::vector<std::string> all;
    auto const* value = object.if_contains(json::string_view{name.data(), name.size()});
    if (value == nullptr || !value->is_array()) return all;
    for (auto const& item : value->get_array())
        if (item.is_string()) all.emplace_back(item.get_string().data(), item.get_string().size());
    return all;
}

}  // namespace

Batch judge_batch(Question const& question, Batch const& session, std::string const& role) {
    return trial(std::visit(
        [&](auto const& asked) {
            if constexpr (std::is_same_v<std::decay_t<decltype(asked)>, DropQuestion>)
                return ask_belongings(asked, role);
            else
                return ask(asked, session);
        },
        question));
}

Answer judge_answer(Question const& question, Outcome const& outcome) {
    Answer answer;
    auto const said = trial_answer(outcome);
    if (!said) {
        // What a function raises, such as that of an event trigger, may be put together of rows.
        bool const raised = outcome.sqlstate.starts_with("P0");
        auto const& words = outcome.said.empty() || raised ? outcome.message : outcome.said.reveal();
        answer.sqlstate = outcome.sqlstate.empty() ? "XX000" : outcome.sqlstate;
        answer.error = words.empty() ? "the server gave no answer" : words;
        return answer;
    }
    if (said->sqlstate != "WE100") {
        // The questions read no row: the words can quote the plan alone.
        answer.sqlstate = said->sqlstate.empty() ? "XX000" : said->sqlstate;
        answer.error = said->words.empty() ? "the server gave no answer" : said->words;
        return answer;
    }
    auto const unreadable = [&](std::string words) {
        answer.sqlstate = "XX000";
        answer.error = std::move(words);
        return answer;
    };
    if (std::holds_alternative<RoleQuestion>(question)) {
        auto found = role_from_json(said->words);
        if (auto const* problem = std::get_if<Problem>(&found)) return unreadable(problem->message);
        answer.role = std::get<RoleAnswer>(std::move(found));
        return answer;
    }
    if (std::holds_alternative<ScratchQuestion>(question)) {
        auto found = definitions_from_json(said->words);
        if (auto const* problem = std::get_if<Problem>(&found)) return unreadable(problem->message);
        answer.definitions = std::get<std::vector<Definition>>(std::move(found));
        return answer;
    }
    if (std::holds_alternative<DropQuestion>(question)) {
        auto found = belongings_from_json(said->words);
        if (auto const* problem = std::get_if<Problem>(&found)) return unreadable(problem->message);
        answer.belongings = std::get<Belongings>(std::move(found));
        return answer;
    }
    json::error_code error;
    auto const value = json::parse(said->words, error);
    if (error || !value.is_object()) return unreadable("the server's answer cannot be read");
    auto const& object = value.get_object();
    answer.immutable = truth(object, "immutable");
    answer.calls_volatile = truth(object, "calls_volatile");
    answer.null_is_value = truth(object, "null_is_value");
    if (auto const* type = object.if_contains("type"); type != nullptr && type->is_string())
        answer.type = std::string{type->get_string().data(), type->get_string().size()};
    answer.columns = texts(object, "columns");
    answer.reverse_columns = texts(object, "reverse_columns");
    answer.reads_table = texts(object, "reads_table");
    answer.system_columns = texts(object, "system_columns");
    answer.by_settings = texts(object, "by_settings");
    // Of a type whose text depends on nothing.
    if (answer.immutable) std::erase(answer.by_settings, by_text);
    return answer;
}

}  // namespace weir
