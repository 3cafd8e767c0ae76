/// Whatever would let a write pass unsynced is noticed before contract: weir.check_sync raises WE003.
#include "lab.h"

namespace weir::tests {
namespace {

constexpr char const* table = "CREATE TABLE t (id int PRIMARY KEY, a text, c int); INSERT INTO t VALUES (1, 'one', 1);";

class Guard : public ::testing::Test {
  protected:
    void untouched() { EXPECT_EQ(lab.guard(), ""); }
    void noticed(std::string const& sql) {
        untouched();
        lab.run(sql);
        EXPECT_EQ(lab.guard(), "WE003") << sql;
    }
    Lab lab{table};
    void SetUp() override { lab.expand(rename); }
};

TEST_F(Guard, what_does_not_concern_the_sync_is_no_alarm) {
    lab.run("UPDATE t SET a = 'x'");
    lab.run(
        "CREATE TRIGGER mine BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()");
    lab.run("DROP TRIGGER mine ON t; ALTER TABLE t ADD COLUMN d int; ALTER TABLE t SET (fillfactor = 70)");
    lab.run("CREATE INDEX ON t (b); ANALYZE t; GRANT SELECT ON t TO PUBLIC");
    untouched();
    lab.run("VACUUM FREEZE pg_catalog.pg_trigger");
    lab.run("VACUUM FREEZE pg_catalog.pg_proc");
    untouched();
    lab.run("VACUUM FULL pg_catalog.pg_trigger");
    lab.run("VACUUM FULL pg_catalog.pg_proc");
    untouched();
}

TEST_F(Guard, disabled_user_triggers_are_noticed) { noticed("ALTER TABLE t DISABLE TRIGGER USER"); }

TEST_F(Guard, triggers_disabled_and_enabled_again_are_noticed) {
    noticed("ALTER TABLE t DISABLE TRIGGER USER; ALTER TABLE t ENABLE TRIGGER USER");
}

TEST_F(Guard, triggers_disabled_and_put_back_as_they_were_are_noticed) {
    noticed(R"(ALTER TABLE t DISABLE TRIGGER " weir_run0000000001_0001_first_u";
ALTER TABLE t ENABLE ALWAYS TRIGGER " weir_run0000000001_0001_first_u")");
}

TEST_F(Guard, a_dropped_trigger_is_noticed) { noticed(R"(DROP TRIGGER "~weir_run0000000001_0001_last_u" ON t)"); }

TEST_F(Guard, a_trigger_made_again_by_somebody_else_is_noticed) {
    lab.run(R"(DROP TRIGGER "~weir_run0000000001_0001_last_i" ON t;
CREATE TRIGGER "~weir_run0000000001_0001_last_i" BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION weir_sync.r1_1_last();
ALTER TABLE t ENABLE ALWAYS TRIGGER "~weir_run0000000001_0001_last_i")");
    EXPECT_EQ(lab.guard(), "WE003");
}

TEST_F(Guard, a_replaced_function_is_noticed) {
    noticed(
        "CREATE OR REPLACE FUNCTION weir_sync.r1_1_ok(a text, b text) RETURNS boolean LANGUAGE sql IMMUTABLE "
        "PARALLEL SAFE RETURN true");
}

TEST_F(Guard, an_altered_function_is_noticed) { noticed("ALTER FUNCTION weir_sync.r1_1_last() SET search_path = ''"); }

TEST_F(Guard, a_dropped_function_is_noticed) { noticed("DROP FUNCTION weir_sync.r1_1_last() CASCADE"); }

TEST_F(Guard, a_renamed_trigger_is_noticed) {
    noticed(R"(ALTER TRIGGER "~weir_run0000000001_0001_last_u" ON t RENAME TO mine)");
}

TEST_F(Guard, a_renamed_table_is_noticed) { noticed("ALTER TABLE t RENAME TO u"); }

TEST_F(Guard, the_transaction_that_drops_the_column_refuses_and_keeps_everything) {
    lab.fill();
    lab.run("ALTER TABLE t DISABLE TRIGGER USER; UPDATE t SET a = 'unsynced'; ALTER TABLE t ENABLE TRIGGER USER");
    for (auto const& step : lab.program().steps)
        if (step.phase == Phase::contract && is_transactional(step)) {
            EXPECT_EQ(lab.try_step(step).sqlstate, "WE003");
        }
    EXPECT_EQ(lab.rows("SELECT a, b FROM t"), "unsynced|one");
    EXPECT_EQ(lab.rows("SELECT count(*) FROM weir.entries WHERE step LIKE 'contract%'"), "0");
}

TEST(Sync, a_one_way_sync_is_guarded_as_well) {
    Lab lab{table};
    lab.expand(mapping("text", "upper(a)", ""));
    EXPECT_EQ(lab.guard(), "");
    lab.run("ALTER TABLE t DISABLE TRIGGER USER");
    EXPECT_EQ(lab.guard(), "WE003");
}

TEST(Sync, two_syncs_of_one_table_are_guarded_apart) {
    Lab lab{"CREATE TABLE t (id int PRIMARY KEY, a text, c text)"};
    lab.expand(
        "changes:\n  - rename_column: { table: t, from: a, to: b }\n  - rename_column: { table: t, from: c, to: d }\n");
    std::vector<Batch> guards;
    for (auto const& step : lab.program().steps)
        if (step.kind == StepKind::fill)
            for (auto const& fragment : step.rows->fragments) guards.push_back(fragment.guard);
    ASSERT_EQ(guards.size(), 2U);
    EXPECT_EQ(lab.code(guards[0][0].text()), "");
    EXPECT_EQ(lab.code(guards[1][0].text()), "");
    lab.run(R"(ALTER TABLE t DISABLE TRIGGER "~weir_run0000000001_0002_last_u")");
    EXPECT_EQ(lab.code(guards[0][0].text()), "");
    EXPECT_EQ(lab.code(guards[1][0].text()), "WE003");
}

// ---- partitions

constexpr char const* partitioned = R"(
CREATE TABLE t (id int, k int, a text NOT NULL DEFAULT 'anon') PARTITION BY LIST (k);
CREATE TABLE t1 PARTITION OF t FOR VALUES IN (1);
CREATE TABLE t2 PARTITION OF t FOR VALUES IN (2) PARTITION BY LIST (k);
CREATE TABLE t22 PARTITION OF t2 FOR VALUES IN (2);
INSERT INTO t VALUES (1, 1, 'one'), (2, 2, 'two');
)";

TEST(Sync, a_trigger_disabled_on_one_partition_is_noticed) {
    Lab lab{partitioned};
    lab.expand(rename);
    EXPECT_EQ(lab.guard(), "");
    lab.run(R"(ALTER TABLE t22 DISABLE TRIGGER "~weir_run0000000001_0001_last_u")");
    EXPECT_EQ(lab.guard(), "WE003");
    lab.run(R"(ALTER TABLE t22 ENABLE TRIGGER "~weir_run0000000001_0001_last_u")");
    EXPECT_EQ(lab.guard(), "WE003");
}

TEST(Sync, a_partitions_trigger_disabled_and_put_back_as_it_was_is_noticed) {
    Lab lab{partitioned};
    lab.expand(rename);
    lab.run(R"(ALTER TABLE t22 DISABLE TRIGGER USER; UPDATE t SET a = 'unsynced')");
    for (auto const* trigger : {R"(" weir_run0000000001_0001_first_i")", R"(" weir_run0000000001_0001_first_u")",
                                R"("~weir_run0000000001_0001_last_i")", R"("~weir_run0000000001_0001_last_u")"})
        lab.run(std::string{"ALTER TABLE t22 ENABLE ALWAYS TRIGGER "} + trigger);
    EXPECT_EQ(lab.guard(), "WE003");
}

TEST(Sync, partitions_made_or_attached_later_have_the_triggers) {
    Lab lab{partitioned};
    lab.expand(rename);
    lab.run("CREATE TABLE t3 PARTITION OF t FOR VALUES IN (3)");
    lab.run("CREATE TABLE t4 (LIKE t); INSERT INTO t4 (id, k, a) VALUES (40, 4, 'before')");
    lab.run("ALTER TABLE t ATTACH PARTITION t4 FOR VALUES IN (4)");
    EXPECT_EQ(lab.guard(), "");
    lab.run("SET session_replication_role = replica");  // ALWAYS there, too
    lab.run("INSERT INTO t (id, k, a) VALUES (3, 3, 'three'), (4, 4, 'four')");
    lab.run("UPDATE t SET b = 'from the new one' WHERE id = 4");
    EXPECT_EQ(lab.rows("SELECT id, a, b FROM t WHERE k > 2 ORDER BY id"),
              "3|three|three, 4|from the new one|from the new one, 40|before|~");
    EXPECT_EQ(lab.fill(), 3);
    EXPECT_EQ(lab.wrong(), 0);
}

TEST(Sync, a_detached_partition_keeps_writing_and_one_that_comes_back_is_guarded) {
    Lab lab{partitioned};
    lab.expand(rename);
    lab.fill();
    lab.run("ALTER TABLE t DETACH PARTITION t1");
    EXPECT_EQ(lab.guard(), "");
    EXPECT_EQ(lab.code("UPDATE t1 SET a = 'alone'"), "");
    lab.run("ALTER TABLE t ATTACH PARTITION t1 FOR VALUES IN (1)");
    EXPECT_EQ(lab.guard(), "");
    EXPECT_EQ(lab.wrong(), 1);  // what happened meanwhile is the proof's to find
}

}  // namespace
}  // namespace weir::tests
