#pragma once
/// A throttle signal that the primary answers in SQL. It measures and never judges: the limits are the plan's, the
/// decision is the pace controller's (machine/pace.h).
#include <vector>

#include "orchestrator/machine/protocol.h"

namespace weir {

/// What each of them keeps to:
///  - measure() is one SELECT for a session of its own at the primary (the eye); a custom query adds the word that
///    makes it read only. It takes no lock that an application could feel, writes nothing, and is bounded by the Limits
///    that it is executed with. It serves PostgreSQL 14 and later.
///  - read() takes the outcome of that, and gives one reading or more: `signal` is exactly the plan's key, `limit` is 0
///    for the caller to fill. A reading without value has a `problem`: what failed, and what to GRANT if a privilege is
///    missing (then it names pg_monitor). A reading with a value may have a `remark`: who is to blame for it.
///  - a failed measurement is one reading without value, and leaves the signal as ready for the next as it was.
///
/// Pure; one thread at a time. Times are steady and may not go back.
class Signal {
  public:
    Signal() = default;
    virtual ~Signal() = default;
    Signal(Signal const&) = delete;
    Signal& operator=(Signal const&) = delete;

    virtual Batch measure() const = 0;
    virtual std::vector<Reading> read(Outcome const& outcome, Millis now) = 0;
};

}  // namespace weir
