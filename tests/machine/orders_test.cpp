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

}  // namespace
}  // namespace weir
