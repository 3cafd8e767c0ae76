#include "metrics/rate.h"

#include <gtest/gtest.h>

#include <vector>

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

/// `amounts[i]` is the work of second i; asked at the end of the last.
Rate rate_of(std::vector<double> const& amounts) {
    Rate rate;
    for (std::size_t i = 0; i < amounts.size(); ++i)
        rate.add(t0 + seconds{static_cast<std::int64_t>(i) + 1}, seconds{1}, amounts[i]);
    return rate;
}

std::vector<double> repeated(std::vector<double> const& amounts, int times) {
    std::vector<double> all;
    for (int i = 0; i < times; ++i) all.insert(all.end(), amounts.begin(), amounts.end());
    return all;
}

TEST(RateRange, FollowsTheVariationOfTheRate) {
    struct Case {
        char const* what;
        std::vector<double> amounts;
        double left;
        std::optional<Rate::Range> range;
    };
    std::vector<double> const slow(5, 8.0), fast(5, 12.0);
    auto uneven = slow;
    uneven.insert(uneven.end(), fast.begin(), fast.end());
    for (auto const& one : std::vector<Case>{
             {"two buckets are too few", std::vector<double>(14, 10.0), 100, {}},
             {"steady: the one figure", std::vector<double>(15, 10.0), 100, Rate::Range{seconds{10}, seconds{10}}},
             {"jerky within a bucket is steady", repeated({0, 0, 0, 0, 50}, 3), 90,
              Rate::Range{seconds{9}, seconds{9}}},
             // Sums 40 and 60 in turn, 12 buckets: s = 10.445, its error 3.015 per 5 s, so 10 +- 1.206 a second.
             {"uneven", repeated(uneven, 6), 1000, Rate::Range{seconds{90}, seconds{114}}},
             {"may stand still", {100, 100, 100, 100, 100, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 1000, {}},
             {"nothing is left", {}, 0, Rate::Range{seconds{0}, seconds{0}}},
             {"nothing was done", std::vector<double>(30, 0.0), 10, {}},
             {"longer than a year", std::vector<double>(30, 1e-9), 10, {}},
         }) {
        auto const rate = rate_of(one.amounts);
        auto const now = t0 + seconds{static_cast<std::int64_t>(one.amounts.size())};
        EXPECT_EQ(rate.range_for(one.left, now), one.range) << one.what;
        auto const mean = rate.time_for(one.left, now);
        if (!one.range) continue;
        ASSERT_TRUE(mean) << one.what;
        EXPECT_LE(one.range->low, *mean) << one.what;
        EXPECT_GE(one.range->high, *mean) << one.what;
    }
}

TEST(RateRange, ABatchLongerThanABucketIsNoVariation) {
    Rate rate;
    for (int i = 1; i <= 5; ++i) rate.add(t0 + seconds{10 * i}, seconds{10}, 100);
    EXPECT_EQ(rate.range_for(100, t0 + seconds{50}), (Rate::Range{seconds{10}, seconds{10}}));
}

TEST(RateRange, IsForgottenWithTheRate) {
    auto rate = rate_of(std::vector<double>(30, 10.0));
    auto const now = t0 + seconds{30};
    ASSERT_TRUE(rate.range_for(100, now));
    EXPECT_FALSE(rate.range_for(100, now + seconds{61}));
    rate.add(t0, seconds{1}, 10);
    EXPECT_FALSE(rate.range_for(100, t0 + seconds{1})) << "the clock was set back";
}

}  // namespace
}  // namespace weir
