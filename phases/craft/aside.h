#pragma once
/// What people read of what `drop.quarantine` sets aside.
#include <string>
#include <string_view>

#include "plans/plan.h"

namespace weir {

/// `7 d`, for people.
std::string days(Millis time);

/// The hint where something of another run's quarantine is in the way: `what`, "column" or "table".
std::string way_out_of_quarantine(std::string_view what);

}  // namespace weir
