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
constexpr double swing_most = 0.7;   ///< of the mean pace, peak to peak, unless noise or silence stopped it
constexpr long stops_most = 2;       ///< after it has settled, by noise or silence
constexpr double stops_rare = 0.01;  ///< of the worlds have such a stop
constexpr double share_free = 0.9;   ///< of full speed, when nothing limits
constexpr double share_least = 0.6;  ///< of what keeps the load at 0.75
constexpr double share_after = 0.4;  ///< the same, after something happened, and with a stop on the way

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
    auto const reached = course.reached(aim * 0.75, Millis{}, end);
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
    auto const stops = course.stops_within(settled, end);
    auto const least = stops > 0                                      ? share_after
                       : sustainable(world, PaceController::free) < 1 ? share_least
                                                                      : share_free;
    if (throughput < aim * least) object("throughput", throughput / aim);
    if (auto const peak = course.peak(Millis{}, end); peak > overshoot) object("load", peak);
    if (auto const swing = course.swing(settled, end); stops == 0 && swing > swing_most) object("swing", swing);
    if (stops > stops_most) object("stops", static_cast<double>(stops));
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
            world.commit_latency = commit_latency(between(2, 3));
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
        stopped = course.stops_within(settled, event) > 0;
        auto const first = std::ranges::find_if(course.samples, [&](auto const& sample) {
            return sample.at >= over + s(5) && sample.load <= PaceController::go_again;
        });
        if (first == course.samples.end()) return wrong;  // what the outside left takes longer
        auto const again = first->at + settled;
        if (again + s(10) > world.time) return wrong;
        auto const aim = std::min(sustainable(world, 0.75), 1.0);
        if (auto const now = course.throughput(again, world.time); now < aim * share_after)
            wrong += "afterwards throughput " + std::to_string(now / aim) + "; ";
        if (auto const peak = course.peak(again, world.time); peak > overshoot)
            wrong += "afterwards load " + std::to_string(peak) + "; ";
        return wrong;
    }

    std::mt19937_64 dice;
    World world;
    Millis over{};
    bool stopped{};  ///< while the conditions were constant
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

struct Scenario {
    char const* name;
    World world;
};

/// Columns: what holds the load at the target; throughput, pace and load after 30 s; the highest load; the pace's
/// swing; when the throughput is there for good; stops.
void print_head() {
    std::printf("[ pace     ] %-34s %5s %5s %5s %5s %5s %5s %6s %s\n", "", "aim", "rows", "pace", "load", "peak",
                "swing", "after", "stops");
}

World lag(double limit, double bandwidth) {
    World world;
    world.replicas = {{.bandwidth = bandwidth, .limit = limit}};
    return world;
}
World wal(double limit) {
    World world;
    world.wal_rate = wal_rate(limit);
    return world;
}
World commits(double disk, double limit = 10) {
    World world;
    world.disk = disk;
    world.commit_latency = commit_latency(limit);
    world.commit_latency->window = s(1);
    return world;
}
World crowd(double limit) {
    World world;
    world.active_sessions = active_sessions(limit);
    return world;
}

TEST(PaceSim, SettlesBelowTheLimit) {
    std::vector<Scenario> scenarios{{"lag 2 s, replica twice as fast", lag(2, 2)},
                                    {"lag 2 s, replica a little slow", lag(2, 0.9)},
                                    {"lag 2 s, replica half as fast", lag(2, 0.5)},
                                    {"lag 2 s, replica at a seventh", lag(2, 0.15)},
                                    {"lag 1 s, replica half as fast", lag(1, 0.5)},
                                    {"lag 5 s, replica half as fast", lag(5, 0.5)},
                                    {"lag 10 s, replica half as fast", lag(10, 0.5)},
                                    {"wal_rate far off", wal(2)},
                                    {"wal_rate at a half", wal(0.6)},
                                    {"wal_rate at a seventh", wal(0.25)},
                                    {"commit_latency far off", commits(4)},
                                    {"commit_latency, disk nearly full", commits(1.2)},
                                    {"commit_latency, disk at a half", commits(0.6, 5)},
                                    {"commit_latency, steep", commits(0.6, 10)},
                                    {"active_sessions far off", crowd(20)},
                                    {"active_sessions at a half", crowd(8)}};
    auto slow_readings = lag(2, 0.5);
    slow_readings.late = Millis{200};
    slow_readings.noise = 0.1;
    slow_readings.lost = 0.1;
    scenarios.push_back({"lag 2 s, noise, late, 10 % lost", slow_readings});
    auto far = lag(2, 0.5);
    far.replicas.push_back({.bandwidth = 0.7, .network = Millis{200}, .limit = 2});
    scenarios.push_back({"two replicas, one far", far});
    auto busy = lag(2, 0.9);
    busy.application = 0.6;
    scenarios.push_back({"lag 2 s, busy application", busy});
    auto everything = lag(2, 0.6);
    everything.wal_rate = wal_rate(0.8);
    everything.commit_latency = commits(0.8).commit_latency;
    everything.active_sessions = active_sessions(10);
    everything.disk = 0.8;
    scenarios.push_back({"all at once", everything});
    print_head();
    for (auto const& [name, world] : scenarios) {
        auto const course = Simulation{world}.run();
        print(name, world, course);
        EXPECT_EQ(wrong_when_constant(world, course, world.time), "") << name;
        EXPECT_LE(course.swing(settled, world.time), swing_most) << name;
        EXPECT_GE(course.throughput(settled, world.time), share_least * std::min(sustainable(world, 0.75), 1.0))
            << name;
    }
}

TEST(PaceSim, WithoutAControllerTheLimitIsExceeded) {
    for (auto world : {lag(2, 0.5), wal(0.6), commits(0.6, 5), crowd(8)}) {
        world.fixed = 1;
        EXPECT_NE(wrong_when_constant(world, Simulation{world}.run(), world.time), "");
    }
}

TEST(PaceSim, CostsLittleWhereNothingLimits) {
    auto world = lag(2, 3);
    world.wal_rate = wal_rate(2);
    world.commit_latency = commit_latency(10);
    world.active_sessions = active_sessions(20);
    world.time = s(120);
    auto const course = Simulation{world}.run();
    print_head();
    print("nothing limits, two minutes", world, course);
    EXPECT_GE(course.throughput({}, world.time), share_free) << "with the slow start";
    EXPECT_GE(course.throughput(settled, world.time), 0.99);
    EXPECT_TRUE(course.stops.empty());
}

TEST(PaceSim, ComesBackAfterAStall) {
    constexpr auto from = s(60);
    auto const to = s(65);
    struct Stall {
        char const* name;
        World world;
        bool holds;
    };
    std::vector<Stall> stalls;
    auto const add = [&](char const* name, World world, bool holds, auto change) {
        change(world);
        world.time = s(120);
        stalls.push_back({name, world, holds});
    };
    auto const paused = [&](World& w) { w.replicas[0].replay = {{from, to, 0}}; };
    add("replay pauses 5 s, unlimited", lag(2, 2), true, paused);
    add("replay pauses 5 s, limited", lag(2, 0.5), true, paused);
    add("the application writes much, 5 s", lag(2, 0.5), true, [&](World& w) { w.bursts = {{from, to, 1}}; });
    add("nothing is measured for 5 s", lag(2, 0.5), true, [&](World& w) { w.silences = {{from, to, 1}}; });
    add("a checkpoint of 5 s", commits(0.8, 5), true, [&](World& w) { w.checkpoints = {{from, to, 0.2}}; });
    add("a crowd for 5 s", crowd(8), true, [&](World& w) { w.crowds = {{from, to, 12}}; });
    for (auto const& [name, world, holds] : stalls) {
        auto const course = Simulation{world}.run();
        auto const before = course.throughput(s(45), from);
        auto const again = course.reached(before * 0.75, to, world.time);
        std::printf("[ pace     ] %-34s %5.2f before, load at most %.2f, there again after %.1f s\n", name, before,
                    course.peak(from, world.time), again ? static_cast<double>((*again - to).count()) / 1000 : -1.0);
        ASSERT_TRUE(again) << name;
        EXPECT_LE(*again, to + settled) << name;
        EXPECT_EQ(course.stops_within(from, to + s(5)) > 0, holds) << name;
        EXPECT_EQ(course.stops_within(to + s(10), world.time), 0) << name;
        EXPECT_LE(course.peak(to + s(10), world.time), overshoot) << name;
        EXPECT_EQ(course.wrong_batches, 0) << name;
    }
}

TEST(PaceSim, WhatTheOutsideCausesLeavesTheFloorOrHolds) {
    World near = wal(1);
    near.application = 0.9;
    near.noise = 0.01;
    near.time = s(120);
    auto const slow = Simulation{near}.run();
    EXPECT_GE(slow.pace(s(60), near.time), PaceController::floor * 0.9);
    EXPECT_LE(slow.pace(s(60), near.time), PaceController::floor * 1.5);
    World above = near;
    above.application = 1.2;
    auto const held = Simulation{above}.run();
    EXPECT_EQ(held.throughput(settled, above.time), 0);
}

TEST(PaceSim, ASilenceHoldsWithinThreePolls) {
    auto world = lag(2, 3);
    world.silences = {{s(40), s(60), 1}};
    auto const course = Simulation{world}.run();
    ASSERT_EQ(course.stops.size(), 1U);
    EXPECT_LE(course.stops[0], s(40) + pace_sim::max_age + pace_sim::step * 2);
    EXPECT_EQ(course.throughput(s(43), s(60)), 0);
    EXPECT_GT(course.throughput(s(70), s(90)), 0.9);
}

TEST(PaceSim, RandomWorldsSettleAndComeBack) {
    std::uint64_t const chosen = number_from("WEIR_SEED", 0);
    std::uint64_t const many = number_from("WEIR_WORLDS", 0);
    // A build repeats its worlds; whoever asks for more gets others.
    std::uint64_t const first = chosen != 0 ? chosen : many != 0 ? std::random_device{}() * 1'000'000ULL + 1 : 1;
    std::uint64_t const worlds = chosen != 0 ? 1 : many != 0 ? many : worlds_a_build;
    auto const began = std::chrono::steady_clock::now();
    std::printf("[ pace     ] %llu worlds from seed %llu\n", static_cast<unsigned long long>(worlds),
                static_cast<unsigned long long>(first));
    std::uint64_t odd = 0;
    std::uint64_t stopped = 0;
    for (std::uint64_t seed = first; seed < first + worlds; ++seed) {
        RandomWorld world{seed};
        auto const wrong = world.play();
        stopped += world.stopped;
        EXPECT_EQ(wrong, "") << "WEIR_SEED=" << seed << ", " << describe(world.world);
        if (!wrong.empty() && ++odd == 20) break;
    }
    if (worlds >= worlds_a_build) {
        EXPECT_LE(static_cast<double>(stopped), stops_rare * static_cast<double>(worlds));
    }
    std::chrono::duration<double> const took = std::chrono::steady_clock::now() - began;
    std::printf("[ pace     ] %.1f s, %llu worlds with a stop while nothing changed\n", took.count(),
                static_cast<unsigned long long>(stopped));
}

}  // namespace
}  // namespace weir
