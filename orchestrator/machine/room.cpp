#include "orchestrator/machine/room.h"

namespace weir {

bool no_room(Outcome const& outcome) {
    // A session begins by writing a file when the catalog has changed; that this failed has no code of its own.
    return outcome.sqlstate.starts_with("53") ||
           (outcome.sqlstate == "XX000" &&
            outcome.said.reveal().find("could not write init file") != std::string::npos);
}

std::string no_room_hint(Outcome const& outcome, std::string_view then) {
    char const* const room =
        outcome.sqlstate == "53100" || outcome.sqlstate == "XX000" ? "the server's disk is full: make room"
        : outcome.sqlstate == "53200" && outcome.more.reveal().find("max_locks_per_transaction") != std::string::npos
            ? "the server's table of locks is full: raise max_locks_per_transaction, which takes a restart"
        : outcome.sqlstate == "53200" ? "the server has no memory left: end what uses it up, or lower its settings"
                                      : "the server keeps to a limit of its settings: raise the one that it names";
    return std::string{room} + ", and " + std::string{then};
}

}  // namespace weir
