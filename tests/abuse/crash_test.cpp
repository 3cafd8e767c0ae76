/// The program is killed, stopped and interrupted at any instant, also while it recovers from that, and while it
/// undoes.
#include <algorithm>
#include <csignal>
#include <iostream>

#include "abuse.h"

namespace weir::tests {
namespace {

class Killed : public Abuse {};

TEST_F(Killed, AtAnyInstant) {
    abuse(3, 200, [this](Dice& dice) {
        auto const oracle = make(dice);
        auto process = begin({"--approve", "all"});
        let(process, dice.moment(calm().took));
        kill(process);
        EXPECT_TRUE(oracle->more(10)) << "the application stands still beside a dead run";
        EXPECT_EQ(oracle->rows(), "") << "beside a dead run";
        recover();
        expect_done(*oracle);
    });
}

TEST_F(Killed, WhileItRecoversFromThat) {
    abuse(2, 60, [this](Dice& dice) {
        auto const oracle = make(dice);
        for (int kills = 2 + dice.below(2); kills > 0; --kills) {
            auto process = begin({"--approve", "all"});
            let(process, dice.moment(calm().took));
            if (process.running()) count("kills");
            kill(process);
            EXPECT_EQ(oracle->rows(), "") << "beside a dead run";
        }
        recover();
        expect_done(*oracle);
    });
}

/// Undoing is killed, too; then it is chosen again, or forward is: both go on with undoing, and never half of each.
TEST_F(Killed, WhileItUndoes) {
    abuse(2, 100, [this](Dice& dice) {
        auto const oracle = make(dice);
        {
            auto process = begin({"--until", "proof"});
            if (dice.coin())
                wait(process);
            else
                let(process, dice.moment(calm().took)), kill(process);
        }
        auto const undo = [&](bool forward) {
            return forward ? begin() : start({"abort", "rename-it", "--progress", "json"});
        };
        // Undoing takes some ms: what is hit by chance is mostly its beginning, so it is also hit between its strings.
        for (int kills = 1 + dice.below(3); kills > 0; --kills) {
            auto const string = (dice.coin() ? "before:" : "after:") + std::to_string(4 + dice.below(12));
            bool const by_chance = dice.below(3) == 0;
            auto process =
                by_chance ? undo(false) : start({"abort", "rename-it", "--progress", "json"}, {{"WEIR_CRASH", string}});
            if (by_chance) let(process, dice.moment(400ms)), process.signal(SIGKILL);
            if (wait(process).status == 128 + SIGKILL) count("kills");
            EXPECT_EQ(oracle->rows(), "") << "beside a dead undo";
        }
        bool const began = ledger() && value("SELECT count(*) FROM weir.entries") != "0";
        auto const is = [&](std::string const& kind) {
            return began && value("SELECT count(*) FROM weir.entries WHERE kind = '" + kind + "'") != "0";
        };
        bool const undone = is("undone"), undoing = is("aborting");
        if (is("step_undone") && !undone) count("undone in part");
        bool const forward = undoing && !undone && dice.coin();
        count(forward ? "then forward" : "then back");
        Ran ran;
        EXPECT_TRUE(wait_until(
            [&] {
                auto process = undo(forward);
                ran = wait(process);
                return !has(ran.out + ran.err, "other-leader") && !has(ran.out, "ordered:");
            },
            30s));
        if (!began)
            EXPECT_EQ(ran.status, 1) << told(ran);
        else if (undone)
            EXPECT_TRUE(refused(ran, 5, "not-now", {"undone"}));
        else
            EXPECT_EQ(ran.status, 6) << told(ran);
        if (began) expect_undone(*oracle);
        recover();
        expect_done(*oracle);
    });
}

class Signalled : public Abuse {
  protected:
    std::chrono::milliseconds slowest_stop{};
};

TEST_F(Signalled, AtAnyInstantItStopsCleanly) {
    abuse(2, 100, [this](Dice& dice) {
        auto const oracle = make(dice);
        auto process = begin({"--approve", "all"});
        let(process, dice.moment(calm().took));
        process.signal(dice.coin() ? SIGTERM : SIGINT);
        if (dice.below(4) == 0) process.signal(SIGINT);
        auto const began = std::chrono::steady_clock::now();
        auto const ran = wait(process, 20s);
        auto const took = std::chrono::steady_clock::now() - began;
        slowest_stop = std::max(slowest_stop, std::chrono::duration_cast<std::chrono::milliseconds>(took));
        // Before it has begun to listen, a signal is the end; when the work is done already, it is done.
        bool const early = ran.status > 128 && !has(ran.out, "\"event\"");
        EXPECT_TRUE(early || ran.status == 0 || (ran.status == 4 && has(ran.out + ran.err, "interrupted")))
            << told(ran);
        count(early ? "before it listens" : ran.status == 0 ? "done already" : "stopped");
        EXPECT_EQ(oracle->rows(), "");
        recover();
        expect_done(*oracle);
    });
    std::cout << "stopped in " << slowest_stop.count() << " ms at most\n";
}

class Asleep : public Abuse {};

/// Stopped at any instant, taken over, woken up: it writes nothing.
TEST_F(Asleep, AndTakenOverItWritesNothingWhenItWakes) {
    abuse(2, 100, [this](Dice& dice) {
        auto const oracle = make(dice);
        auto process = begin({"--approve", "all"});
        let(process, dice.moment(calm().took));
        process.signal(SIGSTOP);
        bool const finished = !process.running();
        if (finished) count("done already");
        auto const leads =
            sql("SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = 1 AND granted AND "
                "database = (SELECT oid FROM pg_database WHERE datname = current_database())");
        if (!finished && !leads.empty()) {
            count("while it leads");
            EXPECT_TRUE(refused(weir({"run", file}), 5, "other-leader", {"weir rename-it control", "--take-over"}));
        }
        EXPECT_TRUE(oracle->more(10)) << "the application stands still beside a sleeping run";
        auto const ran = weir({"run", file, "--take-over", "--approve", "all"});
        EXPECT_EQ(ran.status, 0) << told(ran);
        expect_done(*oracle);
        auto const before = everything();
        process.signal(SIGCONT);
        auto const woken = wait(process, 30s);
        // One that had not begun to act finds the work done, or its session ended.
        auto const said = woken.out + woken.err;
        bool const displaced = woken.status == 5 && (has(said, "other-leader") || has(said, "administrator command"));
        EXPECT_TRUE(displaced || (woken.status == 0 && has(said, "nothing_to_do")) || finished) << told(woken);
        EXPECT_EQ(everything(), before) << told(woken);
    });
}

class Raced : public Abuse {};

TEST_F(Raced, ByTwoOrFiveOneActs) {
    abuse(2, 200, [this](Dice& dice) {
        auto const oracle = make(dice);
        std::vector<Process> all;
        std::size_t const racers = dice.coin() ? 2 : 5;
        auto const began = std::chrono::steady_clock::now();
        for (std::size_t i = 0; i < racers; ++i) {
            // All within 10 ms, and at the gate the one that leads is still there when the others have given up.
            auto const at = began + std::chrono::microseconds{dice.below(10'000)};
            while (std::chrono::steady_clock::now() < at) std::this_thread::yield();
            all.push_back(start({"run", file}));
        }
        auto const running = [&] { return std::ranges::count_if(all, [](Process& one) { return one.running(); }); };
        ASSERT_TRUE(wait_until([&] { return running() <= 1; }, 30s));
        ASSERT_EQ(running(), 1) << told(wait(all[0]));
        auto& winner = *std::ranges::find_if(all, [](Process& one) { return one.running(); });
        for (auto& one : all)
            if (&one != &winner) {
                EXPECT_TRUE(refused(wait(one), 5, "other-leader", {"pid "}));
            }
        bool const killed = dice.coin();
        if (!killed) {
            ASSERT_TRUE(at_gate(winner)) << winner.out() << winner.err();
        }
        EXPECT_EQ(value("SELECT epoch FROM weir.meta"), "1");
        EXPECT_EQ(value("SELECT count(*) FROM weir.entries WHERE kind = 'began'"), "1");
        if (killed) {
            count("killed the one that acts");
            kill(winner);
            recover();
        } else {
            EXPECT_EQ(oracle->rows(true), "") << "at the gate";
            EXPECT_EQ(weir({"approve", "rename-it", "contract"}).status, 0);
            EXPECT_EQ(wait(winner).status, 0);
        }
        expect_done(*oracle);
    });
}

}  // namespace
}  // namespace weir::tests
