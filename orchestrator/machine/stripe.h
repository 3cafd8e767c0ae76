#pragma once
/// One worker of a backfill: it goes through the stripe that it is given, range by range, on a session of its own.
///
/// A child of the backfill machine, which says what is worked on; what follows upon an answer is decided here, one
/// function a state:
///
///   sweeping ──────────> (next work)        a locked row: the same stripe's sweeps pass over locked rows
///   filling ───────────> (next work)        a locked row: filling_unlocked, once
///   counting ──> all right: (next work)
///      └─> refilling ──> counting …         what is still wrong after three times, or locked for too long:
///                           naming ──> (next work)
///
/// A statement that takes longer than the bound, or meets a deadlock, is tried again with half of its pages; a single
/// page gets more time instead. The size of a range follows the clock (`batch.target`) and grows gently.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "orchestrator/machine/backfill_context.h"

namespace weir {

class StripeWorker {
  public:
    enum class State : std::uint8_t {
        idle,
        held,     ///< with its range: `then` waits until the pace lets it go on
        resting,  ///< a Rest runs, and `then` comes after it
        // A batch over a range runs:
        sweeping,
        filling,
        filling_unlocked,  ///< passing over locked rows
        counting,
        refilling,
        naming,  ///< the rows that stay wrong
        // What is done between batches, and may fail without harm, runs:
        reading_horizon,
        committing,
        vacuuming,
    };
    /// What is to be done upon an answer.
    struct Next {
        enum class What : std::uint8_t {
            work,     ///< whatever there is
            go_on,    ///< with `then`, in the same range
            rest,     ///< for `time`, and then `then`
            refused,  ///< the server says no
            fail,
        } what{};
        State then{State::idle};
        Millis time{};
    };

    StripeWorker(SessionId session, std::int64_t pages) : session_{session}, size_{pages} {}

    State state() const { return state_; }
    /// A command of it runs.
    bool busy() const { return command_.has_value(); }
    bool owns(CommandId id) const { return command_ == id; }
    /// Taken, and perhaps not done yet.
    std::optional<std::size_t> stripe() const { return stripe_; }
    static bool in_range(State state) { return state >= State::sweeping && state <= State::naming; }
    /// What its session is at; nothing: no batch.
    std::optional<PageRange> at_work(BackfillContext const& context) const;
    /// The leaf of its stripe, for people. REQUIRES stripe().
    std::string leaf_text(BackfillContext const& context) const;

    // For a worker that is not busy:

    /// Takes over what it is given, and begins. `pace` was asked before. REQUIRES state() == State::idle.
    void begin(Leaves::Work const& work, BackfillContext& context, Reply& reply);
    void read_horizon(Reply& reply);
    void commit(Reply& reply);
    /// With its range: the next thing, or the same once more; after a rest or later, where the pace asks for it.
    void go_on(State what, BackfillContext const& context, Reply& reply);
    /// REQUIRES state() == State::held.
    void resume(BackfillContext const& context, Reply& reply);
    void rest(State then, Millis time, Reply& reply);
    /// The pace asks for a rest first, and it has begun.
    bool rests_for_pace(State then, BackfillContext const& context, Reply& reply);
    /// Its stripe is done, so it may have another one.
    void leave_what_is_done(BackfillContext const& context);
    /// The pages are counted anew: what it knew of its range holds no more.
    void forget_range();

    // For one that is busy:

    /// The answer to its command. `ends`: nothing is begun any more, so nothing is tried again. REQUIRES busy().
    Next completed(Outcome const& outcome, bool ends, BackfillContext& context, Reply& reply);
    void cancel(Commands& out) const;
    /// Cuts short a rest that is longer than the pace asks for now.
    void hurry(double pace, Reply& reply);

  private:
    Stripe const& pages(BackfillContext const& context) const;
    PageSpan span(State what, BackfillContext const& context) const;
    Batch batch(State what, BackfillContext const& context, Millis now) const;
    Limits limits(State what, BackfillConfig const& config) const;
    void start(State what, BackfillContext const& context, Reply& reply);
    void execute(State what, Batch batch, Transaction transaction, Limits limits, Reply& reply);
    Millis due(double pace) const;

    Next rested() const;
    Next aside(State was, Outcome const& outcome, BackfillContext& context, Reply& reply);
    Next worked(State was, Outcome const& outcome, BackfillContext& context, Reply& reply);
    Next swept(Outcome const& outcome, BackfillContext& context, Reply& reply);
    Next filled(Outcome const& outcome, BackfillContext& context, Reply& reply);
    Next counted(State was, Outcome const& outcome, BackfillContext& context, Reply& reply);
    Next refilled(Outcome const& outcome, BackfillContext& context);
    Next named(Outcome const& outcome, BackfillContext& context, Reply& reply);
    Next locked(State was, BackfillContext& context, Reply& reply);
    Next rolled_back(State was, Fate fate, BackfillContext& context, Reply& reply);
    void retried(std::string reason, BackfillContext const& context, Reply& reply) const;
    void give_back_sweep(InPageOrder::Trouble trouble, BackfillContext& context);
    void halve(BackfillContext const& context);
    void advance(std::int64_t rows, std::int64_t hot, Millis took, BackfillContext& context, Reply& reply);

    SessionId session_;
    State state_{State::idle};
    State then_{State::idle};  ///< of held and resting; idle: whatever there is to do
    std::optional<CommandId> command_;
    std::optional<Millis> wakes_;  ///< from a rest that the pace asked for
    Millis ended_{}, took_{};      ///< of what the server did for it last
    std::optional<std::size_t> stripe_;
    InPageOrder::Turn turn_{};           ///< of a sweep
    std::size_t leaf_{};                 ///< of a VACUUM
    std::int64_t to_{};                  ///< end of the range; it begins where the stripe is done
    std::int64_t size_;                  ///< pages of the next range
    std::int64_t misses_{};              ///< of the range, at the last count
    int failures_{};                     ///< in a row, on this range
    int rounds_{};                       ///< of refilling this range
    std::optional<Millis> waits_since_;  ///< for locked rows of this range
    Millis statement_{};                 ///< grows when a single page takes longer than the bound
};

}  // namespace weir
