#pragma once
/// What the server's words mean: an error becomes SQLSTATE, Fate, a sentence for anybody, and words for the terminal of
/// the one who runs. Pure.
///
/// A sentence for anybody is the server's own message only where no value of a row can be in it: the server's own word
/// on sessions, locks, privileges and room, names of objects that weir's DDL met, and errors that weir's functions
/// raise. Whatever else goes wrong is told by its SQLSTATE's meaning and the objects that the server names apart from
/// its message: messages quote values, DETAIL holds whole rows, CONTEXT the SQL that functions put together.
#include <string>
#include <string_view>

#include "orchestrator/machine/protocol.h"

namespace weir {

struct ServerError {
    std::string sqlstate;  ///< empty when the text holds none: libpq itself speaks, not the server
    std::string message;   ///< the primary message, without severity and code; all of the text when there is no code
    std::string detail, hint, query, context;
    std::string schema, table, column, type, constraint;  ///< only where the server names them in fields of their own
    std::string source;  ///< the file of the server's that reports it: `nbtinsert.c`, `pl_exec.c`
};

/// Reads what libpq gives under PQERRORS_VERBOSE: `ERROR:  42501: permission denied …`, then DETAIL, HINT, LINE,
/// CONTEXT, LOCATION. The severity may be in any language, and `connection to server … failed: ` may stand before it.
/// Names of objects are not taken from a text, in which values could look like them.
ServerError read_error(std::string_view verbose);

/// What happened, for anybody.
std::string for_anybody(ServerError const& error);

/// REQUIRES: the statement failed. `in_flight`: the string had been given to libpq, so that a loss is a doubt.
/// Without an SQLSTATE it is a refusal; whoever sees that the connection is broken says lost or in_doubt himself.
Fate fate_of(std::string_view sqlstate, bool in_flight);

/// All together, as an Outcome without rows.
Outcome failure(ServerError error, bool in_flight);
Outcome failure(std::string_view verbose, bool in_flight);
/// The same where the server said nothing.
Outcome own_words(Fate fate, std::string message, std::string advice = {});

}  // namespace weir
