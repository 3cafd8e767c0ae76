#pragma once
/// How a run ends: it is over, or it stops, with an entry that says why where one can still be written. A child of the
/// run machine; pure and copyable.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "orchestrator/machine/ledger.h"
#include "orchestrator/machine/protocol.h"
#include "orchestrator/machine/then.h"
#include "orchestrator/machine/undo.h"
#include "phases/program.h"

namespace weir {

/// What a command was for that failed.
struct Tried {
    Program const& program;
    RunRecord const& record;
    Undo const& undo;
    Step const* step{};  ///< of the program; null: none
    bool connected{};    ///< all sessions were there
    bool alone{};        ///< it was a deed that refuses a transaction
};
/// What a person reads of it.
Problem failure(Outcome const& outcome, Tried const& tried);

class Ending {
  public:
    enum class State : std::uint8_t {
        ahead,
        stopping,  ///< the exit code is known; an entry may be on its way that says why
        over,
    };
    struct Standing {
        bool connected{};                ///< all sessions were there: an entry can be written
        bool asked{};                    ///< an operator wants it to stop
        std::vector<PageRange> at_work;  ///< what the sessions are at
    };

    /// `connects_again`: whoever drives the run begins anew with another connection when one is lost.
    explicit Ending(bool connects_again) : connects_again_{connects_again} {}

    void start(Millis now) { began_ = now; }
    /// A connection was lost, and the sessions were at this: it counts before what Standing says.
    void lost_at(std::vector<PageRange> at_work) { at_work_ = std::move(at_work); }

    /// Tells why; the entry, or the end. REQUIRES State::ahead.
    Then stop(then::Stop const& what, Standing standing, Stamp at, Commands& out);
    /// The entry stands, or cannot be written. REQUIRES State::stopping.
    Then stopped() const;
    /// State::over: tells it, and gives Finish. `connected`: all sessions were there.
    void finish(then::Quit const& how, bool connected, Millis proofs_took, Stamp at, Commands& out);

    State state() const { return state_; }
    /// The run goes on with another connection.
    bool connects_again() const { return !lost_.empty(); }
    /// Of State::over.
    std::optional<int> exit() const { return state_ == State::over ? std::optional{exit_} : std::nullopt; }

  private:
    bool connects_again_;
    State state_{State::ahead};
    int exit_{};
    Millis began_{};
    std::string lost_;  ///< why; empty: no connection was lost, or the run stops for it
    std::vector<PageRange> at_work_;
};

}  // namespace weir
