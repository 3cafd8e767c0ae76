#include "watchers.h"

#include <stdexcept>

namespace weir::tests {
namespace {

template <class T>
T must(std::variant<T, Problem> result) {
    if (auto const* problem = std::get_if<Problem>(&result)) throw std::runtime_error{to_text(*problem)};
    return std::get<T>(std::move(result));
}

Millis steady_now() { return std::chrono::duration_cast<Millis>(std::chrono::steady_clock::now().time_since_epoch()); }

}  // namespace

Led::Led(Cluster& cluster)
    : db{cluster.create_database()}, control{must(Asker::open(io, db.conninfo, {"weir p control", true}))} {
    if (auto const problem = make_ledger(*control)) throw std::runtime_error{to_text(*problem)};
    epoch = raise();
}

Epoch Led::raise() { return must(raise_and_wait(*control)); }

Watchers::~Watchers() {
    timer_.cancel();
    watch_.reset();
    pulse_.reset();
    eye_.reset();
    led_.io.restart();
    led_.io.poll();
}

Pulse::Config Watchers::pulse_config() {
    Pulse::Config config;
    config.conninfo = led_.db.conninfo;
    config.plan = plan_name;
    config.run = led_.run;
    config.epoch = led_.epoch;
    config.period = Millis{200};
    config.beaten = [this] {
        if (watch_) watch_->look();
    };
    config.give = [this](std::vector<Reading> readings, Millis) { keep(commit_, std::move(readings)); };
    return config;
}

void Watchers::start_pulse(Pulse::Config config) {
    pulse_ = std::make_unique<Pulse>(led_.io.get_executor(), std::move(config));
    pulse_->start();
}

void Watchers::watch(std::vector<weir::Replica> replicas) {
    ReplicaWatch::Config config{
        plan_name, led_.run, std::move(replicas),
        [this](std::vector<Reading> readings, Millis) { keep(heartbeat_, std::move(readings)); }};
    watch_ = std::make_unique<ReplicaWatch>(led_.io.get_executor(), std::move(config), pulse_->beats());
    watch_->start();
}

void Watchers::ask_primary(std::vector<std::string> expected) {
    lag_ = ReplicationLag{std::move(expected)};
    eye_ = std::make_unique<Session>(led_.io.get_executor(), led_.db.conninfo, SessionRole{"weir p eye", false});
    eye_->connect([this](Outcome const& outcome) {
        if (outcome.fate != Fate::done) throw std::runtime_error{outcome.message};
        measure();
    });
}

void Watchers::measure() {
    eye_->execute(ReplicationLag::measure(), Transaction::implicit, Limits{}, [this](Outcome const& outcome) {
        keep(primary_, lag_.read(outcome, steady_now()));
        timer_.expires_after(50ms);
        timer_.async_wait([this](boost::system::error_code error) {
            if (!error && eye_) measure();
        });
    });
}

bool Watchers::until(std::function<bool()> const& condition, std::chrono::milliseconds deadline) {
    auto const end = std::chrono::steady_clock::now() + deadline;
    led_.io.restart();
    while (!condition()) {
        if (std::chrono::steady_clock::now() >= end) return false;
        led_.io.run_one_for(50ms);
    }
    return true;
}

Reading Watchers::last(Readings const& readings, std::string const& subject) {
    auto const found = readings.find(subject);
    return found == readings.end() ? Reading{} : found->second;
}

void Watchers::keep(Readings& into, std::vector<Reading> readings) {
    for (auto& reading : readings) {
        EXPECT_NE(reading.value.has_value(), !reading.problem.empty()) << reading.problem;
        into[reading.subject] = std::move(reading);
    }
}

}  // namespace weir::tests
