#include "orchestrator/machine/run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "world.h"

namespace weir {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::DoubleNear;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using Answer = Sim::Answer;
using Verb = Tx::Verb;
using Journal = std::vector<std::string>;

Journal const up_to_the_gate{"began",
                             "step_done expand.1",
                             "step_told expand.1",
                             "step_begun backfill.1",
                             "step_done backfill.1",
                             "step_begun proof.1",
                             "step_done proof.1",
                             "step_done proof.2",
                             "step_told proof.2",
                             "step_begun proof.3",
                             "step_done proof.3",
                             "gate_opened"};
Journal const behind_the_gate{"gate_approved",        "step_begun contract.1", "step_done contract.1",
                              "step_done contract.2", "step_told contract.2",  "finished"};

Journal whole_journal() {
    auto journal = up_to_the_gate;
    journal.insert(journal.end(), behind_the_gate.begin(), behind_the_gate.end());
    return journal;
}

Sim simulation(Program program = whole()) {
    Sim sim{std::move(program)};
    sim.keep_events = true;
    return sim;
}

Sim approved_simulation() {
    auto sim = simulation();
    sim.config.approve = {"contract"};
    return sim;
}

std::vector<std::string> codes_of(Sim const& sim) {
    std::vector<std::string> codes;
    for (auto const& stopped : sim.heard<Stopped>()) codes.emplace_back(name(stopped.why.code));
    return codes;
}

std::string last_message(Sim const& sim) {
    auto const stops = sim.heard<Stopped>();
    return stops.empty() ? "" : stops.back().why.message + " | " + stops.back().why.hint;
}

/// How many answers a calm run takes.
int length_of_a_run() {
    auto sim = approved_simulation();
    sim.start();
    int answers = 0;
    for (; !sim.exit; ++answers) sim.answer(0, Answer::done);
    return answers;
}

// ---- forward ------------------------------------------------------------------------------------------------------

TEST(Run, GoesThroughAllStepsInOrder) {
    auto sim = approved_simulation();
    sim.start();
    sim.calm();
    EXPECT_EQ(sim.exit, 0);
    EXPECT_EQ(sim.world.journal(), whole_journal());
    sim.world.judge_end(0, sim.config.program);
    EXPECT_THAT(sim.world.objections, IsEmpty());
    for (std::size_t i = 0; i < sim.world.entries.size(); ++i)
        EXPECT_EQ(sim.world.entries[i].seq, static_cast<std::int64_t>(i) + 1);
    std::vector<Phase> phases;
    for (auto const& began : sim.heard<PhaseBegan>()) phases.push_back(began.phase);
    EXPECT_THAT(phases, ElementsAre(Phase::expand, Phase::backfill, Phase::proof, Phase::contract));
    EXPECT_THAT(sim.heard<StepDone>(), SizeIs(7));
    EXPECT_THAT(sim.heard<RunDone>(), SizeIs(1));
    EXPECT_THAT(sim.machine->resume({stamp(sim.now), Interrupted{1}}), IsEmpty()) << "after the end";
}

TEST(Run, WritesItsEntriesSynchronouslyAndBehindTheFence) {
    auto sim = approved_simulation();
    sim.start();
    ASSERT_TRUE(sim.until(writes("step_told", "expand.1")));
    EXPECT_EQ(sim.pending[0].session, control);
    EXPECT_EQ(sim.pending[0].tx.epoch, sim.world.epoch);
}

TEST(Run, AHandThatIsInTheWayIsAskedAgain) {
    auto sim = approved_simulation();
    sim.world.hands_refused = 3;
    sim.start();
    sim.calm();
    EXPECT_EQ(sim.exit, 0);
}

TEST(Run, ProgramsOfNoStepsAndWithoutAGate) {
    auto none = simulation(program({}, true));
    none.world.right.clear();
    none.start();
    none.calm();
    EXPECT_EQ(none.exit, 0);
    EXPECT_EQ(none.world.journal(), (Journal{"began", "finished"}));

    auto open = simulation(
        program({transactional("expand.1", Phase::expand), transactional("contract.1", Phase::contract)}, false));
    open.world.right.clear();
    open.start();
    open.calm();
    EXPECT_EQ(open.exit, 0);
    EXPECT_THAT(open.world.journal(), Not(Contains("gate_opened")));
}

TEST(Run, UntilAPhase) {
    struct Case {
        Phase until;
        std::string last;
    };
    for (auto const& [until, last] :
         {Case{Phase::expand, "step_told expand.1"}, Case{Phase::backfill, "step_done backfill.1"},
          Case{Phase::proof, "step_done proof.3"}, Case{Phase::contract, "finished"}}) {
        auto sim = approved_simulation();
        sim.config.until = until;
        sim.start();
        sim.calm();
        EXPECT_EQ(sim.exit, 0);
        EXPECT_EQ(sim.world.journal().back(), last);
        sim.config.until.reset();
        sim.start();
        sim.calm();
        EXPECT_EQ(sim.exit, 0);
        EXPECT_EQ(sim.world.journal(), whole_journal());
    }
}

TEST(Run, GoesOnFromEveryPointWhereItMayDie) {
    int const length = length_of_a_run();
    for (int at = 0; at < length; ++at)
        for (unsigned applied : {0U, 3U}) {
            auto sim = approved_simulation();
            sim.start();
            for (int i = 0; i < at; ++i) sim.answer(0, Answer::done);
            sim.kill(applied);
            sim.start();
            sim.calm();
            EXPECT_EQ(sim.exit, 0);
            auto journal = sim.world.journal();
            auto expected = whole_journal();
            // The synchronous echo is for the moment; nobody repeats it.
            std::erase_if(journal, [](auto const& line) { return line.starts_with("step_told"); });
            std::erase_if(expected, [](auto const& line) { return line.starts_with("step_told"); });
            EXPECT_EQ(journal, expected) << at;
            EXPECT_THAT(sim.world.objections, IsEmpty()) << at;
        }
}

// ---- the gate -----------------------------------------------------------------------------------------------------

TEST(Run, WaitsAtTheGateUntilItIsApproved) {
    auto sim = simulation();
    sim.start();
    sim.calm();
    EXPECT_TRUE(sim.waits());
    EXPECT_EQ(sim.world.journal(), up_to_the_gate);
    ASSERT_THAT(sim.heard<GateOpened>(), SizeIs(1));
    EXPECT_THAT(sim.heard<GateOpened>()[0].notes, ElementsAre("the application is deployed now"));
    sim.order(OrderWord::approve, "otto");
    sim.order(OrderWord::approve, "paul");
    sim.calm();
    EXPECT_EQ(sim.exit, 0);
    ASSERT_THAT(sim.heard<GateApproved>(), SizeIs(1));
    EXPECT_EQ(sim.heard<GateApproved>()[0].user, "otto");
    EXPECT_EQ(sim.world.journal(), whole_journal());
}

TEST(Run, AnApprovalBeforeTheGateIsKept) {
    auto sim = simulation();
    sim.start();
    sim.order(OrderWord::approve, "otto");
    sim.calm();
    EXPECT_EQ(sim.exit, 0);
    EXPECT_EQ(sim.heard<GateApproved>()[0].user, "otto");
}

TEST(Run, ApprovalByOption) {
    struct Case {
        std::set<std::string> gates;
        bool goes;
    };
    for (auto const& [gates, goes] : {Case{{"contract"}, true}, Case{{"all"}, true}, Case{{}, false}}) {
        auto sim = simulation();
        sim.config.approve = gates;
        sim.start();
        sim.calm();
        EXPECT_EQ(sim.exit.has_value(), goes);
        if (goes) {
            EXPECT_EQ(sim.heard<GateApproved>()[0].user, "olga");
        }
    }
}

TEST(Run, DoesNotWaitWhereItShallNot) {
    auto sim = simulation();
    sim.config.no_wait = true;
    for (int i = 0; i < 3; ++i) {
        sim.start();
        sim.calm();
        EXPECT_EQ(sim.exit, 3);
        EXPECT_EQ(sim.world.journal(), up_to_the_gate);
    }
    sim.orders.push_back({OrderWord::approve, "", "otto", 1});
    sim.start();
    sim.calm();
    EXPECT_EQ(sim.exit, 0);
    EXPECT_EQ(sim.world.journal(), whole_journal());
}

TEST(Run, BehindTheGateTheProofCountsOtherRows) {
    auto sim = approved_simulation();
    sim.start();
    auto const before = sim.until(has_verb(Verb::count, "proof.1"));
    ASSERT_TRUE(before);
    EXPECT_FALSE(sim.pending[*before].tx.after_gate);
    auto const after = sim.until(has_verb(Verb::count, "contract.1"));
    ASSERT_TRUE(after);
    EXPECT_TRUE(sim.pending[*after].tx.after_gate);
}

TEST(Run, RepeatsTheProofWhileTheGateIsOpen) {
    auto sim = simulation();
    sim.start();
    sim.calm();
    sim.now += gate_proof_every / 2;
    sim.give(Ticked{});
    EXPECT_FALSE(sim.until(has_verb(Verb::count, "proof.1.again"))) << "not yet";
    auto const before = sim.heard<ProofDone>().size();
    for (int times = 0; times < 2; ++times) {
        sim.now += gate_proof_every;
        sim.give(Ticked{});
        EXPECT_FALSE(sim.waits());
        EXPECT_TRUE(sim.until(has_verb(Verb::count, "proof.1.again")));
        sim.calm();
        EXPECT_TRUE(sim.waits());
    }
    EXPECT_EQ(sim.heard<ProofDone>().size(), before + 2);
    EXPECT_EQ(sim.world.journal().back(), "checked proof.1");
    sim.order(OrderWord::approve, "otto");
    sim.calm();
    EXPECT_EQ(sim.exit, 0);
    EXPECT_THAT(sim.world.objections, IsEmpty());
}

TEST(Run, WhatPeopleDidWhileTheGateIsOpenIsToldOnceAndAgainWithTheProofsWhenThereIsMore) {
    auto program = whole();
    program.gate_looks = {sql("SELECT 'a', 'm', 'h' WHERE false")};
    auto sim = simulation(std::move(program));
    auto const messages = [&] {
        std::vector<std::string> all;
        for (auto const& warned : sim.heard<Warned>()) all.push_back(warned.message);
        return all;
    };
    sim.start();
    sim.calm();
    EXPECT_THAT(messages(), IsEmpty());
    auto const tick = [&] {
        sim.give(Ticked{});
        sim.calm();
        EXPECT_TRUE(sim.waits());
    };
    sim.world.around = {row({"default of b", "b has a default", "drop it"}), row({"both of b", "1 INSERT", ""})};
    tick();
    EXPECT_THAT(messages(), ElementsAre("b has a default", "1 INSERT"));
    EXPECT_EQ(sim.heard<Warned>()[0].hint, "drop it");
    sim.world.around[1] = row({"both of b", "2 INSERTs", ""});
    tick();
    EXPECT_THAT(messages(), SizeIs(2)) << "not with every tick";
    sim.now += gate_proof_every;
    tick();
    EXPECT_THAT(messages(), ElementsAre("b has a default", "1 INSERT", "2 INSERTs"));
    sim.order(OrderWord::approve);
    sim.calm();
    EXPECT_EQ(sim.exit, 0);
    EXPECT_THAT(sim.world.objections, IsEmpty());
}

TEST(Run, WithoutWaitingTheGateIsLeftWhenWhatPeopleDidIsTold) {
    auto program = whole();
    program.gate_looks = {sql("SELECT 'a', 'm', 'h' WHERE false")};
    auto sim = simulation(std::move(program));
    sim.config.no_wait = true;
    sim.world.around = {row({"default of b", "b has a default", "drop it"})};
    sim.start();
    sim.calm();
    EXPECT_EQ(sim.exit, 3);
    EXPECT_THAT(sim.heard<Warned>(), SizeIs(1));
    // It cannot be asked: that is no reason to stay.
    sim.world.around.clear();
    sim.start();
    ASSERT_TRUE(sim.until([](Sim::Pending const& p) { return p.tx.looks_around; }));
    sim.answer(0, Sim::Answer::refused, "57014");
    sim.calm();
    EXPECT_EQ(sim.exit, 3);
}

TEST(Run, AProofThatTakesLongIsRepeatedTwentyTimesAsRarely) {
    auto sim = simulation();
    sim.start();
    sim.calm();
    sim.now += gate_proof_every;
    sim.give(Ticked{});
    auto const began = sim.now;
    sim.took = Millis{60'000};
    sim.calm();
    ASSERT_TRUE(sim.waits());
    ASSERT_EQ(sim.world.journal().back(), "checked proof.1");
    auto const ended = sim.now;
    auto const duration = ended - began;
    ASSERT_GT(gate_proof_share * duration, 2 * gate_proof_every);
    sim.took = Millis{50};
    bool again = false;
    while (!again) {
        sim.now += Millis{60'000};
        sim.give(Ticked{});
        again = sim.until(has_verb(Verb::count, "proof.1.again")).has_value();
        ASSERT_LT(sim.now, ended + 30 * duration);
    }
    EXPECT_GE(sim.now - ended, gate_proof_share * (duration - Millis{60'000})) << "its entry is none of it";
}

TEST(Run, AGateOpensWithAProofThatTookLong) {
    auto sim = simulation();
    sim.start();
    ASSERT_TRUE(sim.until(has_verb(Verb::count, "proof.1")));
    sim.took = Millis{60'000};
    ASSERT_TRUE(sim.until(writes("step_done", "proof.1")));
    sim.took = Millis{50};
    sim.calm();
    ASSERT_TRUE(sim.waits());
    sim.now += 2 * gate_proof_every;
    sim.give(Ticked{});
    EXPECT_FALSE(sim.until(has_verb(Verb::count, "proof.1.again")));
    sim.now += 100 * gate_proof_every;
    sim.give(Ticked{});
    EXPECT_TRUE(sim.until(has_verb(Verb::count, "proof.1.again")));
}

TEST(Run, AGateThatNobodyComesToIsLeftWhenAnotherLeads) {
    auto sim = simulation();
    sim.start();
    sim.calm();
    ASSERT_TRUE(sim.waits());
    sim.give(Ticked{});
    sim.give(Ticked{});
    ASSERT_THAT(sim.pending, SizeIs(1)) << "one question at a time";
    EXPECT_EQ(sim.pending[0].session, control);
    sim.calm();
    ASSERT_TRUE(sim.waits());
    ++sim.world.epoch;
    sim.give(Ticked{});
    sim.calm();
    EXPECT_EQ(sim.exit, 5);
    EXPECT_THAT(codes_of(sim), ElementsAre("other-leader"));
}

TEST(Run, AGateWhoseLedgerIsGoneIsLeft) {
    for (auto const* state : {"3F000", "42883", "42P01"}) {
        auto sim = simulation();
        sim.start();
        sim.calm();
        auto const entries = sim.world.journal();
        sim.give(Ticked{});
        sim.answer(0, Answer::refused, "57014");
        ASSERT_TRUE(sim.waits()) << "that says nothing of the ledger";
        sim.give(Ticked{});
        sim.answer(0, Answer::refused, state);
        sim.calm();
        EXPECT_EQ(sim.exit, 5);
        EXPECT_THAT(codes_of(sim), ElementsAre("ledger-damaged"));
        EXPECT_EQ(sim.world.journal(), entries) << "there is none to write to";
    }
}

TEST(Run, TheProofOfADeletionIsNotRepeatedAtTheGate) {
    auto program = whole();
    for (auto& step : program.steps)
        if (step.rows && step.phase == Phase::proof) step.rows->erases = true;
    auto sim = simulation(std::move(program));
    sim.start();
    sim.calm();
    ASSERT_TRUE(sim.waits());
    sim.now += gate_proof_every;
    sim.give(Ticked{});
    EXPECT_FALSE(sim.until(has_verb(Verb::count, "proof.1.again")))
        << "rows that were written meanwhile are not for this run to delete";
    sim.order(OrderWord::approve);
    sim.calm();
    EXPECT_EQ(sim.exit, 0);
}

TEST(Run, WhatARepeatedProofFindsIsToldAndTheRunWaitsOn) {
    auto sim = simulation();
    sim.start();
    sim.calm();
    sim.world.right[7] = false;
    sim.world.hopeless.insert(7);
    sim.now += gate_proof_every;
    sim.give(Ticked{});
    sim.calm();
    EXPECT_TRUE(sim.waits());
    EXPECT_EQ(sim.heard<ProofDone>().back().rows_wrong, 1);
    ASSERT_FALSE(sim.heard<Warned>().empty());
    EXPECT_THAT(sim.heard<Warned>().back().message, Not(testing::HasSubstr("id=7")));
    EXPECT_EQ(sim.heard<Warned>().back().more.reveal(), "among them id=7");
    EXPECT_THAT(sim.heard<Stopped>(), IsEmpty());
}

TEST(Run, OrdersAreHeardWhileAProofIsRepeated) {
    for (int at = 0; at < 6; ++at) {
        auto const watching = [&] {
            auto sim = simulation();
            sim.start();
            sim.calm();
            sim.now += gate_proof_every;
            sim.give(Ticked{});
            for (int i = 0; i < at && !sim.waits(); ++i) sim.answer(0, Answer::done);
            return sim;
        };
        auto approved = watching();
        approved.order(OrderWord::approve, "otto");
        approved.calm();
        EXPECT_EQ(approved.exit, 0) << at;
        EXPECT_THAT(approved.world.objections, IsEmpty()) << at;
        auto aborted = watching();
        aborted.order(OrderWord::abort, "otto");
        aborted.calm();
        EXPECT_EQ(aborted.exit, 3) << at;
        EXPECT_EQ(aborted.world.journal().back(), "reopened") << at;
        EXPECT_THAT(aborted.world.objections, IsEmpty()) << at;
        auto stopped = watching();
        stopped.give(Interrupted{1});
        stopped.calm();
        EXPECT_EQ(stopped.exit, 4) << at;
        EXPECT_THAT(stopped.world.objections, IsEmpty()) << at;
    }
}

// ---- abort --------------------------------------------------------------------------------------------------------

TEST(Run, AbortAtEveryPointUndoesOrIsRefused) {
    int const length = length_of_a_run();
    int undone = 0;
    int waited = 0;
    int refused = 0;
    for (int at = 0; at < length; ++at) {
        auto sim = approved_simulation();
        sim.start();
        for (int i = 0; i < at; ++i) sim.answer(0, Answer::done);
        sim.order(OrderWord::abort, "otto");
        sim.calm();
        ASSERT_TRUE(sim.exit) << at;
        if (sim.exit == 3) {
            EXPECT_TRUE(sim.world.has("gate_opened")) << at;
            ++waited;
            sim.config.approve.clear();
            sim.config.abort = true;
            sim.start();
            sim.calm();
            ASSERT_TRUE(sim.exit) << at;
        }
        sim.world.judge_end(*sim.exit, sim.config.program);
        EXPECT_THAT(sim.world.objections, IsEmpty()) << at;
        if (*sim.exit == 6) {
            ++undone;
            EXPECT_EQ(refused, 0);
            EXPECT_EQ(sim.world.journal().back(), "undone");
            EXPECT_EQ(sim.heard<RunDone>().back().state, RunState::undone);
        } else {
            ++refused;
            EXPECT_EQ(*sim.exit, 0);
            EXPECT_TRUE(sim.world.has("finished"));
        }
    }
    EXPECT_GT(undone, 30);
    EXPECT_GT(waited, 3);
    EXPECT_GT(refused, 0);
    EXPECT_LT(refused, 5) << "only once contract dropped something";
}

TEST(Run, UndoesInReverse) {
    auto sim = simulation();
    sim.start();
    sim.calm();
    sim.order(OrderWord::abort, "otto");
    sim.calm();
    EXPECT_EQ(sim.exit, 3);
    sim.config.abort = true;
    sim.start();
    sim.calm();
    EXPECT_EQ(sim.exit, 6);
    auto expected = up_to_the_gate;
    for (auto const* line : {"aborting", "reopened", "step_undone proof.2", "step_told proof.2", "step_undone expand.1",
                             "step_told expand.1", "undone"})
        expected.emplace_back(line);
    EXPECT_EQ(sim.world.journal(), expected);
    ASSERT_THAT(sim.heard<StepUndone>(), SizeIs(2));
}

TEST(Run, AbortByCommandUndoesAStoppedRun) {
    auto sim = approved_simulation();
    sim.start();
    auto const at = sim.until(writes("step_done", "proof.2"));
    ASSERT_TRUE(at);
    sim.answer(*at, Answer::refused);
    sim.calm();
    EXPECT_EQ(sim.exit, 4);
    sim.config.abort = true;
    sim.start();
    sim.calm();
    EXPECT_EQ(sim.exit, 6);
    EXPECT_EQ(sim.world.undone, (std::map<std::string, int>{{"expand.1", 1}}));
}

TEST(Run, AnAbortThatStoppedHalfwayIsGoneOnWith) {
    auto sim = simulation();
    sim.start();
    ASSERT_TRUE(sim.until(writes("step_done", "proof.3")));
    sim.order(OrderWord::abort, "otto");
    auto const at = sim.until(writes("step_undone", "expand.1"));
    ASSERT_TRUE(at);
    sim.answer(*at, Answer::refused);
    sim.calm();
    EXPECT_EQ(sim.exit, 4);
    sim.orders.clear();
    sim.start();
    sim.calm();
    EXPECT_EQ(sim.exit, 6) << "without being asked again";
    sim.world.judge_end(6, sim.config.program);
    EXPECT_THAT(sim.world.objections, IsEmpty());
}

TEST(Run, AbortIsRefusedOnceContractDroppedSomething) {
    for (bool const by_command : {false, true}) {
        auto steps = whole();
        steps.steps.push_back(transactional("contract.3", Phase::contract, false));
        auto sim = simulation(steps);
        sim.config.approve = {"all"};
        sim.start();
        auto const at = sim.until(writes("step_done", "contract.3"));
        ASSERT_TRUE(at);
        if (by_command) {
            sim.kill(0);
            sim.config.abort = true;
            sim.start();
            sim.calm();
            EXPECT_EQ(sim.exit, 5);
            EXPECT_THAT(codes_of(sim), ElementsAre("not-now"));
            EXPECT_THAT(sim.heard<Stopped>()[0].why.message, HasSubstr("step contract.2 (change contract.2) is done"));
            EXPECT_THAT(sim.heard<Stopped>()[0].why.hint, HasSubstr("only forward is possible"));
            sim.config.abort = false;
            sim.start();
        } else {
            sim.order(OrderWord::abort);
        }
        sim.calm();
        EXPECT_EQ(sim.exit, 0);
        EXPECT_THAT(sim.world.journal(), Not(Contains("aborting")));
        if (!by_command) {
            // The ladder's try was let end; after it the order meets a run that has nothing left but its end.
            EXPECT_THAT(sim.heard<Warned>(), SizeIs(1));
        }
    }
}

// ---- abort once the gate was open -----------------------------------------------------------------------------------

/// At the gate; three rows in two tables hold what the application wrote.
Sim at_the_gate(std::set<std::int64_t> own) {
    auto steps = whole();
    steps.steps[0].undo.loses = users_lost();
    auto sim = simulation(std::move(steps));
    sim.world.own = std::move(own);
    sim.start();
    sim.calm();
    EXPECT_TRUE(sim.waits());
    return sim;
}

void again(Sim& sim, std::optional<std::int64_t> accepted = {}) {
    sim.config.abort = true;
    sim.config.accept_loss = accepted;
    sim.start();
    sim.calm();
}

void expect_undone(Sim& sim) {
    ASSERT_EQ(sim.exit, 6);
    sim.world.judge_end(6, sim.config.program);
    EXPECT_THAT(sim.world.objections, IsEmpty());
}

TEST(AbortAtTheGate, FirstWaitsUntilNothingUsesTheNewShape) {
    for (bool const by_order : {false, true}) {
        auto sim = at_the_gate({});
        if (by_order) {
            sim.order(OrderWord::abort, "otto");
            sim.calm();
        } else {
            sim.kill(0);
            again(sim);
        }
        EXPECT_EQ(sim.exit, 3);
        EXPECT_THAT(sim.heard<Warned>().back().message, HasSubstr("users.full_name is dropped"));
        EXPECT_THAT(sim.heard<Warned>().back().hint, HasSubstr("weir abort users-full-name"));
        EXPECT_THAT(sim.world.undone, IsEmpty());
        sim.config.abort = false;
        sim.start();
        sim.calm();
        EXPECT_EQ(sim.exit, 3) << "who only runs the plan waits, too";
        EXPECT_THAT(sim.world.undone, IsEmpty());
        again(sim);
        expect_undone(sim);
    }
}

TEST(AbortAtTheGate, DropsNothingThatNobodyGaveUp) {
    auto sim = at_the_gate({3, 40, 63});
    sim.order(OrderWord::abort, "otto");
    sim.calm();
    EXPECT_EQ(sim.exit, 3);
    auto const before = sim.world.journal();
    for (std::optional<std::int64_t> const accepted :
         {std::optional<std::int64_t>{}, std::optional<std::int64_t>{0}, std::optional<std::int64_t>{2}}) {
        again(sim, accepted);
        EXPECT_EQ(sim.exit, 4);
        EXPECT_EQ(codes_of(sim).back(), "would-lose");
        EXPECT_THAT(last_message(sim), AllOf(HasSubstr("3 rows have values in users.full_name"),
                                             HasSubstr("weir abort users-full-name --accept-loss 3")));
        EXPECT_EQ(sim.world.journal(), before) << "a refusal writes nothing";
    }
    sim.world.own.insert(17);
    again(sim, 3);
    EXPECT_EQ(sim.exit, 4) << "one more was written";
    EXPECT_THAT(last_message(sim), HasSubstr("--accept-loss 4"));
    again(sim, 4);
    expect_undone(sim);
}

TEST(AbortAtTheGate, CountsEveryValueWhereTheServerRefusesTheCount) {
    auto sim = at_the_gate({3});
    sim.order(OrderWord::abort, "otto");
    sim.calm();
    sim.config.abort = true;
    sim.start();
    auto const first = sim.until(has_verb(Verb::count, "expand.1.lost"));
    ASSERT_TRUE(first);
    sim.answer(*first, Answer::refused, "42703");
    ASSERT_TRUE(sim.until(has_verb(Verb::count, "expand.1.lost")));
    auto gone = sim;
    sim.calm();
    EXPECT_EQ(sim.exit, 4);
    EXPECT_EQ(codes_of(sim).back(), "would-lose");
    // Where the column itself is gone there is nothing to lose.
    gone.world.rules.losing.clear();
    while (auto const count = gone.until(has_verb(Verb::count, "expand.1.lost")))
        gone.answer(*count, Answer::refused, "42703");
    gone.calm();
    EXPECT_EQ(gone.exit, 6) << last_message(gone);
}

TEST(AbortAtTheGate, CountsOnceMoreUnderItsLock) {
    for (bool const counted : {false, true}) {
        auto sim = at_the_gate({3});
        auto& loss = *sim.config.program.steps[0].undo.loses;
        if (!counted) loss.none_while = {sql("SELECT weir.check_sync('users', 1, 1, 4)")};
        if (!counted) sim.world.own.clear();
        sim.order(OrderWord::abort, "otto");
        sim.calm();
        sim.config.abort = true;
        sim.config.accept_loss = 1;
        sim.start();
        ASSERT_TRUE(sim.until(writes("step_undone", "proof.2")));
        if (counted)
            sim.world.own.insert(4);
        else
            sim.world.triggers_touched = true;
        sim.calm();
        EXPECT_EQ(sim.exit, 4);
        EXPECT_EQ(codes_of(sim).back(), counted ? "would-lose" : "trigger-changed");
        EXPECT_THAT(last_message(sim), HasSubstr("weir abort users-full-name"));
        EXPECT_FALSE(sim.world.has("step_undone", "expand.1"));
        sim.config.accept_loss = 2;
        sim.start();
        sim.calm();
        expect_undone(sim);
    }
}

TEST(AbortAtTheGate, CountsNothingWhereTheOldColumnHoldsIt) {
    for (bool const touched : {false, true}) {
        auto sim = at_the_gate({3});
        sim.config.program.steps[0].undo.loses->none_while = {sql("SELECT weir.check_sync('users', 1, 1, 4)")};
        if (!touched) sim.world.rules.losing.clear();
        sim.order(OrderWord::abort, "otto");
        sim.calm();
        EXPECT_EQ(sim.exit, 3);
        sim.world.triggers_touched = touched;
        again(sim);
        EXPECT_EQ(sim.exit, touched ? 4 : 6) << "written past the sync";
        EXPECT_EQ(sim.world.progress.contains("expand.1.lost"), touched);
    }
}

TEST(AbortAtTheGate, WaitsWhereverItWasKilledSinceTheGateOpened) {
    auto const begun = [] {
        auto steps = whole();
        steps.steps[0].undo.loses = users_lost();
        auto sim = simulation(std::move(steps));
        sim.config.approve = {"contract"};
        sim.world.own = {9};
        sim.start();
        return sim;
    };
    int points = 0;
    for (int cut = 0;; ++cut) {
        auto sim = begun();
        for (int i = 0; i < cut && !sim.exit; ++i) sim.answer(0, Answer::done);
        if (sim.exit) break;
        if (!sim.world.has("gate_opened") || sim.world.has("step_done", "contract.2")) continue;
        ++points;
        sim.kill(0);
        sim.config.approve.clear();
        again(sim);
        EXPECT_EQ(sim.exit, 3) << cut;
        again(sim);
        EXPECT_EQ(sim.exit, 4) << cut;
        again(sim, 1);
        expect_undone(sim);
    }
    EXPECT_GT(points, 5);
}

TEST(AbortAtTheGate, KilledAnywhereOnTheWayItGoesOn) {
    int points = 0;
    for (int cut = 0; cut < 200; ++cut)
        for (unsigned const applied : {0U, 3U}) {
            auto sim = at_the_gate({9});
            sim.order(OrderWord::abort, "otto");
            sim.calm();
            sim.config.abort = true;
            sim.config.accept_loss = 1;
            sim.start();
            for (int i = 0; i < cut && !sim.exit; ++i) sim.answer(0, Answer::done);
            if (sim.exit) {
                cut = 200;
                break;
            }
            ++points;
            sim.kill(applied);
            if (sim.world.has("undone")) continue;
            sim.config.accept_loss.reset();
            if (!sim.world.has("step_undone", "expand.1") && sim.world.entries.back().value.empty() &&
                !std::any_of(sim.world.entries.begin(), sim.world.entries.end(),
                             [](auto const& e) { return e.kind == "aborting" && !e.value.empty(); }))
                sim.config.accept_loss = 1;
            sim.start();
            sim.calm();
            expect_undone(sim);
        }
    EXPECT_GT(points, 20);
}

TEST(AbortAtTheGate, ALostConnectionIsNoSecondWord) {
    auto sim = at_the_gate({});
    sim.order(OrderWord::abort, "otto");
    sim.calm();
    ASSERT_EQ(sim.exit, 3);
    // The same process on another connection: what it wrote itself told it nothing.
    sim.config.abort = true;
    auto config = sim.config;
    config.record = *fold(sim.world.rows());
    config.told_again = false;
    config.epoch = Epoch{sim.world.epoch};
    sim.machine.emplace(std::move(config));
    sim.exit.reset();
    sim.give(Started{});
    sim.calm();
    EXPECT_EQ(sim.exit, 3);
    EXPECT_THAT(sim.world.undone, IsEmpty());
}

TEST(AbortAtTheGate, ASecondOrderIsTheSecondWord) {
    auto sim = at_the_gate({5});
    sim.order(OrderWord::abort, "otto");
    sim.order(OrderWord::abort, "otto");
    sim.calm();
    EXPECT_EQ(sim.exit, 3) << "given before anybody could know";
    sim.start();
    sim.calm();
    EXPECT_EQ(sim.exit, 3);
    sim.order(OrderWord::abort, "otto");
    sim.start();
    sim.calm();
    EXPECT_EQ(sim.exit, 4);
    EXPECT_EQ(codes_of(sim).back(), "would-lose");
    sim.world.own.clear();
    sim.start();
    sim.calm();
    EXPECT_EQ(sim.exit, 3) << "that order was refused";
    sim.order(OrderWord::abort, "otto");
    sim.start();
    sim.calm();
    expect_undone(sim);
}

TEST(AbortAtTheGate, TheCountIsInterruptedAndGoesOn) {
    auto sim = at_the_gate({});
    sim.order(OrderWord::abort, "otto");
    sim.calm();
    sim.config.abort = true;
    sim.start();
    ASSERT_TRUE(sim.until(has_verb(Verb::count, "expand.1.lost")));
    sim.give(Interrupted{1});
    sim.calm();
    EXPECT_EQ(sim.exit, 4);
    EXPECT_THAT(sim.world.undone, IsEmpty());
    again(sim);
    expect_undone(sim);
}

TEST(RolledBackRun, CountsWhatTheGateLetIn) {
    auto steps = two_aside(true);
    steps.steps[0].undo.loses = users_lost();
    auto sim = simulation(std::move(steps));
    sim.world.script = std::make_shared<Script const>(sim.config.program);
    sim.world.own = {1, 2};
    sim.config.approve = {"contract"};
    sim.start();
    sim.calm();
    ASSERT_TRUE(sim.world.has("quarantined"));
    sim.config.approve.clear();
    sim.config.rollback = true;
    sim.start();
    sim.calm();
    EXPECT_EQ(sim.exit, 3);
    sim.start();
    sim.calm();
    EXPECT_EQ(sim.exit, 4);
    EXPECT_THAT(last_message(sim), HasSubstr("weir rollback users-full-name --accept-loss 2"));
    sim.config.accept_loss = 2;
    sim.start();
    sim.calm();
    expect_undone(sim);
}

// ---- interrupts ---------------------------------------------------------------------------------------------------

TEST(Run, InterruptedAtEveryPointItStopsAndGoesOnLater) {
    int const length = length_of_a_run();
    for (int times = 1; times <= 2; ++times)
        for (int at = 0; at < length; ++at) {
            auto sim = approved_simulation();
            sim.start();
            for (int i = 0; i < at; ++i) sim.answer(0, Answer::done);
            for (int i = 1; i <= times; ++i) sim.give(Interrupted{i});
            for (int left = 6; left > 0 && !sim.exit; --left)
                sim.answer(0, sim.pending[0].canceled ? Answer::canceled : Answer::done);
            ASSERT_TRUE(sim.exit) << at << ": it takes too long";
            if (*sim.exit == 0) {
                EXPECT_TRUE(sim.world.has("finished"));
                continue;
            }
            EXPECT_EQ(sim.exit, 4);
            EXPECT_EQ(codes_of(sim).back(), "interrupted");
            EXPECT_THAT(sim.pending, IsEmpty());
            sim.start();
            sim.calm();
            EXPECT_EQ(sim.exit, 0);
            sim.world.judge_end(0, sim.config.program);
            EXPECT_THAT(sim.world.objections, IsEmpty()) << at;
        }
}

TEST(Run, OneInterruptLetsBatchesEndAndTwoCancelThem) {
    for (int times = 1; times <= 2; ++times) {
        auto sim = approved_simulation();
        sim.start();
        ASSERT_TRUE(sim.until(has_verb(Verb::update)));
        ASSERT_THAT(sim.pending, SizeIs(2));
        for (int i = 1; i <= times; ++i) sim.give(Interrupted{i});
        for (auto const& p : sim.pending) EXPECT_EQ(p.canceled, times == 2);
        sim.calm();
        EXPECT_EQ(sim.exit, 4);
        EXPECT_EQ(std::count(sim.world.right.begin(), sim.world.right.end(), true), times == 1 ? 32 : 0);
    }
}

TEST(Run, InterruptedAtTheGate) {
    auto sim = simulation();
    sim.start();
    sim.calm();
    sim.give(Interrupted{1});
    sim.calm();
    EXPECT_EQ(sim.exit, 4);
    EXPECT_EQ(sim.world.journal().back(), "stopped");
}

// ---- what goes wrong ----------------------------------------------------------------------------------------------

TEST(Run, AStepThatTheServerRefusesStopsAndNeverUndoes) {
    struct Case {
        std::string kind, step, sqlstate, code;
    };
    for (auto const& [kind, step, sqlstate, code] :
         {Case{"step_done", "expand.1", "42501", "statement-refused"},
          Case{"step_done", "proof.2", "23502", "statement-refused"},
          Case{"step_done", "backfill.1", "WE003", "trigger-changed"},
          Case{"gate_approved", "", "23505", "statement-refused"}, Case{"step_begun", "backfill.1", "53100", "no-room"},
          Case{"step_done", "proof.2", "53100", "no-room"}, Case{"finished", "", "53100", "no-room"}}) {
        auto sim = approved_simulation();
        sim.start();
        auto const at = sim.until(writes(kind, step));
        ASSERT_TRUE(at) << kind << step;
        sim.answer(*at, Answer::refused, sqlstate);
        sim.calm();
        EXPECT_EQ(sim.exit, 4);
        EXPECT_THAT(codes_of(sim), ElementsAre(code)) << step;
        EXPECT_EQ(sim.world.journal().back(), "stopped");
        EXPECT_THAT(sim.world.undone, IsEmpty());
        sim.start();
        sim.calm();
        EXPECT_EQ(sim.exit, 0);
        EXPECT_THAT(sim.world.objections, IsEmpty());
    }
}

TEST(Run, WhatTheServerHasNoRoomForStopsAtOnceAndSaysWhatToDo) {
    struct Case {
        std::string sqlstate, hint;
    };
    for (auto const& [sqlstate, hint] : {Case{"53100", "disk is full: make room"}, Case{"53200", "memory"},
                                         Case{"53400", "a limit of its settings"}}) {
        auto sim = approved_simulation();
        sim.start();
        auto const batch = sim.until(has_verb(Verb::update));
        ASSERT_TRUE(batch);
        sim.answer(*batch, Answer::refused, sqlstate);
        sim.calm();
        EXPECT_EQ(sim.exit, 4);
        EXPECT_THAT(codes_of(sim), ElementsAre("no-room"));
        EXPECT_THAT(last_message(sim),
                    AllOf(HasSubstr(sqlstate), HasSubstr(hint), HasSubstr("where the batches stand")));
        EXPECT_THAT(sim.heard<BatchRetried>(), IsEmpty());
        sim.start();
        sim.calm();
        EXPECT_EQ(sim.exit, 0);
        EXPECT_THAT(sim.world.objections, IsEmpty());
    }
}

/// Then it stops without having written why; what is there is enough to go on.
TEST(Run, ALedgerThatHasNoRoomForTheLastEntryEndsTheRunAllTheSame) {
    auto sim = approved_simulation();
    sim.start();
    auto const batch = sim.until(has_verb(Verb::update));
    ASSERT_TRUE(batch);
    sim.answer(*batch, Answer::refused, "53100");
    auto const entry = sim.until(writes("stopped"));
    ASSERT_TRUE(entry);
    sim.answer(*entry, Answer::refused, "53100");
    sim.calm();
    EXPECT_EQ(sim.exit, 4);
    EXPECT_THAT(codes_of(sim), ElementsAre("no-room"));
    sim.start();
    sim.calm();
    EXPECT_EQ(sim.exit, 0);
    EXPECT_THAT(sim.world.objections, IsEmpty());
}

TEST(Run, TriggersThatWereTouchedInContractLeaveNoAbort) {
    auto steps = whole();
    steps.steps.push_back(transactional("contract.3", Phase::contract, false));
    for (auto const& [step, hint] :
         {std::pair{"backfill.1", "weir abort"}, std::pair{"contract.3", "end it by hand"}}) {
        Sim sim{steps};
        sim.keep_events = true;
        sim.config.approve = {"contract"};
        sim.start();
        auto const at = sim.until(writes("step_done", step));
        ASSERT_TRUE(at) << step;
        sim.answer(*at, Answer::refused, "WE003");
        sim.calm();
        ASSERT_THAT(sim.heard<Stopped>(), SizeIs(1)) << step;
        EXPECT_THAT(sim.heard<Stopped>()[0].why.hint, HasSubstr(hint));
    }
}

TEST(Run, FencedAtEveryPointItWritesNothingMore) {
    int const length = length_of_a_run();
    for (int at = 0; at < length; ++at) {
        auto sim = approved_simulation();
        sim.start();
        for (int i = 0; i < at; ++i) sim.answer(0, Answer::done);
        auto const before = sim.world.journal();
        auto const filled = sim.world.right;
        ++sim.world.epoch;
        sim.calm();
        EXPECT_EQ(sim.exit, 5) << at;
        EXPECT_THAT(codes_of(sim), ElementsAre("other-leader"));
        EXPECT_EQ(sim.world.journal(), before) << at;
        EXPECT_EQ(sim.world.right, filled);
    }
}

TEST(Run, ALostSessionStopsAtOnceWithoutAnEntry) {
    int const length = length_of_a_run();
    for (int at = 1; at < length; ++at) {
        auto sim = approved_simulation();
        sim.start();
        for (int i = 0; i < at; ++i) sim.answer(0, Answer::done);
        auto const before = sim.world.journal();
        sim.give(Lost{control, "server closed the connection"});
        EXPECT_EQ(sim.exit, 4);
        EXPECT_THAT(codes_of(sim), ElementsAre("connection-lost"));
        EXPECT_EQ(sim.world.journal(), before);
        sim.kill(static_cast<unsigned>(at));
        sim.start();
        sim.calm();
        EXPECT_EQ(sim.exit, 0);
        EXPECT_THAT(sim.world.objections, IsEmpty());
    }
}

TEST(Run, GivesUpOnALockAndNamesWhoIsInTheWay) {
    auto sim = approved_simulation();
    sim.config.settings.lock_give_up = Millis{2000};
    sim.world.in_the_way = {row({"42 1/1", "42", "session", "t", "f", "10", "pid 42 (user web)", ""})};
    sim.start();
    for (int tries = 0; tries < 100 && !sim.exit; ++tries) {
        auto const at = sim.until([&](auto const& p) { return writes("step_done", "expand.1")(p) || sim.exit; });
        if (at) sim.answer(*at, Answer::lock_busy);
    }
    EXPECT_EQ(sim.exit, 4);
    EXPECT_THAT(codes_of(sim), ElementsAre("gave-up-lock"));
    EXPECT_THAT(last_message(sim),
                AllOf(HasSubstr("in the way: pid 42 (user web)"), HasSubstr("pg_terminate_backend(42)")));
    EXPECT_THAT(sim.world.applied, IsEmpty());
}

TEST(Run, GivesUpOnAStatementThatIsTooSlow) {
    auto sim = approved_simulation();
    sim.config.settings.lock_give_up = Millis{0};
    sim.start();
    auto const at = sim.until(writes("step_done", "expand.1"));
    ASSERT_TRUE(at);
    sim.marks = {Millis{1}};
    sim.answer(*at, Answer::canceled);
    sim.calm();
    EXPECT_EQ(sim.exit, 4);
    EXPECT_THAT(last_message(sim), AllOf(HasSubstr("100 ms"), HasSubstr("locks.timeout")));
}

TEST(Run, RowsThatAreNotRightStopItAndTheNextRunLooksAgain) {
    auto sim = approved_simulation();
    sim.world.hopeless = {3, 40};
    sim.start();
    sim.calm();
    EXPECT_EQ(sim.exit, 4);
    EXPECT_THAT(codes_of(sim), ElementsAre("misses"));
    EXPECT_THAT(last_message(sim), testing::StartsWith("2 rows of users are not right | "));
    EXPECT_EQ(sim.heard<Stopped>().back().why.more.reveal(), "among them id=3; id=40");
    EXPECT_EQ(sim.heard<ProofDone>().back().rows_wrong, 2);
    EXPECT_EQ(sim.world.journal().back(), "stopped");
    sim.start();
    sim.calm();
    EXPECT_EQ(sim.exit, 4) << "they are still there";
    EXPECT_EQ(sim.heard<ProofDone>().back().rows_wrong, 2);
    sim.world.hopeless.clear();
    sim.start();
    sim.calm();
    EXPECT_EQ(sim.exit, 0);
    EXPECT_THAT(sim.world.objections, IsEmpty());
}

TEST(Run, TriggersThatWereTouchedStopIt) {
    auto sim = approved_simulation();
    sim.start();
    ASSERT_TRUE(sim.until(has_verb(Verb::count)));
    sim.world.triggers_touched = true;
    sim.calm();
    EXPECT_EQ(sim.exit, 4);
    EXPECT_THAT(codes_of(sim), ElementsAre("trigger-changed"));
    EXPECT_FALSE(sim.world.has("step_done", "proof.1"));
}

// ---- standalone ---------------------------------------------------------------------------------------------------

struct StandaloneTest : testing::Test {
    static Sim simulation_of(bool probed, bool may_fail) {
        auto sim = simulation(program({standalone("expand.1", Phase::expand, probed, may_fail)}, false));
        sim.world.right.clear();
        return sim;
    }
};

TEST_F(StandaloneTest, ABusyLockIsTriedAgainAfterARest) {
    auto sim = simulation_of(false, false);
    sim.start();
    for (int i = 0; i < 5; ++i) {
        auto const at = sim.until(has_verb(Verb::forward));
        ASSERT_TRUE(at);
        sim.answer(*at, i % 2 == 0 ? Answer::lock_busy : Answer::deadlock);
        ASSERT_THAT(sim.pending, SizeIs(1));
        EXPECT_EQ(sim.pending[0].kind, Sim::Kind::rest);
    }
    sim.calm();
    EXPECT_EQ(sim.exit, 0);
    EXPECT_EQ(sim.world.applied["expand.1"], 1);
}

TEST_F(StandaloneTest, BusyForEver) {
    for (bool const may_fail : {false, true}) {
        auto whole = program({standalone("expand.1", Phase::expand, false, may_fail)}, false);
        whole.steps[0].forward.locks = {{users(), LockMode::share_update_exclusive}};
        auto sim = simulation(std::move(whole));
        sim.world.right.clear();
        sim.world.in_the_way = {row({"42 1/1", "42", "session", "t", "f", "9000", "pid 42 (user web)", ""})};
        sim.start();
        int tries = 0;
        while (auto const at = sim.until(has_verb(Verb::forward))) {
            sim.answer(*at, Answer::lock_busy);
            ++tries;
        }
        EXPECT_EQ(tries, 40);
        sim.calm();
        EXPECT_EQ(sim.exit, may_fail ? 0 : 4);
        EXPECT_THAT(sim.heard<WaitsFor>(), SizeIs(3)) << "it looked before it gave up";
        auto const told = may_fail ? sim.heard<Warned>().at(0).message : sim.heard<Stopped>().at(0).why.message;
        EXPECT_THAT(told, HasSubstr("; in the way: pid 42 (user web)"));
    }
}

TEST_F(StandaloneTest, WhatMayFailWarnsAndGoesOn) {
    for (auto const how : {Answer::refused, Answer::canceled}) {
        auto sim = simulation_of(false, true);
        sim.start();
        auto const at = sim.until(has_verb(Verb::forward));
        ASSERT_TRUE(at);
        sim.answer(*at, how);
        sim.calm();
        EXPECT_EQ(sim.exit, 0);
        EXPECT_THAT(sim.heard<Warned>(), SizeIs(1));
        EXPECT_THAT(sim.world.journal(), Contains("step_done expand.1"));
    }
}

TEST_F(StandaloneTest, TheProbeDecides) {
    struct Case {
        bool damaged, done;
    };
    for (auto const& [damaged, is_done] : {Case{false, false}, Case{false, true}, Case{true, false}}) {
        auto sim = simulation_of(true, false);
        if (damaged) sim.world.damaged = {"expand.1"};
        if (is_done) sim.world.applied["expand.1"] = 1;
        sim.start();
        std::string said;
        while (!sim.exit && !sim.pending.empty()) {
            auto const& tx = sim.pending[0].tx;
            if (has_verb(Verb::probe)(sim.pending[0])) said += " probe";
            if (has_verb(Verb::repair)(sim.pending[0])) said += " repair";
            if (has_verb(Verb::forward)(sim.pending[0])) said += " forward";
            EXPECT_EQ(tx.standalone, has_verb(Verb::repair)(sim.pending[0]) || has_verb(Verb::forward)(sim.pending[0]));
            sim.answer(0, Answer::done);
        }
        EXPECT_EQ(said, is_done ? " probe" : damaged ? " probe repair forward probe" : " probe forward probe");
        EXPECT_EQ(sim.exit, 0);
        EXPECT_THAT(sim.world.objections, IsEmpty());
    }
}

TEST_F(StandaloneTest, AFailedTryIsProbedAndRepaired) {
    auto sim = simulation_of(true, false);
    sim.start();
    auto const at = sim.until(has_verb(Verb::forward));
    ASSERT_TRUE(at);
    sim.answer(*at, Answer::deadlock);
    EXPECT_TRUE(sim.world.damaged.contains("expand.1"));
    sim.calm();
    EXPECT_EQ(sim.exit, 0);
    EXPECT_THAT(sim.world.objections, IsEmpty());
}

struct StandaloneUndo : testing::TestWithParam<bool> {
    Step step = GetParam() ? concurrently("expand.2", Phase::expand) : standalone("expand.2", Phase::expand, true);
    Sim sim = made();

    Sim made() const {
        auto all = simulation(
            program({transactional("expand.1", Phase::expand), step, transactional("expand.3", Phase::expand)}, false));
        all.world.right.clear();
        return all;
    }
    /// The process dies, and weir abort is run.
    void killed_then_aborted(unsigned committed) {
        sim.kill(committed);
        sim.config.abort = true;
        sim.start();
    }
    void nothing_stays(std::vector<std::string> const& undone) {
        sim.calm();
        EXPECT_EQ(sim.exit, 6);
        sim.world.judge_end(*sim.exit, sim.config.program);
        EXPECT_THAT(sim.world.objections, IsEmpty());
        std::vector<std::string> found;
        for (auto const& line : sim.world.journal())
            if (line.starts_with("step_undone ")) found.push_back(line.substr(12));
        EXPECT_EQ(found, undone);
        EXPECT_THAT(sim.world.damaged, IsEmpty());
        EXPECT_EQ(sim.world.count(sim.world.applied, "expand.2"), sim.world.count(sim.world.undone, "expand.2"));
    }
};

TEST_P(StandaloneUndo, ATryThatFailedIsUndone) {
    for (auto const how : {Answer::canceled, Answer::deadlock, Answer::refused}) {
        sim = made();
        sim.start();
        auto const at = sim.until(has_verb(Verb::forward, "expand.2"));
        ASSERT_TRUE(at);
        sim.answer(*at, how);
        if (how == Answer::refused) sim.world.damaged = {"expand.2"};
        killed_then_aborted(0);
        nothing_stays({"expand.2", "expand.1"});
    }
}

TEST_P(StandaloneUndo, KilledBetweenBegunAndDone) {
    for (unsigned const committed : {0U, 1U}) {
        sim = made();
        sim.start();
        ASSERT_TRUE(sim.until(has_verb(Verb::forward, "expand.2")));
        killed_then_aborted(committed);
        nothing_stays({"expand.2", "expand.1"});
    }
}

TEST_P(StandaloneUndo, OneThatIsDoneGoesInItsTurn) {
    sim.start();
    ASSERT_TRUE(sim.until(writes("step_told", "expand.3")));
    sim.order(OrderWord::abort);
    nothing_stays({"expand.3", "expand.2", "expand.1"});
    EXPECT_EQ(sim.world.undone["expand.2"], 1);
}

TEST_P(StandaloneUndo, AnOrderWhileItRunsCancelsAndUndoesIt) {
    sim.start();
    ASSERT_TRUE(sim.until(has_verb(Verb::forward, "expand.2")));
    sim.order(OrderWord::abort);
    EXPECT_TRUE(sim.pending[0].canceled);
    nothing_stays({"expand.2", "expand.1"});
}

INSTANTIATE_TEST_SUITE_P(Run, StandaloneUndo, testing::Bool(),
                         [](auto const& test) { return test.param ? "Alone" : "InATransaction"; });

struct UndoAlone : testing::Test {
    static Sim made() {
        return simulation(
            program({concurrently("expand.1", Phase::expand), work("backfill.1", Phase::backfill, false)}, false));
    }
    Sim sim = made();

    /// The undo is what comes next.
    void undoing() {
        sim.start();
        ASSERT_TRUE(sim.until(writes("step_done", "backfill.1")));
        sim.kill(0);
        sim.config.abort = true;
        sim.start();
        ASSERT_TRUE(sim.until(has_verb(Verb::undo)));
    }
};

TEST_F(UndoAlone, ItsProbeDecidesBeforeAndAfter) {
    sim.start();
    ASSERT_TRUE(sim.until(writes("step_done", "backfill.1")));
    sim.kill(0);
    sim.config.abort = true;
    sim.start();
    std::string said;
    while (!sim.exit && !sim.pending.empty()) {
        auto const& tx = sim.pending[0].tx;
        if (has_verb(Verb::gone)(sim.pending[0])) said += " gone?";
        if (has_verb(Verb::undo)(sim.pending[0])) {
            said += " undo";
            EXPECT_TRUE(tx.standalone);
        }
        EXPECT_FALSE(tx.looks) << "it stands in nobody's way";
        sim.answer(0, Answer::done);
    }
    EXPECT_EQ(said, " gone? undo gone?");
    EXPECT_EQ(sim.exit, 6);
    EXPECT_THAT(sim.heard<StepUndone>(), SizeIs(1));
    EXPECT_THAT(sim.world.objections, IsEmpty());
}

TEST_F(UndoAlone, InterruptedItGoesOnFromWhatIsThere) {
    for (bool const killed : {false, true})
        for (unsigned const committed : {0U, 1U}) {
            sim = made();
            undoing();
            if (killed) {
                sim.kill(committed);
            } else {
                sim.give(Interrupted{1});
                ASSERT_TRUE(sim.pending[0].canceled);
                sim.answer(0, committed ? Answer::done : Answer::canceled);
                sim.calm();
                EXPECT_EQ(sim.exit, 4);
                EXPECT_FALSE(sim.world.has("undone"));
            }
            sim.config.abort = false;
            sim.start();
            sim.calm();
            EXPECT_EQ(sim.exit, 6) << "it is undone, whoever runs it";
            sim.world.judge_end(6, sim.config.program);
            EXPECT_THAT(sim.world.objections, IsEmpty());
        }
}

TEST_F(UndoAlone, ABusyLockIsTriedAgain) {
    undoing();
    sim.answer(0, Answer::deadlock);
    sim.calm();
    EXPECT_EQ(sim.exit, 6);
    EXPECT_THAT(sim.world.objections, IsEmpty());
}

TEST_F(UndoAlone, ARefusalStopsAndNamesTheStep) {
    undoing();
    sim.answer(0, Answer::refused);
    sim.calm();
    EXPECT_EQ(sim.exit, 4);
    EXPECT_THAT(sim.heard<Stopped>().at(0).why.message, HasSubstr("step expand.1 (do expand.1)"));
}

TEST(Run, AStepWithoutLocksIsAStepLikeOthers) {
    auto steps = program({transactional("expand.1", Phase::expand), transactional("expand.2", Phase::expand)}, false);
    for (auto* deed : {&steps.steps[0].forward, &steps.steps[0].undo}) deed->locks.clear();
    auto sim = simulation(steps);
    sim.world.right.clear();
    sim.start();
    int looks = 0;
    int tries = 0;
    while (!sim.exit && !sim.pending.empty()) {
        looks += sim.pending[0].tx.looks ? 1 : 0;
        bool const busy = has_verb(Verb::forward, "expand.1")(sim.pending[0]) && ++tries == 1;
        sim.answer(0, busy ? Answer::lock_busy : Answer::done);
    }
    EXPECT_EQ(sim.exit, 0);
    EXPECT_EQ(tries, 2);
    EXPECT_EQ(looks, 1) << "of the other one";
    EXPECT_THAT(sim.world.objections, IsEmpty());
}

TEST_F(StandaloneTest, WhileItRunsATickAsksWhomItWaitsFor) {
    auto sim = simulation_of(false, false);
    sim.start();
    sim.give(Ticked{});
    EXPECT_THAT(sim.pending, SizeIs(1)) << "nothing runs yet";
    ASSERT_TRUE(sim.until(has_verb(Verb::forward)));
    sim.world.in_the_way = {row({"42 1/1", "42", "session", "t", "f", "9000", "pid 42 (user web)", ""})};
    sim.give(Ticked{});
    sim.give(Ticked{});
    ASSERT_THAT(sim.pending, SizeIs(2)) << "one question at a time";
    EXPECT_EQ(sim.pending[1].session, control);
    EXPECT_TRUE(sim.pending[1].tx.looks);
    sim.answer(1, Answer::done);
    ASSERT_THAT(sim.heard<WaitsFor>(), SizeIs(1));
    EXPECT_THAT(sim.heard<WaitsFor>()[0].blockers, ElementsAre("pid 42 (user web)"));
    sim.world.in_the_way.clear();
    sim.give(Ticked{});
    sim.answer(1, Answer::canceled);
    sim.give(Ticked{});
    sim.answer(1, Answer::done);
    EXPECT_THAT(sim.heard<WaitsFor>(), SizeIs(1)) << "nobody, or not known";
    sim.give(Ticked{});
    sim.calm();
    EXPECT_EQ(sim.exit, 0);
}

TEST(Run, AScanOfAStepIsAskedForToo) {
    auto steps = program({transactional("expand.1", Phase::expand)}, false);
    steps.steps[0].forward.scans = true;
    auto sim = simulation(std::move(steps));
    sim.world.right.clear();
    sim.start();
    ASSERT_TRUE(sim.until(writes("step_done", "expand.1")));
    sim.give(Ticked{});
    EXPECT_THAT(sim.pending, SizeIs(2));
    sim.calm();
    EXPECT_EQ(sim.exit, 0);
}

// ---- no synchronous standby ---------------------------------------------------------------------------------------

TEST(Run, WaitsForItsSynchronousEntryAndSaysSo) {
    auto sim = approved_simulation();
    sim.start();
    auto const at = sim.until(writes("step_told", "expand.1"));
    ASSERT_TRUE(at);
    sim.world.alone = 3;
    for (int i = 0; i < 3; ++i) sim.answer(0, Answer::done);
    EXPECT_THAT(sim.heard<StepDone>(), IsEmpty());
    ASSERT_THAT(sim.heard<Warned>(), SizeIs(1));
    EXPECT_THAT(sim.heard<Warned>()[0].message, HasSubstr("no synchronous standby"));
    EXPECT_THAT(sim.heard<Warned>()[0].hint, HasSubstr("synchronous_standby_names"));
    sim.calm();
    EXPECT_EQ(sim.exit, 0);
    EXPECT_EQ(sim.world.journal(), whole_journal());
    EXPECT_THAT(sim.world.objections, IsEmpty());
}

TEST(Run, AnInterruptDoesNotWaitForTheStandby) {
    auto sim = approved_simulation();
    sim.start();
    ASSERT_TRUE(sim.until(writes("step_told", "expand.1")));
    sim.world.alone = 100;
    sim.answer(0, Answer::done);
    sim.give(Interrupted{1});
    ASSERT_THAT(sim.pending, SizeIs(1));
    EXPECT_TRUE(sim.pending[0].canceled);
    sim.answer(0, Answer::done);
    sim.calm();
    EXPECT_EQ(sim.exit, 4);
    sim.world.alone = 0;
    sim.start();
    sim.calm();
    EXPECT_EQ(sim.exit, 0);
    EXPECT_THAT(sim.world.objections, IsEmpty());
}

TEST_F(StandaloneTest, AnInterruptDuringTheProbeBeginsNothing) {
    auto sim = simulation_of(true, false);
    sim.start();
    ASSERT_TRUE(sim.until(has_verb(Verb::probe)));
    sim.give(Interrupted{1});
    sim.calm();
    EXPECT_EQ(sim.exit, 4);
    EXPECT_THAT(sim.world.applied, IsEmpty());
}

// ---- pace ---------------------------------------------------------------------------------------------------------

struct PacedRun : testing::Test {
    Sim sim = approved_simulation();

    PacedRun() {
        sim.config.settings.throttle.limits = {{"replication_lag", 2}};
        sim.took = Millis{50};
    }
    void measured(std::optional<double> lag) {
        Reading reading;
        reading.signal = "replication_lag";
        reading.subject = "r1";
        reading.value = lag;
        reading.limit = 2;
        reading.unit = "s";
        reading.writes_only = true;
        sim.give(Measured{{reading}});
    }
    /// To the end, with a calm replica that is measured all the time.
    void calm() {
        for (int turns = 0; turns < 2000 && !sim.exit; ++turns) {
            measured(0);
            if (!sim.pending.empty())
                sim.answer(0, sim.pending[0].canceled ? Sim::Answer::canceled : Sim::Answer::done);
        }
    }
    std::vector<double> paces() const {
        std::vector<double> found;
        for (auto const& changed : sim.heard<PaceChanged>()) found.push_back(changed.pace);
        return found;
    }
};

TEST_F(PacedRun, NothingIsFilledBeforeTheFirstMeasurement) {
    sim.start();
    sim.calm();
    EXPECT_TRUE(sim.waits());
    EXPECT_THAT(sim.world.right, Not(Contains(true)));
    EXPECT_THAT(paces(), ElementsAre(0));
    measured(0.1);
    EXPECT_THAT(sim.pending, SizeIs(2));
    EXPECT_THAT(paces(), ElementsAre(0, DoubleNear(PaceController::start, 1e-9)));
    EXPECT_EQ(sim.heard<ReplicaLag>().back().lag, Millis{100});
}

TEST_F(PacedRun, HoldsAboveTheLimitAndGoesOnBelow) {
    sim.start();
    measured(0);
    ASSERT_TRUE(sim.until(has_verb(Verb::update)));
    measured(5);
    sim.calm();
    EXPECT_TRUE(sim.waits()) << "batches that ran have ended, no other began";
    EXPECT_EQ(std::count(sim.world.right.begin(), sim.world.right.end(), true), 32);
    EXPECT_THAT(sim.heard<PaceChanged>().back().reasons, ElementsAre(HasSubstr("replication lag of r1 is 5 s")));
    measured(std::nullopt);
    EXPECT_TRUE(sim.waits());
    calm();
    EXPECT_EQ(sim.exit, 0);
}

TEST_F(PacedRun, RisesToFullPaceAndSaysSo) {
    sim.world.right.assign(2000, false);
    sim.start();
    sim.calm();
    calm();
    EXPECT_EQ(sim.exit, 0);
    auto const all = paces();
    ASSERT_GE(all.size(), 4U);
    EXPECT_THAT(all.back(), 1);
    for (std::size_t i = 2; i < all.size(); ++i)
        EXPECT_TRUE(all[i] == 1 || all[i] >= all[i - 1] + 0.1) << "a small move is not told";
    auto const& told = sim.heard<PaceChanged>();
    EXPECT_THAT(told[1].reasons, ElementsAre("pace 10 %, rising: no signal is near its limit"));
    EXPECT_THAT(told.back().reasons, IsEmpty());
}

TEST_F(PacedRun, OldReadingsHold) {
    sim.start();
    measured(0);
    ASSERT_TRUE(sim.until(has_verb(Verb::update)));
    sim.now += reading_age_max + Millis{1000};
    sim.calm();
    EXPECT_TRUE(sim.waits());
    EXPECT_EQ(paces().back(), 0);
}

TEST_F(PacedRun, AHeldRunCanBeStoppedAndAborted) {
    for (bool const abort : {false, true}) {
        auto copy = sim;
        copy.start();
        copy.calm();
        ASSERT_TRUE(copy.waits());
        if (abort)
            copy.order(OrderWord::abort);
        else
            copy.give(Interrupted{1});
        copy.calm();
        EXPECT_EQ(copy.exit, abort ? 6 : 4);
    }
}

// ---- schedule -----------------------------------------------------------------------------------------------------

/// The run begins at 22:13:21 UTC.
struct Nights {
    Sim sim = approved_simulation();

    void window(std::chrono::minutes from, std::chrono::minutes to) {
        sim.config.settings.schedule.windows = {{Window::every_day, from, to, {}}};
    }
    /// The next time that the clock shows this.
    void at(std::chrono::minutes clock, Millis more = {}) {
        auto const wall = stamp(sim.now).wall;
        auto const day = std::chrono::floor<std::chrono::days>(wall);
        auto next = Instant{day + clock} + more;
        if (next <= wall) next += std::chrono::days{1};
        sim.now += next - wall - Millis{1};
        sim.give(Ticked{});
    }
    std::vector<double> paces() const {
        std::vector<double> found;
        for (auto const& changed : sim.heard<PaceChanged>()) found.push_back(changed.pace);
        return found;
    }
    auto filled() const { return std::count(sim.world.right.begin(), sim.world.right.end(), true); }
};

struct ScheduledRun : testing::Test, Nights {};

using namespace std::chrono_literals;

TEST_F(ScheduledRun, NothingIsFilledBeforeTheWindowOpens) {
    window(23h, 24h);
    sim.start();
    sim.calm();
    EXPECT_TRUE(sim.waits());
    EXPECT_EQ(sim.world.journal().back(), "step_begun backfill.1") << "short changes are not held";
    EXPECT_EQ(filled(), 0);
    ASSERT_THAT(paces(), ElementsAre(0));
    EXPECT_THAT(sim.heard<PaceChanged>().back().reasons,
                ElementsAre("outside the window 23:00-24:00 UTC, opens 2023-11-14 23:00 UTC"));
    at(23h, Millis{-1});
    EXPECT_TRUE(sim.waits()) << "a millisecond too early";
    at(23h);
    EXPECT_FALSE(sim.waits());
    EXPECT_THAT(paces(), ElementsAre(0, 1));
    sim.calm();
    EXPECT_EQ(sim.exit, 0);
    EXPECT_THAT(sim.world.objections, IsEmpty());
}

TEST_F(ScheduledRun, WorksNightAfterNight) {
    window(22h + 13min, 22h + 14min);
    sim.took = Millis{7000};
    sim.start();
    int nights = 1;
    for (sim.calm(); !sim.exit; sim.calm(), ++nights) {
        ASSERT_TRUE(sim.waits());
        ASSERT_LT(nights, 100);
        if (nights == 2) {
            EXPECT_GT(filled(), 0) << "a part";
            EXPECT_LT(filled(), 64);
        }
        at(22h + 13min);
    }
    EXPECT_EQ(sim.exit, 0);
    EXPECT_GT(nights, 3);
    EXPECT_EQ(sim.world.journal(), whole_journal());
    EXPECT_THAT(sim.world.objections, IsEmpty());
}

TEST_F(ScheduledRun, WhatFailsAtTheEndIsTriedAgainInTheNextWindow) {
    for (auto const& [verb, step] : {std::pair{Verb::update, ""}, {Verb::count, "proof.1"}})
        for (auto const how : {Answer::lock_busy, Answer::deadlock, Answer::canceled}) {
            Nights copy = *this;
            copy.window(22h, 23h);
            copy.sim.start();
            auto const which = copy.sim.until(has_verb(verb, step));
            ASSERT_TRUE(which);
            copy.at(23h);
            copy.sim.answer(*which, how);
            copy.sim.calm();
            EXPECT_TRUE(copy.sim.waits()) << step;
            // Nobody stood in its way for all these hours.
            copy.at(22h);
            copy.sim.answer(0, how);
            copy.sim.calm();
            EXPECT_EQ(copy.sim.exit, 0) << step << " " << last_message(copy.sim);
            EXPECT_THAT(copy.sim.world.objections, IsEmpty()) << step;
        }
}

TEST_F(ScheduledRun, ProofsAreHeldToo) {
    window(22h, 23h);
    sim.start();
    ASSERT_TRUE(sim.until(writes("step_begun", "proof.1")));
    at(23h);
    sim.calm();
    EXPECT_TRUE(sim.waits());
    EXPECT_EQ(sim.world.journal().back(), "step_begun proof.1");
    at(22h);
    sim.calm();
    EXPECT_EQ(sim.exit, 0);
}

TEST_F(ScheduledRun, NothingOfTheBackfillBeginsBeforeItsTime) {
    sim.config.settings.schedule.at = stamp(Millis{60'000}).wall;
    sim.start();
    sim.calm();
    EXPECT_TRUE(sim.waits());
    EXPECT_EQ(filled(), 0);
    EXPECT_THAT(sim.heard<PaceChanged>().back().reasons,
                ElementsAre("before the time of schedule.at, opens 2023-11-14 22:14 UTC"));
    sim.now = Millis{60'000};
    sim.give(Ticked{});
    sim.calm();
    EXPECT_EQ(sim.exit, 0);
}

TEST_F(ScheduledRun, AClockThatIsSetBackClosesAgain) {
    window(22h, 23h);
    sim.start();
    ASSERT_TRUE(sim.until(has_verb(Verb::update)));
    auto copy = *sim.machine;
    auto at_noon = stamp(sim.now);
    at_noon.wall -= 10h;
    auto const out = copy.resume({at_noon, Ticked{}});
    ASSERT_THAT(told<PaceChanged>(out), SizeIs(1));
    EXPECT_THAT(told<PaceChanged>(out)[0].reasons, ElementsAre(HasSubstr("opens 2023-11-14 22:00 UTC")));
}

TEST_F(ScheduledRun, IsHeldByAReplicaToo) {
    window(22h, 23h);
    sim.config.settings.throttle.limits = {{"replication_lag", 2}};
    auto const measured = [&](double lag) {
        Reading reading;
        reading.signal = "replication_lag";
        reading.subject = "r1";
        reading.value = lag;
        reading.limit = 2;
        sim.give(Measured{{reading}});
    };
    sim.start();
    measured(5);
    sim.calm();
    ASSERT_TRUE(sim.waits());
    at(23h);
    EXPECT_THAT(
        sim.heard<PaceChanged>().back().reasons,
        ElementsAre(HasSubstr("outside the window"), HasSubstr("replication lag"), HasSubstr("replication lag")));
    measured(0);
    EXPECT_TRUE(sim.waits()) << "the window is closed still";
    at(22h);
    EXPECT_TRUE(sim.waits()) << "nobody measured lately";
    EXPECT_THAT(sim.heard<PaceChanged>().back().reasons, ElementsAre(HasSubstr("replication lag")));
    measured(0);
    EXPECT_FALSE(sim.waits());
    sim.calm();
    EXPECT_EQ(sim.exit, 0);
}

TEST_F(ScheduledRun, WhoDoesNotWaitLeavesAtTheWindow) {
    sim.config.no_wait = true;
    Nights before = *this;
    before.window(23h, 24h);
    before.sim.start();
    before.sim.calm();
    EXPECT_EQ(before.sim.exit, 3);
    EXPECT_EQ(before.sim.world.journal(), (Journal{"began", "step_done expand.1", "step_told expand.1"}));
    ASSERT_THAT(before.sim.heard<Warned>(), SizeIs(1));
    EXPECT_EQ(
        before.sim.heard<Warned>()[0].message,
        "step backfill.1 (fill backfill.1) waits: outside the window 23:00-24:00 UTC, opens 2023-11-14 23:00 UTC");

    for (std::string const step : {"backfill.1", "proof.1", "contract.1"}) {
        Nights during = *this;
        during.window(22h, 23h);
        during.sim.start();
        ASSERT_TRUE(during.sim.until(step == "backfill.1" ? has_verb(Verb::update) : has_verb(Verb::count, step)));
        during.at(23h);
        during.sim.calm();
        EXPECT_EQ(during.sim.exit, 3) << step;
        EXPECT_EQ(during.sim.world.journal().back(), "step_begun " + step);
        during.sim.now += 24h - 30min;
        during.sim.start();
        during.sim.calm();
        EXPECT_EQ(during.sim.exit, 0) << step;
        EXPECT_THAT(during.sim.world.objections, IsEmpty()) << step;
    }
}

TEST_F(ScheduledRun, AHeldRunCanBeStoppedAndAborted) {
    window(23h, 24h);
    for (bool const abort : {false, true}) {
        auto copy = sim;
        copy.start();
        copy.calm();
        ASSERT_TRUE(copy.waits());
        if (abort)
            copy.order(OrderWord::abort);
        else
            copy.give(Interrupted{1});
        copy.calm();
        EXPECT_EQ(copy.exit, abort ? 6 : 4);
    }
}

TEST_F(ScheduledRun, ProofsOfAnOpenGateAreRepeatedInTheWindow) {
    window(22h, 23h);
    sim.config.approve.clear();
    sim.start();
    sim.calm();
    ASSERT_TRUE(sim.waits());
    at(23h);
    EXPECT_FALSE(sim.until(has_verb(Verb::count, "proof.1.again"))) << "it would be time";
    at(22h);
    ASSERT_TRUE(sim.until(has_verb(Verb::count, "proof.1.again")));
    at(23h);
    sim.calm();
    EXPECT_TRUE(sim.waits()) << "in the midst of it";
    EXPECT_EQ(sim.world.journal().back(), "gate_opened");
    auto approved = sim;
    approved.order(OrderWord::approve);
    approved.calm();
    EXPECT_THAT(approved.world.journal(), Contains("gate_approved")) << "people need not wait";
    at(22h);
    sim.calm();
    EXPECT_EQ(sim.world.journal().back(), "checked proof.1");
    EXPECT_THAT(sim.world.objections, IsEmpty());
}

}  // namespace
}  // namespace weir
