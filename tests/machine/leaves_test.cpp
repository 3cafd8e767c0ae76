#include "orchestrator/machine/leaves.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir {
namespace {

using testing::HasSubstr;
using Kind = Leaves::Kind;

struct LeavesTest : testing::Test {
    Leaves leaves;
    Leaves::Config config{.never_in_page = {},
                          .plain = true,
                          .target = Millis{50},
                          .sweep = {.pages_at_least = 0, .vacuum_at_least = 100}};

    static StripeRow stripe(std::int64_t leaf, std::int64_t from, std::int64_t to, std::int64_t next) {
        return {.leaf = {leaf, 7, 1, {Ident::of("public"), Ident::of("users_" + std::to_string(leaf))}},
                .from = from,
                .to = to,
                .next = next,
                .rows_a_page = 10,
                .counted = true,
                .changed = {}};
    }
};

TEST_F(LeavesTest, GivesEachStripeOnceAndLeafByLeaf) {
    leaves.count({stripe(1, 0, 16, 0), stripe(1, 16, 32, 20), stripe(1, 32, 48, 48), stripe(2, 0, 16, 0)}, config);
    EXPECT_EQ(leaves.pages(), 64);
    EXPECT_EQ(leaves.pages_done(), 20);
    std::vector<std::size_t> given;
    while (auto const work = leaves.find(0)) {
        EXPECT_EQ(work->kind, Kind::range);
        given.push_back(work->of);
    }
    EXPECT_THAT(given, testing::ElementsAre(1, 0, 3)) << "one that was begun goes on, one that is done is left out";
    EXPECT_EQ(leaves.file(leaves.stripe(3).leaf).oid, 2);
    for (auto const i : given) leaves.advance(i, leaves.stripe(i).to);
    EXPECT_TRUE(leaves.done());
    EXPECT_EQ(leaves.pages_done(), 64);
}

TEST_F(LeavesTest, PagesThatSweepsToldAreNotToldTwice) {
    config.plain = false;
    leaves.count({stripe(1, 0, 16, 0)}, config);
    auto const work = leaves.find(0);
    ASSERT_TRUE(work);
    ASSERT_EQ(work->kind, Kind::sweep);
    auto const told = leaves.swept(work->of, work->turn, {80, 0, 500, Millis{10}});
    EXPECT_EQ(told, 7) << "half of the rows, and the last page waits for the end";
    EXPECT_EQ(leaves.advance(work->of, 10), 3);
    EXPECT_EQ(leaves.advance(work->of, 16), 6);
    EXPECT_EQ(leaves.pages_done(), 16);
}

TEST_F(LeavesTest, AVacuumIsGivenToOneOnly) {
    leaves.count({stripe(1, 0, 16, 0)}, config);
    leaves.filled(0, {200, 0, 500, Millis{10}});
    EXPECT_FALSE(leaves.take_vacuum(0, 500)) << "somebody may still see what is dead";
    EXPECT_EQ(leaves.find(501)->kind, Kind::vacuum);
    EXPECT_FALSE(leaves.take_vacuum(0, 501));
    EXPECT_EQ(leaves.vacuumed(0), 200);
    EXPECT_FALSE(leaves.take_vacuum(0, 501)) << "nothing is dead any more";
}

TEST_F(LeavesTest, WhatWaitsForTheHorizonCanBeDoneWithout) {
    config.plain = false;
    leaves.count({stripe(1, 0, 16, 0)}, config);
    EXPECT_EQ(leaves.new_way(0)->first, Way::in_page);
    EXPECT_FALSE(leaves.new_way(0)) << "told already";
    auto const work = leaves.find(0);
    leaves.swept(work->of, work->turn, {16, 0, 500, Millis{10}});
    EXPECT_FALSE(leaves.find(500));
    EXPECT_TRUE(leaves.waits());
    leaves.go_on_without_horizon();
    EXPECT_THAT(leaves.new_way(0)->second, HasSubstr("an old snapshot"));
    EXPECT_EQ(leaves.find(500)->kind, Kind::range);
}

TEST_F(LeavesTest, OnceItHadPartitionsItMayGetThemAgain) {
    leaves.count({stripe(1, 0, 16, 0)}, config);
    EXPECT_FALSE(leaves.partitioned()) << "the table itself";
    leaves.count({stripe(2, 0, 16, 0)}, config);
    EXPECT_TRUE(leaves.partitioned());
    leaves.count({}, config);
    EXPECT_TRUE(leaves.partitioned());
    EXPECT_TRUE(leaves.done());
    EXPECT_EQ(leaves.pages(), 0);
}

}  // namespace
}  // namespace weir
