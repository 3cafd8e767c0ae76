#include "metrics/picture.h"

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>
#include <deque>
#include <optional>

#include "metrics/rate.h"

namespace weir {
namespace {

namespace json = boost::json;

/// Of the leaves that were told of last.
constexpr std::size_t ways_at_most = 16;

std::int64_t millis(Instant at) { return at.time_since_epoch().count(); }

json::array texts(std::vector<std::string> const& all) {
    json::array array;
    for (auto const& one : all) array.emplace_back(one);
    return array;
}

json::object signal(SignalState const& one) {
    json::object object{{"signal", one.signal}, {"age_ms", one.age.count()}, {"holds", one.holds}};
    if (!one.subject.empty()) object["subject"] = one.subject;
    if (!one.unit.empty()) object["unit"] = one.unit;
    if (one.value && std::isfinite(*one.value)) object["value"] = *one.value;
    if (one.limit > 0) object["limit"] = one.limit;
    if (one.load && std::isfinite(*one.load)) object["load"] = *one.load;
    if (!one.problem.empty()) object["problem"] = one.problem;
    return object;
}

}  // namespace

struct Picture::World {
    struct Work {
        std::string step, table;
        std::int64_t pages{}, pages_done{}, rows_estimate{}, rows_done{}, written{}, hot{};
        bool proof{};
        Rate page_rate{}, row_rate{};
    };

    void operator()(RunBegan const& e) {
        began = at;
        lost.clear();
        plan = e.plan;
        run = e.run;
        steps = e.steps;
        state = RunState::running;
    }
    void operator()(PhaseBegan const& e) { phase = name(e.phase); }
    void operator()(StepBegan const& e) {
        step = e.step;
        title = e.title;
        phase = name(e.phase);
        proving = e.phase == Phase::proof;
        leave();
    }
    void operator()(StepDone const&) { leave_step(); }
    void operator()(StepUndone const&) { leave_step(); }
    void operator()(WorkKnown const& e) {
        if (!work || work->step != e.step || work->table != e.table) {
            work.emplace();
            work->step = e.step;
            work->table = e.table;
            work->proof = e.proof || proving;
        }
        work->pages = e.pages;
        work->pages_done = e.pages_done;
        work->rows_estimate = e.rows_estimate;
        work->rows_done = e.rows_done;
    }
    void operator()(BatchDone const& e) {
        if (!work || work->step != e.step || (work->proof && !e.proof)) return;
        work->proof = e.proof;
        work->pages_done += e.pages;
        work->rows_done += e.rows;
        work->written += e.rows;
        work->hot += e.hot;
        work->page_rate.add(at, e.took, static_cast<double>(e.pages));
        work->row_rate.add(at, e.took, static_cast<double>(e.rows));
    }
    void operator()(BatchRetried const&) {}
    void operator()(WayChanged const& e) {
        std::erase_if(ways, [&](auto const& way) { return way.table == e.table; });
        ways.push_back(e);
        if (ways.size() > ways_at_most) ways.pop_front();
    }
    void operator()(WorkersChanged const& e) { workers = e; }
    void operator()(Vacuumed const&) {}
    void operator()(LockTried const& e) {
        lock.reset();
        if (!e.got) lock = e;
    }
    void operator()(BlockerEnded const&) {}
    void operator()(WaitsFor const& e) { lock = LockTried{e.step, false, {}, e.blockers}; }
    void operator()(PaceChanged const& e) { pace = e; }
    void operator()(ReplicaLag const&) {}
    void operator()(SignalsJudged const& e) {
        signals = e;
        judged = at;
    }
    void operator()(ForecastMade const& e) { forecast = e; }
    void operator()(Paused const& e) { paused_by = e.user; }
    void operator()(Resumed const&) { paused_by.clear(); }
    void operator()(SettingChanged const&) {}
    void operator()(GateOpened const& e) {
        gate = e.gate;
        gate_since = at;
        gate_notes = e.notes;
        votes.reset();
        leave_step();
    }
    void operator()(GateVoted const& e) { votes = e; }
    void operator()(GateApproved const&) {
        gate.clear();
        gate_notes.clear();
        votes.reset();
    }
    void operator()(ProofDone const&) {}
    void operator()(DumpGrew const& e) { dumped = e.bytes; }
    void operator()(BackedUp const&) {}
    void operator()(TableSized const&) {}
    void operator()(OrderTaken const&) {}
    void operator()(Serving const&) {}
    void operator()(Warned const& e) {
        warning = e.message;
        warning_hint = e.hint;
        warned = at;
    }
    void operator()(ConnectionLost const& e) {
        // What holds on the next connection is told there, some of it before RunBegan.
        World fresh;
        fresh.at = fresh.lost_at = at;
        fresh.plan = plan;
        fresh.run = run;
        fresh.steps = steps;
        fresh.phase = phase;
        fresh.state = state;
        fresh.lost = e.message;
        *this = std::move(fresh);
    }
    void operator()(Stopped const& e) {
        leave_step();
        lost.clear();
        state = RunState::stopped;
        why = e.why;
        ended = at;
    }
    void operator()(RunDone const& e) {
        // The display ends at the gate, too, when nobody may wait there.
        if (e.state != RunState::stopped || !why) state = e.state;
        leave_step();
        ended = at;
    }

    /// What belonged to the step before.
    void leave() {
        work.reset();
        dumped.reset();
        ways.clear();
        workers.reset();
        lock.reset();
        forecast = {};
    }
    void leave_step() {
        leave();
        step.clear();
        title.clear();
    }
    RunState shown() const {
        if (state != RunState::running) return state;
        if (!paused_by.empty()) return RunState::paused;
        return gate.empty() ? RunState::running : RunState::waiting;
    }
    json::object of_work(Instant now) const;

    Instant at;
    std::string plan, phase, step, title, gate, paused_by, warning, warning_hint, lost;
    std::int64_t run{};
    int steps{};
    RunState state{RunState::pending};
    bool proving{};
    Instant began, ended, gate_since, judged, warned, lost_at;
    std::vector<std::string> gate_notes;
    std::optional<GateVoted> votes;
    std::optional<Problem> why;
    std::optional<Work> work;
    std::optional<std::int64_t> dumped;
    std::deque<WayChanged> ways;
    std::optional<WorkersChanged> workers;
    std::optional<LockTried> lock;
    PaceChanged pace;
    ForecastMade forecast;
    SignalsJudged signals;
};

json::object Picture::World::of_work(Instant now) const {
    json::object object{{"table", work->table},
                        {"proof", work->proof},
                        {"pages", work->pages},
                        {"pages_done", work->pages_done},
                        {"rows_estimate", work->rows_estimate},
                        {"rows_done", work->rows_done}};
    if (auto const rate = work->row_rate.per_second(now)) object["rows_per_second"] = std::llround(*rate);
    auto const left = static_cast<double>(std::max<std::int64_t>(work->pages - work->pages_done, 0));
    if (auto const time = work->page_rate.time_for(left, now)) object["eta_s"] = time->count();
    if (auto const range = work->page_rate.range_for(left, now)) {
        object["eta_low_s"] = range->low.count();
        object["eta_high_s"] = range->high.count();
    }
    if (forecast.step == work->step && !forecast.text.empty()) object["forecast"] = forecast.text;
    if (!work->proof && work->written > 0)
        object["hot_ratio"] = static_cast<double>(work->hot) / static_cast<double>(work->written);
    return object;
}

Picture::Picture() : world_{std::make_unique<World>()} {}
Picture::~Picture() = default;

void Picture::hear(Event const& event) noexcept {
    world_->at = event.at;
    std::visit(*world_, event.what);
}

std::string Picture::json(Instant now) const {
    auto const& w = *world_;
    json::object object{{"plan", w.plan}, {"run", w.run}, {"state", name(w.shown())}, {"pace", w.pace.pace}};
    if (!w.phase.empty()) object["phase"] = w.phase;
    if (!w.step.empty()) {
        object["step"] = w.step;
        object["title"] = w.title;
    }
    if (!w.pace.reasons.empty()) object["reasons"] = texts(w.pace.reasons);
    if (w.work) object["work"] = w.of_work(now);
    if (w.dumped) object["dump_bytes"] = *w.dumped;
    json::array ways;
    for (auto const& way : w.ways)
        ways.push_back(json::object{{"table", way.table}, {"way", name(way.way)}, {"reason", way.reason}});
    if (!ways.empty()) object["ways"] = std::move(ways);
    if (w.workers) {
        object["workers"] = w.workers->workers;
        object["workers_reason"] = w.workers->reason;
    }
    if (w.lock) object["blockers"] = texts(w.lock->blockers);
    if (!w.signals.signals.empty()) {
        json::array signals;
        auto const since = std::max(now - w.judged, Millis{0});
        for (auto one : w.signals.signals) {
            one.age += since;
            signals.push_back(signal(one));
        }
        object["signals"] = std::move(signals);
    }
    if (!w.gate.empty()) {
        object["gate"] = w.gate;
        object["gate_since_ms"] = millis(w.gate_since);
        if (!w.gate_notes.empty()) object["gate_notes"] = texts(w.gate_notes);
        if (w.votes) {
            object["approvals"] = w.votes->have;
            object["approvals_needed"] = w.votes->needed;
        }
    }
    if (!w.paused_by.empty()) object["paused_by"] = w.paused_by;
    if (!w.warning.empty()) {
        object["warning"] = w.warning;
        object["warned_ms"] = millis(w.warned);
        if (!w.warning_hint.empty()) object["warning_hint"] = w.warning_hint;
    }
    if (!w.lost.empty()) {
        object["connection_lost"] = w.lost;
        object["connection_lost_ms"] = millis(w.lost_at);
    }
    if (w.why)
        object["stopped"] =
            json::object{{"code", name(w.why->code)}, {"message", w.why->message}, {"hint", w.why->hint}};
    if (w.steps > 0) object["steps"] = w.steps;
    if (w.began > Instant{}) object["began_ms"] = millis(w.began);
    if (w.ended > Instant{}) object["ended_ms"] = millis(w.ended);
    return json::serialize(object);
}

}  // namespace weir
