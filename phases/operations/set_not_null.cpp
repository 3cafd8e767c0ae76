#include <algorithm>
#include <array>

#include "phases/craft/deeds.h"
#include "phases/craft/leaf_columns.h"
#include "phases/craft/names.h"
#include "phases/craft/parts.h"
#include "phases/craft/subject.h"
#include "phases/craft/sync.h"
#include "phases/operations.h"

namespace weir {
namespace {

class SetNotNull : public Operation {
  public:
    SetNotNull(TableName table, Ident column, std::optional<Ident> like, Place place)
        : table_{std::move(table)}, column_{std::move(column)}, like_{std::move(like)}, place_{std::move(place)} {}

    Problems validate(Catalog const& catalog) const override {
        Problems problems;
        Table const* table = usable_table(catalog, table_, place_, problems);
        if (table) known_column(*table, table_, column_, place_, problems);
        return problems;
    }

    Steps compile(Catalog const& catalog, RunId run) const override {
        if (!wanted(catalog)) return {};
        Ident const check = check_name(*catalog.find(table_), run);
        std::string const what = said(table_, column_.text());
        auto const locks = lock_of(table_, LockMode::access_exclusive);

        // IF EXISTS: the third step has dropped it already when all three are undone.
        auto declare =
            ddl("demand that new values of " + what + " are not null", locks,
                {sql("ALTER TABLE {0} ADD CONSTRAINT {1} CHECK ({2} IS NOT NULL) NOT VALID", table_, check, column_)},
                {sql("ALTER TABLE {0} DROP CONSTRAINT IF EXISTS {1}", table_, check)});
        auto validate = there_and_back("check every row of " + what + " for nulls, while others read and write",
                                       under(lock_of(table_, LockMode::share_update_exclusive),
                                             {sql("ALTER TABLE {0} VALIDATE CONSTRAINT {1}", table_, check)}),
                                       nothing("the check goes with the step before"));
        validate.forward.scans = true;
        auto set = ddl("set " + what + " not null, proven by the check: no scan", locks,
                       {sql("ALTER TABLE {0} ALTER COLUMN {1} SET NOT NULL", table_, column_),
                        sql("ALTER TABLE {0} DROP CONSTRAINT {1}", table_, check)},
                       {sql("ALTER TABLE {0} ALTER COLUMN {1} DROP NOT NULL", table_, column_)});
        return {std::move(declare), std::move(validate), std::move(set)};
    }

    void apply(Catalog& catalog, RunId) const override {
        if (!wanted(catalog)) return;
        catalog.find(table_)->find(column_.text())->not_null = true;
        not_null_on_leaves(*catalog.find(table_), column_.text());
    }

    std::vector<Touched> touches() const override { return {{table_, column_.text()}}; }

    bool needs_gate(Catalog const& catalog) const override {
        if (!wanted(catalog)) return false;
        Table const* table = catalog.find(table_);
        return sync_to(*table, column_.text()) == nullptr && table->find(column_.text())->default_expression.empty();
    }

    std::vector<std::string> gate_notes(Catalog const& catalog) const override {
        if (!needs_gate(catalog)) return {};
        return {"writes that leave " + said(table_, column_.text()) + " null will fail"};
    }

  private:
    bool wanted(Catalog const& catalog) const {
        Table const* table = catalog.find(table_);
        if (table->find(column_.text())->not_null) return false;
        return !like_ || table->find(like_->text())->not_null;
    }

    Ident check_name(Table const& table, RunId run) const {
        auto const at = std::find_if(table.columns.begin(), table.columns.end(),
                                     [&](Column const& c) { return c.name == column_.text(); });
        return not_null_check_name(column_, static_cast<std::size_t>(at - table.columns.begin()) + 1, run);
    }

    TableName table_;
    Ident column_;
    std::optional<Ident> like_;
    Place place_;
};

constexpr std::array specs{
    FieldSpec{"table", FieldKind::table, FieldUse::required, "the table"},
    FieldSpec{"column", FieldKind::column, FieldUse::required, "the column"},
};

}  // namespace

std::shared_ptr<Operation const> make_set_not_null(TableName table, Ident column, std::optional<Ident> like,
                                                   Place place) {
    return std::make_shared<SetNotNull>(std::move(table), std::move(column), std::move(like), std::move(place));
}

OperationRow const set_not_null_row{
    "set_not_null", Level::primitive, specs,
    [](FieldValues const& fields, BuildContext const& context) {
        // After the proof of what the same list fills: the check would refuse the application's writes to a row that
        // the fill left NULL.
        return std::vector<Part>{{context.listed == Phase::backfill ? Phase::proof : context.listed,
                                  make_set_not_null(fields.get<TableName>("table"), fields.get<Ident>("column"),
                                                    std::nullopt, fields.place)}};
    },
    "sets NOT NULL without a scan under a strong lock"};

}  // namespace weir
