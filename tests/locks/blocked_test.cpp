/// Somebody is in the way of a step: nobody queues behind us in vain, who it is is said, and what `locks.on_blocked`
/// ends.
#include <atomic>

#include "tests/support/bench.h"

namespace weir::tests {
namespace {

using ::testing::HasSubstr;
using Clock = std::chrono::steady_clock;

constexpr std::string_view add_plan = R"(weir: 1
name: add-it
throttle: none
expand:
  - add_column: { table: users, column: extra, type: text }
)";

std::string with_locks(std::string const& locks) { return std::string{add_plan} + "locks: { " + locks + " }\n"; }

class Blocked : public ::testing::Test, public Bench {
  protected:
    explicit Blocked(Cluster& server = Cluster::shared()) : Bench{server} { make_users(*this, 500); }

    void role(std::string const& name) const {
        sql("DO $$ BEGIN IF to_regrole('" + name + "') IS NULL THEN CREATE ROLE " + name +
            " LOGIN; END IF; END $$; GRANT SELECT, INSERT, UPDATE ON users TO " + name);
    }
    /// weir connects as a role that owns the table and is nothing else.
    void connect_as(std::string const& name) {
        role(name);
        sql("ALTER TABLE users OWNER TO " + name + "; GRANT CREATE ON DATABASE " + db.name + " TO " + name);
        user = name;
    }
    /// A session of `name` in a transaction that has read users.
    std::unique_ptr<Client> reader(std::string const& name = "postgres", std::string const& more = "") const {
        auto made = std::make_unique<Client>(cluster.conninfo(db.name, name) + more);
        made->exec("BEGIN");
        made->exec("SELECT count(*) FROM users");
        return made;
    }
    void grow_older(Client const& client, std::string const& seconds) const {
        ASSERT_TRUE(wait_until([&] {
            return value("SELECT clock_timestamp() - xact_start > " + seconds +
                         " * interval '1 s' FROM pg_stat_activity WHERE pid = " + std::to_string(client.backend())) ==
                   "t";
        }));
    }
    bool added() const {
        return value("SELECT count(*) FROM pg_attribute WHERE attrelid = 'users'::regclass AND attname = 'extra'") ==
               "1";
    }
};

/// Looks all the time for a request of weir's that stands in a queue, and for sessions that wait behind it.
class Watch {
  public:
    explicit Watch(std::string const& conninfo)
        : thread_{[this, conninfo] {
              Client client{conninfo};
              while (!stopping_) {
                  auto const row = client.exec(
                      "SELECT (SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE NOT l.granted "
                      "AND a.application_name LIKE 'weir %'), coalesce((SELECT max(extract(epoch FROM "
                      "clock_timestamp() "
                      "- l.waitstart) * 1000)::int FROM pg_locks l WHERE NOT l.granted AND EXISTS (SELECT FROM "
                      "unnest(pg_blocking_pids(l.pid)) b JOIN pg_stat_activity a ON a.pid = b WHERE a.application_name "
                      "LIKE 'weir %')), 0)");
                  queued_ += std::stol(*row[0][0]);
                  behind_us_ = std::max<long>(behind_us_, std::stol(*row[0][1]));
                  ++looks_;
              }
          }} {}
    ~Watch() { stop(); }
    Watch(Watch const&) = delete;
    Watch& operator=(Watch const&) = delete;
    void stop() {
        stopping_ = true;
        if (thread_.joinable()) thread_.join();
    }
    long queued() const { return queued_; }
    long looks() const { return looks_; }
    /// The longest that anybody was seen to wait for weir.
    std::chrono::milliseconds behind_us() const { return std::chrono::milliseconds{behind_us_}; }

  private:
    std::atomic<bool> stopping_{};
    std::atomic<long> queued_{}, looks_{}, behind_us_{};
    std::thread thread_;
};

TEST_F(Blocked, BehindALongReaderNobodyQueues) {
    auto const blocker = reader("postgres", " application_name=slow-report");
    grow_older(*blocker, "1.1");
    Writers writers{*this, 2, 500};
    Watch watch{db.conninfo};
    auto process = start({"run", plan(add_plan)});
    ASSERT_TRUE(wait_until([&] { return has(process.out(), "held by pid") || !process.running(); })) << process.err();
    // It stays for eight seconds: that is the test.
    wait_until([&, until = Clock::now() + 8s] { return Clock::now() >= until || !process.running(); }, 9s);
    EXPECT_TRUE(process.running());
    EXPECT_EQ(watch.queued(), 0);
    EXPECT_GT(watch.looks(), 100);
    EXPECT_EQ(watch.behind_us(), 0ms);
    EXPECT_GT(writers.writes(), 100);
    EXPECT_THAT(process.out(), HasSubstr("slow-report, idle in transaction, open for "));
    EXPECT_FALSE(added());
    blocker->exec("COMMIT");
    auto const ran = wait(process);
    EXPECT_EQ(ran.status, 0) << told(ran);
    EXPECT_TRUE(added());
    writers.stop();
    EXPECT_EQ(writers.errors(), "");
}

TEST_F(Blocked, ShortReadersAreBeaten) {
    std::atomic<bool> stopping{};
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i)
        threads.emplace_back([&] {
            Client client{db.conninfo};
            while (!stopping) client.exec("SELECT count(*) FROM users WHERE id = 1; SELECT pg_sleep(0.005)");
        });
    auto const ran = weir({"run", plan(with_locks("give_up: 30s"))});
    stopping = true;
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(ran.status, 0) << told(ran);
    EXPECT_TRUE(added());
}

TEST_F(Blocked, GivesUpAndSaysAllOfWhoIsInTheWay) {
    role("blocked_app");
    auto const blocker = reader("blocked_app", " application_name=slow-report");
    auto const pid = std::to_string(blocker->backend());
    auto const ran = weir({"run", plan(with_locks("give_up: 2s"))});
    EXPECT_TRUE(refused(ran, 4, "gave-up-lock",
                        {"could not get the lock for step expand.1", "within 2 s",
                         "in the way: pid " + pid +
                             " (user blocked_app, application slow-report, idle in transaction, "
                             "open for ",
                         " s: SELECT count(*) FROM users)", "SELECT pg_terminate_backend(" + pid + ")",
                         "locks.on_blocked can do that"}));
    EXPECT_FALSE(added());
}

TEST_F(Blocked, TerminatesTheSessionIfThePlanSaysSo) {
    role("blocked_app");
    auto const blocker = reader("blocked_app");
    auto const ran = weir({"run", plan(with_locks("on_blocked: terminate"))});
    EXPECT_EQ(ran.status, 0) << told(ran);
    EXPECT_THAT(ran.out, HasSubstr("expand.1 terminated the session of pid " + std::to_string(blocker->backend()) +
                                   " (user blocked_app"));
    EXPECT_TRUE(added());
    EXPECT_NE(blocker->try_exec("SELECT 1"), "");
    EXPECT_FALSE(blocker->connected());
}

TEST_F(Blocked, CancelsWhatRunsIfThePlanSaysSo) {
    role("blocked_app");
    auto const idle = reader("blocked_app", " application_name=idler");
    auto const busy = reader("blocked_app", " application_name=worker");
    busy->send("SELECT pg_sleep(60)");
    auto process = start({"run", plan(with_locks("on_blocked: cancel"))});
    EXPECT_EQ(busy->try_result(), "57014");
    ASSERT_TRUE(wait_until([&] { return has(process.out(), "no statement that could be canceled"); })) << process.out();
    auto const canceled = "expand.1 canceled the statement of pid " + std::to_string(busy->backend());
    EXPECT_TRUE(wait_until([&] { return has(process.out(), canceled); })) << process.out();
    EXPECT_THAT(process.out(), HasSubstr("on_blocked: terminate"));
    EXPECT_EQ(count(process.out(), "warning: "), 1U);
    EXPECT_TRUE(busy->connected());
    EXPECT_EQ(idle->value("SELECT 1"), "1");
    idle->exec("COMMIT");
    auto const ran = wait(process);
    EXPECT_EQ(ran.status, 0) << told(ran);
}

TEST_F(Blocked, SparesASuperuserAndAPreparedTransactionAndSaysSo) {
    auto const superuser = reader("postgres", " application_name=dba");
    Client two_phase{db.conninfo};
    two_phase.exec("BEGIN; UPDATE users SET note = '' WHERE id = 1; PREPARE TRANSACTION 'forgotten'");
    auto const ran = weir({"run", plan(with_locks("on_blocked: terminate, give_up: 8s"))});
    two_phase.exec("ROLLBACK PREPARED 'forgotten'");
    EXPECT_EQ(ran.status, 4);
    EXPECT_TRUE(superuser->connected());
    EXPECT_EQ(superuser->value("SELECT 1"), "1");
    EXPECT_THAT(ran.out, HasSubstr("is in the way and is not ended: its user postgres is a superuser"));
    EXPECT_THAT(ran.out, HasSubstr("prepared transaction 'forgotten' of postgres"));
    EXPECT_EQ(count(ran.out, "warning: "), 2U) << told(ran);
    EXPECT_THAT(ran.err + ran.out, HasSubstr("ROLLBACK PREPARED"));
}

TEST_F(Blocked, WithoutThePrivilegeItWarnsAndWaits) {
    connect_as("blocked_weir");
    role("blocked_app");
    sql("GRANT pg_read_all_stats TO blocked_weir");
    auto const blocker = reader("blocked_app");
    auto process = start({"run", plan(with_locks("on_blocked: terminate"))});
    ASSERT_TRUE(wait_until([&] { return has(process.out(), "warning: ") || !process.running(); }, 20s))
        << process.out() << process.err();
    EXPECT_THAT(process.out(), HasSubstr("weir may not end it: "));
    EXPECT_THAT(process.out(), HasSubstr("GRANT pg_signal_backend"));
    EXPECT_EQ(blocker->value("SELECT 1"), "1");
    blocker->exec("COMMIT");
    auto const ran = wait(process);
    EXPECT_EQ(ran.status, 0) << told(ran);
    EXPECT_EQ(count(ran.out, "warning: "), 1U) << ran.out;
}

// ---- autovacuum -----------------------------------------------------------------------------------------------------

struct Vacuuming {
    Cluster own{[] {
        Cluster::Options options;
        options.settings = {"autovacuum_naptime = 1s"};
        return options;
    }()};
};

class Autovacuum : private Vacuuming, public Blocked {
  protected:
    Autovacuum() : Blocked{own} { make_users(*this, 5000); }
    /// Begins one that takes half a minute and more.
    void begin() const {
        slow("autovacuum_vacuum_threshold = 1");
        sql("UPDATE users SET note = note || 'y'");
        ASSERT_TRUE(wait_until([&] { return has(running(), "users"); }, 30s));
    }
    void slow(std::string const& more) const {
        sql("ALTER TABLE users SET (autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1, "
            "autovacuum_vacuum_scale_factor = 0, autovacuum_analyze_threshold = 2000000000, " +
            more + ")");
    }
    std::string running() const {
        return value(
            "SELECT coalesce(max(a.query), '') FROM pg_stat_progress_vacuum p JOIN pg_stat_activity a USING (pid) "
            "WHERE p.relid = 'users'::regclass");
    }
};

TEST_F(Autovacuum, MakesWayForASuperuser) {
    begin();
    auto const ran = weir({"run", plan(with_locks("give_up: 20s"))});
    EXPECT_EQ(ran.status, 0) << told(ran);
    EXPECT_THAT(cluster.log(), HasSubstr("canceling autovacuum task"));
}

TEST_F(Autovacuum, MakesWayForARoleThatWasGrantedTheSetting) {
    if (std::stoi(value("SHOW server_version_num")) < 150000) GTEST_SKIP() << "the grant is of PostgreSQL 15";
    connect_as("blocked_granted");
    sql("GRANT SET ON PARAMETER deadlock_timeout TO blocked_granted");
    begin();
    auto const ran = weir({"run", plan(with_locks("give_up: 20s"))});
    EXPECT_EQ(ran.status, 0) << told(ran);
}

TEST_F(Autovacuum, IsWaitedForAndNamedOtherwise) {
    connect_as("blocked_plain");
    begin();
    EXPECT_TRUE(refused(weir({"run", plan(with_locks("give_up: 3s"))}), 4, "gave-up-lock",
                        {"an autovacuum or another background process", "GRANT SET ON PARAMETER deadlock_timeout"}));
    sql("GRANT pg_read_all_stats TO blocked_plain");
    EXPECT_TRUE(refused(weir({"run", plan(with_locks("give_up: 3s"))}), 4, "gave-up-lock",
                        {"(autovacuum worker, active, open for ", "autovacuum: VACUUM ", "public.users"}));
    EXPECT_FALSE(added());
}

TEST_F(Autovacuum, AgainstWraparoundIsNeverTriedNorEnded) {
    sql("UPDATE users SET note = note || 'y'");
    slow("autovacuum_vacuum_threshold = 2000000000, autovacuum_freeze_max_age = 100000");
    Client client{db.conninfo};
    client.exec("DO $$ BEGIN FOR i IN 1..100100 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$");
    ASSERT_TRUE(wait_until([&] { return has(running(), "to prevent wraparound"); }, 30s));
    Watch watch{db.conninfo};
    auto const ran = weir({"run", plan(with_locks("on_blocked: terminate, give_up: 8s"))});
    watch.stop();
    EXPECT_EQ(ran.status, 4) << told(ran);
    EXPECT_THAT(ran.out + ran.err, HasSubstr("within 8 s, 0 tries"));
    EXPECT_THAT(ran.out + ran.err, HasSubstr("come to its end: it is needed; then run again"));
    EXPECT_EQ(watch.queued(), 0);
    EXPECT_THAT(ran.out, HasSubstr("is not ended: it is an autovacuum against wraparound"));
    EXPECT_THAT(running(), HasSubstr("to prevent wraparound"));
}

}  // namespace
}  // namespace weir::tests
