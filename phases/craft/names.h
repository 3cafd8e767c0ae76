#pragma once
/// The names of what weir makes. They stand in databases and are found there again by their form: the same run and
/// object give the same name in every version.
#include <string>
#include <string_view>

#include "plans/sql.h"
#include "plans/step.h"

namespace weir {

/// `weir_q1_`: `word`, and the run.
std::string run_prefix(std::string_view word, RunId run);

/// `prefix`, `name` and `suffix` in 63 bytes; what is too long is cut between characters and told apart by a part of
/// its fingerprint.
Ident fitting(std::string const& prefix, std::string const& name, std::string const& suffix = "");

/// `prefix`, `name` and `suffix`; where they are longer than 63 bytes, `substitute` in place of `name`. REQUIRES that
/// it is short.
Ident fitting_or(std::string const& prefix, std::string const& name, std::string const& substitute,
                 std::string const& suffix);

/// What is set aside: `weir_q1_name`.
Ident aside_name(Ident const& name, RunId run);

/// The CHECK on the way to NOT NULL: `weir_r1_name_not_null`; of a column with a long name, the `position`th of its
/// table from 1 on, `weir_r1_column_3_not_null`.
Ident not_null_check_name(Ident const& column, std::size_t position, RunId run);

/// The names of a sync's objects; the functions stand in schema weir_sync. Triggers fire in the order of their names:
/// those of a later run, and of a later sync of a run, come after, so that a sync which reads what another one writes
/// sees it written. Those of an older weir, whose names are not in order, come before.
struct SyncNames {
    Ident first_insert, first_update, last_insert, last_update;  ///< triggers
    Ident forward, reverse, ok, first, last;                     ///< functions
    Ident lost, both;                                            ///< sequences
};
/// `number`: of the sync in its run. `in_order`: as Sync::in_order.
SyncNames sync_names(RunId run, int number, bool in_order);

/// A regular expression, without quotes, for the beginning of what SyncNames calls triggers.
Sql own_triggers();

}  // namespace weir
