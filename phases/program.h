#pragma once
/// A plan against a catalog: the walk over its operations in execution order, and the steps that come of it.
/// Everything here is pure: the same plan, catalog and run give the same program.
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "plans/catalog/catalog.h"
#include "plans/plan.h"
#include "plans/step.h"

namespace weir {

/// What holds for the tables of one owner.
struct Held {
    std::string owner;
    std::vector<TableName> tables;
    std::vector<SessionSetting> settings;
};

struct Program {
    RunId run{};
    std::string plan;
    std::vector<Held> held;               ///< what expressions and fired code see; of owners of whom there is any
    Steps steps;                          ///< in execution order, with ids
    bool gate{};                          ///< the run waits before contract
    std::optional<Millis> gate_after;     ///< it approves itself so long after it opened
    std::optional<UserExpr> gate_until;   ///< it approves itself when this is true
    Batch gate_session;                   ///< SET LOCAL for `gate_until`: what holds for the plan's first table
    int approvals{1};                     ///< so many database users must approve it
    Millis quarantine{};                  ///< how long the run rests before phase quarantine; 0: it has none
    std::vector<std::string> gate_notes;  ///< what the operator must know before approving it
    std::vector<Sql> gate_looks;          ///< see Operation::gate_look()
    /// Fingerprint of all of that which decides what happens, and of no wording; resume requires the same.
    std::string hash;
};

/// The tables that the plan names: what the catalog reader must read.
std::vector<TableName> tables_of(Plan const& plan);

/// The recipes of the operations that the plan names (OperationRow::recipe).
std::map<std::string, int> recipes_of(Plan const& plan);
/// Which of those that a run began with (`begun`) are others in this weir, for people: `fill (1 then, 2 now)`; empty:
/// none. A run of a weir that had no recipes yet has none.
std::string other_recipes(Plan const& plan, std::map<std::string, int> const& begun);

/// The questions whose answers validate() and compile() look up in the catalog.
Questions questions(Plan const& plan, Catalog const& catalog);

/// Everything that keeps the plan from being run against this catalog, sorted by place. An operation on a column that
/// an earlier operation already has a problem with is passed over, so that one mistake gives one message.
Problems validate(Plan const& plan, Catalog const& catalog);

/// REQUIRES validate() to be empty.
Program compile(Plan const& plan, Catalog const& catalog, RunId run);

/// Program::hash: over steps (kinds, locks, SQL, guards, probes, rows), gate and quarantine, and over no title, note or
/// hint. A weir before recipes took the fingerprint of to_text() for it.
std::string hash_of(Program const& program);

/// The world after the whole plan. REQUIRES validate() to be empty.
Catalog apply(Plan const& plan, Catalog catalog, RunId run);

/// What a step runs forward, as people are shown it: the pages of a batch stand as `…`.
Batch statements(Step const& step);

/// What `weir plan` prints, and what the golden cases hold.
std::string to_text(Program const& program);

}  // namespace weir
