#pragma once
/// The part of the plan reader that knows the fields of an operation: which there are, and the value of each by its
/// kind.
#include <optional>
#include <string>

#include "plans/node_reader.h"
#include "plans/operation.h"

namespace weir {

/// The fields of the operation `row`, whose name is the node `key` and whose mapping is `fields`; nothing when anything
/// is wrong with them, and the reader is told what.
std::optional<FieldValues> read_fields(NodeReader& reader, OperationRow const& row, YamlNode const& key,
                                       YamlNode const& fields);

}  // namespace weir
