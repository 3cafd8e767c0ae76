#pragma once
/// What is wrong with a plan, an option or a server, said once and in full.
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
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

/// Words that may quote what stands in a row, or what another session runs: for the terminal of the one who runs, and
/// for nobody else. No string comes of it by accident: whoever writes down or sends what it hears finds none here.
class Sealed {
  public:
    Sealed() = default;
    explicit Sealed(std::string text) : text_{std::move(text)} {}
    bool empty() const { return text_.empty(); }
    /// To write it to a terminal, or to decide by it. Never to keep it, and never to send it.
    std::string const& reveal() const { return text_; }
    bool operator==(Sealed const&) const = default;

  private:
    std::string text_;
};

/// Who reads what is written.
enum class Audience : std::uint8_t {
    anybody,   ///< a file, a pipe, a socket, a table: it is kept, or goes on to others
    terminal,  ///< the one who runs, at the terminal
};

struct Problem {
    Code code{};
    Place place;
    std::string message;  ///< lower case, names the object and the value, no full stop; no value of a row
    std::string hint;     ///< what to do about it; may be empty
    Sealed more{};        ///< lines for the terminal: the server's own words, or the keys of rows; may be empty
    bool operator==(Problem const&) const = default;
};

using Problems = std::vector<Problem>;

/// `file:line:column: error[code]: message`; for a terminal the lines of `more`, for others a note that there are some;
/// and the hint on a line of its own: `  hint: …`.
std::string to_text(Problem const& problem, Audience audience = Audience::anybody);
/// Sorted by place, each on its own lines.
std::string to_text(Problems problems, Audience audience = Audience::anybody);
/// What stands in the place of `more` where it may not stand.
inline constexpr std::string_view withheld{"note: the details may quote rows, so they are shown on a terminal only"};
/// The lines of a text, without their ends; none for an empty one.
std::vector<std::string> lines_of(std::string_view text);
/// The exit code that the worst of them asks for; 0 for none.
int exit_code(Problems const& problems);

/// The candidate nearest to `word` by edit distance, or nothing when none is near enough to be meant.
std::string nearest(std::string_view word, std::vector<std::string_view> const& candidates);

}  // namespace weir
