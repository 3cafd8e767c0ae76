#include "orchestrator/machine/reconnect.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "world.h"

namespace weir {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

PageRange range(std::int64_t from, std::int64_t to, std::string leaf = "public.users") {
    return {"backfill.1", std::move(leaf), from, to};
}

Event batch(std::int64_t from, std::int64_t to, std::string leaf = "public.users") {
    return {{}, BatchDone{"backfill.1", std::move(leaf), to - from, 1, Millis{1}, false, 0, from, to}};
}

Problem refusal(Code code = Code::cannot_connect, std::string message = "no server there") {
    return {code, {}, std::move(message), "start it"};
}

TEST(Reconnect, ABatchThatEndsItsSessionStopsTheRunAtTheFourthTime) {
    ReconnectMachine machine;
    std::vector<Millis> rests;
    for (int time = 1; time <= 3; ++time) {
        auto const next = machine.lost(Millis{time * 100'000}, "closed", {range(0, 16)});
        EXPECT_FALSE(next.stop);
        rests.push_back(next.rest);
        EXPECT_EQ(machine.pages_at_first(), 16 >> time);
        EXPECT_EQ(machine.plain(), time > 1);
        EXPECT_EQ(next.tell.has_value(), time > 1);
    }
    EXPECT_THAT(rests, ElementsAre(Millis{1000}, Millis{10'000}, Millis{60'000}));
    auto const last = machine.lost(Millis{400'000}, "closed", {range(4, 6)});
    ASSERT_TRUE(last.stop);
    EXPECT_EQ(exit_code(last.stop->code), 4);
    EXPECT_THAT(last.stop->message, AllOf(HasSubstr("lost 4 times"), HasSubstr("step backfill.1"),
                                          HasSubstr("pages 4 to 5 of public.users"), HasSubstr("closed")));
    EXPECT_THAT(last.stop->hint, HasSubstr("ctid >= '(4,0)' AND ctid < '(6,0)'"));
}

TEST(Reconnect, HalvesTowardsTheRowThoughTheRangesBeforeItAreDone) {
    ReconnectMachine machine;
    EXPECT_FALSE(machine.lost(Millis{0}, "closed", {range(0, 16)}).stop);
    machine.hear(batch(0, 8));
    EXPECT_FALSE(machine.lost(Millis{1}, "closed", {range(8, 16)}).stop);
    machine.hear(batch(8, 12));
    EXPECT_FALSE(machine.lost(Millis{2}, "closed", {range(12, 16)}).stop);
    machine.hear(batch(12, 14));
    auto const last = machine.lost(Millis{3}, "closed", {range(14, 16)});
    ASSERT_TRUE(last.stop);
    EXPECT_THAT(last.stop->message, HasSubstr("pages 14 to 15"));
}

TEST(Reconnect, OfSeveralThatRanTheOneThatRunsEachTimeIsNamed) {
    ReconnectMachine machine;
    for (int time = 0; time < 4; ++time) {
        auto const next =
            machine.lost(Millis{time}, "closed",
                         {range(100 * time, 100 * time + 16, "public.users_p1"), range(0, 16, "public.users_p2")});
        machine.hear(batch(100 * time, 100 * time + 100, "public.users_p1"));
        EXPECT_EQ(next.stop.has_value(), time == 3);
        if (!next.stop) continue;
        EXPECT_THAT(next.stop->message, HasSubstr("public.users_p2"));
        EXPECT_THAT(next.stop->message, Not(HasSubstr("public.users_p1")));
    }
}

TEST(Reconnect, WhatIsDoneMeanwhileEndsTheCount) {
    ReconnectMachine machine;
    for (int time = 0; time < 50; ++time) {
        auto const next = machine.lost(Millis{time}, "ended", {range(16 * time, 16 * time + 16)});
        EXPECT_FALSE(next.stop) << time;
        EXPECT_EQ(next.rest, Millis{1000});
        machine.hear(batch(16 * time, 16 * time + 8));
        machine.hear(batch(16 * time + 8, 16 * time + 16));
        EXPECT_FALSE(machine.pages_at_first()) << "the ranges grow again";
    }
    // A step that is done, too; and a sweep, which comes back to its pages, does not.
    for (bool const step : {true, false}) {
        ReconnectMachine other;
        for (int time = 0; time < 4; ++time) {
            auto const next = other.lost(Millis{time}, "ended", {{"expand.1", "", 0, 0}});
            EXPECT_EQ(next.stop.has_value(), !step && time == 3);
            if (step)
                other.hear({{}, StepDone{"expand.1", "change", Phase::expand, Millis{1}}});
            else
                other.hear({{}, BatchDone{"backfill.1", "public.users", 4, 1, Millis{1}}});
        }
    }
}

TEST(Reconnect, AnotherRangeIsAnotherCount) {
    ReconnectMachine machine;
    for (int time = 0; time < 3; ++time) EXPECT_FALSE(machine.lost(Millis{0}, "closed", {range(0, 16)}).stop);
    for (auto const& other :
         {range(16, 32), range(0, 16, "public.users_p1"), PageRange{"proof.1", "public.users", 0, 16}}) {
        auto copy = machine;
        EXPECT_EQ(copy.lost(Millis{0}, "closed", {other}).rest, Millis{1000});
    }
}

TEST(Reconnect, AConnectionThatIsNotHadIsTriedForAQuarterOfAnHour) {
    ReconnectMachine machine;
    EXPECT_FALSE(machine.was_lost());
    EXPECT_EQ(machine.lost(Millis{0}, "closed", {}).rest, Millis{100});
    EXPECT_TRUE(machine.was_lost());
    Millis now{100};
    std::vector<std::int64_t> rests;
    std::vector<std::string> told;
    for (; now < ReconnectMachine::refused_for;) {
        auto const next = machine.refused(now, refusal());
        ASSERT_FALSE(next.stop);
        if (rests.size() < 7) rests.push_back(next.rest.count());
        if (next.tell) told.push_back(next.tell->message);
        now += next.rest;
    }
    EXPECT_THAT(rests, ElementsAre(200, 400, 800, 1600, 2000, 2000, 2000));
    EXPECT_THAT(told, ElementsAre("no server there; weir goes on trying"));
    auto const last = machine.refused(now, refusal());
    ASSERT_TRUE(last.stop);
    EXPECT_EQ(exit_code(last.stop->code), 4);
    EXPECT_EQ(last.stop->message, "closed; since then: no server there");
}

TEST(Reconnect, SessionsThatAreNotHadAreNoNewBeginning) {
    // The control session is had each time, and a hand is not: CONNECTION LIMIT.
    ReconnectMachine machine;
    int tries = 0;
    for (Millis now{}; now < Millis{12'000}; ++tries) now += machine.refused(now, refusal(Code::connection_lost)).rest;
    EXPECT_LT(tries, 12);
    EXPECT_TRUE(machine.refused(ReconnectMachine::refused_for, refusal(Code::connection_lost)).stop);
}

TEST(Reconnect, OneThatIsLostAgainAndAgainWithoutWorkRestsLonger) {
    ReconnectMachine machine;
    std::vector<std::int64_t> rests;
    for (int time = 0; time < 7; ++time) rests.push_back(machine.lost(Millis{time * 50}, "ended", {}).rest.count());
    EXPECT_THAT(rests, ElementsAre(100, 200, 400, 800, 1600, 2000, 2000));
    machine.hear(batch(0, 16));
    EXPECT_EQ(machine.lost(Millis{1000}, "ended", {}).rest, Millis{100});
}

TEST(Reconnect, AGhostOfOurOwnIsWaitedForTwoMinutes) {
    ReconnectMachine machine;
    (void)machine.lost(Millis{0}, "closed", {});
    auto const soon = machine.refused(Millis{60'000}, refusal(Code::other_leader, "another leads"));
    EXPECT_FALSE(soon.stop);
    EXPECT_FALSE(soon.tell);
    auto const late = machine.refused(ReconnectMachine::ghost_for, refusal(Code::other_leader, "another leads"));
    ASSERT_TRUE(late.stop);
    EXPECT_EQ(late.stop->code, Code::other_leader);
}

// ---- with run machines ----------------------------------------------------------------------------------------------

/// A page whose update ends the backend: as a run's loop drives it, one machine after another. The number of
/// connections that it cost, and what stopped it.
struct Driven {
    Sim sim;
    std::int64_t poison{-1};
    int losses{};
    std::optional<Problem> stopped;

    explicit Driven(Sim made) : sim{std::move(made)} { sim.config.connects_again = true; }

    void drive(int connections) {
        ReconnectMachine reconnect;
        sim.keep_events = true;
        for (; connections > 0; --connections) {
            sim.config.pages_at_first = reconnect.pages_at_first();
            sim.config.plain = reconnect.plain();
            sim.events.clear();
            sim.last.reset();
            sim.start();
            while (!sim.exit && !sim.pending.empty()) {
                auto const& p = sim.pending[0];
                bool const kills = std::any_of(p.tx.actions.begin(), p.tx.actions.end(), [&](Tx::Action const& a) {
                    return (a.verb == Tx::Verb::update || a.verb == Tx::Verb::sweep) && a.from <= poison &&
                           poison < a.to && !sim.world.right.at(static_cast<std::size_t>(poison));
                });
                sim.answer(0, p.canceled ? Sim::Answer::canceled : kills ? Sim::Answer::lost : Sim::Answer::done);
            }
            for (auto const& event : sim.events) reconnect.hear(event);
            if (!sim.last || sim.last->lost.empty()) return;
            ++losses;
            auto const next = reconnect.lost(sim.now, sim.last->lost, sim.last->at_work);
            sim.now += next.rest;
            if ((stopped = next.stop)) return;
        }
    }
};

TEST(Reconnect, ARowThatEndsItsBackendCostsFourConnectionsWhereverItStands) {
    for (bool const plain : {true, false})
        for (std::int64_t page = 0; page < 64; ++page) {
            Sim sim{whole()};
            sim.config.settings.plain = plain;
            Driven driven{std::move(sim)};
            driven.poison = page;
            driven.drive(20);
            ASSERT_TRUE(driven.stopped) << page;
            EXPECT_EQ(driven.losses, 4) << page << (plain ? " plain" : "");
            EXPECT_THAT(driven.sim.world.objections, IsEmpty()) << page;
            EXPECT_FALSE(driven.sim.world.right[static_cast<std::size_t>(page)]);
        }
}

}  // namespace
}  // namespace weir
