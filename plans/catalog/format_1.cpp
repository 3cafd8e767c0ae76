#include "plans/catalog/format_1.h"

#include <map>
#include <stdexcept>
#include <string>
#include <tuple>

namespace weir {
namespace {

namespace json = boost::json;

/// Schema and name, then a name of its own: as they are sorted.
using KeyName = std::tuple<std::string, std::string, std::string>;

std::string text(json::value const& v) { return json::value_to<std::string>(v); }

json::array& list(json::object& of, json::string_view name) {
    auto& value = of[name];
    if (value.is_null()) value.emplace_array();
    return value.as_array();
}

bool truth(json::object const& of, json::string_view name) {
    auto const* value = of.if_contains(name);
    return value != nullptr && value->as_bool();
}

KeyName name_of(json::object const& key) {
    auto const& table = key.at("table").as_array();
    return {text(table.at(0)), text(table.at(1)), text(key.at("name"))};
}

void gather_dependents(json::object& table) {
    std::map<std::pair<std::string, std::string>, json::array> columns;
    for (auto& item : list(table, "columns")) {
        auto& column = item.as_object();
        for (auto const& dependent : list(column, "dependents"))
            columns[{text(dependent.at("kind")), text(dependent.at("identity"))}].push_back(column.at("name"));
        column.erase("dependents");
    }
    auto& dependents = list(table, "dependents");
    for (auto& [what, on] : columns)
        dependents.push_back({{"what", {{"kind", what.first}, {"identity", what.second}}}, {"columns", std::move(on)}});
}

/// From the keys and the constraints of a table.
std::map<KeyName, json::object> foreign_keys(json::object& table) {
    std::map<KeyName, json::object> keys;
    auto const& own_name = table.at("name");
    for (auto const& item : list(table, "foreign_keys")) {
        auto const& old = item.as_object();
        bool const theirs = truth(old, "refers_to_us");
        auto& key = keys[name_of(old)];
        for (auto const* same : {"name", "table", "on_delete"})
            if (auto const* value = old.if_contains(same)) key[same] = *value;
        key[theirs ? "theirs" : "ours"] = true;
        if (auto const* columns = old.if_contains("columns")) key[theirs ? "to_columns" : "columns"] = *columns;
        if (theirs)
            key["to"] = own_name;
        else
            key.emplace("to", json::array{"-", "-"});
    }
    json::array rest;
    for (auto& item : list(table, "constraints")) {
        auto& constraint = item.as_object();
        auto const definition = constraint.contains("definition") ? text(constraint.at("definition")) : "";
        if (text(constraint.at("kind")) == "f") {
            auto const found = keys.find({text(own_name.at(0)), text(own_name.at(1)), text(constraint.at("name"))});
            if (found == keys.end()) continue;
            found->second["definition"] = definition;
            if (auto const* validated = constraint.if_contains("validated")) found->second["validated"] = *validated;
            continue;
        }
        if (definition.find(" DEFERRABLE") != std::string::npos &&
            definition.find(" NOT DEFERRABLE") == std::string::npos)
            constraint["deferrable"] = true;
        rest.push_back(std::move(item));
    }
    table["constraints"] = std::move(rest);
    return keys;
}

/// From the answer to a DropQuestion, which knows more of those that lead elsewhere.
void add_references(json::object& answer, json::object const& table, std::map<KeyName, json::object>& keys,
                    std::map<KeyName, json::object>& ends) {
    auto* const belongings = answer.if_contains("belongings");
    if (belongings == nullptr || !belongings->is_object()) return;
    if (auto const* owner = table.if_contains("owner")) belongings->as_object()["role"] = *owner;
    json::array may_not_refer;
    for (auto const& item : list(belongings->as_object(), "references")) {
        auto old = item.as_object();
        auto const& to = old.at("to").as_array();
        json::object end{
            {"name", to}, {"kind", truth(old, "to_partitioned") ? "p" : "r"}, {"may_lock", truth(old, "may_lock")}};
        if (auto const* refers = old.if_contains("to_refers")) end["refers"] = *refers;
        ends[{text(to.at(0)), text(to.at(1)), ""}] = std::move(end);
        if (!truth(old, "may_refer")) may_not_refer.push_back(to);
        for (auto const* there : {"to_partitioned", "may_lock", "may_refer", "to_refers"}) old.erase(there);
        for (auto const* absent_was_false : {"validated", "plain"})
            old[absent_was_false] = truth(old, absent_was_false);
        old["ours"] = true;
        auto const key = name_of(old);
        keys[key] = std::move(old);
    }
    belongings->as_object().erase("references");
    belongings->as_object()["may_not_refer"] = std::move(may_not_refer);
}

}  // namespace

bool from_format_1(json::value& document) try {
    auto& root = document.as_object();
    std::map<KeyName, json::object> ends;
    for (auto& item : list(root, "tables")) {
        auto& table = item.as_object();
        gather_dependents(table);
        for (auto& index : list(table, "indexes"))
            if (text(index.at("definition")).starts_with("CREATE UNIQUE")) index.as_object()["unique"] = true;
        auto keys = foreign_keys(table);
        for (auto& answer : list(root, "answers")) {
            auto const& question = answer.at("question");
            if (text(question.at("kind")) == "drop" && question.at("table") == table.at("name"))
                add_references(answer.as_object(), table, keys, ends);
        }
        auto& all = table["foreign_keys"].emplace_array();
        for (auto& [name, key] : keys) all.push_back(std::move(key));
    }
    auto& neighbours = list(root, "neighbours");
    for (auto& [name, end] : ends) neighbours.push_back(std::move(end));
    return true;
} catch (std::exception const&) {
    return false;
}

}  // namespace weir
