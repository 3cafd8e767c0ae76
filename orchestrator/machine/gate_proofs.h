#pragma once
/// While a gate is open and people deploy, the proofs are repeated now and then, save those of deletions, which would
/// delete more. Which is next, and when: a child of the run machine; pure and copyable.
#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>

#include "orchestrator/machine/ledger.h"
#include "phases/program.h"

namespace weir {

/// How often the proofs are repeated while a gate is open; and at least so many times their own duration apart.
inline constexpr Millis gate_proof_every{600'000};
inline constexpr int gate_proof_share{20};

class GateProofs {
  public:
    enum class State : std::uint8_t { resting, proving };

    /// So long the proofs took when they were made last; 0: not known.
    explicit GateProofs(Millis took = {}) : took_{took} {}
    Millis took() const { return took_; }

    static bool repeats(Step const& step) {
        return step.kind == StepKind::proof && step.phase == Phase::proof && !step.rows->erases;
    }
    /// A proof that it repeats was made in the run itself.
    void made(Millis took) { took_ += took; }
    /// The proofs were made just now, or the gate opened.
    void rest(Millis now) {
        state_ = State::resting;
        since_ = now;
    }
    bool due(Millis now) const {
        return state_ == State::resting && now - since_ >= std::max(gate_proof_every, gate_proof_share * took_);
    }
    void begin(Millis now) {
        state_ = State::proving;
        since_ = now;
        step_ = 0;
    }
    /// The step whose proof is next, from step() on; nothing: all were made, and it rests.
    Step const* next(Program const& program, RunRecord const& record, Millis now) {
        assert(state_ == State::proving);
        auto const& steps = program.steps;
        while (step_ < steps.size() && !(repeats(steps[step_]) && record.done.contains(steps[step_].id))) ++step_;
        if (step_ < steps.size()) return &steps[step_];
        took_ = now - since_;
        rest(now);
        return nullptr;
    }
    /// Of the program: whose proof is made.
    std::size_t step() const { return step_; }
    void proven() { ++step_; }

  private:
    State state_{State::resting};
    Millis since_{};  ///< it rests or proves
    Millis took_{};   ///< all proofs, the last time
    std::size_t step_{};
};

}  // namespace weir
