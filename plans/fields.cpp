#include "plans/fields.h"

#include <algorithm>

#include "plans/expression.h"

namespace weir {
namespace {

constexpr auto null_name_hint = "a name that YAML takes for nothing needs quotes: \"null\"";
constexpr auto null_sql_hint = "for SQL's NULL write it in quotes: \"NULL\"";

class FieldReader : NodeReader {
  public:
    explicit FieldReader(NodeReader const& reader) : NodeReader{reader} {}

    std::optional<FieldValues> read(OperationRow const& row, YamlNode const& key, YamlNode const& fields) {
        auto const operation = std::string{row.name};
        if (!is_mapping(fields, operation)) return std::nullopt;
        auto const before = told();
        std::vector<std::string_view> usable;
        for (auto const& spec : row.fields)
            if (spec.use != FieldUse::unsupported) usable.push_back(spec.name);

        FieldValues values;
        values.place = key.place;
        std::vector<std::string> meant_instead;
        for (auto const& [name, value] : fields.members) {
            auto const spec = std::find_if(row.fields.begin(), row.fields.end(),
                                           [&, &field = name](FieldSpec const& s) { return s.name == field.text; });
            if (spec == row.fields.end()) {
                // `{ type: numeric(10,2) }` is for YAML a type `numeric(10` and a key `2)`.
                bool const cut = value.kind == YamlKind::null && name.text.find(')') != std::string::npos;
                meant_instead.push_back(nearest(name.text, usable));
                say(Code::unknown_key, name, "unknown key " + quote(name.text) + " in " + operation,
                    cut ? comma_hint : meant(name.text, usable, operation));
            } else if (spec->use == FieldUse::unsupported) {
                say(Code::not_supported, name,
                    quote(name.text) + " in " + operation + " is not supported by this version",
                    operation + " may have: " + list(usable));
            } else if (auto read = read_field(*spec, operation + "." + name.text, value)) {
                values.values.emplace(spec->name, std::pair{*std::move(read), value.place});
            }
        }
        for (auto const& spec : row.fields) {
            bool const there = std::any_of(fields.members.begin(), fields.members.end(),
                                           [&](auto const& m) { return m.key.text == spec.name; });
            bool const misspelled =
                std::find(meant_instead.begin(), meant_instead.end(), spec.name) != meant_instead.end();
            if (spec.use == FieldUse::required && !there && !misspelled)
                say(Code::missing_key, key, operation + " needs the key " + quote(spec.name),
                    explained(spec.name, spec.meaning));
        }
        if (told() != before) return std::nullopt;
        return values;
    }

  private:
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
        }
        return std::nullopt;
    }

    template <class T>
    static std::optional<FieldValue> widen(std::optional<T> value) {
        if (!value) return std::nullopt;
        return FieldValue{*std::move(value)};
    }

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
};

}  // namespace

std::optional<FieldValues> read_fields(NodeReader& reader, OperationRow const& row, YamlNode const& key,
                                       YamlNode const& fields) {
    return FieldReader{reader}.read(row, key, fields);
}

}  // namespace weir
