#pragma once
/// What operators order of a run that is under way: each is obeyed, or its refusal told, once. A child of the run
/// machine, which does what follows from an order; pure and copyable.
#include <algorithm>
#include <cstdint>
#include <string>

#include "orchestrator/machine/entries.h"
#include "orchestrator/machine/ledger.h"
#include "orchestrator/machine/protocol.h"
#include "plans/plan.h"

namespace weir {

class Orders {
  public:
    /// What was asked of the run beside going on.
    enum class Asked : std::uint8_t { nothing, abort, rollback };
    enum class Effect : std::uint8_t {
        nothing,
        paused,
        resumed,
        set,         ///< the settings that were given are changed
        approve,     ///< somebody votes for the gate
        abort,       ///< the run is to be undone
        old_returns  ///< once more: nothing uses the new shape any more
    };

    /// `user`: who runs this, and asked for that by the command itself.
    Orders(RunRecord const& record, Asked asked, std::string user)
        : obeyed_{record.last_order}, paused_by_{record.paused_by}, asked_{asked}, user_{std::move(user)} {}

    /// `record`: as far as the run is. `old_returned`: that nothing uses the new shape is known.
    Effect take(Ordered const& order, RunRecord const& record, bool old_returned, Settings& settings, Stamp at,
                Entries& entries, Commands& out);

    /// Empty: it is not paused.
    std::string const& paused_by() const { return paused_by_; }
    /// Told once for each pause.
    void tell_pause(Stamp at, Commands& out);

    /// What was asked is not obeyed, or needs no further asking: the next order to abort counts anew.
    void answered() { asked_ = Asked::nothing; }
    Asked asked() const { return asked_; }
    /// Who asked for the undo last, and the number of that order; 0: none.
    std::string const& user() const { return user_; }
    std::int64_t abort() const { return abort_; }
    /// Of all that came, obeyed or not; 0: none.
    std::int64_t newest_abort() const { return newest_abort_; }

  private:
    Effect pause(Ordered const& order, bool undoing, Stamp at, Entries& entries, Commands& out);
    Effect resume(Ordered const& order, Stamp at, Entries& entries, Commands& out);
    Effect set(Ordered const& order, Settings& settings, Stamp at, Entries& entries, Commands& out);
    Effect undo(Ordered const& order, RunRecord const& record, bool old_returned, Stamp at, Commands& out);

    std::int64_t obeyed_;  ///< orders to pause, resume or set, before this orchestrator began
    std::string paused_by_;
    bool pause_told_{};
    Asked asked_;
    std::string user_;
    std::int64_t abort_{}, newest_abort_{};
};

}  // namespace weir
