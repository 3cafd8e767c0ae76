#pragma once
/// The public stream as JSON: one table of the events' fields, for `--progress json`, the board and the docs.
#include <string>
#include <string_view>
#include <vector>

#include "plans/event.h"

namespace weir {

/// The event as one JSON object without a newline; the shape is that of docs/progress.md. Bytes that are no UTF-8
/// become U+FFFD. Only for a terminal are there `keys` of rows, `more` of a warning or a stop, and what blockers run as
/// they wrote it.
std::string to_json(Event const& event, Audience audience = Audience::anybody);

/// Who is in the way, as `audience` may see it: `seen` says the same as `blockers`, with what they run.
std::vector<std::string> shown(std::vector<std::string> const& blockers, std::vector<Sealed> const& seen,
                               Audience audience);
std::string shown(std::string const& blocker, Sealed const& seen, Audience audience);
/// Empty but for a terminal.
std::vector<std::string> shown(std::vector<Sealed> const& keys, Audience audience);

/// A row of the table.
struct EventFields {
    std::string_view event;
    /// Those that are always there, beside `at` and `event`; those of the objects in an array follow the array's name.
    std::vector<std::string_view> fields;
};
/// In the order of Event::what.
std::vector<EventFields> event_fields();

}  // namespace weir
