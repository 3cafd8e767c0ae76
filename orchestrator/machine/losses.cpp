#include "orchestrator/machine/losses.h"

#include "orchestrator/machine/refusal.h"

namespace weir {

Then Losses::values_counted(Outcome const& outcome) const {
    if (auto const why = rollback_refusal(outcome, program.plan)) return then::Refuse{*why};
    if (outcome.fate != Fate::done || outcome.rows.empty()) return then::Fail{outcome};
    auto const lost = std::stoll(outcome.rows[0].fields[0].value_or("0"));
    if (auto const why = rollback_loses(program.plan, lost, accepted)) return then::Refuse{*why};
    if (Step const* step = missing_way_back(program, record); step != nullptr && !record.aborting)
        return then::Begin{static_cast<std::size_t>(step - program.steps.data())};
    if (record.aborting && record.accept_loss.value_or(0) == accepted) return then::GoOn{};
    return accept(EntryKind::rolling_back);
}

Then Losses::next(Ids& ids, Commands& out) const {
    if (stopping) return then::GoOn{};
    if (!undo.weigh_next(program, record, epoch, ids, out)) return weighed();
    if (undo.state() == Undo::State::weighing) return then::Weigh{};
    return then::Ask{};
}

Then Losses::guarded(Outcome const& outcome, Ids& ids, Commands& out) const {
    switch (undo.guarded(outcome)) {
        case Undo::Guarded::holds:
            return next(ids, out);
        case Undo::Guarded::broken:
            return then::Weigh{};
        case Undo::Guarded::failed:
            break;
    }
    return then::Fail{outcome};
}

Then Losses::counted(BackfillMachine const& batches, Ids& ids, Commands& out) const {
    auto const& outcome = batches.outcome();
    switch (batches.state()) {
        case BackfillMachine::State::running:
            return then::Wait{};
        case BackfillMachine::State::done:
        case BackfillMachine::State::misses:
            undo.counted(program, batches.rows_wrong());
            return next(ids, out);
        case BackfillMachine::State::failed:
            if (outcome.fate == Fate::refused && undo.count_any()) return then::Weigh{};
            if (outcome.fate != Fate::refused || outcome.sqlstate != "42703") return then::Fail{outcome};
            undo.absent(program);
            return next(ids, out);
        case BackfillMachine::State::stopped:
            break;
    }
    return then::GoOn{};
}

Then Losses::weighed() const {
    if (auto const why = undo.loses(accepted, way_back(program, record))) return then::Refuse{*why};
    undo.accept(accepted);
    if (record.accept_loss.value_or(0) == accepted) return then::GoOn{};
    return accept(record.rolling_back ? EntryKind::rolling_back : EntryKind::aborting);
}

Then Losses::accept(EntryKind kind) const {
    EntryDetail detail;
    detail.user = user;
    detail.accept_loss = accepted;
    return then::Write{{kind, "", detail, {}}};
}

}  // namespace weir
