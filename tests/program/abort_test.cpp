// Goal: an undo once the gate was open first waits until nothing uses the new shape, and drops no value of the new
// application that nobody gave up; whatever the new column is, and wherever the run was since.
#include <csignal>

#include "tests/support/bench.h"

namespace weir::tests {
namespace {

using ::testing::HasSubstr;

struct Shape {
    std::string name, changes;
    std::string own;   ///< SET of an UPDATE that gives three rows a value of the application's own
    std::string none;  ///< one that gives the rows a value that the old shape holds; empty: there is none
};
void PrintTo(Shape const& shape, std::ostream* out) { *out << shape.name; }

class AbortAtGate : public ::testing::Test, public Bench {
  protected:
    void make(bool partitioned) const {
        sql("DROP TABLE IF EXISTS t CASCADE");
        sql("CREATE TABLE t (id int PRIMARY KEY, a text, n int NOT NULL DEFAULT 0, gone int)" +
            std::string{partitioned ? " PARTITION BY RANGE (id)" : ""});
        if (partitioned)
            sql("CREATE TABLE t_1 PARTITION OF t FOR VALUES FROM (0) TO (150); "
                "CREATE TABLE t_2 PARTITION OF t FOR VALUES FROM (150) TO (1000)");
        sql("INSERT INTO t SELECT i, 'name ' || i, i FROM generate_series(1, 300) i; UPDATE t SET a = NULL WHERE id = "
            "7");
    }
    std::string written(std::string const& changes) const { return plan("weir: 1\nname: p\n" + changes); }
    std::string contents(std::string const& column) const {
        return value("SELECT md5(string_agg(id || '=' || coalesce(" + column +
                     "::text, '-'), ',' ORDER BY id)) FROM t");
    }
    void would_lose(Words const& words, int rows) const {
        auto const ran = weir(words);
        EXPECT_TRUE(refused_in_run(ran, "would-lose")) << told(ran);
        EXPECT_THAT(ran.out, HasSubstr("--accept-loss " + std::to_string(rows)));
    }
    static bool refused_in_run(Ran const& ran, std::string const& code) {
        return ran.status == 4 && has(ran.out, "stopped[" + code + "]");
    }
};

class Shapes : public AbortAtGate, public ::testing::WithParamInterface<std::tuple<Shape, bool>> {};

TEST_P(Shapes, NothingIsLostThatNobodyGaveUp) {
    auto const& [shape, partitioned] = GetParam();
    make(partitioned);
    auto const before = dump();
    auto const file = written(shape.changes);
    ASSERT_EQ(weir({"run", file, "--no-wait"}).status, 3);
    sql("UPDATE t SET " + shape.own + " WHERE id IN (3, 160, 299)");
    if (!shape.none.empty()) sql("UPDATE t SET " + shape.none + " WHERE id IN (4, 5)");
    // The old application goes on.
    sql("UPDATE t SET gone = 1 WHERE id < 20; INSERT INTO t (id, a) VALUES (400, 'late')");
    auto const as_written = contents("b");
    auto const waits = weir({"abort", "p"});
    EXPECT_EQ(waits.status, 3) << told(waits);
    EXPECT_THAT(waits.out, HasSubstr("t.b is dropped"));
    EXPECT_THAT(waits.out, HasSubstr("weir abort p"));
    EXPECT_EQ(contents("b"), as_written);
    would_lose({"abort", "p"}, 3);
    would_lose({"abort", "p", "--accept-loss", "2"}, 3);
    EXPECT_EQ(contents("b"), as_written);
    sql("UPDATE t SET " + shape.own + " WHERE id = 10");
    would_lose({"abort", "p", "--accept-loss", "3"}, 4);
    auto const ran = weir({"abort", "p", "--accept-loss", "4"});
    EXPECT_EQ(ran.status, 6) << told(ran);
    EXPECT_EQ(dump(), before);
    EXPECT_EQ(leftovers(), "");
    EXPECT_EQ(value("SELECT count(*) FROM t"), "301");
}

TEST_P(Shapes, WhatTheRunItselfPutThereIsNoLoss) {
    auto const& [shape, partitioned] = GetParam();
    make(partitioned);
    auto const before = dump();
    ASSERT_EQ(weir({"run", written(shape.changes), "--no-wait"}).status, 3);
    if (!shape.none.empty()) sql("UPDATE t SET " + shape.none + " WHERE id IN (4, 5)");
    EXPECT_EQ(weir({"abort", "p"}).status, 3);
    auto const ran = weir({"abort", "p"});
    EXPECT_EQ(ran.status, 6) << told(ran);
    EXPECT_EQ(dump(), before);
    EXPECT_EQ(leftovers(), "");
}

std::string const dropped = "contract:\n  - drop_column: { table: t, column: gone }\n";

INSTANTIATE_TEST_SUITE_P(
    All, Shapes,
    ::testing::Combine(
        ::testing::Values(Shape{"OneWay",
                                "expand:\n  - add_column: { table: t, column: b, type: text }\n"
                                "  - sync_columns: { table: t, from: a, to: b, forward: 'upper(a)' }\n"
                                "backfill:\n  - fill: { table: t, set: { b: upper(a) } }\n"
                                "contract:\n  - drop_column: { table: t, column: a }\n",
                                "b = 'mine ' || id", ""},
                          Shape{"LossyReverse",
                                "expand:\n  - add_column: { table: t, column: b, type: text }\n"
                                "  - sync_columns: { table: t, from: a, to: b, forward: 'a', reverse: 'left(b, 4)' }\n"
                                "backfill:\n  - fill: { table: t, set: { b: a } }\n"
                                "contract:\n  - drop_column: { table: t, column: a }\n",
                                "b = 'mine ' || id", "b = 'fits'"},
                          Shape{
                              "AnotherType",
                              "expand:\n  - add_column: { table: t, column: b, type: varchar(40) }\n"
                              "  - sync_columns: { table: t, from: n, to: b, forward: 'n::text', reverse: 'b::int' }\n"
                              "backfill:\n  - fill: { table: t, set: { b: 'n::text' } }\n"
                              "contract:\n  - drop_column: { table: t, column: n }\n",
                              "b = '00' || id", "b = '77'"},
                          Shape{"PlainColumn",
                                "expand:\n  - add_column: { table: t, column: b, type: int }\n" + dropped, "b = 1", ""},
                          Shape{"FilledColumn",
                                "expand:\n  - add_column: { table: t, column: b, type: \"numeric(10,2)\" }\n"
                                "backfill:\n  - fill: { table: t, set: { b: n * 1.5 }, where: id % 2 = 0 }\n" +
                                    dropped,
                                "b = -1", ""},
                          Shape{"TwiceFilledColumn",
                                "expand:\n  - add_column: { table: t, column: b, type: text }\n"
                                "backfill:\n  - fill: { table: t, set: { b: \"'small'\" }, where: id < 100 }\n"
                                "  - fill: { table: t, set: { b: \"'large'\" }, where: id >= 100 }\n" +
                                    dropped,
                                "b = 'mine'", ""}),
        ::testing::Bool()),
    [](auto const& param_info) {
        return std::get<0>(param_info.param).name + (std::get<1>(param_info.param) ? "Partitioned" : "");
    });

std::string const renamed = "changes:\n  - rename_column: { table: t, from: a, to: b }\n";

TEST_F(AbortAtGate, ARenameLosesNothingAndCountsNothing) {
    make(true);
    auto const before = dump();
    ASSERT_EQ(weir({"run", written(renamed), "--no-wait"}).status, 3);
    sql("UPDATE t SET b = 'mine' WHERE id < 50");
    EXPECT_EQ(weir({"abort", "p"}).status, 3);
    EXPECT_EQ(weir({"abort", "p"}).status, 6);
    EXPECT_EQ(value("SELECT count(*) FROM t WHERE a = 'mine'"), "49");
    EXPECT_EQ(dump(), before);
    EXPECT_EQ(value("SELECT count(*) FROM weir.progress WHERE step LIKE '%.lost'"), "0");
}

TEST_F(AbortAtGate, WhatWasWrittenPastTheSyncOfARenameIsCounted) {
    make(false);
    ASSERT_EQ(weir({"run", written(renamed), "--no-wait"}).status, 3);
    sql("ALTER TABLE t DISABLE TRIGGER USER; UPDATE t SET b = 'past' WHERE id < 3; ALTER TABLE t ENABLE TRIGGER USER");
    EXPECT_EQ(weir({"abort", "p"}).status, 3);
    would_lose({"abort", "p"}, 2);
    EXPECT_EQ(weir({"abort", "p", "--accept-loss", "2"}).status, 6);
    EXPECT_EQ(leftovers(), "");
}

/// The sync is as it was; what the leaf brought is nowhere else.
TEST_F(AbortAtGate, WhatAPartitionBroughtAtTheGateIsCounted) {
    make(true);
    auto const before = dump();
    ASSERT_EQ(weir({"run", written(renamed), "--no-wait"}).status, 3);
    sql("CREATE TABLE t_9 (LIKE t); INSERT INTO t_9 (id, n, b) SELECT i, 0, 'brought ' || i FROM generate_series(2001, "
        "2003) "
        "i; ALTER TABLE t ATTACH PARTITION t_9 FOR VALUES FROM (2000) TO (3000)");
    EXPECT_EQ(weir({"abort", "p"}).status, 3);
    would_lose({"abort", "p"}, 3);
    EXPECT_EQ(value("SELECT count(*) FROM t WHERE b LIKE 'brought%'"), "3");
    EXPECT_EQ(weir({"abort", "p", "--accept-loss", "3"}).status, 6);
    EXPECT_EQ(leftovers(), "");
    sql("DROP TABLE t_9");
    EXPECT_EQ(dump(), before);
}

/// DROP COLUMN goes down to it.
TEST_F(AbortAtGate, AChildThatWasMadeAtTheGateStopsItByName) {
    make(false);
    for (auto const& plan : {renamed, std::string{"expand:\n  - add_column: { table: t, column: b, type: text }\n"
                                                  "contract:\n  - drop_column: { table: t, column: gone }\n"}}) {
        make(false);
        sql("DROP SCHEMA IF EXISTS weir, weir_sync CASCADE");
        ASSERT_EQ(weir({"run", written(plan), "--no-wait"}).status, 3);
        sql("CREATE TABLE kid () INHERITS (t); INSERT INTO kid (id, b) VALUES (5000, 'only here')");
        EXPECT_EQ(weir({"abort", "p"}).status, 3);
        auto const stopped = weir({"abort", "p"});
        EXPECT_TRUE(refused_in_run(stopped, "table-changed")) << told(stopped);
        EXPECT_THAT(stopped.out, HasSubstr("ALTER TABLE public.kid NO INHERIT public.t"));
        sql("ALTER TABLE kid NO INHERIT t");
        auto const undone = weir({"abort", "p"});
        EXPECT_EQ(undone.status, 6) << told(undone);
        EXPECT_EQ(value("SELECT b FROM kid"), "only here");
        sql("DROP TABLE kid");
    }
}

TEST_F(AbortAtGate, WhatSomebodyDroppedAlreadyIsNoObstacle) {
    std::string const filled =
        "expand:\n  - add_column: { table: t, column: b, type: text }\n"
        "backfill:\n  - fill: { table: t, set: { b: upper(a) }, where: a IS NOT NULL }\n" +
        dropped;
    make(false);
    ASSERT_EQ(weir({"run", written(filled), "--no-wait"}).status, 3);
    sql("ALTER TABLE t DROP COLUMN b");
    EXPECT_EQ(weir({"abort", "p", "--approve", "all"}).status, 6);
    // What the values came of is gone: nobody can say which are the application's.
    make(false);
    ASSERT_EQ(weir({"run", written(filled), "--no-wait"}).status, 3);
    sql("ALTER TABLE t DROP COLUMN a");
    would_lose({"abort", "p", "--approve", "all"}, 299);
    EXPECT_EQ(weir({"abort", "p", "--approve", "all", "--accept-loss", "299"}).status, 6);
}

/// Approved, and contract's lock is not to be had.
TEST_F(AbortAtGate, ApprovedAndNotBegunIsTheSame) {
    make(false);
    auto const before = dump();
    auto const file = written("expand:\n  - add_column: { table: t, column: b, type: int }\n" + dropped +
                              "locks: { timeout: 300ms, give_up: 2s }\n");
    ASSERT_EQ(weir({"run", file, "--until", "proof"}).status, 0);
    Client reader{db.conninfo};
    reader.exec("BEGIN; LOCK TABLE t IN ACCESS SHARE MODE");
    ASSERT_EQ(weir({"run", file, "--approve", "all"}).status, 4);
    reader.exec("ROLLBACK");
    ASSERT_THAT(entries(), HasSubstr("gate_approved"));
    sql("UPDATE t SET b = 1 WHERE id = 1");
    EXPECT_EQ(weir({"abort", "p"}).status, 3);
    would_lose({"abort", "p"}, 1);
    EXPECT_EQ(weir({"abort", "p", "--accept-loss", "1"}).status, 6);
    EXPECT_EQ(dump(), before);
}

TEST_F(AbortAtGate, InOneGoForWhoeverKnowsThatNothingUsesIt) {
    make(false);
    auto const file = written("expand:\n  - add_column: { table: t, column: b, type: int }\n" + dropped);
    ASSERT_EQ(weir({"run", file, "--no-wait"}).status, 3);
    sql("UPDATE t SET b = 1 WHERE id = 1");
    would_lose({"abort", "p", "--approve", "all"}, 1);
    EXPECT_EQ(weir({"abort", "p", "--approve", "all", "--accept-loss", "1"}).status, 6);
}

TEST_F(AbortAtGate, ARollbackCountsWhatTheGateLetIn) {
    make(false);
    auto const before = dump();
    auto const file = written(
        "expand:\n  - add_column: { table: t, column: b, type: text }\n"
        "  - sync_columns: { table: t, from: a, to: b, forward: 'a', reverse: 'left(b, 4)' }\n"
        "backfill:\n  - fill: { table: t, set: { b: a } }\n"
        "contract:\n  - drop_column: { table: t, column: a }\ndrop: { quarantine: 7d }\n");
    ASSERT_EQ(weir({"run", file, "--no-wait"}).status, 3);
    sql("UPDATE t SET b = 'mine ' || id WHERE id IN (1, 2)");
    ASSERT_EQ(weir({"run", file, "--approve", "all"}).status, 0);
    EXPECT_EQ(weir({"rollback", "p"}).status, 3);
    auto const ran = weir({"rollback", "p"});
    EXPECT_TRUE(refused_in_run(ran, "would-lose")) << told(ran);
    EXPECT_THAT(ran.out, HasSubstr("weir rollback p --accept-loss 2"));
    EXPECT_EQ(value("SELECT b FROM t WHERE id = 1"), "mine 1");
    EXPECT_EQ(weir({"rollback", "p", "--accept-loss", "2"}).status, 6);
    EXPECT_EQ(dump(), before);
}

/// Beside an application that goes on by both names.
TEST_F(AbortAtGate, UnderWritersOfBothNamesNoRowIsLost) {
    make_users(*this, 300);
    auto const before = dump();
    ASSERT_EQ(weir({"run", plan(rename_plan), "--no-wait"}).status, 3);
    Writers writers{*this, 2, 300};
    EXPECT_EQ(weir({"abort", "rename-it"}).status, 3);
    ASSERT_TRUE(writers.more(20));
    EXPECT_EQ(weir({"abort", "rename-it"}).status, 6);
    ASSERT_TRUE(writers.more(20));
    writers.stop();
    EXPECT_EQ(writers.errors(), "");
    EXPECT_EQ(differing(*this, "name"), "0");
    EXPECT_EQ(dump(), before);
}

}  // namespace
}  // namespace weir::tests
