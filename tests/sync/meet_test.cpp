/// Syncs that meet: chains over one run and over several, what reads what, and columns that refuse.
#include <gmock/gmock.h>

#include "lab.h"

namespace weir::tests {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

std::string sync(std::string const& rest) { return "  - sync_columns: { table: t, " + rest + " }\n"; }

/// Twelve syncs that do not concern us, so that the next one is the thirteenth of its run.
std::string many(int from, int to, std::string const& prefix) {
    std::string all;
    for (int i = from; i <= to; ++i)
        all += sync("from: " + prefix + std::to_string(i) + ", to: new_" + prefix + std::to_string(i));
    return all;
}

/// NULL is no value of `a || c`.
std::string const filled =
    "backfill:\n  - fill: { table: t, set: { b: a || c } }\n  - set_not_null: { table: t, column: b }\n";

std::string columns(int to, std::string const& prefix) {
    std::string all;
    for (int i = 1; i <= to; ++i)
        all += ", " + prefix + std::to_string(i) + " text, new_" + prefix + std::to_string(i) + " text";
    return all;
}

TEST(Meet, the_tenth_sync_of_a_run_sees_what_the_second_wrote) {
    Lab lab{"CREATE TABLE t (id int PRIMARY KEY, a text, b text, c text, d text" + columns(8, "x") +
            "); INSERT INTO t (id, a, d, c, b) VALUES (1, 'a', 'd', 'd', 'ad')"};
    lab.expand("expand:\n" + many(1, 1, "x") + sync("from: d, to: c") + many(2, 8, "x") +
               sync("from: a, to: b, forward: a || c") + filled);
    lab.run("UPDATE t SET d = 'D' WHERE id = 1");
    lab.run("INSERT INTO t (id, a, d) VALUES (2, 'x', 'y')");
    lab.run("UPDATE t SET x3 = 'three'");
    EXPECT_EQ(lab.rows("SELECT a, d, c, b, new_x3 FROM t ORDER BY id"), "a|D|D|aD|three, x|y|y|xy|three");
    EXPECT_EQ(lab.guard(), "");
}

TEST(Meet, a_sync_of_the_tenth_run_sees_what_that_of_the_ninth_wrote) {
    Lab lab{"CREATE TABLE t (id int PRIMARY KEY, a text, b text, c text, d text" + columns(8, "x") +
            "); INSERT INTO t (id, a, d) VALUES (1, 'a', 'd')"};
    for (int i = 1; i <= 8; ++i) lab.expand("expand:\n" + many(i, i, "x"));
    lab.expand("expand:\n" + sync("from: d, to: c") + "backfill:\n  - fill: { table: t, set: { c: d } }\n");
    lab.fill();
    lab.expand("expand:\n" + sync("from: a, to: b, forward: a || c") + filled);
    lab.fill();
    lab.run("UPDATE t SET d = 'D'");
    EXPECT_EQ(lab.rows("SELECT a, c, d, b FROM t"), "a|D|D|aD");
    lab.run("UPDATE t SET d = 'E', a = 'A'");
    EXPECT_EQ(lab.rows("SELECT a, c, d, b FROM t"), "A|E|E|AE");
    lab.run("UPDATE t SET c = 'F'");
    EXPECT_EQ(lab.rows("SELECT a, c, d, b FROM t"), "A|F|F|AF");
    EXPECT_EQ(lab.wrong(), 0);
    EXPECT_EQ(lab.rows("SELECT count(*) FROM pg_trigger WHERE tgname ~ '^[ ~]weir_run'"), "38");
}

TEST(Meet, syncs_of_an_older_weir_come_first_and_end_as_ever) {
    Lab lab{
        "CREATE TABLE t (id int PRIMARY KEY, a text, b text, c text, d text);"
        "INSERT INTO t (id, a, d) VALUES (1, 'a', 'd')"};
    lab.expand("expand:\n" + sync("from: d, to: c"));
    // As it named them.
    lab.run(R"(
DO $$ DECLARE g record; BEGIN
  FOR g IN SELECT tgname FROM pg_trigger WHERE tgname ~ '^[ ~]weir_run' LOOP
    EXECUTE format('ALTER TRIGGER %I ON t RENAME TO %I', g.tgname, replace(g.tgname, 'run0000000001_0001', 'r1_1'));
  END LOOP; END $$;
INSERT INTO weir.entries (run, seq, epoch, kind) VALUES (1, 100, 0, 'step_done');
UPDATE weir.entries SET xid = (SELECT max(xmin::text)::xid FROM pg_trigger WHERE tgname ~ '^[ ~]weir_r1_1') WHERE seq = 100;
)");
    lab.expand("expand:\n" + sync("from: a, to: b, forward: a || c") + filled);
    lab.run("UPDATE t SET d = 'D'");
    EXPECT_EQ(lab.rows("SELECT a, c, d, b FROM t"), "a|D|D|aD");
    EXPECT_EQ(lab.guard(), "");
    EXPECT_THAT(lab.problems("contract:\n  - drop_column: { table: t, column: c }\n"), HasSubstr("live sync"));
    lab.compile_plan("contract:\n  - drop_column: { table: t, column: d }\n");
    lab.steps_of(Phase::contract);
    EXPECT_EQ(lab.rows("SELECT count(*) FROM pg_trigger WHERE tgname ~ '^[ ~]weir_r[0-9]'"), "0");
    EXPECT_EQ(
        lab.rows("SELECT count(*) FROM pg_proc WHERE pronamespace = 'weir_sync'::regnamespace AND proname ~ '^r1_1'"),
        "0");
    lab.run("UPDATE t SET c = 'E'");
    EXPECT_EQ(lab.rows("SELECT a, c, b FROM t"), "a|E|aE");
}

TEST(Meet, a_column_that_another_sync_reads_does_not_go) {
    Lab lab{"CREATE TABLE t (id int PRIMARY KEY, a text, b text, c text)"};
    std::string const renamed = "changes:\n  - rename_column: { table: t, from: c, to: c2 }\n";
    for (std::string const quarantine : {"", "drop: { quarantine: 7d }\n"}) {
        EXPECT_THAT(lab.problems(renamed + "expand:\n" + sync("from: a, to: b, forward: a || c") + filled + quarantine),
                    AllOf(HasSubstr("t.c is read by the sync of a and b"), HasSubstr("hint: end that sync first")))
            << quarantine;
        EXPECT_THAT(lab.problems("expand:\n" + sync("from: c, to: b") + sync("from: a, to: b2, forward: a || c") +
                                 "contract:\n  - drop_column: { table: t, column: c }\n" + quarantine),
                    HasSubstr("b2"))
            << quarantine;
    }
}

TEST(Meet, a_new_column_that_another_sync_reads_stays_read_in_quarantine) {
    Lab lab{
        "CREATE TABLE t (id int PRIMARY KEY, a text, b text, c text, c2 text);"
        "INSERT INTO t VALUES (1, 'a', 'ac', 'c', 'c')"};
    lab.expand("expand:\n" + sync("from: c, to: c2") + sync("from: a, to: b, forward: a || c2") +
               "backfill:\n  - fill: { table: t, set: { b: a || c2 } }\n  - set_not_null: { table: t, column: b }\n"
               "contract:\n  - drop_column: { table: t, column: c }\ndrop: { quarantine: 7d }\n");
    lab.run("UPDATE t SET c = 'C'");
    EXPECT_EQ(lab.rows("SELECT c, c2, b FROM t"), "C|C|aC");
    lab.steps_of(Phase::contract);
    lab.run("UPDATE t SET c2 = 'D'");
    lab.run("INSERT INTO t (id, a, c2) VALUES (2, 'x', 'y')");
    EXPECT_EQ(lab.rows("SELECT c2, b FROM t ORDER BY id"), "D|aD, y|xy");
}

// ---- quarantine

TEST(Meet, a_row_without_a_list_of_columns_keeps_its_value_in_quarantine) {
    Lab lab{"CREATE TABLE t (id int PRIMARY KEY, a text, c int); INSERT INTO t VALUES (1, 'one', 1)"};
    lab.expand(std::string{rename} + "drop: { quarantine: 7d }\n");
    lab.fill();
    lab.steps_of(Phase::backfill);
    lab.steps_of(Phase::proof);
    lab.steps_of(Phase::contract);
    lab.run("INSERT INTO t VALUES (2, 'positional', 6)");
    EXPECT_EQ(lab.rows("SELECT * FROM t WHERE id = 2"), "2|positional|6|positional");
    // Both given: the new column is what counts, and the other value is counted.
    lab.run("INSERT INTO t VALUES (3, 'aside', 6, 'new')");
    EXPECT_EQ(lab.rows("SELECT * FROM t WHERE id = 3"), "3|new|6|new");
    EXPECT_EQ(lab.rows("SELECT last_value, is_called FROM weir_sync.r1_1_both"), "1|t");
    EXPECT_EQ(
        lab.uses(),
        "1 INSERTs gave values to t.weir_q1_a (or a) and to the column in its place that do not fit: one of the two "
        "was kept\n");
    lab.run("INSERT INTO t (id, c) VALUES (4, 6)");
    EXPECT_EQ(lab.rows("SELECT * FROM t WHERE id = 4"), "4|~|6|~");
}

TEST(Meet, a_row_without_a_list_of_columns_keeps_its_value_in_quarantine_by_the_forward) {
    Lab lab{"CREATE TABLE t (id int PRIMARY KEY, a text, c int); INSERT INTO t VALUES (1, '1', 1)"};
    lab.expand(mapping("int", "a::int", "b::text") +
               "contract:\n  - drop_column: { table: t, column: a }\ndrop: { quarantine: 7d }\n");
    lab.fill();
    lab.steps_of(Phase::backfill);
    lab.steps_of(Phase::contract);
    lab.run("INSERT INTO t VALUES (2, '007', 6)");
    EXPECT_EQ(lab.rows("SELECT * FROM t WHERE id = 2"), "2|007|6|7");
    EXPECT_EQ(lab.code("INSERT INTO t VALUES (3, 'seven', 6)"), "22P02");
    lab.run("INSERT INTO t VALUES (4, '8', 6, 9)");
    EXPECT_EQ(lab.rows("SELECT * FROM t WHERE id = 4"), "4|9|6|9");
    EXPECT_EQ(lab.rows("SELECT last_value, is_called FROM weir_sync.r1_1_both"), "1|t");
}

// ---- an existing column that refuses

TEST(Meet, a_new_column_that_refuses_values_is_refused) {
    Lab lab{R"(
CREATE TABLE t (id int PRIMARY KEY, a text, n text NOT NULL, u text UNIQUE, c text CHECK (c <> ''), i text, f int REFERENCES t,
                k text, plain text, needed text NOT NULL, EXCLUDE (k WITH =));
CREATE UNIQUE INDEX i_once ON t (lower(i)); CREATE INDEX ON t (plain);
)"};
    auto const said = [&](std::string const& from, std::string const& to) {
        return lab.problems("expand:\n" + sync("from: " + from + ", to: " + to));
    };
    EXPECT_THAT(said("a", "n"), AllOf(HasSubstr("t.n is NOT NULL, which would refuse writes of the old application"),
                                      HasSubstr("DROP NOT NULL")));
    EXPECT_THAT(said("a", "u"),
                AllOf(HasSubstr("constraint t_u_key (UNIQUE (u)) is on t.u"), HasSubstr("hint: drop it")));
    EXPECT_THAT(said("a", "c"), HasSubstr("constraint t_c_check (CHECK"));
    EXPECT_THAT(said("a", "i"), HasSubstr("unique index i_once is on t.i"));
    EXPECT_THAT(said("id", "f"), HasSubstr("constraint t_f_fkey (FOREIGN KEY"));
    EXPECT_THAT(said("a", "k"), HasSubstr("constraint t_k_excl (EXCLUDE"));
    EXPECT_EQ(said("a", "plain"), "");
    EXPECT_EQ(said("needed", "n"), "");  // what is never NULL gives no NULL
    EXPECT_THAT(lab.problems("expand:\n" + sync("from: needed, to: n, forward: \"nullif(needed, '')\"")),
                HasSubstr("t.n is NOT NULL"));
}

TEST(Meet, a_partitions_own_check_on_the_new_column_is_refused) {
    Lab lab{
        "CREATE TABLE t (id int, k int, a text, b text) PARTITION BY LIST (k);"
        "CREATE TABLE t1 PARTITION OF t FOR VALUES IN (1); ALTER TABLE t1 ADD CONSTRAINT short CHECK (length(b) < 9)"};
    EXPECT_THAT(lab.problems("expand:\n" + sync("from: a, to: b")),
                HasSubstr("constraint short on public.t1 is on t.b"));
}

}  // namespace
}  // namespace weir::tests
