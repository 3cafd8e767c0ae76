#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "plans/catalog/grant.h"
#include "plans/sql.h"

namespace weir {

/// A sequence that belongs to a column of the table: of an identity, or of what `serial` stands for.
struct Sequence {
    TableName name;
    std::string column{};
    bool identity{};
    std::string type{"bigint"};
    std::int64_t start{1}, increment{1}, min{1}, max{INT64_MAX}, cache{1};
    bool cycle{};
    std::string owner{};
    Acl grants{};
    std::optional<std::string> comment{};
    bool operator==(Sequence const&) const = default;
};

}  // namespace weir
