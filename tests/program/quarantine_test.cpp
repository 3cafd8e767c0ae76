// Goal: what a plan drops with `drop.quarantine` is kept aside and stays equal to the new column, comes back with every
// write made since, or is dropped when its time is over; killed at every string on each of these ways.
#include <csignal>

#include "tests/support/bench.h"

namespace weir::tests {
namespace {

constexpr std::string_view kept_plan = R"(weir: 1
name: rename-it
changes:
  - rename_column: { table: users, from: name, to: full_name }
drop: { quarantine: 7d }
)";

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
    }
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
    EXPECT_THAT(weir({"status"}).out, ::testing::HasSubstr("both columns are there and kept equal"));
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
    auto const done = weir({"rollback", "typed", "--accept-loss", "1", "--approve", "contract"});
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
    EXPECT_TRUE(refused(weir({"abort", "rename-it", "--accept-loss", "1"}), 2, "usage"));
}

// ---- killed ---------------------------------------------------------------------------------------------------------

/// Killed at every string of the last command, which is then given again. Each time in a copy of one database.
class KilledOn : public Quarantine {
  protected:
    std::string const file = plan(kept_plan);
    std::string before;
    Database made;

    void SetUp() override {
        make_users(*this, 40);
        before = dump();
        ASSERT_EQ(weir({"run", file, "--approve", "all"}).status, 0);
        sql("UPDATE users SET full_name = 'since' WHERE id = 1");
        made = db;
    }

    void copy() {
        static int number = 0;
        auto const name = made.name + "_" + std::to_string(++number);
        auto const admin = cluster.conninfo("template1");
        wait_until([&] {
            return query_value(admin, "SELECT count(*) FROM pg_stat_activity WHERE datname = '" + made.name + "'") ==
                   "0";
        });
        query(admin, "CREATE DATABASE " + name + " TEMPLATE " + made.name);
        db = {name, cluster.conninfo(name), cluster.url(name)};
    }

    template <class Expect>
    void sweep(Words const& words, int end, Expect expect) {
        int crashes = 0;
        // Before a string or after it: the other one in the next sweep.
        for (int way = 0; way < (long_run() ? 2 : 1); ++way)
            for (int n = 1;; ++n) {
                copy();
                auto const when = ((n + way) % 2 == 0 ? "before:" : "after:") + std::to_string(n);
                auto const crashed = weir(words, {{"WEIR_CRASH", when}});
                if (crashed.status == end) break;
                ASSERT_EQ(crashed.status, 128 + SIGKILL) << when << told(crashed);
                ++crashes;
                expect(when, again(words));
                EXPECT_EQ(leftovers(), "") << when;
                if (HasFailure()) return;
            }
        std::cout << "crashed " << crashes << " times\n";
        EXPECT_GE(crashes, 8);
    }
};

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
    for (int n = 1; n < 100; n += long_run() ? 1 : 4) {
        copy();
        auto const crashed =
            weir({"rollback", "rename-it", "--approve", "all"}, {{"WEIR_CRASH", "after:" + std::to_string(n)}});
        bool const old_is_back =
            value("SELECT count(*) FROM pg_attribute WHERE attrelid = 'users'::regclass AND attname = 'name'") == "1";
        bool const new_is_there =
            value("SELECT count(*) FROM pg_attribute WHERE attrelid = 'users'::regclass AND attname = 'full_name'") ==
            "1";
        if (new_is_there) sql("UPDATE users SET full_name = 'by the new name' WHERE id = 1");
        if (old_is_back) sql("UPDATE users SET name = 'by the old name' WHERE id = 2");
        auto const ran = crashed.status == 6 ? crashed : again({"rollback", "rename-it", "--approve", "all"});
        EXPECT_TRUE(ran.status == 6 || has(ran.err, "is rolled back")) << n << told(ran);
        if (new_is_there) {
            EXPECT_EQ(value("SELECT name FROM users WHERE id = 1"), "by the new name") << n;
        }
        if (old_is_back) {
            EXPECT_EQ(value("SELECT name FROM users WHERE id = 2"), "by the old name") << n;
        }
        if (HasFailure() || crashed.status == 6) break;
    }
}

}  // namespace
}  // namespace weir::tests
