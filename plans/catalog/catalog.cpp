#include "plans/catalog/catalog.h"

#include <algorithm>

namespace weir {

Column* Table::find(std::string_view column) {
    auto const found = std::find_if(columns.begin(), columns.end(), [&](Column const& c) { return c.name == column; });
    return found == columns.end() ? nullptr : &*found;
}

Column const* Table::find(std::string_view column) const { return const_cast<Table*>(this)->find(column); }

std::vector<Dependent> dependents_of(Table const& table, std::string_view column) {
    std::vector<Dependent> found;
    for (auto const& dependent : table.dependents)
        if (dependent.is_on(column)) found.push_back(dependent.what);
    return found;
}

std::vector<ForeignKey> references_of(Table const& table) {
    std::vector<ForeignKey> found;
    for (auto const& key : table.foreign_keys)
        if (key.ours && !key.theirs) found.push_back(key);
    return found;
}

Table* Catalog::find(TableName const& table) {
    auto const found = tables.find(table);
    return found == tables.end() ? nullptr : &found->second;
}

Table const* Catalog::find(TableName const& table) const { return const_cast<Catalog*>(this)->find(table); }

void forget_neighbours(Catalog& catalog) {
    std::set<TableName> ends;
    for (auto const& [name, table] : catalog.tables)
        for (auto const& key : table.foreign_keys) {
            if (!key.ours) ends.insert(key.table);
            if (!key.theirs) ends.insert(key.to);
        }
    std::erase_if(catalog.neighbours, [&](auto const& one) { return !ends.contains(one.first); });
}

}  // namespace weir
