/// Two and five orchestrators begin one plan at the same moment: exactly one acts, also when that one is killed.
#include "tests/support/bench.h"

namespace weir::tests {
namespace {

#ifdef __SANITIZE_ADDRESS__
constexpr int rounds_at_once = 1, short_rounds = 2;
#else
constexpr int rounds_at_once = 5, short_rounds = 2;
#endif

/// One database and those who race for it.
struct Race {
    explicit Race(std::size_t of) {
        make_users(bench, 50);
        // All meet at the gate, so that the one that leads still does when the last has given up.
        auto const file = bench.plan(rename_plan);
        for (std::size_t i = 0; i < of; ++i) all.push_back(bench.start({"run", file}));
    }
    /// The one that still runs once all others have ended; nothing when not exactly one is left.
    Process* winner() {
        auto const running = [this] { return std::ranges::count_if(all, [](Process& p) { return p.running(); }); };
        if (!wait_until([&] { return running() <= 1; }, 30s) || running() != 1) return nullptr;
        return &*std::ranges::find_if(all, [](Process& p) { return p.running(); });
    }
    Bench bench;
    std::vector<Process> all;
};

class Races : public ::testing::TestWithParam<std::size_t> {};

TEST_P(Races, OneActs) {
    int const rounds = long_run() ? 200 : rounds_at_once * short_rounds;
    std::chrono::milliseconds longest{};
    for (int round = 0; round < rounds; round += rounds_at_once) {
        std::vector<std::unique_ptr<Race>> races;
        for (int i = 0; i < rounds_at_once; ++i) races.push_back(std::make_unique<Race>(GetParam()));
        for (std::size_t i = 0; i < races.size(); ++i) {
            auto& [bench, all] = *races[i];
            auto* const winner = races[i]->winner();
            ASSERT_NE(winner, nullptr) << told(wait(all[0]));
            for (auto& process : all)
                if (&process != winner) {
                    EXPECT_TRUE(refused(wait(process), 5, "other-leader", {"pid ", "weir rename-it control"}));
                }
            ASSERT_TRUE(bench.at_gate(*winner)) << winner->out() << winner->err();
            EXPECT_EQ(bench.value("SELECT count(*) FROM weir.entries WHERE kind = 'began'"), "1");
            EXPECT_EQ(bench.value("SELECT epoch FROM weir.meta"), "1");
            EXPECT_EQ(bench.value("SELECT count(DISTINCT application_name) || ' ' || count(*) FROM pg_stat_activity "
                                  "WHERE datname = current_database() AND application_name LIKE 'weir % hand %'"),
                      bench.value("SELECT count(*) || ' ' || count(*) FROM pg_locks WHERE locktype = 'advisory' AND "
                                  "objid = 2 AND database = (SELECT oid FROM pg_database WHERE datname = "
                                  "current_database())"));
            if (i % 2 == 0) {
                ASSERT_EQ(bench.weir({"approve", "rename-it", "contract"}).status, 0);
                EXPECT_EQ(wait(*winner).status, 0);
            } else {
                winner->signal(SIGKILL);
                EXPECT_EQ(wait(*winner).status, 137);
                auto const ran = bench.finish(bench.folder.path("plan.yaml"));
                EXPECT_EQ(ran.status, 0) << told(ran);
            }
            EXPECT_EQ(bench.ledger_faults(), "") << bench.entries();
            EXPECT_EQ(differing(bench, "full_name"), "0");
            EXPECT_EQ(bench.leftovers(), "");
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Of, Races, ::testing::Values(2U, 5U));

}  // namespace
}  // namespace weir::tests
