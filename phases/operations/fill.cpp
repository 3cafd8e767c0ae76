#include <algorithm>
#include <array>

#include "phases/craft/parts.h"
#include "phases/craft/subject.h"
#include "phases/craft/sync.h"
#include "phases/operations.h"

namespace weir {
namespace {

/// What a fill and its proof share.
struct Subject {
    TableName table;
    FieldAssignments set;  ///< empty: the column `to` by its live sync
    std::optional<Ident> to;
    std::optional<UserExpr> where;
    std::optional<TableName> from;  ///< the table that the values come from, by `on`
    std::optional<UserExpr> on;
    FieldValues at;
};

Sync const* live_sync(Subject const& s, Table const& table) {
    if (s.to) return sync_to(table, s.to->text());
    if (s.set.size() == 1) return sync_to(table, s.set.front().first.text());
    return nullptr;
}

std::string columns_said(Subject const& s) {
    if (s.to) return said(s.table, s.to->text());
    std::string text;
    for (auto const& [column, value] : s.set) text += (text.empty() ? "" : ", ") + said(s.table, column.text());
    return text;
}

/// A scalar subquery, so that a batch stays an UPDATE of one table, and two rows that match are an error.
Sql value_of(Subject const& s, UserExpr const& value) {
    if (!s.from) return sql("{0}", value);
    return sql("(SELECT {0} FROM {1} AS {2} WHERE {3})", value, *s.from, s.from->name, *s.on);
}

Sql is_null(Ident const& column) { return sql("pg_catalog.num_nulls({0}) OPERATOR(pg_catalog.=) 1", column); }

Rows rows_of(Subject const& s, Catalog const& catalog) {
    Table const& table = *catalog.find(s.table);
    Rows rows{s.table, {}, {}, {}, {}, key_of(table), {}};
    if (Sync const* live = live_sync(s, table)) {
        Mapping const m = mapping_of(s.table, table, *live);
        Ident const to = Ident::of(live->to);
        rows.set = {{to, forward_of(m)}};
        rows.todo = sql("NOT {0}", ok_of(m));
        rows.fill_after_gate = sql("({0} AND NOT {1})", is_null(to), ok_of(m));
        // One way: a value that the application gave to the new column is the application's.
        rows.miss_after_gate = m.two_way ? rows.todo : rows.fill_after_gate;
        rows.guard = {guard_sync(m)};
        return rows;
    }
    std::vector<Sql> nulls;
    for (auto const& [column, value] : s.set) {
        nulls.push_back(is_null(column));
        Sql const filled = value_of(s, value);
        rows.set.push_back({column, s.set.size() == 1
                                        ? filled
                                        : sql("CASE WHEN {0} THEN {1} ELSE {2} END", is_null(column), filled, column)});
    }
    rows.todo = sql("({0})", Sql::join(nulls, " OR "));
    if (s.where) rows.todo = sql("({0} AND {1})", rows.todo, *s.where);
    rows.fill_after_gate = rows.miss_after_gate = rows.todo;
    return rows;
}

class Fill : public Operation {
  public:
    explicit Fill(Subject subject) : s_{std::move(subject)} {}

    Questions questions(Catalog const& catalog) const override {
        Questions asked;
        Table const* table = catalog.find(s_.table);
        if (table == nullptr || live_sync(s_, *table)) return asked;
        if (s_.from.has_value() != s_.on.has_value()) return asked;
        for (auto const& [column, value] : s_.set)
            if (Column const* known = table->find(column.text()))
                asked.push_back(value_question(value, *known, *table));
        if (s_.on) asked.push_back(on_question(*table));
        if (s_.where) asked.push_back(where_question(*table));
        return asked;
    }

    Problems validate(Catalog const& catalog) const override {
        Problems problems;
        Table const* table = usable_table(catalog, s_.table, s_.at.place_of("table"), problems);
        if (table == nullptr) return problems;
        no_rules(*table, s_.table, {"UPDATE"}, "a fill", s_.at.place, problems);
        auto const at = s_.at.place_of("set");
        if (s_.to) {
            if (live_sync(s_, *table) == nullptr)
                problems.push_back({Code::unknown_column, at, columns_said(s_) + " has no live sync", ""});
            return problems;
        }
        check_from(catalog, *table, problems);
        if (!problems.empty()) return problems;
        for (auto const& [column, value] : s_.set) check_one(catalog, *table, column, value, problems);
        if (s_.where && problems.empty() && live_sync(s_, *table) == nullptr)
            check_where(answer(catalog, where_question(*table)), problems);
        return problems;
    }

    Steps compile(Catalog const& catalog, RunId) const override {
        Step step;
        step.kind = StepKind::fill;
        step.title = "fill " + columns_said(s_) + (s_.from ? " from " + s_.from->text() : "");
        step.rows = rows_of(s_, catalog);
        step.forward.holds = lock_of(s_.table, LockMode::row_exclusive);
        Table const& table = *catalog.find(s_.table);
        if (live_sync(s_, table) == nullptr) {
            for (auto const& [column, value] : s_.set)
                note_settings(answer(catalog, value_question(value, *table.find(column.text()), table)),
                              "the value of " + column.text(), step.notes);
            if (s_.on) note_settings(answer(catalog, on_question(table)), "on", step.notes);
            if (s_.where) note_settings(answer(catalog, where_question(table)), "where", step.notes);
        }
        step.undo.note = "the values stay; a column that this plan added goes with its own step";
        step.stakes = stakes(catalog);
        return {step};
    }

    void apply(Catalog&, RunId) const override {}
    std::vector<Touched> touches() const override {
        std::vector<Touched> touched;
        if (s_.to) touched.push_back({s_.table, s_.to->text()});
        for (auto const& [column, value] : s_.set) touched.push_back({s_.table, column.text()});
        return touched;
    }

  private:
    /// What the application writes may make of another row one that the fill would give the same value: where `where`
    /// does not hold, nothing is the fill's.
    std::vector<ColumnStake> stakes(Catalog const& catalog) const {
        Table const& table = *catalog.find(s_.table);
        std::vector<ColumnStake> all;
        if (live_sync(s_, table)) return all;
        for (auto const& [column, value] : s_.set) {
            Sql const filled = sql("CAST({0} AS {1})", value_of(s_, value), type_of(table.find(column.text())->type));
            Sql same = sql("pg_catalog.record_image_eq(ROW({0}), ROW({1}))", column, filled);
            if (s_.where) same = sql("CASE WHEN {0} THEN {1} ELSE false END", *s_.where, same);
            all.push_back({.table = s_.table, .column = column, .by_plan = same});
        }
        return all;
    }

    Question value_question(UserExpr const& value, Column const& column, Table const& table) const {
        return ExpressionQuestion{s_.table, s_.from ? value_of(s_, value).text() : value.text(), column.type,
                                  planned_columns(table)};
    }
    Question on_question(Table const& table) const {
        Sql const matches = sql("EXISTS (SELECT FROM {0} AS {1} WHERE {2})", *s_.from, s_.from->name, *s_.on);
        return ExpressionQuestion{s_.table, matches.text(), "boolean", planned_columns(table)};
    }
    Question where_question(Table const& table) const {
        return ExpressionQuestion{s_.table, s_.where->text(), "boolean", planned_columns(table)};
    }

    void check_from(Catalog const& catalog, Table const& table, Problems& problems) const {
        if (!s_.from && !s_.on) return;
        auto const at = s_.at.place_of(s_.from ? "from" : "on");
        if (!s_.on)
            problems.push_back({Code::missing_key, at, "fill with from needs the key \"on\"",
                                "`on`: which row of " + s_.from->text() + " belongs to a row of " + s_.table.text()});
        else if (!s_.from)
            problems.push_back({Code::missing_key, at, "fill with on needs the key \"from\"",
                                "`from`: the table that the values come from"});
        else if (s_.from->name == s_.table.name)
            problems.push_back(
                {Code::bad_value, at, "fill cannot tell " + s_.from->text() + " from the table that it fills",
                 *s_.from == s_.table ? "write the values into a table before, and fill from that"
                                      : "write a subquery with a name of its own: set: { column: (SELECT other.column "
                                        "FROM " +
                                            s_.from->text() + " other WHERE …) }"});
        else if (catalog.find(*s_.from) == nullptr && !catalog.other_relations.contains(*s_.from))
            unknown_table(catalog, *s_.from, at, problems);
        else {
            refused(answer(catalog, on_question(table)), s_.at.place_of("on"), "on", problems);
            refused_condition(answer(catalog, on_question(table)), "on", s_.table, "writes", s_.at.place_of("on"),
                              problems);
        }
    }

    void check_where(Answer const* judged, Problems& problems) const {
        auto const at = s_.at.place_of("where");
        refused(judged, at, "where", problems);
        refused_condition(judged, "where", s_.table, "writes", at, problems);
        if (judged == nullptr || s_.set.size() < 2) return;
        // A row that got one of its values and not the other would be no row of `where` any more: no proof sees it.
        for (auto const& [column, value] : s_.set)
            if (std::find(judged->columns.begin(), judged->columns.end(), column.text()) != judged->columns.end())
                problems.push_back({Code::bad_expression, at,
                                    "where reads " + column.text() + ", which this fill writes beside other columns",
                                    "fill " + column.text() + " by an operation of its own"});
    }

    void refused(Answer const* judged, Place const& place, std::string const& what, Problems& problems) const {
        refused_expression(judged, what, s_.table.text() + (s_.from ? " and " + s_.from->text() : ""), place, problems);
    }

    void check_one(Catalog const& catalog, Table const& table, Ident const& column, UserExpr const& value,
                   Problems& problems) const {
        auto const at = s_.at.place_of("set");
        Column const* known = known_column(table, s_.table, column, at, problems);
        if (known == nullptr) return;
        if (!known->generated.empty() || known->identity == "a" || known->in_partition_key) {
            problems.push_back({Code::bad_value, at, said(s_.table, column.text()) + " cannot be written by a fill",
                                "it is generated, an identity, or part of the partition key"});
            return;
        }
        if (Sync const* live = sync_to(table, column.text())) {
            auto const trimmed = [](std::string const& text) {
                auto const first = text.find_first_not_of(" \t\r\n");
                auto const last = text.find_last_not_of(" \t\r\n");
                return first == std::string::npos ? std::string{} : text.substr(first, last - first + 1);
            };
            std::string const declared = live->forward.empty() ? live->from : trimmed(live->forward);
            if (s_.set.size() > 1 || s_.where || s_.from)
                problems.push_back({Code::conflict, at,
                                    said(s_.table, column.text()) + " has a live sync: every row of it must be right",
                                    "fill it alone, without where and from"});
            else if (trimmed(value.text()) != declared)
                problems.push_back(
                    {Code::conflict, at,
                     said(s_.table, column.text()) + " is kept equal by a sync whose expression is " + declared,
                     "write the same expression in fill, or leave the sync out"});
            return;
        }
        Answer const* judged = answer(catalog, value_question(value, *known, table));
        refused(judged, at, column.text(), problems);
        refused_value(judged, "the value of " + column.text(), s_.table, at, problems);
    }

    Subject s_;
};

class Prove : public Operation {
  public:
    explicit Prove(Subject subject) : s_{std::move(subject)} {}
    Problems validate(Catalog const&) const override { return {}; }
    Steps compile(Catalog const& catalog, RunId) const override {
        Step step;
        step.kind = StepKind::proof;
        step.title = "prove every row of " + columns_said(s_);
        step.rows = rows_of(s_, catalog);
        step.forward.holds = lock_of(s_.table, LockMode::access_share);
        step.undo.note = "nothing to undo: it reads, and fills again what it finds missing";
        return {step};
    }
    void apply(Catalog&, RunId) const override {}
    std::vector<Touched> touches() const override { return Fill{s_}.touches(); }

  private:
    Subject s_;
};

std::vector<Part> parts_of(Subject const& s) {
    return {{Phase::backfill, std::make_shared<Fill>(s)},
            {Phase::proof, std::make_shared<Prove>(s)},
            {Phase::proof, make_vacuum(s.table, Fill{s}.touches())}};
}

class MisplacedFill : public Operation {
  public:
    MisplacedFill(Place place, TableName table) : place_{std::move(place)}, table_{std::move(table)} {}
    Problems validate(Catalog const&) const override {
        return {{Code::bad_value, place_, "fill must stand under backfill", "move it to the list backfill"}};
    }
    Steps compile(Catalog const&, RunId) const override { return {}; }
    void apply(Catalog&, RunId) const override {}
    std::vector<Touched> touches() const override { return {}; }

  private:
    Place place_;
    TableName table_;
};

constexpr std::array specs{
    FieldSpec{"table", FieldKind::table, FieldUse::required, "the table"},
    FieldSpec{"set", FieldKind::assignments, FieldUse::required, "column: expression over the row's columns"},
    FieldSpec{"where", FieldKind::expression, FieldUse::optional, "only these rows; not for a synced column"},
    FieldSpec{"from", FieldKind::table, FieldUse::optional, "another table, whose columns `set` may read; needs `on`"},
    FieldSpec{"on", FieldKind::expression, FieldUse::optional, "which one row of `from` belongs to a row of the table"},
};

}  // namespace

std::vector<Part> synced_fill_parts(TableName table, Ident to, Place place) {
    return parts_of(
        {std::move(table), {}, std::move(to), std::nullopt, std::nullopt, std::nullopt, {std::move(place), {}}});
}

OperationRow const fill_row{
    "fill", Level::primitive, specs,
    [](FieldValues const& fields, BuildContext const& context) {
        auto const given = [&]<class T>(std::string_view field, std::optional<T>& into) {
            if (auto const* value = fields.find<T>(field)) into = *value;
        };
        if (context.listed != Phase::backfill)
            return std::vector<Part>{
                {context.listed, std::make_shared<MisplacedFill>(fields.place, fields.get<TableName>("table"))}};
        Subject subject{fields.get<TableName>("table"), fields.get<FieldAssignments>("set"), {}, {}, {}, {}, fields};
        given("where", subject.where);
        given("from", subject.from);
        given("on", subject.on);
        return parts_of(subject);
    },
    "writes a column in small batches over page ranges, then proves every row"};

}  // namespace weir
