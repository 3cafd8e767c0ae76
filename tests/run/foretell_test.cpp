#include "orchestrator/run/foretell.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::IsEmpty;

struct ForetellTest : testing::Test {
    /// Every day from 01:00 to 02:00.
    static Schedule nights() {
        Schedule schedule;
        schedule.windows.push_back({Window::every_day, hours{1}, hours{2}, Zone{}});
        return schedule;
    }
    void begin(Schedule schedule) {
        foreteller.emplace(std::move(schedule), [this](ForecastMade made) { told.push_back(std::move(made)); });
        hear(RunBegan{.plan = "p"});
        hear(StepBegan{.step = "backfill.1", .title = "fill", .phase = Phase::backfill});
        hear(WorkKnown{.step = "backfill.1", .table = "users", .pages = 10'000});
    }
    void hear(decltype(Event::what) what) { foreteller->hear({now, std::move(what)}); }
    /// One page a second.
    void work(int batches) {
        for (int i = 0; i < batches; ++i) {
            now += seconds{1};
            hear(BatchDone{.step = "backfill.1", .table = "users", .pages = 1, .rows = 9, .took = seconds{1}});
        }
    }
    void pass(seconds time) {
        now += time;
        hear(SignalsJudged{{}});
    }

    Instant const night{std::chrono::sys_days{std::chrono::year{2026} / 11 / 23} + hours{1}};
    Instant now = night;
    std::optional<Foreteller> foreteller;
    std::vector<ForecastMade> told;
};

TEST_F(ForetellTest, SaysHowManyWindowsItTakes) {
    begin(nights());
    work(60);
    ASSERT_FALSE(told.empty());
    EXPECT_LE(told.size(), 13U) << "at most one each five seconds";
    auto const& last = told.back();
    EXPECT_EQ(last.step, "backfill.1");
    // 10,000 seconds of work, an hour a night: the third night.
    EXPECT_EQ(last.openings_low, 3);
    EXPECT_EQ(last.openings_high, 3);
    ASSERT_TRUE(last.low);
    EXPECT_EQ(std::chrono::floor<std::chrono::hours>(*last.low), night + hours{48});
    EXPECT_EQ(last.closes, night + hours{1});
    EXPECT_THAT(last.text, HasSubstr("done in 3 openings, "));
}

TEST_F(ForetellTest, KeepsWhatWasLeftWhileTheWindowIsClosed) {
    begin(nights());
    now = night + minutes{59};
    work(59);
    auto const before = told.back();
    now = night + hours{1};
    pass(minutes{10});
    auto const closed = told.back();
    EXPECT_EQ(closed.openings_low, before.openings_low - 1);
    EXPECT_EQ(closed.closes, std::nullopt);
    pass(hours{10});
    EXPECT_EQ(told.back().low, closed.low) << "the day takes nothing of the work";
    EXPECT_FALSE(told.back().text.empty());
}

TEST_F(ForetellTest, TakesBackWhatIsNotKnownAnyMore) {
    begin(nights());
    work(10);
    EXPECT_FALSE(told.back().text.empty());
    pass(seconds{90});
    EXPECT_THAT(told.back().text, IsEmpty());
    auto const times = told.size();
    pass(seconds{10});
    EXPECT_EQ(told.size(), times) << "once";
}

TEST_F(ForetellTest, SaysNothingWithoutASchedule) {
    begin({});
    work(30);
    EXPECT_THAT(told, IsEmpty());
}

TEST_F(ForetellTest, SaysNothingOfAStepThatIsOver) {
    begin(nights());
    work(10);
    hear(StepDone{.step = "backfill.1", .title = "", .phase = Phase::backfill, .took = seconds{1}});
    auto const times = told.size();
    pass(seconds{20});
    EXPECT_EQ(told.size(), times);
}

TEST_F(ForetellTest, WhatAProofFillsAgainIsNotItsWork) {
    begin(nights());
    hear(StepBegan{.step = "proof.1", .title = "prove", .phase = Phase::proof});
    hear(WorkKnown{.step = "proof.1", .table = "users", .pages = 100});
    told.clear();
    now += seconds{6};
    hear(BatchDone{.step = "proof.1", .table = "users", .pages = 50, .rows = 9, .took = seconds{1}});
    EXPECT_THAT(told, IsEmpty());
    now += seconds{6};
    hear(BatchDone{.step = "proof.1", .table = "users", .pages = 50, .rows = 9, .took = seconds{5}, .proof = true});
    ASSERT_EQ(told.size(), 1U);
    EXPECT_THAT(told[0].text, HasSubstr("done in this window"));
}

}  // namespace
}  // namespace weir
