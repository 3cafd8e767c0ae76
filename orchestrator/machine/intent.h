#pragma once
/// What a run is to come to next.
#include <cstdint>

namespace weir {

/// An undo that has begun goes on by itself, as the ledger says.
enum class Intent : std::uint8_t {
    go_on,
    abort,
    roll_back,
    stop,  ///< whatever else was wanted
};

}  // namespace weir
