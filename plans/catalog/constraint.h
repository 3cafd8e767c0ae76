#pragma once
#include <optional>
#include <string>
#include <vector>

#include "plans/sql.h"

namespace weir {

/// Foreign keys are a kind of their own, and NOT NULL is the column's.
struct Constraint {
    std::string name;
    std::string kind;        ///< contype: c, p, u, x, t
    std::string definition;  ///< pg_get_constraintdef(); says NOT VALID when it is
    bool validated{true};
    std::vector<std::string> columns{};  ///< those of the table that it is on, in its order
    bool deferrable{}, deferred{};
    bool no_inherit{};    ///< of a CHECK
    bool local{true};     ///< declared on the table itself
    int inherited{};      ///< from so many parents
    std::string index{};  ///< that enforces it, by its name; empty for none
    std::optional<std::string> comment{};
    bool operator==(Constraint const&) const = default;
};

/// A foreign key that the table or one of its partitions alone has, or that refers to it or to one of them alone. It
/// stands once at each table that it touches.
struct ForeignKey {
    std::string name;
    TableName table;           ///< whose constraint it is
    TableName to;              ///< to which it refers
    bool ours{}, theirs{};     ///< `table` is this table, or a partition of it; `to` is. A key to itself is both
    std::string definition{};  ///< pg_get_constraintdef()
    std::vector<std::string> columns{}, to_columns{};  ///< in the key's order
    std::string match{"s"}, on_update{"a"},
        on_delete{"a"};                      ///< confmatchtype (f, s), confupdtype, confdeltype (a, r, c, n, d)
    std::vector<std::string> set_columns{};  ///< of ON DELETE SET NULL (…)
    bool deferrable{}, deferred{};
    bool validated{true};
    bool plain{true};  ///< nothing of its definition is beyond the fields above
    std::optional<std::string> comment{};
    bool operator==(ForeignKey const&) const = default;
};

/// A table at the other end of a foreign key, as far as that concerns who works on this end. That the
/// plan changes it, too, does not matter: what operations work on is among the catalog's tables.
struct Neighbour {
    std::string kind{"r"};  ///< relkind: r, p
    std::string owner{};
    bool may_lock{};                  ///< the connected role may lock it
    std::vector<TableName> refers{};  ///< other tables that it has foreign keys to; sorted
    bool operator==(Neighbour const&) const = default;
};

}  // namespace weir
