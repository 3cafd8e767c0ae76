#pragma once
/// Who is in the way of a lock: the question to the server, its rows, and what a person reads of them. Pure.
#include <optional>
#include <string>
#include <vector>

#include "orchestrator/machine/protocol.h"
#include "plans/plan.h"
#include "plans/step.h"

namespace weir {

/// A transaction that has written and is older than this is never ended: its work would have to be done again.
inline constexpr Millis spared_after{60'000};

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
/// What a person can do about it.
std::string advice_about(Blocker const& blocker);
/// What a person can do about them before they run again; empty when there are none.
std::string advice_about(std::vector<Blocker> const& blockers, OnBlocked on_blocked);

}  // namespace weir
