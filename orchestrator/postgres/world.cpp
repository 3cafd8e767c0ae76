#include "orchestrator/postgres/world.h"

#include <algorithm>

#include "orchestrator/postgres/catalog_reader.h"
#include "orchestrator/postgres/judge.h"
#include "orchestrator/postgres/settings.h"
#include "phases/craft/role.h"
#include "phases/craft/settings.h"
#include "phases/program.h"

namespace weir {
namespace {

/// What the expressions of the question see; nothing for one that is about no table.
Batch session_for(Question const& question, Plan const& plan, Catalog const& catalog) {
    TableName const* name = nullptr;
    if (auto const* expression = std::get_if<ExpressionQuestion>(&question)) name = &expression->table;
    if (auto const* mapping = std::get_if<MappingQuestion>(&question)) name = &mapping->table;
    Table const* table = name == nullptr ? nullptr : catalog.find(*name);
    if (table == nullptr) return {};
    auto session = hold(settings_of(plan, *table));
    if (plan.role) session.insert(session.begin(), sql("SET LOCAL ROLE {0}", *plan.role));
    return session;
}

/// A role that the plan names and weir cannot be, or that has no rights: expressions could not be judged as it.
bool no_such_role(Plan const& plan, Catalog const& catalog) {
    return plan.role && std::any_of(catalog.answers.begin(), catalog.answers.end(), [](auto const& one) {
               auto const& role = one.second.role;
               return role && !(role->exists && role->may_become && role->owns);
           });
}

/// What only reads is asked again when others' DDL met it crosswise, or took an object away while it was described.
Outcome ask_again(Asker& asker, Batch const& batch) {
    auto const crossed = [](Outcome const& outcome) {
        return outcome.fate == Fate::deadlock || (outcome.fate == Fate::refused && outcome.sqlstate == "XX000");
    };
    auto outcome = asker.ask(batch);
    for (int tries = 1; tries < 5 && crossed(outcome); ++tries) outcome = asker.ask(batch);
    return outcome;
}

/// Values that the server does not take; with them it would refuse whatever else is asked.
bool any_refused(Questions const& asked, Catalog const& catalog) {
    return std::any_of(asked.begin(), asked.end(), [&](Question const& question) {
        auto const found = catalog.answers.find(question);
        return found != catalog.answers.end() && !found->second.sqlstate.empty();
    });
}

}  // namespace

std::variant<Catalog, Problem> read_world(Asker& asker, Plan const& plan) {
    auto const document = ask_again(asker, catalog_query(tables_of(plan)));
    if (document.fate != Fate::done || document.rows.empty()) return problem_of(document, "cannot read the catalog");
    auto parsed = catalog_from_json(document.rows[0].fields[0].value_or(""));
    if (auto* problem = std::get_if<Problem>(&parsed)) return *problem;
    auto catalog = std::get<Catalog>(std::move(parsed));
    auto settings = settings_answer(ask_again(asker, settings_batch(tables_of(plan))));
    if (auto* problem = std::get_if<Problem>(&settings)) return *problem;
    for (auto& [name, table] : catalog.tables) {
        auto const& by_owner = std::get<0>(settings);
        if (auto const found = by_owner.find(table.owner); found != by_owner.end()) table.settings = found->second;
    }
    auto const own = setting_questions(plan);
    for (auto const& questions : {own, role_questions(plan, catalog)})
        for (auto const& question : questions)
            catalog.answers.emplace(question, judge_answer(question, ask_again(asker, judge_batch(question))));
    if (any_refused(own, catalog) || no_such_role(plan, catalog)) return catalog;
    // An answer may let a later operation ask: walk until nobody asks anything new.
    for (bool asked = true; asked;) {
        asked = false;
        for (auto const& question : questions(plan, catalog)) {
            if (catalog.answers.contains(question)) continue;
            asked = true;
            catalog.answers.emplace(
                question,
                judge_answer(question, ask_again(asker, judge_batch(question, session_for(question, plan, catalog),
                                                                    plan.role ? plan.role->text() : std::string{}))));
        }
    }
    return catalog;
}

}  // namespace weir
