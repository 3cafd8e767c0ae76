// The JSON Schema of the plan file. It is for editors: the reader is stricter in what a schema cannot say (SQL,
// bounds).
#include <algorithm>
#include <boost/json.hpp>
#include <span>
#include <string>

#include "plans/keys.h"
#include "plans/kinds.h"
#include "plans/reader.h"

namespace weir {
namespace {

namespace json = boost::json;
using keys::Key;
using keys::Use;

json::object described(std::string_view meaning, json::object schema) {
    json::object whole{{"description", meaning}};
    for (auto& member : schema) whole.insert(member);
    return whole;
}

json::object reference(std::string_view definition) { return {{"$ref", "#/$defs/" + std::string{definition}}}; }

json::object closed_object(json::object properties, json::array required) {
    json::object schema{{"type", "object"}, {"additionalProperties", false}};
    if (!required.empty()) schema["required"] = std::move(required);
    schema["properties"] = std::move(properties);
    return schema;
}

/// An object of a key table; `value` gives the schema of what stands under a key.
template <class F>
json::object from_keys(std::span<Key const> known, F value) {
    json::object properties;
    json::array required;
    for (auto const& key : known) {
        if (key.use == Use::later) continue;
        properties[key.name] = described(key.meaning, value(key.name));
        if (key.use == Use::required) required.emplace_back(key.name);
    }
    return closed_object(std::move(properties), std::move(required));
}

json::object one_of_words(std::initializer_list<std::string_view> words) {
    json::array values;
    for (auto const word : words) values.emplace_back(word);
    return {{"enum", std::move(values)}};
}

json::object operation_list(OperationTable operations, Level level, json::object& definitions) {
    json::object properties;
    for (auto const& row : operations)
        if (row.level == level) properties[row.name] = described(row.meaning, fields_schema(row.fields, definitions));
    json::object operation = closed_object(std::move(properties), {});
    operation["minProperties"] = 1;
    operation["maxProperties"] = 1;
    return {{"type", "array"}, {"items", std::move(operation)}};
}

json::object own_gate_schema(std::string_view key) {
    return key == "after" ? reference("duration") : json::object{{"type", "string"}};
}

json::object gate_schema(std::string_view) {
    auto own = from_keys(keys::gate, own_gate_schema);
    own["minProperties"] = 1;
    own["maxProperties"] = 1;
    return {{"anyOf", json::array{one_of_words({"manual", "none"}), std::move(own)}}};
}

json::object batch_schema(std::string_view key) {
    if (key == "target") return reference("duration");
    if (key == "order") return one_of_words({"auto", "plain"});
    return {{"anyOf", json::array{one_of_words({"auto"}),
                                  json::object{{"type", "integer"}, {"minimum", 1}, {"maximum", keys::workers_max}}}}};
}

json::object custom_schema(std::string_view key) {
    if (key == "name")
        return {{"type", "string"}, {"pattern", "^[a-z0-9-]{1," + std::to_string(keys::name_max) + "}$"}};
    if (key == "limit") return {{"type", "number"}, {"exclusiveMinimum", 0}};
    if (key == "url") return {{"type", "string"}, {"pattern", "^https?://"}};
    return {{"type", "string"}};
}

json::object list_of(json::object item) {
    return {{"type", "array"}, {"maxItems", keys::custom_signals_max}, {"items", std::move(item)}};
}

json::object throttle_schema(std::string_view key) {
    if (key == "sql") return list_of(from_keys(keys::sql_signal, custom_schema));
    if (key == "http") return list_of(from_keys(keys::http_signal, custom_schema));
    if (key == "prometheus") return list_of(from_keys(keys::prometheus_signal, custom_schema));
    auto const* const signal =
        std::find_if(keys::signals.begin(), keys::signals.end(), [&](auto const& s) { return s.name == key; });
    json::object value;
    switch (signal->measure) {
        case keys::Measure::time:
            value = reference("duration");
            break;
        case keys::Measure::size:
            value = {{"type", "string"}, {"pattern", "^[0-9]+(kB|MB|GB|TB)$"}};
            break;
        case keys::Measure::rate:
            value = {{"type", "string"}, {"pattern", "^[0-9]+(kB|MB|GB|TB)/s$"}};
            break;
        case keys::Measure::count:
            value = {{"type", "integer"}, {"minimum", static_cast<std::int64_t>(signal->least)}};
            break;
    }
    return {{"anyOf", json::array{one_of_words({"none"}), std::move(value)}}};
}

json::object locks_schema(std::string_view key) {
    return key == "on_blocked" ? one_of_words({"wait", "cancel", "terminate"}) : reference("duration");
}

json::object replica_schema(std::string_view) { return {{"type", "string"}, {"minLength", 1}}; }
json::object clock_schema(std::string_view pattern) { return {{"type", "string"}, {"pattern", pattern}}; }

json::object window_schema(std::string_view key) {
    if (key == "from") return clock_schema("^([01][0-9]|2[0-3]):[0-5][0-9]$");
    if (key == "to") return clock_schema("^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$");
    if (key == "timezone") return {{"type", "string"}};
    std::string day;
    for (auto const name : keys::days) day += (day.empty() ? "" : "|") + std::string{name};
    json::object const item{{"type", "string"}, {"pattern", "^(" + day + ")(-(" + day + "))?$"}};
    return {{"anyOf", json::array{item, json::object{{"type", "array"}, {"minItems", 1}, {"items", item}}}}};
}

json::object schedule_schema(std::string_view key) {
    if (key == "timezone") return {{"type", "string"}};
    if (key == "at") return clock_schema("^[0-9]{4}-[0-9]{2}-[0-9]{2} ([01][0-9]|2[0-3]):[0-5][0-9]$");
    auto const window = reference("window");
    return {{"anyOf", json::array{window, json::object{{"type", "array"}, {"minItems", 1}, {"items", window}}}}};
}

json::object notify_schema(std::string_view key) {
    json::object const text{{"type", "string"}, {"minLength", 1}};
    if (key == "webhook") return {{"type", "string"}, {"pattern", "^(https?://.+|\\$[A-Za-z_][A-Za-z0-9_]*)$"}};
    if (key == "held") return {{"anyOf", json::array{one_of_words({"none"}), reference("duration")}}};
    return {{"anyOf", json::array{text, json::object{{"type", "array"},
                                                     {"minItems", 1},
                                                     {"maxItems", keys::command_words_max},
                                                     {"items", text}}}}};
}

json::object session_schema(std::string_view key) {
    json::object const scalar{{"type", json::array{"string", "number", "boolean"}}};
    if (key != "search_path") return scalar;
    return {{"anyOf", json::array{json::object{{"type", "string"}, {"minLength", 1}},
                                  json::object{{"type", "array"},
                                               {"minItems", 1},
                                               {"maxItems", keys::schemas_max},
                                               {"items", reference("name")}}}}};
}

json::object top_schema(std::string_view key) {
    if (key == "weir") return {{"const", keys::format}};
    if (key == "name")
        return {{"type", "string"}, {"pattern", "^[a-z0-9-]{1," + std::to_string(keys::name_max) + "}$"}};
    if (key == "description") return {{"type", "string"}};
    if (key == "changes") return reference("changes");
    if (key == "gates") return from_keys(keys::gates, gate_schema);
    if (key == "drop") return from_keys(keys::drop, [](std::string_view) { return reference("duration"); });
    if (key == "backup")
        return from_keys(keys::backup, [](std::string_view) {
            return json::object{{"type", "string"}, {"minLength", 1}};
        });
    if (key == "batch") return from_keys(keys::batch, batch_schema);
    if (key == "locks") return from_keys(keys::locks, locks_schema);
    if (key == "approvals") return {{"type", "integer"}, {"minimum", 1}, {"maximum", keys::approvals_max}};
    if (key == "settings") return from_keys(keys::session, session_schema);
    if (key == "schedule") return from_keys(keys::schedule, schedule_schema);
    if (key == "notify") return from_keys(keys::notify, notify_schema);
    if (key == "fire_triggers") return one_of_words({"yes", "no"});
    if (key == "role") return reference("name");
    if (key == "replicas")
        return {{"type", "array"},
                {"maxItems", keys::replicas_max},
                {"items",
                 json::object{{"anyOf", json::array{replica_schema(key), from_keys(keys::replica, replica_schema)}}}}};
    if (key == "throttle")
        return {{"anyOf", json::array{one_of_words({"none"}), from_keys(keys::throttle, throttle_schema)}}};
    return reference("primitives");
}

json::object definitions(OperationTable operations) {
    json::object all;
    defined(FieldKind::column, all);
    auto changes = operation_list(operations, Level::change, all);
    auto primitives = operation_list(operations, Level::primitive, all);
    all["duration"] = json::object{{"description", "a whole number and a unit: ms, s, m, h or d"},
                                   {"type", "string"},
                                   {"pattern", "^[0-9]+(ms|s|m|h|d)$"}};
    all["window"] = from_keys(keys::window, window_schema);
    all["changes"] = std::move(changes);
    all["primitives"] = std::move(primitives);
    return all;
}

// Boost.JSON writes one line; people read this file and its differences.
void write(std::string& out, json::value const& value, std::size_t depth) {
    std::string const inner(2 * (depth + 1), ' ');
    std::string const outer(2 * depth, ' ');
    bool first = true;
    auto const begin = [&](char open) {
        out += first ? std::string{open} : std::string{","};
        out += '\n' + inner;
        first = false;
    };
    if (auto const* object = value.if_object(); object != nullptr && !object->empty()) {
        for (auto const& [key, member] : *object) {
            begin('{');
            out += json::serialize(json::string{key}) + ": ";
            write(out, member, depth + 1);
        }
        out += '\n' + outer + '}';
    } else if (auto const* array = value.if_array();
               array != nullptr && !array->empty() && array->front().is_object()) {
        for (auto const& item : *array) {
            begin('[');
            write(out, item, depth + 1);
        }
        out += '\n' + outer + ']';
    } else {
        out += json::serialize(value);
    }
}

}  // namespace

std::string plan_schema(OperationTable operations) {
    json::object schema{{"$schema", "https://json-schema.org/draft/2020-12/schema"}, {"title", "weir plan"}};
    for (auto& member : from_keys(keys::top, top_schema)) schema.insert(member);
    json::array any;
    for (auto const* key : {"changes", "expand", "backfill", "contract"})
        any.push_back(json::object{{"required", json::array{key}}});
    schema["anyOf"] = std::move(any);
    schema["$defs"] = definitions(operations);
    std::string text;
    write(text, schema, 0);
    return text + "\n";
}

}  // namespace weir
