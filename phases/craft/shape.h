#pragma once
/// The ledger's own functions that look at the shape of a table: who calls them, from a step or around it. Pure.
#include <string>

#include "plans/sql.h"
#include "plans/step.h"

namespace weir {

/// Raises WE008 (with a hint) when rows stand where weir neither fills nor proves: in an inheritance child, in a
/// foreign table among the partitions. No table of that name: nothing.
Sql check_kinds(TableName const& table);
/// Raises WE008 (with a hint) when a rule of the table or of a partition rewrites each UPDATE, or each DELETE.
Sql check_rules(TableName const& table, bool deletes);
/// For a transaction that destroys, under its lock on the table: raises WE007 unless step `proof` of the run came to
/// its end and each leaf is what it was when that proof noted it (attachments, file, BEFORE triggers, rules, columns),
/// and WE008 as check_kinds().
Sql check_shape(TableName const& table, RunId run, std::string const& proof);
/// Notes the table as it is now as read whole, for step `proof` of the run and for `<proof>.back`: both then read what
/// changes later alone.
Sql note_shape(TableName const& table, RunId run, std::string const& proof);

}  // namespace weir
