/// Nothing disappears before a last scrape.
#include "prometheus.h"

namespace weir::tests {
namespace {

using ::testing::HasSubstr;

class Linger : public ::testing::Test, public Bench {
  protected:
    void SetUp() override { make_users(*this, 50); }
    Process run(std::string const& linger) {
        return start({"run", plan(rename_plan), "--until", "expand", "--http", "127.0.0.1:" + std::to_string(port),
                      "--linger", linger, "--progress", "plain"});
    }
    bool ended(Process const& process) {
        return wait_until([&] { return has(process.out(), "plan rename-it stopped"); }, 30s);
    }
    int port{free_port()};
    std::string const url{"http://127.0.0.1:" + std::to_string(port)};
};

TEST_F(Linger, EndsWithTheScrapeThatSeesTheEnd) {
    auto process = run("10m");
    ASSERT_TRUE(ended(process)) << process.out() << process.err();
    // The lead is given up at once: somebody else may go on.
    EXPECT_EQ(weir({"run", plan(rename_plan), "--until", "backfill"}).status, 0);
    EXPECT_EQ(get(url + "/healthz").status, 200);
    EXPECT_TRUE(process.running()) << "that was no scrape";
    auto const last = get(url + "/metrics");
    EXPECT_EQ(last.status, 200);
    EXPECT_THAT(last.body, HasSubstr("weir_run_ended_timestamp_seconds{plan=\"rename-it\"}"));
    EXPECT_THAT(last.body, HasSubstr("weir_run_state{plan=\"rename-it\",state=\"stopped\"} 1"));
    auto const ran = wait(process);
    EXPECT_EQ(ran.status, 0) << told(ran);
    EXPECT_FALSE(has(ran.out, "not scraped"));
}

TEST_F(Linger, EndsWhenNobodyComes) {
    auto process = run("100ms");
    auto const ran = wait(process);
    EXPECT_EQ(ran.status, 0) << told(ran);
    EXPECT_THAT(ran.out, HasSubstr("/metrics was not scraped once more"));
}

TEST_F(Linger, EndsByAnInterrupt) {
    auto process = run("10m");
    ASSERT_TRUE(ended(process)) << process.out() << process.err();
    process.signal(SIGINT);
    auto const ran = wait(process);
    EXPECT_EQ(ran.status, 0) << told(ran);
    EXPECT_FALSE(has(ran.out, "not scraped"));
}

TEST_F(Linger, ThePortThatTheSystemChoseIsTold) {
    make_users(*this, 10);
    auto process = start({"run", plan(rename_plan), "--http", "127.0.0.1:0", "--progress", "json"});
    ASSERT_TRUE(wait_until([&] { return has(process.out(), "gate_opened") || !process.running(); }));
    auto const first = process.out().substr(0, process.out().find('\n'));
    EXPECT_THAT(first, ::testing::ContainsRegex(R"("event":"serving","address":"127\.0\.0\.1:[1-9][0-9]+")"));
    process.signal(SIGINT);
    EXPECT_EQ(wait(process).status, 4);
}

TEST_F(Linger, SaysWhatItTakes) {
    auto const file = plan(rename_plan);
    EXPECT_TRUE(
        refused(weir({"run", file, "--http", "127.0.0.1:0", "--linger", "long"}), 2, "usage", {"--linger long"}));
    EXPECT_TRUE(refused(weir({"run", file, "--linger", "30s"}), 2, "usage", {"--linger needs --http"}));
    EXPECT_FALSE(ledger());
}

}  // namespace
}  // namespace weir::tests
