#include "plans/kinds.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string>

namespace weir {
namespace {

namespace json = boost::json;
using enum FieldKind;
using enum FieldUse;

constexpr std::array<std::string_view, 2> orders{"asc", "desc"};
constexpr std::array<std::string_view, 2> nulls{"first", "last"};
constexpr std::array<std::string_view, 5> actions{"no_action", "restrict", "cascade", "set_null", "set_default"};
constexpr std::array<std::string_view, 2> matches{"simple", "full"};
constexpr std::array<std::string_view, 3> deferrables{"no", "immediate", "deferred"};
constexpr std::array<std::string_view, 2> identities{"always", "by_default"};

constexpr std::array operator_class_fields{
    FieldSpec{"name", qualified_name, required, "the operator class"},
    FieldSpec{"parameters", parameters, optional, "its parameters"},
};
constexpr std::array index_part_fields{
    FieldSpec{"column", column, optional, "a column"},
    FieldSpec{"expression", expression, optional, "or an expression over the columns of the row"},
    FieldSpec{"opclass", operator_class, optional, "the operator class; default: that of the type"},
    FieldSpec{"collation", qualified_name, optional, "the collation; default: that of the column"},
    FieldSpec{"order", word, optional, "the direction", orders, {}, "asc"},
    FieldSpec{"nulls", word, optional, "where NULL stands; default: last with asc, first with desc", nulls},
};
constexpr std::array reference_fields{
    FieldSpec{"table", table, required, "the table that is referred to"},
    FieldSpec{"columns", names, optional, "its columns; default: those of its primary key"},
    FieldSpec{
        "on_delete", word, optional, "what becomes of the row when the other is deleted", actions, {}, "no_action"},
    FieldSpec{"on_update", word, optional, "the same when the other's key changes", actions, {}, "no_action"},
    FieldSpec{"match",
              word,
              optional,
              "whether a key that is NULL in part is checked: full refuses it",
              matches,
              {},
              "simple"},
    FieldSpec{"deferrable",
              word,
              optional,
              "whether the check may wait for COMMIT; deferred: it does, unless told",
              deferrables,
              {},
              "no"},
};
constexpr std::array column_fields{
    FieldSpec{"name", column, required, "its name"},
    FieldSpec{"type", type, required, "its type, as SQL writes it"},
    FieldSpec{"not_null", flag, optional, "whether it takes no NULL"},
    FieldSpec{"default", expression, optional, "its default"},
    FieldSpec{"generated", expression, optional, "its value from other columns of the row, stored"},
    FieldSpec{"identity", word, optional, "numbers of a sequence of its own", identities},
    FieldSpec{"collation", qualified_name, optional, "its collation; default: that of the type"},
    FieldSpec{"primary_key", flag, optional, "whether it is the primary key"},
    FieldSpec{"unique", flag, optional, "whether each value stands once"},
    FieldSpec{"check", expression, optional, "what must not be false"},
    FieldSpec{"references", reference, optional, "the key that it must find"},
    FieldSpec{"comment", text, optional, "its comment"},
};

constexpr std::array rows{
    KindRow{column, "name", "a name as it is stored, without SQL quotes, 63 bytes at most"},
    KindRow{table, "table", "table, schema.table or [schema, table]; without a schema it is public"},
    KindRow{type, "type", "a type with its modifier, such as numeric(10,2)"},
    KindRow{expression, "expression", "one SQL expression over the columns of the row"},
    KindRow{assignments, "assignments", "column: expression"},
    KindRow{flag, "flag", "yes or no"},
    KindRow{word, "word", "one of a few words"},
    KindRow{text, "text", "any text, as it stands"},
    KindRow{number, "number", "a whole number"},
    KindRow{names, "names", "a list of names, or one name"},
    KindRow{values, "values", "a list of texts, or one text"},
    KindRow{statement, "statement", "one SQL statement"},
    KindRow{parameters, "parameters", "parameter: value"},
    KindRow{qualified_name, "qualified_name", "name, with its dots if it has any, or [schema, name]"},
    KindRow{operator_class, "operator_class", "a qualified name, or a mapping", operator_class_fields},
    KindRow{index_parts, "index_parts", "a list of columns and mappings, or one of them", index_part_fields},
    KindRow{column_specs, "columns", "a list of mappings, one a column", column_fields},
    KindRow{reference, "reference", "a table, or a mapping", reference_fields},
};

// YAML takes 1 and true for a number and a truth value; for a plan they are text like any other.
json::array any_scalar() { return {"string", "number", "boolean"}; }

json::object one_or_list(json::object const& item, bool unique) {
    json::object list{{"type", "array"}, {"minItems", 1}, {"items", item}};
    if (unique) list["uniqueItems"] = true;
    return {{"anyOf", json::array{item, std::move(list)}}};
}

json::object definition(KindRow const& of, json::object& definitions) {
    auto const mapping = [&] { return fields_schema(of.fields, definitions); };
    switch (of.kind) {
        case column:
            return {{"type", any_scalar()}, {"minLength", 1}, {"maxLength", 63}};
        case table: {
            json::object const dotted{{"type", any_scalar()}, {"minLength", 1}, {"maxLength", 127}};
            json::object const pair{
                {"type", "array"}, {"items", defined(column, definitions)}, {"minItems", 2}, {"maxItems", 2}};
            return {{"anyOf", json::array{dotted, pair}}};
        }
        case type:
            return {{"type", "string"}, {"minLength", 1}};
        case expression:
        case text:
            return {{"type", any_scalar()}};
        case assignments:
            return {
                {"type", "object"}, {"minProperties", 1}, {"additionalProperties", defined(expression, definitions)}};
        case flag:
            return {{"enum", json::array{true, false, "yes", "no"}}};
        case word:
            return {{"type", "string"}};
        case number:
            return {{"type", "integer"}};
        case names:
            return one_or_list(defined(column, definitions), true);
        case values:
            return one_or_list(defined(text, definitions), true);
        case statement:
            return {{"type", "string"}, {"minLength", 1}};
        case parameters:
            return {{"type", "object"}, {"minProperties", 1}, {"additionalProperties", defined(text, definitions)}};
        case qualified_name: {
            auto const name = defined(column, definitions);
            json::object const pair{{"type", "array"}, {"items", name}, {"minItems", 2}, {"maxItems", 2}};
            return {{"anyOf", json::array{name, pair}}};
        }
        case operator_class:
            return {{"anyOf", json::array{defined(qualified_name, definitions), mapping()}}};
        case index_parts: {
            auto part = mapping();
            part["oneOf"] = json::array{json::object{{"required", json::array{"column"}}},
                                        json::object{{"required", json::array{"expression"}}}};
            definitions["index_part"] =
                json::object{{"anyOf", json::array{defined(column, definitions), std::move(part)}}};
            return one_or_list({{"$ref", "#/$defs/index_part"}}, false);
        }
        case column_specs:
            definitions["column"] = mapping();
            return one_or_list({{"$ref", "#/$defs/column"}}, false);
        case reference:
            return {{"anyOf", json::array{defined(table, definitions), mapping()}}};
    }
    return {};
}

/// Where the field's own words and bounds say more than its kind, they stand with the field.
json::object field_schema(FieldSpec const& spec, json::object& definitions) {
    json::object schema{{"description", spec.meaning}};
    if (spec.kind == word) {
        json::array allowed;
        for (auto const each : spec.words) allowed.emplace_back(each);
        schema["enum"] = std::move(allowed);
    } else if (spec.kind == number) {
        schema["type"] = "integer";
        schema["minimum"] = spec.bounds.least;
        if (spec.bounds.most != NumberBounds{}.most) schema["maximum"] = spec.bounds.most;
    } else {
        for (auto& member : defined(spec.kind, definitions)) schema.insert(member);
    }
    if (auto const value = standard_value(spec)) {
        if (auto const* yes = std::get_if<bool>(&*value)) schema["default"] = *yes ? "yes" : "no";
        if (auto const* chosen = std::get_if<Word>(&*value)) schema["default"] = chosen->text;
        if (auto const* whole = std::get_if<std::int64_t>(&*value)) schema["default"] = *whole;
    }
    return schema;
}

}  // namespace

std::span<KindRow const> kinds() { return rows; }

KindRow const& row(FieldKind kind) {
    return *std::find_if(rows.begin(), rows.end(), [&](KindRow const& each) { return each.kind == kind; });
}

std::optional<FieldValue> standard_value(FieldSpec const& spec) {
    if (spec.use != optional) return std::nullopt;
    if (spec.kind == flag) return FieldValue{spec.standard == "yes"};
    if (spec.standard.empty()) return std::nullopt;
    if (spec.kind == word) {
        auto const at = std::find(spec.words.begin(), spec.words.end(), spec.standard);
        return FieldValue{Word{*at, static_cast<std::size_t>(at - spec.words.begin())}};
    }
    std::int64_t number = 0;
    std::from_chars(spec.standard.data(), spec.standard.data() + spec.standard.size(), number);
    return FieldValue{number};
}

json::object defined(FieldKind kind, json::object& definitions) {
    auto const& of = row(kind);
    if (!definitions.contains(of.name)) {
        json::object whole{{"description", of.meaning}};
        for (auto& member : definition(of, definitions)) whole.insert(member);
        definitions[of.name] = std::move(whole);
    }
    return {{"$ref", "#/$defs/" + std::string{of.name}}};
}

json::object fields_schema(std::span<FieldSpec const> fields, json::object& definitions) {
    json::object properties;
    json::array needed;
    for (auto const& spec : fields) {
        if (spec.use == unsupported) continue;
        properties[spec.name] = field_schema(spec, definitions);
        if (spec.use == required) needed.emplace_back(spec.name);
    }
    json::object schema{{"type", "object"}, {"additionalProperties", false}};
    if (!needed.empty()) schema["required"] = std::move(needed);
    schema["properties"] = std::move(properties);
    return schema;
}

}  // namespace weir
