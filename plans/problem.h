#pragma once
/// What is wrong with a plan, an option or a server, said once and in full.
#include <string>
#include <string_view>
#include <vector>

#include "plans/code.h"

namespace weir {

/// Where in a file; line and column count from 1, and 0 means that there is none.
struct Place {
    std::string file;
    int line{};
    int column{};
    auto operator<=>(Place const&) const = default;
};

struct Problem {
    Code code{};
    Place place;
    std::string message;  ///< lower case, names the object and the value, no full stop
    std::string hint;     ///< what to do about it; may be empty
    bool operator==(Problem const&) const = default;
};

using Problems = std::vector<Problem>;

/// `file:line:column: error[code]: message`, and the hint on a line of its own: `  hint: …`.
std::string to_text(Problem const& problem);
/// Sorted by place, each on its own lines.
std::string to_text(Problems problems);
/// The exit code that the worst of them asks for; 0 for none.
int exit_code(Problems const& problems);

/// The candidate nearest to `word` by edit distance, or nothing when none is near enough to be meant.
std::string nearest(std::string_view word, std::vector<std::string_view> const& candidates);

}  // namespace weir
