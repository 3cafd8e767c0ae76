/// A human changes the table while a run is on its way: it is noticed, the run stops and says so, and nothing of what
/// the human did is repaired or undone. Then it is mended, and the run goes on or is undone.
#include "abuse.h"

namespace weir::tests {
namespace {

enum class When { fill, gate };
enum class Then { run, abort };

struct Human {
    std::string name;
    When when{};
    std::string does;
    std::string code, says;  ///< of the stop
    std::string mends;       ///< without which neither `run` nor `abort` comes further; empty: nothing
    Then then{};
    bool stays{};  ///< after an abort the table is not as it was: what the human made is his
};
void PrintTo(Human const& human, std::ostream* out) { *out << human.name; }

std::string on_first_trigger(std::string const& words) {
    return "DO $$ BEGIN EXECUTE (SELECT format('" + words +
           "', tgname) FROM pg_trigger WHERE tgrelid = 'users'::regclass AND NOT tgisinternal ORDER BY tgname LIMIT "
           "1); "
           "END $$";
}

class HumanBeing : public Abuse, public ::testing::WithParamInterface<Human> {
  protected:
    /// It stops, with one message, and leaves the table as the human made it.
    void expect_stops(Ran const& ran, std::string const& as_left) {
        auto const& human = GetParam();
        EXPECT_TRUE(refused(ran, 4, human.code, {human.says}));
        EXPECT_EQ(dump(), as_left);
    }
};

TEST_P(HumanBeing, ChangesTheTable) {
    auto const& human = GetParam();
    make_oracle(*this, human.when == When::gate ? 300 : rows_to_fill);
    auto const before = dump();
    auto process = start({"run", file});
    if (human.when == When::gate) {
        ASSERT_TRUE(at_gate(process)) << process.err();
    } else {
        ASSERT_TRUE(wait_until([&] { return in_the_fill(process) || !process.running(); }));
    }
    process.signal(SIGSTOP);
    ASSERT_FALSE(has(process.out(), "gate contract") && human.when == When::fill) << "the fill was over already";
    sql(human.does);
    auto const as_left = dump();
    process.signal(SIGCONT);
    if (human.when == When::gate) {
        ASSERT_EQ(weir({"approve", "rename-it", "contract"}).status, 0);
    }
    expect_stops(wait(process), as_left);
    auto const again = weir({"run", file, "--approve", "all"});
    EXPECT_EQ(again.status, 4) << told(again);
    EXPECT_EQ(dump(), as_left) << "the second time";
    if (!human.mends.empty()) {
        if (human.then == Then::abort) {
            auto const abort = weir({"abort", "rename-it", "--approve", "all"});
            EXPECT_EQ(abort.status, 4) << told(abort);
        }
        sql(human.mends);
    }
    if (human.then == Then::abort) {
        auto const abort = weir({"abort", "rename-it", "--approve", "all"});
        EXPECT_EQ(abort.status, 6) << told(abort);
        EXPECT_EQ(leftovers(), "");
        EXPECT_EQ(dump() != before, human.stays) << dump();
        if (human.stays) return;
    }
    auto const ran = finish(file);
    EXPECT_EQ(ran.status, 0) << told(ran);
    EXPECT_EQ(shape_faults(*this), "");
    EXPECT_EQ(ledger_faults(), "") << entries();
    EXPECT_EQ(value("SELECT count(*) FROM users WHERE full_name IS NULL"), "0");
}

INSTANTIATE_TEST_SUITE_P(
    Fill, HumanBeing,
    ::testing::ValuesIn(std::vector<Human>{
        Human{"DropsTheNewColumn", When::fill, "ALTER TABLE users DROP COLUMN full_name CASCADE", "statement-refused",
              "42703", "", Then::abort},
        Human{"DropsTheOldColumn", When::fill, "ALTER TABLE users DROP COLUMN name CASCADE", "statement-refused",
              "42703", "ALTER TABLE users ADD COLUMN name varchar(80); UPDATE users SET name = coalesce(full_name, '')",
              Then::abort, true},
        Human{"RenamesTheNewColumn", When::fill, "ALTER TABLE users RENAME COLUMN full_name TO whole_name",
              "statement-refused", "42703", "ALTER TABLE users RENAME COLUMN whole_name TO full_name", Then::run},
        Human{"KeepsTheNewColumnUnderAnotherName", When::fill,
              "ALTER TABLE users RENAME COLUMN full_name TO whole_name", "statement-refused", "42703", "", Then::abort,
              true},
        Human{"RenamesTheOldColumn", When::fill, "ALTER TABLE users RENAME COLUMN name TO first_name",
              "statement-refused", "42703", "ALTER TABLE users RENAME COLUMN first_name TO name", Then::run},
        Human{"DropsTheTable", When::fill, "DROP TABLE users", "statement-refused", "42P01",
              "CREATE TABLE users (id bigint, name varchar(80), full_name varchar(80))", Then::abort, true},
        Human{"RenamesTheTable", When::fill, "ALTER TABLE users RENAME TO people", "statement-refused", "42P01",
              "ALTER TABLE people RENAME TO users", Then::run},
        Human{"MakesAnotherTableInItsPlace", When::fill,
              "ALTER TABLE users RENAME TO people; CREATE TABLE users (LIKE people INCLUDING ALL)", "trigger-changed",
              "disabled, dropped or replaced", "DROP TABLE users; ALTER TABLE people RENAME TO users", Then::run},
        Human{"DropsATrigger", When::fill, on_first_trigger("DROP TRIGGER %I ON users"), "trigger-changed",
              "weir abort rename-it undoes the run", "", Then::abort}}),
    [](auto const& param_info) { return param_info.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Gate, HumanBeing,
    ::testing::ValuesIn(std::vector<Human>{
        Human{"DropsATrigger", When::gate, on_first_trigger("DROP TRIGGER %I ON users"), "trigger-changed",
              "weir abort rename-it undoes the run", "", Then::abort},
        Human{"DisablesTheTriggers", When::gate, "ALTER TABLE users DISABLE TRIGGER USER", "trigger-changed",
              "disabled, dropped or replaced", "", Then::abort},
        Human{"DisablesAndEnablesATrigger", When::gate,
              on_first_trigger("ALTER TABLE users DISABLE TRIGGER %1$I; ALTER TABLE users ENABLE ALWAYS TRIGGER %1$I"),
              "trigger-changed", "disabled, dropped or replaced", "", Then::abort},
        Human{"ReplacesAFunction", When::gate,
              "DO $$ BEGIN EXECUTE (SELECT replace(pg_get_functiondef(oid), 'BEGIN', 'BEGIN RETURN new;') FROM pg_proc "
              "WHERE pronamespace = 'weir_sync'::regnamespace AND prorettype = 'trigger'::regtype ORDER BY proname "
              "LIMIT 1); END $$",
              "trigger-changed", "functions of", "", Then::abort},
        Human{"DropsTheNewColumn", When::gate, "ALTER TABLE users DROP COLUMN full_name CASCADE", "trigger-changed",
              "disabled, dropped or replaced", "ALTER TABLE users ADD COLUMN full_name varchar(80)", Then::abort},
        Human{"DropsTheOldColumn", When::gate, "ALTER TABLE users DROP COLUMN name CASCADE", "trigger-changed",
              "disabled, dropped or replaced",
              "ALTER TABLE users ADD COLUMN name varchar(80); UPDATE users SET name = full_name", Then::abort, true},
        Human{"DropsTheTable", When::gate, "DROP TABLE users", "statement-refused", "42P01",
              "CREATE TABLE users (id bigint, name varchar(80), full_name varchar(80))", Then::abort, true},
        Human{"MakesAnIndex", When::gate, "CREATE UNIQUE INDEX by_name ON users (name)", "statement-refused",
              "index by_name", "DROP INDEX by_name; CREATE UNIQUE INDEX by_full_name ON users (full_name)", Then::run},
        Human{"MakesACheck", When::gate, "ALTER TABLE users ADD CONSTRAINT short CHECK (length(name) < 70)",
              "statement-refused", "constraint short on table users", "ALTER TABLE users DROP CONSTRAINT short",
              Then::run},
        Human{"MakesStatistics", When::gate, "CREATE STATISTICS both_ ON name, note FROM users", "statement-refused",
              "statistics object both_", "DROP STATISTICS both_", Then::run},
        Human{"MakesAView", When::gate, "CREATE VIEW names AS SELECT name FROM users", "statement-refused",
              "view names depends on column name", "DROP VIEW names", Then::run},
        Human{"MakesATriggerOfTheColumn", When::gate,
              "CREATE FUNCTION nop() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END'; CREATE TRIGGER app "
              "BEFORE UPDATE OF name ON users FOR EACH ROW EXECUTE FUNCTION nop()",
              "statement-refused", "trigger app on table users depends", "DROP TRIGGER app ON users", Then::run}}),
    [](auto const& param_info) { return param_info.param.name; });

/// A plan that was edited while its run was dead.
using Edited = Abuse;

TEST_F(Edited, WhileTheRunWasDeadThePlanIsRefusedWithBothHashes) {
    struct Edit {
        std::string from, to;
    };
    std::vector<Edit> const edits{{"to: full_name", "to: full_namf"},
                                  {"from: name", "from: note"},
                                  {"table: users", "table: witness"},
                                  {"throttle: none", "gates: { contract: none }"}};
    auto const text = std::string{rename_plan} + "throttle: none\n";
    abuse(1, 10, [&, this](Dice& dice) {
        auto const oracle = make(dice);
        auto process = begin({"--approve", "all"});
        EXPECT_TRUE(wait_until([&] { return has(process.out(), "step_done") || !process.running(); }));
        kill(process);
        for (auto const& edit : edits) {
            auto edited = text;
            edited.replace(edited.find(edit.from), edit.from.size(), edit.to);
            Ran ran;
            EXPECT_TRUE(wait_until([&] {
                ran = weir({"run", plan(edited, "edited.yaml"), "--approve", "all"});
                return !has(ran.err, "other-leader");
            }));
            auto const identity = value("SELECT detail->>'identity' FROM weir.entries WHERE kind = 'began'");
            EXPECT_TRUE(refused(ran, 5, "changed-plan", {identity, "instead of"})) << edit.to;
        }
        recover();
        expect_done(*oracle);
    });
}

}  // namespace
}  // namespace weir::tests
