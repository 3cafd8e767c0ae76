#pragma once
/// The run: which step is next, the gate, orders, interruptions, undo, the end. Pure; inputs in, commands out.
///
///   expand ─> backfill ─> proof ─> [gate] ─> contract ─> finished
///      └──────────┴─────────┴────────┴─ abort ─> undoing, step by step backwards ─> undone
///
/// contract ─> quarantine: the machine ends; a later one goes on when its time is over, or undoes all, contract
/// included. In the midst of contract an abort does so at once, as long as no step of it has destroyed anything.
///
/// Once the gate was open an undo first ends (exit 3): the new application may still write. A later machine that is
/// told so again counts the rows whose values the old shape cannot hold, and undoes if so many are accepted.
///
/// Anywhere: paused by an order: nothing new is begun, what runs ends; batches stand still. An undo is not paused.
///
/// Anywhere: stopped (exit 4), safe to resume: a new machine goes on from what the ledger says.
///
/// A step that fails never undoes by itself.
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "orchestrator/machine/backup.h"
#include "orchestrator/machine/batches.h"
#include "orchestrator/machine/ending.h"
#include "orchestrator/machine/entries.h"
#include "orchestrator/machine/gate_keeper.h"
#include "orchestrator/machine/hands.h"
#include "orchestrator/machine/in_the_way.h"
#include "orchestrator/machine/intent.h"
#include "orchestrator/machine/ladder.h"
#include "orchestrator/machine/ledger.h"
#include "orchestrator/machine/orders.h"
#include "orchestrator/machine/pace_judge.h"
#include "orchestrator/machine/protocol.h"
#include "orchestrator/machine/quarantine_rest.h"
#include "orchestrator/machine/standalone.h"
#include "orchestrator/machine/then.h"
#include "orchestrator/machine/undo.h"
#include "orchestrator/machine/undo_course.h"
#include "phases/program.h"
#include "plans/plan.h"

namespace weir {

class RunMachine {
  public:
    struct Config {
        Program program;
        RunRecord record;  ///< what the ledger says; its begin is written before the machine starts
        Settings settings;
        Epoch epoch{};
        std::string user;               ///< who runs this, for approvals by option
        std::optional<Phase> until;     ///< stop after this phase
        std::set<std::string> approve;  ///< gates approved by option; `all` for every one
        bool no_wait{};                 ///< exit 3 at a closed gate, and where the schedule holds a fill or a proof
        bool abort{};                   ///< undo instead of going on
        bool told_again{};              ///< with `abort` or `rollback`: nothing uses the new shape any more
        bool rollback{};                ///< undo what contract has done, and all before it
        /// With `rollback`: exactly so many values need not go back. With both: of at most so many rows the values are
        /// given up.
        std::optional<std::int64_t> accept_loss;
        bool may_set_deadlock_timeout{};
        SweepTuning sweep{};
        Millis proofs_took{};                          ///< Finish::proofs_took of the connection before
        std::optional<std::int64_t> pages_at_first{};  ///< of a range; nothing: as usual
        bool plain{};                                  ///< page ranges only, whatever the plan says
        bool connects_again{};  ///< a lost connection is no stop: whoever drives this begins anew with another
    };

    explicit RunMachine(Config config);

    /// Never re-entered, and not called again after Finish was given.
    Commands resume(Input const& input);
    /// The exit code, once Finish was given.
    std::optional<int> exit() const { return ending_.exit(); }

  private:
    enum class Doing {
        connecting,
        idle,
        ladder,
        writing,  // an entry
        standalone,
        batches,
        gate,
        noting,  // entries of orders go before the next step
        paused,
        asking_end,   // of the quarantine
        asking_undo,  // what an undo would lose
        backup,
        over,
    };

    void hands_came(Completed const& completed, Commands& out);
    void advance(Commands& out);
    void go_on(Commands& out);
    void begin_step(Step const& step, Commands& out);
    void begin_work(Step const& step, Commands& out);
    void start_ladder(Step const& step, bool undo, Commands& out);
    void start_standalone(Step const& step, Commands& out);
    void start_batches(Batches::Purpose purpose, std::size_t step, Rows const& rows, Commands& out);
    void batches_moved(Commands& out);
    bool prove_again(Outcome const& outcome, Commands& out);
    void on_tick(Commands& out);
    void step_finished(Commands& out);
    void start_backup(Step const& step, Commands& out);
    void backup_came(Completed const& completed, Commands& out);
    void come_to_gate(Commands& out);
    GateKeeper::Place place() const;
    void take_back(std::size_t step, Commands& out);
    UndoCourse course();
    void write(Entries::Entry entry, Commands& out);
    void entry_came(Completed const& completed, Commands& out);
    void wrote(Entries::Entry const& entry, Commands& out);
    void on(Completed const& completed, Commands& out);
    void on_measured(Measured const& measured, Commands& out);
    void on_order(Ordered const& order, Commands& out);
    void on_interrupt(Interrupted const& interrupted, Commands& out);
    void ladder_moved(Commands& out);
    void follow(Then const& what, Commands& out);
    void judge_pace(Commands& out);
    void write_notes(Commands& out);
    std::string schedule_reason();
    void leave(bool now, Commands& out);
    void stop_child(bool now, Commands& out);
    void failed(Outcome const& outcome, Commands& out);
    bool unlimited() const;
    std::vector<PageRange> at_work() const;
    void stop(then::Stop const& what, Commands& out);
    void quit(then::Quit const& how, Commands& out);
    void say(Commands& out, decltype(Event::what) what) const;
    bool is_done(Step const& step) const { return record_.done.contains(step.id); }
    /// Nothing new is begun forward.
    bool leaving() const { return intent_ != Intent::go_on; }
    bool undoing() const { return record_.aborting; }
    /// A proof is repeated while the gate is open.
    bool proving_at_gate() const { return doing_ == Doing::batches && batches_.purpose() == Batches::Purpose::at_gate; }
    Step const* current() const;

    Config config_;
    RunRecord record_;
    Hands hands_;
    Ids ids_;
    Stamp at_;
    Doing doing_{Doing::connecting};
    std::optional<LockLadder> ladder_;
    Batches batches_;
    std::optional<Standalone> standalone_;
    InTheWay in_the_way_;
    std::size_t step_{};
    Millis step_began_{};
    std::optional<Phase> phase_;
    Entries entries_;
    Backup backup_;
    Ending ending_;
    GateKeeper gate_;
    QuarantineRest quarantine_;
    Intent intent_;
    Orders orders_;
    Undo undo_;
    PaceJudge pace_;
    bool started_{};
    std::vector<Ordered> early_;  ///< orders that came before Started
};

}  // namespace weir
