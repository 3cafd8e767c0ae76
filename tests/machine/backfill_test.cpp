#include "orchestrator/machine/backfill.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dialogue.h"
#include "orchestrator/machine/pace.h"

namespace weir {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using State = BackfillMachine::State;

struct Stripe {
    int from, to, next;
};

struct BackfillTest : testing::Test {
    BackfillMachine::Config config{.run = RunId{1},
                                   .epoch = Epoch{5},
                                   .step = "backfill.1",
                                   .rows = rows_of_users(),
                                   .workers = 1,
                                   .plain = true,
                                   .sweep = {.pages_at_least = 0}};
    std::optional<BackfillMachine> machine;
    Ids ids;
    Millis now{1000};
    std::string root{"16384"};    ///< oid of the table; another one: its leaves are partitions
    std::string density{"10"};    ///< rows a page, by the server's estimate
    Commands out;                 ///< of the last input
    std::vector<Command> flying;  ///< Execute and Rest, first in first

    void note() {
        for (auto const& command : out)
            if (std::holds_alternative<Execute>(command) || std::holds_alternative<Rest>(command))
                flying.push_back(command);
    }
    void start() {
        machine.emplace(config);
        out.clear();
        flying.clear();
        machine->start(stamp(now), ids, out);
        note();
    }
    void answer(Outcome outcome, std::size_t which = 0) {
        ASSERT_LT(which, flying.size());
        auto const id = std::visit(
            [](auto const& c) {
                if constexpr (requires { c.id; })
                    return c.id;
                else
                    return CommandId{};
            },
            flying[which]);
        flying.erase(flying.begin() + static_cast<std::ptrdiff_t>(which));
        ASSERT_TRUE(machine->owns(id));
        out.clear();
        machine->completed(stamp(now), {id, std::move(outcome)}, ids, out);
        EXPECT_FALSE(machine->owns(id));
        note();
    }
    void prepared(std::vector<Stripe> const& stripes, int file = 77, std::string const& changed = "") {
        std::vector<Row> rows;
        for (auto const& s : stripes)
            rows.push_back(
                row({"16384", "public", "users", std::to_string(file), std::to_string(s.from), std::to_string(s.to),
                     std::to_string(s.next), "3", "100", density, "on", root, changed}));
        answer(done(std::move(rows)));
    }
    Execute sent(std::size_t which = 0) const {
        auto const* execute = which < flying.size() ? std::get_if<Execute>(&flying[which]) : nullptr;
        return execute ? *execute : Execute{};
    }
    bool rests(std::size_t which = 0) const {
        return which < flying.size() && std::holds_alternative<Rest>(flying[which]);
    }
    /// `batch 0-16`, `skip 0-16`, `count …`, `refill …`, `keys …`, `rest`, `nothing`
    std::string what(std::size_t which = 0) const {
        if (which >= flying.size()) return "nothing";
        if (rests(which)) return "rest";
        auto const all = text(sent(which));
        if (all.find("VACUUM") == 0) return "vacuum";
        if (all.find("pg_logical_emit_message") != std::string::npos) return "commit";
        if (all.find("SELECT (SELECT least(") == 0) return "horizon";
        if (auto const at = all.find("generate_series(");
            at != std::string::npos && all.find("LATERAL (SELECT") != std::string::npos) {
            auto const from = std::stoll(all.substr(at + 16));
            auto const to = std::stoll(all.substr(all.find(", ", at) + 2)) + 1;
            auto const each = std::stoll(all.substr(all.find("LIMIT ") + 6));
            return std::string{all.find("SKIP LOCKED") != std::string::npos ? "skip-sweep " : "sweep "} +
                   std::to_string(from) + "-" + std::to_string(to) + " " + std::to_string(each);
        }
        if (all.find("INSERT INTO weir.progress") != std::string::npos) return "prepare";
        if (all.find("SELECT EXISTS (SELECT FROM weir.shapes(") != std::string::npos) return "leaves";
        auto const part = [&](std::string const& mark) {
            auto const at = all.find(mark) + mark.size();
            return all.substr(at, all.find(',', at) - at);
        };
        auto const word = all.find("SKIP LOCKED") != std::string::npos              ? "skip "
                          : all.find("WITH n AS MATERIALIZED") != std::string::npos ? "count "
                          : all.find("WITH k AS") != std::string::npos              ? "keys "
                          : all.find("UPDATE weir.progress") != std::string::npos   ? "batch "
                                                                                    : "refill ";
        return word + part("ctid >= '(") + "-" + part("ctid < '(");
    }
    Outcome count(int rows, int wrong) const { return done({row({std::to_string(rows), std::to_string(wrong)})}); }
    Outcome wrote(int rows, int ms = 50, int hot = 0, int xid = 1000) const {
        auto made = row({std::to_string(rows), std::to_string(hot), std::to_string(xid)});
        made.fields.push_back(std::nullopt);
        return done({std::move(made)}, Millis{ms});
    }
    Outcome slow() const { return failure(Fate::canceled, "57014"); }
    Outcome locked() const { return failure(Fate::lock_busy, "55P03"); }
};

TEST_F(BackfillTest, PreparesThenFillsRangeByRange) {
    start();
    EXPECT_EQ(what(), "prepare");
    EXPECT_THAT(text(sent()),
                AllOf(HasSubstr("SELECT weir.fence(5)"), HasSubstr("weir.check_sync"), HasSubstr("misses > 0"),
                      HasSubstr("p.filenode = s.filenode"), HasSubstr("weir.check_kinds")));
    prepared({{0, 40, 0}});
    ASSERT_EQ(told<WorkKnown>(out).size(), 1U);
    auto const known = told<WorkKnown>(out)[0];
    EXPECT_EQ(known.pages, 40);
    EXPECT_EQ(known.rows_estimate, 100);
    EXPECT_FALSE(known.proof);
    EXPECT_EQ(what(), "batch 0-16");
    answer(wrote(160));
    EXPECT_EQ(told<BatchDone>(out)[0].rows, 160);
    EXPECT_EQ(told<BatchDone>(out)[0].pages, 16);
    EXPECT_EQ(what(), "batch 16-32");
    answer(wrote(160));
    EXPECT_EQ(what(), "batch 32-40");
    EXPECT_EQ(machine->pages_done(), 32);
    answer(wrote(80));
    EXPECT_EQ(machine->state(), State::done);
    EXPECT_EQ(machine->pages_done(), machine->pages());
}

TEST_F(BackfillTest, ABatchIsOneFencedStringWithItsProgress) {
    start();
    prepared({{0, 16, 0}});
    EXPECT_THAT(text(sent()),
                AllOf(HasSubstr("SET LOCAL synchronous_commit = off"), HasSubstr("SET LOCAL weir.batch = 'on'"),
                      HasSubstr("SELECT weir.fence(5)"),
                      HasSubstr("LOCK TABLE ONLY \"public\".\"users\" IN ROW EXCLUSIVE MODE"),
                      HasSubstr("SELECT weir.same_file(16384, 77, 16384)"), HasSubstr("SET \"full_name\" = name"),
                      HasSubstr("NOT ok"), HasSubstr("next_page = 16"), HasSubstr("p.step = 'backfill.1'")));
    EXPECT_EQ(sent().limits.lock, Millis{10});
    EXPECT_EQ(sent().limits.statement, Millis{100});
}

struct InPageTest : BackfillTest {
    InPageTest() {
        config.plain = false;
        density = "40";
    }
    /// What a sweep or a last pass says, with the horizon when it was asked for.
    Outcome swept(int rows, int hot, int xid, std::optional<int> horizon = std::nullopt, int ms = 30) const {
        auto outcome = wrote(rows, ms, hot, xid);
        if (horizon) outcome.rows[0].fields[3] = std::to_string(*horizon);
        return outcome;
    }
    Outcome horizon(int xid) const { return done({row({std::to_string(xid)})}); }
};

TEST_F(InPageTest, SweepsInRoundsAndEndsWithTheRange) {
    start();
    prepared({{0, 32, 0}});
    ASSERT_EQ(told<WayChanged>(out).size(), 1U);
    EXPECT_EQ(told<WayChanged>(out)[0].way, Way::in_page);
    EXPECT_EQ(what(), "sweep 0-32 3");
    EXPECT_THAT(text(sent()),
                AllOf(HasSubstr("SELECT weir.fence(5)"), HasSubstr("SELECT weir.same_file(16384, 77, 16384)"),
                      HasSubstr("LOCK TABLE ONLY \"public\".\"users\" IN ROW EXCLUSIVE MODE"),
                      HasSubstr("AND NOT ok LIMIT 3"), HasSubstr("backend_xmin")));
    answer(swept(96, 0, 500, 501));
    EXPECT_EQ(told<BatchDone>(out)[0].rows, 96);
    EXPECT_EQ(what(), "sweep 0-32 3");
    EXPECT_THAT(text(sent()), Not(HasSubstr("backend_xmin"))) << "the horizon is young enough";
    answer(swept(96, 80, 501, 502));
    EXPECT_EQ(told<BatchDone>(out)[0].hot, 80);
    answer(swept(20, 20, 502, 503));
    EXPECT_EQ(what(), "batch 0-16");
    answer(swept(1, 1, 503));
    answer(swept(1, 1, 504));
    EXPECT_EQ(machine->state(), State::done);
    EXPECT_EQ(machine->pages_done(), 32);
}

TEST_F(InPageTest, WaitsForTheHorizonAndThenGoesOnWithout) {
    start();
    prepared({{0, 16, 0}});
    answer(swept(48, 0, 500, 400));
    EXPECT_EQ(what(), "horizon");
    answer(horizon(400));
    EXPECT_EQ(what(), "rest");
    now += Millis{20};
    answer(done());
    EXPECT_EQ(what(), "horizon");
    now += Millis{1000};
    answer(horizon(400));
    answer(done());
    ASSERT_EQ(told<WayChanged>(out).size(), 1U);
    EXPECT_EQ(told<WayChanged>(out)[0].way, Way::ranges);
    EXPECT_EQ(what(), "batch 0-16");
}

TEST_F(InPageTest, LooksAtTheHorizonBeforeItBlamesSomebodyAgain) {
    start();
    prepared({{0, 16, 0}, {16, 32, 16}});
    answer(swept(48, 0, 500, 400));
    answer(swept(48, 0, 501));
    answer(horizon(400));
    ASSERT_EQ(what(), "rest");
    now += Millis{1020};
    answer(done());
    ASSERT_EQ(what(), "rest") << "the second is used up";
    answer(done());
    ASSERT_EQ(what(), "batch 0-16");
    answer(swept(500, 0, 502, 600));
    ASSERT_EQ(what(), "sweep 16-32 3") << "what held it is gone";
    answer(swept(48, 40, 700));
    EXPECT_EQ(what(), "horizon") << "what is known of it is older than the sweep";
    answer(horizon(701));
    EXPECT_EQ(what(), "sweep 16-32 3");
}

TEST_F(InPageTest, TheHorizonMoves) {
    start();
    prepared({{0, 16, 0}});
    answer(swept(48, 0, 500, 400));
    answer(horizon(501));
    EXPECT_EQ(what(), "sweep 0-16 3");
}

TEST_F(InPageTest, ALockedRowIsPassedOverInLaterSweeps) {
    start();
    prepared({{0, 16, 0}});
    answer(locked());
    EXPECT_EQ(told<BatchRetried>(out).size(), 1U);
    EXPECT_EQ(what(), "skip-sweep 0-16 3");
    answer(locked());
    EXPECT_EQ(what(), "rest") << "the table itself is locked";
    answer(done());
    EXPECT_EQ(what(), "skip-sweep 0-16 3");
}

TEST_F(InPageTest, TooLongIsHalved) {
    start();
    prepared({{0, 64, 0}});
    answer(slow());
    EXPECT_EQ(what(), "sweep 0-32 3");
    answer(failure(Fate::deadlock, "40P01"));
    EXPECT_EQ(what(), "rest");
    answer(done());
    EXPECT_EQ(what(), "skip-sweep 0-32 3");
}

TEST_F(InPageTest, PlainOrderKnowsTheHorizonForItsVacuum) {
    config.plain = true;
    config.sweep.vacuum_at_least = 100;
    start();
    prepared({{0, 160, 0}});
    EXPECT_THAT(text(sent()), HasSubstr("backend_xmin"));
    answer(swept(640, 0, 500, 400, 50));
    answer(swept(640, 0, 501, 502, 50));
    EXPECT_EQ(what(), "vacuum");
}

TEST_F(InPageTest, ATableThatIsCalledAsOurAliasIsNotTakenForIt) {
    config.rows.table = {Ident::of("public"), Ident::of("weir page")};
    start();
    prepared({{0, 16, 0}});
    EXPECT_THAT(text(sent()), AllOf(HasSubstr("AS \"weir pages\"(n)"), HasSubstr("'(', \"weir pages\".n, ',0)'"),
                                    Not(HasSubstr("\"weir page\".n"))));
}

TEST_F(InPageTest, DeadRowsOfPageRangesAreVacuumed) {
    config.rows.never_in_page = "the index i is on the column";
    config.sweep.vacuum_at_least = 100;
    start();
    prepared({{0, 160, 0}});
    EXPECT_EQ(told<WayChanged>(out)[0].reason, "the index i is on the column");
    EXPECT_EQ(what(), "batch 0-16");
    answer(swept(640, 0, 500, 400, 50));
    EXPECT_EQ(what(), "batch 16-32");
    answer(swept(640, 0, 501, 400, 50));
    EXPECT_EQ(what(), "batch 32-48") << "somebody may still see what is dead";
    answer(swept(640, 0, 502, 503, 50));
    EXPECT_EQ(what(), "vacuum");
    EXPECT_EQ(sent().transaction, Transaction::standalone);
    answer(done({}, Millis{700}));
    ASSERT_EQ(told<Vacuumed>(out).size(), 1U);
    EXPECT_EQ(told<Vacuumed>(out)[0].dead_rows, 1920);
    EXPECT_THAT(what(), HasSubstr("batch 48-"));
}

TEST_F(InPageTest, AVacuumThatFindsTheTableBusyIsLeftOut) {
    config.rows.never_in_page = "the index i is on the column";
    config.sweep.vacuum_at_least = 100;
    start();
    prepared({{0, 160, 0}});
    answer(swept(1000, 0, 500, 501, 50));
    EXPECT_EQ(what(), "vacuum");
    answer(locked());
    EXPECT_TRUE(told<Vacuumed>(out).empty());
    EXPECT_EQ(what(), "batch 16-32");
    machine->stop(false, out);
    answer(swept(10, 0, 501));
    EXPECT_EQ(machine->state(), State::stopped);
}

TEST_F(InPageTest, ErasesByRangesAndSaysNothingOfWays) {
    config.rows.erases = true;
    config.rows.fragments[0].set.clear();
    start();
    prepared({{0, 16, 0}});
    EXPECT_TRUE(told<WayChanged>(out).empty());
    EXPECT_THAT(text(sent()), AllOf(HasSubstr("WITH u AS (DELETE FROM ONLY"), HasSubstr("NOT ok")));
    answer(locked());
    EXPECT_THAT(text(sent()), AllOf(HasSubstr("u AS (DELETE FROM ONLY"), HasSubstr("SKIP LOCKED")));
}

TEST_F(InPageTest, ADeletionNeedsNoRoomAndRunsNoVacuum) {
    config.rows.erases = true;
    config.rows.fragments[0].set.clear();
    config.sweep.vacuum_at_least = 100;
    start();
    prepared({{0, 160, 0}});
    answer(swept(5000, 0, 500, 501, 50));
    EXPECT_EQ(what(), "batch 16-32");
}

TEST_F(InPageTest, SettingsStandInEveryBatchThatWrites) {
    config.rows.settings = {sql("SET LOCAL session_replication_role = replica")};
    start();
    prepared({{0, 16, 0}});
    EXPECT_THAT(text(sent()), HasSubstr("session_replication_role = replica"));
}

TEST_F(InPageTest, AutoBeginsWithOneWorkerAndTriesAnother) {
    config.workers = 4;
    config.all = false;
    start();
    std::vector<Stripe> stripes;
    for (int at = 0; at < 6400; at += 64) stripes.push_back({at, at + 64, at});
    prepared(stripes);
    ASSERT_EQ(flying.size(), 1U);
    int commits = 0;
    int xid = 500;
    while (flying.size() == 1 && now < Millis{20'000}) {
        bool const commit = what() == "commit";
        commits += commit ? 1 : 0;
        now += Millis{commit ? 2 : 40};
        ++xid;
        answer(commit ? done({}, Millis{2}) : swept(192, 150, xid, xid + 1));
    }
    EXPECT_EQ(flying.size(), 2U) << "a second one works";
    EXPECT_GE(commits, 5);
    ASSERT_EQ(told<WorkersChanged>(out).size(), 1U);
    EXPECT_EQ(told<WorkersChanged>(out)[0].workers, 2);
}

TEST_F(BackfillTest, APartitionThatIsLockedWhileItLooksIsWaitedFor) {
    root = "16000";
    start();
    prepared({{0, 16, 0}});
    answer(wrote(1));
    now += config.give_up - Millis{1000};
    answer(locked());
    EXPECT_EQ(machine->state(), State::running);
    EXPECT_EQ(what(), "leaves");
    EXPECT_THAT(text(sent()), AllOf(HasSubstr("weir.check_kinds"), HasSubstr("weir.fence(5)")));
    now += Millis{1000};
    answer(locked());
    EXPECT_EQ(machine->state(), State::failed);
    EXPECT_EQ(machine->outcome().fate, Fate::lock_busy);
}

TEST_F(BackfillTest, LooksForNewPartitionsAtTheEnd) {
    root = "16000";
    start();
    prepared({{0, 16, 0}});
    answer(wrote(1));
    EXPECT_EQ(machine->state(), State::running);
    EXPECT_EQ(what(), "leaves");
    EXPECT_THAT(text(sent()), AllOf(HasSubstr("weir.check_kinds"), HasSubstr("weir.fence(5)")));
    answer(done({row({"t"})}));
    EXPECT_EQ(what(), "prepare") << "one was attached";
    prepared({{0, 16, 16}, {16, 32, 16}});
    EXPECT_EQ(what(), "batch 16-32");
    answer(wrote(1));
    answer(done({row({"f"})}));
    EXPECT_EQ(machine->state(), State::done);
}

TEST_F(BackfillTest, ARuleThatWasMadeMeanwhileIsNamed) {
    start();
    EXPECT_THAT(text(sent()), HasSubstr("weir.check_rules"));
    prepared({{0, 16, 0}});
    answer(failure(Fate::refused, "0A000", "cannot perform UPDATE RETURNING on relation \"users\""));
    EXPECT_EQ(what(), "prepare");
    answer(failure(Fate::refused, "WE008", "rule nowhere on users rewrites each UPDATE, also those of weir"));
    EXPECT_EQ(machine->state(), State::failed);
    EXPECT_EQ(machine->outcome().sqlstate, "WE008");

    // When it is none, the server's refusal stands.
    start();
    for (int times = 0; times < 3; ++times) {
        prepared({{0, 16, 0}});
        answer(failure(Fate::refused, "0A000", "feature not supported"));
        EXPECT_EQ(what(), "prepare");
    }
    prepared({{0, 16, 0}});
    answer(failure(Fate::refused, "0A000", "feature not supported"));
    EXPECT_EQ(machine->state(), State::failed);
    EXPECT_EQ(machine->outcome().sqlstate, "0A000");
}

TEST_F(BackfillTest, APartitionThatIsGoneIsNoFailureATableThatIsGoneIs) {
    start();
    prepared({{0, 16, 0}});
    answer(failure(Fate::refused, "42P01", "relation \"users_1\" does not exist"));
    EXPECT_EQ(what(), "prepare");
    answer(failure(Fate::refused, "42P01", "relation \"users\" does not exist"));
    EXPECT_EQ(machine->state(), State::failed);
    EXPECT_EQ(machine->outcome().sqlstate, "42P01");
}

TEST_F(BackfillTest, GoesOnWhereTheProgressStands) {
    start();
    prepared({{0, 32, 32}, {32, 64, 48}});
    EXPECT_EQ(machine->pages_done(), 48);
    EXPECT_EQ(what(), "batch 48-64");
}

TEST_F(BackfillTest, WorkersTakeAStripeEach) {
    config.workers = 2;
    start();
    prepared({{0, 32, 0}, {32, 64, 32}, {64, 80, 64}});
    EXPECT_EQ(what(0), "batch 0-16");
    EXPECT_EQ(what(1), "batch 32-48");
    EXPECT_EQ(sent(0).session, SessionId{1});
    EXPECT_EQ(sent(1).session, SessionId{2});
    answer(wrote(1), 1);
    answer(wrote(1), 1);
    EXPECT_EQ(what(1), "batch 64-80") << "the next stripe";
    answer(wrote(1), 1);
    EXPECT_EQ(flying.size(), 1U) << "no stripe is left for the second";
    EXPECT_EQ(machine->state(), State::running);
    answer(wrote(1));
    answer(wrote(1));
    EXPECT_EQ(machine->state(), State::done);
}

TEST_F(BackfillTest, TheSizeFollowsTheClock) {
    struct Case {
        int took;
        std::string next;
    };
    for (auto const& [took, next] : {Case{50, "batch 16-32"}, Case{1, "batch 16-41"}, Case{40, "batch 16-36"},
                                     Case{90, "batch 16-24"}, Case{10000, "batch 16-24"}, Case{0, "batch 16-41"}}) {
        start();
        prepared({{0, 4000, 0}});
        answer(wrote(1, took));
        EXPECT_EQ(what(), next) << took;
    }
}

TEST_F(BackfillTest, HalvesOnTimeoutAtOnceAndOnDeadlockAfterARest) {
    start();
    prepared({{0, 64, 0}});
    answer(slow());
    EXPECT_EQ(what(), "batch 0-8");
    EXPECT_EQ(told<BatchRetried>(out).size(), 1U);
    answer(slow());
    EXPECT_EQ(what(), "batch 0-4");
    answer(failure(Fate::deadlock, "40P01"));
    EXPECT_EQ(what(), "rest");
    answer(done());
    EXPECT_EQ(what(), "batch 0-2");
    answer(wrote(1));
    EXPECT_EQ(what(), "batch 2-4");
}

TEST_F(BackfillTest, ASlowPageGetsMoreTimeAndOnlyIt) {
    start();
    prepared({{0, 4, 0}});
    answer(slow());
    answer(slow());
    EXPECT_EQ(what(), "batch 0-1");
    EXPECT_EQ(sent().limits.statement, Millis{100});
    answer(slow());
    EXPECT_EQ(what(), "batch 0-1");
    EXPECT_EQ(sent().limits.statement, Millis{200});
    answer(slow());
    EXPECT_EQ(sent().limits.statement, Millis{400});
    answer(wrote(1, 350));
    EXPECT_EQ(what(), "batch 1-2");
    EXPECT_EQ(sent().limits.statement, Millis{400}) << "the next may be like it";
    answer(wrote(1, 20));
    EXPECT_EQ(sent().limits.statement, Millis{100}) << "it was not";
}

TEST_F(BackfillTest, APageThatNeverEndsFails) {
    for (bool const proof : {false, true}) {
        config.proof = proof;
        start();
        prepared({{0, 1, 0}});
        int tries = 0;
        while (machine->state() == State::running && ++tries < 100) answer(slow());
        EXPECT_EQ(machine->state(), State::failed);
        EXPECT_EQ(machine->outcome().fate, Fate::canceled);
        EXPECT_LT(tries, 15);
    }
}

TEST_F(BackfillTest, PassesOverLockedRowsAfterOneFailure) {
    start();
    prepared({{0, 32, 0}});
    answer(locked());
    EXPECT_EQ(what(), "skip 0-16");
    EXPECT_THAT(text(sent()), HasSubstr("FOR NO KEY UPDATE SKIP LOCKED"));
    answer(wrote(1));
    EXPECT_EQ(what(), "batch 16-32") << "the next range begins plainly";
    answer(locked());
    answer(locked());
    EXPECT_EQ(what(), "rest") << "the table itself is locked";
    answer(done());
    EXPECT_EQ(what(), "skip 16-32");
    now += config.give_up;
    answer(locked());
    EXPECT_EQ(machine->state(), State::failed);
    EXPECT_EQ(machine->outcome().fate, Fate::lock_busy);
}

TEST_F(BackfillTest, ARewrittenTableIsCountedAnew) {
    config.workers = 3;
    start();
    prepared({{0, 32, 0}, {32, 64, 32}, {64, 96, 64}});
    answer(failure(Fate::deadlock), 2);  // the third rests
    ASSERT_TRUE(rests(2));
    answer(failure(Fate::refused, "WE002"), 0);
    EXPECT_EQ(all<Cancel>(out).size(), 1U) << "the rest is of no use any more";
    EXPECT_EQ(machine->state(), State::running);
    answer(wrote(1), 0);
    answer(failure(Fate::canceled), 0);
    ASSERT_EQ(flying.size(), 1U);
    EXPECT_EQ(what(), "prepare");
    prepared({{0, 16, 0}}, 78);
    EXPECT_THAT(text(sent()), HasSubstr("same_file(16384, 78, 16384)"));
    answer(wrote(1));
    EXPECT_EQ(machine->state(), State::done);
    EXPECT_EQ(machine->pages(), 16);
}

TEST_F(BackfillTest, HoldLetsBatchesEndAndReleaseGoesOn) {
    config.workers = 2;
    start();
    prepared({{0, 32, 0}, {32, 64, 32}});
    auto const hold = [&](bool held) {
        out.clear();
        machine->pace(held ? 0 : 1, !held, stamp(now), ids, out);
        note();
    };
    hold(true);
    answer(wrote(1));
    EXPECT_EQ(flying.size(), 1U);
    hold(true);
    answer(wrote(1));
    EXPECT_TRUE(flying.empty());
    EXPECT_EQ(machine->state(), State::running);
    hold(false);
    EXPECT_EQ(what(0), "batch 16-32");
    EXPECT_EQ(what(1), "batch 48-64");
    hold(false);
    EXPECT_EQ(flying.size(), 2U) << "nobody is asked twice";
}

TEST_F(BackfillTest, HeldFromTheStart) {
    start();
    machine->pace(0, false, stamp(now), ids, out);
    prepared({{0, 16, 0}});
    EXPECT_TRUE(flying.empty());
    EXPECT_EQ(machine->state(), State::running);
    out.clear();
    machine->stop(false, out);
    EXPECT_EQ(machine->state(), State::stopped) << "nothing would wake it";
}

struct PacedTest : BackfillTest {
    void pace(double value, bool may_write = true) {
        out.clear();
        machine->pace(value, may_write, stamp(now), ids, out);
        note();
    }
    Millis resting(std::size_t which = 0) const {
        auto const* found = which < flying.size() ? std::get_if<Rest>(&flying[which]) : nullptr;
        return found ? found->time : Millis{};
    }
    void rested(std::size_t which = 0) {
        now += resting(which);
        answer(done(), which);
    }
};

TEST_F(PacedTest, AWorkerRestsAfterABatchByItsTime) {
    start();
    prepared({{0, 64, 0}});
    pace(0.25);
    now += Millis{50};
    answer(wrote(1, 50));
    EXPECT_EQ(resting(), Millis{150});
    rested();
    EXPECT_EQ(what(), "batch 16-32");
    pace(0.05);
    answer(wrote(1, 400));
    EXPECT_EQ(resting(), longest_rest);
}

TEST_F(PacedTest, APaceThatRisesCutsARestShort) {
    start();
    prepared({{0, 64, 0}});
    pace(0.1);
    answer(wrote(1, 50));
    ASSERT_EQ(resting(), Millis{450});
    pace(0.102);
    EXPECT_TRUE(out.empty()) << "not for nothing";
    now += Millis{100};
    pace(0.5);
    ASSERT_EQ(all<Cancel>(out).size(), 1U);
    pace(0.6);
    EXPECT_TRUE(all<Cancel>(out).empty()) << "once is enough";
    answer(failure(Fate::canceled));
    EXPECT_EQ(what(), "batch 16-32");
}

TEST_F(PacedTest, ARestCutTooShortGoesOn) {
    start();
    prepared({{0, 64, 0}});
    pace(0.1);
    answer(wrote(1, 50));
    now += Millis{50};
    pace(0.25);
    answer(failure(Fate::canceled));
    EXPECT_EQ(resting(), Millis{100});
}

TEST_F(PacedTest, APaceThatFallsLengthensARest) {
    start();
    prepared({{0, 64, 0}});
    pace(0.5);
    answer(wrote(1, 50));
    ASSERT_EQ(resting(), Millis{50});
    pace(0.1);
    rested();
    EXPECT_EQ(resting(), Millis{400});
    rested();
    EXPECT_EQ(what(), "batch 16-32");
}

TEST_F(PacedTest, AnotherTryIsPacedToo) {
    start();
    prepared({{0, 64, 0}});
    pace(0.5);
    auto lock = locked();
    lock.took = Millis{10};
    answer(lock);
    EXPECT_EQ(resting(), Millis{10});
    rested();
    EXPECT_EQ(what(), "skip 0-16");
}

TEST_F(PacedTest, HeldNothingIsTriedAgain) {
    struct Case {
        std::vector<Outcome> outcomes;
        std::string then;
    };
    for (auto const& c : {Case{{locked()}, "skip 0-16"}, Case{{slow()}, "batch 0-8"},
                          Case{{failure(Fate::deadlock)}, "batch 0-8"}, Case{{locked(), locked()}, "skip 0-16"}}) {
        start();
        prepared({{0, 64, 0}});
        for (std::size_t i = 0; i + 1 < c.outcomes.size(); ++i) answer(c.outcomes[i]);
        pace(0, false);
        answer(c.outcomes.back());
        if (rests()) rested();
        EXPECT_EQ(what(), "nothing") << c.then;
        EXPECT_EQ(machine->state(), State::running);
        auto stopped = *machine;
        Commands commands;
        stopped.stop(false, commands);
        EXPECT_EQ(stopped.state(), State::stopped);
        pace(1);
        EXPECT_EQ(what(), c.then) << "the same range";
    }
}

TEST_F(PacedTest, HeldWhileARestRunsItStaysHeld) {
    start();
    prepared({{0, 64, 0}});
    pace(0.5);
    answer(wrote(1, 50));
    ASSERT_TRUE(rests());
    pace(0, false);
    rested();
    EXPECT_EQ(what(), "nothing");
    pace(0.5);
    EXPECT_EQ(what(), "batch 16-32");
}

TEST_F(PacedTest, ATableThatIsAnotherOneIsCountedAnewWhileHeld) {
    config.workers = 2;
    start();
    prepared({{0, 32, 0}, {32, 64, 32}});
    pace(0, false);
    answer(locked());
    answer(failure(Fate::refused, "WE002"));
    EXPECT_EQ(what(), "prepare");
    prepared({{0, 16, 0}}, 78);
    EXPECT_EQ(what(), "nothing");
    pace(1);
    EXPECT_EQ(what(), "batch 0-16") << "what was to be tried again is forgotten";
}

TEST_F(BackfillTest, StopFinishesBatchesAndStopNowCancelsThem) {
    config.workers = 2;
    for (bool const at_once : {false, true}) {
        start();
        prepared({{0, 32, 0}, {32, 64, 32}});
        out.clear();
        machine->stop(at_once, out);
        EXPECT_EQ(all<Cancel>(out).size(), at_once ? 2U : 0U);
        answer(at_once ? slow() : wrote(1));
        EXPECT_EQ(machine->state(), State::running);
        answer(wrote(1));
        EXPECT_EQ(machine->state(), State::stopped);
        EXPECT_TRUE(flying.empty());
    }
}

TEST_F(BackfillTest, StopWhilePreparing) {
    struct Case {
        bool at_once;
        Outcome outcome;
    };
    for (auto const& [at_once, outcome] :
         {Case{false, done()}, Case{false, locked()}, Case{true, slow()}, Case{true, locked()}}) {
        start();
        out.clear();
        machine->stop(at_once, out);
        EXPECT_EQ(all<Cancel>(out).size(), at_once ? 1U : 0U);
        answer(outcome);
        EXPECT_EQ(machine->state(), State::stopped) << name(outcome.fate);
        EXPECT_TRUE(flying.empty());
    }
}

TEST_F(BackfillTest, PreparingIsTriedAgainUntilItGivesUp) {
    start();
    answer(locked());
    EXPECT_EQ(what(), "prepare");
    answer(failure(Fate::deadlock));
    EXPECT_EQ(what(), "prepare");
    now += config.give_up;
    answer(locked());
    EXPECT_EQ(machine->state(), State::failed);
}

TEST_F(BackfillTest, AnEmptyTableIsDone) {
    for (bool const proof : {false, true}) {
        config.proof = proof;
        start();
        prepared({});
        EXPECT_EQ(machine->state(), State::done);
        EXPECT_TRUE(flying.empty());
    }
}

TEST_F(BackfillTest, AFailureWaitsForTheOthersAndKeepsTheFirstReason) {
    config.workers = 2;
    for (auto const fate : {Fate::fenced, Fate::in_doubt, Fate::lost, Fate::refused}) {
        start();
        prepared({{0, 32, 0}, {32, 64, 32}});
        answer(failure(fate, "", "first"));
        EXPECT_EQ(all<Cancel>(out).size(), 1U) << name(fate);
        EXPECT_EQ(machine->state(), State::running);
        answer(failure(Fate::refused, "", "second"));
        EXPECT_EQ(machine->state(), State::failed);
        EXPECT_EQ(machine->outcome().fate, fate);
        EXPECT_EQ(machine->outcome().message, "first");
    }
}

struct ProofTest : BackfillTest {
    ProofTest() { config.proof = true; }
};

TEST_F(ProofTest, CountsWithoutWriting) {
    start();
    prepared({{0, 20, 0}});
    EXPECT_TRUE(told<WorkKnown>(out)[0].proof);
    EXPECT_EQ(what(), "count 0-16");
    EXPECT_THAT(text(sent()),
                AllOf(HasSubstr("IN ACCESS SHARE MODE"), Not(HasSubstr("weir.batch")), HasSubstr("n.wrong = 0")));
    answer(count(160, 0));
    EXPECT_TRUE(told<BatchDone>(out)[0].proof);
    EXPECT_EQ(what(), "count 16-20");
    answer(count(40, 0));
    EXPECT_EQ(machine->state(), State::done);
    EXPECT_EQ(machine->rows_wrong(), 0);
}

TEST_F(ProofTest, FillsAndCountsAgain) {
    start();
    prepared({{0, 16, 0}});
    answer(count(160, 2));
    EXPECT_EQ(what(), "refill 0-16");
    EXPECT_THAT(text(sent()), HasSubstr("SET LOCAL weir.batch = 'on'"));
    answer(wrote(2));
    EXPECT_EQ(what(), "count 0-16");
    answer(count(160, 0));
    EXPECT_EQ(machine->state(), State::done);
}

TEST_F(ProofTest, WhatARefillDoesNotMendIsNamedByKey) {
    start();
    prepared({{0, 32, 0}});
    answer(count(160, 2));
    answer(wrote(0));
    answer(count(160, 2));
    EXPECT_EQ(what(), "keys 0-16") << "nothing was written: no second refill";
    EXPECT_THAT(text(sent()), AllOf(HasSubstr("'id='"), HasSubstr("misses = p.misses + 2")));
    answer(done({row({"id=1"}), row({"id=2"})}));
    EXPECT_EQ(what(), "count 16-32") << "the pass goes on to the end";
    answer(count(160, 0));
    EXPECT_EQ(machine->state(), State::misses);
    EXPECT_EQ(machine->rows_wrong(), 2);
    EXPECT_THAT(machine->keys(), ElementsAre(Sealed{"id=1"}, Sealed{"id=2"}));
}

TEST_F(ProofTest, RefillsAtMostThreeTimes) {
    start();
    prepared({{0, 16, 0}});
    int refills = 0;
    for (int i = 0; i < 20 && what() != "keys 0-16"; ++i) {
        answer(count(160, 2));
        if (what() != "refill 0-16") break;
        ++refills;
        answer(wrote(1));
    }
    EXPECT_EQ(what(), "keys 0-16");
    EXPECT_EQ(refills, 3);
}

TEST_F(ProofTest, KeysThatTakeTooLongAreCountedAgainInHalves) {
    start();
    prepared({{0, 16, 0}});
    answer(count(160, 2));
    answer(wrote(0));
    answer(count(160, 2));
    answer(slow());
    EXPECT_EQ(what(), "count 0-8");
}

TEST_F(ProofTest, AfterTheGateOnlyNullsAreFilledAndOtherMissesReported) {
    config.gate_opened = true;
    start();
    prepared({{0, 16, 0}});
    EXPECT_THAT(text(sent()), HasSubstr("NOT ok_after_gate"));
    answer(count(160, 1));
    EXPECT_THAT(text(sent()), AllOf(HasSubstr("full_name IS NULL"), Not(HasSubstr("NOT ok"))));
    answer(wrote(0));
    answer(count(160, 1));
    EXPECT_THAT(text(sent()), HasSubstr("NOT ok_after_gate"));
}

TEST_F(ProofTest, ALockedRowIsWaitedForAndThenNamed) {
    start();
    prepared({{0, 16, 0}});
    answer(count(160, 1));
    answer(locked());
    EXPECT_EQ(what(), "rest");
    answer(done());
    EXPECT_EQ(what(), "refill 0-16");
    now += config.give_up;
    answer(locked());
    EXPECT_EQ(what(), "keys 0-16");
    answer(done({row({"id=1"})}));
    EXPECT_EQ(machine->state(), State::misses);
}

TEST_F(ProofTest, ARewriteForgetsTheMissesOfTheOldFile) {
    start();
    prepared({{0, 32, 0}});
    answer(count(160, 1));
    answer(wrote(0));
    answer(count(160, 1));
    answer(done({row({"id=1"})}));
    answer(failure(Fate::refused, "WE002"));
    prepared({{0, 16, 0}}, 78);
    answer(count(160, 0));
    EXPECT_EQ(machine->state(), State::done);
    EXPECT_EQ(machine->rows_wrong(), 0);
    EXPECT_TRUE(machine->keys().empty());
}

TEST_F(ProofTest, ARewriteForgetsTheRoundsOfTheOldRange) {
    start();
    prepared({{0, 16, 0}});
    answer(count(160, 1));
    answer(wrote(0));
    answer(failure(Fate::refused, "WE002"));
    prepared({{0, 16, 0}}, 78);
    answer(count(160, 1));
    EXPECT_EQ(what(), "refill 0-16");
}

TEST_F(ProofTest, IsNotHeldByWhatOnlyWritesMove) {
    start();
    machine->pace(1, false, stamp(now), ids, out);
    prepared({{0, 16, 0}});
    EXPECT_EQ(what(), "count 0-16");
}

TEST_F(ProofTest, FillsNothingWhileNothingMayBeWritten) {
    start();
    prepared({{0, 16, 0}});
    machine->pace(1, false, stamp(now), ids, out);
    answer(count(160, 1));
    EXPECT_EQ(what(), "nothing");
    out.clear();
    machine->pace(1, false, stamp(now), ids, out);
    EXPECT_TRUE(out.empty());
    machine->pace(1, true, stamp(now), ids, out);
    note();
    EXPECT_EQ(what(), "refill 0-16");
}

TEST_F(ProofTest, IsPacedByWhatItReads) {
    start();
    prepared({{0, 32, 0}});
    machine->pace(0.5, true, stamp(now), ids, out);
    answer(done({row({"160", "0"})}, Millis{40}));
    ASSERT_TRUE(rests());
    EXPECT_EQ(std::get<Rest>(flying[0]).time, Millis{40});
}

/// Of a column without a sync: a row that is not right may move past the reading.
struct TwiceTest : ProofTest {
    TwiceTest() { config.rows.fragments[0].guard.clear(); }
    /// The pass that is prepared, of one range with so many wrong rows, which are filled.
    void pass(int wrong) {
        prepared({{0, 16, 0}});
        answer(count(160, wrong));
        if (wrong == 0) return;
        answer(wrote(wrong));
        answer(count(160, 0));
    }
};

TEST_F(TwiceTest, ASecondPassThatFindsNothingEndsIt) {
    start();
    pass(3);
    ASSERT_EQ(what(), "prepare");
    EXPECT_THAT(text(sent()), HasSubstr("'backfill.1.look'"));
    EXPECT_THAT(text(sent()), Not(HasSubstr("'backfill.1'")));
    prepared({{0, 16, 0}});
    EXPECT_THAT(text(sent()), HasSubstr("p.step = 'backfill.1.look'"));
    answer(count(160, 0));
    EXPECT_EQ(machine->state(), State::done);
}

TEST_F(TwiceTest, ASecondPassThatFindsSomethingIsMadeOnceMore) {
    start();
    pass(0);
    pass(1);
    ASSERT_EQ(what(), "prepare");
    EXPECT_THAT(text(sent()), HasSubstr("SET next_page = from_page, rows = 0, hot = 0 WHERE"));
    EXPECT_EQ(told<BatchRetried>(out).size(), 1U);
    pass(0);
    EXPECT_EQ(machine->state(), State::done);
}

TEST_F(TwiceTest, WhoeverGoesOnWithItMakesItOnceMore) {
    start();
    prepared({{0, 16, 16}});
    ASSERT_EQ(what(), "prepare");
    EXPECT_THAT(text(sent()), Not(HasSubstr("rows = 0, hot = 0 WHERE")));
    prepared({{0, 32, 16}});
    EXPECT_EQ(what(), "count 16-32");
    answer(count(160, 0));
    ASSERT_EQ(what(), "prepare") << "the one before may have found some";
    pass(0);
    EXPECT_EQ(machine->state(), State::done);
}

TEST_F(TwiceTest, FiveThatFindSomethingEndWithAWarning) {
    start();
    pass(0);
    for (int i = 0; i < 4; ++i) pass(2);
    EXPECT_EQ(machine->state(), State::running);
    pass(2);
    EXPECT_EQ(machine->state(), State::done);
    ASSERT_EQ(told<Warned>(out).size(), 1U);
    EXPECT_THAT(told<Warned>(out)[0].message, HasSubstr("2 rows of users were written without a value"));
}

TEST_F(TwiceTest, HeldItDoesNotBeginItsSecondPass) {
    start();
    prepared({{0, 16, 0}});
    machine->pace(0, false, stamp(now), ids, out);
    answer(count(160, 0));
    EXPECT_EQ(what(), "nothing");
    EXPECT_EQ(machine->state(), State::running);
    out.clear();
    machine->pace(1, true, stamp(now), ids, out);
    note();
    EXPECT_EQ(what(), "prepare");
}

TEST_F(TwiceTest, AProofThatIsRepeatedBeginsBothPassesAnew) {
    config.afresh = true;
    start();
    EXPECT_THAT(text(sent()), HasSubstr("rows = 0, hot = 0 WHERE"));
    pass(0);
    EXPECT_THAT(text(sent()), HasSubstr("rows = 0, hot = 0 WHERE"));
    pass(0);
    EXPECT_EQ(machine->state(), State::done);
}

TEST_F(ProofTest, ALeafOfAnotherShapeIsReadAnewAlone) {
    root = "16000";
    start();
    EXPECT_THAT(text(sent()), AllOf(HasSubstr("weir.check_kinds"), HasSubstr("p.shape = s.shape")));
    prepared({{0, 16, 0}});
    answer(count(160, 0));
    ASSERT_EQ(what(), "leaves");
    EXPECT_THAT(text(sent()), HasSubstr("p.shape = s.shape"));
    answer(done({row({"t"})}));
    ASSERT_EQ(what(), "prepare");
    prepared({{0, 16, 16}, {0, 8, 0}});
    EXPECT_EQ(what(), "count 0-8");
    answer(count(80, 0));
    answer(done({row({"f"})}));
    EXPECT_EQ(machine->state(), State::done);
    EXPECT_EQ(machine->changes(), 0);
}

TEST_F(ProofTest, LeavesThatComeAgainAndAgainDoNotKeepItFromItsEnd) {
    root = "16000";
    start();
    prepared({{0, 16, 0}});
    answer(count(160, 0));
    for (int i = 0; i < 100; ++i) {
        answer(done({row({"t"})}));
        prepared({{0, 16, 16}, {0, 8, 0}});
        answer(count(80, 0));
        ASSERT_EQ(machine->state(), State::running);
    }
    answer(done({row({"f"})}));
    EXPECT_EQ(machine->state(), State::done);
}

TEST_F(ProofTest, TheThirdChangeOfTheRootEndsIt) {
    root = "16000";
    config.changes = 1;
    start();
    prepared({{0, 16, 0}}, 77, "trigger norm");
    EXPECT_EQ(machine->changes(), 2);
    ASSERT_EQ(told<BatchRetried>(out).size(), 1U);
    EXPECT_THAT(told<BatchRetried>(out)[0].reason, HasSubstr("trigger norm"));
    answer(count(160, 0));
    answer(done({row({"t"})}));
    prepared({{0, 16, 0}}, 77, "columns");
    EXPECT_EQ(machine->state(), State::failed);
    EXPECT_EQ(machine->outcome().sqlstate, "WE008");
    EXPECT_THAT(machine->outcome().message, HasSubstr("users was changed 3 times while it was proven"));
}

TEST_F(BackfillTest, AFillDoesNotMindTriggersOfOthers) {
    start();
    EXPECT_THAT(text(sent()), AllOf(HasSubstr("weir.check_kinds"), Not(HasSubstr("p.shape = s.shape"))));
}

TEST_F(ProofTest, StopCancelsACount) {
    start();
    prepared({{0, 32, 0}});
    out.clear();
    machine->stop(false, out);
    EXPECT_EQ(all<Cancel>(out).size(), 1U);
    answer(slow());
    EXPECT_EQ(machine->state(), State::stopped);
}

}  // namespace
}  // namespace weir
