#include "orchestrator/machine/step_try.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "phases/craft/shape.h"

namespace weir {
namespace {

std::string named(Step const& step) { return "step " + step.id + " (" + step.title + ")"; }

LockLadder::Config of_step(Program const& program, Step const& step, EntryKind entry, Epoch epoch, std::int64_t seq,
                           Settings const& settings) {
    LockLadder::Config config;
    config.step = step.id;
    config.fence = {fence(epoch)};
    config.first = {fence(epoch), insert_entry(program.run, seq, epoch, entry, step.id)};
    config.bound = settings.lock_timeout;
    config.give_up = settings.lock_give_up;
    config.on_blocked = settings.on_blocked;
    return config;
}

}  // namespace

Step const& proof_of(Program const& program, Step const& step) {
    auto const found =
        std::find_if(program.steps.begin(), program.steps.end(), [&](Step const& s) { return s.id == step.proven_by; });
    assert(found != program.steps.end());
    return *found;
}

LockLadder::Config forward_try(Program const& program, Step const& step, Epoch epoch, std::int64_t seq,
                               Settings const& settings) {
    auto config = of_step(program, step, EntryKind::step_done, epoch, seq, settings);
    config.locks = step.forward.locks;
    config.scans = step.forward.scans;
    if (step.proven_by.empty()) {
        // Whatever changes a table changes its children, too.
        for (auto const& lock : step.forward.locks)
            if (lock.mode == LockMode::access_exclusive && !step.whole_table)
                config.body.push_back(check_kinds(lock.table));
    } else {
        config.body.push_back(check_shape(proof_of(program, step).rows->table, program.run, step.proven_by));
        // Before the lock, too: what it reads is then in memory, and what it refuses needs no lock.
        config.first.push_back(config.body.back());
    }
    config.body.insert(config.body.end(), step.forward.statements.begin(), step.forward.statements.end());
    if (!step.noted_for.empty())
        config.body.push_back(note_shape(step.undo.proves->table, program.run, step.noted_for));
    return config;
}

LockLadder::Config undo_try(Program const& program, Step const& step, Epoch epoch, std::int64_t seq,
                            Settings const& settings, Batch still_so) {
    auto config = of_step(program, step, EntryKind::step_undone, epoch, seq, settings);
    config.locks = step.undo.locks;
    config.scans = step.undo.scans;
    if (!step.noted_for.empty())
        config.body.push_back(check_shape(step.undo.proves->table, program.run, step.noted_for + ".back"));
    config.body.insert(config.body.end(), still_so.begin(), still_so.end());
    config.body.insert(config.body.end(), step.undo.statements.begin(), step.undo.statements.end());
    return config;
}

Problem too_much_work(LockLadder const& ladder, Step const& step, std::string const& plan, Settings const& settings) {
    assert(ladder.state() == LockLadder::State::too_much);
    auto const bound = std::to_string(ladder.bound_that_would_do().count());
    return {Code::too_much_work,
            {},
            named(step) + " is more work than fits into the " + std::to_string(settings.lock_timeout.count()) +
                " ms that it may make others wait: nobody was in the way, " + std::to_string(ladder.tries()) +
                " tries were made, and nothing of them is left",
            "write locks: { timeout: " + bound + "ms } into the plan, or give it to the run (weir set " + plan +
                " locks.timeout " + bound + "ms), and run again; whoever uses the table may then have to wait so long"};
}

Problem gave_up(LockLadder const& ladder, Step const& step, Settings const& settings) {
    assert(ladder.state() == LockLadder::State::gave_up);
    std::string who, seen;
    for (auto const& blocker : ladder.blockers()) who += (who.empty() ? "; in the way: " : "; ") + blocker;
    for (auto const& blocker : ladder.seen()) seen += (seen.empty() ? "in the way: " : "; ") + blocker.reveal();
    auto const tried = " within " + std::to_string(settings.lock_give_up.count() / 1000) + " s, " +
                       std::to_string(ladder.tries()) + " tries";
    if (!ladder.outcome().marks.empty() && who.empty())
        return {Code::gave_up_lock,
                {},
                named(step) + " never came to its end in the " + std::to_string(settings.lock_timeout.count()) +
                    " ms that it may make others wait," + tried,
                "run again at a quieter time, or with a longer locks.timeout"};
    return {Code::gave_up_lock,
            {},
            "could not get the lock for " + named(step) + tried + who,
            who.empty() ? "run again at a quieter time" : ladder.advice(),
            Sealed{std::move(seen)}};
}

}  // namespace weir
