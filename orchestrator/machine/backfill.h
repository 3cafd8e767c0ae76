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
///           still wrong after that is a miss, named by key. Without a sync a row that is not right may move, by an
///           update of the application, from a range not read yet to one that was: so a second pass (with progress of
///           its own, `<step>.look`) ends the proof. When it finds a row it is made again, a few times: rows that the
///           application inserts without the column are its own. A row that the application moves past the reading
///           in both passes is not seen
///
/// What a proof has read is noted with the shape of each leaf (weir.shapes: attachments, file, BEFORE triggers, rules,
/// columns). At the end of a pass over a partitioned table, and whenever it is gone on with, leaves that are new or of
/// another shape are read anew, alone; a detached one is forgotten. A change of the root's triggers, rules or columns
/// changes all leaves: the third ends in State::failed (WE008).
///
/// The size of a range follows the clock (`batch.target`): it halves on a timeout or deadlock and grows gently.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "orchestrator/machine/in_page.h"
#include "orchestrator/machine/ledger.h"
#include "orchestrator/machine/pace.h"
#include "orchestrator/machine/protocol.h"
#include "orchestrator/machine/worker_pool.h"
#include "plans/step.h"

namespace weir {

inline constexpr std::int64_t pages_at_first = 16;
inline constexpr std::int64_t pages_at_most = 4096;

class BackfillMachine {
  public:
    struct Config {
        RunId run{};
        Epoch epoch{};
        std::string step;
        Rows rows;
        bool proof{};
        bool gate_opened{};      ///< the new application writes: only what is still NULL may be filled
        int workers{2};          ///< hands that may be used
        bool all{true};          ///< all of them from the start; else as many as pay (worker_pool.h)
        Millis target{50};       ///< a batch's time
        Millis bound{100};       ///< a batch is rolled back beyond it
        Millis give_up{900000};  ///< how long the proof waits for a locked row that is not right
        bool afresh{};           ///< a proof that is repeated: what was counted before is forgotten
        int changes{};           ///< of the root's shape, seen by earlier passes of this proof
        bool plain{};            ///< page ranges only (`batch.order: plain`)
        bool counts{};           ///< a proof that only counts: what it finds stays as it is, and is no miss
        std::int64_t pages_at_first{weir::pages_at_first};  ///< of a range
        std::int64_t range_at_most{pages_at_most};          ///< a range grows no longer than so many pages
        SweepTuning sweep{};
    };
    enum class State { running, done, misses, failed, stopped };

    explicit BackfillMachine(Config config)
        : config_{std::move(config)}, pool_{config_.all ? config_.workers : 1, config_.workers} {
        workers_.resize(static_cast<std::size_t>(config_.workers));
        for (auto& worker : workers_) worker.size = config_.pages_at_first;
        config_.sweep.pages_at_first = std::min(config_.sweep.pages_at_first, 4 * config_.pages_at_first);
        restart_ = config_.afresh;
        changes_ = config_.changes;
    }

    void start(Stamp at, Ids& ids, Commands& out);
    bool owns(CommandId id) const;
    /// REQUIRES owns(completed.command).
    void completed(Stamp at, Completed const& completed, Ids& ids, Commands& out);
    /// From the next batch on.
    void tune(Millis target, Millis bound, Millis give_up) {
        config_.target = target;
        config_.bound = bound;
        config_.give_up = give_up;
    }
    /// How fast: after anything that a worker had the server do it rests (rest_after, pace.h), also before it tries the
    /// same once more. A pace that rises cuts short the rests that run, one that falls lengthens them when they end. At
    /// 0 it is held: what runs is finished, and nothing else is begun, neither another try nor a VACUUM nor a look;
    /// only the few rows of its own progress are prepared. A step that writes is held, too, while it `may_write`
    /// nothing; a proof then goes on counting, and what it finds wrong waits to be filled. REQUIRES 0 <= pace <= 1.
    void pace(double pace, bool may_write, Stamp at, Ids& ids, Commands& out);
    /// No new batch; `now` cancels those that run.
    void stop(bool now, Commands& out);

    State state() const { return state_; }
    Outcome const& outcome() const { return outcome_; }  ///< of State::failed
    /// What the sessions run now, or ran when the first of them was lost.
    std::vector<PageRange> at_work() const { return lost_in_.empty() ? running() : lost_in_; }
    std::int64_t rows_done() const { return rows_done_; }      ///< written; of a proof: looked at
    std::int64_t rows_filled() const { return rows_filled_; }  ///< by a proof, because they were wrong
    std::int64_t rows_wrong() const { return rows_wrong_; }
    std::vector<Sealed> const& keys() const { return keys_; }
    std::int64_t pages() const { return pages_; }
    std::int64_t pages_done() const { return pages_done_; }
    int changes() const { return changes_; }  ///< of the root's shape, with those of earlier passes

  private:
    struct Stripe {
        std::int64_t leaf{};  ///< oid
        TableName name;
        std::int64_t filenode{}, from{}, to{}, next{};
        std::size_t of{};      ///< the leaf, in leaves_
        std::int64_t swept{};  ///< rows that sweeps wrote
        std::int64_t told{};   ///< pages that were told as done meanwhile
    };
    struct Leaf {
        InPageOrder order;
        std::size_t first{};  ///< of its stripes
        bool told{};          ///< its way, to the listeners
        Way way{};            ///< as told
        bool vacuuming{};
    };
    enum class Doing { idle, sweep, horizon, batch, skip_locked, count, refill, keys, vacuum, commit, resting };
    struct Worker {
        Doing doing{Doing::idle};
        Doing after_rest{Doing::batch};  ///< idle: whatever there is to do
        std::optional<Doing> then;       ///< held: what it goes on with, in its range
        std::optional<Millis> wakes;     ///< from a rest that the pace asked for
        Millis ended{}, took{};          ///< of what the server did for it last
        std::optional<CommandId> pending;
        std::optional<std::size_t> stripe;
        std::optional<InPageOrder::Turn> turn;  ///< of a sweep
        std::size_t leaf{};                     ///< of a VACUUM
        std::int64_t to{};                      ///< the range of the batch: stripe.next .. to
        std::int64_t size{pages_at_first};
        std::int64_t misses{};                ///< of the range, at the last count
        int failures{};                       ///< in a row, on this range
        int rounds{};                         ///< of refilling this range
        std::optional<Millis> waiting_since;  ///< for locked rows of this range
        Millis statement{};                   ///< grows when a single page takes longer than the bound
    };

    void prepare(Ids& ids, Commands& out);
    void look_for_leaves(Ids& ids, Commands& out);
    void ended(Stamp at, Ids& ids, Commands& out);
    /// The name of its progress.
    std::string pass() const { return second_ ? config_.step + ".look" : config_.step; }
    Sql key_text() const;
    void prepared(Stamp at, Outcome const& outcome, Ids& ids, Commands& out);
    void next(std::size_t w, Stamp at, Ids& ids, Commands& out);
    bool find_work(std::size_t w, Doing& what);
    void wait_for_horizon(std::size_t w, Stamp at, Ids& ids, Commands& out);
    void issue(std::size_t w, Doing what, Stamp at, Ids& ids, Commands& out);
    void swept(std::size_t w, Stamp at, Outcome const& outcome, Commands& out);
    void sweep_failed(std::size_t w, InPageOrder::Trouble trouble);
    void tell_way(std::size_t leaf, Stamp at, Commands& out);
    void completed_aside(std::size_t w, Doing was, Stamp at, Outcome const& outcome, Ids& ids, Commands& out);
    void wake(Stamp at, Ids& ids, Commands& out);
    void pool_moved(Stamp at, Ids& ids, Commands& out);
    Batch sweep(Worker const& worker, bool look) const;
    Batch fill(Worker const& worker, bool skip_locked, bool look) const;
    Sql mine(Stripe const& stripe) const;
    Sql assignments() const;
    void read_horizon(Row const& row, std::size_t field, Stamp at);
    void rest(std::size_t w, Doing then, Millis time, Ids& ids, Commands& out);
    bool held(Doing what) const;
    Millis due(Worker const& worker) const;
    bool rest_for_pace(std::size_t w, Doing then, Stamp at, Ids& ids, Commands& out);
    void go_on(std::size_t w, Doing what, Stamp at, Ids& ids, Commands& out);
    void advance(std::size_t w, Stamp at, std::int64_t rows, std::int64_t hot, Millis took, Commands& out);
    void fail(Outcome const& outcome, Commands& out);
    void settle(Stamp at, Ids& ids, Commands& out);
    Sql in_range(Worker const& worker) const;
    Sql write(Worker const& worker, bool skip_locked) const;
    std::string leaf_text(Worker const& worker) const;
    std::vector<PageRange> running() const;

    Config config_;
    State state_{State::running};
    std::vector<Worker> workers_;
    std::vector<Stripe> stripes_;
    std::vector<Leaf> leaves_;
    std::size_t first_leaf_{};            ///< those before it have nothing left
    std::int64_t horizon_{};              ///< transactions before it are over for everybody
    std::optional<Millis> horizon_read_;  ///< nothing: not yet
    Patience patience_;                   ///< for the horizon
    bool waiting_horizon_{};
    WorkerPool pool_;
    std::optional<CommandId> preparing_;
    int again_at_most_{3};  ///< tables that were gone when a batch came
    bool second_{};         ///< the second pass of a proof without a sync
    std::int64_t found_{};  ///< rows that it found wrong
    bool inherits_{};       ///< it may have been begun by another orchestrator
    bool unsure_{};         ///< which then may have found some
    int passes_{};          ///< second passes that were not clean
    int changes_{};         ///< of the root's shape
    Millis preparing_since_{};
    Outcome outcome_;
    std::vector<PageRange> lost_in_;
    std::vector<Sealed> keys_;
    std::int64_t pages_{}, pages_done_{}, rows_done_{}, rows_filled_{}, rows_wrong_{};
    std::int64_t root_{};               ///< oid of the table
    bool partitioned_{};                ///< leaves may come and go
    std::optional<CommandId> looking_;  ///< for new leaves, at the end
    double pace_{1};
    bool may_write_{true}, stopping_{}, again_{}, failing_{}, ready_{}, restart_{};
};

}  // namespace weir
