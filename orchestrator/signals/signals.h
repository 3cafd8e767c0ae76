#pragma once
/// Which signals the primary is asked for.
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "orchestrator/signals/signal.h"

namespace weir {

/// What a plan says of them.
struct Asked {
    struct Query {
        std::string name;
        UserExpr query;  ///< in brackets, as one expression
    };

    std::string plan;                         ///< its name, by which its sessions introduce themselves
    std::set<std::string, std::less<>> keys;  ///< of `throttle`, those with a limit
    std::vector<TableName> tables;            ///< those that the plan works on
    std::vector<Query> sql;                   ///< of `throttle.sql`
};

/// One for each key that is a signal of this kind, and one for each query; the cheapest first, queries last. Keys of
/// signals that are measured in other ways are passed over.
///
/// One measurement is one round trip for each of them: a failed one must not take the others with it.
std::vector<std::unique_ptr<Signal>> signals_of(Asked const& asked);

}  // namespace weir
