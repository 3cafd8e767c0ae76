#pragma once
/// The fields of an operation. An operation declares once what it takes: the name of each field, the kind of its value,
/// whether it must be there, and a line of help. The reader, the canonical text by which a run knows its plan, the JSON
/// Schema and the tables of the docs all follow from that (plans/kinds.h has what they know of each kind).
///
/// Everything here is data; values are immutable once they are read, and may be shared between threads.
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "plans/problem.h"
#include "plans/sql.h"

namespace weir {

/// What may stand in a field, and as what the operation gets it. A list may be written without its brackets when it has
/// one item.
enum class FieldKind : std::uint8_t {
    table,           ///< `users`, `shop.users`, or a list `[schema, table]` -> TableName
    column,          ///< a name as stored -> Ident
    type,            ///< -> TypeName
    expression,      ///< -> UserExpr
    assignments,     ///< a mapping name: expression -> FieldAssignments
    flag,            ///< yes or no -> bool
    word,            ///< one of FieldSpec::words -> Word
    text,            ///< any text as it stands -> std::string
    number,          ///< a whole number inside FieldSpec::bounds -> std::int64_t
    names,           ///< a list of names, each once -> std::vector<Ident>
    values,          ///< a list of texts, each once -> std::vector<std::string>
    statement,       ///< -> Statement
    parameters,      ///< a mapping name: text, of storage or of an operator class -> Parameters
    qualified_name,  ///< `name`, with whatever dots are in it, or a list `[schema, name]` -> QualifiedName
    operator_class,  ///< a qualified name, or a mapping with its parameters -> Record; OperatorClass::of()
    index_parts,     ///< a list of columns or mappings -> Records; IndexPartSpec::of()
    column_specs,    ///< a list of mappings -> Records; ColumnSpec::of()
    reference,       ///< a table, or a mapping -> Record; ReferenceSpec::of()
};
enum class FieldUse : std::uint8_t { required, optional, unsupported };

struct NumberBounds {
    std::int64_t least{};
    std::int64_t most{std::numeric_limits<std::int64_t>::max()};
};

struct FieldSpec {
    std::string_view name;
    FieldKind kind;
    FieldUse use;
    std::string_view meaning;                   ///< one line for the JSON Schema and the docs
    std::span<std::string_view const> words{};  ///< of a word: those allowed
    NumberBounds bounds{};                      ///< of a number
    /// Of an optional flag, word or number: what it is when it is left out, as the plan would write it. The operation
    /// then always finds a value, and the canonical text never has this one. A flag that says nothing here is no.
    std::string_view standard{};
};

/// One of the words of its FieldSpec.
struct Word {
    std::string_view text;
    std::size_t index{};  ///< in FieldSpec::words
    bool operator==(Word const&) const = default;
};

using FieldAssignments = std::vector<std::pair<Ident, UserExpr>>;
using Parameters = std::vector<std::pair<Ident, std::string>>;

struct FieldValues;
/// A mapping inside of a field, read by FieldSpecs of its own; never null.
using Record = std::shared_ptr<FieldValues const>;
using Records = std::vector<Record>;

using FieldValue =
    std::variant<TableName, Ident, TypeName, UserExpr, FieldAssignments, bool, Word, std::string, std::int64_t,
                 std::vector<Ident>, std::vector<std::string>, Statement, Parameters, QualifiedName, Record, Records>;

struct Field {
    FieldValue value;
    Place place;
    bool standard{};  ///< it is what its absence means, written or not
};

/// The fields of one operation in a plan, or of a mapping inside of one, checked against its FieldSpecs: every required
/// one is there.
struct FieldValues {
    Place place;  ///< of the operation's name, or of the mapping
    std::map<std::string, Field, std::less<>> values;

    /// The value of a field whose kind is T's; throws std::logic_error when it is absent (required ones never are).
    template <class T>
    T const& get(std::string_view field) const {
        auto const found = values.find(field);
        if (found == values.end()) throw std::logic_error{"no field " + std::string{field}};
        return std::get<T>(found->second.value);
    }
    template <class T>
    T const* find(std::string_view field) const {
        auto const found = values.find(field);
        return found == values.end() ? nullptr : &std::get<T>(found->second.value);
    }
    /// A copy, or nothing when the field is absent.
    template <class T>
    std::optional<T> given(std::string_view field) const {
        auto const* value = find<T>(field);
        return value == nullptr ? std::nullopt : std::optional{*value};
    }
    /// A word as the enumeration whose enumerators are FieldSpec::words, in their order.
    template <class Enum>
    Enum word(std::string_view field) const {
        return static_cast<Enum>(get<Word>(field).index);
    }
    /// Where the field stands; `place` when it is absent.
    Place place_of(std::string_view field) const {
        auto const found = values.find(field);
        return found == values.end() ? place : found->second.place;
    }
};

// Each is made of a Record of its kind.

struct OperatorClass {
    QualifiedName name;
    Parameters parameters;
    static OperatorClass of(FieldValues const& record);
};

/// One column or expression of an index.
struct IndexPartSpec {
    enum class Order : std::uint8_t { asc, desc };
    enum class Nulls : std::uint8_t { first, last };
    std::variant<Ident, UserExpr> what;
    std::optional<OperatorClass> opclass;
    std::optional<QualifiedName> collation;
    Order order{};
    Nulls nulls{Nulls::last};  ///< where nothing is said: last when ascending, first when descending
    static IndexPartSpec of(FieldValues const& record);
};

/// A foreign key, without the columns that it stands on.
struct ReferenceSpec {
    enum class Action : std::uint8_t { no_action, restrict, cascade, set_null, set_default };
    enum class Match : std::uint8_t { simple, full };
    enum class Deferrable : std::uint8_t { no, immediate, deferred };
    TableName table;
    std::vector<Ident> columns;  ///< empty: the table's primary key
    Action on_delete{}, on_update{};
    Match match{};
    Deferrable deferrable{};
    static ReferenceSpec of(FieldValues const& record);
};

/// A column of a table that is made.
struct ColumnSpec {
    enum class Identity : std::uint8_t { always, by_default };
    Ident name;
    TypeName type;
    bool not_null{};
    std::optional<UserExpr> default_value;  ///< at most one of these three
    std::optional<UserExpr> generated;
    std::optional<Identity> identity;
    std::optional<QualifiedName> collation;
    bool primary_key{}, unique{};
    std::optional<UserExpr> check;
    std::optional<ReferenceSpec> references;
    std::optional<std::string> comment;
    static ColumnSpec of(FieldValues const& record);
};

}  // namespace weir
