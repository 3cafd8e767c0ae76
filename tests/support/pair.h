#pragma once
/// A primary, its standby r1, and an address that leads to whichever of them takes writes.
#include <memory>
#include <string>

#include "tests/support/bench.h"

namespace weir::tests {

struct Pair {
    explicit Pair(bool synchronous, bool fsync = true);
    Replica& replica() { return cluster.replica("r1"); }
    /// The primary crashes, and the standby is promoted.
    void fail_over();

    Cluster cluster;
    Bench bench;  ///< its database's address names both
};

}  // namespace weir::tests
