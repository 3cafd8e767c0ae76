#include "orchestrator/signals/oldest_xmin.h"

#include "eye.h"

namespace weir {
namespace {

using namespace tests;
using testing::HasSubstr;

/// A server of its own: what holds a horizon is the whole server's.
struct OldestXminTest : testing::Test {
    static void SetUpTestSuite() {
        cluster = std::make_unique<Cluster>(Cluster::Options{.settings = {"autovacuum = off"}, .hba = {}});
    }
    static void TearDownTestSuite() { cluster.reset(); }

    /// Something dies, or could.
    void work() { worker.exec("SELECT pg_current_xact_id()"); }
    /// The seconds at that time, after some work; -1: none.
    Reading at(int second) {
        work();
        return eye.one(signal, Millis{second * 1000});
    }
    std::string pid(Client const& client) { return "pid " + std::to_string(client.backend()); }

    inline static std::unique_ptr<Cluster> cluster;
    Database database{cluster->create_database()};
    Client worker{database.conninfo};
    Eye eye{database.conninfo};
    OldestXmin signal{"plan"};
};

TEST_F(OldestXminTest, NobodyHoldsAnything) {
    auto const first = at(0);
    EXPECT_EQ(first.signal, "oldest_xmin");
    EXPECT_EQ(first.unit, "s");
    EXPECT_EQ(first.subject, "");
    EXPECT_EQ(first.value, 0) << first.problem;
    EXPECT_EQ(first.remark, "");
    EXPECT_EQ(at(100).value, 0);
}

TEST_F(OldestXminTest, ASnapshotHoldsAndAgesWithTheWork) {
    at(0);
    Client report{named(database.conninfo, "report")};
    report.exec("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1");
    auto const reading = at(10);
    EXPECT_EQ(reading.value, 10) << "since the last look at which it was not there";
    EXPECT_EQ(reading.remark, "held by " + pid(report) + " (report)");
    EXPECT_EQ(at(310).value, 310);
    report.exec("COMMIT");
    EXPECT_EQ(at(320).value, 0);
}

TEST_F(OldestXminTest, WhatWasHeldBeforeIsAsOldAsItsTransactionAndNoYounger) {
    Client report{database.conninfo};
    report.exec("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1");
    EXPECT_TRUE(wait_until([&] {
        work();
        return report.value("SELECT clock_timestamp() - now() > '50 ms'") == "t";
    }));
    auto const reading = at(0);
    EXPECT_GT(reading.value, 0.05);
    EXPECT_LT(reading.value, 600);
    EXPECT_EQ(at(1000).value, 1000);
}

TEST_F(OldestXminTest, AnIdleServerHasNoAge) {
    eye.one(signal, Millis{0});
    Client report{database.conninfo};
    report.exec("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1");
    EXPECT_EQ(eye.one(signal, Millis{3'600'000}).value, 0) << "nothing has died";
    EXPECT_EQ(at(3601).value, 1);
}

TEST_F(OldestXminTest, NewSnapshotsHoldNothing) {
    at(0);
    Client client{database.conninfo};
    client.exec("BEGIN; SELECT 1");
    EXPECT_EQ(at(10).value, 0);
}

TEST_F(OldestXminTest, AWriterHoldsFromAnyDatabaseAndASnapshotOnlyFromHere) {
    at(0);
    Client there{cluster->conninfo()};
    there.exec("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1");
    EXPECT_EQ(at(10).value, 0);
    there.exec("SELECT pg_current_xact_id()");
    at(20);
    auto const reading = at(30);
    EXPECT_EQ(reading.value, 20);
    EXPECT_THAT(reading.remark, HasSubstr(pid(there)));
}

TEST_F(OldestXminTest, APreparedTransactionHoldsFromAnyDatabase) {
    query(cluster->conninfo(), "BEGIN; SELECT pg_current_xact_id(); PREPARE TRANSACTION 'order 7'");
    at(0);
    auto const reading = at(100);
    EXPECT_EQ(reading.remark, "held by prepared transaction order 7");
    EXPECT_GE(reading.value, 100);
    query(cluster->conninfo(), "ROLLBACK PREPARED 'order 7'");
    EXPECT_EQ(at(110).value, 0);
}

TEST_F(OldestXminTest, OurOwnSessionsAreNotCounted) {
    at(0);
    Client ours{named(database.conninfo, "weir plan hand 1")};
    ours.exec("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT pg_current_xact_id()");
    EXPECT_EQ(at(10).value, 0);
}

TEST_F(OldestXminTest, AVacuumHoldsNothing) {
    query(database.conninfo, "CREATE TABLE t AS SELECT i, repeat('x', 500) AS x FROM generate_series(1, 20000) AS i");
    at(0);
    Client vacuum{database.conninfo};
    vacuum.exec("SET vacuum_cost_delay = '100ms'; SET vacuum_cost_limit = 1; DELETE FROM t");
    vacuum.send("VACUUM t");
    EXPECT_TRUE(wait_until([&] {
        return worker.value("SELECT count(*) FROM pg_stat_progress_vacuum WHERE heap_blks_scanned > 0") == "1";
    }));
    EXPECT_EQ(at(10).value, 0);
    vacuum.cancel();
    vacuum.try_result();
}

TEST_F(OldestXminTest, WhatIsHiddenIsNotKnown) {
    Eye plain{cluster->conninfo(database.name, nobody(*cluster))};
    auto const reading = plain.one(signal, Millis{0});
    EXPECT_FALSE(reading.value);
    EXPECT_THAT(reading.problem, HasSubstr("GRANT pg_monitor (or pg_read_all_stats) TO weir's role"));
}

TEST_F(OldestXminTest, AStandbyFeedsBackAndSoDoesItsSlot) {
    Eye plain{cluster->conninfo(database.name, nobody(*cluster))};
    auto const hides = [&](int count) {
        OldestXmin fresh{"plan"};
        plain.until(fresh, [&](Reading const& r) {
            return r.problem.starts_with("what " + std::to_string(count) + " sessions of other roles do is hidden");
        });
    };
    hides(2);
    auto& standby = cluster->add_replica("r1");
    hides(3);
    standby.set("hot_standby_feedback", "on");
    standby.set("wal_receiver_status_interval", "1s");
    standby.set("wal_retrieve_retry_interval", "100ms");
    ASSERT_TRUE(standby.catch_up());
    at(0);
    Client report{standby.conninfo(database.name)};
    report.exec("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1");
    int second = 0;
    Reading reading;
    EXPECT_TRUE(wait_until([&] { return *(reading = at(++second)).value >= 5; })) << *reading.value;
    EXPECT_THAT(reading.remark, testing::MatchesRegex("held by pid [0-9]+ \\(r1\\)"));

    query(cluster->conninfo(), "SELECT pg_create_physical_replication_slot('keeper')");
    standby.set("primary_slot_name", "keeper");
    EXPECT_TRUE(wait_until([&] { return at(++second).remark == "held by slot keeper"; }, std::chrono::seconds{20}));
    report.exec("COMMIT");
    // Feedback comes once a second, so the horizon trails the work; but it has passed the report.
    int const ended = second;
    EXPECT_TRUE(wait_until([&] {
        ++second;
        return *at(second).value < second - ended;
    }));
    cluster->remove_replica("r1");
    query(cluster->conninfo(), "SELECT pg_drop_replication_slot('keeper')");
}

}  // namespace
}  // namespace weir
