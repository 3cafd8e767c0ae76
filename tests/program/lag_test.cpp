/// Real replicas that fall behind or go, and what /metrics says meanwhile.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/bench.h"

namespace weir::tests {
namespace {

using ::testing::HasSubstr;

int free_port() {
    int const fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof at;
    if (bind(fd, reinterpret_cast<sockaddr*>(&at), size) != 0) throw std::runtime_error{"no free port"};
    getsockname(fd, reinterpret_cast<sockaddr*>(&at), &size);
    close(fd);
    return ntohs(at.sin_port);
}

/// The whole answer; empty when nobody listens.
std::string get(int port, std::string const& path) {
    int const fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    at.sin_port = htons(static_cast<std::uint16_t>(port));
    timeval limit{.tv_sec = 5, .tv_usec = 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    std::string all;
    if (connect(fd, reinterpret_cast<sockaddr*>(&at), sizeof at) == 0) {
        auto const request =
            "GET " + path + " HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(port) + "\r\nConnection: close\r\n\r\n";
        if (send(fd, request.data(), request.size(), MSG_NOSIGNAL) > 0) {
            char part[4096];
            for (ssize_t n = 0; (n = recv(fd, part, sizeof part, 0)) > 0;)
                all.append(part, static_cast<std::size_t>(n));
        }
    }
    close(fd);
    return all;
}

class Lag : public ::testing::Test {
  protected:
    static std::unique_ptr<Cluster>& slot() {
        static std::unique_ptr<Cluster> cluster;
        return cluster;
    }
    static void SetUpTestSuite() {
        slot() = std::make_unique<Cluster>();
        slot()->add_replica("r1");
    }
    static void TearDownTestSuite() { slot().reset(); }

    Cluster& cluster = *slot();
    Replica& replica = cluster.replica("r1");
    Bench bench{cluster};
    int port = free_port();
    std::string address = "127.0.0.1:" + std::to_string(port);
    std::string file = bench.plan(std::string{rename_plan} +
                                  "batch: { target: 1ms, workers: 1 }\nthrottle: { replication_lag: 2s }\n");

    void SetUp() override {
        make_users(bench, 120'000);
        ASSERT_TRUE(replica.catch_up());
    }
    bool metric(std::string const& line, std::chrono::milliseconds deadline = 15s) const {
        return wait_until([&] { return has(get(port, "/metrics"), line + "\n"); }, deadline);
    }
};

TEST_F(Lag, HoldsTheFillWhileReplayIsPaused) {
    auto process = bench.start({"run", file, "--http", address, "--progress", "plain"});
    ASSERT_TRUE(
        wait_until([&] { return has(get(port, "/metrics"), "weir_batch_rows_count") || !process.running(); }, 20s));
    replica.pause();
    ASSERT_TRUE(
        wait_until([&] { return has(process.out(), "held: replication lag of r1 is") || !process.running(); }, 20s))
        << process.out() << process.err();
    EXPECT_THAT(process.out(), HasSubstr("limit 2 s"));
    EXPECT_TRUE(metric("weir_throttle_active{reason=\"replication_lag\"} 1"));
    EXPECT_TRUE(metric("weir_pace_ratio 0"));
    EXPECT_THAT(get(port, "/metrics"), HasSubstr("weir_replica_lag_seconds{replica=\"r1\"}"));
    // Held means that nothing is written.
    auto const filled = bench.value("SELECT count(*) FROM users WHERE full_name IS NOT NULL");
    EXPECT_TRUE(process.running());
    bench.sql("SELECT pg_sleep(0.5)");
    EXPECT_EQ(bench.value("SELECT count(*) FROM users WHERE full_name IS NOT NULL"), filled);
    EXPECT_NE(filled, "120000");
    EXPECT_THAT(bench.weir({"status", "rename-it"}).out, HasSubstr(", 0 rows/s"));
    replica.resume();
    ASSERT_TRUE(wait_until([&] { return has(process.out(), "goes on after") || !process.running(); }, 20s))
        << process.out();
    ASSERT_TRUE(bench.at_gate(process, 120s)) << process.out() << process.err();
    EXPECT_TRUE(metric("weir_throttle_active{reason=\"replication_lag\"} 0"));
    ASSERT_EQ(bench.weir({"approve", "rename-it", "contract"}).status, 0);
    EXPECT_EQ(wait(process).status, 0);
    EXPECT_EQ(bench.ledger_faults(), "");
}

TEST_F(Lag, AReplicaThatIsGoneStopsTheFill) {
    auto process = bench.start({"run", file, "--http", address, "--progress", "plain"});
    ASSERT_TRUE(
        wait_until([&] { return has(get(port, "/metrics"), "weir_batch_rows_count") || !process.running(); }, 20s));
    replica.stop();
    // Before the first measurement the fill is held, too, for a moment.
    ASSERT_TRUE(wait_until([&] { return has(process.out(), "gone") || !process.running(); }, 20s)) << process.out();
    EXPECT_THAT(process.out(), HasSubstr("r1"));
    EXPECT_TRUE(metric("weir_replica_lag_known{replica=\"r1\"} 0"));
    replica.start();
    ASSERT_TRUE(bench.at_gate(process, 120s)) << process.out() << process.err();
    process.signal(SIGINT);
    EXPECT_EQ(process.wait(), 4);
    EXPECT_EQ(bench.weir({"abort", "rename-it", "--approve", "all"}).status, 6);
}

TEST_F(Lag, CanBeIgnored) {
    auto const none = bench.plan(std::string{rename_plan} + "throttle: { replication_lag: none }\n");
    replica.pause();
    auto const ran = bench.weir({"run", none, "--approve", "all"});
    EXPECT_EQ(ran.status, 0) << told(ran);
    EXPECT_THAT(ran.out, ::testing::Not(HasSubstr("held:")));
    replica.resume();
    ASSERT_TRUE(replica.catch_up());
    EXPECT_EQ(query_value(replica.conninfo(bench.db.name), "SELECT count(*) FROM users WHERE full_name IS NOT NULL"),
              "120000");
}

TEST_F(Lag, AnInterruptEndsAHeldRun) {
    auto process = bench.start({"run", file, "--http", address});
    ASSERT_TRUE(
        wait_until([&] { return has(get(port, "/metrics"), "weir_batch_rows_count") || !process.running(); }, 20s));
    replica.pause();
    ASSERT_TRUE(wait_until([&] { return has(process.out(), "held: ") || !process.running(); }, 20s));
    process.signal(SIGINT);
    auto const ran = wait(process, 5s);
    EXPECT_TRUE(refused(ran, 4, "interrupted"));
    replica.resume();
    EXPECT_EQ(bench.weir({"abort", "rename-it"}).status, 6);
}

TEST_F(Lag, MetricsAtTheGate) {
    auto process = bench.start({"run", file, "--http", address});
    ASSERT_TRUE(bench.at_gate(process, 120s)) << process.out() << process.err();
    EXPECT_THAT(get(port, "/healthz"), HasSubstr("200"));
    EXPECT_THAT(get(port, "/nothing"), HasSubstr("404"));
    ASSERT_TRUE(metric("weir_run_state{plan=\"rename-it\",state=\"waiting\"} 1"));
    ASSERT_TRUE(metric("weir_replica_lag_known{replica=\"r1\"} 1"));
    auto const text = get(port, "/metrics");
    for (std::string const series : {"weir_build_info{version=\"0.1.0\"} 1",
                                     "weir_run_phase{",
                                     "weir_run_state{",
                                     "weir_rows_done{",
                                     "weir_rows_estimate{",
                                     "weir_pages_done{",
                                     "weir_pages{",
                                     "weir_progress_ratio{",
                                     "weir_batch_duration_seconds_bucket{",
                                     "weir_batch_rows_sum{",
                                     "weir_pace_ratio 1",
                                     "weir_throttle_active{reason=\"replication_lag\"}",
                                     "weir_throttle_seconds_total{",
                                     "weir_replica_lag_seconds{replica=\"r1\"}",
                                     "weir_replica_lag_bytes{replica=\"r1\"}",
                                     "weir_lock_attempts_total{outcome=\"got\"}",
                                     "weir_gate_waiting_since_timestamp_seconds{",
                                     "weir_proof_mismatches{",
                                     "weir_last_progress_timestamp_seconds{plan=\"rename-it\"}",
                                     "weir_step_duration_seconds_count{"})
        EXPECT_THAT(text, HasSubstr(series)) << series;
    EXPECT_THAT(text, HasSubstr("weir_rows_done{kind=\"fill\",plan=\"rename-it\",table=\"users\"} 120000"));
    ASSERT_EQ(bench.weir({"approve", "rename-it", "contract"}).status, 0);
    EXPECT_EQ(wait(process).status, 0);
}

}  // namespace
}  // namespace weir::tests
