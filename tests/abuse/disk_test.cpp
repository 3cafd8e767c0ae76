/// Disks that are full in the middle of a run: that of the tables, and that of the WAL. Then there is room again.
#include "tests/support/disk.h"
#include <optional>

#include "abuse.h"

namespace weir::tests {
namespace {

class FullDisk : public ServerAbuse {
  protected:
    void SetUp() override {
        auto made = SmallDisk::make(112);
        if (auto const* why = std::get_if<std::string>(&made)) {
            if (full()) FAIL() << *why;
            GTEST_SKIP() << *why;
        }
        disk = std::move(std::get<std::unique_ptr<SmallDisk>>(made));
        disk_gets_full = true;
    }
    /// A folder of the server lies on the small disk from now on.
    void small(std::string const& what) {
        cluster.stop();
        disk->take(cluster.data() / what);
        cluster.start();
    }
    bool recorded(std::string const& kind) {
        return eye->value("SELECT to_regclass('weir.entries') IS NOT NULL") == "t" &&
               eye->value("SELECT count(*) FROM weir.entries WHERE kind = '" + kind + "'") != "0";
    }
    /// On a full disk a server may refuse new sessions: it cannot write down for them what the catalog is now.
    void expect_right(Oracle& oracle) {
        try {
            EXPECT_EQ(oracle.rows(), "") << "on a full disk";
        } catch (SqlError const&) {
            count("no new session");
        }
    }
    ::testing::AssertionResult out_of_room(Ran const& ran) {
        if (ran.status != 5) return refused(ran, 4, "no-room", {"make room"});
        count("no new session for weir");
        return refused(ran, 5, "cannot-connect", {"make room"});
    }
    Process begin_plain(std::string const& plan) const {
        return start({"run", plan, "--approve", "all", "--progress", "plain"});
    }
    /// All signals on: their sessions write to the ledger, too.
    std::string const signals =
        plan(std::string{rename_plan} + "batch: { target: 1ms, workers: 2 }\n", "with-signals.yaml");

    std::unique_ptr<SmallDisk> disk;
    std::optional<Client> eye;  ///< begun before the disk was full
};

TEST_F(FullDisk, InTheFillTheRunStopsAndSaysWhyUntilThereIsRoom) {
    small("base");
    (void)calm();
    // So many that the fill still needs room when it is stopped in its middle.
    make_oracle(*this, 2 * rows_to_fill);
    Oracle oracle{
        share_out(*this),
        Oracle::Options{
            .sessions = 3, .rows = 2 * rows_to_fill, .seed = 11, .retries_in_doubt = false, .disk_gets_full = true}};
    auto process = begin_plain(file);
    ASSERT_TRUE(wait_until([&] { return in_the_fill(process) || !process.running(); })) << process.out();
    process.signal(SIGSTOP);
    ASSERT_FALSE(has(process.out(), "backfill.1 done"));
    disk->fill();
    process.signal(SIGCONT);
    EXPECT_TRUE(
        refused(wait(process), 4, "no-room",
                {"step backfill.1", "53100", "No space left on device", "make room", "where the batches stand"}));
    EXPECT_TRUE(out_of_room(weir({"run", file})));
    expect_right(oracle);
    disk->empty();
    recover();
    expect_done(oracle);
}

TEST_F(FullDisk, OfTablesAtAnyInstantNothingIsLostAndItGoesOnOrBack) {
    small("base");
    abuse(2, 100, [this](Dice& dice) {
        auto const oracle = make(dice);
        eye.emplace(db.conninfo);
        bool const with_signals = dice.coin();
        auto process = begin_plain(with_signals ? signals : file);
        let(process, dice.moment(calm().took));
        disk->fill();
        // What a signal cannot write holds the run instead.
        auto const held = [&] {
            return with_signals && has(process.out(), "held: ") && has(process.out(), "No space left");
        };
        EXPECT_TRUE(wait_until([&] { return !process.running() || held(); }, 60s)) << process.out();
        expect_right(*oracle);
        bool const goes_on = process.running();
        if (goes_on) disk->empty();
        auto const ran = wait(process);
        if (goes_on) {
            EXPECT_EQ(ran.status, 0) << told(ran);
        } else if (ran.status != 0) {
            EXPECT_TRUE(out_of_room(ran));
        }
        count(goes_on ? "held" : ran.status == 0 ? "done all the same" : recorded("began") ? "stopped" : "not begun");
        bool const back = recorded("began") && dice.coin();
        if (!goes_on && dice.coin()) {
            auto const tried =
                back ? weir({"abort", "rename-it", "--approve", "all"}) : weir({"run", file, "--approve", "all"});
            bool const ended = tried.status == 0 || tried.status == 6 || has(tried.err, "not-now");
            if (!ended) {
                EXPECT_TRUE(out_of_room(tried));
                count("of these stopped");
            }
            count(back ? "abort on a full disk" : "run on a full disk");
            expect_right(*oracle);
        }
        if (!goes_on) disk->empty();
        EXPECT_TRUE(oracle->more(10)) << "the application stands still once there is room";
        if (back && !recorded("undone")) {
            auto const undone = weir({"abort", "rename-it", "--approve", "all"});
            // Done, or too far for that.
            if (undone.status != 6) {
                EXPECT_TRUE(refused(undone, 5, "not-now"));
            }
        }
        if (recorded("undone")) {
            count("undone");
            expect_undone(*oracle);
        }
        eye.reset();
        recover();
        expect_done(*oracle);
    });
}

TEST_F(FullDisk, OfTheWalTheServerEndsAndTheRunGoesOnByItself) {
    // So that little is kept for reuse.
    cluster.set("wal_keep_size", "0");
    cluster.set("min_wal_size", "32MB");
    cluster.set("max_wal_size", "48MB");
    small("pg_wal");
    abuse(1, 40, [this](Dice& dice) {
        auto const oracle = make(dice);
        auto process = begin({"--approve", "all"});
        bool const early = dice.below(8) == 0;
        if (!early) {
            EXPECT_TRUE(wait_until([&] { return has(process.out(), "\"run_began\"") || !process.running(); }, 30s));
        }
        let(process, dice.moment(calm().took / 2));
        disk->fill();
        // It ends at the first new file that it needs.
        EXPECT_TRUE(wait_until(
            [&] {
                return !try_query(cluster.conninfo(),
                                  "SELECT pg_logical_emit_message(false, 'weir', ''); SELECT pg_switch_wal()")
                            .empty();
            },
            60s));
        EXPECT_TRUE(wait_until([&] { return has(cluster.log(), "No space left on device"); })) << cluster.log();
        count(process.running() ? "in the run" : "after it");
        disk->empty();
        EXPECT_TRUE(wait_until(
            [&] {
                if (!cluster.running()) count("started again"), cluster.start();
                return try_query(db.conninfo, "SELECT").empty();
            },
            60s));
        EXPECT_EQ(oracle->rows(), "") << "after the restart";
        auto const ran = wait(process, 90s);
        if (ran.status == 5 && !has(ran.out, "\"run_began\"") && has(ran.err, "cannot-connect"))
            count("before it began");
        else
            EXPECT_EQ(ran.status, 0) << told(ran);
        recover();
        expect_done(*oracle);
    });
}

}  // namespace
}  // namespace weir::tests
