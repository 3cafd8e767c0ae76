#pragma once
/// What only the server can tell, and what it said: an operation asks (Operation::questions()), the orchestrator has
/// the server judge in a rolled-back transaction, and the answers are part of the catalog.
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "plans/catalog/dependent.h"
#include "plans/problem.h"
#include "plans/sql.h"

namespace weir {

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
    /// Other tables that foreign keys of it refer to, to which `role` may not make such keys; sorted.
    std::vector<TableName> may_not_refer{};
    std::vector<TableName> relations;    ///< that go with it: partitions, indexes, sequences; sorted
    std::vector<Dependent> outward;      ///< what of it depends on columns of other tables; sorted
    std::vector<Obstacle> obstacles;     ///< sorted
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

/// The answer to a DropQuestion, as the server gives it in one document.
std::variant<Belongings, Problem> belongings_from_json(std::string_view text);
/// The answers to a RoleQuestion and to a ScratchQuestion, the same way.
std::variant<RoleAnswer, Problem> role_from_json(std::string_view text);
std::variant<std::vector<Definition>, Problem> definitions_from_json(std::string_view text);

}  // namespace weir
