#pragma once
#include <optional>
#include <string>
#include <vector>

#include "plans/sql.h"

namespace weir {

/// What CREATE STATISTICS makes.
struct ExtendedStatistics {
    TableName name;
    std::string kinds{};                 ///< stxkind, sorted: d, f, m, and e for expressions
    std::string definition{};            ///< pg_get_statisticsobjdef()
    std::vector<std::string> columns{};  ///< those that it names bare, in the table's order
    int target{-1};                      ///< -1: the server's default
    std::string owner{};
    std::optional<std::string> comment{};
    bool operator==(ExtendedStatistics const&) const = default;
};

}  // namespace weir
