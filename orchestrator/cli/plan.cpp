#include <boost/asio/io_context.hpp>
#include <cstdio>

#include "orchestrator/cli/commands.h"
#include "orchestrator/cli/prepared.h"
#include "orchestrator/postgres/leadership.h"
#include "orchestrator/postgres/world.h"
#include "phases/program.h"

namespace weir {

int plan_command(Options const& options) {
    auto loaded = load_plan(options.words[0]);
    if (auto* problems = std::get_if<Problems>(&loaded)) return tell(*problems);
    auto const& plan = std::get<Plan>(loaded);
    boost::asio::io_context io;
    auto opened = Asker::open(io, options.database, {"weir plan " + plan.name, false});
    if (auto* problem = std::get_if<Problem>(&opened)) return tell(*problem);
    auto& asker = *std::get<std::unique_ptr<Asker>>(opened);

    auto prepared = prepare(asker, plan);
    if (auto* problems = std::get_if<Problems>(&prepared)) return tell(*problems);
    auto const& ready = std::get<Prepared>(prepared);
    if (ready.record && ready.record->finished) {
        std::printf("plan %s is done since %s; nothing would be run\n", plan.name.c_str(),
                    ready.record->ended_at.c_str());
        return 0;
    }
    if (ready.record && !ready.record->undone)
        std::printf("run %lld of this plan began at %s and goes on with these steps\n",
                    static_cast<long long>(ready.record->run), ready.record->began_at.c_str());
    std::fputs(to_text(ready.program).c_str(), stdout);
    return 0;
}

}  // namespace weir
