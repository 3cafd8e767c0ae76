#include "orchestrator/machine/ladder.h"

#include <algorithm>
#include <array>
#include <utility>

namespace weir {
namespace {

constexpr std::array tries_ms{0, 5, 10, 20, 50};
constexpr Millis further_lock{10};
constexpr Limits look_limits{Millis{100}, Millis{500}, Millis{5000}};

bool is_over(Fate fate) { return fate == Fate::lost || fate == Fate::in_doubt || fate == Fate::fenced; }

Value millis(Millis time) { return Value{std::to_string(time.count()) + "ms"}; }

/// A number that looks random and is the same in every replay (splitmix64).
std::uint64_t scramble(std::uint64_t x) {
    x += 0x9E3779B97F4A7C15ULL;
    x = (x ^ (x >> 30U)) * 0xBF58476D1CE4E5B9ULL;
    x = (x ^ (x >> 27U)) * 0x94D049BB133111EBULL;
    return x ^ (x >> 31U);
}

}  // namespace

void LockLadder::start(Stamp at, Ids& ids, Commands& out) {
    began_ = at.steady;
    look(ids, out);
}

void LockLadder::finish(State state) {
    pending_.reset();
    state_ = state;
}

void LockLadder::look(Ids& ids, Commands& out) {
    if (!config_.locks.empty())
        ask(Doing::looking, look_for(config_.locks), ids, out);
    else if (last_look_)
        finish(State::gave_up);
    else
        attempt(ids, out);
}

void LockLadder::ask(Doing doing, Sql const& question, Ids& ids, Commands& out) {
    doing_ = doing;
    pending_ = ids();
    Batch batch = config_.fence;
    batch.push_back(question);
    out.emplace_back(Execute{*pending_, config_.session, std::move(batch), Transaction::implicit, look_limits});
}

void LockLadder::attempt(Ids& ids, Commands& out) {
    auto const rung = std::min(static_cast<std::size_t>(tries_), tries_ms.size() - 1);
    Millis const half = std::max(config_.bound / 2, Millis{1});
    auto const tables = static_cast<Millis::rep>(config_.locks.size());
    Millis const share = std::max(half / std::max<Millis::rep>(tables, 1), Millis{1});
    Millis const wait = std::min(Millis{tries_ms[rung]}, share);
    // A lock_timeout of 0 would mean for ever; NOWAIT does not look at it, what follows may.
    Millis const lock = std::max(wait, std::min(Millis{5}, half));
    Millis const further = std::min(std::max(wait, further_lock), half);
    Millis const budget = time_for_work(config_.bound);
    // Nobody waits for what comes before the first lock.
    Sql const gone =
        sql("((extract(epoch FROM pg_catalog.clock_timestamp()) - pg_catalog.current_setting('weir.began')"
            "::pg_catalog.numeric) * 1000)::pg_catalog.int8");

    Batch batch;
    // The lock is released only after COMMIT: a missing synchronous standby must not keep it.
    batch.push_back(sql("SET LOCAL synchronous_commit = local"));
    batch.push_back(sql("SET LOCAL client_min_messages = notice"));
    // A lock request makes an ordinary autovacuum yield only when its deadlock check fires.
    if (config_.may_set_deadlock_timeout)
        batch.push_back(sql("SET LOCAL deadlock_timeout = {0}", millis(std::max(lock / 2, Millis{1}))));
    batch.insert(batch.end(), config_.first.begin(), config_.first.end());
    batch.push_back(sql(
        "SELECT pg_catalog.set_config('weir.began', extract(epoch FROM pg_catalog.clock_timestamp())::pg_catalog.text, "
        "true)"));
    for (Millis::rep i = 0; i < tables; ++i) {
        // LOCK TABLE waits for each partition anew: only statement_timeout bounds the sum.
        if (!config_.scans)
            batch.push_back(
                sql("SELECT pg_catalog.set_config('statement_timeout', least({0}, greatest(1, {0} - {1}))"
                    "::pg_catalog.text, true)",
                    Int{half.count()}, gone));
        if (i > 0)
            batch.push_back(
                sql("SELECT pg_catalog.set_config('lock_timeout', least({0}, greatest(1, ({1} - {2}) / "
                    "{3}))::pg_catalog.text, true)",
                    Int{further.count()}, Int{half.count()}, gone, Int{tables - i}));
        batch.push_back(lock_table(config_.locks[static_cast<std::size_t>(i)],
                                   i > 0 || wait > Millis{0} ? Waiting::lock_timeout : Waiting::no_wait));
    }
    batch.push_back(mark());
    Millis const first = wait > Millis{0} ? wait : lock;
    if (tables > 1 || first != lock) batch.push_back(sql("SET LOCAL lock_timeout = {0}", millis(lock)));
    for (auto const& statement_of_body : config_.body) {
        // Each statement of a string has a statement_timeout of its own; together they may take the bound, and no
        // more where the server's clock was set back meanwhile.
        if (!config_.scans)
            batch.push_back(
                sql("SELECT pg_catalog.set_config('statement_timeout', least({0}, greatest(1, {0} - {1}))"
                    "::pg_catalog.text, true)",
                    Int{budget.count()}, gone));
        batch.push_back(statement_of_body);
        // How far it comes is asked once it was too much.
        if (too_long_ > 0) batch.push_back(mark());
    }
    if (!config_.scans) {
        // A limit that strikes at the very end is heard at the next statement, and so before COMMIT: after it the
        // server may report as cancelled what stands.
        batch.push_back(sql("SET LOCAL statement_timeout = 0"));
        batch.push_back(sql("SET LOCAL lock_timeout = 0"));
    }

    doing_ = Doing::trying;
    ++tries_;
    pending_ = ids();
    Limits const limits{first, config_.scans ? Millis{0} : config_.bound, config_.scans ? Millis{0} : Millis{5000}};
    out.emplace_back(Execute{*pending_, config_.session, std::move(batch), Transaction::implicit, limits});
}

void LockLadder::judge_length(Stamp at, Outcome const& outcome) {
    // The time to the first mark is what the locks took; the rest was the statements' alone.
    if (outcome.fate != Fate::canceled || outcome.marks.empty() || outcome.marks.front() > config_.bound / 4) return;
    needed_ = config_.bound * 2;
    if (too_long_++ == 0) {
        too_long_since_ = at.steady;
    } else {
        auto const all = static_cast<Millis::rep>(config_.body.size());
        auto const came_to_an_end = static_cast<Millis::rep>(outcome.marks.size() - 1);
        needed_ = std::max(needed_, config_.bound * all / std::max<Millis::rep>(came_to_an_end, 1) * 3 / 2);
    }
    needed_ = (needed_ + Millis{99}) / 100 * 100;
}

void LockLadder::rest(Ids& ids, Commands& out) {
    if (stopping_) {
        finish(State::stopped);
        return;
    }
    ++rests_;
    auto const grown = Millis{10LL << std::min(rests_, 8)};
    auto const jitter = static_cast<long long>(scramble(config_.seed + static_cast<std::uint64_t>(rests_)) % 50);
    Millis const time = std::min(grown, Millis{2000}) * (75 + jitter) / 100;
    doing_ = Doing::resting;
    pending_ = ids();
    out.emplace_back(Rest{*pending_, time});
}

bool LockLadder::stays(Blocker const& blocker, Millis now) const {
    switch (blocker.kind) {
        case Blocker::Kind::prepared:
        case Blocker::Kind::wraparound:
            return true;
        case Blocker::Kind::autovacuum:
            if (config_.may_set_deadlock_timeout) return false;
            break;
        case Blocker::Kind::session:
            break;
    }
    auto const seen = seen_.find(blocker.key);
    auto const known = seen == seen_.end() ? Millis{0} : now - seen->second.first;
    return std::max(blocker.age.value_or(Millis{0}), known) >=
           std::max(blocker.holds ? stays_after : queues_after, (now - began_) / 2);
}

void LockLadder::looked(Stamp at, Outcome const& outcome, Ids& ids, Commands& out) {
    if (is_over(outcome.fate)) {
        outcome_ = outcome;
        finish(State::failed);
        return;
    }
    if (stopping_) {
        finish(State::stopped);
        return;
    }
    // A look that failed shows nothing; what was seen before may be there still.
    if (outcome.fate == Fate::done) {
        auto found = blockers_of(outcome.rows);
        std::map<std::string, Seen> seen;
        for (auto const& blocker : found) {
            auto const before = seen_.find(blocker.key);
            seen[blocker.key] = before == seen_.end() ? Seen{at.steady} : before->second;
        }
        seen_ = std::move(seen);
        if (!last_look_ || !found.empty()) blockers_ = std::move(found);
    }
    if (last_look_) {
        finish(State::gave_up);
        return;
    }
    bool const blocked =
        outcome.fate == Fate::done && std::any_of(blockers_.begin(), blockers_.end(),
                                                  [&](Blocker const& blocker) { return stays(blocker, at.steady); });
    if (!blocked) {
        attempt(ids, out);
        return;
    }
    out.emplace_back(Announce{{at.wall, LockTried{config_.step, false, {}, blockers(), seen()}}});
    if (late(at))
        finish(State::gave_up);
    else if (!end_next(at, ids, out))
        rest(ids, out);
}

void LockLadder::tried(Stamp at, Outcome const& outcome, Ids& ids, Commands& out) {
    outcome_ = outcome;
    bool const busy = outcome_.fate == Fate::lock_busy || outcome_.fate == Fate::deadlock ||
                      (outcome_.fate == Fate::canceled && !stopping_);
    if (outcome_.fate == Fate::done) {
        finish(State::done);
        out.emplace_back(Announce{{at.wall, LockTried{config_.step, true, outcome_.took, {}, {}}}});
    } else if (outcome_.fate == Fate::canceled && stopping_) {
        finish(State::stopped);
    } else if (!busy) {
        finish(State::failed);
    } else {
        out.emplace_back(Announce{{at.wall, LockTried{config_.step, false, outcome_.took, blockers(), seen()}}});
        judge_length(at, outcome_);
        if (too_long_ >= too_much_after && at.steady - too_long_since_ >= too_much_over && !stopping_) {
            finish(State::too_much);
            return;
        }
        last_look_ = late(at) && !stopping_;
        if (last_look_)
            look(ids, out);
        else
            rest(ids, out);
    }
}

bool LockLadder::end_next(Stamp at, Ids& ids, Commands& out) {
    if (config_.on_blocked == OnBlocked::wait) return false;
    for (auto const& blocker : blockers_) {
        Seen& seen = seen_[blocker.key];
        if (!blocker.holds || at.steady - seen.first < ended_after) continue;
        bool const in_vain = config_.on_blocked == OnBlocked::cancel && blocker.idle;
        if (!blocker.spared.empty() || in_vain) {
            if (!std::exchange(seen.told_spared, true))
                out.emplace_back(Announce{
                    {at.wall, Warned{blocker.text + " is in the way and is not ended: " +
                                         (in_vain ? "it runs no statement that could be canceled" : blocker.spared),
                                     in_vain ? "end it by hand, or write locks: { on_blocked: terminate }"
                                             : advice_about(blocker)}}});
            continue;
        }
        bool const may = blocker.kind == Blocker::Kind::autovacuum ? may_cancel_autovacuum_ : may_end_;
        if (!may || (seen.ended && at.steady - *seen.ended < ended_after)) continue;
        seen.ended = at.steady;
        ending_ = blocker;
        // The same look once more: whether it is still that transaction and may be ended is seen in the statement that
        // ends it.
        auto const who = Value{blocker.key};
        auto const looked = look_for(config_.locks);
        bool const whole = config_.on_blocked == OnBlocked::terminate && blocker.kind == Blocker::Kind::session;
        Sql const end =
            whole
                ? sql("SELECT pg_catalog.pg_terminate_backend(b.pid) FROM ({0}) b WHERE b.key = {1} AND b.spared = ''",
                      looked, who)
                : sql("SELECT pg_catalog.pg_cancel_backend(b.pid) FROM ({0}) b WHERE b.key = {1} AND b.spared = ''",
                      looked, who);
        ask(Doing::ending, end, ids, out);
        return true;
    }
    return false;
}

void LockLadder::ended(Stamp at, Outcome const& outcome, Ids& ids, Commands& out) {
    if (is_over(outcome.fate)) {
        outcome_ = outcome;
        finish(State::failed);
        return;
    }
    auto const blocker = *std::exchange(ending_, std::nullopt);
    bool const whole = config_.on_blocked == OnBlocked::terminate && blocker.kind == Blocker::Kind::session;
    if (outcome.fate == Fate::done && !outcome.rows.empty() && outcome.rows[0].fields[0] == "t") {
        out.emplace_back(Announce{{at.wall, BlockerEnded{config_.step, whole, blocker.text, blocker.seen}}});
        rests_ = 0;  // it is gone in a moment
    } else if (outcome.fate == Fate::refused && blocker.kind == Blocker::Kind::autovacuum) {
        may_cancel_autovacuum_ = false;
        out.emplace_back(
            Announce{{at.wall, Warned{blocker.text + " is in the way, and weir may not cancel it: " + outcome.message,
                                      advice_about(blocker)}}});
    } else if (outcome.fate == Fate::refused) {
        may_end_ = false;
        out.emplace_back(
            Announce{{at.wall, Warned{blocker.text + " is in the way, and weir may not end it: " + outcome.message,
                                      "GRANT pg_signal_backend to the role that weir uses; until then it waits"}}});
    }
    if (stopping_ || !end_next(at, ids, out)) rest(ids, out);
}

void LockLadder::completed(Stamp at, Completed const& completed, Ids& ids, Commands& out) {
    switch (doing_) {
        case Doing::looking:
            looked(at, completed.outcome, ids, out);
            return;
        case Doing::trying:
            tried(at, completed.outcome, ids, out);
            return;
        case Doing::ending:
            ended(at, completed.outcome, ids, out);
            return;
        case Doing::resting:
            if (stopping_)
                finish(State::stopped);
            else
                look(ids, out);
            return;
    }
}

void LockLadder::stop(bool now, Commands& out) {
    stopping_ = true;
    if (pending_ && (now || doing_ != Doing::trying || config_.scans)) out.emplace_back(Cancel{*pending_});
}

}  // namespace weir
