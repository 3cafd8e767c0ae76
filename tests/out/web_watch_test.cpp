// The watch against odd servers, weir's own listener, and a real Prometheus.
#include "orchestrator/out/web_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>

#include "odd_server.h"
#include "orchestrator/http/listener.h"
#include "tests/support/process.h"

namespace weir::tests {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using Talk = OddServer::Talk;

CustomSignal http_check(std::string name, std::string url, std::optional<double> limit = {}) {
    CustomSignal made;
    made.name = std::move(name);
    made.url = std::move(url);
    made.limit = limit;
    return made;
}

CustomSignal prometheus_query(std::string name, std::string url, std::string query) {
    auto made = http_check(std::move(name), std::move(url), 1);
    made.query = std::move(query);
    return made;
}

struct WebWatchTest : ::testing::Test {
    void watch(WebWatch::Config config) {
        config.rest = Millis{50};
        config.give = [this](Reading reading, Millis at) {
            EXPECT_GT(at, Millis{0});
            ++given[reading.subject];
            last[reading.subject] = std::move(reading);
        };
        watching = std::make_unique<WebWatch>(io.get_executor(), std::move(config));
        watching->start();
    }
    bool until(std::function<bool()> const& condition, std::chrono::milliseconds deadline = 30s) {
        auto const end = std::chrono::steady_clock::now() + deadline;
        io.restart();
        while (!condition()) {
            if (std::chrono::steady_clock::now() >= end) return false;
            io.run_one_for(50ms);
        }
        return true;
    }
    bool value(std::string const& name, double expected) {
        return until([&] { return last[name].value == expected; });
    }
    bool problem(std::string const& name, std::string const& part) {
        return until([&] { return last[name].problem.find(part) != std::string::npos; });
    }

    boost::asio::io_context io;
    std::map<std::string, Reading> last;
    std::map<std::string, int> given;
    std::unique_ptr<WebWatch> watching;
};

TEST_F(WebWatchTest, AsksAgainAndAgain) {
    std::atomic<int> status = 200;
    OddServer server{[&](Talk& talk) { talk.send(http_answer(status, "0.25")); }};
    watch({.http = {http_check("health", server.url()), http_check("load", server.url(), 1)},
           .prometheus = {},
           .give = {}});
    EXPECT_TRUE(value("health", 0));
    EXPECT_TRUE(value("load", 0.25));
    status = 503;
    EXPECT_TRUE(problem("health", "health answers 503"));
    EXPECT_TRUE(problem("load", "load answers 503"));
    status = 200;
    EXPECT_TRUE(value("health", 0));
}

TEST_F(WebWatchTest, OneThatHangsDelaysNoOther) {
    OddServer hanging{[](Talk& talk) { talk.hold(); }};
    OddServer server{[](Talk& talk) { talk.send(http_answer(200, "1")); }};
    watch({.http = {http_check("hanging", hanging.url()), http_check("health", server.url())},
           .prometheus = {},
           .give = {}});
    EXPECT_TRUE(until([&] { return given["hanging"] > 0; }));
    EXPECT_GT(given["health"], 3);
    EXPECT_THAT(last["hanging"].problem, HasSubstr("did not answer within 2 s"));
}

TEST_F(WebWatchTest, ReadsWeirsOwnListener) {
    HttpListener listener{io.get_executor(), "127.0.0.1:0", HttpSite{[] { return ""; }, {}, {}}};
    ASSERT_FALSE(listener.start());
    watch({.http = {http_check("health", "http://127.0.0.1:" + std::to_string(listener.local_port()) + "/healthz")},
           .prometheus = {},
           .give = {}});
    EXPECT_TRUE(value("health", 0));
    listener.stop();
    EXPECT_TRUE(problem("health", "couldn't connect"));
}

TEST_F(WebWatchTest, MayBeStoppedInsideItsCallback) {
    OddServer server{[](Talk& talk) { talk.send(http_answer(200, "1")); }};
    int calls = 0;
    WebWatch::Config config{
        .http = {http_check("a", server.url()), http_check("b", server.url())}, .prometheus = {}, .give = {}};
    config.give = [&](Reading const&, Millis) {
        ++calls;
        watching->stop();
    };
    watching = std::make_unique<WebWatch>(io.get_executor(), std::move(config));
    watching->start();
    io.run();
    EXPECT_EQ(calls, 1);
}

TEST_F(WebWatchTest, NothingToWatchIsNothing) {
    watch({});
    io.run();
    EXPECT_TRUE(given.empty());
}

/// A Prometheus of its own, in a folder of its own, that scrapes weir's listener.
struct PrometheusTest : WebWatchTest {
    void SetUp() override {
        if (!std::filesystem::exists("/usr/bin/prometheus")) GTEST_SKIP() << "package prometheus is not installed";
        char name[] = "/tmp/weir-prometheus-XXXXXX";
        folder = ::mkdtemp(name);
        listener.emplace(io.get_executor(), "127.0.0.1:0",
                         HttpSite{[] { return "weir_test{part=\"a\"} 0.25\nweir_test{part=\"b\"} 0.75\n"; }, {}, {}});
        ASSERT_FALSE(listener->start());
        std::ofstream{folder / "prometheus.yml"}
            << "global: { scrape_interval: 200ms, scrape_timeout: 200ms }\nscrape_configs:\n  - job_name: weir\n"
               "    static_configs: [ { targets: [\"127.0.0.1:"
            << listener->local_port() << "\"] } ]\n";
        {
            // It has no way to choose a port by itself: one that was free just now.
            OddServer free{[](Talk&) {}};
            port = free.port();
        }
        server.emplace(
            Launch{.command = {"/usr/bin/prometheus", "--config.file=" + (folder / "prometheus.yml").string(),
                               "--storage.tsdb.path=" + (folder / "data").string(),
                               "--web.listen-address=127.0.0.1:" + std::to_string(port)},
                   .environment = {},
                   .directory = folder.string()});
    }
    void TearDown() override {
        server.reset();
        std::error_code ignored;
        if (!folder.empty()) std::filesystem::remove_all(folder, ignored);
    }

    std::filesystem::path folder;
    std::optional<HttpListener> listener;
    std::optional<Process> server;
    int port{};
};

TEST_F(PrometheusTest, QueriesAreReadUntilItStops) {
    auto const url = "http://127.0.0.1:" + std::to_string(port);
    auto const query = [&](std::string name, std::string text) {
        return prometheus_query(std::move(name), url, std::move(text));
    };
    watch({.http = {},
           .prometheus = {query("one", "weir_test{part=\"a\"}"), query("several", "weir_test"),
                          query("sum", "sum(weir_test) * 4"), query("scalar", "scalar(weir_test{part=\"b\"}) + 1"),
                          query("nothing", "no_such_metric"), query("broken", "sum("), query("range", "weir_test[1m]"),
                          query("text", "\"x\""), query("nan", "vector(0) / 0"), query("inf", "vector(1) / 0")},
           .give = {}});
    EXPECT_TRUE(value("one", 0.25)) << last["one"].problem << server->err();
    EXPECT_TRUE(value("several", 0.75)) << last["several"].problem;
    EXPECT_TRUE(value("sum", 4)) << last["sum"].problem;
    EXPECT_TRUE(value("scalar", 1.75)) << last["scalar"].problem;
    EXPECT_TRUE(problem("nothing", "nothing yields nothing"));
    EXPECT_TRUE(problem("broken", "broken is refused by Prometheus: \"")) << last["broken"].problem;
    EXPECT_TRUE(problem("range", "range yields a range of samples, and a number is needed")) << last["range"].problem;
    EXPECT_TRUE(problem("text", "text yields a text, and a number is needed")) << last["text"].problem;
    EXPECT_TRUE(problem("nan", "nan yields NaN")) << last["nan"].problem;
    EXPECT_TRUE(problem("inf", "inf yields +Inf")) << last["inf"].problem;
    server->signal(SIGSTOP);
    EXPECT_TRUE(problem("one", "did not answer within 2 s")) << last["one"].problem;
    server->signal(SIGCONT);
    EXPECT_TRUE(value("one", 0.25)) << last["one"].problem;
    server->signal(SIGTERM);
    EXPECT_EQ(server->wait(), 0);
    EXPECT_TRUE(problem("one", "couldn't connect to server")) << last["one"].problem;
}

}  // namespace
}  // namespace weir::tests
