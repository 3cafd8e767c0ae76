#pragma once
/// What a run has over all its connections.
#include <boost/asio/io_context.hpp>
#include <optional>

#include "orchestrator/machine/ledger.h"
#include "orchestrator/machine/reconnect.h"
#include "orchestrator/run/interrupts.h"
#include "orchestrator/run/outputs.h"
#include "orchestrator/run/run.h"

namespace weir {

struct RunContext {
    boost::asio::io_context& io;
    Interrupts& interrupts;
    RunRequest const& request;
    Outputs& outputs;
    bool take_over{request.take_over};  ///< until the lead is ours for the first time
    ReconnectMachine reconnect{};
    std::optional<Epoch> led{};  ///< the last that was acted under; nothing: none, or it cannot be known
    bool displaced{};            ///< another one has led since
    /// The undo waited for this command already; nothing: the ledger was not read yet. What this process itself writes
    /// is no second word, whatever its connections do.
    std::optional<bool> told_again{};
    Millis proofs_took{};  ///< Finish::proofs_took of the last connection
};

}  // namespace weir
