#pragma once
/// When the backfill may work: the windows of a plan and its `schedule.at`, in the time zones of each. Pure: no clock.
///
/// The windows of all days together are one set of time: those that touch or overlap are one opening. A window begins
/// when the clock of its zone first shows its `from` or later and ends when that last shows less than its `to`, so that
/// where the clock leaps forward a window is shorter, or left out, and where it is set back the repeated hour counts.
#include <optional>
#include <string>

#include "plans/plan.h"

namespace weir {

struct Opening {
    Instant at;                    ///< what was asked
    bool open{};                   ///< the backfill may work
    std::optional<Instant> until;  ///< when that changes; nothing: not within a year
    /// The same answer for another time, without asking again.
    bool holds(Instant then) const { return then >= at && (!until || then < *until); }
};
Opening opening(Schedule const& schedule, Instant at);

/// `mon-fri 01:00-05:00 Europe/Berlin`, `01:00-05:00 UTC` on every day.
std::string to_text(Window const& window);
/// `outside the window mon-fri 01:00-05:00 Europe/Berlin, opens 2026-11-23 01:00 CET`, or `before the time of
/// schedule.at, opens …`; both begin with words that nothing else begins with. Empty when it is open.
std::string closed_reason(Schedule const& schedule, Opening const& now);

/// When some work will be finished that goes on whenever the schedule lets it.
struct Completion {
    std::optional<Instant> at;  ///< nothing: not within `openings`, which are as many as are looked at
    int openings{};             ///< in which it works; the one that is open now is the first
};
struct Forecast {
    Completion low, high;
    bool this_opening{};  ///< finished, by the longer estimate too, before what is open now closes
};
inline constexpr int openings_at_most = 1000;

/// `low` and `high` are the work that is left, in time, by the shorter and the longer estimate.
Forecast forecast(Schedule const& schedule, Instant now, Millis low, Millis high);
/// `done in this window, between 2026-11-23 03:10 CET and 2026-11-23 03:40 CET`,
/// `done in 3 to 4 openings, between 2026-11-25 02:00 CET and 2026-11-26 01:10 CET`; without windows only the times.
std::string to_text(Forecast const& forecast, Schedule const& schedule);

}  // namespace weir
