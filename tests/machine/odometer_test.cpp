/// Everything that may come next, tried one after the other, each to its end.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>

#include "world.h"

namespace weir {
namespace {

using Answer = Sim::Answer;

/// Of the first turns from the plain way, so many are gone: all but with a sanitizer, where each costs much more.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::size_t one_in = 4;
#else
constexpr std::size_t one_in = 1;
#endif

class Odometer {
  public:
    struct Budget {
        int faults{}, kills{}, aborts{}, interrupts{};
        bool orders{};  ///< completions in every order; otherwise first in, first out
    };

    void explore(Sim sim, Budget const& left, int depth = 0) {
        auto const base = path_.size();
        while (broken_.empty()) {
            if (depth > 400) sim.world.object("no end in sight");
            if (sim.pending.empty() && !sim.exit) sim.world.object("nothing in flight, and not over");
            if (!sim.pending.empty() && sim.exit) sim.world.object("Finish with commands in flight");
            // A run that stopped is run again: whoever was interrupted, or met a fault. So is what waits until nothing
            // uses the new shape.
            bool const reopened = sim.exit == 3 && sim.world.has("reopened");
            if (reopened) (sim.world.has("rolling_back") ? sim.config.rollback : sim.config.abort) = true;
            bool const again = sim.exit == 4 || reopened;
            if (again && sim.starts > 8) sim.world.object("it stops again and again");
            if (sim.exit && !again) sim.world.judge_end(*sim.exit, sim.config.program);
            if (!sim.world.objections.empty()) {
                broke(sim);
                return;
            }
            if (again) {
                sim.start();
                path_.emplace_back("started again");
                continue;
            }
            if (sim.exit) {
                ++(*sim.exit == 6 ? undone : done);
                break;
            }
            branch(sim, left, depth);
            path_.emplace_back("-");
            sim.answer(0, sim.pending[0].canceled ? Answer::canceled : Answer::done);
            ++depth;
        }
        if (broken_.empty()) path_.resize(base);
    }

    long done{}, undone{};
    std::string const& broken() const { return broken_; }

  private:
    /// All ways to go on but the plain one.
    void branch(Sim const& sim, Budget const& left, int depth) {
        auto const go = [&](Budget const& rest, std::string how, auto const& act) {
            if (!broken_.empty()) return;
            if (turns_ == 0 && first_++ % one_in != 0) return;
            auto next = sim;
            act(next);
            path_.push_back(std::move(how));
            ++turns_;
            explore(std::move(next), rest, depth + 1);
            --turns_;
            if (broken_.empty()) path_.pop_back();
        };
        std::size_t const reach = left.orders ? sim.pending.size() : 1;
        for (std::size_t i = 0; i < reach; ++i) {
            auto const& p = sim.pending[i];
            auto const answer = [&](Answer how, Budget const& rest, std::string const& word) {
                go(rest, std::to_string(i) + " " + word, [&](Sim& next) { next.answer(i, how); });
            };
            if (i > 0) answer(p.canceled ? Answer::canceled : Answer::done, left, "done");
            // A cancel that came too late is nobody's fault.
            if (p.canceled && p.kind == Sim::Kind::execute) answer(Answer::done, left, "done in spite of the cancel");
            if (left.faults == 0 || p.kind == Sim::Kind::rest) continue;
            auto rest = left;
            --rest.faults;
            answer(Answer::lost, rest, "lost");
            if (p.kind == Sim::Kind::connect) continue;
            answer(Answer::lost_after_commit, rest, "lost after the commit");
            answer(Answer::lock_busy, rest, "lock busy");
            if (!p.canceled) answer(Answer::canceled, rest, "canceled");
        }
        if (left.kills > 0) {
            auto rest = left;
            --rest.kills;
            auto const flying = std::count_if(sim.pending.begin(), sim.pending.end(),
                                              [](auto const& p) { return p.kind == Sim::Kind::execute; });
            for (unsigned applied = 0; applied < (1U << static_cast<unsigned>(flying)); ++applied)
                go(rest, "killed, committed " + std::to_string(applied), [&](Sim& next) {
                    next.kill(applied);
                    next.start();
                });
        }
        if (left.aborts > 0) {
            auto rest = left;
            --rest.aborts;
            go(rest, "abort", [](Sim& next) { next.order(OrderWord::abort); });
        }
        if (left.interrupts > 0) {
            auto rest = left;
            --rest.interrupts;
            for (int times = 1; times <= 2; ++times)
                go(rest, "interrupted " + std::to_string(times), [&](Sim& next) {
                    for (int i = 1; i <= times; ++i) next.give(Interrupted{i});
                });
        }
    }

    void broke(Sim const& sim) {
        for (auto const& objection : sim.world.objections) broken_ += objection + "\n";
        broken_ += "after:";
        for (auto const& step : path_) broken_ += " " + step + ",";
        broken_ += "\nledger:";
        for (auto const& line : sim.world.journal()) broken_ += " " + line + ",";
        broken_ += "\nin flight: " + std::to_string(sim.pending.size());
    }

    std::vector<std::string> path_;
    std::string broken_;
    int turns_{};          ///< from the plain way, until here
    std::size_t first_{};  ///< turns from the plain way that were seen
};

/// Change, fill of four ranges by two workers, proof of the same pages, drop behind the gate.
Program small() {
    return program({transactional("expand.1", Phase::expand), work("backfill.1", Phase::backfill, false),
                    work("proof.1", Phase::proof, true), transactional("contract.1", Phase::contract, false)},
                   true);
}

Sim simulation(Program program, std::int64_t pages, std::int64_t width) {
    Sim sim{std::move(program)};
    sim.world.right.assign(static_cast<std::size_t>(pages), false);
    sim.world.width = width;
    sim.config.approve = {"contract"};
    return sim;
}

void turn(Sim sim, Odometer::Budget budget, char const* what) {
    auto const began = std::chrono::steady_clock::now();
    Odometer odometer;
    sim.start();
    odometer.explore(std::move(sim), budget);
    std::chrono::duration<double> const took = std::chrono::steady_clock::now() - began;
    std::printf("[ odometer ] %s: %ld histories end done, %ld undone, %.1f s\n", what, odometer.done, odometer.undone,
                took.count());
    EXPECT_EQ(odometer.broken(), "");
    EXPECT_GT(odometer.done + odometer.undone, 0);
}

TEST(Odometer, OrdersOfCompletion) {
    turn(simulation(small(), 64, 32), {0, 0, 0, 0, true}, "four ranges, every order");
}

TEST(Odometer, OneFaultInEveryOrder) {
    turn(simulation(small(), 64, 32), {1, 0, 0, 0, true}, "four ranges, every order, 1 fault");
}

TEST(Odometer, TwoFaultsInEveryOrder) {
    turn(simulation(small(), 32, 16), {2, 0, 0, 0, true}, "two ranges, every order, 2 faults");
}

TEST(Odometer, TwoFaults) { turn(simulation(small(), 64, 32), {2, 0, 0, 0, false}, "four ranges, 2 faults"); }

TEST(Odometer, TwoKills) { turn(simulation(whole(), 64, 32), {0, 2, 0, 0, false}, "four ranges, 2 kills"); }

TEST(Odometer, KillInEveryOrder) {
    turn(simulation(small(), 64, 32), {0, 1, 0, 0, true}, "four ranges, every order, 1 kill");
}

TEST(Odometer, AbortAndKill) { turn(simulation(whole(), 32, 16), {0, 1, 1, 0, false}, "two ranges, an abort, 1 kill"); }

TEST(Odometer, AbortAndFault) {
    turn(simulation(whole(), 32, 16), {1, 0, 1, 0, false}, "two ranges, an abort, 1 fault");
}

TEST(Odometer, AbortInContract) {
    auto sim = simulation(two_aside(true), 0, 16);
    sim.world.script = std::make_shared<Script const>(sim.config.program);
    turn(sim, {1, 0, 1, 0, false}, "set aside, an abort, 1 fault");
    turn(sim, {0, 1, 1, 0, false}, "set aside, an abort, 1 kill");
    turn(sim, {0, 0, 1, 1, false}, "set aside, an abort, an interrupt");
    sim.config.program.gate = sim.world.rules.gate = false;
    turn(sim, {0, 1, 1, 0, false}, "set aside without a gate, an abort, 1 kill");
}

TEST(Odometer, InterruptAndFault) {
    turn(simulation(small(), 32, 16), {1, 0, 0, 1, false}, "two ranges, an interrupt, 1 fault");
}

TEST(Odometer, Standalone) {
    auto const steps = program({transactional("expand.1", Phase::expand), standalone("expand.2", Phase::expand, true),
                                standalone("expand.3", Phase::expand, false, true)},
                               false);
    turn(simulation(steps, 0, 16), {2, 0, 0, 0, false}, "standalone, 2 faults");
    turn(simulation(steps, 0, 16), {1, 1, 0, 0, false}, "standalone, 1 fault, 1 kill");
    turn(simulation(steps, 0, 16), {0, 1, 0, 1, false}, "standalone, 1 kill, an interrupt");
    turn(simulation(steps, 0, 16), {1, 0, 1, 0, false}, "standalone, 1 fault, an abort");
    turn(simulation(steps, 0, 16), {0, 1, 1, 0, false}, "standalone, 1 kill, an abort");
}

TEST(Odometer, StandaloneBothWays) {
    auto const steps =
        program({concurrently("expand.1", Phase::expand), transactional("expand.2", Phase::expand)}, false);
    turn(simulation(steps, 0, 16), {2, 0, 0, 0, false}, "alone both ways, 2 faults");
    turn(simulation(steps, 0, 16), {1, 0, 1, 0, false}, "alone both ways, 1 fault, an abort");
    turn(simulation(steps, 0, 16), {0, 1, 1, 0, false}, "alone both ways, 1 kill, an abort");
    turn(simulation(steps, 0, 16), {0, 0, 1, 1, false}, "alone both ways, an abort, an interrupt");
    auto const late = program({transactional("expand.1", Phase::expand), concurrently("contract.1", Phase::contract),
                               transactional("contract.2", Phase::contract)},
                              true);
    turn(simulation(late, 0, 16), {0, 1, 1, 0, false}, "alone in contract, 1 kill, an abort");
}

TEST(Odometer, Backup) {
    Step save;
    save.id = "contract.1";
    save.phase = Phase::contract;
    save.kind = StepKind::backup;
    save.saves = {users()};
    auto drop = transactional("contract.2", Phase::contract, false);
    drop.destroys = {users()};
    auto const steps = program({transactional("expand.1", Phase::expand), save, drop}, true);
    turn(simulation(steps, 0, 16), {1, 1, 0, 0, false}, "backup, 1 fault, 1 kill");
    turn(simulation(steps, 0, 16), {0, 0, 0, 1, false}, "backup, an interrupt");
    turn(simulation(steps, 0, 16), {1, 0, 1, 0, false}, "backup, 1 fault, an abort");
}

}  // namespace
}  // namespace weir
