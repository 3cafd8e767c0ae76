/// Rights that are taken away in the middle of a run, a password that is changed, and a snapshot that is held for long.
#include <fstream>

#include "abuse.h"

namespace weir::tests {
namespace {

class Rights : public Abuse {
  protected:
    /// Waits until the fill is on its way, and stops the program there.
    void stop_in_the_fill(Process& process) {
        ASSERT_TRUE(wait_until([&] { return in_the_fill(process) || !process.running(); }));
        process.signal(SIGSTOP);
        ASSERT_FALSE(has(process.out(), "backfill.1 done"));
    }
};

TEST_F(Rights, RevokedInTheFillItStopsAndGoesOnOnceTheyAreBack) {
    auto const owner = "owner_" + db.name, role = "mover_" + db.name;
    make_oracle(*this, rows_to_fill);
    sql("CREATE ROLE " + owner + "; CREATE ROLE " + role + " LOGIN; ALTER TABLE users OWNER TO " + owner + "; GRANT " +
        owner + " TO " + role + "; GRANT CREATE ON DATABASE " + db.name + " TO " + role +
        "; GRANT ALL ON SCHEMA public TO " + owner);
    user = role;
    Oracle oracle{db.conninfo,
                  Oracle::Options{.sessions = 3, .rows = rows_to_fill, .seed = 5, .retries_in_doubt = false}};
    ASSERT_TRUE(oracle.more(20));
    auto process = start({"run", file});
    stop_in_the_fill(process);
    if (HasFatalFailure()) return;
    sql("REVOKE " + owner + " FROM " + role);
    process.signal(SIGCONT);
    auto const ran = wait(process);
    EXPECT_TRUE(refused(ran, 4, "statement-refused", {"permission denied"})) << "in the fill";
    EXPECT_TRUE(oracle.more(20));
    EXPECT_EQ(oracle.rows(), "");
    // Nor does a new one begin to act.
    auto const again = weir({"run", file, "--approve", "all"});
    EXPECT_TRUE(refused(again, 4, "statement-refused", {"permission denied"}));
    EXPECT_EQ(oracle.rows(), "");
    sql("GRANT " + owner + " TO " + role);
    auto const done = finish(file);
    EXPECT_EQ(done.status, 0) << told(done);
    EXPECT_TRUE(oracle.more(20));
    EXPECT_EQ(oracle.judge().faults(), "");
    EXPECT_EQ(shape_faults(*this), "");
    EXPECT_EQ(ledger_faults(), "") << entries();
    sql("DROP OWNED BY " + owner + ", " + role + " CASCADE; DROP ROLE " + owner + ", " + role);
}

TEST_F(Rights, APasswordThatIsChangedIsReadAnewFromItsFile) {
    Cluster own{Cluster::Options{.fsync = false, .settings = {}, .hba = {"local all rotated scram-sha-256"}}};
    Bench bench{own};
    make_oracle(bench, rows_to_fill);
    bench.sql("CREATE ROLE rotated SUPERUSER LOGIN PASSWORD 'first'");
    Oracle oracle{bench.db.conninfo,
                  Oracle::Options{.sessions = 3, .rows = rows_to_fill, .seed = 6, .retries_in_doubt = false}};
    ASSERT_TRUE(oracle.more(20));
    bench.user = "rotated";
    auto const passes = folder.path("passes");
    auto const is = [&](std::string const& password) {
        std::ofstream{passes} << "*:*:*:*:" << password << "\n";
        std::filesystem::permissions(passes, std::filesystem::perms{0600});
    };
    is("first");
    auto process = bench.start({"run", file, "--approve", "all"}, {{"PGPASSFILE", passes}});
    stop_in_the_fill(process);
    if (HasFatalFailure()) return;
    bench.sql("ALTER ROLE rotated PASSWORD 'second'");
    bench.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'weir %'");
    process.signal(SIGCONT);
    // It says why it does not come back, and tries on.
    auto const said = [&] { return process.out() + process.err(); };
    auto const tries = [&] { return tests::count(own.log(), "FATAL:  password authentication failed"); };
    EXPECT_TRUE(wait_until([&] { return has(said(), "password authentication failed"); }, 20s)) << said();
    EXPECT_TRUE(has(said(), "hint: give the password by PGPASSFILE")) << said();
    auto const tried = tries();
    EXPECT_TRUE(wait_until([&] { return tries() >= tried + 2; }, 20s));
    EXPECT_EQ(tests::count(said(), "password authentication failed"), 1U) << "once, and not with each try: " << said();
    EXPECT_TRUE(oracle.more(20));
    EXPECT_EQ(oracle.rows(), "");
    EXPECT_TRUE(process.running()) << said();
    is("second");
    auto const ran = wait(process);
    EXPECT_EQ(ran.status, 0) << told(ran);
    EXPECT_FALSE(has(said(), "first") || has(said(), "second"));
    EXPECT_TRUE(oracle.more(20));
    EXPECT_EQ(oracle.judge().faults(), "");
    EXPECT_EQ(shape_faults(bench), "");
    EXPECT_EQ(bench.ledger_faults(), "") << bench.entries();
}

class Snapshot : public Abuse {};

TEST_F(Snapshot, HeldAllTheTimeTheRunIsDoneAndTheApplicationNeverStands) {
    abuse(1, 10, [this](Dice& dice) {
        auto const oracle = make(dice);
        Client holder{db.conninfo + " application_name=old-report"};
        holder.exec("BEGIN ISOLATION LEVEL REPEATABLE READ");
        holder.exec("SELECT pg_current_xact_id(), count(*) FROM witness");
        auto process = start({"run", file});
        EXPECT_TRUE(at_gate(process, 60s)) << process.out();
        EXPECT_EQ(oracle->rows(true), "") << "at the gate, by a new snapshot";
        // Now it reads the table, and its lock is in the way of the drop.
        holder.exec("SELECT FROM users LIMIT 1");
        EXPECT_EQ(weir({"approve", "rename-it", "contract"}).status, 0);
        EXPECT_TRUE(wait_until([&] { return has(process.out(), "old-report"); }, 30s)) << process.out();
        EXPECT_TRUE(oracle->more(200)) << "writers stand behind the run that waits";
        EXPECT_TRUE(process.running()) << process.out();
        holder.exec("COMMIT");
        EXPECT_EQ(wait(process).status, 0) << process.out();
        expect_done(*oracle);
    });
}

}  // namespace
}  // namespace weir::tests
