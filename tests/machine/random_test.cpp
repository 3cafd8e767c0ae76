/// Worlds in which anything may happen at any time, each from a seed; once the trouble is over, the run must end.
///   WEIR_SEED=17 test_machine --gtest_filter=Random.*    plays one world again
///   WEIR_WORLDS=1000000                                  plays more of them
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <random>

#include "world.h"

namespace weir {
namespace {

using Answer = Sim::Answer;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::uint64_t worlds_a_build = 1'000;
#else
constexpr std::uint64_t worlds_a_build = 5'000;
#endif

class RandomWorld {
  public:
    explicit RandomWorld(std::uint64_t seed) : dice_{seed}, sim_{make_program()} {
        sim_.config.settings.workers = 1 + below(4);
        sim_.world.right.assign(static_cast<std::size_t>(below(5) == 0 ? 0 : below(120)), false);
        sim_.config.settings.plain = chance(40);
        if (chance(30)) sim_.config.settings.workers.reset();
        sim_.world.partitioned = chance(30);
        sim_.world.rows_a_page = below(30);
        sim_.world.width = 16 * (1 + below(3));
        if (chance(50)) sim_.config.settings.throttle.limits = {{"replication_lag", 2}};
        if (chance(40)) sim_.config.approve = {"all"};
        sim_.config.settings.lock_give_up = Millis{chance(50) ? 3000 : 900'000};
        sim_.config.settings.on_blocked = static_cast<OnBlocked>(below(3));
        // A swarm: each world has its own idea of what goes wrong.
        for (auto& weight : weights_) weight = chance(40) ? below(8) : 0;
        for (auto& weight : surprises_) weight = chance(40) ? 1 + below(4) : 0;
        if (chance(30)) make_schedule();
        if (chance(30)) sim_.world.lost = below(3);
        if (chance(30))
            for (int i = 0; i < 3; ++i) sim_.world.own.insert(below(64));
        trouble_ = 20 + below(120);
        sim_.start();
    }

    /// What was wrong, or nothing.
    std::string play() {
        for (; trouble_ > 0 && !ended(); --trouble_) turn();
        settle();
        // A hundred pages, one by one at worst, three passes, a few starts.
        for (int left = 6000; !ended(); --left) {
            if (left == 0) {
                sim_.world.object("the trouble is over, and it does not end");
                break;
            }
            quiet_turn();
        }
        if (sim_.world.objections.empty() && sim_.exit) sim_.world.judge_end(*sim_.exit, sim_.config.program);
        std::string text;
        for (auto const& objection : sim_.world.objections) text += objection + "\n";
        if (!text.empty()) {
            text += "ledger:";
            for (auto const& line : sim_.world.journal()) text += " " + line + ",";
            text += "\nlately:";
            for (auto const& line : log_) text += " " + line + ",";
        }
        return text;
    }

    int exit() const { return sim_.exit.value_or(-1); }
    int starts() const { return sim_.starts; }

  private:
    enum Surprise {
        interrupt,
        abort,
        approve,
        pause,
        resume,
        set,
        lost,
        overtaken,
        kill,
        rewritten,
        grown,
        snapshot,
        tick,
        touched,
        stuck,
        readings,
        late,
        blocked,
        alone,
        attached,
        root_touched,
        surprises
    };

    int below(int n) { return static_cast<int>(dice_() % static_cast<std::uint64_t>(n)); }
    bool chance(int percent) { return below(100) < percent; }

    Program make_program() {
        auto steps = whole();
        steps.steps[0].undo.loses = chance(50) ? std::optional{users_lost()} : std::nullopt;
        switch (below(5)) {
            case 0:
                break;
            case 1:
                steps.steps.erase(steps.steps.begin() + 3, steps.steps.begin() + 5);
                break;
            case 2:
                steps.steps.insert(steps.steps.begin() + 1, chance(50) ? concurrently("expand.2", Phase::expand)
                                                                       : standalone("expand.2", Phase::expand, true));
                steps.steps.push_back(transactional("contract.3", Phase::contract, false));
                break;
            case 3:
                steps.steps.resize(4);
                steps.gate = false;
                break;
            case 4:
                steps.steps.back() = transactional("contract.2", Phase::contract);
                steps.steps.push_back(transactional("contract.3", Phase::contract));
                steps.steps.push_back(transactional("quarantine.1", Phase::quarantine, false));
                steps.quarantine = Millis{1000};
                steps.gate = chance(70);
                break;
        }
        // What it destroys must be as it was proven, whatever is attached meanwhile.
        for (auto& step : steps.steps)
            if (step.id == "contract.2" && chance(70)) step.proven_by = "contract.1";
        return steps;
    }

    /// One minute of three, for half an hour of a night that begins with the run.
    void make_schedule() {
        using namespace std::chrono_literals;
        auto& schedule = sim_.config.settings.schedule;
        sim_.now += Millis{below(60'000)};
        auto from = 22h + 13min + std::chrono::minutes{below(3)};
        for (int i = 0; i < 10; ++i, from += 3min)
            schedule.windows.push_back({Window::every_day, from, from + 1min, {}});
        if (chance(30)) schedule.at = stamp(sim_.now + Millis{below(300'000)}).wall;
    }

    bool ended() const { return !sim_.world.objections.empty() || (sim_.exit && (*sim_.exit == 0 || *sim_.exit == 6)); }

    void note(std::string what) {
        log_.push_back(std::move(what));
        if (log_.size() > 60) log_.erase(log_.begin());
    }

    void again() {
        // Nothing uses the new shape any more.
        if (sim_.exit == 3 && sim_.world.has("reopened")) {
            (sim_.world.has("rolling_back") ? sim_.config.rollback : sim_.config.abort) = true;
            sim_.config.accept_loss = static_cast<std::int64_t>(sim_.world.own.size());
        }
        // Whoever is gone leaves in flight what it had in flight; it commits or not before the next one acts.
        sim_.kill(static_cast<unsigned>(dice_()));
        sim_.start();
        note("started");
    }

    void turn() {
        if (sim_.exit) {
            again();
            return;
        }
        for (int s = 0; s < surprises; ++s)
            if (below(200) < surprises_[static_cast<std::size_t>(s)]) surprise(static_cast<Surprise>(s));
        if (sim_.exit || sim_.world.objections.size() > 0) return;
        if (sim_.pending.empty()) {
            if (chance(20))
                measure(0);
            else
                sim_.now += Millis{100};
            if (chance(10)) {
                sim_.now += Millis{below(60'000)};
                sim_.give(Ticked{});
            }
            if (chance(5)) sim_.order(OrderWord::approve);
            if (chance(5)) sim_.order(OrderWord::resume);
            return;
        }
        auto const which = static_cast<std::size_t>(below(static_cast<int>(sim_.pending.size())));
        auto const& p = sim_.pending[which];
        auto how = Answer::done;
        if (p.canceled) how = chance(80) ? Answer::canceled : Answer::done;
        for (std::size_t w = 0; w < weights_.size(); ++w)
            if (below(100) < weights_[w]) how = static_cast<Answer>(w + 1);
        sim_.took = Millis{chance(90) ? below(60) : below(3000)};
        note("answer " + std::to_string(static_cast<int>(how)));
        sim_.answer(which, how, chance(50) ? "42501" : "53100");
    }

    void surprise(Surprise what) {
        auto& world = sim_.world;
        note("surprise " + std::to_string(what));
        switch (what) {
            case interrupt:
                sim_.give(Interrupted{1 + below(2)});
                break;
            case abort:
                sim_.order(OrderWord::abort);
                break;
            case approve:
                sim_.order(OrderWord::approve);
                break;
            case pause:
                sim_.order(OrderWord::pause);
                break;
            case resume:
                sim_.order(OrderWord::resume);
                break;
            case set:
                sim_.order(OrderWord::set, "otto",
                           chance(20) ? "batch.target soon" : "batch.target " + std::to_string(1 + below(100)) + "ms");
                break;
            case lost: {
                auto const session =
                    SessionId{static_cast<std::uint8_t>(below(sim_.config.settings.workers.value_or(4) + 1))};
                sim_.connected.erase(session);
                sim_.give(Lost{session, "the test cut it"});
                break;
            }
            case overtaken:
                ++world.epoch;
                break;
            case kill:
                again();
                break;
            case rewritten:
                ++world.file;
                break;
            case grown:
                world.right.resize(world.right.size() + static_cast<std::size_t>(below(20)), true);
                break;
            case tick:
                sim_.now += gate_proof_every;
                sim_.give(Ticked{});
                break;
            case snapshot:
                world.held = !world.held;
                break;
            case touched:
                world.triggers_touched = !world.triggers_touched;
                break;
            case stuck:
                if (!world.right.empty()) world.hopeless.insert(below(static_cast<int>(world.right.size())));
                break;
            case readings:
                measure(below(5));
                break;
            case late:
                sim_.now += Millis{below(4000)};
                break;
            case blocked:
                world.in_the_way.clear();
                if (chance(50))
                    world.in_the_way = {row({"42 1/1", "42", chance(20) ? "prepared" : "session",
                                             chance(80) ? "t" : "f", chance(20) ? "t" : "f",
                                             std::to_string(below(9000)), "pid 42", chance(20) ? "a superuser" : ""})};
                break;
            case alone:
                world.alone = below(4);
                break;
            case attached:
                // With rows that nobody has filled.
                if (!world.right.empty()) world.attach(below(static_cast<int>(world.right.size())));
                break;
            case root_touched:
                world.touch_root();
                break;
            case surprises:
                break;
        }
    }

    void measure(double lag) {
        Reading reading;
        reading.signal = "replication_lag";
        reading.subject = "r1";
        if (lag < 4) reading.value = lag;
        reading.limit = 2;
        reading.unit = "s";
        reading.writes_only = chance(50);
        sim_.give(Measured{{reading}});
    }

    void settle() {
        sim_.world.hopeless.clear();
        sim_.world.in_the_way.clear();
        // In half of the worlds the old snapshot stays for ever.
        if (chance(50)) sim_.world.held = false;
        sim_.world.triggers_touched = false;
        sim_.took = Millis{20};
        note("calm");
    }

    void quiet_turn() {
        if (sim_.exit)
            again();
        else if (sim_.pending.empty()) {
            // Before the tick, with which a gate is asked for.
            if (sim_.waits()) sim_.order(OrderWord::resume);
            if (sim_.waits()) sim_.order(OrderWord::approve);
            if (!sim_.config.settings.schedule.windows.empty()) {
                sim_.now += Millis{20'000};
                sim_.give(Ticked{});
            }
            measure(0);
        } else {
            sim_.answer(0, sim_.pending[0].canceled ? Answer::canceled : Answer::done);
            if (below(10) == 0) measure(0);
        }
    }

    std::mt19937_64 dice_;
    Sim sim_;
    std::array<int, 6> weights_{};
    std::array<int, surprises> surprises_{};
    int trouble_{};
    std::vector<std::string> log_;
};

std::uint64_t number_from(char const* variable, std::uint64_t otherwise) {
    char const* text = std::getenv(variable);
    return text != nullptr ? std::strtoull(text, nullptr, 0) : otherwise;
}

TEST(Random, OnceTheTroubleIsOverTheRunEnds) {
    std::uint64_t const chosen = number_from("WEIR_SEED", 0);
    std::uint64_t const many = number_from("WEIR_WORLDS", 0);
    // A build repeats its worlds; whoever asks for more gets others.
    std::uint64_t const first = chosen != 0 ? chosen : many != 0 ? std::random_device{}() * 1'000'000ULL + 1 : 1;
    std::uint64_t const worlds = chosen != 0 ? 1 : many != 0 ? many : worlds_a_build;
    auto const began = std::chrono::steady_clock::now();
    long done = 0;
    long undone = 0;
    long starts = 0;
    std::printf("[ random   ] %llu worlds from seed %llu\n", static_cast<unsigned long long>(worlds),
                static_cast<unsigned long long>(first));
    for (std::uint64_t seed = first; seed < first + worlds; ++seed) {
        RandomWorld world{seed};
        auto const wrong = world.play();
        ASSERT_EQ(wrong, "") << "WEIR_SEED=" << seed;
        ++(world.exit() == 6 ? undone : done);
        starts += world.starts();
    }
    std::chrono::duration<double> const took = std::chrono::steady_clock::now() - began;
    std::printf("[ random   ] %ld done, %ld undone, %ld orchestrators, %.1f s\n", done, undone, starts, took.count());
}

}  // namespace
}  // namespace weir
