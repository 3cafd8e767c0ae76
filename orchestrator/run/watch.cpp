#include "orchestrator/run/watch.h"

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <map>
#include <optional>
#include <utility>

#include "orchestrator/out/web_watch.h"
#include "orchestrator/run/eye.h"
#include "orchestrator/signals/pulse.h"
#include "orchestrator/signals/replica.h"
#include "plans/reader.h"

namespace weir {
namespace {

namespace asio = boost::asio;

/// A request has two seconds, and the next comes a second after its end.
constexpr Millis web_age{9000};

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
