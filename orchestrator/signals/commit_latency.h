#pragma once
/// What a small synchronous commit takes, from the times of the heartbeat's own. Pure; times are steady.
#include <deque>
#include <optional>

#include "plans/event.h"

namespace weir {

/// The median of the commits of the last five seconds (of the newest one when there is none so recent), the larger of
/// the middle two: one slow fsync is no reason to stop, three seconds of slow commits are. A commit that is still
/// waited for counts by itself as soon as it has taken longer than that: a commit that hangs shows at once, and grows.
class CommitLatency {
  public:
    /// In seconds.
    void took(double seconds, Millis at);
    /// Nothing is known any more: the session was lost, or the server refused.
    void forget() { taken_.clear(); }
    /// `waited`: for so many seconds one has been waited for now. Nothing when no commit is known and none waited for
    /// long enough to tell.
    std::optional<double> value(Millis now, std::optional<double> waited) const;

  private:
    struct Taken {
        double seconds{};
        Millis at{};
    };
    std::deque<Taken> taken_;
};

}  // namespace weir
