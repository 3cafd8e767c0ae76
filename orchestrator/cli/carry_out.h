#pragma once
/// What the commands run, abort, rollback and purge share.
#include <functional>
#include <string>

#include "orchestrator/cli/options.h"
#include "orchestrator/run/run.h"

namespace weir {

/// Runs it to its end, shows its events as the options say, and gives the exit code. `plan`: of Task::run only.
/// `interrupted`: as RunRequest has it.
int carry_out(Options const& options, Task task, Plan const* plan, std::string const& name,
              std::function<void()> interrupted = {});

/// Says that there is nothing to do; empty names where no plan is meant.
void say_nothing_to_do(Options const& options, std::string const& plan, std::string const& state,
                       std::string const& since, std::string const& words);

}  // namespace weir
