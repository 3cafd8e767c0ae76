#pragma once
/// What people see of a column beside its values (default, NOT NULL, comment, statistics target, column grants), when
/// another column takes its place. It is read when the names change hands, under that transaction's ACCESS EXCLUSIVE,
/// of the table and of each partition: what somebody changed since the run began counts.
#include "plans/catalog/catalog.h"
#include "plans/step.h"

namespace weir {

/// The new column means what the old one meant: the live sync of `from` is the identity between two columns of one
/// type.
bool takes_over(Table const& shape, Column const& from);

/// Gives `to` what `from` has at that moment, save what `to` was given of its own: whatever differs from `to` as it is
/// described here. NOT NULL only if `from` has got it since; then that is a scan, and where it would take long and no
/// CHECK spares it, raises WE008 with what to do. REQUIRES takes_over().
Sql hand_over(TableName const& table, Column const& from, Column const& to);
/// The world after it, if nothing has changed since.
void handed_over(Column const& from, Column& to);

/// After hand_over(), if that is `taken`: `mark` (see aside_comment()) as the comment on the column and on those of its
/// partitions that have something of their own, with what the way back needs: the comment, NOT NULL, and with a live
/// sync to `to` the default, and whether that went to `to`. What bites or fills is then the caller's to lift.
Sql note_aside(TableName const& table, Column const& column, Column const* to, bool taken, std::string const& mark);
/// The text of the comment on the table's own column, if nothing has changed since; `to` as it was before hand_over().
std::string noted_aside(Column const& column, Column const* to, bool taken, std::string const& mark);
/// Gives the column, which has its name again, what was noted, and takes from `to` the default that it got. NOT NULL
/// that `column` (as described here) has is the caller's to set; one that came later is set if that takes no long scan.
Sql bring_back(TableName const& table, Column const& column, Column const* to, std::string const& mark);

}  // namespace weir
