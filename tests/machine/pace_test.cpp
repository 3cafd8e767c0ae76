#include "orchestrator/machine/pace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

namespace weir {
namespace {

using testing::ElementsAre;

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
    EXPECT_THAT(judge({lag("r1", 1), lag("r2", 1.9)}).reasons, ElementsAre());
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

}  // namespace
}  // namespace weir
