#pragma once
/// The backfill: the fill of a column and its proof, by page ranges over the leaves of a table, with several workers.
/// A child of the run machine with the same commands; copyable, without clock or socket.
///
/// The pages of each leaf are cut into stripes, each with a progress row; a worker owns a stripe and goes through it in
/// ranges. A batch and its progress row commit in one transaction, fenced, so that the ledger is exact after any crash.
///
///   sweep   UPDATE a few rows of each page, in the order that in_page.h decides, as long as that pays
///   fill    UPDATE the rows of a range that are not right; on a locked row once more, passing over locked rows
///           (the proof comes back to them). It ends every stripe, swept or not, and alone moves `next_page`
///   vacuum  between batches, where updates leave dead rows behind that later batches could use the room of
///   proof   count the rows of a range that are not right; if there are any, fill the range and count again; what is
///           still wrong after that is a miss, named by key. Without a sync all is read twice (full_table_check.h).
///           A row that the application moves past the reading in both passes is not seen
///
/// What a proof has read is noted with the shape of each leaf (weir.shapes: attachments, file, BEFORE triggers, rules,
/// columns). At the end of a pass over a partitioned table, and whenever it is gone on with, leaves that are new or of
/// another shape are read anew, alone; a detached one is forgotten. A change of the root's triggers, rules or columns
/// changes all leaves: the third ends in State::failed (WE008).
///
/// Here is decided who works on what, how fast, and when it is over; what follows upon a worker's answer is decided in
/// stripe.h.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "orchestrator/machine/backfill_context.h"
#include "orchestrator/machine/stripe.h"

namespace weir {

class BackfillMachine {
  public:
    using Config = BackfillConfig;
    enum class State { running, done, misses, failed, stopped };

    explicit BackfillMachine(Config config);

    void start(Stamp at, Ids& ids, Commands& out);
    bool owns(CommandId id) const;
    /// REQUIRES owns(completed.command).
    void completed(Stamp at, Completed const& completed, Ids& ids, Commands& out);
    /// From the next batch on.
    void tune(Millis target, Millis bound, Millis give_up);
    /// How fast: after anything that a worker had the server do it rests (rest_after, pace.h), also before it tries the
    /// same once more. A pace that rises cuts short the rests that run, one that falls lengthens them when they end. At
    /// 0 it is held: what runs is finished, and nothing else is begun, neither another try nor a VACUUM nor a search
    /// for new leaves; only the few rows of its own progress are prepared. A step that writes is held, too, while it
    /// `may_write` nothing; a proof then goes on counting, and what it finds wrong waits to be filled. REQUIRES 0 <=
    /// pace <= 1.
    void pace(double pace, bool may_write, Stamp at, Ids& ids, Commands& out);
    /// No new batch; `now` cancels those that run.
    void stop(bool now, Commands& out);

    State state() const;
    Outcome const& outcome() const { return outcome_; }  ///< of State::failed
    /// What the sessions run now, or ran when the first of them was lost.
    std::vector<PageRange> at_work() const { return lost_in_.empty() ? running() : lost_in_; }
    std::int64_t rows_done() const { return context_.figures.rows_done; }      ///< written; of a proof: looked at
    std::int64_t rows_filled() const { return context_.figures.rows_filled; }  ///< by a proof, because they were wrong
    std::int64_t rows_wrong() const { return context_.figures.rows_wrong; }
    /// `rows_wrong()` by fragment, where there are several; a row may be wrong for more than one.
    std::vector<std::int64_t> const& wrong_each() const { return context_.figures.wrong_each; }
    std::vector<Sealed> const& keys() const { return context_.figures.keys; }
    std::int64_t pages() const { return context_.leaves.pages(); }
    std::int64_t pages_done() const { return context_.leaves.pages_done(); }
    int changes() const { return context_.check.changes(); }  ///< of the root's shape, with those of earlier passes

  private:
    enum class Stage : std::uint8_t {
        // A command of the machine's own runs, and no worker is busy:
        preparing,       ///< progress rows are made, and pages counted
        preparing_last,  ///< the same; then it stops
        searching,       ///< every page is done: are there new leaves?
        searching_last,  ///< the same; then it stops, unless that was all
        // Workers are busy, except where they wait:
        working,
        recounting,  ///< the table is another one: what runs is finished, then preparing
        stopping,    ///< what runs is finished
        failing,     ///< what runs is cancelled
        // Nothing runs any more:
        done,
        misses,
        failed,
        stopped,
    };

    bool alone() const { return stage_ <= Stage::searching_last; }
    bool over() const { return stage_ >= Stage::done; }
    bool busy() const;
    std::vector<PageRange> running() const;
    void check_invariant() const;

    void begin_preparing(Reply& reply);
    void prepare(Reply& reply);
    void prepared(Outcome const& outcome, Reply& reply);
    bool accept_changes(std::string const& changed, Reply& reply);
    void count(std::vector<StripeRow> const& rows, Reply& reply);
    void search(Reply& reply);
    void searched(Outcome const& outcome, Reply& reply);
    bool tries_again(Fate fate, Stamp at) const;
    void end_pass(Reply& reply);
    void end_failed(Outcome const& outcome);

    void worker_completed(StripeWorker& worker, Outcome const& outcome, Reply& reply);
    void follow(StripeWorker& worker, StripeWorker::Next const& next, Outcome const& outcome, Reply& reply);
    void refused(StripeWorker const& worker, Outcome const& outcome, Reply& reply);
    void fail(Outcome const& outcome, Reply& reply);
    void give_work(StripeWorker& worker, Reply& reply);
    void give_all_work(Reply& reply);
    std::optional<Leaves::Work> find_work(StripeWorker const& worker);
    void wait_for_horizon(StripeWorker& worker, Reply& reply);
    void tell_way(std::size_t leaf, Reply& reply);
    void judge_pool(Reply& reply);
    void settle(Reply& reply);

    BackfillContext context_;
    Stage stage_{Stage::preparing};
    std::vector<StripeWorker> workers_;
    std::optional<CommandId> own_;  ///< of a stage that is alone
    Millis own_since_{};            ///< first try of it
    int recounts_left_{3};          ///< because tables were gone when a batch came
    Outcome outcome_;
    std::vector<PageRange> lost_in_;
};

}  // namespace weir
