#include "orchestrator/machine/ladder.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <utility>

#include "plans/expression.h"

namespace weir {
namespace {

constexpr std::array tries_ms{0, 5, 10, 20, 50};
constexpr std::size_t query_at_most = 100;
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

/// pg_locks writes AccessExclusiveLock where SQL writes ACCESS EXCLUSIVE.
Sql pg_locks_mode(LockMode mode) {
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
    return sql("({0})", Value{text + "Lock"});
}

/// The rows of blockers_of() for `way`: pid, vxid, holds. Sessions of other roles show neither age nor query to a role
/// without pg_read_all_stats; who wrote is seen in pg_locks by everybody.
Sql described(Millis spared) {
    return sql(
        R"(SELECT pg_catalog.concat_ws(' ', coalesce(o.pid, 0), o.vxid, a.backend_start) AS key,
  coalesce(o.pid, 0) AS pid, k.kind, o.holds, coalesce(a.state LIKE 'idle in transaction%', false) AS idle, g.age,
  CASE
    WHEN k.kind = 'prepared' THEN pg_catalog.concat('prepared transaction ', pg_catalog.quote_literal(p.gid), ' of ',
      p.owner, ', prepared ', g.seconds, ' s ago')
    WHEN a.backend_start IS NULL THEN pg_catalog.concat('pid ', o.pid, ' (',
      CASE WHEN a.usesysid IS NULL THEN 'an autovacuum or another background process'
           ELSE k.who END,
      '; its query is hidden from weir''s role)')
    ELSE pg_catalog.concat('pid ', o.pid, ' (', CASE WHEN a.usename IS NULL THEN a.backend_type ELSE k.who END, ', ',
      CASE WHEN o.holds THEN pg_catalog.concat(coalesce(a.state, 'at work'), ', open')
           ELSE 'waiting for a lock itself' END, ' for ', coalesce(g.seconds, 0), ' s)')
  END AS text,
  CASE
    WHEN k.kind = 'prepared' THEN 'a prepared transaction has no session'
    WHEN k.kind = 'wraparound' THEN 'it is an autovacuum against wraparound'
    WHEN k.kind = 'autovacuum' THEN ''
    WHEN a.backend_start IS NULL THEN 'its session is hidden from weir''s role'
    WHEN a.backend_type <> 'client backend' THEN pg_catalog.concat('it is no client but a ', a.backend_type)
    WHEN a.application_name LIKE 'weir %' THEN 'it is a session of weir'
    WHEN r.rolsuper IS NOT FALSE THEN pg_catalog.concat('its user ', a.usename, ' is a superuser')
    WHEN o.wrote AND g.age > {0} THEN 'it has written for a long time, which would be lost'
    ELSE '' END AS spared,
  CASE WHEN o.pid IS NOT NULL AND a.backend_start IS NOT NULL THEN nullif(a.query, '') END AS query
FROM way o
LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = o.pid
LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.usesysid
LEFT JOIN pg_catalog.pg_prepared_xacts p ON o.pid IS NULL AND EXISTS (SELECT FROM locks x WHERE x.pid IS NULL
  AND x.locktype = 'transactionid' AND x.virtualtransaction = o.vxid AND x.transactionid = p.transaction)
CROSS JOIN LATERAL (SELECT CASE
    WHEN o.pid IS NULL THEN 'prepared'
    WHEN a.usesysid IS NULL AND a.backend_type IS NULL THEN 'autovacuum'
    WHEN a.backend_type = 'autovacuum worker' AND a.query LIKE '%(to prevent wraparound)%' THEN 'wraparound'
    WHEN a.backend_type = 'autovacuum worker' THEN 'autovacuum'
    ELSE 'session' END,
    pg_catalog.concat('user ', a.usename, ', application ' || nullif(a.application_name, ''))) k (kind, who)
CROSS JOIN LATERAL (SELECT CASE WHEN o.pid IS NULL THEN p.prepared WHEN NOT o.holds THEN o.waits
    ELSE least(a.xact_start, CASE WHEN a.state = 'active' THEN a.query_start END) END) b (began)
CROSS JOIN LATERAL (SELECT extract(epoch FROM pg_catalog.clock_timestamp() - b.began) AS exact) e
CROSS JOIN LATERAL (SELECT (e.exact * 1000)::pg_catalog.int8 AS age, pg_catalog.round(e.exact, 1) AS seconds) g
WHERE o.pid IS NULL OR a.pid IS NOT NULL
ORDER BY o.holds DESC, g.age DESC NULLS LAST LIMIT 20)",
        Int{spared.count()});
}

constexpr std::string_view of_a_session{"let the session end its transaction"};

std::string what_to_do(Blocker const& blocker) {
    switch (blocker.kind) {
        case Blocker::Kind::prepared:
            return "end the prepared transaction: COMMIT PREPARED or ROLLBACK PREPARED";
        case Blocker::Kind::wraparound:
            return "let the autovacuum against wraparound come to its end: it is needed";
        case Blocker::Kind::autovacuum:
            return "wait for the autovacuum, or let weir pass it: GRANT SET ON PARAMETER deadlock_timeout TO weir's "
                   "role (from PostgreSQL 15 on)";
        case Blocker::Kind::session:
            break;
    }
    return std::string{of_a_session} + ", or end it: SELECT pg_terminate_backend(" + std::to_string(blocker.pid) + ")";
}

Sql wrote() {
    return sql(
        "EXISTS (SELECT FROM locks t WHERE t.pid = w.pid AND t.locktype = 'transactionid' AND t.granted "
        "AND t.mode = 'ExclusiveLock')");
}

}  // namespace

Sql look_for(std::vector<TableLock> const& locks, Millis spared) {
    assert(!locks.empty());
    std::vector<Sql> wanted;
    for (auto const& lock : locks) {
        std::vector<Sql> modes;
        for (int m = 0; m < 8; ++m)
            if (conflicts(static_cast<LockMode>(m), lock.mode))
                modes.push_back(pg_locks_mode(static_cast<LockMode>(m)));
        wanted.push_back(sql("SELECT pg_catalog.to_regclass({0})::pg_catalog.oid, m.mode FROM (VALUES {1}) m (mode)",
                             Value{sql("{0}", lock.table).text()}, Sql::join(modes, ", ")));
    }
    // pg_partition_tree() would lock the partitions; pg_inherits is read by anybody at any time.
    return sql(R"(WITH RECURSIVE wanted (relation, mode) AS (
  SELECT * FROM ({0}) named (relation, mode)
  UNION SELECT i.inhrelid, w.mode FROM wanted w JOIN pg_catalog.pg_inherits i ON i.inhparent = w.relation),
locks AS MATERIALIZED (SELECT * FROM pg_catalog.pg_locks),
way AS (SELECT w.pid, w.vxid, w.holds, w.waits, {1} AS wrote FROM (
  SELECT l.pid, l.virtualtransaction AS vxid, pg_catalog.bool_or(l.granted) AS holds,
    pg_catalog.min(l.waitstart) AS waits
  FROM locks l JOIN wanted ON wanted.relation = l.relation AND wanted.mode = l.mode
  WHERE l.locktype = 'relation' AND l.pid IS DISTINCT FROM pg_catalog.pg_backend_pid()
    AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
    AND (l.granted OR l.mode NOT IN ('AccessShareLock', 'RowShareLock', 'RowExclusiveLock'))
  GROUP BY l.pid, l.virtualtransaction) w)
{2})",
               Sql::join(wanted, " UNION ALL "), wrote(), described(spared));
}

Sql look_behind(int pid) {
    return sql(R"(WITH locks AS MATERIALIZED (SELECT * FROM pg_catalog.pg_locks),
way AS (SELECT w.pid, w.vxid, true AS holds, NULL::pg_catalog.timestamptz AS waits, {0} AS wrote FROM (
  SELECT DISTINCT nullif(b.pid, 0) AS pid, coalesce(l.virtualtransaction, '') AS vxid
  FROM pg_catalog.unnest(pg_catalog.pg_blocking_pids({1})) b (pid)
  LEFT JOIN locks l ON l.pid = b.pid AND l.locktype = 'virtualxid' AND l.granted) w)
{2})",
               wrote(), Int{pid}, described(spared_after));
}

std::vector<Blocker> blockers_of(std::vector<Row> const& rows) {
    std::vector<Blocker> found;
    for (auto const& row : rows) {
        if (row.fields.size() < 8) continue;
        auto const field = [&](std::size_t i) { return row.fields[i].value_or(""); };
        Blocker blocker;
        blocker.key = field(0);
        blocker.pid = std::stoi("0" + field(1));
        auto const kind = field(2);
        blocker.kind = kind == "prepared"     ? Blocker::Kind::prepared
                       : kind == "autovacuum" ? Blocker::Kind::autovacuum
                       : kind == "wraparound" ? Blocker::Kind::wraparound
                                              : Blocker::Kind::session;
        blocker.holds = field(3) == "t";
        blocker.idle = field(4) == "t";
        if (row.fields[5]) blocker.age = Millis{std::stoll(field(5))};
        blocker.text = field(6);
        blocker.spared = field(7);
        auto seen = blocker.text;
        if (row.fields.size() > 8 && row.fields[8] && blocker.text.ends_with(')')) {
            // What an autovacuum does is the server's word.
            bool const somebody = blocker.kind == Blocker::Kind::session;
            auto const with = [&](std::string const& statement) {
                return blocker.text.substr(0, blocker.text.size() - 1) + ": " + statement + ")";
            };
            seen = with(on_one_line(*row.fields[8], query_at_most));
            blocker.text = somebody ? with(without_values(*row.fields[8], query_at_most)) : seen;
        }
        blocker.seen = Sealed{std::move(seen)};
        found.push_back(std::move(blocker));
    }
    return found;
}

std::vector<std::string> texts_of(std::vector<Blocker> const& blockers) {
    std::vector<std::string> texts;
    for (auto const& blocker : blockers) texts.push_back(blocker.text);
    return texts;
}

std::vector<Sealed> seen_of(std::vector<Blocker> const& blockers) {
    std::vector<Sealed> seen;
    for (auto const& blocker : blockers) seen.push_back(blocker.seen);
    return seen;
}

std::string LockLadder::advice() const {
    std::vector<std::string> parts;
    for (auto const& blocker : blockers_) {
        auto part = what_to_do(blocker);
        if (blocker.kind == Blocker::Kind::session && config_.on_blocked == OnBlocked::wait)
            part += " (locks.on_blocked can do that)";
        bool const said = std::any_of(parts.begin(), parts.end(), [&](std::string const& other) {
            return other == part || (blocker.kind == Blocker::Kind::session && other.starts_with(of_a_session));
        });
        if (!said) parts.push_back(std::move(part));
    }
    std::string all;
    for (auto const& part : parts) all += part + "; ";
    return all.empty() ? all : all + "then run again";
}

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
                                             : what_to_do(blocker)}}});
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
                                      what_to_do(blocker)}}});
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
