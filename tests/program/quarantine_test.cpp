// Goal: what a plan drops with `drop.quarantine` is kept aside and stays equal to the new column, comes back with every
// write made since, or is dropped when its time is over; killed at every string on each of these ways.
#include <csignal>

#include "killed.h"
#include "tests/support/bench.h"

namespace weir::tests {
namespace {

/// `digits` becomes a text: what is no number does not go back.
constexpr std::string_view typed_plan = R"(weir: 1
name: typed
expand:
  - add_column: { table: users, column: words, type: text }
  - sync_columns: { table: users, from: digits, to: words, forward: digits::text, reverse: words::integer }
backfill:
  - fill: { table: users, set: { words: digits::text } }
contract:
  - drop_column: { table: users, column: digits }
drop: { quarantine: 7d }
)";

class Quarantine : public ::testing::Test, public Bench {
  protected:
    static constexpr char const* contents = "SELECT md5(string_agg(u::text, '|' ORDER BY id)) FROM users u";

    void quarantined(std::string const& file) {
        auto const ran = weir({"run", file, "--approve", "all"});
        ASSERT_EQ(ran.status, 0) << told(ran);
        EXPECT_THAT(ran.out, ::testing::HasSubstr("in quarantine until")) << told(ran);
        EXPECT_THAT(entries(), ::testing::EndsWith("quarantined")) << entries();
    }
    /// As if its time had gone by: the ledger is the only clock that counts.
    void let_time_pass() const {
        sql("UPDATE weir.entries SET at = at - interval '8 days' WHERE kind = 'quarantined'");
    }
    /// Of users and of orders, each by a plan of its own.
    void make_two_quarantines() {
        make_users(*this, 50);
        sql("CREATE TABLE orders (id int PRIMARY KEY, note text, unused int)");
        quarantined(plan(kept_plan));
        auto const ran =
            weir({"run",
                  plan("weir: 1\nname: second\ncontract:\n  - drop_column: { table: orders, column: unused }\n"
                       "drop: { quarantine: 7d }\n"),
                  "--approve", "all"});
        ASSERT_EQ(ran.status, 0) << told(ran);
    }
    std::string columns_aside_of_orders() const {
        return value(
            "SELECT count(*) FROM pg_attribute WHERE attrelid = 'orders'::regclass AND attname LIKE 'weir_q%'");
    }
    Ran again(Words words) {
        Ran ran;
        wait_until([&] {
            ran = weir(words);
            return !has(ran.err, "[other-leader]");
        });
        return ran;
    }
    void would_lose(Words const& words, Words const& parts) const {
        auto const ran = weir(words);
        EXPECT_EQ(ran.status, 4) << told(ran);
        EXPECT_THAT(ran.out, ::testing::HasSubstr("stopped[would-lose]"));
        for (auto const& part : parts) EXPECT_THAT(ran.out, ::testing::HasSubstr(part));
    }
    void make_typed() const {
        sql("CREATE TABLE users (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, digits integer)");
        sql("INSERT INTO users (digits) SELECT i FROM generate_series(1, 50) i");
    }
};

TEST_F(Quarantine, KeepsTheColumnEqualAndSaysSo) {
    make_users(*this, 50);
    auto const file = plan(kept_plan);
    quarantined(file);
    EXPECT_EQ(value("SELECT count(*) FROM users WHERE weir_q1_name IS DISTINCT FROM full_name"), "0");
    sql("UPDATE users SET full_name = 'Bo' WHERE id = 1");
    sql("INSERT INTO users (id, full_name) VALUES (51, 'Zoë')");
    EXPECT_EQ(value("SELECT string_agg(weir_q1_name, ',' ORDER BY id) FROM users WHERE id IN (1, 51)"), "Bo,Zoë");
    auto const status = weir({"status"});
    EXPECT_THAT(status.out, ::testing::HasSubstr("in quarantine"));
    EXPECT_THAT(status.out, ::testing::HasSubstr("weir rollback rename-it brings it back"));
    EXPECT_THAT(weir({"status", "--json"}).out, ::testing::HasSubstr("\"quarantine_until\""));
    // Not due: neither word drops it.
    for (Words const& words : {Words{"run", file}, Words{"purge", "rename-it"}, Words{"purge"}}) {
        auto const ran = weir(words);
        EXPECT_EQ(ran.status, 0) << told(ran);
        EXPECT_EQ(value("SELECT count(weir_q1_name) FROM users"), "51") << words[0];
    }
    auto const abort = weir({"abort", "rename-it"});
    EXPECT_EQ(abort.status, 5) << told(abort);
    EXPECT_THAT(abort.out, ::testing::HasSubstr("weir rollback rename-it brings everything back"));
    EXPECT_THAT(weir({"status"}).out, ::testing::HasSubstr("in quarantine"));
}

TEST_F(Quarantine, IsDroppedWhenItsTimeIsOver) {
    for (bool const by_run : {false, true}) {
        make_users(*this, 50);
        auto const file = plan(kept_plan);
        quarantined(file);
        let_time_pass();
        EXPECT_THAT(weir({"status"}).out, ::testing::HasSubstr("quarantine is over"));
        auto const ran = by_run ? weir({"run", file}) : weir({"purge"});
        EXPECT_EQ(ran.status, 0) << told(ran);
        EXPECT_THAT(entries(), ::testing::EndsWith("finished")) << entries();
        EXPECT_EQ(leftovers(), "");
        EXPECT_EQ(ledger_faults(), "");
        EXPECT_TRUE(refused(weir({"rollback", "rename-it"}), 5, "not-now", {"plan rename-it is done"}));
        EXPECT_THAT(weir({"purge"}).out, ::testing::HasSubstr("nothing to do"));
        auto const again = weir({"purge", "rename-it"});
        EXPECT_EQ(again.status, 0) << told(again);
        EXPECT_THAT(again.out, ::testing::HasSubstr("plan rename-it is done since"));
    }
}

TEST_F(Quarantine, AnInterruptEndsThePurgeOfAllPlans) {
    make_two_quarantines();
    let_time_pass();
    Client reader{db.conninfo};
    reader.exec("BEGIN");
    reader.exec("SELECT count(*) FROM users");
    auto process = start({"purge"});
    ASSERT_TRUE(wait_until([&] { return has(process.out(), "waits for a lock") || !process.running(); }))
        << process.out();
    process.signal(SIGTERM);
    EXPECT_EQ(wait(process).status, 4);
    reader.exec("ROLLBACK");
    EXPECT_EQ(columns_aside_of_orders(), "1") << "the second plan was left alone";
}

TEST_F(Quarantine, OnePlanThatCannotBePurgedKeepsNothingBackOfTheOthers) {
    make_two_quarantines();
    sql("CREATE VIEW late AS SELECT weir_q1_name FROM users");
    let_time_pass();
    auto const ran = weir({"purge"});
    EXPECT_EQ(ran.status, 4) << told(ran);
    EXPECT_THAT(ran.out, ::testing::HasSubstr("plan second is done"));
    EXPECT_EQ(columns_aside_of_orders(), "0");
    EXPECT_EQ(value("SELECT count(weir_q1_name) FROM users"), "50");
}

TEST_F(Quarantine, AViewOfTheColumnAsideStopsThePurge) {
    make_users(*this, 50);
    quarantined(plan(kept_plan));
    sql("CREATE VIEW late AS SELECT weir_q1_name FROM users");
    let_time_pass();
    auto const ran = weir({"purge"});
    EXPECT_EQ(ran.status, 4) << told(ran);
    EXPECT_THAT(ran.out + ran.err, ::testing::HasSubstr("view late depends on column weir_q1_name"));
    EXPECT_EQ(value("SELECT count(weir_q1_name) FROM users"), "50");
    sql("DROP VIEW late");
    EXPECT_EQ(weir({"purge"}).status, 0);
    EXPECT_EQ(leftovers(), "");
}

TEST_F(Quarantine, ComesBackWithTheWritesMadeSince) {
    make_users(*this, 50);
    auto const before = dump();
    auto const file = plan(kept_plan);
    quarantined(file);
    sql("UPDATE users SET full_name = 'Bo' WHERE id = 1");
    sql("INSERT INTO users (id, full_name) VALUES (51, 'Zoë')");
    auto const half = weir({"rollback", "rename-it"});
    EXPECT_EQ(half.status, 3) << told(half);
    EXPECT_THAT(half.out, ::testing::HasSubstr("when nothing uses the new shape any more: weir rollback rename-it"));
    EXPECT_THAT(weir({"status"}).out, ::testing::HasSubstr("the old shape is there again beside the new one"));
    sql("UPDATE users SET full_name = 'Cy' WHERE id = 2; UPDATE users SET name = 'Di' WHERE id = 3");
    EXPECT_EQ(value("SELECT string_agg(name || full_name, ',' ORDER BY id) FROM users WHERE id IN (2, 3)"),
              "CyCy,DiDi");
    // Whoever runs the plan waits, too.
    EXPECT_EQ(weir({"run", file, "--approve", "all"}).status, 3);
    auto const ran = weir({"rollback", "rename-it"});
    EXPECT_EQ(ran.status, 6) << told(ran);
    EXPECT_EQ(dump(), before);
    EXPECT_EQ(leftovers(), "");
    EXPECT_EQ(value("SELECT string_agg(name, ',' ORDER BY id) FROM users WHERE id IN (1, 51)"), "Bo,Zoë");
    EXPECT_THAT(entries(), ::testing::EndsWith("rolled_back")) << entries();
    EXPECT_THAT(weir({"status"}).out, ::testing::HasSubstr("rolled back"));
    EXPECT_TRUE(refused(weir({"rollback", "rename-it"}), 5, "not-now", {"rolled back"}));
    // The same plan begins a new run.
    quarantined(file);
    EXPECT_EQ(value("SELECT count(weir_q2_name) FROM users"), "51");
}

TEST_F(Quarantine, UnderWritersNothingIsLost) {
    make_users(*this, 200);
    auto const file = plan(kept_plan);
    Writers writers{*this, 2, 200};
    ASSERT_TRUE(writers.more(20));
    writers.use_new();
    quarantined(file);
    ASSERT_TRUE(writers.more(50)) << writers.errors();
    EXPECT_EQ(value("SELECT count(*) FROM users WHERE weir_q1_name IS DISTINCT FROM full_name"), "0");
    writers.stop();
    auto const rows = value("SELECT md5(string_agg(id || full_name, '|' ORDER BY id)) FROM users");
    auto const ran = weir({"rollback", "rename-it", "--approve", "all"});
    EXPECT_EQ(ran.status, 6) << told(ran);
    EXPECT_EQ(value("SELECT md5(string_agg(id || name, '|' ORDER BY id)) FROM users"), rows);
}

TEST_F(Quarantine, CountsWhatDoesNotGoBackAndRefuses) {
    make_typed();
    auto const before = dump();
    auto const file = plan(typed_plan);
    quarantined(file);
    sql("UPDATE users SET words = '1000' WHERE id = 1");
    EXPECT_EQ(value("SELECT weir_q1_digits FROM users WHERE id = 1"), "1000");
    // An application without any right but on its table.
    sql("CREATE ROLE quarantine_app; GRANT SELECT, UPDATE ON users TO quarantine_app");
    sql("SET ROLE quarantine_app; UPDATE users SET words = 'twelve' WHERE id = 2");
    sql("UPDATE users SET words = '99999999999' WHERE id = 3");
    // It goes back, and comes out as another text.
    sql("UPDATE users SET words = '007' WHERE id = 4");
    EXPECT_EQ(value("SELECT string_agg(coalesce(weir_q1_digits::text, '-'), ',' ORDER BY id) FROM users WHERE id < 5"),
              "1000,-,-,7");
    EXPECT_THAT(weir({"status"}).out, ::testing::HasSubstr("3 values did not go back"));
    auto const ledger_before = entries();
    would_lose({"rollback", "typed"}, {"3 values", "--accept-loss 3"});
    would_lose({"rollback", "typed", "--accept-loss", "2"}, {"3 values", "2 were accepted"});
    would_lose({"rollback", "typed", "--accept-loss", "4"}, {"3 values", "4 were accepted"});
    EXPECT_EQ(entries(), ledger_before) << "a refusal writes nothing";
    // A row whose new column stays may be mended by hand.
    sql("UPDATE users SET weir_q1_digits = 12 WHERE id = 2");
    auto const ran = weir({"rollback", "typed", "--accept-loss", "3", "--approve", "all"});
    EXPECT_EQ(ran.status, 6) << told(ran);
    EXPECT_EQ(leftovers(), "");
    EXPECT_EQ(value("SELECT string_agg(coalesce(digits::text, '-'), ',' ORDER BY id) FROM users WHERE id < 5"),
              "1000,12,-,7");
    sql("REVOKE ALL ON users FROM quarantine_app; DROP ROLE quarantine_app");
    EXPECT_EQ(dump(), before);
}

TEST_F(Quarantine, CountsUnderTheLockToo) {
    make_typed();
    quarantined(plan(typed_plan));
    // What comes between the count and the lock is refused by the step itself.
    Client blocker{db.conninfo};
    blocker.exec("BEGIN; LOCK TABLE users IN ROW EXCLUSIVE MODE");
    auto process = start({"rollback", "typed"});
    ASSERT_TRUE(wait_until([&] { return has(entries(), "rolling_back") || !process.running(); }));
    blocker.exec("UPDATE users SET words = 'twelve' WHERE id = 2");
    blocker.exec("COMMIT");
    auto const ran = wait(process);
    EXPECT_EQ(ran.status, 4) << told(ran);
    EXPECT_THAT(ran.out, ::testing::HasSubstr("1 values did not go back"));
    EXPECT_THAT(weir({"status"}).out, ::testing::HasSubstr("rolling back"));
    EXPECT_TRUE(refused(weir({"purge", "typed"}), 5, "not-now", {"is being rolled back"}));
    would_lose({"rollback", "typed"}, {"--accept-loss 1"});
    auto const reopened = weir({"rollback", "typed", "--accept-loss", "1"});
    EXPECT_EQ(reopened.status, 3) << told(reopened);
    EXPECT_EQ(blocker.try_exec("UPDATE users SET words = 'twenty' WHERE id = 3"), "22P02") << "the sync is as before";
    auto const done = weir({"rollback", "typed", "--approve", "contract"});
    EXPECT_EQ(done.status, 6) << told(done);
    EXPECT_EQ(leftovers(), "");
}

TEST_F(Quarantine, RefusesAPlanOnWhatItHolds) {
    make_users(*this, 20);
    quarantined(plan(kept_plan));
    EXPECT_TRUE(refused(weir({"run", plan(R"(weir: 1
name: other
changes:
  - rename_column: { table: users, from: full_name, to: whole_name }
)",
                                          "other.yaml")}),
                        1, "conflict", {"users.full_name is in the quarantine of run 1"}));
    EXPECT_TRUE(refused(weir({"run", plan(R"(weir: 1
name: another
expand:
  - add_column: { table: users, column: name, type: text }
)",
                                          "another.yaml")}),
                        1, "conflict", {"users.name is in the quarantine of run 1"}));
}

TEST_F(Quarantine, DisabledTriggersEndTheWayBack) {
    make_users(*this, 20);
    quarantined(plan(kept_plan));
    sql("ALTER TABLE users DISABLE TRIGGER USER");
    sql("UPDATE users SET full_name = 'past it' WHERE id = 1");
    sql("ALTER TABLE users ENABLE TRIGGER USER");
    auto const ran = weir({"rollback", "rename-it"});
    EXPECT_EQ(ran.status, 4) << told(ran);
    EXPECT_THAT(ran.out, ::testing::HasSubstr("stopped[trigger-changed]"));
    EXPECT_THAT(entries(), ::testing::EndsWith("quarantined")) << "a refusal writes nothing";
}

TEST_F(Quarantine, WhoeverRunsItBeforeMustUseTheRightWord) {
    make_users(*this, 20);
    auto const file = plan(kept_plan);
    EXPECT_TRUE(refused(weir({"rollback", "rename-it"}), 1, "unknown-plan"));
    ASSERT_EQ(weir({"run", file, "--no-wait"}).status, 3);
    auto const early = weir({"rollback", "rename-it"});
    EXPECT_EQ(early.status, 5) << told(early);
    EXPECT_THAT(early.out, ::testing::HasSubstr("weir abort rename-it undoes it"));
    EXPECT_TRUE(refused(weir({"purge", "rename-it"}), 5, "not-now", {"nothing in quarantine"}));
    EXPECT_TRUE(refused(weir({"rollback", "rename-it", "--accept-loss", "some"}), 2, "usage"));
    EXPECT_TRUE(refused(weir({"abort", "rename-it", "--accept-loss", "-1"}), 2, "usage"));
    EXPECT_TRUE(refused(weir({"run", file, "--accept-loss", "1"}), 2, "usage"));
}

// ---- in the midst of contract ---------------------------------------------------------------------------------------

/// Two tables: of users contract is done, and orders stands in its way.
class Midway : public Quarantine {
  protected:
    static constexpr char const* two_plan = R"(weir: 1
name: two
changes:
  - rename_column: { table: users, from: name, to: full_name }
  - rename_column: { table: orders, from: place, to: address }
drop: { quarantine: 7d }
locks: { timeout: 300ms, give_up: 2s }
)";

    void make_two() {
        make_users(*this, 40);
        sql("DROP TABLE IF EXISTS orders; CREATE TABLE orders (id int PRIMARY KEY, place text NOT NULL DEFAULT 'x')");
        sql("INSERT INTO orders SELECT i, 'place ' || i FROM generate_series(1, 40) i");
    }
    /// The run stops before the step that sets orders.place aside.
    void midway(std::string const& file) {
        auto const proven = weir({"run", file, "--until", "proof"});
        ASSERT_EQ(proven.status, 0) << told(proven);
        Client reader{db.conninfo};
        reader.exec("BEGIN; LOCK TABLE orders IN ACCESS SHARE MODE");
        auto const ran = again({"run", file, "--approve", "all"});
        ASSERT_EQ(ran.status, 4) << told(ran);
        EXPECT_THAT(ran.out, ::testing::HasSubstr("stopped[gave-up-lock]"));
        reader.exec("ROLLBACK");
        expect_midway();
    }
    void expect_midway() const {
        EXPECT_EQ(value("SELECT string_agg(attname, ',' ORDER BY attnum) FROM pg_attribute WHERE attnum > 1 AND NOT "
                        "attisdropped AND attrelid IN ('users'::regclass, 'orders'::regclass) AND attname ~ "
                        "'name|place'"),
                  "weir_q1_name,place,full_name");
    }
};

TEST_F(Midway, AnAbortBringsBackWhatContractHasDone) {
    make_two();
    auto const before = dump();
    auto const file = plan(two_plan);
    midway(file);
    sql("UPDATE users SET full_name = 'since' WHERE id = 1");
    auto const half = again({"abort", "two"});
    EXPECT_EQ(half.status, 3) << told(half);
    EXPECT_THAT(half.out, ::testing::HasSubstr("when nothing uses the new shape any more: weir rollback two"));
    EXPECT_THAT(weir({"status"}).out, ::testing::HasSubstr("the old shape is there again beside the new one"));
    // Both applications write now.
    sql("UPDATE users SET full_name = 'by the new name' WHERE id = 2; UPDATE users SET name = 'by the old' WHERE id = "
        "3");
    sql("UPDATE orders SET address = 'by the new name' WHERE id = 2");
    EXPECT_EQ(weir({"run", file, "--approve", "all"}).status, 3);
    auto const ran = again({"rollback", "two"});
    EXPECT_EQ(ran.status, 6) << told(ran);
    EXPECT_EQ(dump(), before);
    EXPECT_EQ(leftovers(), "");
    EXPECT_EQ(value("SELECT string_agg(name, ',' ORDER BY id) FROM users WHERE id < 4"),
              "since,by the new name,by the old");
    EXPECT_EQ(value("SELECT place FROM orders WHERE id = 2"), "by the new name");
    EXPECT_THAT(entries(), ::testing::EndsWith("rolled_back")) << entries();
    EXPECT_TRUE(refused(weir({"abort", "two"}), 5, "not-now", {"rolled back"}));
    // The same plan begins a new run.
    auto const anew = weir({"run", file, "--approve", "all"});
    EXPECT_EQ(anew.status, 0) << told(anew);
}

TEST_F(Midway, AnOrderReachesTheRunThatWaitsForItsLock) {
    make_two();
    auto const before = dump();
    auto const file = plan(two_plan);
    ASSERT_EQ(weir({"run", file, "--until", "proof"}).status, 0);
    Client reader{db.conninfo};
    reader.exec("BEGIN; LOCK TABLE orders IN ACCESS SHARE MODE");
    ASSERT_EQ(weir({"set", "two", "locks.give_up", "10m"}).status, 0);
    auto process = start({"run", file, "--approve", "all"});
    ASSERT_TRUE(
        wait_until([&] { return has(process.out(), "contract.6 waits for a lock") || !process.running(); }, 20s))
        << process.out();
    expect_midway();
    ASSERT_EQ(weir({"abort", "two"}).status, 0);
    auto const ran = wait(process);
    EXPECT_EQ(ran.status, 3) << told(ran);
    reader.exec("ROLLBACK");
    EXPECT_EQ(again({"rollback", "two"}).status, 6);
    EXPECT_EQ(dump(), before);
}

TEST_F(Midway, UnderWritersNothingIsLost) {
    make_two();
    auto const file = plan(two_plan);
    Writers writers{*this, 2, 40};
    ASSERT_TRUE(writers.more(20));
    ASSERT_EQ(weir({"run", file, "--until", "proof"}).status, 0);
    writers.use_new();
    midway(file);
    ASSERT_TRUE(writers.more(50)) << writers.errors();
    auto const half = again({"abort", "two"});
    EXPECT_EQ(half.status, 3) << told(half);
    ASSERT_TRUE(writers.more(50)) << writers.errors();
    writers.stop();
    EXPECT_EQ(writers.errors(), "");
    EXPECT_EQ(differing(*this, "name"), "0");
    EXPECT_EQ(again({"rollback", "two"}).status, 6);
    EXPECT_EQ(differing(*this, "name"), "0");
}

// The check by which a column becomes NOT NULL again is a step of its own, after the one that lifted it.
TEST_F(Midway, KilledBetweenAStepAndItsWayBackItIsUndoneAllTheSame) {
    make_two();
    auto const before = dump();
    midway(plan(two_plan));
    // What came after it changed nothing but the ledger.
    sql("DELETE FROM weir.entries WHERE seq > (SELECT seq FROM weir.entries WHERE kind = 'step_done' AND step = "
        "'contract.2')");
    EXPECT_EQ(again({"abort", "two"}).status, 3);
    EXPECT_EQ(again({"rollback", "two"}).status, 6);
    EXPECT_EQ(dump(), before);
    EXPECT_EQ(leftovers(), "");
}

TEST_F(Midway, IsTheWayBackWhenTheSyncOfTheOtherColumnIsBroken) {
    make_two();
    auto const file = plan(two_plan);
    midway(file);
    sql("ALTER TABLE orders DISABLE TRIGGER USER; ALTER TABLE orders ENABLE TRIGGER USER");
    auto const stopped = again({"run", file});
    EXPECT_EQ(stopped.status, 4) << told(stopped);
    EXPECT_THAT(stopped.out, ::testing::HasSubstr("stopped[trigger-changed]"));
    EXPECT_THAT(stopped.out, ::testing::HasSubstr("weir abort two undoes the run"));
    EXPECT_EQ(again({"abort", "two"}).status, 3);
    EXPECT_EQ(again({"rollback", "two"}).status, 6);
    EXPECT_EQ(leftovers(), "");
}

TEST_F(Midway, SaysWhatWouldBeLost) {
    make_typed();
    sql("CREATE TABLE orders (id int PRIMARY KEY, place text); INSERT INTO orders VALUES (1, 'a')");
    auto text = std::string{typed_plan};
    text.insert(text.find("expand:"),
                "changes:\n  - rename_column: { table: orders, from: place, to: address }\n"
                "locks: { timeout: 300ms, give_up: 2s }\n");
    // Changes come before lists: users is behind orders.
    auto const file = plan(text);
    auto const before = dump();
    ASSERT_EQ(weir({"run", file, "--until", "proof"}).status, 0);
    Client reader{db.conninfo};
    reader.exec("BEGIN; LOCK TABLE users IN ACCESS SHARE MODE");
    ASSERT_EQ(again({"run", file, "--approve", "all"}).status, 4);
    reader.exec("ROLLBACK");
    // Nothing of orders can be lost, and users is not aside yet.
    EXPECT_EQ(again({"abort", "typed"}).status, 3);
    EXPECT_EQ(again({"rollback", "typed"}).status, 6);
    EXPECT_EQ(dump(), before);

    auto turned = std::string{typed_plan};
    turned += "locks: { timeout: 300ms, give_up: 2s }\n";
    turned.insert(turned.find("backfill:"),
                  "  - add_column: { table: orders, column: address, type: text }\n"
                  "  - sync_columns: { table: orders, from: place, to: address }\n");
    turned.insert(turned.find("contract:"), "  - fill: { table: orders, set: { address: place } }\n");
    turned.insert(turned.find("drop:"), "  - drop_column: { table: orders, column: place }\n");
    auto const other = plan(turned, "turned.yaml");
    ASSERT_EQ(weir({"run", other, "--until", "proof"}).status, 0);
    reader.exec("BEGIN; LOCK TABLE orders IN ACCESS SHARE MODE");
    ASSERT_EQ(again({"run", other, "--approve", "all"}).status, 4);
    reader.exec("ROLLBACK");
    sql("UPDATE users SET words = 'twelve' WHERE id = 2");
    auto const ledger_before = entries();
    auto const refusal = again({"abort", "typed"});
    EXPECT_EQ(refusal.status, 4) << told(refusal);
    EXPECT_THAT(refusal.out, ::testing::HasSubstr("stopped[would-lose]"));
    EXPECT_THAT(refusal.out, ::testing::HasSubstr("weir rollback typed --accept-loss 1"));
    EXPECT_EQ(entries(), ledger_before) << "a refusal writes nothing";
    auto const ran = again({"rollback", "typed", "--accept-loss", "1", "--approve", "all"});
    EXPECT_EQ(ran.status, 6) << told(ran);
    EXPECT_EQ(dump(), before);
    EXPECT_EQ(leftovers(), "");
}

// ---- killed ---------------------------------------------------------------------------------------------------------

/// Killed at every string of the last command, which is then given again. Each time in a copy of one database.
class KilledOn : public KilledIn<Quarantine> {
  protected:
    std::string const file = plan(kept_plan);
    std::string before;

    void SetUp() override {
        make_users(*this, 40);
        before = dump();
        ASSERT_EQ(weir({"run", file, "--approve", "all"}).status, 0);
        sql("UPDATE users SET full_name = 'since' WHERE id = 1");
        made = db;
    }

    template <class Expect>
    void sweep(Words const& words, int end, Expect expect) {
        KilledIn::sweep(
            words, end, 8, [](auto const&) {},
            [&](std::string const& when, Ran const& ran) {
                expect(when, ran);
                EXPECT_EQ(leftovers(), "") << when;
            });
    }
};

/// The same in the midst of contract.
class KilledMidway : public KilledOn {
  protected:
    void SetUp() override {
        sql("CREATE TABLE users (id int PRIMARY KEY, name text NOT NULL)");
        sql("INSERT INTO users SELECT i, 'user ' || i FROM generate_series(1, 40) i");
        sql("CREATE TABLE orders (id int PRIMARY KEY, place text); INSERT INTO orders VALUES (1, 'a')");
        before = dump();
        auto const two = plan(R"(weir: 1
name: two
changes:
  - rename_column: { table: users, from: name, to: full_name }
  - rename_column: { table: orders, from: place, to: address }
drop: { quarantine: 7d }
gates: { contract: none }
locks: { timeout: 300ms, give_up: 2s }
)",
                              "two.yaml");
        ASSERT_EQ(weir({"run", two, "--until", "proof"}).status, 0);
        Client reader{db.conninfo};
        reader.exec("BEGIN; LOCK TABLE orders IN ACCESS SHARE MODE");
        ASSERT_EQ(again({"run", two}).status, 4);
        reader.exec("ROLLBACK");
        sql("UPDATE users SET full_name = 'since' WHERE id = 1");
        made = db;
    }
};

TEST_F(KilledMidway, Abort) {
    sweep({"abort", "two"}, 6, [&](std::string const& when, Ran const& ran) {
        // Killed after its last entry: it is rolled back already.
        EXPECT_TRUE(ran.status == 6 || (ran.status == 5 && has(ran.err, "is rolled back"))) << when << told(ran);
        EXPECT_THAT(entries(), ::testing::EndsWith("rolled_back")) << when;
        EXPECT_EQ(dump(), before) << when;
        EXPECT_EQ(value("SELECT string_agg(name, ',' ORDER BY id) FROM users WHERE id < 3"), "since,user 2") << when;
    });
}

TEST_F(KilledOn, Rollback) {
    sweep({"rollback", "rename-it", "--approve", "all"}, 6, [&](std::string const& when, Ran const& ran) {
        // Killed after its last entry: it is rolled back already.
        EXPECT_TRUE(ran.status == 6 || (ran.status == 5 && has(ran.err, "is rolled back"))) << when << told(ran);
        EXPECT_THAT(entries(), ::testing::EndsWith("rolled_back")) << when;
        EXPECT_EQ(dump(), before) << when;
        EXPECT_EQ(value("SELECT string_agg(name, ',' ORDER BY id) FROM users WHERE id < 3"), "since,user 2") << when;
    });
}

TEST_F(KilledOn, Purge) {
    let_time_pass();
    sweep({"purge"}, 0, [&](std::string const& when, Ran const& ran) {
        EXPECT_EQ(ran.status, 0) << when << told(ran);
        EXPECT_EQ(ledger_faults(), "") << when << entries();
        EXPECT_EQ(value("SELECT string_agg(full_name, ',' ORDER BY id) FROM users WHERE id < 3"), "since,user 2")
            << when;
    });
}

// What stands at the moment of each kill is what the application meets: it writes in between.
TEST_F(KilledOn, RollbackWhileTheApplicationWrites) {
    int crashes = 0, both = 0;
    bool ended = false;
    for (int n = 1; !ended; n += long_run() ? 1 : 4) {
        copy();
        auto const crashed =
            weir({"rollback", "rename-it", "--approve", "all"}, {{"WEIR_CRASH", "after:" + std::to_string(n)}});
        ended = crashed.status == 6;
        if (!ended) {
            ASSERT_EQ(crashed.status, 128 + SIGKILL) << n << told(crashed);
            ++crashes;
        }
        bool const old_is_back =
            value("SELECT count(*) FROM pg_attribute WHERE attrelid = 'users'::regclass AND attname = 'name'") == "1";
        bool const new_is_there =
            value("SELECT count(*) FROM pg_attribute WHERE attrelid = 'users'::regclass AND attname = 'full_name'") ==
            "1";
        if (new_is_there) sql("UPDATE users SET full_name = 'by the new name' WHERE id = 1");
        if (old_is_back) sql("UPDATE users SET name = 'by the old name' WHERE id = 2");
        both += old_is_back && new_is_there ? 1 : 0;
        auto const ran = ended ? crashed : again({"rollback", "rename-it", "--approve", "all"});
        EXPECT_TRUE(ran.status == 6 || has(ran.err, "is rolled back")) << n << told(ran);
        if (new_is_there) {
            EXPECT_EQ(value("SELECT name FROM users WHERE id = 1"), "by the new name") << n;
        }
        if (old_is_back) {
            EXPECT_EQ(value("SELECT name FROM users WHERE id = 2"), "by the old name") << n;
        }
        if (HasFailure()) return;
    }
    EXPECT_GT(crashes, 5);
    EXPECT_GT(both, 0) << "no kill while both names were there";
}

TEST_F(Quarantine, WaitsForItsLocksAsThePlanSays) {
    make_users(*this, 50);
    auto const file = plan(std::string{kept_plan} + "locks: { timeout: 300ms, give_up: 2s }\n");
    quarantined(file);
    Client reader{db.conninfo};
    reader.exec("BEGIN; LOCK TABLE users IN ACCESS SHARE MODE");
    let_time_pass();
    // By weir's own settings these would go on for 15 minutes.
    for (Words const& words : {Words{"purge", "rename-it"}, Words{"rollback", "rename-it", "--approve", "all"}}) {
        auto const ran = again(words);
        EXPECT_EQ(ran.status, 4) << told(ran);
        EXPECT_THAT(ran.out, ::testing::HasSubstr("stopped[gave-up-lock]"));
        EXPECT_THAT(ran.out, ::testing::HasSubstr("within 2 s"));
    }
    reader.exec("ROLLBACK");
    EXPECT_EQ(again({"rollback", "rename-it", "--approve", "all"}).status, 6);
}

}  // namespace
}  // namespace weir::tests
