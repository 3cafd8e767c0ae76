#include "phases/operations.h"

#include <array>

namespace weir {

OperationTable operations() {
    static std::array const table{add_column_row,    delete_rows_row, drop_column_row,  drop_table_row,  fill_row,
                                  rename_column_row, set_comment_row, set_not_null_row, sync_columns_row};
    return table;
}

}  // namespace weir
