/// The pace controller against simulated servers: named worlds for each promise, and random ones.
///   WEIR_SEED=17 test_machine --gtest_filter=PaceSim.Random*    plays one world again
///   WEIR_WORLDS=1000000                                          plays more of them
#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "pace_sim.h"

namespace weir {
namespace {

using pace_sim::Course;
using pace_sim::Simulation;
using pace_sim::World;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::uint64_t worlds_a_build = 500;
#else
constexpr std::uint64_t worlds_a_build = 10'000;
#endif

constexpr Millis s(int seconds) { return Millis{seconds * 1000}; }
constexpr Millis settled = s(30);
constexpr double overshoot = 1.1;    ///< load
constexpr double swing_most = 0.8;   ///< of the mean pace, peak to peak
constexpr long stops_most = 1;       ///< after it has settled, by noise
constexpr double share_free = 0.9;   ///< of full speed, when nothing limits
constexpr double share_least = 0.6;  ///< of what keeps the load at the target

/// The pace at which the worst load is the target (a lag: at which it does not grow), or 1.
double sustainable(World const& world, double t = PaceController::target) {
    double most = 1;
    for (auto const& replica : world.replicas) most = std::min(most, replica.bandwidth - world.application);
    if (world.wal_rate) most = std::min(most, world.wal_rate->limit * t - world.application);
    if (world.commit_latency)
        most = std::min(most, world.disk * (1 - 1 / (world.commit_latency->limit * t)) - world.application);
    if (world.active_sessions)
        most = std::min(most, (world.active_sessions->limit * t / world.sessions - 1) / world.slows);
    return most;
}

pace_sim::Immediate wal_rate(double limit) { return {.signal = "wal_rate", .limit = limit, .window = s(1)}; }
pace_sim::Immediate commit_latency(double limit) { return {.signal = "commit_latency", .limit = limit}; }
pace_sim::Immediate active_sessions(double limit) {
    return {.signal = "active_sessions", .limit = limit, .poll = s(1), .window = s(1)};
}

void print(char const* name, World const& world, Course const& course) {
    auto const end = world.time;
    auto const aim = std::min(sustainable(world), 1.0);
    auto const reached = course.reached(aim, Millis{}, end);
    std::printf("[ pace     ] %-34s %5.2f %5.2f %5.2f %5.2f %5.2f %5.2f %6.1f %d\n", name, aim,
                course.throughput(settled, end), course.pace(settled, end), course.load(settled, end),
                course.peak(Millis{}, end), course.swing(settled, end),
                reached ? static_cast<double>(reached->count()) / 1000 : -1.0, static_cast<int>(course.stops.size()));
}

std::string wrong_when_constant(World const& world, Course const& course, Millis end) {
    std::string wrong;
    auto const object = [&](std::string what, double figure) { wrong += what + " " + std::to_string(figure) + "; "; };
    auto const aim = std::min(sustainable(world, 0.75), 1.0);
    auto const throughput = course.throughput(settled, end);
    if (throughput < aim * (sustainable(world, PaceController::free) < 1 ? share_least : share_free))
        object("throughput", throughput / aim);
    if (auto const peak = course.peak(Millis{}, end); peak > overshoot) object("load", peak);
    if (auto const swing = course.swing(settled, end); swing > swing_most) object("swing", swing);
    if (auto const stops = course.stops_within(settled, end); stops > stops_most)
        object("stops", static_cast<double>(stops));
    if (course.wrong_batches > 0) object("forbidden batches", course.wrong_batches);
    return wrong;
}

/// Constant conditions for 45 s, then something happens; afterwards all is as before.
struct RandomWorld {
    static constexpr Millis event = s(45);

    explicit RandomWorld(std::uint64_t seed) : dice{seed} {
        world.seed = seed;
        world.workers = static_cast<int>(1 + below(8));
        world.batch = Millis{static_cast<std::int64_t>(between(30, 80))};
        world.noise = between(0, 0.05);
        world.lost = chance(0.3) ? between(0, 0.05) : 0;
        world.late = Millis{static_cast<std::int64_t>(between(0, 200))};
        world.application = chance(0.5) ? between(0, 0.3) : 0;
        auto const kinds = 1 + below(15);
        if (kinds & 1)
            for (auto n = 1 + below(3); n > 0; --n)
                world.replicas.push_back({.bandwidth = own() + world.application,
                                          .network = pace_sim::step * static_cast<int>(below(4)),
                                          .limit = between(1.3, 5)});
        if (kinds & 2) {
            world.wal_rate = wal_rate((own(0.2) + world.application) / PaceController::target);
            world.wal_rate->window = Millis{static_cast<std::int64_t>(between(500, 2000))};
        }
        if (kinds & 4) {
            world.commit_latency = commit_latency(between(2, 4));
            world.commit_latency->window = s(2);
            world.disk =
                (own(0.25) + world.application) / (1 - 1 / (world.commit_latency->limit * PaceController::target));
        }
        if (kinds & 8) {
            world.sessions = between(1, 20);
            world.slows = between(0.5, 3);
            world.active_sessions =
                active_sessions(world.sessions * (1 + world.slows * own()) / PaceController::target);
        }
        auto const length = Millis{static_cast<std::int64_t>(between(500, 6000))};
        over = event + length;
        if (chance(0.2)) world.silences = {{event, over, 1}};
        if (chance(0.3)) world.bursts = {{event, over, world.application + between(0, 2)}};
        if (chance(0.3))
            for (auto& replica : world.replicas) replica.replay = {{event, over, 0}};
        if (chance(0.3)) world.checkpoints = {{event, over, world.disk / 3}};
        if (chance(0.3)) world.crowds = {{event, over, world.sessions * 4}};
        world.time = over + s(60);
    }
    /// What may be ours at the target, as a share of full speed.
    double own(double least = 0.12) { return std::exp(between(std::log(least), std::log(3))); }
    double between(double low, double high) { return std::uniform_real_distribution<double>{low, high}(dice); }
    std::uint64_t below(std::uint64_t n) { return dice() % n; }
    bool chance(double share) { return between(0, 1) < share; }

    std::string play() {
        auto const course = Simulation{world}.run();
        auto wrong = wrong_when_constant(world, course, event);
        auto const first = std::ranges::find_if(course.samples, [&](auto const& sample) {
            return sample.at >= over + s(5) && sample.load <= PaceController::go_again;
        });
        if (first == course.samples.end()) return wrong;  // what the outside left takes longer
        auto const again = first->at + settled;
        if (again + s(10) > world.time) return wrong;
        auto const aim = std::min(sustainable(world, 0.75), 1.0);
        if (auto const now = course.throughput(again, world.time); now < aim * share_least)
            wrong += "afterwards throughput " + std::to_string(now / aim) + "; ";
        if (auto const peak = course.peak(again, world.time); peak > overshoot)
            wrong += "afterwards load " + std::to_string(peak) + "; ";
        return wrong;
    }

    std::mt19937_64 dice;
    World world;
    Millis over{};
};

std::string describe(World const& w) {
    std::string text = "app " + std::to_string(w.application) + " workers " + std::to_string(w.workers);
    for (auto const& r : w.replicas)
        text += " lag(" + std::to_string(r.bandwidth) + "," + std::to_string(r.limit) + ")";
    if (w.wal_rate) text += " wal " + std::to_string(w.wal_rate->limit);
    if (w.commit_latency)
        text += " commit " + std::to_string(w.commit_latency->limit) + " disk " + std::to_string(w.disk);
    if (w.active_sessions)
        text += " active " + std::to_string(w.active_sessions->limit) + " of " + std::to_string(w.sessions);
    return text + " aim " + std::to_string(sustainable(w));
}

std::uint64_t number_from(char const* variable, std::uint64_t otherwise) {
    char const* text = std::getenv(variable);
    return text != nullptr ? std::strtoull(text, nullptr, 0) : otherwise;
}

TEST(PaceSim, RandomExplore) {
    std::map<std::string, int> kinds;
    int shown = 0;
    auto const n = number_from("WEIR_WORLDS", 1000);
    for (std::uint64_t seed = 1; seed <= n; ++seed) {
        RandomWorld world{seed};
        auto const wrong = world.play();
        if (wrong.empty()) continue;
        std::string kind;
        for (char c : wrong)
            if (!std::isdigit(c) && c != '.') kind += c;
        if (kinds[kind]++ < 4 && shown++ < 60)
            std::printf("%llu: %s | %s\n", static_cast<unsigned long long>(seed), wrong.c_str(),
                        describe(world.world).c_str());
    }
    for (auto const& [kind, count] : kinds) std::printf("%5d %s\n", count, kind.c_str());
}

TEST(PaceSim, Explore) {
    for (double limit : {1.0, 2.0, 5.0, 10.0})
        for (double bandwidth : {2.0, 0.9, 0.5, 0.15}) {
            World world;
            world.replicas = {{.bandwidth = bandwidth, .limit = limit}};
            auto const name =
                "lag " + std::to_string(limit).substr(0, 4) + " " + std::to_string(bandwidth).substr(0, 4);
            auto const course = Simulation{world}.run();
            print(name.c_str(), world, course);
            EXPECT_EQ(wrong_when_constant(world, course, world.time), "");
        }
    for (double limit : {2.0, 0.6, 0.2}) {
        World world;
        world.wal_rate = wal_rate(limit);
        auto const course = Simulation{world}.run();
        print("wal", world, course);
        EXPECT_EQ(wrong_when_constant(world, course, world.time), "");
    }
    for (double disk : {4.0, 1.2, 0.5}) {
        World world;
        world.disk = disk;
        world.commit_latency = commit_latency(10);
        auto const course = Simulation{world}.run();
        print("commit", world, course);
        EXPECT_EQ(wrong_when_constant(world, course, world.time), "");
    }
    for (double limit : {20, 10, 8}) {
        World world;
        world.active_sessions = active_sessions(limit);
        auto const course = Simulation{world}.run();
        print("active", world, course);
        EXPECT_EQ(wrong_when_constant(world, course, world.time), "");
    }
}

}  // namespace
}  // namespace weir
namespace weir {
namespace {
TEST(PaceSim, DISABLED_Dump) {
    RandomWorld world{number_from("WEIR_SEED", 1)};
    auto const& w = world.world;
    std::printf("%s\n", describe(w).c_str());
    for (auto const& x : w.silences)
        std::printf("silence %lld %lld\n", (long long)x.from.count(), (long long)x.to.count());
    for (auto const& x : w.bursts)
        std::printf("burst %lld %lld %.2f\n", (long long)x.from.count(), (long long)x.to.count(), x.value);
    for (auto const& x : w.crowds)
        std::printf("crowd %lld %lld %.2f\n", (long long)x.from.count(), (long long)x.to.count(), x.value);
    for (auto const& x : w.checkpoints)
        std::printf("checkp %lld %lld %.2f\n", (long long)x.from.count(), (long long)x.to.count(), x.value);
    auto c = Simulation{w}.run();
    for (auto const& at : c.stops) std::printf("stop %.2f\n", (double)at.count() / 1000);
    for (auto& s : c.samples)
        if (s.at.count() % number_from("EVERY", 1000) == 0)
            std::printf("%lld p %.3f load %.2f w %.3f\n", (long long)s.at.count(), s.pace, s.load, s.wrote * 4);
}
}  // namespace
}  // namespace weir
