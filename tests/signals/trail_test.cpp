#include "orchestrator/signals/trail.h"

#include <gtest/gtest.h>

namespace weir {
namespace {

TEST(TrailTest, TellsWhenAPositionWasPassed) {
    Trail trail;
    EXPECT_EQ(trail.since(5, Millis{0}), std::nullopt);
    trail.note(100, Millis{1000});
    trail.note(200, Millis{2000});
    trail.note(300, Millis{3000});
    EXPECT_EQ(trail.since(99, Millis{3000}), std::nullopt);
    EXPECT_EQ(trail.watched(Millis{3500}), Millis{2500});
    EXPECT_EQ(trail.since(100, Millis{3000}), Millis{2000});
    EXPECT_EQ(trail.since(175, Millis{3000}), Millis{1250});
    EXPECT_EQ(trail.since(200, Millis{3000}), Millis{1000});
    EXPECT_EQ(trail.since(300, Millis{3000}), Millis{0});
    EXPECT_EQ(trail.since(400, Millis{3000}), Millis{0});
}

TEST(TrailTest, StandingStillIsNoAge) {
    Trail trail;
    trail.note(100, Millis{0});
    trail.note(100, Millis{60'000});
    trail.note(110, Millis{61'000});
    EXPECT_EQ(trail.since(100, Millis{61'000}), Millis{1000});
    trail.note(110, Millis{90'000});
    EXPECT_EQ(trail.since(105, Millis{90'000}), Millis{29'500})
        << "it was passed on the way, not at the end of the rest";
}

TEST(TrailTest, APositionThatFallsBeginsAgain) {
    Trail trail;
    trail.note(1000, Millis{0});
    trail.note(900, Millis{5000});
    EXPECT_EQ(trail.since(899, Millis{6000}), std::nullopt);
    EXPECT_EQ(trail.watched(Millis{6000}), Millis{1000});
}

TEST(TrailTest, IsBoundAndRightWhereItMovedEvenly) {
    Trail trail;
    int const seconds = 200'000;
    for (int s = 0; s < seconds; ++s) {
        trail.note(s, Millis{s * 1000});
        ASSERT_LE(trail.size(), 1024U);
    }
    Millis const now{(seconds - 1) * 1000};
    for (int s = 0; s < seconds; s += 997) {
        auto const truly = now - Millis{s * 1000};
        auto const told = trail.since(s, now);
        ASSERT_TRUE(told) << s;
        EXPECT_EQ(*told, truly);
    }
}

}  // namespace
}  // namespace weir
