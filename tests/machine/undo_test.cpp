#include "orchestrator/machine/undo.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dialogue.h"

namespace weir {
namespace {

using testing::HasSubstr;
using Next = Undo::Next;

/// The gate was open, and nothing of contract is done.
RunRecord at_the_gate() {
    RunRecord record;
    record.done = {"expand.1", "expand.2"};
    record.gate_opened = record.aborting = true;
    return record;
}

Program two_columns() {
    auto made = program({transactional("expand.1", Phase::expand), transactional("expand.2", Phase::expand),
                         transactional("contract.1", Phase::contract)},
                        true);
    for (auto* step : {&made.steps[0], &made.steps[1]}) step->undo.loses = users_lost();
    made.steps[1].undo.loses->none_while = {sql("SELECT guard()")};
    return made;
}

TEST(Undo, GoesBackwardsPastWhatIsUndoneAlready) {
    auto const made = two_columns();
    RunRecord record;
    record.done = {"expand.1", "expand.2"};
    Undo undo{false};
    EXPECT_EQ(undo.next(made, record), Next::step) << "no gate was open";
    EXPECT_EQ(undo.step(), 1U);
    record.undone_steps.insert("expand.2");
    EXPECT_EQ(undo.next(made, record), Next::step);
    EXPECT_EQ(undo.step(), 0U);
    record.undone_steps.insert("expand.1");
    EXPECT_EQ(undo.next(made, record), Next::over);
}

TEST(Undo, ReopensWaitsAndWeighsBehindAGate) {
    auto const made = two_columns();
    auto record = at_the_gate();
    Undo undo{false};
    EXPECT_EQ(undo.next(made, record), Next::reopen);
    record.reopened = true;
    EXPECT_EQ(undo.next(made, record), Next::wait);
    EXPECT_THAT(Undo::both_shapes(made, record).message, HasSubstr("users.full_name, users.full_name is dropped"));
    undo.old_returns();
    EXPECT_EQ(undo.next(made, record), Next::weigh);
    undo.weigh();
    undo.accept(0);
    EXPECT_EQ(undo.next(made, record), Next::step);
}

TEST(Undo, WeighsEachStepThatMayLoseSomething) {
    auto const made = two_columns();
    auto const record = at_the_gate();
    Undo undo{true};
    Ids ids;
    Commands out;
    undo.weigh();
    ASSERT_TRUE(undo.weigh_next(made, record, Epoch{1}, ids, out));
    EXPECT_EQ(undo.state(), Undo::State::weighing);
    EXPECT_TRUE(undo.count_any());
    EXPECT_FALSE(undo.count_any()) << "more than every value does not count";
    EXPECT_EQ(to_text({undo.rows(made).todo}), to_text({users_lost().any}));
    undo.counted(made, 3);
    ASSERT_TRUE(undo.weigh_next(made, record, Epoch{1}, ids, out));
    EXPECT_EQ(undo.state(), Undo::State::guarding);
    auto broken = undo;
    EXPECT_EQ(undo.guarded(done()), Undo::Guarded::holds);
    EXPECT_FALSE(undo.weigh_next(made, record, Epoch{1}, ids, out));
    EXPECT_EQ(undo.lost(), 3);
    EXPECT_THAT(undo.loses(2, "weir abort p")->message, HasSubstr("3 rows have values in users.full_name that"));
    EXPECT_THAT(undo.loses(2, "weir abort p")->hint, HasSubstr("weir abort p --accept-loss 3"));
    EXPECT_FALSE(undo.loses(3, "weir abort p"));
    undo.accept(3);
    EXPECT_THAT(to_text(undo.still_so(made.steps[1])),
                testing::EndsWith(to_text(made.steps[1].undo.loses->none_while)));
    EXPECT_THAT(to_text(undo.still_so(made.steps[0])), HasSubstr("OPERATOR(pg_catalog.>) 3 THEN"));
    auto under_lock = made.steps[2];
    under_lock.undo.locks = {{users(), LockMode::access_exclusive}};
    EXPECT_THAT(to_text(undo.still_so(under_lock)), HasSubstr("weir.check_kinds")) << "a child loses it, too";
    auto again = undo;
    again.weigh_again(1);
    EXPECT_EQ(again.state(), Undo::State::weighing);
    again.counted(made, 2);
    EXPECT_EQ(again.lost(), 5);
    auto changed = broken;
    EXPECT_EQ(changed.guarded(failure(Fate::refused, "WE007")), Undo::Guarded::broken) << "a leaf brought rows";
    EXPECT_EQ(broken.guarded(failure(Fate::refused, "WE003")), Undo::Guarded::broken);
    EXPECT_EQ(broken.state(), Undo::State::weighing);
    broken.absent(made);
    EXPECT_EQ(broken.lost(), 3);
}

TEST(Undo, IsForbiddenOnceSomethingIsGone) {
    auto made = two_columns();
    auto record = at_the_gate();
    EXPECT_FALSE(contracting(made, record));
    EXPECT_THAT(rollback_forbidden(made, record)->message, HasSubstr("has nothing in quarantine yet"));
    record.done.insert("contract.1");
    ASSERT_TRUE(contracting(made, record));
    EXPECT_FALSE(abort_forbidden(made, record));
    EXPECT_FALSE(rollback_forbidden(made, record));
    record.quarantined = true;
    EXPECT_THAT(abort_forbidden(made, record)->hint, HasSubstr("weir rollback users-full-name"));
    made.steps[2].destroys = {users()};
    EXPECT_THAT(rollback_forbidden(made, record)->hint, HasSubstr("only forward"));
}

TEST(Undo, ARollbackLosesExactlyWhatWasAccepted) {
    EXPECT_FALSE(rollback_loses("p", 2, 2));
    EXPECT_THAT(rollback_loses("p", 2, 0)->hint, HasSubstr("weir rollback p --accept-loss 2"));
    EXPECT_THAT(rollback_loses("p", 0, 2)->hint, HasSubstr("leave --accept-loss out"));
}

}  // namespace
}  // namespace weir
