#include "orchestrator/machine/ladder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dialogue.h"

namespace weir {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using State = LockLadder::State;

struct LadderTest : testing::Test {
    LockLadder::Config config;
    std::optional<LockLadder> ladder;
    Ids ids;
    Millis now{1000};
    Commands out;

    LadderTest() {
        config.step = "expand.1";
        config.first = {sql("SELECT weir.fence(1)"), sql("SELECT entry()")};
        config.locks = {{users(), LockMode::access_exclusive}};
        config.body = {sql("ALTER users")};
    }
    void start() {
        ladder.emplace(config);
        out.clear();
        ladder->start(stamp(now), ids, out);
    }
    void answer(Outcome outcome) {
        Commands const before = std::move(out);
        out.clear();
        Completed completed{CommandId{ids.last}, std::move(outcome)};
        ASSERT_TRUE(ladder->owns(completed.command));
        ladder->completed(stamp(now), completed, ids, out);
    }
    /// Busy, the look at the blockers if there is one; what remains is the rest.
    void busy(std::vector<Row> blockers = {}) {
        answer(failure(Fate::lock_busy, "55P03"));
        if (!all<Execute>(out).empty()) answer(done(std::move(blockers)));
    }
    Execute attempt() const {
        auto const found = all<Execute>(out);
        return found.empty() ? Execute{} : found[0];
    }
    Millis rest() const {
        auto const found = all<Rest>(out);
        return found.empty() ? Millis{-1} : found[0].time;
    }
    void stop(bool at_once) {
        out.clear();
        ladder->stop(at_once, out);
    }
};

TEST_F(LadderTest, OneStringInOrder) {
    start();
    EXPECT_EQ(text(attempt()),
              "SET LOCAL synchronous_commit = local;\nSELECT weir.fence(1);\nSELECT entry();\n"
              "LOCK TABLE \"public\".\"users\" IN ACCESS EXCLUSIVE MODE NOWAIT;\nALTER users");
    EXPECT_EQ(attempt().session, first_hand);
    EXPECT_EQ(attempt().transaction, Transaction::implicit);
}

TEST_F(LadderTest, WaitsLongerWithEachTryAndNeverMoreThanHalfTheBound) {
    struct Case {
        int bound;
        std::vector<int> waits;
    };
    for (auto const& [bound, waits] :
         {Case{100, {0, 5, 10, 20, 50, 50, 50}}, Case{30, {0, 5, 10, 15, 15}}, Case{10, {0, 5, 5}}, Case{5, {0, 2, 2}},
          Case{1000, {0, 5, 10, 20, 50, 50}}}) {
        config.bound = Millis{bound};
        start();
        for (auto const wait : waits) {
            auto const limits = attempt().limits;
            EXPECT_EQ(text(attempt()).find("NOWAIT") != std::string::npos, wait == 0) << bound;
            if (wait > 0) {
                EXPECT_EQ(limits.lock, Millis{wait}) << bound;
            }
            EXPECT_GT(limits.lock, Millis{0}) << "0 would be for ever";
            EXPECT_LE(limits.lock, Millis{bound} / 2) << bound;
            EXPECT_EQ(limits.statement, Millis{bound - wait}) << bound;
            EXPECT_GT(limits.give_up, Millis{0});
            busy();
            answer(done());
        }
    }
}

TEST_F(LadderTest, RestsGrowWithJitterAndStayBounded) {
    std::set<long> fifth;
    for (std::uint64_t seed = 0; seed < 40; ++seed) {
        config.seed = seed;
        start();
        Millis first{}, last{};
        for (int i = 0; i < 20; ++i) {
            busy();
            last = rest();
            if (i == 0) first = last;
            if (i == 4) fifth.insert(last.count());
            EXPECT_GT(last, Millis{0});
            EXPECT_LE(last, Millis{2500});
            answer(done());
        }
        EXPECT_LE(first, Millis{25});
        EXPECT_GE(last, Millis{1500});
    }
    EXPECT_GT(fifth.size(), 10U) << "jitter";
}

TEST_F(LadderTest, ScansHaveNoStatementTimeout) {
    config.scans = true;
    start();
    EXPECT_EQ(attempt().limits.statement, Millis{0});
    EXPECT_EQ(attempt().limits.give_up, Millis{0});
    EXPECT_GT(attempt().limits.lock, Millis{0});
}

TEST_F(LadderTest, OnlyTheFirstOfSeveralTablesWaits) {
    config.locks.push_back({{Ident::of("public"), Ident::of("orders")}, LockMode::share_row_exclusive});
    start();
    EXPECT_THAT(text(attempt()), HasSubstr("\"users\" IN ACCESS EXCLUSIVE MODE NOWAIT;\nLOCK TABLE \"public\".\"orders\" IN "
                                           "SHARE ROW EXCLUSIVE MODE NOWAIT"));
    busy();
    answer(done());
    EXPECT_THAT(text(attempt()), HasSubstr("\"users\" IN ACCESS EXCLUSIVE MODE;\nLOCK TABLE \"public\".\"orders\" IN SHARE ROW "
                                           "EXCLUSIVE MODE NOWAIT"));
}

TEST_F(LadderTest, DeadlockTimeoutIsShorterThanTheWaitWhereItMayBeSet) {
    config.may_set_deadlock_timeout = true;
    start();
    EXPECT_THAT(text(attempt()), HasSubstr("SET LOCAL deadlock_timeout = '2ms'"));
    for (int i = 0; i < 4; ++i) {
        busy();
        answer(done());
    }
    EXPECT_THAT(text(attempt()), HasSubstr("SET LOCAL deadlock_timeout = '25ms'"));
}

TEST_F(LadderTest, LooksForBlockersFromTheSecondTryOn) {
    start();
    answer(failure(Fate::lock_busy, "55P03"));
    EXPECT_EQ(told<LockTried>(out).size(), 1U);
    EXPECT_GT(rest(), Millis{0}) << "no look after the first";
    answer(done());
    answer(failure(Fate::lock_busy, "55P03"));
    EXPECT_THAT(text(attempt()), HasSubstr("'AccessShareLock'"));
    EXPECT_THAT(text(attempt()), HasSubstr("to_regclass('\"public\".\"users\"')"));
    answer(done({row({"pid 42"}), row({"pid 43"})}));
    ASSERT_EQ(told<LockTried>(out).size(), 1U);
    EXPECT_THAT(told<LockTried>(out)[0].blockers, ElementsAre("pid 42", "pid 43"));
    EXPECT_FALSE(told<LockTried>(out)[0].got);
}

TEST_F(LadderTest, GivesUpAndNamesTheBlockers) {
    config.give_up = Millis{10'000};
    start();
    for (int i = 0; i < 3; ++i) {
        busy({row({"pid 42"})});
        EXPECT_EQ(ladder->state(), State::running);
        answer(done());
    }
    now += Millis{10'000};
    busy({row({"pid 42"})});
    EXPECT_EQ(ladder->state(), State::gave_up);
    EXPECT_THAT(ladder->blockers(), ElementsAre("pid 42"));
    EXPECT_EQ(ladder->tries(), 4);
    EXPECT_EQ(rest(), Millis{-1}) << "nothing is left in flight";
    EXPECT_FALSE(ladder->owns(CommandId{ids.last}));
}

TEST_F(LadderTest, WhatAFateMeans) {
    struct Case {
        Fate fate;
        State state;
    };
    for (auto const& [fate, state] :
         {Case{Fate::done, State::done}, Case{Fate::lock_busy, State::running}, Case{Fate::deadlock, State::running},
          Case{Fate::canceled, State::running}, Case{Fate::fenced, State::failed}, Case{Fate::refused, State::failed},
          Case{Fate::lost, State::failed}, Case{Fate::in_doubt, State::failed}}) {
        start();
        answer(failure(fate));
        EXPECT_EQ(ladder->state(), state) << name(fate);
        EXPECT_EQ(ladder->outcome().fate, fate);
        EXPECT_EQ(ladder->owns(CommandId{ids.last}), state == State::running) << name(fate);
    }
}

TEST_F(LadderTest, ALookThatFailsIsNoHarmAndALostSessionIs) {
    start();
    busy();
    answer(done());
    answer(failure(Fate::lock_busy));
    answer(failure(Fate::canceled));
    EXPECT_EQ(ladder->state(), State::running);
    EXPECT_GT(rest(), Millis{0});
    answer(done());
    answer(failure(Fate::lock_busy));
    answer(failure(Fate::in_doubt));
    EXPECT_EQ(ladder->state(), State::failed);
    EXPECT_EQ(ladder->outcome().fate, Fate::in_doubt);
}

TEST_F(LadderTest, StopLetsAShortTryEndAndCancelsARest) {
    start();
    stop(false);
    EXPECT_TRUE(all<Cancel>(out).empty()) << "it is over in a tenth of a second";
    auto after_done = *this->ladder;
    answer(failure(Fate::lock_busy));
    EXPECT_EQ(ladder->state(), State::stopped);
    Commands more;
    after_done.completed(stamp(now), {CommandId{1}, done()}, ids, more);
    EXPECT_EQ(after_done.state(), State::done) << "what is done is done";

    ids = {};
    start();
    busy();
    stop(false);
    ASSERT_EQ(all<Cancel>(out).size(), 1U);
    answer(failure(Fate::canceled));
    EXPECT_EQ(ladder->state(), State::stopped);
}

TEST_F(LadderTest, StopNowCancelsATryAndAnyStopAScan) {
    start();
    stop(true);
    ASSERT_EQ(all<Cancel>(out).size(), 1U);
    answer(failure(Fate::canceled));
    EXPECT_EQ(ladder->state(), State::stopped);

    config.scans = true;
    start();
    stop(false);
    EXPECT_EQ(all<Cancel>(out).size(), 1U);
    answer(failure(Fate::canceled));
    EXPECT_EQ(ladder->state(), State::stopped);
}

TEST_F(LadderTest, StopWhileLooking) {
    start();
    busy();
    answer(done());
    answer(failure(Fate::lock_busy));
    stop(false);
    ASSERT_EQ(all<Cancel>(out).size(), 1U);
    answer(failure(Fate::canceled));
    EXPECT_EQ(ladder->state(), State::stopped);
}

}  // namespace
}  // namespace weir
