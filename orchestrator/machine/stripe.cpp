#include "orchestrator/machine/stripe.h"

#include <algorithm>
#include <cassert>
#include <iterator>
#include <utility>

#include "orchestrator/machine/pace.h"

namespace weir {
namespace {

/// A batch that meets a locked row gives up fast: whoever waits for the rows that it holds waits as long.
constexpr Millis row_lock_wait{10};
/// A count holds no lock that others can feel; it may take longer than a batch.
constexpr Millis count_limit{5000};
constexpr Millis statement_at_most{60000};
constexpr int refill_rounds = 3;
constexpr std::size_t keys_at_most = 10;

using State = StripeWorker::State;
using What = StripeWorker::Next::What;

bool writes(State what) {
    return what == State::sweeping || what == State::filling || what == State::filling_unlocked ||
           what == State::refilling;
}

bool lost(Fate fate) { return fate == Fate::fenced || fate == Fate::lost || fate == Fate::in_doubt; }

std::int64_t number(Outcome const& outcome, std::size_t field) {
    return outcome.rows.empty() ? 0 : std::stoll(outcome.rows[0].fields[field].value_or("0"));
}

void take_horizon(Horizon& horizon, Outcome const& outcome, std::size_t field, Millis now) {
    if (!outcome.rows.empty() && outcome.rows[0].fields.size() > field)
        horizon.read(outcome.rows[0].fields[field], now);
}

}  // namespace

Stripe const& StripeWorker::pages(BackfillContext const& context) const { return context.leaves.stripe(*stripe_); }

std::string StripeWorker::leaf_text(BackfillContext const& context) const {
    return context.leaves.file(pages(context).leaf).name.text();
}

PageSpan StripeWorker::span(State what, BackfillContext const& context) const {
    auto const& mine = pages(context);
    bool const sweeps = what == State::sweeping;
    return {context.progress(), context.leaves.file(mine.leaf), mine.from, sweeps ? turn_.from : mine.next,
            sweeps ? turn_.to : to_};
}

std::optional<PageRange> StripeWorker::at_work(BackfillContext const& context) const {
    if (!busy() || !in_range(state_)) return std::nullopt;
    auto const range = span(state_, context);
    return PageRange{context.config.step, range.leaf.name.text(), range.from, range.to};
}

Batch StripeWorker::batch(State what, BackfillContext const& context, Millis now) const {
    auto const& config = context.config;
    auto const& rows = config.rows;
    auto const range = span(what, context);
    // In plain order, too: a VACUUM waits for it.
    bool const horizon = context.horizon.stale(now);
    Batch batch = open_batch(rows, config.epoch, range.leaf, writes(what));
    auto const add = [&](Batch more) {
        batch.insert(batch.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
    };
    if (what == State::sweeping) {
        auto const locked = turn_.pass_locked ? OnLocked::pass : OnLocked::wait;
        add(sweep_span(rows, context.want, range, turn_.rows_a_page, locked, horizon));
    } else if (what == State::filling) {
        add(fill_span(rows, context.want, range, OnLocked::wait, horizon));
    } else if (what == State::filling_unlocked) {
        add(fill_span(rows, context.want, range, OnLocked::pass, horizon));
    } else if (what == State::counting) {
        add({count_span(rows, context.want.wrong, range, config.counts)});
    } else if (what == State::refilling) {
        add({write_rows(rows, context.want, range, OnLocked::wait)});
        // In the same transaction now() is the same: what is left could not be deleted.
        if (rows.erases) add({count_span(rows, context.want.wrong, range, config.counts)});
    } else {
        assert(what == State::naming);
        add({name_misses(rows, context.want, range, misses_)});
    }
    return batch;
}

Limits StripeWorker::limits(State what, BackfillConfig const& config) const {
    if (what == State::counting || what == State::naming)
        return {config.bound, std::max(count_limit, statement_), Millis{30000}};
    return {row_lock_wait, std::max(config.bound, statement_), Millis{30000}};
}

void StripeWorker::execute(State what, Batch batch, Transaction transaction, Limits limits, Reply& reply) {
    assert(!busy());
    state_ = what;
    command_ = reply.ids();
    reply.out.emplace_back(Execute{*command_, session_, std::move(batch), transaction, limits});
}

void StripeWorker::start(State what, BackfillContext const& context, Reply& reply) {
    assert(in_range(what) && stripe_);
    execute(what, batch(what, context, reply.at.steady), Transaction::implicit, limits(what, context.config), reply);
}

void StripeWorker::begin(Leaves::Work const& work, BackfillContext& context, Reply& reply) {
    assert(state_ == State::idle);
    switch (work.kind) {
        case Leaves::Kind::vacuum:
            leaf_ = work.of;
            execute(State::vacuuming, vacuum(context.leaves.file(leaf_).name), Transaction::standalone,
                    Limits{context.config.bound, Millis{0}, Millis{0}}, reply);
            return;
        case Leaves::Kind::sweep:
            stripe_ = work.of;
            turn_ = work.turn;
            start(State::sweeping, context, reply);
            return;
        case Leaves::Kind::range:
            stripe_ = work.of;
            to_ = std::min(pages(context).to, pages(context).next + size_);
            start(context.config.proof ? State::counting : State::filling, context, reply);
            return;
    }
}

void StripeWorker::read_horizon(Reply& reply) {
    execute(State::reading_horizon, weir::read_horizon(), Transaction::implicit, {}, reply);
}

void StripeWorker::commit(Reply& reply) {
    execute(State::committing, empty_commit(), Transaction::implicit, Limits{Millis{100}, Millis{5000}, Millis{30000}},
            reply);
}

void StripeWorker::go_on(State what, BackfillContext const& context, Reply& reply) {
    assert(!busy() && in_range(what) && stripe_);
    if (context.held(what == State::refilling)) {
        state_ = State::held;
        then_ = what;
        // Nobody stands in its way meanwhile.
        waits_since_.reset();
    } else if (!rests_for_pace(what, context, reply)) {
        start(what, context, reply);
    }
}

void StripeWorker::resume(BackfillContext const& context, Reply& reply) {
    assert(state_ == State::held);
    state_ = State::idle;
    go_on(then_, context, reply);
}

void StripeWorker::rest(State then, Millis time, Reply& reply) {
    assert(!busy());
    state_ = State::resting;
    then_ = then;
    wakes_.reset();
    command_ = reply.ids();
    reply.out.emplace_back(Rest{*command_, time});
}

Millis StripeWorker::due(double pace) const { return pace < 1 ? ended_ + rest_after(took_, pace) : ended_; }

bool StripeWorker::rests_for_pace(State then, BackfillContext const& context, Reply& reply) {
    auto const until = due(context.pace);
    if (until <= reply.at.steady) return false;
    rest(then, until - reply.at.steady, reply);
    wakes_ = until;
    return true;
}

void StripeWorker::hurry(double pace, Reply& reply) {
    assert(busy());
    if (!wakes_ || reply.at.steady >= *wakes_ || due(pace) + Horizon::rest >= *wakes_) return;
    wakes_.reset();
    cancel(reply.out);
}

void StripeWorker::cancel(Commands& out) const {
    assert(busy());
    out.emplace_back(Cancel{*command_});
}

void StripeWorker::leave_what_is_done(BackfillContext const& context) {
    if (stripe_ && pages(context).done()) stripe_.reset();
}

void StripeWorker::forget_range() {
    assert(!busy());
    state_ = State::idle;
    stripe_.reset();
    failures_ = rounds_ = 0;
    waits_since_.reset();
}

StripeWorker::Next StripeWorker::completed(Outcome const& outcome, bool ends, BackfillContext& context, Reply& reply) {
    assert(busy());
    command_.reset();
    wakes_.reset();
    State const was = std::exchange(state_, State::idle);
    if (was == State::resting) return rested();
    ended_ = reply.at.steady;
    took_ = outcome.took;
    if (lost(outcome.fate)) return {What::fail};
    if (!in_range(was)) return aside(was, outcome, context, reply);
    switch (outcome.fate) {
        case Fate::done:
            return worked(was, outcome, context, reply);
        case Fate::refused:
            return {What::refused};
        case Fate::lock_busy:
            return ends ? Next{} : locked(was, context, reply);
        default:
            return ends ? Next{} : rolled_back(was, outcome.fate, context, reply);
    }
}

StripeWorker::Next StripeWorker::rested() const {
    return stripe_ && then_ != State::idle ? Next{What::go_on, then_} : Next{};
}

StripeWorker::Next StripeWorker::aside(State was, Outcome const& outcome, BackfillContext& context, Reply& reply) {
    bool const done = outcome.fate == Fate::done;
    if (was == State::reading_horizon) {
        context.horizon.asked(reply.at.steady);
        if (done) take_horizon(context.horizon, outcome, 0, reply.at.steady);
    } else if (was == State::committing) {
        // A commit that takes longer than a limit is a slow one.
        context.pool.committed(reply.at.steady, outcome.took);
    } else {
        assert(was == State::vacuuming);
        auto const dead = context.leaves.vacuumed(leaf_);
        if (done)
            reply.announce(Vacuumed{context.config.step, context.leaves.file(leaf_).name.text(), dead, outcome.took});
    }
    return {};
}

StripeWorker::Next StripeWorker::worked(State was, Outcome const& outcome, BackfillContext& context, Reply& reply) {
    switch (was) {
        case State::sweeping:
            return swept(outcome, context, reply);
        case State::filling:
        case State::filling_unlocked:
            return filled(outcome, context, reply);
        case State::counting:
            return counted(was, outcome, context, reply);
        case State::refilling:
            return context.config.rows.erases ? counted(was, outcome, context, reply) : refilled(outcome, context);
        default:
            assert(was == State::naming);
            return named(outcome, context, reply);
    }
}

StripeWorker::Next StripeWorker::swept(Outcome const& outcome, BackfillContext& context, Reply& reply) {
    auto const rows = number(outcome, 0);
    InPageOrder::Swept const result{rows, number(outcome, 1), rows > 0 ? number(outcome, 2) : 0, outcome.took};
    take_horizon(context.horizon, outcome, 3, reply.at.steady);
    auto const told = context.leaves.swept(*stripe_, turn_, result);
    context.figures.rows_done += rows;
    context.wrote(rows, reply.at.steady);
    failures_ = 0;
    waits_since_.reset();
    reply.announce(BatchDone{context.config.step, leaf_text(context), told, rows, outcome.took, false, result.hot});
    stripe_.reset();
    return {};
}

StripeWorker::Next StripeWorker::filled(Outcome const& outcome, BackfillContext& context, Reply& reply) {
    auto const rows = number(outcome, 0);
    auto const hot = number(outcome, 1);
    // A deletion needs no room for new versions.
    if (!context.config.rows.erases) context.leaves.filled(*stripe_, {rows, hot, number(outcome, 2), outcome.took});
    take_horizon(context.horizon, outcome, 3, reply.at.steady);
    advance(rows, hot, outcome.took, context, reply);
    return {};
}

/// Also what a deletion counted in the transaction that deleted.
StripeWorker::Next StripeWorker::counted(State was, Outcome const& outcome, BackfillContext& context, Reply& reply) {
    misses_ = number(outcome, 1);
    // What a deletion did in the same transaction was found by the count before it.
    if (was == State::counting) context.check.found(misses_);
    if (was == State::refilling) rounds_ = refill_rounds;
    if (misses_ > 0 && !context.config.counts)
        return {What::go_on, rounds_ < refill_rounds ? State::refilling : State::naming};
    context.figures.rows_wrong += misses_;
    advance(number(outcome, 0), 0, outcome.took, context, reply);
    return {};
}

StripeWorker::Next StripeWorker::refilled(Outcome const& outcome, BackfillContext& context) {
    auto const rows = number(outcome, 0);
    context.figures.rows_filled += rows;
    // Nothing was written: what is wrong is not ours to fill.
    rounds_ = rows == 0 ? refill_rounds : rounds_ + 1;
    return {What::go_on, State::counting};
}

StripeWorker::Next StripeWorker::named(Outcome const& outcome, BackfillContext& context, Reply& reply) {
    auto& figures = context.figures;
    for (auto const& row : outcome.rows)
        if (figures.keys.size() < keys_at_most) figures.keys.emplace_back(row.fields[0].value_or(""));
    if (context.want.wrong_each.size() > 1 && !outcome.rows.empty()) {
        figures.wrong_each.resize(context.want.wrong_each.size());
        for (std::size_t i = 0; i < figures.wrong_each.size(); ++i) figures.wrong_each[i] += number(outcome, i + 1);
    }
    figures.rows_wrong += misses_;
    advance(0, 0, outcome.took, context, reply);
    return {};
}

void StripeWorker::advance(std::int64_t rows, std::int64_t hot, Millis took, BackfillContext& context, Reply& reply) {
    auto const& config = context.config;
    auto const from = pages(context).next;
    bool const whole = to_ - from == size_;
    auto const told = context.leaves.advance(*stripe_, to_);
    context.figures.rows_done += rows;
    context.wrote(rows, reply.at.steady);
    failures_ = rounds_ = 0;
    waits_since_.reset();
    // Only the page that needs more time than the bound gets it.
    if (took <= config.bound) statement_ = Millis{};
    if (whole) {
        auto const ideal = size_ * config.target.count() / std::max<std::int64_t>(took.count(), 1);
        auto const gentle = std::clamp(ideal, std::max<std::int64_t>(size_ / 2, 1), size_ * 3 / 2 + 1);
        size_ = std::clamp<std::int64_t>(gentle, 1, config.range_at_most);
    }
    reply.announce(BatchDone{config.step, leaf_text(context), told, rows, took, config.proof, hot, from, to_});
}

void StripeWorker::retried(std::string reason, BackfillContext const& context, Reply& reply) const {
    reply.announce(BatchRetried{context.config.step, leaf_text(context), std::move(reason)});
}

StripeWorker::Next StripeWorker::locked(State was, BackfillContext& context, Reply& reply) {
    bool const sweeps = was == State::sweeping && !turn_.pass_locked;
    if (sweeps || was == State::filling) {
        retried("a row or the table is locked; passing over locked rows", context, reply);
        if (!sweeps) return {What::go_on, State::filling_unlocked};
        give_back_sweep(InPageOrder::Trouble::locked, context);
        return {};
    }
    if (!waits_since_) waits_since_ = reply.at.steady;
    // The count knows which rows: they are reported by key. Anything else is a lock that we cannot get past.
    if (reply.at.steady - *waits_since_ >= context.config.give_up)
        return was == State::refilling ? Next{What::go_on, State::naming} : Next{What::fail};
    retried("waiting for a lock", context, reply);
    ++failures_;
    return {What::rest, was, std::min(Millis{25LL << std::min(failures_, 6)}, Millis{1000})};
}

/// By a deadlock, or because it took longer than the bound.
StripeWorker::Next StripeWorker::rolled_back(State was, Fate fate, BackfillContext& context, Reply& reply) {
    bool const deadlock = fate == Fate::deadlock;
    assert(deadlock || fate == Fate::canceled);
    if (!deadlock && statement_ >= statement_at_most) return {What::fail};
    retried(deadlock ? "deadlock" : "longer than the bound", context, reply);
    if (was == State::sweeping)
        give_back_sweep(deadlock ? InPageOrder::Trouble::locked : InPageOrder::Trouble::too_long, context);
    else
        halve(context);
    ++failures_;
    // The range is another now, so its misses are counted again before they are named.
    State const then = was == State::naming ? State::counting : was;
    if (deadlock) return {What::rest, then, Millis{20LL << std::min(failures_, 5)}};
    return was == State::sweeping ? Next{} : Next{What::go_on, then};
}

void StripeWorker::give_back_sweep(InPageOrder::Trouble trouble, BackfillContext& context) {
    context.leaves.sweep_failed(*stripe_, turn_, trouble);
    stripe_.reset();
}

void StripeWorker::halve(BackfillContext const& context) {
    auto const from = pages(context).next;
    auto const range = to_ - from;
    if (range <= 1) statement_ = std::min(std::max(statement_, context.config.bound) * 2, statement_at_most);
    size_ = std::max<std::int64_t>(range / 2, 1);
    to_ = from + size_;
}

}  // namespace weir
