#pragma once
/// The frame of a plan: the document, its keys, and the lists of operations, each as it stands there. The settings are
/// read by plans/settings.h, the fields of an operation by plans/fields.h.
#include <vector>

#include "plans/node_reader.h"
#include "plans/operation.h"
#include "plans/plan.h"

namespace weir {

/// An operation as it stands in the plan, checked and not built yet.
struct ReadOperation {
    OperationRow const* row;
    FieldValues values;
    Phase listed;  ///< the phase list that it stands in; of `changes` it says nothing
};

struct Frame {
    Plan plan;  ///< without `parts`, `text`, `file` and `identity`
    std::vector<ReadOperation> changes;
    std::vector<ReadOperation> lists;  ///< by phase, inside of each in the file's order
};

/// Everything that is wrong with the plan is told to the reader; where there is a problem the frame is not whole.
Frame read_frame(NodeReader& reader, YamlNode const& root, OperationTable operations);

/// The parts of all operations in execution order: by phase; inside a phase `changes` first, then the list.
/// REQUIRES that reading the frame found no problem.
std::vector<Part> build_parts(Frame const& frame);

}  // namespace weir
