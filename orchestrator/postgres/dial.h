#pragma once
/// Opening a connection: the address is checked, each of its hosts is tried, and what came of it is told. The floor's
/// own; no exception but std::bad_alloc.
#include <memory>
#include <string>
#include <variant>

#include "orchestrator/machine/protocol.h"
#include "orchestrator/postgres/session.h"

struct pg_conn;

namespace weir {

struct HangUp {
    void operator()(pg_conn* raw) const;
};
using Handle = std::unique_ptr<pg_conn, HangUp>;

/// Tries each host of `conninfo` for 10 s (or its connect_timeout), and gives up when `abort_fd` is readable. A
/// password in it is refused. The server's messages are verbose, its notices are dropped.
std::variant<Handle, Outcome> dial(std::string const& conninfo, SessionRole const& role, int abort_fd);
/// What leads to the same database again, without secrets: they are in a file or the environment.
std::string address_of(pg_conn* raw, std::string const& conninfo);

}  // namespace weir
