#pragma once
/// The batches of a run: what they are for, with which settings they begin, when a proof is made again, and what comes
/// of their end. A child of the run machine, and the only one that has a backfill; pure and copyable.
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "orchestrator/machine/backfill.h"
#include "orchestrator/machine/ledger.h"
#include "orchestrator/machine/pace_judge.h"
#include "orchestrator/machine/protocol.h"
#include "orchestrator/machine/then.h"
#include "plans/plan.h"

namespace weir {

/// Readers of a proof, when the plan leaves the number to weir.
inline constexpr int proof_workers = 2;

class Batches {
  public:
    struct Config {
        RunId run{};
        Epoch epoch{};
        int hands{};
        SweepTuning sweep{};
        std::optional<std::int64_t> pages_at_first{};  ///< of a range; nothing: as usual
        bool plain{};                                  ///< page ranges only, whatever the plan says
    };
    enum class Purpose : std::uint8_t {
        fill,
        proof,
        proof_again,  ///< of a step that is done: what it saw has changed
        at_gate,      ///< a proof is repeated while the gate is open: what it finds is told, and NULLs are filled
        comes_back,   ///< of an undo: what changed since a column was set aside is read before that comes back
        losses,       ///< of an undo: the rows whose values it would lose are counted
    };
    struct Task {
        Purpose purpose{};
        std::size_t number{};  ///< of `step` in the program
        Step const& step;
        Rows const& rows;  ///< of the step, or of its undo
    };

    explicit Batches(Config config) : config_{std::move(config)} {}

    /// The work of a step that goes forward. REQUIRES a fill or a proof.
    Purpose forward(Step const& step) const;
    void begin(Task const& task, RunRecord const& record, Settings const& settings, Reply& reply);

    /// Why a transaction was refused: what its step stands on was changed after the proof of it.
    static bool outdated(Outcome const& refused) {
        return refused.fate == Fate::refused && refused.sqlstate == "WE007";
    }
    /// What a person reads when batches of this purpose begin because of that. REQUIRES proof_again, comes_back or
    /// losses.
    static Warned begun_because(Outcome const& refused, Purpose purpose, Step const& step);
    /// The proof of step `number` is made again before anything else is: due() says which, until it is proven().
    void prove_again(std::size_t number) { due_ = number; }
    std::optional<std::size_t> due() const { return due_; }
    void proven() { due_.reset(); }

    Purpose purpose() const { return purpose_; }
    /// Of the program: the one that they were begun for.
    std::size_t step() const { return step_; }
    bool of_undo() const { return purpose_ == Purpose::comes_back || purpose_ == Purpose::losses; }
    PaceJudge::Work work() const;

    bool owns(CommandId id) const { return backfill_ && backfill_->owns(id); }
    /// REQUIRES owns(completed.command).
    void completed(Completed const& completed, Reply& reply) {
        backfill_->completed(reply.at, completed, reply.ids, reply.out);
    }
    /// From the next batch on.
    void tune(Settings const& settings);
    /// No new batch; `now` cancels those that run.
    void stop(bool now, Commands& out);
    /// REQUIRES of this and what follows that some were begun.
    void pace(PaceJudge::Verdict const& verdict, Reply& reply) {
        backfill_->pace(verdict.pace, verdict.may_write, reply.at, reply.ids, reply.out);
    }
    /// Tells what they found, when they are over. REQUIRES another purpose than `losses`, whose end is the undo's to
    /// judge.
    Then moved(Step const& step, bool gate_opened, Reply& reply);
    BackfillMachine const& backfill() const { return *backfill_; }

  private:
    BackfillConfig config(Task const& task, RunRecord const& record, Settings const& settings) const;
    Then done(Step const& step, Reply& reply);
    Then missed(Step const& step, bool gate_opened, Reply& reply) const;
    EntryDetail figures() const;

    Config config_;
    Purpose purpose_{};
    std::size_t step_{};
    std::optional<BackfillMachine> backfill_;
    std::optional<std::size_t> due_;
    std::map<std::string, int> changes_;  ///< of the root's shape, that each proof has seen; by its progress
};

}  // namespace weir
