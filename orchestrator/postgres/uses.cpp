#include "orchestrator/postgres/uses.h"

#include "orchestrator/postgres/dependents.h"
#include "orchestrator/postgres/judge.h"
#include "phases/craft/names.h"
#include "plans/catalog/catalog.h"
#include "plans/expression.h"

namespace weir {
namespace {

constexpr std::size_t statement_at_most = 200;

/// A column or table that was set aside: `sql` is its row of the list that the questions are about.
struct Kept {
    std::string column, was;
    Sql sql;
    std::optional<TableName> table{};
};

Batch list_kept(RunId run) {
    return {sql("SET LOCAL transaction_read_only = on"),
            sql(R"(SELECT a.attrelid, a.attnum, n.nspname, c.relname, a.attname, d.description
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_class c ON c.oid = a.attrelid AND NOT c.relispartition
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_description d ON d.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objoid = a.attrelid
  AND d.objsubid = a.attnum
WHERE a.attnum > 0 AND NOT a.attisdropped AND a.attname LIKE 'weir\_q{0}\_%' ORDER BY n.nspname, c.relname, a.attnum)",
                Int{static_cast<std::int64_t>(run)})};
}

Batch list_kept_tables(RunId run) {
    return {sql("SET LOCAL transaction_read_only = on"),
            sql(R"(SELECT c.oid, 0, n.nspname, c.relname, c.relname, d.description
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_description d ON d.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objoid = c.oid AND d.objsubid = 0
WHERE c.relkind IN ('r', 'p') AND c.relname LIKE 'weir\_q{0}\_%' ORDER BY n.nspname, c.relname)",
                Int{static_cast<std::int64_t>(run)})};
}

/// A pattern for the whole word, whatever it is made of.
Value whole_word(std::string const& name) {
    std::string text;
    for (char const c : name) {
        bool const word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                          static_cast<unsigned char>(c) >= 0x80;
        text += (word ? "" : "\\") + std::string{c};
    }
    return Value{"(^|[^[:alnum:]_$])" + text + "($|[^[:alnum:]_$])"};
}

Sql as_list(std::vector<Kept> const& kept) {
    std::vector<Sql> rows;
    for (auto const& one : kept) rows.push_back(one.sql);
    return sql("WITH RECURSIVE q (number, rel, att, tab, aside, was) AS (VALUES {0})", Sql::join(rows, ", "));
}

/// What weir itself made goes with the column.
Batch list_dependents(std::vector<Kept> const& kept) {
    return {sql("SET LOCAL transaction_read_only = on"),
            sql(R"({0}, {1}
SELECT DISTINCT q.number, 'depends', CASE WHEN v.oid IS NULL THEN pg_catalog.pg_describe_object(d.classid, d.objid, 0)
  ELSE CASE v.relkind WHEN 'm' THEN 'materialized view ' ELSE 'view ' END || v.oid::pg_catalog.regclass END
FROM q JOIN dependent d ON d.relid = q.rel AND d.attnum = q.att AND d.deptype IN ('n', 'a')
LEFT JOIN pg_catalog.pg_class v ON v.oid = d.view
WHERE d.classid <> 'pg_catalog.pg_attrdef'::pg_catalog.regclass
UNION ALL
SELECT DISTINCT q.number, 'mentions', 'function ' || p.oid::pg_catalog.regprocedure
FROM q CROSS JOIN LATERAL (SELECT p.oid {2} AND (p.prosrc ~* q.aside OR p.prosrc ~* q.was)) p
UNION ALL
SELECT q.number, 'both', s.last_value || ' INSERTs'
FROM q JOIN pg_catalog.pg_attribute a ON a.attrelid = q.rel AND a.attnum = q.att
JOIN pg_catalog.pg_trigger t ON t.tgrelid = q.rel AND t.tgname ~ '{3}+_[0-9]+_last_u$'
  AND pg_catalog.strpos(pg_catalog.obj_description(t.oid, 'pg_trigger'),
                        '"from":' || pg_catalog.to_json(a.attname::text)) > 0
JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
JOIN pg_catalog.pg_sequences s ON s.schemaname = 'weir_sync' AND s.last_value IS NOT NULL
  AND s.sequencename = pg_catalog.regexp_replace(p.proname, '_last$', '_both')
ORDER BY 2, 3, 1 LIMIT 100)",
                as_list(kept), own_and_dependent(sql("SELECT DISTINCT q.rel FROM q")), functions_that_say(sql("q.tab")),
                own_triggers())};
}

Batch list_mentions_of_tables(std::vector<Kept> const& kept) {
    return {sql("SET LOCAL transaction_read_only = on"), sql(R"({0}
SELECT DISTINCT q.number, 'mentions', 'function ' || p.oid::pg_catalog.regprocedure
FROM q CROSS JOIN LATERAL (SELECT p.oid {1} AND (p.prosrc ~* q.aside OR p.prosrc ~* q.was)) p
ORDER BY 3, 1 LIMIT 100)",
                                                             as_list(kept), functions_that_say(sql("''")))};
}

/// One row when the view is there and may be read: its schema.
Batch find_statements() {
    return {sql("SET LOCAL transaction_read_only = on"), sql(R"(SELECT n.nspname FROM pg_catalog.pg_extension e
JOIN pg_catalog.pg_class c ON c.relname = 'pg_stat_statements' AND c.relnamespace = e.extnamespace
JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
WHERE e.extname = 'pg_stat_statements' AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')
  AND pg_catalog.has_table_privilege(c.oid, 'SELECT'))")};
}

/// A statement by the old name fails since, and what fails is not counted there: one that is was counted before. A dump
/// takes whatever columns are there.
Batch list_statements(std::vector<Kept> const& kept, Ident const& schema) {
    return {sql("SET LOCAL transaction_read_only = on"), sql(R"({0}
SELECT q.number, 'statement', pg_catalog.sum(s.calls) || ' calls by ' || coalesce(u.rolname, '?') || ': ', s.query
FROM q JOIN {1}.pg_stat_statements s ON s.query ~* q.aside
  AND s.query ~* '^\s*(select|insert|update|delete|merge|with|copy|declare)\M' AND s.query !~ '\mweir_sync\M'
  AND s.query !~* '^\s*copy\M.*\mto\s+stdout\M'
JOIN pg_catalog.pg_database b ON b.oid = s.dbid AND b.datname = pg_catalog.current_database()
LEFT JOIN pg_catalog.pg_roles u ON u.oid = s.userid
GROUP BY q.number, u.rolname, s.query ORDER BY pg_catalog.sum(s.calls) DESC, s.query LIMIT 20)",
                                                             as_list(kept), schema)};
}

}  // namespace

std::variant<std::vector<Use>, Problem> uses_of(Asker& asker, RunId run) {
    std::vector<Kept> columns, tables;
    for (bool const whole : {false, true}) {
        auto& kept = whole ? tables : columns;
        auto const listed = asker.ask(whole ? list_kept_tables(run) : list_kept(run));
        if (listed.fate != Fate::done) return problem_of(listed, "cannot see what is in quarantine");
        for (auto const& row : listed.rows) {
            auto const field = [&](std::size_t i) { return row.fields.at(i).value_or(""); };
            auto const aside = aside_of(field(4), field(5));
            if (!aside || aside->run != static_cast<std::int64_t>(run)) continue;
            TableName const table{Ident::of(field(2)), Ident::of(field(3))};
            kept.push_back(
                {whole ? table.text() : table.text() + "." + field(4), aside->column,
                 sql("({0}, {1}::pg_catalog.oid, {2}, {3}, {4}, {5})", Int{static_cast<std::int64_t>(kept.size())},
                     Int{std::stoll(field(0))}, Int{std::stoll(field(1))}, whole_word(field(3)), whole_word(field(4)),
                     whole_word(aside->column)),
                 whole ? std::optional{table} : std::nullopt});
        }
    }
    std::vector<Use> uses;
    auto const take = [&](std::vector<Kept> const& kept, Outcome const& found) {
        for (auto const& row : found.rows) {
            auto const& of = kept.at(std::stoul(row.fields.at(0).value_or("0")));
            auto by = row.fields.at(2).value_or("");
            // What is no DML is kept there as it was sent.
            if (row.fields.size() > 3) by += without_values(row.fields[3].value_or(""), statement_at_most);
            uses.push_back({of.column, of.was, row.fields.at(1).value_or(""), std::move(by), of.table.has_value()});
        }
    };
    for (auto const& kept : tables) {
        Question const drop = DropQuestion{*kept.table};
        auto const found = asker.ask(judge_batch(drop));
        auto const judged = judge_answer(drop, found);
        if (!judged.belongings && found.fate == Fate::done)
            return Problem{Code::statement_refused,
                           {},
                           "cannot see who uses what is in quarantine: " + judged.error,
                           "run the same command again"};
        if (!judged.belongings) return problem_of(found, "cannot see who uses what is in quarantine");
        for (auto const& obstacle : judged.belongings->obstacles)
            uses.push_back({kept.column, kept.was, "depends", obstacle.what.kind + " " + obstacle.what.identity, true});
    }
    for (auto const* kept : {&columns, &tables}) {
        if (kept->empty()) continue;
        auto const found = asker.ask(kept == &tables ? list_mentions_of_tables(*kept) : list_dependents(*kept));
        if (found.fate != Fate::done) return problem_of(found, "cannot see who uses what is in quarantine");
        take(*kept, found);
    }
    if (columns.empty() && tables.empty()) return uses;
    auto const there = asker.ask(find_statements());
    if (there.fate != Fate::done || there.rows.empty()) return uses;
    for (auto const* kept : {&columns, &tables}) {
        if (kept->empty()) continue;
        // Not loaded at the server's start it gives an error: then nobody counts.
        auto const said = asker.ask(list_statements(*kept, Ident::of(there.rows[0].fields.at(0).value_or("public"))));
        if (said.fate == Fate::done) take(*kept, said);
    }
    return uses;
}

std::string to_text(Use const& use) {
    if (use.how == "statement") return use.column + ": " + use.by;
    if (use.how == "depends") return use.by + " uses " + use.column;
    if (use.how == "both")
        return use.by + " gave values to " + use.column + " (or " + use.was +
               ") and to the column in its place that do not fit: one of the two was kept";
    if (use.of_table) return use.by + " has the name of " + use.column + " (or " + use.was + ") in its text";
    return use.by + " has the names of the table and of " + use.column + " (or " + use.was + ") in its text";
}

}  // namespace weir
