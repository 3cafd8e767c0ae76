#pragma once
/// A question that must make things to be answered: tried, rolled back, and answered as data.
#include <optional>
#include <string>

#include "orchestrator/machine/protocol.h"

namespace weir {

/// For Session::execute() as an implicit transaction. The statements run one by one until one raises: it is expected
/// that the last does (WE100, with the answer as its message), and that one before it may, whose words are then the
/// answer. All of them are rolled back, and what they raised is caught on the server: its log has no line of it. An
/// error that is no answer is raised as it is: no room, a lost lock, a cancelled statement, an internal error, what a
/// function of somebody's own raises.
///
/// A statement is one of SQL, and none that cannot run in a transaction or in a function.
Batch trial(Batch const& batch);

struct TrialAnswer {
    std::string sqlstate;  ///< of what was raised; empty: nothing was
    std::string words;     ///< its message, as the server has it
};

/// Nothing when there is no answer, and the outcome tells why. REQUIRES: `outcome` is what trial() gave.
std::optional<TrialAnswer> trial_answer(Outcome const& outcome);

}  // namespace weir
