#pragma once
/// What a server says when it has run out of something.
#include <string>
#include <string_view>

#include "orchestrator/machine/protocol.h"

namespace weir {

/// Class 53, or a disk too full to begin a session: what was refused can be done once there is room again
/// (Code::no_room).
bool no_room(Outcome const& outcome);

/// REQUIRES no_room(outcome). What makes room. `then`: what to do after that, and what it does.
std::string no_room_hint(Outcome const& outcome, std::string_view then);

}  // namespace weir
