#pragma once
/// The lock ladder: one transaction that takes locks others can feel, tried so that nobody queues behind us for long.
///
///   try NOWAIT ── busy ──> rest ──> try 5 ms ── busy ──> rest ──> 10, 20, 50 ms … ── give_up ──> blockers named,
///   stopped
///
/// A try is one string: fence, entry, locks in order, statements. The first lock waits at most the try's time, the
/// others not at all; the statements get what is left of the bound. A try never waits more than half of the bound, the
/// rests grow to two seconds, with jitter. Pure: time comes with the inputs.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "orchestrator/machine/protocol.h"
#include "plans/step.h"

namespace weir {

class LockLadder {
  public:
    struct Config {
        std::string step;
        SessionId session{first_hand};
        Batch first;  ///< before the locks: fence and ledger entry
        std::vector<TableLock> locks;
        Batch body;
        Millis bound{100};                ///< `locks.timeout`
        Millis give_up{900000};           ///< `locks.give_up`, counted from the first try
        bool scans{};                     ///< the body reads a whole table under a weak lock: no statement_timeout
        bool may_set_deadlock_timeout{};  ///< superuser: lets an ordinary autovacuum yield to us
        std::uint64_t seed{};             ///< of the jitter
    };
    enum class State { running, done, failed, gave_up, stopped };

    explicit LockLadder(Config config) : config_{std::move(config)} {}

    void start(Stamp at, Ids& ids, Commands& out);
    bool owns(CommandId id) const { return pending_ == id; }
    /// REQUIRES owns(completed.command).
    void completed(Stamp at, Completed const& completed, Ids& ids, Commands& out);
    /// No further try; a long scan that runs is cancelled, so is everything when `now`.
    void stop(bool now, Commands& out);

    State state() const { return state_; }
    /// Of the last try, for State::failed.
    Outcome const& outcome() const { return outcome_; }
    std::vector<std::string> const& blockers() const { return blockers_; }
    int tries() const { return tries_; }

  private:
    enum class Doing { trying, looking, resting };
    void attempt(Ids& ids, Commands& out);
    void look(Ids& ids, Commands& out);
    void rest(Stamp at, Ids& ids, Commands& out);

    Config config_;
    State state_{State::running};
    Doing doing_{Doing::trying};
    std::optional<CommandId> pending_;
    Outcome outcome_;
    std::vector<std::string> blockers_;
    Millis began_{};
    int tries_{};
    bool stopping_{};
};

/// Who holds a lock that stands in the way: one row each, `pid 42, app, user web, 12 s: SELECT …`.
Sql blockers_of(std::vector<TableLock> const& locks);

}  // namespace weir
