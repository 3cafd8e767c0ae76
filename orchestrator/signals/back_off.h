#pragma once
/// How long to rest before connecting again. Pure.
#include <algorithm>
#include <utility>

#include "plans/event.h"

namespace weir {

/// 250 ms, then twice as long after each failure, 5 s at most.
class BackOff {
  public:
    Millis next() { return std::exchange(rest_, std::min(rest_ * 2, Millis{5000})); }
    void reset() { rest_ = first; }

  private:
    static constexpr Millis first{250};
    Millis rest_{first};
};

}  // namespace weir
