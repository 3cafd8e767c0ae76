#pragma once
/// What Operation::apply() makes of partitions that have something of their own (Table::differing_leaves). Columns are
/// given as the table itself had them before, unless it is said otherwise.
#include <string>

#include "plans/catalog/catalog.h"

namespace weir {

/// Every partition is NOT NULL there now, as the table is.
void not_null_on_leaves(Table& table, std::string_view column);

void dropped_on_leaves(Table& table, std::string_view column);

/// hand_over(); `now`: the new column as the table itself has it after that.
void handed_over_on_leaves(Table& table, Column const& from, Column const& to, Column const& now);

/// hand_over() if there is `now` (the new column as the table itself has it after that), note_aside() with its `mark`,
/// then DROP NOT NULL, DROP DEFAULT if there is `to`, and the new name. The table's own columns have changed already.
/// `server_version`: from 18 on a partition's own NOT NULL outlives the table's.
void set_aside_on_leaves(Table& table, Column const& column, Column const* to, Column const* now,
                         std::string const& mark, std::string const& aside, int server_version);

}  // namespace weir
