#include "orchestrator/machine/backfill.h"

#include <algorithm>

namespace weir {
namespace {

/// A batch that meets a locked row gives up fast: whoever waits for the rows that it holds waits as long.
constexpr Millis row_lock_wait{10};
/// A count holds no lock that others can feel; it may take longer than a batch.
constexpr Millis count_limit{5000};
constexpr Millis statement_at_most{60000};
constexpr int refill_rounds = 3;
constexpr int passes_at_most = 5;

Value page(std::int64_t number) { return Value{"(" + std::to_string(number) + ",0)"}; }

Int number(RunId run) { return Int{static_cast<std::int64_t>(run)}; }

SessionId hand(std::size_t worker) { return SessionId{static_cast<std::uint8_t>(worker + 1)}; }

}  // namespace

void BackfillMachine::start(Stamp at, Ids& ids, Commands& out) {
    preparing_since_ = at.steady;
    prepare(ids, out);
}

void BackfillMachine::prepare(Ids& ids, Commands& out) {
    auto const& t = config_.rows.table;
    Value const root{sql("{0}", t).text()};
    Int const run = number(config_.run);
    Value const step{config_.step};
    Batch batch{fence(config_.epoch)};
    batch.insert(batch.end(), config_.rows.guard.begin(), config_.rows.guard.end());
    // What was wrong when the run stopped is looked at again.
    batch.push_back(
        sql("UPDATE weir.progress SET next_page = from_page, rows = 0, misses = 0 "
            "WHERE run = {0} AND step = {1} AND misses > 0",
            run, step));
    if (restart_)
        batch.push_back(
            sql("UPDATE weir.progress SET next_page = from_page, rows = 0 WHERE run = {0} AND step = {1}", run, step));
    // A table that was rewritten or truncated has another file: its pages say nothing any more.
    batch.push_back(
        sql("DELETE FROM weir.progress WHERE run = {0} AND step = {1} "
            "AND filenode IS DISTINCT FROM pg_catalog.pg_relation_filenode(leaf)",
            run, step));
    // New leaves and new pages at the end get stripes of their own.
    batch.push_back(sql(R"(INSERT INTO weir.progress (run, step, leaf, from_page, to_page, next_page, filenode)
SELECT {0}, {1}, k.leaf, s, least(s + k.width, k.pages), s, pg_catalog.pg_relation_filenode(k.leaf)
FROM (SELECT l.leaf, l.pages, greatest(16, (l.pages + 15) / 16) AS width,
        coalesce((SELECT max(p.to_page) FROM weir.progress p WHERE p.run = {0} AND p.step = {1} AND p.leaf = l.leaf), 0) AS first
      FROM (SELECT c.oid AS leaf, pg_catalog.pg_relation_size(c.oid) / current_setting('block_size')::bigint AS pages
            FROM pg_catalog.pg_class c
            WHERE c.relkind = 'r' AND (c.oid = pg_catalog.to_regclass({2})
              OR c.oid IN (SELECT relid FROM pg_catalog.pg_partition_tree(pg_catalog.to_regclass({2})) WHERE isleaf))) l) k,
  LATERAL pg_catalog.generate_series(k.first, k.pages - 1, k.width) s)",
                        run, step, root));
    batch.push_back(sql(R"(SELECT p.leaf, n.nspname, c.relname, p.filenode, p.from_page, p.to_page, p.next_page, p.rows,
  CASE WHEN row_number() OVER (PARTITION BY p.leaf ORDER BY p.from_page) = 1 THEN greatest(c.reltuples, 0)::bigint ELSE 0 END
FROM weir.progress p JOIN pg_catalog.pg_class c ON c.oid = p.leaf JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE p.run = {0} AND p.step = {1} ORDER BY n.nspname, c.relname, p.from_page)",
                        run, step));
    preparing_ = ids();
    out.emplace_back(Execute{*preparing_, first_hand, std::move(batch), Transaction::implicit,
                             Limits{Millis{1000}, Millis{30000}, Millis{60000}}});
}

void BackfillMachine::prepared(Stamp at, Outcome const& outcome, Ids& ids, Commands& out) {
    bool const busy = outcome.fate == Fate::lock_busy || outcome.fate == Fate::deadlock;
    if (stopping_ && (busy || outcome.fate == Fate::canceled)) {
        state_ = State::stopped;
        return;
    }
    if (busy && at.steady - preparing_since_ < config_.give_up) {
        prepare(ids, out);
        return;
    }
    if (outcome.fate != Fate::done) {
        outcome_ = outcome;
        state_ = State::failed;
        return;
    }
    restart_ = false;
    stripes_.clear();
    pages_ = pages_done_ = rows_done_ = 0;
    std::int64_t estimate = 0;
    for (auto const& row : outcome.rows) {
        auto const field = [&](std::size_t i) { return row.fields[i].value_or("0"); };
        Stripe stripe{std::stoll(field(0)),
                      {Ident::of(field(1)), Ident::of(field(2))},
                      std::stoll(field(3)),
                      std::stoll(field(4)),
                      std::stoll(field(5)),
                      std::stoll(field(6)),
                      false};
        pages_ += stripe.to - stripe.from;
        pages_done_ += stripe.next - stripe.from;
        rows_done_ += std::stoll(field(7));
        estimate += std::stoll(field(8));
        stripes_.push_back(std::move(stripe));
    }
    // What was wrong before is looked at again; what a worker knew of its range holds no more.
    rows_wrong_ = 0;
    keys_.clear();
    for (auto& worker : workers_) {
        worker.stripe.reset();
        worker.failures = worker.rounds = 0;
        worker.waiting_since.reset();
    }
    ready_ = true;
    out.emplace_back(Announce{{at.wall, WorkKnown{config_.step, config_.rows.table.text(), pages_, pages_done_,
                                                  estimate, rows_done_, config_.proof}}});
    for (std::size_t w = 0; w < workers_.size(); ++w) next(w, ids, out);
    settle(at, ids, out);
}

bool BackfillMachine::owns(CommandId id) const {
    if (preparing_ == id || checking_ == id) return true;
    return std::any_of(workers_.begin(), workers_.end(), [&](Worker const& w) { return w.pending == id; });
}

std::string BackfillMachine::leaf_text(Worker const& worker) const { return stripes_[*worker.stripe].name.text(); }

Sql BackfillMachine::in_range(Worker const& worker) const {
    auto const& stripe = stripes_[*worker.stripe];
    return sql("{0}.ctid >= {1}::pg_catalog.tid AND {0}.ctid < {2}::pg_catalog.tid", config_.rows.table.name,
               page(stripe.next), page(worker.to));
}

Sql BackfillMachine::update(Worker const& worker, bool skip_locked, bool progress) const {
    auto const& stripe = stripes_[*worker.stripe];
    Ident const alias = config_.rows.table.name;
    Sql const todo = config_.gate_opened ? config_.rows.fill_after_gate : config_.rows.todo;
    std::vector<Sql> sets;
    for (auto const& [column, value] : config_.rows.set) sets.push_back(sql("{0} = {1}", column, value));
    Sql const set = Sql::join(sets, ", ");
    Sql const written =
        skip_locked
            ? sql(R"(WITH l AS MATERIALIZED (SELECT {1}.ctid FROM ONLY {0} AS {1} WHERE {2} AND {3} FOR NO KEY UPDATE SKIP LOCKED),
u AS (UPDATE ONLY {0} AS {1} SET {4} WHERE {1}.ctid = ANY (ARRAY(SELECT l.ctid FROM l)) AND {3} RETURNING 1))",
                  stripe.name, alias, in_range(worker), todo, set)
            : sql("WITH u AS (UPDATE ONLY {0} AS {1} SET {4} WHERE {2} AND {3} RETURNING 1)", stripe.name, alias,
                  in_range(worker), todo, set);
    if (!progress) return sql("{0}\nSELECT count(*) FROM u", written);
    return sql(R"({0},
n AS (SELECT count(*) AS n FROM u)
UPDATE weir.progress p SET next_page = {1}, rows = p.rows + n.n FROM n
WHERE p.run = {2} AND p.step = {3} AND p.leaf = {4} AND p.from_page = {5} RETURNING n.n)",
               written, Int{worker.to}, number(config_.run), Value{config_.step}, Int{stripe.leaf}, Int{stripe.from});
}

void BackfillMachine::issue(std::size_t w, Doing what, Ids& ids, Commands& out) {
    auto& worker = workers_[w];
    auto const& stripe = stripes_[*worker.stripe];
    Ident const alias = config_.rows.table.name;
    bool const writes = what == Doing::batch || what == Doing::skip_locked || what == Doing::refill;
    // Durable with the synchronous entry that ends the step (WAL order); data and progress share the transaction.
    Batch batch{sql("SET LOCAL synchronous_commit = off"), sql("SET LOCAL enable_seqscan = off")};
    if (writes) batch.push_back(sql("SET LOCAL weir.batch = 'on'"));
    batch.push_back(fence(config_.epoch));
    if (writes)
        batch.push_back(sql("LOCK TABLE ONLY {0} IN ROW EXCLUSIVE MODE", stripe.name));
    else
        batch.push_back(sql("LOCK TABLE ONLY {0} IN ACCESS SHARE MODE", stripe.name));
    batch.push_back(sql("SELECT weir.same_file({0}, {1})", Int{stripe.leaf}, Int{stripe.filenode}));
    Sql const mine = sql("p.run = {0} AND p.step = {1} AND p.leaf = {2} AND p.from_page = {3}", number(config_.run),
                         Value{config_.step}, Int{stripe.leaf}, Int{stripe.from});
    Sql const miss = config_.gate_opened ? config_.rows.miss_after_gate : config_.rows.todo;
    Limits limits{row_lock_wait, std::max(config_.bound, worker.statement), Millis{30000}};
    switch (what) {
        case Doing::batch:
            batch.push_back(update(worker, false, true));
            break;
        case Doing::skip_locked:
            batch.push_back(update(worker, true, true));
            break;
        case Doing::refill:
            batch.push_back(update(worker, false, false));
            break;
        case Doing::count:
            batch.push_back(sql(R"(WITH n AS MATERIALIZED (SELECT count(*) AS n, count(*) FILTER (WHERE {3}) AS wrong
  FROM ONLY {0} AS {1} WHERE {2}),
d AS (UPDATE weir.progress p SET next_page = {4}, rows = p.rows + n.n FROM n WHERE {5} AND n.wrong = 0)
SELECT n.n, n.wrong FROM n)",
                                stripe.name, alias, in_range(worker), miss, Int{worker.to}, mine));
            limits.statement = std::max(count_limit, worker.statement);
            limits.lock = config_.bound;
            break;
        case Doing::keys: {
            Sql const key = key_text();
            batch.push_back(sql(R"(WITH k AS (SELECT {6} AS k FROM ONLY {0} AS {1} WHERE {2} AND {3} LIMIT 10),
d AS (UPDATE weir.progress p SET next_page = {4}, misses = p.misses + {7} WHERE {5})
SELECT k.k FROM k)",
                                stripe.name, alias, in_range(worker), miss, Int{worker.to}, mine, key,
                                Int{worker.misses}));
            limits.statement = std::max(count_limit, worker.statement);
            limits.lock = config_.bound;
            break;
        }
        case Doing::idle:
        case Doing::resting:
            return;
    }
    worker.doing = what;
    worker.pending = ids();
    out.emplace_back(Execute{*worker.pending, hand(w), std::move(batch), Transaction::implicit, limits});
}

void BackfillMachine::next(std::size_t w, Ids& ids, Commands& out) {
    auto& worker = workers_[w];
    worker.doing = Doing::idle;
    worker.pending.reset();
    if (stopping_ || failing_ || again_ || !ready_ || (held_ && !config_.proof)) return;
    if (worker.stripe && stripes_[*worker.stripe].next >= stripes_[*worker.stripe].to) worker.stripe.reset();
    for (std::size_t s = 0; !worker.stripe && s < stripes_.size(); ++s)
        if (!stripes_[s].taken && stripes_[s].next < stripes_[s].to) {
            stripes_[s].taken = true;
            worker.stripe = s;
        }
    if (!worker.stripe) return;
    auto const& stripe = stripes_[*worker.stripe];
    worker.to = std::min(stripe.to, stripe.next + worker.size);
    issue(w, config_.proof ? Doing::count : Doing::batch, ids, out);
}

void BackfillMachine::rest(std::size_t w, Doing then, Millis time, Ids& ids, Commands& out) {
    auto& worker = workers_[w];
    worker.doing = Doing::resting;
    worker.after_rest = then;
    worker.pending = ids();
    out.emplace_back(Rest{*worker.pending, time});
}

void BackfillMachine::advance(std::size_t w, Stamp at, std::int64_t rows, Millis took, Commands& out) {
    auto& worker = workers_[w];
    auto& stripe = stripes_[*worker.stripe];
    std::int64_t const pages = worker.to - stripe.next;
    bool const whole = pages == worker.size;
    stripe.next = worker.to;
    pages_done_ += pages;
    rows_done_ += rows;
    worker.failures = worker.rounds = 0;
    worker.waiting_since.reset();
    // Only the page that needs more time than the bound gets it.
    if (took <= config_.bound) worker.statement = Millis{};
    if (whole) {
        auto const ideal = worker.size * config_.target.count() / std::max<std::int64_t>(took.count(), 1);
        auto const gentle = std::clamp(ideal, std::max<std::int64_t>(worker.size / 2, 1), worker.size * 3 / 2 + 1);
        worker.size = std::clamp<std::int64_t>(gentle, 1, pages_at_most);
    }
    out.emplace_back(
        Announce{{at.wall, BatchDone{config_.step, stripe.name.text(), pages, rows, took, config_.proof}}});
}

void BackfillMachine::fail(Outcome const& outcome, Commands& out) {
    if (!failing_) outcome_ = outcome;
    failing_ = true;
    for (auto const& worker : workers_)
        if (worker.pending) out.emplace_back(Cancel{*worker.pending});
}

void BackfillMachine::settle(Stamp at, Ids& ids, Commands& out) {
    if (state_ != State::running || preparing_ || checking_) return;
    if (std::any_of(workers_.begin(), workers_.end(), [](Worker const& w) { return w.pending.has_value(); })) return;
    if (failing_) {
        state_ = State::failed;
    } else if (stopping_) {
        state_ = State::stopped;
    } else if (again_) {
        again_ = ready_ = false;
        preparing_since_ = at.steady;
        prepare(ids, out);
    } else if (std::all_of(stripes_.begin(), stripes_.end(), [](Stripe const& s) { return s.next >= s.to; })) {
        if (rows_wrong_ > 0)
            state_ = State::misses;
        else if (config_.proof && config_.rows.guard.empty())
            check_whole(ids, out);
        else
            state_ = State::done;
    }
}

Sql BackfillMachine::key_text() const {
    Ident const alias = config_.rows.table.name;
    std::vector<Sql> parts;
    for (auto const& column : config_.rows.key)
        parts.push_back(sql("{0} || coalesce({1}.{2}::text, 'null')", Value{column.text() + "="}, alias, column));
    return parts.empty() ? sql("'ctid=' || {0}.ctid::text", alias) : Sql::join(parts, " || ', ' || ");
}

void BackfillMachine::check_whole(Ids& ids, Commands& out) {
    Sql const miss = config_.gate_opened ? config_.rows.miss_after_gate : config_.rows.todo;
    Batch batch{fence(config_.epoch), sql("SELECT {0} FROM {1} AS {2} WHERE {3} LIMIT 10", key_text(),
                                          config_.rows.table, config_.rows.table.name, miss)};
    checking_ = ids();
    // It reads as VALIDATE does, and as long.
    out.emplace_back(Execute{*checking_, first_hand, std::move(batch), Transaction::implicit,
                             Limits{config_.bound, Millis{0}, Millis{0}}});
}

void BackfillMachine::checked_whole(Stamp at, Outcome const& outcome, Ids& ids, Commands& out) {
    bool const busy = outcome.fate == Fate::lock_busy || outcome.fate == Fate::deadlock;
    if (outcome.fate == Fate::done && outcome.rows.empty()) {
        state_ = State::done;
    } else if (stopping_ && (busy || outcome.fate == Fate::done || outcome.fate == Fate::canceled)) {
        state_ = State::stopped;
    } else if (outcome.fate == Fate::done && ++passes_ < passes_at_most) {
        checking_since_ = Millis{};
        out.emplace_back(Announce{{at.wall, BatchRetried{config_.step, config_.rows.table.text(),
                                                         "rows moved past the proof; the pages are read once more"}}});
        ready_ = false;
        restart_ = true;
        prepare(ids, out);
    } else if (outcome.fate == Fate::done) {
        // An application that does not know the column inserts such rows for ever; each pass has filled what it found.
        std::string keys;
        for (auto const& row : outcome.rows) keys += (keys.empty() ? "" : "; ") + row.fields[0].value_or("");
        out.emplace_back(Announce{
            {at.wall,
             Warned{"rows of " + config_.rows.table.text() + " are still written without a value, among them " + keys,
                    "they are left to the application, which should write the column"}}});
        state_ = State::done;
    } else if (outcome.fate == Fate::canceled) {
        check_whole(ids, out);
    } else if (busy && (checking_since_ == Millis{} || at.steady - checking_since_ < config_.give_up)) {
        if (checking_since_ == Millis{}) checking_since_ = at.steady;
        check_whole(ids, out);
    } else {
        outcome_ = outcome;
        state_ = State::failed;
    }
}

void BackfillMachine::completed(Stamp at, Completed const& completed, Ids& ids, Commands& out) {
    if (preparing_ == completed.command) {
        preparing_.reset();
        prepared(at, completed.outcome, ids, out);
        return;
    }
    if (checking_ == completed.command) {
        checking_.reset();
        checked_whole(at, completed.outcome, ids, out);
        return;
    }
    auto const found =
        std::find_if(workers_.begin(), workers_.end(), [&](Worker const& w) { return w.pending == completed.command; });
    auto const w = static_cast<std::size_t>(found - workers_.begin());
    auto& worker = *found;
    auto const& outcome = completed.outcome;
    Doing const was = worker.doing;
    worker.pending.reset();

    auto const first_field = [&](std::size_t i) {
        return outcome.rows.empty() ? std::int64_t{0} : std::stoll(outcome.rows[0].fields[i].value_or("0"));
    };
    auto const retried = [&](std::string reason) {
        out.emplace_back(Announce{{at.wall, BatchRetried{config_.step, leaf_text(worker), std::move(reason)}}});
    };
    auto const halve = [&] {
        auto const& stripe = stripes_[*worker.stripe];
        std::int64_t const pages = worker.to - stripe.next;
        if (pages <= 1) worker.statement = std::min(std::max(worker.statement, config_.bound) * 2, statement_at_most);
        worker.size = std::max<std::int64_t>(pages / 2, 1);
        worker.to = stripe.next + worker.size;
    };

    if (was == Doing::resting) {
        if (stopping_ || failing_ || again_) {
            worker.doing = Doing::idle;
        } else {
            issue(w, worker.after_rest, ids, out);
        }
        settle(at, ids, out);
        return;
    }
    bool const over = stopping_ || failing_ || again_;
    switch (outcome.fate) {
        case Fate::done:
            if (was == Doing::batch || was == Doing::skip_locked) {
                advance(w, at, first_field(0), outcome.took, out);
                next(w, ids, out);
            } else if (was == Doing::count) {
                worker.misses = first_field(1);
                if (worker.misses == 0) {
                    advance(w, at, first_field(0), outcome.took, out);
                    next(w, ids, out);
                } else if (over) {
                    worker.doing = Doing::idle;
                } else {
                    issue(w, worker.rounds < refill_rounds ? Doing::refill : Doing::keys, ids, out);
                }
            } else if (was == Doing::refill) {
                // Nothing was written: what is wrong is not ours to fill.
                worker.rounds = first_field(0) == 0 ? refill_rounds : worker.rounds + 1;
                if (over)
                    worker.doing = Doing::idle;
                else
                    issue(w, Doing::count, ids, out);
            } else if (was == Doing::keys) {
                for (auto const& row : outcome.rows)
                    if (keys_.size() < 10) keys_.push_back(row.fields[0].value_or(""));
                rows_wrong_ += worker.misses;
                advance(w, at, 0, outcome.took, out);
                next(w, ids, out);
            }
            break;
        case Fate::lock_busy: {
            if (over) {
                worker.doing = Doing::idle;
                break;
            }
            if (was == Doing::batch) {
                retried("a row or the table is locked; passing over locked rows");
                issue(w, Doing::skip_locked, ids, out);
                break;
            }
            if (!worker.waiting_since) worker.waiting_since = at.steady;
            if (at.steady - *worker.waiting_since >= config_.give_up) {
                // The count knows which rows: they are reported by key. Anything else is a lock that we cannot get
                // past.
                if (was == Doing::refill)
                    issue(w, Doing::keys, ids, out);
                else
                    fail(outcome, out);
                break;
            }
            retried("waiting for a lock");
            ++worker.failures;
            rest(w, was, std::min(Millis{25LL << std::min(worker.failures, 6)}, Millis{1000}), ids, out);
            break;
        }
        case Fate::deadlock:
        case Fate::canceled:
            if (over) {
                worker.doing = Doing::idle;
                break;
            }
            if (outcome.fate == Fate::canceled && worker.statement >= statement_at_most) {
                fail(outcome, out);
                break;
            }
            retried(outcome.fate == Fate::deadlock ? "deadlock" : "longer than the bound");
            halve();
            ++worker.failures;
            {
                // The range is another now, so its misses are counted again before they are named.
                Doing const then = was == Doing::keys ? Doing::count : was;
                if (outcome.fate == Fate::deadlock)
                    rest(w, then, Millis{20LL << std::min(worker.failures, 5)}, ids, out);
                else
                    issue(w, then, ids, out);
            }
            break;
        case Fate::refused:
            worker.doing = Doing::idle;
            if (outcome.sqlstate == "WE002") {
                retried("the table was rewritten; its pages are counted anew");
                again_ = true;
                // Those that rest hold nothing; wake them, so that all settle at once.
                for (auto const& other : workers_)
                    if (other.pending && other.doing == Doing::resting) out.emplace_back(Cancel{*other.pending});
            } else {
                fail(outcome, out);
            }
            break;
        case Fate::fenced:
        case Fate::lost:
        case Fate::in_doubt:
            worker.doing = Doing::idle;
            fail(outcome, out);
            break;
    }
    settle(at, ids, out);
}

void BackfillMachine::hold(bool held, Ids& ids, Commands& out) {
    held_ = held;
    if (held || !ready_) return;
    for (std::size_t w = 0; w < workers_.size(); ++w)
        if (!workers_[w].pending) next(w, ids, out);
}

void BackfillMachine::stop(bool now, Commands& out) {
    stopping_ = true;
    for (auto const& worker : workers_)
        if (worker.pending && (now || worker.doing == Doing::resting || worker.doing == Doing::count))
            out.emplace_back(Cancel{*worker.pending});
    if (preparing_) {
        if (now) out.emplace_back(Cancel{*preparing_});
        return;
    }
    if (checking_) {
        out.emplace_back(Cancel{*checking_});
        return;
    }
    if (std::none_of(workers_.begin(), workers_.end(), [](Worker const& w) { return w.pending.has_value(); }))
        state_ = failing_ ? State::failed : State::stopped;
}

}  // namespace weir
