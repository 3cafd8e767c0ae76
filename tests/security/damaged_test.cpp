/// A ledger that is not as weir left it: somebody wrote to it, cut it off, dropped of it, or locked it away. Whatever
/// is asked then is refused, says what is wrong, and changes nothing; above all no run begins anew beside one that
/// lives.
#include <array>

#include "tests/support/bench.h"

namespace weir::tests {
namespace {

struct Damage {
    char const* name;
    char const* sql;
    char const* code;
    char const* says;
    char const* mend{nullptr};  ///< the ledger as it was; nothing: nobody can
};

constexpr std::array damages{
    Damage{"NewerVersion", "UPDATE weir.meta SET version = 99", "ledger-version", "of version 99",
           "UPDATE weir.meta SET version = 2"},
    Damage{"MetaEmpty", "DELETE FROM weir.meta", "ledger-damaged", "table weir.meta is empty"},
    Damage{"MetaDropped", "DROP TABLE weir.meta", "ledger-damaged", "table weir.meta is missing"},
    Damage{"EntriesDropped", "DROP TABLE weir.entries", "ledger-damaged", "missing: table weir.entries"},
    Damage{"EntriesRenamed", "ALTER TABLE weir.entries RENAME TO old_entries", "ledger-damaged", "table weir.entries",
           "ALTER TABLE weir.old_entries RENAME TO entries"},
    Damage{"ProgressDropped", "DROP TABLE weir.progress", "ledger-damaged", "missing: table weir.progress"},
    Damage{"FenceDropped", "DROP FUNCTION weir.fence(bigint)", "ledger-damaged", "function weir.fence(bigint)"},
    Damage{"SyncSchemaDropped", "ALTER SCHEMA weir_sync RENAME TO elsewhere", "ledger-damaged", "schema weir_sync",
           "ALTER SCHEMA elsewhere RENAME TO weir_sync"},
    Damage{"SignatureSwitchedOff", "ALTER TABLE weir.orders DISABLE TRIGGER sign_order", "ledger-damaged",
           "trigger sign_order", "ALTER TABLE weir.orders ENABLE TRIGGER sign_order"},
    Damage{"Truncated", "TRUNCATE weir.entries", "ledger-damaged", "run 1 has no entries"},
    Damage{"AllTruncated", "TRUNCATE weir.entries, weir.progress, weir.heartbeat, weir.orders", "ledger-damaged",
           "run 1 has no entries, and function weir_sync.r1_"},
    Damage{"FirstEntryMissing", "DELETE FROM weir.entries WHERE seq = 1", "ledger-damaged", "run 1 has no first entry"},
    Damage{"EntryMissingInTheMiddle", "DELETE FROM weir.entries WHERE seq = 3", "ledger-damaged",
           "run 1 has no entry 3 of "},
    Damage{"EntryMissingAndTheGapClosed",
           "DELETE FROM weir.entries WHERE seq IN (2, 3); UPDATE weir.entries SET seq = -seq WHERE seq > 3;"
           "UPDATE weir.entries SET seq = -seq - 2 WHERE seq < 0",
           "ledger-damaged", "backfill.1 is done, and expand.1 before it is not"},
    Damage{"EntryTwice",
           "ALTER TABLE weir.entries DROP CONSTRAINT entries_pkey; INSERT INTO weir.entries SELECT * FROM weir.entries "
           "WHERE seq = 2; CREATE INDEX entries_pkey ON weir.entries (run, seq)",
           "ledger-damaged", "primary key of weir.entries"},
    Damage{"UnknownKind", "UPDATE weir.entries SET kind = 'imagined' WHERE seq = 2", "ledger-damaged",
           "entry 2 of run 1 is of the kind imagined", "UPDATE weir.entries SET kind = 'step_done' WHERE seq = 2"},
    Damage{"UnknownStep", "UPDATE weir.entries SET step = 'expand.7' WHERE step = 'expand.1'", "ledger-damaged",
           "run 1: ", "UPDATE weir.entries SET step = 'expand.1' WHERE step = 'expand.7'"},
    Damage{"EpochLowered", "UPDATE weir.meta SET epoch = 0", "ledger-damaged",
           "was written under epoch 1, and weir.meta says 0", "UPDATE weir.meta SET epoch = 1"},
    Damage{"WrongHash", R"(UPDATE weir.entries SET detail = detail || '{"hash": "0123456789abcdef"}' WHERE seq = 1)",
           "changed-plan", "the program of the run was 0123456789abcdef"},
    Damage{
        "OtherRecipe",
        R"(UPDATE weir.entries SET detail = detail || jsonb_build_object('catalog', replace(detail->>'catalog', '"rename_column","value":1', '"rename_column","value":9')) WHERE seq = 1)",
        "changed-plan", "has other recipes for what it does: rename_column (9 then, 1 now)",
        R"(UPDATE weir.entries SET detail = detail || jsonb_build_object('catalog', replace(detail->>'catalog', '"rename_column","value":9', '"rename_column","value":1')) WHERE seq = 1)"},
    Damage{
        "ForeignPlan",
        R"(UPDATE weir.entries SET detail = detail || jsonb_build_object('plan', replace(detail->>'plan', 'full_name', 'note2')) WHERE seq = 1)",
        "ledger-damaged", "the plan in the first entry of run 1 is not the one that was begun",
        R"(UPDATE weir.entries SET detail = detail || jsonb_build_object('plan', replace(detail->>'plan', 'note2', 'full_name')) WHERE seq = 1)"},
    Damage{"PlanUnreadable", R"(UPDATE weir.entries SET detail = detail || '{"plan": "]"}' WHERE seq = 1)",
           "changed-plan", "cannot read what it wrote"},
    Damage{"PlanGone", "UPDATE weir.entries SET detail = detail - 'plan' WHERE seq = 1", "changed-plan",
           "cannot read what it wrote"},
    Damage{"CatalogOfNothing", R"(UPDATE weir.entries SET detail = detail || '{"catalog": "{}"}' WHERE seq = 1)",
           "changed-plan", "run 1"},
    Damage{
        "CatalogWithoutTheTable",
        R"(UPDATE weir.entries SET detail = detail || jsonb_build_object('catalog', replace(detail->>'catalog', '"users"', '"losers"')) WHERE seq = 1)",
        "changed-plan", "finds problems in it",
        R"(UPDATE weir.entries SET detail = detail || jsonb_build_object('catalog', replace(detail->>'catalog', '"losers"', '"users"')) WHERE seq = 1)"},
};

class Damaged : public Bench, public ::testing::TestWithParam<Damage> {
  protected:
    /// A run as far as its gate; each case works on a copy.
    static Bench const& begun() {
        static Bench const bench;
        static bool const ran = [] {
            make_users(bench, 30);
            return bench.weir({"run", bench.plan(rename_plan), "--until", "proof"}).status == 0;
        }();
        if (!ran) throw std::runtime_error{"the run did not come to its gate"};
        return bench;
    }
    /// All that is in the database, but for what is only looked at.
    std::string everything() const {
        std::string all = dump() + leftovers();
        for (auto const& row : sql("SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname IN "
                                   "('weir', 'public') ORDER BY 1"))
            all += *row[0] +
                   value("SELECT coalesce(md5(string_agg(t::text, '|' ORDER BY t::text)), '') FROM " + *row[0] + " t");
        return all;
    }
};

TEST_P(Damaged, IsRefusedAndNothingBeginsAnew) {
    auto const file = plan(rename_plan);
    query(cluster.conninfo(), "DROP DATABASE " + db.name);
    query(cluster.conninfo(), "CREATE DATABASE " + db.name + " TEMPLATE " + begun().db.name);
    sql(GetParam().sql);
    auto const before = everything();
    std::vector<Words> asked{{"run", file, "--approve", "all"}};
    if (!sanitized)
        asked.insert(asked.end(), {{"run", file, "--take-over"},
                                   {"abort", "rename-it"},
                                   {"rollback", "rename-it"},
                                   {"approve", "rename-it", "contract"},
                                   {"plan", file}});
    for (auto const& words : asked)
        EXPECT_TRUE(refused(weir(words), 5, GetParam().code, {GetParam().says})) << words[0];
    EXPECT_EQ(everything(), before);
    if (GetParam().mend == nullptr || sanitized) return;
    sql(GetParam().mend);
    auto const ran = weir({"run", file, "--approve", "all"});
    EXPECT_EQ(ran.status, 0) << told(ran);
    EXPECT_EQ(ledger_faults(), "") << entries();
    EXPECT_EQ(differing(*this, "full_name"), "0");
}

INSTANTIATE_TEST_SUITE_P(Cases, Damaged, ::testing::ValuesIn(damages),
                         [](auto const& test) { return std::string{test.param.name}; });

// Goal: progress is a shortcut and no more; without it the pages are filled and proven again.
TEST(DamagedLedger, ProgressThatIsGoneCostsTimeOnly) {
    Bench bench;
    make_users(bench, 300);
    auto const file = bench.plan(rename_plan);
    ASSERT_EQ(bench.weir({"run", file, "--until", "backfill"}).status, 0);
    bench.sql("TRUNCATE weir.progress; TRUNCATE weir.heartbeat");
    auto const ran = bench.weir({"run", file, "--approve", "all"});
    EXPECT_EQ(ran.status, 0) << told(ran);
    EXPECT_EQ(bench.ledger_faults(), "");
    EXPECT_EQ(differing(bench, "full_name"), "0");
}

TEST(DamagedLedger, StatusNeedsItsPartsAndNotItsSense) {
    Bench bench;
    make_users(bench, 30);
    ASSERT_EQ(bench.weir({"run", bench.plan(rename_plan), "--until", "expand"}).status, 0);
    bench.sql("UPDATE weir.entries SET kind = 'imagined' WHERE seq = 2");
    EXPECT_EQ(bench.weir({"status"}).status, 0);
    bench.sql("ALTER TABLE weir.orders DISABLE TRIGGER sign_order");
    EXPECT_TRUE(refused(bench.weir({"status"}), 5, "ledger-damaged", {"trigger sign_order"}));
}

// Goal: it cannot be seen, and what was done is not done again.
TEST(DamagedLedger, EntriesThatAreGoneAtTheEndStopTheStepThatWasDone) {
    Bench bench;
    make_users(bench, 30);
    auto const file = bench.plan(rename_plan);
    ASSERT_EQ(bench.weir({"run", file, "--until", "expand"}).status, 0);
    bench.sql("DELETE FROM weir.entries WHERE seq > (SELECT min(seq) FROM weir.entries WHERE kind = 'began')");
    auto const before = bench.dump();
    auto const ran = bench.weir({"run", file, "--approve", "all"});
    EXPECT_EQ(ran.status, 4) << told(ran);
    EXPECT_THAT(ran.out, ::testing::HasSubstr("already exists"));
    EXPECT_EQ(bench.dump(), before);
    EXPECT_EQ(differing(bench, "full_name"), "30") << "nothing was filled";
}

TEST(DamagedLedger, AGateThatWaitsNoticesThatItIsGone) {
    Bench bench;
    make_users(bench, 30);
    auto process = bench.start({"run", bench.plan(rename_plan)});
    ASSERT_TRUE(
        wait_until([&] { return !process.running() || (bench.ledger() && has(bench.entries(), "gate_opened")); }));
    bench.sql("DROP SCHEMA weir CASCADE");
    auto const ran = wait(process);
    EXPECT_EQ(ran.status, 5) << told(ran);
    EXPECT_THAT(ran.out, ::testing::HasSubstr("ledger-damaged"));
    EXPECT_THAT(ran.out, ::testing::HasSubstr("hint:"));
    EXPECT_EQ(differing(bench, "full_name"), "0");
}

TEST(DamagedLedger, MayNotBeReadOrWritten) {
    Bench bench;
    make_users(bench, 30);
    auto const file = bench.plan(rename_plan);
    bench.sql("DO $$ BEGIN CREATE ROLE damaged_owner LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$");
    bench.sql(
        "ALTER TABLE users OWNER TO damaged_owner; GRANT pg_monitor TO damaged_owner; GRANT CREATE ON SCHEMA "
        "public TO damaged_owner");
    bench.sql("DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO damaged_owner', current_database()); END $$");
    bench.user = "damaged_owner";
    auto const begun = bench.weir({"run", file, "--until", "expand"});
    ASSERT_EQ(begun.status, 0) << told(begun);
    auto const before = bench.entries();
    for (std::string const& table : {std::string{"SCHEMA weir"}, std::string{"TABLE weir.meta"},
                                     std::string{"TABLE weir.entries"}, std::string{"TABLE weir.progress"}}) {
        bench.sql("ALTER " + table + " OWNER TO postgres");
        bench.sql("REVOKE ALL ON " + table + " FROM damaged_owner");
        EXPECT_TRUE(refused(bench.weir({"run", file, "--approve", "all"}), 5, "no-privilege")) << table;
        EXPECT_EQ(bench.entries(), before) << table;
        bench.sql("ALTER " + table + " OWNER TO damaged_owner");
        bench.sql("GRANT ALL ON " + table + " TO damaged_owner");
    }
    EXPECT_EQ(bench.weir({"run", file, "--approve", "all"}).status, 0);
}

}  // namespace
}  // namespace weir::tests
