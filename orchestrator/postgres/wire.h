#pragma once
/// What the server's words mean: a verbose error text becomes SQLSTATE, message and Fate. Pure.
#include <string>
#include <string_view>

#include "orchestrator/machine/protocol.h"

namespace weir {

struct ServerError {
    std::string sqlstate;  ///< empty when the text holds none: libpq itself speaks, not the server
    std::string message;   ///< the primary message, without severity and code; all of the text when there is no code
    std::string detail;    ///< DETAIL, and HINT on a line of its own (`hint: …`); empty for neither
};

/// Reads what libpq gives under PQERRORS_VERBOSE: `ERROR:  42501: permission denied …`, then DETAIL, HINT, LINE,
/// CONTEXT, LOCATION. The severity may be in any language, and `connection to server … failed: ` may stand before it.
ServerError read_error(std::string_view verbose);

/// REQUIRES: the statement failed. `in_flight`: the string had been given to libpq, so that a loss is a doubt.
/// Without an SQLSTATE it is a refusal; whoever sees that the connection is broken says lost or in_doubt himself.
Fate fate_of(std::string_view sqlstate, bool in_flight);

/// Both together, as an Outcome without rows.
Outcome failure(std::string_view verbose, bool in_flight);

}  // namespace weir
