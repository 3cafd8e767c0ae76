#pragma once
/// The world that a plan changes, as one snapshot: read from the server as one JSON document (that text is stored in
/// the ledger), and changed in memory by Operation::apply(). Pure data; no file but plans/catalog_json.cpp parses it.
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "plans/problem.h"
#include "plans/sql.h"

namespace weir {

struct Grant {
    std::string grantee;    ///< role name; empty for PUBLIC
    std::string privilege;  ///< SELECT, INSERT, UPDATE, REFERENCES
    bool grantable{};
    auto operator<=>(Grant const&) const = default;
};

/// Something that depends on a column and is not part of it: index, constraint, view, policy, trigger, sequence, …
struct Dependent {
    std::string kind;      ///< pg_identify_object's type: `index`, `table constraint`, `view`, `policy`, …
    std::string identity;  ///< pg_identify_object's identity: `public.users_name_idx`
    auto operator<=>(Dependent const&) const = default;
};

struct Column {
    std::string name;
    std::string type;       ///< format_type() with every name qualified: `numeric(10,2)`, `public.citext`
    std::string collation;  ///< `"schema"."name"`, always quoted; empty when it is the type's own
    bool not_null{};
    std::string default_expression;  ///< pg_get_expr(); empty for none
    bool default_is_constant{};      ///< no function call that is not immutable, no sequence
    std::string identity;            ///< attidentity: empty, `a`, `d`
    std::string generated;           ///< attgenerated: empty, `s`, `v`
    std::string storage;             ///< attstorage when it differs from the type's own: `p`, `e`, `m`, `x`; else empty
    std::string compression;         ///< attcompression: empty, `p`, `l`
    int statistics_target{-1};       ///< -1: the server's default
    std::string options;             ///< attoptions, as text: `{n_distinct=5}`; empty for none
    std::optional<std::string> comment;
    std::vector<Grant> grants;  ///< column grants only, sorted
    bool in_partition_key{};
    std::vector<Dependent> dependents;  ///< sorted
    bool planned{};  ///< an operation of this plan adds it: the server does not have it yet. Never in a snapshot
    bool operator==(Column const&) const = default;
};

struct Constraint {
    std::string name;
    std::string kind;        ///< contype: c, f, p, u, x, n, t
    std::string definition;  ///< pg_get_constraintdef(); says NOT VALID when it is
    bool validated{true};
    std::vector<std::string> columns{};  ///< those of the table that it is on, in its order
    bool operator==(Constraint const&) const = default;
};

struct Index {
    std::string definition;            ///< pg_get_indexdef()
    std::string method;                ///< `btree`, `brin`, …
    std::vector<std::string> columns;  ///< of its key, INCLUDE, expressions and predicate, sorted
    bool operator==(Index const&) const = default;
};

/// A foreign key that the table has, or that refers to it; those of its partitions alone among them.
struct ForeignKey {
    std::string name;
    TableName table;                   ///< whose constraint it is
    bool refers_to_us{};               ///< else the table is the one that refers; one to itself is there twice
    std::string on_delete;             ///< confdeltype: a, r, c, n, d
    std::vector<std::string> columns;  ///< of this table, in the key's order
    bool operator==(ForeignKey const&) const = default;
};

struct Trigger {
    std::string name;
    std::string definition;   ///< pg_get_triggerdef()
    std::string enabled;      ///< tgenabled: O, D, R, A
    std::string partition{};  ///< the one that it is on, as people write it; empty: the table itself
    bool each_row{};          ///< else once a statement
    bool before{};            ///< else after it
    bool on_update{};
    bool on_delete{};
    std::vector<std::string> columns{};  ///< of UPDATE OF; empty: any
    std::string function{};              ///< `touch`, `shop.touch`
    bool operator==(Trigger const&) const = default;
};

/// A rewrite rule that is not disabled: it puts something in the place of a statement, or beside it. Views have more.
struct Rule {
    std::string name;
    std::string event;        ///< `INSERT`, `UPDATE`, `DELETE`
    std::string partition{};  ///< the one that it is on, as people write it; empty: the table itself
    bool operator==(Rule const&) const = default;
};

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

struct Table {
    std::string kind;         ///< relkind: r, p, f, v, m
    std::string persistence;  ///< relpersistence: p, u, t
    std::string owner;
    bool owned_by_us{};                    ///< the connected role may ALTER it
    std::vector<std::string> parents{};    ///< of an inheritance child or a partition; as people write them, sorted
    std::vector<std::string> children{};   ///< inheritance children that are not partitions; the same
    std::optional<std::string> comment{};  ///< its own
    int leaves{};                          ///< its partitions, those that are partitioned themselves among them
    std::vector<Column> columns;           ///< live ones, in order
    std::vector<std::string> key;          ///< the columns that name a row in messages: primary key, else empty
    std::map<std::string, Index> indexes;  ///< by name
    std::vector<Constraint> constraints;   ///< by name
    std::vector<ForeignKey> foreign_keys;  ///< sorted
    /// By name; without internal ones and those of syncs, with those that only a partition has.
    std::vector<Trigger> triggers;
    std::vector<Sync> syncs;
    std::vector<Rule> rules{};  ///< by name, with those that only a partition has
    /// Partitions and inheritance children, at any depth, that are foreign tables; as people write them, sorted.
    std::vector<std::string> foreign_leaves{};
    /// What a new session of the owner would have in this database, where weir's own need not have the same; by name.
    std::vector<SessionSetting> settings{};

    Column* find(std::string_view column);
    Column const* find(std::string_view column) const;
    bool operator==(Table const&) const = default;
};

/// A column that the server does not have yet when it is asked.
struct PlannedColumn {
    std::string name;
    std::string type;
    auto operator<=>(PlannedColumn const&) const = default;
};

/// What the server says of an expression over a table's columns, asked once in a rolled-back transaction.
struct ExpressionQuestion {
    TableName table;
    std::string expression;
    std::string column_type;               ///< the type that it must be assignable to; a column's with typmod
    std::vector<PlannedColumn> planned{};  ///< what the expression may read beside the table's columns
    auto operator<=>(ExpressionQuestion const&) const = default;
};

/// What the server says of a forward and a reverse expression taken together: both empty for identity.
struct MappingQuestion {
    TableName table;
    std::string from, to;            ///< column names
    std::string from_type, to_type;  ///< with typmod
    std::string forward, reverse;    ///< empty: identity when both are, else there is no reverse
    auto operator<=>(MappingQuestion const&) const = default;
};

/// May the connected role set session_replication_role, which keeps triggers quiet?
struct QuietQuestion {
    auto operator<=>(QuietQuestion const&) const = default;
};

/// What goes with a table that is dropped, and what stands in its way?
struct DropQuestion {
    TableName table;
    auto operator<=>(DropQuestion const&) const = default;
};

/// Does the server take this value? (Plan::session)
struct SettingQuestion {
    std::string name;
    std::string value;                   ///< as set_config() takes it
    std::vector<std::string> schemas{};  ///< that must exist; of search_path
    auto operator<=>(SettingQuestion const&) const = default;
};

/// May the connected role become `role`, and may that change the table with all its partitions?
struct RoleQuestion {
    TableName table;
    std::string role;  ///< empty: the table's owner
    auto operator<=>(RoleQuestion const&) const = default;
};

/// A column that gets a twin of another type, or of its own, and then stands aside.
struct ScratchColumn {
    std::string column;
    std::string twin;         ///< the name under which definitions with the new type are wanted
    std::string aside;        ///< the name under which those with its own type are wanted
    std::string type{};       ///< of the twin, as ALTER COLUMN takes it; empty: its own
    std::string collation{};  ///< of the twin, `"schema"."name"`; empty: the type's own
    auto operator<=>(ScratchColumn const&) const = default;
};

/// How would the server itself write what hangs on these columns, were they called otherwise and of other types?
struct ScratchQuestion {
    TableName table;
    std::vector<ScratchColumn> columns;
    auto operator<=>(ScratchQuestion const&) const = default;
};

using Question = std::variant<ExpressionQuestion, MappingQuestion, QuietQuestion, DropQuestion, SettingQuestion,
                              RoleQuestion, ScratchQuestion>;
using Questions = std::vector<Question>;

/// A foreign key from a table, or one of its partitions alone, to another table, with all that makes it anew.
struct Reference {
    std::string name;
    TableName table;  ///< whose constraint it is
    TableName to;
    std::string definition{};  ///< pg_get_constraintdef()
    std::vector<std::string> columns{}, to_columns{};
    std::string match{}, on_update{}, on_delete{};  ///< confmatchtype (f, s), confupdtype, confdeltype (a, r, c, n, d)
    std::vector<std::string> set_columns{};         ///< of ON DELETE SET NULL (…)
    bool deferrable{}, deferred{}, validated{};
    bool plain{};           ///< nothing of its definition is beyond the fields above
    bool to_partitioned{};  ///< `to` is partitioned
    bool may_lock{};        ///< the connected role may lock `to`
    bool may_refer{};       ///< the role that changes the table may make foreign keys to it
    std::optional<std::string> comment{};
    std::vector<TableName> to_refers{};  ///< other tables that `to` has foreign keys to; sorted
    bool operator==(Reference const&) const = default;
};

/// Something that DROP TABLE would refuse to leave behind.
struct Obstacle {
    Dependent what;
    std::optional<TableName> of{};  ///< the relation that it is, or is a part of
    bool operator==(Obstacle const&) const = default;
};

struct Belongings {
    std::optional<std::string> comment;  ///< the table's own
    std::string role;                    ///< which changes the table
    bool may_rename{};                   ///< `role` may give a relation of its schema another name
    std::vector<TableName> relations;    ///< that go with it: partitions, indexes, sequences; sorted
    std::vector<Dependent> outward;      ///< what of it depends on columns of other tables; sorted
    std::vector<Obstacle> obstacles;     ///< sorted
    std::vector<Reference> references;   ///< by table and name
    std::vector<std::string> published;  ///< by these publications, and not by its own name; sorted
    std::vector<std::string> mentions;   ///< functions whose text has its name, as a whole word; sorted
    bool operator==(Belongings const&) const = default;
};

/// Of a RoleQuestion. As a role that may do all of it has them, save for its name.
struct RoleAnswer {
    std::string role;  ///< its name
    bool exists{true};
    std::vector<std::string> roles{};  ///< where it does not exist: those that do, sorted
    bool may_become{true};             ///< SET ROLE
    bool owns{true};                   ///< has the rights of the table's owner
    /// Of partitions and inheritance children, at any depth, those whose owner's rights it has not; as people write
    /// them, sorted.
    std::vector<std::string> not_owned{};
    bool uses_schema{true};
    bool uses_plpgsql{true};
    /// Row-level security is forced on the table, or on a part of it, and the role does not bypass it.
    bool sees_some_rows{};
    bool operator==(RoleAnswer const&) const = default;
};

/// One thing that hangs on a column of a ScratchQuestion, as the server writes it.
struct Definition {
    /// `index`: from USING on. `check`: CHECK (…). `statistics`: (kinds) ON columns, where it does not have all kinds.
    /// And expressions: `default`, `generated`, `using` and `with check` of a policy, `filter` of a publication.
    std::string kind;
    std::string name;   ///< of the index, constraint, column, policy or publication; `schema.name` of statistics
    std::string twin;   ///< with the twins
    std::string aside;  ///< with the columns aside
    bool operator==(Definition const&) const = default;
};

struct Answer {
    std::string sqlstate;              ///< empty: the server accepts it
    std::string error;                 ///< the server's words when it does not
    bool immutable{};                  ///< an ExpressionQuestion's expression, cast included; both mappings
    std::vector<std::string> columns;  ///< the columns that it reads (forward's, for a mapping), sorted
    std::vector<std::string> reverse_columns;
    bool null_is_value{};                    ///< f(g(NULL)) is NULL; true for identity
    std::string type{};                      ///< the question's column_type (to_type) as format_type() writes it
    bool calls_volatile{};                   ///< an ExpressionQuestion's expression does
    std::optional<Belongings> belongings{};  ///< of a DropQuestion
    /// How an ExpressionQuestion's expression reads rows of the table other than its own: `` for by its name or that of
    /// a partition, `view public.averages`, `function public.mean()`; sorted. What a function's text hides is not seen.
    std::vector<std::string> reads_table{};
    std::vector<std::string> system_columns{};  ///< of the row, that it reads and a write changes: `ctid`, `xmin`
    /// What in it depends on settings of the session: functions that are not immutable, constants of times; sorted.
    std::vector<std::string> by_settings{};
    std::optional<RoleAnswer> role{};                      ///< of a RoleQuestion
    std::optional<std::vector<Definition>> definitions{};  ///< of a ScratchQuestion, by kind and name
    bool operator==(Answer const&) const = default;
};

struct Catalog {
    int server_version{};  ///< server_version_num / 10000: 15
    std::string database;
    std::map<TableName, Table> tables;  ///< of the tables that the plan names, those that exist
    std::set<TableName>
        other_relations;  ///< every other relation that is not the system's, by name: taken names and hints
    std::map<Question, Answer> answers;
    /// So many objects may be locked at a time, by all sessions together; 0: not known. And the server's setting
    /// `max_locks_per_transaction`, which that is a multiple of.
    int lock_slots{}, locks_per_transaction{};
    /// Those that may be set aside, by the prefix of their names, and the comment on each: see aside_of().
    std::map<TableName, std::string> aside_tables{};

    Table* find(TableName const& table);
    Table const* find(TableName const& table) const;
    bool operator==(Catalog const&) const = default;
};

/// The snapshot's text, and back. `from_json` gives a Problem when the text is not such a document.
/// to_json is stable: the same catalog gives the same bytes.
std::string to_json(Catalog const& catalog);
/// The text of the comment on a sync's last trigger, by which a later plan finds it: `{"weir":1,"run":1,…}`.
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

/// The answer to a DropQuestion, as the server gives it in one document.
std::variant<Belongings, Problem> belongings_from_json(std::string_view text);
/// The answers to a RoleQuestion and to a ScratchQuestion, the same way.
std::variant<RoleAnswer, Problem> role_from_json(std::string_view text);
std::variant<std::vector<Definition>, Problem> definitions_from_json(std::string_view text);

std::variant<Catalog, Problem> catalog_from_json(std::string_view text);

}  // namespace weir
