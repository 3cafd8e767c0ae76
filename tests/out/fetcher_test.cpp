#include "orchestrator/out/fetcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdlib>
#include <thread>

#include "odd_server.h"

namespace weir::tests {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;
using Talk = OddServer::Talk;

/// Short, because the tests wait for them.
FetchLimits brief() {
    FetchLimits limits;
    limits.connect = Millis{300};
    limits.total = Millis{600};
    limits.body_bytes = 1000;
    limits.header_bytes = 4000;
    return limits;
}

struct FetcherTest : ::testing::Test {
    Fetched get(std::string const& url, FetchLimits limits = {}) {
        Fetcher fetcher{io.get_executor(), limits};
        Fetched got;
        int replies = 0;
        fetcher.get(url, [&](Fetched fetched) {
            ++replies;
            got = std::move(fetched);
        });
        io.restart();
        io.run();
        EXPECT_EQ(replies, 1);
        EXPECT_EQ(got.status == 0, !got.problem.empty()) << got.problem;
        EXPECT_GT(got.at, Millis{0});
        return got;
    }
    boost::asio::io_context io;
};

TEST_F(FetcherTest, GivesStatusAndBody) {
    OddServer server{[](Talk& talk) { talk.send(http_answer(200, talk.request())); }};
    auto const got = get(server.url("/a?b=c"));
    EXPECT_EQ(got.status, 200);
    EXPECT_THAT(got.body, StartsWith("GET /a?b=c HTTP/1.1\r\n"));
    EXPECT_THAT(got.body, HasSubstr("User-Agent: weir\r\n"));
    EXPECT_THAT(got.body, Not(HasSubstr("Accept-Encoding")));
}

TEST_F(FetcherTest, AnyStatusIsAnAnswer) {
    for (int const status : {204, 301, 404, 429, 503}) {
        OddServer server{[&](Talk& talk) {
            talk.send(http_answer(status, status == 204 ? "" : "x", "Location: http://127.0.0.1:1/\r\n"));
        }};
        EXPECT_EQ(get(server.url()).status, status);
    }
}

TEST_F(FetcherTest, ARedirectIsNotFollowed) {
    std::atomic<int> asked = 0;
    OddServer server{[&](Talk& talk) {
        ++asked;
        talk.send(http_answer(302, "", "Location: file:///etc/passwd\r\n"));
    }};
    auto const got = get(server.url());
    EXPECT_EQ(got.status, 302);
    EXPECT_EQ(got.body, "");
    EXPECT_EQ(asked, 1);
}

TEST_F(FetcherTest, NothingListens) {
    std::string url;
    {
        OddServer server{[](Talk&) {}};
        url = server.url("/secret?token=abc");
    }
    auto const got = get(url);
    EXPECT_EQ(got.problem, shown_address(url) + ": couldn't connect to server");
    EXPECT_THAT(got.problem, Not(HasSubstr("secret")));
}

TEST_F(FetcherTest, AServerThatSaysNothingIsGivenUp) {
    OddServer server{[](Talk& talk) { talk.hold(); }};
    EXPECT_EQ(get(server.url(), brief()).problem,
              "http://127.0.0.1:" + std::to_string(server.port()) + " did not answer within 0.6 s");
}

// The rests below are the odd server's: a slow one has to be slow.
TEST_F(FetcherTest, ABodyThatTricklesIsGivenUp) {
    OddServer server{[](Talk& talk) {
        talk.send("HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n");
        while (talk.send("x")) std::this_thread::sleep_for(20ms);
    }};
    EXPECT_THAT(get(server.url(), brief()).problem, HasSubstr("did not answer within 0.6 s"));
}

TEST_F(FetcherTest, HeadersThatTrickleAreGivenUp) {
    OddServer server{[](Talk& talk) {
        talk.send("HTTP/1.1 200 OK\r\n");
        while (talk.send("X: x\r\n")) std::this_thread::sleep_for(50ms);
    }};
    EXPECT_THAT(get(server.url(), brief()).problem, HasSubstr("did not answer within 0.6 s"));
}

TEST_F(FetcherTest, ABodyIsBounded) {
    auto const of = [&](std::size_t size, bool chunked) {
        OddServer server{[&](Talk& talk) {
            std::string const body(size, 'x');
            if (!chunked) talk.send(http_answer(200, body));
            if (chunked)
                talk.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n" + body.substr(0, 1000) +
                          "\r\n" + (size > 1000 ? "1\r\nx\r\n" : "") + "0\r\n\r\n");
        }};
        return get(server.url(), brief());
    };
    for (bool const chunked : {false, true}) {
        EXPECT_EQ(of(1000, chunked).body.size(), 1000U);
        EXPECT_THAT(of(1001, chunked).problem, HasSubstr("answers with more than weir reads"));
    }
}

TEST_F(FetcherTest, ABodyWithoutEndIsBounded) {
    OddServer server{[](Talk& talk) {
        talk.send("HTTP/1.1 200 OK\r\n\r\n");
        while (talk.send(std::string(65536, 'x'))) {
        }
    }};
    EXPECT_THAT(get(server.url()).problem, HasSubstr("answers with more than weir reads"));
}

TEST_F(FetcherTest, HeadersAreBounded) {
    OddServer server{[](Talk& talk) {
        talk.send("HTTP/1.1 200 OK\r\n");
        while (talk.send("X: " + std::string(500, 'x') + "\r\n")) {
        }
    }};
    EXPECT_THAT(get(server.url(), brief()).problem, HasSubstr("answers with more than weir reads"));
}

TEST_F(FetcherTest, AnAnswerThatBreaksOffIsNone) {
    for (std::string const answer : {"", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", "no http\r\n\r\n"}) {
        OddServer server{[&](Talk& talk) { talk.send(answer); }};
        auto const got = get(server.url());
        EXPECT_EQ(got.status, 0) << answer;
        EXPECT_EQ(got.body, "");
    }
}

TEST_F(FetcherTest, OtherSchemesAndBrokenAddressesAreRefused) {
    for (std::string const url : {"file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://127.0.0.1/", "dict://127.0.0.1",
                                  "", "http://", "http://[::", "http://127.0.0.1:99999/", "no address"})
        EXPECT_EQ(get(url).status, 0) << url;
}

TEST_F(FetcherTest, ANameThatNobodyKnowsAndATlsThatIsNoneAreNoAnswers) {
    EXPECT_THAT(get("http://weir.invalid/", brief()).problem, StartsWith("http://weir.invalid"));
    OddServer server{[](Talk& talk) { talk.send(http_answer(200, "x")); }};
    EXPECT_EQ(get("https://127.0.0.1:" + std::to_string(server.port()), brief()).status, 0);
}

TEST_F(FetcherTest, TheEnvironmentsProxyIsNotUsed) {
    std::atomic<int> proxied = 0;
    OddServer proxy{[&](Talk& talk) {
        ++proxied;
        talk.send(http_answer(200, "proxy"));
    }};
    OddServer server{[](Talk& talk) { talk.send(http_answer(200, "server")); }};
    for (auto const* name : {"http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"})
        ::setenv(name, proxy.url().c_str(), 1);
    EXPECT_EQ(get(server.url()).body, "server");
    for (auto const* name : {"http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"}) ::unsetenv(name);
    EXPECT_EQ(proxied, 0);
}

TEST_F(FetcherTest, OneThatHangsDelaysNoOther) {
    OddServer hanging{[](Talk& talk) { talk.hold(); }};
    OddServer server{[](Talk& talk) { talk.send(http_answer(200, "x")); }};
    Fetcher fetcher{io.get_executor()};
    std::vector<std::string> order;
    for (int i = 0; i < 5; ++i) fetcher.get(hanging.url(), [&](Fetched const&) { order.emplace_back("hanging"); });
    fetcher.get(server.url(), [&](Fetched const& fetched) { order.push_back(fetched.body); });
    io.run();
    EXPECT_THAT(order, ::testing::ElementsAre("x", "hanging", "hanging", "hanging", "hanging", "hanging"));
}

TEST_F(FetcherTest, TheEndWaitsForNoServerAndCallsNobodyBack) {
    OddServer hanging{[](Talk& talk) { talk.hold(); }};
    FetchLimits patient;
    patient.total = Millis{600'000};
    int replies = 0;
    for (int i = 0; i < 20; ++i) {
        Fetcher fetcher{io.get_executor(), patient};
        for (int k = 0; k < i; ++k) fetcher.get(hanging.url(), [&](Fetched const&) { ++replies; });
    }
    {
        // The answer is there and was not fetched from the queue.
        OddServer server{[](Talk& talk) { talk.send(http_answer(200, "x")); }};
        Fetcher fetcher{io.get_executor()};
        fetcher.get(server.url(), [&](Fetched const&) { ++replies; });
    }
    io.run();
    EXPECT_EQ(replies, 0);
}

TEST(ShownAddress, HoldsNoSecret) {
    EXPECT_EQ(shown_address("http://prom:9090/api?token=x"), "http://prom:9090");
    EXPECT_EQ(shown_address("https://user:pass@prom:9090/x"), "https://prom:9090");
    EXPECT_EQ(shown_address("https://user:p@ss@prom/x"), "https://prom");
    EXPECT_EQ(shown_address("http://user:pa/ss@prom/x"), "the address");
    EXPECT_EQ(shown_address("http://prom/x?mail=a@b"), "http://prom");
    EXPECT_EQ(shown_address("http://[::1]:80"), "http://[::1]:80");
    for (auto const* const odd : {"", "prom", "user:pass@prom", "http://", "http:///x"})
        EXPECT_EQ(shown_address(odd), "the address") << odd;
}

}  // namespace
}  // namespace weir::tests
