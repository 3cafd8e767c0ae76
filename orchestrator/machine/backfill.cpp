#include "orchestrator/machine/backfill.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace weir {
namespace {

SessionId hand(std::size_t worker) { return SessionId{static_cast<std::uint8_t>(worker + 1)}; }

constexpr Limits own_limits{Millis{1000}, Millis{30000}, Millis{60000}};

}  // namespace

BackfillMachine::BackfillMachine(Config config) : context_{std::move(config)} {
    auto& given = context_.config;
    given.sweep.pages_at_first = std::min(given.sweep.pages_at_first, 4 * given.pages_at_first);
    for (std::size_t w = 0; w < static_cast<std::size_t>(given.workers); ++w)
        workers_.emplace_back(hand(w), given.pages_at_first);
}

BackfillMachine::State BackfillMachine::state() const {
    switch (stage_) {
        case Stage::done:
            return State::done;
        case Stage::misses:
            return State::misses;
        case Stage::failed:
            return State::failed;
        case Stage::stopped:
            return State::stopped;
        default:
            return State::running;
    }
}

bool BackfillMachine::owns(CommandId id) const {
    return own_ == id ||
           std::any_of(workers_.begin(), workers_.end(), [&](StripeWorker const& w) { return w.owns(id); });
}

bool BackfillMachine::busy() const {
    return std::any_of(workers_.begin(), workers_.end(), [](StripeWorker const& w) { return w.busy(); });
}

std::vector<PageRange> BackfillMachine::running() const {
    std::vector<PageRange> all;
    for (auto const& worker : workers_)
        if (auto const range = worker.at_work(context_)) all.push_back(*range);
    return all;
}

void BackfillMachine::check_invariant() const {
    assert(alone() == own_.has_value());
    assert(!busy() || (!alone() && !over()));
    assert(busy() || (stage_ != Stage::recounting && stage_ != Stage::stopping && stage_ != Stage::failing));
}

void BackfillMachine::start(Stamp at, Ids& ids, Commands& out) {
    Reply reply{at, ids, out};
    begin_preparing(reply);
    check_invariant();
}

void BackfillMachine::completed(Stamp at, Completed const& completed, Ids& ids, Commands& out) {
    Reply reply{at, ids, out};
    if (own_ == completed.command) {
        own_.reset();
        if (stage_ == Stage::preparing || stage_ == Stage::preparing_last)
            prepared(completed.outcome, reply);
        else
            searched(completed.outcome, reply);
    } else {
        auto const worker = std::find_if(workers_.begin(), workers_.end(),
                                         [&](StripeWorker const& w) { return w.owns(completed.command); });
        assert(worker != workers_.end());
        worker_completed(*worker, completed.outcome, reply);
    }
    check_invariant();
}

void BackfillMachine::tune(Millis target, Millis bound, Millis give_up) {
    context_.config.target = target;
    context_.config.bound = bound;
    context_.config.give_up = give_up;
}

void BackfillMachine::pace(double pace, bool may_write, Stamp at, Ids& ids, Commands& out) {
    Reply reply{at, ids, out};
    bool const was_held = context_.held(false);
    // What is written below full pace says nothing of what a worker more would bring.
    if (pace < 1) context_.pool.interrupted();
    context_.pace = pace;
    context_.may_write = may_write;
    if (stage_ == Stage::preparing || stage_ == Stage::preparing_last || context_.held(false)) return;
    // Nobody waited for the horizon meanwhile.
    if (was_held) context_.horizon.work(at.steady);
    for (auto& worker : workers_)
        if (worker.busy())
            worker.hurry(pace, reply);
        else
            give_work(worker, reply);
    if (was_held) settle(reply);
    check_invariant();
}

void BackfillMachine::stop(bool now, Commands& out) {
    if (over()) return;
    for (auto const& worker : workers_) {
        bool const at_once = worker.state() == StripeWorker::State::resting ||
                             worker.state() == StripeWorker::State::counting ||
                             worker.state() == StripeWorker::State::vacuuming;
        if (worker.busy() && (now || at_once)) worker.cancel(out);
    }
    if (stage_ == Stage::preparing || stage_ == Stage::preparing_last) {
        stage_ = Stage::preparing_last;
        if (now) out.emplace_back(Cancel{*own_});
    } else if (alone()) {
        stage_ = Stage::searching_last;
        out.emplace_back(Cancel{*own_});
    } else if (!busy()) {
        stage_ = Stage::stopped;
    } else if (stage_ != Stage::failing) {
        stage_ = Stage::stopping;
    }
    check_invariant();
}

void BackfillMachine::begin_preparing(Reply& reply) {
    stage_ = stage_ == Stage::searching_last ? Stage::preparing_last : Stage::preparing;
    own_since_ = reply.at.steady;
    prepare(reply);
}

void BackfillMachine::prepare(Reply& reply) {
    auto const& config = context_.config;
    own_ = reply.ids();
    reply.out.emplace_back(Execute{*own_, first_hand,
                                   prepare_progress(config.rows, {.epoch = config.epoch,
                                                                  .progress = context_.progress(),
                                                                  .proof = config.proof,
                                                                  .counts = config.counts,
                                                                  .restart = context_.check.restart(),
                                                                  .stripe = config.sweep.pages_at_most}),
                                   Transaction::implicit, own_limits});
}

/// Somebody holds the table or a leaf for himself.
bool BackfillMachine::tries_again(Fate fate, Stamp at) const {
    return (fate == Fate::lock_busy || fate == Fate::deadlock) && at.steady - own_since_ < context_.config.give_up;
}

void BackfillMachine::prepared(Outcome const& outcome, Reply& reply) {
    bool const stops = stage_ == Stage::preparing_last;
    bool const cut_short =
        outcome.fate == Fate::lock_busy || outcome.fate == Fate::deadlock || outcome.fate == Fate::canceled;
    if (stops && cut_short) {
        stage_ = Stage::stopped;
    } else if (tries_again(outcome.fate, reply.at)) {
        prepare(reply);
    } else if (outcome.fate != Fate::done) {
        end_failed(outcome);
    } else {
        std::vector<StripeRow> rows;
        for (auto const& row : outcome.rows) rows.push_back(stripe_row(row));
        if (!rows.empty() && !accept_changes(rows[0].changed, reply)) return;
        stage_ = stops ? Stage::stopping : Stage::working;
        count(rows, reply);
        give_all_work(reply);
        settle(reply);
    }
}

bool BackfillMachine::accept_changes(std::string const& changed, Reply& reply) {
    if (changed.empty()) return true;
    auto const& table = context_.config.rows.table;
    if (auto const refusal = context_.check.root_changed(table, changed)) {
        end_failed(*refusal);
        return false;
    }
    reply.announce(BatchRetried{context_.config.step, table.text(), "changed meanwhile, and so read anew: " + changed});
    return true;
}

void BackfillMachine::count(std::vector<StripeRow> const& rows, Reply& reply) {
    auto const& config = context_.config;
    auto& figures = context_.figures;
    context_.check.counted(
        std::any_of(rows.begin(), rows.end(), [](StripeRow const& row) { return row.next != row.from; }));
    context_.leaves.count(rows, {.never_in_page = config.rows.never_in_page,
                                 // What reads or deletes has no new versions.
                                 .plain = config.plain || config.proof || config.rows.erases,
                                 .target = config.target,
                                 .sweep = config.sweep});
    // What was wrong before is looked at again.
    figures.rows_done = figures.rows_wrong = 0;
    figures.wrong_each.clear();
    figures.keys.clear();
    std::int64_t estimate = 0;
    for (auto const& row : rows) {
        figures.rows_done += row.rows;
        estimate += row.rows_estimate;
    }
    for (auto& worker : workers_) worker.forget_range();
    reply.announce(WorkKnown{config.step, config.rows.table.text(), pages(), pages_done(), estimate, figures.rows_done,
                             config.proof});
}

/// A partition that was attached since the pages were counted, or rewritten after its last batch.
void BackfillMachine::search(Reply& reply) {
    if (context_.pace <= 0) {
        stage_ = Stage::working;
        return;
    }
    auto const& config = context_.config;
    stage_ = Stage::searching;
    own_ = reply.ids();
    reply.out.emplace_back(Execute{*own_, first_hand,
                                   look_for_leaves(config.rows, config.epoch, context_.progress(), config.proof),
                                   Transaction::implicit, own_limits});
}

void BackfillMachine::searched(Outcome const& outcome, Reply& reply) {
    bool const stops = stage_ == Stage::searching_last;
    bool const found = outcome.fate == Fate::done && !outcome.rows.empty() && outcome.rows[0].fields[0] == "t";
    if (found && stops) {
        stage_ = Stage::stopped;
    } else if (found) {
        begin_preparing(reply);
    } else if (outcome.fate == Fate::done) {
        end_pass(reply);
    } else if (stops && outcome.fate != Fate::fenced && outcome.fate != Fate::refused) {
        end_failed(outcome);
        if (outcome.fate != Fate::lost && outcome.fate != Fate::in_doubt) stage_ = Stage::stopped;
    } else if (tries_again(outcome.fate, reply.at)) {
        search(reply);
    } else {
        end_failed(outcome);
    }
}

/// Every page of the pass is done.
void BackfillMachine::end_pass(Reply& reply) {
    auto const& config = context_.config;
    bool const twice = config.proof && !config.counts && !guarded(config.rows);
    if (!config.counts && context_.figures.rows_wrong > 0)
        stage_ = Stage::misses;
    else if (!twice ||
             context_.check.ended(config.step, config.rows, reply.at.wall, reply.out) == FullTableCheck::Verdict::done)
        stage_ = Stage::done;
    else
        begin_preparing(reply);
}

void BackfillMachine::end_failed(Outcome const& outcome) {
    outcome_ = outcome;
    stage_ = Stage::failed;
}

void BackfillMachine::worker_completed(StripeWorker& worker, Outcome const& outcome, Reply& reply) {
    assert(!alone() && !over());
    auto const was = worker.state();
    if ((outcome.fate == Fate::lost || outcome.fate == Fate::in_doubt) && lost_in_.empty()) lost_in_ = running();
    auto const next = worker.completed(outcome, stage_ != Stage::working, context_, reply);
    // A commit that was timed is judged before anything else is begun, a batch after it.
    if (was == StripeWorker::State::committing && next.what != StripeWorker::Next::What::fail) judge_pool(reply);
    follow(worker, next, outcome, reply);
    if (StripeWorker::in_range(was)) judge_pool(reply);
    // What one worker brought, or left, may be work for those that found none.
    give_all_work(reply);
    settle(reply);
}

void BackfillMachine::follow(StripeWorker& worker, StripeWorker::Next const& next, Outcome const& outcome,
                             Reply& reply) {
    using What = StripeWorker::Next::What;
    switch (next.what) {
        case What::work:
            give_work(worker, reply);
            return;
        case What::go_on:
            if (stage_ == Stage::working) worker.go_on(next.then, context_, reply);
            return;
        case What::rest:
            worker.rest(next.then, next.time, reply);
            return;
        case What::refused:
            refused(worker, outcome, reply);
            return;
        case What::fail:
            fail(outcome, reply);
            return;
    }
}

/// Rewritten, truncated, detached; or dropped before the lock was had. Under a rule the server has no UPDATE …
/// RETURNING (0A000): which rule, prepare() says.
void BackfillMachine::refused(StripeWorker const& worker, Outcome const& outcome, Reply& reply) {
    bool const another = outcome.sqlstate == "WE002" ||
                         ((outcome.sqlstate == "42P01" || outcome.sqlstate == "0A000") && recounts_left_-- > 0);
    if (!another) {
        fail(outcome, reply);
        return;
    }
    reply.announce(BatchRetried{context_.config.step, worker.leaf_text(context_),
                                "the table is another one now; its pages are counted anew"});
    if (stage_ == Stage::working) stage_ = Stage::recounting;
    // Those that rest hold nothing; wake them, so that all settle at once.
    for (auto const& other : workers_)
        if (other.state() == StripeWorker::State::resting) other.cancel(reply.out);
}

void BackfillMachine::fail(Outcome const& outcome, Reply& reply) {
    if (stage_ != Stage::failing) outcome_ = outcome;
    stage_ = Stage::failing;
    for (auto const& worker : workers_)
        if (worker.busy()) worker.cancel(reply.out);
}

void BackfillMachine::give_all_work(Reply& reply) {
    for (auto& worker : workers_)
        if (!worker.busy()) give_work(worker, reply);
}

void BackfillMachine::give_work(StripeWorker& worker, Reply& reply) {
    assert(!worker.busy());
    if (stage_ != Stage::working) return;
    if (worker.state() == StripeWorker::State::held) {
        worker.resume(context_, reply);
        return;
    }
    if (context_.held(false)) return;
    worker.leave_what_is_done(context_);
    auto const number = &worker - workers_.data();
    // One that is too many ends its stripe first: nobody else may have it.
    if (!worker.stripe() && number >= context_.pool.size()) return;
    if (worker.rests_for_pace(StripeWorker::State::idle, context_, reply)) return;
    if (number == 0 && !context_.config.proof && context_.pool.commit_due(reply.at.steady)) {
        worker.commit(reply);
        return;
    }
    auto const work = find_work(worker);
    if (!work) {
        wait_for_horizon(worker, reply);
        return;
    }
    context_.horizon.work(reply.at.steady);
    if (work->kind != Leaves::Kind::vacuum) tell_way(context_.leaves.stripe(work->of).leaf, reply);
    worker.begin(*work, context_, reply);
}

std::optional<Leaves::Work> BackfillMachine::find_work(StripeWorker const& worker) {
    auto& leaves = context_.leaves;
    auto const horizon = context_.horizon.xid();
    if (!worker.stripe()) return leaves.find(horizon);
    auto const leaf = leaves.stripe(*worker.stripe()).leaf;
    if (leaves.take_vacuum(leaf, horizon)) return Leaves::Work{Leaves::Kind::vacuum, leaf};
    return Leaves::Work{Leaves::Kind::range, *worker.stripe()};
}

void BackfillMachine::wait_for_horizon(StripeWorker& worker, Reply& reply) {
    if (!context_.leaves.waits()) return;
    context_.pool.interrupted();
    switch (context_.horizon.wait(reply.at.steady)) {
        case Horizon::Turn::read:
            worker.read_horizon(reply);
            return;
        case Horizon::Turn::rest:
            worker.rest(StripeWorker::State::idle, Horizon::rest, reply);
            return;
        case Horizon::Turn::give_up:
            context_.leaves.go_on_without_horizon();
            worker.rest(StripeWorker::State::idle, Millis{1}, reply);
            return;
    }
}

void BackfillMachine::tell_way(std::size_t leaf, Reply& reply) {
    // Deletes and proofs have but one way.
    if (context_.config.proof || context_.config.rows.erases) return;
    if (auto const way = context_.leaves.new_way(leaf))
        reply.announce(
            WayChanged{context_.config.step, context_.leaves.file(leaf).name.text(), way->first, way->second});
}

void BackfillMachine::judge_pool(Reply& reply) {
    auto const reason = context_.pool.judge(reply.at.steady);
    if (!reason) return;
    reply.announce(WorkersChanged{context_.config.step, context_.pool.size(), *reason});
}

void BackfillMachine::settle(Reply& reply) {
    if (alone() || over() || busy()) return;
    if (stage_ == Stage::failing) {
        stage_ = Stage::failed;
    } else if (stage_ == Stage::stopping) {
        stage_ = Stage::stopped;
    } else if (stage_ == Stage::recounting) {
        begin_preparing(reply);
    } else if (context_.pace > 0 && context_.leaves.done()) {
        own_since_ = reply.at.steady;
        if (context_.leaves.partitioned())
            search(reply);
        else
            end_pass(reply);
    }
}

}  // namespace weir
