/// The table changes under the fill: rewritten, emptied, longer, with other partitions.
#include "filling.h"

namespace weir::tests {
namespace {

/// Done by the application in the middle of a fill, with the table to itself.
struct Change {
    std::string name, statements;
    bool rewrites{};
};
void PrintTo(Change const& change, std::ostream* out) { *out << change.name; }

class Changed : public Filling, public ::testing::WithParamInterface<Change> {};

TEST_P(Changed, InTheMiddleTheFillBeginsAnewAndEndsRight) {
    make({.rows = 20'000});
    begin(rename(slow));
    ASSERT_TRUE(await("batch_done", 5));
    ASSERT_NE(wrong(), "0") << "the fill is over already";
    Client application{db.conninfo};
    application.exec(GetParam().statements);
    end();
    ASSERT_EQ(ran.status, 0) << told(ran);
    EXPECT_EQ(wrong(), "0");
    if (GetParam().rewrites) {
        EXPECT_GE(times("batch_retried", "another one now"), 1U);
    }
    EXPECT_EQ(value("SELECT count(*) FROM weir.progress WHERE next_page <> to_page"), "0");
    EXPECT_EQ(value("SELECT count(*) FROM weir.progress WHERE filenode <> pg_relation_filenode('users')"), "0");
}

INSTANTIATE_TEST_SUITE_P(
    By, Changed,
    ::testing::Values(
        Change{"VacuumFull", "VACUUM FULL users", true}, Change{"Cluster", "CLUSTER users USING users_pkey", true},
        Change{"TruncateAndReload",
               "BEGIN; CREATE TEMP TABLE kept AS SELECT id, name, email, at, note FROM users; TRUNCATE users; INSERT "
               "INTO users (id, name, email, at, note) SELECT * FROM kept; COMMIT",
               true},
        Change{"Truncate", "TRUNCATE users", true},
        Change{"NewRows",
               "INSERT INTO users (id, name, email, at) SELECT i, 'user ' || i, 'x', now() FROM generate_series(30001, "
               "50000) i"},
        Change{"AllRowsMoved", "UPDATE users SET note = note || 'moved'; UPDATE users SET email = 'also ' || email"},
        Change{"DeletedAndVacuumed", "DELETE FROM users WHERE id > 3000"},
        Change{"NewFillfactor", "ALTER TABLE users SET (fillfactor = 50)"},
        Change{"Renamed", "ALTER TABLE users RENAME TO other; ALTER TABLE other RENAME TO users"}),
    [](auto const& param_info) { return param_info.param.name; });

/// The same without a sync: what the application inserts has no value.
TEST_F(Changed, RowsInsertedWithoutTheColumnAreFilledToo) {
    make({.rows = 15'000});
    begin(add("text", "upper(name)", slow));
    ASSERT_TRUE(await("batch_done", 5));
    ASSERT_NE(wrong(), "0") << "the fill is over already";
    sql("INSERT INTO users (id, name, email, at) SELECT i, 'user ' || i, 'x', now() FROM generate_series(30001, "
        "50000) i");
    end();
    ASSERT_EQ(ran.status, 0) << told(ran);
    EXPECT_EQ(value("SELECT count(*) FROM users WHERE full_name IS DISTINCT FROM upper(name)"), "0");
}

TEST_F(Changed, AReloadWithoutTheColumnIsFilledToo) {
    make({.rows = 15'000});
    begin(add("text", "upper(name)", slow));
    ASSERT_TRUE(await("batch_done", 5));
    ASSERT_NE(wrong(), "0") << "the fill is over already";
    sql("BEGIN; CREATE TEMP TABLE kept AS SELECT id, name, email, at, note FROM users; TRUNCATE users; INSERT INTO "
        "users (id, name, email, at, note) SELECT * FROM kept; COMMIT");
    end();
    ASSERT_EQ(ran.status, 0) << told(ran);
    EXPECT_EQ(value("SELECT count(*) FROM users WHERE full_name IS DISTINCT FROM upper(name)"), "0");
}

/// users by range of id: users_0 .. users_3 of 5000 rows each; `spare` is a table that could be a fifth.
class Partitions : public Filling {
  protected:
    void make_partitions() {
        sql("CREATE TABLE users (id bigint NOT NULL, name text NOT NULL, note text) PARTITION BY RANGE (id)");
        for (int i = 0; i < 4; ++i)
            sql("CREATE TABLE users_" + std::to_string(i) + " PARTITION OF users FOR VALUES FROM (" +
                std::to_string(i * 5000) + ") TO (" + std::to_string((i + 1) * 5000) +
                ") WITH (autovacuum_enabled = off)");
        sql("INSERT INTO users SELECT i, 'user ' || i, repeat('x', 60) FROM generate_series(0, 19999) i;"
            "CREATE INDEX ON users (id); CREATE INDEX ON users (note)");
        sql("ANALYZE users");
    }
    /// Begins with users_0 .. users_3 and is stopped by the table's lock in the middle.
    void in_the_middle(std::string const& file, std::string const& statements) {
        begin(file);
        ASSERT_TRUE(await("batch_done", 5));
        ASSERT_NE(wrong(), "0") << "the fill is over already";
        Client application{db.conninfo};
        application.exec(statements);
        end();
        ASSERT_EQ(ran.status, 0) << told(ran);
        EXPECT_EQ(wrong(), "0");
    }
    static constexpr char const* spare =
        "CREATE TABLE spare (id bigint NOT NULL, name text NOT NULL, note text, full_name text); INSERT INTO spare "
        "SELECT i, 'user ' || i, 'spare' FROM generate_series(20000, 22999) i;";
    static constexpr char const* attach = "ALTER TABLE users ATTACH PARTITION spare FOR VALUES FROM (20000) TO (30000)";
};

TEST_F(Partitions, AreFilledInOrderAndMostlyInPlace) {
    make_partitions();
    fill(rename());
    ASSERT_EQ(ran.status, 0) << told(ran);
    EXPECT_EQ(wrong(), "0");
    EXPECT_EQ(rows_told(), 20'000);
    EXPECT_GE(hot_share(20'000), 0.6);
    EXPECT_EQ(ways(), "in_page, in_page, in_page, in_page");
}

TEST_F(Partitions, OneThatIsAttachedIsFilledToo) {
    make_partitions();
    in_the_middle(rename(slow), std::string{spare} + attach);
    EXPECT_EQ(value("SELECT count(*) FROM users WHERE full_name IS NOT NULL"), "23000");
}

TEST_F(Partitions, OneThatIsAttachedIsFilledTooWithoutASync) {
    make_partitions();
    in_the_middle(add("text", "name", slow), std::string{spare} + attach);
    EXPECT_EQ(value("SELECT count(*) FROM users WHERE full_name IS NOT NULL"), "23000");
}

TEST_F(Partitions, OneThatIsDetachedIsLeftAlone) {
    make_partitions();
    in_the_middle(rename(slow), "ALTER TABLE users DETACH PARTITION users_3");
    EXPECT_EQ(value("SELECT count(*) FROM weir.progress WHERE leaf = 'users_3'::regclass"), "0");
    EXPECT_EQ(value("SELECT count(*) FROM users WHERE full_name IS NOT NULL"), "15000");
}

TEST_F(Partitions, OneThatIsDetachedAndFilledByHalfIsLeftAlone) {
    make_partitions();
    in_the_middle(rename(slow), "ALTER TABLE users DETACH PARTITION users_0");
    EXPECT_EQ(value("SELECT count(*) FROM weir.progress WHERE leaf = 'users_0'::regclass"), "0");
}

TEST_F(Partitions, OneThatIsDetachedAndAttachedAgain) {
    make_partitions();
    in_the_middle(add("text", "name", slow),
                  "BEGIN; ALTER TABLE users DETACH PARTITION users_0; ALTER TABLE users ATTACH PARTITION users_0 FOR "
                  "VALUES FROM (0) TO (5000); COMMIT");
}

TEST_F(Partitions, OneThatIsDetachedConcurrently) {
    make_partitions();
    in_the_middle(add("text", "name", slow), "ALTER TABLE users DETACH PARTITION users_3 CONCURRENTLY");
}

/// As long as an older transaction reads the table it is still there, and no part of it any more.
TEST_F(Partitions, OneWhoseDetachingIsNotThroughIsLeftAlone) {
    make_partitions();
    begin(add("text", "name", slow));
    ASSERT_TRUE(await("batch_done", 5));
    ASSERT_NE(wrong(), "0") << "the fill is over already";
    Client older{db.conninfo};
    older.exec("BEGIN; SELECT count(*) FROM users WHERE id = 1");
    Client detaching{db.conninfo};
    detaching.send("ALTER TABLE users DETACH PARTITION users_3 CONCURRENTLY");
    ASSERT_TRUE(
        wait_until([&] { return value("SELECT count(*) FROM pg_inherits WHERE inhdetachpending") == "1"; }, 30s));
    end();
    EXPECT_EQ(ran.status, 0) << told(ran);
    EXPECT_EQ(wrong(), "0");
    EXPECT_EQ(value("SELECT count(*) FROM weir.progress WHERE leaf = 'users_3'::regclass"), "0");
    older.exec("COMMIT");
    EXPECT_EQ(detaching.try_result(), "");
}

TEST_F(Partitions, OneThatIsDropped) {
    make_partitions();
    in_the_middle(rename(slow), "DROP TABLE users_0");
    EXPECT_EQ(value("SELECT count(*) FROM weir.progress WHERE leaf NOT IN (SELECT oid FROM pg_class)"), "0");
}

TEST_F(Partitions, OneThatIsDroppedBeforeItsTurn) {
    make_partitions();
    in_the_middle(rename(slow), "DROP TABLE users_3");
}

TEST_F(Partitions, OneThatIsCreatedWithRows) {
    make_partitions();
    in_the_middle(add("text", "name", slow),
                  "BEGIN; CREATE TABLE users_4 PARTITION OF users FOR VALUES FROM (20000) TO (30000); INSERT INTO "
                  "users SELECT i, 'user ' || i FROM generate_series(20000, 22999) i; COMMIT");
    EXPECT_EQ(value("SELECT count(*) FROM users_4 WHERE full_name IS NOT NULL"), "3000");
}

TEST_F(Partitions, SmallOnesAreNotCutSmaller) {
    // A row a page, 8 partitions of 200 pages.
    sql("CREATE TABLE users (id bigint NOT NULL, name text NOT NULL, note text) PARTITION BY HASH (id)");
    for (int i = 0; i < 8; ++i)
        sql("CREATE TABLE users_" + std::to_string(i) + " PARTITION OF users FOR VALUES WITH (MODULUS 8, REMAINDER " +
            std::to_string(i) + ") WITH (fillfactor = 10)");
    sql("INSERT INTO users SELECT i, repeat('x', 700), '' FROM generate_series(1, 1600) i");
    sql("ANALYZE users");
    fill(rename(), "backfill");
    ASSERT_EQ(ran.status, 0) << told(ran);
    // 1600 pages in 16 parts: two a partition.
    EXPECT_EQ(value("SELECT max(to_page - from_page) FROM weir.progress WHERE step = 'backfill.1'"), "100");
    EXPECT_EQ(value("SELECT count(*) FROM users WHERE full_name IS DISTINCT FROM name"), "0");
}

TEST_F(Partitions, OneThatIsTruncated) {
    make_partitions();
    in_the_middle(rename(slow), "TRUNCATE users_1");
}

TEST_F(Partitions, AllOfThemEmptyAtTheStart) {
    sql("CREATE TABLE users (id bigint NOT NULL, name text NOT NULL, note text) PARTITION BY RANGE (id);"
        "CREATE TABLE users_0 PARTITION OF users FOR VALUES FROM (0) TO (5000)");
    fill(rename());
    ASSERT_EQ(ran.status, 0) << told(ran);
}

TEST_F(Partitions, NoneAtAll) {
    sql("CREATE TABLE users (id bigint NOT NULL, name text NOT NULL, note text) PARTITION BY RANGE (id)");
    fill(rename());
    ASSERT_EQ(ran.status, 0) << told(ran);
}

TEST_F(Partitions, OneThatIsEmptyAndLockedAtTheEndOfTheFillIsWaitedFor) {
    make_partitions();
    sql("CREATE TABLE users_4 PARTITION OF users FOR VALUES FROM (20000) TO (30000)");
    begin(add("text", "name", slow), "backfill");
    ASSERT_TRUE(await("batch_done", 2));
    Client holder{db.conninfo};
    holder.exec("BEGIN; LOCK TABLE users_4 IN ACCESS EXCLUSIVE MODE");
    // The look for new leaves waits for the lock, and goes on waiting when its own time is over.
    std::string const looks =
        "SELECT coalesce(max(xact_start)::text, '') FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND "
        "application_name LIKE 'weir%' AND datname = current_database()";
    std::string first;
    EXPECT_TRUE(wait_until([&] { return !(first = value(looks)).empty() || !running(); }));
    EXPECT_TRUE(wait_until([&] {
        auto const now = value(looks);
        return (!now.empty() && now != first) || !running();
    }));
    EXPECT_TRUE(running());
    holder.exec("COMMIT");
    end();
    ASSERT_EQ(ran.status, 0) << told(ran);
    EXPECT_EQ(wrong(), "0");
}

}  // namespace
}  // namespace weir::tests
