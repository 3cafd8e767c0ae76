#include "orchestrator/http/listener.h"
#include "tests/support/process.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <future>
#include <list>
#include <thread>

#include "metrics/instruments.h"

namespace weir {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

/// A plain socket with a time limit, so that a listener that says nothing fails the test instead of hanging it.
class Client {
  public:
    explicit Client(std::uint16_t port) {
        socket_.connect({asio::ip::address_v4::loopback(), port});
        timeval const limit{10, 0};
        ::setsockopt(socket_.native_handle(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    }
    void send(std::string const& text) {
        error_code gone;
        asio::write(socket_, asio::buffer(text), gone);
    }
    /// Until the listener closes.
    std::string rest() {
        std::string text;
        error_code end;
        asio::read(socket_, asio::dynamic_buffer(text), end);
        return text;
    }
    /// One answer with its body, on a connection that stays.
    std::string answer(std::string_view end) {
        std::string text;
        error_code wrong;
        std::array<char, 1> one{};
        while (!text.ends_with(end) && asio::read(socket_, asio::buffer(one), wrong) == 1) text += one[0];
        return text;
    }
    /// So many bytes; fewer when the listener closes.
    std::string take(std::size_t bytes) {
        std::string text(bytes, ' ');
        error_code wrong;
        text.resize(asio::read(socket_, asio::buffer(text), wrong));
        return text;
    }
    void end() { socket_.shutdown(tcp::socket::shutdown_send); }

  private:
    asio::io_context context_;
    tcp::socket socket_{context_};
};

class HttpTest : public testing::Test {
  protected:
    ~HttpTest() override { stop(); }

    void start(HttpLimits limits = {}, std::string const& address = "127.0.0.1:0") {
        HttpSite site{[this] { return body; }, [this] { return std::make_shared<std::string const>(run); },
                      [this] { return ready; },
                      [this](std::function<void(HttpBody)> give) { ask_runs(std::move(give)); }};
        listener.emplace(context.get_executor(), address, std::move(site), limits);
        auto const problem = listener->start();
        ASSERT_FALSE(problem) << to_text(*problem);
        port = listener->local_port();
        ASSERT_NE(port, 0);
        thread = std::thread{[this] { context.run(); }};
    }
    void stop() {
        if (!thread.joinable()) return;
        std::promise<void> done;
        asio::post(context, [&] {
            listener->stop();
            working.reset();
            done.set_value();
        });
        done.get_future().wait();
        thread.join();
        listener.reset();
    }
    std::string ask(std::string const& request) const {
        Client client{port};
        client.send(request);
        client.end();
        return client.rest();
    }
    std::string get(std::string const& path, std::string const& host = "localhost") const {
        return ask("GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n");
    }

    asio::io_context context;
    /// A test may end the listener itself: what is posted later must still be run.
    asio::executor_work_guard<asio::io_context::executor_type> working{context.get_executor()};
    std::optional<HttpListener> listener;
    /// On the listener's thread, to its end.
    void there(std::function<void()> what) {
        std::promise<void> done;
        asio::post(context, [&] {
            what();
            done.set_value();
        });
        done.get_future().wait();
    }

    std::string body = "weir_pace_ratio 1\n";
    std::string run = R"({"plan":"x"})";
    bool ready = true;
    std::function<void(std::function<void(HttpBody)>)> ask_runs;
    std::uint16_t port{};
    std::thread thread;
};

struct Case {
    std::string_view name, request, status, contains;
};

void PrintTo(Case const& c, std::ostream* out) { *out << c.name; }

class Requests : public HttpTest, public testing::WithParamInterface<Case> {};

TEST_P(Requests, AreAnswered) {
    start();
    auto const answer = ask(std::string{GetParam().request});
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 " + std::string{GetParam().status} + " "));
    EXPECT_THAT(answer, HasSubstr(std::string{GetParam().contains}));
}

#define HOST "Host: localhost\r\n"
INSTANTIATE_TEST_SUITE_P(
    Table, Requests,
    testing::Values(
        Case{"metrics", "GET /metrics HTTP/1.1\r\n" HOST "\r\n", "200", "\r\n\r\nweir_pace_ratio 1\n"},
        Case{"exposition", "GET /metrics HTTP/1.1\r\n" HOST "\r\n", "200", "Content-Type: text/plain; version=0.0.4"},
        Case{"query", "GET /metrics?name=x HTTP/1.1\r\n" HOST "\r\n", "200", "weir_pace_ratio"},
        Case{"health", "GET /healthz HTTP/1.1\r\n" HOST "\r\n", "200", "\r\n\r\nok"},
        Case{"page", "GET / HTTP/1.1\r\n" HOST "\r\n", "200", "href=\"/metrics\""},
        Case{"page_links_health", "GET / HTTP/1.1\r\n" HOST "\r\n", "200", "href=\"/healthz\""},
        Case{"ready", "GET /readyz HTTP/1.1\r\n" HOST "\r\n", "200", "\r\n\r\nready"},
        Case{"run", "GET /api/run HTTP/1.1\r\n" HOST "\r\n", "200", "\r\n\r\n{\"plan\":\"x\"}"},
        Case{"run_is_json", "GET /api/run HTTP/1.1\r\n" HOST "\r\n", "200", "Content-Type: application/json"},
        Case{"run_is_not_kept", "GET /api/run HTTP/1.1\r\n" HOST "\r\n", "200", "Cache-Control: no-store"},
        Case{"page_policy", "GET / HTTP/1.1\r\n" HOST "\r\n", "200",
             "Content-Security-Policy: default-src 'none'; script-src 'sha256-"},
        Case{"no_sniffing", "GET / HTTP/1.1\r\n" HOST "\r\n", "200", "X-Content-Type-Options: nosniff"},
        Case{"no_referrer", "GET / HTTP/1.1\r\n" HOST "\r\n", "200", "Referrer-Policy: no-referrer"},
        Case{"events_head", "HEAD /api/events HTTP/1.1\r\n" HOST "\r\n", "200", "Content-Type: text/event-stream"},
        Case{"events_post", "POST /api/events HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", "405",
             "Allow: GET, HEAD"},
        Case{"events_foreign", "GET /api/events HTTP/1.1\r\nHost: evil.example\r\n\r\n", "421", "host"},
        Case{"run_put", "PUT /api/run HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", "405", "Allow: GET, HEAD"},
        Case{"unknown_api", "GET /api/approve HTTP/1.1\r\n" HOST "\r\n", "404", "not found"},
        Case{"old", "GET /healthz HTTP/1.0\r\n\r\n", "200", "Connection: close"},
        Case{"unknown_path", "GET /metric HTTP/1.1\r\n" HOST "\r\n", "404", "not found"},
        Case{"climbing_path", "GET /../etc/passwd HTTP/1.1\r\n" HOST "\r\n", "404", "not found"},
        Case{"post", "POST /metrics HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nhi", "405", "Allow: GET, HEAD"},
        Case{"put", "PUT / HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", "405", "Allow: GET, HEAD"},
        Case{"delete", "DELETE /metrics HTTP/1.1\r\n" HOST "\r\n", "405", "Allow: GET, HEAD"},
        Case{"own_method", "BREW /metrics HTTP/1.1\r\n" HOST "\r\n", "405", "Allow: GET, HEAD"},
        Case{"get_with_body", "GET /healthz HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nhi", "200",
             "Connection: close"},
        Case{"noise", "\x16\x03\x01\x02\r\n\r\n", "400", "malformed"},
        Case{"no_version", "GET /\r\n\r\n", "400", "malformed"},
        Case{"bad_field", "GET / HTTP/1.1\r\nHo st: x\r\n\r\n", "400", "malformed"},
        Case{"smuggling", "GET / HTTP/1.1\r\n" HOST "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n", "400",
             "malformed"},
        Case{"no_host", "GET / HTTP/1.1\r\n\r\n", "400", "host"},
        Case{"two_hosts", "GET / HTTP/1.1\r\n" HOST "Host: evil.example\r\n\r\n", "400", "host"},
        Case{"foreign_host", "GET /metrics HTTP/1.1\r\nHost: evil.example\r\n\r\n", "421", "host"},
        Case{"foreign_port", "GET /metrics HTTP/1.1\r\nHost: evil.example:9187\r\n\r\n", "421", "host"},
        Case{"disguised_host", "GET /metrics HTTP/1.1\r\nHost: 127.0.0.1.evil.example\r\n\r\n", "421", "host"},
        Case{"prefixed_host", "GET /metrics HTTP/1.1\r\nHost: localhost.evil.example\r\n\r\n", "421", "host"},
        Case{"user_host", "GET /metrics HTTP/1.1\r\nHost: localhost@evil.example\r\n\r\n", "421", "host"},
        Case{"empty_host", "GET /metrics HTTP/1.1\r\nHost: \r\n\r\n", "421", "host"},
        Case{"local_port", "GET /healthz HTTP/1.1\r\nHost: LocalHost:9187\r\n\r\n", "200", "ok"},
        Case{"address", "GET /healthz HTTP/1.1\r\nHost: 10.1.2.3:9187\r\n\r\n", "200", "ok"},
        Case{"address_6", "GET /healthz HTTP/1.1\r\nHost: [::1]:9187\r\n\r\n", "200", "ok"}),
    [](auto const& instance) { return std::string{instance.param.name}; });

TEST_F(HttpTest, HeadHasTheLengthAndNoBody) {
    start();
    auto const answer = ask("HEAD /metrics HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
    EXPECT_THAT(answer, HasSubstr("Content-Length: 18\r\n"));
    EXPECT_THAT(answer, EndsWith("\r\n\r\n"));
}

TEST_F(HttpTest, AConnectionServesManyRequests) {
    start();
    Client client{port};
    for (int i = 0; i < 3; ++i) {
        client.send("GET /healthz HTTP/1.1\r\n" HOST "\r\n");
        EXPECT_THAT(client.answer("\r\n\r\nok"), StartsWith("HTTP/1.1 200"));
    }
    client.send("GET /healthz HTTP/1.1\r\n" HOST "\r\nGET /nowhere HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
    auto const both = client.rest();
    EXPECT_THAT(both, HasSubstr("200 OK"));
    EXPECT_THAT(both, HasSubstr("404 Not Found"));
}

TEST_F(HttpTest, ServesWhatTheInstrumentsSay) {
    Instruments instruments{"0.1.0"};
    body = instruments.text();
    start();
    EXPECT_THAT(get("/metrics"), HasSubstr("weir_build_info{version=\"0.1.0\"} 1"));
}

TEST_F(HttpTest, ABigAnswerArrivesWhole) {
    body.assign(8'000'000, 'x');
    start();
    EXPECT_EQ(get("/metrics").substr(get("/metrics").find("\r\n\r\n") + 4).size(), body.size());
}

TEST_F(HttpTest, RefusesALongHeader) {
    start();
    auto const field = get("/metrics", "localhost\r\nX: " + std::string(9000, 'x'));
    EXPECT_THAT(field, StartsWith("HTTP/1.1 431 "));
    auto const target = get("/" + std::string(9000, 'x'));
    EXPECT_THAT(target, StartsWith("HTTP/1.1 431 "));
    auto const huge = get("/metrics", "localhost\r\nX: " + std::string(60'000, 'x'));
    EXPECT_THAT(huge, StartsWith("HTTP/1.1 431 "));
    auto const fits = get("/healthz", "localhost\r\nX: " + std::string(7000, 'x'));
    EXPECT_THAT(fits, StartsWith("HTTP/1.1 200 "));
}

TEST_F(HttpTest, SlowRequestsAreClosedAtTheDeadlineHoweverTheyDribble) {
    start({.deadline = Millis{400}});
    std::list<Client> slow;
    for (int i = 0; i < 5; ++i) slow.emplace_back(port);
    auto const began = std::chrono::steady_clock::now();
    for (int i = 0; i < 8; ++i) {
        for (auto& client : slow) client.send("G");
        std::this_thread::sleep_for(Millis{25});
    }
    EXPECT_THAT(get("/healthz"), EndsWith("ok")) << "others are served meanwhile";
    for (auto& client : slow) EXPECT_THAT(client.rest(), testing::AnyOf("", StartsWith("HTTP/1.1 400")));
    auto const took = std::chrono::steady_clock::now() - began;
    EXPECT_LT(took, std::chrono::seconds{5});
}

TEST_F(HttpTest, AnIdleConnectionIsClosed) {
    start({.deadline = Millis{200}});
    Client client{port};
    EXPECT_EQ(client.rest(), "");
}

TEST_F(HttpTest, BeyondTheBoundEverybodyIsToldSo) {
    start({.connections = 4, .deadline = Millis{3000}});
    std::list<Client> guests;
    for (int i = 0; i < 4; ++i) {
        guests.emplace_back(port);
        guests.back().send("GET /healthz HTTP/1.1\r\n" HOST "\r\n");
        guests.back().answer("\r\n\r\nok");
    }
    EXPECT_THAT(get("/healthz"), StartsWith("HTTP/1.1 503 "));
    EXPECT_THAT(get("/healthz"), EndsWith("\r\n\r\ntoo many connections\n"));
    guests.pop_back();
    std::string answer;
    for (int i = 0; i < 100 && !answer.ends_with("ok"); ++i) {
        std::this_thread::sleep_for(Millis{10});
        answer = get("/healthz");
    }
    EXPECT_THAT(answer, EndsWith("ok")) << "a place was free again";
}

TEST_F(HttpTest, TheBoundIsSixtyFour) {
    start();
    std::list<Client> guests;
    for (int i = 0; i < 64; ++i) {
        guests.emplace_back(port);
        guests.back().send("GET /healthz HTTP/1.1\r\n" HOST "\r\n");
        ASSERT_THAT(guests.back().answer("\r\n\r\nok"), EndsWith("ok"));
    }
    EXPECT_THAT(get("/healthz"), StartsWith("HTTP/1.1 503 "));
}

TEST_F(HttpTest, StopClosesWhoIsThere) {
    start();
    Client idle{port};
    idle.send("GET /healthz HTTP/1.1\r\n" HOST "\r\n");
    idle.answer("\r\n\r\nok");
    stop();
    EXPECT_EQ(idle.rest(), "");
    EXPECT_THROW(Client{port}, boost::system::system_error);
}

constexpr auto ask_for_events = "GET /api/events HTTP/1.1\r\n" HOST "\r\n";

TEST_F(HttpTest, IsNotReadyWhenToldSo) {
    ready = false;
    start();
    EXPECT_THAT(get("/readyz"), StartsWith("HTTP/1.1 503 "));
    EXPECT_THAT(get("/healthz"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(HttpTest, AStreamBeginsWithTheWholeAndGoesOnWithTheNews) {
    start();
    Client reader{port};
    reader.send(ask_for_events);
    auto const first = reader.answer("{\"plan\":\"x\"}\n\n");
    EXPECT_THAT(first, StartsWith("HTTP/1.1 200 OK\r\n"));
    EXPECT_THAT(first, HasSubstr("Content-Type: text/event-stream"));
    EXPECT_THAT(first, HasSubstr("Cache-Control: no-store"));
    EXPECT_THAT(first, Not(HasSubstr("Content-Length")));
    EXPECT_THAT(first, EndsWith("\r\n\r\nretry: 2000\n\nid: 1\nevent: run\ndata: {\"plan\":\"x\"}\n\n"));
    there([&] { listener->tell("picture", "{\"a\":1}"); });
    EXPECT_EQ(reader.answer("\n\n"), "id: 2\nevent: picture\ndata: {\"a\":1}\n\n");
    // It comes back, and gets the whole again.
    Client again{port};
    again.send("GET /api/events HTTP/1.1\r\n" HOST "Last-Event-ID: 2\r\n\r\n");
    EXPECT_THAT(again.answer("{\"plan\":\"x\"}\n\n"), HasSubstr("\nevent: run\n"));
    there([&] { listener->tell("event", "{}"); });
    stop();
    EXPECT_THAT(reader.rest(), testing::AnyOf("", EndsWith("event: event\ndata: {}\n\n")));
}

TEST_F(HttpTest, AStreamWithNothingToTellBeats) {
    start({.deadline = Millis{200}, .beat = Millis{20}});
    Client reader{port};
    reader.send(ask_for_events);
    reader.answer("{\"plan\":\"x\"}\n\n");
    // Longer than the deadline of a request.
    for (int i = 0; i < 15; ++i) EXPECT_EQ(reader.answer("\n\n"), ": beat\nevent: beat\ndata: 1\n\n");
}

TEST_F(HttpTest, TheHistoryIsAnsweredWhenItIsThere) {
    std::function<void(HttpBody)> later;
    ask_runs = [&](auto give) { give(std::make_shared<std::string const>("{\"runs\":[]}")); };
    start();
    EXPECT_THAT(get("/api/runs"), EndsWith("\r\n\r\n{\"runs\":[]}"));
    EXPECT_THAT(ask("HEAD /api/runs HTTP/1.1\r\n" HOST "\r\n"), HasSubstr("Content-Length: 11\r\n"));
    // Read first: others are answered meanwhile.
    there([&] { ask_runs = [&](auto give) { later = std::move(give); }; });
    Client waits{port};
    waits.send("GET /api/runs HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
    EXPECT_TRUE(weir::tests::wait_until([&] {
        bool asked = false;
        there([&] { asked = later != nullptr; });
        return asked;
    }));
    EXPECT_THAT(get("/healthz"), EndsWith("ok"));
    there([&] { later(std::make_shared<std::string const>("{\"runs\":[1]}")); });
    auto const answer = waits.rest();
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 "));
    EXPECT_THAT(answer, HasSubstr("Content-Type: application/json"));
    EXPECT_THAT(answer, EndsWith("{\"runs\":[1]}"));
}

TEST_F(HttpTest, AHistoryThatCannotBeReadIsSaidSo) {
    ask_runs = [](auto give) { give(nullptr); };
    start({.deadline = Millis{100}});
    EXPECT_THAT(get("/api/runs"), StartsWith("HTTP/1.1 503 "));
    EXPECT_THAT(get("/api/runs"), HasSubstr("Retry-After: 5\r\n"));
    // Nor is it waited for without end.
    there([&] { ask_runs = [](auto) {}; });
    EXPECT_THAT(get("/api/runs"), EndsWith("the ledger cannot be read now\n"));
}

TEST_F(HttpTest, TheListenerMayEndWhileTheHistoryIsRead) {
    std::function<void(HttpBody)> later;
    ask_runs = [&](auto give) { later = std::move(give); };
    start();
    Client waits{port};
    waits.send("GET /api/runs HTTP/1.1\r\n" HOST "\r\n");
    EXPECT_TRUE(weir::tests::wait_until([&] {
        bool asked = false;
        there([&] { asked = later != nullptr; });
        return asked;
    }));
    there([&] {
        listener->stop();
        later(std::make_shared<std::string const>("{}"));
    });
    EXPECT_EQ(waits.rest(), "");
}

TEST_F(HttpTest, StreamsHaveABoundOfTheirOwn) {
    start({.streams = 2});
    std::list<Client> readers;
    for (int i = 0; i < 2; ++i) {
        readers.emplace_back(port);
        readers.back().send(ask_for_events);
        readers.back().answer("{\"plan\":\"x\"}\n\n");
    }
    auto const refused = ask(ask_for_events);
    EXPECT_THAT(refused, StartsWith("HTTP/1.1 503 "));
    EXPECT_THAT(refused, HasSubstr("Retry-After: 5\r\n"));
    EXPECT_THAT(refused, EndsWith("too many streams\n"));
    EXPECT_THAT(get("/metrics"), StartsWith("HTTP/1.1 200 "));
    // Who leaves is noticed without a word to tell.
    readers.pop_back();
    std::string answer;
    for (int i = 0; i < 500 && !answer.starts_with("HTTP/1.1 200"); ++i) {
        Client next{port};
        next.send(ask_for_events);
        answer = next.answer("\r\n\r\n");
    }
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 200"));
}

TEST_F(HttpTest, ASlowReaderIsDroppedAndHoldsNobodyBack) {
    start();
    Client slow{port};
    slow.send(ask_for_events);
    slow.answer("{\"plan\":\"x\"}\n\n");
    Client quick{port};
    quick.send(ask_for_events);
    quick.answer("{\"plan\":\"x\"}\n\n");
    std::string const big(90'000, 'x');
    // More than the system takes for it, while the other one reads.
    for (int i = 0; i < 300; ++i) {
        there([&] { listener->tell("event", big); });
        // The first two ids are those of the wholes.
        auto const frame = "id: " + std::to_string(i + 3) + "\nevent: event\ndata: " + big + "\n\n";
        ASSERT_EQ(quick.take(frame.size()), frame);
    }
    EXPECT_TRUE(weir::tests::wait_until([&] {
        bool telling = true;
        there([&] { telling = listener->telling(); });
        return !telling;
    }));
    EXPECT_LT(slow.rest().size(), 300 * big.size()) << "it was closed before it had everything";
}

TEST_F(HttpTest, AThousandStreamsAreAnsweredEachOne) {
    start();
    std::list<Client> all;
    for (int i = 0; i < 1000; ++i) {
        all.emplace_back(port);
        all.back().send(ask_for_events);
    }
    int served = 0, refused = 0;
    for (auto client = all.begin(); client != all.end(); ++client) {
        auto const answer = client->answer("\r\n\r\n");
        if (answer.starts_with("HTTP/1.1 200 ")) {
            ++served;
            continue;  // and it stays
        }
        EXPECT_THAT(answer, StartsWith("HTTP/1.1 503 "));
        EXPECT_THAT(answer, HasSubstr("Retry-After: 5\r\n"));
        ++refused;
        client->end();
        client->rest();
    }
    EXPECT_EQ(served, 32);
    EXPECT_EQ(refused, 968);
    EXPECT_THAT(get("/healthz"), EndsWith("ok"));
}

TEST_F(HttpTest, TheContextMayEndWithStreamsInside) {
    auto own = std::make_unique<asio::io_context>();
    auto served = std::make_unique<HttpListener>(
        own->get_executor(), "127.0.0.1:0",
        HttpSite{[] { return ""; }, [] { return std::make_shared<std::string const>("{}"); }, {}, {}});
    ASSERT_FALSE(served->start());
    Client client{served->local_port()};
    client.send(ask_for_events);
    own->run_for(Millis{50});
    served.reset();
    own.reset();
    EXPECT_THAT(client.rest(), EndsWith("data: {}\n\n"));
}

TEST_F(HttpTest, MayBeDestroyedBeforeAnythingRan) {
    {
        HttpListener unused{context.get_executor(), "127.0.0.1:0", HttpSite{[] { return ""; }, {}, {}}};
        ASSERT_FALSE(unused.start());
    }
    working.reset();
    context.run();
}

TEST_F(HttpTest, TheContextMayEndWithGuestsInside) {
    auto own = std::make_unique<asio::io_context>();
    auto served =
        std::make_unique<HttpListener>(own->get_executor(), "127.0.0.1:0", HttpSite{[] { return ""; }, {}, {}});
    ASSERT_FALSE(served->start());
    Client client{served->local_port()};
    own->run_for(Millis{50});
    served.reset();
    own.reset();
    EXPECT_EQ(client.rest(), "");
}

TEST_F(HttpTest, TheNameItWasBoundToIsAHost) {
    std::array<char, 256> own{};
    ASSERT_EQ(::gethostname(own.data(), own.size() - 1), 0);
    std::string const name{own.data()};
    asio::io_context resolving;
    error_code wrong;
    auto const found = tcp::resolver{resolving}.resolve(name, "0", wrong);
    if (wrong || name.find('.') == 0) GTEST_SKIP() << "this machine does not know its own name";
    start({}, name + ":0");
    tcp::socket socket{resolving};
    socket.connect({found.begin()->endpoint().address(), port});
    asio::write(socket, asio::buffer("GET /healthz HTTP/1.1\r\nHost: " + name + "\r\nConnection: close\r\n\r\n"));
    std::string answer;
    asio::read(socket, asio::dynamic_buffer(answer), wrong);
    EXPECT_THAT(answer, EndsWith("ok"));
}

TEST_F(HttpTest, AnAddressThatCannotBeHadIsAUsageProblem) {
    start();
    HttpListener second{context.get_executor(), "127.0.0.1:" + std::to_string(port),
                        HttpSite{[] { return ""; }, {}, {}}};
    auto const taken = second.start();
    ASSERT_TRUE(taken);
    EXPECT_EQ(taken->code, Code::usage);
    EXPECT_THAT(taken->message, HasSubstr("address already in use"));
    EXPECT_FALSE(taken->hint.empty());
    EXPECT_EQ(second.local_port(), 0);
}

TEST(HttpAddress, IsRefusedWhenMalformed) {
    for (auto const* text :
         {"", "9187", ":9187", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:70000", "::1:9187", "[::1]9187",
          "[::1", "[nonsense]:1", "no such host:1", "256.0.0.1:1", "192.0.2.1:1"}) {
        asio::io_context context;
        HttpListener listener{context.get_executor(), text, HttpSite{[] { return ""; }, {}, {}}};
        auto const problem = listener.start();
        ASSERT_TRUE(problem) << text;
        EXPECT_EQ(problem->code, Code::usage) << text;
        EXPECT_THAT(problem->message, HasSubstr(text));
        EXPECT_FALSE(problem->hint.empty());
        context.run();
    }
}

}  // namespace
}  // namespace weir
