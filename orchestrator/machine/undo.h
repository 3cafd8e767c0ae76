#pragma once
/// The undo of a run: whether it may be undone, what is next, and what the old shape could not hold. A child of the run
/// machine; pure and copyable.
///
/// Backwards, step by step: those that are done, and one that stands alone and was begun. When the gate was open, or
/// contract was done, the old shape is there again beside the new one as soon as contract is undone (reopened): the
/// undo then waits until it is told that nothing uses the new shape. The rows whose values it would drop are weighed
/// before it drops them.
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "orchestrator/machine/ledger.h"
#include "orchestrator/machine/protocol.h"
#include "phases/program.h"

namespace weir {

/// A step of contract is done, or stands alone and was begun.
bool contracting(Program const& program, RunRecord const& record);
/// Such a step, when no undo takes it back; nothing: there is none. Rows that were deleted keep
/// nobody from undoing the rest.
Step const* gone_for_good(Program const& program, RunRecord const& record);
/// What is said once more when nothing uses the new shape any more: `weir abort users-full-name`.
std::string way_back(Program const& program, RunRecord const& record);
/// Why an abort is not begun in the midst of contract or after it; nothing: contract can be undone, too. REQUIRES
/// contracting().
std::optional<Problem> abort_forbidden(Program const& program, RunRecord const& record);
/// Why a rollback is not begun; nothing: what it would lose is counted first.
std::optional<Problem> rollback_forbidden(Program const& program, RunRecord const& record);
/// So many values did not go back to the column that was set aside; a rollback goes on when they are as many as are
/// `accepted`.
std::optional<Problem> rollback_loses(std::string const& plan, std::int64_t lost, std::int64_t accepted);
/// The next step of contract, where it does nothing forward: the undo of a step before needs its undo (the check that
/// makes NOT NULL cheap). Nothing: a rollback needs none.
Step const* missing_way_back(Program const& program, RunRecord const& record);

class Undo {
  public:
    enum class State : std::uint8_t {
        idle,
        counting,  ///< the values that a rollback would lose are asked for
        guarding,  ///< whether the column of step() can hold anything that is lost
        weighing,  ///< rows() are to be counted, for step()
        weighed,   ///< what all steps lose is known, and accepted
    };
    enum class Next : std::uint8_t {
        reopen,  ///< an entry says that the old shape is there again
        wait,    ///< until it is told that nothing uses the new shape
        weigh,   ///< what is lost
        step,    ///< step() is undone
        over,
    };

    explicit Undo(bool old_returned) : old_returned_{old_returned} {}

    Next next(Program const& program, RunRecord const& record);
    /// Of the program.
    std::size_t step() const { return step_; }
    State state() const { return state_; }

    /// It is known that nothing uses the new shape any more.
    bool old_returned() const { return old_returned_; }
    void old_returns() { old_returned_ = true; }
    /// What is said while it waits for that.
    static Warned both_shapes(Program const& program, RunRecord const& record);

    /// State::counting: one row, as count_lost() has it; or a guard of the steps raises.
    void count(Program const& program, RunRecord const& record, Ids& ids, Commands& out);

    /// The weighing begins anew.
    void weigh();
    /// On to the next step whose undo may lose something: State::guarding or State::weighing. False: there is none
    /// left, and lost() is the sum.
    bool weigh_next(Program const& program, RunRecord const& record, Epoch epoch, Ids& ids, Commands& out);
    /// What this step's guard said does not hold any more: its rows are counted. REQUIRES weighed() and that its undo
    /// may lose something.
    void weigh_again(std::size_t step);
    /// What is to be counted, in batches. REQUIRES State::weighing.
    Rows rows(Program const& program) const;
    /// The answer of State::guarding; nothing: the outcome is a failure.
    enum class Guarded : std::uint8_t { holds, broken, failed };
    Guarded guarded(Outcome const& outcome);
    /// The server refuses the count: what it reads was dropped. True: every value counts instead, and rows() is counted
    /// once more.
    bool count_any();
    /// Of step(): so many. REQUIRES State::weighing.
    void counted(Program const& program, std::int64_t rows);
    /// Its column is not there.
    void absent(Program const& program);
    /// Rows; judged once all steps are.
    std::int64_t lost() const { return lost_; }
    std::optional<Problem> loses(std::int64_t accepted, std::string const& way_back) const;
    void accept(std::int64_t accepted);

    bool weighed() const { return state_ == State::weighed; }
    /// Of what was weighed, under the lock that keeps writers out: as long as that is cheap, once more. And no table
    /// inherits from the step's, whose column goes with it and was not counted.
    Batch still_so(Step const& step) const;

    bool owns(CommandId id) const { return pending_ == id; }
    /// REQUIRES owns(). The answer is the caller's to read.
    void completed() { pending_.reset(); }

  private:
    struct Weighed {
        std::int64_t rows{};
        Sql todo;  ///< empty: the column is not there
    };
    void ask(State state, Batch batch, Ids& ids, Commands& out);

    State state_{State::idle};
    std::size_t step_{};
    std::optional<CommandId> pending_;
    bool old_returned_;
    bool any_{};           ///< every value counts
    std::int64_t lost_{};  ///< rows
    std::int64_t more_accepted_{};
    std::string where_;  ///< for people
    std::map<std::string, Weighed> steps_;
};

}  // namespace weir
