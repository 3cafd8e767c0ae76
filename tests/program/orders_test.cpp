/// Orders through the ledger: pause, resume, set.
#include "tests/support/bench.h"

namespace weir::tests {
namespace {

using ::testing::HasSubstr;

class Orders : public ::testing::Test, public Bench {};

TEST_F(Orders, APauseIsKeptAndResumedFromAnywhere) {
    make_users(*this, 5000);
    auto const file = plan(rename_plan);
    ASSERT_EQ(weir({"run", file, "--until", "expand"}).status, 0);
    auto const paused = weir({"pause", "rename-it"});
    EXPECT_EQ(paused.status, 0) << told(paused);
    EXPECT_THAT(paused.out, HasSubstr("weir resume rename-it"));
    auto const held = weir({"run", file, "--no-wait"});
    EXPECT_EQ(held.status, 3) << told(held);
    EXPECT_THAT(held.out, HasSubstr("weir resume rename-it"));
    EXPECT_EQ(value("SELECT count(*) FROM weir.entries WHERE kind = 'paused'"), "1");

    auto process = start({"run", file, "--approve", "all", "--progress", "plain"});
    ASSERT_TRUE(wait_until([&] { return has(process.out(), "paused by postgres"); })) << process.out();
    auto const status = weir({"status", "rename-it"});
    EXPECT_THAT(status.out, HasSubstr("paused"));
    EXPECT_THAT(status.out, HasSubstr("weir resume rename-it"));
    EXPECT_EQ(value("SELECT count(*) FROM weir.entries WHERE kind = 'step_begun'"), "0");

    EXPECT_EQ(weir({"set", "rename-it", "batch.target", "20ms"}).status, 0);
    ASSERT_TRUE(wait_until([&] { return has(process.out(), "postgres set batch.target to 20ms"); })) << process.out();
    EXPECT_EQ(weir({"resume", "rename-it"}).status, 0);
    auto const done = wait(process);
    EXPECT_EQ(done.status, 0) << told(done);
    EXPECT_THAT(done.out, HasSubstr("resumed by postgres"));
    EXPECT_EQ(value("SELECT count(*) FROM users WHERE full_name IS NULL"), "0");
    EXPECT_EQ(value("SELECT string_agg(kind, ',' ORDER BY seq) FROM weir.entries WHERE kind IN ('paused', 'resumed', "
                    "'set')"),
              "paused,set,resumed");
}

TEST_F(Orders, APauseDuringTheFillStopsTheBatches) {
    make_users(*this, 60'000);
    auto process = start({"run", plan(rename_plan), "--approve", "all", "--progress", "plain"});
    auto const filled = [&] {
        return value("SELECT coalesce(sum(rows), 0) FROM weir.progress WHERE step = 'backfill.1'");
    };
    ASSERT_TRUE(
        wait_until([&] { return value("SELECT to_regclass('weir.progress') IS NOT NULL") == "t" && filled() != "0"; }));
    ASSERT_EQ(weir({"pause", "rename-it"}).status, 0);
    ASSERT_TRUE(wait_until([&] { return value("SELECT count(*) FROM weir.entries WHERE kind = 'paused'") == "1"; }))
        << process.out();
    // Batches that ran may end; then nothing moves, though the proof is not done.
    std::string before;
    ASSERT_TRUE(wait_until([&] {
        return [&] {
            auto const now = filled();
            return std::exchange(before, now) == now;
        }();
    }));
    auto const status = weir({"status", "rename-it"});
    EXPECT_THAT(status.out, HasSubstr("paused"));
    EXPECT_EQ(filled(), before);
    EXPECT_EQ(value("SELECT count(*) FROM weir.entries WHERE kind = 'finished'"), "0");
    ASSERT_EQ(weir({"resume", "rename-it"}).status, 0);
    auto const done = wait(process);
    EXPECT_EQ(done.status, 0) << told(done);
    EXPECT_EQ(value("SELECT count(*) FROM users WHERE full_name IS NULL"), "0");
}

/// As when the server's clock is set back while the run waits. What was ordered of a run before it is none of this one.
TEST_F(Orders, AreHeardWhateverTheClockSays) {
    make_users(*this, 10);
    auto const file = plan(rename_plan);
    ASSERT_EQ(weir({"run", file, "--until", "expand"}).status, 0);
    ASSERT_EQ(weir({"pause", "rename-it"}).status, 0);
    ASSERT_EQ(weir({"abort", "rename-it"}).status, 6);
    sql("UPDATE weir.orders SET at = at + interval '1 hour'");
    auto process = start({"run", file});
    ASSERT_TRUE(at_gate(process)) << process.out() << process.err();
    sql("UPDATE weir.entries SET at = at + interval '1 hour' WHERE kind = 'began'");
    ASSERT_EQ(weir({"approve", "rename-it", "contract"}).status, 0);
    auto const done = wait(process);
    EXPECT_EQ(done.status, 0) << told(done);
    EXPECT_EQ(value("SELECT count(*) FROM weir.entries WHERE kind = 'paused'"), "0");
}

/// Numbers are given when an order is written, and seen when it is committed: the later one may be seen first.
TEST_F(Orders, AreObeyedInWhateverOrderTheyBecomeVisible) {
    make_users(*this, 10);
    auto process = start({"run", plan(rename_plan), "--progress", "plain"});
    ASSERT_TRUE(at_gate(process)) << process.out() << process.err();
    Client slow{db.conninfo};
    slow.exec("BEGIN");
    slow.exec("INSERT INTO weir.orders (plan, word) VALUES ('rename-it', 'pause')");
    ASSERT_EQ(weir({"set", "rename-it", "batch.target", "20ms"}).status, 0);
    ASSERT_TRUE(wait_until([&] { return has(process.out(), "postgres set batch.target to 20ms"); })) << process.out();
    slow.exec("COMMIT");
    ASSERT_TRUE(wait_until([&] { return has(process.out(), "paused by postgres"); })) << process.out();
    ASSERT_EQ(weir({"resume", "rename-it"}).status, 0);
    ASSERT_EQ(weir({"approve", "rename-it", "contract"}).status, 0);
    auto const done = wait(process);
    EXPECT_EQ(done.status, 0) << told(done);
    EXPECT_EQ(value("SELECT string_agg(kind, ',' ORDER BY seq) FROM weir.entries WHERE kind IN ('paused', 'resumed', "
                    "'set')"),
              "set,paused,resumed");
}

TEST_F(Orders, AreRefusedWithAWord) {
    make_users(*this, 10);
    EXPECT_TRUE(refused(weir({"pause", "rename-it"}), 1, "unknown-plan", {"rename-it"}));
    ASSERT_EQ(weir({"run", plan(rename_plan), "--until", "expand"}).status, 0);
    EXPECT_TRUE(refused(weir({"pause", "other"}), 1, "unknown-plan", {"other"}));
    EXPECT_TRUE(refused(weir({"set", "rename-it", "batch.target", "soon"}), 1, "bad-value", {"batch.target", "soon"}));
    EXPECT_TRUE(refused(weir({"set", "rename-it", "batch.size", "1"}), 1, "unknown-key", {"batch.size"}));
    EXPECT_TRUE(refused(weir({"set", "rename-it", "gates.contract", "none"}), 1, "unknown-key", {"gates.contract"}));
    EXPECT_EQ(value("SELECT count(*) FROM weir.orders"), "0");
}

TEST_F(Orders, AGateApprovesItselfWhenItsQueryIsTrue) {
    make_users(*this, 100);
    sql("CREATE TABLE pods (version int); INSERT INTO pods VALUES (1)");
    auto const gated =
        std::string{rename_plan} +
        "gates: { contract: { until_sql: \"select not exists (select from pods where version = 1)\" } }\n";
    auto const file = plan(gated);
    EXPECT_EQ(weir({"run", file, "--no-wait"}).status, 3);
    auto process = start({"run", file, "--progress", "plain"});
    ASSERT_TRUE(at_gate(process)) << process.err();
    EXPECT_EQ(value("SELECT count(*) FROM weir.entries WHERE kind = 'gate_approved'"), "0");
    sql("DELETE FROM pods");
    auto const done = wait(process);
    EXPECT_EQ(done.status, 0) << told(done);
    EXPECT_THAT(done.out, HasSubstr("gate contract was approved by its query"));
}

TEST_F(Orders, AGateApprovesItselfWhenItsTimeIsOver) {
    make_users(*this, 100);
    auto const ran = weir({"run", plan(std::string{rename_plan} + "gates: { contract: { after: 1s } }\n")});
    EXPECT_EQ(ran.status, 0) << told(ran);
    EXPECT_THAT(ran.out, HasSubstr("gate contract was approved by its time"));
}

TEST_F(Orders, AQueryThatTheServerRefusesIsToldBeforeAnythingStarts) {
    make_users(*this, 10);
    auto const refusals =
        weir({"run", plan(std::string{rename_plan} +
                          "gates: { contract: { until_sql: select count(*) from pods } }\n"
                          "throttle: { sql: [ { name: a, query: delete from users, limit: 1 } ] }\n")});
    EXPECT_EQ(refusals.status, 1) << told(refusals);
    auto const again = weir({"run", plan(std::string{rename_plan} +
                                         "gates: { contract: { until_sql: select count(*) from pods } }\n"
                                         "throttle: { sql: [ { name: a, query: select now(), limit: 1 } ] }\n")});
    EXPECT_EQ(again.status, 1) << told(again);
    EXPECT_THAT(again.err, HasSubstr("gates.contract.until_sql"));
    EXPECT_THAT(again.err, HasSubstr("throttle.sql a"));
    EXPECT_FALSE(ledger());
}

TEST_F(Orders, TwoUsersApprove) {
    make_users(*this, 100);
    sql("DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'second') THEN CREATE ROLE second SUPERUSER "
        "LOGIN; END IF; END $$");
    auto process = start({"run", plan(std::string{rename_plan} + "approvals: 2\n")});
    ASSERT_TRUE(at_gate(process));
    auto const written = [&](char const* kind) {
        return wait_until(
            [&] { return value("SELECT count(*) FROM weir.entries WHERE kind = '" + std::string{kind} + "'") == "1"; });
    };
    ASSERT_TRUE(written("gate_opened"));
    EXPECT_THAT(weir({"status", "rename-it"}).out, HasSubstr("0 of 2 approvals\n"));
    EXPECT_THAT(weir({"approve", "rename-it", "contract"}).out, HasSubstr("it needs 2, each by another database user"));
    ASSERT_TRUE(wait_until([&] { return has(process.out(), "1 of 2 approvals"); })) << process.out();
    // It is told before it stands in the ledger.
    ASSERT_TRUE(written("approval"));
    EXPECT_THAT(weir({"approve", "rename-it", "contract"}).out,
                HasSubstr("postgres has approved gate contract of rename-it before: it has 1 of 2"));
    auto const status = weir({"status", "rename-it"});
    EXPECT_THAT(status.out, HasSubstr("1 of 2 approvals: postgres\n")) << told(status);
    EXPECT_THAT(weir({"status", "--json"}).out, HasSubstr(R"("approvals":["postgres"],"approvals_needed":2)"));
    EXPECT_EQ(value("SELECT count(*) FROM weir.entries WHERE kind = 'gate_approved'"), "0");
    query(cluster.conninfo(db.name, "second"),
          "INSERT INTO weir.orders (plan, word, argument) VALUES ('rename-it', 'approve', 'contract')");
    auto const done = wait(process);
    EXPECT_EQ(done.status, 0) << told(done);
    EXPECT_THAT(done.out, HasSubstr("approved by postgres, second"));
}

TEST_F(Orders, AGateThatWasPassedNeedsNoApproval) {
    make_users(*this, 100);
    auto const file = plan(kept_plan);
    ASSERT_EQ(weir({"run", file, "--approve", "all"}).status, 0);
    auto const ran = weir({"approve", "rename-it", "contract"});
    EXPECT_EQ(ran.status, 0) << told(ran);
    EXPECT_THAT(ran.out, HasSubstr("gate contract of rename-it was approved before: nothing to do"));
    EXPECT_EQ(value("SELECT count(*) FROM weir.orders"), "0");
}

TEST_F(Orders, WhatIsBeingUndoneIsNotApproved) {
    make_users(*this, 100);
    auto const file = plan(rename_plan);
    ASSERT_EQ(weir({"run", file, "--no-wait"}).status, 3);
    ASSERT_EQ(weir({"abort", "rename-it"}).status, 3) << "the gate was open";
    EXPECT_TRUE(refused(weir({"approve", "rename-it", "contract"}), 5, "not-now", {"is being undone"}));
    EXPECT_EQ(value("SELECT count(*) FROM weir.orders WHERE word = 'approve'"), "0");
}

TEST_F(Orders, StatusIsWatchedUntilTheRunIsOver) {
    make_users(*this, 200);
    auto const file = plan(rename_plan);
    EXPECT_EQ(weir({"status", "rename-it", "--watch"}).status, 1) << "nothing of that name";
    auto process = start({"run", file});
    ASSERT_TRUE(at_gate(process));
    auto watch = start({"status", "rename-it", "--watch"});
    ASSERT_TRUE(wait_until([&] { return has(watch.out(), "waiting at gate contract"); })) << watch.out();
    ASSERT_EQ(weir({"approve", "rename-it", "contract"}).status, 0);
    EXPECT_EQ(wait(process).status, 0);
    auto const watched = wait(watch);
    EXPECT_EQ(watched.status, 0) << told(watched);
    EXPECT_THAT(watched.out, HasSubstr(" done "));
    EXPECT_THAT(watched.out, ::testing::Not(HasSubstr("\x1b"))) << "not a terminal";
    EXPECT_EQ(weir({"status", "rename-it", "--watch"}).status, 0) << "it is over";
}

}  // namespace
}  // namespace weir::tests
