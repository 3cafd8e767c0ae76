#include "orchestrator/signals/pulse.h"

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <charconv>
#include <chrono>
#include <optional>
#include <utility>

#include "orchestrator/postgres/session.h"
#include "orchestrator/signals/back_off.h"
#include "orchestrator/signals/commit_latency.h"
#include "orchestrator/signals/table_size.h"

namespace weir {
namespace {

using Clock = std::chrono::steady_clock;

constexpr Millis lock_limit{500};
constexpr Millis statement_limit{2000};
constexpr Limits picture_limits{lock_limit, statement_limit, Millis{5000}};
constexpr Millis picture_period{1000};
/// Somebody's ALTER comes first, and so does the next beat.
constexpr Limits size_limits{Millis{10}, Millis{1000}, Millis{2000}};
constexpr Millis tell_period{250};

Millis steady(Clock::time_point time) { return std::chrono::duration_cast<Millis>(time.time_since_epoch()); }
double seconds(Clock::duration time) { return std::chrono::duration<double>(time).count(); }

std::optional<std::int64_t> number(Outcome const& outcome) {
    if (outcome.rows.size() != 1 || outcome.rows[0].fields.size() != 1 || !outcome.rows[0].fields[0]) return {};
    auto const& text = *outcome.rows[0].fields[0];
    std::int64_t value{};
    auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc{} && end == text.data() + text.size() ? std::optional{value} : std::nullopt;
}

bool gone(Outcome const& outcome) { return outcome.fate == Fate::lost || outcome.fate == Fate::in_doubt; }

}  // namespace

struct Pulse::World : std::enable_shared_from_this<Pulse::World> {
    World(boost::asio::any_io_executor executor, Config given)
        : home{std::move(executor)},
          config{std::move(given)},
          beats{config.period},
          sizes{config.tables},
          timer{home} {}

    enum class Doing { resting, connecting, idle, beating, drawing, sizing };

    boost::asio::any_io_executor home;
    Config config;
    Beats beats;
    TableSizes sizes;
    CommitLatency latency;
    BackOff back_off;
    boost::asio::steady_timer timer;
    std::unique_ptr<Session> session;
    Doing doing{Doing::resting};
    Clock::time_point next{};  // when to connect, or to beat
    Clock::time_point sent{}, next_picture{}, next_size{};
    std::string problem{"no heartbeat was written yet"};
    bool stopped{};

    void start() {
        session = std::make_unique<Session>(home, config.conninfo,
                                            SessionRole{("weir " + config.plan + " pulse").substr(0, 63), false});
        next = Clock::now();
        wake();
    }

    void stop() {
        stopped = true;
        timer.cancel();
        session.reset();
    }

    void wake() {
        if (stopped) return;
        auto const now = Clock::now();
        if (now >= next && doing == Doing::resting) connect();
        if (now >= next && doing == Doing::idle) beat();
        tell();
        arm();
    }

    void arm() {
        if (stopped) return;
        auto at = Clock::now() + tell_period;
        if (doing == Doing::resting || doing == Doing::idle) at = std::min(at, next);
        timer.expires_at(at);
        timer.async_wait([self = weak_from_this()](boost::system::error_code error) {
            auto const world = self.lock();
            if (!error && world) world->wake();
        });
    }

    void connect() {
        doing = Doing::connecting;
        session->connect([this](Outcome const& outcome) {
            if (outcome.fate != Fate::done) return failed(outcome);
            doing = Doing::idle;
            next = Clock::now();
            wake();
        });
    }

    void beat() {
        doing = Doing::beating;
        sent = Clock::now();
        next = sent + config.period;
        session->execute(write_beat(config.run, config.epoch), Transaction::implicit,
                         {lock_limit, statement_limit, config.give_up},
                         [this](Outcome const& outcome) { answered(outcome); });
    }

    void answered(Outcome const& outcome) {
        auto const now = Clock::now();
        auto const beat = number(outcome);
        if (outcome.fate != Fate::done || !beat) return failed(outcome);
        // `took` is measured beside the io thread, which may be busy, but in whole milliseconds.
        latency.took(std::min(seconds(now - sent), seconds(outcome.took + Millis{1})), steady(now));
        beats.note(*beat, steady(now));
        problem.clear();
        back_off.reset();
        doing = Doing::idle;
        if (!size()) draw();
        if (config.beaten) config.beaten();
        wake();
    }

    /// In the place of a picture, which is drawn at the next beat then.
    bool size() {
        if (!config.sized || config.tables.empty() || Clock::now() < next_size) return false;
        next_size = Clock::now() + config.size_period;
        doing = Doing::sizing;
        session->execute(sizes.measure(), Transaction::implicit, size_limits, [this](Outcome const& outcome) {
            if (gone(outcome)) return failed(outcome);
            doing = Doing::idle;
            for (auto& table : sizes.read(outcome))
                if (!stopped) config.sized(std::move(table));
            wake();
        });
        return true;
    }

    void draw() {
        if (!config.picture || Clock::now() < next_picture) return;
        auto const picture = config.picture();
        if (picture.empty() || stopped) return;
        next_picture = Clock::now() + picture_period;
        doing = Doing::drawing;
        // Of its own: it must not be part of what a commit takes, and what is wrong with it must not stop the beats.
        session->execute(write_picture(config.run, config.epoch, picture), Transaction::implicit, picture_limits,
                         [this](Outcome const& outcome) {
                             if (gone(outcome)) return failed(outcome);
                             doing = Doing::idle;
                             wake();
                         });
    }

    void failed(Outcome const& outcome) {
        problem = "the heartbeat cannot be written: " + (outcome.message.empty() ? "no answer" : outcome.message);
        latency.forget();
        bool const connected = doing != Doing::connecting && !gone(outcome);
        doing = connected ? Doing::idle : Doing::resting;
        next = Clock::now() + (connected ? std::max(config.period, picture_period) : back_off.next());
        wake();
    }

    void tell() const {
        auto const now = Clock::now();
        Reading reading;
        reading.signal = "commit_latency";
        reading.unit = "s";
        auto const waited = doing == Doing::beating ? std::optional{seconds(now - sent)} : std::nullopt;
        if (problem.empty() || doing == Doing::beating) reading.value = latency.value(steady(now), waited);
        if (!reading.value) reading.problem = problem.empty() ? "no heartbeat was written yet" : problem;
        if (config.give) config.give({std::move(reading)}, steady(now));
    }
};

Pulse::Pulse(boost::asio::any_io_executor home, Config config)
    : world_{std::make_shared<World>(std::move(home), std::move(config))} {}
Pulse::~Pulse() { stop(); }
void Pulse::start() { world_->start(); }
void Pulse::stop() { world_->stop(); }
Beats const& Pulse::beats() const { return world_->beats; }

}  // namespace weir
