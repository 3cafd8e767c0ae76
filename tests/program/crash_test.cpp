/// Killed at every string that it sends, and at any moment; run again until it is done.
#include <csignal>
#include <random>

#include "tests/support/bench.h"

namespace weir::tests {
namespace {

class Crash : public ::testing::Test, public Bench {
  protected:
    std::string file = plan(rename_plan);
    std::string const contents = "SELECT md5(string_agg(u::text, '|' ORDER BY id)) FROM users u";
    std::string expected_dump, expected_data, expected_steps;

    int const every = sanitized && !long_run() ? 5 : 1;

    static constexpr char const* steps =
        "SELECT string_agg(step, ',' ORDER BY step) FROM weir.entries WHERE kind = 'step_done' AND run = (SELECT "
        "max(run) FROM "
        "weir.entries)";

    void undisturbed(int rows) {
        make_users(*this, rows);
        auto const ran = weir({"run", file, "--approve", "all"});
        ASSERT_EQ(ran.status, 0) << told(ran);
        expected_dump = dump();
        expected_data = value(contents);
        expected_steps = value(steps);
    }

    void expect_as_undisturbed(std::string const& when, bool data = true) {
        EXPECT_EQ(dump(), expected_dump) << when;
        if (data) {
            EXPECT_EQ(value(contents), expected_data) << when;
        }
        EXPECT_EQ(differing(*this, "full_name"), "0") << when;
        EXPECT_EQ(value(steps), expected_steps) << when;
        EXPECT_EQ(ledger_faults(), "") << when << ": " << entries();
        EXPECT_EQ(leftovers(), "") << when;
    }

    /// Every N until the run does not reach it; how many that were.
    int sweep(std::string const& word, int from, int by, bool busy) {
        int n = from;
        for (;; n += by) {
            make_users(*this, 200);
            auto const when = word + ":" + std::to_string(n);
            std::unique_ptr<Writers> writers;
            if (busy) writers = std::make_unique<Writers>(*this, 2, 200);
            auto const crashed = weir({"run", file, "--approve", "all"}, {{"WEIR_CRASH", when}});
            if (crashed.status == 0) break;
            EXPECT_EQ(crashed.status, 128 + SIGKILL) << when << told(crashed);
            if (busy) {
                EXPECT_TRUE(writers->more(10)) << when << writers->errors();
            }
            auto const ran = finish(file);
            EXPECT_EQ(ran.status, 0) << when << told(ran);
            if (busy) {
                EXPECT_TRUE(writers->more(10)) << when;
                writers->stop();
                EXPECT_EQ(writers->errors(), "") << when;
            }
            expect_as_undisturbed(when, !busy);
            if (HasFailure()) break;
        }
        return (n - from) / by;
    }
};

TEST_F(Crash, BeforeEveryString) {
    undisturbed(200);
    std::cout << "crashed " << sweep("before", 1, every, false) << " times\n";
}

TEST_F(Crash, AfterEveryString) {
    undisturbed(200);
    std::cout << "crashed " << sweep("after", 1, every, false) << " times\n";
}

TEST_F(Crash, UnderWriters) {
    undisturbed(200);
    int const by = long_run() ? 1 : 4;
    std::cout << "crashed " << sweep("before", 2, by, true) + sweep("after", 4, by, true) << " times\n";
}

TEST_F(Crash, WhileUndoing) {
    make_users(*this, 200);
    auto const before = dump();
    int crashes = 0;
    for (std::string const word : {"before", "after"})
        for (int n = 1;; n += every) {
            make_users(*this, 200);
            auto const when = word + ":" + std::to_string(n);
            ASSERT_EQ(weir({"run", file, "--until", "proof"}).status, 0);
            auto const crashed = weir({"abort", "rename-it"}, {{"WEIR_CRASH", when}});
            if (crashed.status == 6) break;
            ASSERT_EQ(crashed.status, 128 + SIGKILL) << when << told(crashed);
            ++crashes;
            Ran ran;
            // The same word again; where undoing has begun, `run` goes on with it, too.
            bool const by_run = n % 2 == 0 && has(entries(), "aborting") && !has(entries(), "undone");
            wait_until([&] {
                ran = by_run ? weir({"run", file}, {}, 20s) : weir({"abort", "rename-it"});
                return !has(ran.err, "[other-leader]");
            });
            // Killed after the last entry: it is undone already.
            if (has(ran.err, "[not-now]")) {
                EXPECT_THAT(ran.err, ::testing::HasSubstr("undone")) << when << told(ran);
            } else {
                EXPECT_EQ(ran.status, 6) << when << told(ran);
            }
            EXPECT_EQ(dump(), before) << when;
            EXPECT_EQ(leftovers(), "") << when;
            EXPECT_EQ(differing(*this, "name"), "0") << when;
            if (HasFailure()) return;
        }
    std::cout << "crashed " << crashes << " times\n";
    EXPECT_GE(crashes, every == 1 ? 4 : 2);
    EXPECT_EQ(weir({"run", file, "--approve", "all"}).status, 0);
}

TEST_F(Crash, AbortAfterIt) {
    make_users(*this, 200);
    auto const before = dump();
    int crashes = 0;
    for (int n = 1;; n += long_run() ? 1 : 3) {
        make_users(*this, 200);
        auto const when = "before:" + std::to_string(n);
        auto const crashed = weir({"run", file, "--no-wait"}, {{"WEIR_CRASH", when}});
        if (crashed.status == 3) break;
        ASSERT_EQ(crashed.status, 128 + SIGKILL) << when << told(crashed);
        ++crashes;
        Ran ran;
        wait_until([&] {
            ran = weir({"abort", "rename-it"});
            return !has(ran.err, "[other-leader]");
        });
        if (has(entries(), "gate_opened")) {
            EXPECT_EQ(ran.status, 3) << when << told(ran);
            ran = weir({"abort", "rename-it"});
        }
        EXPECT_EQ(ran.status, 6) << when << told(ran);
        EXPECT_EQ(dump(), before) << when;
        EXPECT_EQ(leftovers(), "") << when;
        EXPECT_EQ(differing(*this, "name"), "0") << when;
        auto const again = weir({"run", file, "--approve", "all"});
        EXPECT_EQ(again.status, 0) << when << told(again);
        EXPECT_EQ(ledger_faults(), "") << when;
        if (HasFailure()) return;
    }
    std::cout << "crashed " << crashes << " times\n";
}

TEST_F(Crash, AtAnyMoment) {
    std::mt19937_64 random{seed()};
    int const times = long_run() ? 60 : sanitized ? 3 : 12;
    int const rows = 30'000;
    undisturbed(rows);
    int killed = 0;
    for (int i = 0; i < times; ++i) {
        make_users(*this, rows);
        auto const busy = i % 3 == 0;
        std::unique_ptr<Writers> writers;
        if (busy) writers = std::make_unique<Writers>(*this, 2, rows);
        std::string when = "kills after";
        for (int round = 0; round < 3; ++round) {
            auto const time = std::chrono::milliseconds{std::uniform_int_distribution<int>{5, 700}(random)};
            when += " " + std::to_string(time.count());
            auto process = start({"run", file, "--approve", "all", "--progress", "json"});
            wait_until([&, until = std::chrono::steady_clock::now() + time] {
                return std::chrono::steady_clock::now() >= until || !process.running();
            });
            if (process.running()) ++killed;
            process.signal(SIGKILL);
            process.wait();
        }
        auto const ran = finish(file);
        ASSERT_EQ(ran.status, 0) << when << told(ran);
        if (busy) {
            writers->stop();
            EXPECT_EQ(writers->errors(), "") << when;
        }
        expect_as_undisturbed(when, !busy);
        if (HasFailure()) break;
    }
    std::cout << "killed " << killed << " times, a dead leader still led " << dead_leaders << " times\n";
}

// ---- signals --------------------------------------------------------------------------------------------------------

class Interrupt : public Bench, public ::testing::TestWithParam<int> {
  protected:
    void expect_stops(Process& process, std::chrono::milliseconds within) {
        auto const began = std::chrono::steady_clock::now();
        auto const ran = wait(process, 30s);
        auto const took = std::chrono::steady_clock::now() - began;
        EXPECT_TRUE(refused(ran, 4, "interrupted", {"run the same command again"}));
        EXPECT_LT(took, within);
    }
    static constexpr char const* slow = "batch: { target: 1ms, workers: 1 }\n";
};

TEST_P(Interrupt, AtTheGate) {
    make_users(*this, 50);
    auto const file = plan(rename_plan);
    auto process = start({"run", file});
    ASSERT_TRUE(at_gate(process));
    process.signal(GetParam());
    expect_stops(process, 3s);
    EXPECT_EQ(finish(file).status, 0);
    EXPECT_EQ(ledger_faults(), "") << entries();
}

TEST_P(Interrupt, DuringTheFill) {
    for (int const times : {1, 2}) {
        make_users(*this, 20'000);
        auto const file = plan(std::string{rename_plan} + slow, "slow.yaml");
        auto process = start({"run", file, "--progress", "json"});
        ASSERT_TRUE(wait_until([&] { return has(process.out(), "\"batch_done\"") || !process.running(); }, 20s));
        auto const began = std::chrono::steady_clock::now();
        for (int i = 0; i < times; ++i) process.signal(GetParam());
        auto const ran = wait(process);
        EXPECT_LT(std::chrono::steady_clock::now() - began, 3s);
        EXPECT_EQ(ran.status, 4) << ran.err;
        EXPECT_TRUE(has(ran.out, "\"code\":\"interrupted\""));
        EXPECT_TRUE(has(ran.out, "run the same command again"));
        EXPECT_TRUE(has(entries(), "stopped")) << entries();
        EXPECT_TRUE(has(weir({"status"}).out, "stopped: interrupted"));
        EXPECT_EQ(finish(plan(rename_plan)).status, 0);
        EXPECT_EQ(ledger_faults(), "");
        EXPECT_EQ(differing(*this, "full_name"), "0");
    }
}

TEST_P(Interrupt, DuringALadder) {
    for (int const times : {1, 2}) {
        make_users(*this, 50);
        auto const file = plan(rename_plan);
        Client reader{db.conninfo};
        reader.exec("BEGIN");
        reader.exec("SELECT count(*) FROM users");
        auto process = start({"run", file});
        ASSERT_TRUE(wait_until([&] { return has(process.out(), "waits for a lock") || !process.running(); }));
        for (int i = 0; i < times; ++i) process.signal(GetParam());
        expect_stops(process, 3s);
        reader.exec("ROLLBACK");
        EXPECT_EQ(finish(file).status, 0);
        EXPECT_EQ(ledger_faults(), "");
    }
}

INSTANTIATE_TEST_SUITE_P(Signals, Interrupt, ::testing::Values(SIGINT, SIGTERM, SIGHUP), [](auto const& param_info) {
    return std::string{param_info.param == SIGINT ? "Int" : param_info.param == SIGTERM ? "Term" : "Hup"};
});

}  // namespace
}  // namespace weir::tests
