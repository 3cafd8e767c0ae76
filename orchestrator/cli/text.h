#pragma once
/// What more than one way of telling needs to write text. Pure.
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "plans/event.h"

namespace weir {

std::string joined(std::vector<std::string> const& parts, std::string_view between);
/// `2026-11-21T02:47:48Z`, with milliseconds on demand.
std::string iso(Instant at, bool milliseconds);
/// Names come from the server and its users: none of their bytes may steer a terminal or end a line.
std::string printable(std::string_view text);
/// The first `columns` characters; no character is cut in two.
std::string truncated(std::string text, std::size_t columns);

}  // namespace weir
