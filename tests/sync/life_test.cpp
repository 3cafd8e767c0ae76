/// How a sync ends: with the drop of its old column, or undone; nothing of it stays.
#include "lab.h"
#include "tests/support/schema_dump.h"

namespace weir::tests {
namespace {

constexpr char const* leftovers = R"(
SELECT (SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal AND tgname LIKE '%weir_r%'),
       (SELECT count(*) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = 'weir_sync'),
       (SELECT count(*) FROM pg_description WHERE description LIKE '{"weir":%'),
       (SELECT count(*) FROM pg_constraint WHERE conname LIKE 'weir_%'))";

void to_the_gate(Lab& lab) {
    lab.fill();
    lab.steps_of(Phase::backfill);
    lab.steps_of(Phase::proof);
}

TEST(Sync, the_drop_of_the_old_column_leaves_nothing_behind_and_moves_the_default) {
    Lab lab{
        "CREATE TABLE t (id int PRIMARY KEY, a varchar(20) NOT NULL DEFAULT 'anon'); INSERT INTO t VALUES (1, 'one')"};
    lab.expand(rename);
    to_the_gate(lab);
    lab.run("INSERT INTO t (id, b) VALUES (2, 'two')");
    lab.steps_of(Phase::contract);
    EXPECT_EQ(lab.rows(leftovers), "0|0|0|0");
    lab.run("INSERT INTO t (id) VALUES (3)");
    EXPECT_EQ(lab.rows("SELECT * FROM t ORDER BY id"), "1|one, 2|two, 3|anon");
    EXPECT_EQ(lab.code("INSERT INTO t VALUES (4, NULL)"), "23502");
    EXPECT_EQ(lab.rows("SELECT attname, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute "
                       "WHERE attrelid = 't'::regclass AND attnum > 0 AND NOT attisdropped"),
              "id|integer|t, b|character varying(20)|t");
    // The later plan finds no sync, and the name may be used again.
    EXPECT_EQ(lab.problems("changes:\n  - rename_column: { table: t, from: b, to: a }\n"), "");
    lab.expand("changes:\n  - rename_column: { table: t, from: b, to: a }\n");
    to_the_gate(lab);
    lab.steps_of(Phase::contract);
    EXPECT_EQ(lab.rows("SELECT id, a FROM t ORDER BY id"), "1|one, 2|two, 3|anon");
    EXPECT_EQ(lab.rows(leftovers), "0|0|0|0");
}

TEST(Sync, a_sync_of_every_shape_is_dropped_whole) {
    for (auto const* type :
         {"character(5)", "numeric(10,2)", "bit(3)", "interval day to second(2)", "text[]", "short"}) {
        Lab lab{"CREATE DOMAIN short AS varchar(5); CREATE TABLE t (id int PRIMARY KEY, a " + std::string{type} + ")"};
        lab.expand(rename);
        to_the_gate(lab);
        lab.steps_of(Phase::contract);
        EXPECT_EQ(lab.rows(leftovers), "0|0|0|0") << type;
    }
    Lab lab{"CREATE TABLE t (id int PRIMARY KEY, a text, region text)"};
    lab.expand(mapping("text", "a || region", "", true) + "contract:\n  - drop_column: { table: t, column: a }\n");
    to_the_gate(lab);
    lab.steps_of(Phase::contract);
    EXPECT_EQ(lab.rows(leftovers), "0|0|0|0");
}

TEST(Sync, a_partitioned_table_ends_clean_as_well) {
    Lab lab{
        "CREATE TABLE t (id int, k int, a text DEFAULT 'anon') PARTITION BY LIST (k);"
        "CREATE TABLE t1 PARTITION OF t FOR VALUES IN (1); INSERT INTO t VALUES (1, 1, 'one')"};
    lab.expand(rename);
    lab.run("CREATE TABLE t2 PARTITION OF t FOR VALUES IN (2)");
    to_the_gate(lab);
    lab.steps_of(Phase::contract);
    EXPECT_EQ(lab.rows(leftovers), "0|0|0|0");
    lab.run("INSERT INTO t (id, k) VALUES (2, 2)");
    EXPECT_EQ(lab.rows("SELECT id, b FROM t ORDER BY id"), "1|one, 2|anon");
}

TEST(Sync, undone_before_the_gate_the_schema_is_as_before) {
    for (auto const& plan :
         {std::string{rename}, mapping("text", "upper(a)", ""), mapping("text", "a", "left(b, 3)")}) {
        Lab lab{"CREATE TABLE t (id int PRIMARY KEY, a text NOT NULL DEFAULT 'anon'); INSERT INTO t VALUES (1, 'one')"};
        auto const before = schema_dump(lab.database.conninfo);
        lab.expand(plan);
        lab.fill();
        lab.run("UPDATE t SET b = 'new' WHERE id = 1");
        lab.undo_all();
        EXPECT_EQ(schema_dump(lab.database.conninfo, {"weir", "weir_sync"}), before);
        EXPECT_EQ(lab.rows(leftovers), "0|0|0|0");
    }
}

TEST(Sync, a_later_plan_drops_the_old_column_with_the_sync_that_another_made) {
    Lab lab{"CREATE TABLE t (id int PRIMARY KEY, a text, region text)"};
    lab.expand(mapping("text", "a || region", "left(b, 3)", true));
    to_the_gate(lab);
    lab.compile_plan("contract:\n  - drop_column: { table: t, column: a }\n");
    lab.steps_of(Phase::contract);
    EXPECT_EQ(lab.rows(leftovers), "0|0|0|0");
}

}  // namespace
}  // namespace weir::tests
