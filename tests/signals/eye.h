#pragma once
/// What the tests of the signals share: a session that measures, and sessions that are measured.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "orchestrator/postgres/ask.h"
#include "orchestrator/signals/signal.h"
#include "tests/support/cluster.h"

namespace weir::tests {

/// As the eye of the plan `plan` does it.
class Eye {
  public:
    explicit Eye(std::string const& conninfo) {
        auto opened = Asker::open(io_, conninfo, SessionRole{"weir plan eye", false});
        if (auto* problem = std::get_if<Problem>(&opened)) throw std::runtime_error{problem->message};
        asker_ = std::get<std::unique_ptr<Asker>>(std::move(opened));
    }

    std::vector<Reading> measure(Signal& signal, Millis now = steady(),
                                 Limits limits = {Millis{100}, Millis{5000}, {}}) {
        return signal.read(asker_->ask(signal.measure(), limits), now);
    }
    /// Of a signal with one reading.
    Reading one(Signal& signal, Millis now = steady(), Limits limits = {Millis{100}, Millis{5000}, {}}) {
        auto readings = measure(signal, now, limits);
        EXPECT_EQ(readings.size(), 1U);
        return readings.empty() ? Reading{} : readings.front();
    }
    /// Measures until it is so; gives the last reading, and fails the test when the deadline passes.
    Reading until(Signal& signal, std::function<bool(Reading const&)> const& so) {
        Reading last;
        EXPECT_TRUE(wait_until([&] { return so(last = one(signal)); }))
            << last.signal << " is " << last.value.value_or(-1) << ", problem: " << last.problem
            << ", remark: " << last.remark;
        return last;
    }
    Asker& asker() { return *asker_; }

    static Millis steady() {
        return std::chrono::duration_cast<Millis>(std::chrono::steady_clock::now().time_since_epoch());
    }

  private:
    boost::asio::io_context io_;
    std::unique_ptr<Asker> asker_;
};

/// A session that introduces itself so.
inline std::string named(std::string const& conninfo, std::string const& application) {
    return conninfo + " application_name='" + application + "'";
}

/// A role that may log in and nothing else; made once a server.
inline std::string nobody(Cluster& cluster) {
    query(cluster.conninfo(),
          "DO $$ BEGIN IF to_regrole('nobody_much') IS NULL THEN CREATE ROLE nobody_much LOGIN; END IF; END $$");
    return "nobody_much";
}

/// Waits until the session waits for a lock.
inline void wait_for_lock(Cluster& cluster, Client const& client) {
    Client watch{cluster.conninfo()};
    EXPECT_TRUE(wait_until([&] {
        return watch.value("SELECT count(*) FROM pg_locks WHERE NOT granted AND waitstart IS NOT NULL AND pid = " +
                           std::to_string(client.backend())) == "1";
    }));
}

inline Outcome answer_of(std::vector<std::vector<Field>> rows) {
    Outcome outcome;
    for (auto& row : rows) outcome.rows.push_back({std::move(row)});
    return outcome;
}

}  // namespace weir::tests
