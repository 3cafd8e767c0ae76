#include "orchestrator/machine/pace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

namespace weir {
namespace {

using testing::ElementsAre;
using testing::Field;

Reading lag(std::string replica, double value, double limit = 2) {
    Reading reading;
    reading.signal = "replication_lag";
    reading.subject = std::move(replica);
    reading.value = value;
    reading.limit = limit;
    reading.unit = "s";
    return reading;
}

Reading gone(std::string replica) {
    auto reading = lag(replica, 0);
    reading.value.reset();
    reading.problem = "replica " + std::move(replica) + " is gone";
    return reading;
}

struct PaceTest : testing::Test {
    Pace judge(std::vector<Reading> const& readings) { return controller.judge(readings, Millis{0}, Millis{0}, bound); }
    PaceController controller;
    Millis const bound{3000};
};

TEST_F(PaceTest, GoesWhileAllIsBelow) {
    EXPECT_TRUE(judge({lag("r1", 0), lag("r2", 1.9)}).go);
    EXPECT_TRUE(judge({lag("r1", 2)}).go) << "the limit itself is allowed";
}

TEST_F(PaceTest, StopsAboveTheLimitWithFigures) {
    auto const pace = judge({lag("r1", 3.2), lag("r2", 1), lag("r3", 12.04, 2.5)});
    EXPECT_FALSE(pace.go);
    EXPECT_THAT(pace.reasons,
                ElementsAre("replication lag of r1 is 3.2 s, limit 2 s", "replication lag of r3 is 12 s, limit 2.5 s"));
}

TEST_F(PaceTest, FiguresThatRoundToTheLimitShowMoreDigits) {
    EXPECT_THAT(judge({lag("r1", 2.004)}).reasons, ElementsAre("replication lag of r1 is 2.004 s, limit 2 s"));
}

TEST_F(PaceTest, GoesOnAtFourFifths) {
    struct Move {
        double lag;
        bool go;
    };
    for (auto const& move : {Move{1.7, true}, Move{2.1, false}, Move{1.9, false}, Move{1.61, false}, Move{1.6, true},
                             Move{1.9, true}, Move{2.01, false}, Move{0, true}})
        EXPECT_EQ(judge({lag("r1", move.lag)}).go, move.go) << move.lag;
}

TEST_F(PaceTest, SaysWhereItGoesOn) {
    judge({lag("r1", 3)});
    EXPECT_THAT(judge({lag("r1", 1.8)}).reasons,
                ElementsAre("replication lag of r1 is 1.8 s, goes on at 1.6 s (limit 2 s)"));
}

TEST_F(PaceTest, EachReplicaRemembersForItself) {
    judge({lag("r1", 3), lag("r2", 1)});
    EXPECT_TRUE(judge({lag("r1", 1), lag("r2", 1.9)}).go);
    judge({lag("r1", 3), lag("r2", 1)});
    judge({lag("r2", 1)});
    EXPECT_TRUE(judge({lag("r1", 1.9), lag("r2", 1)}).go) << "who was not measured is forgotten";
}

TEST_F(PaceTest, WhatCannotBeReadStops) {
    EXPECT_THAT(judge({gone("r1")}).reasons, ElementsAre("replication lag is not known: replica r1 is gone"));
    EXPECT_FALSE(judge({lag("r1", 1.9)}).go) << "back, but not yet well below";
    EXPECT_TRUE(judge({lag("r1", 0.5)}).go);
    auto silent = gone("r1");
    silent.problem.clear();
    EXPECT_THAT(judge({silent}).reasons, ElementsAre("replication lag is not known for r1"));
}

TEST_F(PaceTest, ANumberThatIsNoneStops) {
    EXPECT_FALSE(judge({lag("r1", std::numeric_limits<double>::quiet_NaN())}).go);
    EXPECT_FALSE(judge({lag("r1", std::numeric_limits<double>::infinity())}).go);
    EXPECT_FALSE(judge({lag("r1", 1e300)}).go);
}

TEST_F(PaceTest, WithoutALimitNothingStops) {
    EXPECT_TRUE(judge({lag("r1", 100, 0)}).go);
    auto unlimited = gone("r1");
    unlimited.limit = 0;
    EXPECT_TRUE(judge({unlimited}).go);
}

TEST_F(PaceTest, OldMeasurementsStop) {
    std::vector const readings{lag("r1", 0.1)};
    EXPECT_TRUE(controller.judge(readings, Millis{1000}, Millis{4000}, bound).go);
    EXPECT_THAT(controller.judge(readings, Millis{1000}, Millis{4001}, bound).reasons,
                ElementsAre("replication lag was last measured 3.001 s ago, limit 3 s"));
    EXPECT_FALSE(controller.judge({}, Millis{1000}, Millis{9000}, bound).go) << "the eye is blind: no replica seen";
    EXPECT_TRUE(controller.judge(readings, Millis{9000}, Millis{9000}, bound).go);
}

TEST_F(PaceTest, BeforeTheFirstMeasurementItStops) {
    EXPECT_THAT(controller.judge({}, {}, Millis{0}, bound).reasons, ElementsAre("signals have not been measured yet"));
}

TEST_F(PaceTest, NoReplicaIsNoLimit) { EXPECT_TRUE(judge({}).go); }

TEST_F(PaceTest, BranchesByCopy) {
    judge({lag("r1", 3)});
    auto other = controller;
    EXPECT_TRUE(judge({lag("r1", 0)}).go);
    EXPECT_FALSE(other.judge({lag("r1", 1.9)}, Millis{0}, Millis{0}, bound).go);
}

// ---- the pace -----------------------------------------------------------------------------------------------------

struct MovingPace : PaceTest {
    Millis now{0};

    Pace after(Millis time, std::vector<Reading> const& readings) {
        now += time;
        return controller.judge(readings, now, now, bound);
    }
    /// The same again and again, four times a second.
    Pace for_seconds(int seconds, std::vector<Reading> const& readings) {
        Pace pace;
        for (int i = 0; i < 4 * seconds; ++i) pace = after(Millis{250}, readings);
        return pace;
    }
};

Reading rate(double value, double limit = 100) {
    Reading reading;
    reading.signal = "wal_rate";
    reading.value = value;
    reading.limit = limit;
    reading.unit = "MB/s";
    return reading;
}

TEST_F(MovingPace, WithoutALimitItIsFull) {
    EXPECT_EQ(after(Millis{0}, {}).pace, 1);
    auto const pace = after(Millis{250}, {lag("r1", 100, 0)});
    EXPECT_EQ(pace.pace, 1);
    EXPECT_THAT(pace.reasons, ElementsAre());
    ASSERT_EQ(pace.judged.size(), 1U);
    EXPECT_FALSE(pace.judged[0].load);
}

TEST_F(MovingPace, StartsSlowlyAndRisesWhileTheLoadIsLow) {
    auto first = after(Millis{0}, {lag("r1", 0)});
    EXPECT_NEAR(first.pace, PaceController::start, 1e-9);
    EXPECT_THAT(first.reasons, ElementsAre("pace 10 %, rising: no signal is near its limit"));
    EXPECT_EQ(first.worst, "replication_lag");
    EXPECT_TRUE(first.rising);
    EXPECT_THAT(first.judged, ElementsAre(Field(&Judged::worst, false)));
    auto const later = for_seconds(15, {lag("r1", 0.1)});
    EXPECT_EQ(later.pace, 1);
    EXPECT_THAT(later.reasons, ElementsAre());
    EXPECT_EQ(later.worst, "");
    EXPECT_FALSE(later.rising);
    controller.begin();
    EXPECT_NEAR(after(Millis{250}, {lag("r1", 0.1)}).pace, PaceController::start, 1e-9);
}

TEST_F(MovingPace, BlamesNobodyWhileItRisesAsFastAsItMay) {
    auto pace = after(Millis{0}, {lag("r1", 0), rate(1)});
    int polls = 0;
    for (; pace.pace < 1 && polls < 20; ++polls) {
        EXPECT_TRUE(pace.rising) << pace.reasons.front();
        pace = after(Millis{250}, {lag("r1", 0), rate(1)});
    }
    EXPECT_EQ(polls, 5) << "ten times as much at " << PaceController::dash << " a second";
}

TEST_F(MovingPace, BlamesNobodyForWhatItLearntWhileAnotherHeld) {
    auto seen = lag("r1", 0);
    auto silent = rate(1);
    for (int poll = 0; poll < 3; ++poll) {
        seen.at = Millis{poll * 250};
        silent.at = seen.at;
        silent.value.reset();
        EXPECT_FALSE(controller.judge({seen, silent}, seen.at, *seen.at, bound).go);
    }
    silent.value = 1;
    silent.at = *seen.at + Millis{20};
    auto const pace = controller.judge({seen, silent}, seen.at, *silent.at, bound);
    EXPECT_TRUE(pace.go);
    EXPECT_TRUE(pace.rising) << pace.reasons.front();
}

TEST_F(MovingPace, WhatIsMeasuredSeldomOnlyStops) {
    auto seldom = rate(90);
    seldom.signal = "slot_retention";
    seldom.max_age = Millis{15'000};
    for (int i = 0; i < 60; ++i) {
        now += Millis{250};
        if (i % 20 == 0) seldom.at = now;
        auto often = lag("r1", 0.1);
        often.at = now;
        controller.judge({often, seldom}, now, now, bound);
    }
    EXPECT_EQ(controller.judge({lag("r1", 0.1), seldom}, now, now, bound).pace, 1);
    seldom.value = 101;
    EXPECT_FALSE(controller.judge({lag("r1", 0.1), seldom}, now, now, bound).go);
}

TEST_F(MovingPace, FullPaceStaysWhileTheLoadIsFree) {
    for_seconds(30, {lag("r1", 0.1)});
    for (double const value : {0.1, 1.1, 0.3, 1.0, 0.0, 1.15})
        EXPECT_EQ(after(Millis{250}, {lag("r1", value)}).pace, 1);
}

TEST_F(MovingPace, TheSameReadingsJudgedAgainMoveNothing) {
    auto const once = for_seconds(3, {lag("r1", 0.5)});
    for (int i = 0; i < 100; ++i)
        EXPECT_EQ(controller.judge({lag("r1", 0.5)}, now, now + Millis{i}, bound).pace, once.pace);
}

TEST_F(MovingPace, FallsAboveTheTargetToTheFloorAndNoFurther) {
    for_seconds(30, {rate(10)});
    auto const pace = for_seconds(60, {rate(99)});
    EXPECT_TRUE(pace.go);
    EXPECT_NEAR(pace.pace, PaceController::floor, 1e-9);
    EXPECT_THAT(pace.reasons, ElementsAre("wal rate is 99 MB/s, limit 100 MB/s: pace 5 %"));
    EXPECT_EQ(for_seconds(60, {rate(10)}).pace, 1);
}

TEST_F(MovingPace, TheLowestOfTheirPacesCounts) {
    for_seconds(30, {lag("r1", 0.1), rate(10)});
    auto const pace = for_seconds(2, {lag("r1", 0.1), rate(95)});
    EXPECT_LT(pace.pace, 1);
    EXPECT_EQ(pace.worst, "wal_rate");
    ASSERT_EQ(pace.judged.size(), 2U);
    EXPECT_FALSE(pace.judged[0].worst);
    EXPECT_TRUE(pace.judged[1].worst);
    EXPECT_FALSE(pace.judged[1].stops);
    EXPECT_NEAR(*pace.judged[1].load, 0.95, 1e-9);
    EXPECT_EQ(pace.judged[1].age, Millis{0});
}

TEST_F(MovingPace, AfterAStopItIsSlowerThanBefore) {
    auto const before = for_seconds(30, {rate(10)}).pace;
    EXPECT_FALSE(after(Millis{250}, {rate(101)}).go);
    auto const later = after(Millis{250}, {rate(10)});
    EXPECT_TRUE(later.go);
    EXPECT_LT(later.pace, before * 0.9);
}

TEST_F(MovingPace, WhatTheOutsideHoldsAboveFourFifthsGoesOnAtTheFloor) {
    for_seconds(30, {rate(10)});
    after(Millis{250}, {rate(101)});
    EXPECT_FALSE(for_seconds(29, {rate(90)}).go);
    EXPECT_FALSE(after(Millis{250}, {rate(101)}).go);
    EXPECT_FALSE(for_seconds(30, {rate(90)}).go) << "from the last time above it";
    auto const pace = for_seconds(1, {rate(90)});
    EXPECT_TRUE(pace.go);
    EXPECT_NEAR(pace.pace, PaceController::floor, 1e-9);
}

TEST_F(MovingPace, EachReadingHasItsOwnAge) {
    auto young = lag("r1", 0.1);
    young.at = Millis{9000};
    auto slow = rate(1);
    slow.at = Millis{4000};
    slow.max_age = Millis{15'000};
    EXPECT_TRUE(controller.judge({young, slow}, {}, Millis{10'000}, bound).go);
    slow.max_age = Millis{5000};
    auto const pace = controller.judge({young, slow}, {}, Millis{10'000}, bound);
    EXPECT_THAT(pace.reasons, ElementsAre("wal rate was last measured 6 s ago, limit 5 s"));
    EXPECT_EQ(pace.worst, "wal_rate");
    EXPECT_FALSE(pace.judged[0].stops);
    EXPECT_TRUE(pace.judged[1].stops);
    EXPECT_EQ(pace.judged[1].age, Millis{6000});
}

TEST_F(MovingPace, WhatOnlyWritesMoveHoldsNoReader) {
    auto behind = lag("r1", 5);
    behind.writes_only = true;
    auto const reader = controller.judge({behind, rate(10)}, now, now, bound, false);
    EXPECT_TRUE(reader.go);
    EXPECT_FALSE(reader.may_write);
    EXPECT_TRUE(reader.judged[0].stops);
    EXPECT_FALSE(reader.judged[0].worst);
    EXPECT_FALSE(controller.judge({behind, rate(101)}, now, now, bound, false).go);
    EXPECT_FALSE(controller.judge({behind, rate(10)}, now, now, bound).go);
    EXPECT_TRUE(controller.judge({behind}, now, now + Millis{60'000}, bound, false).go);
    EXPECT_TRUE(controller.judge({}, {}, now, bound, false).go);
    EXPECT_FALSE(controller.judge({}, {}, now, bound, false).may_write);
}

TEST(RestAfter, LeavesTheShareOfThePace) {
    EXPECT_EQ(rest_after(Millis{50}, 1), Millis{0});
    EXPECT_EQ(rest_after(Millis{50}, 0.5), Millis{50});
    EXPECT_EQ(rest_after(Millis{50}, 0.1), Millis{450});
    EXPECT_EQ(rest_after(Millis{0}, 0.1), Millis{9}) << "nothing takes no time";
    EXPECT_EQ(rest_after(Millis{50}, PaceController::floor), Millis{950});
    EXPECT_EQ(rest_after(Millis{5000}, 0.5), longest_rest);
    EXPECT_EQ(rest_after(Millis{50}, 1e-300), longest_rest);
}

}  // namespace
}  // namespace weir
