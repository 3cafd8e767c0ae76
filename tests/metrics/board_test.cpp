#include "metrics/board.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json.hpp>

#include "metrics/dashboard.h"

namespace weir {
namespace {

namespace json = boost::json;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;

struct BoardTest : testing::Test {
    void at(int second) { now = Instant{seconds{1'700'000'000 + second}}; }
    void hear(decltype(Event::what) what) { board.hear({now, std::move(what)}); }
    json::object run() const { return json::parse(*board.run(now)).as_object(); }
    long count(std::string_view kind) const {
        return std::count_if(told.begin(), told.end(), [&](auto const& one) { return one.first == kind; });
    }
    void begin() {
        board.steps({{.id = "expand.1",
                      .title = "add users.b",
                      .kind = "transactional",
                      .sql = "ALTER TABLE users ADD COLUMN b text;",
                      .phase = Phase::expand,
                      .locks = {{TableName{Ident::of("public"), Ident::of("users")}, LockMode::access_exclusive}},
                      .notes = {},
                      .done = true},
                     {.id = "backfill.1",
                      .title = "fill users.b",
                      .kind = "fill",
                      .sql = "",
                      .phase = Phase::backfill,
                      .locks = {},
                      .notes = {"fires a trigger"}}},
                    true, now);
        hear(RunBegan{.plan = "p", .run = 3, .resumed = true, .steps = 2});
        hear(StepBegan{.step = "backfill.1", .title = "fill users.b", .phase = Phase::backfill});
    }

    std::vector<std::pair<std::string, std::string>> told;
    Instant now{seconds{1'700'000'000}};
    Board board{{.version = "1.2.3",
                 .to_json = [](Event const& event) { return "{\"index\":" + std::to_string(event.what.index()) + "}"; },
                 .tell = [this](std::string_view kind, std::string const& text) { told.emplace_back(kind, text); }}};
};

TEST_F(BoardTest, TheWholeHasStepsWithTheirSqlAndLocks) {
    begin();
    auto const all = run();
    EXPECT_EQ(all.at("weir"), "1.2.3");
    EXPECT_EQ(all.at("gate"), true);
    EXPECT_EQ(all.at("picture").at("plan"), "p");
    EXPECT_EQ(json::serialize(all.at("steps").at(0)),
              R"({"step":"expand.1","phase":"expand","title":"add users.b","kind":"transactional",)"
              R"("sql":"ALTER TABLE users ADD COLUMN b text;",)"
              R"("locks":[{"table":"users","mode":"ACCESS EXCLUSIVE","who_waits":"readers and writers"}],"notes":[]})");
    EXPECT_EQ(json::serialize(all.at("progress")), R"({"backfill.1":{"state":"running"},"expand.1":{"state":"done"}})");
    hear(StepDone{.step = "backfill.1", .title = "", .phase = Phase::backfill, .took = seconds{9}});
    EXPECT_EQ(json::serialize(run().at("progress").at("backfill.1")), R"({"state":"done","took_ms":9000})");
}

TEST_F(BoardTest, APictureIsToldOnlyWhenItChanged) {
    begin();
    at(1);
    board.tick(now);
    auto const before = count("picture");
    at(2);
    board.tick(now);
    EXPECT_EQ(count("picture"), before);
    hear(PaceChanged{0.5, {"slow"}});
    at(3);
    board.tick(now);
    EXPECT_EQ(count("picture"), before + 1);
    auto const last = json::parse(told.back().second);
    EXPECT_EQ(last.at("sample").at(3), 0.5);
    EXPECT_EQ(last.at("picture").at("reasons").at(0), "slow");
}

TEST_F(BoardTest, TellsOfWhatAPersonWouldMiss) {
    begin();
    auto const before = count("event");
    for (int i = 0; i < 100; ++i) {
        at(i / 50);
        hear(BatchDone{.step = "backfill.1", .table = "users", .pages = 1, .rows = 1, .took = milliseconds{5}});
        hear(LockTried{
            .step = "x", .got = false, .waited = {}, .blockers = {"pid 7 (open for " + std::to_string(i) + " s)"}});
        hear(PaceChanged{0, {"lag"}});
    }
    EXPECT_EQ(count("event"), before + 2) << "who is in the way, and that it is held";
    hear(LockTried{.step = "x", .got = false, .waited = {}, .blockers = {"pid 8 (new)"}});
    hear(PaceChanged{0.3, {"lag"}});
    hear(Warned{"w", "h"});
    EXPECT_EQ(count("event"), before + 5);
}

TEST_F(BoardTest, IsBounded) {
    begin();
    for (int i = 0; i < 5000; ++i) {
        at(i);
        hear(Warned{"w", ""});
        hear(ReplicaLag{"r1", milliseconds{i}, 0});
        board.tick(now);
    }
    EXPECT_EQ(run().at("events").as_array().size(), 200U);
    EXPECT_EQ(run().at("samples").as_array().size(), 900U);
    EXPECT_EQ(run().at("samples").as_array().back().at(2), 4.999);
}

TEST_F(BoardTest, TheWholeIsWrittenOnceBetweenTwoNews) {
    begin();
    auto const whole = board.run(now);
    hear(BatchDone{.step = "backfill.1", .table = "users", .pages = 1, .rows = 1, .took = milliseconds{5}});
    EXPECT_EQ(board.run(now), whole) << "a batch is no news: the picture of the next second has it";
    hear(Warned{"w", "h"});
    auto const next = board.run(now);
    ASSERT_NE(next, whole);
    EXPECT_EQ(json::parse(*next).at("events").as_array().size(),
              json::parse(*whole).at("events").as_array().size() + 1);
    // A sample of the charts, and time that goes by where nobody ticks.
    at(1);
    board.tick(now);
    auto const sampled = board.run(now);
    EXPECT_NE(sampled, next);
    at(2);
    EXPECT_NE(board.run(now), sampled);
}

TEST_F(BoardTest, IsReadyWhileARunLeads) {
    EXPECT_FALSE(board.ready());
    begin();
    EXPECT_TRUE(board.ready());
    hear(ConnectionLost{"gone"});
    EXPECT_FALSE(board.ready());
    EXPECT_EQ(run().at("progress").at("backfill.1").at("state"), "pending");
}

TEST(DashboardPage, IsSmallWholeAndAsksNobody) {
    auto const [page, policy] = dashboard();
    EXPECT_LE(page.size(), 150'000U);
    EXPECT_THAT(std::string{page}, HasSubstr("<!doctype html>"));
    EXPECT_THAT(std::string{page}, HasSubstr("</html>"));
    for (auto const* outside : {"https://", "src=", "@import", "url(", " style=\"", "onclick=", "innerHTML"})
        EXPECT_EQ(page.find(outside), std::string_view::npos) << outside;
    for (auto const* part :
         {"default-src 'none'", "connect-src 'self'", "frame-ancestors 'none'", "script-src 'sha256-"})
        EXPECT_NE(policy.find(part), std::string_view::npos) << part;
    EXPECT_EQ(policy.find("unsafe"), std::string_view::npos);
}

}  // namespace
}  // namespace weir
