#include "orchestrator/run/run.h"

#include <boost/asio/io_context.hpp>
#include <csignal>

#include "orchestrator/run/connections.h"
#include "orchestrator/run/context.h"

namespace weir {

int run(RunRequest const& request) {
    // A closed pipe is an error of write(), never the end of a run.
    std::signal(SIGPIPE, SIG_IGN);
    boost::asio::io_context io;
    Interrupts interrupts{io};
    Outputs outputs{io, interrupts, request};
    if (auto const problem = outputs.start()) {
        request.refused({*problem});
        return exit_code(problem->code);
    }
    RunContext context{io, interrupts, request, outputs};
    int const exit = run_on_connections(context);
    outputs.finish();
    if (interrupts.times() > 0 && request.interrupted) request.interrupted();
    return exit;
}

}  // namespace weir
