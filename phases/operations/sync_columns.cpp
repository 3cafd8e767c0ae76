#include <algorithm>
#include <array>
#include <map>

#include "phases/craft/deeds.h"
#include "phases/craft/leaves.h"
#include "phases/craft/subject.h"
#include "phases/craft/sync.h"
#include "phases/operations.h"

namespace weir {
namespace {

class SyncColumns : public Operation {
  public:
    explicit SyncColumns(FieldValues const& fields)
        : table_{fields.get<TableName>("table")},
          from_{fields.get<Ident>("from")},
          to_{fields.get<Ident>("to")},
          fields_{fields} {
        if (auto const* f = fields.find<UserExpr>("forward")) forward_ = *f;
        if (auto const* g = fields.find<UserExpr>("reverse")) reverse_ = *g;
    }

    Questions questions(Catalog const& catalog) const override {
        auto const asked = question(catalog);
        return asked ? Questions{*asked} : Questions{};
    }

    Problems validate(Catalog const& catalog) const override {
        Problems problems;
        Table const* table = usable_table(catalog, table_, fields_.place_of("table"), problems);
        if (table == nullptr) return problems;
        Column const* from = known_column(*table, table_, from_, fields_.place_of("from"), problems);
        Column const* to = known_column(*table, table_, to_, fields_.place_of("to"), problems);
        if (from == nullptr || to == nullptr) return problems;
        auto const refuse = [&](Code code, std::string_view field, std::string message, std::string hint) {
            problems.push_back({code, fields_.place_of(field), std::move(message), std::move(hint)});
        };
        if (from_ == to_) refuse(Code::conflict, "to", "from and to are the same column", "name two columns");
        if (reverse_ && !forward_)
            refuse(Code::bad_value, "reverse", "reverse without forward", "leave both out for identity, or give both");
        for (Column const* column : {from, to}) {
            std::string_view const field = column == from ? "from" : "to";
            if (!column->generated.empty())
                refuse(Code::bad_value, field, said(table_, column->name) + " is a generated column",
                       "a trigger sees NULL in it; use the expression that it is generated from");
            if (Sync const* live =
                    sync_to(*table, column->name) ? sync_to(*table, column->name) : sync_from(*table, column->name))
                refuse(
                    Code::conflict, field,
                    said(table_, column->name) + " is in a live sync already (" + live->from + " to " + live->to + ")",
                    "finish the plan that made it first");
        }
        if (!to->default_expression.empty() || !to->identity.empty())
            refuse(Code::conflict, "to", said(table_, to->name) + " has a default",
                   "while a sync lives, an old application's INSERT would look like a new one's: ALTER COLUMN … DROP "
                   "DEFAULT "
                   "first");
        bool const two_way = reverse_ || !forward_;
        if (to->in_partition_key || (two_way && from->in_partition_key))
            refuse(Code::bad_value, to->in_partition_key ? "to" : "from",
                   said(table_, to->in_partition_key ? to->name : from->name) + " is part of the partition key",
                   "a trigger may not move a row to another partition");
        checked_type(from->type, fields_.place_of("from"), problems);
        checked_type(to->type, fields_.place_of("to"), problems);
        refuses_writes(*table, *from, *to, problems);
        trigger_order(*table, table_, fields_.place, problems);
        no_rules(*table, table_, {"INSERT", "UPDATE"}, "a sync", fields_.place, problems);
        if (Answer const* judged = problems.empty() ? answer(catalog, *question(catalog)) : nullptr)
            judge(*judged, *table, problems);
        return problems;
    }

    Problems validate_outcome(Catalog const& after) const override {
        Table const* table = after.find(table_);
        Column const* to = table ? table->find(to_.text()) : nullptr;
        if (to == nullptr || to->not_null) return {};
        // NULL would mean both "not filled" and a value of the application.
        for (auto const& [question, judged] : after.answers) {
            auto const* mapping = std::get_if<MappingQuestion>(&question);
            if (mapping && mapping->table == table_ && mapping->to == to_.text() && mapping->from == from_.text() &&
                judged.sqlstate.empty() && !judged.null_is_value)
                return {{Code::bad_expression, fields_.place,
                         "forward of the reverse of NULL is not NULL, and " + said(table_, to_.text()) +
                             " stays nullable: NULL would mean both \"not filled\" and a value",
                         "add set_not_null for the column, or write a forward that gives NULL for NULL"}};
        }
        return {};
    }

    Steps compile(Catalog const& catalog, RunId run) const override {
        auto const m = mapping(catalog, run);
        auto step = there_and_back("keep " + said(table_, to_.text()) + " equal to " + said(table_, from_.text()),
                                   under(lock_of(table_, LockMode::share_row_exclusive), create_sync(m)),
                                   under(lock_of(table_, LockMode::access_exclusive), undo_sync(m)));
        step.stakes = {stake_of(m, false)};
        if (has_many_leaves(*catalog.find(table_))) return made_in_parts(step, m, std::nullopt, to_);
        return {step};
    }

    std::optional<Sql> gate_look(Catalog const& catalog, RunId run) const override {
        return look_at_sync(mapping(catalog, run));
    }

    void apply(Catalog& catalog, RunId run) const override {
        auto const m = mapping(catalog, run);
        catalog.find(table_)->syncs.push_back(sync_of(m));
    }

    std::vector<Touched> touches() const override { return {{table_, to_.text()}, {table_, from_.text()}}; }

  private:
    std::optional<Question> question(Catalog const& catalog) const {
        Table const* table = catalog.find(table_);
        Column const* from = table ? table->find(from_.text()) : nullptr;
        Column const* to = table ? table->find(to_.text()) : nullptr;
        if (from == nullptr || to == nullptr) return std::nullopt;
        return MappingQuestion{table_,
                               from->name,
                               to->name,
                               from->type,
                               to->type,
                               forward_ ? forward_->text() : std::string{},
                               reverse_ ? reverse_->text() : std::string{}};
    }

    /// What the new column refuses, the trigger's value for it would be refused, and the old application's write with
    /// it.
    void refuses_writes(Table const& table, Column const& from, Column const& to, Problems& problems) const {
        auto const at = fields_.place_of("to");
        auto const what = said(table_, to.name);
        std::string const why = ", which would refuse writes of the old application to " + from.name;
        if (to.not_null && !(from.not_null && !forward_))
            problems.push_back({Code::conflict, at, what + " is NOT NULL" + why,
                                "ALTER TABLE … ALTER COLUMN … DROP NOT NULL first; set_not_null in the list backfill "
                                "sets it again once every row is filled"});
        std::map<std::string, std::string> told;
        auto const on_it = [&](std::vector<std::string> const& columns) {
            return std::find(columns.begin(), columns.end(), to.name) != columns.end();
        };
        for (auto const& constraint : table.constraints)
            if (on_it(constraint.columns)) told[constraint.name] = constraint.definition;
        for (auto const& key : table.foreign_keys)
            if (key.table == table_ && on_it(key.columns)) told[key.name] = key.definition;
        for (auto const& [name, definition] : told)
            problems.push_back({Code::conflict, at, "constraint " + name + " (" + definition + ") is on " + what + why,
                                "drop it first, and make it again when the old column is gone"});
        for (auto const& [name, index] : table.indexes)
            if (index.unique && !told.contains(name) &&
                std::find(index.columns.begin(), index.columns.end(), to.name) != index.columns.end())
                problems.push_back({Code::conflict, at, "unique index " + name + " is on " + what + why,
                                    "drop it first, and make it again when the old column is gone"});
        // Those of a partition alone.
        for (auto const& dependent : dependents_of(table, to.name))
            if (dependent.kind == "table constraint" && std::none_of(told.begin(), told.end(), [&](auto const& one) {
                    return dependent.identity.find(one.first + " on ") != std::string::npos;
                }))
                problems.push_back({Code::conflict, at, "constraint " + dependent.identity + " is on " + what + why,
                                    "drop it first, and make it again when the old column is gone"});
    }

    void judge(Answer const& judged, Table const& table, Problems& problems) const {
        auto const at = fields_.place_of(forward_ ? "forward" : "to");
        if (!judged.sqlstate.empty()) {
            problems.push_back(
                {Code::bad_expression, at, "the server refuses the mapping: " + judged.error,
                 "an expression names columns bare, without the table; forward reads old columns, reverse "
                 "reads " +
                     to_.text()});
            return;
        }
        if (!judged.immutable)
            problems.push_back({Code::bad_expression, at,
                                "the mapping is not immutable: its result may differ between sessions",
                                "for times write AT TIME ZONE '…'; for texts of dates use to_char with a fixed form"});
        for (auto const& column : judged.columns) {
            Column const* read = table.find(column);
            if (read && !read->generated.empty())
                problems.push_back({Code::bad_expression, at, "forward reads the generated column " + column,
                                    "a trigger sees NULL in it; use the expression that it is generated from"});
            if (column == to_.text())
                problems.push_back({Code::bad_expression, at,
                                    "forward reads " + column + ", the column that it is to fill",
                                    "forward reads old columns only"});
        }
        for (auto const& column : judged.reverse_columns)
            if (column != to_.text())
                problems.push_back({Code::bad_expression, fields_.place_of("reverse"), "reverse reads " + column,
                                    "reverse reads " + to_.text() + " only"});
    }

    Mapping mapping(Catalog const& catalog, RunId run) const {
        Table const& table = *catalog.find(table_);
        int number = 1;
        for (auto const& [name, other] : catalog.tables)
            for (auto const& sync : other.syncs)
                if (RunId{sync.run} == run) number = std::max(number, sync.number + 1);
        Mapping m{run,
                  number,
                  table_,
                  *table.find(from_.text()),
                  *table.find(to_.text()),
                  forward_,
                  reverse_,
                  reverse_ || !forward_,
                  {}};
        if (Answer const* judged = answer(catalog, *question(catalog)))
            for (auto const& column : table.columns)
                if (column.name != from_.text() &&
                    std::find(judged->columns.begin(), judged->columns.end(), column.name) != judged->columns.end())
                    m.reads.push_back(column);
        return m;
    }

    TableName table_;
    Ident from_, to_;
    std::optional<UserExpr> forward_, reverse_;
    FieldValues fields_;
};

constexpr std::array specs{
    FieldSpec{"table", FieldKind::table, FieldUse::required, "the table"},
    FieldSpec{"from", FieldKind::column, FieldUse::required, "the old column"},
    FieldSpec{"to", FieldKind::column, FieldUse::required, "the new column"},
    FieldSpec{"forward", FieldKind::expression, FieldUse::optional, "new from old; left out with reverse: identity"},
    FieldSpec{"reverse", FieldKind::expression, FieldUse::optional, "old from new; left out: one way"},
};

}  // namespace

OperationRow const sync_columns_row{
    "sync_columns", Level::primitive, specs,
    [](FieldValues const& fields, BuildContext const& context) {
        return std::vector<Part>{{context.listed, std::make_shared<SyncColumns>(fields)}};
    },
    "keeps an old and a new column equal by trigger, whoever writes"};

}  // namespace weir
