/// The program of every golden case, killed at every point of its life and of what came of the kill before: the process
/// dies, what was in flight has committed or not, and a new one goes on, or is told to undo.
///
/// What a newcomer does follows from what it finds (the ledger, the rows, the orders), so two histories that leave the
/// same world behind go on alike: each world is gone through once, and all histories through it are counted.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <unordered_map>

#include "phases/operations.h"
#include "plans/reader.h"
#include "tests/support/cluster.h"
#include "tests/support/golden.h"
#include "world.h"

namespace weir {
namespace {

using Answer = Sim::Answer;
using tests::GoldenCase;

class Kills {
  public:
    struct Ends {
        double done{}, undone{};
        Ends& operator+=(Ends const& other) {
            done += other.done;
            undone += other.undone;
            return *this;
        }
    };

    /// Killed at every point, or at every so many-th. `each_once`: a world that was seen is not gone through again.
    explicit Kills(int every = 1, bool each_once = true) : every_{every}, each_once_{each_once} {}

    /// A new orchestrator in this world, and up to so many kills from here on.
    Ends turn(Sim sim, int kills) {
        auto const print = print_of(sim.world, !sim.orders.empty(), sim.config.rollback || sim.config.abort, kills);
        if (auto const* seen = known(print)) return *seen;
        ++worlds;
        auto const ends = live(std::move(sim), kills);
        seen_.emplace(print, ends);
        return ends;
    }

    long worlds{}, killed{};
    /// What it must notice: with the process the newest entry of a step is lost, and not what the step did.
    bool forgets{};
    std::string const& broken() const { return broken_; }

  private:
    static std::string print_of(World const& world, bool aborted, bool rollback, int kills) {
        return world.print() + (aborted ? "A" : "") + (rollback ? "R" : "") + static_cast<char>('0' + kills);
    }
    Ends const* known(std::string const& print) const {
        auto const seen = seen_.find(print);
        return each_once_ && seen != seen_.end() ? &seen->second : nullptr;
    }

    /// The way without another kill, with every kill on it.
    Ends live(Sim sim, int kills) {
        Ends ends;
        auto const depth = path_.size();
        sim.pending.clear();
        sim.start();
        while (broken_.empty()) {
            if (path_.size() > depth + 2000) sim.world.object("no end in sight");
            if (sim.pending.empty() && !sim.exit) sim.world.object("nothing in flight, and not over");
            bool const rests = sim.exit == 0 && sim.world.has("quarantined") && !sim.world.has("finished");
            bool const reopened = sim.exit == 3 && sim.world.has("reopened");
            if (sim.exit && !reopened) sim.world.judge_end(*sim.exit, sim.config.program);
            if (broke(sim.world)) break;
            if (reopened) {
                path_.emplace_back("undone as far as the gate");
                (sim.world.has("rolling_back") ? sim.config.rollback : sim.config.abort) = true;
                ends += turn(std::move(sim), kills);
                break;
            }
            if (rests) {
                for (bool const back : {false, true}) {
                    auto next = sim;
                    next.world.quarantine_over = !back;
                    next.config.rollback = back;
                    next.config.approve.clear();
                    path_.emplace_back(back ? "rolled back" : "the quarantine is over");
                    ends += turn(std::move(next), kills);
                    if (broken_.empty()) path_.pop_back();
                }
                break;
            }
            if (sim.exit) {
                ++(*sim.exit == 6 ? ends.undone : ends.done);
                break;
            }
            if (kills > 0 && points_++ % every_ == 0) ends += kill(sim, kills);
            path_.emplace_back("-");
            sim.answer(0, sim.pending[0].canceled ? Answer::canceled : Answer::done);
        }
        if (broken_.empty()) path_.resize(depth);
        return ends;
    }

    /// Here, in every way: each of what is in flight has committed or has not.
    Ends kill(Sim const& sim, int kills) {
        Ends ends;
        auto const flying = std::count_if(sim.pending.begin(), sim.pending.end(),
                                          [](auto const& p) { return p.kind == Sim::Kind::execute; });
        for (unsigned applied = 0; applied < (1U << static_cast<unsigned>(flying)); ++applied) {
            auto left = sim.after_kill(applied);
            if (forgets && left.entries.back().kind == "step_done") left.entries.pop_back();
            left.judge_now(sim.config.program);
            // Once is enough, and what rests in quarantine is rolled back.
            bool const may_abort =
                sim.orders.empty() && !sim.config.rollback && !sim.config.abort && !left.has("quarantined");
            for (int abort = 0; abort <= (may_abort ? 1 : 0); ++abort) {
                ++killed;
                bool const aborted = abort == 1 || !sim.orders.empty();
                if (auto const* seen =
                        known(print_of(left, aborted, sim.config.rollback || sim.config.abort, kills - 1))) {
                    ends += *seen;
                    continue;
                }
                path_.emplace_back("killed, committed " + std::to_string(applied) + (abort == 1 ? ", abort" : ""));
                if (broke(left)) return ends;
                auto next = sim;
                next.machine.reset();
                next.world = left;
                if (abort == 1) next.order(OrderWord::abort);
                ends += turn(std::move(next), kills - 1);
                if (!broken_.empty()) return ends;
                path_.pop_back();
            }
        }
        return ends;
    }

    bool broke(World const& world) {
        for (auto const& objection : world.objections) broken_ += objection + "\n";
        if (broken_.empty()) return false;
        broken_ += "after:";
        for (auto const& step : path_) broken_ += " " + step + ",";
        broken_ += "\nledger:";
        for (auto const& line : world.journal()) broken_ += " " + line + ",";
        return true;
    }

    int every_;
    bool each_once_;
    long points_{};
    std::unordered_map<std::string, Ends> seen_;
    std::vector<std::string> path_;
    std::string broken_;
};

/// Nothing: the case is a refusal.
std::optional<Program> program_of(GoldenCase const& golden) {
    if (!golden.has("steps.txt")) return std::nullopt;
    auto const plan = std::get<Plan>(read_plan(golden.text("plan.yaml"), "plan.yaml", operations()));
    auto const catalog = std::get<Catalog>(catalog_from_json(golden.text("catalog.json")));
    return compile(plan, catalog, RunId{golden.has("earlier.yaml") ? 2 : 1});
}

/// Two page ranges for each of its fills, and two hands.
Sim simulation(Program const& program) {
    Sim sim{program};
    auto const script = std::make_shared<Script const>(program);
    bool const works = !script->part.empty();
    sim.world.script = script;
    sim.world.right.assign(works ? 2 * script->parts : 0, false);
    // What stands in a column aside stands in the new one, too.
    for (auto const& step : program.steps)
        if (step.phase == Phase::quarantine && step.rows)
            for (std::size_t page : {0, 1}) sim.world.right[2 * script->part.at(step.id) + page] = true;
    sim.world.width = 1;
    sim.config.approve = {"contract"};
    return sim;
}

/// WEIR_ODOMETER=3: so many kills, at every point; nothing: what a build has time for.
int kills_wanted() {
    char const* text = std::getenv("WEIR_ODOMETER");
    return text != nullptr ? std::atoi(text) : 0;
}

/// All of a program that the machine decides by: programs of one shape differ in their SQL alone.
std::string shape_of(Program const& program) {
    std::string shape = program.gate ? "gate" : "";
    shape += program.quarantine.count() > 0 ? ", quarantine" : "";
    Script const script{program};
    for (auto const& step : program.steps) {
        shape += "\n" + std::string{name(step.phase)} + " " + std::string{kind_name(step)};
        for (bool const is : {step.undo.guard.empty(), step.undo.lost_counter.has_value()}) shape += is ? '1' : '0';
        for (auto const* deed : {&step.forward, &step.undo})
            for (bool const is : {deed->statements.empty(), deed->locks.empty(), deed->standalone, deed->probe.empty(),
                                  deed->may_fail, deed->scans})
                shape += is ? '1' : '0';
        if (!step.rows) continue;
        shape += " of " + std::to_string(script.part.at(step.id));
        shape += step.rows->guard.empty() ? "" : " guarded";
        shape += step.rows->erases ? " erases" : "";
    }
    return shape;
}

constexpr std::size_t many_steps = 25;

// Goal: after any kill a newcomer goes on or undoes: no step is applied twice or left out, ledger and database are at
// one point, and a run ends whole: done, or undone.
TEST(GoldenOdometer, EveryProgramKilledAtEveryPoint) {
    int const wanted = kills_wanted();
    std::set<std::string> shapes;
    std::map<int, int> by_kills;
    auto const began = std::chrono::steady_clock::now();
    int programs = 0, refusals = 0, sampled = 0;
    long worlds = 0, killed = 0;
    Kills::Ends all;
    for (auto const& golden : tests::golden_cases(WEIR_SOURCE_DIR)) {
        auto const program = program_of(golden);
        if (!program) {
            ++refusals;
            continue;
        }
        ++programs;
        auto const steps = program->steps.size();
        bool const new_shape = shapes.insert(shape_of(*program)).second;
        if (wanted == 0 && tests::sanitized && !new_shape) continue;
        int kills = !new_shape || steps > many_steps   ? 1
                    : wanted > 0                       ? wanted
                    : steps <= 10 && !tests::sanitized ? 2
                                                       : 1;
        int every = 1;
        if (wanted == 0) every = static_cast<int>(steps) / (tests::sanitized ? 5 : 20) + 1;
        if (every > 1) ++sampled;
        ++by_kills[kills];
        Kills odometer{every};
        auto const ends = odometer.turn(simulation(*program), kills);
        EXPECT_EQ(odometer.broken(), "") << golden.name;
        EXPECT_GT(ends.done, 0) << golden.name;
        if (wanted > 0)
            std::printf("[ odometer ] %s: %zu steps, up to %d kills: %.0f done, %.0f undone, through %ld worlds\n",
                        golden.name.c_str(), steps, kills, ends.done, ends.undone, odometer.worlds);
        all += ends;
        worlds += odometer.worlds;
        killed += odometer.killed;
    }
    std::chrono::duration<double> const took = std::chrono::steady_clock::now() - began;
    std::string turned;
    for (auto const& [kills, number] : by_kills)
        turned += std::to_string(number) + " with up to " + std::to_string(kills) + " kills, ";
    std::printf(
        "[ odometer ] %d golden programs of %zu shapes; %s%d of them not at every point: %.0f histories end done, %.0f "
        "undone; through %ld worlds, killed %ld times, %.1f s; %d cases are refusals and have no program\n",
        programs, shapes.size(), turned.c_str(), sampled, all.done, all.undone, worlds, killed, took.count(), refusals);
    EXPECT_GE(programs, 70);
    EXPECT_GT(all.undone, 0);
}

/// Goes on to the end, through the quarantine.
void to_the_end(Sim& sim) {
    sim.calm(3000);
    while (sim.exit == 0 && sim.world.has("quarantined") && !sim.world.has("finished")) {
        sim.world.quarantine_over = true;
        sim.start();
        sim.calm(3000);
    }
}

// Goal: whatever somebody does to the table between any two strings, nothing is destroyed that is not proven as the
// table then is, and the run comes to its end.
TEST(GoldenOdometer, SomebodyChangesTheTableBetweenAnyTwoStrings) {
    std::set<std::string> shapes;
    long histories = 0, again = 0;
    for (auto const& golden : tests::golden_cases(WEIR_SOURCE_DIR)) {
        auto const program = program_of(golden);
        if (!program || !shapes.insert(shape_of(*program)).second) continue;
        bool const works = std::any_of(program->steps.begin(), program->steps.end(),
                                       [](Step const& step) { return step.rows.has_value(); });
        if (!works) continue;
        for (bool const partitioned : {false, true}) {
            auto walk = simulation(*program);
            walk.world.partitioned = partitioned;
            walk.start();
            // Every program has other points.
            int const every = kills_wanted() > 0 ? 1 : tests::sanitized ? 97 : 23;
            int const first = static_cast<int>(shapes.size()) % every;
            for (int point = 0; !walk.exit && !walk.pending.empty(); ++point) {
                for (int deed = 0; point % every == first && deed < 3; ++deed) {
                    auto sim = walk;
                    if (deed == 1)
                        sim.world.touch_root();
                    else
                        sim.world.attach(0);
                    // He does it, and weir dies.
                    if (deed == 2) {
                        sim.kill(0);
                        sim.start();
                    }
                    to_the_end(sim);
                    auto const where = golden.name + (partitioned ? ", partitioned" : "") + ", deed " +
                                       std::to_string(deed) + " at point " + std::to_string(point);
                    ASSERT_TRUE(sim.exit.has_value()) << where;
                    EXPECT_EQ(*sim.exit, 0) << where << ": " << testing::PrintToString(sim.world.journal());
                    sim.world.judge_end(*sim.exit, sim.config.program);
                    EXPECT_THAT(sim.world.objections, testing::IsEmpty()) << where;
                    again += std::any_of(sim.world.entries.begin(), sim.world.entries.end(),
                                         [](auto const& e) { return e.kind == "checked"; });
                    ++histories;
                }
                walk.answer(0, walk.pending[0].canceled ? Answer::canceled : Answer::done);
            }
        }
        if (HasFailure()) break;
    }
    std::printf("[ odometer ] somebody changed the table in %ld histories; in %ld of them a proof was made again\n",
                histories, again);
    EXPECT_GT(again, 0);
}

/// What a rollback reads before it brings the column back may end its backend like any batch.
TEST(GoldenOdometer, ARollbackThatReadsWhatChangedSaysWhatItWasAt) {
    for (auto const& golden : tests::golden_cases(WEIR_SOURCE_DIR)) {
        if (golden.name != "quarantine-rename") continue;
        auto sim = simulation(*program_of(golden));
        sim.config.connects_again = true;
        sim.start();
        sim.calm(3000);
        ASSERT_TRUE(sim.world.has("quarantined"));
        sim.world.attach(0);
        sim.config.rollback = true;
        sim.start();
        auto const batch = sim.until([](Sim::Pending const& p) {
            return std::any_of(p.tx.actions.begin(), p.tx.actions.end(), [](Tx::Action const& action) {
                return action.verb == Tx::Verb::count && action.step.ends_with(".back");
            });
        });
        ASSERT_TRUE(batch) << testing::PrintToString(sim.world.journal());
        sim.answer(*batch, Answer::lost);
        sim.calm(3000);
        ASSERT_TRUE(sim.last);
        EXPECT_NE(sim.last->lost, "");
        EXPECT_FALSE(sim.last->at_work.empty());
        return;
    }
    FAIL() << "there is no such case";
}

TEST(GoldenOdometer, NoticesAnEntryThatIsLost) {
    int programs = 0;
    for (auto const& golden : tests::golden_cases(WEIR_SOURCE_DIR)) {
        auto const program = program_of(golden);
        if (!program || !golden.name.ends_with("-plain")) continue;
        // A fill without its entry is only done again.
        if (std::none_of(program->steps.begin(), program->steps.end(),
                         [](Step const& step) { return is_transactional(step); }))
            continue;
        ++programs;
        Kills odometer;
        odometer.forgets = true;
        odometer.turn(simulation(*program), 1);
        EXPECT_NE(odometer.broken(), "") << golden.name;
    }
    EXPECT_GE(programs, 4);
}

// Goal: the shortcut is none: going through every history by itself gives the same counts.
TEST(GoldenOdometer, WorldsStandForTheirHistories) {
    for (std::string const name : {"add-plain", "drop-plain", "fill-plain"})
        for (auto const& golden : tests::golden_cases(WEIR_SOURCE_DIR)) {
            if (golden.name != name) continue;
            auto const program = program_of(golden);
            ASSERT_TRUE(program) << name;
            Kills shortened, whole{1, false};
            auto const some = shortened.turn(simulation(*program), 2);
            auto const every = whole.turn(simulation(*program), 2);
            EXPECT_EQ(shortened.broken() + whole.broken(), "") << name;
            EXPECT_EQ(some.done, every.done) << name;
            EXPECT_EQ(some.undone, every.undone) << name;
            EXPECT_LT(shortened.killed, whole.killed) << name;
        }
}

}  // namespace
}  // namespace weir
