#pragma once
/// The door to libpg_query: is this text one SQL expression, one type or one statement, and nothing else? And what is a
/// statement without the values in it?
#include <cstddef>
#include <string>
#include <string_view>
#include <variant>

#include "plans/problem.h"
#include "plans/sql.h"

namespace weir {

/// `text` as one expression: balanced brackets by the scanner's tokens, no `;`, no parameter `$n`; the parse of
/// `SELECT (text)` is one statement with one target and no other clause, and it is no row (`a, b`) and no query without
/// brackets of its own. Subqueries, aggregates and window functions pass: they are the server's to judge.
/// Otherwise a Problem (Code::bad_expression) at `place` with libpg_query's words, and the hint that the grammar is
/// PostgreSQL 15's. The word holds only in sessions with standard_conforming_strings = on, where a backslash in '…' is
/// a backslash; whoever sends the text sees to that.
std::variant<UserExpr, Problem> declare_expression(std::string_view text, Place const& place);

/// `text` as one type name: `numeric(10,2)`, `shop.colour[]`, `timestamp with time zone`. No SETOF, no %TYPE, no
/// COLLATE, no comment (it would eat what is written after the type), and no serial, which is not a type.
std::variant<TypeName, Problem> declare_type(std::string_view text, Place const& place);

/// `text` as one statement of PostgreSQL 15's grammar; what ends it (semicolons, and comments after it) is left out. No
/// statement that begins or ends a transaction, sets or resets anything of the session, or copies from or to the
/// client: it runs inside of a transaction of weir's, on a connection of weir's. What it does there is not judged.
std::variant<Statement, Problem> declare_statement(std::string_view text, Place const& place);

/// What somebody runs, for anybody to read: on one line, each literal a `?`, without comments, and cut to `most`
/// characters. Of a text that the grammar does not take (the server cuts long ones), that holds a backslash (which
/// quotes in some sessions and not in others), and of a statement that may hold a value without quotes (SET, EXECUTE,
/// ALTER ROLE …) only the first word is left: `SET …`.
std::string without_values(std::string_view statement, std::size_t most);
/// The same text on one line, cut to `most` characters, with all that is in it.
std::string on_one_line(std::string_view statement, std::size_t most);

}  // namespace weir
