#pragma once
/// Both ways of measuring replicas at work against real servers, and the pulse that they need.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "orchestrator/postgres/leadership.h"
#include "orchestrator/signals/pulse.h"
#include "orchestrator/signals/replica.h"
#include "orchestrator/signals/replication_lag.h"
#include "tests/support/cluster.h"

namespace weir::tests {

using namespace std::chrono_literals;

inline constexpr auto plan_name = "p";

/// A database with a ledger, led by us.
struct Led {
    explicit Led(Cluster& cluster);
    Epoch raise();

    Database db;
    boost::asio::io_context io;
    std::unique_ptr<Asker> control;
    RunId run{7};
    Epoch epoch{};
};

/// Runs what is started until told otherwise; every reading is kept by signal and subject.
class Watchers {
  public:
    explicit Watchers(Led& led) : led_{led}, timer_{led.io} {}
    ~Watchers();
    Watchers(Watchers const&) = delete;
    Watchers& operator=(Watchers const&) = delete;

    Pulse::Config pulse_config();
    void start_pulse(Pulse::Config config);
    void start_pulse() { start_pulse(pulse_config()); }
    /// REQUIRES a pulse.
    void watch(std::vector<weir::Replica> replicas);
    /// Asks the primary every 50 ms, as the eye does.
    void ask_primary(std::vector<std::string> expected = {});

    /// Runs until it is so; false when the deadline passes first.
    bool until(std::function<bool()> const& condition, std::chrono::milliseconds deadline = 30s);
    /// The newest reading; one without value and problem before the first.
    Reading commit() const { return last(commit_, ""); }
    Reading by_heartbeat(std::string const& replica = "r1") const { return last(heartbeat_, replica); }
    Reading by_primary(std::string const& replica = "r1") const { return last(primary_, replica); }
    Pulse& pulse() { return *pulse_; }
    ReplicaWatch& replicas() { return *watch_; }

  private:
    using Readings = std::map<std::string, Reading>;
    static Reading last(Readings const& readings, std::string const& subject);
    static void keep(Readings& into, std::vector<Reading> readings);
    void measure();

    Led& led_;
    boost::asio::steady_timer timer_;
    std::unique_ptr<Pulse> pulse_;
    std::unique_ptr<ReplicaWatch> watch_;
    std::unique_ptr<Session> eye_;
    ReplicationLag lag_;
    Readings commit_, heartbeat_, primary_;
};

}  // namespace weir::tests
