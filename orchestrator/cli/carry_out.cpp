#include "orchestrator/cli/carry_out.h"

#include <unistd.h>

#include <cstdio>
#include <memory>

#include "orchestrator/cli/commands.h"
#include "orchestrator/cli/progress.h"

namespace weir {

int carry_out(Options const& options, Task task, Plan const* plan, std::string const& name) {
    RunRequest request{.task = task,
                       .plan = plan,
                       .name = name,
                       .database = options.database,
                       .until = options.until,
                       .approve = options.approve,
                       .no_wait = options.no_wait,
                       .take_over = options.take_over,
                       .subscribers_ready = options.subscribers_ready,
                       .accept_loss = options.accept_loss,
                       .http = options.http,
                       .linger = options.linger,
                       .display = {},
                       .refused = [](Problems const& problems) { tell(problems); },
                       .nothing_to_do = {}};
    request.display = [&] {
        // What stdio holds goes out before the display writes to the descriptor itself.
        std::fflush(stdout);
        auto const mode = progress_mode(options.progress).value_or(ProgressMode::automatic);
        return std::make_unique<Progress>(STDOUT_FILENO, resolve(mode, STDOUT_FILENO));
    };
    request.nothing_to_do = [&](std::string const& state, std::string const& since) {
        say_nothing_to_do(options, name, state, since,
                          "plan " + name + " is " + state + " since " + since + ": nothing to do");
    };
    return run(request);
}

void say_nothing_to_do(Options const& options, std::string const& plan, std::string const& state,
                       std::string const& since, std::string const& words) {
    say(options, {{"event", "nothing_to_do"}, {"plan", plan}, {"state", state}, {"since", since}}, words);
}

}  // namespace weir
