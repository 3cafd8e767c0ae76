#include "orchestrator/machine/undo_course.h"

#include <cassert>
#include <utility>

namespace weir {

void UndoCourse::say(Commands& out, decltype(Event::what) what) const {
    out.emplace_back(Announce{{at.wall, std::move(what)}});
}

Losses UndoCourse::losses() const {
    return {undo,
            program,
            record,
            epoch,
            orders.user(),
            accept_loss.value_or(record.accept_loss.value_or(0)),
            intent == Intent::stop};
}

Then UndoCourse::abort(Ids& ids, Commands& out) const {
    assert(intent == Intent::abort && !record.aborting);
    if (!contracting(program, record)) {
        EntryDetail detail;
        detail.user = orders.user();
        return then::Write{{EntryKind::aborting, "", detail, {}}};
    }
    auto const why = abort_forbidden(program, record);
    if (!why) {
        intent = Intent::roll_back;
        return roll_back(ids, out);
    }
    intent = Intent::go_on;
    orders.answered();
    if (by_command) return then::Stop{*why};
    say(out, Warned{why->message, why->hint});
    return then::GoOn{};
}

Then UndoCourse::roll_back(Ids& ids, Commands& out) const {
    assert(intent == Intent::roll_back);
    if (auto const why = rollback_forbidden(program, record)) return then::Refuse{*why};
    if (record.reopened) {
        // From then on the counters stand still, and the rows are counted.
        begun();
        return then::GoOn{};
    }
    undo.count(program, record, ids, out);
    return then::Ask{};
}

void UndoCourse::begun() const {
    if (intent != Intent::stop) intent = Intent::go_on;
    if (orders.asked() == Orders::Asked::rollback) orders.answered();
}

Then UndoCourse::next(Ids& ids, Commands& out) const {
    assert(record.aborting);
    switch (undo.next(program, record)) {
        case Undo::Next::reopen: {
            EntryDetail detail;
            if (orders.newest_abort() > 0) detail.order = orders.newest_abort();
            return then::Write{{EntryKind::reopened, "", detail, {}}};
        }
        case Undo::Next::wait:
            say(out, Undo::both_shapes(program, record));
            return then::Quit{3, RunState::waiting};
        case Undo::Next::weigh:
            undo.weigh();
            return losses().next(ids, out);
        case Undo::Next::step:
            return then::TakeBack{undo.step()};
        case Undo::Next::over:
            break;
    }
    if (!record.rolling_back) return then::Write{{EntryKind::undone, "", {}, {}}};
    Batch counters;
    for (auto const& step : program.steps)
        if (step.undo.lost_counter)
            counters.push_back(sql("DROP SEQUENCE IF EXISTS weir_sync.{0}", *step.undo.lost_counter));
    return then::Write{{EntryKind::rolled_back, "", {}, std::move(counters)}};
}

Then UndoCourse::answered(Outcome const& outcome, Ids& ids, Commands& out) const {
    undo.completed();
    if (undo.state() == Undo::State::guarding) return losses().guarded(outcome, ids, out);
    auto then = losses().values_counted(outcome);
    if (std::holds_alternative<then::GoOn>(then) || std::holds_alternative<then::Write>(then)) begun();
    return then;
}

Then UndoCourse::counted(BackfillMachine const& batches, Ids& ids, Commands& out) const {
    return losses().counted(batches, ids, out);
}

Then UndoCourse::refused(Problem const& why, Commands& out) const {
    if (!by_command) return then::Stop{why, orders.abort()};
    say(out, Stopped{why});
    return then::Quit{exit_code(why.code), RunState::stopped};
}

}  // namespace weir
