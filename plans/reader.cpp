#include "plans/reader.h"

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <charconv>
#include <span>

#include "plans/expression.h"
#include "plans/keys.h"
#include "plans/yaml.h"

namespace weir {
namespace {

namespace json = boost::json;
using keys::Key;
using keys::Use;

std::string quote(std::string_view text) {
    constexpr std::size_t shown_max = 80;
    std::string shown{text.substr(0, shown_max)};
    while (shown.size() < text.size() && !is_utf8(shown) && !shown.empty()) shown.pop_back();
    for (auto& c : shown)
        if (static_cast<unsigned char>(c) < 0x20) c = ' ';
    return "\"" + shown + (shown.size() < text.size() ? "…" : "") + "\"";
}

std::string list(std::vector<std::string_view> const& words) {
    std::string text;
    for (auto const word : words) {
        if (!text.empty()) text += ", ";
        text += word;
    }
    return text;
}

std::string duration(Millis millis) {
    auto const ms = millis.count();
    if (ms % 86'400'000 == 0) return std::to_string(ms / 86'400'000) + "d";
    if (ms % 3'600'000 == 0) return std::to_string(ms / 3'600'000) + "h";
    if (ms % 60'000 == 0) return std::to_string(ms / 60'000) + "m";
    if (ms % 1000 == 0) return std::to_string(ms / 1000) + "s";
    return std::to_string(ms) + "ms";
}

std::string_view kind_name(YamlNode const& node) {
    switch (node.kind) {
        case YamlKind::null:
            return "nothing";
        case YamlKind::scalar:
            return "a text";
        case YamlKind::list:
            return "a list";
        case YamlKind::mapping:
            return "a mapping";
        case YamlKind::refused:
            break;
    }
    return "";
}

constexpr std::array phase_lists{Phase::expand, Phase::backfill, Phase::contract};

/// An operation as it stands in the plan, checked and not built yet.
struct Read {
    OperationRow const* row;
    FieldValues values;
    Phase listed;
};

class Reader {
  public:
    Reader(OperationTable operations, Problems& problems) : operations_{operations}, problems_{problems} {}

    Plan plan;

    void read(YamlNode const& root) {
        if (root.kind == YamlKind::refused) return;
        if (root.kind != YamlKind::mapping) {
            say(Code::wrong_type, root, "a plan is a mapping, and here stands " + std::string{kind_name(root)},
                "begin with `weir: 1`");
            return;
        }
        auto const found = check_keys(root, keys::top, "");
        check_required(root, found, keys::top);
        if (auto const* node = found.at("weir")) read_format(*node);
        if (auto const* node = found.at("name")) read_name(*node);
        if (auto const* node = found.at("description"))
            if (auto const* text = scalar(*node, "description", "a text")) plan.description = *text;
        if (auto const* node = found.at("gates")) read_gates(*node);
        if (auto const* node = found.at("fire_triggers")) read_fire_triggers(*node);
        if (auto const* node = found.at("batch")) read_batch(*node);
        if (auto const* node = found.at("throttle")) read_throttle(*node);
        if (auto const* node = found.at("locks")) read_locks(*node);

        // A list that is misspelled or refused is no reason to say that there is none.
        bool any = false;
        auto const list = [&](std::string_view key, Level level, Phase phase, std::vector<Read>& into) {
            if (auto const* node = found.at(key))
                any |= read_operations(*node, key, level, phase, into);
            else
                any |= found.stands(key);
        };
        list("changes", Level::change, Phase::expand, changes_);
        for (auto const phase : phase_lists) list(name(phase), Level::primitive, phase, lists_);
        if (!any)
            say(Code::missing_key, root, "the plan has no operation",
                "give `changes`, or a list `expand`, `backfill` or `contract`");
    }

    /// REQUIRES that there is no problem.
    void build() {
        std::vector<Part> changes;
        std::vector<Part> lists;
        int change = 0;
        for (auto const& read : changes_) append(changes, read, ++change);
        for (auto const& read : lists_) append(lists, read, 0);
        for (auto const phase : {Phase::expand, Phase::backfill, Phase::proof, Phase::contract})
            for (auto const* from : {&changes, &lists})
                for (auto const& part : *from)
                    if (part.phase == phase) plan.parts.push_back(part);
        plan.identity = identity();
    }

  private:
    using Keys = std::span<Key const>;

    /// The members by their keys; nothing for a key that is absent or refused.
    struct Found {
        std::vector<std::pair<std::string_view, YamlNode const*>> members;
        std::vector<std::string> meant;  ///< keys that were written wrongly; that they are missing too is no news
        YamlNode const* at(std::string_view key) const {
            for (auto const& [name, node] : members)
                if (name == key && node->kind != YamlKind::refused) return node;
            return nullptr;
        }
        bool stands(std::string_view key) const {
            return std::any_of(members.begin(), members.end(), [&](auto const& m) { return m.first == key; }) ||
                   std::find(meant.begin(), meant.end(), key) != meant.end();
        }
    };

    void say(Code code, YamlNode const& node, std::string message, std::string hint) {
        problems_.push_back({code, node.place, std::move(message), std::move(hint)});
    }

    static std::string meant(std::string_view word, std::vector<std::string_view> const& candidates,
                             std::string_view where) {
        auto const near = nearest(word, candidates);
        if (!near.empty()) return "did you mean " + quote(near) + "?";
        return std::string{where} + " may have: " + list(candidates);
    }

    Found check_keys(YamlNode const& node, Keys known, std::string_view where) {
        Found found;
        for (auto const& [key, value] : node.members) {
            auto const row =
                std::find_if(known.begin(), known.end(), [&word = key.text](Key const& k) { return k.name == word; });
            auto const shown = quote(where.empty() ? key.text : std::string{where} + "." + key.text);
            if (row == known.end()) {
                std::vector<std::string_view> usable;
                for (auto const& k : known)
                    if (k.use != Use::later) usable.push_back(k.name);
                found.meant.push_back(nearest(key.text, usable));
                say(Code::unknown_key, key, "unknown key " + shown,
                    meant(key.text, usable, where.empty() ? "a plan" : where));
            } else if (row->use == Use::later) {
                say(Code::not_supported, key, shown + " is not supported by this version", std::string{row->instead});
            } else {
                found.members.emplace_back(row->name, &value);
            }
        }
        return found;
    }

    void check_required(YamlNode const& node, Found const& found, Keys known) {
        for (auto const& row : known)
            if (row.use == Use::required && !found.stands(row.name))
                say(Code::missing_key, node, "the key " + quote(row.name) + " is missing",
                    explained(row.name, row.meaning));
    }

    static std::string explained(std::string_view key, std::string_view meaning) {
        return "`" + std::string{key} + "`: " + std::string{meaning};
    }

    bool is_mapping(YamlNode const& node, std::string_view what) {
        if (node.kind == YamlKind::mapping) return true;
        if (node.kind != YamlKind::refused)
            say(Code::wrong_type, node,
                quote(what) + " must be a mapping, and here stands " + std::string{kind_name(node)}, "");
        return false;
    }

    std::string const* scalar(YamlNode const& node, std::string_view what, std::string_view wanted,
                              std::string hint = {}) {
        if (node.kind == YamlKind::scalar) return &node.text;
        if (node.kind != YamlKind::refused)
            say(Code::wrong_type, node,
                quote(what) + " must be " + std::string{wanted} + ", and here stands " + std::string{kind_name(node)},
                std::move(hint));
        return nullptr;
    }

    // ---- settings ----

    void read_format(YamlNode const& node) {
        auto const* text = scalar(node, "weir", "the number 1");
        if (text == nullptr) return;
        if (node.quoted)
            say(Code::wrong_type, node, "\"weir\" must be the number 1, and here stands a text", "remove the quotes");
        else if (*text != std::to_string(keys::format))
            say(Code::bad_value, node, "this version does not read the format " + quote(*text), "write `weir: 1`");
    }

    void read_name(YamlNode const& node) {
        auto const* text = scalar(node, "name", "a text");
        if (text == nullptr) return;
        bool const fits =
            !text->empty() && text->size() <= keys::name_max && std::all_of(text->begin(), text->end(), [](char c) {
                return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
            });
        if (!fits)
            say(Code::bad_value, node, quote(*text) + " cannot be the name of a plan",
                "a name has 1 to 60 lower-case letters, digits and hyphens");
        plan.name = *text;
    }

    void read_gates(YamlNode const& node) {
        if (!is_mapping(node, "gates")) return;
        auto const found = check_keys(node, keys::gates, "gates");
        auto const* gate = found.at("contract");
        if (gate == nullptr) return;
        if (gate->kind == YamlKind::mapping) {
            for (auto const& [key, value] : gate->members) {
                auto const shown = quote("gates.contract." + key.text);
                if (key.text == "after" || key.text == "until_sql")
                    say(Code::not_supported, key, shown + " is not supported by this version",
                        "write `manual` and approve the gate when it is time");
                else
                    say(Code::unknown_key, key, "unknown key " + shown, "write `manual` or `none`");
            }
            if (gate->members.empty())
                say(Code::wrong_type, *gate, "\"gates.contract\" must be manual or none, and here stands a mapping",
                    "");
            return;
        }
        auto const* text = scalar(*gate, "gates.contract", "manual or none");
        if (text == nullptr) return;
        if (*text == "manual")
            plan.contract_gate = Gate::manual;
        else if (*text == "none")
            plan.contract_gate = Gate::none;
        else
            say(Code::bad_value, *gate, "\"gates.contract\" cannot be " + quote(*text), "write `manual` or `none`");
    }

    void read_fire_triggers(YamlNode const& node) {
        auto const* text = scalar(node, "fire_triggers", "yes or no");
        if (text == nullptr) return;
        if (*text != "yes" && *text != "no")
            say(Code::bad_value, node, "\"fire_triggers\" cannot be " + quote(*text), "write yes or no");
        plan.fire_triggers = *text != "no";
        plan.fire_triggers_at = node.place;
    }

    void read_batch(YamlNode const& node) {
        if (!is_mapping(node, "batch")) return;
        auto const found = check_keys(node, keys::batch, "batch");
        if (auto const* target = found.at("target"))
            read_time(*target, "batch.target", keys::batch_target, plan.settings.batch_target);
        if (auto const* order = found.at("order")) {
            auto const* text = scalar(*order, "batch.order", "auto or plain");
            if (text != nullptr && *text != "auto" && *text != "plain")
                say(Code::bad_value, *order, "\"batch.order\" cannot be " + quote(*text), "write auto or plain");
            plan.settings.plain = text != nullptr && *text == "plain";
        }
        auto const* workers = found.at("workers");
        auto const* text = workers != nullptr ? scalar(*workers, "batch.workers", "auto or a number") : nullptr;
        if (text == nullptr) return;
        if (*text == "auto") {
            plan.settings.workers = std::nullopt;
            return;
        }
        int number = 0;
        auto const [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
        if (error != std::errc{} || end != text->data() + text->size() || number < 1 || number > keys::workers_max)
            say(Code::bad_value, *workers, "\"batch.workers\" cannot be " + quote(*text),
                "write auto, or a number from 1 to 8");
        else
            plan.settings.workers = number;
    }

    void read_throttle(YamlNode const& node) {
        if (node.kind == YamlKind::scalar && node.text == "none") {
            plan.settings.lag_limit = std::nullopt;
            return;
        }
        if (node.kind == YamlKind::scalar) {
            say(Code::bad_value, node, "\"throttle\" cannot be " + quote(node.text),
                "write none, or a mapping such as { replication_lag: 2s }");
            return;
        }
        if (!is_mapping(node, "throttle")) return;
        auto const found = check_keys(node, keys::throttle, "throttle");
        auto const* lag = found.at("replication_lag");
        if (lag == nullptr) return;
        if (lag->kind == YamlKind::scalar && lag->text == "none") {
            plan.settings.lag_limit = std::nullopt;
            return;
        }
        Millis limit{};
        if (read_time(*lag, "throttle.replication_lag", keys::lag_limit, limit)) plan.settings.lag_limit = limit;
    }

    void read_locks(YamlNode const& node) {
        if (!is_mapping(node, "locks")) return;
        auto const found = check_keys(node, keys::locks, "locks");
        if (auto const* timeout = found.at("timeout"))
            read_time(*timeout, "locks.timeout", keys::lock_timeout, plan.settings.lock_timeout);
        if (auto const* give_up = found.at("give_up"))
            read_time(*give_up, "locks.give_up", keys::lock_give_up, plan.settings.lock_give_up);
        auto const* on_blocked = found.at("on_blocked");
        auto const* text = on_blocked != nullptr ? scalar(*on_blocked, "locks.on_blocked", "wait") : nullptr;
        if (text == nullptr || *text == "wait") return;
        if (*text == "cancel")
            plan.settings.on_blocked = OnBlocked::cancel;
        else if (*text == "terminate")
            plan.settings.on_blocked = OnBlocked::terminate;
        else
            say(Code::bad_value, *on_blocked, "\"locks.on_blocked\" cannot be " + quote(*text),
                "write wait, cancel or terminate");
    }

    bool read_time(YamlNode const& node, std::string_view what, keys::Bounds const& bounds, Millis& into) {
        auto const* text = scalar(node, what, "a duration such as 100ms");
        if (text == nullptr) return false;
        auto const time = read_duration(*text);
        if (!time) {
            say(Code::bad_value, node, quote(what) + " cannot be " + quote(*text),
                "write a whole number and a unit (ms, s, m, h, d), such as 100ms");
            return false;
        }
        if (*time < bounds.least || (bounds.most && *time > *bounds.most)) {
            auto const allowed = bounds.most ? "between " + duration(bounds.least) + " and " + duration(*bounds.most)
                                             : duration(bounds.least) + " or more";
            say(Code::bad_value, node, quote(what) + " cannot be " + *text, "it must be " + allowed);
            return false;
        }
        into = *time;
        return true;
    }

    // ---- operations ----

    OperationRow const* find(std::string_view operation, Level level) const {
        auto const found = std::find_if(operations_.begin(), operations_.end(), [&](OperationRow const& row) {
            return row.name == operation && row.level == level;
        });
        return found == operations_.end() ? nullptr : &*found;
    }

    /// False when the list is empty.
    bool read_operations(YamlNode const& node, std::string_view where, Level level, Phase listed,
                         std::vector<Read>& into) {
        if (node.kind != YamlKind::list) {
            say(Code::wrong_type, node,
                quote(where) + " must be a list of operations, and here stands " + std::string{kind_name(node)},
                "begin each operation with a hyphen: `- add_column: { … }`");
            return true;
        }
        for (auto const& item : node.items) {
            if (item.kind == YamlKind::refused) continue;
            if (item.kind != YamlKind::mapping || item.members.size() != 1) {
                auto const hint =
                    item.kind == YamlKind::mapping && item.members.size() > 1
                        ? "give each operation a hyphen of its own, and write its fields in { } or further in"
                        : "write `- add_column: { … }`";
                say(Code::wrong_type, item, "an item of " + quote(where) + " must be one operation with its fields",
                    hint);
                continue;
            }
            auto const& [key, fields] = item.members.front();
            if (auto const* row = find_row(key, where, level))
                if (auto values = read_fields(*row, key, fields)) into.push_back({row, *std::move(values), listed});
        }
        return !node.items.empty();
    }

    OperationRow const* find_row(YamlNode const& key, std::string_view where, Level level) {
        if (auto const* row = find(key.text, level)) return row;
        auto const other = level == Level::change ? Level::primitive : Level::change;
        if (find(key.text, other) != nullptr) {
            say(Code::unknown_key, key, quote(key.text) + " cannot stand under " + quote(where),
                level == Level::change ? "it is a primitive: put it into the list `expand`, `backfill` or `contract`"
                                       : "it spreads over the phases by itself: put it into the list `changes`");
            return nullptr;
        }
        std::vector<std::string_view> names;
        for (auto const& row : operations_)
            if (row.level == level) names.push_back(row.name);
        if (std::find(keys::operations.begin(), keys::operations.end(), key.text) != keys::operations.end()) {
            say(Code::not_supported, key, "the operation " + quote(key.text) + " is not supported by this version",
                quote(where) + " may have: " + list(names));
            return nullptr;
        }
        say(Code::unknown_key, key, "unknown operation " + quote(key.text), meant(key.text, names, quote(where)));
        return nullptr;
    }

    std::optional<FieldValues> read_fields(OperationRow const& row, YamlNode const& key, YamlNode const& fields) {
        auto const operation = std::string{row.name};
        if (!is_mapping(fields, operation)) return std::nullopt;
        auto const before = problems_.size();
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
        if (problems_.size() != before) return std::nullopt;
        return values;
    }

    std::optional<FieldValue> read_field(FieldSpec const& spec, std::string const& what, YamlNode const& node) {
        switch (spec.kind) {
            case FieldKind::table:
                return widen(read_table(node, what));
            case FieldKind::column:
                return widen(read_ident(node, what));
            case FieldKind::expression:
                return widen(read_sql(node, what, "an SQL expression", null_sql_hint, declare_expression));
            case FieldKind::type:
                return widen(read_sql(node, what, "a type", "", declare_type));
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
        say(Code::bad_value, node, "the name " + std::string{text} + " has SQL quotes",
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

    template <class T>
    std::optional<T> read_sql(YamlNode const& node, std::string_view what, std::string_view wanted,
                              std::string null_hint,
                              std::variant<T, Problem> (*declare)(std::string_view, Place const&)) {
        auto const* text = scalar(node, what, wanted, node.kind == YamlKind::null ? std::move(null_hint) : "");
        if (text == nullptr) return std::nullopt;
        auto declared = declare(*text, node.place);
        if (auto* made = std::get_if<T>(&declared)) return std::move(*made);
        auto problem = std::get<Problem>(std::move(declared));
        problem.message = quote(*text) + " is " + problem.message;
        bool const unclosed = std::count(text->begin(), text->end(), '(') > std::count(text->begin(), text->end(), ')');
        if (node.in_flow && !node.quoted && unclosed) problem.hint = comma_hint;
        problems_.push_back(std::move(problem));
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
            auto expression =
                read_sql(value, what + "." + key.text, "an SQL expression", null_sql_hint, declare_expression);
            if (column && expression) assignments.emplace_back(*std::move(column), *std::move(expression));
        }
        if (assignments.size() != node.members.size()) return std::nullopt;
        return assignments;
    }

    // ---- the result ----

    static void append(std::vector<Part>& parts, Read const& read, int change) {
        for (auto& part : read.row->build(read.values, read.listed)) {
            part.change = change;
            part.place = read.values.place;
            parts.push_back(std::move(part));
        }
    }

    static json::value canonical(FieldValue const& value) {
        if (auto const* table = std::get_if<TableName>(&value))
            return json::array{table->schema.text(), table->name.text()};
        if (auto const* column = std::get_if<Ident>(&value)) return json::string{column->text()};
        if (auto const* type = std::get_if<TypeName>(&value)) return json::string{type->text()};
        if (auto const* expression = std::get_if<UserExpr>(&value)) return json::string{expression->text()};
        auto sorted = std::get<FieldAssignments>(value);
        std::sort(sorted.begin(), sorted.end(), [](auto const& a, auto const& b) { return a.first < b.first; });
        json::object members;
        for (auto const& [column, expression] : sorted) members[column.text()] = expression.text();
        return members;
    }

    static json::object canonical(Read const& read) {
        json::object fields;
        for (auto const& [field, value] : read.values.values) fields[field] = canonical(value.first);
        return {{read.row->name, std::move(fields)}};
    }

    std::string identity() const {
        json::object whole;
        json::array changes;
        for (auto const& read : changes_) changes.push_back(canonical(read));
        whole["changes"] = std::move(changes);
        for (auto const phase : phase_lists) {
            json::array listed;
            for (auto const& read : lists_)
                if (read.listed == phase) listed.push_back(canonical(read));
            whole[name(phase)] = std::move(listed);
        }
        json::object gates;
        if (plan.contract_gate) gates["contract"] = *plan.contract_gate == Gate::manual ? "manual" : "none";
        whole["gates"] = std::move(gates);
        if (!plan.fire_triggers) whole["fire_triggers"] = "no";
        return json::serialize(whole);
    }

    static constexpr auto comma_hint = "inside { } and [ ] a comma ends a value: put the whole text in quotes";
    static constexpr auto null_name_hint = "a name that YAML takes for nothing needs quotes: \"null\"";
    static constexpr auto null_sql_hint = "for SQL's NULL write it in quotes: \"NULL\"";

    OperationTable operations_;
    Problems& problems_;
    std::vector<Read> changes_;
    std::vector<Read> lists_;
};

void sort_by_place(Problems& problems) {
    std::stable_sort(problems.begin(), problems.end(), [](Problem const& a, Problem const& b) {
        return std::pair{a.place.line, a.place.column} < std::pair{b.place.line, b.place.column};
    });
}

/// Where the first byte stands that is not part of UTF-8 text.
Place first_bad_byte(std::string_view text, std::string const& file) {
    Place place{file, 1, 1};
    for (std::size_t at = 0; at < text.size();) {
        std::size_t length = 1;
        while (length <= 4 && !is_utf8(text.substr(at, length))) ++length;
        if (length > 4) break;
        if (text[at] == '\n') {
            ++place.line;
            place.column = 0;
        }
        ++place.column;
        at += length;
    }
    return place;
}

}  // namespace

std::variant<Plan, Problems> read_plan(std::string_view text, std::string const& file, OperationTable operations) {
    if (text.size() > plan_bytes_max)
        return Problems{{Code::not_readable,
                         {file, 0, 0},
                         "the file is larger than 1 MB (" + std::to_string(text.size()) + " bytes)",
                         "is it a plan?"}};
    if (!is_utf8(text)) {
        bool const nul = text.find('\0') != std::string_view::npos;
        return Problems{{Code::not_readable, first_bad_byte(text, file),
                         nul ? "the file is not text: it holds a NUL byte" : "the file is not UTF-8 text",
                         "save it as UTF-8"}};
    }

    auto document = read_yaml(text, file);
    auto& problems = document.problems;
    Reader reader{operations, problems};
    if (document.root)
        reader.read(*document.root);
    else if (problems.empty())
        problems.push_back({Code::not_readable, {file, 0, 0}, "the file is empty", "begin with `weir: 1`"});
    if (!problems.empty()) {
        sort_by_place(problems);
        return std::move(problems);
    }
    reader.build();
    reader.plan.text = text;
    reader.plan.file = file;
    return std::move(reader.plan);
}

}  // namespace weir
