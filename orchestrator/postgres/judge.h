#pragma once
/// What the server says of a plan's expressions and settings, and of roles and tables, asked without leaving a trace:
/// not in the database, nor in the server's log (orchestrator/postgres/trial.h).
#include "orchestrator/machine/protocol.h"
#include "plans/catalog/catalog.h"

namespace weir {

/// For Session::execute() as an implicit transaction. It makes temporary objects (the role needs TEMPORARY on the
/// database and SELECT on the table) and takes no lock but ACCESS SHARE on the table. `session` are SET LOCAL
/// statements: what expressions see. Without them names resolve by `pg_catalog, public`; columns are bare names, and in
/// an ExpressionQuestion also names after the table's own (without its schema); such an expression does not count as
/// immutable. In a mapping a table-qualified name is an error. A text that is not one expression (or one type) never
/// reaches the server as SQL: the batch then only raises 42601 with the reason.
///
/// The expression NULL asks whether a column of the type can be added empty, without a rewrite: a domain with a
/// constraint or a default is refused with WE101.
///
/// Immutable is what the server takes for a generated column, the cast to the column's type included; it looks into SQL
/// functions that it can inline. An expression must be assignable to the column's type as in UPDATE … SET. Of a
/// mapping, both expressions are judged as bodies of SQL functions: forward's parameters are `from` and whatever other
/// columns it reads, reverse's only `to`. Columns `from` and `to` need not exist; they are taken to have the types
/// given. null_is_value is f(g(NULL)) is NULL; f(NULL) is NULL when there is no reverse; false when forward reads other
/// columns, because then it depends on them.
///
/// reads_table tells what the server itself knows of the expression: it goes through views and through functions with a
/// body that is kept parsed. Of a function whose body is text, and which is not immutable, it is taken that it reads
/// the table when its text has the table's name as a word.
///
/// Of a setting, the server says whether it takes the value, and WE102 for a schema that does not exist.
///
/// `role` is who would drop a table; empty: its owner.
Batch judge_batch(Question const& question, Batch const& session = {}, std::string const& role = {});

/// REQUIRES: `outcome` is what judge_batch(question) gave. With another fate than `done` there is no answer, and
/// sqlstate and error tell why.
Answer judge_answer(Question const& question, Outcome const& outcome);

}  // namespace weir
