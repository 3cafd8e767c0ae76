#include "orchestrator/cli/carry_out.h"
#include "orchestrator/cli/commands.h"

namespace weir {

int run_command(Options const& options) {
    auto loaded = load_plan(options.words[0]);
    if (auto* problems = std::get_if<Problems>(&loaded)) return tell(*problems);
    auto const& plan = std::get<Plan>(loaded);
    if (auto const& command = plan.notify.command; !command.empty() && !options.allow_command)
        return tell(
            {Code::command_not_allowed, plan.notify.command_at,
             "notify.command runs " + command[0] + ", and this command line does not allow it",
             "read what it does, then: weir run " + options.words[0] + " --allow-command; or take it out of the plan"});
    return carry_out(options, Task::run, &plan, plan.name);
}

}  // namespace weir
