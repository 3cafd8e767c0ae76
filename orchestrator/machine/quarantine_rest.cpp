#include "orchestrator/machine/quarantine_rest.h"

#include "orchestrator/machine/gate.h"

namespace weir {

Then QuarantineRest::come(Program const& program, RunRecord const& record, Ids& ids, Commands& out) {
    if (!record.quarantined) {
        EntryDetail detail;
        detail.quarantine_ms = program.quarantine.count();
        return then::Write{{EntryKind::quarantined, "", detail, {}}};
    }
    asking_ = ids();
    out.emplace_back(Execute{*asking_, control, quarantine_end(program.run), Transaction::implicit, gate_limits});
    return then::Wait{};
}

Then QuarantineRest::answered(Outcome const& outcome) {
    asking_.reset();
    if (outcome.fate != Fate::done || outcome.rows.empty()) return then::Fail{outcome};
    auto const& fields = outcome.rows[0].fields;
    over_ = fields[0] == "t";
    if (over_) return then::GoOn{};
    return then::Quit{0, RunState::quarantined, fields[1].value_or(""),
                      Instant{Millis{std::stoll(fields[2].value_or("0"))}}};
}

}  // namespace weir
