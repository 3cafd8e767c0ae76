#pragma once
/// Reads the catalog for a plan, with the answers to its operations' questions.
#include <variant>

#include "orchestrator/postgres/ask.h"
#include "plans/catalog/catalog.h"
#include "plans/plan.h"

namespace weir {

/// The catalog of the plan's tables, judged. Leaves nothing behind on the server.
std::variant<Catalog, Problem> read_world(Asker& asker, Plan const& plan);

}  // namespace weir
