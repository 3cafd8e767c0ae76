/// Values of an INSERT that no application wrote: defaults, as they stand when the row is written.
#include "lab.h"

namespace weir::tests {
namespace {

constexpr char const* table = "CREATE TABLE t (id int PRIMARY KEY, a text, c int); INSERT INTO t VALUES (1, 'one', 1);";
constexpr char const* last = "SELECT a, b FROM t ORDER BY id DESC LIMIT 1";

/// How often both columns were given and one was kept.
std::string both(Lab& lab) {
    return lab.rows("SELECT sum(coalesce(last_value, 0)) FROM pg_sequences WHERE sequencename LIKE '%\\_both'");
}

TEST(Defaults, a_default_that_the_old_column_gets_meanwhile_does_not_win_over_the_new_application) {
    Lab lab{table};
    lab.expand(rename);
    lab.fill();
    lab.run("ALTER TABLE t ALTER a SET DEFAULT 'n/a'");
    lab.run("INSERT INTO t (id, b) VALUES (1001, 'Bob')");
    EXPECT_EQ(lab.rows(last), "Bob|Bob");
    lab.run("ALTER TABLE t ALTER a SET DEFAULT 'y'");
    lab.run("INSERT INTO t (id, b) VALUES (1002, 'Bob')");
    EXPECT_EQ(lab.rows(last), "Bob|Bob");
    lab.run("INSERT INTO t (id) VALUES (1003)");
    EXPECT_EQ(lab.rows(last), "y|y");
    lab.run("ALTER TABLE t ALTER a SET DEFAULT 'z' || clock_timestamp()::text");
    lab.run("INSERT INTO t (id, b) VALUES (1004, 'Bob')");
    EXPECT_EQ(lab.rows(last), "Bob|Bob");
    lab.run("ALTER TABLE t ALTER a DROP DEFAULT");
    lab.run("INSERT INTO t (id, b) VALUES (1005, 'Bob')");
    EXPECT_EQ(lab.rows(last), "Bob|Bob");
    EXPECT_EQ(lab.wrong(), 0);
    EXPECT_EQ(both(lab), "0");
}

TEST(Defaults, a_changed_constant_default_is_no_value_of_the_old_application) {
    Lab lab{"CREATE TABLE t (id int PRIMARY KEY, a text DEFAULT 'x')"};
    lab.expand(rename);
    lab.run("ALTER TABLE t ALTER a SET DEFAULT 'y'");
    lab.run("INSERT INTO t (id, b) VALUES (1, 'Bob')");
    EXPECT_EQ(lab.rows(last), "Bob|Bob");
}

TEST(Defaults, a_default_of_the_new_column_does_not_win_over_the_old_application) {
    Lab lab{table};
    lab.expand(rename);
    lab.run("ALTER TABLE t ALTER b SET DEFAULT 'anonymous'");
    lab.run("INSERT INTO t (id, a) VALUES (2, 'old')");
    EXPECT_EQ(lab.rows(last), "old|old");
    lab.run("INSERT INTO t (id, b) VALUES (3, 'new')");
    EXPECT_EQ(lab.rows(last), "new|new");
    lab.run("INSERT INTO t (id) VALUES (4)");
    EXPECT_EQ(lab.rows(last), "anonymous|anonymous");
    EXPECT_EQ(both(lab), "0");
}

TEST(Defaults, where_both_have_one_the_new_value_wins_and_it_is_counted) {
    Lab lab{table};
    lab.expand(rename);
    lab.run("ALTER TABLE t ALTER a SET DEFAULT 'n/a', ALTER b SET DEFAULT 'anonymous'");
    lab.run("INSERT INTO t (id, b) VALUES (2, 'new')");
    EXPECT_EQ(lab.rows(last), "new|new");
    EXPECT_EQ(both(lab), "1");
    lab.run("INSERT INTO t (id, a) VALUES (3, 'old')");
    EXPECT_EQ(lab.rows(last), "anonymous|anonymous");
    lab.run("INSERT INTO t (id, a, b) VALUES (4, 'same', 'same')");
    EXPECT_EQ(both(lab), "2");
    EXPECT_EQ(
        lab.look(),
        "t.b has a default now, on t\n2 INSERTs had values in t.a and t.b that do not fit, and both columns have a "
        "default: t.b was kept\n");
}

TEST(Defaults, one_of_the_new_column_is_told_with_the_partitions_that_have_it) {
    Lab lab{
        "CREATE TABLE t (id int, k int, a text) PARTITION BY LIST (k); CREATE TABLE t1 PARTITION OF t FOR VALUES IN "
        "(1)"};
    lab.expand(rename);
    EXPECT_EQ(lab.look(), "");
    lab.run("ALTER TABLE t1 ALTER b SET DEFAULT 'anonymous'; INSERT INTO t (id, k, a) VALUES (1, 1, 'x')");
    EXPECT_EQ(lab.look(), "t.b has a default now, on t1\n");
}

TEST(Defaults, without_any_the_old_value_of_a_whole_row_rules) {
    Lab lab{table};
    lab.expand(rename);
    lab.fill();
    lab.run("INSERT INTO t SELECT 2, 'changed', c, b FROM t");
    EXPECT_EQ(lab.rows(last), "changed|changed");
    EXPECT_EQ(both(lab), "0");
}

TEST(Defaults, those_of_a_domain_count) {
    Lab lab{
        "CREATE DOMAIN named AS text DEFAULT 'nobody'; CREATE DOMAIN plain AS text;"
        "CREATE TABLE t (id int PRIMARY KEY, a named, p plain)"};
    lab.expand(mapping("text", "", ""));
    lab.run("INSERT INTO t (id, b) VALUES (1, 'Bob')");
    EXPECT_EQ(lab.rows(last), "Bob|Bob");
    lab.run("ALTER DOMAIN named DROP DEFAULT; INSERT INTO t (id, a, b) VALUES (2, 'old', 'new')");
    EXPECT_EQ(lab.rows(last), "old|old");
    lab.run("ALTER DOMAIN named SET DEFAULT 'again'; INSERT INTO t (id, b) VALUES (3, 'Ann')");
    EXPECT_EQ(lab.rows(last), "Ann|Ann");
}

constexpr char const* partitioned = R"(
CREATE TABLE t (id int, region text, a text DEFAULT 'new') PARTITION BY LIST (region);
CREATE TABLE t_us PARTITION OF t FOR VALUES IN ('us');
CREATE TABLE t_eu PARTITION OF t FOR VALUES IN ('eu') PARTITION BY LIST (region);
CREATE TABLE t_eu1 PARTITION OF t_eu FOR VALUES IN ('eu');
)";

TEST(Defaults, a_partitions_own_default_counts) {
    Lab lab{std::string{partitioned} + "ALTER TABLE t_us ALTER a SET DEFAULT 'imported'"};
    lab.expand(rename);
    lab.run("INSERT INTO t_us (id, region, b) VALUES (10, 'us', 'SHIPPED')");
    EXPECT_EQ(lab.rows(last), "SHIPPED|SHIPPED");
    lab.run("INSERT INTO t_us (id, region) VALUES (11, 'us')");
    EXPECT_EQ(lab.rows(last), "imported|imported");
    lab.run("INSERT INTO t (id, region, b) VALUES (12, 'us', 'SHIPPED')");
    EXPECT_EQ(lab.rows(last), "SHIPPED|SHIPPED");
}

TEST(Defaults, the_roots_default_counts_for_a_row_that_comes_through_the_root) {
    Lab lab{std::string{partitioned} + "ALTER TABLE t_us ALTER a DROP DEFAULT; ALTER TABLE t_eu1 ALTER a DROP DEFAULT"};
    lab.expand(rename);
    lab.run("INSERT INTO t (id, region, b) VALUES (1, 'us', 'SHIPPED'), (2, 'eu', 'SENT')");
    EXPECT_EQ(lab.rows("SELECT a, b FROM t ORDER BY id"), "SHIPPED|SHIPPED, SENT|SENT");
    lab.run("INSERT INTO t_eu (id, region, b) VALUES (3, 'eu', 'ANY')");
    EXPECT_EQ(lab.rows(last), "ANY|ANY");
}

TEST(Defaults, one_way_a_default_of_the_new_column_does_not_win_over_the_old_application) {
    Lab lab{table};
    lab.expand(mapping("text", "upper(a)", ""));
    lab.run("ALTER TABLE t ALTER b SET DEFAULT 'anonymous'");
    lab.run("INSERT INTO t (id, a) VALUES (2, 'old')");
    EXPECT_EQ(lab.rows(last), "old|OLD");
    lab.run("INSERT INTO t (id, b) VALUES (3, 'new')");
    EXPECT_EQ(lab.rows(last), "~|new");
    lab.run("ALTER TABLE t ALTER a SET DEFAULT 'n/a'; INSERT INTO t (id, b) VALUES (4, 'new')");
    EXPECT_EQ(lab.rows(last), "n/a|new");
    EXPECT_EQ(both(lab), "1");
    lab.run("ALTER TABLE t ALTER b DROP DEFAULT; INSERT INTO t (id, b) VALUES (5, 'own')");
    EXPECT_EQ(lab.rows(last), "n/a|own");
    EXPECT_EQ(both(lab), "1");
}

TEST(Defaults, copy_merge_and_upserts_obey_the_same_rule) {
    Lab lab{std::string{partitioned} +
            "ALTER TABLE t_us ALTER a SET DEFAULT 'imported'; ALTER TABLE t_us ADD PRIMARY KEY (id)"};
    lab.expand(rename);
    auto const file = (Cluster::shared().data() / "defaults.copy").string();
    lab.run("COPY (SELECT 1, 'us', 'COPIED') TO " + sql_literal(file));
    lab.run("COPY t_us (id, region, b) FROM " + sql_literal(file));
    EXPECT_EQ(lab.rows(last), "COPIED|COPIED");
    lab.run("INSERT INTO t_us (id, region, b) VALUES (2, 'us', 'UP') ON CONFLICT (id) DO UPDATE SET b = excluded.b");
    EXPECT_EQ(lab.rows(last), "UP|UP");
    lab.run("INSERT INTO t_us (id, region, b) VALUES (2, 'us', 'AGAIN') ON CONFLICT (id) DO UPDATE SET b = excluded.b");
    EXPECT_EQ(lab.rows(last), "AGAIN|AGAIN");
    if (lab.app.value("SELECT current_setting('server_version_num')::int >= 150000") == "f") return;
    lab.run(
        "MERGE INTO t USING (VALUES (3, 'us', 'MERGED')) s(id, region, v) ON t.id = s.id AND t.region = s.region "
        "WHEN MATCHED THEN UPDATE SET b = v WHEN NOT MATCHED THEN INSERT (id, region, b) VALUES (s.id, s.region, v)");
    EXPECT_EQ(lab.rows(last), "MERGED|MERGED");
}

TEST(Defaults, a_renamed_column_may_have_any_default) {
    Lab lab{
        "CREATE SEQUENCE s; CREATE TABLE t (id int PRIMARY KEY, a bigint NOT NULL DEFAULT nextval('s')); "
        "INSERT INTO t VALUES (1)"};
    lab.expand(rename);
    lab.fill();
    lab.run("INSERT INTO t (id, b) VALUES (2, 77)");
    EXPECT_EQ(lab.rows(last), "77|77");
    lab.run("INSERT INTO t (id) VALUES (3)");
    EXPECT_EQ(lab.rows("SELECT a = b, b > 1 FROM t WHERE id = 3"), "t|t");
    EXPECT_EQ(lab.wrong(), 0);
    lab.steps_of(Phase::backfill);
    lab.steps_of(Phase::proof);
    lab.steps_of(Phase::contract);
    lab.run("INSERT INTO t (id) VALUES (4)");
    EXPECT_EQ(lab.rows("SELECT b = currval('s') FROM t WHERE id = 4"), "t");
}

}  // namespace
}  // namespace weir::tests
