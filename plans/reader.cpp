#include "plans/reader.h"

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <charconv>
#include <span>

#include "plans/address.h"
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

bool is_name(std::string_view text) {
    return !text.empty() && text.size() <= keys::name_max && std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
    });
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
        if (auto const* node = found.at("approvals")) read_approvals(*node);
        if (auto const* node = found.at("fire_triggers")) read_fire_triggers(*node);
        if (auto const* node = found.at("settings")) read_session(*node);
        if (auto const* node = found.at("drop")) read_drop(*node);
        if (auto const* node = found.at("backup")) read_backup(*node);
        if (auto const* node = found.at("batch")) read_batch(*node);
        if (auto const* node = found.at("throttle")) read_throttle(*node);
        if (auto const* node = found.at("locks")) read_locks(*node);
        if (auto const* node = found.at("replicas")) read_replicas(*node);
        if (auto const* node = found.at("schedule")) read_schedule(*node);
        if (auto const* node = found.at("notify")) read_notify(*node);

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

    void read_setting(std::string_view group, YamlNode const& node) {
        if (group == "batch") read_batch(node);
        if (group == "throttle") read_throttle(node);
        if (group == "locks") read_locks(node);
    }

    /// REQUIRES that there is no problem.
    void build() {
        std::vector<Part> changes;
        std::vector<Part> lists;
        int change = 0;
        for (auto const& read : changes_) append(changes, read, ++change);
        for (auto const& read : lists_) append(lists, read, 0);
        for (auto const phase : {Phase::expand, Phase::backfill, Phase::proof, Phase::contract, Phase::quarantine})
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
        if (!is_name(*text))
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
            auto const by = check_keys(*gate, keys::gate, "gates.contract");
            if (gate->members.size() != 1)
                say(Code::wrong_type, *gate, "\"gates.contract\" must have one key, after or until_sql",
                    "write { after: 24h } or { until_sql: \"select …\" }");
            if (auto const* after = by.at("after")) {
                plan.contract_gate = Gate::after;
                read_time(*after, "gates.contract.after", keys::gate_after, plan.gate_after);
            }
            if (auto const* until = by.at("until_sql")) {
                plan.contract_gate = Gate::until_sql;
                if (auto const* text = scalar(*until, "gates.contract.until_sql", "a query", comma_hint))
                    plan.gate_until =
                        read_select(*until, *text, "write one SELECT without a semicolon, which gives true or false");
            }
            return;
        }
        auto const* text = scalar(*gate, "gates.contract", "manual or none");
        if (text == nullptr) return;
        if (*text == "manual")
            plan.contract_gate = Gate::manual;
        else if (*text == "none")
            plan.contract_gate = Gate::none;
        else
            say(Code::bad_value, *gate, "\"gates.contract\" cannot be " + quote(*text),
                "write manual, none, { after: 24h } or { until_sql: \"select …\" }");
    }

    void read_approvals(YamlNode const& node) {
        auto const* text = scalar(node, "approvals", "a whole number");
        if (text == nullptr) return;
        int number = 0;
        auto const [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
        if (error != std::errc{} || end != text->data() + text->size() || number < 1 || number > keys::approvals_max)
            say(Code::bad_value, node, "\"approvals\" cannot be " + quote(*text),
                "write how many database users must approve a gate, 1 to " + std::to_string(keys::approvals_max));
        else
            plan.approvals = number;
    }

    void read_drop(YamlNode const& node) {
        if (!is_mapping(node, "drop")) return;
        auto const found = check_keys(node, keys::drop, "drop");
        check_required(node, found, keys::drop);
        if (auto const* time = found.at("quarantine"))
            read_time(*time, "drop.quarantine", keys::quarantine, plan.quarantine);
    }

    void read_backup(YamlNode const& node) {
        if (!is_mapping(node, "backup")) return;
        auto const found = check_keys(node, keys::backup, "backup");
        check_required(node, found, keys::backup);
        auto const* directory = found.at("directory");
        auto const* text = directory != nullptr ? scalar(*directory, "backup.directory", "a directory") : nullptr;
        if (text == nullptr) return;
        if (text->empty() || text->find('\0') != std::string::npos)
            say(Code::bad_value, *directory, "\"backup.directory\" cannot be " + quote(*text),
                "write a directory that is there, such as /var/backups/weir");
        else
            plan.backup = *text;
    }

    void read_fire_triggers(YamlNode const& node) {
        auto const* text = scalar(node, "fire_triggers", "yes or no");
        if (text == nullptr) return;
        if (*text != "yes" && *text != "no")
            say(Code::bad_value, node, "\"fire_triggers\" cannot be " + quote(*text), "write yes or no");
        plan.fire_triggers = *text != "no";
        plan.fire_triggers_at = node.place;
    }

    void read_session(YamlNode const& node) {
        if (!is_mapping(node, "settings")) return;
        auto const found = check_keys(node, keys::session, "settings");
        if (node.members.empty())
            say(Code::missing_key, node, "\"settings\" sets nothing",
                "write { timezone: Europe/Berlin }, or remove the key");
        for (auto const& key : keys::session) {
            auto const* value = found.at(key.name);
            if (value == nullptr) continue;
            PlanSetting setting{std::string{key.name}, {}, {}, value->place};
            bool const good = key.name == "search_path" ? read_path(*value, setting) : read_set(*value, setting);
            if (good) plan.session.push_back(std::move(setting));
        }
        std::sort(plan.session.begin(), plan.session.end(),
                  [](PlanSetting const& a, PlanSetting const& b) { return a.name < b.name; });
    }

    bool read_set(YamlNode const& node, PlanSetting& into) {
        auto const what = "settings." + into.name;
        auto const* text = scalar(node, what, "a text", comma_hint);
        if (text == nullptr) return false;
        if (text->empty()) say(Code::bad_value, node, quote(what) + " is empty", "write its value, or remove the key");
        into.value = *text;
        return !text->empty();
    }

    /// As everywhere in a plan a name is written as it is stored.
    bool read_path(YamlNode const& node, PlanSetting& into) {
        constexpr std::string_view what{"settings.search_path"};
        constexpr auto hint = "write schemas as they are stored, without SQL quotes: search_path: [app, public]";
        std::vector<YamlNode> items;
        if (node.kind == YamlKind::list) {
            items = node.items;
        } else {
            auto const* text = scalar(node, what, "a list of schemas", hint);
            if (text == nullptr) return false;
            for (std::size_t at = 0; at <= text->size();) {
                auto const comma = std::min(text->find(',', at), text->size());
                auto word = text->substr(at, comma - at);
                word.erase(0, std::min(word.find_first_not_of(' '), word.size()));
                word.erase(word.find_last_not_of(' ') + 1);
                auto& item = items.emplace_back(node);
                item.text = std::move(word);
                at = comma + 1;
            }
        }
        bool good = true;
        auto const refuse = [&](YamlNode const& item, std::string message) {
            say(Code::bad_value, item, std::move(message), hint);
            good = false;
        };
        if (items.empty() || items.size() > keys::schemas_max)
            refuse(node, quote(what) + " has " + std::to_string(items.size()) + " schemas, and 1 to " +
                             std::to_string(keys::schemas_max) + " are allowed");
        for (auto const& item : items) {
            auto const* text = scalar(item, "an item of settings.search_path", "the name of a schema", hint);
            good = good && text != nullptr;
            if (text == nullptr) continue;
            bool const quoted = text->size() > 1 && text->front() == '"' && text->back() == '"';
            if (quoted || !Ident::make(*text)) refuse(item, quote(*text) + " cannot be the name of a schema");
            if (std::find(into.schemas.begin(), into.schemas.end(), *text) != into.schemas.end())
                refuse(item, quote(*text) + " stands twice in " + quote(what));
            into.schemas.push_back(*text);
        }
        return good;
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
        auto& throttle = plan.settings.throttle;
        if (node.kind == YamlKind::scalar && node.text == "none") {
            throttle = {};
            return;
        }
        if (node.kind == YamlKind::scalar) {
            say(Code::bad_value, node, "\"throttle\" cannot be " + quote(node.text),
                "write none, or a mapping such as { replication_lag: 2s }");
            return;
        }
        if (!is_mapping(node, "throttle")) return;
        auto const found = check_keys(node, keys::throttle, "throttle");
        for (auto const& signal : keys::signals)
            if (auto const* limit = found.at(signal.name)) {
                read_limit(*limit, signal, throttle);
                throttle.named.emplace(signal.name);
            }
        if (auto const* list = found.at("sql")) throttle.sql = read_custom(*list, "throttle.sql", keys::sql_signal);
        if (auto const* list = found.at("http")) throttle.http = read_custom(*list, "throttle.http", keys::http_signal);
        if (auto const* list = found.at("prometheus"))
            throttle.prometheus = read_custom(*list, "throttle.prometheus", keys::prometheus_signal);
    }

    void read_limit(YamlNode const& node, keys::Signal const& signal, Throttle& into) {
        std::string const name{signal.name};
        auto const what = "throttle." + name;
        if (node.kind == YamlKind::scalar && node.text == "none") {
            into.limits.erase(name);
            return;
        }
        switch (signal.measure) {
            case keys::Measure::time: {
                Millis limit{};
                keys::Bounds const bounds{Millis{static_cast<std::int64_t>(signal.least * 1000)}, std::nullopt};
                if (read_time(node, what, bounds, limit)) into.limits[name] = static_cast<double>(limit.count()) / 1000;
                return;
            }
            case keys::Measure::size:
            case keys::Measure::rate: {
                bool const rate = signal.measure == keys::Measure::rate;
                auto const* text = scalar(node, what, rate ? "a rate such as 50MB/s" : "a size such as 1GB");
                if (text == nullptr) return;
                std::string_view size{*text};
                bool const whole = !rate || size.ends_with("/s");
                if (rate && whole) size.remove_suffix(2);
                auto const bytes = whole ? read_size(size) : std::nullopt;
                if (!bytes)
                    say(Code::bad_value, node, quote(what) + " cannot be " + quote(*text),
                        rate ? "write a whole number, a unit (kB, MB, GB) and /s, such as 50MB/s, or none"
                             : "write a whole number and a unit (kB, MB, GB, TB), such as 1GB, or none");
                else if (static_cast<double>(*bytes) < signal.least)
                    say(Code::bad_value, node, quote(what) + " cannot be " + *text,
                        rate ? "it must be 1kB/s or more" : "it must be 1MB or more");
                else
                    into.limits[name] = static_cast<double>(*bytes);
                return;
            }
            case keys::Measure::count: {
                auto const* text = scalar(node, what, "a whole number");
                if (text == nullptr) return;
                std::int64_t number = 0;
                auto const [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
                auto const least = static_cast<std::int64_t>(signal.least);
                if (error != std::errc{} || end != text->data() + text->size() || number < least)
                    say(Code::bad_value, node, quote(what) + " cannot be " + quote(*text),
                        "write a whole number, " + std::to_string(least) + " or more, or none");
                else
                    into.limits[name] = static_cast<double>(number);
                return;
            }
        }
    }

    std::vector<CustomSignal> read_custom(YamlNode const& node, std::string const& where, Keys known) {
        std::vector<CustomSignal> signals;
        if (node.kind != YamlKind::list) {
            if (node.kind != YamlKind::refused)
                say(Code::wrong_type, node,
                    quote(where) + " must be a list, and here stands " + std::string{kind_name(node)},
                    "write [ { name: …, … } ]");
            return signals;
        }
        if (node.items.size() > keys::custom_signals_max)
            say(Code::bad_value, node,
                quote(where) + " has more than " + std::to_string(keys::custom_signals_max) + " items",
                "let one query give the worst of several numbers");
        for (auto const& item : node.items) {
            if (!is_mapping(item, "an item of " + where)) continue;
            auto const found = check_keys(item, known, where);
            check_required(item, found, known);
            CustomSignal signal;
            if (auto const* name = found.at("name")) read_signal_name(*name, where, signals, signal);
            if (auto const* url = found.at("url")) read_url(*url, where, signal);
            if (auto const* query = found.at("query")) read_query(*query, where, signal);
            if (auto const* limit = found.at("limit")) read_number(*limit, where + ".limit", signal.limit);
            signals.push_back(std::move(signal));
        }
        return signals;
    }

    void read_signal_name(YamlNode const& node, std::string const& where, std::vector<CustomSignal> const& others,
                          CustomSignal& into) {
        auto const* text = scalar(node, where + ".name", "a text");
        if (text == nullptr) return;
        into.name = *text;
        if (!is_name(*text))
            say(Code::bad_value, node, quote(*text) + " cannot be the name of a signal",
                "a name has 1 to 60 lower-case letters, digits and hyphens");
        for (auto const& other : others)
            if (other.name == *text)
                say(Code::bad_value, node, "two items of " + quote(where) + " are called " + quote(*text),
                    "give each a name of its own");
    }

    void read_url(YamlNode const& node, std::string const& where, CustomSignal& into) {
        if (auto const* text = scalar(node, where + ".url", "an address", comma_hint)) {
            into.url = *text;
            check_url(node, where + ".url", *text);
        }
    }

    void check_url(YamlNode const& node, std::string const& what, std::string const& url) {
        auto const scheme = url.starts_with("http://") ? 7U : url.starts_with("https://") ? 8U : 0U;
        auto const host = std::string_view{url}.substr(scheme);
        auto const authority = host.substr(0, host.find_first_of("/?#"));
        bool const plain = std::all_of(url.begin(), url.end(), [](char c) { return c > 0x20 && c < 0x7F; });
        if (authority.find('@') != std::string_view::npos)
            say(Code::bad_value, node, quote(what) + " holds a user or a password",
                "a plan holds no password: let the address be reachable without one from where weir runs");
        else if (scheme == 0 || authority.empty() || !plain)
            say(Code::bad_value, node, quote(what) + " cannot be " + quote(url),
                "write http://HOST:PORT/PATH or https://…");
    }

    std::optional<UserExpr> read_select(YamlNode const& node, std::string const& text, std::string hint) {
        auto declared = declare_expression("(" + text + "\n)", node.place);
        if (auto* expression = std::get_if<UserExpr>(&declared)) return std::move(*expression);
        auto& problem = std::get<Problem>(declared);
        problem.hint = std::move(hint);
        problems_.push_back(std::move(problem));
        return std::nullopt;
    }

    void read_query(YamlNode const& node, std::string const& where, CustomSignal& into) {
        auto const* text = scalar(node, where + ".query", "a query", comma_hint);
        if (text == nullptr) return;
        into.query = *text;
        if (where == "throttle.sql")
            into.ask = read_select(node, *text, "write one SELECT without a semicolon, which gives one number");
    }

    void read_number(YamlNode const& node, std::string const& what, std::optional<double>& into) {
        auto const* text = scalar(node, what, "a number");
        if (text == nullptr) return;
        double number = 0;
        auto const [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
        if (error != std::errc{} || end != text->data() + text->size() || !(number > 0) || number > 1e300)
            say(Code::bad_value, node, quote(what) + " cannot be " + quote(*text), "write a number above 0");
        else
            into = number;
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
        if (text == nullptr) return;
        if (*text == "cancel")
            plan.settings.on_blocked = OnBlocked::cancel;
        else if (*text == "terminate")
            plan.settings.on_blocked = OnBlocked::terminate;
        else if (*text == "wait")
            plan.settings.on_blocked = OnBlocked::wait;
        else
            say(Code::bad_value, *on_blocked, "\"locks.on_blocked\" cannot be " + quote(*text),
                "write wait, cancel or terminate");
    }

    void read_notify(YamlNode const& node) {
        if (!is_mapping(node, "notify")) return;
        auto const found = check_keys(node, keys::notify, "notify");
        auto& notify = plan.notify;
        if (auto const* webhook = found.at("webhook"))
            if (auto const* text = scalar(*webhook, "notify.webhook", "an address", comma_hint)) {
                notify.webhook = *text;
                if (!text->starts_with('$'))
                    check_url(*webhook, "notify.webhook", *text);
                else if (!is_variable(text->substr(1)))
                    say(Code::bad_value, *webhook, quote(*text) + " does not name an environment variable",
                        "write $NAME, of letters, digits and underscores");
            }
        if (auto const* command = found.at("command")) read_command(*command);
        if (auto const* held = found.at("held")) {
            Millis time{};
            if (held->kind == YamlKind::scalar && held->text == "none")
                notify.held.reset();
            else if (read_time(*held, "notify.held", keys::notify_held, time))
                notify.held = time;
        }
    }

    static bool is_variable(std::string_view name) {
        auto const word = [](char c) {
            return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
        };
        return !name.empty() && !(name[0] >= '0' && name[0] <= '9') && std::all_of(name.begin(), name.end(), word);
    }

    void read_command(YamlNode const& node) {
        auto& command = plan.notify.command;
        plan.notify.command_at = node.place;
        auto const add = [&](YamlNode const& word) {
            auto const* text = scalar(word, "notify.command", "a program, or a list of program and arguments");
            if (text != nullptr) command.push_back(*text);
        };
        if (node.kind == YamlKind::list)
            for (auto const& item : node.items) add(item);
        else
            add(node);
        if (node.kind == YamlKind::list && (node.items.empty() || node.items.size() > keys::command_words_max))
            say(Code::bad_value, node,
                "\"notify.command\" has " + std::to_string(node.items.size()) + " words, and 1 to " +
                    std::to_string(keys::command_words_max) + " are allowed",
                "write [ program, argument, … ]");
        else if (!command.empty() && command[0].find(' ') != std::string::npos)
            say(Code::bad_value, node, quote(command[0]) + " cannot be a program: there is a space in it",
                "no shell reads it: write [ program, argument, … ], or [ sh, -c, \"…\" ]");
    }

    void read_replicas(YamlNode const& node) {
        if (node.kind != YamlKind::list) {
            if (node.kind != YamlKind::refused)
                say(Code::wrong_type, node,
                    "\"replicas\" must be a list, and here stands " + std::string{kind_name(node)},
                    "write [ r1, r2 ], or [ { name: r1, dsn: \"host=… dbname=…\" } ]");
            return;
        }
        if (node.items.size() > keys::replicas_max)
            say(Code::bad_value, node, "\"replicas\" has more than " + std::to_string(keys::replicas_max) + " items",
                "name those that matter");
        for (auto const& item : node.items) {
            Replica replica;
            if (item.kind == YamlKind::mapping) {
                auto const found = check_keys(item, keys::replica, "replicas");
                check_required(item, found, keys::replica);
                if (auto const* name = found.at("name")) replica.name = read_replica_name(*name, "replicas.name");
                if (auto const* dsn = found.at("dsn")) read_dsn(*dsn, replica);
            } else {
                replica.name = read_replica_name(item, "an item of replicas");
            }
            plan.settings.replicas.push_back(std::move(replica));
        }
    }

    std::string read_replica_name(YamlNode const& node, std::string_view what) {
        auto const* text = scalar(node, what, "the name of a replica");
        if (text == nullptr) return {};
        // The server keeps 63 bytes of an application_name, and puts ? for what is not ASCII.
        bool const plain = !text->empty() && text->size() <= 63 &&
                           std::all_of(text->begin(), text->end(), [](char c) { return c >= 0x20 && c < 0x7F; });
        bool const taken = std::any_of(plan.settings.replicas.begin(), plan.settings.replicas.end(),
                                       [&](Replica const& other) { return other.name == *text; });
        if (!plain)
            say(Code::bad_value, node, quote(*text) + " cannot be the name of a replica",
                "it is what pg_stat_replication calls application_name: 1 to 63 ASCII characters");
        else if (taken)
            say(Code::bad_value, node, "two items of \"replicas\" are called " + quote(*text),
                "give each replica an application_name of its own");
        return *text;
    }

    void read_dsn(YamlNode const& node, Replica& into) {
        auto const* text = scalar(node, "replicas.dsn", "an address", comma_hint);
        if (text == nullptr) return;
        into.dsn = *text;
        // What is refused may hold a password, so it is not shown.
        switch (read_address(*text)) {
            case Address::good:
                return;
            case Address::password:
                say(Code::bad_value, node, "\"replicas.dsn\" holds a password",
                    "a plan holds no password: put it into a PGPASSFILE or a service file");
                return;
            case Address::unreadable:
                say(Code::bad_value, node, "\"replicas.dsn\" cannot be read as an address",
                    "write postgresql://user@host:5432/database, or host=… dbname=…");
        }
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

    void read_schedule(YamlNode const& node) {
        if (!is_mapping(node, "schedule")) return;
        auto const found = check_keys(node, keys::schedule, "schedule");
        auto& schedule = plan.settings.schedule;
        if (auto const* zone = found.at("timezone")) read_zone(*zone, "schedule.timezone", schedule.zone);
        if (auto const* at = found.at("at")) read_at(*at, schedule);
        auto const* window = found.at("window");
        if (window == nullptr) {
            if (!found.stands("window") && !found.stands("at") && node.members.size() == found.members.size())
                say(Code::missing_key, node, "\"schedule\" says no time", "give `window`, or `at`");
        } else if (window->kind == YamlKind::list) {
            for (auto const& item : window->items) read_window(item);
            if (window->items.empty())
                say(Code::bad_value, *window, "\"schedule.window\" is an empty list",
                    "remove the key: without it the backfill works at any time");
        } else {
            read_window(*window);
        }
    }

    void read_window(YamlNode const& node) {
        if (!is_mapping(node, "schedule.window")) return;
        auto const found = check_keys(node, keys::window, "schedule.window");
        check_required(node, found, keys::window);
        Window window;
        window.zone = plan.settings.schedule.zone;
        if (auto const* days = found.at("days")) read_days(*days, window);
        if (auto const* zone = found.at("timezone")) read_zone(*zone, "schedule.window.timezone", window.zone);
        auto const* from = found.at("from");
        auto const* to = found.at("to");
        bool const begins = from != nullptr && read_clock(*from, "schedule.window.from", "23:59", window.from);
        bool const ends = to != nullptr && read_clock(*to, "schedule.window.to", "24:00", window.to);
        if (begins && ends && window.from == window.to)
            say(Code::bad_value, *to, "a window cannot begin and end at " + quote(to->text),
                "for whole days write from: \"00:00\" and to: \"24:00\"");
        plan.settings.schedule.windows.push_back(std::move(window));
    }

    void read_days(YamlNode const& node, Window& window) {
        std::vector<YamlNode> const one{node};
        auto const& items = node.kind == YamlKind::list ? node.items : one;
        window.days = 0;
        for (auto const& item : items) {
            auto const* text =
                scalar(item, "schedule.window.days", "a day, a range such as mon-fri, or a list of them");
            if (text == nullptr) continue;
            auto const dash = text->find('-');
            auto const first = read_day(item, std::string_view{*text}.substr(0, dash));
            auto const last =
                dash == std::string::npos ? first : read_day(item, std::string_view{*text}.substr(dash + 1));
            if (!first || !last) continue;
            for (auto day = *first;; day = (day + 1) % keys::days.size()) {
                window.days = static_cast<std::uint8_t>(window.days | (1U << day));
                if (day == *last) break;
            }
        }
        if (node.kind == YamlKind::list && items.empty())
            say(Code::bad_value, node, "\"schedule.window.days\" is an empty list",
                "remove the key: without it the window is open every day");
    }

    std::optional<std::size_t> read_day(YamlNode const& node, std::string_view word) {
        auto const found = std::find(keys::days.begin(), keys::days.end(), word);
        if (found != keys::days.end()) return static_cast<std::size_t>(found - keys::days.begin());
        say(Code::bad_value, node, "\"schedule.window.days\" cannot have " + quote(word),
            "write " + list({keys::days.begin(), keys::days.end()}) + ", or a range such as mon-fri");
        return std::nullopt;
    }

    /// `01:00`.
    static std::optional<std::chrono::minutes> clock(std::string_view text) {
        auto const hour = digits(text, 0, 2);
        auto const minute = digits(text, 3, 2);
        if (text.size() != 5 || text[2] != ':' || !hour || !minute || *minute > 59) return std::nullopt;
        return std::chrono::minutes{*hour * 60 + *minute};
    }

    static std::optional<int> digits(std::string_view text, std::size_t from, std::size_t count) {
        if (text.size() < from + count) return std::nullopt;
        int number = 0;
        for (char const c : text.substr(from, count)) {
            if (c < '0' || c > '9') return std::nullopt;
            number = number * 10 + (c - '0');
        }
        return number;
    }

    bool read_clock(YamlNode const& node, std::string_view what, std::string_view most, std::chrono::minutes& into) {
        auto const* text = scalar(node, what, "a time of the day such as \"01:00\"");
        if (text == nullptr) return false;
        auto const time = clock(*text);
        if (!time || *time > *clock(most)) {
            say(Code::bad_value, node, quote(what) + " cannot be " + quote(*text),
                "write hours and minutes, from \"00:00\" to " + quote(most));
            return false;
        }
        into = *time;
        return true;
    }

    void read_at(YamlNode const& node, Schedule& schedule) {
        auto const* text = scalar(node, "schedule.at", "a date and a time such as \"2026-12-01 01:00\"");
        if (text == nullptr) return;
        auto const year = digits(*text, 0, 4);
        auto const month = digits(*text, 5, 2);
        auto const day = digits(*text, 8, 2);
        bool const shaped = text->size() == 16 && (*text)[4] == '-' && (*text)[7] == '-' && (*text)[10] == ' ';
        auto const time = shaped ? clock(std::string_view{*text}.substr(11)) : std::nullopt;
        if (shaped && year && month && day && time && *time <= *clock("23:59")) {
            std::chrono::year_month_day const date{std::chrono::year{*year},
                                                   std::chrono::month{static_cast<unsigned>(*month)},
                                                   std::chrono::day{static_cast<unsigned>(*day)}};
            if (date.ok()) {
                schedule.at = schedule.zone.first(std::chrono::local_days{date} + *time);
                return;
            }
        }
        say(Code::bad_value, node, "\"schedule.at\" cannot be " + quote(*text),
            "write a date and a time that exist, such as \"2026-12-01 01:00\"");
    }

    void read_zone(YamlNode const& node, std::string_view what, Zone& into) {
        auto const* text = scalar(node, what, "the name of a time zone such as Europe/Berlin");
        if (text == nullptr) return;
        if (auto zone = Zone::of(*text)) {
            into = *std::move(zone);
            return;
        }
        auto const names = zone_names();
        if (!names.empty()) {
            auto const meant_zone = nearest_zone(*text, names);
            say(Code::bad_value, node, "there is no time zone " + quote(*text),
                meant_zone.empty() ? "write an IANA name such as Europe/Berlin"
                                   : "did you mean " + quote(meant_zone) + "?");
        } else if (!std::exchange(zones_missing_told_, true)) {
            say(Code::bad_value, node,
                "the time zone " + quote(*text) + " cannot be looked up: this machine has no time zones",
                "install the package tzdata, or write the times in UTC");
        }
    }

    static std::string nearest_zone(std::string_view word, std::vector<std::string> const& names) {
        for (auto const& name : names)
            if (!word.empty() && name.ends_with("/" + std::string{word})) return name;
        // Abbreviations are near to each other and mean other times.
        if (word.size() < 5) return {};
        return nearest(word, {names.begin(), names.end()});
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

    void append(std::vector<Part>& parts, Read const& read, int change) const {
        auto values = read.values;
        values.quarantine = plan.quarantine;
        for (auto& part : read.row->build(values, read.listed)) {
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
        if (plan.contract_gate == Gate::manual) gates["contract"] = "manual";
        if (plan.contract_gate == Gate::none) gates["contract"] = "none";
        if (plan.contract_gate == Gate::after) gates["contract"] = json::object{{"after", plan.gate_after.count()}};
        if (plan.gate_until) gates["contract"] = json::object{{"until_sql", plan.gate_until->text()}};
        whole["gates"] = std::move(gates);
        if (plan.approvals > 1) whole["approvals"] = plan.approvals;
        if (plan.quarantine.count() > 0) whole["drop"] = json::object{{"quarantine", plan.quarantine.count()}};
        if (!plan.fire_triggers) whole["fire_triggers"] = "no";
        if (!plan.session.empty()) {
            json::object session;
            for (auto const& setting : plan.session) {
                json::array schemas;
                for (auto const& schema : setting.schemas) schemas.emplace_back(schema);
                if (setting.schemas.empty())
                    session[setting.name] = setting.value;
                else
                    session[setting.name] = std::move(schemas);
            }
            whole["settings"] = std::move(session);
        }
        // Where it is written to may change.
        if (!plan.backup.empty()) whole["backup"] = true;
        return json::serialize(whole);
    }

    static constexpr auto comma_hint = "inside { } and [ ] a comma ends a value: put the whole text in quotes";
    static constexpr auto null_name_hint = "a name that YAML takes for nothing needs quotes: \"null\"";
    static constexpr auto null_sql_hint = "for SQL's NULL write it in quotes: \"NULL\"";

    OperationTable operations_;
    Problems& problems_;
    bool zones_missing_told_{};
    std::vector<Read> changes_;
    std::vector<Read> lists_;
};

bool is_setting_name(std::string_view text) {
    return !text.empty() &&
           std::all_of(text.begin(), text.end(), [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; });
}

void sort_by_place(Problems& problems) {
    std::stable_sort(problems.begin(), problems.end(), [](Problem const& a, Problem const& b) {
        return std::pair{a.place.line, a.place.column} < std::pair{b.place.line, b.place.column};
    });
}

/// What runs as weir's own role, or reaches out, or ends other people's sessions comes from the plan alone: else
/// whoever may order could act as weir.
Problems only_the_plan_may(Settings const& before, Settings const& after) {
    Problems problems;
    auto const refuse = [&](std::string_view key) {
        problems.push_back({Code::bad_value,
                            {},
                            quote(key) + " comes from the plan alone; an order may only take away from it",
                            "put it into the plan file, stop the run, and run it again: it goes on with it"});
    };
    auto const adds = [](std::vector<CustomSignal> const& had, std::vector<CustomSignal> const& has) {
        return std::any_of(has.begin(), has.end(), [&](CustomSignal const& one) {
            return std::find(had.begin(), had.end(), one) == had.end();
        });
    };
    if (adds(before.throttle.sql, after.throttle.sql)) refuse("throttle.sql");
    if (adds(before.throttle.http, after.throttle.http)) refuse("throttle.http");
    if (adds(before.throttle.prometheus, after.throttle.prometheus)) refuse("throttle.prometheus");
    if (after.on_blocked > before.on_blocked) refuse("locks.on_blocked");
    return problems;
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

std::variant<Settings, Problems> with_setting(Settings base, std::string_view key, std::string_view value) {
    static constexpr std::array<std::string_view, 3> groups{"batch", "throttle", "locks"};
    auto const dot = key.find('.');
    auto const group = key.substr(0, dot);
    auto const unknown = [&](std::string hint) {
        return Problems{{Code::unknown_key, {}, "there is no setting " + quote(key), std::move(hint)}};
    };
    if (std::find(groups.begin(), groups.end(), group) == groups.end()) {
        auto const near = nearest(group, {groups.begin(), groups.end()});
        return unknown(near.empty() ? "settings are batch.…, throttle.… and locks.…, as in a plan"
                                    : "did you mean " + near + "?");
    }
    bool const text = is_utf8(value) && value.find_first_of(std::string_view{"\0\r\n", 3}) == std::string_view::npos &&
                      is_utf8(key) && (dot == std::string_view::npos || is_setting_name(key.substr(dot + 1)));
    if (!text) return unknown("write KEY VALUE, such as throttle.replication_lag 5s");
    std::string yaml = std::string{group} + ":";
    if (dot != std::string_view::npos) yaml += "\n  " + std::string{key.substr(dot + 1)} + ":";
    auto document = read_yaml(yaml + " " + std::string{value} + "\n", "");
    auto& problems = document.problems;
    Reader reader{{}, problems};
    auto const before = base;
    reader.plan.settings = std::move(base);
    if (problems.empty() && document.root && document.root->members.size() == 1)
        reader.read_setting(group, document.root->members.front().value);
    else if (problems.empty())
        return unknown("write KEY VALUE, such as throttle.replication_lag 5s");
    for (auto& problem : problems) problem.place = {};
    if (problems.empty()) problems = only_the_plan_may(before, reader.plan.settings);
    if (!problems.empty()) return std::move(problems);
    return std::move(reader.plan.settings);
}

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
