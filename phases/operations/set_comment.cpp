#include <array>

#include "phases/craft/deeds.h"
#include "phases/craft/subject.h"
#include "phases/operations.h"

namespace weir {
namespace {

/// Of a column, or of the table itself. An empty text takes the comment away, as in SQL.
class SetComment : public Operation {
    template <class World>
    auto& comment(World& catalog) const {
        auto& table = *catalog.find(table_);
        return column_ ? table.find(column_->text())->comment : table.comment;
    }

  public:
    explicit SetComment(FieldValues const& fields)
        : table_{fields.get<TableName>("table")},
          column_{fields.given<Ident>("column")},
          text_{fields.get<std::string>("comment")},
          fields_{fields} {}

    Problems validate(Catalog const& catalog) const override {
        Problems problems;
        Table const* table = own_table(catalog, table_, fields_.place_of("table"), problems);
        if (table && column_) known_column(*table, table_, *column_, fields_.place_of("column"), problems);
        return problems;
    }

    Steps compile(Catalog const& catalog, RunId) const override {
        auto const before = comment(catalog);
        if (before.value_or("") == text_) return {};
        return {ddl("comment on " + (column_ ? "column " + said(table_, column_->text()) : "table " + table_.text()),
                    lock_of(table_, LockMode::share_update_exclusive), {set(text_)}, {set(before.value_or(""))})};
    }

    void apply(Catalog& catalog, RunId) const override {
        comment(catalog) = text_.empty() ? std::nullopt : std::optional{text_};
    }

    std::vector<Touched> touches() const override { return {{table_, column_ ? column_->text() : ""}}; }

  private:
    Sql set(std::string const& text) const {
        Sql const value = text.empty() ? sql("NULL") : sql("{0}", Value{text});
        return column_ ? sql("COMMENT ON COLUMN {0}.{1} IS {2}", table_, *column_, value)
                       : sql("COMMENT ON TABLE {0} IS {1}", table_, value);
    }

    TableName table_;
    std::optional<Ident> column_;
    std::string text_;
    FieldValues fields_;
};

constexpr std::array specs{
    FieldSpec{"table", FieldKind::table, FieldUse::required, "the table"},
    FieldSpec{"column", FieldKind::column, FieldUse::optional, "its column; without it the comment is the table's own"},
    FieldSpec{"comment", FieldKind::text, FieldUse::required, "the text; an empty one takes the comment away"},
};

}  // namespace

OperationRow const set_comment_row{"set_comment", Level::primitive, specs,
                                   [](FieldValues const& fields, BuildContext const& context) {
                                       return std::vector<Part>{{context.listed, std::make_shared<SetComment>(fields)}};
                                   },
                                   "says what a table or a column is for"};

}  // namespace weir
