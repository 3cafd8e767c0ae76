#include "plans/identity.h"

#include <algorithm>
#include <boost/json.hpp>

namespace weir {
namespace {

namespace json = boost::json;

json::object canonical(FieldValues const& values);

json::string text(std::string const& written) { return json::string{written}; }

/// The order of a mapping means nothing.
template <class T>
json::value by_name(std::vector<std::pair<Ident, T>> members) {
    std::sort(members.begin(), members.end(), [](auto const& a, auto const& b) { return a.first < b.first; });
    json::object sorted;
    for (auto const& [name, value] : members) {
        if constexpr (std::is_same_v<T, std::string>)
            sorted[name.text()] = value;
        else
            sorted[name.text()] = value.text();
    }
    return sorted;
}

json::value canonical(FieldValue const& value) {
    struct Writer {
        json::value operator()(TableName const& table) const {
            return json::array{table.schema.text(), table.name.text()};
        }
        json::value operator()(Ident const& name) const { return text(name.text()); }
        json::value operator()(TypeName const& type) const { return text(type.text()); }
        json::value operator()(UserExpr const& expression) const { return text(expression.text()); }
        json::value operator()(Statement const& statement) const { return text(statement.text()); }
        json::value operator()(bool yes) const { return yes; }
        json::value operator()(Word const& word) const { return text(std::string{word.text}); }
        json::value operator()(std::string const& written) const { return text(written); }
        json::value operator()(std::int64_t number) const { return number; }
        json::value operator()(QualifiedName const& name) const {
            if (!name.schema) return text(name.name.text());
            return json::array{name.schema->text(), name.name.text()};
        }
        json::value operator()(std::vector<Ident> const& names) const {
            json::array all;
            for (auto const& name : names) all.push_back(text(name.text()));
            return all;
        }
        json::value operator()(std::vector<std::string> const& texts) const {
            json::array all;
            for (auto const& each : texts) all.push_back(text(each));
            return all;
        }
        json::value operator()(FieldAssignments const& assignments) const { return by_name(assignments); }
        json::value operator()(Parameters const& parameters) const { return by_name(parameters); }
        json::value operator()(Record const& record) const { return canonical(*record); }
        json::value operator()(Records const& records) const {
            json::array all;
            for (auto const& record : records) all.push_back(canonical(*record));
            return all;
        }
    };
    return std::visit(Writer{}, value);
}

json::object canonical(FieldValues const& values) {
    json::object fields;
    for (auto const& [name, field] : values.values)
        if (!field.standard) fields[name] = canonical(field.value);
    return fields;
}

json::object canonical(ReadOperation const& read) { return {{read.row->name, canonical(read.values)}}; }

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
    if (plan.role) whole["role"] = plan.role->text();
    // Where it is written to may change.
    if (!plan.backup.empty()) whole["backup"] = true;
    return json::serialize(whole);
}

}  // namespace weir
