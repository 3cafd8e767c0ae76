#include "orchestrator/postgres/world.h"

#include "orchestrator/postgres/catalog_reader.h"
#include "orchestrator/postgres/judge.h"
#include "phases/program.h"

namespace weir {

std::variant<Catalog, Problem> read_world(Asker& asker, Plan const& plan) {
    auto const document = asker.ask(catalog_query(tables_of(plan)));
    if (document.fate != Fate::done || document.rows.empty()) return problem_of(document, "cannot read the catalog");
    auto parsed = catalog_from_json(document.rows[0].fields[0].value_or(""));
    if (auto* problem = std::get_if<Problem>(&parsed)) return *problem;
    auto catalog = std::get<Catalog>(std::move(parsed));
    // An answer may let a later operation ask: walk until nobody asks anything new.
    for (bool asked = true; asked;) {
        asked = false;
        for (auto const& question : questions(plan, catalog)) {
            if (catalog.answers.contains(question)) continue;
            asked = true;
            catalog.answers.emplace(question, judge_answer(question, asker.ask(judge_batch(question))));
        }
    }
    return catalog;
}

}  // namespace weir
