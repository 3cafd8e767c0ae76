/// Many sessions that lock rows and tables while a run takes its locks: what the run adds to their waits is bounded,
/// and no deadlock of ours reaches the application.
#include <algorithm>
#include <atomic>
#include <iostream>
#include <random>

#include "tests/support/bench.h"

namespace weir::tests {
namespace {

using ::testing::HasSubstr;
using Clock = std::chrono::steady_clock;

/// Sessions that hold rows and locks of users for some milliseconds each, and of these some that take the whole table.
class Storm {
  public:
    Storm(std::string const& conninfo, int sessions, int rows) {
        for (int i = 0; i < sessions; ++i)
            threads_.emplace_back([this, conninfo, rows, i] { work(conninfo, rows, i); });
    }
    ~Storm() { stop(); }
    Storm(Storm const&) = delete;
    Storm& operator=(Storm const&) = delete;
    void stop() {
        stopping_ = true;
        for (auto& thread : threads_)
            if (thread.joinable()) thread.join();
    }
    /// The longest since this was asked last.
    std::chrono::milliseconds longest() { return std::chrono::milliseconds{longest_.exchange(0)}; }
    long done() const { return done_; }
    long errors() const { return errors_; }

  private:
    void work(std::string const& conninfo, int rows, int number) {
        std::mt19937 random{static_cast<std::mt19937::result_type>(number)};
        auto const below = [&](int n) { return std::uniform_int_distribution<int>{0, n - 1}(random); };
        Client client{conninfo};
        while (!stopping_) {
            auto const id = std::to_string(1 + below(rows));
            auto const hold = "; SELECT pg_sleep(" + std::to_string(0.001 * below(5)) + "); COMMIT";
            std::string text;
            switch (below(20)) {
                case 0:
                    text = "BEGIN; LOCK TABLE users IN SHARE ROW EXCLUSIVE MODE" + hold;
                    break;
                case 1:
                    text = "BEGIN; LOCK TABLE users IN SHARE UPDATE EXCLUSIVE MODE" + hold;
                    break;
                case 2:
                case 3:
                case 4:
                    text = "BEGIN; SELECT FROM users WHERE id = " + id + " FOR UPDATE" + hold;
                    break;
                default:
                    text = "BEGIN; UPDATE users SET note = 'storm' WHERE id = " + id + hold;
            }
            auto const began = Clock::now();
            if (!client.try_exec(text).empty()) {
                ++errors_;
                (void)client.try_exec("ROLLBACK");
            }
            long const took = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - began).count();
            for (long seen = longest_; took > seen && !longest_.compare_exchange_weak(seen, took);) {
            }
            ++done_;
            std::this_thread::sleep_for(std::chrono::milliseconds{below(20)});
        }
    }
    std::atomic<bool> stopping_{};
    std::atomic<long> longest_{}, done_{}, errors_{};
    std::vector<std::thread> threads_;
};

TEST(LockStorm, AddsNoMoreThanTheBoundToTheWaitsOfOthers) {
    Bench bench;
    make_users(bench, 2000);
    auto const file = bench.plan(std::string{rename_plan} + "throttle: none\n");
    Storm storm{bench.db.conninfo, 50, 2000};
    ASSERT_TRUE(wait_until([&] { return storm.done() > 1000; }, 30s));
    (void)storm.longest();
    // Five seconds of the storm by itself, with the same idle transaction in it: the measure.
    Client idle{bench.db.conninfo + " application_name=idle-report"};
    idle.exec("BEGIN");
    idle.exec("SELECT count(*) FROM users");
    wait_until([&, until = Clock::now() + 5s] { return Clock::now() >= until; }, 6s);
    auto const calm = storm.longest();

    auto process = bench.start({"run", file, "--approve", "all"});
    ASSERT_TRUE(wait_until([&] { return has(process.out(), "idle-report") || !process.running(); }, 20s))
        << process.out() << process.err();
    wait_until([&, until = Clock::now() + 8s] { return Clock::now() >= until || !process.running(); }, 9s);
    EXPECT_TRUE(process.running()) << process.out() << process.err();
    auto const blocked = storm.longest();
    idle.exec("COMMIT");
    auto const ran = wait(process, 120s);
    auto const through = storm.longest();
    storm.stop();
    std::cout << "longest by itself " << calm.count() << " ms, while the run waits " << blocked.count()
              << " ms, while it changes the table " << through.count() << " ms, " << storm.done() << " transactions\n";
    EXPECT_EQ(ran.status, 0) << told(ran);
    EXPECT_EQ(storm.errors(), 0);
    // The bound is 100 ms; a machine with few cores and 50 busy sessions needs room beside it.
    EXPECT_LT(blocked, 2 * calm + 100ms + 400ms);
    EXPECT_LT(through, 2 * calm + 100ms + 400ms);
    EXPECT_EQ(bench.ledger_faults(), "");
}

/// Sessions that lock the two tables, and rows of them, in the other order than the run.
TEST(Deadlock, IsNeverTheApplications) {
    Bench bench;
    make_users(bench, 10000);
    bench.sql(
        "CREATE TABLE orders (id bigint PRIMARY KEY, note text); INSERT INTO orders SELECT generate_series(1, 50)");
    auto const file = bench.plan(R"(weir: 1
name: two-tables
throttle: none
changes:
  - rename_column: { table: users, from: name, to: full_name }
  - rename_column: { table: orders, from: note, to: remark }
gates: { contract: none }
)");
    std::atomic<bool> stopping{};
    std::atomic<long> done{};
    std::mutex mutex;
    std::string errors;
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i)
        threads.emplace_back([&, i] {
            std::mt19937 random{static_cast<std::mt19937::result_type>(i)};
            Client client{bench.db.conninfo + " application_name=shop"};
            // A wait of ours ends within the bound; whoever is in a circle with us for longer would be told of it.
            client.exec("SET deadlock_timeout = '200ms'");
            while (!stopping) {
                auto const id = 2 + static_cast<int>(random() % 9900);
                auto const update = [](char const* table, int row) {
                    return std::string{"UPDATE "} + table + " SET id = id WHERE id = " + std::to_string(row) + "; ";
                };
                // Downwards, all of them, so that they do not deadlock with each other.
                auto const sqlstate = client.try_exec(
                    "BEGIN; " + update("orders", 1 + static_cast<int>(random() % 50)) + update("users", id) +
                    "SELECT pg_sleep(0.002); " + update("users", id - 1) + "COMMIT");
                if (!sqlstate.empty()) {
                    (void)client.try_exec("ROLLBACK");
                    std::lock_guard const lock{mutex};
                    errors += sqlstate + "\n";
                }
                ++done;
            }
        });
    auto const ran = bench.weir({"run", file, "--approve", "all"}, {}, 120s);
    stopping = true;
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(ran.status, 0) << told(ran);
    EXPECT_GT(done, 100);
    EXPECT_EQ(errors, "");
    EXPECT_EQ(bench.ledger_faults(), "");
}

TEST(SynchronousStandby, IsWaitedForAndTheRunSaysSo) {
    Cluster own;
    Bench bench{own};
    make_users(bench, 500);
    auto const file = bench.plan(std::string{rename_plan} + "throttle: none\n");
    Client blocker{bench.db.conninfo};
    blocker.exec("BEGIN");
    blocker.exec("SELECT count(*) FROM users");
    auto process = bench.start({"run", file, "--until", "expand"});
    ASSERT_TRUE(wait_until([&] { return has(process.out(), "waits for a lock") || !process.running(); }));
    own.set("synchronous_standby_names", "nope");
    blocker.exec("COMMIT");
    // The entry's commit is given up after 15 s, and stands.
    Client reader{bench.db.conninfo};
    reader.exec("SET lock_timeout = '1s'");
    ASSERT_TRUE(wait_until(
        [&] {
            EXPECT_EQ(reader.try_exec("SELECT full_name FROM users WHERE id = 1").substr(0, 2) == "55", false);
            return has(process.out(), "warning: ") || !process.running();
        },
        40s))
        << process.out() << process.err();
    EXPECT_THAT(process.out(), HasSubstr("no synchronous standby confirms the commit of entry step_told"));
    EXPECT_THAT(process.out(), HasSubstr("synchronous_standby_names"));
    EXPECT_TRUE(process.running());
    EXPECT_FALSE(has(process.out(), "expand.1 done"));
    EXPECT_EQ(bench.value("SELECT count(*) FROM weir.entries WHERE kind = 'step_told'"), "1");
    own.set("synchronous_standby_names", "");
    auto const ran = wait(process, 40s);
    EXPECT_EQ(ran.status, 0) << told(ran);
    EXPECT_THAT(ran.out, HasSubstr("expand.1 done"));
    auto const finished = bench.finish(file);
    EXPECT_EQ(finished.status, 0) << told(finished);
    EXPECT_EQ(bench.ledger_faults(), "") << bench.entries();
}

}  // namespace
}  // namespace weir::tests
