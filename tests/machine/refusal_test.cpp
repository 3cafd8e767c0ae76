#include "orchestrator/machine/refusal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dialogue.h"

namespace weir {
namespace {

using testing::HasSubstr;
using testing::StartsWith;
using Work = Attempt::Work;
using Way = Attempt::Way;

Attempt attempt(Work work = Work::statement, Way way = Way::forward) {
    return {"step expand.1 (change it)",
            "users-full-name",
            work == Work::batches || work == Work::deletions ? "public.users" : "",
            "weir abort users-full-name",
            work,
            way};
}

TEST(Refusal, ByFate) {
    struct Case {
        Fate fate;
        Code code;
        std::string message, hint;
    };
    for (auto const& [fate, code, message, hint] :
         {Case{Fate::fenced, Code::other_leader, "step expand.1 (change it): as the test wants it", "weir status"},
          Case{Fate::lost, Code::connection_lost,
               "step expand.1 (change it): the connection was lost: ", "same command"},
          Case{Fate::in_doubt, Code::connection_lost, "step expand.1 (change it): the connection was lost: ", "again"},
          Case{Fate::lock_busy, Code::gave_up_lock, "step expand.1 (change it): as", "quieter"},
          Case{Fate::deadlock, Code::gave_up_lock, "step expand.1 (change it): as", "quieter"},
          Case{Fate::canceled, Code::statement_refused, "step expand.1 (change it): as", "locks.timeout"}}) {
        auto const why = refusal(failure(fate), attempt());
        EXPECT_EQ(why.code, code) << name(fate);
        EXPECT_THAT(why.message, StartsWith(message));
        EXPECT_THAT(why.hint, HasSubstr(hint));
    }
}

TEST(Refusal, BySqlstateAndByWhatWasTried) {
    struct Case {
        std::string sqlstate;
        Work work;
        Way way;
        Code code;
        std::string hint;
    };
    using enum Code;
    for (auto const& [sqlstate, work, way, code, hint] :
         {Case{"WE003", Work::statement, Way::forward, trigger_changed, "weir abort users-full-name undoes the run"},
          Case{"23505", Work::alone, Way::forward, statement_refused,
               "removed before the next, and by weir abort users-"},
          Case{"WE003", Work::batches, Way::forward_alone, trigger_changed, "neither on nor back"},
          Case{"WE003", Work::statement, Way::undo, trigger_changed, "neither on nor back"},
          Case{"WE003", Work::statement, Way::weighed_undo, trigger_changed, "abort users-full-name counts what they"},
          Case{"WE004", Work::statement, Way::weighed_undo, would_lose, "weir abort users-full-name says how many"},
          Case{"WE005", Work::statement, Way::forward, statement_refused, "on the column that stays"},
          Case{"WE006", Work::statement, Way::forward, statement_refused, "what it was when the run began"},
          Case{"WE007", Work::statement, Way::forward, table_changed, "take back what was changed, and run again"},
          Case{"WE008", Work::batches, Way::forward, table_changed, "take back what was changed, and run again"},
          Case{"23503", Work::statement, Way::forward, statement_refused, "nothing of this step is left behind"},
          Case{"23503", Work::statement, Way::undo, statement_refused, "weir rollback users-full-name"},
          Case{"23503", Work::batches, Way::forward, statement_refused, "where the batches stand"},
          Case{"23503", Work::deletions, Way::forward, statement_refused, "leave such rows out of where"},
          Case{"21000", Work::statement, Way::forward, statement_refused, "nothing of this step is left behind"},
          Case{"21000", Work::batches, Way::forward, statement_refused, "a row of public.users: make its condition"},
          Case{"22012", Work::deletions, Way::forward, statement_refused, "where the batches stand"},
          Case{"53100", Work::batches, Way::forward, no_room, "where the batches stand"},
          Case{"53100", Work::statement, Way::forward, no_room, "nothing of this step is left behind"}}) {
        auto const why = refusal(failure(Fate::refused, sqlstate), attempt(work, way));
        EXPECT_EQ(why.code, code) << sqlstate;
        EXPECT_THAT(why.hint, HasSubstr(hint)) << sqlstate;
        bool const ours = sqlstate.starts_with("WE");
        EXPECT_THAT(why.message, StartsWith(ours ? "step expand.1 (change it): as the test"
                                                 : "step expand.1 (change it): the server refuses (" + sqlstate + ")"));
    }
}

TEST(Refusal, OfNoStepAndWithAdviceOfItsOwn) {
    auto outcome = failure(Fate::refused, "WE008", "public.users has the rule r");
    outcome.advice = "drop the rule";
    outcome.said = Sealed{"said by the server"};
    auto const why = refusal(outcome, {});
    EXPECT_EQ(why.message, "public.users has the rule r");
    EXPECT_EQ(why.hint, "drop the rule");
    EXPECT_TRUE(why.more.empty());
}

TEST(Refusal, ARollbackIsRefusedByWeirsOwnDoorsAlone) {
    EXPECT_EQ(rollback_refusal(failure(Fate::refused, "WE003"), "p")->code, Code::trigger_changed);
    EXPECT_EQ(rollback_refusal(failure(Fate::refused, "WE008"), "p")->code, Code::table_changed);
    EXPECT_THAT(rollback_refusal(failure(Fate::refused, "WE006"), "p")->hint, HasSubstr("weir rollback p"));
    EXPECT_FALSE(rollback_refusal(failure(Fate::refused, "42501"), "p"));
    EXPECT_FALSE(rollback_refusal(done(), "p"));
}

}  // namespace
}  // namespace weir
