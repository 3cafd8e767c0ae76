#include "metrics/picture.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

namespace weir {
namespace {

namespace json = boost::json;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::Not;

struct PictureTest : testing::Test {
    void at(int second) { now = Instant{seconds{1'700'000'000 + second}}; }
    void hear(decltype(Event::what) what) { picture.hear({now, std::move(what)}); }
    json::object shown() const { return json::parse(picture.json(now)).as_object(); }
    void fill() {
        hear(RunBegan{.plan = "full-name", .run = 7, .resumed = false, .steps = 9});
        hear(PhaseBegan{Phase::backfill});
        hear(StepBegan{.step = "backfill.1", .title = "fill users", .phase = Phase::backfill});
        hear(
            WorkKnown{.step = "backfill.1", .table = "users", .pages = 1000, .pages_done = 0, .rows_estimate = 50'000});
    }

    Picture picture;
    Instant now{seconds{1'700'000'000}};
};

TEST_F(PictureTest, IsEmptyBeforeTheRun) {
    EXPECT_EQ(picture.json(now), R"({"plan":"","run":0,"state":"pending","pace":1E0})");
}

TEST_F(PictureTest, ShowsHowADumpGrowsUntilItsStepEnds) {
    hear(StepBegan{.step = "contract.1", .title = "back up users", .phase = Phase::contract});
    hear(DumpGrew{"contract.1", 4096});
    EXPECT_EQ(shown().at("dump_bytes"), 4096);
    hear(StepDone{"contract.1", "back up users", Phase::contract, seconds{1}});
    EXPECT_FALSE(shown().contains("dump_bytes"));
}

TEST_F(PictureTest, ShowsTheWorkItsRateAndWhatIsLeft) {
    fill();
    for (int i = 1; i <= 20; ++i) {
        at(i);
        hear(BatchDone{
            .step = "backfill.1", .table = "users", .pages = 10, .rows = 500, .took = seconds{1}, .hot = 400});
    }
    auto const work = shown().at("work").as_object();
    EXPECT_EQ(work.at("table"), "users");
    EXPECT_EQ(work.at("pages_done"), 200);
    EXPECT_EQ(work.at("rows_done"), 10'000);
    EXPECT_EQ(work.at("rows_per_second"), 500);
    EXPECT_EQ(work.at("eta_s"), 80);
    EXPECT_EQ(work.at("eta_low_s"), 80);
    EXPECT_EQ(work.at("eta_high_s"), 80);
    EXPECT_EQ(work.at("hot_ratio"), 0.8);
    EXPECT_FALSE(work.contains("forecast"));
    hear(ForecastMade{"backfill.1", now, now, 1, 1, {}, "done in this window, at x"});
    EXPECT_EQ(shown().at("work").at("forecast"), "done in this window, at x");
    hear(ForecastMade{"backfill.1", {}, {}, 0, 0, {}, ""});
    EXPECT_FALSE(shown().at("work").as_object().contains("forecast"));
}

TEST_F(PictureTest, SaysTheWayTheWorkersAndWhyItIsHeld) {
    fill();
    hear(WayChanged{.step = "backfill.1", .table = "users", .way = Way::in_page, .reason = "updates can stay"});
    hear(WayChanged{.step = "backfill.1", .table = "users", .way = Way::ranges, .reason = "the horizon stands still"});
    hear(WorkersChanged{.step = "backfill.1", .workers = 2, .reason = "the rate rose"});
    hear(PaceChanged{0.25, {"wal rate is 60 B/s, limit 50 B/s: pace 25 %"}});
    EXPECT_EQ(json::serialize(shown().at("ways")),
              R"([{"table":"users","way":"ranges","reason":"the horizon stands still"}])");
    EXPECT_EQ(shown().at("workers"), 2);
    EXPECT_EQ(shown().at("pace"), 0.25);
    EXPECT_EQ(json::serialize(shown().at("reasons")), R"(["wal rate is 60 B/s, limit 50 B/s: pace 25 %"])");
    hear(StepDone{.step = "backfill.1", .title = "fill users", .phase = Phase::backfill, .took = seconds{9}});
    for (auto const* gone : {"work", "ways", "workers", "step"}) EXPECT_FALSE(shown().contains(gone)) << gone;
}

TEST_F(PictureTest, ManyPartitionsDoNotMakeItGrow) {
    fill();
    for (int i = 0; i < 1000; ++i)
        hear(WayChanged{.step = "backfill.1", .table = "p" + std::to_string(i), .way = Way::in_page, .reason = ""});
    EXPECT_EQ(shown().at("ways").as_array().size(), 16U);
    EXPECT_EQ(shown().at("ways").as_array().back().as_object().at("table"), "p999");
}

TEST_F(PictureTest, SignalsAgeUntilTheyAreMeasuredAgain) {
    fill();
    hear(SignalsJudged{{{"replication_lag", "r1", "s", 3.0, 2.0, 1.5, milliseconds{40}, true, ""},
                        {"replication_lag", "r2", "s", {}, 2.0, {}, milliseconds{0}, true, "replica r2 is gone"}}});
    at(3);
    auto const signals = shown().at("signals").as_array();
    EXPECT_EQ(
        json::serialize(signals[0]),
        R"({"signal":"replication_lag","age_ms":3040,"holds":true,"subject":"r1","unit":"s","value":3E0,"limit":2E0,"load":1.5E0})");
    EXPECT_EQ(
        json::serialize(signals[1]),
        R"({"signal":"replication_lag","age_ms":3000,"holds":true,"subject":"r2","unit":"s","limit":2E0,"problem":"replica r2 is gone"})");
}

TEST_F(PictureTest, SaysWhatThePersonAtTheGateMustKnow) {
    fill();
    hear(GateOpened{"contract", {"users.name is dropped at once"}});
    hear(GateVoted{"contract", "ann", 1, 2});
    EXPECT_EQ(json::serialize(shown().at("gate_notes")), R"(["users.name is dropped at once"])");
    EXPECT_EQ(shown().at("approvals"), 1);
    EXPECT_EQ(shown().at("approvals_needed"), 2);
    hear(GateApproved{"contract", "bob"});
    for (auto const* gone : {"gate", "gate_notes", "approvals", "approvals_needed"})
        EXPECT_FALSE(shown().contains(gone)) << gone;
}

TEST_F(PictureTest, ALostConnectionIsShownUntilTheRunGoesOn) {
    fill();
    hear(GateOpened{"contract", {}});
    hear(ConnectionLost{"server closed the connection"});
    EXPECT_EQ(shown().at("connection_lost"), "server closed the connection");
    EXPECT_EQ(shown().at("state"), "running");
    EXPECT_FALSE(shown().contains("gate")) << "it is told again";
    // What an order left is told before the run goes on.
    hear(Paused{"ops"});
    hear(RunBegan{.plan = "full-name", .run = 7, .resumed = true, .steps = 9});
    EXPECT_FALSE(shown().contains("connection_lost"));
    EXPECT_EQ(shown().at("paused_by"), "ops");
}

TEST_F(PictureTest, AStopSaysWhyAndWhatToDo) {
    fill();
    hear(Stopped{Problem{Code::gave_up_lock, {}, "no lock on users within 15 min", "end pid 7"}});
    EXPECT_EQ(shown().at("state"), "stopped");
    EXPECT_EQ(shown().at("stopped").at("message"), "no lock on users within 15 min");
    EXPECT_EQ(shown().at("stopped").at("hint"), "end pid 7");
    EXPECT_FALSE(shown().contains("work"));
}

TEST_F(PictureTest, StatesFollowOrdersAndGates) {
    fill();
    EXPECT_EQ(shown().at("state"), "running");
    hear(Paused{"ops"});
    EXPECT_EQ(shown().at("state"), "paused");
    EXPECT_EQ(shown().at("paused_by"), "ops");
    hear(Resumed{"ops"});
    EXPECT_EQ(shown().at("state"), "running");
    hear(GateOpened{"contract", {}});
    EXPECT_EQ(shown().at("state"), "waiting");
    EXPECT_EQ(shown().at("gate"), "contract");
    hear(GateApproved{"contract", "ops"});
    hear(LockTried{.step = "contract.1", .got = false, .waited = {}, .blockers = {"pid 7"}});
    EXPECT_EQ(json::serialize(shown().at("blockers")), R"(["pid 7"])");
    hear(LockTried{.step = "contract.1", .got = true, .waited = {}, .blockers = {}});
    EXPECT_FALSE(shown().contains("blockers"));
    hear(RunDone{.state = RunState::done});
    EXPECT_EQ(shown().at("state"), "done");
}

}  // namespace
}  // namespace weir
