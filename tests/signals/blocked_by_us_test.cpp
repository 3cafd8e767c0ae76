#include "orchestrator/signals/blocked_by_us.h"

#include "eye.h"

namespace weir {
namespace {

using namespace tests;
using testing::HasSubstr;

struct BlockedByUsTest : testing::Test {
    BlockedByUsTest() {
        query(database.conninfo, "CREATE TABLE users (id int PRIMARY KEY, n int); INSERT INTO users VALUES (1, 1)");
    }
    std::string hand() const { return named(database.conninfo, "weir plan hand 1"); }
    std::string app() const { return named(database.conninfo, "shop"); }

    Cluster& cluster{Cluster::shared()};
    Database database{cluster.create_database()};
    Eye eye{database.conninfo};
    BlockedByUs signal{"plan"};
};

TEST_F(BlockedByUsTest, NobodyWaits) {
    Client hand_session{hand()};
    hand_session.exec("BEGIN; LOCK TABLE users");
    auto const reading = eye.one(signal);
    EXPECT_EQ(reading.signal, "blocked_by_us");
    EXPECT_EQ(reading.unit, "s");
    EXPECT_EQ(reading.subject, "");
    EXPECT_EQ(reading.value, 0);
    EXPECT_EQ(reading.remark, "");
}

TEST_F(BlockedByUsTest, TheLongestWaitGrowsAndEnds) {
    Client holder{hand()};
    holder.exec("BEGIN; LOCK TABLE users");
    Client first{app()};
    first.send("SELECT 1 FROM users");
    wait_for_lock(cluster, first);
    auto const early = eye.until(signal, [](Reading const& r) { return r.value > 0; });
    Client second{app()};
    second.send("SELECT 2 FROM users");
    wait_for_lock(cluster, second);
    auto const later = eye.until(signal, [&](Reading const& r) { return r.value > *early.value; });
    EXPECT_EQ(later.remark, "pid " + std::to_string(first.backend()) + " (shop) waits");
    holder.exec("ROLLBACK");
    first.result();
    second.result();
    EXPECT_EQ(eye.one(signal).value, 0);
}

TEST_F(BlockedByUsTest, ARowOfOursCounts) {
    Client holder{hand()};
    holder.exec("BEGIN; UPDATE users SET n = 2");
    Client waiter{app()};
    waiter.send("UPDATE users SET n = 3");
    wait_for_lock(cluster, waiter);
    EXPECT_GT(eye.until(signal, [](Reading const& r) { return r.value > 0; }).value, 0);
}

TEST_F(BlockedByUsTest, WhoStandsBehindOurRequestWaitsForUs) {
    Client reader{app()};
    reader.exec("BEGIN; SELECT 1 FROM users");
    Client ours{hand()};
    ours.exec("BEGIN");
    ours.send("LOCK TABLE users");
    wait_for_lock(cluster, ours);
    EXPECT_EQ(eye.one(signal).value, 0) << "we wait for ourselves";
    Client behind{app()};
    behind.send("SELECT 2 FROM users");
    wait_for_lock(cluster, behind);
    auto const reading = eye.until(signal, [](Reading const& r) { return r.value > 0; });
    EXPECT_THAT(reading.remark, HasSubstr(std::to_string(behind.backend())));
    ours.cancel();
    ours.try_result();
    behind.result();
}

TEST_F(BlockedByUsTest, WaitsForOthersAreNotOurs) {
    Client other{named(database.conninfo, "weir plan-b hand 1")};
    other.exec("BEGIN; LOCK TABLE users");
    Client waiter{app()};
    waiter.send("SELECT 1 FROM users");
    wait_for_lock(cluster, waiter);
    EXPECT_EQ(eye.one(signal).value, 0);
    BlockedByUs theirs{"plan-b"};
    EXPECT_GT(eye.until(theirs, [](Reading const& r) { return r.value > 0; }).value, 0);
}

TEST_F(BlockedByUsTest, OurHandsWaitForEachOtherUnnoticed) {
    Client holder{hand()};
    holder.exec("BEGIN; LOCK TABLE users");
    Client waiter{named(database.conninfo, "weir plan hand 2")};
    waiter.send("SELECT 1 FROM users");
    wait_for_lock(cluster, waiter);
    EXPECT_EQ(eye.one(signal).value, 0);
}

TEST_F(BlockedByUsTest, ALongNameIsCutAsTheServerCutsIt) {
    std::string const plan(60, 'p');
    Client holder{named(database.conninfo, "weir " + plan + " hand 1")};
    holder.exec("BEGIN; LOCK TABLE users");
    Client waiter{app()};
    waiter.send("SELECT 1 FROM users");
    wait_for_lock(cluster, waiter);
    BlockedByUs ours{plan};
    EXPECT_GT(eye.until(ours, [](Reading const& r) { return r.value > 0; }).value, 0);
}

TEST_F(BlockedByUsTest, NeedsNoPrivilege) {
    Client holder{hand()};
    holder.exec("BEGIN; LOCK TABLE users");
    Client waiter{app()};
    waiter.send("SELECT 1 FROM users");
    wait_for_lock(cluster, waiter);
    Eye plain{cluster.conninfo(database.name, nobody(cluster))};
    auto const reading = plain.until(signal, [](Reading const& r) { return r.value > 0; });
    EXPECT_THAT(reading.remark, HasSubstr("(shop)"));
}

TEST_F(BlockedByUsTest, ReadsWhoIsNotNamed) {
    auto const readings = signal.read(answer_of({{"1.5", "17", ""}}), Millis{0});
    ASSERT_EQ(readings.size(), 1U);
    EXPECT_EQ(readings[0].value, 1.5);
    EXPECT_EQ(readings[0].remark, "pid 17 waits");
}

}  // namespace
}  // namespace weir
