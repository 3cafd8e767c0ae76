#pragma once
/// What stands in the way of a change: objects that depend on a table, on a column of it, or on what they are part of.
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace weir {

/// Something that depends on another object and is not part of it: index, constraint, view, policy, trigger, …
struct Dependent {
    std::string kind;      ///< pg_identify_object's type: `index`, `table constraint`, `view`, `policy`, …
    std::string identity;  ///< pg_identify_object's identity: `public.users_name_idx`
    auto operator<=>(Dependent const&) const = default;
};

/// A dependent of a table, by pg_depend.
struct TableDependent {
    Dependent what;
    std::vector<std::string> columns{};  ///< those that it depends on, in the table's order
    bool whole_row{};                    ///< it depends on the table, or on its row type: on no column, or on each
    auto operator<=>(TableDependent const&) const = default;

    bool is_on(std::string_view column) const {
        return std::find(columns.begin(), columns.end(), column) != columns.end();
    }
};

/// A function whose text has the table's name as a whole word; no dependency tells what it reads.
struct Mention {
    std::string function;  ///< `public.total`
    bool trigger{};        ///< it is a trigger function of the table itself
    auto operator<=>(Mention const&) const = default;
};

}  // namespace weir
