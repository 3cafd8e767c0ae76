#pragma once
/// The closed set of reasons that hold a run back or slow it, as metrics label them. Pure.
#include <string_view>
#include <vector>

namespace weir {

/// For a reason of none of the other kinds.
inline constexpr std::string_view other_reason{"other"};
/// The label `reason` for a reason of PaceChanged: the name of the signal that the reason begins with
/// (`replication lag of r1 is 3.2 s, limit 2 s`), else other_reason. The set is closed.
std::string_view throttle_reason(std::string_view reason);
/// The whole set.
std::vector<std::string_view> throttle_reasons();

}  // namespace weir
