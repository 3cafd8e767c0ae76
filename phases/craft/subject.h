#pragma once
/// What every operation asks of the table and the columns that it names, and the same words for the same mistakes.
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "plans/catalog/catalog.h"
#include "plans/operation.h"

namespace weir {

/// The run of a world that is only tried (validate()): no run of the ledger has its number, so that what the plan
/// itself makes can be told from what is there.
inline constexpr RunId trial_run{0};

/// The table, if it may be changed as a whole; otherwise the problem is added: unknown (hint: where the name exists, or
/// the nearest), not an ordinary or partitioned table, an inheritance parent or child, temporary, or not owned by the
/// connected role.
Table const* own_table(Catalog const&, TableName const&, Place const&, Problems&);

/// The same for who works on its rows or columns: none of its leaves may be a foreign table.
Table const* usable_table(Catalog const&, TableName const&, Place const&, Problems&);

/// Adds that there is no such table, with the nearest name or the schema that has it as hint.
void unknown_table(Catalog const&, TableName const&, Place const&, Problems&);

/// The columns of the table that the plan adds before; questions about expressions carry them.
std::vector<PlannedColumn> planned_columns(Table const&);

/// The column, or an unknown_column problem with the nearest name.
Column const* known_column(Table const&, TableName const&, Ident const& column, Place const&, Problems&);

/// Adds a problem when `column` exists already or is a system column's name.
void free_name(Table const&, TableName const&, Ident const& column, Place const&, Problems&);

/// One has_dependents problem for each thing that depends on the column, and for identity, generation and partition
/// keys: nothing of it can be carried or dropped by this version. `doing` says what for: `rename`, `drop`.
void no_dependents(Table const&, TableName const&, Column const&, std::string_view doing, Place const&, Problems&);

/// Raises WE005 when DROP COLUMN would take something along without a word: an index, a constraint or statistics that
/// somebody made since no_dependents() found none. What the server refuses to leave behind, it names itself.
Sql nothing_taken_along(TableName const&, Ident const& column);

/// One problem for each rewrite rule on the table or a partition, ON one of these events: batches would be rewritten as
/// well, and what the application writes may come to stand elsewhere. `doing` says for whom: `a fill`.
void no_rules(Table const&, TableName const&, std::initializer_list<std::string_view> events, std::string_view doing,
              Place const&, Problems&);

/// The server's own texts as SQL. REQUIRES checked_type()/checked_expression() to have added no problem.
TypeName type_of(std::string const& type);
UserExpr expression_of(std::string const& expression);
/// Adds a problem when the text is not one type (one expression) by libpg_query's word.
void checked_type(std::string const& type, Place const&, Problems&);
void checked_expression(std::string const& expression, Place const&, Problems&);

/// `users.name`, for messages.
std::string said(TableName const& table, std::string_view column);

/// The columns that name a row in messages.
std::vector<Ident> key_of(Table const&);

/// The answer to a question, or nothing when nobody asked yet.
Answer const* answer(Catalog const&, Question const&);

/// Adds what the server has against an expression, if anything. `what` is the field or column that it is for, `over`
/// the tables that it may read.
void refused_expression(Answer const*, std::string const& what, std::string const& over, Place const&, Problems&);

/// Adds why an expression cannot decide which rows are written, batch by batch, or what: its answer would be another
/// one once rows are. `what` and `place` as above; `doing` says what becomes of the rows: `writes`, `deletes`.
void refused_condition(Answer const*, std::string const& what, TableName const&, std::string_view doing, Place const&,
                       Problems&);
/// The same for a value; it may be volatile: a row gets it once.
void refused_value(Answer const*, std::string const& what, TableName const&, Place const&, Problems&);

/// Adds a note of what in an expression depends on settings, if anything.
void note_settings(Answer const*, std::string const& what, std::vector<std::string>& notes);

/// The SQLSTATE of the answer to "NULL" for a type of which no empty column can be added without a rewrite.
inline constexpr std::string_view rewrites{"WE101"};

/// A lock list of one.
std::vector<TableLock> lock_of(TableName const&, LockMode);

}  // namespace weir
