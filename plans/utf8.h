#pragma once
/// Text whose bytes came from elsewhere, made fit for JSON. Pure.
#include <string>
#include <string_view>

namespace weir {

/// The text with U+FFFD for each byte that is no part of a well-formed character.
std::string as_utf8(std::string_view text);

}  // namespace weir
