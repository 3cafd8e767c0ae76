#pragma once
/// What the run does next when one of its children has come to an end: the children decide it, the run does it. Pure.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "orchestrator/machine/entries.h"
#include "orchestrator/machine/protocol.h"
#include "plans/event.h"
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
    std::optional<std::int64_t> refused{};  ///< an order that is obeyed no more
};
/// Stops for what the server, or the connection to it, did.
struct Fail {
    Outcome outcome;
};
/// An undo is not begun, for that reason.
struct Refuse {
    Problem why;
};
struct Quit {
    int exit{};
    RunState state{};
    std::string until{};
    std::optional<Instant> until_at{};
};
struct Ask {};    ///< the undo has asked what it would lose
struct Weigh {};  ///< what the undo would lose is counted in batches
struct Begin {
    std::size_t step{};  ///< of the program
};
struct TakeBack {
    std::size_t step{};  ///< of the program: it is undone
};
/// It is repeated while the run waits at its gate.
struct Prove {
    std::size_t step{};  ///< of the program
};
struct AtGate {};  ///< the run waits at its gate
struct Leave {};   ///< what runs comes to its end, and nothing of it is begun any more
}  // namespace then

using Then = std::variant<then::Wait, then::GoOn, then::Write, then::Stop, then::Fail, then::Refuse, then::Quit,
                          then::Ask, then::Weigh, then::Begin, then::TakeBack, then::Prove, then::AtGate, then::Leave>;

}  // namespace weir
