#pragma once
/// A deed, forward or undo, that refuses a transaction (CREATE INDEX CONCURRENTLY, VACUUM): what is there is asked,
/// what is damaged is removed, the statement runs, and what is there is asked again. A child of the run machine; pure
/// and copyable.
///
///   probing ─ absent ─> running ─> probing ─ done ─> done
///      └─ damaged ─> repairing ──┘
///   a lock that was not to be had, anywhere: resting, and again from the beginning; a few times
#include <cstdint>
#include <optional>

#include "orchestrator/machine/in_the_way.h"
#include "orchestrator/machine/protocol.h"
#include "orchestrator/machine/then.h"
#include "plans/step.h"

namespace weir {

class Standalone {
  public:
    enum class State : std::uint8_t {
        probing,
        repairing,  ///< what an earlier try left damaged is removed
        running,
        resting,  ///< before another try
        done,
        tolerated,  ///< it did not work, and may fail: outcome()
        no_result,  ///< it ran, and its probe does not find what it makes
        stopped,
        failed,  ///< outcome()
    };

    /// REQUIRES deed.standalone. `lock_timeout`: of one that may fail; others wait for their locks as long as it takes.
    Standalone(Deed deed, Millis lock_timeout) : deed_{std::move(deed)}, lock_timeout_{lock_timeout} {}

    void start(Ids& ids, Commands& out);
    /// From the next statement on.
    void tune(Millis lock_timeout) { lock_timeout_ = lock_timeout; }
    bool owns(CommandId id) const { return pending_ == id; }
    /// `leaving`: nothing is begun any more. `way` is asked now and then who holds the lock that is not to be had.
    /// REQUIRES owns(completed.command).
    void completed(Completed const& completed, bool leaving, InTheWay& way, Ids& ids, Commands& out);
    /// The statement, the repair or the rest is cancelled; a probe comes to its end.
    void stop(Commands& out) const;

    /// What follows from where it is. Warns of what did not work, and may fail. `undoing`: it is the undo of `step`.
    Then moved(Step const& step, bool undoing, Stamp at, Commands& out) const;

    State state() const { return state_; }
    /// A statement without a time limit runs, or may.
    bool unlimited() const { return state_ == State::running || state_ == State::repairing; }
    Outcome const& outcome() const { return outcome_; }

  private:
    void attempt(Ids& ids, Commands& out);
    void execute(State state, Ids& ids, Commands& out);
    void probed(Outcome const& outcome, bool leaving, Ids& ids, Commands& out);
    void ran(Outcome const& outcome, bool leaving, InTheWay& way, Ids& ids, Commands& out);
    void give_up(Outcome const& outcome, bool busy, InTheWay const& way);
    void finish(State state, Outcome const& outcome);

    Deed deed_;
    Millis lock_timeout_;
    State state_{State::probing};
    std::optional<CommandId> pending_;
    bool executed_{};  ///< the probe that follows must say done
    int busy_{};       ///< tries that met a lock
    Outcome outcome_;
};

}  // namespace weir
