#include <algorithm>
#include <array>

#include "phases/craft/deeds.h"
#include "phases/craft/leaves.h"
#include "phases/craft/names.h"
#include "phases/craft/parts.h"
#include "phases/craft/subject.h"
#include "phases/craft/sync.h"
#include "phases/operations.h"

namespace weir {
namespace {

/// The expand part: a new column with everything that the old one carries, and its sync, in one transaction.
class CopyColumn : public Operation {
  public:
    explicit CopyColumn(FieldValues const& fields)
        : table_{fields.get<TableName>("table")},
          from_{fields.get<Ident>("from")},
          to_{fields.get<Ident>("to")},
          fields_{fields} {}

    Questions questions(Catalog const& catalog) const override {
        auto const asked = question(catalog);
        return asked ? Questions{*asked} : Questions{};
    }

    Problems validate(Catalog const& catalog) const override {
        Problems problems;
        Table const* table = usable_table(catalog, table_, fields_.place_of("table"), problems);
        if (table == nullptr) return problems;
        auto const at = fields_.place_of("from");
        Column const* from = known_column(*table, table_, from_, at, problems);
        free_name(*table, table_, to_, fields_.place_of("to"), problems);
        if (from == nullptr) return problems;
        no_dependents(*table, table_, *from, "rename", at, problems);
        for (Sync const* live : {sync_from(*table, from_.text()), sync_to(*table, from_.text())})
            if (live)
                problems.push_back(
                    {Code::conflict, at,
                     said(table_, from_.text()) + " is in a live sync already (" + live->from + " to " + live->to + ")",
                     "finish the plan that made it first"});
        checked_type(from->type, at, problems);
        if (Answer const* judged = answer(catalog, *question(catalog)); judged && judged->sqlstate == rewrites)
            problems.push_back({Code::not_supported, at,
                                "a second column of type " + from->type +
                                    " cannot be added without a rewrite of the table: " + judged->error,
                                "this version cannot rename columns of such domains"});
        trigger_order(*table, table_, fields_.place, problems);
        no_rules(*table, table_, {"INSERT", "UPDATE"}, "a sync", fields_.place, problems);
        return problems;
    }

    Steps compile(Catalog const& catalog, RunId run) const override {
        auto const m = mapping(catalog, run);
        Column const& from = m.from;
        Sql const collate = from.collation.empty() ? sql("") : sql(" COLLATE {0}", collation(from));
        Batch forward{sql("ALTER TABLE {0} ADD COLUMN {1} {2}{3}", table_, to_, type_of(from.type), collate)};
        attributes(from, forward);
        for (auto& statement : create_sync(m)) forward.push_back(std::move(statement));
        Batch undo = undo_sync(m);
        undo.push_back(sql("ALTER TABLE {0} DROP COLUMN IF EXISTS {1}", table_, to_));
        auto step = ddl("add " + said(table_, to_.text()) + " and keep it equal to " + said(table_, from_.text()),
                        lock_of(table_, LockMode::access_exclusive), std::move(forward), std::move(undo));
        step.stakes = {stake_of(m, true)};
        if (has_many_leaves(*catalog.find(table_))) return made_in_parts(step, m, to_, aside_name(to_, run));
        return {step};
    }

    std::optional<Sql> gate_look(Catalog const& catalog, RunId run) const override {
        return look_at_sync(mapping(catalog, run));
    }

    void apply(Catalog& catalog, RunId run) const override {
        auto const m = mapping(catalog, run);
        Table& table = *catalog.find(table_);
        table.columns.push_back(m.to);
        table.syncs.push_back(sync_of(m));
    }

    std::vector<Touched> touches() const override { return {{table_, from_.text()}, {table_, to_.text()}}; }
    std::vector<Touched> makes() const override { return {{table_, to_.text()}}; }
    std::vector<Touched> reads() const override { return {{table_, from_.text()}}; }

  private:
    /// Can an empty column of the same type be added?
    std::optional<Question> question(Catalog const& catalog) const {
        Table const* table = catalog.find(table_);
        Column const* from = table ? table->find(from_.text()) : nullptr;
        if (from == nullptr) return std::nullopt;
        return ExpressionQuestion{table_, "NULL", from->type};
    }

    /// The new column as it stands after expand: what it carries, without NOT NULL and default, which come later.
    Mapping mapping(Catalog const& catalog, RunId run) const {
        Table const& table = *catalog.find(table_);
        int number = 1;
        for (auto const& [name, other] : catalog.tables)
            for (auto const& sync : other.syncs)
                if (RunId{sync.run} == run) number = std::max(number, sync.number + 1);
        Column to = *table.find(from_.text());
        Column const from = to;
        to.name = to_.text();
        to.not_null = false;
        to.default_expression.clear();
        to.default_is_constant = false;
        to.origin = ColumnOrigin::plan;
        return {run, number, table_, from, to, {}, {}, true, {}};
    }

    /// `"schema"."name"` of the catalog, as one checked piece of SQL.
    static Sql collation(Column const& from) {
        auto const dot = from.collation.find("\".\"");
        auto const plain = [](std::string text) {
            std::string out;
            for (std::size_t i = 0; i < text.size(); ++i) {
                out += text[i];
                if (text[i] == '"') ++i;
            }
            return out;
        };
        std::string const schema = from.collation.substr(1, dot - 1);
        std::string const name = from.collation.substr(dot + 3, from.collation.size() - dot - 4);
        return sql("{0}.{1}", Ident::of(plain(schema)), Ident::of(plain(name)));
    }

    void attributes(Column const& from, Batch& out) const {
        auto const alter = [&](Sql const& what) {
            out.push_back(sql("ALTER TABLE {0} ALTER COLUMN {1} {2}", table_, to_, what));
        };
        if (from.storage == "p") alter(sql("SET STORAGE PLAIN"));
        if (from.storage == "e") alter(sql("SET STORAGE EXTERNAL"));
        if (from.storage == "m") alter(sql("SET STORAGE MAIN"));
        if (from.storage == "x") alter(sql("SET STORAGE EXTENDED"));
        if (from.compression == "p") alter(sql("SET COMPRESSION pglz"));
        if (from.compression == "l") alter(sql("SET COMPRESSION lz4"));
        if (from.statistics_target >= 0) alter(sql("SET STATISTICS {0}", Int{from.statistics_target}));
        if (from.comment) out.push_back(sql("COMMENT ON COLUMN {0}.{1} IS {2}", table_, to_, Value{*from.comment}));
        for (auto const& grant : from.grants) {
            Sql const who = grant.grantee.empty() ? sql("PUBLIC") : sql("{0}", Ident::of(grant.grantee));
            Sql const option = grant.grantable ? sql(" WITH GRANT OPTION") : sql("");
            auto const give = [&](Sql const& privilege) {
                out.push_back(sql("GRANT {0} ({1}) ON {2} TO {3}{4}", privilege, to_, table_, who, option));
            };
            if (grant.privilege == "SELECT") give(sql("SELECT"));
            if (grant.privilege == "INSERT") give(sql("INSERT"));
            if (grant.privilege == "UPDATE") give(sql("UPDATE"));
            if (grant.privilege == "REFERENCES") give(sql("REFERENCES"));
        }
    }

    TableName table_;
    Ident from_, to_;
    FieldValues fields_;
};

constexpr std::array specs{
    FieldSpec{"table", FieldKind::table, FieldUse::required, "the table"},
    FieldSpec{"from", FieldKind::column, FieldUse::required, "the column's name now"},
    FieldSpec{"to", FieldKind::column, FieldUse::required, "the column's name afterwards"},
};

}  // namespace

OperationRow const rename_column_row{
    "rename_column", Level::change, specs,
    [](FieldValues const& fields, BuildContext const& context) {
        auto const& table = fields.get<TableName>("table");
        auto const& from = fields.get<Ident>("from");
        auto const& to = fields.get<Ident>("to");
        std::vector<Part> parts{{Phase::expand, std::make_shared<CopyColumn>(fields)}};
        auto fill = synced_fill_parts(table, to, fields.place);
        parts.push_back(fill[0]);
        parts.push_back(fill[1]);
        parts.push_back({Phase::proof, make_set_not_null(table, to, from, fields.place)});
        parts.push_back(fill[2]);
        if (context.quarantine.count() == 0) {
            parts.push_back({Phase::contract, make_drop_column(table, from, Phase::contract, fields.place_of("from"))});
            return parts;
        }
        for (auto& part : quarantine_parts(table, from, Phase::contract, fields.place_of("from"), context.quarantine))
            parts.push_back(std::move(part));
        return parts;
    },
    "renames a column while old and new applications both write"};

}  // namespace weir
