#include "phases/craft/subject.h"

#include <algorithm>
#include <array>
#include <boost/algorithm/string/join.hpp>
#include <stdexcept>

#include "plans/expression.h"

namespace weir {

std::string said(TableName const& table, std::string_view column) { return table.text() + "." + std::string{column}; }

void unknown_table(Catalog const& catalog, TableName const& name, Place const& place, Problems& problems) {
    std::string hint;
    std::vector<std::string> names;
    auto const consider = [&](TableName const& other) {
        if (other.name == name.name && hint.empty())
            hint = "there is one in schema " + other.schema.text() + ": write table: " + other.schema.text() + "." +
                   other.name.text();
        else if (other.schema == name.schema)
            names.push_back(other.name.text());
    };
    for (auto const& [other, unused] : catalog.tables) consider(other);
    for (auto const& other : catalog.other_relations) consider(other);
    if (hint.empty()) {
        auto const near = nearest(name.name.text(), {names.begin(), names.end()});
        hint = near.empty() ? "names are written as stored, without SQL quotes or folding; no schema means public"
                            : "did you mean " + near + "?";
    }
    problems.push_back({Code::unknown_table, place, "table " + name.text() + " does not exist", hint});
}

std::vector<PlannedColumn> planned_columns(Table const& table) {
    std::vector<PlannedColumn> planned;
    for (auto const& column : table.columns)
        if (column.origin == ColumnOrigin::plan) planned.push_back({column.name, column.type});
    return planned;
}

Table const* own_table(Catalog const& catalog, TableName const& name, Place const& place, Problems& problems) {
    Table const* table = catalog.find(name);
    if (table == nullptr && catalog.other_relations.contains(name)) {
        problems.push_back({Code::wrong_table_kind, place, name.text() + " is not a table",
                            "weir changes ordinary and partitioned tables, no views, foreign tables or sequences"});
        return nullptr;
    }
    if (table == nullptr) {
        unknown_table(catalog, name, place, problems);
        return nullptr;
    }
    auto const refuse = [&](Code code, std::string message, std::string hint) {
        problems.push_back({code, place, std::move(message), std::move(hint)});
        return nullptr;
    };
    if (table->kind != "r" && table->kind != "p")
        return refuse(Code::wrong_table_kind, name.text() + " is not a table",
                      "weir changes ordinary and partitioned tables, no views, foreign tables or sequences");
    if (table->persistence == "t")
        return refuse(Code::wrong_table_kind, name.text() + " is a temporary table",
                      "nobody but its own session can see it; change it there");
    if (!table->parents.empty())
        return refuse(
            Code::wrong_table_kind,
            name.text() + " is a partition or an inheritance child of " + boost::algorithm::join(table->parents, ", "),
            "name the parent table");
    if (!table->children.empty())
        return refuse(Code::wrong_table_kind,
                      name.text() + " has inheritance children: " + boost::algorithm::join(table->children, ", "),
                      "this version works on tables without inheritance");
    if (!table->owned_by_us)
        return refuse(Code::no_privilege, "the connected role does not own table " + name.text(),
                      "connect as " + table->owner + ", or GRANT \"" + table->owner + "\" TO the role that weir uses");
    return table;
}

Table const* usable_table(Catalog const& catalog, TableName const& name, Place const& place, Problems& problems) {
    Table const* known = catalog.find(name);
    if (known == nullptr || known->foreign_leaves.empty()) return own_table(catalog, name, place, problems);
    bool const one = known->foreign_leaves.size() == 1;
    problems.push_back({Code::wrong_table_kind, place,
                        name.text() +
                            (one ? " has a leaf that is a foreign table: " : " has leaves that are foreign tables: ") +
                            boost::algorithm::join(known->foreign_leaves, ", "),
                        "its rows are another server's: nothing here adds a column there, fills it or proves it. ALTER "
                        "TABLE … DETACH PARTITION (or NO INHERIT), change both sides, and attach it again"});
    return nullptr;
}

Column const* known_column(Table const& table, TableName const& name, Ident const& column, Place const& place,
                           Problems& problems) {
    if (Column const* found = table.find(column.text())) return found;
    std::vector<std::string_view> names;
    for (auto const& c : table.columns) names.push_back(c.name);
    auto const near = nearest(column.text(), names);
    problems.push_back(
        {Code::unknown_column, place, "table " + name.text() + " has no column " + column.text(),
         near.empty() ? "names are written as stored, without SQL quotes or folding" : "did you mean " + near + "?"});
    return nullptr;
}

void free_name(Table const& table, TableName const& name, Ident const& column, Place const& place, Problems& problems) {
    static constexpr std::array system{"ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"};
    if (std::find(system.begin(), system.end(), column.text()) != system.end())
        problems.push_back(
            {Code::name_taken, place, column.text() + " is the name of a system column", "choose another name"});
    else if (table.find(column.text()) != nullptr)
        problems.push_back({Code::name_taken, place, "table " + name.text() + " already has a column " + column.text(),
                            "choose another name, or drop that column in an earlier plan"});
}

void no_dependents(Table const& table, TableName const& name, Column const& column, std::string_view doing,
                   Place const& place, Problems& problems) {
    std::string const what = said(name, column.name);
    std::string const verb{doing};
    auto const refuse = [&](std::string message, std::string hint) {
        problems.push_back({Code::has_dependents, place, std::move(message), std::move(hint)});
    };
    if (!column.identity.empty())
        refuse(what + " is an identity column", "this version cannot " + verb + " identity columns");
    if (!column.generated.empty())
        refuse(what + " is a generated column", "this version cannot " + verb + " generated columns");
    if (column.in_partition_key)
        refuse(what + " is part of the partition key of " + name.text(),
               "a partition key cannot be changed while the table lives");
    for (auto const& dependent : dependents_of(table, column.name))
        refuse(dependent.kind + " " + dependent.identity + " depends on " + what,
               "this version cannot " + verb +
                   " a column with dependents: drop it in an earlier migration, and create it "
                   "again on the new column");
    if (!column.options.empty())
        refuse(what + " has column options " + column.options, "ALTER TABLE … ALTER COLUMN … RESET them first");
}

Sql nothing_taken_along(TableName const& table, Ident const& column) {
    return sql("DO {0}", Sql::body(sql(R"(
DECLARE root pg_catalog.oid := pg_catalog.to_regclass({0}); found text;
BEGIN
  SELECT pg_catalog.string_agg(DISTINCT pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid), ', ') INTO found
    FROM (SELECT root AS relid UNION SELECT p.relid FROM pg_catalog.pg_partition_tree(root) p) s
    JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) s.relid
      AND a.attname OPERATOR(pg_catalog.=) {1}::pg_catalog.name AND NOT a.attisdropped
    JOIN pg_catalog.pg_depend d
      ON d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass
      AND d.refobjid OPERATOR(pg_catalog.=) s.relid AND d.refobjsubid OPERATOR(pg_catalog.=) a.attnum
      AND d.deptype OPERATOR(pg_catalog.=) ANY ('{{a,i}}'::pg_catalog."char"[])
      AND d.classid OPERATOR(pg_catalog.<>) 'pg_catalog.pg_attrdef'::pg_catalog.regclass
    LEFT JOIN pg_catalog.pg_constraint k
      ON d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_constraint'::pg_catalog.regclass
      AND k.oid OPERATOR(pg_catalog.=) d.objid
    WHERE k.oid IS NULL OR k.contype OPERATOR(pg_catalog.<>) 'n'::pg_catalog."char";
  IF found IS NOT NULL THEN
    RAISE EXCEPTION 'dropping the column would take along what was made on it since the run began: %', found
      USING ERRCODE = 'WE005';
  END IF;
END
)",
                                       Value{sql("{0}", table).text()}, Value{column.text()})));
}

void no_rules(Table const& table, TableName const& name, std::initializer_list<std::string_view> events,
              std::string_view doing, Place const& place, Problems& problems) {
    for (auto const& rule : table.rules) {
        if (rule.enabled == "D") continue;
        if (std::find(events.begin(), events.end(), rule.event) == events.end()) continue;
        auto const on = rule.partition.empty() ? name.text() : rule.partition;
        problems.push_back({Code::conflict, place,
                            "rule " + rule.name + " on " + on + " rewrites each " + rule.event + ", also those of " +
                                std::string{doing},
                            "make a trigger of it, or drop or disable it before (ALTER TABLE … DISABLE RULE …)"});
    }
}

TypeName type_of(std::string const& type) {
    auto declared = declare_type(type, {});
    if (auto* good = std::get_if<TypeName>(&declared)) return *good;
    throw std::logic_error{"not a type: " + type};
}

UserExpr expression_of(std::string const& expression) {
    auto declared = declare_expression(expression, {});
    if (auto* good = std::get_if<UserExpr>(&declared)) return *good;
    throw std::logic_error{"not an expression: " + expression};
}

void checked_type(std::string const& type, Place const& place, Problems& problems) {
    auto declared = declare_type(type, place);
    if (auto* bad = std::get_if<Problem>(&declared)) problems.push_back(*bad);
}

void checked_expression(std::string const& expression, Place const& place, Problems& problems) {
    auto declared = declare_expression(expression, place);
    if (auto* bad = std::get_if<Problem>(&declared)) problems.push_back(*bad);
}

std::vector<Ident> key_of(Table const& table) {
    std::vector<Ident> key;
    for (auto const& column : table.key) key.push_back(Ident::of(column));
    return key;
}

Answer const* answer(Catalog const& catalog, Question const& question) {
    auto const found = catalog.answers.find(question);
    return found == catalog.answers.end() ? nullptr : &found->second;
}

void refused_expression(Answer const* judged, std::string const& what, std::string const& over, Place const& place,
                        Problems& problems) {
    if (judged == nullptr || judged->sqlstate.empty()) return;
    // The judge's own column stands for what the expression is for.
    constexpr std::string_view stand_in{"column \" weir value\""};
    auto words = judged->error;
    if (auto const at = words.find(stand_in); at != std::string::npos) words.replace(at, stand_in.size(), what);
    problems.push_back({Code::bad_expression, place, "the server refuses the expression of " + what + ": " + words,
                        "expressions are SQL over the columns of " + over +
                            "; functions and tables outside the search_path of the table's owner need their schema"});
}

namespace {

std::string listed(std::vector<std::string> const& words) {
    std::string text;
    for (auto const& word : words) text += (text.empty() ? "" : ", ") + word;
    return text;
}

void reads_what_changes(Answer const& judged, std::string const& what, TableName const& table, std::string_view doing,
                        std::string const& hint, Place const& place, Problems& problems) {
    if (!judged.reads_table.empty()) {
        auto ways = judged.reads_table;
        std::erase(ways, "");
        problems.push_back({Code::bad_expression, place,
                            what + " reads " + table.text() + (ways.empty() ? "" : " by " + listed(ways)) +
                                ", whose rows this " + std::string{doing} + ": each batch would find another answer",
                            hint});
    }
    if (!judged.system_columns.empty())
        problems.push_back({Code::bad_expression, place,
                            what + " reads " + listed(judged.system_columns) +
                                ", which is another one once the row is written or moved",
                            "name rows by their key"});
}

}  // namespace

void refused_condition(Answer const* judged, std::string const& what, TableName const& table, std::string_view doing,
                       Place const& place, Problems& problems) {
    if (judged == nullptr || !judged->sqlstate.empty()) return;
    if (judged->calls_volatile)
        problems.push_back({Code::bad_expression, place,
                            what + " calls a volatile function: which rows it means is another answer each time",
                            "use now() for the time, and mark a function of your own STABLE if it is"});
    reads_what_changes(*judged, what, table, doing,
                       "write the keys of the rows into a table before, and ask that: (SELECT …) over it; or name the "
                       "bound itself",
                       place, problems);
}

void refused_value(Answer const* judged, std::string const& what, TableName const& table, Place const& place,
                   Problems& problems) {
    if (judged == nullptr || !judged->sqlstate.empty()) return;
    reads_what_changes(*judged, what, table, "writes",
                       "write the values into a table before, and fill from that: from, on", place, problems);
}

void note_settings(Answer const* judged, std::string const& what, std::vector<std::string>& notes) {
    if (judged == nullptr || judged->by_settings.empty()) return;
    notes.push_back(what + " may depend on settings of the session: " + listed(judged->by_settings));
}

std::vector<TableLock> lock_of(TableName const& table, LockMode mode) { return {TableLock{table, mode}}; }

}  // namespace weir
