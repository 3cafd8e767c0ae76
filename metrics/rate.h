#pragma once
/// How fast something goes, over the last minute: for the ETA, shown by the instruments and the progress display alike.
#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>

#include "plans/event.h"

namespace weir {

/// A sliding window over amounts of work. Has no clock: time is what its callers say, in the order of the events.
///
/// A time before the last one means that the wall clock was set back; what was known is forgotten then. Keeps one sum a
/// sixtieth of the window, so memory does not grow with the number of batches. One thread at a time; copyable.
///
/// The range of the time left comes from how much the rate varied: the window is cut into twelve buckets (5 s of a
/// minute), the work of a batch is spread evenly over the time it took, and the rate is taken to lie within two
/// standard errors of its mean, s / sqrt(n) over the n whole buckets. That is the textbook interval of a mean, about 95
/// % when the buckets are independent: it needs no model and no setting, widens when the work is jerky, and narrows to
/// the one figure when it is steady. It says how well the rate of the last minute is known, not what the next hour
/// brings.
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
    struct Range {
        std::chrono::seconds low, high;
        bool operator==(Range const&) const = default;
    };
    /// Whole seconds (rounded up) until `left` is done, at the rate and two standard errors to either side: time_for()
    /// lies between the two. Nothing when time_for() is nothing, with fewer than three whole buckets, and when the slow
    /// end would be no rate at all or take longer than a year. 0 to 0 when nothing is left.
    std::optional<Range> range_for(double left, Instant now) const;
    void clear();

  private:
    struct Slot {
        Instant from, to;
        double amount{};
    };
    Millis bucket() const { return std::max(window_ / 12, Millis{1}); }
    void spread(Instant at, Millis took, double amount);
    std::optional<double> standard_error(Instant now) const;

    Millis window_ = std::chrono::minutes{1};
    std::map<std::int64_t, double> buckets_;  ///< by the number of the bucket since 1970
    std::deque<Slot> slots_;
    std::optional<Instant> began_;
};

}  // namespace weir
