#pragma once
#include <optional>
#include <string>
#include <vector>

#include "plans/catalog/dependent.h"
#include "plans/catalog/grant.h"
#include "plans/sql.h"

namespace weir {

/// A view or materialized view that reads the table, or one of its partitions, itself or by way of others.
struct View {
    TableName name;
    bool materialized{};
    int depth{1};              ///< the longest way to the table; who drops views begins with the deepest
    std::string definition{};  ///< pg_get_viewdef()
    std::string owner{};
    Acl grants{};
    std::vector<std::string> options{};  ///< `security_barrier=true`; WITH CHECK OPTION is one of them
    std::optional<std::string> comment{};
    std::vector<Dependent> dependents{};  ///< what depends on it in turn; sorted
    bool operator==(View const&) const = default;
};

}  // namespace weir
