#pragma once
/// What the plan's expressions see of a session's settings, and the application's code that weir's statements fire:
/// what a new session of the table's owner would have, or what the plan says.
#include <string>
#include <vector>

#include "plans/catalog/catalog.h"
#include "plans/plan.h"

namespace weir {

/// By name. What the plan gives stands in place of the owner's.
std::vector<SessionSetting> settings_of(Plan const&, Table const&);

/// SET LOCAL for the rest of a transaction, or SET for a statement that stands alone. Empty when there is nothing to
/// set.
Batch hold(std::vector<SessionSetting> const&, bool local = true);

/// What the server is asked of the plan's own settings.
Questions setting_questions(Plan const&);

/// What it has against them.
Problems refused_settings(Plan const&, Catalog const&);

/// One problem for each setting that a plan that writes rows of `table` must give, because what the owner has cannot be
/// seen. `place`: of whatever writes.
Problems hidden_settings(Plan const&, Table const& table, Place const& place);

/// `timezone = America/New_York (database shop)`, for people.
std::string to_text(SessionSetting const&);

}  // namespace weir
