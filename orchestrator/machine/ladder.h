#pragma once
/// The lock ladder: one transaction that takes locks others can feel, tried so that nobody queues behind us for long.
///
///   look ── free, or short transactions ──> try: NOWAIT, then 5, 10, 20, 50 ms ── busy ──┐
///    ^  └── somebody is certain to stay ──> [end it: `locks.on_blocked`] ────────────────┤
///    └────────────────────────────── rest <─────────────────────────────────────────────┘ give_up: named, stopped
///
/// A look is one SELECT that takes no lock on tables; a transaction that asks for no lock is tried at once. As long as
/// somebody stays, no request of ours stands in the table's queue. A try is one string: fence, entry, locks in the
/// order given, statements. All its waits for locks come out of one budget, half of the bound: each lock may have its
/// share of what the ones before have left, and no more than the try's time (10 ms at least from the second on: whoever
/// waits then makes others wait, and must get in). The statements get what is left of nine tenths of the bound, all
/// together. The rests grow to two seconds, with jitter. A try that got its locks at once and is cancelled all the same
/// had too much to do; the third such one is the last. Pure: time comes with the inputs.
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "orchestrator/machine/protocol.h"
#include "plans/plan.h"
#include "plans/step.h"

namespace weir {

/// A transaction this old is taken for one that stays. While we wait the measure grows to half of that time: on a table
/// that is never free of transactions of some seconds a try must get its chance.
inline constexpr Millis stays_after{1000};
/// The same for one that waits for an exclusive lock itself, by the time that it has waited: whoever stands ahead of us
/// in the queue is not passed.
inline constexpr Millis queues_after{100};
/// So long must the same transaction have been in the way before `locks.on_blocked` ends it, and again before it is
/// ended once more.
inline constexpr Millis ended_after{5000};
/// A transaction that has written and is older than this is never ended: its work would have to be done again.
inline constexpr Millis spared_after{60'000};

/// So many tries may find nobody in the way and not come to their end within the bound.
inline constexpr int too_much_after = 3;
/// A server that is busy for a moment is none that has too much to do: they must span so long.
inline constexpr Millis too_much_over{20'000};

/// One transaction that holds a lock in our way, or awaits an exclusive one ahead of us.
struct Blocker {
    enum class Kind : std::uint8_t {
        session,
        prepared,    ///< a prepared transaction: nobody can cancel it
        autovacuum,  ///< makes way for a waiter's deadlock check
        wraparound,  ///< does not
    };
    std::string key;  ///< process, virtual transaction, start of the session: no two transactions have the same
    int pid{};        ///< 0: none
    Kind kind{};
    bool holds{};               ///< else it waits itself
    bool idle{};                ///< in a transaction, with no statement that a cancel would end
    std::optional<Millis> age;  ///< of the transaction, or of its wait; nothing: hidden from weir's role
    /// `pid 42 (user web, application report, idle in transaction, open for 12.3 s: SELECT …)`; what it runs without
    /// the values in it.
    std::string text;
    Sealed seen;         ///< the same with what it runs as it wrote it
    std::string spared;  ///< why `locks.on_blocked` never ends it; empty: it may
};

/// Who holds or awaits a lock that conflicts with one of `locks`, partitions included; longest first, at most 20. No
/// session of another database, not our own. Without pg_read_all_stats the sessions of other roles hide their age and
/// query. Rows as blockers_of() reads them. REQUIRES a lock.
Sql look_for(std::vector<TableLock> const& locks, Millis spared = spared_after);
std::vector<Blocker> blockers_of(std::vector<Row> const& rows);
std::vector<std::string> texts_of(std::vector<Blocker> const& blockers);
std::vector<Sealed> seen_of(std::vector<Blocker> const& blockers);
/// The same for whom the session `pid` waits for just now, by any heavyweight lock: CREATE INDEX CONCURRENTLY waits for
/// old transactions so.
Sql look_behind(int pid);

class LockLadder {
  public:
    struct Config {
        std::string step;
        SessionId session{first_hand};
        Batch fence;  ///< before a look, which may end sessions: another leader's decisions are not ours
        Batch first;  ///< before the locks: fence and ledger entry
        std::vector<TableLock> locks;
        Batch body;
        Millis bound{100};                ///< `locks.timeout`
        Millis give_up{900000};           ///< `locks.give_up`, counted from the first look
        OnBlocked on_blocked{};           ///< `locks.on_blocked`
        bool scans{};                     ///< the body reads a whole table under a weak lock: no statement_timeout
        bool may_set_deadlock_timeout{};  ///< lets an ordinary autovacuum yield to us
        std::uint64_t seed{};             ///< of the jitter
    };
    enum class State {
        running,
        done,
        failed,
        gave_up,
        stopped,
        too_much,  ///< the statements do not fit into the bound; nobody is in the way
    };

    explicit LockLadder(Config config) : config_{std::move(config)} {}

    void start(Stamp at, Ids& ids, Commands& out);
    bool owns(CommandId id) const { return pending_ == id; }
    /// REQUIRES owns(completed.command).
    void completed(Stamp at, Completed const& completed, Ids& ids, Commands& out);
    /// No further try; a long scan that runs is cancelled, so is everything when `now`.
    void stop(bool now, Commands& out);

    State state() const { return state_; }
    /// A statement without a time limit runs, or may.
    bool scanning() const { return state_ == State::running && doing_ == Doing::trying && config_.scans; }
    /// Of the last try, for State::failed.
    Outcome const& outcome() const { return outcome_; }
    /// Those of the last look that saw any.
    std::vector<std::string> blockers() const { return texts_of(blockers_); }
    std::vector<Sealed> seen() const { return seen_of(blockers_); }
    /// What a person can do about them; empty when there are none.
    std::string advice() const;
    int tries() const { return tries_; }
    /// For State::too_much: a bound that would do, by how far the last try came. Whole tenths of a second.
    Millis bound_that_would_do() const { return needed_; }

  private:
    enum class Doing { looking, trying, ending, resting };
    /// What is remembered of a transaction in the way.
    struct Seen {
        Millis first{};
        std::optional<Millis> ended{};
        bool told_spared{};
    };

    void look(Ids& ids, Commands& out);
    void ask(Doing doing, Sql const& question, Ids& ids, Commands& out);
    void attempt(Ids& ids, Commands& out);
    void rest(Ids& ids, Commands& out);
    void looked(Stamp at, Outcome const& outcome, Ids& ids, Commands& out);
    void tried(Stamp at, Outcome const& outcome, Ids& ids, Commands& out);
    void ended(Stamp at, Outcome const& outcome, Ids& ids, Commands& out);
    bool end_next(Stamp at, Ids& ids, Commands& out);
    void judge_length(Stamp at, Outcome const& outcome);
    void finish(State state);
    bool stays(Blocker const& blocker, Millis now) const;
    bool late(Stamp at) const { return at.steady - began_ >= config_.give_up; }

    Config config_;
    State state_{State::running};
    Doing doing_{Doing::looking};
    std::optional<CommandId> pending_;
    Outcome outcome_;
    std::vector<Blocker> blockers_;
    std::map<std::string, Seen> seen_;
    std::optional<Blocker> ending_;
    Millis began_{};
    int tries_{}, rests_{}, too_long_{};  ///< too_long_: tries that had all locks at once and were cancelled
    Millis too_long_since_{};
    Millis needed_{};
    bool last_look_{};  ///< only to name who is in the way
    bool may_end_{true}, may_cancel_autovacuum_{true};
    bool stopping_{};
};

}  // namespace weir
