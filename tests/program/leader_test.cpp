/// One acts; the others say who. Sessions that are ended and servers that restart stop a run, never its work.
#include <csignal>

#include "tests/support/bench.h"

namespace weir::tests {
namespace {

using ::testing::HasSubstr;

class Leader : public ::testing::Test, public Bench {
  protected:
    std::string file = plan(rename_plan);
    std::string slow = plan(std::string{rename_plan} + "batch: { target: 1ms, workers: 2 }\n", "slow.yaml");

    std::string pid_of(std::string const& application) const {
        auto const rows = sql("SELECT pid FROM pg_stat_activity WHERE application_name = '" + application + "'");
        return rows.empty() ? "" : *rows[0][0];
    }
    void end_session(std::string const& application) const {
        auto const pid = pid_of(application);
        ASSERT_NE(pid, "") << application;
        ASSERT_EQ(value("SELECT pg_terminate_backend(" + pid + ")"), "t");
    }
};

TEST_F(Leader, IsNamedToASecondOne) {
    make_users(*this, 50);
    auto process = start({"run", file});
    ASSERT_TRUE(at_gate(process));
    auto const began = std::chrono::steady_clock::now();
    auto const second = weir({"run", file});
    EXPECT_LT(std::chrono::steady_clock::now() - began, 2s);
    EXPECT_TRUE(
        refused(second, 5, "other-leader", {"pid " + pid_of("weir rename-it control"), "weir rename-it control"}));
    // Another plan of the same database, too.
    auto const other =
        plan("weir: 1\nname: other\nexpand:\n  - add_column: { table: users, column: more, type: int }\n", "o.yaml");
    EXPECT_TRUE(refused(weir({"run", other}), 5, "other-leader", {"weir rename-it control"}));
    ASSERT_EQ(weir({"approve", "rename-it", "contract"}).status, 0);
    EXPECT_EQ(wait(process).status, 0);
    EXPECT_EQ(ledger_faults(), "");
    EXPECT_EQ(weir({"run", other}).status, 0);
}

TEST_F(Leader, IsOneOfFive) {
    make_users(*this, 3000);
    std::vector<Process> all;
    for (int i = 0; i < 5; ++i) all.push_back(start({"run", slow, "--approve", "all"}));
    int done = 0, others = 0;
    for (auto& process : all) {
        auto const ran = wait(process);
        if (ran.status == 0)
            ++done;
        else if (refused(ran, 5, "other-leader", {"pid "}))
            ++others;
        else
            ADD_FAILURE() << told(ran);
    }
    // One that came late may have found it done.
    EXPECT_GE(done, 1);
    EXPECT_EQ(done + others, 5);
    EXPECT_EQ(value("SELECT count(*) FROM weir.entries WHERE kind = 'began'"), "1");
    EXPECT_EQ(ledger_faults(), "") << entries();
    EXPECT_EQ(differing(*this, "full_name"), "0");
}

TEST_F(Leader, GoesOnByItselfWhenASessionIsEnded) {
    for (std::string const role : {"control", "hand 1", "hand 2"}) {
        make_users(*this, 40'000);
        Writers writers{*this, 2, 40'000};
        auto process = start({"run", slow, "--approve", "all", "--progress", "json"});
        ASSERT_TRUE(wait_until([&] { return has(process.out(), "\"batch_done\"") || !process.running(); }, 20s));
        end_session("weir rename-it " + role);
        auto const ran = wait(process);
        EXPECT_EQ(ran.status, 0) << role << ran.err
                                 << ran.out.substr(ran.out.size() - std::min<std::size_t>(ran.out.size(), 600));
        EXPECT_EQ(count(ran.out, "\"event\":\"connection_lost\""), 1U) << role;
        EXPECT_EQ(count(ran.out, "\"event\":\"run_began\""), 2U) << role;
        writers.stop();
        EXPECT_EQ(writers.errors(), "") << role;
        EXPECT_EQ(ledger_faults(), "") << role << entries();
        EXPECT_EQ(differing(*this, "full_name"), "0") << role;
        EXPECT_EQ(leftovers(), "") << role;
    }
}

TEST_F(Leader, GoesOnByItselfWhenASessionIsEndedAtTheGate) {
    for (std::string const role : {"control", "hand 1"}) {
        make_users(*this, 50);
        auto process = start({"run", file});
        ASSERT_TRUE(at_gate(process));
        end_session("weir rename-it " + role);
        ASSERT_EQ(weir({"approve", "rename-it", "contract"}).status, 0);
        EXPECT_EQ(wait(process, 30s).status, 0) << role;
        EXPECT_EQ(ledger_faults(), "") << role;
    }
}

TEST_F(Leader, IsStoppedWhileItConnectsAgain) {
    Cluster own;
    Bench bench{own};
    make_users(bench, 50);
    auto const fill = bench.plan(rename_plan);
    auto process = bench.start({"run", fill, "--progress", "plain"});
    ASSERT_TRUE(bench.at_gate(process));
    own.kill(SIGQUIT);
    ASSERT_TRUE(wait_until([&] { return has(process.out(), "connecting again"); }));
    process.signal(SIGINT);
    auto const ran = wait(process, 20s);
    EXPECT_EQ(ran.status, 4) << told(ran);
    EXPECT_TRUE(has(ran.out, "stopped[interrupted]")) << told(ran);
    own.start();
    EXPECT_EQ(bench.finish(fill).status, 0);
}

TEST_F(Leader, HearsApprovalsAfterItsEarWasCut) {
    make_users(*this, 50);
    auto process = start({"run", file});
    ASSERT_TRUE(at_gate(process));
    end_session("weir rename-it ear");
    ASSERT_TRUE(wait_until([&] { return pid_of("weir rename-it ear") != ""; }));
    ASSERT_EQ(weir({"approve", "rename-it", "contract"}).status, 0);
    EXPECT_EQ(wait(process, 20s).status, 0);
}

TEST_F(Leader, GoesOnByItselfAfterAServerRestart) {
    Cluster own;
    Bench bench{own};
    auto const fill = bench.plan(std::string{rename_plan} + "batch: { target: 1ms, workers: 2 }\n");
    for (std::string const where : {"fill", "gate"}) {
        make_users(bench, 40'000);
        Writers writers{bench, 2, 40'000};
        auto process = bench.start({"run", fill, "--progress", "json"});
        auto const mark = where == "fill" ? "\"batch_done\"" : "\"gate_opened\"";
        ASSERT_TRUE(wait_until([&] { return has(process.out(), mark) || !process.running(); }, 40s));
        own.restart();
        ASSERT_TRUE(wait_until([&] { return count(process.out(), "\"run_began\"") == 2 || !process.running(); }, 20s))
            << process.err();
        ASSERT_TRUE(writers.more(20));
        ASSERT_EQ(bench.weir({"approve", "rename-it", "contract"}).status, 0);
        auto const ran = wait(process, 60s);
        EXPECT_EQ(ran.status, 0) << where << told(ran);
        writers.stop();
        EXPECT_EQ(writers.errors(), "") << where;
        EXPECT_EQ(bench.ledger_faults(), "") << where << bench.entries();
        EXPECT_EQ(differing(bench, "full_name"), "0") << where;
    }
}

TEST_F(Leader, SurvivesACrashOfTheServer) {
    Cluster own{Cluster::Options{.fsync = true, .settings = {}, .hba = {}}};
    Bench bench{own};
    auto const fill = bench.plan(std::string{rename_plan} + "batch: { target: 1ms, workers: 2 }\n");
    make_users(bench, 40'000);
    Writers writers{bench, 2, 40'000};
    auto process = bench.start({"run", fill, "--progress", "json", "--approve", "all"});
    ASSERT_TRUE(wait_until([&] { return has(process.out(), "\"batch_done\"") || !process.running(); }, 40s));
    own.kill(SIGQUIT);
    ASSERT_TRUE(wait_until([&] { return has(process.out(), "\"connection_lost\""); })) << process.err();
    auto const refused_now = bench.weir({"run", fill});
    EXPECT_TRUE(refused(refused_now, 5, "cannot-connect"));
    own.start();
    ASSERT_TRUE(writers.more(20));
    auto const ran = wait(process, 60s);
    EXPECT_EQ(ran.status, 0) << told(ran);
    writers.stop();
    // A row may be committed without its client knowing; each of the two tables knows, and both are one transaction.
    EXPECT_EQ(bench.ledger_faults(), "") << bench.entries();
    EXPECT_EQ(differing(bench, "full_name"), "0");
}

}  // namespace
}  // namespace weir::tests
