#include "orchestrator/machine/hands.h"

#include <cassert>
#include <string>

#include "orchestrator/machine/entries.h"

namespace weir {
namespace {

constexpr Millis hand_rest{50};

}  // namespace

void Hands::connect_next(Ids& ids, Commands& out) {
    if (++hand_ > count_) {
        state_ = State::ready;
        return;
    }
    state_ = State::connecting;
    pending_ = ids();
    out.emplace_back(Connect{*pending_, session()});
}

void Hands::completed(Completed const& completed, Ids& ids, Commands& out) {
    assert(owns(completed.command));
    pending_.reset();
    auto const& outcome = completed.outcome;
    if (outcome.fate == (state_ == State::taking ? Fate::canceled : Fate::done))
        take(ids, out);
    else if (state_ == State::taking)
        took(outcome, ids, out);
    else
        state_ = State::failed;
}

void Hands::take(Ids& ids, Commands& out) {
    state_ = State::taking;
    pending_ = ids();
    out.emplace_back(Execute{*pending_, session(), take_hand(epoch_), Transaction::implicit, entry_limits});
}

void Hands::took(Outcome const& outcome, Ids& ids, Commands& out) {
    if (outcome.fate != Fate::done) {
        state_ = State::failed;
    } else if (!outcome.rows.empty() && outcome.rows[0].fields[0] == "t") {
        if (hand_ == 1 && outcome.rows[0].fields.size() > 1)
            first_pid_ = std::stoi("0" + outcome.rows[0].fields[1].value_or(""));
        connect_next(ids, out);
    } else {
        state_ = State::resting;
        pending_ = ids();
        out.emplace_back(Rest{*pending_, hand_rest});
    }
}

void Hands::stop(Commands& out) const {
    assert(!ready());
    if (pending_) out.emplace_back(Cancel{*pending_});
}

}  // namespace weir
