#include "table.h"

namespace weir::test {
namespace {

using enum FieldKind;
using enum FieldUse;

constexpr std::array rename_fields{
    FieldSpec{"table", table, required, "the table"},
    FieldSpec{"from", column, required, "the column's name now"},
    FieldSpec{"to", column, required, "its new name"},
};
constexpr std::array add_fields{
    FieldSpec{"table", table, required, "the table"},
    FieldSpec{"column", column, required, "the new column"},
    FieldSpec{"type", type, required, "its type"},
    FieldSpec{"not_null", expression, unsupported, "whether it is NOT NULL"},
    FieldSpec{"default", expression, unsupported, "its default"},
    FieldSpec{"check", expression, unsupported, "its check"},
    FieldSpec{"references", table, unsupported, "the table that it refers to"},
    FieldSpec{"unique", expression, unsupported, "whether it is unique"},
    FieldSpec{"fill", expression, unsupported, "what it is filled with"},
    FieldSpec{"comment", expression, unsupported, "its comment"},
};
constexpr std::array sync_fields{
    FieldSpec{"table", table, required, "the table"},
    FieldSpec{"from", column, required, "the old column"},
    FieldSpec{"to", column, required, "the new column"},
    FieldSpec{"forward", expression, optional, "the new value from the old row; without it the old value"},
    FieldSpec{"reverse", expression, optional, "the old value from the new row"},
};
constexpr std::array fill_fields{
    FieldSpec{"table", table, required, "the table"},
    FieldSpec{"set", assignments, required, "the columns that are written"},
    FieldSpec{"where", expression, optional, "the rows that are written"},
};
constexpr std::array column_fields{
    FieldSpec{"table", table, required, "the table"},
    FieldSpec{"column", column, required, "the column"},
};

std::shared_ptr<Operation const> make(std::string what, FieldValues const& values) {
    return std::make_shared<Dummy>(std::move(what), values);
}

constexpr std::array rows{
    OperationRow{"rename_column", Level::change, rename_fields,
                 [](FieldValues const& values, BuildContext const&) {
                     std::vector<Part> parts;
                     for (auto const phase : {Phase::contract, Phase::proof, Phase::backfill, Phase::expand})
                         parts.push_back({phase, make("rename_column", values)});
                     return parts;
                 },
                 "renames a column while old and new applications run"},
    OperationRow{"add_column", Level::primitive, add_fields,
                 [](FieldValues const& values, BuildContext const& context) {
                     return std::vector<Part>{{context.listed, make("add_column", values)}};
                 },
                 "adds a column"},
    OperationRow{"sync_columns", Level::primitive, sync_fields,
                 [](FieldValues const& values, BuildContext const& context) {
                     return std::vector<Part>{{context.listed, make("sync_columns", values)}};
                 },
                 "keeps two columns equal"},
    OperationRow{
        "fill", Level::primitive, fill_fields,
        [](FieldValues const& values, BuildContext const& context) {
            return std::vector<Part>{{context.listed, make("fill", values)}, {Phase::proof, make("fill", values)}};
        },
        "writes columns of all rows in batches"},
    OperationRow{"set_not_null", Level::primitive, column_fields,
                 [](FieldValues const& values, BuildContext const& context) {
                     return std::vector<Part>{{context.listed, make("set_not_null", values)}};
                 },
                 "makes a column NOT NULL"},
    OperationRow{"drop_column", Level::primitive, column_fields,
                 [](FieldValues const& values, BuildContext const& context) {
                     return std::vector<Part>{{context.listed, make("drop_column", values)}};
                 },
                 "drops a column"},
};

}  // namespace

OperationTable operations() { return rows; }

std::vector<std::string> parts_of(std::vector<Part> const& parts) {
    std::vector<std::string> texts;
    for (auto const& part : parts)
        texts.push_back(dynamic_cast<Dummy const&>(*part.operation).what + ":" + std::string{name(part.phase)});
    return texts;
}

}  // namespace weir::test
