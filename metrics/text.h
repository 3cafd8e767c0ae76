#pragma once
/// What more than one way of telling needs to write text. Pure.
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "plans/event.h"

namespace weir {

std::string joined(std::vector<std::string> const& parts, std::string_view between);
/// `%.Nf` of the C locale: `1.50`.
std::string decimal(double value, int digits);
/// A figure as people read it: `40 ms`, `2.5 s`, `1.5 GB`, `50 MB/s`, `20 sessions`. Bytes in powers of 1024.
std::string figure(double value, std::string_view unit);
/// `2026-11-21T02:47:48Z`, with milliseconds on demand.
std::string iso(Instant at, bool milliseconds);
/// Names come from the server and its users: none of their bytes may steer a terminal or end a line.
std::string printable(std::string_view text);
/// The first `columns` characters; no character is cut in two.
std::string truncated(std::string text, std::size_t columns);

}  // namespace weir
