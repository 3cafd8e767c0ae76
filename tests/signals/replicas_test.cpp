// Real replicas that are idle, slow, paused, stopped, cut off and catching up, measured both ways at once.
#include <csignal>

#include "watchers.h"

namespace weir::tests {
namespace {

using ::testing::HasSubstr;

struct ReplicasTest : ::testing::Test {
    static std::unique_ptr<Cluster>& slot() {
        static std::unique_ptr<Cluster> cluster;
        return cluster;
    }
    static void SetUpTestSuite() {
        // The server notices a receiver that says nothing only after this time; the test must be sooner.
        slot() = std::make_unique<Cluster>(
            Cluster::Options{.fsync = false, .settings = {"wal_sender_timeout = 5min"}, .hba = {}});
        slot()->add_replica("r1");
    }
    static void TearDownTestSuite() { slot().reset(); }

    void SetUp() override {
        watchers.start_pulse();
        watchers.watch({{"r1", replica.conninfo(led.db.name)}});
        watchers.ask_primary();
        ASSERT_TRUE(near());
    }
    static std::string said(Reading const& reading) {
        return reading.subject + ": " + (reading.value ? std::to_string(*reading.value) : reading.problem);
    }
    std::string both() const { return said(watchers.by_heartbeat()) + ", " + said(watchers.by_primary()); }
    bool above(double seconds) {
        return watchers.until(
            [&] { return watchers.by_heartbeat().value > seconds && watchers.by_primary().value > seconds; });
    }
    bool near() {
        return watchers.until([&] {
            auto const heartbeat = watchers.by_heartbeat().value;
            auto const primary = watchers.by_primary().value;
            return heartbeat && primary && *heartbeat < 0.5 && *primary < 0.5;
        });
    }
    pid_t receiver() { return std::stoi(query_value(replica.conninfo(), "SELECT pid FROM pg_stat_wal_receiver")); }

    Cluster& cluster = *slot();
    Replica& replica = cluster.replica("r1");
    Led led{cluster};
    Watchers watchers{led};
};

TEST_F(ReplicasTest, AnIdlePrimaryHasNoLag) {
    // The pulse is all that writes. Steadily near, not by chance: over several beats.
    auto const first = *watchers.pulse().beats().newest();
    double worst = 0;
    ASSERT_TRUE(watchers.until([&] {
        worst = std::max(worst, watchers.by_heartbeat().value.value_or(99));
        return *watchers.pulse().beats().newest() > first + 10;
    }));
    EXPECT_LT(worst, 2) << "the default limit";
    EXPECT_TRUE(near()) << both();
    EXPECT_EQ(watchers.by_heartbeat().signal, "replication_lag");
    EXPECT_EQ(watchers.by_heartbeat().unit, "s");
}

TEST_F(ReplicasTest, APausedReplicaGrowsAndCatchesUp) {
    replica.pause();
    ASSERT_TRUE(above(1)) << both();
    ASSERT_TRUE(above(2)) << both();
    EXPECT_GT(watchers.by_primary().bytes, 0);
    replica.resume();
    EXPECT_TRUE(near()) << both();
}

TEST_F(ReplicasTest, AServerThatIsStoppedIsToldAndComesBack) {
    replica.stop();
    EXPECT_TRUE(watchers.until([&] { return !watchers.by_heartbeat().value && !watchers.by_primary().value; }))
        << both();
    EXPECT_THAT(watchers.by_heartbeat().problem, HasSubstr("replica r1 cannot be reached: "));
    EXPECT_EQ(watchers.by_primary().problem, "replica r1 is gone");
    replica.start();
    EXPECT_TRUE(near()) << both();
}

TEST_F(ReplicasTest, AReplicaThatReceivesNothingGrowsOrIsGone) {
    auto const conninfo = query_value(replica.conninfo(), "SHOW primary_conninfo");
    replica.set("primary_conninfo", "host=/nowhere");
    EXPECT_TRUE(watchers.until([&] { return watchers.by_heartbeat().value > 1.5; })) << both();
    EXPECT_TRUE(watchers.until([&] { return watchers.by_primary().problem == "replica r1 is gone"; })) << both();
    replica.set("primary_conninfo", conninfo);
    EXPECT_TRUE(near()) << both();
}

TEST_F(ReplicasTest, AReceiverThatStandsStillGrows) {
    auto const pid = receiver();
    ASSERT_EQ(::kill(pid, SIGSTOP), 0);
    bool const grew = above(1.5);
    ASSERT_EQ(::kill(pid, SIGCONT), 0);
    EXPECT_TRUE(grew) << both();
    EXPECT_TRUE(near()) << both();
}

TEST_F(ReplicasTest, AServerThatStandsStillGrows) {
    // The session hangs inside its query: no answer, no error.
    auto const pid = std::stoi(query_value(
        replica.conninfo(led.db.name), "SELECT pid FROM pg_stat_activity WHERE application_name = 'weir p replica'"));
    ASSERT_EQ(::kill(pid, SIGSTOP), 0);
    bool const grew = watchers.until([&] { return watchers.by_heartbeat().value > 1.5; });
    ASSERT_EQ(::kill(pid, SIGCONT), 0);
    EXPECT_TRUE(grew) << both();
    EXPECT_TRUE(near()) << both();
}

TEST_F(ReplicasTest, ALostSessionIsOpenedAgain) {
    auto const pid = [&] {
        auto const rows = query(replica.conninfo(led.db.name),
                                "SELECT pid FROM pg_stat_activity WHERE application_name = 'weir p replica'");
        return rows.empty() ? std::string{} : rows[0][0].value_or("");
    };
    auto const before = pid();
    query(replica.conninfo(), "SELECT pg_terminate_backend(" + before + ")");
    EXPECT_TRUE(watchers.until([&] { return !pid().empty() && pid() != before; }));
    EXPECT_TRUE(near()) << both();
}

TEST_F(ReplicasTest, ALockThatIsReplayedThereIsWaitedOut) {
    Client other{led.db.conninfo};
    other.exec("BEGIN; LOCK TABLE weir.heartbeat IN ACCESS EXCLUSIVE MODE");
    EXPECT_TRUE(watchers.until([&] { return watchers.by_heartbeat().value > 1.5; })) << both();
    other.exec("COMMIT");
    EXPECT_TRUE(near()) << both();
}

TEST_F(ReplicasTest, AQueryThatRecoveryCancelsIsAskedAgain) {
    // The look takes its time there, the lock of a VACUUM FULL is replayed, and the standby waits for no query.
    replica.set("max_standby_streaming_delay", "0");
    query(led.db.conninfo, R"(
CREATE FUNCTION weir.dawdle() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN IF pg_catalog.pg_is_in_recovery() THEN PERFORM pg_catalog.pg_sleep(0.1); END IF; RETURN true; END $$;
ALTER TABLE weir.heartbeat RENAME TO beats;
CREATE VIEW weir.heartbeat AS SELECT * FROM weir.beats WHERE weir.dawdle())");
    auto const cancelled = [&] {
        return query_value(replica.conninfo(),
                           "SELECT confl_lock > 0 FROM pg_stat_database_conflicts WHERE datname = " +
                               sql_literal(led.db.name)) == "t";
    };
    ASSERT_TRUE(watchers.until([&] {
        query(led.db.conninfo, "VACUUM FULL weir.beats");
        return cancelled();
    }));
    EXPECT_TRUE(near()) << both();
    EXPECT_EQ(watchers.by_heartbeat().problem, "");
}

TEST_F(ReplicasTest, SaysWhatIsNoReplicaOfThisRun) {
    auto const other = cluster.create_database();
    ASSERT_TRUE(replica.catch_up());
    watchers.watch({{"primary", led.db.conninfo},
                    {"elsewhere", replica.conninfo(other.name)},
                    {"nowhere", "host=/nowhere dbname=x"},
                    {"named", ""},
                    {"r1", replica.conninfo(led.db.name)}});
    auto const problem = [&](std::string const& name) { return watchers.by_heartbeat(name).problem; };
    EXPECT_TRUE(watchers.until([&] {
        return problem("primary") == "replica primary is no replica: the server at its address is not in recovery" &&
               problem("elsewhere") == "replica elsewhere shows no heartbeat of this run" &&
               problem("nowhere").starts_with("replica nowhere cannot be reached: ");
    })) << problem("primary")
        << problem("elsewhere") << problem("nowhere");
    EXPECT_TRUE(near()) << both();
    EXPECT_EQ(watchers.by_heartbeat("named").signal, "");
}

TEST_F(ReplicasTest, AnExpectedOneThatWasNeverSeenIsNotThere) {
    watchers.ask_primary({"r1", "r2"});
    EXPECT_TRUE(watchers.until([&] { return watchers.by_primary("r2").problem == "replica r2 is not there"; }));
    EXPECT_TRUE(near()) << both();
    cluster.add_replica("r2");
    EXPECT_TRUE(watchers.until([&] { return watchers.by_primary("r2").value.has_value(); }));
    cluster.remove_replica("r2");
    EXPECT_TRUE(watchers.until([&] { return watchers.by_primary("r2").problem == "replica r2 is gone"; }));
}

TEST_F(ReplicasTest, MayBeStoppedInsideItsCallback) {
    bool stopped = false;
    int given = 0;
    ReplicaWatch::Config config{plan_name, led.run, {{"r1", replica.conninfo(led.db.name)}}, {}};
    std::unique_ptr<ReplicaWatch> watch;
    config.give = [&](std::vector<Reading> const& readings, Millis) {
        ++given;
        if (!readings.at(0).value) return;
        watch->stop();
        stopped = true;
    };
    watch = std::make_unique<ReplicaWatch>(led.io.get_executor(), std::move(config), watchers.pulse().beats());
    watch->start();
    ASSERT_TRUE(watchers.until([&] { return stopped; }));
    auto const last = given;
    watch->look();
    auto const before = *watchers.pulse().beats().newest();
    ASSERT_TRUE(watchers.until([&] { return *watchers.pulse().beats().newest() > before + 2; }));
    EXPECT_EQ(given, last);
}

TEST(SlowReplica, ReadsAsItIsLate) {
    Cluster cluster;
    auto& slow = cluster.add_replica("slow", {.min_apply_delay = "1500ms"});
    Led led{cluster};
    Watchers watchers{led};
    watchers.start_pulse();
    watchers.watch({{"slow", slow.conninfo(led.db.name)}});
    watchers.ask_primary();
    auto const late = [](Reading const& reading) {
        return reading.value && *reading.value > 1.3 && *reading.value < 3;
    };
    EXPECT_TRUE(
        watchers.until([&] { return late(watchers.by_heartbeat("slow")) && late(watchers.by_primary("slow")); }));
    // It stays so: neither grows nor jumps with the beats.
    int looks = 0;
    int wrong = 0;
    auto const first = *watchers.pulse().beats().newest();
    ASSERT_TRUE(watchers.until([&] {
        ++looks;
        if (!late(watchers.by_heartbeat("slow"))) ++wrong;
        return *watchers.pulse().beats().newest() > first + 15;
    }));
    EXPECT_LT(wrong, looks / 2);
}

TEST(IdleReplica, WithoutAPulseTheEstimateIsNothingToo) {
    Cluster cluster;
    cluster.add_replica("r1");
    Led led{cluster};
    Watchers watchers{led};
    watchers.ask_primary();
    EXPECT_TRUE(watchers.until([&] { return watchers.by_primary().value == 0; }));
}

}  // namespace
}  // namespace weir::tests
