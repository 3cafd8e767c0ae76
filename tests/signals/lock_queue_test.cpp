#include "orchestrator/signals/lock_queue.h"

#include <list>

#include "eye.h"

namespace weir {
namespace {

using namespace tests;

TableName table(std::string_view name) { return {Ident::of("public"), Ident::of(name)}; }

struct LockQueueTest : testing::Test {
    LockQueueTest() {
        query(database.conninfo,
              "CREATE TABLE users (id int PRIMARY KEY, n int); INSERT INTO users VALUES (1, 1);"
              "CREATE TABLE other (id int); CREATE TABLE days (day int) PARTITION BY RANGE (day);"
              "CREATE TABLE days_1 PARTITION OF days FOR VALUES FROM (1) TO (9) PARTITION BY RANGE (day);"
              "CREATE TABLE \"days \"\"1\"\" a\" PARTITION OF days_1 FOR VALUES FROM (1) TO (5)");
    }
    /// A session that waits for what `holder` has.
    Client& waits(std::string const& sql, std::string const& application = "shop") {
        waiters.emplace_back(named(database.conninfo, application)).send(sql);
        wait_for_lock(cluster, waiters.back());
        return waiters.back();
    }
    void expect(double count) {
        eye.until(signal, [&](Reading const& r) { return r.value == count; });
    }

    Cluster& cluster{Cluster::shared()};
    Database database{cluster.create_database()};
    Eye eye{database.conninfo};
    LockQueue signal{"plan", {table("users"), table("days"), table("not there")}};
    Client holder{named(database.conninfo, "shop")};
    std::list<Client> waiters;
};

TEST_F(LockQueueTest, NobodyWaits) {
    holder.exec("BEGIN; LOCK TABLE users");
    auto const reading = eye.one(signal);
    EXPECT_EQ(reading.signal, "lock_queue");
    EXPECT_EQ(reading.unit, "sessions");
    EXPECT_EQ(reading.value, 0);
}

TEST_F(LockQueueTest, ThoseThatWaitForTheTable) {
    holder.exec("BEGIN; LOCK TABLE users; LOCK TABLE other");
    waits("SELECT 1 FROM users");
    waits("SELECT 2 FROM users");
    waits("SELECT 1 FROM other");
    waits("SELECT 1 FROM users", "weir plan hand 1");
    expect(2);
    holder.exec("ROLLBACK");
    for (auto& waiter : waiters) waiter.result();
    expect(0);
}

TEST_F(LockQueueTest, ThoseThatWaitForAPartitionOfAPartition) {
    holder.exec(R"(BEGIN; LOCK TABLE "days ""1"" a")");
    waits(R"(SELECT 1 FROM "days ""1"" a")");
    waits("SELECT 1 FROM days");
    expect(2);
}

TEST_F(LockQueueTest, ThoseThatWaitForARow) {
    holder.exec("BEGIN; UPDATE users SET n = 2");
    waits("UPDATE users SET n = 3");
    expect(1);
    waits("UPDATE users SET n = 4");
    waits("SELECT n FROM users FOR UPDATE");
    expect(3);
}

TEST_F(LockQueueTest, WhatCannotBeToldIsNotCounted) {
    holder.exec("BEGIN; INSERT INTO users VALUES (2, 2)");
    waits("INSERT INTO users VALUES (2, 3)");
    EXPECT_EQ(eye.one(signal).value, 0);
}

TEST_F(LockQueueTest, ATableOfTheSameNumberInAnotherDatabaseIsNotOurs) {
    auto const there = cluster.create_database();
    query(there.conninfo, "CREATE TABLE users ()");
    EXPECT_TRUE(wait_until([&] {
        return try_query(cluster.conninfo(), "CREATE DATABASE " + there.name + "_copy TEMPLATE " + there.name).empty();
    })) << "the session that made the table is gone";
    Client other{there.conninfo};
    other.exec("BEGIN; LOCK TABLE users");
    Client waiter{named(there.conninfo, "shop")};
    waiter.send("SELECT FROM users");
    wait_for_lock(cluster, waiter);
    Eye same{there.conninfo};
    EXPECT_EQ(same.one(signal).value, 1);
    Eye copy{cluster.conninfo(there.name + "_copy")};
    EXPECT_EQ(copy.one(signal).value, 0);
}

TEST_F(LockQueueTest, NoTablesHaveNoQueue) {
    holder.exec("BEGIN; LOCK TABLE users");
    waits("SELECT 1 FROM users");
    LockQueue none{"plan", {}};
    EXPECT_EQ(eye.one(none).value, 0);
}

TEST_F(LockQueueTest, NeedsNoPrivilegeAndNoLock) {
    holder.exec("BEGIN; LOCK TABLE users; LOCK TABLE days");
    waits("SELECT 1 FROM users");
    Eye plain{cluster.conninfo(database.name, nobody(cluster))};
    plain.until(signal, [](Reading const& r) { return r.value == 1; });
}

}  // namespace
}  // namespace weir
