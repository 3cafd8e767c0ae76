/// Rows and tables that others hold: nothing is lost, nothing grows, nobody waits for us.
#include "filling.h"

namespace weir::tests {
namespace {

class Locked : public Filling {};

/// Updates rows of the application's own that nobody else holds.
std::string update(long turn) {
    return "UPDATE users SET note = 'b" + std::to_string(turn) + "' WHERE id = " + std::to_string(turn * 37 % 900 + 50);
}

TEST_F(Locked, RowsHeldForAWhileAreNotLost) {
    make({.rows = 20'000});
    ASSERT_EQ(weir({"run", rename(slow), "--until", "expand"}).status, 0);
    Client holder{db.conninfo};
    holder.exec("BEGIN; UPDATE users SET note = 'held' WHERE id % 2000 = 7");
    Loop bystander{db.conninfo, update};
    begin(rename(slow));
    // All others are filled meanwhile, and the fill's own batches go on.
    EXPECT_TRUE(await("batch_retried", 1, "passing over locked rows"));
    EXPECT_TRUE(wait_until([&] { return wrong() == "10"; }, 30s)) << wrong();
    EXPECT_TRUE(await("phase_began", 1, "\"proof\""));
    EXPECT_TRUE(await("batch_retried", 3, "waiting for a lock"));
    EXPECT_TRUE(bystander.more(20));
    holder.exec("COMMIT");
    end();
    bystander.stop();
    ASSERT_EQ(ran.status, 0) << told(ran);
    EXPECT_EQ(wrong(), "0");
    EXPECT_EQ(bystander.errors(), "");
    std::cout << "bystander: longest " << bystander.longest().count() << " ms\n";
    EXPECT_LT(bystander.longest(), 700ms);
}

TEST_F(Locked, APlainFillDoesNotGrowTheTableByTryingAgain) {
    make({.rows = 20'000});
    auto const file = rename("batch: { workers: 1, order: plain, target: 1ms }\n");
    ASSERT_EQ(weir({"run", file, "--until", "expand"}).status, 0);
    auto const before = std::stod(value("SELECT pg_relation_size('users')"));
    Client holder{db.conninfo};
    holder.exec("BEGIN; SELECT FROM users WHERE id % 500 = 7 FOR UPDATE");
    begin(file, "backfill");
    end();
    ASSERT_EQ(ran.status, 0) << told(ran);
    EXPECT_EQ(wrong(), "40");
    EXPECT_GE(times("batch_retried"), 5U);
    // Who holds a row has a transaction, so nothing can be reused: twice the size, and each range tried blindly once.
    auto const grown = std::stod(value("SELECT pg_relation_size('users')")) / before;
    std::cout << "the table is " << grown << " times as large\n";
    EXPECT_LE(grown, 3.0);
    holder.exec("COMMIT");
    fill(file);
    EXPECT_EQ(ran.status, 0) << told(ran);
    EXPECT_EQ(wrong(), "0");
}

/// The pairs that a session updates: far apart, or neighbours on a page, the later row first.
class Pairs : public Filling, public ::testing::WithParamInterface<int> {};

TEST_P(Pairs, InTheOppositeOrderNeverLoseAgainstUs) {
    make({.rows = 15'000});
    ASSERT_EQ(weir({"run", rename(slow), "--until", "expand"}).status, 0);
    auto const pair = [distance = GetParam()](int session) {
        return [=](long turn) {
            auto const low = (turn * 271 % 14'000) / 2 * 2 + session;
            auto const touch = [](long id) {
                return "UPDATE users SET note = note || 'y', name = name || '!' WHERE id = " + std::to_string(id) + ";";
            };
            return "BEGIN;" + touch(low + distance) + touch(low) + "COMMIT";
        };
    };
    // Even ids and odd ones: the sessions never meet each other.
    Loop one{db.conninfo, pair(1)}, two{db.conninfo, pair(2)};
    ASSERT_TRUE(one.more(5));
    begin(rename(slow));
    end();
    one.stop(), two.stop();
    ASSERT_EQ(ran.status, 0) << told(ran);
    EXPECT_EQ(one.errors() + two.errors(), "");
    EXPECT_GT(one.turns(), 20);
    EXPECT_EQ(wrong(), "0");
    EXPECT_LT(std::max(one.longest(), two.longest()), 1000ms);
}

INSTANTIATE_TEST_SUITE_P(Apart, Pairs, ::testing::Values(2, 500));

TEST_F(Locked, ATableThatIsLockedForLongIsWaitedFor) {
    make({.rows = 10'000});
    begin(rename(slow));
    ASSERT_TRUE(await("batch_done", 3));
    Client holder{db.conninfo};
    holder.exec("BEGIN; LOCK TABLE users IN ACCESS EXCLUSIVE MODE");
    EXPECT_TRUE(await("batch_retried", 3, "waiting for a lock"));
    EXPECT_EQ(holder.try_exec("UPDATE users SET note = 'z' WHERE id = 9999"), "");
    holder.exec("COMMIT");
    end();
    ASSERT_EQ(ran.status, 0) << told(ran);
    EXPECT_EQ(wrong(), "0");
    EXPECT_EQ(rows_told(), 9'999) << "one came by the sync";
}

TEST_F(Locked, VacuumsAndIndexBuildsStandBesideTheFill) {
    make({.rows = 20'000});
    begin(rename("batch: { target: 1ms, workers: 1, order: plain }\n"), "backfill");
    ASSERT_TRUE(await("batch_done", 3));
    Client holder{db.conninfo};
    // As a VACUUM, ANALYZE or CREATE INDEX CONCURRENTLY does.
    holder.exec("BEGIN; LOCK TABLE users IN SHARE UPDATE EXCLUSIVE MODE");
    end();
    ASSERT_EQ(ran.status, 0) << told(ran);
    EXPECT_EQ(wrong(), "0");
    EXPECT_EQ(times("batch_retried"), 0U);
    holder.exec("COMMIT");
    EXPECT_EQ(rows_told(), 20'000);
}

TEST_F(Locked, AnIndexIsBuiltAndTheTableVacuumedMeanwhile) {
    make({.rows = 20'000});
    begin(rename(slow));
    ASSERT_TRUE(await("batch_done", 3));
    sql("CREATE INDEX CONCURRENTLY built ON users (note, id)");
    sql("VACUUM users");
    sql("ANALYZE users");
    EXPECT_EQ(value("SELECT indisvalid FROM pg_index WHERE indexrelid = 'built'::regclass"), "t");
    end();
    ASSERT_EQ(ran.status, 0) << told(ran);
    EXPECT_EQ(wrong(), "0");
    EXPECT_EQ(rows_told(), 20'000);
}

TEST_F(Locked, ItVacuumsForItselfInPlainOrder) {
    make({.rows = 60'000});
    auto const heap = std::stod(value("SELECT pg_relation_size('users')"));
    fill(rename("batch: { workers: 1, order: plain }\n"));
    ASSERT_EQ(ran.status, 0) << told(ran);
    EXPECT_EQ(wrong(), "0");
    EXPECT_GE(times("vacuumed"), 1U);
    EXPECT_EQ(ways(), "ranges");
    for (auto const& one : told_of("vacuumed")) EXPECT_GE(one.number("dead_rows"), 20'000);
    // Without it the heap is 2.2 times as large. When the VACUUM runs depends on when the horizon is read.
    EXPECT_LE(growth(), 1.95);
    EXPECT_LE(std::stod(value("SELECT pg_relation_size('users')")) / heap, 1.9);
}

TEST_F(Locked, AVacuumOfItsOwnThatCannotBeHadStopsNothing) {
    make({.rows = 60'000});
    ASSERT_EQ(weir({"run", rename(), "--until", "expand"}).status, 0);
    Client holder{db.conninfo};
    holder.exec("BEGIN; LOCK TABLE users IN SHARE UPDATE EXCLUSIVE MODE");
    fill(rename("batch: { workers: 2, order: plain }\n"), "backfill");
    ASSERT_EQ(ran.status, 0) << told(ran);
    EXPECT_EQ(times("vacuumed"), 0U);
    EXPECT_EQ(wrong(), "0");
    holder.exec("COMMIT");
}

}  // namespace
}  // namespace weir::tests
