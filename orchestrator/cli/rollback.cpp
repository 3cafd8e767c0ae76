#include "orchestrator/cli/carry_out.h"
#include "orchestrator/cli/commands.h"

namespace weir {

int rollback_command(Options const& options) { return carry_out(options, Task::rollback, nullptr, options.words[0]); }

}  // namespace weir
