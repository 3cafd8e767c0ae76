#pragma once
/// What a plan is known by: a run that lives is continued only by the plan that it began with.
#include <string>

#include "plans/frame.h"

namespace weir {

/// The canonical text of what may not change once a run began: the operations with their fields, `gates`, `approvals`,
/// `drop`, `fire_triggers`, `settings`, and whether there is a `backup`. Layout, quoting, the order of keys and
/// everything else of the file leave no trace in it. Of a plan that an earlier version could read it is the same for
/// ever: the ledger keeps its fingerprint(). Pure.
std::string identity(Frame const& frame);

}  // namespace weir
