/// In-page order: that it pays on full tables, falls back where it cannot, comes back when it can again.
#include "filling.h"

namespace weir::tests {
namespace {

using ::testing::HasSubstr;

class Order : public Filling {};

TEST_F(Order, OnAFullTableMostUpdatesStayOnTheirPage) {
    make({.rows = 40'000});
    fill(rename());
    ASSERT_EQ(ran.status, 0) << told(ran);
    EXPECT_EQ(wrong(), "0");
    EXPECT_EQ(ways(), "in_page");
    EXPECT_GE(hot_share(40'000), 0.6);
    EXPECT_LE(growth(), 1.35);
    EXPECT_EQ(rows_told(), 40'000);
}

TEST_F(Order, PlainOrderIsThePlansWordAndUpdatesLeaveTheirPage) {
    make({.rows = 15'000});
    fill(rename("batch: { order: plain }\n"));
    ASSERT_EQ(ran.status, 0) << told(ran);
    EXPECT_EQ(wrong(), "0");
    EXPECT_EQ(ways(), "ranges");
    EXPECT_THAT(told_of("way_changed").at(0).text("reason"), HasSubstr("batch.order"));
    EXPECT_LE(hot_share(15'000), 0.1);
    EXPECT_GE(growth(), 1.5);
}

TEST_F(Order, AFillOfAColumnWithoutSyncIsAsGood) {
    make({.rows = 30'000});
    fill(add("text", "upper(name)"));
    ASSERT_EQ(ran.status, 0) << told(ran);
    EXPECT_EQ(value("SELECT count(*) FROM users WHERE full_name IS DISTINCT FROM upper(name)"), "0");
    EXPECT_EQ(ways(), "in_page");
    EXPECT_GE(hot_share(30'000), 0.6);
    EXPECT_LE(growth(), 1.35);
}

TEST_F(Order, NeverAnalyzedIsLearntOnTheWay) {
    sql("CREATE TABLE users (id bigint PRIMARY KEY, name text NOT NULL, note text) WITH (autovacuum_enabled = off);"
        "INSERT INTO users SELECT i, 'user ' || i, repeat('x', 30) FROM generate_series(1, 30000) i");
    fill(rename());
    ASSERT_EQ(ran.status, 0) << told(ran);
    EXPECT_EQ(wrong(), "0");
    EXPECT_GE(hot_share(30'000), 0.6);
    EXPECT_EQ(rows_told(), 30'000);
}

/// Who holds the horizon, and whether in the same database.
struct Holding {
    std::string name, begin, end;
    bool elsewhere{};
};
void PrintTo(Holding const& holding, std::ostream* out) { *out << holding.name; }

class Held : public Filling, public ::testing::WithParamInterface<Holding> {
  protected:
    void hold() {
        holder = std::make_unique<Client>(GetParam().elsewhere ? cluster.conninfo() : db.conninfo);
        holder->exec(GetParam().begin);
    }
    void release() {
        if (holder) holder->exec(GetParam().end);
        holder.reset();
    }
    void TearDown() override { release(); }
    std::unique_ptr<Client> holder;
};

TEST_P(Held, ItComesBackWhenTheHolderEnds) {
    make({.rows = 40'000});
    hold();
    begin(rename(slow));
    ASSERT_TRUE(await("way_changed", 1, "old snapshot or transaction"));
    release();
    EXPECT_TRUE(await("way_changed", 1, "is gone"));
    end();
    ASSERT_EQ(ran.status, 0) << told(ran);
    EXPECT_THAT(ways(), ::testing::StartsWith("in_page, ranges, in_page"));
    EXPECT_EQ(wrong(), "0");
    EXPECT_EQ(rows_told(), 40'000);
    // Those that were swept when it was over are not all of them, and not none.
    EXPECT_GE(hot_share(40'000), 0.2);
}

INSTANTIATE_TEST_SUITE_P(
    By, Held,
    ::testing::Values(Holding{"Snapshot", "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1", "ROLLBACK"},
                      Holding{"Xid", "BEGIN; SELECT pg_current_xact_id()", "ROLLBACK"},
                      Holding{"XidElsewhere", "BEGIN; SELECT pg_current_xact_id()", "ROLLBACK", true},
                      Holding{"Prepared", "BEGIN; SELECT pg_current_xact_id(); PREPARE TRANSACTION 'forgotten'",
                              "ROLLBACK PREPARED 'forgotten'"}),
    [](auto const& param_info) { return param_info.param.name; });

TEST_F(Order, ASnapshotThatNeverEndsLeavesPageRanges) {
    make({.rows = 15'000});
    Client holder{db.conninfo};
    holder.exec("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1");
    fill(rename());
    ASSERT_EQ(ran.status, 0) << told(ran);
    EXPECT_EQ(wrong(), "0");
    EXPECT_EQ(rows_told(), 15'000);
    EXPECT_EQ(ways(), "in_page, ranges");
    EXPECT_THAT(told_of("way_changed").back().text("reason"), HasSubstr("old snapshot or transaction"));
}

TEST_F(Order, ASnapshotInAnotherDatabaseDoesNotMatter) {
    make({.rows = 15'000});
    Client holder{cluster.conninfo()};
    holder.exec("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1");
    fill(rename());
    ASSERT_EQ(ran.status, 0) << told(ran);
    EXPECT_EQ(ways(), "in_page");
    EXPECT_GE(hot_share(15'000), 0.6);
}

TEST_F(Order, ReadersOf200MillisecondsDelayItOnly) {
    make({.rows = 60'000});
    // Their snapshots, not their locks: nothing of this is about ALTER TABLE.
    auto const read = [](long) {
        return "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1; SELECT pg_sleep(0.2); COMMIT";
    };
    Loop one{db.conninfo, read}, two{db.conninfo, read};
    ASSERT_TRUE(two.more(1));
    fill(rename());
    ASSERT_EQ(ran.status, 0) << told(ran);
    one.stop(), two.stop();
    EXPECT_EQ(one.errors() + two.errors(), "");
    EXPECT_EQ(wrong(), "0");
    EXPECT_GE(hot_share(60'000), 0.4);
}

TEST_F(Order, AnIndexOnTheFilledColumnIsNoticedByTheShare) {
    make({.rows = 20'000});
    sql("ALTER TABLE users ADD full_name text; CREATE INDEX ON users (full_name)");
    fill(plan("weir: 1\nname: fill-it\nbackfill:\n  - fill: { table: users, set: { full_name: name } }\n"));
    ASSERT_EQ(ran.status, 0) << told(ran);
    EXPECT_EQ(wrong(), "0");
    EXPECT_THAT(ways(), ::testing::EndsWith("ranges"));
    EXPECT_LE(hot_share(20'000), 0.01);
}

TEST_F(Order, HalfEmptyPagesTakeAllUpdates) {
    make({.rows = 20'000, .with = "autovacuum_enabled = off, fillfactor = 45"});
    fill(rename());
    ASSERT_EQ(ran.status, 0) << told(ran);
    EXPECT_EQ(wrong(), "0");
    EXPECT_GE(hot_share(20'000), 0.9);
    EXPECT_LE(growth(), 1.1);
}

TEST_F(Order, WithoutTheServersCountsItGoesOn) {
    make({.rows = 20'000});
    sql("ALTER DATABASE " + db.name + " SET track_counts = off");
    fill(rename());
    ASSERT_EQ(ran.status, 0) << told(ran);
    EXPECT_EQ(wrong(), "0");
    EXPECT_EQ(ways(), "in_page");
    EXPECT_LE(growth(), 1.4);
}

TEST_F(Order, AnOwnerThatIsNoSuperuserFillsAsWell) {
    make({.rows = 20'000});
    auto const role = "owner_" + db.name;
    sql("CREATE ROLE " + role + " LOGIN; ALTER TABLE users OWNER TO " + role + "; GRANT ALL ON SCHEMA public TO " +
        role + "; GRANT CREATE ON DATABASE " + db.name + " TO " + role);
    user = role;
    Client other{db.conninfo};
    fill(rename("throttle: { replication_lag: none }\n"));
    ASSERT_EQ(ran.status, 0) << told(ran);
    EXPECT_EQ(wrong(), "0");
    EXPECT_GE(hot_share(20'000), 0.6);
    EXPECT_EQ(rows_told(), 20'000);
}

TEST_F(Order, ARoleWithoutStatisticsSeesTheSnapshotsOfOthers) {
    make({.rows = 20'000});
    auto const role = "blind_" + db.name;
    sql("CREATE ROLE " + role + " LOGIN; ALTER TABLE users OWNER TO " + role + "; GRANT ALL ON SCHEMA public TO " +
        role + "; GRANT CREATE ON DATABASE " + db.name + " TO " + role);
    user = role;
    Client holder{db.conninfo};
    holder.exec("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1");
    fill(rename("throttle: { replication_lag: none }\n"));
    ASSERT_EQ(ran.status, 0) << told(ran);
    EXPECT_EQ(wrong(), "0");
    EXPECT_EQ(rows_told(), 20'000);
    EXPECT_EQ(ways(), "in_page, ranges");
    EXPECT_THAT(told_of("way_changed").at(1).text("reason"), HasSubstr("old snapshot or transaction"));
}

}  // namespace
}  // namespace weir::tests
