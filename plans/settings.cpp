#include "plans/settings.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "plans/address.h"
#include "plans/expression.h"
#include "plans/reader.h"

namespace weir {
namespace {

std::string duration(Millis millis) {
    auto const ms = millis.count();
    if (ms % 86'400'000 == 0) return std::to_string(ms / 86'400'000) + "d";
    if (ms % 3'600'000 == 0) return std::to_string(ms / 3'600'000) + "h";
    if (ms % 60'000 == 0) return std::to_string(ms / 60'000) + "m";
    if (ms % 1000 == 0) return std::to_string(ms / 1000) + "s";
    return std::to_string(ms) + "ms";
}

class SettingsReader : NodeReader {
  public:
    SettingsReader(NodeReader const& reader, Plan& into) : NodeReader{reader}, plan_{into} {}

    void read(Found const& top) {
        if (auto const* node = top.at("gates")) read_gates(*node);
        if (auto const* node = top.at("approvals")) read_approvals(*node);
        if (auto const* node = top.at("fire_triggers")) read_fire_triggers(*node);
        if (auto const* node = top.at("settings")) read_session(*node);
        if (auto const* node = top.at("role")) read_role(*node);
        if (auto const* node = top.at("drop")) read_drop(*node);
        if (auto const* node = top.at("backup")) read_backup(*node);
        if (auto const* node = top.at("batch")) read_batch(*this, *node, plan_.settings);
        if (auto const* node = top.at("throttle")) read_throttle(*this, *node, plan_.settings.throttle);
        if (auto const* node = top.at("locks")) read_locks(*this, *node, plan_.settings);
        if (auto const* node = top.at("replicas")) read_replicas(*node);
        if (auto const* node = top.at("schedule")) read_schedule(*this, *node, plan_.settings.schedule);
        if (auto const* node = top.at("notify")) read_notify(*node);
    }

  private:
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
                plan_.contract_gate = Gate::after;
                read_time(*this, *after, "gates.contract.after", keys::gate_after, plan_.gate_after);
            }
            if (auto const* until = by.at("until_sql")) {
                plan_.contract_gate = Gate::until_sql;
                if (auto const* text = scalar(*until, "gates.contract.until_sql", "a query", comma_hint))
                    plan_.gate_until = read_select(*this, *until, *text,
                                                   "write one SELECT without a semicolon, which gives true or false");
            }
            return;
        }
        auto const* text = scalar(*gate, "gates.contract", "manual or none");
        if (text == nullptr) return;
        if (*text == "manual")
            plan_.contract_gate = Gate::manual;
        else if (*text == "none")
            plan_.contract_gate = Gate::none;
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
            plan_.approvals = number;
    }

    void read_drop(YamlNode const& node) {
        if (!is_mapping(node, "drop")) return;
        auto const found = check_keys(node, keys::drop, "drop");
        check_required(node, found, keys::drop);
        if (auto const* time = found.at("quarantine"))
            read_time(*this, *time, "drop.quarantine", keys::quarantine, plan_.quarantine);
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
            plan_.backup = *text;
    }

    void read_fire_triggers(YamlNode const& node) {
        auto const* text = scalar(node, "fire_triggers", "yes or no");
        if (text == nullptr) return;
        if (*text != "yes" && *text != "no")
            say(Code::bad_value, node, "\"fire_triggers\" cannot be " + quote(*text), "write yes or no");
        plan_.fire_triggers = *text != "no";
        plan_.fire_triggers_at = node.place;
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
            if (good) plan_.session.push_back(std::move(setting));
        }
        std::sort(plan_.session.begin(), plan_.session.end(),
                  [](PlanSetting const& a, PlanSetting const& b) { return a.name < b.name; });
    }

    void read_role(YamlNode const& node) {
        auto const* text = scalar(node, "role", "the name of a role");
        if (text == nullptr) return;
        plan_.role = Ident::make(*text);
        plan_.role_at = node.place;
        if (!plan_.role)
            say(Code::bad_name, node, quote(*text) + " cannot be the name of a role",
                "write it as it is stored, in 1 to 63 bytes");
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

    void read_notify(YamlNode const& node) {
        if (!is_mapping(node, "notify")) return;
        auto const found = check_keys(node, keys::notify, "notify");
        auto& notify = plan_.notify;
        if (auto const* webhook = found.at("webhook"))
            if (auto const* text = scalar(*webhook, "notify.webhook", "an address", comma_hint)) {
                notify.webhook = *text;
                if (!text->starts_with('$'))
                    check_url(*this, *webhook, "notify.webhook", *text);
                else if (!is_variable(text->substr(1)))
                    say(Code::bad_value, *webhook, quote(*text) + " does not name an environment variable",
                        "write $NAME, of letters, digits and underscores");
            }
        if (auto const* command = found.at("command")) read_command(*command);
        if (auto const* held = found.at("held")) {
            Millis time{};
            if (held->kind == YamlKind::scalar && held->text == "none")
                notify.held.reset();
            else if (read_time(*this, *held, "notify.held", keys::notify_held, time))
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
        auto& command = plan_.notify.command;
        plan_.notify.command_at = node.place;
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
            plan_.settings.replicas.push_back(std::move(replica));
        }
    }

    std::string read_replica_name(YamlNode const& node, std::string_view what) {
        auto const* text = scalar(node, what, "the name of a replica");
        if (text == nullptr) return {};
        // The server keeps 63 bytes of an application_name, and puts ? for what is not ASCII.
        bool const plain = !text->empty() && text->size() <= 63 &&
                           std::all_of(text->begin(), text->end(), [](char c) { return c >= 0x20 && c < 0x7F; });
        bool const taken = std::any_of(plan_.settings.replicas.begin(), plan_.settings.replicas.end(),
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

    Plan& plan_;
};

bool is_setting_name(std::string_view text) {
    return !text.empty() &&
           std::all_of(text.begin(), text.end(), [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; });
}

void read_group(NodeReader& reader, std::string_view group, YamlNode const& node, Settings& into) {
    if (group == "batch") read_batch(reader, node, into);
    if (group == "throttle") read_throttle(reader, node, into.throttle);
    if (group == "locks") read_locks(reader, node, into);
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

}  // namespace

void read_settings(NodeReader& reader, Found const& top, Plan& into) { SettingsReader{reader, into}.read(top); }

void read_batch(NodeReader& reader, YamlNode const& node, Settings& into) {
    if (!reader.is_mapping(node, "batch")) return;
    auto const found = reader.check_keys(node, keys::batch, "batch");
    if (auto const* target = found.at("target"))
        read_time(reader, *target, "batch.target", keys::batch_target, into.batch_target);
    if (auto const* order = found.at("order")) {
        auto const* text = reader.scalar(*order, "batch.order", "auto or plain");
        if (text != nullptr && *text != "auto" && *text != "plain")
            reader.say(Code::bad_value, *order, "\"batch.order\" cannot be " + quote(*text), "write auto or plain");
        into.plain = text != nullptr && *text == "plain";
    }
    auto const* workers = found.at("workers");
    auto const* text = workers != nullptr ? reader.scalar(*workers, "batch.workers", "auto or a number") : nullptr;
    if (text == nullptr) return;
    if (*text == "auto") {
        into.workers = std::nullopt;
        return;
    }
    int number = 0;
    auto const [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
    if (error != std::errc{} || end != text->data() + text->size() || number < 1 || number > keys::workers_max)
        reader.say(Code::bad_value, *workers, "\"batch.workers\" cannot be " + quote(*text),
                   "write auto, or a number from 1 to 8");
    else
        into.workers = number;
}

void read_locks(NodeReader& reader, YamlNode const& node, Settings& into) {
    if (!reader.is_mapping(node, "locks")) return;
    auto const found = reader.check_keys(node, keys::locks, "locks");
    if (auto const* timeout = found.at("timeout"))
        read_time(reader, *timeout, "locks.timeout", keys::lock_timeout, into.lock_timeout);
    if (auto const* give_up = found.at("give_up"))
        read_time(reader, *give_up, "locks.give_up", keys::lock_give_up, into.lock_give_up);
    auto const* on_blocked = found.at("on_blocked");
    auto const* text = on_blocked != nullptr ? reader.scalar(*on_blocked, "locks.on_blocked", "wait") : nullptr;
    if (text == nullptr) return;
    if (*text == "cancel")
        into.on_blocked = OnBlocked::cancel;
    else if (*text == "terminate")
        into.on_blocked = OnBlocked::terminate;
    else if (*text == "wait")
        into.on_blocked = OnBlocked::wait;
    else
        reader.say(Code::bad_value, *on_blocked, "\"locks.on_blocked\" cannot be " + quote(*text),
                   "write wait, cancel or terminate");
}

bool read_time(NodeReader& reader, YamlNode const& node, std::string_view what, keys::Bounds const& bounds,
               Millis& into) {
    auto const* text = reader.scalar(node, what, "a duration such as 100ms");
    if (text == nullptr) return false;
    auto const time = read_duration(*text);
    if (!time) {
        reader.say(Code::bad_value, node, quote(what) + " cannot be " + quote(*text),
                   "write a whole number and a unit (ms, s, m, h, d), such as 100ms");
        return false;
    }
    if (*time < bounds.least || (bounds.most && *time > *bounds.most)) {
        auto const allowed = bounds.most ? "between " + duration(bounds.least) + " and " + duration(*bounds.most)
                                         : duration(bounds.least) + " or more";
        reader.say(Code::bad_value, node, quote(what) + " cannot be " + *text, "it must be " + allowed);
        return false;
    }
    into = *time;
    return true;
}

void check_url(NodeReader& reader, YamlNode const& node, std::string const& what, std::string const& url) {
    auto const scheme = url.starts_with("http://") ? 7U : url.starts_with("https://") ? 8U : 0U;
    auto const host = std::string_view{url}.substr(scheme);
    auto const authority = host.substr(0, host.find_first_of("/?#"));
    bool const plain = std::all_of(url.begin(), url.end(), [](char c) { return c > 0x20 && c < 0x7F; });
    if (authority.find('@') != std::string_view::npos)
        reader.say(Code::bad_value, node, quote(what) + " holds a user or a password",
                   "a plan holds no password: let the address be reachable without one from where weir runs");
    else if (scheme == 0 || authority.empty() || !plain)
        reader.say(Code::bad_value, node, quote(what) + " cannot be " + quote(url),
                   "write http://HOST:PORT/PATH or https://…");
}

std::optional<UserExpr> read_select(NodeReader& reader, YamlNode const& node, std::string const& text,
                                    std::string hint) {
    auto declared = declare_expression("(" + text + "\n)", node.place);
    if (auto* expression = std::get_if<UserExpr>(&declared)) return std::move(*expression);
    auto& problem = std::get<Problem>(declared);
    problem.hint = std::move(hint);
    reader.say(std::move(problem));
    return std::nullopt;
}

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
    NodeReader reader{problems};
    auto const before = base;
    if (problems.empty() && document.root && document.root->members.size() == 1)
        read_group(reader, group, document.root->members.front().value, base);
    else if (problems.empty())
        return unknown("write KEY VALUE, such as throttle.replication_lag 5s");
    for (auto& problem : problems) problem.place = {};
    if (problems.empty()) problems = only_the_plan_may(before, base);
    if (!problems.empty()) return std::move(problems);
    return base;
}

}  // namespace weir
