#pragma once
/// The door to yaml-cpp: a file becomes a small tree in which everything knows its place, and whatever of YAML a plan
/// has no use for (anchors, aliases, tags, keys that are no scalars, more documents) is refused.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "plans/problem.h"

namespace weir {

enum class YamlKind {
    null,
    scalar,
    list,
    mapping,
    refused,  ///< there is a Problem about it already; say nothing more
};

struct YamlMember;

struct YamlNode {
    YamlKind kind{};
    Place place;
    bool quoted{};     ///< a scalar in quotes or in block form: never a number or null for YAML
    bool in_flow{};    ///< it stands directly in { } or [ ], where a comma ends it
    std::string text;  ///< of a scalar, or the key of a member as it was written
    std::vector<YamlNode> items;
    std::vector<YamlMember> members;  ///< in the file's order; keys are scalars and unique
};

struct YamlMember {
    YamlNode key, value;
};

struct YamlDocument {
    std::optional<YamlNode> root;  ///< nothing when the file is not well-formed, or empty
    Problems problems;
};

/// Never throws. `text` must be UTF-8 without NUL. Columns count characters.
YamlDocument read_yaml(std::string_view text, std::string const& file);

}  // namespace weir
