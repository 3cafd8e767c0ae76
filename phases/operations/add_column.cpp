#include <array>

#include "phases/craft/deeds.h"
#include "phases/craft/subject.h"
#include "phases/operations.h"

namespace weir {
namespace {

class AddColumn : public Operation {
  public:
    explicit AddColumn(FieldValues const& fields)
        : table_{fields.get<TableName>("table")},
          column_{fields.get<Ident>("column")},
          type_{fields.get<TypeName>("type")},
          fields_{fields} {}

    Questions questions(Catalog const&) const override { return {question()}; }

    Problems validate(Catalog const& catalog) const override {
        Problems problems;
        Table const* table = usable_table(catalog, table_, fields_.place_of("table"), problems);
        if (table == nullptr) return problems;
        free_name(*table, table_, column_, fields_.place_of("column"), problems);
        if (Answer const* said_of_it = answer(catalog, question()); said_of_it && !said_of_it->sqlstate.empty())
            problems.push_back(
                said_of_it->sqlstate == rewrites
                    ? Problem{Code::not_supported, fields_.place_of("type"),
                              "a column of type " + type_.text() +
                                  " cannot be added without a rewrite of the table: " + said_of_it->error,
                              "use the domain's own base type"}
                    : Problem{Code::bad_value, fields_.place_of("type"),
                              "the server refuses type " + type_.text() + ": " + said_of_it->error,
                              "types outside the search_path of the table's owner need their schema"});
        return problems;
    }

    Steps compile(Catalog const&, RunId) const override {
        auto step = ddl("add column " + said(table_, column_.text()), lock_of(table_, LockMode::access_exclusive),
                        {sql("ALTER TABLE {0} ADD COLUMN {1} {2}", table_, column_, type_)},
                        {sql("ALTER TABLE {0} DROP COLUMN IF EXISTS {1}", table_, column_)});
        step.stakes = {{.table = table_, .column = column_, .made = true}};
        return {step};
    }

    void apply(Catalog& catalog, RunId) const override {
        Column column;
        column.name = column_.text();
        column.origin = ColumnOrigin::plan;
        Answer const* judged = answer(catalog, question());
        column.type = judged && !judged->type.empty() ? judged->type : type_.text();
        catalog.find(table_)->columns.push_back(column);
    }

    std::vector<Touched> touches() const override { return {{table_, column_.text()}}; }

  private:
    Question question() const { return ExpressionQuestion{table_, "NULL", type_.text()}; }

    TableName table_;
    Ident column_;
    TypeName type_;
    FieldValues fields_;
};

constexpr std::array specs{
    FieldSpec{"table", FieldKind::table, FieldUse::required, "the table"},
    FieldSpec{"column", FieldKind::column, FieldUse::required, "the new column; it must not exist"},
    FieldSpec{"type", FieldKind::type, FieldUse::required, "its type, as SQL writes it"},
    FieldSpec{"not_null", FieldKind::expression, FieldUse::unsupported, "fill it and use set_not_null"},
    FieldSpec{"default", FieldKind::expression, FieldUse::unsupported, "a default"},
    FieldSpec{"check", FieldKind::expression, FieldUse::unsupported, "a check"},
    FieldSpec{"references", FieldKind::expression, FieldUse::unsupported, "a foreign key"},
    FieldSpec{"unique", FieldKind::expression, FieldUse::unsupported, "a unique constraint"},
    FieldSpec{"fill", FieldKind::expression, FieldUse::unsupported, "use fill under backfill"},
    FieldSpec{"comment", FieldKind::expression, FieldUse::unsupported, "a comment"},
};

}  // namespace

OperationRow const add_column_row{"add_column", Level::primitive, specs,
                                  [](FieldValues const& fields, BuildContext const& context) {
                                      return std::vector<Part>{{context.listed, std::make_shared<AddColumn>(fields)}};
                                  },
                                  "adds a nullable column without a default: no rewrite, no scan"};

}  // namespace weir
