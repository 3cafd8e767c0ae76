// Orders that pause, resume and set, given at every instant of a run.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "world.h"

namespace weir {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using Answer = Sim::Answer;
using Verb = Tx::Verb;

Sim approved() {
    Sim sim{whole()};
    sim.keep_events = true;
    sim.config.approve = {"contract"};
    return sim;
}

int length_of_a_run() {
    auto sim = approved();
    sim.start();
    int answers = 0;
    for (; !sim.exit; ++answers) sim.answer(0, Answer::done);
    return answers;
}

std::vector<std::string> without_orders(Sim const& sim) {
    auto journal = sim.world.journal();
    std::erase_if(journal, [](auto const& line) { return line == "paused" || line == "resumed" || line == "set"; });
    return journal;
}

std::vector<std::string> calm_journal() {
    auto sim = approved();
    sim.start();
    sim.calm();
    return sim.world.journal();
}

TEST(Orders, APauseAtAnyInstantBeginsNothingMoreAndLosesNothing) {
    auto const whole = calm_journal();
    for (int after = 0; after < length_of_a_run() - 1; ++after) {
        auto sim = approved();
        sim.start();
        for (int i = 0; i < after; ++i) sim.answer(0, Answer::done);
        sim.order(OrderWord::pause);
        sim.calm();
        ASSERT_TRUE(sim.waits()) << after;
        EXPECT_THAT(sim.world.journal(), Contains("paused")) << after;
        EXPECT_THAT(sim.heard<Paused>(), SizeIs(1)) << after;
        auto const stood = sim.world.journal();
        sim.now += Millis{60'000};
        sim.give(Ticked{});
        sim.calm();
        EXPECT_EQ(sim.world.journal(), stood) << after;
        sim.order(OrderWord::resume);
        sim.calm();
        EXPECT_EQ(sim.exit, 0) << after;
        EXPECT_EQ(without_orders(sim), whole) << after;
        EXPECT_THAT(sim.world.objections, IsEmpty()) << after;
    }
}

TEST(Orders, APauseOutlivesTheOrchestrator) {
    auto sim = approved();
    sim.start();
    ASSERT_TRUE(sim.until(has_verb(Verb::update)));
    sim.order(OrderWord::pause, "paula");
    sim.calm();
    for (int i = 0; i < 3; ++i) {
        sim.kill(0);
        sim.start();
        sim.calm();
        ASSERT_TRUE(sim.waits());
    }
    EXPECT_EQ(std::ranges::count(sim.world.journal(), "paused"), 1) << "an order is obeyed once";
    EXPECT_THAT(sim.heard<Paused>(), SizeIs(4)) << "and each orchestrator says it";
    sim.kill(0);
    sim.order(OrderWord::resume);
    sim.start();
    sim.calm();
    EXPECT_EQ(sim.exit, 0);
    EXPECT_THAT(sim.world.objections, IsEmpty());
}

TEST(Orders, BeforeTheFirstStepAndAtTheGate) {
    auto sim = approved();
    sim.order(OrderWord::pause);
    sim.start();
    sim.calm();
    EXPECT_TRUE(sim.waits());
    EXPECT_THAT(sim.world.journal(), ElementsAre("began", "paused"));

    auto waiting = approved();
    waiting.config.approve.clear();
    waiting.start();
    waiting.calm();
    waiting.order(OrderWord::pause);
    waiting.calm();
    waiting.order(OrderWord::approve);
    waiting.calm();
    ASSERT_TRUE(waiting.waits());
    EXPECT_THAT(waiting.world.journal(), Contains("gate_approved"));
    EXPECT_THAT(waiting.world.journal(), Not(Contains("step_begun contract.1")));
    waiting.order(OrderWord::resume);
    waiting.calm();
    EXPECT_EQ(waiting.exit, 0);
}

TEST(Orders, APausedRunThatMayNotWaitEndsWithItsCode) {
    auto sim = approved();
    sim.config.no_wait = true;
    sim.order(OrderWord::pause);
    sim.start();
    sim.calm();
    EXPECT_EQ(sim.exit, 3);
}

TEST(Orders, APausedRunCanBeStoppedAndAborted) {
    for (bool const abort : {false, true})
        for (auto const& wanted : {writes("step_begun", "backfill.1"), writes("step_begun", "proof.1")}) {
            auto sim = approved();
            sim.start();
            ASSERT_TRUE(sim.until(wanted));
            sim.order(OrderWord::pause);
            sim.calm();
            ASSERT_TRUE(sim.waits());
            if (abort)
                sim.order(OrderWord::abort);
            else
                sim.give(Interrupted{1});
            sim.calm();
            EXPECT_EQ(sim.exit, abort ? 6 : 4);
            EXPECT_THAT(sim.world.objections, IsEmpty());
        }
}

TEST(Orders, AnUndoIsNotPaused) {
    auto sim = approved();
    sim.start();
    ASSERT_TRUE(sim.until(has_verb(Verb::update)));
    sim.order(OrderWord::abort);
    sim.order(OrderWord::pause);
    sim.calm();
    EXPECT_EQ(sim.exit, 6);
    EXPECT_THAT(sim.heard<Paused>(), IsEmpty());
    ASSERT_THAT(sim.heard<Warned>(), Not(IsEmpty()));
    EXPECT_THAT(sim.heard<Warned>()[0].message, HasSubstr("is not obeyed: the run is being undone"));
}

TEST(Orders, ASettingHoldsFromTheNextBatchAndAfterARestart) {
    auto sim = approved();
    sim.start();
    ASSERT_TRUE(sim.until(has_verb(Verb::update)));
    sim.order(OrderWord::set, "ops", "throttle.replication_lag 5s");
    sim.calm();
    ASSERT_TRUE(sim.waits()) << "a limit that nobody measures stops";
    EXPECT_THAT(sim.world.journal(), Contains("set"));
    auto const changed = sim.heard<SettingChanged>();
    ASSERT_THAT(changed, SizeIs(1));
    EXPECT_EQ(changed[0].key, "throttle.replication_lag");
    EXPECT_EQ(changed[0].value, "5s");
    EXPECT_EQ(changed[0].user, "ops");
    sim.kill(0);
    sim.start();
    sim.calm();
    EXPECT_TRUE(sim.waits()) << "the ledger has it";
    sim.order(OrderWord::set, "ops", "throttle none");
    sim.calm();
    EXPECT_EQ(sim.exit, 0);
    EXPECT_THAT(sim.world.objections, IsEmpty());
}

TEST(Orders, WhenOneCannotBeWrittenNothingNewBegins) {
    auto sim = approved();
    sim.world.right.assign(2000, false);
    sim.start();
    ASSERT_TRUE(sim.until(has_verb(Verb::update)));
    sim.order(OrderWord::set, "ops", "batch.target 10ms");
    auto const order = sim.until(writes("set"));
    ASSERT_TRUE(order);
    sim.answer(*order, Answer::deadlock);
    // What ran ends before the stop is written.
    auto const runs = [](Sim::Pending const& p) { return !writes("stopped")(p); };
    for (std::size_t left = sim.pending.size() - 1; left > 0; --left) {
        auto const one = std::find_if(sim.pending.begin(), sim.pending.end(), runs);
        ASSERT_NE(one, sim.pending.end());
        sim.answer(static_cast<std::size_t>(one - sim.pending.begin()), Answer::done);
    }
    ASSERT_THAT(sim.pending, SizeIs(1));
    EXPECT_TRUE(writes("stopped")(sim.pending[0]));
    sim.calm();
    EXPECT_EQ(sim.exit, 4);
    EXPECT_THAT(sim.world.objections, IsEmpty());
}

TEST(Orders, ASettingThatIsWrongIsToldAndChangesNothing) {
    auto sim = approved();
    sim.start();
    ASSERT_TRUE(sim.until(has_verb(Verb::update)));
    sim.order(OrderWord::set, "ops", "throttle.replication_lag soon");
    sim.calm();
    EXPECT_EQ(sim.exit, 0);
    EXPECT_THAT(sim.world.journal(), Not(Contains("set")));
    ASSERT_THAT(sim.heard<Warned>(), SizeIs(1));
    EXPECT_THAT(sim.heard<Warned>()[0].message, HasSubstr("\"throttle.replication_lag\" cannot be \"soon\""));
}

// ---- gates ----------------------------------------------------------------------------------------------------------

Sim gated(std::optional<Millis> after, int approvals) {
    auto program = whole();
    program.gate_after = after;
    program.approvals = approvals;
    Sim sim{std::move(program)};
    sim.keep_events = true;
    return sim;
}

TEST(Gates, ApproveThemselvesWhenTheirConditionHolds) {
    auto sim = gated(Millis{1000}, 1);
    sim.start();
    sim.calm();
    ASSERT_TRUE(sim.waits());
    sim.give(Ticked{});
    sim.calm();
    ASSERT_TRUE(sim.waits()) << "not yet";
    sim.world.condition = true;
    sim.give(Ticked{});
    sim.calm();
    EXPECT_EQ(sim.exit, 0);
    ASSERT_THAT(sim.heard<GateApproved>(), SizeIs(1));
    EXPECT_EQ(sim.heard<GateApproved>()[0].user, "its time");
    EXPECT_THAT(sim.world.objections, IsEmpty());
}

TEST(Gates, APersonMayBeEarlierThanTheCondition) {
    auto sim = gated(Millis{1000}, 1);
    sim.start();
    sim.calm();
    sim.order(OrderWord::approve);
    sim.calm();
    EXPECT_EQ(sim.exit, 0);
}

TEST(Gates, WithoutWaitingTheConditionIsAskedOnce) {
    for (bool const holds : {false, true}) {
        auto sim = gated(Millis{1000}, 1);
        sim.config.no_wait = true;
        sim.world.condition = holds;
        sim.start();
        sim.calm();
        EXPECT_EQ(sim.exit, holds ? 0 : 3);
    }
}

TEST(Gates, AConditionThatFailsIsToldOnceAndTheGateWaits) {
    auto sim = gated(Millis{1000}, 1);
    sim.start();
    for (int i = 0; i < 3; ++i) {
        auto const asked = sim.until(has_verb(Verb::condition));
        ASSERT_TRUE(asked);
        sim.answer(*asked, Answer::refused, "42P01");
        ASSERT_TRUE(sim.waits());
        sim.give(Ticked{});
        EXPECT_FALSE(sim.until(has_verb(Verb::condition))) << "it may be the ledger that is gone: the fence is asked";
        ASSERT_TRUE(sim.waits());
        sim.give(Ticked{});
    }
    EXPECT_THAT(sim.heard<Warned>(), SizeIs(1));
    auto gone = sim;
    gone.answer(0, Answer::refused, "3F000");
    gone.give(Ticked{});
    gone.answer(0, Answer::refused, "3F000");
    gone.calm();
    EXPECT_EQ(gone.exit, 5);
    sim.world.condition = true;
    sim.calm();
    EXPECT_EQ(sim.exit, 0);
}

TEST(Gates, TwoApprovalsMeanTwoUsers) {
    auto sim = gated({}, 2);
    sim.start();
    sim.calm();
    sim.order(OrderWord::approve, "ada");
    sim.order(OrderWord::approve, "ada");
    sim.calm();
    ASSERT_TRUE(sim.waits());
    EXPECT_EQ(std::ranges::count(sim.world.journal(), "approval"), 1);
    sim.kill(0);
    sim.start();
    sim.calm();
    ASSERT_TRUE(sim.waits()) << "ada's approval is kept, and does not count twice";
    sim.order(OrderWord::approve, "bob");
    sim.calm();
    EXPECT_EQ(sim.exit, 0);
    ASSERT_THAT(sim.heard<GateApproved>(), SizeIs(1));
    EXPECT_EQ(sim.heard<GateApproved>()[0].user, "ada, bob");
    EXPECT_THAT(sim.world.objections, IsEmpty());
}

TEST(Gates, TheOptionCountsAsOneApproval) {
    auto sim = gated({}, 2);
    sim.config.approve = {"contract"};
    sim.start();
    sim.calm();
    ASSERT_TRUE(sim.waits());
    sim.order(OrderWord::approve, "olga");
    sim.calm();
    ASSERT_TRUE(sim.waits()) << "she is the one who started the run";
    sim.order(OrderWord::approve, "bob");
    sim.calm();
    EXPECT_EQ(sim.exit, 0);
}

TEST(Gates, ACrashAtAnyInstantOfTwoApprovalsLosesNone) {
    for (unsigned applied = 0; applied < 8; ++applied)
        for (int turns = 0; turns < 6; ++turns) {
            auto sim = gated({}, 2);
            sim.start();
            sim.calm();
            sim.order(OrderWord::approve, "ada");
            sim.order(OrderWord::approve, "bob");
            for (int i = 0; i < turns && !sim.exit && !sim.pending.empty(); ++i) sim.answer(0, Answer::done);
            if (sim.exit) continue;
            sim.kill(applied);
            sim.start();
            sim.calm();
            EXPECT_EQ(sim.exit, 0) << applied << " " << turns;
            EXPECT_THAT(sim.world.objections, IsEmpty());
        }
}

}  // namespace
}  // namespace weir
