#include <algorithm>
#include <array>

#include "phases/craft/deeds.h"
#include "phases/craft/hand_over.h"
#include "phases/craft/leaf_columns.h"
#include "phases/craft/leaves.h"
#include "phases/craft/names.h"
#include "phases/craft/parts.h"
#include "phases/craft/subject.h"
#include "phases/craft/sync.h"
#include "phases/operations.h"

namespace weir {
namespace {

class DropColumn : public Operation {
  public:
    DropColumn(TableName table, Ident column, Phase listed, Place place)
        : table_{std::move(table)}, column_{std::move(column)}, listed_{listed}, place_{std::move(place)} {}

    Problems validate(Catalog const& catalog) const override {
        Problems problems;
        if (listed_ != Phase::contract)
            problems.push_back({Code::bad_value, place_, "drop_column must stand under contract",
                                "what is dropped cannot be brought back, so it waits for the gate"});
        Table const* table = usable_table(catalog, table_, place_, problems);
        if (table == nullptr) return problems;
        Column const* column = known_column(*table, table_, column_, place_, problems);
        if (column == nullptr) return problems;
        no_dependents(*table, table_, *column, "drop", place_, problems);
        if (Sync const* live = sync_to(*table, column_.text()))
            problems.push_back({Code::conflict, place_,
                                said(table_, column_.text()) + " is kept equal to " + live->from + " by a live sync",
                                "drop " + live->from + ", or abort the run that made the sync"});
        for (auto const& other : table->syncs)
            if (std::find(other.reads.begin(), other.reads.end(), column_.text()) != other.reads.end())
                problems.push_back(
                    {Code::conflict, place_,
                     said(table_, column_.text()) + " is read by the sync of " + other.from + " and " + other.to +
                         ", which would be left without it",
                     "end that sync first: drop " + other.from + " before, or in a plan before this one"});
        if (table->columns.size() == 1)
            problems.push_back(
                {Code::conflict, place_, column_.text() + " is the only column of " + table_.text(), ""});
        return problems;
    }

    Steps compile(Catalog const& catalog, RunId run) const override {
        Table const& table = *catalog.find(table_);
        auto drop = there_and_back("drop column " + said(table_, column_.text()),
                                   under(lock_of(table_, LockMode::access_exclusive), {}),
                                   nothing("none: it drops at once, and nothing brings the values back"));
        drop.destroys = {table_};
        auto& forward = drop.forward.statements;
        Sync const* live = sync_from(table, column_.text());
        if (live == nullptr) {
            forward = {nothing_taken_along(table_, column_), sql("ALTER TABLE {0} DROP COLUMN {1}", table_, column_)};
            return {drop};
        }
        Mapping const m = mapping_of(table_, table, *live);
        drop.title = "drop column " + said(table_, column_.text()) + " and its sync with " + live->to;
        drop.stands_on_proof = true;
        forward = {guard_sync(m)};
        for (auto& statement : drop_sync(m)) forward.push_back(std::move(statement));
        Column const& column = *table.find(column_.text());
        if (takes_over(table, column)) forward.push_back(hand_over(table_, column, m.to));
        forward.push_back(nothing_taken_along(table_, column_));
        forward.push_back(sql("ALTER TABLE {0} DROP COLUMN {1}", table_, column_));

        Step prove;
        prove.kind = StepKind::proof;
        prove.title = "prove every row of " + said(table_, live->to) + " once more, now that both applications wrote";
        prove.rows = Rows{table_, {synced_fragment(m)}, key_of(table)};
        prove.forward.holds = lock_of(table_, LockMode::access_share);
        prove.undo = nothing("nothing to undo");
        Steps steps{std::move(prove)};
        if (!has_many_leaves(table)) {
            steps.push_back(std::move(drop));
            return steps;
        }
        auto const mark = aside_comment({static_cast<std::int64_t>(run), column_.text(), live->to});
        for (auto& part : dropped_in_parts(std::move(drop), m, aside_name(column_, run), mark))
            steps.push_back(std::move(part));
        return steps;
    }

    void apply(Catalog& catalog, RunId) const override {
        Table& table = *catalog.find(table_);
        if (Sync const* live = sync_from(table, column_.text())) {
            Column const& from = *table.find(column_.text());
            if (takes_over(table, from)) {
                Column& to = *table.find(live->to);
                Column const was = to;
                handed_over(from, to);
                handed_over_on_leaves(table, from, was, to);
            }
            std::erase(table.syncs, Sync{*live});
        }
        dropped_on_leaves(table, column_.text());
        std::erase_if(table.columns, [&](Column const& c) { return c.name == column_.text(); });
    }

    std::vector<Touched> touches() const override { return {{table_, column_.text()}}; }
    bool needs_gate(Catalog const&) const override { return true; }
    std::vector<std::string> gate_notes(Catalog const&) const override {
        return {said(table_, column_.text()) +
                    " is dropped at once, and nothing brings it back (drop.quarantine would keep it for a while)",
                "sessions that prepared SELECT * on " + table_.text() +
                    " get \"cached plan must not change result type\" once: recycle connection pools after the drop"};
    }

  private:
    TableName table_;
    Ident column_;
    Phase listed_;
    Place place_;
};

constexpr std::array specs{
    FieldSpec{"table", FieldKind::table, FieldUse::required, "the table"},
    FieldSpec{"column", FieldKind::column, FieldUse::required, "the column; nothing may depend on it"},
};

}  // namespace

std::shared_ptr<Operation const> make_drop_column(TableName table, Ident column, Phase listed, Place place) {
    return std::make_shared<DropColumn>(std::move(table), std::move(column), listed, std::move(place));
}

OperationRow const drop_column_row{
    "drop_column", Level::primitive, specs,
    [](FieldValues const& fields, BuildContext const& context) {
        if (context.quarantine.count() > 0)
            return quarantine_parts(fields.get<TableName>("table"), fields.get<Ident>("column"), context.listed,
                                    fields.place, context.quarantine);
        return std::vector<Part>{
            {context.listed, make_drop_column(fields.get<TableName>("table"), fields.get<Ident>("column"),
                                              context.listed, fields.place)}};
    },
    "drops a column and ends its sync, after a last proof"};

}  // namespace weir
