#include "orchestrator/run/prepared.h"

#include <algorithm>
#include <tuple>

#include "orchestrator/postgres/leadership.h"
#include "orchestrator/postgres/world.h"
#include "orchestrator/run/version.h"
#include "phases/operations.h"
#include "plans/reader.h"

namespace weir {
namespace {

std::variant<std::pair<Program, Plan>, Problems> compile_again(RunRecord const& record) {
    auto const again = [](std::string message) {
        return Problems{{Code::changed_plan,
                         {},
                         std::move(message),
                         "finish the run with the weir that began it, or undo it with that one's `weir abort`"}};
    };
    auto const number = std::to_string(static_cast<std::int64_t>(record.run));
    auto stored = read_plan(record.begin.plan, record.begin.name, operations());
    auto catalog = catalog_from_json(record.begin.catalog);
    if (std::holds_alternative<Problems>(stored) || std::holds_alternative<Problem>(catalog))
        return again("run " + number + " was begun by weir " + record.begin.version + ", and this one (" +
                     std::string{version} + ") cannot read what it wrote");
    if (fingerprint(std::get<Plan>(stored).identity) != record.begin.identity ||
        std::get<Plan>(stored).name != record.begin.name)
        return Problems{damaged("the plan in the first entry of run " + number + " is not the one that was begun")};
    if (auto const others = other_recipes(std::get<Plan>(stored), std::get<Catalog>(catalog).recipes); !others.empty())
        return again("run " + number + " was begun by weir " + record.begin.version + ", and this one (" +
                     std::string{version} + ") has other recipes for what it does: " + others);
    // A weir that finds more problems than the one that began it, or a snapshot that is another database's.
    if (auto const problems = validate(std::get<Plan>(stored), std::get<Catalog>(catalog)); !problems.empty())
        return again("run " + number + " was begun by weir " + record.begin.version + ", and this one (" +
                     std::string{version} + ") finds problems in it: " + problems[0].message);
    auto program = compile(std::get<Plan>(stored), std::get<Catalog>(catalog), record.run);
    bool const without_recipes = std::get<Catalog>(catalog).recipes.empty();
    if (program.hash != record.begin.hash && !(without_recipes && fingerprint(to_text(program)) == record.begin.hash))
        return again("the program of the run was " + record.begin.hash + " (weir " + record.begin.version +
                     ") and would be " + program.hash + " (weir " + std::string{version} + ")");
    return std::pair{std::move(program), std::get<Plan>(std::move(stored))};
}

/// Entries that no run of this program writes; nothing: all may stand there.
std::string strange_entries(Program const& program, RunRecord const& record) {
    std::set<std::string> ids;
    std::string not_done;
    for (auto const& step : program.steps) {
        ids.insert(step.id);
        bool const done = record.done.contains(step.id);
        if (done && !not_done.empty()) return step.id + " is done, and " + not_done + " before it is not";
        if (!done && not_done.empty()) not_done = step.id;
        // What stands alone may have left a part of it.
        bool const begun = is_standalone(step) && record.begun.contains(step.id);
        if (record.undone_steps.contains(step.id) && !done && !begun) return step.id + " is undone, and was never done";
    }
    for (auto const* steps : {&record.begun, &record.done, &record.undone_steps})
        for (auto const& id : *steps)
            if (!ids.contains(id)) return "the program has no step " + id;
    return "";
}

std::variant<Prepared, Problems> live(RunRecord record) {
    auto program = compile_again(record);
    if (auto* problems = std::get_if<Problems>(&program)) return *problems;
    if (auto const strange = strange_entries(std::get<0>(program).first, record); !strange.empty())
        return Problems{damaged("run " + std::to_string(static_cast<std::int64_t>(record.run)) + ": " + strange)};
    Prepared ready;
    ready.ledger = true;
    ready.record = std::move(record);
    std::tie(ready.program, ready.began) = std::get<0>(std::move(program));
    return ready;
}

/// Where the bytes stand that the server names: `character with byte sequence 0xe2 0x82 0xac in encoding "UTF8" …`.
Place place_of(std::string const& message, Plan const& plan) {
    std::string bytes;
    for (auto at = message.find("0x"); at != std::string::npos; at = message.find("0x", at + 2))
        bytes += static_cast<char>(std::stoi(message.substr(at + 2, 2), nullptr, 16));
    auto const found = bytes.empty() ? std::string::npos : plan.text.find(bytes);
    if (found == std::string::npos) return {plan.file, 0, 0};
    auto const line_begin = found == 0 ? std::string::npos : plan.text.rfind('\n', found - 1);
    auto const begin = line_begin == std::string::npos ? 0 : line_begin + 1;
    return {plan.file,
            1 + static_cast<int>(std::count(plan.text.begin(), plan.text.begin() + static_cast<long>(found), '\n')),
            1 + static_cast<int>(found - begin)};
}

/// The ledger keeps the plan's text: what the database's encoding has no character for is found before anything is
/// made.
std::optional<Problem> unstorable(Asker& asker, Plan const& plan) {
    auto const asked = asker.ask({sql("SELECT pg_catalog.length({0})", Value{plan.text})});
    if (asked.sqlstate != "22P05") return {};
    return Problem{Code::bad_value, place_of(asked.said.reveal(), plan),
                   "the encoding of this database has no such character: " + asked.message,
                   "write the plan without it, also in comments: the ledger keeps the plan's text"};
}

}  // namespace

std::string_view how_it_ended(RunRecord const& record) {
    if (record.finished) return "done";
    return record.rolled_back ? "rolled back" : "undone";
}

std::variant<Prepared, Problems> prepare(Asker& asker, Plan const& plan) {
    auto const ledger = has_ledger(asker);
    if (auto const* problem = std::get_if<Problem>(&ledger)) return Problems{*problem};
    std::optional<RunRecord> record;
    if (std::get<bool>(ledger)) {
        auto loaded = load_run(asker, plan.name);
        if (auto* problem = std::get_if<Problem>(&loaded)) return Problems{*problem};
        record = std::get<std::optional<RunRecord>>(std::move(loaded));
    }
    if (record && !record->undone) {
        if (record->begin.identity != fingerprint(plan.identity))
            return Problems{{Code::changed_plan,
                             {plan.file, 0, 0},
                             "plan " + plan.name + " is not the one that was begun: " + fingerprint(plan.identity) +
                                 " instead of " + record->begin.identity,
                             record->finished
                                 ? "it is done; give a new plan a name of its own"
                                 : "changes, phase lists and gates may not change once a run began: put them back "
                                   "(weir status shows the run), or undo it with weir abort " +
                                       plan.name}};
        if (!record->finished) return live(*std::move(record));
        Prepared ready;
        ready.ledger = true;
        ready.record = std::move(record);
        return ready;
    }
    if (auto problem = unstorable(asker, plan)) return Problems{*std::move(problem)};
    auto world = read_world(asker, plan);
    if (auto* problem = std::get_if<Problem>(&world)) return Problems{*problem};
    auto& catalog = std::get<Catalog>(world);
    auto problems = validate(plan, catalog);
    if (!problems.empty()) return problems;
    RunId run{1};
    if (std::get<bool>(ledger)) {
        auto const next = asker.ask(next_run());
        if (next.fate != Fate::done) return Problems{problem_of(next, "cannot read the ledger")};
        run = RunId{std::stoll(next.rows[0].fields[0].value_or("1"))};
    }
    catalog.recipes = recipes_of(plan);
    return Prepared{.ledger = std::get<bool>(ledger),
                    .record = std::move(record),
                    .program = compile(plan, catalog, run),
                    .catalog = to_json(catalog)};
}

std::variant<Prepared, Problems> prepare_live(Asker& asker, std::string const& name, Over over) {
    auto const unknown = [&](std::string hint) {
        return Problems{{Code::unknown_plan, {}, "no run of a plan " + name + " is known here", std::move(hint)}};
    };
    auto const ledger = has_ledger(asker);
    if (auto const* problem = std::get_if<Problem>(&ledger)) return Problems{*problem};
    if (!std::get<bool>(ledger)) return unknown("this database has no ledger; check --database");
    auto loaded = load_run(asker, name);
    if (auto* problem = std::get_if<Problem>(&loaded)) return Problems{*problem};
    auto record = std::get<std::optional<RunRecord>>(std::move(loaded));
    if (!record) return unknown("weir status lists the runs");
    if (!record->finished && !record->undone) return live(*std::move(record));
    if (over == Over::given) {
        Prepared ready;
        ready.ledger = true;
        ready.record = std::move(record);
        return ready;
    }
    return Problems{{Code::not_now,
                     {},
                     "plan " + name + " is " + std::string{how_it_ended(*record)} + " since " + record->ended_at,
                     record->finished
                         ? "a run that is done cannot be undone: write a plan that brings back the old shape; next "
                           "time drop.quarantine keeps what is dropped for a while"
                         : "there is nothing to undo"}};
}

}  // namespace weir
