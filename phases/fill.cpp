#include <algorithm>
#include <array>

#include "phases/operations.h"
#include "phases/parts.h"
#include "phases/subject.h"
#include "phases/sync.h"

namespace weir {
namespace {

/// What a fill and its proof share.
struct Subject {
    TableName table;
    FieldAssignments set;  ///< empty: the column `to` by its live sync
    std::optional<Ident> to;
    std::optional<UserExpr> where;
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

Sql is_null(Ident const& column) { return sql("pg_catalog.num_nulls({0}) = 1", column); }

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
        rows.set.push_back({column, s.set.size() == 1
                                        ? sql("{0}", value)
                                        : sql("CASE WHEN {0} THEN {1} ELSE {2} END", is_null(column), value, column)});
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
        for (auto const& [column, value] : s_.set)
            if (Column const* known = table->find(column.text())) asked.push_back(value_question(value, *known));
        if (s_.where) asked.push_back(where_question());
        return asked;
    }

    Problems validate(Catalog const& catalog) const override {
        Problems problems;
        Table const* table = usable_table(catalog, s_.table, s_.at.place_of("table"), problems);
        if (table == nullptr) return problems;
        auto const at = s_.at.place_of("set");
        if (s_.to) {
            if (live_sync(s_, *table) == nullptr)
                problems.push_back({Code::unknown_column, at, columns_said(s_) + " has no live sync", ""});
            return problems;
        }
        for (auto const& [column, value] : s_.set) check_one(catalog, *table, column, value, problems);
        if (s_.where && problems.empty() && live_sync(s_, *table) == nullptr)
            refused(answer(catalog, where_question()), s_.at.place_of("where"), "where", problems);
        return problems;
    }

    Steps compile(Catalog const& catalog, RunId) const override {
        Step step;
        step.kind = StepKind::fill;
        step.title = "fill " + columns_said(s_);
        step.rows = rows_of(s_, catalog);
        step.holds = lock_of(s_.table, LockMode::row_exclusive);
        step.undo_note = "the values stay; a column that this plan added goes with its own step";
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
    Question value_question(UserExpr const& value, Column const& column) const {
        return ExpressionQuestion{s_.table, value.text(), column.type};
    }
    Question where_question() const { return ExpressionQuestion{s_.table, s_.where->text(), "boolean"}; }

    static void refused(Answer const* judged, Place const& place, std::string const& what, Problems& problems) {
        if (judged && !judged->sqlstate.empty())
            problems.push_back(
                {Code::bad_expression, place, "the server refuses the expression of " + what + ": " + judged->error,
                 "expressions are SQL over the table's columns as they are before the plan, by bare name; names "
                 "resolve in pg_catalog and public"});
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
            if (s_.set.size() > 1 || s_.where)
                problems.push_back({Code::conflict, at,
                                    said(s_.table, column.text()) + " has a live sync: every row of it must be right",
                                    "fill it alone and without where"});
            else if (trimmed(value.text()) != declared)
                problems.push_back(
                    {Code::conflict, at,
                     said(s_.table, column.text()) + " is kept equal by a sync whose expression is " + declared,
                     "write the same expression in fill, or leave the sync out"});
            return;
        }
        refused(answer(catalog, value_question(value, *known)), at, column.text(), problems);
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
        step.holds = lock_of(s_.table, LockMode::access_share);
        step.undo_note = "nothing to undo: it reads, and fills again what it finds missing";
        return {step};
    }
    void apply(Catalog&, RunId) const override {}
    std::vector<Touched> touches() const override { return Fill{s_}.touches(); }

  private:
    Subject s_;
};

/// The fill wiped the visibility map and the statistics know nothing of the new column.
class Vacuum : public Operation {
  public:
    explicit Vacuum(Subject subject) : s_{std::move(subject)} {}
    Problems validate(Catalog const&) const override { return {}; }
    Steps compile(Catalog const&, RunId) const override {
        Step step;
        step.kind = StepKind::standalone;
        step.title = "vacuum and analyze " + s_.table.text();
        step.holds = lock_of(s_.table, LockMode::share_update_exclusive);
        step.scans = true;
        step.may_fail = true;
        // Truncating the tail would take ACCESS EXCLUSIVE, here and on every replica.
        step.forward = {sql("VACUUM (ANALYZE, TRUNCATE false) {0}", s_.table)};
        step.undo_note = "nothing to undo";
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
            {Phase::proof, std::make_shared<Vacuum>(s)}};
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
};

}  // namespace

std::vector<Part> fill_parts(TableName table, FieldAssignments set, std::optional<UserExpr> where,
                             FieldValues const& at) {
    return parts_of({std::move(table), std::move(set), std::nullopt, std::move(where), at});
}

std::vector<Part> synced_fill_parts(TableName table, Ident to, Place place) {
    return parts_of({std::move(table), {}, std::move(to), std::nullopt, FieldValues{std::move(place), {}}});
}

OperationRow const fill_row{
    "fill", Level::primitive, specs,
    [](FieldValues const& fields, Phase listed) {
        auto const* where = fields.find<UserExpr>("where");
        if (listed != Phase::backfill)
            return std::vector<Part>{
                {listed, std::make_shared<MisplacedFill>(fields.place, fields.get<TableName>("table"))}};
        return fill_parts(fields.get<TableName>("table"), fields.get<FieldAssignments>("set"),
                          where ? std::optional{*where} : std::nullopt, fields);
    },
    "writes a column in small batches over page ranges, then proves every row"};

}  // namespace weir
