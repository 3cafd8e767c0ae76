#pragma once
#include "orchestrator/run/context.h"

namespace weir {

/// The run on its first connection and, when that is lost, on others: each time the lead is taken anew and the ledger
/// read anew. Gives the exit code; problems are told.
int run_on_connections(RunContext& context);

}  // namespace weir
