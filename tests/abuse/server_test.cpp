/// The server ends sessions, stops, crashes, and gives way to a standby: a run goes on by itself.
#include <algorithm>
#include <csignal>
#include <iostream>

#include "abuse.h"
#include "tests/support/pair.h"

namespace weir::tests {
namespace {

using Clock = std::chrono::steady_clock;

std::size_t beginnings(Process const& process) { return weir::tests::count(process.out(), "\"event\":\"run_began\""); }

/// The run has begun, as a rule; one in eight is abused at any time after its start.
void let_begin(Process& process, Dice& dice) {
    if (dice.below(8) == 0) return;
    EXPECT_TRUE(wait_until([&] { return beginnings(process) > 0 || !process.running(); }, 30s));
}

class Sessions : public Abuse {
  protected:
    // All signals on: they have sessions, too.
    std::string const signals =
        plan(std::string{rename_plan} + "batch: { target: 1ms, workers: 2 }\n", "with-signals.yaml");

    /// Ends one session of a role by chance; false when there is none.
    bool end_one(Dice& dice) {
        auto const all = sql(
            "SELECT regexp_replace(application_name, '^weir rename-it | [0-9]+$', '', 'g'), pid FROM pg_stat_activity "
            "WHERE application_name LIKE 'weir rename-it %' AND datname = current_database() ORDER BY 1, 2");
        if (all.empty()) return false;
        std::map<std::string, std::vector<std::string>> by_role;
        for (auto const& row : all) by_role[*row[0]].push_back(*row[1]);
        std::vector<std::string> roles;
        for (auto const& [role, pids] : by_role) roles.push_back(role);
        auto const& role = dice.one_of(roles);
        if (value("SELECT pg_terminate_backend(" + dice.one_of(by_role[role]) + ")") != "t") return false;
        count("ended " + role);
        return true;
    }
};

TEST_F(Sessions, EndedAtAnyInstantTheRunGoesOnByItself) {
    int ended = 0;
    abuse(2, 100, [&](Dice& dice) {
        auto const oracle = make(dice);
        auto process = start({"run", signals, "--approve", "all", "--progress", "json"});
        let_begin(process, dice);
        for (int ends = 1 + dice.below(3); ends > 0; --ends) {
            let(process, dice.moment(calm().took));
            if (process.running() && end_one(dice)) ++ended;
        }
        auto const ran = wait(process, 90s);
        if (ran.status == 5 && beginnings(process) == 0 && has(ran.err, "cannot-connect")) {
            count("before it began");
            recover();
        } else {
            EXPECT_EQ(ran.status, 0) << told(ran);
        }
        expect_done(*oracle);
    });
    // Of a few rounds each may miss.
    if (full()) {
        EXPECT_GT(ended, 0);
    }
}

class Stopped : public ServerAbuse {};

TEST_F(Stopped, AtAnyInstantInAnyWayTheRunGoesOnByItself) {
    std::chrono::milliseconds slowest{};
    int way = 0;
    abuse(3, 150, [&](Dice& dice) {
        auto const oracle = make(dice);
        auto process = begin({"--approve", "all"});
        let_begin(process, dice);
        let(process, dice.moment(calm().took));
        switch (way++ % 3) {
            case 0:
                count("fast");
                cluster.stop();
                break;
            case 1:
                count("immediate");
                cluster.kill(SIGQUIT);
                break;
            default:
                count("postmaster killed");
                cluster.kill(SIGKILL);
        }
        auto const before = beginnings(process);
        cluster.start();
        auto const began = Clock::now();
        bool const works = wait_until([&] { return beginnings(process) > before || !process.running(); }, 60s);
        EXPECT_TRUE(works) << process.out() << process.err();
        if (beginnings(process) > before)
            slowest = std::max(slowest, std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - began));
        EXPECT_EQ(oracle->rows(), "") << "after the restart";
        auto const ran = wait(process, 90s);
        if (ran.status == 5 && before == 0 && has(ran.err, "cannot-connect")) {
            count("before it began");
            recover();
        } else {
            EXPECT_EQ(ran.status, 0) << told(ran);
        }
        expect_done(*oracle);
    });
    std::cout << "works again " << slowest.count() << " ms after the server at most\n";
}

class FailedOver : public Abuse {
  protected:
    /// What stands in the ledger has happened to the table, and the reverse, in one snapshot.
    std::string ledger_agrees() const {
        if (!ledger())
            return value(
                "SELECT count(*) = 0 FROM pg_attribute WHERE attrelid = 'users'::regclass AND "
                "attname = 'full_name' AND NOT attisdropped");
        return value(
            "SELECT (SELECT count(*) FROM weir.entries WHERE kind = 'step_done' AND step = 'expand.1') = (SELECT "
            "count(*) FROM pg_attribute WHERE attrelid = 'users'::regclass AND attname = 'full_name' AND NOT "
            "attisdropped)");
    }
    void round(Dice& dice, bool synchronous) {
        Pair pair{synchronous, full()};
        db = pair.bench.db;
        server_may_lose = !synchronous;
        auto const oracle = make(dice);
        EXPECT_TRUE(pair.replica().catch_up());
        bool const behind = !synchronous;
        auto const fall_behind = [&] {
            if (!behind) return;
            pair.replica().set("primary_conninfo", "");
            EXPECT_TRUE(wait_until([&] { return value("SELECT count(*) FROM pg_stat_replication") == "0"; }));
        };
        bool const before_it_began = dice.below(4) == 0;
        if (before_it_began) fall_behind();
        auto process = begin({"--approve", "all"});
        let_begin(process, dice);
        let(process, dice.moment(calm().took));
        if (!before_it_began) fall_behind();
        if (behind) {
            count("behind");
            EXPECT_TRUE(oracle->more(30));
        }
        pair.fail_over();
        EXPECT_EQ(oracle->rows(), "") << "after the failover";
        EXPECT_EQ(ledger_agrees(), "t");
        auto const ran = wait(process, 90s);
        bool const begun = beginnings(process) > 0;
        if (ran.status == 0)
            count(beginnings(process) > 1 ? "went on by itself" : "done before");
        else if (!begun && ran.status == 5 && has(ran.err, "cannot-connect"))
            count("before it began");
        else
            ADD_FAILURE() << told(ran);
        recover();
        expect_done(*oracle);
    }
};

TEST_F(FailedOver, ToASynchronousStandbyNothingIsLost) {
    abuse(1, 20, [this](Dice& dice) { round(dice, true); });
}

TEST_F(FailedOver, ToAStandbyThatIsBehindTheRunLosesNothingMore) {
    abuse(1, 20, [this](Dice& dice) { round(dice, false); });
}

}  // namespace
}  // namespace weir::tests
