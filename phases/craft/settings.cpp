#include "phases/craft/settings.h"

#include <algorithm>

#include "phases/craft/subject.h"

namespace weir {
namespace {

Question question(PlanSetting const& setting) {
    std::vector<std::string> schemas;
    for (auto const& schema : setting.schemas)
        if (schema != "$user") schemas.push_back(schema);
    return SettingQuestion{setting.name, setting.value, std::move(schemas)};
}

/// `$user` would be weir's own role.
std::string value_for(PlanSetting const& setting, std::string const& owner) {
    if (setting.schemas.empty()) return setting.value;
    std::vector<Sql> path;
    for (auto const& schema : setting.schemas)
        path.push_back(sql("{0}", Ident::of(schema == "$user" ? owner : schema)));
    return Sql::join(path, ", ").text();
}

}  // namespace

std::vector<SessionSetting> settings_of(Plan const& plan, Table const& table) {
    auto all = table.settings;
    for (auto const& setting : plan.session) {
        std::erase_if(all, [&](SessionSetting const& s) { return s.name == setting.name; });
        all.push_back({setting.name, value_for(setting, table.owner), "the plan"});
    }
    std::sort(all.begin(), all.end(), [](auto const& a, auto const& b) { return a.name < b.name; });
    return all;
}

Batch hold(std::vector<SessionSetting> const& settings, bool local) {
    std::vector<Sql> calls;
    Sql const is_local = local ? sql("true") : sql("false");
    for (auto const& setting : settings)
        if (!setting.hidden)
            calls.push_back(
                sql("pg_catalog.set_config({0}, {1}, {2})", Value{setting.name}, Value{setting.value}, is_local));
    if (calls.empty()) return {};
    return {sql("SELECT {0}", Sql::join(calls, ", "))};
}

Questions setting_questions(Plan const& plan) {
    Questions asked;
    for (auto const& setting : plan.session) asked.push_back(question(setting));
    return asked;
}

Problems refused_settings(Plan const& plan, Catalog const& catalog) {
    Problems problems;
    for (auto const& setting : plan.session) {
        Answer const* judged = answer(catalog, question(setting));
        if (judged == nullptr || judged->sqlstate.empty()) continue;
        bool const path = setting.name == "search_path";
        problems.push_back({Code::bad_value, setting.place,
                            "the server refuses settings." + setting.name + ": " + judged->error,
                            path ? "names are written as stored, without SQL quotes or folding"
                                 : "SET " + setting.name + " TO … in psql tries a value"});
    }
    return problems;
}

Problems hidden_settings(Plan const& plan, Table const& table, Place const& place) {
    Problems problems;
    for (auto const& setting : settings_of(plan, table))
        if (setting.hidden)
            problems.push_back({Code::missing_key, place,
                                "the key \"settings." + setting.name + "\" is missing: what a session of " +
                                    table.owner + " has cannot be seen behind " + setting.from,
                                "say it in the plan, such as settings: { " + setting.name + ": \"" + setting.value +
                                    "\" }, or take it from " + setting.from});
    return problems;
}

std::string to_text(SessionSetting const& setting) {
    return setting.name + " = " + (setting.value.empty() ? "''" : setting.value) + " (" + setting.from + ")";
}

}  // namespace weir
