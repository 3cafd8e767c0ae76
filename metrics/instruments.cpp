#include "metrics/instruments.h"

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <sstream>
#include <utility>

#include "metrics/rate.h"
#include "plans/keys.h"

namespace weir {
namespace {

using prometheus::Counter;
using prometheus::Family;
using prometheus::Gauge;
using prometheus::Histogram;
using prometheus::Labels;

constexpr std::array phases{Phase::expand, Phase::backfill, Phase::proof, Phase::contract, Phase::quarantine};
constexpr std::array ways{Way::in_page, Way::ranges};
constexpr std::array states{RunState::pending, RunState::running,     RunState::paused, RunState::waiting,
                            RunState::stopped, RunState::quarantined, RunState::done,   RunState::undone};

struct Reason {
    std::string_view words, label;
};
/// Beside the signals of keys::signals, which are called by their own names.
constexpr std::array reasons{Reason{"sql ", "sql"},
                             Reason{"http ", "http"},
                             Reason{"prometheus ", "prometheus"},
                             Reason{"paused by", "paused"},
                             Reason{"pace ", "rising"},
                             Reason{"outside the window", "schedule"},
                             Reason{"before the time of schedule.at", "schedule"}};
constexpr std::string_view other{"other"};

std::vector<std::string_view> labels_of_reasons() {
    std::vector<std::string_view> labels;
    for (auto const& signal : keys::signals) labels.push_back(signal.name);
    for (auto const& reason : reasons) labels.push_back(reason.label);
    labels.push_back(other);
    return labels;
}

// A replica that is not spoken of any more (renamed, scaled away, eye session lost) must not stand there for ever.
constexpr Millis replica_memory = std::chrono::minutes{1};
/// WaitsFor is told again every five seconds, as long as it is so.
constexpr Millis waits_memory = std::chrono::seconds{15};
constexpr std::array bounds{"low", "high"};

Histogram::BucketBoundaries batch_seconds() {
    return {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10};
}
Histogram::BucketBoundaries batch_rows() { return {1, 10, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 25000, 100000}; }
Histogram::BucketBoundaries step_seconds() {
    return {0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60, 300, 900, 3600, 14400, 86400};
}

double seconds(Millis time) { return static_cast<double>(time.count()) / 1000.0; }
double timestamp(Instant at) { return static_cast<double>(at.time_since_epoch().count()) / 1000.0; }
std::string text_of(std::string_view view) { return std::string{view}; }

void drop(Family<Gauge>& family, Labels const& labels) {
    if (family.Has(labels)) family.Remove(&family.Add(labels));
}

}  // namespace

std::string_view throttle_reason(std::string_view reason) {
    for (auto const& signal : keys::signals) {
        std::string words{signal.name};
        std::ranges::replace(words, '_', ' ');
        if (reason.starts_with(words)) return signal.name;
    }
    for (auto const& [words, label] : reasons)
        if (reason.starts_with(words)) return label;
    return other;
}

struct Instruments::World {
    explicit World(std::string version);

    struct Work {
        std::string step{};
        std::int64_t pages{}, pages_done{}, rows_estimate{}, rows_done{};
        std::int64_t written{}, hot{};  ///< by this process
        Rate rate{};
        bool over{};
    };
    using WorkKey = std::pair<std::string, bool>;  ///< table, is it a proof

    void operator()(RunBegan const& event);
    void operator()(PhaseBegan const& event);
    void operator()(StepBegan const& event);
    void operator()(StepDone const& event);
    void operator()(StepUndone const& event);
    void operator()(WorkKnown const& event);
    void operator()(BatchDone const& event);
    void operator()(BatchRetried const& event);
    void operator()(WayChanged const& event);
    void operator()(WorkersChanged const& event);
    void operator()(Vacuumed const& event);
    void operator()(LockTried const& event);
    void operator()(BlockerEnded const& event);
    void operator()(WaitsFor const& event);
    void operator()(PaceChanged const& event);
    void operator()(ReplicaLag const& event);
    void operator()(SignalsJudged const& event);
    void operator()(ForecastMade const& event);
    void operator()(Paused const& event);
    void operator()(Resumed const& event);
    void operator()(SettingChanged const& event);
    void operator()(GateOpened const& event);
    void operator()(GateVoted const&) {}
    void operator()(GateApproved const& event);
    void operator()(ProofDone const& event);
    void operator()(DumpGrew const&) { progress(); }
    void operator()(BackedUp const&) { progress(); }
    void operator()(TableSized const& event);
    void operator()(OrderTaken const& event) { orders.Add({{"order", event.order}}).Increment(); }
    void operator()(Serving const&) {}
    void operator()(Warned const& event);
    void operator()(ConnectionLost const& event);
    void operator()(Stopped const& event);
    void operator()(RunDone const& event);

    Family<Gauge>& gauge(char const* name, char const* help) {
        return prometheus::BuildGauge().Name(name).Help(help).Register(registry);
    }
    Family<Counter>& counter(char const* name, char const* help) {
        return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
    }
    Family<Histogram>& histogram(char const* name, char const* help) {
        return prometheus::BuildHistogram().Name(name).Help(help).Register(registry);
    }

    void advance(Instant at);
    void phase(std::optional<Phase> now);
    void state(RunState now);
    void progress() { last_progress.Add({{"plan", plan}}).Set(timestamp(at)); }
    void free_pace();
    void forget_replica(std::string const& replica);
    void leave_gates();
    std::map<WorkKey, Work>::iterator find(BatchDone const& batch);
    void show(WorkKey const& key, Work const& work);
    Labels labels(WorkKey const& key) const {
        return {{"plan", plan}, {"table", key.first}, {"kind", key.second ? "proof" : "fill"}};
    }
    /// The plan's table that `step` works on; `leaf` when that was never announced.
    std::string table_of(std::string const& step, std::string const& leaf) const;
    void forget_way(WorkKey const& key);
    void no_workers();
    void show_eta();
    void blocked(std::string const& step, std::size_t blockers);
    void not_blocked();
    void no_forecast();
    void drop_eta(WorkKey const& key);

    prometheus::Registry registry;
    Family<Gauge>& run_phase = gauge("weir_run_phase", "1 for the phase that the run is in, 0 for the others.");
    Family<Gauge>& run_state = gauge("weir_run_state", "1 for the state that the run is in, 0 for the others.");
    Family<Gauge>& rows_done = gauge("weir_rows_done", "Rows written by the fill, or looked at by the proof.");
    Family<Gauge>& rows_estimate = gauge("weir_rows_estimate", "Rows of the table by the server's estimate.");
    Family<Gauge>& pages_done = gauge("weir_pages_done", "Pages of the table that are done.");
    Family<Gauge>& pages_total = gauge("weir_pages", "Pages of the table to look at in all.");
    Family<Gauge>& progress_ratio = gauge("weir_progress_ratio", "Share of the pages that is done, 0 to 1.");
    Family<Gauge>& eta = gauge("weir_eta_seconds", "Time left by the rate of the last minute; absent when not known.");
    Family<Gauge>& eta_low = gauge("weir_eta_low_seconds", "The short end of weir_eta_seconds; absent when not known.");
    Family<Gauge>& eta_high =
        gauge("weir_eta_high_seconds", "The long end of weir_eta_seconds; absent when not known.");
    Family<Gauge>& signal_value = gauge("weir_signal_value", "A signal's last value, in its own unit.");
    Family<Gauge>& signal_limit = gauge("weir_signal_limit", "The limit of a signal, in its own unit.");
    Family<Gauge>& signal_load = gauge("weir_signal_load_ratio", "A signal's value by its limit: 1 is at the limit.");
    Family<Gauge>& hot_ratio =
        gauge("weir_hot_ratio", "Share of the rows written whose new version stayed on its page, 0 to 1.");
    Family<Gauge>& fill_way = gauge("weir_fill_way", "1 for the way in which the table is filled, 0 for the other.");
    Family<Gauge>& workers = gauge("weir_workers", "Batches that run at a time; absent when not known.");
    Family<Counter>& vacuums = counter("weir_vacuums_total", "VACUUMs that the fill ran.");
    Family<Counter>& vacuum_seconds = counter("weir_vacuum_seconds_total", "Time of the VACUUMs that the fill ran.");
    Family<Gauge>& table_bytes = gauge("weir_table_bytes", "Heap, indexes and TOAST of the table.");
    Family<Gauge>& table_growth =
        gauge("weir_table_growth_ratio", "weir_table_bytes by what it was when this process looked first.");
    Family<Gauge>& dead_rows = gauge("weir_dead_rows", "Dead rows of the table by the server's statistics.");
    Family<Histogram>& batch_duration = histogram("weir_batch_duration_seconds", "Time of one batch.");
    Family<Histogram>& batch_size = histogram("weir_batch_rows", "Rows of one batch.");
    Family<Counter>& batch_retries = counter("weir_batch_retries_total", "Batches rolled back and tried again.");
    Family<Gauge>& pace = gauge("weir_pace_ratio", "1: unhindered, 0: held.");
    Family<Gauge>& throttle_active =
        gauge("weir_throttle_active", "1 while this reason holds the run back or slows it.");
    Family<Counter>& throttle_seconds =
        counter("weir_throttle_seconds_total", "Time for which this reason held the run back or slowed it.");
    Family<Gauge>& lag_seconds = gauge("weir_replica_lag_seconds", "Lag of the replica; absent when not known.");
    Family<Gauge>& lag_bytes = gauge("weir_replica_lag_bytes", "WAL that the replica has to replay.");
    Family<Gauge>& lag_known = gauge("weir_replica_lag_known", "1: the lag can be read, 0: the replica is gone.");
    Family<Counter>& lock_attempts = counter("weir_lock_attempts_total", "Tries for the locks of a step.");
    Family<Counter>& blockers_ended =
        counter("weir_blockers_ended_total", "Sessions in the way of a lock that were canceled or terminated.");
    Family<Gauge>& blocked_since =
        gauge("weir_blocked_since_timestamp_seconds", "Since when a lock is not to be had; absent when it is.");
    Family<Gauge>& blockers = gauge("weir_blockers", "Sessions in the way of a lock; absent when there is none.");
    Family<Gauge>& forecast_at =
        gauge("weir_forecast_timestamp_seconds", "When the fill or proof will be done, as the schedule lets it.");
    Family<Gauge>& forecast_openings = gauge("weir_forecast_openings", "Openings of the schedule that it will take.");
    Family<Gauge>& window_closes =
        gauge("weir_window_closes_timestamp_seconds", "When the schedule's window that is open now closes.");
    Family<Gauge>& gate_since =
        gauge("weir_gate_waiting_since_timestamp_seconds", "When the gate opened; absent when not at a gate.");
    Family<Gauge>& quarantine_ends =
        gauge("weir_quarantine_ends_timestamp_seconds", "When what contract set aside may be dropped; absent before.");
    Family<Gauge>& mismatches = gauge("weir_proof_mismatches", "Rows that the last proof of the table found wrong.");
    Family<Gauge>& last_progress =
        gauge("weir_last_progress_timestamp_seconds", "When a batch or step was done, or a dump grew, last.");
    Family<Gauge>& ended =
        gauge("weir_run_ended_timestamp_seconds", "When this process was done with the run; absent while it works.");
    Family<Histogram>& step_duration = histogram("weir_step_duration_seconds", "Time of one step.");
    Family<Counter>& orders = counter("weir_orders_total", "Orders that took effect.");
    Family<Counter>& errors = counter("weir_errors_total", "Stops and refusals by message code.");
    Family<Counter>& warnings = counter("weir_warnings_total", "Warnings.");
    Family<Gauge>& build = gauge("weir_build_info", "Always 1; the label is weir's version.");

    std::string plan;
    Instant at;
    std::map<std::string, Phase> steps;
    std::map<WorkKey, Work> works;
    std::set<std::string> held;  ///< labels of the reasons that hold the run back now
    std::map<std::string, Instant> replicas;
    std::set<std::pair<std::string, std::string>> measured;  ///< signals and subjects
    std::set<std::string> gates;                             ///< that the run waits at
    std::string blocked_step;                                ///< empty: nobody is in the way
    std::optional<Instant> waits_at;                         ///< of the last WaitsFor, which nothing takes back
    std::string working;                                     ///< the step that weir_workers tells of
};

Instruments::World::World(std::string version) {
    // The closed sets begin at 0, so that increase() sees the first one.
    for (auto const& row : codes()) errors.Add({{"code", text_of(row.name)}});
    for (auto const* outcome : {"got", "busy"}) lock_attempts.Add({{"outcome", outcome}});
    for (auto const* how : {"canceled", "terminated"}) blockers_ended.Add({{"how", how}});
    for (auto const* order : {"approve", "pause", "resume", "set", "abort"}) orders.Add({{"order", order}});
    warnings.Add({});
    pace.Add({}, 1.0);
    free_pace();
    for (auto const label : labels_of_reasons()) throttle_seconds.Add({{"reason", text_of(label)}});
    build.Add({{"version", std::move(version)}}).Set(1);
}

void Instruments::World::advance(Instant now) {
    if (now > at)
        for (auto const& reason : held) throttle_seconds.Add({{"reason", reason}}).Increment(seconds(now - at));
    at = now;
    std::erase_if(replicas, [&](auto const& replica) {
        bool const old = now - replica.second > replica_memory;
        if (old) forget_replica(replica.first);
        return old;
    });
    if (waits_at && now - *waits_at > waits_memory) not_blocked();
}

void Instruments::World::forget_replica(std::string const& replica) {
    for (auto* family : {&lag_seconds, &lag_bytes, &lag_known}) drop(*family, {{"replica", replica}});
}

void Instruments::World::phase(std::optional<Phase> now) {
    for (auto const one : phases)
        run_phase.Add({{"plan", plan}, {"phase", text_of(name(one))}}).Set(now == one ? 1 : 0);
}

void Instruments::World::state(RunState now) {
    for (auto const one : states)
        run_state.Add({{"plan", plan}, {"state", text_of(name(one))}}).Set(now == one ? 1 : 0);
}

void Instruments::World::free_pace() {
    held.clear();
    pace.Add({}).Set(1);
    for (auto const label : labels_of_reasons()) throttle_active.Add({{"reason", text_of(label)}}).Set(0);
}

void Instruments::World::leave_gates() {
    for (auto const& gate : gates) drop(gate_since, {{"plan", plan}, {"gate", gate}});
    gates.clear();
}

/// The end when the work of that step was never announced: a proof may fill again what it missed.
std::map<Instruments::World::WorkKey, Instruments::World::Work>::iterator Instruments::World::find(
    BatchDone const& batch) {
    // By step, because a batch names the partition that it worked on, and the work is that of the whole table.
    auto const of_step = [&](bool proof) {
        return std::ranges::find_if(
            works, [&](auto const& one) { return one.second.step == batch.step && one.first.second == proof; });
    };
    if (auto const found = of_step(batch.proof); found != works.end() || !batch.proof) return found;
    auto const guessed = of_step(false);
    if (guessed == works.end()) return guessed;
    for (auto* family : {&rows_done, &rows_estimate, &pages_done, &pages_total, &progress_ratio})
        drop(*family, labels(guessed->first));
    drop_eta(guessed->first);
    forget_way(guessed->first);
    auto node = works.extract(guessed);
    node.key().second = true;
    works.erase(node.key());
    return works.insert(std::move(node)).position;
}

void Instruments::World::show(WorkKey const& key, Work const& work) {
    auto const of = labels(key);
    auto const number = [](std::int64_t n) { return static_cast<double>(n); };
    rows_done.Add(of).Set(number(work.rows_done));
    rows_estimate.Add(of).Set(number(work.rows_estimate));
    pages_done.Add(of).Set(number(work.pages_done));
    pages_total.Add(of).Set(number(work.pages));
    double const ratio = work.pages > 0 ? number(work.pages_done) / number(work.pages) : 1.0;
    progress_ratio.Add(of).Set(std::clamp(ratio, 0.0, 1.0));
}

std::string Instruments::World::table_of(std::string const& step, std::string const& leaf) const {
    auto const found = std::ranges::find_if(works, [&](auto const& one) { return one.second.step == step; });
    return found == works.end() ? leaf : found->first.first;
}

void Instruments::World::forget_way(WorkKey const& key) {
    Labels const of{{"plan", plan}, {"table", key.first}};
    drop(hot_ratio, of);
    for (auto const way : ways) {
        auto with = of;
        with["way"] = text_of(name(way));
        drop(fill_way, with);
    }
}

void Instruments::World::no_workers() {
    drop(workers, {{"plan", plan}});
    working.clear();
}

void Instruments::World::blocked(std::string const& step, std::size_t count) {
    if (blocked_step != step) blocked_since.Add({{"plan", plan}}).Set(timestamp(at));
    blocked_step = step;
    blockers.Add({{"plan", plan}}).Set(static_cast<double>(count));
}

void Instruments::World::not_blocked() {
    drop(blocked_since, {{"plan", plan}});
    drop(blockers, {{"plan", plan}});
    blocked_step.clear();
    waits_at.reset();
}

void Instruments::World::no_forecast() {
    drop(window_closes, {{"plan", plan}});
    for (auto const* bound : bounds)
        for (auto* family : {&forecast_at, &forecast_openings}) drop(*family, {{"plan", plan}, {"bound", bound}});
}

void Instruments::World::drop_eta(WorkKey const& key) {
    for (auto* family : {&eta, &eta_low, &eta_high}) drop(*family, labels(key));
}

void Instruments::World::show_eta() {
    for (auto const& [key, work] : works) {
        drop_eta(key);
        if (work.over) continue;
        auto const of = labels(key);
        auto const pages = static_cast<double>(work.pages - work.pages_done);
        if (auto const left = work.rate.time_for(pages, at)) eta.Add(of).Set(static_cast<double>(left->count()));
        if (auto const range = work.rate.range_for(pages, at)) {
            eta_low.Add(of).Set(static_cast<double>(range->low.count()));
            eta_high.Add(of).Set(static_cast<double>(range->high.count()));
        }
    }
}

void Instruments::World::operator()(RunBegan const& event) {
    for (auto const& [key, work] : works) drop_eta(key);
    no_workers();
    no_forecast();
    not_blocked();
    leave_gates();
    works.clear();
    steps.clear();
    plan = event.plan;
    drop(ended, {{"plan", plan}});
    drop(quarantine_ends, {{"plan", plan}});
    phase({});
    state(RunState::running);
    free_pace();
    progress();
}

void Instruments::World::operator()(PhaseBegan const& event) { phase(event.phase); }

void Instruments::World::operator()(StepBegan const& event) {
    steps[event.step] = event.phase;
    not_blocked();
}

void Instruments::World::operator()(StepDone const& event) {
    step_duration.Add({{"plan", plan}, {"phase", text_of(name(event.phase))}}, step_seconds())
        .Observe(seconds(event.took));
    for (auto& [key, work] : works)
        if (work.step == event.step) work.over = true;
    if (working == event.step) no_workers();
    no_forecast();
    not_blocked();
    progress();
}

void Instruments::World::operator()(StepUndone const&) {
    not_blocked();
    progress();
}

void Instruments::World::operator()(WorkKnown const& event) {
    auto const step = steps.find(event.step);
    bool const proof = event.proof || (step != steps.end() && step->second == Phase::proof);
    auto& known = works[{event.table, proof}];
    // Two steps may fill one table; the series tell of the one that works now.
    if (known.step != event.step) {
        known = {};
        known.step = event.step;
        if (!proof) forget_way({event.table, proof});
    }
    known.pages = event.pages;
    known.pages_done = event.pages_done;
    known.rows_estimate = event.rows_estimate;
    known.rows_done = event.rows_done;
    known.over = false;
    show({event.table, proof}, known);
}

void Instruments::World::operator()(BatchDone const& event) {
    WorkKey key{event.table, event.proof};
    if (auto const found = find(event); found != works.end()) {
        auto& doing = found->second;
        key = found->first;
        doing.pages_done += event.pages;
        doing.rows_done += event.rows;
        doing.rate.add(at, event.took, static_cast<double>(event.pages));
        doing.written += event.rows;
        doing.hot += event.hot;
        if (!key.second && doing.written > 0)
            hot_ratio.Add({{"plan", plan}, {"table", key.first}})
                .Set(std::clamp(static_cast<double>(doing.hot) / static_cast<double>(doing.written), 0.0, 1.0));
        show(key, doing);
    }
    batch_duration.Add(labels(key), batch_seconds()).Observe(seconds(event.took));
    batch_size.Add(labels(key), batch_rows()).Observe(static_cast<double>(event.rows));
    progress();
}

void Instruments::World::operator()(BatchRetried const& event) {
    batch_retries.Add({{"plan", plan}, {"table", event.table}}).Increment();
}

void Instruments::World::operator()(WayChanged const& event) {
    auto const table = table_of(event.step, event.table);
    for (auto const way : ways)
        fill_way.Add({{"plan", plan}, {"table", table}, {"way", text_of(name(way))}}).Set(way == event.way ? 1 : 0);
}

void Instruments::World::operator()(WorkersChanged const& event) {
    working = event.step;
    workers.Add({{"plan", plan}}).Set(event.workers);
}

void Instruments::World::operator()(Vacuumed const& event) {
    Labels const of{{"plan", plan}, {"table", table_of(event.step, event.table)}};
    vacuums.Add(of).Increment();
    vacuum_seconds.Add(of).Increment(seconds(std::max(event.took, Millis{0})));
    progress();
}

void Instruments::World::operator()(TableSized const& event) {
    Labels const of{{"plan", plan}, {"table", event.table}};
    auto const bytes = static_cast<double>(event.bytes);
    table_bytes.Add(of).Set(bytes);
    table_growth.Add(of).Set(event.bytes_before > 0 ? bytes / static_cast<double>(event.bytes_before) : 1.0);
    dead_rows.Add(of).Set(static_cast<double>(event.dead_rows));
}

void Instruments::World::operator()(LockTried const& event) {
    lock_attempts.Add({{"outcome", event.got ? "got" : "busy"}}).Increment();
    if (event.got)
        not_blocked();
    else
        blocked(event.step, event.blockers.size());
}

void Instruments::World::operator()(BlockerEnded const& event) {
    blockers_ended.Add({{"how", event.session ? "terminated" : "canceled"}}).Increment();
}

void Instruments::World::operator()(WaitsFor const& event) {
    blocked(event.step, event.blockers.size());
    waits_at = at;
}

void Instruments::World::operator()(PaceChanged const& event) {
    free_pace();
    pace.Add({}).Set(std::clamp(event.pace, 0.0, 1.0));
    if (!(event.pace < 1)) return;
    for (auto const& reason : event.reasons) held.insert(text_of(throttle_reason(reason)));
    if (held.empty()) held.insert(text_of(other));
    for (auto const& reason : held) throttle_active.Add({{"reason", reason}}).Set(1);
}

void Instruments::World::operator()(ReplicaLag const& event) {
    Labels const of{{"replica", event.replica}};
    replicas[event.replica] = at;
    lag_known.Add(of).Set(event.lag ? 1 : 0);
    if (event.lag) {
        lag_seconds.Add(of).Set(seconds(*event.lag));
        lag_bytes.Add(of).Set(static_cast<double>(event.bytes));
    } else {
        drop(lag_seconds, of);
        drop(lag_bytes, of);
    }
}

void Instruments::World::operator()(SignalsJudged const& event) {
    std::set<std::pair<std::string, std::string>> now;
    for (auto const& one : event.signals) {
        now.emplace(one.signal, one.subject);
        Labels const of{{"signal", one.signal}, {"subject", one.subject}};
        auto const set = [&](Family<Gauge>& family, std::optional<double> value) {
            if (value)
                family.Add(of).Set(*value);
            else
                drop(family, of);
        };
        set(signal_value, one.value);
        set(signal_limit, one.limit > 0 ? std::optional{one.limit} : std::nullopt);
        set(signal_load, one.load);
    }
    for (auto const& [signal, subject] : measured)
        if (!now.contains({signal, subject}))
            for (auto* family : {&signal_value, &signal_limit, &signal_load})
                drop(*family, {{"signal", signal}, {"subject", subject}});
    measured = std::move(now);
}

void Instruments::World::operator()(ForecastMade const& event) {
    no_forecast();
    if (event.text.empty()) return;
    auto const set = [&](Family<Gauge>& family, char const* bound, double value) {
        family.Add({{"plan", plan}, {"bound", bound}}).Set(value);
    };
    set(forecast_openings, "low", event.openings_low);
    set(forecast_openings, "high", event.openings_high);
    if (event.low) set(forecast_at, "low", timestamp(*event.low));
    if (event.high) set(forecast_at, "high", timestamp(*event.high));
    if (event.closes) window_closes.Add({{"plan", plan}}).Set(timestamp(*event.closes));
}

void Instruments::World::operator()(Paused const&) { state(RunState::paused); }

void Instruments::World::operator()(Resumed const&) { state(gates.empty() ? RunState::running : RunState::waiting); }

void Instruments::World::operator()(SettingChanged const&) {}

void Instruments::World::operator()(GateOpened const& event) {
    gates.insert(event.gate);
    gate_since.Add({{"plan", plan}, {"gate", event.gate}}).Set(timestamp(at));
    state(RunState::waiting);
}

void Instruments::World::operator()(GateApproved const& event) {
    drop(gate_since, {{"plan", plan}, {"gate", event.gate}});
    gates.erase(event.gate);
    state(RunState::running);
}

void Instruments::World::operator()(ProofDone const& event) {
    mismatches.Add({{"plan", plan}, {"table", event.table}}).Set(static_cast<double>(event.rows_wrong));
}

void Instruments::World::operator()(Warned const&) { warnings.Add({}).Increment(); }

void Instruments::World::operator()(ConnectionLost const&) {
    errors.Add({{"code", text_of(name(Code::connection_lost))}}).Increment();
    no_workers();
    no_forecast();
    not_blocked();
}

void Instruments::World::operator()(Stopped const& event) {
    errors.Add({{"code", text_of(name(event.why.code))}}).Increment();
    free_pace();
    no_workers();
    no_forecast();
    not_blocked();
    leave_gates();
    // A refusal may come before any run began.
    if (plan.empty()) return;
    state(RunState::stopped);
    ended.Add({{"plan", plan}}).Set(timestamp(at));
}

void Instruments::World::operator()(RunDone const& event) {
    free_pace();
    no_workers();
    no_forecast();
    not_blocked();
    for (auto& [key, work] : works) work.over = true;
    // `--no-wait` ends a run that goes on waiting at its gate.
    if (event.state != RunState::waiting) leave_gates();
    if (event.state == RunState::done || event.state == RunState::undone) phase({});
    if (event.state == RunState::quarantined) phase(Phase::quarantine);
    if (event.until_at) quarantine_ends.Add({{"plan", plan}}).Set(timestamp(*event.until_at));
    state(event.state);
    ended.Add({{"plan", plan}}).Set(timestamp(at));
}

Instruments::Instruments(std::string version) : world_{std::make_unique<World>(std::move(version))} {}
Instruments::~Instruments() = default;

void Instruments::hear(Event const& event) noexcept {
    world_->advance(event.at);
    std::visit(*world_, event.what);
}

std::string Instruments::text() const {
    world_->show_eta();
    auto families = world_->registry.Collect();
    // The registry keeps series in a hash table; people and tests compare two scrapes.
    std::erase_if(families, [](auto const& family) { return family.metric.empty(); });
    std::ranges::sort(families, {}, &prometheus::MetricFamily::name);
    for (auto& family : families)
        std::ranges::sort(family.metric, {}, [](auto const& metric) {
            std::string key;
            for (auto const& label : metric.label) key += label.name + '\x01' + label.value + '\x02';
            return key;
        });
    std::ostringstream out;
    prometheus::TextSerializer{}.Serialize(out, families);
    return out.str();
}

}  // namespace weir
