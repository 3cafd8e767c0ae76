#include "orchestrator/signals/replica.h"

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <charconv>
#include <chrono>
#include <utility>

#include "orchestrator/postgres/session.h"
#include "orchestrator/signals/back_off.h"

namespace weir {
namespace {

using Clock = std::chrono::steady_clock;

constexpr Limits look_limits{Millis{500}, Millis{1500}, Millis{2000}};
constexpr Millis tell_period{250};
constexpr Millis absent_rest{250};
constexpr Millis refused_rest{1000};

Millis steady_now() { return std::chrono::duration_cast<Millis>(Clock::now().time_since_epoch()); }

std::optional<std::int64_t> number(std::optional<std::string> const& field) {
    if (!field) return {};
    std::int64_t value{};
    auto const [end, error] = std::from_chars(field->data(), field->data() + field->size(), value);
    return error == std::errc{} && end == field->data() + field->size() ? std::optional{value} : std::nullopt;
}

/// Undefined table or schema: the ledger has not been replayed there yet.
bool no_ledger(Outcome const& outcome) { return outcome.sqlstate == "42P01" || outcome.sqlstate == "3F000"; }

}  // namespace

struct ReplicaWatch::World : std::enable_shared_from_this<ReplicaWatch::World> {
    enum class Doing { resting, connecting, idle, looking };

    struct Watched {
        explicit Watched(Replica replica) : name{std::move(replica.name)}, dsn{std::move(replica.dsn)} {}
        std::string name, dsn;
        std::unique_ptr<Session> session;
        HeartbeatLag lag;
        BackOff back_off;
        Doing doing{Doing::resting};
        Clock::time_point next{};  // when to connect, or to look by itself
        std::string problem;       // why nothing can be said; empty: nothing is wrong
    };

    World(boost::asio::any_io_executor executor, Config given, Beats const& known)
        : home{std::move(executor)}, config{std::move(given)}, beats{known}, timer{home} {
        for (auto const& replica : config.replicas)
            if (!replica.dsn.empty()) watched.push_back(std::make_unique<Watched>(replica));
    }

    boost::asio::any_io_executor home;
    Config config;
    Beats const& beats;
    boost::asio::steady_timer timer;
    std::vector<std::unique_ptr<Watched>> watched;
    bool stopped{};

    void start() {
        for (auto const& one : watched)
            one->session = std::make_unique<Session>(
                home, one->dsn, SessionRole{("weir " + config.plan + " replica").substr(0, 63), false});
        if (!watched.empty()) wake();
    }

    void stop() {
        stopped = true;
        timer.cancel();
        // All are told to end before the first is waited for.
        for (auto const& one : watched)
            if (one->session) one->session->cancel();
        for (auto const& one : watched) one->session.reset();
    }

    void look() {
        for (auto const& one : watched)
            if (one->doing == Doing::idle && one->problem.empty()) one->next = Clock::now();
        if (!watched.empty()) wake();
    }

    void wake() {
        if (stopped) return;
        auto const now = Clock::now();
        auto at = now + tell_period;
        for (auto const& one : watched) {
            if (now >= one->next && one->doing == Doing::resting) connect(*one);
            if (now >= one->next && one->doing == Doing::idle) look(*one);
            if (one->doing == Doing::resting || one->doing == Doing::idle) at = std::min(at, one->next);
        }
        tell();
        if (stopped) return;
        timer.expires_at(at);
        timer.async_wait([self = weak_from_this()](boost::system::error_code error) {
            auto const world = self.lock();
            if (!error && world) world->wake();
        });
    }

    void connect(Watched& one) {
        one.doing = Doing::connecting;
        one.session->connect([this, &one](Outcome const& outcome) {
            if (outcome.fate != Fate::done) return lost(one, outcome);
            one.back_off.reset();
            one.doing = Doing::idle;
            one.next = Clock::now();
            wake();
        });
    }

    void lost(Watched& one, Outcome const& outcome) {
        one.problem = "replica " + one.name + " cannot be reached: " + outcome.message;
        one.doing = Doing::resting;
        one.next = Clock::now() + one.back_off.next();
        wake();
    }

    void look(Watched& one) {
        one.doing = Doing::looking;
        one.session->execute(read_beat(config.run), Transaction::implicit, look_limits,
                             [this, &one](Outcome const& outcome) { looked(one, outcome); });
    }

    void looked(Watched& one, Outcome const& outcome) {
        if (outcome.fate == Fate::lost || outcome.fate == Fate::in_doubt) return lost(one, outcome);
        one.doing = Doing::idle;
        one.next = Clock::now() + judge(one, outcome);
        wake();
    }

    /// What the answer says of the replica; how long to rest before it is asked again, if no beat comes before.
    Millis judge(Watched& one, Outcome const& outcome) const {
        auto const replica = "replica " + one.name;
        auto const row = outcome.rows.empty() ? Row{} : outcome.rows[0];
        if (outcome.fate == Fate::done && row.fields.size() == 2) {
            auto const beat = number(row.fields[1]);
            one.problem.clear();
            if (row.fields[0] != "t") {
                one.problem = replica + " is no replica: the server at its address is not in recovery";
            } else if (!beat) {
                one.problem = replica + " shows no heartbeat of this run";
                return absent_rest;
            } else {
                one.lag.saw(beats, *beat, steady_now());
                if (one.lag.misses(beats)) return again();
            }
        } else if (no_ledger(outcome)) {
            one.problem = replica + " shows no heartbeat of this run";
            return absent_rest;
        } else if (outcome.fate == Fate::refused || outcome.fate == Fate::done) {
            one.problem = replica + " cannot be read: " + outcome.message;
        } else {
            // A conflict with recovery, or a lock that is replayed there: the lag grows meanwhile.
            return again();
        }
        return refused_rest;
    }

    Millis again() const { return std::clamp(beats.period() / 10, Millis{25}, Millis{100}); }

    void tell() const {
        auto const now = steady_now();
        std::vector<Reading> readings;
        for (auto const& one : watched) {
            Reading reading;
            reading.signal = "replication_lag";
            reading.subject = one->name;
            reading.unit = "s";
            reading.problem = one->problem;
            if (one->problem.empty()) {
                reading.value = one->lag.lag(beats, now);
                if (!reading.value) reading.problem = "replica " + one->name + " has not shown a heartbeat yet";
            }
            readings.push_back(std::move(reading));
        }
        if (config.give) config.give(std::move(readings), now);
    }
};

ReplicaWatch::ReplicaWatch(boost::asio::any_io_executor home, Config config, Beats const& beats)
    : world_{std::make_shared<World>(std::move(home), std::move(config), beats)} {}
ReplicaWatch::~ReplicaWatch() { stop(); }
void ReplicaWatch::start() { world_->start(); }
void ReplicaWatch::stop() { world_->stop(); }
void ReplicaWatch::look() { world_->look(); }

std::vector<Reading> joined(std::vector<Reading> by_primary, std::vector<Reading> const& by_heartbeat) {
    std::vector<Reading> all = by_heartbeat;
    for (auto& estimate : by_primary) {
        auto const own = std::ranges::find(all, estimate.subject, &Reading::subject);
        if (own == all.end())
            all.push_back(std::move(estimate));
        else
            own->bytes = estimate.bytes;
    }
    return all;
}

}  // namespace weir
