#pragma once
/// What a person reads when the server did not do what it was told: the code, the words and the advice, by fate and
/// SQLSTATE. Pure.
#include <cstdint>
#include <optional>
#include <string>

#include "orchestrator/machine/protocol.h"
#include "plans/problem.h"

namespace weir {

/// What was tried, as far as the advice depends on it.
struct Attempt {
    enum class Work : std::uint8_t {
        statement,  ///< of a step: all of it or nothing
        alone,      ///< the same, and what failed may be there in part
        batches,    ///< that write or count the rows of a table
        deletions,  ///< the same, and the rows are deleted
    };
    enum class Way : std::uint8_t {
        forward,        ///< an abort would undo the run
        forward_alone,  ///< no undo brings back what is gone already
        undo,
        weighed_undo,  ///< what it loses was counted
    };
    std::string step;  ///< `step expand.1 (add users.full_name)`; empty: none yet
    std::string plan;
    std::string table;     ///< of `batches` and `deletions`
    std::string way_back;  ///< the command that undoes: `weir abort users-full-name`
    Work work{};
    Way way{};
};

/// Why the run stops.
Problem refusal(Outcome const& outcome, Attempt const& attempt);

/// Why a rollback of `plan` is not begun, where it is one of weir's own doors that says so; else nothing.
std::optional<Problem> rollback_refusal(Outcome const& outcome, std::string const& plan);

/// Why a run that waits at its gate stops: the fence cannot be asked any more.
Problem ledger_gone(Outcome const& outcome);

/// Why a run stops that was asked to.
Problem interrupted();

/// Why a run stops whose control session is gone; `message`: what the connection said.
Problem control_lost(std::string const& message);

/// What to do about a change that weir's own functions refuse.
std::string advice_of(Outcome const& outcome);

}  // namespace weir
