#include "orchestrator/machine/gate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dialogue.h"
#include "orchestrator/machine/gate_proofs.h"

namespace weir {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using Answer = GateMachine::Answer;
using State = GateMachine::State;

struct Keeper {
    explicit Keeper(GateMachine::Config config) : gate{std::move(config)} {}

    Answer asked(Outcome const& outcome, bool leaving = false) {
        out.clear();
        gate.ask(ids, out);
        question = text(all<Execute>(out).at(0));
        return gate.completed(at, {CommandId{ids.last}, outcome}, leaving, out);
    }
    void vote(std::string const& user) { gate.vote(user, at, entries, out); }

    GateMachine gate;
    Entries entries{RunId{1}, Epoch{7}, 1};
    Stamp at{stamp(Millis{1000})};
    Ids ids;
    Commands out;
    std::string question;
};

GateMachine::Config config(int approvals = 1) {
    auto made = program({}, true);
    made.approvals = approvals;
    return GateMachine::config(made, {}, Epoch{7});
}

GateMachine::Config timed() {
    auto made = config();
    made.after = Millis{60'000};
    return made;
}

TEST(Gate, IsApprovedByAsManyUsersAsThePlanAsks) {
    Keeper two{config(2)};
    two.vote("ann");
    two.vote("ann");
    EXPECT_THAT(told<GateVoted>(two.out), SizeIs(1)) << "one user votes once";
    EXPECT_EQ(two.gate.state(), State::shut) << "the run has not come to it";
    two.gate.open(two.at, two.entries, two.ids, two.out);
    EXPECT_EQ(two.gate.state(), State::open);
    two.vote("bob");
    EXPECT_EQ(two.gate.approved_by(), "ann, bob");
    two.vote("cid");
    EXPECT_EQ(two.gate.approved_by(), "ann, bob");
    EXPECT_TRUE(two.entries.notes());
}

TEST(Gate, AnOptionVotesWhenItOpens) {
    auto made = config();
    made.voter = "olga";
    Keeper one{made};
    EXPECT_FALSE(one.gate.approved());
    one.gate.open(one.at, one.entries, one.ids, one.out);
    EXPECT_EQ(one.gate.approved_by(), "olga");
    EXPECT_FALSE(one.entries.notes()) << "the gate's own entry says who";
}

TEST(Gate, ItsConditionApprovesIt) {
    Keeper one{timed()};
    EXPECT_EQ(one.asked(done({row({"f"})})), Answer::waits);
    EXPECT_EQ(one.asked(done({row({"t"})}), true), Answer::nothing) << "the run leaves";
    EXPECT_EQ(one.asked(done({row({"t"})})), Answer::approved);
    EXPECT_EQ(one.gate.approved_by(), "its time");
    EXPECT_EQ(one.asked(done({row({"t"})})), Answer::nothing) << "it is already";
}

TEST(Gate, AfterAQuestionThatFailedTheFenceIsAskedAlone) {
    Keeper one{timed()};
    EXPECT_EQ(one.asked(failure(Fate::refused, "42P01")), Answer::waits);
    EXPECT_THAT(told<Warned>(one.out), SizeIs(1));
    auto const condition = one.question;
    auto gone = one;
    EXPECT_EQ(one.asked(done({row({"7"})})), Answer::nothing);
    EXPECT_THAT(one.question, Not(HasSubstr("gate_opened")));
    EXPECT_EQ(one.asked(failure(Fate::refused, "42P01")), Answer::waits);
    EXPECT_EQ(one.question, condition);
    EXPECT_THAT(told<Warned>(one.out), IsEmpty()) << "the same words are told once";
    EXPECT_EQ(gone.asked(failure(Fate::refused, "3F000")), Answer::ledger_gone);
    EXPECT_EQ(gone.asked(failure(Fate::fenced)), Answer::failed);
}

TEST(GateProofs, KnowsHowLongTheProofsTookOverALostConnection) {
    GateProofs before;
    before.made(Millis{3'600'000});
    before.rest(Millis{0});
    GateProofs after{before.took()};
    after.rest(Millis{0});
    EXPECT_FALSE(after.due(gate_proof_every));
    EXPECT_FALSE(after.due(Millis{20 * 3'600'000 - 1}));
    EXPECT_TRUE(after.due(Millis{20 * 3'600'000}));
}

TEST(Gate, ItsProofsAreRepeatedWithTimeBetween) {
    auto const made = program({work("proof.1", Phase::proof, true), transactional("proof.2", Phase::proof),
                               work("proof.3", Phase::proof, true), work("contract.1", Phase::contract, true)},
                              true);
    RunRecord record;
    record.done = {"proof.1", "proof.2", "proof.3"};
    GateProofs watch;
    watch.rest(Millis{0});
    EXPECT_FALSE(watch.due(gate_proof_every - Millis{1}));
    EXPECT_TRUE(watch.due(gate_proof_every));
    watch.begin(gate_proof_every);
    EXPECT_FALSE(watch.due(2 * gate_proof_every)) << "they are being made";
    std::vector<std::string> steps;
    Millis now = gate_proof_every;
    while (auto const* step = watch.next(made, record, now)) {
        steps.push_back(step->id);
        watch.proven();
        now += gate_proof_every;
    }
    EXPECT_THAT(steps, testing::ElementsAre("proof.1", "proof.3"));
    EXPECT_FALSE(watch.due(now + 39 * gate_proof_every)) << "they take long";
    EXPECT_TRUE(watch.due(now + 2 * gate_proof_share * gate_proof_every));
}

}  // namespace
}  // namespace weir
