#include "plans/lock.h"

#include <algorithm>
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

std::vector<TableLock> in_lock_order(std::vector<TableLock> locks, std::vector<Refers> const& refers) {
    std::sort(locks.begin(), locks.end());
    std::vector<TableLock> left;
    for (auto const& lock : locks) {
        if (!left.empty() && left.back().table == lock.table)
            left.back() = lock;
        else
            left.push_back(lock);
    }
    auto const n = left.size();
    std::vector<std::vector<bool>> reaches(n, std::vector<bool>(n));
    auto const at = [&](TableName const& table) {
        return static_cast<std::size_t>(
            std::find_if(left.begin(), left.end(), [&](TableLock const& lock) { return lock.table == table; }) -
            left.begin());
    };
    for (auto const& [from, to] : refers)
        if (at(from) < n && at(to) < n) reaches[at(from)][at(to)] = true;
    for (std::size_t over = 0; over < n; ++over)
        for (std::size_t from = 0; from < n; ++from)
            for (std::size_t to = 0; to < n; ++to)
                if (reaches[from][over] && reaches[over][to]) reaches[from][to] = true;
    std::vector<TableLock> ordered;
    std::vector<bool> taken(n);
    while (ordered.size() < n)
        for (std::size_t next = 0; next < n; ++next) {
            // Whoever is left and refers to it is in a circle with it.
            bool may = !taken[next];
            for (std::size_t other = 0; other < n; ++other)
                may = may && (taken[other] || !reaches[other][next] || reaches[next][other]);
            if (!may) continue;
            taken[next] = true;
            ordered.push_back(left[next]);
            break;
        }
    return ordered;
}

Sql lock_table(TableLock const& lock, Waiting waiting) {
    if (waiting == Waiting::no_wait) return sql("LOCK TABLE {0} IN {1} MODE NOWAIT", lock.table, mode_sql(lock.mode));
    return sql("LOCK TABLE {0} IN {1} MODE", lock.table, mode_sql(lock.mode));
}

}  // namespace weir
