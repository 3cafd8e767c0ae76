#include "metrics/instruments.h"

#include "metrics/ledger_metrics.h"
#include "metrics/throttle_reason.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

namespace weir {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::Not;

class InstrumentsTest : public testing::Test {
  protected:
    void at(int second) { now = t0 + seconds{second}; }
    void hear(decltype(Event::what) what) { instruments.hear({now, std::move(what)}); }
    void begin_fill() {
        hear(RunBegan{.plan = "full-name", .run = 1, .steps = 3});
        hear(PhaseBegan{Phase::backfill});
        hear(StepBegan{.step = "backfill.1", .title = "fill", .phase = Phase::backfill});
        hear(WorkKnown{.step = "backfill.1", .table = "users", .pages = 1000, .rows_estimate = 50000});
    }
    /// The value of the series as it is written, or nothing when the series is absent.
    std::optional<std::string> value(std::string const& series) {
        std::istringstream lines{instruments.text()};
        for (std::string line; std::getline(lines, line);)
            if (line.starts_with(series + " ")) return line.substr(series.size() + 1);
        return {};
    }

    Instant const t0{std::chrono::seconds{1'700'000'000}};
    Instant now = t0;
    Instruments instruments{"0.1.0"};
};

auto const fill = std::string{"{kind=\"fill\",plan=\"full-name\",table=\"users\"}"};

TEST_F(InstrumentsTest, TellsPhaseAndState) {
    hear(RunBegan{.plan = "full-name"});
    EXPECT_EQ(value(R"(weir_run_state{plan="full-name",state="running"})"), "1");
    EXPECT_EQ(value(R"(weir_run_phase{phase="expand",plan="full-name"})"), "0");
    hear(PhaseBegan{Phase::expand});
    EXPECT_EQ(value(R"(weir_run_phase{phase="expand",plan="full-name"})"), "1");
    hear(PhaseBegan{Phase::contract});
    EXPECT_EQ(value(R"(weir_run_phase{phase="expand",plan="full-name"})"), "0");
    EXPECT_EQ(value(R"(weir_run_phase{phase="contract",plan="full-name"})"), "1");
    hear(Stopped{{Code::misses, {}, "3 rows are wrong", ""}});
    EXPECT_EQ(value(R"(weir_run_state{plan="full-name",state="stopped"})"), "1");
    EXPECT_EQ(value(R"(weir_run_state{plan="full-name",state="running"})"), "0");
    EXPECT_EQ(value(R"(weir_errors_total{code="misses"})"), "1");
    hear(RunDone{});
    EXPECT_EQ(value(R"(weir_run_state{plan="full-name",state="done"})"), "1");
    EXPECT_EQ(value(R"(weir_run_phase{phase="contract",plan="full-name"})"), "0");
}

TEST_F(InstrumentsTest, CountsAFill) {
    begin_fill();
    EXPECT_EQ(value("weir_progress_ratio" + fill), "0");
    EXPECT_FALSE(value("weir_eta_seconds" + fill));
    for (int i = 1; i <= 10; ++i) {
        at(i);
        hear(BatchDone{.step = "backfill.1", .table = "users", .pages = 10, .rows = 500, .took = seconds{1}});
    }
    EXPECT_EQ(value("weir_rows_done" + fill), "5000");
    EXPECT_EQ(value("weir_rows_estimate" + fill), "50000");
    EXPECT_EQ(value("weir_pages_done" + fill), "100");
    EXPECT_EQ(value("weir_pages" + fill), "1000");
    EXPECT_EQ(value("weir_progress_ratio" + fill), "0.1");
    EXPECT_EQ(value("weir_eta_seconds" + fill), "90");
    EXPECT_EQ(value(R"(weir_last_progress_timestamp_seconds{plan="full-name"})"), "1700000010");
    EXPECT_EQ(value(R"(weir_batch_rows_count{kind="fill",plan="full-name",table="users"})"), "10");
    at(100);
    hear(ReplicaLag{.replica = "r1", .lag = milliseconds{0}});
    EXPECT_FALSE(value("weir_eta_seconds" + fill)) << "nothing was done in the last minute";
    hear(StepDone{.step = "backfill.1", .title = "fill", .phase = Phase::backfill, .took = seconds{100}});
    EXPECT_FALSE(value("weir_eta_seconds" + fill));
}

TEST_F(InstrumentsTest, TheTimeLeftIsARangeWhenTheRateIsKnown) {
    begin_fill();
    auto const batch = [&](int second, int pages) {
        at(second);
        hear(BatchDone{.step = "backfill.1", .table = "users", .pages = pages, .rows = 1, .took = seconds{1}});
    };
    for (int i = 1; i <= 14; ++i) batch(i, 10);
    EXPECT_TRUE(value("weir_eta_seconds" + fill));
    EXPECT_FALSE(value("weir_eta_low_seconds" + fill)) << "two buckets";
    batch(15, 10);
    EXPECT_EQ(value("weir_eta_low_seconds" + fill), "85");
    EXPECT_EQ(value("weir_eta_high_seconds" + fill), "85");
    for (int i = 16; i <= 20; ++i) batch(i, 15);
    auto const number = [&](char const* name) { return std::stoi(value(name + fill).value_or("0")); };
    EXPECT_GT(number("weir_eta_low_seconds"), 0);
    EXPECT_LT(number("weir_eta_low_seconds"), number("weir_eta_seconds"));
    EXPECT_GT(number("weir_eta_high_seconds"), number("weir_eta_seconds"));
    at(100);
    hear(ReplicaLag{.replica = "r1", .lag = milliseconds{0}});
    EXPECT_FALSE(value("weir_eta_low_seconds" + fill));
    batch(101, 10);
    hear(StepDone{.step = "backfill.1", .title = "fill", .phase = Phase::backfill, .took = seconds{101}});
    EXPECT_FALSE(value("weir_eta_high_seconds" + fill));
}

TEST_F(InstrumentsTest, TellsTheShareOfUpdatesInPlace) {
    auto const ratio = std::string{R"(weir_hot_ratio{plan="full-name",table="users"})"};
    struct Case {
        char const* what;
        BatchDone batch;
        std::optional<std::string> after;
    };
    begin_fill();
    EXPECT_FALSE(value(ratio));
    for (auto const& one : std::vector<Case>{
             {"pages without rows", {.step = "backfill.1", .table = "users", .pages = 5}, {}},
             {"none in place", {.step = "backfill.1", .table = "users", .pages = 5, .rows = 100}, "0"},
             {"a partition", {.step = "backfill.1", .table = "users_p7", .rows = 100, .hot = 100}, "0.5"},
             {"of a proof", {.step = "proof.1", .table = "users", .rows = 9, .proof = true}, "0.5"},
             {"filled by a proof", {.step = "proof.1", .table = "users", .rows = 9, .hot = 9}, "0.5"},
         }) {
        hear(one.batch);
        EXPECT_EQ(value(ratio), one.after) << one.what;
    }
    hear(WorkKnown{.step = "backfill.1", .table = "users", .pages = 1001});
    EXPECT_EQ(value(ratio), "0.5") << "the same step";
    hear(WorkKnown{.step = "backfill.2", .table = "users", .pages = 1000});
    EXPECT_FALSE(value(ratio)) << "another one";
}

TEST_F(InstrumentsTest, TellsHowATableIsFilled) {
    auto const way = [](std::string const& word) {
        return R"(weir_fill_way{plan="full-name",table="users",way=")" + word + "\"}";
    };
    begin_fill();
    EXPECT_FALSE(value(way("in_page")));
    hear(WayChanged{.step = "backfill.1", .table = "users_p1", .way = Way::in_page, .reason = "it can"});
    EXPECT_EQ(value(way("in_page")), "1");
    EXPECT_EQ(value(way("ranges")), "0");
    hear(WayChanged{.step = "backfill.1", .table = "users_p2", .way = Way::ranges, .reason = "it cannot"});
    EXPECT_EQ(value(way("in_page")), "0");
    EXPECT_EQ(value(way("ranges")), "1");
    EXPECT_THAT(instruments.text(), Not(HasSubstr("users_p")));
}

TEST_F(InstrumentsTest, TellsTheWorkersOfAStep) {
    auto const workers = std::string{R"(weir_workers{plan="full-name"})"};
    std::vector<decltype(Event::what)> const ends{
        StepDone{.step = "backfill.1", .title = "fill", .phase = Phase::backfill, .took = seconds{9}},
        Stopped{{Code::misses, {}, "3 rows are wrong", ""}}, RunDone{}, RunBegan{.plan = "full-name"}};
    for (auto const& end : ends) {
        begin_fill();
        EXPECT_FALSE(value(workers));
        hear(WorkersChanged{.step = "backfill.1", .workers = 3, .reason = "the rate rose"});
        EXPECT_EQ(value(workers), "3");
        hear(WorkersChanged{.step = "backfill.1", .workers = 2, .reason = "the rate fell"});
        EXPECT_EQ(value(workers), "2");
        hear(StepDone{.step = "expand.9", .title = "another", .phase = Phase::expand, .took = seconds{9}});
        EXPECT_EQ(value(workers), "2");
        hear(end);
        EXPECT_FALSE(value(workers)) << end.index();
    }
}

TEST_F(InstrumentsTest, CountsVacuums) {
    begin_fill();
    EXPECT_FALSE(value(R"(weir_vacuums_total{plan="full-name",table="users"})"));
    hear(Vacuumed{.step = "backfill.1", .table = "users_p1", .dead_rows = 4000, .took = milliseconds{1500}});
    at(5);
    hear(Vacuumed{.step = "backfill.1", .table = "users_p2", .dead_rows = 4000, .took = milliseconds{250}});
    EXPECT_EQ(value(R"(weir_vacuums_total{plan="full-name",table="users"})"), "2");
    EXPECT_EQ(value(R"(weir_vacuum_seconds_total{plan="full-name",table="users"})"), "1.75");
    EXPECT_EQ(value(R"(weir_last_progress_timestamp_seconds{plan="full-name"})"), "1700000005");
}

TEST_F(InstrumentsTest, TablesGrowAndOrdersAreCounted) {
    std::string const table = R"({plan="full-name",table="users"})";
    begin_fill();
    EXPECT_FALSE(value("weir_table_growth_ratio" + table));
    hear(TableSized{"users", 2000, 2000, 0});
    EXPECT_EQ(value("weir_table_growth_ratio" + table), "1");
    hear(TableSized{"users", 3000, 2000, 7});
    EXPECT_EQ(value("weir_table_bytes" + table), "3000");
    EXPECT_EQ(value("weir_table_growth_ratio" + table), "1.5");
    EXPECT_EQ(value("weir_dead_rows" + table), "7");
    hear(TableSized{"users", 10, 0, 0});
    EXPECT_EQ(value("weir_table_growth_ratio" + table), "1") << "it was empty";
    EXPECT_EQ(value(R"(weir_orders_total{order="pause"})"), "0");
    hear(OrderTaken{"pause", "", "ops"});
    EXPECT_EQ(value(R"(weir_orders_total{order="pause"})"), "1");
}

TEST_F(InstrumentsTest, ADumpThatGrowsIsProgress) {
    begin_fill();
    at(20);
    hear(DumpGrew{.step = "contract.1", .bytes = 1000});
    EXPECT_EQ(value(R"(weir_last_progress_timestamp_seconds{plan="full-name"})"), "1700000020");
}

TEST_F(InstrumentsTest, FallsWhenTheLedgerLostABatch) {
    begin_fill();
    hear(BatchDone{.step = "backfill.1", .table = "users", .pages = 100, .rows = 5000});
    hear(WorkKnown{.step = "backfill.1", .table = "users", .pages = 1000, .pages_done = 90, .rows_done = 4500});
    EXPECT_EQ(value("weir_rows_done" + fill), "4500");
}

TEST_F(InstrumentsTest, TellsFillAndProofApart) {
    auto const proof = std::string{"{kind=\"proof\",plan=\"full-name\",table=\"users\"}"};
    begin_fill();
    hear(StepBegan{.step = "proof.1", .title = "prove", .phase = Phase::proof});
    hear(WorkKnown{.step = "proof.1", .table = "users", .pages = 1000});
    hear(BatchDone{.step = "proof.1", .table = "users", .pages = 500, .rows = 9, .took = seconds{1}, .proof = true});
    EXPECT_EQ(value("weir_pages_done" + proof), "500");
    EXPECT_EQ(value("weir_pages_done" + fill), "0");
    // Misses that the proof's step fills again are no new fill.
    hear(BatchDone{.step = "proof.1", .table = "users", .pages = 1, .rows = 1, .took = seconds{1}});
    EXPECT_EQ(value("weir_pages" + fill), "1000");
    EXPECT_EQ(value("weir_pages_done" + fill), "0");
    hear(WorkKnown{.step = "backfill.9", .table = "users", .pages = 7, .proof = true});
    EXPECT_EQ(value("weir_pages" + proof), "7");
    EXPECT_EQ(value("weir_pages_done" + proof), "0");
}

TEST_F(InstrumentsTest, BatchesOfPartitionsCountForTheirTable) {
    begin_fill();
    hear(BatchDone{.step = "backfill.1", .table = "users_p7", .pages = 10, .rows = 500, .took = seconds{1}});
    EXPECT_EQ(value("weir_pages_done" + fill), "10");
    EXPECT_THAT(instruments.text(), Not(HasSubstr("users_p7")));
}

TEST_F(InstrumentsTest, AProofInAnotherPhaseShowsByItsFirstBatch) {
    auto const proof = std::string{"{kind=\"proof\",plan=\"full-name\",table=\"users\"}"};
    begin_fill();
    hear(
        BatchDone{.step = "backfill.1", .table = "users", .pages = 10, .rows = 500, .took = seconds{1}, .proof = true});
    EXPECT_EQ(value("weir_pages_done" + proof), "10");
    EXPECT_EQ(value("weir_pages" + proof), "1000");
    EXPECT_FALSE(value("weir_pages" + fill));
}

TEST_F(InstrumentsTest, CountsThrottledTimeByReason) {
    auto const active = std::string{R"(weir_throttle_active{reason="replication_lag"})"};
    auto const total = std::string{R"(weir_throttle_seconds_total{reason="replication_lag"})"};
    begin_fill();
    EXPECT_EQ(value("weir_pace_ratio"), "1");
    hear(PaceChanged{0, {"replication lag of r1 is 3.2 s, limit 2 s"}});
    EXPECT_EQ(value("weir_pace_ratio"), "0");
    EXPECT_EQ(value(active), "1");
    at(4);
    hear(ReplicaLag{.replica = "r1", .lag = milliseconds{2500}, .bytes = 12345});
    EXPECT_EQ(value(total), "4");
    at(7);
    hear(PaceChanged{1, {}});
    EXPECT_EQ(value(active), "0");
    at(9);
    hear(PaceChanged{0, {"the moon is full"}});
    at(10);
    hear(PaceChanged{1, {}});
    EXPECT_EQ(value(total), "7");
    EXPECT_EQ(value(R"(weir_throttle_seconds_total{reason="other"})"), "1");
}

TEST_F(InstrumentsTest, AClockSetBackCountsNothing) {
    begin_fill();
    at(3600);
    hear(PaceChanged{0, {"replication lag of r1 is 3.2 s, limit 2 s"}});
    at(0);
    hear(PaceChanged{1, {}});
    EXPECT_EQ(value(R"(weir_throttle_seconds_total{reason="replication_lag"})"), "0");
}

TEST_F(InstrumentsTest, LeavesOutALagThatIsNotKnown) {
    hear(ReplicaLag{.replica = "r1", .lag = milliseconds{2500}, .bytes = 12345});
    EXPECT_EQ(value(R"(weir_replica_lag_seconds{replica="r1"})"), "2.5");
    EXPECT_EQ(value(R"(weir_replica_lag_bytes{replica="r1"})"), "12345");
    EXPECT_EQ(value(R"(weir_replica_lag_known{replica="r1"})"), "1");
    hear(ReplicaLag{.replica = "r1", .lag = {}});
    EXPECT_FALSE(value(R"(weir_replica_lag_seconds{replica="r1"})"));
    EXPECT_EQ(value(R"(weir_replica_lag_known{replica="r1"})"), "0");
    at(100);
    hear(ReplicaLag{.replica = "r2", .lag = {}});
    EXPECT_FALSE(value(R"(weir_replica_lag_known{replica="r1"})")) << "nobody speaks of it any more";
}

TEST_F(InstrumentsTest, AGateIsThereWhileTheRunWaitsAtIt) {
    auto const gate = std::string{R"(weir_gate_waiting_since_timestamp_seconds{gate="contract",plan="full-name"})"};
    begin_fill();
    EXPECT_FALSE(value(gate));
    hear(GateOpened{.gate = "contract", .notes = {}});
    EXPECT_EQ(value(gate), "1700000000");
    EXPECT_EQ(value(R"(weir_run_state{plan="full-name",state="waiting"})"), "1");
    hear(GateApproved{.gate = "contract", .user = "ada"});
    EXPECT_FALSE(value(gate));
    EXPECT_EQ(value(R"(weir_run_state{plan="full-name",state="running"})"), "1");
    hear(GateOpened{.gate = "contract", .notes = {}});
    hear(RunDone{.state = RunState::waiting});
    EXPECT_TRUE(value(gate));
    hear(RunDone{.state = RunState::undone});
    EXPECT_FALSE(value(gate));
}

TEST_F(InstrumentsTest, TellsSinceWhenSomebodyIsInTheWay) {
    std::string const since{R"(weir_blocked_since_timestamp_seconds{plan="full-name"})"};
    std::string const who{R"(weir_blockers{plan="full-name"})"};
    hear(RunBegan{.plan = "full-name"});
    hear(StepBegan{.step = "expand.1", .title = "add", .phase = Phase::expand});
    EXPECT_EQ(value(since), std::nullopt);
    at(10);
    hear(LockTried{.step = "expand.1", .got = false, .waited = milliseconds{50}, .blockers = {"pid 1"}});
    at(20);
    hear(LockTried{.step = "expand.1", .got = false, .waited = milliseconds{50}, .blockers = {"pid 1", "pid 2"}});
    EXPECT_EQ(value(since), "1700000010");
    EXPECT_EQ(value(who), "2");
    at(21);
    hear(LockTried{.step = "expand.1", .got = true, .waited = milliseconds{5}, .blockers = {}});
    EXPECT_EQ(value(since), std::nullopt);
    EXPECT_EQ(value(who), std::nullopt);
    // A statement that waits for somebody is told of again and again, and no word says that it does not any more.
    hear(StepBegan{.step = "backfill.2", .title = "validate", .phase = Phase::backfill});
    at(30);
    hear(WaitsFor{.step = "backfill.2", .blockers = {"pid 1"}});
    at(40);
    hear(WaitsFor{.step = "backfill.2", .blockers = {"pid 1"}});
    at(50);
    hear(SignalsJudged{{}});
    EXPECT_EQ(value(since), "1700000030");
    at(56);
    hear(SignalsJudged{{}});
    EXPECT_EQ(value(since), std::nullopt);
    // However the step ends, nobody is in its way any more.
    for (decltype(Event::what) const& end : std::initializer_list<decltype(Event::what)>{
             StepDone{.step = "backfill.2", .title = "", .phase = Phase::backfill, .took = seconds{1}},
             StepUndone{.step = "backfill.2", .title = "", .took = seconds{1}}, ConnectionLost{"gone"},
             Stopped{Problem{Code::gave_up_lock, {}, "m", "h"}},
             RunDone{.state = RunState::undone, .took = seconds{1}}}) {
        hear(LockTried{.step = "backfill.2", .got = false, .waited = {}, .blockers = {}});
        EXPECT_EQ(value(who), "0") << end.index();
        hear(end);
        EXPECT_EQ(value(since), std::nullopt) << end.index();
        EXPECT_EQ(value(who), std::nullopt) << end.index();
    }
}

TEST_F(InstrumentsTest, TellsTheForecastUntilItIsTakenBack) {
    auto const low = std::string{R"({bound="low",plan="full-name"})"};
    auto const high = std::string{R"({bound="high",plan="full-name"})"};
    begin_fill();
    hear(ForecastMade{"backfill.1", t0 + seconds{60}, std::nullopt, 1, 1000, t0 + seconds{90}, "done in 1 opening"});
    EXPECT_EQ(value("weir_forecast_timestamp_seconds" + low), "1700000060");
    EXPECT_EQ(value("weir_forecast_timestamp_seconds" + high), std::nullopt);
    EXPECT_EQ(value("weir_forecast_openings" + low), "1");
    EXPECT_EQ(value("weir_forecast_openings" + high), "1000");
    EXPECT_EQ(value(R"(weir_window_closes_timestamp_seconds{plan="full-name"})"), "1700000090");
    hear(ForecastMade{"backfill.1", {}, {}, 0, 0, {}, ""});
    EXPECT_THAT(instruments.text(), Not(HasSubstr("weir_forecast")));
    EXPECT_THAT(instruments.text(), Not(HasSubstr("weir_window")));
    hear(ForecastMade{"backfill.1", t0, t0, 1, 1, {}, "done"});
    hear(StepDone{.step = "backfill.1", .title = "fill", .phase = Phase::backfill, .took = seconds{9}});
    EXPECT_THAT(instruments.text(), Not(HasSubstr("weir_forecast")));
}

TEST_F(InstrumentsTest, TellsWhenTheRunEnded) {
    std::string const ended{R"(weir_run_ended_timestamp_seconds{plan="full-name"})"};
    hear(RunBegan{.plan = "full-name"});
    EXPECT_EQ(value(ended), std::nullopt);
    at(5);
    hear(RunDone{.state = RunState::waiting, .took = seconds{5}});
    EXPECT_EQ(value(ended), "1700000005");
    at(9);
    hear(RunBegan{.plan = "full-name", .resumed = true});
    EXPECT_EQ(value(ended), std::nullopt);
}

TEST_F(InstrumentsTest, TheNextPlanHasItsOwnSeries) {
    begin_fill();
    hear(RunDone{});
    hear(RunBegan{.plan = "next"});
    hear(WorkKnown{.step = "backfill.1", .table = "users", .pages = 5});
    EXPECT_EQ(value("weir_pages" + fill), "1000");
    EXPECT_EQ(value(R"(weir_pages{kind="fill",plan="next",table="users"})"), "5");
    EXPECT_EQ(value(R"(weir_run_state{plan="full-name",state="done"})"), "1");
    EXPECT_EQ(value(R"(weir_run_state{plan="next",state="running"})"), "1");
}

TEST_F(InstrumentsTest, AnEmptyTableIsDone) {
    hear(RunBegan{.plan = "full-name"});
    hear(WorkKnown{.step = "backfill.1", .table = "users"});
    EXPECT_EQ(value("weir_progress_ratio" + fill), "1");
    EXPECT_THAT(instruments.text(), Not(HasSubstr("Nan")));
}

TEST_F(InstrumentsTest, ARefusalNeedsNoRun) {
    hear(Stopped{{Code::other_leader, {}, "another leads", ""}});
    EXPECT_EQ(value(R"(weir_errors_total{code="other-leader"})"), "1");
    EXPECT_THAT(instruments.text(), Not(HasSubstr("plan=")));
}

TEST_F(InstrumentsTest, QuotesLabels) {
    hear(RunBegan{.plan = "p"});
    hear(ProofDone{.step = "proof.1", .table = "we\"ird\\\ntable", .rows_wrong = 2, .keys = {}});
    EXPECT_EQ(value(R"(weir_proof_mismatches{plan="p",table="we\"ird\\\ntable"})"), "2");
}

TEST(ThrottleReason, IsOfAClosedSet) {
    EXPECT_EQ(throttle_reason("replication lag of r1 is 3.2 s, limit 2 s"), "replication_lag");
    EXPECT_EQ(throttle_reason("replication lag is unknown: replica r1 is gone"), "replication_lag");
    EXPECT_EQ(throttle_reason("wal rate is 60 B/s, limit 50 B/s"), "wal_rate");
    EXPECT_EQ(throttle_reason("sql queue is 3, limit 2"), "sql");
    EXPECT_EQ(throttle_reason("paused by ops"), "paused");
    EXPECT_EQ(throttle_reason("outside the window 01:00-05:00 UTC, opens 2026-11-23 01:00 UTC"), "schedule");
    EXPECT_EQ(throttle_reason("outside the windows 01:00-02:00 UTC; 03:00-04:00 UTC"), "schedule");
    EXPECT_EQ(throttle_reason("before the time of schedule.at, opens 2026-11-23 01:00 UTC"), "schedule");
    EXPECT_EQ(throttle_reason("free disk is 2 %"), "other");
    EXPECT_EQ(throttle_reason("pace 10 %, rising: no signal is near its limit"), "rising");
    EXPECT_EQ(throttle_reason(""), "other");
}

struct Series {
    std::string type;
    std::set<std::string> labels;
    bool operator==(Series const&) const = default;
};

void PrintTo(Series const& series, std::ostream* out) {
    *out << series.type;
    for (auto const& label : series.labels) *out << ' ' << label;
}

using Table = std::map<std::string, Series>;

void read_exposition(std::string const& text, Table& table) {
    std::istringstream lines{text};
    std::string family;
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with("# TYPE ")) {
            std::istringstream words{line.substr(7)};
            std::string type;
            words >> family >> type;
            table[family].type = type;
        } else if (!line.starts_with("#")) {
            auto const open = line.find('{');
            if (open == std::string::npos) continue;
            std::istringstream labels{line.substr(open + 1, line.find('}') - open - 1)};
            for (std::string label; std::getline(labels, label, ',');) {
                auto const name = label.substr(0, label.find('='));
                if (name != "le") table[family].labels.insert(name);
            }
        }
    }
}

std::string trimmed(std::string text) {
    std::erase_if(text, [](char c) { return c == ' ' || c == '`'; });
    return text;
}

Table read_document() {
    Table table;
    std::ifstream file{WEIR_SOURCE_DIR "/docs/metrics.md"};
    for (std::string line; std::getline(file, line);) {
        if (!line.starts_with("| `weir_")) continue;
        std::vector<std::string> cells;
        std::istringstream row{line};
        for (std::string cell; std::getline(row, cell, '|');) cells.push_back(trimmed(cell));
        auto& series = table[cells.at(1)];
        series.type = cells.at(2);
        EXPECT_FALSE(cells.at(5).empty()) << line;
        if (cells.at(4) == "–") continue;
        std::istringstream labels{cells.at(4)};
        for (std::string label; std::getline(labels, label, ',');) series.labels.insert(label);
    }
    return table;
}

TEST_F(InstrumentsTest, TheDocumentListsEverySeriesAndNoOther) {
    Table real;
    begin_fill();
    at(1);
    hear(LockTried{.step = "backfill.1", .got = false, .waited = milliseconds{5}, .blockers = {"pid 1"}});
    hear(LockTried{.step = "backfill.1", .got = true, .waited = {}, .blockers = {}});
    hear(BatchRetried{.step = "backfill.1", .table = "users", .reason = "deadlock"});
    hear(WayChanged{.step = "backfill.1", .table = "users", .way = Way::in_page, .reason = "it can"});
    hear(WorkersChanged{.step = "backfill.1", .workers = 2, .reason = "the rate rose"});
    hear(Vacuumed{.step = "backfill.1", .table = "users", .dead_rows = 4000, .took = milliseconds{70}});
    for (int i = 1; i <= 20; ++i) {
        at(i);
        hear(BatchDone{.step = "backfill.1", .table = "users", .pages = 10, .rows = 500, .took = seconds{1}});
    }
    hear(PaceChanged{0, {"replication lag of r1 is 3.2 s, limit 2 s"}});
    hear(ReplicaLag{.replica = "r1", .lag = milliseconds{3200}, .bytes = 100});
    hear(SignalsJudged{{{"wal_rate", "", "B/s", 30, 20, 1.5, milliseconds{40}, true, ""}}});
    hear(ForecastMade{"backfill.1", now, now, 1, 2, now, "done"});
    hear(TableSized{"users", 3000, 2000, 7});
    read_exposition(instruments.text(), real);
    hear(PaceChanged{1, {}});
    hear(StepDone{.step = "backfill.1", .title = "fill", .phase = Phase::backfill, .took = seconds{9}});
    hear(ProofDone{.step = "proof.1", .table = "users", .rows_wrong = 0, .keys = {}});
    hear(Warned{"a", "b"});
    hear(GateOpened{.gate = "contract", .notes = {}});
    read_exposition(instruments.text(), real);
    hear(StepBegan{.step = "contract.1", .title = "drop", .phase = Phase::contract});
    hear(LockTried{.step = "contract.1", .got = false, .waited = {}, .blockers = {"pid 1", "pid 2"}});
    read_exposition(instruments.text(), real);
    hear(RunDone{.state = RunState::waiting, .took = seconds{9}});
    read_exposition(instruments.text(), real);
    hear(RunDone{.state = RunState::quarantined, .took = seconds{9}, .until = "then", .until_at = now});
    auto const text = instruments.text();
    read_exposition(text, real);
    read_exposition(ledger_metrics("shop", 7, {{.plan = "p", .state = "quarantined", .quarantine_ends = 8}}), real);
    EXPECT_EQ(read_document(), real);

    if (std::system("command -v promtool >/dev/null 2>&1") != 0) return;
    auto const path = testing::TempDir() + "weir-metrics.txt";
    std::ofstream{path} << text;
    EXPECT_EQ(std::system(("promtool check metrics < '" + path + "'").c_str()), 0);
    std::remove(path.c_str());
}

}  // namespace
}  // namespace weir
