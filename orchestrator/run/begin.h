#pragma once
/// From a connection to a run that we lead.
#include <string>
#include <variant>
#include <vector>

#include "orchestrator/machine/ledger.h"
#include "orchestrator/machine/protocol.h"
#include "orchestrator/postgres/ask.h"
#include "orchestrator/run/context.h"
#include "orchestrator/run/prepared.h"

namespace weir {

/// Nobody else acts, and the ledger has the run's first entry.
struct Begun {
    Prepared ready;
    Settings settings;
    std::vector<Warned> warnings;  ///< to be told when the run is
    std::string backups;           ///< the directory; empty: no dump is ahead
    Epoch epoch{};
    RunRecord record;
};

/// Takes the lead and the ledger's word. A Finish: the run is over already, and that is told. `asker` holds the
/// leader's lock afterwards.
std::variant<Begun, Finish, Problems> begin(RunContext& context, Asker& asker);

}  // namespace weir
