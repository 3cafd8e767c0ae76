/// The run that rests in quarantine: it ends there, goes on when the time is over, and is rolled back; killed at each
/// point of these ways.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "world.h"

namespace weir {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

/// Change, set aside with two steps of the way back, drop.
Program kept(bool gate) {
    auto made = program({transactional("expand.1", Phase::expand), transactional("contract.1", Phase::contract),
                         transactional("contract.2", Phase::contract), transactional("contract.3", Phase::contract),
                         transactional("quarantine.1", Phase::quarantine, false)},
                        gate);
    made.quarantine = Millis{1000};
    return made;
}

Sim simulation(bool gate) {
    Sim sim{kept(gate)};
    sim.world.right.clear();
    sim.config.approve = {"contract"};
    sim.keep_events = true;
    return sim;
}

Sim resting(bool gate) {
    auto sim = simulation(gate);
    sim.start();
    sim.calm();
    EXPECT_EQ(sim.exit, 0);
    EXPECT_TRUE(sim.world.has("quarantined"));
    return sim;
}

void expect_right(Sim sim) {
    sim.world.judge_end(sim.exit.value_or(-1), sim.config.program);
    EXPECT_THAT(sim.world.objections, SizeIs(0)) << ::testing::PrintToString(sim.world.journal());
}

TEST(QuarantinedRun, EndsWhereTheQuarantineBegins) {
    auto const sim = resting(true);
    ASSERT_THAT(sim.heard<RunDone>(), SizeIs(1));
    EXPECT_EQ(sim.heard<RunDone>()[0].state, RunState::quarantined);
    EXPECT_EQ(sim.heard<RunDone>()[0].until, "then");
    EXPECT_EQ(sim.heard<RunDone>()[0].until_at, Instant{std::chrono::seconds{1'764'000'000}});
    expect_right(sim);
}

TEST(QuarantinedRun, DropsWhenItsTimeIsOver) {
    auto sim = resting(true);
    sim.start();
    sim.calm();
    EXPECT_FALSE(sim.world.has("step_done", "quarantine.1")) << "its time is not over";
    sim.world.quarantine_over = true;
    sim.start();
    sim.calm();
    EXPECT_EQ(sim.exit, 0);
    EXPECT_TRUE(sim.world.has("finished"));
    expect_right(sim);
}

TEST(QuarantinedRun, IsRolledBackNewestFirstAndWaitsAtItsGate) {
    auto sim = resting(true);
    auto const before = sim.world.journal().size();
    sim.config.approve.clear();
    sim.config.rollback = true;
    sim.start();
    sim.calm();
    EXPECT_EQ(sim.exit, 3);
    sim.config.rollback = false;
    sim.start();
    sim.calm();
    EXPECT_EQ(sim.exit, 3) << "who only runs the plan waits, too";
    sim.config.rollback = true;
    sim.start();
    sim.calm();
    EXPECT_EQ(sim.exit, 6);
    auto journal = sim.world.journal();
    journal.erase(journal.begin(), journal.begin() + static_cast<std::ptrdiff_t>(before));
    std::erase_if(journal, [](auto const& line) { return line.starts_with("step_told"); });
    EXPECT_THAT(journal, ElementsAre("rolling_back", "step_undone contract.3", "step_undone contract.2",
                                     "step_undone contract.1", "reopened", "step_undone expand.1", "rolled_back"));
    expect_right(sim);
}

TEST(QuarantinedRun, WithoutAGateItIsRolledBackInOneGo) {
    auto sim = resting(false);
    sim.config.rollback = true;
    sim.start();
    sim.calm();
    EXPECT_EQ(sim.exit, 6);
    expect_right(sim);
}

// ---- in the midst of contract ---------------------------------------------------------------------------------------

Sim midway(bool gate) {
    Sim sim{two_aside(gate)};
    sim.world.script = std::make_shared<Script const>(sim.config.program);
    sim.world.right.clear();
    sim.config.approve = {"contract"};
    sim.keep_events = true;
    return sim;
}

std::vector<std::string> since(Sim const& sim, std::size_t before) {
    auto journal = sim.world.journal();
    journal.erase(journal.begin(), journal.begin() + static_cast<std::ptrdiff_t>(before));
    std::erase_if(journal, [](auto const& line) { return line.starts_with("step_told"); });
    return journal;
}

TEST(MidwayRun, IsUndoneByCommandAndWaitsAtItsGate) {
    auto sim = midway(true);
    sim.start();
    ASSERT_TRUE(sim.until(writes("step_done", "contract.3")));
    sim.kill(0);
    auto const before = sim.world.journal().size();
    sim.config.approve.clear();
    sim.config.abort = true;
    sim.start();
    sim.calm();
    EXPECT_EQ(sim.exit, 3);
    EXPECT_THAT(sim.heard<Warned>().back().hint, ::testing::HasSubstr("weir rollback"));
    sim.config.abort = false;
    sim.config.rollback = true;
    sim.config.approve.clear();
    sim.start();
    sim.calm();
    EXPECT_EQ(sim.exit, 6);
    EXPECT_THAT(since(sim, before), ElementsAre("rolling_back", "step_undone contract.2", "step_undone contract.1",
                                                "reopened", "step_undone expand.1", "rolled_back"));
    expect_right(sim);
}

TEST(MidwayRun, FirstTakesTheStepThatItsWayBackStandsOn) {
    auto sim = midway(false);
    sim.start();
    ASSERT_TRUE(sim.until(writes("step_told", "contract.1")));
    sim.kill(0);
    auto const before = sim.world.journal().size();
    sim.config.rollback = true;
    sim.start();
    sim.calm();
    EXPECT_EQ(sim.exit, 6);
    EXPECT_THAT(since(sim, before), ElementsAre("step_done contract.2", "rolling_back", "step_undone contract.2",
                                                "step_undone contract.1", "step_undone expand.1", "rolled_back"));
    expect_right(sim);
}

TEST(MidwayRun, IsUndoneByAnOrderWhileItWaitsForItsLock) {
    auto sim = midway(true);
    sim.start();
    auto const at = sim.until(writes("step_done", "contract.3"));
    ASSERT_TRUE(at);
    sim.answer(*at, Sim::Answer::lock_busy);
    sim.order(OrderWord::abort, "otto");
    sim.calm();
    EXPECT_EQ(sim.exit, 3) << "its own --approve is for the way forward";
    EXPECT_FALSE(sim.world.has("step_done", "contract.3"));
    EXPECT_TRUE(sim.world.has("reopened"));
    sim.config.rollback = true;
    sim.start();
    sim.calm();
    EXPECT_EQ(sim.exit, 6);
    expect_right(sim);
}

TEST(MidwayRun, RefusesToLoseWhatWasNotAccepted) {
    auto sim = midway(true);
    sim.start();
    ASSERT_TRUE(sim.until(writes("step_done", "contract.3")));
    sim.kill(0);
    auto const before = sim.world.journal();
    sim.world.lost = 2;
    sim.config.abort = true;
    sim.start();
    sim.calm();
    EXPECT_EQ(sim.exit, 4);
    EXPECT_EQ(sim.heard<Stopped>().back().why.code, Code::would_lose);
    EXPECT_THAT(sim.heard<Stopped>().back().why.hint, ::testing::HasSubstr("--accept-loss 2"));
    EXPECT_EQ(sim.world.journal(), before) << "a refusal writes nothing";
    sim.config.abort = false;
    sim.config.rollback = true;
    sim.config.accept_loss = 2;
    sim.start();
    sim.calm();
    EXPECT_EQ(sim.exit, 6);
    expect_right(sim);
}

TEST(MidwayRun, AnOrderThatWasRefusedIsNotTakenAgain) {
    auto sim = midway(true);
    sim.start();
    ASSERT_TRUE(sim.until(writes("step_done", "contract.3")));
    sim.world.lost = 1;
    sim.order(OrderWord::abort, "otto");
    sim.calm();
    EXPECT_EQ(sim.exit, 4);
    EXPECT_EQ(sim.heard<Stopped>().back().why.code, Code::would_lose);
    sim.start();
    sim.calm();
    EXPECT_EQ(sim.exit, 0) << "forward, for whoever has read that";
    EXPECT_TRUE(sim.world.has("quarantined"));
    expect_right(sim);
    // A new order is a new question.
    auto other = midway(false);
    other.start();
    ASSERT_TRUE(other.until(writes("step_done", "contract.3")));
    other.world.lost = 1;
    other.order(OrderWord::abort, "otto");
    other.calm();
    ASSERT_EQ(other.exit, 4);
    other.world.lost = 0;
    other.start();
    other.order(OrderWord::abort, "otto");
    other.calm();
    EXPECT_EQ(other.exit, 6);
    expect_right(other);
}

TEST(MidwayRun, TriggersTouchedAfterTheStepEndTheWayBackAndNotTheWayForward) {
    auto sim = midway(true);
    sim.config.program.steps[1].undo.guard = {sql("SELECT weir.check_sync('users', 1, 1, 4)")};
    sim.start();
    ASSERT_TRUE(sim.until(writes("step_done", "contract.3")));
    sim.kill(0);
    sim.world.triggers_touched = true;
    sim.config.abort = true;
    sim.start();
    sim.calm();
    EXPECT_EQ(sim.exit, 4);
    EXPECT_EQ(sim.heard<Stopped>().back().why.code, Code::trigger_changed);
    sim.config.abort = false;
    sim.start();
    sim.calm();
    EXPECT_EQ(sim.exit, 0);
    expect_right(sim);
}

TEST(MidwayRun, IsNotUndoneOnceSomethingIsGone) {
    auto sim = midway(true);
    sim.config.program.steps[1].destroys = {users()};
    sim.start();
    ASSERT_TRUE(sim.until(writes("step_done", "contract.3")));
    sim.kill(0);
    auto const before = sim.world.journal();
    sim.config.rollback = true;
    sim.start();
    sim.calm();
    EXPECT_EQ(sim.exit, 5);
    EXPECT_EQ(sim.heard<Stopped>().back().why.code, Code::not_now);
    EXPECT_THAT(sim.heard<Stopped>().back().why.message, ::testing::HasSubstr("step contract.1 (change contract.1)"));
    EXPECT_EQ(sim.world.journal(), before);
}

TEST(QuarantinedRun, RefusesToLoseWhatWasNotAccepted) {
    auto sim = resting(true);
    auto const before = sim.world.journal();
    sim.world.lost = 2;
    sim.config.rollback = true;
    for (std::optional<std::int64_t> const accepted :
         {std::optional<std::int64_t>{}, std::optional<std::int64_t>{1}, std::optional<std::int64_t>{3}}) {
        sim.config.accept_loss = accepted;
        sim.start();
        sim.calm();
        EXPECT_EQ(sim.exit, 4);
        EXPECT_EQ(sim.heard<Stopped>().back().why.code, Code::would_lose);
        EXPECT_EQ(sim.world.journal(), before) << "a refusal writes nothing";
    }
    sim.config.accept_loss = 2;
    sim.start();
    sim.calm();
    EXPECT_EQ(sim.exit, 6);
    expect_right(sim);
}

TEST(QuarantinedRun, IsNotRolledBackBeforeAndAfter) {
    auto sim = simulation(true);
    sim.config.rollback = true;
    sim.start();
    sim.calm();
    EXPECT_EQ(sim.exit, 5) << "nothing is in quarantine";
    auto dropped = resting(true);
    dropped.world.quarantine_over = true;
    dropped.start();
    ASSERT_TRUE(dropped.until(writes("step_told", "quarantine.1")));
    dropped.kill(1);
    dropped.config.rollback = true;
    dropped.start();
    dropped.calm();
    EXPECT_EQ(dropped.exit, 5) << "it is dropped";
    EXPECT_EQ(dropped.heard<Stopped>().back().why.code, Code::not_now);
}

/// Killed before and after each string of the way, and once more on the next.
void kill_everywhere(Sim const& from, int wanted, int kills) {
    for (int turn = 0; turn < 400; ++turn) {
        auto sim = from;
        sim.start();
        for (int i = 0; i < turn && !sim.exit; ++i) sim.answer(0, Sim::Answer::done);
        if (sim.exit) break;
        for (unsigned const applied : {0U, 1U}) {
            auto other = sim;
            other.kill(applied);
            if (kills > 1 && !other.world.has("rolled_back") && !other.world.has("finished")) {
                kill_everywhere(other, wanted, kills - 1);
                if (::testing::Test::HasFailure()) return;
            }
            if (other.world.has("rolled_back") || other.world.has("finished")) continue;
            other.start();
            other.calm();
            EXPECT_EQ(other.exit, wanted) << "killed at string " << turn;
            expect_right(other);
            if (::testing::Test::HasFailure()) return;
        }
    }
}

TEST(QuarantinedRun, KilledAtEachPointOfTheRollback) {
    auto sim = resting(true);
    sim.keep_events = false;
    sim.config.rollback = true;
    kill_everywhere(sim, 6, 2);
}

TEST(MidwayRun, KilledAtEachPointOfItsUndo) {
    auto sim = midway(false);
    sim.keep_events = false;
    int points = 0;
    for (int cut = 0; cut < 200; ++cut) {
        auto begun = sim;
        begun.start();
        for (int i = 0; i < cut && !begun.exit; ++i) begun.answer(0, Sim::Answer::done);
        if (begun.exit) break;
        if (!begun.world.has("step_done", "contract.1")) continue;
        begun.kill(0);
        if (begun.world.has("quarantined")) continue;
        ++points;
        begun.config.abort = true;
        kill_everywhere(begun, 6, 1);
        if (::testing::Test::HasFailure()) return;
    }
    EXPECT_GE(points, 5);
}

TEST(QuarantinedRun, KilledAtEachPointOfThePurge) {
    auto sim = resting(true);
    sim.keep_events = false;
    sim.world.quarantine_over = true;
    kill_everywhere(sim, 0, 2);
}

TEST(QuarantinedRun, KilledAtEachPointOnTheWayThere) {
    auto sim = simulation(true);
    sim.keep_events = false;
    kill_everywhere(sim, 0, 2);
}

}  // namespace
}  // namespace weir
