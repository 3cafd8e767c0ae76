#include "orchestrator/signals/heartbeat.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "orchestrator/signals/back_off.h"
#include "orchestrator/signals/commit_latency.h"
#include "orchestrator/signals/replica.h"

namespace weir {
namespace {

TEST(BeatPeriod, IsAQuarterOfTheSmallestLimitWithinBounds) {
    EXPECT_EQ(beat_period(std::nullopt), Millis{1000});
    EXPECT_EQ(beat_period(60), Millis{1000});
    EXPECT_EQ(beat_period(2), Millis{500});
    EXPECT_EQ(beat_period(0.5), Millis{125});
    EXPECT_EQ(beat_period(0.1), Millis{100});
}

/// Beats every 500 ms, the first (number 10) committed at 1000.
struct HeartbeatTest : testing::Test {
    void until(std::int64_t last) {
        for (auto beat = beats.newest().value_or(9) + 1; beat <= last; ++beat)
            beats.note(beat, Millis{1000 + (beat - 10) * 500});
    }
    std::optional<int> at(int now) const {
        auto const seconds = lag.lag(beats, Millis{now});
        return seconds ? std::optional{static_cast<int>(*seconds * 1000 + 0.5)} : std::nullopt;
    }
    void saw(std::int64_t beat, int now) { lag.saw(beats, beat, Millis{now}); }

    Beats beats{Millis{500}};
    HeartbeatLag lag;
};

TEST_F(HeartbeatTest, NothingIsKnownBeforeABeatOfOursIsThere) {
    EXPECT_EQ(at(0), std::nullopt);
    saw(3, 500);
    EXPECT_EQ(at(500), std::nullopt);
    until(11);
    EXPECT_TRUE(lag.misses(beats));
    EXPECT_EQ(at(1600), std::nullopt) << "a beat of an orchestrator before us";
    saw(10, 1600);
    EXPECT_EQ(at(1600), 600);
}

TEST_F(HeartbeatTest, AnIdlePrimaryReadsWhatABeatTakesToArrive) {
    for (std::int64_t beat = 10; beat < 4000; ++beat) {
        until(beat);
        auto const committed = static_cast<int>(1000 + (beat - 10) * 500);
        saw(beat, committed + 7);
        ASSERT_FALSE(lag.misses(beats));
        ASSERT_EQ(at(committed + 7), 7);
        ASSERT_EQ(at(committed + 499), 7) << "until the next is due";
    }
}

TEST_F(HeartbeatTest, ASteadyLagReadsAsItIs) {
    for (std::int64_t beat = 10; beat < 200; ++beat) {
        // 1.8 s late: when beat n arrives, beats up to n + 3 are committed.
        until(beat + 3);
        auto const arrived = static_cast<int>(1000 + (beat - 10) * 500 + 1800);
        saw(beat, arrived);
        ASSERT_EQ(at(arrived), 1800);
        ASSERT_EQ(at(arrived + 400), 1800);
        ASSERT_TRUE(lag.misses(beats));
    }
}

TEST_F(HeartbeatTest, APausedReplicaGrowsByASecondASecondAndCatchesUp) {
    until(10);
    saw(10, 1001);
    until(100);
    EXPECT_EQ(at(2500), 1000) << "the beat of 1500 is missing";
    EXPECT_EQ(at(3500), 2000);
    saw(10, 46'000);
    EXPECT_EQ(at(46'000), 44'500);
    // Halfway: what it shows now is of 21 s, and it took 25.1 s to come.
    saw(50, 46'100);
    EXPECT_EQ(at(46'100), 25'100);
    saw(100, 46'200);
    EXPECT_EQ(at(46'200), 200);
}

TEST_F(HeartbeatTest, APulseThatStandsStillLooksLikeALag) {
    until(10);
    saw(10, 1010);
    EXPECT_EQ(at(1500), 10);
    EXPECT_EQ(at(4500), 3000) << "the beat of 1500 was due";
}

TEST_F(HeartbeatTest, AReplicaMayShowABeatBeforeItsCommitReturns) {
    until(10);
    saw(11, 1400);
    EXPECT_EQ(at(1400), 0);
    EXPECT_FALSE(lag.misses(beats));
    EXPECT_EQ(at(1950), 50) << "the beat after it was due at 1900";
    until(11);
    EXPECT_EQ(at(1950), 0);
}

TEST_F(HeartbeatTest, ABeatInDoubtIsPassedOver) {
    until(11);
    beats.note(14, Millis{3000});
    saw(13, 3100);
    EXPECT_EQ(at(3100), 1600) << "of the last one before it that is known";
    saw(14, 3100);
    EXPECT_EQ(at(3100), 100);
    saw(11, 3100);
    EXPECT_EQ(at(3100), 1600);
}

TEST_F(HeartbeatTest, AFailoverToAServerThatHadReceivedLessBeginsAnew) {
    until(50);
    saw(50, 21'010);
    beats.note(40, Millis{25'000});
    EXPECT_EQ(beats.newest(), 40);
    EXPECT_EQ(beats.find(39), std::nullopt);
    saw(40, 25'030);
    EXPECT_EQ(at(25'030), 30);
}

TEST_F(HeartbeatTest, WhatIsForgottenMakesALagTooLargeAndNeverTooSmall) {
    until(100'000);
    saw(90'000, 60'000'000);
    int const exact = 60'000'000 - (1000 + (90'000 - 10) * 500);
    ASSERT_TRUE(at(60'000'000));
    EXPECT_GE(*at(60'000'000), exact);
    saw(99'990, 60'000'000);
    EXPECT_EQ(at(60'000'000), 60'000'000 - (1000 + (99'990 - 10) * 500)) << "what is near is remembered";
}

// ---- the time of a commit ----

TEST(CommitLatencyTest, IsTheMedianOfTheLastFiveSeconds) {
    CommitLatency latency;
    EXPECT_EQ(latency.value(Millis{0}, {}), std::nullopt);
    latency.took(0.010, Millis{0});
    EXPECT_EQ(latency.value(Millis{0}, {}), 0.010);
    latency.took(0.900, Millis{1000});
    latency.took(0.020, Millis{2000});
    EXPECT_EQ(latency.value(Millis{2000}, {}), 0.020) << "one slow commit is no reason";
    latency.took(0.900, Millis{3000});
    EXPECT_EQ(latency.value(Millis{3000}, {}), 0.900) << "of the middle two the larger";
    EXPECT_EQ(latency.value(Millis{8500}, {}), 0.900) << "none is recent: the newest";
    latency.took(0.010, Millis{8500});
    EXPECT_EQ(latency.value(Millis{8500}, {}), 0.010);
    latency.forget();
    EXPECT_EQ(latency.value(Millis{8500}, {}), std::nullopt);
}

TEST(CommitLatencyTest, ACommitThatHangsShowsAtOnce) {
    CommitLatency latency;
    EXPECT_EQ(latency.value(Millis{0}, 0.01), std::nullopt);
    EXPECT_EQ(latency.value(Millis{2000}, 2.0), 2.0);
    latency.took(0.010, Millis{2000});
    EXPECT_EQ(latency.value(Millis{2000}, 0.005), 0.010);
    EXPECT_EQ(latency.value(Millis{3000}, 1.0), 1.0);
}

TEST(BackOffTest, DoublesUpToFiveSeconds) {
    BackOff rest;
    std::vector<int> rests;
    for (int i = 0; i < 7; ++i) rests.push_back(static_cast<int>(rest.next().count()));
    EXPECT_THAT(rests, testing::ElementsAre(250, 500, 1000, 2000, 4000, 5000, 5000));
    rest.reset();
    EXPECT_EQ(rest.next(), Millis{250});
}

// ---- both ways together ----

Reading lag_of(std::string subject, std::optional<double> value, std::int64_t bytes = 0) {
    Reading reading;
    reading.signal = "replication_lag";
    reading.subject = std::move(subject);
    reading.value = value;
    reading.bytes = bytes;
    return reading;
}

TEST(Joined, AReplicaThatIsWatchedItselfSpeaksForItself) {
    auto const all = joined({lag_of("r1", 5, 100), lag_of("r2", 6, 200)}, {lag_of("r2", 1), lag_of("r3", {})});
    ASSERT_EQ(all.size(), 3U);
    EXPECT_EQ(all[0].subject, "r2");
    EXPECT_EQ(all[0].value, 1);
    EXPECT_EQ(all[0].bytes, 200);
    EXPECT_EQ(all[1].subject, "r3");
    EXPECT_EQ(all[2].subject, "r1");
    EXPECT_EQ(all[2].value, 5);
}

}  // namespace
}  // namespace weir
