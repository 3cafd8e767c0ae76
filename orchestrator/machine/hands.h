#pragma once
/// The working sessions of a run: connected one after the other, each with its share of the lock `hands`, by which a
/// newcomer sees whether anybody still works. A child of the run machine; pure and copyable.
#include <cstdint>
#include <optional>

#include "orchestrator/machine/ledger.h"
#include "orchestrator/machine/protocol.h"

namespace weir {

class Hands {
  public:
    enum class State : std::uint8_t {
        connecting,
        taking,   ///< its share
        resting,  ///< the share was not to be had: a newcomer looks, and lets go at once, or it fences us
        ready,    ///< all of them
        failed,   ///< the outcome that was given last
    };

    Hands(Epoch epoch, int count) : epoch_{epoch}, count_{count} {}

    int count() const { return count_; }
    void start(Ids& ids, Commands& out) { connect_next(ids, out); }
    bool owns(CommandId id) const { return pending_ == id; }
    /// REQUIRES owns(completed.command).
    void completed(Completed const& completed, Ids& ids, Commands& out);
    /// What is under way is cancelled. REQUIRES that it is not ready().
    void stop(Commands& out) const;

    State state() const { return state_; }
    bool ready() const { return state_ == State::ready; }
    /// The server's process of the first, which runs what may wait long; 0: not known.
    int first_pid() const { return first_pid_; }

  private:
    void connect_next(Ids& ids, Commands& out);
    void take(Ids& ids, Commands& out);
    void took(Outcome const& outcome, Ids& ids, Commands& out);
    SessionId session() const { return SessionId{static_cast<std::uint8_t>(hand_)}; }

    Epoch epoch_;
    int count_;
    State state_{State::connecting};
    std::optional<CommandId> pending_;
    int hand_{};  ///< the one that is connected now, from 1 on
    int first_pid_{};
};

}  // namespace weir
