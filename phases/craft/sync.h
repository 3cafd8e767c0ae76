#pragma once
/// The sync of an old and a new column: its functions, its four triggers, and the one predicate that trigger, fill and
/// proof share; tried with concurrent old and new applications (tests/sync).
///
///   ok(row) := image_equal(new, f(old)) or (new is not NULL and a reverse exists and image_equal(old, g(new)))
///
/// A consistent row is never touched, whoever wrote it. The reverse triggers sort before every trigger of the
/// application, so that its triggers see the old column as if the old application had written; the forward triggers
/// sort after them. An INSERT that gives both and does not agree is judged by the defaults as they stand at that moment
/// on the table (the partition and its ancestors): only the old column has one: the new value wins; else the old one;
/// both have one: the new value, and it is counted. One exception to "never": a new value that is f(old) follows a
/// change of the columns that f alone reads, which the reverse says nothing of. Equality is by bytes (record_image_eq),
/// so that 1.0 and 1.00 are two values and json has equality at all.
#include <optional>
#include <string>
#include <vector>

#include "phases/craft/names.h"
#include "plans/catalog/catalog.h"
#include "plans/step.h"

namespace weir {

/// Everything that the SQL of a sync needs.
struct Mapping {
    RunId run{};
    int number{};
    TableName table;
    Column from;
    Column to;
    std::optional<UserExpr> forward;  ///< over the columns of `inputs`
    std::optional<UserExpr> reverse;  ///< over `to`
    bool two_way{};                   ///< identity both ways, or a declared reverse
    std::vector<Column> reads;        ///< what forward reads beside `from`, in the table's order
    bool in_order{true};              ///< as Sync::in_order
};

SyncNames sync_names(Mapping const& mapping);

/// The mapping of a live sync, as the catalog knows it. REQUIRES its columns to exist.
Mapping mapping_of(TableName const& table, Table const& shape, Sync const& sync);
/// As the catalog will know it.
Sync sync_of(Mapping const& mapping);
/// The live sync that fills `column`, or that reads it as its old column.
Sync const* sync_to(Table const& shape, std::string_view column);
Sync const* sync_from(Table const& shape, std::string_view column);

Batch create_sync(Mapping const& mapping);

/// The bodies of the trigger functions as create_sync() made them. REQUIRES a two-way mapping.
Batch replace_sync(Mapping const& mapping);
/// The bodies for the time when `from` is set aside: the new column is what counts, and what it is given is written
/// back by the reverse. That cannot raise. What an INSERT without a list of columns gives the one aside goes to the new
/// column where that is NULL (by the forward, which may refuse it), else it is counted by both_counter(). A value that
/// does not go back (the reverse raises, or the forward of what it gives is not the value) is counted by nextval() of
/// lost_counter(), which no rollback takes back: the counter never counts too few. REQUIRES a two-way mapping, and the
/// counter where may_not_go_back().
Batch replace_with_way_back(Mapping const& mapping);
/// False for the identity between two columns of one type.
bool may_not_go_back(Mapping const& mapping);
/// A sequence in schema weir_sync.
Ident lost_counter(Mapping const& mapping);
/// A sequence in schema weir_sync: how often an INSERT gave both columns values that do not fit, and only one was kept.
Ident both_counter(Mapping const& mapping);
/// What of `to` the old column holds: what the forward makes of it. `made`: the same step adds the column.
ColumnStake stake_of(Mapping const& mapping, bool made);
Batch drop_sync(Mapping const& mapping);
/// The same for an undo, after which the new column goes: triggers and functions that somebody has dropped before are
/// no obstacle, but raises when a column that the forward mapping reads is gone: then the new one holds the only
/// values.
Batch undo_sync(Mapping const& mapping);
/// Raises WE003 unless the triggers and functions are there, ENABLE ALWAYS, and untouched since their run made them.
Sql guard_sync(Mapping const& mapping);

/// For while the gate is open (Operation::gate_look()): a default that the new column was given, and both_counter().
Sql look_at_sync(Mapping const& mapping);

/// `weir_sync.r1_1_ok(a, b)` and `weir_sync.r1_1_f(a)` over the columns of a row.
Sql ok_of(Mapping const& mapping);
Sql forward_of(Mapping const& mapping);
/// `weir_sync.r1_1_g(b)`. REQUIRES a two-way mapping.
Sql reverse_of(Mapping const& mapping);

/// Every row is to be `ok`; once the new application writes, a fill gives a value only where there is none. One way, a
/// value that the application gave to the new column is then the application's.
Fragment synced_fragment(Mapping const& mapping);

/// The type to cast a forward expression to: with its modifier, save for lengths (a value that is too long must fail
/// and not be cut in silence).
TypeName cast_target(std::string const& type);

/// Problems with the names of the application's own BEFORE ROW triggers: one that sorts outside ours would see a
/// half-set row.
void trigger_order(Table const& shape, TableName const& table, Place const& place, Problems& problems);

}  // namespace weir
