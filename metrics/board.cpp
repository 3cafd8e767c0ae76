#include "metrics/board.h"

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>
#include <deque>
#include <map>
#include <optional>

#include "metrics/picture.h"

namespace weir {
namespace {

namespace json = boost::json;

constexpr std::size_t events_at_most = 200;
constexpr std::size_t samples_at_most = 900;
constexpr std::size_t text_at_most = 16 * 1024;
constexpr Millis lock_said_again{10'000};
constexpr Millis whole_age{1000};
/// A lag that was not told of for so long is not known.
constexpr Millis lag_age{10'000};

std::int64_t millis(Instant at) { return at.time_since_epoch().count(); }

std::string cut(std::string text) {
    if (text.size() <= text_at_most) return text;
    auto end = text_at_most;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
    text.resize(end);
    return text + "…";
}

/// `pid 42 (user web, open for 3 s)` as `pid 42`: the age is new in each text.
std::vector<std::string> pids(std::vector<std::string> blockers) {
    for (auto& blocker : blockers) blocker = blocker.substr(0, blocker.find(" ("));
    return blockers;
}

json::object described(BoardStep const& step) {
    json::array locks, notes;
    for (auto const& lock : step.locks)
        locks.push_back(
            json::object{{"table", lock.table.text()}, {"mode", name(lock.mode)}, {"who_waits", who_waits(lock.mode)}});
    for (auto const& note : step.notes) notes.emplace_back(cut(note));
    return {{"step", step.id},      {"phase", name(step.phase)}, {"title", cut(step.title)}, {"kind", step.kind},
            {"sql", cut(step.sql)}, {"locks", std::move(locks)}, {"notes", std::move(notes)}};
}

}  // namespace

struct Board::World {
    struct Progress {
        std::string_view state{"pending"};
        std::optional<Millis> took;
    };
    struct Sample {
        Instant at;
        std::optional<double> rate, lag;
        double pace{1};
    };
    struct Lag {
        Instant at;
        std::optional<Millis> lag;
    };

    struct Judge;
    struct Follow;

    explicit World(Config c) : config{std::move(c)} {}

    /// Whether a person would miss the event.
    bool notable(Event const& event);
    void follow(Event const& event);
    Sample sample(Instant now, json::object const& shown) const;
    json::object news(json::object shown, Sample const& last) const;

    Config config;
    Picture picture;
    std::vector<BoardStep> program;
    std::map<std::string, Progress> progress;
    std::deque<std::string> events;
    std::deque<Sample> samples;
    std::string told;
    bool gate{}, leads{}, held{}, busy{};
    std::string work;
    std::vector<std::string> in_the_way;
    Instant lock_said;
    std::map<std::string, Lag> lags;
    std::shared_ptr<std::string const> whole;  ///< as rendered last; nothing: there are news
    Instant whole_at;
};

struct Board::World::Judge {
    World& w;
    Instant at;
    bool operator()(BatchDone const&) const { return false; }
    bool operator()(SignalsJudged const&) const { return false; }
    bool operator()(ReplicaLag const&) const { return false; }
    bool operator()(DumpGrew const&) const { return false; }
    bool operator()(TableSized const&) const { return false; }
    // Each but an abort has an event of its own besides.
    bool operator()(OrderTaken const& e) const { return e.order == "abort"; }
    bool operator()(WorkKnown const& e) const {
        auto now = e.step + " " + e.table;
        bool const fresh = now != w.work;
        w.work = std::move(now);
        return fresh;
    }
    bool operator()(PaceChanged const& e) const {
        bool const before = std::exchange(w.held, e.pace <= 0);
        return before != w.held;
    }
    bool operator()(LockTried const& e) const {
        if (e.got) return std::exchange(w.busy, false);
        bool const fresh = !std::exchange(w.busy, true);
        return waits(e.blockers, fresh || at - w.lock_said >= lock_said_again);
    }
    bool operator()(WaitsFor const& e) const { return waits(e.blockers, false) && !e.blockers.empty(); }
    bool operator()(StepBegan const&) const {
        w.busy = false;
        w.in_the_way.clear();
        return true;
    }
    bool operator()(auto const&) const { return true; }
    bool waits(std::vector<std::string> const& blockers, bool due) const {
        auto now = pids(blockers);
        bool const others = now != w.in_the_way;
        w.in_the_way = std::move(now);
        if (others || due) w.lock_said = at;
        return others || due;
    }
};

bool Board::World::notable(Event const& event) { return std::visit(Judge{*this, event.at}, event.what); }

struct Board::World::Follow {
    World& w;
    Instant at;
    void operator()(RunBegan const&) const {
        w.leads = true;
        w.held = w.busy = false;
        w.work.clear();
    }
    void operator()(StepBegan const& e) const { w.progress[e.step] = {"running", {}}; }
    void operator()(StepDone const& e) const { w.progress[e.step] = {"done", e.took}; }
    void operator()(StepUndone const& e) const { w.progress[e.step] = {"undone", e.took}; }
    void operator()(ReplicaLag const& e) const { w.lags[e.replica] = {at, e.lag}; }
    void operator()(ConnectionLost const&) const { pause(); }
    void operator()(Stopped const&) const { pause(); }
    void operator()(RunDone const&) const { w.leads = false; }
    void operator()(auto const&) const {}
    void pause() const {
        w.leads = false;
        for (auto& [step, one] : w.progress)
            if (one.state == "running") one.state = "pending";
    }
};

void Board::World::follow(Event const& event) { std::visit(Follow{*this, event.at}, event.what); }

Board::World::Sample Board::World::sample(Instant now, json::object const& shown) const {
    Sample made{now, {}, {}, 1};
    if (auto const* pace = shown.if_contains("pace")) made.pace = pace->to_number<double>();
    if (auto const* doing = shown.if_contains("work"))
        if (auto const* rate = doing->as_object().if_contains("rows_per_second")) made.rate = rate->to_number<double>();
    for (auto const& [replica, one] : lags)
        if (one.lag && now - one.at < lag_age)
            made.lag = std::max(made.lag.value_or(0), static_cast<double>(one.lag->count()) / 1000.0);
    return made;
}

namespace {

json::value number(std::optional<double> value) {
    if (!value || !std::isfinite(*value)) return nullptr;
    return *value;
}

}  // namespace

json::object Board::World::news(json::object shown, Sample const& last) const {
    json::object states;
    for (auto const& [step, one] : progress) {
        json::object state{{"state", one.state}};
        if (one.took) state["took_ms"] = one.took->count();
        states[step] = std::move(state);
    }
    return {{"picture", std::move(shown)},
            {"progress", std::move(states)},
            {"sample", json::array{millis(last.at), number(last.rate), number(last.lag), last.pace}}};
}

namespace {

/// What a person waits for is shown at once; the rest may wait for the next second.
struct Moves {
    bool operator()(WorkKnown const&) const { return false; }
    bool operator()(BatchRetried const&) const { return false; }
    bool operator()(WayChanged const&) const { return false; }
    bool operator()(WorkersChanged const&) const { return false; }
    bool operator()(Vacuumed const&) const { return false; }
    bool operator()(Warned const&) const { return false; }
    bool operator()(ProofDone const&) const { return false; }
    bool operator()(auto const&) const { return true; }
};

}  // namespace

Board::Board(Config config) : world_{std::make_unique<World>(std::move(config))} {}
Board::~Board() = default;

void Board::hear(Event const& event) noexcept {
    auto& w = *world_;
    w.picture.hear(event);
    w.follow(event);
    if (!w.notable(event)) return;
    w.whole.reset();
    auto text = w.config.to_json(event);
    if (text.size() <= text_at_most) {
        if (w.config.tell) w.config.tell("event", text);
        w.events.push_back(std::move(text));
        if (w.events.size() > events_at_most) w.events.pop_front();
    }
    if (std::visit(Moves{}, event.what)) tick(event.at);
}

void Board::steps(std::vector<BoardStep> steps, bool gate, Instant now) {
    auto& w = *world_;
    w.progress.clear();
    for (auto const& step : steps) w.progress[step.id].state = step.done ? "done" : "pending";
    w.program = std::move(steps);
    w.gate = gate;
    w.whole.reset();
    if (w.config.tell) w.config.tell("run", *run(now));
}

void Board::tick(Instant now) {
    auto& w = *world_;
    auto shown = json::parse(w.picture.json(now)).as_object();
    auto const last = w.sample(now, shown);
    bool const due = w.samples.empty() || now - w.samples.back().at >= Millis{900} || now < w.samples.back().at;
    if (due) {
        w.whole.reset();
        w.samples.push_back(last);
        if (w.samples.size() > samples_at_most) w.samples.pop_front();
    }
    auto news = w.news(std::move(shown), last);
    auto content = news;
    content.at("sample").as_array()[0] = 0;
    auto text = json::serialize(content);
    if (text == w.told) return;
    w.whole.reset();
    w.told = std::move(text);
    news["at_ms"] = millis(now);
    if (w.config.tell) w.config.tell("picture", json::serialize(news));
}

std::shared_ptr<std::string const> Board::run(Instant now) const {
    auto& w = *world_;
    // Rates and ages go on though nothing is told.
    if (w.whole && now >= w.whole_at && now - w.whole_at < whole_age) return w.whole;
    auto shown = json::parse(w.picture.json(now)).as_object();
    auto const last = w.sample(now, shown);
    auto all = w.news(std::move(shown), last);
    all.erase("sample");
    all["weir"] = w.config.version;
    all["gate"] = w.gate;
    all["at_ms"] = millis(now);
    json::array steps, events, samples;
    for (auto const& step : w.program) steps.push_back(described(step));
    for (auto const& event : w.events) {
        boost::system::error_code unreadable;
        auto parsed = json::parse(event, unreadable);
        if (!unreadable) events.push_back(std::move(parsed));
    }
    for (auto const& one : w.samples)
        samples.push_back(json::array{millis(one.at), number(one.rate), number(one.lag), one.pace});
    all["steps"] = std::move(steps);
    all["events"] = std::move(events);
    all["samples"] = std::move(samples);
    w.whole = std::make_shared<std::string const>(json::serialize(all));
    w.whole_at = now;
    return w.whole;
}

bool Board::ready() const { return world_->leads; }

}  // namespace weir
