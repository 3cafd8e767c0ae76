#pragma once
/// The operation table: every operation that a plan may name, sorted by name.
#include "plans/operation.h"

namespace weir {

OperationTable operations();

// One file each, phases/<name>.cpp.
extern OperationRow const add_column_row;
extern OperationRow const delete_rows_row;
extern OperationRow const drop_column_row;
extern OperationRow const drop_table_row;
extern OperationRow const fill_row;
extern OperationRow const rename_column_row;
extern OperationRow const set_comment_row;
extern OperationRow const set_not_null_row;
extern OperationRow const sync_columns_row;

}  // namespace weir
