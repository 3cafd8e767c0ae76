#pragma once
/// When did a counter that only grows pass a given point?
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>

#include "orchestrator/machine/protocol.h"

namespace weir {

/// Remembers positions of a counter with the times at which it stood there, in bounded memory.
///
/// Pure; one thread at a time. Times may not go back.
class Trail {
  public:
    /// A position lower than the last one begins a new history: the counter is another server's.
    void note(std::int64_t position, Millis now);

    /// How long ago the counter passed `position`, as if it had moved evenly between two notes: else it is wrong by the
    /// rest between them at most (or a thirtieth of itself, because the memory is bounded). 0 at the last position and
    /// beyond. Nothing when the counter was past it already at the first note: then it is more than watched().
    std::optional<Millis> since(std::int64_t position, Millis now) const;
    Millis watched(Millis now) const { return began_ ? now - *began_ : Millis{0}; }
    std::size_t size() const { return history_.size(); }

  private:
    struct Sample {
        std::int64_t position{};
        Millis from{}, at{};  ///< the first and the last time that the counter stood there
    };

    std::deque<Sample> history_;  ///< growing in all fields
    std::optional<Millis> began_;
};

}  // namespace weir
