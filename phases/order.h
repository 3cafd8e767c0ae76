#pragma once
/// What stands under `changes`, in the order of what depends on what. Pure.
#include <map>
#include <set>
#include <vector>

#include "plans/operation.h"

namespace weir {

class ChangeOrder {
  public:
    explicit ChangeOrder(std::vector<Part> const& parts);

    /// True when `change` reads what `on` makes, or what reads it in turn.
    bool depends(int change, int on) const;
    /// The parts of each phase: what a change reads is made before it, else they stand as they stood; behind them those
    /// of the phase's list, untouched. Changes in a circle stay where they stood.
    std::vector<Part> sorted(std::vector<Part> parts) const;
    /// A problem for each circle, at the first of its changes.
    Problems circles(std::vector<Part> const& parts) const;

  private:
    std::map<int, std::set<int>> needs_;  ///< all that a change depends on, by the number of the change
};

}  // namespace weir
