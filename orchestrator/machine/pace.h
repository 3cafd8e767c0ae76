#pragma once
/// Whether the backfill may go on, decided from what was measured. Pure: no clock, no socket; copyable.
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "orchestrator/machine/protocol.h"

namespace weir {

struct Pace {
    bool go{true};
    /// Why not, with figures, one a reading, in the readings' order: `replication lag of r1 is 3.2 s, limit 2 s`.
    /// Each begins with the signal's name in words. Empty when `go`.
    std::vector<std::string> reasons;
    bool operator==(Pace const&) const = default;
};

/// Fails closed: what could not be read, was never measured, or was measured too long ago, stops.
///
/// A reading stops above its limit and goes on at 80 % of it or less, so that the pace does not flutter around the
/// limit; each reading (by signal and subject) remembers for itself whether it stopped. A limit of 0 or less is none:
/// such a reading is for the display and never stops.
class PaceController {
  public:
    /// `measured` is when the readings came (the steady stamp of their input), or nothing before the first ones;
    /// `max_age` is how old they may be: three polls. Both times are steady. Call it with every measurement and, so
    /// that silence is noticed, before every batch; the same readings may be judged again. When no signal is asked for
    /// (`throttle: none`) do not ask at all: no readings at all are an old measurement too.
    Pace judge(std::vector<Reading> const& readings, std::optional<Millis> measured, Millis now, Millis max_age);

  private:
    std::set<std::pair<std::string, std::string>> held_;  ///< signal and subject
};

}  // namespace weir
