/// Tables of odd shapes: wide rows, empty pages, full line pointers, slow triggers, unlucky names.
#include "filling.h"

namespace weir::tests {
namespace {

using ::testing::HasSubstr;

class Odd : public Filling {};

/// Some rows are as slow as a whole batch should be.
class Documents : public Filling, public ::testing::WithParamInterface<std::string> {};

TEST_P(Documents, OfAMegabyteThatTheExpressionReads) {
    sql("CREATE TABLE users (id bigint PRIMARY KEY, body jsonb NOT NULL) WITH (autovacuum_enabled = off);"
        "INSERT INTO users SELECT i, jsonb_build_object('name', 'user ' || i, 'pad', repeat(md5(i::text), 30000)) "
        "FROM generate_series(1, 80) i");
    sql("VACUUM ANALYZE users");
    fill(add("text", "body->>'name' || length(body->>'pad')",
             "locks: { timeout: 20ms }\nbatch: { workers: 1, order: " + GetParam() + " }\n"));
    ASSERT_EQ(ran.status, 0) << told(ran);
    EXPECT_EQ(value("SELECT count(*) FROM users WHERE full_name IS DISTINCT FROM 'user ' || id || '960000'"), "0");
    if (GetParam() == "plain") {
        // One page holds all of them: it takes more than the bound, and gets it.
        EXPECT_GE(times("batch_retried", "longer than the bound"), 1U);
    }
    EXPECT_EQ(rows_told(), 80);
}

INSTANTIATE_TEST_SUITE_P(In, Documents, ::testing::Values("plain", "auto"));

TEST_F(Odd, OneRowAPage) {
    sql("CREATE TABLE users (id bigint PRIMARY KEY, name text NOT NULL, pad text NOT NULL) WITH (autovacuum_enabled = "
        "off); ALTER TABLE users ALTER pad SET STORAGE PLAIN;"
        "INSERT INTO users SELECT i, 'user ' || i, repeat('x', 7000) FROM generate_series(1, 1500) i");
    sql("VACUUM ANALYZE users");
    fill(rename());
    ASSERT_EQ(ran.status, 0) << told(ran);
    EXPECT_EQ(wrong(), "0");
    EXPECT_EQ(ways(), "ranges");
    EXPECT_THAT(told_of("way_changed").at(0).text("reason"), HasSubstr("a page holds one row"));
    EXPECT_LE(growth(), 2.1);
}

TEST_F(Odd, OneRowAPageThatNobodyAnalyzed) {
    sql("CREATE TABLE users (id bigint PRIMARY KEY, name text NOT NULL, pad text NOT NULL) WITH (autovacuum_enabled = "
        "off); ALTER TABLE users ALTER pad SET STORAGE PLAIN;"
        "INSERT INTO users SELECT i, 'user ' || i, repeat('x', 7000) FROM generate_series(1, 1500) i");
    fill(rename());
    ASSERT_EQ(ran.status, 0) << told(ran);
    EXPECT_EQ(wrong(), "0");
    EXPECT_EQ(rows_told(), 1500);
    EXPECT_LE(growth(), 2.1);
}

TEST_F(Odd, MostlyDeadSpace) {
    make({.rows = 40'000});
    sql("DELETE FROM users WHERE id % 10 <> 0");
    fill(rename());
    ASSERT_EQ(ran.status, 0) << told(ran);
    EXPECT_EQ(wrong(), "0");
    EXPECT_EQ(rows_told(), 4000);
    EXPECT_GE(hot_share(4000), 0.9);
    EXPECT_LE(growth(), 1.05);
}

TEST_F(Odd, AllRowsDeletedButThePagesAreThere) {
    make({.rows = 20'000});
    sql("DELETE FROM users");
    fill(rename());
    ASSERT_EQ(ran.status, 0) << told(ran);
    EXPECT_EQ(rows_told(), 0);
}

TEST_F(Odd, AnEmptyTable) {
    make({.rows = 0});
    fill(rename());
    ASSERT_EQ(ran.status, 0) << told(ran);
    EXPECT_EQ(rows_told(), 0);
}

TEST_F(Odd, OneRow) {
    make({.rows = 1});
    fill(rename());
    ASSERT_EQ(ran.status, 0) << told(ran);
    EXPECT_EQ(wrong(), "0");
    EXPECT_EQ(rows_told(), 1);
}

TEST_F(Odd, ManyTinyRowsAPage) {
    sql("CREATE TABLE users (name smallint NOT NULL) WITH (autovacuum_enabled = off);"
        "INSERT INTO users SELECT i % 30000 FROM generate_series(1, 60000) i");
    sql("VACUUM ANALYZE users");
    ASSERT_GE(std::stoi(value("SELECT reltuples / relpages FROM pg_class WHERE relname = 'users'")), 200);
    fill(add("smallint", "name"));
    ASSERT_EQ(ran.status, 0) << told(ran);
    EXPECT_EQ(wrong(), "0");
    EXPECT_EQ(rows_told(), 60'000);
    // 291 line pointers are all that a page can have, and each update that stays takes one.
    EXPECT_THAT(ways(), ::testing::EndsWith("ranges"));
    EXPECT_THAT(told_of("way_changed").back().text("reason"), HasSubstr("stayed on their page"));
    EXPECT_LE(growth(), 1.9);
}

TEST_F(Odd, AValueFarWiderThanTheRow) {
    sql("CREATE TABLE users (id int PRIMARY KEY, name int NOT NULL) WITH (autovacuum_enabled = off);"
        "INSERT INTO users SELECT i, i FROM generate_series(1, 15000) i; CREATE INDEX ON users (name)");
    sql("VACUUM ANALYZE users");
    fill(add("text", "repeat('w', 400)"));
    ASSERT_EQ(ran.status, 0) << told(ran);
    EXPECT_EQ(value("SELECT count(*) FROM users WHERE length(full_name) IS DISTINCT FROM 400"), "0");
    EXPECT_THAT(ways(), HasSubstr("ranges"));
    EXPECT_EQ(rows_told(), 15'000);
}

TEST_F(Odd, ASlowTriggerOfTheApplication) {
    make({.rows = 1200});
    sql("CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM pg_sleep(0.002); RETURN NEW; END$$;"
        "CREATE TRIGGER slow BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION slow()");
    fill(rename());
    ASSERT_EQ(ran.status, 0) << told(ran);
    EXPECT_EQ(wrong(), "0");
    EXPECT_GE(times("batch_retried", "longer than the bound"), 1U);
    EXPECT_EQ(rows_told(), 1200);
}

/// Columns that are called like what our statements use, in a table whose name needs quotes.
class Names : public Filling, public ::testing::WithParamInterface<std::string> {};

TEST_P(Names, OfColumnsAreTheTablesOwn) {
    std::string const columns{
        "n int, b int, x int, u int, l int, p int, k int, d int, h int, rows int, step int, run int, page int, now "
        "int, "
        "\"weir page\" int, \"ct id\" int, count int, wrong int, age int, leaf int"};
    sql("CREATE TABLE " + GetParam() + " (id bigint PRIMARY KEY, name text NOT NULL, " + columns +
        ") WITH (autovacuum_enabled = off); INSERT INTO " + GetParam() +
        " (id, name, n, rows, \"weir page\", p, k) SELECT i, 'n' || i, 1, 2, 3, 4, 5 FROM generate_series(1, 8000) i");
    sql("VACUUM ANALYZE " + GetParam());
    table = GetParam();
    auto const name = has(GetParam(), "\"") ? "'" + GetParam().substr(1, GetParam().size() - 2) + "'" : GetParam();
    fill(plan("weir: 1\nname: odd-names\nchanges:\n  - rename_column: { table: " + name +
              ", from: name, to: full_name }\n"));
    ASSERT_EQ(ran.status, 0) << told(ran);
    EXPECT_EQ(value("SELECT count(*) FROM " + table + " WHERE full_name IS DISTINCT FROM name"), "0");
    EXPECT_EQ(rows_told(), 8000);
    EXPECT_GE(hot_share(8000), 0.6);
    // And a fill that reads them.
    fill(plan("weir: 1\nname: odd-sum\nexpand:\n  - add_column: { table: " + name +
              ", column: total, type: int }\nbackfill:\n  - fill: { table: " + name +
              ", set: { total: 'n + rows + \"weir page\" + p + k' } }\n"));
    // The rename stands at its gate, so this plan is refused or runs; it must not run wrongly.
    if (ran.status == 0) {
        EXPECT_EQ(value("SELECT count(*) FROM " + table + " WHERE total IS DISTINCT FROM 15"), "0");
    }
}

INSTANTIATE_TEST_SUITE_P(Called, Names, ::testing::Values("\"Odd Users\"", "x", "\"weir page\"", "p"));

}  // namespace
}  // namespace weir::tests
