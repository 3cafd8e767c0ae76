#include "orchestrator/cli/watch.h"

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <map>
#include <optional>
#include <utility>

#include "orchestrator/cli/alarm.h"
#include "orchestrator/out/web_watch.h"
#include "orchestrator/postgres/session.h"
#include "orchestrator/signals/pulse.h"
#include "orchestrator/signals/replica.h"
#include "orchestrator/signals/replication_lag.h"
#include "orchestrator/signals/signals.h"
#include "plans/keys.h"
#include "plans/reader.h"

namespace weir {
namespace {

namespace asio = boost::asio;

constexpr Millis reconnect_rest{1000};
constexpr Millis least_age{2000};
/// A request has two seconds, and the next comes a second after its end.
constexpr Millis web_age{9000};
constexpr Limits small{Millis{1000}, Millis{1500}, Millis{2000}};

Millis steady_now() { return std::chrono::duration_cast<Millis>(std::chrono::steady_clock::now().time_since_epoch()); }

/// Between two measurements: what the fill moves at once is looked at often, what takes hours seldom.
Millis poll_of(std::string_view signal, std::optional<double> limit) {
    struct Poll {
        std::string_view signal;
        Millis every;
    };
    static constexpr std::array polls{Poll{"replication_lag", Millis{250}},  Poll{"blocked_by_us", Millis{250}},
                                      Poll{"lock_queue", Millis{250}},       Poll{"wal_rate", Millis{500}},
                                      Poll{"active_sessions", Millis{500}},  Poll{"oldest_xmin", Millis{2000}},
                                      Poll{"archive_backlog", Millis{5000}}, Poll{"slot_retention", Millis{5000}},
                                      Poll{"freeze_age", Millis{10'000}}};
    auto const* const found =
        std::find_if(polls.begin(), polls.end(), [&](auto const& p) { return p.signal == signal; });
    auto const every = found == polls.end() ? Millis{1000} : found->every;
    // A lag may read too large by one poll: under a small limit the polls must be closer, or it would hold for ever.
    if (signal == "replication_lag" && limit)
        return std::clamp(Millis{static_cast<std::int64_t>(*limit * 250)}, Millis{25}, every);
    return every;
}

/// A signal of the primary with its poll.
struct Due {
    std::string key;  ///< signal, and the name of a query
    std::unique_ptr<Signal> signal;
    Millis every{};
    Millis next{};
};

/// The lag as one of the others.
class LagSignal : public Signal {
  public:
    explicit LagSignal(std::vector<std::string> expected) : lag_{std::move(expected)} {}
    Batch measure() const override { return ReplicationLag::measure(); }
    std::vector<Reading> read(Outcome const& outcome, Millis now) override {
        auto lags = lag_.read(outcome, now);
        auto const bytes = ReplicationLag::bytes(lags);
        lags.insert(lags.end(), bytes.begin(), bytes.end());
        return lags;
    }

  private:
    ReplicationLag lag_;
};

/// Those that the primary must show; the others are asked themselves.
std::vector<std::string> names_of(std::vector<Replica> const& replicas) {
    std::vector<std::string> names;
    for (auto const& replica : replicas)
        if (replica.dsn.empty()) names.push_back(replica.name);
    return names;
}

std::vector<Due> dues_of(Settings const& settings, std::string const& plan, std::vector<TableName> const& tables,
                         bool queries) {
    auto const& throttle = settings.throttle;
    std::vector<Due> dues;
    if (queries) {
        Asked asked{plan, {}, tables, {}};
        for (auto const& one : throttle.sql)
            if (one.ask) asked.sql.push_back({one.name, *one.ask});
        auto signals = signals_of(asked);
        for (std::size_t i = 0; i < signals.size(); ++i)
            dues.push_back({"sql " + asked.sql[i].name, std::move(signals[i]), poll_of("sql", {}), {}});
        return dues;
    }
    if (throttle.limit("replication_lag") || throttle.limit("replication_bytes") || !settings.replicas.empty())
        dues.push_back({"replication_lag",
                        std::make_unique<LagSignal>(names_of(settings.replicas)),
                        poll_of("replication_lag", throttle.limit("replication_lag")),
                        {}});
    for (auto const& signal : keys::signals) {
        if (!throttle.limit(signal.name)) continue;
        Asked const asked{plan, {std::string{signal.name}}, tables, {}};
        for (auto& one : signals_of(asked))
            dues.push_back(
                {std::string{signal.name}, std::move(one), poll_of(signal.name, throttle.limit(signal.name)), {}});
    }
    return dues;
}

/// Asks the primary for each signal when it is due, one after the other on one session.
class Eye {
  public:
    Eye(asio::io_context& io, std::string conninfo, std::string name,
        std::function<void(std::string const& key, std::vector<Reading>)> give)
        : io_{io},
          conninfo_{std::move(conninfo)},
          name_{std::move(name)},
          give_{std::move(give)},
          timer_{io.get_executor()} {}

    /// From the next question on.
    void ask_for(std::vector<Due> dues) {
        dues_ = std::move(dues);
        asking_ = nullptr;
        if (!session_ && !dues_.empty() && !stopped_) connect();
    }
    void stop() {
        stopped_ = true;
        timer_.cancel();
        session_.reset();
    }

  private:
    void connect() {
        connected_ = false;
        session_ = std::make_unique<Session>(io_.get_executor(), conninfo_, SessionRole{name_, false});
        session_->connect([this](Outcome outcome) {
            if (outcome.fate == Fate::done) {
                connected_ = true;
                next();
            } else {
                lost(outcome);
            }
        });
    }
    void next() {
        if (dues_.empty()) return after(least_age, [this] { next(); });
        auto& due =
            *std::min_element(dues_.begin(), dues_.end(), [](Due const& a, Due const& b) { return a.next < b.next; });
        auto const now = steady_now();
        if (due.next > now) return after(due.next - now, [this] { next(); });
        asking_ = &due;
        auto const sent = now;
        session_->execute(due.signal->measure(), Transaction::implicit, small, [this, sent](Outcome outcome) {
            if (asking_) {
                auto& asked = *std::exchange(asking_, nullptr);
                asked.next = sent + asked.every;
                tell(asked, outcome, sent);
            }
            if (stopped_) return;
            if (outcome.fate == Fate::lost || outcome.fate == Fate::in_doubt)
                lost(outcome);
            else
                next();
        });
    }
    /// Nobody is measured any more: each says why.
    void lost(Outcome const& outcome) {
        for (auto& due : dues_)
            if (!stopped_) tell(due, outcome, steady_now());
        after(reconnect_rest, [this] { connect(); });
    }
    void tell(Due& due, Outcome const& outcome, Millis at) {
        auto readings = due.signal->read(outcome, at);
        for (auto& reading : readings) {
            reading.at = at;
            reading.max_age = std::max(3 * due.every, least_age);
        }
        give_(due.key, std::move(readings));
    }
    void after(Millis time, std::function<void()> then) {
        if (!stopped_) timer_.in(time, std::move(then));
    }

    asio::io_context& io_;
    std::string conninfo_, name_;
    std::function<void(std::string const&, std::vector<Reading>)> give_;
    Alarm timer_;
    std::vector<Due> dues_;
    Due* asking_{};
    std::unique_ptr<Session> session_;
    bool connected_{}, stopped_{};
};

}  // namespace

struct Watch::World {
    World(asio::io_context& i, Config c)
        : io{i},
          config{std::move(c)},
          eye{io, config.conninfo, "weir " + config.plan + " eye", noter()},
          queries{io, config.conninfo, "weir " + config.plan + " queries", noter()} {}

    std::function<void(std::string const&, std::vector<Reading>)> noter() {
        return [this](std::string const& key, std::vector<Reading> readings) { note(key, std::move(readings)); };
    }
    void start_pulse() {
        std::optional<double> least;
        bool const addresses =
            std::ranges::any_of(config.settings.replicas, [](auto const& r) { return !r.dsn.empty(); });
        if (addresses) least = config.settings.throttle.limit("replication_lag");
        Pulse::Config made;
        made.conninfo = config.conninfo;
        made.plan = config.plan;
        made.run = config.run;
        made.epoch = config.epoch;
        made.period = beat_period(least);
        made.picture = config.picture;
        made.tables = config.tables;
        made.sized = config.sized;
        made.beaten = [this] {
            if (replicas) replicas->look();
        };
        made.give = [this, age = std::max(3 * made.period, least_age)](std::vector<Reading> readings, Millis at) {
            stamp(readings, at, age);
            note("commit_latency", std::move(readings));
        };
        pulse.emplace(io.get_executor(), std::move(made));
        if (addresses) {
            ReplicaWatch::Config looked;
            looked.plan = config.plan;
            looked.run = config.run;
            looked.replicas = config.settings.replicas;
            looked.give = [this, age = std::max(3 * made.period, least_age)](std::vector<Reading> readings, Millis at) {
                stamp(readings, at, age);
                note("replica", std::move(readings));
            };
            replicas.emplace(io.get_executor(), std::move(looked), pulse->beats());
            replicas->start();
        }
        pulse->start();
    }
    void follow_settings() {
        latest.erase("replication_lag");
        if (config.settings.throttle.none()) {
            web.reset();
            eye.ask_for({});
            queries.ask_for({});
            latest.clear();
            return;
        }
        auto dues = dues_of(config.settings, config.plan, config.tables, false);
        auto asked = dues_of(config.settings, config.plan, config.tables, true);
        std::map<std::string, std::vector<Reading>> now;
        for (auto const* all : {&dues, &asked})
            for (auto const& due : *all)
                if (auto const old = latest.find(due.key); old != latest.end()) now.insert(*old);
        for (auto const* other : {"commit_latency", "replica"})
            if (auto const old = latest.find(other); old != latest.end()) now.insert(*old);
        latest = std::move(now);
        for (auto const* all : {&dues, &asked})
            for (auto const& due : *all)
                if (!latest.contains(due.key)) latest[due.key] = not_yet(due.key);
        if (config.settings.throttle.limit("commit_latency") && !latest.contains("commit_latency"))
            latest["commit_latency"] = not_yet("commit_latency");
        eye.ask_for(std::move(dues));
        queries.ask_for(std::move(asked));
        ask_web();
    }
    void ask_web() {
        auto const& throttle = config.settings.throttle;
        web.reset();
        for (auto const* signal : {"http", "prometheus"})
            for (auto const& one : std::string_view{signal} == "http" ? throttle.http : throttle.prometheus)
                latest[std::string{signal} + " " + one.name] = not_yet(std::string{signal} + " " + one.name);
        if (throttle.http.empty() && throttle.prometheus.empty()) return;
        WebWatch::Config made;
        made.http = throttle.http;
        made.prometheus = throttle.prometheus;
        made.give = [this](Reading reading, Millis at) {
            auto const key = reading.signal + " " + reading.subject;
            std::vector<Reading> one{std::move(reading)};
            stamp(one, at, web_age);
            note(key, std::move(one));
        };
        web.emplace(io.get_executor(), std::move(made));
        web->start();
    }
    static std::vector<Reading> not_yet(std::string const& key) {
        Reading reading;
        auto const space = key.find(' ');
        reading.signal = key.substr(0, space);
        if (space != std::string::npos) reading.subject = key.substr(space + 1);
        reading.problem = "it has not been measured yet";
        reading.at = steady_now();
        reading.max_age = Millis{60'000};
        return {reading};
    }
    static void stamp(std::vector<Reading>& readings, Millis at, Millis age) {
        for (auto& reading : readings) {
            reading.at = at;
            reading.max_age = age;
        }
    }
    void note(std::string const& key, std::vector<Reading> readings) {
        if (stopped || config.settings.throttle.none()) return;
        latest[key] = std::move(readings);
        Measured all;
        auto const watched = latest.find("replica");
        for (auto const& [from, some] : latest) {
            if (from == "replica") continue;
            auto const& shown =
                from == "replication_lag" && watched != latest.end() ? joined(some, watched->second) : some;
            all.readings.insert(all.readings.end(), shown.begin(), shown.end());
        }
        config.give(std::move(all));
    }

    asio::io_context& io;
    Config config;
    Eye eye, queries;
    std::optional<Pulse> pulse;
    std::optional<ReplicaWatch> replicas;
    std::optional<WebWatch> web;
    std::map<std::string, std::vector<Reading>> latest;  ///< by key
    bool stopped{};
};

Watch::Watch(asio::io_context& io, Config config) : world_{std::make_shared<World>(io, std::move(config))} {}
Watch::~Watch() { stop(); }

void Watch::start() {
    world_->follow_settings();
    world_->start_pulse();
}

void Watch::stop() {
    auto& world = *world_;
    if (std::exchange(world.stopped, true)) return;
    world.eye.stop();
    world.queries.stop();
    if (world.web) world.web->stop();
    if (world.replicas) world.replicas->stop();
    if (world.pulse) world.pulse->stop();
}

void Watch::hear(Event const& event) noexcept {
    auto const* changed = std::get_if<SettingChanged>(&event.what);
    if (!changed || world_->stopped) return;
    auto settings = with_setting(world_->config.settings, changed->key, changed->value);
    if (!std::holds_alternative<Settings>(settings)) return;
    world_->config.settings = std::get<Settings>(std::move(settings));
    world_->follow_settings();
}

Unreadable try_signals(Asker& asker, std::string const& plan, std::vector<TableName> const& tables,
                       Settings& settings) {
    Unreadable found;
    if (settings.throttle.none()) return found;
    for (auto& due : dues_of(settings, plan, tables, false)) {
        for (auto const& reading : due.signal->read(asker.ask(due.signal->measure()), steady_now())) {
            if (reading.value || reading.problem.find("pg_monitor") == std::string::npos) continue;
            auto const words = due.key + " cannot be measured: " + reading.problem;
            bool const needed = due.key == "replication_lag" || settings.throttle.named.contains(due.key);
            if (needed)
                found.problems.push_back(
                    {Code::no_privilege,
                     {},
                     words,
                     "GRANT pg_monitor TO the role that weir uses, or write throttle: { " + due.key + ": none }"});
            else
                found.warnings.push_back(
                    {words, "it is not watched in this run; GRANT pg_monitor TO the role that weir uses"});
            if (!needed) settings.throttle.limits.erase(due.key);
            break;
        }
    }
    return found;
}

}  // namespace weir
