/// Whatever becomes of its output, a run goes on to its end and says how it ended by its exit code.
#include <filesystem>
#include <fstream>

#include "tests/support/bench.h"

namespace weir::tests {
namespace {

class Outputs : public ::testing::Test, public Bench {
  protected:
    /// The program by a shell that does `text`, in which `W` is its command line.
    Launch around(std::string const& text, Words words, Environment environment = {}) const {
        auto launch = this->launch(std::move(words), std::move(environment));
        Words shell{"/bin/bash", "-c", "command=(\"$0\" \"$@\"); W() { \"${command[@]}\"; }; " + text};
        shell.insert(shell.end(), launch.command.begin(), launch.command.end());
        launch.command = std::move(shell);
        return launch;
    }
    std::string code(std::string const& name = "code") const {
        std::ifstream from{folder.path(name)};
        std::string text;
        std::getline(from, text);
        return text;
    }
    std::string ending() const { return " ; echo $? > " + folder.path("code"); }
    void expect_done(std::string const& what) const {
        EXPECT_EQ(code(), "0") << what;
        EXPECT_EQ(ledger_faults(), "") << what << entries();
        EXPECT_EQ(differing(*this, "full_name"), "0") << what;
        EXPECT_EQ(leftovers(), "") << what;
        std::filesystem::remove(folder.path("code"));
    }
    std::string file = plan(std::string{rename_plan} + "batch: { target: 1ms, workers: 2 }\n");
};

TEST_F(Outputs, AFullDiskOrAClosedOneIsNoEnd) {
    struct Case {
        std::string redirected, mode;
    };
    for (auto const& [redirected, mode] :
         {Case{"> /dev/full 2> /dev/full", "json"}, Case{"> /dev/full 2> /dev/full", "bar"}, Case{">&-", "json"},
          Case{">&- 2>&- <&-", "plain"}}) {
        make_users(*this, 300);
        auto const ran =
            run(around("W " + redirected + ending(), {"run", file, "--approve", "all", "--progress", mode}));
        expect_done(redirected + " " + mode + told(ran));
    }
}

TEST_F(Outputs, AReaderThatGoesIsNoEnd) {
    for (std::string const reader : {"true", "head -n 1 > /dev/null", "head -n 12 > /dev/null"}) {
        for (std::string const mode : {"plain", "json"}) {
            make_users(*this, 300);
            auto const ran = run(around("{ W" + ending() + "; } 2>&1 | " + reader,
                                        {"run", file, "--approve", "all", "--progress", mode}));
            expect_done(reader + " " + mode + told(ran));
        }
    }
}

TEST_F(Outputs, AReaderThatNeverReadsHoldsNothing) {
    make_users(*this, 3000);
    // The reader's end is open as long as the run lives, and the pipe has room for less than the run says.
    auto const ran =
        run(around("{ W" + ending() + "; } | { while [ ! -s " + folder.path("code") + " ] ; do sleep 0.1; done; }",
                   {"run", file, "--approve", "all", "--progress", "json"}));
    expect_done(told(ran));
}

TEST_F(Outputs, ASignalIsAnsweredWithoutAnOutput) {
    for (auto const* redirected : {"> /dev/full 2> /dev/full", "<&- >&- 2>&-"}) {
        make_users(*this, 100);
        Process process{around(std::string{"\"${command[@]}\" "} + redirected + " & echo $! > " + folder.path("pid") +
                                   "; wait $!" + ending(),
                               {"run", file})};
        ASSERT_TRUE(wait_until(
            [&] {
                return value("SELECT to_regclass('weir.entries') IS NOT NULL") == "t" &&
                       value("SELECT count(*) FROM weir.entries WHERE kind = 'gate_opened'") == "1";
            },
            30s));
        // What is closed is not given to a connection, which would then hear what is meant for people.
        for (auto const* number : {"0", "1", "2"}) {
            std::error_code error;
            auto const target = std::filesystem::read_symlink("/proc/" + code("pid") + "/fd/" + number, error).string();
            EXPECT_TRUE(target.starts_with("/dev/")) << redirected << " " << number << " is " << target;
        }
        EXPECT_EQ(::kill(static_cast<pid_t>(std::stol(code("pid"))), SIGTERM), 0);
        process.wait();
        EXPECT_EQ(code(), "4") << redirected;
        EXPECT_EQ(finish(file).status, 0);
        std::filesystem::remove(folder.path("code"));
    }
}

TEST_F(Outputs, RefusalsKeepTheirExitCode) {
    make_users(*this, 10);
    auto const bad =
        plan("weir: 1\nname: bad\nchanges:\n  - rename_column: { table: user, from: name, to: n }\n", "b.yaml");
    for (auto const* redirected : {"2> /dev/full", "2>&-", ">&- 2>&-"}) {
        run(around(std::string{"W "} + redirected + ending(), {"run", bad}));
        EXPECT_EQ(code(), "1") << redirected;
    }
    EXPECT_FALSE(ledger());
}

}  // namespace
}  // namespace weir::tests
