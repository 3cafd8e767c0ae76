#include "orchestrator/machine/standalone.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dialogue.h"

namespace weir {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using State = Standalone::State;

struct Doer {
    explicit Doer(Step of) : step{std::move(of.forward), Millis{100}} { step.start(ids, out); }

    State answer(Outcome const& outcome, bool leaving = false) {
        auto const id = CommandId{ids.last};
        out.clear();
        step.completed({id, outcome}, leaving, way, ids, out);
        return step.state();
    }
    State probed(std::string const& word) { return answer(done({row({word})})); }

    Standalone step;
    InTheWay way;
    Ids ids;
    Commands out;
};

TEST(Standalone, IsProbedBeforeAndAfter) {
    Doer one{standalone("expand.1", Phase::expand, true)};
    EXPECT_EQ(one.step.state(), State::probing);
    EXPECT_EQ(one.probed("damaged"), State::repairing);
    EXPECT_TRUE(one.step.unlimited());
    EXPECT_EQ(one.answer(done()), State::running);
    EXPECT_EQ(one.answer(done()), State::probing);
    auto other = one;
    EXPECT_EQ(one.probed("done"), State::done);
    EXPECT_EQ(other.probed("absent"), State::no_result);
}

TEST(Standalone, OneThatIsDoneAlreadyIsNotRunAgain) {
    Doer one{standalone("expand.1", Phase::expand, true)};
    EXPECT_EQ(one.probed("done"), State::done);
    Doer repeatable{standalone("proof.1", Phase::proof, false)};
    EXPECT_EQ(repeatable.step.state(), State::running);
    EXPECT_EQ(repeatable.answer(done()), State::done);
}

TEST(Standalone, LeavesBetweenStatementsAndKeepsWhatIsDone) {
    Doer one{standalone("expand.1", Phase::expand, true)};
    auto probing = one;
    probing.step.stop(probing.out);
    EXPECT_THAT(all<Cancel>(probing.out), IsEmpty()) << "a probe comes to its end";
    EXPECT_EQ(probing.answer(done({row({"absent"})}), true), State::stopped);
    EXPECT_EQ(one.probed("absent"), State::running);
    one.step.stop(one.out);
    EXPECT_THAT(all<Cancel>(one.out), SizeIs(1));
    auto cancelled = one;
    EXPECT_EQ(cancelled.answer(failure(Fate::canceled), true), State::stopped);
    EXPECT_EQ(one.answer(done(), true), State::probing) << "it ran all the same";
    EXPECT_EQ(one.answer(done({row({"done"})}), true), State::done);
}

TEST(Standalone, ALockThatIsNotToBeHadIsTriedAgainAndNamesWhoHoldsIt) {
    auto step = standalone("proof.1", Phase::proof, false, true);
    step.forward.locks = {{users(), LockMode::share_update_exclusive}};
    Doer one{step};
    EXPECT_EQ(all<Execute>(one.out)[0].limits.lock, Millis{100}) << "it may fail";
    int tries = 0;
    int looks = 0;
    while (one.step.state() == State::running && tries < 100) {
        ++tries;
        auto const id = CommandId{one.ids.last};
        one.out.clear();
        one.step.completed({id, failure(Fate::lock_busy)}, false, one.way, one.ids, one.out);
        if (one.step.state() != State::resting) break;
        auto const rest = all<Rest>(one.out).at(0);
        if (auto const asked = all<Execute>(one.out); !asked.empty()) {
            ++looks;
            one.way.completed({asked[0].id, done({row({"k", "42", "session", "t", "f", "5", "pid 42 (web)", ""})})});
        }
        one.out.clear();
        one.step.completed({rest.id, done()}, false, one.way, one.ids, one.out);
    }
    EXPECT_EQ(tries, 40);
    EXPECT_EQ(looks, 3);
    EXPECT_EQ(one.step.state(), State::tolerated);
    EXPECT_THAT(one.step.outcome().message, HasSubstr("; in the way: pid 42 (web)"));
}

TEST(Standalone, ALostConnectionIsAFailureAlsoOfWhatMayFail) {
    for (auto const fate : {Fate::lost, Fate::in_doubt, Fate::fenced}) {
        Doer one{standalone("proof.1", Phase::proof, false, true)};
        EXPECT_EQ(one.answer(failure(fate)), State::failed);
    }
}

}  // namespace
}  // namespace weir
