/// Killed in the middle of sweeps, and the server with it: the ledger says what the rows say.
#include <csignal>
#include <random>

#include "filling.h"

namespace weir::tests {
namespace {

class Killed : public Filling {};

TEST_F(Killed, AtAnyMomentTheLedgerKnowsTheRows) {
    std::mt19937_64 random{seed()};
    make({.rows = 15'000});
    auto const file = rename("batch: { target: 1ms, workers: 2 }\n");
    int kills = 0;
    for (; kills < 10; ++kills) {
        begin(file, "backfill");
        auto const batches = std::uniform_int_distribution<std::size_t>{1, 60}(random);
        if (!await("batch_done", batches)) break;
        EXPECT_EQ(ledger_rows(), "same") << "while it runs";
        kill();
        // What it sent last may still commit.
        EXPECT_EQ(ledger_rows(), "same") << "after kill " << kills;
        // The next one leads as soon as the dead one's sessions are gone.
        ASSERT_TRUE(wait_until([&] {
            return value(
                       "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'weir%' AND datname = "
                       "current_database()") == "0";
        }));
    }
    EXPECT_GE(kills, 3);
    fill(file);
    ASSERT_EQ(ran.status, 0) << told(ran);
    EXPECT_EQ(wrong(), "0");
    EXPECT_EQ(ledger_rows(), "same");
    EXPECT_EQ(value("SELECT sum(rows) FROM weir.progress WHERE step = 'backfill.1'"), "15000");
    std::cout << "killed " << kills << " times\n";
}

TEST_F(Killed, AResumedFillIsStillInOrder) {
    make({.rows = 30'000});
    auto const file = rename(slow);
    begin(file);
    ASSERT_TRUE(await("batch_done", 40));
    kill();
    ASSERT_TRUE(wait_until([&] {
        return value(
                   "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'weir%' AND datname = "
                   "current_database()") == "0";
    }));
    auto const left = std::stoll(wrong());
    ASSERT_GT(left, 0);
    fill(rename());
    ASSERT_EQ(ran.status, 0) << told(ran);
    EXPECT_EQ(rows_told(), left);
    EXPECT_EQ(told_of("work_known").at(0).number("rows_done"), 30'000 - left);
    EXPECT_EQ(wrong(), "0");
    EXPECT_GE(hot_share(left), 0.6);
}

/// Commits of batches are asynchronous: a crash of the server takes rows and progress together.
TEST(KilledServer, LosesRowsOnlyWithTheirProgress) {
    struct Own : Filling {
        explicit Own(Cluster& server) : Filling{server} {}
        void TestBody() override {
            make({.rows = 20'000});
            for (int i = 0; i < 2; ++i) {
                begin(rename("batch: { target: 1ms, workers: 2 }\n"), "backfill");
                ASSERT_TRUE(await("batch_done", 20));
                cluster.kill(SIGQUIT);
                kill();
                cluster.start();
                EXPECT_EQ(ledger_rows(), "same");
            }
            fill(rename());
            ASSERT_EQ(ran.status, 0) << told(ran);
            EXPECT_EQ(wrong(), "0");
            EXPECT_EQ(value("SELECT sum(rows) FROM weir.progress WHERE step = 'backfill.1'"), "20000");
        }
    };
    Cluster server{Cluster::Options{.fsync = true, .settings = {"wal_writer_delay = 10s"}, .hba = {}}};
    Own own{server};
    own.TestBody();
}

}  // namespace
}  // namespace weir::tests
