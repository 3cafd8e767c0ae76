#include "orchestrator/machine/gate_keeper.h"

#include <cassert>

#include "orchestrator/machine/refusal.h"

namespace weir {

Then GateKeeper::come(RunRecord const& record, Stamp at, Entries& entries, Ids& ids, Commands& out) {
    assert(!record.gate_approved);
    if (!record.gate_opened) return then::Write{{EntryKind::gate_opened, "", {}, {}}};
    gate_.open(at, entries, ids, out);
    proofs_.rest(at.steady);
    if (gate_.approved()) return approved();
    if (gate_.asks())
        gate_.ask(ids, out);
    else if (no_wait_ && !gate_.looking())
        return then::Quit{3, RunState::waiting};
    return then::Wait{};
}

Then GateKeeper::approved() const {
    assert(gate_.approved());
    EntryDetail detail;
    detail.user = gate_.approved_by();
    return then::Write{{EntryKind::gate_approved, "", detail, {}}};
}

Then GateKeeper::pass(Place place) const {
    switch (place) {
        case Place::elsewhere:
            break;
        case Place::waiting:
            return approved();
        case Place::proving:
            return then::Leave{};
    }
    return then::Wait{};
}

Then GateKeeper::vote(std::string const& user, Place place, Stamp at, Entries& entries, Commands& out) {
    gate_.vote(user, at, entries, out);
    return gate_.approved() ? pass(place) : then::Wait{};
}

void GateKeeper::watch(Place place, Ids& ids, Commands& out) {
    if (place == Place::elsewhere) return;
    gate_.ask(ids, out);
    gate_.look(false, ids, out);
}

Then GateKeeper::completed(Stamp at, Completed const& completed, Place place, bool leaving, Commands& out) {
    switch (gate_.completed(at, completed, leaving, out)) {
        case GateMachine::Answer::nothing:
            break;
        case GateMachine::Answer::waits:
            if (no_wait_ && place == Place::waiting) return then::Quit{3, RunState::waiting};
            break;
        case GateMachine::Answer::approved:
            return pass(place);
        case GateMachine::Answer::failed:
            return then::Fail{completed.outcome};
        case GateMachine::Answer::ledger_gone:
            if (place == Place::waiting) return then::Stop{ledger_gone(completed.outcome)};
            break;
    }
    return then::Wait{};
}

Then GateKeeper::prove(Program const& program, RunRecord const& record, bool leaving, Stamp at, Ids& ids,
                       Commands& out) {
    assert(due(at.steady));
    proofs_.begin(at.steady);
    return prove_next(program, record, leaving, at, ids, out);
}

Then GateKeeper::prove_next(Program const& program, RunRecord const& record, bool leaving, Stamp at, Ids& ids,
                            Commands& out) {
    if (leaving) return then::GoOn{};
    if (gate_.approved()) return approved();
    if (proofs_.next(program, record, at.steady) != nullptr) return then::Prove{proofs_.step()};
    gate_.look(true, ids, out);
    return then::AtGate{};
}

}  // namespace weir
