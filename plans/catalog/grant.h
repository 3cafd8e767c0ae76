#pragma once
/// Who may do what, and what is said about an object. A part of each kind of object in the catalog.
#include <optional>
#include <string>
#include <vector>

namespace weir {

struct Grant {
    std::string grantee;    ///< role name; empty for PUBLIC
    std::string privilege;  ///< SELECT, INSERT, UPDATE, REFERENCES
    bool grantable{};
    auto operator<=>(Grant const&) const = default;
};

/// An object's own list of rights, the owner's among them, sorted. Nothing: nobody ever granted or revoked any, and
/// what the server gives by default holds.
using Acl = std::optional<std::vector<Grant>>;

struct SecurityLabel {
    std::string provider, label;
    auto operator<=>(SecurityLabel const&) const = default;
};

}  // namespace weir
