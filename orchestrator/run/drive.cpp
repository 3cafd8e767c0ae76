#include "orchestrator/run/drive.h"

#include <utility>
#include <variant>
#include <vector>

#include "metrics/picture.h"
#include "orchestrator/out/dump.h"
#include "orchestrator/postgres/shell.h"
#include "orchestrator/run/checks.h"
#include "orchestrator/run/clerk.h"
#include "orchestrator/run/foretell.h"
#include "orchestrator/run/watch.h"
#include "plans/reader.h"

namespace weir {
namespace {

class ToReconnect : public Listener {
  public:
    explicit ToReconnect(ReconnectMachine& machine) : machine_{machine} {}
    void hear(Event const& event) noexcept override { machine_.hear(event); }

  private:
    ReconnectMachine& machine_;
};

RunMachine::Config config_of(RunContext& context, Asker const& asker, Begun const& begun) {
    auto const& request = context.request;
    RunMachine::Config config;
    config.program = begun.ready.program;
    config.record = begun.record;
    config.settings = begun.settings;
    config.epoch = begun.epoch;
    config.user = asker.facts().user;
    config.until = request.until;
    config.approve = request.approve;
    config.no_wait = request.no_wait;
    config.abort = request.task == Task::abort;
    config.rollback = request.task == Task::rollback;
    config.accept_loss = request.accept_loss;
    if (!context.told_again) context.told_again = begun.record.reopened;
    config.told_again = *context.told_again;
    config.may_set_deadlock_timeout = asker.facts().may_set_deadlock_timeout;
    config.proofs_took = context.proofs_took;
    config.pages_at_first = context.reconnect.pages_at_first();
    config.plain = context.reconnect.plain();
    config.connects_again = true;
    return config;
}

/// As the machine will take them: what orders have set holds.
Settings settings_of(Begun const& begun) {
    auto settings = begun.settings;
    for (auto const& [key, value] : begun.record.settings) {
        auto changed = with_setting(settings, key, value);
        if (auto* now = std::get_if<Settings>(&changed)) settings = std::move(*now);
    }
    return settings;
}

}  // namespace

Finish drive(RunContext& context, Asker& asker, Begun begun) {
    auto const& request = context.request;
    auto config = config_of(context, asker, begun);
    auto const settings = settings_of(begun);
    Finish ended{70};
    bool over = false;
    Picture picture;
    Shell* working = nullptr;
    Watch watch{context.io,
                {.conninfo = request.database,
                 .plan = request.name,
                 .run = begun.ready.program.run,
                 .epoch = begun.epoch,
                 .settings = settings,
                 .tables = tables_of(config.program),
                 .picture = [&] { return picture.json(wall_now()); },
                 .give = [&](Measured measured) { working->give(std::move(measured)); },
                 .sized = [&](TableSized table) { working->announce(std::move(table)); }}};
    Clerk clerk{context.io, request.database, request.name, begun.ready.program.run, asker.session()};
    Foreteller foreteller{settings.schedule, [&](ForecastMade forecast) { working->announce(std::move(forecast)); }};
    ToReconnect reconnect{context.reconnect};
    std::vector<Listener*> listeners{&picture, &watch};
    for (auto* listener : context.outputs.listeners()) listeners.push_back(listener);
    listeners.push_back(&foreteller);
    if (auto* page = context.outputs.dashboard()) {
        page->program(config.program, config.record.done);
        listeners.push_back(page);
    }
    listeners.push_back(&reconnect);
    Dumper dumper{context.io.get_executor(),
                  {.directory = begun.backups,
                   .address = asker.facts().address,
                   .application_name = "weir " + request.name + " backup",
                   .grew = [&](std::string const& step, std::int64_t bytes) {
                       working->announce(DumpGrew{step, bytes});
                   }}};
    auto const finished = [&](Finish const& finish) {
        ended = finish;
        over = true;
        watch.stop();
        clerk.stop();
        context.interrupts.tell(nullptr);
    };
    Shell shell{context.io.get_executor(),
                {.conninfo = request.database,
                 .plan = request.name,
                 .listeners = listeners,
                 .finished = finished,
                 .dumps = &dumper},
                RunMachine{std::move(config)},
                asker.session()};
    working = &shell;
    for (auto& warning : begun.warnings) shell.announce(std::move(warning));
    clerk.catch_up(asker, [&](Ordered order) { shell.give(std::move(order)); });
    shell.give(Started{});
    auto& interrupts = context.interrupts;
    if (!over) interrupts.tell([&](int times) { shell.give(Interrupted{times}); });
    if (!over && interrupts.times() > 0) shell.give(Interrupted{interrupts.times()});
    if (!over) watch.start();
    if (!over) clerk.start([&](Lost lost) { shell.give(std::move(lost)); });
    context.io.restart();
    while (!over && context.io.run_one() > 0) {
    }
    return ended;
}

}  // namespace weir
