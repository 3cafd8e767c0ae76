/// A standby is promoted while a run works: it leads again there, and goes on from the ledger that it finds.
#include "tests/support/pair.h"

namespace weir::tests {
namespace {

using ::testing::HasSubstr;

constexpr std::string_view settings = "batch: { target: 1ms, workers: 2 }\nthrottle: none\n";

TEST(Failover, GoesOnOnThePromotedStandby) {
    for (bool const synchronous : {true, false}) {
        Pair pair{synchronous};
        auto& bench = pair.bench;
        make_users(bench, 40'000);
        Writers writers{bench, 2, 40'000};
        auto process = bench.start({"run", bench.plan(std::string{rename_plan} + std::string{settings}), "--progress",
                                    "json", "--approve", "all"});
        ASSERT_TRUE(wait_until([&] { return count(process.out(), "\"batch_done\"") > 20 || !process.running(); }, 60s))
            << process.err();
        pair.fail_over();
        if (synchronous) query(pair.replica().conninfo(), "ALTER SYSTEM RESET synchronous_standby_names");
        auto const ran = wait(process, 90s);
        EXPECT_EQ(ran.status, 0) << synchronous << told(ran).substr(0, 2000);
        EXPECT_EQ(count(ran.out, "\"event\":\"connection_lost\""), 1U);
        ASSERT_TRUE(writers.more(20));
        writers.stop();
        EXPECT_EQ(bench.value("SELECT pg_is_in_recovery()"), "f");
        EXPECT_EQ(bench.ledger_faults(), "") << bench.entries();
        EXPECT_EQ(differing(bench, "full_name"), "0");
        EXPECT_EQ(bench.leftovers(), "");
    }
}

TEST(Failover, AnOldPrimaryThatCameBackIsRefused) {
    Pair pair{false};
    auto& bench = pair.bench;
    make_users(bench, 100);
    ASSERT_TRUE(pair.replica().catch_up());
    auto process =
        bench.start({"run", bench.plan(std::string{rename_plan} + std::string{settings}), "--progress", "json"});
    ASSERT_TRUE(wait_until([&] { return has(process.out(), "\"gate_opened\"") || !process.running(); }, 30s));
    ASSERT_TRUE(pair.replica().catch_up());
    pair.fail_over();
    ASSERT_TRUE(wait_until([&] { return count(process.out(), "\"run_began\"") == 2 || !process.running(); }, 30s))
        << process.err();
    auto const before = query_value(pair.replica().conninfo(bench.db.name), "SELECT max(epoch) FROM weir.entries");
    // The old one takes connections again just when the new one goes.
    pair.replica().kill(SIGQUIT);
    pair.cluster.start();
    auto const ran = wait(process, 60s);
    EXPECT_EQ(ran.status, 5) << told(ran);
    EXPECT_THAT(ran.err + ran.out, HasSubstr("wrong-server"));
    EXPECT_THAT(ran.err + ran.out, HasSubstr("the server is on timeline 1, and the run was on 2: an old primary"));
    EXPECT_EQ(query_value(pair.cluster.conninfo(bench.db.name), "SELECT max(epoch) FROM weir.meta"), before)
        << "nothing was written there: not even its epoch was raised";
}

}  // namespace
}  // namespace weir::tests
