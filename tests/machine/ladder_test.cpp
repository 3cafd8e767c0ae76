#include "orchestrator/machine/ladder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>

#include "dialogue.h"

namespace weir {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using State = LockLadder::State;

/// One row of a look: a session whose transaction is so old.
Row blocker(int pid, int age_ms, std::string const& kind = "session", bool holds = true) {
    return row({std::to_string(pid) + " 3/" + std::to_string(pid), std::to_string(pid), kind, holds ? "t" : "f", "f",
                std::to_string(age_ms), "pid " + std::to_string(pid), ""});
}
Row spared(int pid, std::string const& why) {
    auto made = blocker(pid, 9000);
    made.fields[7] = why;
    return made;
}
Row idle(int pid) {
    auto made = blocker(pid, 9000);
    made.fields[4] = "t";
    return made;
}
Row hidden(int pid) {
    auto made = blocker(pid, 0);
    made.fields[5].reset();
    return made;
}

struct LadderTest : testing::Test {
    LockLadder::Config config;
    std::optional<LockLadder> ladder;
    Ids ids;
    Millis now{1000};
    Commands out;

    LadderTest() {
        config.step = "expand.1";
        config.fence = {sql("SELECT weir.fence(1)")};
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
    /// Starts, and the look shows this.
    void start_looking(std::vector<Row> blockers = {}) {
        start();
        answer(done(std::move(blockers)));
    }
    /// The try meets a lock, rest, look, and so to the next try.
    void busy() {
        answer(failure(Fate::lock_busy, "55P03"));
        rested();
        answer(done());
    }
    /// The rest is over after so much time.
    void rested(Millis time = Millis{0}) {
        now += time;
        answer(done());
    }
    Execute sent() const {
        auto const found = all<Execute>(out);
        return found.empty() ? Execute{} : found[0];
    }
    bool looks() const { return text(sent()).find("WITH RECURSIVE wanted") != std::string::npos && !ends(); }
    bool tries() const { return text(sent()).find("LOCK TABLE") != std::string::npos; }
    bool ends() const { return text(sent()).find("SELECT pg_catalog.pg_") != std::string::npos; }
    bool rests() const { return !all<Rest>(out).empty(); }
    Millis rest() const {
        auto const found = all<Rest>(out);
        return found.empty() ? Millis{-1} : found[0].time;
    }
    void stop(bool at_once) {
        out.clear();
        ladder->stop(at_once, out);
    }
};

TEST_F(LadderTest, LooksBeforeTheFirstTry) {
    start();
    EXPECT_TRUE(looks());
    EXPECT_THAT(text(sent()), HasSubstr("SELECT weir.fence(1);\nWITH RECURSIVE wanted"));
    EXPECT_THAT(text(sent()), HasSubstr("('AccessShareLock')"));
    EXPECT_THAT(text(sent()), HasSubstr("to_regclass('\"public\".\"users\"')"));
    EXPECT_THAT(text(sent()), Not(HasSubstr("LOCK TABLE")));
    EXPECT_GT(sent().limits.statement, Millis{0});
    answer(done());
    EXPECT_TRUE(tries());
}

TEST_F(LadderTest, OnlyModesThatConflictAreInTheWay) {
    config.locks = {{users(), LockMode::share_update_exclusive}};
    start();
    auto const wanted = text(sent()).substr(0, text(sent()).find("UNION"));
    EXPECT_THAT(wanted, Not(HasSubstr("'RowExclusiveLock'")));
    EXPECT_THAT(wanted, HasSubstr("('ShareUpdateExclusiveLock'), ('ShareLock'), ('ShareRowExclusiveLock'), "
                                  "('ExclusiveLock'), ('AccessExclusiveLock')"));
}

TEST_F(LadderTest, OneStringInOrder) {
    config.body.push_back(sql("COMMENT users"));
    start_looking();
    auto const left = [](char const* of) {
        return std::string{"SELECT pg_catalog.set_config('statement_timeout', least("} + of + ", greatest(1, " + of +
               " - ((extract(epoch FROM pg_catalog.clock_timestamp()) - pg_catalog.current_setting('weir.began')"
               "::pg_catalog.numeric) * 1000)::pg_catalog.int8))::pg_catalog.text, true);\n";
    };
    EXPECT_EQ(text(sent()),
              "SET LOCAL synchronous_commit = local;\nSET LOCAL client_min_messages = notice;\n"
              "SELECT weir.fence(1);\nSELECT entry();\nSELECT pg_catalog.set_config('weir.began', extract(epoch FROM "
              "pg_catalog.clock_timestamp())::pg_catalog.text, true);\n" +
                  left("50") + "LOCK TABLE \"public\".\"users\" IN ACCESS EXCLUSIVE MODE NOWAIT;\n" + mark().text() +
                  ";\n" + left("90") + "ALTER users;\n" + left("90") +
                  // No limit is left that could strike while it commits.
                  "COMMENT users;\nSET LOCAL statement_timeout = 0;\nSET LOCAL lock_timeout = 0");
    EXPECT_EQ(sent().session, first_hand);
    EXPECT_EQ(sent().transaction, Transaction::implicit);
}

TEST_F(LadderTest, WhatOthersRunIsForATerminalAlone) {
    auto const running = [](Row made, std::string const& text, std::string const& query) {
        made.fields[6] = text;
        made.fields.emplace_back(query);
        return made;
    };
    start_looking(
        {running(blocker(7, 9000), "pid 7 (user web, active, open for 9 s)", "SELECT *\nFROM t WHERE a = 'ada'"),
         running(blocker(8, 9000, "wraparound"), "pid 8 (autovacuum worker, active, open for 9 s)",
                 "autovacuum: VACUUM t (to prevent wraparound)"),
         blocker(9, 9000)});
    auto const tried = told<LockTried>(out);
    ASSERT_EQ(tried.size(), 1U);
    EXPECT_THAT(
        tried[0].blockers,
        ElementsAre("pid 7 (user web, active, open for 9 s: SELECT * FROM t WHERE a = ?)",
                    "pid 8 (autovacuum worker, active, open for 9 s: autovacuum: VACUUM t (to prevent wraparound))",
                    "pid 9"));
    EXPECT_THAT(tried[0].seen,
                ElementsAre(Sealed{"pid 7 (user web, active, open for 9 s: SELECT * FROM t WHERE a = 'ada')"},
                            Sealed{tried[0].blockers[1]}, Sealed{"pid 9"}));
}

TEST_F(LadderTest, WhoeverIsCertainToStayIsNotQueuedFor) {
    struct Case {
        std::string what;
        Row in_the_way;
        bool may_set_deadlock_timeout;
        bool tries;
    };
    for (auto const& [what, in_the_way, may, tried] :
         {Case{"a short transaction", blocker(7, 5), false, true}, Case{"just short", blocker(7, 999), false, true},
          Case{"a long transaction", blocker(7, 1000), false, false},
          Case{"of another role, seen for the first time", hidden(7), false, true},
          Case{"a prepared transaction, however young", blocker(0, 5, "prepared"), true, false},
          Case{"an autovacuum against wraparound", blocker(7, 5, "wraparound"), true, false},
          Case{"an autovacuum that has just begun", blocker(7, 5, "autovacuum"), false, true},
          Case{"an autovacuum that does not yield to us", blocker(7, 2000, "autovacuum"), false, false},
          Case{"an autovacuum that yields", blocker(7, 2000, "autovacuum"), true, true},
          Case{"somebody who waits with an exclusive lock", blocker(7, 100, "session", false), false, false},
          Case{"somebody who waits since a moment", blocker(7, 99, "session", false), false, true}}) {
        config.may_set_deadlock_timeout = may;
        start_looking({blocker(6, 1), in_the_way});
        EXPECT_EQ(tries(), tried) << what;
        EXPECT_EQ(rests(), !tried) << what;
        EXPECT_EQ(told<LockTried>(out).size(), tried ? 0U : 1U) << what;
        EXPECT_EQ(ladder->tries(), tried ? 1 : 0) << what;
        if (tried) continue;
        EXPECT_THAT(told<LockTried>(out)[0].blockers, ElementsAre("pid 6", in_the_way.fields[6])) << what;
        EXPECT_FALSE(told<LockTried>(out)[0].got);
        rested(Millis{20});
        EXPECT_TRUE(looks()) << what;
        answer(done());
        EXPECT_TRUE(tries()) << what << ": gone";
    }
}

TEST_F(LadderTest, ATransactionThatHidesItsAgeIsKnownByItself) {
    start_looking({hidden(7)});
    answer(failure(Fate::lock_busy));
    rested(stays_after);
    answer(done({hidden(7)}));
    EXPECT_TRUE(rests()) << "the same one, a second later";
    rested(Millis{100});
    answer(done({hidden(8)}));
    EXPECT_TRUE(tries()) << "another one";
}

TEST_F(LadderTest, ATableThatIsNeverFreeOfLongTransactionsIsTriedAllTheSame) {
    start_looking({blocker(7, 3000)});
    EXPECT_TRUE(rests());
    rested(Millis{5000});
    answer(done({blocker(8, 3000)}));
    EXPECT_TRUE(rests());
    rested(Millis{2000});
    answer(done({blocker(9, 3000)}));
    EXPECT_TRUE(tries()) << "in seven seconds others have come and gone";
    answer(failure(Fate::lock_busy));
    rested(Millis{1000});
    answer(done({blocker(9, 4000)}));
    EXPECT_TRUE(rests()) << "half of the time that we have waited";
}

TEST_F(LadderTest, WaitsLongerWithEachTryAndNeverMoreThanHalfTheBound) {
    struct Case {
        int bound;
        std::vector<int> waits;
    };
    for (auto const& [bound, waits] : {Case{100, {0, 5, 10, 20, 50, 50, 50}}, Case{30, {0, 5, 10, 15, 15}},
                                       Case{10, {0, 5, 5}}, Case{5, {0, 2, 2}}, Case{1000, {0, 5, 10, 20, 50, 50}}}) {
        config.bound = Millis{bound};
        start_looking();
        for (auto const wait : waits) {
            auto const limits = sent().limits;
            EXPECT_EQ(text(sent()).find("NOWAIT") != std::string::npos, wait == 0) << bound;
            if (wait > 0) {
                EXPECT_EQ(limits.lock, Millis{wait}) << bound;
            }
            EXPECT_GT(limits.lock, Millis{0}) << "0 would be for ever";
            EXPECT_LE(limits.lock, Millis{bound} / 2) << bound;
            EXPECT_EQ(limits.statement, Millis{bound});
            EXPECT_THAT(text(sent()).substr(0, text(sent()).find("LOCK TABLE")),
                        HasSubstr("'statement_timeout', least(" + std::to_string(bound / 2) + ","))
                << "LOCK TABLE waits for each partition anew";
            EXPECT_GT(limits.give_up, Millis{0});
            busy();
        }
    }
}

TEST_F(LadderTest, RestsGrowWithJitterAndStayBounded) {
    std::set<long> fifth;
    for (std::uint64_t seed = 0; seed < 40; ++seed) {
        config.seed = seed;
        start_looking();
        Millis first{}, last{};
        for (int i = 0; i < 20; ++i) {
            // Whether a try met a lock or a look showed that it would.
            if (tries())
                answer(failure(Fate::lock_busy, "55P03"));
            else
                answer(done({blocker(7, 9000)}));
            last = rest();
            if (i == 0) first = last;
            if (i == 4) fifth.insert(last.count());
            EXPECT_GT(last, Millis{0});
            EXPECT_LE(last, Millis{2500});
            rested();
            if (i % 2 == 0) answer(done());
        }
        EXPECT_LE(first, Millis{25});
        EXPECT_GE(last, Millis{1500});
    }
    EXPECT_GT(fifth.size(), 10U) << "jitter";
}

TEST_F(LadderTest, ScansHaveNoStatementTimeout) {
    config.scans = true;
    start();
    EXPECT_FALSE(ladder->scanning()) << "it looks";
    answer(done());
    EXPECT_TRUE(ladder->scanning());
    EXPECT_EQ(sent().limits.statement, Millis{0});
    EXPECT_EQ(sent().limits.give_up, Millis{0});
    EXPECT_GT(sent().limits.lock, Millis{0});
    EXPECT_THAT(text(sent()), Not(HasSubstr("statement_timeout")));
    answer(done());
    EXPECT_FALSE(ladder->scanning());
}

/// What the statement after the nth LOCK TABLE (from 0) was allowed: `least(A, greatest(1, (B - gone) / C))`.
struct Share {
    int at_most, of, among;
    auto operator<=>(Share const&) const = default;
};
void PrintTo(Share const& s, std::ostream* out) { *out << s.at_most << "/" << s.of << "/" << s.among; }

std::vector<Share> shares(std::string const& text) {
    std::vector<Share> all;
    std::regex const form{R"(set_config\('lock_timeout', least\((\d+), greatest\(1, \((\d+) - .*? / (\d+)\)\))"};
    for (std::sregex_iterator it{text.begin(), text.end(), form}, end; it != end; ++it)
        all.push_back({std::stoi((*it)[1]), std::stoi((*it)[2]), std::stoi((*it)[3])});
    return all;
}

TEST_F(LadderTest, SeveralTablesShareOneBudget) {
    struct Case {
        int bound, tables, tries_before, first;  ///< first: what the first may wait; 0: NOWAIT
        std::vector<Share> further;
    };
    for (auto const& [bound, tables, tries_before, first, further] :
         {Case{100, 1, 0, 0, {}}, Case{100, 2, 0, 0, {{10, 50, 1}}}, Case{100, 2, 1, 5, {{10, 50, 1}}},
          Case{100, 2, 3, 20, {{20, 50, 1}}}, Case{100, 2, 9, 25, {{25, 50, 1}}},
          Case{100, 3, 9, 16, {{16, 50, 2}, {16, 50, 1}}}, Case{100, 3, 0, 0, {{10, 50, 2}, {10, 50, 1}}},
          Case{10, 2, 9, 2, {{5, 5, 1}}}, Case{1000, 2, 9, 50, {{50, 500, 1}}}}) {
        config.bound = Millis{bound};
        config.locks.clear();
        for (int i = 0; i < tables; ++i)
            config.locks.push_back(
                {{Ident::of("public"), Ident::of("t" + std::to_string(9 - i))}, LockMode::access_exclusive});
        start_looking();
        for (int i = 0; i < tries_before; ++i) busy();
        auto const string = text(sent());
        EXPECT_EQ(string.find("NOWAIT") != std::string::npos, first == 0) << bound << " " << tables;
        if (first > 0) {
            EXPECT_EQ(sent().limits.lock, Millis{first}) << bound << " " << tables;
        }
        EXPECT_EQ(shares(string), further) << bound << " " << tables << " " << tries_before;
        EXPECT_LE(sent().limits.lock, Millis{bound} / 2);
        if (tables < 2) continue;
        EXPECT_LT(string.find("\"t9\""), string.find("\"t8\"")) << "in the order given";
        auto const last = string.rfind("LOCK TABLE");
        EXPECT_THAT(string.substr(last), HasSubstr("SET LOCAL lock_timeout = "))
            << "what the statements wait for by themselves has its own time";
        EXPECT_THAT(string.substr(0, last),
                    HasSubstr("set_config('statement_timeout', least(" + std::to_string(bound / 2) + ", greatest(1, " +
                              std::to_string(bound / 2) + " - "));
    }
}

TEST_F(LadderTest, AScanOfSeveralTablesHasALimitForItsLocksAlone) {
    config.scans = true;
    config.locks.push_back({{Ident::of("public"), Ident::of("orders")}, LockMode::row_share});
    start_looking();
    EXPECT_EQ(shares(text(sent())).size(), 1U);
    EXPECT_THAT(text(sent()), Not(HasSubstr("statement_timeout")));
}

TEST_F(LadderTest, ThreeCancellationsWithNobodyInTheWayAreTooMuch) {
    auto const cancelled = [&](std::vector<int> marks) {
        auto outcome = failure(Fate::canceled, "57014");
        for (int const m : marks) outcome.marks.emplace_back(m);
        return outcome;
    };
    struct Case {
        std::string what;
        std::vector<int> marks;  ///< of each try
        bool too_much;
    };
    for (auto const& [what, marks, too_much] :
         {Case{"the locks came at once", {4}, true}, Case{"at a quarter of the bound", {25}, true},
          Case{"somebody was in the way", {26}, false}, Case{"it waited for a lock", {}, false}}) {
        config.body.assign(4, sql("ALTER users"));
        start_looking({blocker(7, 5)});
        for (int i = 1; i <= 3; ++i) {
            EXPECT_EQ(ladder->state(), State::running) << what;
            EXPECT_EQ(text(sent()).find("WE200", text(sent()).rfind("ALTER users")) != std::string::npos,
                      too_much && i > 1)
                << what << ": how far it comes is asked of later tries";
            if (i == 3) now += too_much_over;
            answer(cancelled(marks));
            EXPECT_EQ(told<LockTried>(out).size(), 1U);
            if (ladder->state() != State::running) break;
            rested();
            answer(done({blocker(7, 5)}));
        }
        EXPECT_EQ(ladder->state(), too_much ? State::too_much : State::running) << what;
        if (too_much) {
            EXPECT_EQ(ladder->tries(), 3) << what;
            EXPECT_FALSE(ladder->owns(CommandId{ids.last})) << what;
        }
    }
    // One of four statements was done within the bound, two, three: four take so much longer.
    for (auto const& [reached, would_do] : {std::pair{1, 600}, {2, 300}, {3, 200}, {4, 200}}) {
        config.body.assign(4, sql("ALTER users"));
        start_looking();
        for (int i = 0; i < 2; ++i) {
            answer(cancelled({1}));
            rested();
            answer(done());
        }
        std::vector<int> marks{1};
        for (int i = 0; i < reached; ++i) marks.push_back(10 * (i + 1));
        auto last = *ladder;
        now += too_much_over;
        answer(cancelled(marks));
        EXPECT_EQ(ladder->state(), State::too_much);
        EXPECT_EQ(ladder->bound_that_would_do(), Millis{would_do}) << reached;
    }
    // What was stopped is stopped.
    start_looking();
    for (int i = 0; i < 2; ++i) {
        answer(cancelled({1}));
        rested();
        answer(done());
    }
    stop(true);
    answer(cancelled({1}));
    EXPECT_EQ(ladder->state(), State::stopped);
}

TEST_F(LadderTest, DeadlockTimeoutIsShorterThanTheWaitWhereItMayBeSet) {
    config.may_set_deadlock_timeout = true;
    start_looking();
    EXPECT_THAT(text(sent()), HasSubstr("SET LOCAL deadlock_timeout = '2ms'"));
    for (int i = 0; i < 4; ++i) busy();
    EXPECT_THAT(text(sent()), HasSubstr("SET LOCAL deadlock_timeout = '25ms'"));
}

TEST_F(LadderTest, ATryThatFailsNamesWhoWasSeen) {
    start_looking({blocker(42, 5), blocker(43, 5)});
    answer(failure(Fate::lock_busy, "55P03"));
    ASSERT_EQ(told<LockTried>(out).size(), 1U);
    EXPECT_THAT(told<LockTried>(out)[0].blockers, ElementsAre("pid 42", "pid 43"));
    EXPECT_FALSE(told<LockTried>(out)[0].got);
    EXPECT_TRUE(rests());
}

TEST_F(LadderTest, GivesUpAndNamesTheBlockers) {
    config.give_up = Millis{10'000};
    // Nobody was seen at first: after the last try it looks once more, to name them.
    start_looking();
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(ladder->state(), State::running);
        busy();
    }
    now += Millis{10'000};
    answer(failure(Fate::lock_busy, "55P03"));
    EXPECT_TRUE(looks());
    answer(done({blocker(42, 5)}));
    EXPECT_EQ(ladder->state(), State::gave_up);
    EXPECT_THAT(ladder->blockers(), ElementsAre("pid 42"));
    EXPECT_THAT(ladder->advice(), HasSubstr("SELECT pg_terminate_backend(42)"));
    EXPECT_EQ(ladder->tries(), 4);
    EXPECT_EQ(rest(), Millis{-1}) << "nothing is left in flight";
    EXPECT_FALSE(ladder->owns(CommandId{ids.last}));

    start_looking({blocker(42, 9000)});
    rested(Millis{10'000});
    answer(done({blocker(43, 19'000)}));
    EXPECT_EQ(ladder->state(), State::gave_up);
    EXPECT_EQ(ladder->tries(), 0);
    EXPECT_THAT(ladder->blockers(), ElementsAre("pid 43"));

    start_looking({blocker(42, 5)});
    now += Millis{10'000};
    answer(failure(Fate::lock_busy, "55P03"));
    answer(done());
    EXPECT_EQ(ladder->state(), State::gave_up);
    EXPECT_THAT(ladder->blockers(), ElementsAre("pid 42")) << "gone since, and better than no name";
}

TEST_F(LadderTest, WhatAPersonCanDoDependsOnWhoItIs) {
    struct Case {
        Row in_the_way;
        std::string advice;
    };
    for (auto const& [in_the_way, advice] :
         {Case{blocker(0, 9000, "prepared"), "ROLLBACK PREPARED"},
          Case{blocker(7, 9000, "wraparound"), "come to its end"},
          Case{blocker(7, 9000, "autovacuum"), "GRANT SET ON PARAMETER"}, Case{blocker(7, 9000), "locks.on_blocked"}}) {
        config.give_up = Millis{0};
        start_looking({in_the_way});
        EXPECT_EQ(ladder->state(), State::gave_up);
        EXPECT_THAT(ladder->advice(), HasSubstr(advice));
        EXPECT_THAT(ladder->advice(), HasSubstr("run again"));
    }
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
        start_looking();
        answer(failure(fate));
        EXPECT_EQ(ladder->state(), state) << name(fate);
        EXPECT_EQ(ladder->outcome().fate, fate);
        EXPECT_EQ(ladder->owns(CommandId{ids.last}), state == State::running) << name(fate);
    }
}

TEST_F(LadderTest, ALookThatFailsIsNoHarmAndALostSessionIs) {
    for (auto const fate : {Fate::canceled, Fate::lock_busy, Fate::refused}) {
        start();
        answer(failure(fate));
        EXPECT_TRUE(tries()) << name(fate);
    }
    for (auto const fate : {Fate::in_doubt, Fate::lost, Fate::fenced}) {
        start();
        answer(failure(fate));
        EXPECT_EQ(ladder->state(), State::failed);
        EXPECT_EQ(ladder->outcome().fate, fate);
    }
}

TEST_F(LadderTest, StopLetsAShortTryEndAndCancelsARest) {
    start_looking();
    auto const trying = ids.last;
    stop(false);
    EXPECT_TRUE(all<Cancel>(out).empty()) << "it is over in a tenth of a second";
    auto after_done = *this->ladder;
    answer(failure(Fate::lock_busy));
    EXPECT_EQ(ladder->state(), State::stopped);
    Commands more;
    after_done.completed(stamp(now), {CommandId{trying}, done()}, ids, more);
    EXPECT_EQ(after_done.state(), State::done) << "what is done is done";

    start_looking();
    answer(failure(Fate::lock_busy));
    stop(false);
    ASSERT_EQ(all<Cancel>(out).size(), 1U);
    answer(failure(Fate::canceled));
    EXPECT_EQ(ladder->state(), State::stopped);
}

TEST_F(LadderTest, StopNowCancelsATryAndAnyStopAScan) {
    start_looking();
    stop(true);
    ASSERT_EQ(all<Cancel>(out).size(), 1U);
    answer(failure(Fate::canceled));
    EXPECT_EQ(ladder->state(), State::stopped);

    config.scans = true;
    start_looking();
    stop(false);
    EXPECT_EQ(all<Cancel>(out).size(), 1U);
    answer(failure(Fate::canceled));
    EXPECT_EQ(ladder->state(), State::stopped);
}

TEST_F(LadderTest, StopWhileLooking) {
    for (bool const seen : {false, true}) {
        start();
        stop(false);
        ASSERT_EQ(all<Cancel>(out).size(), 1U);
        answer(seen ? done({blocker(7, 9000)}) : failure(Fate::canceled));
        EXPECT_EQ(ladder->state(), State::stopped);
    }
}

// ---- locks.on_blocked -----------------------------------------------------------------------------------------------

struct EndingTest : LadderTest {
    /// In the way at the first look, and still there after `ended_after`.
    void stays(OnBlocked how, std::vector<Row> const& in_the_way) {
        config.on_blocked = how;
        start_looking(in_the_way);
        EXPECT_TRUE(rests()) << "not at once";
        rested(ended_after - Millis{1});
        answer(done(in_the_way));
        EXPECT_TRUE(rests()) << "not yet";
        rested(Millis{1});
        answer(done(in_the_way));
    }
};

TEST_F(EndingTest, AsThePlanSays) {
    stays(OnBlocked::wait, {blocker(42, 9000)});
    EXPECT_TRUE(rests());
    stays(OnBlocked::cancel, {blocker(42, 9000)});
    EXPECT_THAT(text(sent()), HasSubstr("SELECT weir.fence(1);\nSELECT pg_catalog.pg_cancel_backend(b.pid) FROM ("));
    EXPECT_THAT(text(sent()), HasSubstr("WHERE b.key = '42 3/42' AND b.spared = ''"));
    stays(OnBlocked::terminate, {blocker(42, 9000)});
    EXPECT_THAT(text(sent()), HasSubstr("SELECT pg_catalog.pg_terminate_backend(b.pid) FROM ("));
    stays(OnBlocked::terminate, {blocker(42, 9000, "autovacuum")});
    EXPECT_THAT(text(sent()), HasSubstr("pg_cancel_backend")) << "of an autovacuum there is only what it does";
    answer(done({row({"t"})}));
    ASSERT_EQ(told<BlockerEnded>(out).size(), 1U);
    EXPECT_EQ(told<BlockerEnded>(out)[0].blocker, "pid 42");
    EXPECT_FALSE(told<BlockerEnded>(out)[0].session);
    EXPECT_LE(rest(), Millis{25}) << "it looks again soon";
}

TEST_F(EndingTest, AllThatStayOneByOneAndAgainAfterAWhile) {
    std::vector<Row> const both{blocker(42, 9000), blocker(43, 9000)};
    stays(OnBlocked::terminate, both);
    EXPECT_THAT(text(sent()), HasSubstr("b.key = '42 3/42'"));
    answer(done({row({"t"})}));
    EXPECT_TRUE(told<BlockerEnded>(out)[0].session);
    EXPECT_THAT(text(sent()), HasSubstr("b.key = '43 3/43'"));
    answer(done());
    EXPECT_TRUE(told<BlockerEnded>(out).empty()) << "it was gone";
    EXPECT_TRUE(rests());
    rested(Millis{20});
    answer(done(both));
    EXPECT_TRUE(rests()) << "they need a moment";
    rested(ended_after);
    answer(done(both));
    EXPECT_TRUE(ends());
}

TEST_F(EndingTest, WhoIsSparedIsToldOnceWithTheReason) {
    struct Case {
        OnBlocked how;
        Row in_the_way;
        std::string why, hint;
    };
    for (auto const& [how, in_the_way, why, hint] :
         {Case{OnBlocked::terminate, spared(42, "its user web is a superuser"), "its user web is a superuser",
               "pg_terminate_backend(42)"},
          Case{OnBlocked::cancel, spared(42, "it is a session of weir"), "session of weir", "let the session end"},
          Case{OnBlocked::cancel, idle(42), "no statement that could be canceled", "on_blocked: terminate"}}) {
        stays(how, {in_the_way});
        EXPECT_TRUE(rests());
        ASSERT_EQ(told<Warned>(out).size(), 1U);
        EXPECT_THAT(told<Warned>(out)[0].message, HasSubstr(why));
        EXPECT_THAT(told<Warned>(out)[0].hint, HasSubstr(hint));
        rested(ended_after);
        answer(done({in_the_way}));
        EXPECT_TRUE(told<Warned>(out).empty());
        EXPECT_TRUE(rests());
    }
    stays(OnBlocked::terminate, {idle(42)});
    EXPECT_TRUE(ends()) << "a session that is idle can be terminated";
}

TEST_F(EndingTest, NeverWhoWaitsItself) {
    stays(OnBlocked::terminate, {blocker(42, 9000, "session", false)});
    EXPECT_TRUE(rests());
}

TEST_F(EndingTest, WithoutThePrivilegeItWarnsOnceAndWaits) {
    stays(OnBlocked::terminate, {blocker(42, 9000)});
    answer(failure(Fate::refused, "42501", "permission denied to terminate process"));
    ASSERT_EQ(told<Warned>(out).size(), 1U);
    EXPECT_THAT(told<Warned>(out)[0].message, HasSubstr("permission denied"));
    EXPECT_THAT(told<Warned>(out)[0].hint, HasSubstr("GRANT pg_signal_backend"));
    rested(ended_after);
    answer(done({blocker(42, 9000), blocker(43, 9000)}));
    EXPECT_TRUE(rests());
    rested(ended_after);
    answer(done({blocker(43, 9000)}));
    EXPECT_TRUE(rests());
    EXPECT_TRUE(told<Warned>(out).empty());
    EXPECT_EQ(ladder->state(), State::running);
}

TEST_F(EndingTest, StopWhileEnding) {
    stays(OnBlocked::terminate, {blocker(42, 9000), blocker(43, 9000)});
    stop(false);
    ASSERT_EQ(all<Cancel>(out).size(), 1U);
    answer(done({row({"t"})}));
    EXPECT_EQ(told<BlockerEnded>(out).size(), 1U) << "what was done is told";
    EXPECT_EQ(ladder->state(), State::stopped);
}

}  // namespace
}  // namespace weir
