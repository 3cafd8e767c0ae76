#include "orchestrator/out/notifier.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <set>
#include <sstream>

#include "odd_server.h"

namespace weir::tests {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using Talk = OddServer::Talk;
namespace fs = std::filesystem;

Notice notice(std::string event) { return {std::move(event), "weir: plan p begins", {{"plan", "p"}, {"run", "3"}}}; }

/// Short, because the tests wait for them.
NotifyLimits brief() {
    NotifyLimits limits;
    limits.fetch.connect = Millis{300};
    limits.fetch.total = Millis{500};
    limits.first_rest = Millis{10};
    limits.tries = 4;
    return limits;
}

struct NotifierTest : ::testing::Test {
    void SetUp() override {
        std::string name = (fs::temp_directory_path() / "weir-notify-XXXXXX").string();
        ASSERT_NE(::mkdtemp(name.data()), nullptr);
        folder = name;
    }
    void TearDown() override { fs::remove_all(folder); }
    Notifier::Config config(std::string webhook, std::vector<std::string> command = {}) {
        Notifier::Config made;
        made.webhook = std::move(webhook);
        made.command = std::move(command);
        made.failed = [this](std::string message) { failed.push_back(std::move(message)); };
        made.limits = brief();
        return made;
    }
    /// Runs until everything is told or given up.
    void finish(Notifier& notifier) {
        io.restart();
        io.run();
        EXPECT_TRUE(notifier.idle());
    }
    std::string script(std::string const& text) const {
        auto const path = folder / "hook";
        std::ofstream{path} << "#!/bin/sh\n" << text << "\n";
        fs::permissions(path, fs::perms::owner_all);
        return path.string();
    }
    std::string content(std::string const& name) const {
        std::ifstream file{folder / name};
        std::ostringstream text;
        text << file.rdbuf();
        return text.str();
    }

    fs::path folder;
    boost::asio::io_context io;
    std::vector<std::string> failed;
};

/// A server that notes what it is told, and answers with these statuses one after the other; the last stays.
struct Board {
    explicit Board(std::vector<int> answers = {200}) : statuses{std::move(answers)} {}
    void operator()(Talk& talk) {
        int status = 0;
        {
            std::lock_guard const lock{mutex};
            requests.push_back(talk.request());
            status = statuses[std::min(requests.size(), statuses.size()) - 1];
        }
        if (status != 0) talk.send(http_answer(status, "ok"));
    }
    std::mutex mutex;
    std::vector<int> statuses;  ///< 0: it hangs up
    std::vector<std::string> requests;
};

TEST_F(NotifierTest, PostsInOrder) {
    Board board;
    OddServer server{[&](Talk& talk) { board(talk); }};
    Notifier notifier{io.get_executor(), config(server.url("/hook?x=1"))};
    for (auto const* event : {"started", "gate", "done"}) notifier.tell(notice(event));
    EXPECT_FALSE(notifier.idle());
    finish(notifier);
    ASSERT_EQ(board.requests.size(), 3U);
    EXPECT_THAT(board.requests[0], ::testing::StartsWith("POST /hook?x=1 HTTP/1.1\r\n"));
    EXPECT_THAT(board.requests[0], HasSubstr("Content-Type: application/json\r\n"));
    EXPECT_THAT(board.requests[0], HasSubstr("Content-Length: "));
    EXPECT_THAT(failed, IsEmpty());
}

TEST_F(NotifierTest, TheBodyIsOneJsonObject) {
    EXPECT_EQ(to_json({"gate", "a \"b\"\n\xFF", {{"plan", "p"}, {"hint", "x"}}}),
              "{\"text\":\"a \\\"b\\\"\\n\xEF\xBF\xBD\",\"event\":\"gate\",\"hint\":\"x\",\"plan\":\"p\"}");
}

TEST_F(NotifierTest, TriesAgainWhatMayPass) {
    for (int const status : {0, 408, 429, 500, 503}) {
        Board board{{status, status, 204}};
        OddServer server{[&](Talk& talk) { board(talk); }};
        Notifier notifier{io.get_executor(), config(server.url())};
        notifier.tell(notice("started"));
        finish(notifier);
        EXPECT_EQ(board.requests.size(), 3U) << status;
        EXPECT_THAT(failed, IsEmpty()) << status;
    }
}

TEST_F(NotifierTest, AnotherAnswerIsFinalAndTheNextIsTold) {
    Board board{{404, 200}};
    OddServer server{[&](Talk& talk) { board(talk); }};
    Notifier notifier{io.get_executor(), config(server.url("/services/SECRET"))};
    notifier.tell(notice("started"));
    notifier.tell(notice("done"));
    finish(notifier);
    EXPECT_EQ(board.requests.size(), 2U);
    ASSERT_EQ(failed.size(), 1U);
    EXPECT_EQ(failed[0], "notify.webhook was not told of \"started\" after 1 try: http://127.0.0.1:" +
                             std::to_string(server.port()) + " answers 404");
}

TEST_F(NotifierTest, GivesUpAfterItsTries) {
    Board board{{500}};
    OddServer server{[&](Talk& talk) { board(talk); }};
    Notifier notifier{io.get_executor(), config(server.url("/SECRET"))};
    notifier.tell(notice("started"));
    finish(notifier);
    EXPECT_EQ(board.requests.size(), 4U);
    ASSERT_EQ(failed.size(), 1U);
    EXPECT_THAT(failed[0], HasSubstr("after 4 tries"));
    EXPECT_THAT(failed[0], Not(HasSubstr("SECRET")));
}

TEST_F(NotifierTest, NobodyThereAndNobodyAnswering) {
    std::string gone;
    {
        OddServer server{[](Talk&) {}};
        gone = server.url("/SECRET");
    }
    Notifier refused{io.get_executor(), config(gone)};
    refused.tell(notice("started"));
    finish(refused);
    OddServer slow{[](Talk& talk) { talk.hold(); }};
    auto patient = config(slow.url("/SECRET"));
    patient.limits.tries = 2;
    Notifier hanging{io.get_executor(), std::move(patient)};
    hanging.tell(notice("started"));
    finish(hanging);
    EXPECT_THAT(failed, ElementsAre(HasSubstr("couldn't connect"), HasSubstr("did not answer within 0.5 s")));
    EXPECT_THAT(failed[0] + failed[1], Not(HasSubstr("SECRET")));
}

TEST_F(NotifierTest, KeepsNoMoreThanItsQueue) {
    Board board;
    OddServer server{[&](Talk& talk) { board(talk); }};
    auto small = config(server.url(), {script("echo $WEIR_EVENT >> " + (folder / "told").string())});
    small.limits.queue = 3;
    Notifier notifier{io.get_executor(), std::move(small)};
    // None of them is under way for long, but the replies wait until the io_context runs.
    for (int i = 0; i < 50; ++i) notifier.tell(notice("n" + std::to_string(i)));
    finish(notifier);
    EXPECT_EQ(board.requests.size(), 4U) << "the first was under way";
    EXPECT_THAT(board.requests.back(), HasSubstr("\"n49\""));
    EXPECT_THAT(content("told"), HasSubstr("n49\n"));
    EXPECT_GE(
        std::ranges::count_if(failed, [](auto const& f) { return f.starts_with("notify.webhook: a notice was"); }), 46);
}

TEST_F(NotifierTest, TheDestructorWaitsForNobody) {
    OddServer server{[](Talk& talk) { talk.hold(); }};
    auto made = config(server.url(), {script("echo $$ > " + (folder / "pid").string() + "; exec sleep 1000")});
    made.limits.fetch.total = Millis{600'000};
    made.limits.command = Millis{600'000};
    {
        Notifier notifier{io.get_executor(), std::move(made)};
        notifier.tell(notice("started"));
        auto const deadline = std::chrono::steady_clock::now() + 20s;
        while (content("pid").empty() && std::chrono::steady_clock::now() < deadline) io.run_one_for(10ms);
    }
    ASSERT_FALSE(content("pid").empty());
    EXPECT_EQ(::kill(std::stoi(content("pid")), 0), -1) << "it is gone";
    EXPECT_THAT(failed, IsEmpty());
}

TEST_F(NotifierTest, RunsTheCommandWithVariablesAndWithoutAShell) {
    // What stands in a variable is no code for anybody.
    auto const hook = script("printf '%s|%s|%s|%s|%s' \"$WEIR_EVENT\" \"$WEIR_TEXT\" \"$WEIR_PLAN\" \"$1\" \"$2\" > " +
                             (folder / "told").string() + "; cat > " + (folder / "stdin").string() +
                             "; ls /proc/$$/fd > " + (folder / "fds").string());
    int const inherited = ::dup(0);
    Notifier notifier{io.get_executor(), config("", {hook, "a b; touch /tmp/never", "$(date)"})};
    auto told = notice("started");
    told.text = "it's $(touch never) `x` \"q\"";
    notifier.tell(told);
    finish(notifier);
    ::close(inherited);
    EXPECT_EQ(content("told"), "started|it's $(touch never) `x` \"q\"|p|a b; touch /tmp/never|$(date)");
    EXPECT_EQ(content("stdin"), "");
    EXPECT_THAT(content("fds"), Not(HasSubstr("\n" + std::to_string(inherited) + "\n")));
    EXPECT_THAT(failed, IsEmpty());
}

TEST_F(NotifierTest, HandsNoSecretOfItsOwnToTheCommand) {
    auto const hook = script("env > " + (folder / "told").string());
    ::setenv("PGPASSWORD", "SECRET", 1);
    ::setenv("WEIR_TEST_SECRET", "SECRET", 1);
    Notifier notifier{io.get_executor(), config("", {"/usr/bin/env", "sh", hook})};
    notifier.tell(notice("started"));
    finish(notifier);
    ::unsetenv("PGPASSWORD");
    ::unsetenv("WEIR_TEST_SECRET");
    EXPECT_THAT(failed, IsEmpty());
    EXPECT_THAT(content("told"), Not(HasSubstr("SECRET")));
    std::istringstream all{content("told")};
    std::set<std::string> names;
    for (std::string line; std::getline(all, line);) names.insert(line.substr(0, line.find('=')));
    // A shell sets the last three by itself.
    for (auto const* own : {"PWD", "_", "SHLVL", "OLDPWD"}) names.erase(own);
    EXPECT_EQ(names, (std::set<std::string>{"PATH", "WEIR_EVENT", "WEIR_TEXT", "WEIR_PLAN", "WEIR_RUN"}));
}

TEST_F(NotifierTest, SaysWhyACommandFailed) {
    auto const fails = [&](std::vector<std::string> command) {
        failed.clear();
        auto made = config("", std::move(command));
        made.limits.command = Millis{300};
        Notifier notifier{io.get_executor(), std::move(made)};
        notifier.tell(notice("done"));
        finish(notifier);
        return failed.size() == 1 ? failed[0] : "not one";
    };
    EXPECT_EQ(fails({script("echo first; echo last >&2; exit 3")}),
              "notify.command, run for \"done\": it ended with 3: first last");
    EXPECT_EQ(fails({script("kill -TERM $$")}), "notify.command, run for \"done\": it was ended by signal 15");
    EXPECT_EQ(fails({(folder / "none").string()}),
              "notify.command, run for \"done\": it cannot be started: No such file or directory");
    // A child that keeps the output open is ended with it.
    EXPECT_THAT(fails({script("echo begun; sleep 1000 & wait")}),
                HasSubstr("it did not end within 0.3 s and was killed: begun"));
    EXPECT_THAT(fails({script("yes 2>&1")}), HasSubstr("was killed: y y"));
    // One that leaves somebody behind has ended all the same.
    EXPECT_EQ(fails({script("sleep 1 & exit 4")}), "notify.command, run for \"done\": it ended with 4");
}

TEST(Webhook, MayBeInTheEnvironment) {
    Notify notify;
    notify.webhook = "https://example.org/x";
    EXPECT_EQ(std::get<std::string>(webhook_address(notify)), "https://example.org/x");
    notify.webhook = "$WEIR_TEST_HOOK";
    ::unsetenv("WEIR_TEST_HOOK");
    EXPECT_THAT(std::get<Problem>(webhook_address(notify)).message, HasSubstr("WEIR_TEST_HOOK, which is not set"));
    ::setenv("WEIR_TEST_HOOK", "SECRET", 1);
    EXPECT_THAT(std::get<Problem>(webhook_address(notify)).message,
                HasSubstr("WEIR_TEST_HOOK, which holds no address"));
    ::setenv("WEIR_TEST_HOOK", "https://example.org/SECRET", 1);
    EXPECT_EQ(std::get<std::string>(webhook_address(notify)), "https://example.org/SECRET");
    ::unsetenv("WEIR_TEST_HOOK");
}

}  // namespace
}  // namespace weir::tests
