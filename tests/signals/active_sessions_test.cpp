#include "orchestrator/signals/active_sessions.h"

#include "eye.h"

namespace weir {
namespace {

using namespace tests;
using testing::HasSubstr;

struct ActiveSessionsTest : testing::Test {
    Cluster& cluster{Cluster::shared()};
    Database database{cluster.create_database()};
    ActiveSessions signal{"plan"};
};

TEST_F(ActiveSessionsTest, CountsStatementsOfOthersInAllDatabases) {
    Eye eye{database.conninfo};
    auto const calm = eye.one(signal);
    EXPECT_EQ(calm.signal, "active_sessions");
    EXPECT_EQ(calm.unit, "sessions");
    EXPECT_EQ(calm.value, 0);

    Client idle{named(database.conninfo, "shop")};
    idle.exec("BEGIN; SELECT 1");
    Client watch{database.conninfo};
    Client here{named(database.conninfo, "shop")};
    Client there{cluster.conninfo()};
    Client ours{named(database.conninfo, "weir plan hand 1")};
    for (auto* client : {&here, &there, &ours}) client->send("SELECT pg_sleep(60)");
    EXPECT_TRUE(wait_until([&] {
        return watch.value(
                   "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)' AND state = "
                   "'active'") == "3";
    })) << "all three are at work";
    idle.exec("ROLLBACK");
    eye.until(signal, [](Reading const& r) { return r.value == 2; });
    for (auto* client : {&here, &there, &ours}) {
        client->cancel();
        client->try_result();
    }
    eye.until(signal, [](Reading const& r) { return r.value == 0; });
}

TEST_F(ActiveSessionsTest, WhatIsHiddenIsNotKnown) {
    auto const role = nobody(cluster);
    Eye eye{cluster.conninfo(database.name, role)};
    Client same{cluster.conninfo(database.name, role)};
    eye.until(signal, [](Reading const& r) { return r.value == 0; });
    Client other{database.conninfo};
    auto const reading = eye.one(signal);
    EXPECT_FALSE(reading.value);
    EXPECT_EQ(reading.problem,
              "what 1 session of another role does is hidden; GRANT pg_monitor (or pg_read_all_stats) TO weir's role");

    other.exec(
        "DO $$ BEGIN IF to_regrole('watcher') IS NULL THEN CREATE ROLE watcher LOGIN; END IF; END $$;"
        "GRANT pg_read_all_stats TO watcher");
    Eye watcher{cluster.conninfo(database.name, "watcher")};
    EXPECT_EQ(watcher.one(signal).value, 0);
}

}  // namespace
}  // namespace weir
