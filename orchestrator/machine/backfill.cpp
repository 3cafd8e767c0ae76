#include "orchestrator/machine/backfill.h"

#include <algorithm>
#include <map>
#include <utility>

namespace weir {
namespace {

/// A batch that meets a locked row gives up fast: whoever waits for the rows that it holds waits as long.
constexpr Millis row_lock_wait{10};
/// A count holds no lock that others can feel; it may take longer than a batch.
constexpr Millis count_limit{5000};
constexpr Millis statement_at_most{60000};
constexpr int refill_rounds = 3;
constexpr int passes_at_most = 5;
constexpr int changes_at_most = 3;
/// How old the horizon may be while there is work, and while everything waits for it.
constexpr Millis horizon_age{100};
constexpr Millis horizon_rest{20};

Value page(std::int64_t number) { return Value{"(" + std::to_string(number) + ",0)"}; }

Int number(RunId run) { return Int{static_cast<std::int64_t>(run)}; }

/// What every transaction before is over for everybody: running xids of the whole cluster, snapshots held in this
/// database or by walsenders, and physical slots (logical slots and snapshots of other databases are
/// harmless). Who is a walsender shows with pg_read_all_stats only; without it the HOT share tells.
Sql horizon() {
    return sql(R"((SELECT least(pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot())::pg_catalog.text::bigint,
    h.now OPERATOR(pg_catalog.-) (SELECT pg_catalog.max(pg_catalog.age(a.backend_xmin)) FROM pg_catalog.pg_stat_activity a
             WHERE a.pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid()
               AND (a.datname OPERATOR(pg_catalog.=) pg_catalog.current_database() OR a.backend_type OPERATOR(pg_catalog.=) 'walsender')),
    h.now OPERATOR(pg_catalog.-) (SELECT pg_catalog.max(pg_catalog.age(s.xmin)) FROM pg_catalog.pg_replication_slots s))
  FROM (SELECT pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::pg_catalog.text::bigint AS now) h))");
}

/// A fill's settings: small plans are cheap, and a page range must never be read by a scan of the whole table.
Batch quiet_plans() {
    return {sql("SET LOCAL synchronous_commit = off"), sql("SET LOCAL enable_seqscan = off"),
            sql("SET LOCAL jit = off"), sql("SET LOCAL max_parallel_workers_per_gather = 0")};
}

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
    Value const step{pass()};
    Batch batch{fence(config_.epoch)};
    // A table that is gone is no table that is done.
    batch.push_back(sql("SELECT {0}::pg_catalog.regclass", root));
    batch.push_back(check_kinds(t));
    if (!config_.counts) batch.push_back(check_rules(t, config_.rows.erases));
    batch.insert(batch.end(), config_.rows.guard.begin(), config_.rows.guard.end());
    // What was wrong when the run stopped is looked at again.
    batch.push_back(
        sql("UPDATE weir.progress SET next_page = from_page, rows = 0, hot = 0, misses = 0 "
            "WHERE run = {0} AND step = {1} AND misses > 0",
            run, step));
    if (restart_)
        batch.push_back(
            sql("UPDATE weir.progress SET next_page = from_page, rows = 0, hot = 0 WHERE run = {0} AND step = {1}", run,
                step));
    // A table that was rewritten or truncated has another file: its pages say nothing any more. A partition that was
    // detached is none of ours. What a proof has seen stands on the shape, too; a fill is proven anyway.
    Sql const same =
        config_.proof ? sql("p.filenode = s.filenode AND p.shape = s.shape") : sql("p.filenode = s.filenode");
    Sql const root_changed = sql(R"(SELECT pg_catalog.string_agg(DISTINCT pg_catalog.split_part(x.item, ' #', 1), ', ')
  FROM weir.progress p JOIN weir.shapes(pg_catalog.to_regclass({2})) s ON s.leaf = p.leaf,
    LATERAL ((SELECT pg_catalog.unnest(p.shape) AS item EXCEPT SELECT pg_catalog.unnest(s.shape))
      UNION (SELECT pg_catalog.unnest(s.shape) EXCEPT SELECT pg_catalog.unnest(p.shape))) x
  WHERE p.run = {0} AND p.step = {1} AND p.from_page = 0 AND x.item NOT LIKE 'partition %')",
                                 run, step, root);
    batch.push_back(sql("SELECT pg_catalog.set_config('weir.changed', coalesce(({0}), ''), true)",
                        config_.proof ? root_changed : sql("NULL")));
    batch.push_back(
        sql("DELETE FROM weir.progress WHERE run = {0} AND step = {1} AND leaf NOT IN (SELECT s.leaf "
            "FROM weir.shapes(pg_catalog.to_regclass({2})) s JOIN weir.progress p ON p.run = {0} AND p.step = {1} "
            "AND p.leaf = s.leaf AND p.from_page = 0 AND {3})",
            run, step, root, same));
    // New leaves and new pages at the end get stripes of their own. They are open at a time over all leaves, and a
    // sweep is no longer than its stripe: small leaves are not cut smaller.
    batch.push_back(sql(R"(INSERT INTO weir.progress (run, step, leaf, from_page, to_page, next_page, filenode, shape)
SELECT {0}, {1}, k.leaf, s, least(s + k.width, k.pages), s, k.filenode, CASE WHEN s = 0 THEN k.shape END
FROM (SELECT l.leaf, l.pages, l.filenode, l.shape,
        greatest(16, least({3}, ((pg_catalog.sum(l.pages) OVER ())::bigint + 15) / 16)) AS width,
        coalesce((SELECT max(p.to_page) FROM weir.progress p WHERE p.run = {0} AND p.step = {1} AND p.leaf = l.leaf), 0) AS first
      FROM weir.shapes(pg_catalog.to_regclass({2})) l) k,
  LATERAL pg_catalog.generate_series(k.first, k.pages - 1, k.width) s)",
                        run, step, root, Int{config_.sweep.pages_at_most}));
    batch.push_back(sql(R"(SELECT p.leaf, n.nspname, c.relname, p.filenode, p.from_page, p.to_page, p.next_page, p.rows,
  CASE WHEN row_number() OVER (PARTITION BY p.leaf ORDER BY p.from_page) = 1 THEN greatest(c.reltuples, 0)::bigint ELSE 0 END,
  CASE WHEN c.relpages > 0 THEN greatest(c.reltuples, 0) / c.relpages ELSE 0 END, current_setting('track_counts'),
  pg_catalog.to_regclass({2})::oid, current_setting('weir.changed')
FROM weir.progress p JOIN pg_catalog.pg_class c ON c.oid = p.leaf JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE p.run = {0} AND p.step = {1} ORDER BY n.nspname, c.relname, p.from_page)",
                        run, step, root));
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
    if (!outcome.rows.empty() && outcome.rows[0].fields.size() > 12)
        if (auto const changed = outcome.rows[0].fields[12].value_or(""); !changed.empty()) {
            if (++changes_ >= changes_at_most) {
                outcome_ = {};
                outcome_.fate = Fate::refused;
                outcome_.sqlstate = "WE008";
                outcome_.message = config_.rows.table.text() + " was changed " + std::to_string(changes_) +
                                   " times while it was proven, the last time: " + changed;
                outcome_.advice =
                    "leave its triggers, rules and columns as they are until the run is done, and run again";
                state_ = State::failed;
                return;
            }
            out.emplace_back(Announce{{at.wall, BatchRetried{config_.step, config_.rows.table.text(),
                                                             "changed meanwhile, and so read anew: " + changed}}});
        }
    if (inherits_) {
        // What it found before it was interrupted is not known any more.
        unsure_ = std::any_of(outcome.rows.begin(), outcome.rows.end(),
                              [](Row const& row) { return row.fields[6] != row.fields[4]; });
        inherits_ = false;
    }
    restart_ = false;
    stripes_.clear();
    leaves_.clear();
    first_leaf_ = 0;
    pages_ = pages_done_ = rows_done_ = 0;
    std::int64_t estimate = 0;
    std::map<std::string, std::int64_t> leaf_pages;
    for (auto const& row : outcome.rows)
        leaf_pages[row.fields[0].value_or("0")] +=
            std::stoll(row.fields[5].value_or("0")) - std::stoll(row.fields[4].value_or("0"));
    for (auto const& row : outcome.rows) {
        auto const field = [&](std::size_t i) { return row.fields[i].value_or("0"); };
        Stripe stripe{std::stoll(field(0)), {Ident::of(field(1)), Ident::of(field(2))},
                      std::stoll(field(3)), std::stoll(field(4)),
                      std::stoll(field(5)), std::stoll(field(6))};
        pages_ += stripe.to - stripe.from;
        pages_done_ += stripe.next - stripe.from;
        rows_done_ += std::stoll(field(7));
        estimate += std::stoll(field(8));
        if (stripes_.empty() || stripes_.back().leaf != stripe.leaf) {
            InPageOrder::Config order;
            order.rows_a_page = std::stod(field(9));
            order.pages = leaf_pages[field(0)];
            order.never = config_.rows.never_in_page;
            // What reads or deletes has no new versions.
            order.plain = config_.plain || config_.proof || config_.rows.erases;
            order.counted = field(10) == "on";
            order.target = config_.target;
            order.tuning = config_.sweep;
            leaves_.push_back({InPageOrder{std::move(order)}, stripes_.size()});
        }
        root_ = std::stoll(field(11));
        partitioned_ = partitioned_ || stripe.leaf != root_;
        stripe.of = leaves_.size() - 1;
        if (stripe.next < stripe.to)
            leaves_.back().order.add(stripe.next, stripe.to, stripe.next > stripe.from);
        else
            leaves_.back().order.add_done(stripe.from, stripe.to);
        stripes_.push_back(std::move(stripe));
    }
    // What was wrong before is looked at again; what a worker knew of its range holds no more.
    rows_wrong_ = 0;
    keys_.clear();
    for (auto& worker : workers_) {
        worker.stripe.reset();
        worker.turn.reset();
        worker.then.reset();
        worker.failures = worker.rounds = 0;
        worker.waiting_since.reset();
    }
    ready_ = true;
    out.emplace_back(Announce{{at.wall, WorkKnown{config_.step, config_.rows.table.text(), pages_, pages_done_,
                                                  estimate, rows_done_, config_.proof}}});
    for (std::size_t w = 0; w < workers_.size(); ++w) next(w, at, ids, out);
    settle(at, ids, out);
}

bool BackfillMachine::owns(CommandId id) const {
    if (preparing_ == id || looking_ == id) return true;
    return std::any_of(workers_.begin(), workers_.end(), [&](Worker const& w) { return w.pending == id; });
}

std::vector<PageRange> BackfillMachine::running() const {
    std::vector<PageRange> all;
    for (auto const& worker : workers_) {
        bool const batch = worker.pending && worker.stripe && worker.doing != Doing::resting &&
                           worker.doing != Doing::horizon && worker.doing != Doing::commit &&
                           worker.doing != Doing::vacuum;
        if (!batch) continue;
        auto const& stripe = stripes_[*worker.stripe];
        bool const sweeps = worker.doing == Doing::sweep;
        all.push_back({config_.step, leaf_text(worker), sweeps ? worker.turn->from : stripe.next,
                       sweeps ? worker.turn->to : worker.to});
    }
    return all;
}

std::string BackfillMachine::leaf_text(Worker const& worker) const { return stripes_[*worker.stripe].name.text(); }

Sql BackfillMachine::in_range(Worker const& worker) const {
    auto const& stripe = stripes_[*worker.stripe];
    return sql(
        "{0}.ctid OPERATOR(pg_catalog.>=) {1}::pg_catalog.tid AND {0}.ctid OPERATOR(pg_catalog.<) "
        "{2}::pg_catalog.tid",
        config_.rows.table.name, page(stripe.next), page(worker.to));
}

Sql BackfillMachine::assignments() const {
    std::vector<Sql> sets;
    for (auto const& [column, value] : config_.rows.set) sets.push_back(sql("{0} = {1}", column, value));
    return Sql::join(sets, ", ");
}

Sql BackfillMachine::mine(Stripe const& stripe) const {
    return sql(
        "p.run OPERATOR(pg_catalog.=) {0} AND p.step OPERATOR(pg_catalog.=) {1} AND p.leaf OPERATOR(pg_catalog.=) {2} "
        "AND p.from_page OPERATOR(pg_catalog.=) {3}",
        number(config_.run), Value{pass()}, Int{stripe.leaf}, Int{stripe.from});
}

/// Writes the rows of the range that are not right; its last SELECT gives their number.
Sql BackfillMachine::write(Worker const& worker, bool skip_locked) const {
    auto const& stripe = stripes_[*worker.stripe];
    Ident const alias = config_.rows.table.name;
    Sql const todo = config_.gate_opened ? config_.rows.fill_after_gate : config_.rows.todo;
    Sql const verb = config_.rows.erases ? sql("DELETE FROM ONLY {0} AS {1}", stripe.name, alias)
                                         : sql("UPDATE ONLY {0} AS {1} SET {2}", stripe.name, alias, assignments());
    if (!skip_locked)
        return sql(
            "WITH u AS ({0} WHERE {1} AND {2} RETURNING 1)\nSELECT pg_catalog.set_config('weir.rows', "
            "pg_catalog.count(*)::pg_catalog.text, "
            "true) FROM u",
            verb, in_range(worker), todo);
    return sql(
        R"(WITH l AS MATERIALIZED (SELECT {1}.ctid FROM ONLY {0} AS {1} WHERE {2} AND {3} FOR {5} SKIP LOCKED),
u AS ({4} WHERE {1}.ctid OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT l.ctid FROM l)) AND {3} RETURNING 1)
SELECT pg_catalog.set_config('weir.rows', pg_catalog.count(*)::pg_catalog.text, true) FROM u)",
        stripe.name, alias, in_range(worker), todo, verb, config_.rows.erases ? sql("UPDATE") : sql("NO KEY UPDATE"));
}

/// The last pass over a range, with its progress: rows written, HOT ones, xid, horizon.
Batch BackfillMachine::fill(Worker const& worker, bool skip_locked, bool look) const {
    auto const& stripe = stripes_[*worker.stripe];
    return {
        sql("SELECT pg_catalog.set_config('weir.hot', "
            "pg_catalog.pg_stat_get_xact_tuples_hot_updated({0})::pg_catalog.text, true)",
            Int{stripe.leaf}),
        write(worker, skip_locked),
        sql(R"(UPDATE weir.progress p SET next_page = {0}, rows = p.rows OPERATOR(pg_catalog.+) pg_catalog.current_setting('weir.rows')::bigint,
  hot = p.hot OPERATOR(pg_catalog.+) pg_catalog.pg_stat_get_xact_tuples_hot_updated({2}) OPERATOR(pg_catalog.-) pg_catalog.current_setting('weir.hot')::bigint
WHERE {1} RETURNING pg_catalog.current_setting('weir.rows'),
  pg_catalog.pg_stat_get_xact_tuples_hot_updated({2}) OPERATOR(pg_catalog.-) pg_catalog.current_setting('weir.hot')::bigint,
  pg_catalog.pg_current_xact_id_if_assigned()::pg_catalog.text, {3})",
            Int{worker.to}, mine(stripe), Int{stripe.leaf}, look ? horizon() : sql("NULL"))};
}

/// A page at a time: its scan prunes the page, and the limit takes the next few rows that are not right. The table's
/// columns come first when a bare name is looked up, so ours are qualified by a name that is not the table's.
Batch BackfillMachine::sweep(Worker const& worker, bool look) const {
    auto const& stripe = stripes_[*worker.stripe];
    auto const& turn = *worker.turn;
    Ident const alias = config_.rows.table.name;
    Sql const todo = config_.gate_opened ? config_.rows.fill_after_gate : config_.rows.todo;
    Ident const numbers = Ident::of(alias.text() == "weir page" ? "weir pages" : "weir page");
    return {
        sql("SELECT pg_catalog.set_config('weir.hot', "
            "pg_catalog.pg_stat_get_xact_tuples_hot_updated({0})::pg_catalog.text, true)",
            Int{stripe.leaf}),
        sql(R"(WITH u AS (UPDATE ONLY {0} AS {1} SET {2} WHERE {1}.ctid OPERATOR(pg_catalog.=) ANY (ARRAY(
  SELECT x.ctid FROM pg_catalog.generate_series({3}, {4}) AS {8}(n),
    LATERAL (SELECT {1}.ctid FROM ONLY {0} AS {1}
      WHERE {1}.ctid OPERATOR(pg_catalog.>=) pg_catalog.concat('(', {8}.n, ',0)')::pg_catalog.tid
        AND {1}.ctid OPERATOR(pg_catalog.<) pg_catalog.concat('(', {8}.n OPERATOR(pg_catalog.+) 1, ',0)')::pg_catalog.tid
        AND {5} LIMIT {6}{7}) x)) AND {5} RETURNING 1)
SELECT pg_catalog.set_config('weir.rows', pg_catalog.count(*)::pg_catalog.text, true) FROM u)",
            stripe.name, alias, assignments(), Int{turn.from}, Int{turn.to - 1}, todo, Int{turn.rows_a_page},
            turn.pass_locked ? sql(" FOR NO KEY UPDATE SKIP LOCKED") : sql(""), numbers),
        sql(R"(UPDATE weir.progress p SET rows = p.rows OPERATOR(pg_catalog.+) pg_catalog.current_setting('weir.rows')::bigint,
  hot = p.hot OPERATOR(pg_catalog.+) pg_catalog.pg_stat_get_xact_tuples_hot_updated({1}) OPERATOR(pg_catalog.-) pg_catalog.current_setting('weir.hot')::bigint
WHERE {0} RETURNING pg_catalog.current_setting('weir.rows'),
  pg_catalog.pg_stat_get_xact_tuples_hot_updated({1}) OPERATOR(pg_catalog.-) pg_catalog.current_setting('weir.hot')::bigint,
  pg_catalog.pg_current_xact_id_if_assigned()::pg_catalog.text, {2})",
            mine(stripe), Int{stripe.leaf}, look ? horizon() : sql("NULL"))};
}

void BackfillMachine::issue(std::size_t w, Doing what, Stamp at, Ids& ids, Commands& out) {
    auto& worker = workers_[w];
    auto const execute = [&](Batch batch, Transaction transaction, Limits limits) {
        worker.doing = what;
        worker.pending = ids();
        out.emplace_back(Execute{*worker.pending, hand(w), std::move(batch), transaction, limits});
    };
    if (what == Doing::horizon) {
        execute({sql("SELECT {0}", horizon())}, Transaction::implicit, {});
        return;
    }
    if (what == Doing::commit) {
        // A commit as an application's: a record of a few bytes, synchronous.
        execute({sql("SELECT pg_catalog.pg_logical_emit_message(true, 'weir', '')")}, Transaction::implicit,
                Limits{Millis{100}, Millis{5000}, Millis{30000}});
        return;
    }
    if (what == Doing::vacuum) {
        auto const& name = stripes_[leaves_[worker.leaf].first].name;
        execute({sql("VACUUM (TRUNCATE false) {0}", name)}, Transaction::standalone,
                Limits{config_.bound, Millis{0}, Millis{0}});
        return;
    }
    auto const& stripe = stripes_[*worker.stripe];
    Ident const alias = config_.rows.table.name;
    bool const writes =
        what == Doing::sweep || what == Doing::batch || what == Doing::skip_locked || what == Doing::refill;
    // In plain order, too: a VACUUM waits for it.
    bool const look = !horizon_read_ || at.steady - *horizon_read_ >= horizon_age;
    // Durable with the synchronous entry that ends the step (WAL order); data and progress share the transaction.
    Batch batch = quiet_plans();
    if (writes) {
        batch.push_back(sql("SET LOCAL weir.batch = 'on'"));
        batch.insert(batch.end(), config_.rows.settings.begin(), config_.rows.settings.end());
    }
    batch.push_back(fence(config_.epoch));
    if (writes)
        batch.push_back(sql("LOCK TABLE ONLY {0} IN ROW EXCLUSIVE MODE", stripe.name));
    else
        batch.push_back(sql("LOCK TABLE ONLY {0} IN ACCESS SHARE MODE", stripe.name));
    batch.push_back(sql("SELECT weir.same_file({0}, {1}, {2})", Int{stripe.leaf}, Int{stripe.filenode}, Int{root_}));
    batch.insert(batch.end(), config_.rows.session.begin(), config_.rows.session.end());
    auto const append = [&](Batch more) {
        batch.insert(batch.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
    };
    Sql const miss = config_.gate_opened ? config_.rows.miss_after_gate : config_.rows.todo;
    Limits limits{row_lock_wait, std::max(config_.bound, worker.statement), Millis{30000}};
    auto const counted = [&] {
        return sql(
            R"(WITH n AS MATERIALIZED (SELECT pg_catalog.count(*) AS n, pg_catalog.count(*) FILTER (WHERE {3}) AS wrong
  FROM ONLY {0} AS {1} WHERE {2}),
d AS (UPDATE weir.progress p SET next_page = {4}, rows = p.rows OPERATOR(pg_catalog.+) n.n FROM n WHERE {5}{6})
SELECT n.n, n.wrong FROM n)",
            stripe.name, alias, in_range(worker), miss, Int{worker.to}, mine(stripe),
            config_.counts ? sql("") : sql(" AND n.wrong OPERATOR(pg_catalog.=) 0"));
    };
    switch (what) {
        case Doing::batch:
            append(fill(worker, false, look));
            break;
        case Doing::skip_locked:
            append(fill(worker, true, look));
            break;
        case Doing::sweep:
            append(sweep(worker, look));
            break;
        case Doing::refill:
            batch.push_back(write(worker, false));
            // In the same transaction now() is the same: what is left could not be deleted.
            if (config_.rows.erases) batch.push_back(counted());
            break;
        case Doing::count:
            batch.push_back(counted());
            limits.statement = std::max(count_limit, worker.statement);
            limits.lock = config_.bound;
            break;
        case Doing::keys: {
            Sql const key = key_text();
            batch.push_back(sql(R"(WITH k AS (SELECT {6} AS k FROM ONLY {0} AS {1} WHERE {2} AND {3} LIMIT 10),
d AS (UPDATE weir.progress p SET next_page = {4}, misses = p.misses OPERATOR(pg_catalog.+) {7} WHERE {5})
SELECT k.k FROM k)",
                                stripe.name, alias, in_range(worker), miss, Int{worker.to}, mine(stripe), key,
                                Int{worker.misses}));
            limits.statement = std::max(count_limit, worker.statement);
            limits.lock = config_.bound;
            break;
        }
        case Doing::idle:
        case Doing::horizon:
        case Doing::vacuum:
        case Doing::commit:
        case Doing::resting:
            return;
    }
    execute(std::move(batch), Transaction::implicit, limits);
}

/// A VACUUM that is due, else a stripe that is to be finished, else a sweep; leaf by leaf.
bool BackfillMachine::find_work(std::size_t w, Doing& what) {
    auto& worker = workers_[w];
    auto const vacuum = [&](std::size_t l) {
        auto& leaf = leaves_[l];
        if (leaf.vacuuming || !leaf.order.vacuum_due(horizon_)) return false;
        leaf.vacuuming = true;
        worker.leaf = l;
        what = Doing::vacuum;
        return true;
    };
    if (worker.stripe) {
        vacuum(stripes_[*worker.stripe].of);
        return true;
    }
    while (first_leaf_ < leaves_.size() && leaves_[first_leaf_].order.exhausted()) ++first_leaf_;
    std::size_t open = 0;
    for (auto const& leaf : leaves_) open += leaf.order.open();
    for (auto l = first_leaf_; l < leaves_.size(); ++l) {
        auto& leaf = leaves_[l];
        if (vacuum(l)) return true;
        if (auto const ripe = leaf.order.ripe(horizon_)) {
            worker.stripe = leaf.first + *ripe;
            what = config_.proof ? Doing::count : Doing::batch;
            return true;
        }
        if (auto const turn = leaf.order.sweep(horizon_, open < config_.sweep.open_at_most)) {
            worker.stripe = leaf.first + turn->stripe;
            worker.turn = turn;
            what = Doing::sweep;
            return true;
        }
    }
    return false;
}

void BackfillMachine::next(std::size_t w, Stamp at, Ids& ids, Commands& out) {
    auto& worker = workers_[w];
    worker.doing = Doing::idle;
    worker.pending.reset();
    if (stopping_ || failing_ || again_ || !ready_) return;
    if (state_ != State::running || preparing_ || looking_) return;
    if (worker.then) {
        auto const what = *worker.then;
        worker.then.reset();
        go_on(w, what, at, ids, out);
        return;
    }
    if (held(Doing::idle)) return;
    if (worker.stripe && stripes_[*worker.stripe].next >= stripes_[*worker.stripe].to) worker.stripe.reset();
    // One that is too many ends its stripe first: nobody else may have it.
    if (!worker.stripe && static_cast<int>(w) >= pool_.size()) return;
    if (rest_for_pace(w, Doing::idle, at, ids, out)) return;
    if (w == 0 && !config_.proof && pool_.commit_due(at.steady)) {
        issue(w, Doing::commit, at, ids, out);
        return;
    }
    Doing what = config_.proof ? Doing::count : Doing::batch;
    if (!find_work(w, what)) {
        wait_for_horizon(w, at, ids, out);
        return;
    }
    waiting_horizon_ = false;
    patience_.work(at.steady);
    if (what == Doing::vacuum) {
        issue(w, what, at, ids, out);
        return;
    }
    auto const& stripe = stripes_[*worker.stripe];
    if (!config_.proof) tell_way(stripe.of, at, out);
    if (what != Doing::sweep) worker.to = std::min(stripe.to, stripe.next + worker.size);
    issue(w, what, at, ids, out);
}

void BackfillMachine::wait_for_horizon(std::size_t w, Stamp at, Ids& ids, Commands& out) {
    if (std::none_of(leaves_.begin(), leaves_.end(), [](Leaf const& leaf) { return leaf.order.waits(); })) return;
    pool_.interrupted();
    // What was read before may be old: one look costs nothing, and nobody is blamed without it.
    bool const first = !waiting_horizon_;
    if (!patience_.wait(at.steady) && !first) {
        for (auto& leaf : leaves_)
            if (leaf.order.waits())
                leaf.order.held("an old snapshot or transaction keeps the old row versions, and so their room");
        patience_.work(at.steady);
        waiting_horizon_ = false;
        rest(w, Doing::horizon, Millis{1}, ids, out);
        return;
    }
    waiting_horizon_ = true;
    if (first || !horizon_read_ || at.steady - *horizon_read_ >= horizon_rest)
        issue(w, Doing::horizon, at, ids, out);
    else
        rest(w, Doing::horizon, horizon_rest, ids, out);
}

void BackfillMachine::tell_way(std::size_t l, Stamp at, Commands& out) {
    auto& leaf = leaves_[l];
    if (leaf.told && leaf.way == leaf.order.way()) return;
    // Deletes and proofs have but one way.
    bool const silent = config_.rows.erases;
    leaf.told = true;
    leaf.way = leaf.order.way();
    if (!silent)
        out.emplace_back(Announce{
            {at.wall, WayChanged{config_.step, stripes_[leaf.first].name.text(), leaf.way, leaf.order.reason()}}});
}

/// What one worker brought, or left, may be work for those that found none.
void BackfillMachine::wake(Stamp at, Ids& ids, Commands& out) {
    if (!ready_) return;
    for (std::size_t w = 0; w < workers_.size(); ++w)
        if (!workers_[w].pending) next(w, at, ids, out);
}

void BackfillMachine::pool_moved(Stamp at, Ids& ids, Commands& out) {
    auto const reason = pool_.judge(at.steady);
    if (!reason) return;
    out.emplace_back(Announce{{at.wall, WorkersChanged{config_.step, pool_.size(), *reason}}});
    wake(at, ids, out);
}

void BackfillMachine::read_horizon(Row const& row, std::size_t field, Stamp at) {
    if (row.fields.size() <= field || !row.fields[field]) return;
    horizon_ = std::stoll(*row.fields[field]);
    horizon_read_ = at.steady;
}

void BackfillMachine::swept(std::size_t w, Stamp at, Outcome const& outcome, Commands& out) {
    auto& worker = workers_[w];
    auto& stripe = stripes_[*worker.stripe];
    auto& order = leaves_[stripe.of].order;
    auto const& row = outcome.rows.at(0);
    auto const field = [&](std::size_t i) { return std::stoll(row.fields[i].value_or("0")); };
    InPageOrder::Swept const result{field(0), field(1), field(0) > 0 ? field(2) : 0, outcome.took};
    read_horizon(row, 3, at);
    order.swept(*worker.turn, result);
    stripe.swept += result.rows;
    rows_done_ += result.rows;
    worker.failures = 0;
    worker.waiting_since.reset();
    if (pace_ >= 1) pool_.wrote(at.steady, result.rows);
    // Of the stripe's pages as many are told as done as its share of swept rows; the last pass tells the rest.
    std::int64_t pages = 0;
    if (double const density = order.rows_a_page(); density > 0) {
        auto const all = static_cast<double>(stripe.to - stripe.from);
        auto const share = std::min(static_cast<double>(stripe.swept) / (density * all), 1.0);
        pages = std::max<std::int64_t>(static_cast<std::int64_t>(share * (all - 1)) - stripe.told, 0);
    }
    stripe.told += pages;
    pages_done_ += pages;
    out.emplace_back(Announce{
        {at.wall, BatchDone{config_.step, stripe.name.text(), pages, result.rows, outcome.took, false, result.hot}}});
    worker.turn.reset();
    worker.stripe.reset();
}

void BackfillMachine::sweep_failed(std::size_t w, InPageOrder::Trouble trouble) {
    auto& worker = workers_[w];
    leaves_[stripes_[*worker.stripe].of].order.failed(*worker.turn, trouble);
    worker.turn.reset();
    worker.stripe.reset();
}

void BackfillMachine::rest(std::size_t w, Doing then, Millis time, Ids& ids, Commands& out) {
    auto& worker = workers_[w];
    worker.doing = Doing::resting;
    worker.after_rest = then;
    worker.wakes.reset();
    worker.pending = ids();
    out.emplace_back(Rest{*worker.pending, time});
}

bool BackfillMachine::held(Doing what) const {
    return pace_ <= 0 || (!may_write_ && (!config_.proof || what == Doing::refill));
}

Millis BackfillMachine::due(Worker const& worker) const {
    return pace_ < 1 ? worker.ended + rest_after(worker.took, pace_) : worker.ended;
}

bool BackfillMachine::rest_for_pace(std::size_t w, Doing then, Stamp at, Ids& ids, Commands& out) {
    auto const until = due(workers_[w]);
    if (until <= at.steady) return false;
    rest(w, then, until - at.steady, ids, out);
    workers_[w].wakes = until;
    return true;
}

/// With its range: the next thing, or the same once more.
void BackfillMachine::go_on(std::size_t w, Doing what, Stamp at, Ids& ids, Commands& out) {
    if (held(what)) {
        workers_[w].doing = Doing::idle;
        workers_[w].then = what;
        // Nobody stands in its way meanwhile.
        workers_[w].waiting_since.reset();
    } else if (!rest_for_pace(w, what, at, ids, out)) {
        issue(w, what, at, ids, out);
    }
}

void BackfillMachine::advance(std::size_t w, Stamp at, std::int64_t rows, std::int64_t hot, Millis took,
                              Commands& out) {
    auto& worker = workers_[w];
    auto& stripe = stripes_[*worker.stripe];
    std::int64_t const pages = worker.to - stripe.next;
    bool const whole = pages == worker.size;
    std::int64_t const from = std::exchange(stripe.next, worker.to);
    // What the sweeps told as done is not told twice.
    auto const told = std::min(stripe.told, pages);
    stripe.told -= told;
    pages_done_ += pages - told;
    rows_done_ += rows;
    if (pace_ >= 1) pool_.wrote(at.steady, rows);
    worker.failures = worker.rounds = 0;
    worker.waiting_since.reset();
    // Only the page that needs more time than the bound gets it.
    if (took <= config_.bound) worker.statement = Millis{};
    if (whole) {
        auto const ideal = worker.size * config_.target.count() / std::max<std::int64_t>(took.count(), 1);
        auto const gentle = std::clamp(ideal, std::max<std::int64_t>(worker.size / 2, 1), worker.size * 3 / 2 + 1);
        worker.size = std::clamp<std::int64_t>(gentle, 1, config_.range_at_most);
    }
    out.emplace_back(Announce{{at.wall, BatchDone{config_.step, stripe.name.text(), pages - told, rows, took,
                                                  config_.proof, hot, from, worker.to}}});
}

void BackfillMachine::fail(Outcome const& outcome, Commands& out) {
    if (!failing_) outcome_ = outcome;
    failing_ = true;
    for (auto const& worker : workers_)
        if (worker.pending) out.emplace_back(Cancel{*worker.pending});
}

void BackfillMachine::settle(Stamp at, Ids& ids, Commands& out) {
    if (state_ != State::running || preparing_ || looking_) return;
    if (std::any_of(workers_.begin(), workers_.end(), [](Worker const& w) { return w.pending.has_value(); })) return;
    if (failing_) {
        state_ = State::failed;
    } else if (stopping_) {
        state_ = State::stopped;
    } else if (again_) {
        again_ = ready_ = false;
        preparing_since_ = at.steady;
        prepare(ids, out);
    } else if (pace_ <= 0) {
        return;
    } else if (std::all_of(stripes_.begin(), stripes_.end(), [](Stripe const& s) { return s.next >= s.to; })) {
        if (partitioned_) {
            preparing_since_ = at.steady;
            look_for_leaves(ids, out);
        } else {
            ended(at, ids, out);
        }
    }
}

void BackfillMachine::ended(Stamp at, Ids& ids, Commands& out) {
    if (config_.counts) {
        state_ = State::done;
        return;
    }
    if (rows_wrong_ > 0) {
        state_ = State::misses;
        return;
    }
    if (!config_.proof || !config_.rows.guard.empty()) {
        state_ = State::done;
        return;
    }
    if (second_ && found_ == 0 && !unsure_) {
        state_ = State::done;
        return;
    }
    if (second_ && ++passes_ >= passes_at_most) {
        // An application that does not know the column inserts such rows for ever; each pass has filled what it found.
        auto const rows = std::to_string(found_) + " rows of " + config_.rows.table.text();
        if (found_ > 0)
            out.emplace_back(Announce{
                {at.wall, config_.rows.erases
                              ? Warned{rows + " came to be deleted while it was read once more, and were deleted",
                                       "those that come now are left to the next plan that deletes"}
                              : Warned{rows + " were written without a value while it was read once more, and were "
                                              "filled",
                                       "those that come now are left to the application, which should write the "
                                       "column"}}});
        state_ = State::done;
        return;
    }
    if (second_ && found_ > 0)
        out.emplace_back(Announce{{at.wall, BatchRetried{config_.step, config_.rows.table.text(),
                                                         "rows moved past the proof; the pages are read once more"}}});
    // What is left of an earlier orchestrator's second pass is gone on with.
    restart_ = second_ || config_.afresh;
    inherits_ = !restart_;
    second_ = true;
    unsure_ = false;
    found_ = 0;
    ready_ = false;
    preparing_since_ = at.steady;
    prepare(ids, out);
}

/// A partition that was attached since the pages were counted, or rewritten after its last batch.
void BackfillMachine::look_for_leaves(Ids& ids, Commands& out) {
    if (pace_ <= 0) return;
    Value const root{sql("{0}", config_.rows.table).text()};
    looking_ = ids();
    Batch batch{fence(config_.epoch), check_kinds(config_.rows.table),
                sql(R"(SELECT EXISTS (SELECT FROM weir.shapes(pg_catalog.to_regclass({0})) s
  WHERE s.pages > 0 AND NOT EXISTS (SELECT FROM weir.progress p WHERE p.run = {1} AND p.step = {2} AND p.leaf = s.leaf
    AND p.from_page = 0 AND p.filenode = s.filenode AND {3})))",
                    root, number(config_.run), Value{pass()}, config_.proof ? sql("p.shape = s.shape") : sql("true"))};
    out.emplace_back(Execute{*looking_, first_hand, std::move(batch), Transaction::implicit,
                             Limits{Millis{1000}, Millis{30000}, Millis{60000}}});
}

Sql BackfillMachine::key_text() const {
    Ident const alias = config_.rows.table.name;
    std::vector<Sql> parts;
    for (auto const& column : config_.rows.key)
        parts.push_back(sql("pg_catalog.concat({0}, coalesce({1}.{2}::pg_catalog.text, 'null'))",
                            Value{column.text() + "="}, alias, column));
    return parts.empty() ? sql("pg_catalog.concat('ctid=', {0}.ctid)", alias)
                         : sql("pg_catalog.concat_ws(', ', {0})", Sql::join(parts, ", "));
}

void BackfillMachine::completed(Stamp at, Completed const& completed, Ids& ids, Commands& out) {
    if (preparing_ == completed.command) {
        preparing_.reset();
        prepared(at, completed.outcome, ids, out);
        return;
    }
    if (looking_ == completed.command) {
        looking_.reset();
        auto const& outcome = completed.outcome;
        if (outcome.fate == Fate::done && !outcome.rows.empty() && outcome.rows[0].fields[0] == "t") {
            again_ = true;
            settle(at, ids, out);
        } else if (outcome.fate == Fate::done) {
            ended(at, ids, out);
        } else if (stopping_ && outcome.fate != Fate::fenced && outcome.fate != Fate::refused) {
            state_ = outcome.fate == Fate::lost || outcome.fate == Fate::in_doubt ? State::failed : State::stopped;
            outcome_ = outcome;
        } else if ((outcome.fate == Fate::lock_busy || outcome.fate == Fate::deadlock) &&
                   at.steady - preparing_since_ < config_.give_up) {
            // Somebody holds a leaf for himself, as in prepare().
            look_for_leaves(ids, out);
        } else {
            outcome_ = outcome;
            state_ = State::failed;
        }
        return;
    }
    auto const found =
        std::find_if(workers_.begin(), workers_.end(), [&](Worker const& w) { return w.pending == completed.command; });
    auto const w = static_cast<std::size_t>(found - workers_.begin());
    auto& worker = *found;
    auto const& outcome = completed.outcome;
    Doing const was = worker.doing;
    if ((outcome.fate == Fate::lost || outcome.fate == Fate::in_doubt) && lost_in_.empty()) lost_in_ = running();
    worker.pending.reset();
    worker.wakes.reset();

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
        } else if (worker.stripe && worker.after_rest != Doing::idle) {
            go_on(w, worker.after_rest, at, ids, out);
        } else {
            next(w, at, ids, out);
        }
        wake(at, ids, out);
        settle(at, ids, out);
        return;
    }
    worker.ended = at.steady;
    worker.took = outcome.took;
    bool const over = stopping_ || failing_ || again_;
    if (was == Doing::horizon || was == Doing::commit || was == Doing::vacuum) {
        completed_aside(w, was, at, outcome, ids, out);
        wake(at, ids, out);
        settle(at, ids, out);
        return;
    }
    switch (outcome.fate) {
        case Fate::done:
            if (was == Doing::sweep) {
                swept(w, at, outcome, out);
                next(w, at, ids, out);
            } else if (was == Doing::batch || was == Doing::skip_locked) {
                auto& order = leaves_[stripes_[*worker.stripe].of].order;
                // A deletion needs no room for new versions.
                if (!config_.rows.erases) order.filled({first_field(0), first_field(1), first_field(2), outcome.took});
                if (!outcome.rows.empty()) read_horizon(outcome.rows[0], 3, at);
                advance(w, at, first_field(0), first_field(1), outcome.took, out);
                next(w, at, ids, out);
            } else if (was == Doing::count || (was == Doing::refill && config_.rows.erases)) {
                worker.misses = first_field(1);
                // What a deletion did in the same transaction was found by the count before it.
                if (second_ && was == Doing::count) found_ += worker.misses;
                if (was == Doing::refill) worker.rounds = refill_rounds;
                if (worker.misses == 0 || config_.counts) {
                    rows_wrong_ += worker.misses;
                    advance(w, at, first_field(0), 0, outcome.took, out);
                    next(w, at, ids, out);
                } else if (over) {
                    worker.doing = Doing::idle;
                } else {
                    go_on(w, worker.rounds < refill_rounds ? Doing::refill : Doing::keys, at, ids, out);
                }
            } else if (was == Doing::refill) {
                // Nothing was written: what is wrong is not ours to fill.
                rows_filled_ += first_field(0);
                worker.rounds = first_field(0) == 0 ? refill_rounds : worker.rounds + 1;
                if (over)
                    worker.doing = Doing::idle;
                else
                    go_on(w, Doing::count, at, ids, out);
            } else if (was == Doing::keys) {
                for (auto const& row : outcome.rows)
                    if (keys_.size() < 10) keys_.emplace_back(row.fields[0].value_or(""));
                rows_wrong_ += worker.misses;
                advance(w, at, 0, 0, outcome.took, out);
                next(w, at, ids, out);
            }
            break;
        case Fate::lock_busy: {
            if (over) {
                worker.doing = Doing::idle;
                break;
            }
            if (was == Doing::sweep && !worker.turn->pass_locked) {
                retried("a row or the table is locked; passing over locked rows");
                sweep_failed(w, InPageOrder::Trouble::locked);
                next(w, at, ids, out);
                break;
            }
            if (was == Doing::batch) {
                retried("a row or the table is locked; passing over locked rows");
                go_on(w, Doing::skip_locked, at, ids, out);
                break;
            }
            if (!worker.waiting_since) worker.waiting_since = at.steady;
            if (at.steady - *worker.waiting_since >= config_.give_up) {
                // The count knows which rows: they are reported by key. Anything else is a lock that we cannot get
                // past.
                if (was == Doing::refill)
                    go_on(w, Doing::keys, at, ids, out);
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
            if (was == Doing::sweep) {
                bool const deadlock = outcome.fate == Fate::deadlock;
                sweep_failed(w, deadlock ? InPageOrder::Trouble::locked : InPageOrder::Trouble::too_long);
                ++worker.failures;
                if (deadlock)
                    rest(w, Doing::sweep, Millis{20LL << std::min(worker.failures, 5)}, ids, out);
                else
                    next(w, at, ids, out);
                break;
            }
            halve();
            ++worker.failures;
            {
                // The range is another now, so its misses are counted again before they are named.
                Doing const then = was == Doing::keys ? Doing::count : was;
                if (outcome.fate == Fate::deadlock)
                    rest(w, then, Millis{20LL << std::min(worker.failures, 5)}, ids, out);
                else
                    go_on(w, then, at, ids, out);
            }
            break;
        case Fate::refused:
            worker.doing = Doing::idle;
            // Rewritten, truncated, detached; or dropped before the lock was had. Under a rule the server has no UPDATE
            // … RETURNING (0A000): which rule, prepare() says.
            if (outcome.sqlstate == "WE002" ||
                ((outcome.sqlstate == "42P01" || outcome.sqlstate == "0A000") && again_at_most_-- > 0)) {
                retried("the table is another one now; its pages are counted anew");
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
    pool_moved(at, ids, out);
    wake(at, ids, out);
    settle(at, ids, out);
}

/// What is done between batches, and can fail without harm: a look at the horizon, an empty commit, a VACUUM.
void BackfillMachine::completed_aside(std::size_t w, Doing was, Stamp at, Outcome const& outcome, Ids& ids,
                                      Commands& out) {
    auto& worker = workers_[w];
    worker.doing = Doing::idle;
    if (outcome.fate == Fate::fenced || outcome.fate == Fate::lost || outcome.fate == Fate::in_doubt) {
        fail(outcome, out);
        return;
    }
    bool const done = outcome.fate == Fate::done;
    if (was == Doing::horizon) {
        horizon_read_ = at.steady;
        if (done && !outcome.rows.empty()) read_horizon(outcome.rows[0], 0, at);
    } else if (was == Doing::commit) {
        // A commit that takes longer than a limit is a slow one.
        pool_.committed(at.steady, outcome.took);
        pool_moved(at, ids, out);
    } else {
        auto& leaf = leaves_[worker.leaf];
        leaf.vacuuming = false;
        if (done)
            out.emplace_back(Announce{{at.wall, Vacuumed{config_.step, stripes_[leaf.first].name.text(),
                                                         leaf.order.dead_rows(), outcome.took}}});
        // Somebody was in its way: the next one is due when as many rows are dead again.
        leaf.order.vacuumed();
    }
    if (worker.pending) return;
    next(w, at, ids, out);
}

void BackfillMachine::pace(double pace, bool may_write, Stamp at, Ids& ids, Commands& out) {
    bool const was_held = held(Doing::idle);
    // What is written below full pace says nothing of what a worker more would bring.
    if (pace < 1) pool_.interrupted();
    pace_ = pace;
    may_write_ = may_write;
    if (!ready_ || held(Doing::idle)) return;
    if (was_held) {
        // Nobody waited for the horizon meanwhile.
        waiting_horizon_ = false;
        patience_.work(at.steady);
    }
    for (std::size_t w = 0; w < workers_.size(); ++w) {
        auto& worker = workers_[w];
        if (!worker.pending) {
            next(w, at, ids, out);
        } else if (worker.wakes && at.steady < *worker.wakes && due(worker) + horizon_rest < *worker.wakes) {
            worker.wakes.reset();
            out.emplace_back(Cancel{*worker.pending});
        }
    }
    if (was_held) settle(at, ids, out);
}

void BackfillMachine::stop(bool now, Commands& out) {
    stopping_ = true;
    for (auto const& worker : workers_)
        if (worker.pending &&
            (now || worker.doing == Doing::resting || worker.doing == Doing::count || worker.doing == Doing::vacuum))
            out.emplace_back(Cancel{*worker.pending});
    if (preparing_) {
        if (now) out.emplace_back(Cancel{*preparing_});
        return;
    }
    if (looking_) {
        out.emplace_back(Cancel{*looking_});
        return;
    }
    if (std::none_of(workers_.begin(), workers_.end(), [](Worker const& w) { return w.pending.has_value(); }))
        state_ = failing_ ? State::failed : State::stopped;
}

}  // namespace weir
