// The pulse against a real server: what it writes, what it tells, and that it always goes on.
#include "watchers.h"

namespace weir::tests {
namespace {

using ::testing::HasSubstr;

struct PulseTest : ::testing::Test {
    static std::unique_ptr<Cluster>& slot() {
        static std::unique_ptr<Cluster> cluster;
        return cluster;
    }
    static void SetUpTestSuite() { slot() = std::make_unique<Cluster>(); }
    static void TearDownTestSuite() { slot().reset(); }

    bool measured(std::chrono::milliseconds deadline = 30s) {
        return watchers.until([&] { return watchers.commit().value.has_value(); }, deadline);
    }
    std::int64_t newest() { return watchers.pulse().beats().newest().value_or(0); }
    bool goes_on() {
        auto const before = newest();
        return watchers.until([&] { return newest() > before + 1; });
    }
    std::string pid() { return query_value(led.db.conninfo, "SELECT pid FROM pg_stat_activity WHERE " + mine); }

    Cluster& cluster = *slot();
    Led led{cluster};
    Watchers watchers{led};
    std::string mine = "application_name = 'weir p pulse' AND datname = " + sql_literal(led.db.name);
};

TEST_F(PulseTest, BeatsAndTellsWhatACommitTakes) {
    watchers.start_pulse();
    ASSERT_TRUE(measured());
    EXPECT_EQ(watchers.commit().signal, "commit_latency");
    EXPECT_EQ(watchers.commit().unit, "s");
    EXPECT_GT(*watchers.commit().value, 0);
    EXPECT_TRUE(goes_on());
    EXPECT_EQ(query_value(led.db.conninfo, "SELECT beat >= " + std::to_string(newest()) + " FROM weir.heartbeat"), "t");
    EXPECT_EQ(query_value(led.db.conninfo, "SELECT count(*) FROM weir.heartbeat"), "1");
}

TEST_F(PulseTest, IsInNoTransactionBetweenBeats) {
    auto config = watchers.pulse_config();
    config.period = Millis{1000};
    watchers.start_pulse(std::move(config));
    ASSERT_TRUE(measured());
    EXPECT_TRUE(watchers.until([&] {
        return query_value(led.db.conninfo,
                           "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle' AND xact_start IS NULL AND "
                           "backend_xmin IS NULL AND " +
                               mine) == "1";
    }));
}

TEST_F(PulseTest, KeepsThePicture) {
    int drawn = 0;
    auto config = watchers.pulse_config();
    config.picture = [&] { return "{\"drawn\": " + std::to_string(++drawn) + "}"; };
    watchers.start_pulse(std::move(config));
    EXPECT_TRUE(watchers.until([&] {
        auto const rows = query(led.db.conninfo, "SELECT picture->>'drawn' FROM weir.heartbeat WHERE run = 7");
        return rows.size() == 1 && rows[0][0] == "2";
    }));
    EXPECT_LT(drawn, newest()) << "once a second, not with each beat";
}

TEST_F(PulseTest, LooksHowLargeTablesAre) {
    query(led.db.conninfo,
          "CREATE TABLE \"Gr\"\"ows\" (n int, t text) WITH (autovacuum_enabled = off); CREATE TABLE parts (n int) "
          "PARTITION BY RANGE (n); CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (1) TO (9); "
          "CREATE INDEX ON parts (n); INSERT INTO parts SELECT 1 FROM generate_series(1, 100)");
    auto config = watchers.pulse_config();
    TableName const grows{Ident::of("public"), Ident::of("Gr\"ows")}, parts{Ident::of("public"), Ident::of("parts")};
    config.tables = {grows, parts, {Ident::of("public"), Ident::of("not there")}};
    config.size_period = Millis{200};
    std::map<std::string, TableSized> last;
    config.sized = [&](TableSized one) { last[one.table] = one; };
    watchers.start_pulse(std::move(config));
    ASSERT_TRUE(watchers.until([&] { return last.size() == 2; }));
    EXPECT_EQ(last[grows.text()].bytes_before, last[grows.text()].bytes);
    EXPECT_EQ(std::to_string(last[parts.text()].bytes),
              query_value(led.db.conninfo, "SELECT pg_total_relation_size('parts_1')"));
    query(led.db.conninfo, "INSERT INTO \"Gr\"\"ows\" SELECT i, repeat('x', 50) FROM generate_series(1, 1000) i");
    query(led.db.conninfo, "DELETE FROM \"Gr\"\"ows\" WHERE n <= 300");
    EXPECT_TRUE(watchers.until([&] { return last[grows.text()].dead_rows == 300; }));
    EXPECT_EQ(std::to_string(last[grows.text()].bytes),
              query_value(led.db.conninfo, "SELECT pg_total_relation_size('\"Gr\"\"ows\"')"));
    EXPECT_LT(last[grows.text()].bytes_before, last[grows.text()].bytes);
    // Nobody waits for it, and it waits for nobody.
    Client alter{led.db.conninfo};
    alter.exec("BEGIN; LOCK \"Gr\"\"ows\"");
    EXPECT_TRUE(goes_on());
    EXPECT_TRUE(goes_on());
    EXPECT_TRUE(watchers.commit().value);
}

TEST_F(PulseTest, APictureThatTheServerRefusesStopsNoBeat) {
    auto config = watchers.pulse_config();
    bool asked = false;
    config.picture = [&] {
        asked = true;
        return "{";
    };
    watchers.start_pulse(std::move(config));
    ASSERT_TRUE(watchers.until([&] { return asked; }));
    EXPECT_TRUE(goes_on());
    EXPECT_TRUE(watchers.commit().value);
}

TEST_F(PulseTest, AMissingStandbyShowsAtOnceAndGrows) {
    watchers.start_pulse();
    ASSERT_TRUE(measured());
    cluster.set("synchronous_standby_names", "nope");
    EXPECT_TRUE(watchers.until([&] { return watchers.commit().value > 1.0; }));
    EXPECT_TRUE(watchers.until([&] { return watchers.commit().value > 2.0; }));
    auto const waiting = pid();
    cluster.set("synchronous_standby_names", "");
    EXPECT_TRUE(watchers.until([&] { return watchers.commit().value < 0.5; })) << "once it is out of the window";
    EXPECT_EQ(pid(), waiting) << "the same session";
}

TEST_F(PulseTest, ABeatThatWaitsTooLongIsCancelledAndStands) {
    auto config = watchers.pulse_config();
    config.give_up = Millis{700};
    watchers.start_pulse(std::move(config));
    ASSERT_TRUE(measured());
    auto const session = pid();
    cluster.set("synchronous_standby_names", "nope");
    auto const before = newest();
    EXPECT_TRUE(watchers.until([&] { return newest() >= before + 3; }));
    EXPECT_TRUE(watchers.until([&] { return watchers.commit().value >= 0.7; }));
    EXPECT_EQ(pid(), session);
    cluster.set("synchronous_standby_names", "");
    EXPECT_TRUE(goes_on());
    EXPECT_EQ(query_value(led.db.conninfo, "SELECT beat >= " + std::to_string(newest()) + " FROM weir.heartbeat"), "t")
        << "what was cancelled is committed";
}

TEST_F(PulseTest, ALostSessionIsOpenedAgain) {
    watchers.start_pulse();
    ASSERT_TRUE(measured());
    auto const before = pid();
    bool told = false;
    ASSERT_EQ(query_value(led.db.conninfo, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE " + mine),
              "t");
    EXPECT_TRUE(watchers.until([&] {
        told = told || watchers.commit().problem.starts_with("the heartbeat cannot be written: terminating connection");
        return told && watchers.commit().value;
    })) << watchers.commit().problem;
    EXPECT_NE(pid(), before);
    EXPECT_TRUE(goes_on());
}

TEST_F(PulseTest, AServerThatIsAwayIsWaitedFor) {
    watchers.start_pulse();
    ASSERT_TRUE(measured());
    cluster.kill(SIGQUIT);
    EXPECT_TRUE(watchers.until([&] { return !watchers.commit().value; }));
    EXPECT_THAT(watchers.commit().problem, HasSubstr("the heartbeat cannot be written: "));
    cluster.start();
    EXPECT_TRUE(measured());
    EXPECT_TRUE(goes_on());
}

TEST_F(PulseTest, SaysThatAnotherLeads) {
    watchers.start_pulse();
    ASSERT_TRUE(measured());
    led.raise();
    EXPECT_TRUE(watchers.until([&] { return !watchers.commit().value; }));
    EXPECT_THAT(watchers.commit().problem, HasSubstr("another orchestrator leads"));
    auto const last = newest();
    EXPECT_EQ(query_value(led.db.conninfo, "SELECT beat FROM weir.heartbeat"), std::to_string(last));
}

TEST_F(PulseTest, WaitsForNoLockForLong) {
    watchers.start_pulse();
    ASSERT_TRUE(measured());
    Client other{led.db.conninfo};
    other.exec("BEGIN; LOCK TABLE weir.heartbeat IN ACCESS EXCLUSIVE MODE");
    EXPECT_TRUE(watchers.until([&] { return watchers.commit().problem.find("lock timeout") != std::string::npos; }));
    other.exec("COMMIT");
    EXPECT_TRUE(measured());
}

TEST_F(PulseTest, MayBeStoppedInsideItsCallback) {
    auto config = watchers.pulse_config();
    int given = 0;
    config.give = [&](std::vector<Reading> const& readings, Millis) {
        ++given;
        if (readings.at(0).value) watchers.pulse().stop();
    };
    watchers.start_pulse(std::move(config));
    ASSERT_TRUE(watchers.until([&] {
        return query_value(led.db.conninfo, "SELECT count(*) FROM weir.heartbeat") == "1" &&
               query_value(led.db.conninfo, "SELECT count(*) FROM pg_stat_activity WHERE " + mine) == "0";
    }));
    auto const last = given;
    led.io.restart();
    led.io.run();
    EXPECT_EQ(given, last) << "nothing is left to do";
    watchers.pulse().stop();
}

TEST_F(PulseTest, NothingIsCalledBackWhenItEndsWhileConnecting) {
    for (int i = 0; i < 8; ++i) {
        Watchers brief{led};
        brief.start_pulse();
        int turns = 0;
        brief.until([&] { return turns++ == i; });
    }
}

}  // namespace
}  // namespace weir::tests
