#include "plans/field.h"

namespace weir {

OperatorClass OperatorClass::of(FieldValues const& record) {
    return {record.get<QualifiedName>("name"), record.given<Parameters>("parameters").value_or(Parameters{})};
}

IndexPartSpec IndexPartSpec::of(FieldValues const& record) {
    auto const* column = record.find<Ident>("column");
    auto const order = record.word<Order>("order");
    auto const standard = order == Order::asc ? Nulls::last : Nulls::first;
    IndexPartSpec part{column != nullptr ? std::variant<Ident, UserExpr>{*column} : record.get<UserExpr>("expression"),
                       {},
                       record.given<QualifiedName>("collation"),
                       order,
                       record.find<Word>("nulls") != nullptr ? record.word<Nulls>("nulls") : standard};
    if (auto const* opclass = record.find<Record>("opclass")) part.opclass = OperatorClass::of(**opclass);
    return part;
}

ReferenceSpec ReferenceSpec::of(FieldValues const& record) {
    return {
        record.get<TableName>("table"),   record.given<std::vector<Ident>>("columns").value_or(std::vector<Ident>{}),
        record.word<Action>("on_delete"), record.word<Action>("on_update"),
        record.word<Match>("match"),      record.word<Deferrable>("deferrable")};
}

ColumnSpec ColumnSpec::of(FieldValues const& record) {
    ColumnSpec column{.name = record.get<Ident>("name"),
                      .type = record.get<TypeName>("type"),
                      .not_null = record.get<bool>("not_null"),
                      .default_value = record.given<UserExpr>("default"),
                      .generated = record.given<UserExpr>("generated"),
                      .identity = std::nullopt,
                      .collation = record.given<QualifiedName>("collation"),
                      .primary_key = record.get<bool>("primary_key"),
                      .unique = record.get<bool>("unique"),
                      .check = record.given<UserExpr>("check"),
                      .references = std::nullopt,
                      .comment = record.given<std::string>("comment")};
    if (record.find<Word>("identity") != nullptr) column.identity = record.word<Identity>("identity");
    if (auto const* references = record.find<Record>("references")) column.references = ReferenceSpec::of(**references);
    return column;
}

}  // namespace weir
