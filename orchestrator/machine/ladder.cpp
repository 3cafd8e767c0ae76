#include "orchestrator/machine/ladder.h"

#include <algorithm>
#include <array>

namespace weir {
namespace {

constexpr std::array tries_ms{0, 5, 10, 20, 50};

Value millis(Millis time) { return Value{std::to_string(time.count()) + "ms"}; }

/// A number that looks random and is the same in every replay (splitmix64).
std::uint64_t scramble(std::uint64_t x) {
    x += 0x9E3779B97F4A7C15ULL;
    x = (x ^ (x >> 30U)) * 0xBF58476D1CE4E5B9ULL;
    x = (x ^ (x >> 27U)) * 0x94D049BB133111EBULL;
    return x ^ (x >> 31U);
}

}  // namespace

Sql blockers_of(std::vector<TableLock> const& locks) {
    std::vector<Sql> wanted;
    for (auto const& lock : locks) {
        std::vector<Sql> modes;
        for (int m = 0; m < 8; ++m) {
            auto const mode = static_cast<LockMode>(m);
            if (!conflicts(mode, lock.mode)) continue;
            // pg_locks writes AccessExclusiveLock where SQL writes ACCESS EXCLUSIVE.
            std::string text;
            bool upper = true;
            for (char const c : name(mode)) {
                if (c == ' ') {
                    upper = true;
                    continue;
                }
                text += upper ? c : static_cast<char>(c - 'A' + 'a');
                upper = false;
            }
            modes.push_back(sql("{0}", Value{text + "Lock"}));
        }
        wanted.push_back(sql("(l.relation = pg_catalog.to_regclass({0}) AND l.mode IN ({1}))",
                             Value{sql("{0}", lock.table).text()}, Sql::join(modes, ", ")));
    }
    return sql(R"(SELECT coalesce('pid ' || a.pid || ', ' || coalesce(nullif(a.application_name, ''), a.backend_type)
    || ', user ' || coalesce(a.usename::text, '-') || ', ' || a.state || ', in a transaction for '
    || coalesce(round(extract(epoch FROM pg_catalog.clock_timestamp() - a.xact_start)::numeric, 1)::text, '?') || ' s: '
    || left(regexp_replace(coalesce(a.query, ''), '\s+', ' ', 'g'), 100), 'a prepared transaction')
FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_stat_activity a USING (pid)
WHERE l.granted AND l.pid IS DISTINCT FROM pg_catalog.pg_backend_pid() AND ({0})
ORDER BY a.xact_start LIMIT 5)",
               Sql::join(wanted, " OR "));
}

void LockLadder::start(Stamp at, Ids& ids, Commands& out) {
    began_ = at.steady;
    attempt(ids, out);
}

void LockLadder::attempt(Ids& ids, Commands& out) {
    auto const rung = std::min(static_cast<std::size_t>(tries_), tries_ms.size() - 1);
    Millis const half = std::max(config_.bound / 2, Millis{1});
    Millis const wait = std::min(Millis{tries_ms[rung]}, half);
    // A lock_timeout of 0 would mean for ever; NOWAIT does not look at it, what follows may.
    Millis const lock = std::max(wait, std::min(Millis{5}, half));
    Millis const statement = config_.scans ? Millis{0} : config_.bound - wait;

    Batch batch;
    // The lock is released only after COMMIT: a missing synchronous standby must not keep it.
    batch.push_back(sql("SET LOCAL synchronous_commit = local"));
    // A lock request makes an ordinary autovacuum yield only when its deadlock check fires.
    if (config_.may_set_deadlock_timeout)
        batch.push_back(sql("SET LOCAL deadlock_timeout = {0}", millis(std::max(lock / 2, Millis{1}))));
    batch.insert(batch.end(), config_.first.begin(), config_.first.end());
    bool first = true;
    for (auto const& table : config_.locks) {
        batch.push_back(lock_table(table, first && wait > Millis{0} ? Waiting::lock_timeout : Waiting::no_wait));
        first = false;
    }
    batch.insert(batch.end(), config_.body.begin(), config_.body.end());

    doing_ = Doing::trying;
    ++tries_;
    pending_ = ids();
    Limits const limits{lock, statement, config_.scans ? Millis{0} : Millis{5000}};
    out.emplace_back(Execute{*pending_, config_.session, std::move(batch), Transaction::implicit, limits});
}

void LockLadder::look(Ids& ids, Commands& out) {
    doing_ = Doing::looking;
    pending_ = ids();
    out.emplace_back(Execute{*pending_, config_.session, {blockers_of(config_.locks)}, Transaction::implicit, {}});
}

void LockLadder::rest(Stamp at, Ids& ids, Commands& out) {
    if (stopping_) {
        pending_.reset();
        state_ = State::stopped;
        return;
    }
    if (at.steady - began_ >= config_.give_up) {
        pending_.reset();
        state_ = State::gave_up;
        return;
    }
    auto const grown = Millis{10LL << std::min(tries_, 8)};
    auto const jitter = static_cast<long long>(scramble(config_.seed + static_cast<std::uint64_t>(tries_)) % 50);
    Millis const time = std::min(grown, Millis{2000}) * (75 + jitter) / 100;
    doing_ = Doing::resting;
    pending_ = ids();
    out.emplace_back(Rest{*pending_, time});
}

void LockLadder::completed(Stamp at, Completed const& completed, Ids& ids, Commands& out) {
    switch (doing_) {
        case Doing::trying: {
            outcome_ = completed.outcome;
            bool const busy = outcome_.fate == Fate::lock_busy || outcome_.fate == Fate::deadlock ||
                              (outcome_.fate == Fate::canceled && !stopping_);
            if (outcome_.fate == Fate::done) {
                pending_.reset();
                state_ = State::done;
                out.emplace_back(Announce{{at.wall, LockTried{config_.step, true, outcome_.took, {}}}});
            } else if (outcome_.fate == Fate::canceled && stopping_) {
                pending_.reset();
                state_ = State::stopped;
            } else if (!busy) {
                pending_.reset();
                state_ = State::failed;
            } else if (tries_ == 1 || stopping_) {
                out.emplace_back(Announce{{at.wall, LockTried{config_.step, false, outcome_.took, {}}}});
                rest(at, ids, out);
            } else {
                look(ids, out);
            }
            return;
        }
        case Doing::looking:
            if (completed.outcome.fate == Fate::lost || completed.outcome.fate == Fate::in_doubt) {
                outcome_ = completed.outcome;
                pending_.reset();
                state_ = State::failed;
                return;
            }
            blockers_.clear();
            for (auto const& row : completed.outcome.rows) blockers_.push_back(row.fields[0].value_or(""));
            out.emplace_back(Announce{{at.wall, LockTried{config_.step, false, outcome_.took, blockers_}}});
            rest(at, ids, out);
            return;
        case Doing::resting:
            if (stopping_) {
                pending_.reset();
                state_ = State::stopped;
            } else {
                attempt(ids, out);
            }
            return;
    }
}

void LockLadder::stop(bool now, Commands& out) {
    stopping_ = true;
    if (pending_ && (now || doing_ != Doing::trying || config_.scans)) out.emplace_back(Cancel{*pending_});
}

}  // namespace weir
