#include "orchestrator/machine/worker_pool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir {
namespace {

using testing::HasSubstr;

/// Rows a second and the time of a commit, by the size of the pool.
struct Site {
    WorkerPool pool{1, 4};
    std::vector<double> rates, commits;
    Millis now{0};
    std::vector<std::string> reasons{};
    std::vector<int> sizes{1};

    void work(Millis time) {
        for (auto const end = now + time; now < end;) {
            now += Millis{50};
            auto const i = static_cast<std::size_t>(pool.size() - 1);
            pool.wrote(now, static_cast<std::int64_t>(rates[i] / 20));
            if (pool.commit_due(now)) pool.committed(now, Millis{static_cast<int>(commits[i])});
            if (auto const reason = pool.judge(now)) {
                reasons.push_back(*reason);
                sizes.push_back(pool.size());
            }
        }
    }
};

TEST(WorkerPool, GrowsAsLongAsItPays) {
    Site site{.rates = {10'000, 18'000, 24'000, 25'000}, .commits = {2, 2, 3, 3}};
    site.work(Millis{60'000});
    EXPECT_EQ(site.pool.size(), 3);
    EXPECT_THAT(site.sizes, testing::ElementsAre(1, 2, 2, 3, 3, 4, 3, 4, 3));
    EXPECT_THAT(site.reasons.back(), HasSubstr("did not pay"));
}

TEST(WorkerPool, ACommitThatGrowsSlowSendsOneAway) {
    Site site{.rates = {10'000, 18'000, 24'000, 30'000}, .commits = {2, 30, 40, 50}};
    site.work(Millis{30'000});
    EXPECT_EQ(site.pool.size(), 1);
    EXPECT_THAT(site.reasons.back(), HasSubstr("from 2 to 30 ms"));
}

TEST(WorkerPool, FailedTrialsGrowRare) {
    Site site{.rates = {10'000, 10'000, 10'000, 10'000}, .commits = {2, 2, 2, 2}};
    site.work(Millis{600'000});
    EXPECT_LE(site.reasons.size(), 12U);
    EXPECT_EQ(site.pool.size(), 1);
}

TEST(WorkerPool, LosesOneWhenCommitsGrowSlowLater) {
    Site site{.rates = {10'000, 18'000, 18'000, 18'000}, .commits = {2, 2, 2, 2}};
    site.work(Millis{20'000});
    EXPECT_EQ(site.pool.size(), 2);
    site.commits = {2, 50, 50, 50};
    site.work(Millis{10'000});
    EXPECT_EQ(site.pool.size(), 1);
    EXPECT_THAT(site.reasons.back(), HasSubstr("50 ms, and 2 ms with one worker"));
}

TEST(WorkerPool, AFixedOneStaysAndCommitsNothing) {
    WorkerPool pool{2, 2};
    for (int i = 1; i < 1000; ++i) pool.wrote(Millis{i * 50}, 100);
    EXPECT_FALSE(pool.commit_due(Millis{50'000}));
    EXPECT_FALSE(pool.judge(Millis{50'000}));
    EXPECT_EQ(pool.size(), 2);
}

TEST(WorkerPool, TimeHeldBackSaysNothing) {
    Site site{.rates = {10'000, 20'000, 20'000, 20'000}, .commits = {2, 2, 2, 2}};
    for (int i = 0; i < 20; ++i) {
        site.work(Millis{2000});
        site.pool.interrupted();
    }
    EXPECT_EQ(site.pool.size(), 1) << "no window was whole";
}

TEST(WorkerPool, NothingToWriteIsNoReasonForMore) {
    Site site{.rates = {0, 0, 0, 0}, .commits = {2, 2, 2, 2}};
    site.work(Millis{60'000});
    EXPECT_TRUE(site.reasons.empty());
}

}  // namespace
}  // namespace weir
