/// The alert rules in a real Prometheus that scrapes the real program: fired by what they are for, and gone after it.
#include "prometheus.h"

namespace weir::tests {
namespace {

using ::testing::HasSubstr;

class RealAlerts : public ::testing::Test, public Bench {
  protected:
    void SetUp() override {
        if (!Prometheus::installed()) GTEST_SKIP() << "package prometheus is not installed";
        make_users(*this, 2000);
    }
    Process run(std::string const& file, Words const& more = {}) {
        Words words{"run",      file,  "--http",     "127.0.0.1:" + std::to_string(port),
                    "--linger", "30s", "--progress", "plain"};
        words.insert(words.end(), more.begin(), more.end());
        return start(words);
    }
    testing::AssertionResult fires(std::string const& alert, std::string const& part = "") {
        if (wait_until([&] { return prometheus.fires(alert, part); }, 30s)) return testing::AssertionSuccess();
        return testing::AssertionFailure() << alert << " does not fire\n" << prometheus.log();
    }
    testing::AssertionResult quiet(std::string const& alert) {
        if (wait_until([&] { return !prometheus.fires(alert); }, 30s)) return testing::AssertionSuccess();
        return testing::AssertionFailure() << alert << " still fires";
    }
    /// It was asked since now, so that what does not fire would have had its time.
    void some_scrapes() {
        auto const scraped = [&] {
            return prometheus.query("sum(count_over_time(up{job=\"weir\"}[1m])) >= " + std::to_string(scrapes + 8))
                       .series.size() == 1;
        };
        auto const now = prometheus.query("sum(count_over_time(up{job=\"weir\"}[1m]))").series;
        if (!now.empty()) scrapes = std::stoi(now[0].substr(now[0].rfind(",\"") + 2));
        EXPECT_TRUE(wait_until(scraped, 30s));
    }

    int port{free_port()};
    int scrapes{};
    Prometheus prometheus{port, impatient_rules()};
};

TEST_F(RealAlerts, TellWhatKeepsARunFromGoingOn) {
    auto const file = plan(rename_plan);
    ASSERT_EQ(weir({"run", file, "--until", "expand"}).status, 0);

    // Every row is locked by somebody's open transaction: batches go round and round.
    auto holder = std::make_unique<Client>(db.conninfo);
    holder->exec("BEGIN");
    holder->exec("SELECT count(*) FROM (SELECT FROM users FOR UPDATE) AS held");
    auto process = run(file);
    EXPECT_TRUE(fires("WeirStalled", "rename-it")) << process.out() << process.err();
    EXPECT_FALSE(prometheus.fires("WeirBlocked"));
    holder->exec("COMMIT");
    ASSERT_TRUE(at_gate(process)) << process.out() << process.err();
    EXPECT_TRUE(quiet("WeirStalled"));

    EXPECT_TRUE(fires("WeirGateWaiting", "\"gate\":\"contract\""));
    some_scrapes();
    EXPECT_FALSE(prometheus.fires("WeirStalled")) << "it waits for a person";

    // Somebody still reads the table when the column is to go.
    holder->exec("BEGIN");
    holder->exec("SELECT FROM users LIMIT 1");
    ASSERT_EQ(weir({"approve", "rename-it", "contract"}).status, 0);
    EXPECT_TRUE(fires("WeirBlocked", "rename-it")) << process.out() << process.err();
    EXPECT_TRUE(quiet("WeirGateWaiting"));
    some_scrapes();
    EXPECT_FALSE(prometheus.fires("WeirStalled")) << "it waits for a lock";
    holder->exec("COMMIT");
    EXPECT_EQ(wait(process).status, 0);
    EXPECT_TRUE(quiet("WeirBlocked"));
    EXPECT_EQ(prometheus.query("last_over_time(weir_run_state{state=\"done\"}[10m]) == 1").series.size(), 1U);
    EXPECT_FALSE(prometheus.fires("WeirVanished")) << "its end was seen";
    EXPECT_FALSE(prometheus.fires("WeirStopped"));
}

TEST_F(RealAlerts, TellWhatHoldsItBackAndThatItIsGone) {
    sql("CREATE TABLE load (value int); INSERT INTO load VALUES (9)");
    auto const file = plan(std::string{rename_plan} +
                           "throttle: { sql: [ { name: queue, query: \"SELECT value FROM load\", limit: 3 } ] }\n");
    auto process = run(file);
    EXPECT_TRUE(fires("WeirThrottled", "\"reason\":\"sql\"")) << process.out() << process.err();
    EXPECT_FALSE(prometheus.fires("WeirStalled")) << "it has its reason";
    EXPECT_FALSE(prometheus.fires("WeirVanished"));
    process.signal(SIGKILL);
    process.wait();
    EXPECT_TRUE(fires("WeirVanished", "rename-it"));
    EXPECT_TRUE(quiet("WeirThrottled"));

    sql("UPDATE load SET value = 1");
    auto again = run(file);
    ASSERT_TRUE(at_gate(again)) << again.out() << again.err();
    EXPECT_TRUE(quiet("WeirVanished"));
    some_scrapes();
    EXPECT_FALSE(prometheus.fires("WeirThrottled"));
    again.signal(SIGINT);
    EXPECT_EQ(wait(again).status, 4);
    EXPECT_TRUE(fires("WeirStopped", "rename-it"));
    EXPECT_FALSE(prometheus.fires("WeirVanished")) << "it said how it ended";
}

}  // namespace
}  // namespace weir::tests
