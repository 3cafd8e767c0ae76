#pragma once
#include <optional>
#include <string>
#include <vector>

#include "plans/catalog/grant.h"

namespace weir {

struct EnumType {
    std::vector<std::string> labels{};  ///< in their order
    std::string owner{};
    Acl grants{};
    std::optional<std::string> comment{};
    bool operator==(EnumType const&) const = default;
};

}  // namespace weir
