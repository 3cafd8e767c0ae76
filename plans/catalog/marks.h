#pragma once
/// What weir writes into comments, so that a later plan finds it: on the last trigger of a sync, and on a column or
/// table that is set aside.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "plans/catalog/column.h"
#include "plans/sql.h"

namespace weir {

/// A live sync, as the comment of its triggers tells it: which run made it and what it keeps equal.
struct Sync {
    std::int64_t run{};
    int number{};                      ///< 1.. within the run
    std::string from;                  ///< old column
    std::string to;                    ///< new column
    bool two_way{};                    ///< a reverse exists
    std::string forward{};             ///< as the plan wrote it; empty: identity
    std::string reverse{};             ///< as the plan wrote it; empty: identity when two-way, else none
    std::vector<std::string> reads{};  ///< columns that forward reads beside `from`, in the table's order
    bool in_order{};                   ///< its triggers' names sort by run and number; those of an older weir do not
    auto operator<=>(Sync const&) const = default;
};

/// The text of the comment on a sync's last trigger: `{"weir":1,"run":1,…}`.
std::string sync_comment(Sync const& sync);

/// What the comment on a column or a table says that is set aside: whose name it had, and which column took its place,
/// if any.
struct Aside {
    std::int64_t run{};
    std::string column, to{};
    std::vector<TableName> refers{};  ///< of a table: those to which its foreign keys were lifted
    bool operator==(Aside const&) const = default;
};

std::string aside_comment(Aside const& aside);

/// Nothing when the column is not set aside.
std::optional<Aside> aside_of(Column const& column);
/// The same for a column or a table by its name and comment.
std::optional<Aside> aside_of(std::string_view name, std::string_view comment);

}  // namespace weir
