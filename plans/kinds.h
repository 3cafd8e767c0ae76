#pragma once
/// What is known of each kind of field, in one table: how it is written, in words and as JSON Schema, and which fields
/// a mapping of it has. plans/fields.h reads them; plans/identity.h writes their canonical text by their values' types.
/// Of the plan reader alone. Pure.
#include <boost/json.hpp>
#include <span>
#include <string_view>

#include "plans/field.h"

namespace weir {

struct KindRow {
    FieldKind kind;
    std::string_view name;                ///< in the docs, and of its definition in the JSON Schema
    std::string_view meaning;             ///< how it is written, in one line
    std::span<FieldSpec const> fields{};  ///< of the mapping, or of each item, where it has one
};

/// Every kind once.
std::span<KindRow const> kinds();
KindRow const& row(FieldKind kind);

/// What stands for an optional field that is left out: nothing but for flags, and for words and numbers that say it.
std::optional<FieldValue> standard_value(FieldSpec const& spec);

/// The JSON Schema of a mapping with these fields. What it refers to is put among the `definitions`.
boost::json::object fields_schema(std::span<FieldSpec const> fields, boost::json::object& definitions);
/// A reference to the definition of a kind, which is put among the `definitions`.
boost::json::object defined(FieldKind kind, boost::json::object& definitions);

}  // namespace weir
