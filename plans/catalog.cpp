#include "plans/catalog.h"

#include <algorithm>

namespace weir {

Column* Table::find(std::string_view column) {
    auto const found = std::find_if(columns.begin(), columns.end(), [&](Column const& c) { return c.name == column; });
    return found == columns.end() ? nullptr : &*found;
}

Column const* Table::find(std::string_view column) const { return const_cast<Table*>(this)->find(column); }

Table* Catalog::find(TableName const& table) {
    auto const found = tables.find(table);
    return found == tables.end() ? nullptr : &found->second;
}

Table const* Catalog::find(TableName const& table) const { return const_cast<Catalog*>(this)->find(table); }

}  // namespace weir
