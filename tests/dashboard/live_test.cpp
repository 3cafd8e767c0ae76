/// The dashboard of real runs in a real browser.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <iostream>

#include "browser.h"
#include "tests/support/bench.h"

namespace weir::tests {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

#if defined(__SANITIZE_ADDRESS__)
constexpr int rows = 25'000;
#else
constexpr int rows = 60'000;
#endif

/// A plain socket that asked for the stream; the page and its like are not alone.
int stream(std::uint16_t port) {
    int const fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    at.sin_port = htons(port);
    timeval const limit{.tv_sec = 30, .tv_usec = 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    std::string_view const request = "GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n";
    if (connect(fd, reinterpret_cast<sockaddr const*>(&at), sizeof at) != 0 ||
        send(fd, request.data(), request.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request.size()))
        throw std::runtime_error{"cannot ask"};
    return fd;
}

std::string first_line(int fd) {
    std::string line;
    for (char one = 0; one != '\n' && recv(fd, &one, 1, 0) == 1;) line += one;
    return line;
}

class Dashboard : public ::testing::Test {
  protected:
    static void SetUpTestSuite() {
        cluster = std::make_unique<Cluster>();
        cluster->add_replica("r1");
        browser = std::make_unique<Browser>();
    }
    static void TearDownTestSuite() {
        browser.reset();
        cluster.reset();
    }

    Bench bench{*cluster};
    std::uint16_t port = free_port();
    std::string address = "127.0.0.1:" + std::to_string(port);
    std::string origin = "http://" + address + "/";

    Process start(std::string const& plan, Words more = {}) {
        Words words{"run", plan, "--progress", "plain", "--http", address};
        words.insert(words.end(), more.begin(), more.end());
        return bench.start(words);
    }
    /// Nothing serves before the run does: the page is opened once.
    void open() {
        ASSERT_TRUE(wait_until([&] {
            try {
                return http(port, "GET", "/healthz").status == 200;
            } catch (std::exception const&) {
                return false;
            }
        }));
        browser->console();
        browser->requests();
        browser->dark(false);
        browser->size(1200, 900);
        browser->open(origin);
    }
    bool shows(std::string const& selector, std::string const& words, std::chrono::milliseconds deadline = 30s) {
        return wait_until([&] { return has(browser->text(selector), words); }, deadline);
    }
    std::string page() { return browser->text("body"); }
    void shoot(std::string const& name) { browser->screenshot(std::filesystem::path{WEIR_SHOTS} / (name + ".png")); }

    static inline std::unique_ptr<Cluster> cluster;
    static inline std::unique_ptr<Browser> browser;
};

TEST_F(Dashboard, ShowsARunFromItsFirstBatchToItsEnd) {
    make_users(bench, 20'000);
    // Each row takes its time, so that the fill lasts until it was looked at.
    bench.sql(
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.001); RETURN new; END';"
        "CREATE TRIGGER slow AFTER UPDATE ON users FOR EACH ROW EXECUTE FUNCTION slow()");
    auto const file = bench.plan(std::string{rename_plan} +
                                 "batch: { target: 1ms, workers: 1 }\nthrottle: { replication_lag: 2s }\n");
    auto process = start(file);
    open();
    // The fill: the phase is marked, values are there and change.
    ASSERT_TRUE(shows("#track .current", "backfill")) << page() << process.out() << process.err();
    ASSERT_TRUE(shows("#rate", "rows/s")) << page();
    EXPECT_THAT(browser->text("#headline"), StartsWith("Running"));
    EXPECT_THAT(browser->text("#step-now"), HasSubstr("backfill.1"));
    EXPECT_THAT(browser->text("#link"), HasSubstr("live"));
    auto const before = browser->text("#rows");
    EXPECT_THAT(before, HasSubstr(" of about "));
    ASSERT_TRUE(wait_until([&] { return browser->text("#rows") != before; })) << before;
    ASSERT_TRUE(shows("#signals", "replication lag of r1")) << page();
    ASSERT_TRUE(wait_until(
        [&] { return browser->run("return document.querySelectorAll('#c-rate .l').length").as_int64() == 1; }));
    EXPECT_THAT(boost::json::value_to<std::string>(
                    browser->run("return document.getElementById('c-rate').getAttribute('aria-label')")),
                HasSubstr("rows/s"));

    // A replica that stands still holds the run.
    auto& replica = cluster->replica("r1");
    replica.pause();
    EXPECT_TRUE(shows("#headline", "Held back")) << page();
    EXPECT_TRUE(shows("#reasons", "replication lag of r1")) << page();
    EXPECT_TRUE(shows("#signals .holds", "holds the run back")) << page();
    shoot("held-light");
    browser->dark(true);
    shoot("held-dark");
    browser->dark(false);
    replica.resume();
    bench.sql("CREATE OR REPLACE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END'");

    // The gate says what to do, with the command.
    ASSERT_TRUE(shows("#headline", "Waits for you at gate contract")) << page() << process.out();
    EXPECT_EQ(browser->text("#command"), "weir approve rename-it contract");
    EXPECT_THAT(browser->text("#track .current"), HasSubstr("gate"));
    EXPECT_THAT(browser->text("#log"), HasSubstr("gate contract is open"));
    // The steps have their SQL and locks.
    browser->run("document.querySelectorAll('#steps details')[0].open = true");
    EXPECT_THAT(browser->text("#steps li"), HasSubstr("ADD COLUMN"));
    EXPECT_THAT(browser->text("#steps li"), HasSubstr("locks users: ACCESS EXCLUSIVE"));
    EXPECT_THAT(browser->text("#steps li .badge"), StartsWith("done in "));
    shoot("gate-light");
    browser->dark(true);
    shoot("gate-dark");
    browser->size(390, 844, true);
    shoot("gate-phone-dark");
    browser->dark(false);
    shoot("gate-phone");
    EXPECT_EQ(browser->run("return document.documentElement.scrollWidth"), 390) << "wider than the phone";
    browser->size(1200, 900);

    ASSERT_EQ(bench.weir({"approve", "rename-it", "contract"}).status, 0);
    auto const done = wait(process);
    EXPECT_EQ(done.status, 0) << told(done);
    // The last news is there though the process is gone.
    EXPECT_TRUE(shows("#headline", "Done")) << page();
    EXPECT_TRUE(shows("#link", "weir has ended")) << page();
    EXPECT_EQ(browser->run("return document.querySelectorAll('#track .done').length"), 5);
    shoot("done-light");

    // Nobody else was asked, and nothing went wrong but that weir is gone.
    auto const asked = browser->requests();
    EXPECT_THAT(asked, Not(IsEmpty()));
    for (auto const& url : asked)
        // What the browser shows before the page is its own.
        EXPECT_TRUE(url == origin || url == origin + "api/events" || url.starts_with("data:") ||
                    url.starts_with("chrome://"))
            << url;
    for (auto const& line : browser->console()) EXPECT_THAT(line, HasSubstr("api/events")) << line;
}

TEST_F(Dashboard, ShowsTheHistoryOfRunsWhileSomebodyLooks) {
    make_users(bench, 1000);
    auto const file = bench.plan(rename_plan);
    auto const sessions = [&] {
        return bench.value("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'weir rename-it history'");
    };
    ASSERT_EQ(bench.weir({"run", file, "--until", "backfill"}).status, 0);
    ASSERT_EQ(bench.weir({"abort", "rename-it"}).status, 6);
    auto process = start(file);
    ASSERT_TRUE(bench.at_gate(process)) << process.out() << process.err();
    EXPECT_EQ(sessions(), "0") << "nobody asked";
    auto const history = boost::json::parse(http(port, "GET", "/api/runs").body).at("runs").as_array();
    ASSERT_EQ(history.size(), 2U);
    EXPECT_EQ(history[0].at("run"), 2);
    EXPECT_EQ(history[0].at("state"), "waiting at gate contract");
    EXPECT_EQ(history[0].at("by"), "postgres");
    EXPECT_EQ(history[0].at("rows"), 1000);
    EXPECT_EQ(history[0].at("rows_wrong"), 0);
    EXPECT_FALSE(history[0].as_object().contains("ended_ms"));
    for (auto const* phase : {"expand", "backfill", "proof"})
        EXPECT_GE(history[0].at("phases_ms").at(phase).as_int64(), 0) << phase;
    EXPECT_EQ(history[1].at("state"), "undone");
    EXPECT_GE(history[1].at("ended_ms").as_int64(), history[1].at("began_ms").as_int64());
    EXPECT_FALSE(history[1].at("phases_ms").as_object().contains("proof"));

    open();
    ASSERT_TRUE(shows("#runs", "undone")) << page();
    EXPECT_EQ(browser->run("return document.querySelectorAll('#runs tr').length"), 2);
    EXPECT_THAT(browser->text("#runs .now"), HasSubstr("this run"));
    EXPECT_THAT(browser->text("#runs .now"), HasSubstr("waiting at gate contract"));
    EXPECT_EQ(sessions(), "1");
    browser->run("document.getElementById('runs-box').scrollIntoView()");
    shoot("runs-light");
    browser->dark(true);
    browser->size(390, 844, true);
    shoot("runs-phone-dark");
    EXPECT_EQ(browser->run("return document.documentElement.scrollWidth"), 390) << "wider than the phone";
    browser->dark(false);
    browser->size(1200, 900);

    // The session is lost: asked again, there is another one.
    bench.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'weir rename-it history'");
    EXPECT_TRUE(wait_until([&] { return http(port, "GET", "/api/runs").status == 200 && sessions() == "1"; }, 30s));
    ASSERT_EQ(bench.weir({"approve", "rename-it", "contract"}).status, 0);
    EXPECT_EQ(wait(process).status, 0);
    EXPECT_TRUE(shows("#runs .now", "done")) << page();
    EXPECT_THAT(browser->text("#runs"), HasSubstr("undone"));
}

TEST_F(Dashboard, ShowsWhoIsInTheWayAPauseAndAStopAndComesBackByItself) {
    make_users(bench, 1000);
    auto const file = bench.plan(std::string{rename_plan} + "locks: { timeout: 50ms, give_up: 5m }\n");
    auto blocker = std::make_unique<Client>(bench.db.conninfo);
    blocker->exec("BEGIN");
    blocker->exec("LOCK TABLE users IN ACCESS SHARE MODE");
    auto process = start(file);
    open();
    ASSERT_TRUE(shows("#headline", "Waits for a lock")) << page() << process.out();
    EXPECT_TRUE(shows("#blockers", "pid ")) << page();
    EXPECT_THAT(browser->text("#log"), HasSubstr("waits for a lock"));
    shoot("lock-light");

    ASSERT_EQ(bench.weir({"pause", "rename-it"}).status, 0);
    ASSERT_TRUE(shows("#headline", "Paused by postgres")) << page();
    EXPECT_EQ(browser->text("#command"), "weir resume rename-it");
    // The page that was open before may still look for a weir that is gone.
    for (auto const& line : browser->console()) EXPECT_THAT(line, Not(HasSubstr(origin))) << line;

    // Killed: the page says so, and since when.
    process.signal(SIGKILL);
    process.wait();
    ASSERT_TRUE(shows("#link", "weir stopped or unreachable since ")) << page();
    EXPECT_THAT(browser->text("#explain"), HasSubstr("This was the last news."));
    shoot("gone-light");

    // It comes again, and the page with it.
    blocker.reset();
    auto again = start(file);
    ASSERT_TRUE(shows("#link", "live", 40s)) << page() << again.out() << again.err();
    ASSERT_TRUE(shows("#headline", "Paused by postgres")) << page() << again.out() << again.err();
    ASSERT_EQ(bench.weir({"resume", "rename-it"}).status, 0);
    ASSERT_TRUE(shows("#headline", "Waits for you at gate contract")) << page();

    // The column is renamed under its feet: what the server refuses is shown with its words.
    bench.sql("DROP TABLE users CASCADE");
    ASSERT_EQ(bench.weir({"approve", "rename-it", "contract"}).status, 0);
    EXPECT_EQ(wait(again).status, 4);
    EXPECT_TRUE(shows("#headline", "Stopped")) << page();
    EXPECT_THAT(browser->text("#explain"), HasSubstr("users")) << page();
    EXPECT_THAT(browser->text("#todo-why"), Not(IsEmpty())) << page();
    shoot("stopped-light");
}

TEST_F(Dashboard, AThousandReadersAreAnsweredAndTheRunGoesOn) {
    constexpr int asking = 1000;
    rlimit files{};
    ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &files), 0);
    files.rlim_cur = std::min<rlim_t>(files.rlim_max, 4096);
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &files), 0);
    make_users(bench, rows);
    auto process = start(bench.plan(std::string{rename_plan} + "batch: { target: 1ms, workers: 1 }\nthrottle: none\n"));
    auto const batches = [&] {
        auto const text = http(port, "GET", "/metrics").body;
        std::pair<double, double> sum_count;
        for (auto [name, to] : {std::pair{"_sum", &sum_count.first}, {"_count", &sum_count.second}}) {
            auto const at = text.find(std::string{"weir_batch_duration_seconds"} + name + "{");
            if (at != std::string::npos) *to = std::stod(text.substr(text.find("} ", at) + 2));
        }
        return sum_count;
    };
    open();
    ASSERT_TRUE(wait_until([&] { return batches().second > 100; })) << process.out();
    auto const before = batches();
    std::vector<int> clients;
    for (int i = 0; i < asking; ++i) clients.push_back(stream(port));
    int served = 0, refused = 0, neither = 0;
    for (int const client : clients) {
        auto const answer = first_line(client);
        ++(answer.starts_with("HTTP/1.1 200 ") ? served : answer.starts_with("HTTP/1.1 503 ") ? refused : neither);
        if (!answer.starts_with("HTTP/1.1 200 ")) close(client);
    }
    auto const after = batches();
    EXPECT_EQ(served, 31) << "the page has the other one";
    EXPECT_EQ(refused, asking - 31);
    EXPECT_EQ(neither, 0);
    ASSERT_TRUE(shows("#headline", "Waits for you at gate contract")) << page() << process.out();
    std::cout << "a batch before: " << 1000 * before.first / before.second << " ms, while " << asking
              << " clients ask: " << 1000 * (after.first - before.first) / (after.second - before.second) << " ms over "
              << after.second - before.second << " batches\n";
    process.signal(SIGTERM);
    EXPECT_EQ(wait(process).status, 4);
}

}  // namespace
}  // namespace weir::tests
