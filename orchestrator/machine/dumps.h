#pragma once
/// Who performs Dump and Look for the shell: they are no affair of the server's sessions.
#include <functional>

#include "orchestrator/machine/protocol.h"

namespace weir {

/// One command at a time. Replies are posted to the shell's thread, exactly one for each command; none after the
/// destructor.
class Dumps {
  public:
    using Reply = std::function<void(Outcome)>;
    virtual ~Dumps() = default;
    virtual void dump(Dump const& dump, Reply reply) = 0;
    virtual void look(Look const& look, Reply reply) = 0;
    /// Ends the dump that is being made; its answer is Fate::canceled, unless it was done already.
    virtual void cancel() = 0;
};

}  // namespace weir
