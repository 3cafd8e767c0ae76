#include "plans/plan.h"

#include "plans/keys.h"

namespace weir {

Throttle standard_throttle() {
    Throttle throttle;
    for (auto const& signal : keys::signals)
        if (signal.standard) throttle.limits.emplace(signal.name, *signal.standard);
    return throttle;
}

}  // namespace weir
