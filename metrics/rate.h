#pragma once
/// How fast something goes, over the last minute: for the ETA, shown by the instruments and the progress display alike.
#include <cstdint>
#include <deque>
#include <optional>

#include "plans/event.h"

namespace weir {

/// A sliding window over amounts of work. Has no clock: time is what its callers say, in the order of the events.
///
/// A time before the last one means that the wall clock was set back; what was known is forgotten then. Keeps one sum a
/// sixtieth of the window, so memory does not grow with the number of batches. One thread at a time; copyable.
class Rate {
  public:
    Rate() = default;
    explicit Rate(Millis window) : window_{window} {}

    /// `amount` was done in the time `took` that ended `at`.
    void add(Instant at, Millis took, double amount);
    /// Amount a second over the window that ends `now`, or over the time since the first work when that is shorter.
    /// Nothing when no work fell into the window.
    std::optional<double> per_second(Instant now) const;
    /// Whole seconds (rounded up) until `left` is done at that rate. Nothing when the rate is not known or zero and
    /// something is left; 0 when nothing is left. Never more than a year: that is no forecast.
    std::optional<std::chrono::seconds> time_for(double left, Instant now) const;
    void clear();

  private:
    struct Slot {
        Instant from, to;
        double amount{};
    };
    Millis window_ = std::chrono::minutes{1};
    std::deque<Slot> slots_;
    std::optional<Instant> began_;
};

}  // namespace weir
