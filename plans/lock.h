#pragma once
/// Table locks: the server's eight modes and who waits for whom.
/// Source: PostgreSQL documentation, "Explicit Locking", table 13.2 (the same from 14 to 18).
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "plans/sql.h"

namespace weir {

enum class LockMode : std::uint8_t {
    access_share,
    row_share,
    row_exclusive,
    share_update_exclusive,
    share,
    share_row_exclusive,
    exclusive,
    access_exclusive,
};

bool conflicts(LockMode held, LockMode wanted);
/// `ACCESS EXCLUSIVE`, as SQL and people write it.
std::string_view name(LockMode mode);
/// From pg_locks.mode (`AccessExclusiveLock`); nothing when it is not a table lock mode.
std::optional<LockMode> lock_mode(std::string_view pg_locks_mode);
/// Who waits while it is held: `readers and writers`, `writers`, `schema changes and vacuum`, `nobody`.
std::string_view who_waits(LockMode mode);

struct TableLock {
    TableName table;
    LockMode mode{};
    auto operator<=>(TableLock const&) const = default;
};

/// A table and one that it has a foreign key to.
using Refers = std::pair<TableName, TableName>;
/// The order in which several tables are locked: one that refers to another comes before it, as an application locks
/// them that writes a row and then the one that it belongs to. Where that says nothing, or goes in a circle: by name.
/// Of a table that stands there twice the stronger mode is kept.
std::vector<TableLock> in_lock_order(std::vector<TableLock> locks, std::vector<Refers> const& refers);

/// What the statements of a string may take of the bound on others' waits (`locks.timeout`): the locks are kept until
/// its commit, or its rollback, is through.
constexpr std::chrono::milliseconds time_for_work(std::chrono::milliseconds bound) { return bound - bound / 10; }

/// `LOCK TABLE t IN … MODE`, with NOWAIT on demand.
enum class Waiting : std::uint8_t { no_wait, lock_timeout };
Sql lock_table(TableLock const& lock, Waiting waiting);

}  // namespace weir
