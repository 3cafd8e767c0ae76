#pragma once
#include "orchestrator/run/begin.h"

namespace weir {

/// Runs the machine on this connection until it is finished: with the run, or with the connection (Finish::lost).
Finish drive(RunContext& context, Asker& asker, Begun begun);

}  // namespace weir
