#include "orchestrator/signals/replication_lag.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

using Field = std::optional<std::string>;

/// A row of pg_stat_replication as measure() gives it.
struct Standby {
    std::string application{"r1"};
    int pid{100};
    Field address{"10.0.0.1"};
    Field state{"streaming"};
    std::optional<std::int64_t> replayed{};
    Field replay_lag{};
};

Standby standby(std::string application, std::int64_t replayed) {
    Standby made;
    made.application = std::move(application);
    made.replayed = replayed;
    return made;
}

Outcome answer(std::int64_t current, std::vector<Standby> const& standbys) {
    Outcome outcome;
    auto const lsn = std::to_string(current);
    for (auto const& one : standbys)
        outcome.rows.push_back({{one.application, std::to_string(one.pid), one.address, one.state,
                                 one.replayed ? Field{std::to_string(*one.replayed)} : Field{}, one.replay_lag, lsn}});
    if (standbys.empty()) outcome.rows.push_back({{{}, {}, {}, {}, {}, {}, lsn}});
    return outcome;
}

std::vector<std::string> told(std::vector<Reading> const& readings) {
    std::vector<std::string> lines;
    for (auto const& reading : readings) {
        EXPECT_EQ(reading.signal, "replication_lag");
        EXPECT_EQ(reading.unit, "s");
        EXPECT_EQ(reading.value.has_value(), reading.problem.empty());
        auto const lag =
            reading.value ? std::to_string(static_cast<int>(*reading.value * 1000)) + " ms" : reading.problem;
        lines.push_back(reading.subject + ": " + lag);
    }
    return lines;
}

struct ReplicationLagTest : testing::Test {
    auto read(int ms, std::int64_t current, std::vector<Standby> const& standbys) {
        return told(lag.read(answer(current, standbys), Millis{ms}));
    }
    ReplicationLag lag;
};

TEST_F(ReplicationLagTest, AsksOnlyForPhysicalStandbys) {
    auto const text = to_text(ReplicationLag::measure());
    EXPECT_THAT(text, HasSubstr("pg_stat_replication"));
    EXPECT_THAT(text, HasSubstr("slot_type = 'logical'"));
    EXPECT_THAT(text, HasSubstr("'backup'"));
    EXPECT_THAT(text, Not(HasSubstr("{")));
}

TEST_F(ReplicationLagTest, NoReplicaIsNoReading) {
    EXPECT_THAT(read(0, 100, {}), IsEmpty());
    EXPECT_THAT(read(1000, 200, {}), IsEmpty());
}

TEST_F(ReplicationLagTest, IsTheAgeOfThePointThatWasReplayed) {
    EXPECT_THAT(read(0, 100, {standby("r1", 100)}), ElementsAre("r1: 0 ms"));
    // Between two measurements as if all had been written evenly.
    EXPECT_THAT(read(1000, 200, {standby("r1", 150)}), ElementsAre("r1: 500 ms"));
    EXPECT_THAT(read(2000, 300, {standby("r1", 200)}), ElementsAre("r1: 1000 ms"));
    EXPECT_THAT(read(3000, 400, {standby("r1", 290)}), ElementsAre("r1: 1100 ms"));
    EXPECT_THAT(read(4000, 500, {standby("r1", 500)}), ElementsAre("r1: 0 ms"));
    // Since it was written, though the primary stood there much longer.
    EXPECT_THAT(read(5000, 600, {standby("r1", 600)}), ElementsAre("r1: 0 ms"));
    EXPECT_THAT(read(9000, 600, {standby("r1", 550)}), ElementsAre("r1: 4500 ms"));
    EXPECT_THAT(read(10'000, 700, {standby("r1", 600)}), ElementsAre("r1: 1000 ms"));
}

TEST_F(ReplicationLagTest, GivesBytes) {
    auto const readings = lag.read(answer(5'000'000'000'000, {standby("r1", 4'999'999'999'000)}), Millis{0});
    ASSERT_EQ(readings.size(), 1U);
    EXPECT_EQ(readings[0].bytes, 1000);
    EXPECT_EQ(readings[0].limit, 0);
}

TEST_F(ReplicationLagTest, AnIdlePrimaryHasNoLag) {
    read(0, 100, {standby("r1", 50)});
    for (int ms = 1000; ms < 3'600'000; ms += 60'000)
        ASSERT_THAT(read(ms, 100, {standby("r1", 100)}), ElementsAre("r1: 0 ms"));
    // The first write after an idle hour is as old as the last look, not an hour.
    EXPECT_THAT(read(3'700'000, 100, {standby("r1", 100)}), ElementsAre("r1: 0 ms"));
    EXPECT_THAT(read(3'701'000, 130, {standby("r1", 100)}), ElementsAre("r1: 1000 ms"));
}

TEST_F(ReplicationLagTest, APausedReplayGrowsAlthoughTheServerSaysOtherwise) {
    auto paused = standby("r1", 100);
    paused.replay_lag = "0.002";
    read(0, 100, {paused});
    EXPECT_THAT(read(1000, 200, {paused}), ElementsAre("r1: 1000 ms"));
    EXPECT_THAT(read(9000, 900, {paused}), ElementsAre("r1: 9000 ms"));
    paused.replay_lag.reset();
    EXPECT_THAT(read(10'000, 900, {paused}), ElementsAre("r1: 10000 ms")) << "idle again, and still behind";
    paused.replayed = 900;
    EXPECT_THAT(read(11'000, 900, {paused}), ElementsAre("r1: 0 ms"));
}

TEST_F(ReplicationLagTest, BehindTheHistoryTheLargerOfTwoCounts) {
    auto late = standby("r1", 10);
    late.replay_lag = "7.5";
    EXPECT_THAT(read(0, 100, {late}), ElementsAre("r1: 7500 ms"));
    EXPECT_THAT(read(5000, 200, {late}), ElementsAre("r1: 7500 ms"));
    EXPECT_THAT(read(9000, 300, {late}), ElementsAre("r1: 9000 ms"));
    late.replay_lag.reset();
    EXPECT_THAT(read(10'000, 300, {late}), ElementsAre("r1: 10000 ms"));
}

TEST_F(ReplicationLagTest, TheHistoryIsBoundAndStillReachesBack) {
    auto paused = standby("r1", 5);
    for (int second = 0; second < 20'000; ++second) {
        auto const readings = lag.read(answer(second * 10, {paused}), Millis{second * 1000});
        ASSERT_EQ(readings.size(), 1U);
        // It stands halfway between the first two measurements.
        ASSERT_GE(readings[0].value.value(), second == 0 ? 0 : second - 0.501);
    }
    // Thinned, and still right where all was written evenly.
    auto const late = lag.read(answer(200'000, {standby("r1", 100'000)}), Millis{20'000'000});
    EXPECT_NEAR(late[0].value.value(), 10'000, 0.1);
    auto const near = lag.read(answer(200'000, {standby("r1", 199'990)}), Millis{20'000'000});
    EXPECT_DOUBLE_EQ(near[0].value.value(), 1);
}

TEST_F(ReplicationLagTest, AnLsnThatFallsBeginsANewHistory) {
    read(0, 1000, {standby("r1", 1000)});
    EXPECT_THAT(read(5000, 900, {standby("r1", 900)}), ElementsAre("r1: 0 ms"));
    EXPECT_THAT(read(6000, 950, {standby("r1", 890)}), ElementsAre("r1: 1000 ms"));
}

TEST_F(ReplicationLagTest, AReplicaThatVanishedIsGoneUntilItIsBack) {
    read(0, 100, {standby("r1", 100), standby("r2", 100)});
    EXPECT_THAT(read(1000, 200, {standby("r2", 200)}), ElementsAre("r2: 0 ms", "r1: replica r1 is gone"));
    EXPECT_THAT(read(2000, 200, {}), ElementsAre("r1: replica r1 is gone", "r2: replica r2 is gone"));
    auto back = standby("r1", 150);
    back.pid = 777;
    back.address = "10.9.9.9";
    back.state = "catchup";
    EXPECT_THAT(read(3000, 300, {back, standby("r2", 300)}), ElementsAre("r1: 2500 ms", "r2: 0 ms"));
}

TEST_F(ReplicationLagTest, OneThatIsExpectedMustBeThereFromTheStart) {
    lag = ReplicationLag{{"r1", "r2"}};
    EXPECT_THAT(read(0, 100, {}), ElementsAre("r1: replica r1 is not there", "r2: replica r2 is not there"));
    EXPECT_THAT(read(1000, 100, {standby("r3", 100), standby("r2", 100)}),
                ElementsAre("r2: 0 ms", "r3: 0 ms", "r1: replica r1 is not there"));
    EXPECT_THAT(read(2000, 100, {standby("r1", 100)}),
                ElementsAre("r1: 0 ms", "r2: replica r2 is gone", "r3: replica r3 is gone"));
    Outcome broken;
    broken.fate = Fate::lost;
    broken.message = "closed";
    lag = ReplicationLag{{"r1"}};
    EXPECT_THAT(told(lag.read(broken, Millis{3000})), ElementsAre("r1: the primary did not answer: closed"));
}

TEST_F(ReplicationLagTest, OneThatIsExpectedMustReplay) {
    lag = ReplicationLag{{"r1"}};
    auto archive = standby("r1", 0);
    archive.replayed.reset();
    EXPECT_THAT(read(0, 100, {archive}), ElementsAre("r1: replica r1 is not there"));
    Standby hidden;
    hidden.state.reset();
    EXPECT_THAT(read(1000, 100, {hidden}), ElementsAre(HasSubstr("needs pg_monitor")));
    EXPECT_THAT(read(2000, 100, {}), ElementsAre("r1: replica r1 is not there"));
}

TEST_F(ReplicationLagTest, BytesAreTheSameReadings) {
    lag = ReplicationLag{{"r2"}};
    auto const lags = lag.read(answer(5000, {standby("r1", 3000)}), Millis{0});
    auto const bytes = ReplicationLag::bytes(lags);
    ASSERT_EQ(bytes.size(), 2U);
    EXPECT_EQ(bytes[0].signal, "replication_bytes");
    EXPECT_EQ(bytes[0].subject, "r1");
    EXPECT_EQ(bytes[0].unit, "B");
    EXPECT_EQ(bytes[0].value, 2000);
    EXPECT_EQ(bytes[1].value, std::nullopt);
    EXPECT_EQ(bytes[1].problem, "replica r2 is not there");
}

TEST_F(ReplicationLagTest, StatesOfASender) {
    struct Case {
        Field state;
        std::string told;
    };
    for (auto const& [state, expected] :
         {Case{"streaming", "r1: 0 ms"}, Case{"catchup", "r1: 0 ms"},
          Case{"startup", "r1: replica r1 is not streaming (startup)"},
          Case{"stopping", "r1: replica r1 is not streaming (stopping)"},
          Case{{}, "r1: the lag of replica r1 cannot be read; weir's role needs pg_monitor"}}) {
        auto one = standby("r1", 100);
        one.state = state;
        EXPECT_THAT(told(ReplicationLag{}.read(answer(100, {one}), Millis{0})), ElementsAre(expected));
    }
}

TEST_F(ReplicationLagTest, WithoutPrivilegeNothingIsKnown) {
    Standby hidden;
    hidden.address.reset();
    hidden.state.reset();
    EXPECT_THAT(read(0, 100, {hidden}), ElementsAre(HasSubstr("needs pg_monitor")));
    EXPECT_THAT(read(1000, 100, {}), IsEmpty()) << "it may have been a backup";
}

TEST_F(ReplicationLagTest, AReceiverThatOnlyStoresIsNoReplica) {
    Standby archive;
    archive.application = "pg_receivewal";
    EXPECT_THAT(read(0, 100, {archive, standby("r1", 100)}), ElementsAre("r1: 0 ms"));
    EXPECT_THAT(read(1000, 100, {standby("r1", 100)}), ElementsAre("r1: 0 ms"));
    auto silent = standby("r1", 0);
    silent.replayed.reset();
    EXPECT_THAT(read(2000, 100, {silent}), ElementsAre("r1: replica r1 does not say what it has replayed"));
}

TEST_F(ReplicationLagTest, ReplicasOfOneNameAreToldApart) {
    auto const at = [](int pid, Field address, std::int64_t replayed) {
        auto made = standby("walreceiver", replayed);
        made.pid = pid;
        made.address = std::move(address);
        return made;
    };
    EXPECT_THAT(read(0, 100, {at(1, "10.0.0.1", 100)}), ElementsAre("walreceiver: 0 ms"));
    EXPECT_THAT(read(1000, 200, {at(1, "10.0.0.1", 200), at(2, "10.0.0.2", 100)}),
                ElementsAre("walreceiver@10.0.0.1: 0 ms", "walreceiver@10.0.0.2: 1000 ms"));
    EXPECT_THAT(
        read(2000, 300, {at(1, "10.0.0.1", 300), at(2, "10.0.0.2", 100), at(3, "10.0.0.2", 300)}),
        ElementsAre("walreceiver@10.0.0.1: 0 ms", "walreceiver@10.0.0.2: 2000 ms", "walreceiver@10.0.0.2#2: 0 ms"));
    // All move, then one vanishes: by address and pid it is known which.
    read(3000, 400, {at(1, "10.0.0.1", 400), at(2, "10.0.0.2", 400), at(3, "10.0.0.2", 400)});
    EXPECT_THAT(read(4000, 400, {at(2, "10.0.0.2", 400), at(3, "10.0.0.2", 400)}),
                ElementsAre("walreceiver@10.0.0.2: 0 ms", "walreceiver@10.0.0.2#2: 0 ms",
                            "walreceiver@10.0.0.1: replica walreceiver@10.0.0.1 is gone"));
    // Local sockets have no address.
    ReplicationLag local;
    EXPECT_THAT(told(local.read(answer(10, {at(1, {}, 10), at(2, {}, 10)}), Millis{0})),
                ElementsAre("walreceiver: 0 ms", "walreceiver#2: 0 ms"));
}

TEST_F(ReplicationLagTest, TheDeadConnectionOfOneThatCameBackIsNobody) {
    auto old = standby("r1", 100);
    read(0, 100, {old});
    auto fresh = standby("r1", 200);
    fresh.pid = 555;
    EXPECT_THAT(read(1000, 200, {old, fresh}), ElementsAre("r1@10.0.0.1: 1000 ms", "r1@10.0.0.1#2: 0 ms"));
    fresh.replayed = 300;
    EXPECT_THAT(read(2000, 300, {old, fresh}), ElementsAre("r1@10.0.0.1: 2000 ms", "r1@10.0.0.1#2: 0 ms"));
    EXPECT_THAT(read(3000, 300, {fresh}), ElementsAre("r1: 0 ms"));
    EXPECT_THAT(read(4000, 300, {}), ElementsAre("r1: replica r1 is gone"));
}

TEST_F(ReplicationLagTest, WhatFailsIsNotKnown) {
    Outcome broken;
    broken.fate = Fate::lost;
    broken.message = "server closed the connection";
    EXPECT_THAT(told(lag.read(broken, Millis{0})),
                ElementsAre(": the primary did not answer: server closed the connection"));
    read(1000, 100, {standby("r1", 100)});
    EXPECT_THAT(told(lag.read(broken, Millis{2000})),
                ElementsAre("r1: the primary did not answer: server closed the connection"));
    EXPECT_THAT(told(lag.read({}, Millis{3000})), ElementsAre(HasSubstr("no rows")));
    Outcome odd;
    odd.rows.push_back({{"r1", "1"}});
    EXPECT_THAT(told(lag.read(odd, Millis{4000})), ElementsAre(HasSubstr("no rows")));
    auto garbled = answer(100, {standby("r1", 100)});
    garbled.rows[0].fields[6] = "0/3000060";
    EXPECT_THAT(told(lag.read(garbled, Millis{5000})), ElementsAre(HasSubstr("no rows")));
    EXPECT_THAT(read(6000, 100, {standby("r1", 100)}), ElementsAre("r1: 0 ms"));
}

}  // namespace
}  // namespace weir
