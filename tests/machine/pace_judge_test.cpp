#include "orchestrator/machine/pace_judge.h"

#include <gtest/gtest.h>

#include <map>

namespace weir {
namespace {

Reading lag_of(int replica, Millis at) {
    Reading reading;
    reading.signal = "replication_lag";
    reading.subject = "r" + std::to_string(replica);
    reading.value = 0.1;
    reading.at = at;
    return reading;
}

/// A hundred replicas on sessions of their own, each measured four times a second: all readings come with each answer.
TEST(PaceJudge, TellsOfAReplicaWhenItWasMeasured) {
    constexpr int replicas = 100, rounds = 4;
    PaceJudge judge;
    Settings const settings;
    std::vector<Reading> readings;
    for (int i = 0; i < replicas; ++i) readings.push_back(lag_of(i, Millis{0}));
    std::map<std::string, int> told;
    for (int round = 0; round < rounds; ++round)
        for (int i = 0; i < replicas; ++i) {
            Millis const now{round * 250 + i};
            readings[static_cast<std::size_t>(i)] = lag_of(i, now);
            Commands out;
            judge.measured({readings}, settings, Stamp{Instant{}, now}, out);
            for (auto const& command : out)
                if (auto const* announced = std::get_if<Announce>(&command))
                    if (auto const* lag = std::get_if<ReplicaLag>(&announced->event.what)) ++told[lag->replica];
        }
    ASSERT_EQ(told.size(), std::size_t{replicas});
    for (auto const& [replica, times] : told) EXPECT_LE(times, rounds + 1) << replica;
}

}  // namespace
}  // namespace weir
