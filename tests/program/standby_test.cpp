/// A synchronous standby that is missing when a run wants to begin: weir says whom it waits for, and goes on by itself.
#include <csignal>
#include <set>

#include "tests/support/bench.h"

namespace weir::tests {
namespace {

TEST(MissingStandby, IsNamedBeforeTheFirstEntry) {
    Cluster own{Cluster::Options{.fsync = true, .settings = {}, .hba = {}}};
    Bench bench{own};
    make_users(bench, 20);
    auto const file = bench.plan(rename_plan);
    own.set("synchronous_standby_names", "nobody_is_called_so");
    auto process = bench.start({"run", file, "--approve", "all", "--progress", "plain"});
    ASSERT_TRUE(
        wait_until([&] { return has(process.out(), "waits for a synchronous standby") || !process.running(); }, 20s));
    EXPECT_TRUE(has(process.out(), "nobody_is_called_so")) << process.out();
    EXPECT_TRUE(has(process.out(), "hint: bring back a standby")) << process.out();
    // It asks again and again, and takes no step meanwhile.
    std::set<std::string> asked;
    EXPECT_TRUE(wait_until(
        [&] {
            for (auto const& row :
                 bench.sql("SELECT query_start FROM pg_stat_activity WHERE application_name = 'weir rename-it control' "
                           "AND query LIKE '%pg_logical_emit_message%'"))
                asked.insert(row[0].value_or(""));
            return asked.size() > 2;
        },
        30s));
    EXPECT_EQ(bench.value("SELECT count(*) FROM pg_attribute WHERE attname = 'full_name'"), "0");
    own.set("synchronous_standby_names", "");
    auto const ran = wait(process);
    EXPECT_EQ(ran.status, 0) << told(ran);
    EXPECT_EQ(count(ran.out, "waits for a synchronous standby"), 1U) << told(ran);
    EXPECT_EQ(bench.ledger_faults(), "");
}

TEST(MissingStandby, IsNotWaitedForAfterAnInterrupt) {
    Cluster own{Cluster::Options{.fsync = true, .settings = {}, .hba = {}}};
    Bench bench{own};
    make_users(bench, 20);
    own.set("synchronous_standby_names", "nobody_is_called_so");
    auto process = bench.start({"run", bench.plan(rename_plan), "--progress", "plain"});
    ASSERT_TRUE(
        wait_until([&] { return has(process.out(), "waits for a synchronous standby") || !process.running(); }, 20s));
    process.signal(SIGINT);
    auto const ran = wait(process);
    EXPECT_EQ(ran.status, 4) << told(ran);
    EXPECT_EQ(bench.value("SELECT count(*) FROM pg_attribute WHERE attname = 'full_name'"), "0");
    own.set("synchronous_standby_names", "");
    auto const again = bench.weir({"run", bench.plan(rename_plan), "--approve", "all"});
    EXPECT_EQ(again.status, 0) << told(again);
}

}  // namespace
}  // namespace weir::tests
