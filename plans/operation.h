#pragma once
/// The interface of an operation, and the table row by which the plan reader finds it.
///
/// An operation is immutable. validate() and compile() look at the world as it is just before the operation, apply()
/// makes it what it is just after; the program (phases/program.h) walks all operations in execution order.
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "plans/catalog/catalog.h"
#include "plans/field.h"
#include "plans/problem.h"
#include "plans/step.h"

namespace weir {

/// A column that an operation writes or changes; used to refuse two changes of one column in one plan, and to spare
/// the user follow-up problems.
struct Touched {
    TableName table;
    std::string column;
    auto operator<=>(Touched const&) const = default;
};

class Operation {
  public:
    virtual ~Operation() = default;
    /// The expressions that it needs judged by the server, given the world before it.
    virtual Questions questions(Catalog const&) const { return {}; }
    /// Everything that keeps it from being applied here, each with a hint. Empty: compile() and apply() may be called.
    virtual Problems validate(Catalog const&) const = 0;
    /// REQUIRES validate() to be empty. Ids are given by the program. Pure: the same arguments give the same steps. A
    /// fill or a proof at their beginning, and a vacuum, are what the operation wants of a table: the program makes one
    /// of those of all changes in a phase (phases/join.h).
    virtual Steps compile(Catalog const&, RunId) const = 0;
    virtual void apply(Catalog&, RunId) const = 0;
    virtual std::vector<Touched> touches() const = 0;
    /// Columns that are there, or hold what they are to hold, by this alone; and columns that it needs so. A change
    /// that reads what another one makes comes after it, wherever it stands under `changes`. An empty column is the
    /// table.
    virtual std::vector<Touched> makes() const { return {}; }
    virtual std::vector<Touched> reads() const { return {}; }
    /// What is wrong with the world that the whole plan leaves behind, as far as this operation is concerned.
    virtual Problems validate_outcome(Catalog const&) const { return {}; }
    /// The application must have been deployed before this may run in contract: the default gate is manual then.
    virtual bool needs_gate(Catalog const&) const { return false; }
    /// What the operator must know before the contract gate is approved: `users.name is dropped`; empty for nothing.
    virtual std::vector<std::string> gate_notes(Catalog const&) const { return {}; }
    /// Asked again and again while the gate is open: a SELECT that gives (about, message, hint) for each thing that
    /// people did meanwhile and should know of. What it says about the same for the second time is told seldom.
    virtual std::optional<Sql> gate_look(Catalog const&, RunId) const { return std::nullopt; }
};

/// One operation in the phase where it runs.
struct Part {
    Phase phase{};
    std::shared_ptr<Operation const> operation;
    int change{};   ///< which item of `changes` it comes from, counted from 1; 0 for a phase list. The reader sets it.
    Place place{};  ///< of the operation's name in the plan; the reader sets it, too
    std::string_view of{};  ///< the operation's name in the table, and its recipe: the reader sets them
    int recipe{};
};

enum class Level {
    change,     ///< stands under `changes` and spreads over the phases
    primitive,  ///< stands in a phase list and runs there
};

/// What an operation is built in, beside its own fields.
struct BuildContext {
    Phase listed{};       ///< the phase list that a primitive stands in; a change ignores it
    Millis quarantine{};  ///< the plan's `drop.quarantine`; 0: what is dropped is dropped at once
};

struct OperationRow {
    std::string_view name;
    Level level;
    std::span<FieldSpec const> fields;
    /// The parts of which it is made, in order. Pure.
    std::vector<Part> (*build)(FieldValues const&, BuildContext const&);
    std::string_view meaning;
    /// Counts up with each change of the steps that it compiles to, or of what they do. A run is finished by the
    /// recipes that it was begun with: a weir that has others refuses it.
    int recipe{1};
};

/// phases/operations.h holds the table; main hands it to the reader.
using OperationTable = std::span<OperationRow const>;

}  // namespace weir
