#pragma once
/// What the run does next when one of its children has come to an end: the children decide it, the run does it. Pure.
#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "orchestrator/machine/entries.h"
#include "orchestrator/machine/protocol.h"
#include "plans/problem.h"

namespace weir {

namespace then {
struct Wait {};  ///< more is to come
struct GoOn {};  ///< with what is next
struct Write {
    Entries::Entry entry;
};
struct Stop {
    Problem why;
};
/// Stops for what the server, or the connection to it, did.
struct Fail {
    Outcome outcome;
};
}  // namespace then

using Then = std::variant<then::Wait, then::GoOn, then::Write, then::Stop, then::Fail>;

}  // namespace weir
