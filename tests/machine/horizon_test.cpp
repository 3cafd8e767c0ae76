#include "orchestrator/machine/horizon.h"

#include <gtest/gtest.h>

namespace weir {
namespace {

using Turn = Horizon::Turn;

TEST(Horizon, IsStaleUntilItIsReadAndAWhileLater) {
    Horizon horizon;
    EXPECT_TRUE(horizon.stale(Millis{1000}));
    horizon.read(std::nullopt, Millis{1000});
    EXPECT_TRUE(horizon.stale(Millis{1000})) << "it was not asked for";
    horizon.read("741", Millis{1000});
    EXPECT_EQ(horizon.xid(), 741);
    EXPECT_FALSE(horizon.stale(Millis{1099}));
    EXPECT_TRUE(horizon.stale(Millis{1100}));
}

TEST(Horizon, WaitsASecondAndAsksAgainAndAgain) {
    Horizon horizon;
    horizon.read("741", Millis{1000});
    EXPECT_EQ(horizon.wait(Millis{1000}), Turn::read) << "what is known may be old";
    horizon.asked(Millis{1001});
    EXPECT_EQ(horizon.wait(Millis{1001}), Turn::rest);
    EXPECT_EQ(horizon.wait(Millis{1021}), Turn::read);
    EXPECT_EQ(horizon.wait(Millis{2000}), Turn::give_up);
    EXPECT_EQ(horizon.wait(Millis{2001}), Turn::read) << "nobody is blamed again without a question";
    EXPECT_EQ(horizon.wait(Millis{2002}), Turn::give_up) << "and the time to wait is used up";
}

TEST(Horizon, WorkEndsAWait) {
    Horizon horizon;
    horizon.wait(Millis{1000});
    horizon.work(Millis{1900});
    EXPECT_EQ(horizon.wait(Millis{1910}), Turn::read);
}

}  // namespace
}  // namespace weir
