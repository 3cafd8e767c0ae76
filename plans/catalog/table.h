#pragma once
/// A table with all that hangs on it.
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "plans/catalog/column.h"
#include "plans/catalog/constraint.h"
#include "plans/catalog/dependent.h"
#include "plans/catalog/grant.h"
#include "plans/catalog/index.h"
#include "plans/catalog/marks.h"
#include "plans/catalog/publication.h"
#include "plans/catalog/sequence.h"
#include "plans/catalog/statistics.h"
#include "plans/catalog/trigger.h"
#include "plans/catalog/view.h"

namespace weir {

/// Something that a session has set and on which expressions, or what a statement fires, may depend.
struct SessionSetting {
    std::string name;   ///< in lower case: `search_path`, `timezone`, `app.tenant`
    std::string value;  ///< as set_config() takes it; of a hidden one what weir's own session has
    std::string from;   ///< who says so: `database shop`, `role shop_owner in database shop`, `the server`, `the plan`
    /// What the server itself has cannot be seen: `from` (weir's role, or the options of its connection) stands before
    /// it.
    bool hidden{};
    bool operator==(SessionSetting const&) const = default;
};

/// A partition that has something of its own, at any depth.
struct Leaf {
    TableName name;
    std::vector<LeafColumn> columns{};      ///< those that differ, in the table's order
    std::vector<Constraint> constraints{};  ///< those that only it has, save foreign keys; by name
    bool operator==(Leaf const&) const = default;
};

struct Table {
    std::string kind{"r"};         ///< relkind: r, p, f, v, m
    std::string persistence{"p"};  ///< relpersistence: p, u, t
    std::string owner;
    bool owned_by_us{};                    ///< the connected role may ALTER it
    std::vector<std::string> parents{};    ///< of an inheritance child or a partition; as people write them, sorted
    std::vector<std::string> children{};   ///< inheritance children that are not partitions; the same
    std::optional<std::string> comment{};  ///< its own
    Acl grants{};                          ///< on the table as a whole
    std::vector<SecurityLabel> labels{};
    std::vector<std::string> options{};  ///< `fillfactor=90`
    std::string tablespace{};            ///< empty: the database's own
    std::string access_method{"heap"};
    std::string replica_identity{"d"};  ///< relreplident: d, n, f, i (the index says so, too)
    bool row_security{}, forced_row_security{};
    std::string partition_key{};           ///< pg_get_partkeydef(): `RANGE (at)`; empty: it is not partitioned
    int leaves{};                          ///< its partitions, those that are partitioned themselves among them
    std::vector<Leaf> differing_leaves{};  ///< by name
    std::vector<Column> columns;           ///< live ones, in order
    std::vector<std::string> key;          ///< the columns that name a row in messages: primary key, else empty
    std::map<std::string, Index> indexes;  ///< by name
    std::vector<Constraint> constraints;   ///< by name
    std::vector<ForeignKey> foreign_keys;  ///< by table and name
    /// By name; without internal ones and those of syncs, with those that only a partition has.
    std::vector<Trigger> triggers;
    std::vector<Sync> syncs;
    std::vector<Rule> rules{};       ///< by name, with those that only a partition has
    std::vector<Policy> policies{};  ///< the same
    std::vector<View> views{};       ///< by name
    std::vector<Publication> publications{};
    std::vector<Sequence> sequences{};             ///< by name
    std::vector<ExtendedStatistics> statistics{};  ///< by name
    std::vector<TableDependent> dependents{};      ///< sorted
    std::vector<Mention> mentions{};               ///< sorted
    /// Partitions and inheritance children, at any depth, that are foreign tables; as people write them, sorted.
    std::vector<std::string> foreign_leaves{};
    /// What a new session of the owner would have in this database, where weir's own need not have the same; by name.
    std::vector<SessionSetting> settings{};

    Column* find(std::string_view column);
    Column const* find(std::string_view column) const;
    bool operator==(Table const&) const = default;
};

/// What depends on a column of the table, sorted.
std::vector<Dependent> dependents_of(Table const& table, std::string_view column);
/// The foreign keys of the table or its partitions to other tables, by table and name.
std::vector<ForeignKey> references_of(Table const& table);

}  // namespace weir
