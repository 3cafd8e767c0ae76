#pragma once
#include <optional>
#include <string>
#include <vector>

namespace weir {

/// How a publication comes to publish a table.
struct Publication {
    std::string name;
    std::string owner{};
    std::string by{"table"};                            ///< `table`: it lists it; `schema`; `all`: FOR ALL TABLES
    std::string partition{};                            ///< the one that is published so; empty: the table itself
    std::optional<std::vector<std::string>> columns{};  ///< its list, in the table's order; absent: all of them
    std::string filter{};                               ///< the expression of WHERE; empty for none
    std::string operations{"insert, update, delete, truncate"};
    bool via_root{};  ///< changes of partitions are published as the table's
    std::optional<std::string> comment{};
    bool operator==(Publication const&) const = default;
};

}  // namespace weir
