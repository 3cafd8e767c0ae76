/// --take-over: the one in the way is fenced and ended, dead, stopped or alive; it writes nothing more, and never do
/// two act.
#include "tests/security/gate.h"

namespace weir::tests {
namespace {

using ::testing::HasSubstr;

class TakeOver : public ::testing::Test, public Bench {
  protected:
    std::string file = plan(rename_plan);
    std::string slow = plan(std::string{rename_plan} + "batch: { target: 1ms, workers: 2 }\n", "slow.yaml");

    std::string leader() const {
        auto const rows = sql(
            "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = 1 AND granted AND database = (SELECT oid "
            "FROM pg_database WHERE datname = current_database())");
        return rows.empty() ? "" : *rows[0][0];
    }
    /// The ledger and the table, to the last byte.
    std::string everything() const {
        return value(
            "SELECT (SELECT md5(string_agg(e::text, '|' ORDER BY run, seq)) FROM weir.entries e) || (SELECT "
            "md5(string_agg(p::text || p.xmin, '|' ORDER BY step, from_page)) FROM weir.progress p) || (SELECT "
            "md5(string_agg(u::text || u.xmin, '|' ORDER BY id)) FROM users u) || (SELECT epoch FROM weir.meta)");
    }
    bool filling(Process& process) const {
        return wait_until([&] { return has(process.out(), "\"batch_done\"") || !process.running(); }, 30s) &&
               process.running();
    }
    /// The one that was displaced says so, once, and had nothing left to do.
    static ::testing::AssertionResult displaced(Ran const& ran) {
        if (ran.status != 5) return ::testing::AssertionFailure() << told(ran);
        if (!has(ran.out + ran.err, "other-leader")) return ::testing::AssertionFailure() << told(ran);
        return ::testing::AssertionSuccess();
    }
};

TEST_F(TakeOver, OfAStoppedProcessWhichThenWritesNothing) {
    for (std::string const where : {"fill", "gate"}) {
        make_users(*this, 8'000);
        Writers writers{*this, 2, 8'000};
        auto stopped = where == "fill" ? start({"run", slow, "--progress", "json"}) : start({"run", slow});
        ASSERT_TRUE(where == "fill" ? filling(stopped) : at_gate(stopped)) << stopped.out() << stopped.err();
        stopped.signal(SIGSTOP);
        auto const pid = leader();
        EXPECT_TRUE(
            refused(weir({"run", slow}), 5, "other-leader",
                    {"pid " + pid, "user postgres", "weir rename-it control", "since 20", "from local", "--take-over"}))
            << where;
        auto const ran = weir({"run", slow, "--take-over", "--approve", "all"});
        EXPECT_EQ(ran.status, 0) << where << told(ran);
        EXPECT_THAT(ran.out, HasSubstr("took over from pid " + pid)) << where;
        writers.stop();
        EXPECT_EQ(writers.errors(), "") << where;
        auto const before = everything();
        stopped.signal(SIGCONT);
        EXPECT_TRUE(displaced(wait(stopped, 30s))) << where;
        EXPECT_EQ(everything(), before) << where;
        EXPECT_EQ(ledger_faults(), "") << where << entries();
        EXPECT_EQ(differing(*this, "full_name"), "0") << where;
        EXPECT_EQ(leftovers(), "") << where;
    }
}

TEST_F(TakeOver, OfALiveOneWhichStops) {
    for (std::string const where : {"fill", "gate"}) {
        make_users(*this, 8'000);
        Writers writers{*this, 2, 8'000};
        auto live = where == "fill" ? start({"run", slow, "--progress", "json"}) : start({"run", slow});
        ASSERT_TRUE(where == "fill" ? filling(live) : at_gate(live)) << live.out() << live.err();
        auto successor = start({"run", slow, "--take-over"});
        EXPECT_TRUE(displaced(wait(live, 30s))) << where;
        ASSERT_TRUE(at_gate(successor)) << where << successor.out() << successor.err();
        ASSERT_EQ(weir({"approve", "rename-it", "contract"}).status, 0);
        EXPECT_EQ(wait(successor).status, 0) << where;
        writers.stop();
        EXPECT_EQ(writers.errors(), "") << where;
        EXPECT_EQ(ledger_faults(), "") << where << entries();
        EXPECT_EQ(differing(*this, "full_name"), "0") << where;
    }
}

TEST_F(TakeOver, OfOneBehindADeadNetwork) {
    make_users(*this, 8'000);
    Gate gate{db.conninfo};
    auto launch = this->launch({"run", slow, "--progress", "json"});
    launch.command.back() = gate.url(db.name);
    Process far{std::move(launch)};
    ASSERT_TRUE(filling(far)) << far.out() << far.err();
    gate.hold(true);
    auto const pid = leader();
    EXPECT_TRUE(refused(weir({"run", slow}), 5, "other-leader", {"pid " + pid}));
    auto const ran = weir({"run", slow, "--take-over", "--approve", "all"});
    EXPECT_EQ(ran.status, 0) << told(ran);
    EXPECT_TRUE(far.running());
    auto const before = everything();
    gate.hold(false);
    EXPECT_TRUE(displaced(wait(far, 60s)));
    EXPECT_EQ(everything(), before);
    EXPECT_EQ(ledger_faults(), "") << entries();
    EXPECT_EQ(value("SELECT count(*) FROM users WHERE full_name IS NULL"), "0");
}

TEST_F(TakeOver, ByTwoAtOnceIsByOne) {
    for (int round = 0; round < (long_run() ? 40 : 2); ++round) {
        make_users(*this, 50);
        auto stopped = start({"run", file});
        ASSERT_TRUE(at_gate(stopped)) << stopped.err();
        if (round % 2 == 0) stopped.signal(SIGSTOP);
        std::vector<Process> both;
        for (int i = 0; i < 2; ++i) both.push_back(start({"run", file, "--take-over"}));
        int acting = -1;
        ASSERT_TRUE(wait_until([&] { return !both[0].running() || !both[1].running(); }, 20s));
        for (int i = 0; i < 2; ++i)
            if (both[static_cast<std::size_t>(i)].running()) acting = i;
        ASSERT_GE(acting, 0) << told(wait(both[0])) << told(wait(both[1]));
        // The later may also have ended the earlier before that one acted.
        auto const other = wait(both[static_cast<std::size_t>(1 - acting)]);
        EXPECT_TRUE(refused(other, 5, has(other.err, "administrator") ? "cannot-connect" : "other-leader"));
        EXPECT_FALSE(has(other.out, "begins")) << told(other);
        auto& one = both[static_cast<std::size_t>(acting)];
        ASSERT_TRUE(at_gate(one)) << one.err();
        if (round % 2 == 0) stopped.signal(SIGCONT);
        EXPECT_TRUE(displaced(wait(stopped)));
        ASSERT_EQ(weir({"approve", "rename-it", "contract"}).status, 0);
        EXPECT_EQ(wait(one).status, 0);
        EXPECT_EQ(ledger_faults(), "") << entries();
    }
}

TEST_F(TakeOver, WhereNobodyLeadsIsARun) {
    make_users(*this, 50);
    auto const ran = weir({"run", file, "--take-over", "--approve", "all"});
    EXPECT_EQ(ran.status, 0) << told(ran);
    EXPECT_FALSE(has(ran.out, "took over"));
    EXPECT_EQ(weir({"run", file, "--take-over"}).status, 0);
}

TEST_F(TakeOver, SparesAnotherPlansRunAndStrangers) {
    make_users(*this, 50);
    auto process = start({"run", file});
    ASSERT_TRUE(at_gate(process));
    auto const other =
        plan("weir: 1\nname: other\nexpand:\n  - add_column: { table: users, column: more, type: int }\n", "o.yaml");
    EXPECT_TRUE(refused(weir({"run", other, "--take-over"}), 5, "other-leader",
                        {"does not work on plan other", "pid " + leader(), "weir rename-it control"}));
    ASSERT_EQ(weir({"approve", "rename-it", "contract"}).status, 0);
    EXPECT_EQ(wait(process).status, 0);
    Client stranger{db.conninfo};
    stranger.exec("SET application_name = 'psql'; SELECT pg_advisory_lock(" + std::to_string(0x77656972) + ", 1)");
    EXPECT_TRUE(refused(weir({"run", other, "--take-over"}), 5, "other-leader", {"\"psql\""}));
    EXPECT_EQ(stranger.value("SELECT 1"), "1");
}

TEST_F(TakeOver, NeedsTheRightToEndTheOther) {
    make_users(*this, 50);
    auto const role = "deputy_" + db.name;
    sql("CREATE ROLE " + role + " LOGIN; GRANT ALL ON users TO " + role);
    auto process = start({"run", file});
    ASSERT_TRUE(at_gate(process));
    sql("GRANT USAGE ON SCHEMA weir TO " + role + "; GRANT ALL ON ALL TABLES IN SCHEMA weir TO " + role);
    auto const epoch = value("SELECT epoch FROM weir.meta");
    user = role;
    EXPECT_TRUE(
        refused(weir({"run", file, "--take-over"}), 5, "no-privilege", {"pid " + leader(), "pg_signal_backend"}));
    user = "postgres";
    EXPECT_EQ(value("SELECT epoch FROM weir.meta"), epoch);
    ASSERT_EQ(weir({"approve", "rename-it", "contract"}).status, 0);
    EXPECT_EQ(wait(process).status, 0);
    sql("DROP OWNED BY " + role + "; DROP ROLE " + role);
}

}  // namespace
}  // namespace weir::tests
