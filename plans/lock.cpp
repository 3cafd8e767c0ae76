#include "plans/lock.h"

#include <array>

namespace weir {
namespace {

struct ModeRow {
    std::string_view name, pg_locks;
    unsigned conflicts;  ///< bit n: conflicts with mode n
};

constexpr std::array<ModeRow, 8> modes{{
    {"ACCESS SHARE", "AccessShareLock", 0b10000000},
    {"ROW SHARE", "RowShareLock", 0b11000000},
    {"ROW EXCLUSIVE", "RowExclusiveLock", 0b11110000},
    {"SHARE UPDATE EXCLUSIVE", "ShareUpdateExclusiveLock", 0b11111000},
    {"SHARE", "ShareLock", 0b11101100},
    {"SHARE ROW EXCLUSIVE", "ShareRowExclusiveLock", 0b11111100},
    {"EXCLUSIVE", "ExclusiveLock", 0b11111110},
    {"ACCESS EXCLUSIVE", "AccessExclusiveLock", 0b11111111},
}};

constexpr ModeRow const& row(LockMode mode) { return modes[static_cast<std::size_t>(mode)]; }

// Only fixed words of this file become SQL here.
Sql mode_sql(LockMode mode) {
    switch (mode) {
        case LockMode::access_share:
            return sql("ACCESS SHARE");
        case LockMode::row_share:
            return sql("ROW SHARE");
        case LockMode::row_exclusive:
            return sql("ROW EXCLUSIVE");
        case LockMode::share_update_exclusive:
            return sql("SHARE UPDATE EXCLUSIVE");
        case LockMode::share:
            return sql("SHARE");
        case LockMode::share_row_exclusive:
            return sql("SHARE ROW EXCLUSIVE");
        case LockMode::exclusive:
            return sql("EXCLUSIVE");
        case LockMode::access_exclusive:
            return sql("ACCESS EXCLUSIVE");
    }
    return {};
}

}  // namespace

bool conflicts(LockMode held, LockMode wanted) {
    return ((row(held).conflicts >> static_cast<unsigned>(wanted)) & 1U) != 0;
}

std::string_view name(LockMode mode) { return row(mode).name; }

std::optional<LockMode> lock_mode(std::string_view pg_locks_mode) {
    for (std::size_t i = 0; i < modes.size(); ++i)
        if (modes[i].pg_locks == pg_locks_mode) return static_cast<LockMode>(i);
    return std::nullopt;
}

std::string_view who_waits(LockMode mode) {
    if (conflicts(mode, LockMode::access_share)) return "readers and writers";
    if (conflicts(mode, LockMode::row_exclusive)) return "writers";
    if (conflicts(mode, LockMode::share_update_exclusive)) return "schema changes and vacuum";
    return "nobody but ACCESS EXCLUSIVE";
}

Sql lock_table(TableLock const& lock, Waiting waiting) {
    if (waiting == Waiting::no_wait) return sql("LOCK TABLE {0} IN {1} MODE NOWAIT", lock.table, mode_sql(lock.mode));
    return sql("LOCK TABLE {0} IN {1} MODE", lock.table, mode_sql(lock.mode));
}

}  // namespace weir
