#include "table.h"

#include <limits>

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

constexpr std::array<std::string_view, 3> methods{"btree", "hash", "gin"};
constexpr std::array try_fields{
    FieldSpec{"table", table, optional, "a table"},
    FieldSpec{"column", column, optional, "a column"},
    FieldSpec{"type", type, optional, "a type"},
    FieldSpec{"expression", expression, optional, "an expression"},
    FieldSpec{"assignments", assignments, optional, "assignments"},
    FieldSpec{"flag", flag, optional, "a flag"},
    FieldSpec{"flag_on", flag, optional, "a flag that is on", {}, {}, "yes"},
    FieldSpec{"word", word, optional, "a word", methods, {}, "btree"},
    FieldSpec{"free_word", word, optional, "a word without a default", methods},
    FieldSpec{"text", text, optional, "a text"},
    FieldSpec{"number", number, optional, "a number", {}, {10, 100}, "100"},
    FieldSpec{"free_number", number, optional, "any number", {}, {std::numeric_limits<std::int64_t>::min()}},
    FieldSpec{"names", names, optional, "names"},
    FieldSpec{"values", FieldKind::values, optional, "values"},
    FieldSpec{"statement", statement, optional, "a statement"},
    FieldSpec{"parameters", parameters, optional, "parameters"},
    FieldSpec{"qualified_name", qualified_name, optional, "a qualified name"},
    FieldSpec{"operator_class", operator_class, optional, "an operator class"},
    FieldSpec{"index_parts", index_parts, optional, "index parts"},
    FieldSpec{"column_specs", column_specs, optional, "columns"},
    FieldSpec{"reference", reference, optional, "a reference"},
};

std::shared_ptr<Operation const> make(std::string what, FieldValues const& given) {
    return std::make_shared<Dummy>(std::move(what), given);
}

constexpr std::array rows{
    OperationRow{"rename_column", Level::change, rename_fields,
                 [](FieldValues const& given, BuildContext const&) {
                     std::vector<Part> parts;
                     for (auto const phase : {Phase::contract, Phase::proof, Phase::backfill, Phase::expand})
                         parts.push_back({phase, make("rename_column", given)});
                     return parts;
                 },
                 "renames a column while old and new applications run"},
    OperationRow{"add_column", Level::primitive, add_fields,
                 [](FieldValues const& given, BuildContext const& context) {
                     return std::vector<Part>{{context.listed, make("add_column", given)}};
                 },
                 "adds a column"},
    OperationRow{"sync_columns", Level::primitive, sync_fields,
                 [](FieldValues const& given, BuildContext const& context) {
                     return std::vector<Part>{{context.listed, make("sync_columns", given)}};
                 },
                 "keeps two columns equal"},
    OperationRow{
        "fill", Level::primitive, fill_fields,
        [](FieldValues const& given, BuildContext const& context) {
            return std::vector<Part>{{context.listed, make("fill", given)}, {Phase::proof, make("fill", given)}};
        },
        "writes columns of all rows in batches"},
    OperationRow{"set_not_null", Level::primitive, column_fields,
                 [](FieldValues const& given, BuildContext const& context) {
                     return std::vector<Part>{{context.listed, make("set_not_null", given)}};
                 },
                 "makes a column NOT NULL"},
    OperationRow{"drop_column", Level::primitive, column_fields,
                 [](FieldValues const& given, BuildContext const& context) {
                     return std::vector<Part>{{context.listed, make("drop_column", given)}};
                 },
                 "drops a column"},
};

}  // namespace

OperationTable operations() { return rows; }

OperationTable every_kind() {
    static constexpr std::array one{
        OperationRow{"try", Level::primitive, try_fields,
                     [](FieldValues const& given, BuildContext const& context) {
                         return std::vector<Part>{{context.listed, make("try", given)}};
                     },
                     "takes a field of every kind"},
    };
    return one;
}

std::vector<std::string> parts_of(std::vector<Part> const& parts) {
    std::vector<std::string> texts;
    for (auto const& part : parts)
        texts.push_back(dynamic_cast<Dummy const&>(*part.operation).what + ":" + std::string{name(part.phase)});
    return texts;
}

}  // namespace weir::test
