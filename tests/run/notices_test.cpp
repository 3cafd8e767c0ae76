#include "orchestrator/run/notices.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

struct NoticesTest : testing::Test {
    void hear(decltype(Event::what) what) { notices.hear({now, std::move(what)}); }
    void begin(bool resumed = false) { hear(RunBegan{.plan = "full-name", .run = 3, .resumed = resumed, .steps = 8}); }
    std::vector<std::string> events() const {
        std::vector<std::string> all;
        for (auto const& one : told) all.push_back(one.event);
        return all;
    }
    Instant now{seconds{1'700'000'000}};
    std::vector<Notice> told;
    Notices notices{minutes{30}, [this](Notice notice) { told.push_back(std::move(notice)); }};
};

TEST_F(NoticesTest, TellsTheLifeOfARun) {
    begin();
    hear(PhaseBegan{Phase::expand});
    hear(GateOpened{.gate = "contract", .notes = {}});
    hear(GateApproved{.gate = "contract", .user = "ada"});
    hear(RunDone{.state = RunState::done, .took = minutes{5}});
    ASSERT_THAT(events(), ElementsAre("started", "gate", "done"));
    EXPECT_EQ(told[0].text, "weir: plan full-name begins");
    EXPECT_EQ(told[0].fields,
              (std::map<std::string, std::string>{
                  {"plan", "full-name"}, {"run", "3"}, {"at", "2023-11-14T22:13:20Z"}, {"resumed", "false"}}));
    EXPECT_THAT(told[1].text, HasSubstr("(weir approve full-name contract)"));
    EXPECT_EQ(told[1].fields.at("phase"), "expand");
    EXPECT_EQ(told[2].text, "weir: plan full-name is done after 5 min");
}

TEST_F(NoticesTest, AStopIsToldOnceWithItsReason) {
    begin(true);
    hear(Stopped{{Code::misses, {}, "2 rows are not right", "look at them"}});
    hear(RunDone{.state = RunState::stopped, .took = seconds{5}});
    ASSERT_THAT(events(), ElementsAre("started", "stopped"));
    EXPECT_EQ(told[0].text, "weir: plan full-name goes on");
    EXPECT_EQ(told[1].text, "weir: plan full-name stopped: 2 rows are not right (look at them)");
    EXPECT_EQ(told[1].fields.at("code"), "misses");
}

TEST_F(NoticesTest, AStopAfterAPhaseIsToldToo) {
    begin();
    hear(PhaseBegan{Phase::backfill});
    hear(RunDone{.state = RunState::stopped, .took = seconds{5}});
    ASSERT_THAT(events(), ElementsAre("started", "stopped"));
    EXPECT_THAT(told[1].text, HasSubstr("stopped after phase backfill"));
}

TEST_F(NoticesTest, ALostConnectionRepeatsNothing) {
    begin();
    hear(GateOpened{.gate = "contract", .notes = {}});
    hear(ConnectionLost{"gone"});
    begin(true);
    hear(GateOpened{.gate = "contract", .notes = {}});
    EXPECT_THAT(events(), ElementsAre("started", "gate"));
    hear(RunDone{.state = RunState::undone, .took = seconds{5}});
    EXPECT_EQ(events().back(), "undone");
}

TEST_F(NoticesTest, TellsOnceWhenItIsHeldTooLong) {
    begin();
    told.clear();
    auto const pass = [&](seconds time) {
        now += time;
        hear(SignalsJudged{{}});
    };
    hear(PaceChanged{0, {"replication lag of r1 is 3.2 s, limit 2 s"}});
    pass(minutes{29});
    EXPECT_THAT(events(), IsEmpty());
    pass(minutes{1});
    ASSERT_THAT(events(), ElementsAre("held"));
    EXPECT_THAT(told[0].text, HasSubstr("has been held for 30 min: replication lag of r1 is 3.2 s, limit 2 s"));
    pass(minutes{60});
    EXPECT_EQ(told.size(), 1U);
    hear(PaceChanged{0.5, {"replication lag of r1 is 1.8 s, limit 2 s"}});
    pass(minutes{60});
    EXPECT_EQ(told.size(), 1U) << "to go slower is not to be held";
    hear(PaceChanged{0, {"wal rate is 60 B/s, limit 50 B/s"}});
    pass(minutes{31});
    EXPECT_EQ(told.size(), 2U);
}

TEST_F(NoticesTest, APauseAndTheScheduleAreMeant) {
    begin();
    told.clear();
    for (auto const* reason : {"paused by ops", "outside the window 01:00-05:00 UTC, opens …"}) {
        hear(PaceChanged{0, {reason}});
        now += minutes{600};
        hear(SignalsJudged{{}});
    }
    EXPECT_THAT(events(), IsEmpty());
}

}  // namespace
}  // namespace weir
