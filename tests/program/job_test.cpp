/// The whole job as a release engineer does it: run, look, approve, run again, abort.
#include "tests/support/bench.h"

namespace weir::tests {
namespace {

using ::testing::HasSubstr;

class Job : public ::testing::Test, public Bench {};

std::string finished_dump() {
    static std::string const text = [] {
        Bench bench;
        make_users(bench, 50);
        auto const ran = bench.weir({"run", bench.plan(rename_plan), "--approve", "all"});
        if (ran.status != 0) throw std::runtime_error{told(ran)};
        return bench.dump();
    }();
    return text;
}

TEST_F(Job, RenamesAColumnOfABusyTable) {
    make_users(*this, 20'000);
    auto const file = plan(rename_plan);
    Writers writers{*this, 3, 20'000};
    ASSERT_TRUE(writers.more(20));
    auto process = start({"run", file, "--progress", "plain"});
    ASSERT_TRUE(at_gate(process)) << process.out() << process.err();
    EXPECT_THAT(process.out(), HasSubstr("weir approve rename-it contract"));

    auto const text = weir({"status", "rename-it"});
    EXPECT_EQ(text.status, 0);
    EXPECT_THAT(text.out, HasSubstr("waiting at gate contract"));
    EXPECT_THAT(text.out, HasSubstr("weir approve rename-it contract"));
    EXPECT_THAT(text.out, HasSubstr("working now: weir rename-it control"));
    auto const pages = value("SELECT sum(to_page - from_page) FROM weir.progress WHERE step = 'backfill.1'");
    EXPECT_THAT(text.out, HasSubstr("backfill.1   pages " + pages + " of " + pages + ", "));
    EXPECT_THAT(text.out, HasSubstr(" % in place"));
    EXPECT_THAT(text.out, HasSubstr(" rows read, "));
    EXPECT_THAT(text.out, HasSubstr(" filled, 0 not right"));
    auto const json = weir({"status", "--json"});
    EXPECT_EQ(json.status, 0);
    EXPECT_THAT(json.out, HasSubstr(R"("state":"waiting at gate contract")"));
    EXPECT_THAT(json.out, HasSubstr(R"("leader":"weir rename-it control")"));
    EXPECT_THAT(json.out, HasSubstr(R"("hot":)"));
    EXPECT_THAT(json.out, HasSubstr(R"("proofs":[{"step":")"));

    // Both applications write for a while.
    EXPECT_EQ(value("SELECT count(*) FROM users WHERE name IS DISTINCT FROM full_name"), "0");
    ASSERT_TRUE(writers.more(50));
    writers.use_new();
    ASSERT_TRUE(writers.more(50));
    EXPECT_EQ(value("SELECT count(*) FROM users WHERE name IS DISTINCT FROM full_name"), "0");

    auto const approved = weir({"approve", "rename-it", "contract"});
    EXPECT_EQ(approved.status, 0) << told(approved);
    auto const done = wait(process);
    EXPECT_EQ(done.status, 0) << told(done);
    EXPECT_THAT(done.out, HasSubstr("was approved by postgres"));
    EXPECT_THAT(done.out, HasSubstr("plan rename-it is done"));
    ASSERT_TRUE(writers.more(50));
    writers.stop();
    EXPECT_EQ(writers.errors(), "");
    EXPECT_LT(writers.longest(), 1000ms);
    std::cout << "writes " << writers.writes() << ", longest " << writers.longest().count() << " ms\n";
    EXPECT_EQ(differing(*this, "full_name"), "0");
    EXPECT_EQ(dump(), finished_dump());
    EXPECT_EQ(leftovers(), "");
    EXPECT_EQ(ledger_faults(), "") << entries();

    auto const again = weir({"run", file});
    EXPECT_EQ(again.status, 0);
    EXPECT_THAT(again.out, HasSubstr("is done since"));
    EXPECT_EQ(weir({"plan", file}).status, 0);
    auto const after = weir({"status", "rename-it"});
    EXPECT_THAT(after.out, HasSubstr("done"));
}

TEST_F(Job, StopsAfterEachPhaseAndGoesOn) {
    make_users(*this, 500);
    auto const file = plan(rename_plan);
    for (std::string const phase : {"expand", "backfill", "proof"}) {
        auto const ran = weir({"run", file, "--until", phase});
        ASSERT_EQ(ran.status, 0) << told(ran);
        EXPECT_THAT(ran.out, HasSubstr("stopped after phase " + phase));
        EXPECT_EQ(value("SELECT count(*) FROM weir.entries WHERE kind IN ('gate_opened', 'finished')"), "0") << phase;
        // The same once more changes nothing.
        auto const entries_before = value("SELECT count(*) FROM weir.entries");
        EXPECT_EQ(weir({"run", file, "--until", phase}).status, 0);
        EXPECT_EQ(value("SELECT count(*) FROM weir.entries"), entries_before) << phase;
        auto const status = weir({"status"});
        EXPECT_THAT(status.out, HasSubstr("nobody works on it"));
    }
    auto const ran = weir({"run", file, "--until", "contract", "--approve", "contract"});
    EXPECT_EQ(ran.status, 0) << told(ran);
    EXPECT_EQ(ledger_faults(), "");
    EXPECT_EQ(dump(), finished_dump());
    EXPECT_EQ(differing(*this, "full_name"), "0");
}

TEST_F(Job, DoesNotWaitWhenToldNotTo) {
    make_users(*this, 50);
    auto const file = plan(rename_plan);
    for (int i = 0; i < 2; ++i) {
        auto const ran = weir({"run", file, "--no-wait"});
        EXPECT_EQ(ran.status, 3) << told(ran);
        EXPECT_THAT(ran.out, HasSubstr("gate contract is open"));
    }
    auto const status = weir({"status"});
    EXPECT_THAT(status.out, HasSubstr("waiting at gate contract"));
    // Nobody runs; the approval is kept for the one that comes, every time.
    EXPECT_EQ(weir({"approve", "rename-it", "contract"}).status, 0);
    auto const ran = weir({"run", file, "--no-wait"});
    EXPECT_EQ(ran.status, 0) << told(ran);
    EXPECT_EQ(ledger_faults(), "");
}

TEST_F(Job, FillsNothingOutsideItsSchedule) {
    make_users(*this, 50);
    auto const scheduled = [&](std::string const& schedule) {
        return plan(std::string{rename_plan} + "schedule: " + schedule + "\n");
    };
    auto const never = scheduled("{ at: \"2099-01-01 00:00\", timezone: Europe/Berlin }");
    for (int i = 0; i < 2; ++i) {
        auto const ran = weir({"run", never, "--no-wait"});
        EXPECT_EQ(ran.status, 3) << told(ran);
        EXPECT_THAT(told(ran), HasSubstr("before the time of schedule.at, opens 2099-01-01 00:00 CET"));
        EXPECT_EQ(value("SELECT count(*) FROM users WHERE full_name IS NOT NULL"), "0");
    }
    auto waiting = start({"run", never, "--progress", "json"});
    ASSERT_TRUE(wait_until([&] {
        return waiting.out().find("schedule.at") != std::string::npos || !waiting.running();
    })) << waiting.out()
        << waiting.err();
    waiting.signal(SIGINT);
    EXPECT_EQ(wait(waiting).status, 4);
    EXPECT_EQ(value("SELECT count(*) FROM users WHERE full_name IS NOT NULL"), "0");
    // The schedule is no part of what may not change.
    auto const ran = weir({"run", scheduled("{ window: { from: 00:00, to: 24:00 } }"), "--approve", "all"});
    EXPECT_EQ(ran.status, 0) << told(ran);
    EXPECT_EQ(ledger_faults(), "");
    EXPECT_EQ(dump(), finished_dump());
}

TEST_F(Job, KeepsAnApprovalThatComesBeforeTheGate) {
    make_users(*this, 50);
    auto const file = plan(rename_plan);
    ASSERT_EQ(weir({"run", file, "--until", "expand"}).status, 0);
    ASSERT_EQ(weir({"approve", "rename-it", "contract"}).status, 0);
    auto const ran = weir({"run", file, "--no-wait"});
    EXPECT_EQ(ran.status, 0) << told(ran);
    EXPECT_THAT(ran.out, HasSubstr("was approved by postgres"));
    EXPECT_EQ(ledger_faults(), "");
}

TEST_F(Job, RefusesToApproveWhatIsNotThere) {
    EXPECT_TRUE(refused(weir({"approve", "rename-it", "contract"}), 1, "unknown-plan", {"rename-it"}));
    EXPECT_TRUE(refused(weir({"abort", "rename-it"}), 1, "unknown-plan", {"rename-it"}));
    EXPECT_TRUE(refused(weir({"status", "rename-it"}), 1, "unknown-plan", {"rename-it"}));
    EXPECT_FALSE(ledger());
    make_users(*this, 20);
    auto const file = plan(rename_plan);
    ASSERT_EQ(weir({"run", file, "--until", "expand"}).status, 0);
    EXPECT_TRUE(refused(weir({"approve", "other", "contract"}), 1, "unknown-plan", {"other"}));
    EXPECT_TRUE(refused(weir({"approve", "rename-it", "expand"}), 1, "unknown-gate", {"expand", "contract"}));
    ASSERT_EQ(weir({"run", file, "--approve", "all"}).status, 0);
    EXPECT_TRUE(refused(weir({"approve", "rename-it", "contract"}), 5, "not-now", {"done"}));
    EXPECT_TRUE(refused(weir({"abort", "rename-it"}), 5, "not-now", {"done"}));
}

TEST_F(Job, AbortsAtTheGateByOrder) {
    make_users(*this, 300);
    auto const before = dump();
    auto const file = plan(rename_plan);
    Writers writers{*this, 2, 300};
    auto process = start({"run", file});
    ASSERT_TRUE(at_gate(process)) << process.out() << process.err();
    auto const ordered = weir({"abort", "rename-it"});
    EXPECT_EQ(ordered.status, 0) << told(ordered);
    EXPECT_THAT(ordered.out, HasSubstr("weir rename-it control"));
    auto const waits = wait(process);
    EXPECT_EQ(waits.status, 3) << told(waits);
    EXPECT_THAT(waits.out, HasSubstr("users.full_name is dropped"));
    EXPECT_THAT(waits.out, HasSubstr("weir abort rename-it"));
    EXPECT_THAT(weir({"status"}).out, HasSubstr("weir abort rename-it"));
    EXPECT_EQ(weir({"run", file}).status, 3) << "there is no way forward any more";
    auto const ran = weir({"abort", "rename-it"});
    EXPECT_EQ(ran.status, 6) << told(ran);
    EXPECT_THAT(ran.out, HasSubstr("plan rename-it is undone"));
    ASSERT_TRUE(writers.more(20));
    writers.stop();
    EXPECT_EQ(writers.errors(), "");
    EXPECT_EQ(dump(), before);
    EXPECT_EQ(leftovers(), "");
    EXPECT_EQ(differing(*this, "name"), "0");
    EXPECT_TRUE(refused(weir({"abort", "rename-it"}), 5, "not-now", {"undone"}));
    // And now for real.
    auto const again = weir({"run", file, "--approve", "all"});
    EXPECT_EQ(again.status, 0) << told(again);
    EXPECT_EQ(ledger_faults(), "") << entries();
    EXPECT_EQ(dump(), finished_dump());
    auto const status = weir({"status"});
    EXPECT_THAT(status.out, HasSubstr("undone"));
}

TEST_F(Job, AbortsAfterEachPhase) {
    for (std::string const phase : {"expand", "backfill", "proof"}) {
        make_users(*this, 200);
        auto const before = dump();
        auto const file = plan(rename_plan);
        ASSERT_EQ(weir({"run", file, "--until", phase}).status, 0);
        auto const ran = weir({"abort", "rename-it"});
        EXPECT_EQ(ran.status, 6) << phase << told(ran);
        EXPECT_EQ(dump(), before) << phase;
        EXPECT_EQ(leftovers(), "") << phase;
        EXPECT_EQ(differing(*this, "name"), "0");
        auto const again = weir({"run", file, "--approve", "all"});
        EXPECT_EQ(again.status, 0) << phase << told(again);
        EXPECT_EQ(dump(), finished_dump());
    }
}

TEST_F(Job, AbortsWhileItFills) {
    make_users(*this, 60'000);
    auto const before = dump();
    auto const file = plan(std::string{rename_plan} + "batch: { target: 1ms, workers: 1 }\n");
    auto process = start({"run", file, "--progress", "json"});
    ASSERT_TRUE(wait_until([&] { return has(process.out(), "\"batch_done\"") || !process.running(); }, 20s));
    ASSERT_EQ(weir({"abort", "rename-it"}).status, 0);
    auto const ran = wait(process);
    EXPECT_EQ(ran.status, 6) << ran.err;
    EXPECT_FALSE(has(ran.out, "gate_opened"));
    EXPECT_EQ(dump(), before);
    EXPECT_EQ(leftovers(), "");
}

TEST_F(Job, DoesNotAbortWhatContractDropped) {
    make_users(*this, 50);
    auto const file = plan(rename_plan);
    // The drop is done; the run is not.
    int n = 6;
    Ran ran;
    do {
        make_users(*this, 50);
        ASSERT_EQ(weir({"run", file, "--until", "proof"}).status, 0);
        ran = weir({"run", file, "--approve", "all"}, {{"WEIR_CRASH", "after:" + std::to_string(++n)}});
    } while (ran.status != 0 &&
             value("SELECT count(*) FROM pg_attribute WHERE attrelid = 'users'::regclass AND attname = 'name'") == "1");
    ASSERT_EQ(ran.status, 137) << told(ran);
    Ran aborted;
    ASSERT_TRUE(wait_until([&] {
        aborted = weir({"abort", "rename-it"});
        return !has(aborted.err, "[other-leader]");
    }));
    EXPECT_TRUE(refused(aborted, 5, "not-now", {"contract.2 (drop column users.name", "only forward is possible"}));
    EXPECT_EQ(finish(file).status, 0);
    EXPECT_EQ(ledger_faults(), "") << entries();
}

TEST_F(Job, ShowsThePlanAndTouchesNothing) {
    make_users(*this, 50);
    auto const ran = weir({"plan", plan(rename_plan)});
    EXPECT_EQ(ran.status, 0) << told(ran);
    EXPECT_THAT(ran.out, HasSubstr(R"(ADD COLUMN "full_name" character varying(80))"));
    EXPECT_FALSE(ledger());
    EXPECT_EQ(weir({"status"}).status, 0);
    auto const version = run({.command = {WEIR_PROGRAM, "version"}, .environment = {}, .directory = ""});
    EXPECT_TRUE(refused(run({.command = {WEIR_PROGRAM, "--version"}, .environment = {}, .directory = ""}), 2, "usage",
                        {"--version", "weir version"}));
    EXPECT_EQ(version.status, 0);
    EXPECT_THAT(version.out, HasSubstr("0.1.0"));
}

TEST_F(Job, TakesTablesWithNoRowAndWithOne) {
    for (int const rows : {0, 1}) {
        make_users(*this, rows);
        auto const ran = weir({"run", plan(rename_plan), "--approve", "all"});
        EXPECT_EQ(ran.status, 0) << told(ran);
        EXPECT_EQ(value("SELECT count(*) FROM users WHERE full_name IS NOT NULL"), std::to_string(rows));
        EXPECT_EQ(ledger_faults(), "");
    }
}

TEST_F(Job, TakesNamesThatNeedQuoting) {
    sql(R"(CREATE TABLE "Order" (id int PRIMARY KEY, "a""b" text NOT NULL, "select" int);
INSERT INTO "Order" SELECT i, 'v' || i, i FROM generate_series(1, 300) i)");
    auto const one = plan(
        "weir: 1\nname: quoting\nchanges:\n"
        "  - rename_column: { table: Order, from: 'a\"b', to: 'C d' }\n"
        "  - rename_column: { table: Order, from: select, to: 'it''s' }\n");
    auto const ran = weir({"run", one, "--approve", "all"});
    EXPECT_EQ(ran.status, 0) << told(ran);
    EXPECT_EQ(value(R"(SELECT count(*) FROM "Order" WHERE "C d" = 'v' || id AND "it's" = id)"), "300");
    EXPECT_EQ(leftovers(), "");
}

TEST_F(Job, SaysOnStderrWhyItStopped) {
    make_users(*this, 10);
    sql("ALTER TABLE users ADD CHECK (length(name) < 1000)");
    auto const file = plan(
        "weir: 1\nname: half\nexpand:\n  - add_column: { table: users, column: n, type: int }\n"
        "backfill:\n  - fill: { table: users, set: { n: 1 / (id - 5) } }\n");
    for (std::string const way : {"none", "json", "plain"}) {
        auto const ran = weir({"run", file, "--progress", way});
        EXPECT_EQ(ran.status, 4) << told(ran);
        EXPECT_THAT(ran.err, HasSubstr("error[statement-refused]")) << way;
        EXPECT_THAT(ran.err, HasSubstr("hint: ")) << way;
    }
}

TEST_F(Job, WritesJsonLinesAndBarsAndNothing) {
    for (std::string const way : {"json", "bar", "none"}) {
        make_users(*this, 100);
        auto const ran = weir({"run", plan(rename_plan), "--approve", "all", "--progress", way});
        EXPECT_EQ(ran.status, 0) << told(ran);
        EXPECT_EQ(ran.err, "");
        if (way == "none") {
            EXPECT_EQ(ran.out, "");
        }
        if (way == "json") {
            EXPECT_THAT(ran.out, HasSubstr(R"("event":"run_began")"));
            EXPECT_THAT(ran.out, HasSubstr(R"("event":"run_done","state":"done")"));
        }
    }
}

}  // namespace
}  // namespace weir::tests
