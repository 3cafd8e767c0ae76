/// The dump before what destroys: when it is due, made again, and when not; whoever dies, destroys nothing without it.
#include "orchestrator/machine/backup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <tuple>

#include "world.h"

namespace weir {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

Step backup(std::string const& id, Phase phase) {
    Step step;
    step.id = id;
    step.phase = phase;
    step.kind = StepKind::backup;
    step.title = "back up users";
    step.saves = {users()};
    return step;
}

Step drop(std::string const& id, Phase phase) {
    auto step = transactional(id, phase, false);
    step.destroys = {users()};
    return step;
}

Sim simulation() {
    Sim sim{program({transactional("expand.1", Phase::expand), backup("contract.1", Phase::contract),
                     work("contract.2", Phase::contract, true), drop("contract.3", Phase::contract)},
                    true)};
    sim.world.right.clear();
    sim.config.approve = {"contract"};
    sim.keep_events = true;
    return sim;
}

std::vector<std::string> lines(Sim const& sim) {
    auto journal = sim.world.journal();
    std::erase_if(journal, [](auto const& line) { return line.starts_with("step_told"); });
    return journal;
}

void expect_right(Sim sim) {
    sim.world.judge_end(sim.exit.value_or(-1), sim.config.program);
    EXPECT_THAT(sim.world.objections, IsEmpty()) << ::testing::PrintToString(sim.world.journal());
}

TEST(BackupRoom, IsJudgedByWhatTheTablesTake) {
    constexpr std::int64_t gb = 1LL << 30;
    for (auto const& [size, free, room] :
         std::vector<std::tuple<std::int64_t, std::int64_t, Room>>{{0, 0, Room::enough},
                                                                   {100 * gb, 100 * gb, Room::enough},
                                                                   {100 * gb, 100 * gb - 1, Room::doubtful},
                                                                   {100 * gb, 2 * gb, Room::doubtful},
                                                                   {100 * gb, 2 * gb - 1, Room::none},
                                                                   {100 * gb, 0, Room::none},
                                                                   {8192, 0, Room::none},
                                                                   {49, 0, Room::doubtful}})
        EXPECT_EQ(room_for(size, free), room) << size << " in " << free;
}

Sim at_the_dump() {
    auto sim = simulation();
    sim.start();
    EXPECT_TRUE(sim.until(dumps));
    return sim;
}

/// The dump is in the ledger, and the orchestrator died before the drop.
Sim backed_up() {
    auto sim = at_the_dump();
    EXPECT_TRUE(sim.until(has_verb(Tx::Verb::forward, "contract.3")));
    sim.kill(0);
    return sim;
}

TEST(Backup, IsMadeBeforeWhatDestroysAndWrittenDown) {
    auto sim = at_the_dump();
    ASSERT_THAT(sim.pending, SizeIs(1)) << "nothing runs beside it, and no lock is held";
    auto const dump = sim.pending[0].dump;
    EXPECT_EQ(dump.step, "contract.1");
    EXPECT_THAT(dump.file,
                ::testing::MatchesRegex(R"(users-full-name\.run1\.contract\.1\.20231114T2213[0-9]{5}Z\.dump)"));
    EXPECT_THAT(dump.tables, ElementsAre(DumpedTable{"16390", "public", "users_p1", true},
                                         DumpedTable{"16384", "public", "users", false}));
    EXPECT_EQ(dump.lock_wait, sim.config.settings.lock_give_up);
    ASSERT_THAT(sim.heard<DumpGrew>(), SizeIs(1)) << "so that it is seen at once";
    sim.calm();
    EXPECT_EQ(sim.exit, 0);
    EXPECT_THAT(lines(sim), ElementsAre("began", "step_done expand.1", "gate_opened", "gate_approved",
                                        "step_begun contract.1", "backed_up contract.1", "step_begun contract.2",
                                        "step_done contract.2", "step_done contract.3", "finished"));
    ASSERT_THAT(sim.heard<BackedUp>(), SizeIs(1));
    EXPECT_EQ(sim.heard<BackedUp>()[0].file, "/backups/" + dump.file);
    EXPECT_EQ(sim.heard<BackedUp>()[0].sha256, "abc123");
    expect_right(sim);
}

TEST(Backup, ThatFailsStopsTheRunAndIsMadeByTheNext) {
    auto sim = at_the_dump();
    sim.answer(0, Sim::Answer::refused);
    sim.calm();
    EXPECT_EQ(sim.exit, 4);
    ASSERT_THAT(sim.heard<Stopped>(), SizeIs(1));
    auto const why = sim.heard<Stopped>()[0].why;
    EXPECT_EQ(why.code, Code::backup_failed);
    EXPECT_EQ(why.message, "step contract.1 (back up users): pg_dump ended with 1");
    EXPECT_THAT(why.hint, HasSubstr("run again"));
    EXPECT_TRUE(sim.world.has("stopped"));
    sim.start();
    sim.calm();
    EXPECT_EQ(sim.exit, 0);
    expect_right(sim);
}

TEST(Backup, OfATableThatIsGoneFails) {
    auto sim = simulation();
    sim.world.table_gone = true;
    sim.start();
    sim.calm();
    EXPECT_EQ(sim.exit, 4);
    EXPECT_THAT(sim.heard<Stopped>().at(0).why.message, HasSubstr("not every table is there"));
    EXPECT_THAT(sim.world.dumps, IsEmpty());
}

TEST(Backup, IsEndedByAnInterrupt) {
    auto sim = at_the_dump();
    sim.give(Interrupted{1});
    ASSERT_THAT(sim.pending, SizeIs(1));
    EXPECT_TRUE(sim.pending[0].canceled);
    sim.calm();
    EXPECT_EQ(sim.exit, 4);
    EXPECT_EQ(sim.heard<Stopped>().at(0).why.code, Code::interrupted);
    EXPECT_FALSE(sim.world.is_done("contract.1"));
    sim.start();
    sim.calm();
    EXPECT_EQ(sim.exit, 0);
    expect_right(sim);
}

TEST(Backup, IsKeptWhenTheInterruptComesTooLate) {
    auto sim = at_the_dump();
    sim.give(Interrupted{1});
    sim.answer(0, Sim::Answer::done);
    sim.calm();
    EXPECT_EQ(sim.exit, 4);
    EXPECT_TRUE(sim.world.has("backed_up", "contract.1"));
}

TEST(Backup, KeepsTheWayBackOpen) {
    for (bool const made : {false, true}) {
        auto sim = made ? backed_up() : at_the_dump();
        if (made) sim.start();
        sim.order(OrderWord::abort);
        sim.calm();
        EXPECT_EQ(sim.exit, 3) << made << ": the new application may still run";
        sim.config.abort = true;
        sim.start();
        sim.calm();
        EXPECT_EQ(sim.exit, 6) << made;
        EXPECT_TRUE(sim.world.has("step_undone", "expand.1"));
        expect_right(sim);
    }
}

TEST(Backup, IsNotMadeTwiceWhenItsFileIsThere) {
    auto sim = backed_up();
    sim.start();
    EXPECT_FALSE(sim.until(dumps));
    EXPECT_EQ(sim.exit, 0);
    EXPECT_THAT(sim.world.dumps, SizeIs(1));
    EXPECT_THAT(sim.heard<Warned>(), IsEmpty());
    expect_right(sim);
}

TEST(Backup, IsMadeAgainWhenItsFileIsGoneOrAnother) {
    for (bool const gone : {true, false}) {
        auto sim = backed_up();
        if (gone)
            sim.world.dumps.clear();
        else
            ++sim.world.dumps.begin()->second;
        sim.now += std::chrono::seconds{5};
        sim.start();
        EXPECT_TRUE(sim.until(dumps));
        ASSERT_THAT(sim.heard<Warned>(), SizeIs(1));
        EXPECT_THAT(sim.heard<Warned>()[0].message,
                    HasSubstr(gone ? "is not here any more" : "not as large as it was"));
        sim.calm();
        EXPECT_EQ(sim.exit, 0);
        expect_right(sim);
    }
}

TEST(Backup, IsNotLookedForWhenNothingIsLeftToDestroy) {
    auto sim = backed_up();
    sim.start();
    ASSERT_TRUE(sim.until(writes("finished")));
    sim.kill(0);
    sim.world.dumps.clear();
    sim.start();
    EXPECT_FALSE(sim.until([](Sim::Pending const& p) { return p.kind == Sim::Kind::look || dumps(p); }));
    EXPECT_EQ(sim.exit, 0);
}

TEST(Backup, HearsOrdersMeanwhile) {
    auto sim = at_the_dump();
    sim.order(OrderWord::pause);
    ASSERT_THAT(sim.pending, SizeIs(2)) << "written at once, beside the dump";
    sim.answer(1, Sim::Answer::done);
    EXPECT_TRUE(sim.world.has("paused"));
    sim.calm();
    EXPECT_TRUE(sim.waits()) << "the dump ends, and nothing new is begun";
    EXPECT_TRUE(sim.world.has("backed_up", "contract.1"));
    sim.order(OrderWord::resume);
    sim.calm();
    EXPECT_EQ(sim.exit, 0);
    expect_right(sim);
}

Sim kept() {
    auto made = program({transactional("expand.1", Phase::expand), transactional("contract.1", Phase::contract),
                         backup("quarantine.1", Phase::quarantine), drop("quarantine.2", Phase::quarantine)},
                        true);
    made.quarantine = Millis{1000};
    Sim sim{std::move(made)};
    sim.world.right.clear();
    sim.config.approve = {"contract"};
    sim.keep_events = true;
    sim.start();
    sim.calm();
    EXPECT_EQ(sim.exit, 0);
    EXPECT_THAT(sim.world.dumps, IsEmpty()) << "nothing is dropped yet";
    return sim;
}

TEST(Backup, OfAQuarantineIsMadeWhenItIsOver) {
    auto sim = kept();
    sim.world.quarantine_over = true;
    sim.start();
    sim.calm();
    EXPECT_EQ(sim.exit, 0);
    EXPECT_TRUE(sim.world.has("finished"));
    EXPECT_THAT(sim.world.dumps, SizeIs(1));
    expect_right(sim);
}

TEST(Backup, OfAQuarantineDoesNotEndIt) {
    auto sim = kept();
    sim.world.quarantine_over = true;
    sim.start();
    ASSERT_TRUE(sim.until(has_verb(Tx::Verb::forward, "quarantine.2")));
    sim.kill(0);
    sim.config.rollback = true;
    sim.start();
    sim.calm();
    EXPECT_EQ(sim.exit, 6);
    expect_right(sim);
}

/// Killed before and after each string and each dump, and once more on the next way; the file may be gone by then.
void kill_everywhere(Sim const& from, int kills, bool nested = false) {
    for (int turn = 0; turn < 400; ++turn) {
        auto sim = from;
        sim.now += std::chrono::seconds{2};
        sim.start();
        for (int i = 0; i < turn && !sim.exit; ++i) sim.answer(0, Sim::Answer::done);
        if (sim.exit) break;
        for (bool const loses : {false, true}) {
            if (loses && nested) continue;
            for (unsigned const applied : {0U, 1U}) {
                auto other = sim;
                other.kill(applied);
                if (loses) other.world.dumps.clear();
                if (other.world.has("finished")) continue;
                if (kills > 1) {
                    kill_everywhere(other, kills - 1, true);
                    if (::testing::Test::HasFailure()) return;
                }
                other.now += std::chrono::seconds{2};
                other.start();
                other.calm();
                EXPECT_EQ(other.exit, 0) << "killed at string " << turn;
                expect_right(other);
                if (::testing::Test::HasFailure()) return;
            }
        }
    }
}

TEST(Backup, SurvivesKillsAnywhere) {
    auto sim = simulation();
    sim.keep_events = false;
#ifdef __SANITIZE_ADDRESS__
    kill_everywhere(sim, 1);
#else
    kill_everywhere(sim, 2);
#endif
}

// ---- the pure parts -------------------------------------------------------------------------------------------------

TEST(BackupTables, AreAllThatWereAskedFor) {
    TableName const orders{Ident::of("shop"), Ident::of("orders")};
    auto const text = to_text(list_dumped({users(), orders}));
    EXPECT_THAT(text, HasSubstr("('public', 'users'), ('shop', 'orders')"));
    std::vector<Row> const rows{row({"1", "public", "users", "t"}), row({"2", "shop", "orders", "t"})};
    EXPECT_EQ(dumped_tables({users(), orders}, rows).value().size(), 2U);
    EXPECT_FALSE(dumped_tables({users(), orders}, {rows[0]}));
    EXPECT_FALSE(dumped_tables({users(), orders}, {row({"1", "shop", "users", "t"}), rows[1]}));
}

TEST(BackupAhead, AsLongAsSomethingIsLeftToDestroy) {
    auto const made = simulation().config.program;
    RunRecord record;
    EXPECT_TRUE(backup_ahead(made, record));
    record.done = {"expand.1", "contract.1", "contract.2"};
    EXPECT_TRUE(backup_ahead(made, record)) << "its file may be gone";
    record.done.insert("contract.3");
    EXPECT_FALSE(backup_ahead(made, record));
    record.done.clear();
    record.aborting = true;
    EXPECT_FALSE(backup_ahead(made, record));
    auto without = made;
    without.steps.erase(without.steps.begin() + 1);
    EXPECT_FALSE(backup_ahead(without, RunRecord{}));
}

}  // namespace
}  // namespace weir
