#include "phases/craft/role.h"

#include <algorithm>
#include <boost/algorithm/string/join.hpp>

#include "phases/craft/subject.h"

namespace weir {
namespace {

bool is_changed(Part const& part, TableName const& table) {
    auto const touched = part.operation->touches();
    return std::any_of(touched.begin(), touched.end(), [&](Touched const& t) { return t.table == table; });
}

RoleQuestion question(Plan const& plan, TableName const& table) {
    return {table, plan.role ? plan.role->text() : std::string{}};
}

std::string grant(std::string const& role) {
    return "GRANT \"" + role + "\" TO the role that weir uses (from PostgreSQL 16 on WITH INHERIT TRUE, SET TRUE)";
}

void refuse(Plan const& plan, TableName const& name, RoleAnswer const& found, Place const& place, Problems& problems) {
    auto const say = [&](Code code, std::string message, std::string hint) {
        Problem problem{code, plan.role ? plan.role_at : place, std::move(message), std::move(hint)};
        if (std::find(problems.begin(), problems.end(), problem) == problems.end())
            problems.push_back(std::move(problem));
    };
    auto const& role = found.role;
    if (!found.exists) {
        auto const near = nearest(role, {found.roles.begin(), found.roles.end()});
        say(Code::bad_value, "\"role\" cannot be \"" + role + "\": the server has no such role",
            near.empty() ? "names are written as stored, without SQL quotes or folding" : "did you mean " + near + "?");
        return;
    }
    if (!found.may_become)
        say(Code::no_privilege, "the connected role may not become " + role + ", which changes " + name.text(),
            grant(role) + (plan.role ? "" : ", or name another role in the plan: role: …"));
    if (!found.owns)
        say(Code::no_privilege, "role " + role + " does not own table " + name.text(),
            "name the table's owner or a member of it, or leave role out");
    for (auto const& part : found.not_owned)
        say(Code::no_privilege,
            "role " + role + " changes " + name.text() + ", and does not own its partition or child " + part,
            "ALTER TABLE … OWNER TO \"" + role + "\", or name a role that may change both: role: …");
    if (!found.uses_schema)
        say(Code::no_privilege, "role " + role + " may not use schema " + name.schema.text(),
            "GRANT USAGE ON SCHEMA \"" + name.schema.text() + "\" TO \"" + role + "\"");
    if (!found.uses_plpgsql)
        say(Code::no_privilege,
            "role " + role + " may not use the language plpgsql, in which weir's checks are written",
            "GRANT USAGE ON LANGUAGE plpgsql TO \"" + role + "\"");
    if (plan.role && found.sees_some_rows)
        say(Code::no_privilege,
            "row-level security is forced on " + name.text() + ", and batches that run as " + role +
                " would not see every row",
            "leave role out, if weir's own role has BYPASSRLS, or name a role that has");
}

}  // namespace

Ident role_for(Plan const& plan, Table const& table) { return plan.role ? *plan.role : Ident::of(table.owner); }

Batch by_role(Ident const& role, Batch const& batch) {
    Batch all;
    auto now = By::weir;
    auto const become = [&](By by) {
        if (by == now) return;
        all.push_back(by == By::owner ? sql("SET LOCAL ROLE {0}", role) : sql("RESET ROLE"));
        now = by;
    };
    for (auto const& statement : batch) {
        become(statement.by());
        all.push_back(statement);
    }
    become(By::weir);
    return all;
}

Questions role_questions(Plan const& plan, Catalog const& catalog) {
    Questions asked;
    for (auto const& [name, table] : catalog.tables)
        if (table.kind == "r" || table.kind == "p") asked.emplace_back(question(plan, name));
    return asked;
}

Problems refused_roles(Plan const& plan, Catalog const& catalog) {
    Problems problems;
    for (auto const& [name, table] : catalog.tables) {
        Answer const* judged = answer(catalog, question(plan, name));
        if (judged == nullptr || !judged->role || (!table.owned_by_us && judged->role->exists)) continue;
        auto const part =
            std::find_if(plan.parts.begin(), plan.parts.end(), [&](Part const& p) { return is_changed(p, name); });
        if (part != plan.parts.end()) refuse(plan, name, *judged->role, part->place, problems);
    }
    return problems;
}

}  // namespace weir
