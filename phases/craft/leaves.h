#pragma once
/// Tables of many partitions. A statement on the parent works on every partition, under one lock: what takes no time on
/// an ordinary table takes 20 to 100 microseconds for each of them, and one transaction may keep others waiting for
/// `locks.timeout` at most. Statements on columns recurse and cannot be cut; triggers can be made and dropped one a
/// transaction. Here a step that makes or drops a sync is cut so, and what a step costs is estimated.
#include <optional>

#include "phases/craft/sync.h"

namespace weir {

/// From so many partitions on a sync is made and dropped in parts. As a whole, a column with its sync takes about a
/// third of a millisecond for each partition, and up to three times that while the catalog is not in memory yet: 50
/// partitions are half of the default bound.
inline constexpr int many_leaves = 50;
bool has_many_leaves(Table const& table);

/// `whole` makes a sync (`forward` does create_sync(), `undo` undo_sync()). In parts, in this order: what is no
/// trigger; the trigger that carries a new value back on UPDATE, the one that carries an old value on; the same two for
/// INSERT. Until the last of them stands, whoever writes the old column leaves NULL in the new one or what belongs
/// there, never something stale: the fill comes after, and finds it. At no time is there a trigger that carries on and
/// none that carries back, which would take a value from whoever writes the new column. Only the last part tells, by
/// its comment, that there is a sync. Undone in reverse. `made`: the column that `whole` adds as well; the first thing
/// of an undo is that it is called `aside`, so that nobody can write what would be lost.
Steps made_in_parts(Step whole, Mapping const& mapping, std::optional<Ident> const& made, Ident const& aside);

/// `whole` drops the old column of a sync and the sync (`forward` holds drop_sync() and DROP COLUMN). In parts: all
/// that it does but dropping, and the column is called `aside`, while the sync goes on; from here on no application can
/// write to it, and only forward is possible. Then NULL is allowed in it; one trigger after another, those first that
/// carry on; functions and column. `mark`: what the comment on the column says meanwhile.
Steps dropped_in_parts(Step whole, Mapping const& mapping, Ident const& aside, std::string const& mark);

/// The same for a column that is aside already: no part renames it.
Steps purged_in_parts(Step whole, Mapping const& mapping);

/// What a batch costs on a server at leisure with its catalog in memory: how long it keeps its locks, and how many
/// objects it locks. Statements whose cost does not grow with the partitions count for nothing.
struct Cost {
    Millis time{};
    std::int64_t locks{};
};
Cost cost_of(Batch const& batch, std::vector<TableLock> const& locks, int leaves);

/// Adds a problem when a step, forward or back, cannot be done within `bound`, or would lock more objects than the
/// server can keep in mind; each names what would do.
void too_many_leaves(Steps const& steps, Catalog const& catalog, TableName const& table, Millis bound,
                     Place const& place, Problems& problems);

}  // namespace weir
