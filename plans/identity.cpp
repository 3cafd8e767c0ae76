#include "plans/identity.h"

#include <algorithm>
#include <boost/json.hpp>

namespace weir {
namespace {

namespace json = boost::json;

json::value canonical(FieldValue const& value) {
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

json::object canonical(ReadOperation const& read) {
    json::object fields;
    for (auto const& [field, value] : read.values.values) fields[field] = canonical(value.first);
    return {{read.row->name, std::move(fields)}};
}

}  // namespace

std::string identity(Frame const& frame) {
    auto const& plan = frame.plan;
    json::object whole;
    json::array changes;
    for (auto const& read : frame.changes) changes.push_back(canonical(read));
    whole["changes"] = std::move(changes);
    for (auto const phase : {Phase::expand, Phase::backfill, Phase::contract}) {
        json::array listed;
        for (auto const& read : frame.lists)
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

}  // namespace weir
