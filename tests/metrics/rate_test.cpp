#include "metrics/rate.h"

#include <gtest/gtest.h>

namespace weir {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

Instant const t0{std::chrono::hours{1000}};

TEST(Rate, IsUnknownBeforeTheFirstWork) {
    Rate const rate;
    EXPECT_FALSE(rate.per_second(t0));
    EXPECT_FALSE(rate.time_for(1, t0));
    EXPECT_EQ(rate.time_for(0, t0), seconds{0});
}

TEST(Rate, CountsFromTheBeginningOfTheFirstBatch) {
    Rate rate;
    rate.add(t0, seconds{2}, 100);
    EXPECT_DOUBLE_EQ(rate.per_second(t0).value(), 50);
    EXPECT_DOUBLE_EQ(rate.per_second(t0 + seconds{2}).value(), 25);
    EXPECT_EQ(rate.time_for(101, t0), seconds{3});
}

TEST(Rate, ForgetsWhatIsOlderThanTheWindow) {
    Rate rate;
    for (int i = 1; i <= 60; ++i) rate.add(t0 + seconds{i}, seconds{1}, 10);
    EXPECT_NEAR(rate.per_second(t0 + seconds{60}).value(), 10, 0.2);
    for (int i = 61; i <= 180; ++i) rate.add(t0 + seconds{i}, seconds{1}, 40);
    EXPECT_NEAR(rate.per_second(t0 + seconds{180}).value(), 40, 0.7);
    EXPECT_NEAR(rate.per_second(t0 + seconds{210}).value(), 20, 0.7);
    EXPECT_FALSE(rate.per_second(t0 + seconds{241}));
}

TEST(Rate, StartsAnewAfterALongPause) {
    Rate rate;
    rate.add(t0, seconds{1}, 10);
    rate.add(t0 + seconds{600}, seconds{1}, 10);
    EXPECT_DOUBLE_EQ(rate.per_second(t0 + seconds{600}).value(), 10);
}

TEST(Rate, StartsAnewWhenTheClockIsSetBack) {
    Rate rate;
    rate.add(t0, seconds{1}, 10);
    EXPECT_FALSE(rate.per_second(t0 - seconds{3600}));
    rate.add(t0 - seconds{3600}, seconds{1}, 30);
    EXPECT_DOUBLE_EQ(rate.per_second(t0 - seconds{3600}).value(), 30);
}

TEST(Rate, IsNeverInfinite) {
    Rate rate;
    rate.add(t0, milliseconds{0}, 5);
    EXPECT_DOUBLE_EQ(rate.per_second(t0).value(), 5000);
    Rate none;
    none.add(t0, seconds{1}, 0);
    EXPECT_FALSE(none.time_for(10, t0));
    none.add(t0, seconds{0}, 1e-9);
    EXPECT_FALSE(none.time_for(1e9, t0));
}

TEST(Rate, ManyShortBatchesCountInFull) {
    Rate rate;
    for (int i = 0; i < 200000; ++i) rate.add(t0 + milliseconds{i}, milliseconds{1}, 1);
    EXPECT_NEAR(rate.per_second(t0 + milliseconds{199999}).value(), 1000, 20);
}

}  // namespace
}  // namespace weir
