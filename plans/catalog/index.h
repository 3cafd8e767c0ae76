#pragma once
#include <optional>
#include <string>
#include <vector>

#include "plans/sql.h"

namespace weir {

/// How finely ANALYZE looks at one part of an index: an expression has no column whose target would hold.
struct IndexStatistics {
    int number{};  ///< of the part, from 1
    int target{};
    auto operator<=>(IndexStatistics const&) const = default;
};

struct Index {
    std::string definition;            ///< pg_get_indexdef(); it does not tell the tablespace
    std::string method{"btree"};       ///< `btree`, `brin`, …
    std::vector<std::string> columns;  ///< of its key, INCLUDE, expressions and predicate, sorted
    bool unique{};
    bool primary{};
    bool valid{true};
    std::string constraint{};           ///< the one that it stands for; empty for none
    std::optional<TableName> parent{};  ///< the index of a partitioned table that it is attached to
    bool replica_identity{};
    bool clustered{};                    ///< CLUSTER without a name goes by it
    std::vector<std::string> options{};  ///< `fillfactor=70`
    std::vector<IndexStatistics> statistics{};
    std::string tablespace{};  ///< empty: the database's own
    std::optional<std::string> comment{};
    bool operator==(Index const&) const = default;
};

}  // namespace weir
