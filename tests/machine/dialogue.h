#pragma once
/// What the machine's tests share: answers, a look into commands, and small programs made of steps that only say their
/// own name.
#include <algorithm>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "orchestrator/machine/protocol.h"
#include "phases/program.h"
#include "plans/lock.h"

namespace weir {

inline Stamp stamp(Millis steady) { return {Instant{steady + Millis{1'700'000'000'000}}, steady}; }

template <class T>
std::vector<T> all(Commands const& commands) {
    std::vector<T> found;
    for (auto const& command : commands)
        if (auto const* one = std::get_if<T>(&command)) found.push_back(*one);
    return found;
}

/// The events of one kind among the commands.
template <class E>
std::vector<E> told(Commands const& commands) {
    std::vector<E> found;
    for (auto const& announced : all<Announce>(commands))
        if (auto const* one = std::get_if<E>(&announced.event.what)) found.push_back(*one);
    return found;
}

/// `a = b` for `a OPERATOR(pg_catalog.=) b`.
inline std::string plain(std::string text) {
    constexpr std::string_view mark{"OPERATOR(pg_catalog."};
    for (auto at = text.find(mark); at != std::string::npos; at = text.find(mark, at)) {
        text.erase(at, mark.size());
        text.erase(text.find(')', at), 1);
    }
    return text;
}
inline std::string text(Execute const& command) { return plain(to_text(command.batch)); }

inline Row row(std::initializer_list<std::string> fields) {
    Row made;
    for (auto const& field : fields) made.fields.emplace_back(field);
    return made;
}

inline Outcome done(std::vector<Row> rows = {}, Millis took = Millis{50}) {
    Outcome outcome;
    outcome.rows = std::move(rows);
    outcome.took = took;
    return outcome;
}

inline Outcome failure(Fate fate, std::string sqlstate = "", std::string message = "as the test wants it") {
    Outcome outcome;
    outcome.fate = fate;
    outcome.sqlstate = std::move(sqlstate);
    outcome.message = std::move(message);
    return outcome;
}

inline TableName users() { return {Ident::of("public"), Ident::of("users")}; }

/// `SELECT forward('expand.1')` and `SELECT undo('expand.1')`. What cannot be undone destroys.
inline Step transactional(std::string const& id, Phase phase, bool undoable = true) {
    Step step;
    step.id = id;
    step.phase = phase;
    step.kind = StepKind::statements;
    step.title = "change " + id;
    for (auto* deed : {&step.forward, &step.undo}) deed->locks = deed->holds = {{users(), LockMode::access_exclusive}};
    step.forward.statements = {sql("SELECT forward({0})", Value{id})};
    if (undoable)
        step.undo.statements = {sql("SELECT undo({0})", Value{id})};
    else
        step.destroys = {users()};
    return step;
}

inline Rows rows_of_users() {
    Rows rows{users(), {}, {}, {}, {}, {}, {}};
    rows.set.push_back({Ident::of("full_name"), sql("name")});
    rows.todo = sql("NOT ok");
    rows.miss_after_gate = sql("NOT ok_after_gate");
    rows.fill_after_gate = sql("full_name IS NULL");
    rows.key = {Ident::of("id")};
    rows.guard = {sql("SELECT weir.check_sync('users', 1, 1, 4)")};
    return rows;
}

/// Of a step that made a column.
inline UndoLoss users_lost() {
    Sql const todo = sql("full_name IS NOT NULL AND full_name <> name");
    return {"users.full_name", Rows{users(), {}, todo, todo, todo, {}, {}}, sql("full_name IS NOT NULL"), {}};
}

inline Step work(std::string const& id, Phase phase, bool proof) {
    Step step;
    step.id = id;
    step.phase = phase;
    step.kind = proof ? StepKind::proof : StepKind::fill;
    step.title = (proof ? "prove " : "fill ") + id;
    step.rows = rows_of_users();
    return step;
}

inline Step standalone(std::string const& id, Phase phase, bool probed, bool may_fail = false) {
    Step step;
    step.id = id;
    step.phase = phase;
    step.kind = StepKind::statements;
    step.title = "do " + id;
    step.forward.standalone = true;
    step.forward.statements = {sql("SELECT forward({0})", Value{id})};
    if (probed) {
        step.forward.probe = {sql("SELECT probe({0})", Value{id})};
        step.forward.repair = {sql("SELECT repair({0})", Value{id})};
        step.undo.statements = {sql("SELECT undo({0})", Value{id})};
        step.undo.locks = step.undo.holds = {{users(), LockMode::access_exclusive}};
    }
    step.forward.may_fail = may_fail;
    return step;
}

/// The same, and the undo stands alone, too.
inline Step concurrently(std::string const& id, Phase phase) {
    auto step = standalone(id, phase, true);
    step.undo.standalone = true;
    step.undo.locks.clear();
    step.undo.probe = {sql("SELECT gone({0})", Value{id})};
    return step;
}

inline Program program(Steps steps, bool gate) {
    Program made;
    made.run = RunId{1};
    made.plan = "users-full-name";
    made.steps = std::move(steps);
    made.gate = gate;
    made.gate_notes = {"the application is deployed now"};
    made.hash = "hash";
    return made;
}

/// Change, set two columns aside, each with a step that is only its way back, drop them later.
inline Program two_aside(bool gate) {
    auto const way_back = [](std::string const& id) {
        auto step = transactional(id, Phase::contract);
        step.forward = {};
        return step;
    };
    auto made = program({transactional("expand.1", Phase::expand), transactional("contract.1", Phase::contract),
                         way_back("contract.2"), transactional("contract.3", Phase::contract), way_back("contract.4"),
                         transactional("quarantine.1", Phase::quarantine, false)},
                        gate);
    made.quarantine = Millis{1000};
    return made;
}

/// The shape of rename_column: change, fill, prove, change, vacuum, gate, prove again, drop.
inline Program whole() {
    return program({transactional("expand.1", Phase::expand), work("backfill.1", Phase::backfill, false),
                    work("proof.1", Phase::proof, true), transactional("proof.2", Phase::proof),
                    standalone("proof.3", Phase::proof, false, true), work("contract.1", Phase::contract, true),
                    transactional("contract.2", Phase::contract, false)},
                   true);
}

}  // namespace weir
