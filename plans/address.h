#pragma once
/// A database's address as libpq takes it: is a secret in it? Pure, and stricter than libpq: what could be read in two
/// ways is unreadable.
#include <cstdint>
#include <string_view>

namespace weir {

enum class Address : std::uint8_t {
    good,
    password,    ///< it holds a password, or may hold one
    unreadable,  ///< neither a URL `postgresql://…` nor keywords `host=… dbname=…`, or empty
};
Address read_address(std::string_view text);

}  // namespace weir
