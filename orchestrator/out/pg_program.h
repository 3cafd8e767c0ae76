#pragma once
/// pg_dump and pg_restore: run to their end, with their words.
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "plans/problem.h"

namespace weir {

/// What went wrong, in words for people; `said`: what a program that talked with the server said of it.
struct Failed : std::runtime_error {
    explicit Failed(std::string const& what, std::string words = {})
        : std::runtime_error{what}, said{std::move(words)} {}
    Sealed said;
};
struct Canceled {};

/// Runs it with our environment, on the calling thread; `take` gets what it writes to stdout. Throws Failed unless it
/// ended with 0, with the last thousand bytes that it wrote to stderr, and Canceled when `stop`, which is asked at
/// least each 50 ms, became true: then it is ended, within two seconds.
void run_program(std::vector<std::string> const& command, std::function<void(std::string_view)> const& take,
                 std::function<bool()> const& stop);

/// The programs' words without secrets and control characters: what stands in PGPASSWORD, and after `password=` and
/// `user:` of an address, is `***`.
std::string harmless(std::string text);

}  // namespace weir
