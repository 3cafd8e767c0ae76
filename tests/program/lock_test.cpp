/// Locks of others: weir keeps trying and nobody waits behind it for long.
#include <csignal>

#include "tests/support/terminal.h"

namespace weir::tests {
namespace {

using Clock = std::chrono::steady_clock;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

/// Reads one row by key, again and again, and notes the longest wait.
class Bystander {
  public:
    explicit Bystander(std::string const& conninfo)
        : thread_{[this, conninfo] {
              Client client{conninfo};
              for (int id = 1; !stopping_; id = id % 50 + 1) {
                  auto const began = Clock::now();
                  if (!client.try_exec("SELECT note FROM users WHERE id = " + std::to_string(id)).empty()) ++errors_;
                  auto const took = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - began).count();
                  longest_ = std::max<long>(longest_, took);
                  ++reads_;
                  std::this_thread::sleep_for(1ms);
              }
          }} {}
    ~Bystander() { stop(); }
    Bystander(Bystander const&) = delete;
    Bystander& operator=(Bystander const&) = delete;
    void stop() {
        stopping_ = true;
        if (thread_.joinable()) thread_.join();
    }
    std::chrono::milliseconds longest() const { return std::chrono::milliseconds{longest_}; }
    long reads() const { return reads_; }
    int errors() const { return errors_; }

  private:
    std::atomic<bool> stopping_{};
    std::atomic<long> longest_{}, reads_{};
    std::atomic<int> errors_{};
    std::thread thread_;
};

class Locks : public ::testing::Test, public Bench {
  protected:
    std::string file = plan(rename_plan);
};

TEST_F(Locks, AReaderInATransactionDelaysNobodyElse) {
    make_users(*this, 2000);
    auto blocker = std::make_unique<Client>(db.conninfo + " application_name=slow-report");
    blocker->exec("BEGIN");
    blocker->exec("SELECT count(*) FROM users");
    Writers writers{*this, 2, 2000};
    Bystander reader{db.conninfo};
    auto process = start({"run", file, "--approve", "all"});
    ASSERT_TRUE(wait_until([&] { return has(process.out(), "held by") || !process.running(); })) << process.err();
    // It stays for three seconds: that is the test.
    wait_until([&, until = Clock::now() + 3s] { return Clock::now() >= until || !process.running(); }, 4s);
    EXPECT_TRUE(process.running());
    EXPECT_TRUE(has(process.out(), "slow-report")) << process.out();
    EXPECT_TRUE(has(process.out(), "pid " + std::to_string(blocker->backend())));
    EXPECT_EQ(value("SELECT count(*) FROM weir.entries WHERE kind = 'step_done'"), "0");
    blocker->exec("COMMIT");
    auto const ran = wait(process);
    EXPECT_EQ(ran.status, 0) << told(ran);
    EXPECT_TRUE(has(ran.out, "got its locks after")) << ran.out;
    reader.stop();
    writers.stop();
    std::cout << "bystander: " << reader.reads() << " reads, longest " << reader.longest().count()
              << " ms; writers longest " << writers.longest().count() << " ms\n";
    EXPECT_LT(reader.longest(), 700ms);
    EXPECT_LT(writers.longest(), 1000ms);
    EXPECT_EQ(reader.errors(), 0);
    EXPECT_EQ(writers.errors(), "");
    EXPECT_EQ(ledger_faults(), "");
}

TEST_F(Locks, GivesUpAndNamesTheBlocker) {
    make_users(*this, 50);
    auto const short_file = plan(std::string{rename_plan} + "locks: { give_up: 1s }\n");
    Client blocker{db.conninfo + " application_name=slow-report"};
    blocker.exec("BEGIN");
    blocker.exec("SELECT count(*) FROM users");
    auto const ran = weir({"run", short_file});
    EXPECT_TRUE(refused(
        ran, 4, "gave-up-lock",
        {"pid " + std::to_string(blocker.backend()), "user postgres", "slow-report", "SELECT count(*) FROM users"}));
    auto const status = weir({"status"});
    EXPECT_TRUE(has(status.out, "could not get the lock")) << status.out;
    blocker.exec("ROLLBACK");
    EXPECT_EQ(finish(short_file).status, 0);
    EXPECT_EQ(ledger_faults(), "");
}

TEST_F(Locks, APreparedTransactionIsNamed) {
    make_users(*this, 50);
    auto const short_file = plan(std::string{rename_plan} + "locks: { give_up: 1s }\n");
    sql("BEGIN; UPDATE users SET note = 'x' WHERE id = 1; PREPARE TRANSACTION 'forgotten'");
    EXPECT_TRUE(refused(weir({"run", short_file}), 4, "gave-up-lock", {"prepared transaction"}));
    sql("ROLLBACK PREPARED 'forgotten'");
    EXPECT_EQ(finish(short_file).status, 0);
}

TEST_F(Locks, TheContractWaitsAsPolitely) {
    make_users(*this, 500);
    auto const opened = weir({"run", file, "--no-wait"});
    ASSERT_EQ(opened.status, 3) << told(opened);
    Client blocker{db.conninfo};
    blocker.exec("BEGIN");
    blocker.exec("SELECT count(*) FROM users");
    Bystander reader{db.conninfo};
    auto process = start({"run", file, "--approve", "all"});
    ASSERT_TRUE(wait_until([&] { return has(process.out(), "held by") || !process.running(); }))
        << process.out() << process.err();
    wait_until([&, until = Clock::now() + 1s] { return Clock::now() >= until; });
    blocker.exec("COMMIT");
    EXPECT_EQ(wait(process).status, 0);
    reader.stop();
    EXPECT_LT(reader.longest(), 700ms);
    EXPECT_EQ(ledger_faults(), "");
}

TEST_F(Locks, ALockedRowIsPassedOverAndVisitedAgain) {
    make_users(*this, 5000);
    ASSERT_EQ(weir({"run", file, "--until", "expand"}).status, 0);
    Client holder{db.conninfo};
    holder.exec("BEGIN");
    holder.exec("UPDATE users SET note = 'held' WHERE id IN (17, 2500)");
    auto process = start({"run", file, "--approve", "all", "--progress", "json"});
    ASSERT_TRUE(wait_until([&] { return has(process.out(), "passing over locked rows") || !process.running(); }))
        << process.err();
    // All other rows are filled meanwhile.
    EXPECT_TRUE(wait_until([&] { return value("SELECT count(*) FROM users WHERE full_name IS NULL") == "2"; }))
        << value("SELECT count(*) FROM users WHERE full_name IS NULL");
    EXPECT_TRUE(process.running());
    holder.exec("COMMIT");
    auto const ran = wait(process);
    EXPECT_EQ(ran.status, 0) << ran.err;
    EXPECT_EQ(differing(*this, "full_name"), "0");
    EXPECT_EQ(ledger_faults(), "");
}

TEST_F(Locks, ARowThatStaysLockedIsNamed) {
    make_users(*this, 3000);
    auto const short_file = plan(std::string{rename_plan} + "locks: { give_up: 1s }\n");
    ASSERT_EQ(weir({"run", short_file, "--until", "expand"}).status, 0);
    Client holder{db.conninfo};
    holder.exec("BEGIN");
    holder.exec("UPDATE users SET note = 'held' WHERE id = 17");
    auto const ran = at_terminal(*this, {"run", short_file});
    EXPECT_TRUE(refused(ran, 4, "misses", {"1 rows", "among them id=17", "locked"}));
    EXPECT_THAT(weir({"status"}).out, AllOf(HasSubstr("1 rows of users are not right"), Not(HasSubstr("id=17"))));
    holder.exec("COMMIT");
    EXPECT_EQ(finish(short_file).status, 0);
    EXPECT_EQ(differing(*this, "full_name"), "0");
    EXPECT_EQ(ledger_faults(), "");
}

TEST_F(Locks, AWholeTableThatIsLockedDuringTheFillIsWaitedFor) {
    make_users(*this, 3000);
    ASSERT_EQ(weir({"run", file, "--until", "expand"}).status, 0);
    Client holder{db.conninfo};
    holder.exec("BEGIN");
    holder.exec("LOCK TABLE users IN SHARE MODE");
    auto process = start({"run", file, "--approve", "all", "--progress", "json"});
    ASSERT_TRUE(wait_until([&] { return has(process.out(), "\"batch_retried\"") || !process.running(); }))
        << process.err();
    EXPECT_TRUE(process.running());
    holder.exec("COMMIT");
    EXPECT_EQ(wait(process).status, 0);
    EXPECT_EQ(differing(*this, "full_name"), "0");
}

/// Waits until a session waits for the standby; says so when one does that holds a lock on users that others feel.
/// True when at least `times` looks saw the wait.
bool waits_without_a_lock(Bench const& bench, Process& process, int times) {
    Client eye{bench.db.conninfo};
    int waited = 0;
    wait_until(
        [&] {
            auto const rows = eye.exec(
                "SELECT a.application_name, a.query FROM pg_stat_activity a JOIN pg_locks l USING (pid) "
                "WHERE a.wait_event = 'SyncRep' AND l.granted AND l.relation = 'users'::regclass "
                "AND l.mode <> 'AccessShareLock'");
            for (auto const& row : rows) ADD_FAILURE() << *row[0] << ": " << *row[1];
            if (eye.value("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'") != "0") ++waited;
            return !rows.empty() || !process.running() || waited >= times;
        },
        15s);
    return waited >= times;
}

TEST_F(Locks, AStandbyThatVanishesBeforeTheFirstAlterHoldsNoLock) {
    Cluster own;
    Bench bench{own};
    make_users(bench, 500);
    auto const plan_file = bench.plan(rename_plan);
    Bystander reader{bench.db.conninfo};
    // The standby vanishes while the run waits for its first lock.
    Client blocker{bench.db.conninfo};
    blocker.exec("BEGIN");
    blocker.exec("SELECT count(*) FROM users");
    auto process = bench.start({"run", plan_file});
    ASSERT_TRUE(wait_until([&] { return has(process.out(), "waits for a lock") || !process.running(); }));
    own.set("synchronous_standby_names", "nope");
    blocker.exec("COMMIT");
    EXPECT_TRUE(waits_without_a_lock(bench, process, 50)) << process.out();
    // The ALTER is there, and nothing is told as done.
    EXPECT_EQ(
        bench.value("SELECT count(*) FROM pg_attribute WHERE attrelid = 'users'::regclass AND attname = 'full_name'"),
        "1");
    EXPECT_FALSE(has(process.out(), "expand.1 done")) << process.out();
    own.set("synchronous_standby_names", "");
    ASSERT_TRUE(bench.at_gate(process, 40s)) << process.out() << process.err();
    process.signal(SIGINT);
    EXPECT_EQ(process.wait(), 4);
    reader.stop();
    auto const ran = bench.finish(plan_file);
    EXPECT_EQ(ran.status, 0) << told(ran);
    EXPECT_EQ(bench.ledger_faults(), "") << bench.entries();
    EXPECT_LT(reader.longest(), 700ms);
    EXPECT_EQ(reader.errors(), 0);
}

TEST_F(Locks, AStandbyThatVanishesBeforeTheContractHoldsNoLock) {
    Cluster own;
    Bench bench{own};
    make_users(bench, 500);
    auto const plan_file = bench.plan(rename_plan);
    // While the last lock is waited for, so that the gate's own entry is through.
    ASSERT_EQ(bench.weir({"run", plan_file, "--no-wait"}).status, 3);
    Client blocker{bench.db.conninfo};
    blocker.exec("BEGIN");
    blocker.exec("SELECT count(*) FROM users");
    Bystander reader{bench.db.conninfo};
    auto process = bench.start({"run", plan_file, "--approve", "all"});
    ASSERT_TRUE(wait_until([&] { return has(process.out(), "waits for a lock") || !process.running(); }))
        << process.out();
    own.set("synchronous_standby_names", "nope");
    blocker.exec("COMMIT");
    EXPECT_TRUE(waits_without_a_lock(bench, process, 50)) << process.out();
    EXPECT_EQ(bench.value("SELECT count(*) FROM pg_attribute WHERE attrelid = 'users'::regclass AND attname = 'name'"),
              "0");
    own.set("synchronous_standby_names", "");
    auto const ran = wait(process, 40s);
    EXPECT_EQ(ran.status, 0) << told(ran);
    reader.stop();
    EXPECT_LT(reader.longest(), 700ms);
    EXPECT_EQ(bench.ledger_faults(), "") << bench.entries();
}

/// Whoever changes the table's partitions locks them in the order that suits him.
TEST_F(Locks, DdlThatMeetsTheReadingOfTheCatalogCrosswiseIsNoReasonToStop) {
    sql("CREATE TABLE t (id bigint, a text) PARTITION BY RANGE (id)");
    for (auto const* leaf : {"0", "1"})
        sql(std::string{"CREATE TABLE t_"} + leaf + " PARTITION OF t FOR VALUES FROM (" + leaf + ") TO (" + leaf +
            " + 1)");
    Client ddl{db.conninfo};
    // That it is weir's request which is ended, and not this one.
    ddl.exec("SET deadlock_timeout = '60s'");
    ddl.exec("BEGIN; LOCK TABLE ONLY t_1");
    auto process = start({"plan", plan("weir: 1\nname: rename-it\nchanges:\n"
                                       "  - rename_column: { table: t, from: a, to: b }\n")});
    ASSERT_TRUE(wait_until(
        [&] {
            return value("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 't_1'::regclass") == "1" &&
                   value("SELECT count(*) FROM pg_locks WHERE granted AND relation = 't_0'::regclass") == "1";
        },
        30s))
        << value("SELECT string_agg(relation::regclass || ' ' || granted, ', ') FROM pg_locks WHERE relation >= 16384");
    ddl.send("LOCK TABLE ONLY t_0");
    EXPECT_EQ(ddl.try_result(), "");
    ddl.exec("ROLLBACK");
    auto const ran = wait(process, 60s);
    EXPECT_EQ(ran.status, 0) << told(ran);
    EXPECT_THAT(ran.out, HasSubstr("t.b"));
}

}  // namespace
}  // namespace weir::tests
