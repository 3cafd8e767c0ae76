#include "plans/fields.h"

#include <algorithm>
#include <charconv>

#include "plans/expression.h"
#include "plans/kinds.h"

namespace weir {
namespace {

using Specs = std::span<FieldSpec const>;

constexpr auto null_name_hint = "a name that YAML takes for nothing needs quotes: \"null\"";
constexpr auto null_text_hint = "a text that YAML takes for nothing needs quotes: \"null\"";
constexpr auto null_sql_hint = "for SQL's NULL write it in quotes: \"NULL\"";

/// The values that are no mappings with fields of their own.
class ValueReader : protected NodeReader {
  public:
    explicit ValueReader(NodeReader const& reader) : NodeReader{reader} {}

  protected:
    std::optional<Ident> make_ident(std::string_view text, YamlNode const& node, std::string_view what) {
        auto made = Ident::make(text);
        if (made) return made;
        if (text.empty())
            say(Code::bad_name, node, quote(what) + " has an empty name", "");
        else
            say(Code::bad_name, node,
                "the name " + quote(text) + " is longer than 63 bytes (" + std::to_string(text.size()) + ")",
                "the server would cut it; write the name as it is stored");
        return std::nullopt;
    }

    bool refuse_quotes(std::string_view text, YamlNode const& node) {
        if (text.size() < 2 || text.front() != '"' || text.back() != '"') return false;
        say(Code::bad_value, node, "the name " + quote(text.substr(1, text.size() - 2)) + " has SQL quotes",
            "write names without SQL quotes, as they are stored");
        return true;
    }

    std::optional<Ident> read_ident(YamlNode const& node, std::string_view what) {
        auto const* text = scalar(node, what, "a name", node.kind == YamlKind::null ? null_name_hint : "");
        if (text == nullptr || refuse_quotes(*text, node)) return std::nullopt;
        return make_ident(*text, node, what);
    }

    std::optional<TableName> read_table(YamlNode const& node, std::string_view what) {
        if (node.kind == YamlKind::list) {
            if (node.items.size() != 2) {
                say(Code::wrong_type, node, quote(what) + " as a list must have a schema and a name",
                    "write `[schema, table]`");
                return std::nullopt;
            }
            auto schema = read_ident(node.items[0], what);
            auto table = read_ident(node.items[1], what);
            if (!schema || !table) return std::nullopt;
            return TableName{*std::move(schema), *std::move(table)};
        }
        auto const* text =
            scalar(node, what, "a table's name",
                   node.kind == YamlKind::null ? null_name_hint : "write `table`, `schema.table` or `[schema, table]`");
        if (text == nullptr || refuse_quotes(*text, node)) return std::nullopt;
        auto const dot = text->find('.');
        if (dot != std::string::npos && text->find('.', dot + 1) != std::string::npos) {
            say(Code::bad_value, node, "the name " + quote(*text) + " has more than one dot",
                "write a name with a dot as a list: `[schema, table]`");
            return std::nullopt;
        }
        auto schema = dot == std::string::npos ? Ident::of("public")
                                               : make_ident(std::string_view{*text}.substr(0, dot), node, what);
        auto table = make_ident(dot == std::string::npos ? *text : text->substr(dot + 1), node, what);
        if (!schema || !table) return std::nullopt;
        return TableName{*std::move(schema), *std::move(table)};
    }

    /// A dot is part of the name: collations are called en_US.utf8.
    std::optional<QualifiedName> read_qualified(YamlNode const& node, std::string_view what) {
        if (node.kind != YamlKind::list) {
            auto name = read_ident(node, what);
            if (!name) return std::nullopt;
            return QualifiedName{std::nullopt, *std::move(name)};
        }
        if (node.items.size() != 2) {
            say(Code::wrong_type, node, quote(what) + " as a list must have a schema and a name",
                "write `[schema, name]`");
            return std::nullopt;
        }
        auto schema = read_ident(node.items[0], what);
        auto name = read_ident(node.items[1], what);
        if (!schema || !name) return std::nullopt;
        return QualifiedName{std::move(schema), *std::move(name)};
    }

    std::optional<bool> read_flag(YamlNode const& node, std::string_view what) {
        auto const* text = scalar(node, what, "yes or no");
        if (text == nullptr) return std::nullopt;
        if (*text == "yes" || *text == "true") return true;
        if (*text == "no" || *text == "false") return false;
        say(Code::bad_value, node, quote(what) + " cannot be " + quote(*text), "write yes or no");
        return std::nullopt;
    }

    std::optional<Word> read_word(FieldSpec const& spec, YamlNode const& node, std::string_view what) {
        std::vector<std::string_view> const words{spec.words.begin(), spec.words.end()};
        auto const* text = scalar(node, what, "one of " + list(words));
        if (text == nullptr) return std::nullopt;
        auto const at = std::find(words.begin(), words.end(), *text);
        if (at != words.end()) return Word{*at, static_cast<std::size_t>(at - words.begin())};
        say(Code::bad_value, node, quote(what) + " cannot be " + quote(*text), meant(*text, words, quote(what)));
        return std::nullopt;
    }

    std::optional<std::string> read_text(YamlNode const& node, std::string_view what) {
        auto const* text = scalar(node, what, "a text", node.kind == YamlKind::null ? null_text_hint : "");
        if (text == nullptr) return std::nullopt;
        return *text;
    }

    std::optional<std::int64_t> read_number(NumberBounds const& bounds, YamlNode const& node, std::string_view what) {
        auto const* text = scalar(node, what, "a whole number");
        if (text == nullptr) return std::nullopt;
        std::int64_t number = 0;
        auto const [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
        if (error == std::errc{} && end == text->data() + text->size() && number >= bounds.least &&
            number <= bounds.most)
            return number;
        auto const least = std::to_string(bounds.least);
        say(Code::bad_value, node, quote(what) + " cannot be " + quote(*text),
            bounds.most == NumberBounds{}.most
                ? "write a whole number, " + least + " or more"
                : "write a whole number, " + least + " to " + std::to_string(bounds.most));
        return std::nullopt;
    }

    std::optional<FieldAssignments> read_assignments(YamlNode const& node, std::string const& what) {
        if (!is_mapping(node, what)) return std::nullopt;
        if (node.members.empty()) {
            say(Code::missing_key, node, quote(what) + " sets no column", "write `{ column: expression }`");
            return std::nullopt;
        }
        FieldAssignments assignments;
        for (auto const& [key, value] : node.members) {
            bool const cut = value.kind == YamlKind::null && key.text.find(')') != std::string::npos;
            if (cut) {
                say(Code::wrong_type, key, quote(key.text) + " in " + quote(what) + " has no expression", comma_hint);
                continue;
            }
            auto column = read_ident(key, what);
            auto expression = sql(value, what + "." + key.text, "an SQL expression", null_sql_hint, declare_expression);
            if (column && expression) assignments.emplace_back(*std::move(column), *std::move(expression));
        }
        if (assignments.size() != node.members.size()) return std::nullopt;
        return assignments;
    }

    std::optional<Parameters> read_parameters(YamlNode const& node, std::string const& what) {
        if (!is_mapping(node, what)) return std::nullopt;
        if (node.members.empty()) {
            say(Code::missing_key, node, quote(what) + " sets no parameter", "write `{ parameter: value }`");
            return std::nullopt;
        }
        Parameters parameters;
        for (auto const& [key, value] : node.members) {
            auto name = read_ident(key, what);
            auto text = read_text(value, what + "." + key.text);
            if (name && text) parameters.emplace_back(*std::move(name), *std::move(text));
        }
        if (parameters.size() != node.members.size()) return std::nullopt;
        return parameters;
    }

    /// Each item by `read`; one that is no list is a list of one.
    template <class F>
    auto read_items(YamlNode const& node, std::string_view what, std::string_view one, F read)
        -> std::optional<std::vector<typename decltype(read(node))::value_type>> {
        std::vector<typename decltype(read(node))::value_type> all;
        if (node.kind != YamlKind::list) {
            auto item = read(node);
            if (!item) return std::nullopt;
            all.push_back(*std::move(item));
            return all;
        }
        if (node.items.empty()) {
            say(Code::bad_value, node, quote(what) + " is an empty list", "write " + std::string{one} + " or more");
            return std::nullopt;
        }
        for (auto const& item : node.items)
            if (auto value = read(item)) all.push_back(*std::move(value));
        if (all.size() != node.items.size()) return std::nullopt;
        return all;
    }

    /// `text` is what people read of an item.
    template <class T, class F>
    std::optional<std::vector<T>> each_once(std::optional<std::vector<T>> all, YamlNode const& node,
                                            std::string_view what, F text) {
        if (!all) return all;
        bool once = true;
        for (std::size_t i = 1; i < all->size(); ++i) {
            auto const shown = text((*all)[i]);
            auto const end = all->begin() + static_cast<std::ptrdiff_t>(i);
            if (std::none_of(all->begin(), end, [&](T const& other) { return text(other) == shown; })) continue;
            say(Code::bad_value, node.items[i], quote(shown) + " stands twice in " + quote(what), "remove one");
            once = false;
        }
        if (!once) return std::nullopt;
        return all;
    }

    std::optional<std::vector<Ident>> read_names(YamlNode const& node, std::string_view what) {
        auto all = read_items(node, what, "one name", [&](YamlNode const& item) { return read_ident(item, what); });
        return each_once(std::move(all), node, what, [](Ident const& name) { return name.text(); });
    }

    std::optional<std::vector<std::string>> read_values(YamlNode const& node, std::string_view what) {
        auto all = read_items(node, what, "one text", [&](YamlNode const& item) { return read_text(item, what); });
        return each_once(std::move(all), node, what, [](std::string const& text) { return text; });
    }
};

class FieldReader : ValueReader {
  public:
    using ValueReader::ValueReader;

    /// `where` is the operation, or the dotted key of the mapping; what is missing is told at `missing_at`.
    std::optional<FieldValues> read(Specs specs, std::string const& where, YamlNode const& missing_at,
                                    YamlNode const& fields) {
        if (!is_mapping(fields, where)) return std::nullopt;
        auto const before = told();
        std::vector<std::string_view> usable;
        for (auto const& spec : specs)
            if (spec.use != FieldUse::unsupported) usable.push_back(spec.name);

        FieldValues values;
        values.place = missing_at.place;
        std::vector<std::string> meant_instead;
        for (auto const& [name, value] : fields.members) {
            auto const spec = std::find_if(specs.begin(), specs.end(),
                                           [&, &field = name](FieldSpec const& s) { return s.name == field.text; });
            if (spec == specs.end()) {
                // `{ type: numeric(10,2) }` is for YAML a type `numeric(10` and a key `2)`.
                bool const cut = value.kind == YamlKind::null && name.text.find(')') != std::string::npos;
                meant_instead.push_back(nearest(name.text, usable));
                say(Code::unknown_key, name, "unknown key " + quote(name.text) + " in " + where,
                    cut ? comma_hint : meant(name.text, usable, where));
            } else if (spec->use == FieldUse::unsupported) {
                say(Code::not_supported, name, quote(name.text) + " in " + where + " is not supported by this version",
                    where + " may have: " + list(usable));
            } else if (auto read = read_field(*spec, where + "." + name.text, value)) {
                values.values.emplace(spec->name, Field{*std::move(read), value.place});
            }
        }
        for (auto const& spec : specs) {
            bool const there = std::any_of(fields.members.begin(), fields.members.end(),
                                           [&](auto const& m) { return m.key.text == spec.name; });
            bool const misspelled =
                std::find(meant_instead.begin(), meant_instead.end(), spec.name) != meant_instead.end();
            if (spec.use == FieldUse::required && !there && !misspelled)
                say(Code::missing_key, missing_at, where + " needs the key " + quote(spec.name),
                    explained(spec.name, spec.meaning));
        }
        if (told() != before) return std::nullopt;
        set_standards(specs, values);
        return values;
    }

  private:
    static void set_standards(Specs specs, FieldValues& values) {
        for (auto const& spec : specs)
            if (auto const standard = standard_value(spec)) {
                auto& field =
                    values.values.try_emplace(std::string{spec.name}, Field{*standard, values.place}).first->second;
                field.standard = same(field.value, *standard);
            }
    }

    /// Of flags, words and numbers.
    static bool same(FieldValue const& a, FieldValue const& b) {
        auto const equal = [&]<class T>(T const* value) { return value != nullptr && *value == std::get<T>(b); };
        return equal(std::get_if<bool>(&a)) || equal(std::get_if<Word>(&a)) || equal(std::get_if<std::int64_t>(&a));
    }

    std::optional<FieldValue> read_field(FieldSpec const& spec, std::string const& what, YamlNode const& node) {
        switch (spec.kind) {
            case FieldKind::table:
                return widen(read_table(node, what));
            case FieldKind::column:
                return widen(read_ident(node, what));
            case FieldKind::expression:
                return widen(sql(node, what, "an SQL expression", null_sql_hint, declare_expression));
            case FieldKind::type:
                return widen(sql(node, what, "a type", "", declare_type));
            case FieldKind::assignments:
                return widen(read_assignments(node, what));
            case FieldKind::flag:
                return widen(read_flag(node, what));
            case FieldKind::word:
                return widen(read_word(spec, node, what));
            case FieldKind::text:
                return widen(read_text(node, what));
            case FieldKind::number:
                return widen(read_number(spec.bounds, node, what));
            case FieldKind::names:
                return widen(read_names(node, what));
            case FieldKind::values:
                return widen(read_values(node, what));
            case FieldKind::statement:
                return widen(sql(node, what, "an SQL statement", "", declare_statement));
            case FieldKind::parameters:
                return widen(read_parameters(node, what));
            case FieldKind::qualified_name:
                return widen(read_qualified(node, what));
            case FieldKind::operator_class:
                return widen(read_operator_class(node, what));
            case FieldKind::index_parts:
                return widen(read_index_parts(node, what));
            case FieldKind::column_specs:
                return widen(read_column_specs(node, what));
            case FieldKind::reference:
                return widen(read_reference(node, what));
        }
        return std::nullopt;
    }

    template <class T>
    static std::optional<FieldValue> widen(std::optional<T> value) {
        if (!value) return std::nullopt;
        return FieldValue{std::in_place_type<T>, *std::move(value)};
    }

    std::optional<Record> read_record(FieldKind kind, YamlNode const& node, std::string const& what) {
        auto values = read(row(kind).fields, what, node, node);
        if (!values) return std::nullopt;
        return std::make_shared<FieldValues const>(*std::move(values));
    }

    /// What is written without a mapping is its field `field`.
    template <class T>
    std::optional<Record> short_record(FieldKind kind, YamlNode const& node, std::string_view field,
                                       std::optional<T> value) {
        if (!value) return std::nullopt;
        FieldValues values;
        values.place = node.place;
        values.values.emplace(field, Field{FieldValue{std::in_place_type<T>, *std::move(value)}, node.place});
        set_standards(row(kind).fields, values);
        return std::make_shared<FieldValues const>(std::move(values));
    }

    std::optional<Record> read_operator_class(YamlNode const& node, std::string const& what) {
        if (node.kind == YamlKind::mapping) return read_record(FieldKind::operator_class, node, what);
        return short_record(FieldKind::operator_class, node, "name", read_qualified(node, what));
    }

    std::optional<Record> read_reference(YamlNode const& node, std::string const& what) {
        if (node.kind == YamlKind::mapping) return read_record(FieldKind::reference, node, what);
        return short_record(FieldKind::reference, node, "table", read_table(node, what));
    }

    std::optional<Records> read_index_parts(YamlNode const& node, std::string const& what) {
        return read_items(node, what, "one column", [&](YamlNode const& item) { return read_index_part(item, what); });
    }

    std::optional<Record> read_index_part(YamlNode const& node, std::string const& what) {
        if (node.kind != YamlKind::mapping)
            return short_record(FieldKind::index_parts, node, "column", read_ident(node, what));
        auto values = read(row(FieldKind::index_parts).fields, what, node, node);
        if (!values || !one_of(*values, {"column", "expression"}, "an item of " + what, node)) return std::nullopt;
        auto const nulls = values->values.find("nulls");
        if (nulls != values->values.end()) {
            bool const first = std::get<Word>(nulls->second.value).text == "first";
            nulls->second.standard = first == (values->get<Word>("order").text == "desc");
        }
        return std::make_shared<FieldValues const>(*std::move(values));
    }

    std::optional<Records> read_column_specs(YamlNode const& node, std::string const& what) {
        auto all = read_items(node, what, "one column", [&](YamlNode const& item) -> std::optional<Record> {
            auto column = read_record(FieldKind::column_specs, item, what);
            if (column && !at_most_one(**column, {"default", "generated", "identity"}, "an item of " + what, item))
                return std::nullopt;
            return column;
        });
        return each_once(std::move(all), node, what,
                         [](Record const& column) { return column->get<Ident>("name").text(); });
    }

    bool one_of(FieldValues const& record, std::vector<std::string_view> const& fields, std::string const& what,
                YamlNode const& node) {
        if (std::none_of(fields.begin(), fields.end(), [&](auto field) { return record.values.contains(field); })) {
            say(Code::missing_key, node, what + " needs one of the keys " + list(fields), "give one of them");
            return false;
        }
        return at_most_one(record, fields, what, node);
    }

    bool at_most_one(FieldValues const& record, std::vector<std::string_view> const& fields, std::string const& what,
                     YamlNode const& node) {
        auto const given =
            std::count_if(fields.begin(), fields.end(), [&](auto field) { return record.values.contains(field); });
        if (given > 1)
            say(Code::bad_value, node, what + " can have only one of the keys " + list(fields), "remove the others");
        return given <= 1;
    }
};

}  // namespace

std::optional<FieldValues> read_fields(NodeReader& reader, OperationRow const& row, YamlNode const& key,
                                       YamlNode const& fields) {
    return FieldReader{reader}.read(row.fields, std::string{row.name}, key, fields);
}

}  // namespace weir
