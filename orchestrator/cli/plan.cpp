#include <boost/asio/io_context.hpp>
#include <boost/json.hpp>
#include <cstdio>

#include "orchestrator/cli/commands.h"
#include "orchestrator/postgres/leadership.h"
#include "orchestrator/postgres/world.h"
#include "orchestrator/run/prepared.h"
#include "phases/program.h"

namespace weir {
namespace {

namespace json = boost::json;

json::array texts(Batch const& batch) {
    json::array all;
    for (auto const& statement : batch) all.emplace_back(statement.text());
    return all;
}

json::object described(Step const& step) {
    json::array locks, notes;
    for (auto const& lock : step.forward.holds)
        locks.push_back(
            json::object{{"table", lock.table.text()}, {"mode", name(lock.mode)}, {"who_waits", who_waits(lock.mode)}});
    for (auto const& note : step.notes) notes.emplace_back(note);
    json::object one{{"step", step.id},
                     {"phase", name(step.phase)},
                     {"title", step.title},
                     {"kind", kind_name(step)},
                     {"locks", std::move(locks)},
                     {"notes", std::move(notes)},
                     {"forward", texts(statements(step))},
                     {"undo", texts(step.undo.statements)}};
    if (!step.undo.note.empty()) one["undo_note"] = step.undo.note;
    return one;
}

std::string document(std::string const& plan, Prepared const& ready) {
    json::object all{{"plan", plan}};
    bool const done = ready.record && ready.record->finished;
    json::array steps, notes;
    if (done) {
        all["done_since"] = ready.record->ended_at;
    } else {
        if (ready.record && !ready.record->undone) {
            all["run"] = static_cast<std::int64_t>(ready.record->run);
            all["began"] = ready.record->began_at;
        }
        for (auto const& step : ready.program.steps) steps.push_back(described(step));
        for (auto const& note : ready.program.gate_notes) notes.emplace_back(note);
        json::array settings;
        for (auto const& held : ready.program.held)
            for (auto const& setting : held.settings)
                if (!setting.hidden)
                    settings.push_back(json::object{{"owner", held.owner},
                                                    {"name", setting.name},
                                                    {"value", setting.value},
                                                    {"from", setting.from}});
        all["settings"] = std::move(settings);
        all["gate"] = ready.program.gate;
        all["approvals"] = ready.program.approvals;
        all["gate_notes"] = std::move(notes);
        all["quarantine_ms"] = ready.program.quarantine.count();
    }
    all["steps"] = std::move(steps);
    return json::serialize(all) + "\n";
}

}  // namespace

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
    if (options.json) {
        std::fputs(document(plan.name, ready).c_str(), stdout);
        return 0;
    }
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
