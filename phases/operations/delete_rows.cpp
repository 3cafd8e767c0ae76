#include <algorithm>
#include <array>

#include "phases/craft/parts.h"
#include "phases/craft/subject.h"
#include "phases/operations.h"

namespace weir {
namespace {

/// What the deletion and its proof share.
struct Subject {
    TableName table;
    UserExpr where;
    Phase listed;
    FieldValues at;
};

Rows rows_of(Subject const& s, Catalog const& catalog) {
    Sql const todo = sql("{0}", s.where);
    Rows rows{s.table, {{"", {}, todo, todo, todo}}, key_of(*catalog.find(s.table))};
    rows.erases = true;
    return rows;
}

/// No column, so that it is in nobody's way but that of another deletion.
std::vector<Touched> touched(Subject const& s) { return {{s.table, ""}}; }

class Erase : public Operation {
  public:
    explicit Erase(Subject subject) : s_{std::move(subject)} {}

    Questions questions(Catalog const& catalog) const override {
        Table const* table = catalog.find(s_.table);
        return table ? Questions{question(*table)} : Questions{};
    }

    Problems validate(Catalog const& catalog) const override {
        Problems problems;
        if (s_.listed == Phase::expand)
            problems.push_back({Code::bad_value, s_.at.place, "delete_rows must stand under backfill or contract",
                                "under backfill it runs in its turn; under contract it waits for the gate"});
        Table const* table = usable_table(catalog, s_.table, s_.at.place_of("table"), problems);
        if (table == nullptr) return problems;
        no_rules(*table, s_.table, {"DELETE"}, "delete_rows", s_.at.place, problems);
        auto const at = s_.at.place_of("where");
        Answer const* judged = answer(catalog, question(*table));
        refused_expression(judged, "where", s_.table.text(), at, problems);
        refused_condition(judged, "where", s_.table, "deletes", at, problems);
        for (auto const& key : table->foreign_keys) {
            if (!key.theirs || key.on_delete == "a" || key.on_delete == "r") continue;
            problems.push_back(
                {Code::has_dependents, s_.at.place_of("table"),
                 "the foreign key " + key.name + " of " + key.table.text() + " would " +
                     (key.on_delete == "c" ? "delete rows of " + key.table.text() + ", too (ON DELETE CASCADE)"
                                           : "change rows of " + key.table.text() + ", too (ON DELETE SET " +
                                                 (key.on_delete == "n" ? "NULL)" : "DEFAULT)")),
                 "weir writes no rows that the plan does not name: make the key NO ACTION, and delete the rows that "
                 "refer first, by a delete_rows of their own"});
        }
        return problems;
    }

    Steps compile(Catalog const& catalog, RunId) const override {
        Table const& table = *catalog.find(s_.table);
        Step step;
        step.kind = StepKind::fill;
        step.title = "delete rows of " + s_.table.text();
        step.rows = rows_of(s_, catalog);
        step.forward.holds = lock_of(s_.table, LockMode::row_exclusive);
        step.notes.emplace_back("what is deleted is gone: nothing brings it back");
        Answer const* judged = answer(catalog, question(table));
        if (judged && !judged->immutable)
            step.notes.emplace_back(
                "where depends on the time or on a subquery: rows that it comes to mean while the step runs go, too");
        note_settings(judged, "where", step.notes);
        for (auto const& key : table.foreign_keys) {
            if (!key.theirs) continue;
            step.notes.push_back("a row that " + key.table.text() + " still refers to (" + key.name +
                                 ") stops the run");
            TableLock const lock{key.table, LockMode::row_share};
            if (key.table != s_.table &&
                std::find(step.forward.holds.begin(), step.forward.holds.end(), lock) == step.forward.holds.end())
                step.forward.holds.push_back(lock);
        }
        step.destroys = {s_.table};
        step.undo.note = "none: what is deleted cannot be brought back";
        return {step};
    }

    void apply(Catalog&, RunId) const override {}
    std::vector<Touched> touches() const override { return touched(s_); }
    bool needs_gate(Catalog const&) const override { return true; }
    std::vector<std::string> gate_notes(Catalog const&) const override {
        auto where = s_.where.text();
        std::replace(where.begin(), where.end(), '\n', ' ');
        return {"rows of " + s_.table.text() + " are deleted, and nothing brings them back: where " + where};
    }

  private:
    Question question(Table const& table) const {
        return ExpressionQuestion{s_.table, s_.where.text(), "boolean", planned_columns(table)};
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
        step.title = "prove that no row of " + s_.table.text() + " is left to delete";
        step.rows = rows_of(s_, catalog);
        step.forward.holds = lock_of(s_.table, LockMode::access_share);
        step.undo.note = "nothing to undo: it reads, and deletes what it finds left";
        return {step};
    }
    void apply(Catalog&, RunId) const override {}
    std::vector<Touched> touches() const override { return touched(s_); }

  private:
    Subject s_;
};

constexpr std::array specs{
    FieldSpec{"table", FieldKind::table, FieldUse::required, "the table"},
    FieldSpec{"where", FieldKind::expression, FieldUse::required, "the rows that go; no volatile function"},
};

}  // namespace

OperationRow const delete_rows_row{
    "delete_rows", Level::primitive, specs,
    [](FieldValues const& fields, BuildContext const& context) {
        Subject const s{fields.get<TableName>("table"), fields.get<UserExpr>("where"), context.listed, fields};
        Phase const after = context.listed == Phase::backfill ? Phase::proof : context.listed;
        return std::vector<Part>{{context.listed, std::make_shared<Erase>(s)},
                                 {after, std::make_shared<Prove>(s)},
                                 {after, make_vacuum(s.table, touched(s))}};
    },
    "deletes rows in small batches over page ranges, for good"};

}  // namespace weir
