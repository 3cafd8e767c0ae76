/// What the ledger tells when no weir lives, and that its history costs nobody anything.
#include <boost/json.hpp>
#include <fstream>
#include <regex>

#include "orchestrator/run/history.h"
#include "orchestrator/run/runs.h"
#include "prometheus.h"

namespace weir::tests {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pair;
namespace json = boost::json;

class Ledger : public ::testing::Test, public Bench {
  protected:
    void SetUp() override { make_users(*this, 50); }
    std::string metrics() const {
        auto const ran = weir({"status", "--metrics"});
        EXPECT_EQ(ran.status, 0) << told(ran);
        EXPECT_EQ(ran.err, "");
        return ran.out;
    }
    std::string of(std::string const& plan) const { return "{database=\"" + db.name + "\",plan=\"" + plan + "\"}"; }
    std::string in(std::string const& plan, std::string const& state) const {
        return "weir_ledger_run_state{database=\"" + db.name + "\",plan=\"" + plan + "\",state=\"" + state + "\"} 1\n";
    }
    /// So many finished runs of other plans, older than those that are there.
    void give_history(int runs) const {
        sql("INSERT INTO weir.entries (run, seq, at, epoch, kind, detail) SELECT -n, 1, now() - n * interval '1 day', "
            "0, "
            "'began', jsonb_build_object('name', 'old-' || n, 'plan', repeat('x', 2000)) FROM generate_series(1, " +
            std::to_string(runs) + ") n");
        sql("INSERT INTO weir.entries (run, seq, at, epoch, kind) SELECT -n, 2, now() - n * interval '1 day', 0, "
            "'finished' FROM generate_series(1, " +
            std::to_string(runs) + ") n");
    }
    std::string sessions() const {
        return value(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE "
            "'weir % history'");
    }
};

TEST_F(Ledger, TellsOfAQuarantineFromItsBeginToItsEnd) {
    EXPECT_THAT(metrics(), HasSubstr("weir_ledger_runs{database=\"" + db.name + "\",state=\"running\"} 0\n"));
    EXPECT_FALSE(ledger());
    int const port = free_port();
    auto const file = plan(std::string{rename_plan} + "drop: { quarantine: 7d }\n");
    auto process = start({"run", file, "--approve", "all", "--http", "127.0.0.1:" + std::to_string(port), "--linger",
                          "10m", "--progress", "plain"});
    std::string const url{"http://127.0.0.1:" + std::to_string(port)};
    std::string last;
    // As Prometheus does: again and again, until nobody answers.
    ASSERT_TRUE(wait_until(
        [&] {
            if (auto const got = get(url + "/metrics"); got.status == 200) last = got.body;
            return !process.running();
        },
        30s))
        << process.out();
    EXPECT_EQ(wait(process).status, 0);

    auto const ends = value(
        "SELECT extract(epoch FROM at + interval '7 days')::bigint FROM weir.entries WHERE kind = "
        "'quarantined'");
    auto const told = [](std::string const& text, std::string const& series) {
        auto const at = text.find(series + " ");
        return at == std::string::npos ? -1 : std::llround(std::stod(text.substr(at + series.size())));
    };
    EXPECT_NEAR(static_cast<double>(told(last, "weir_quarantine_ends_timestamp_seconds{plan=\"rename-it\"}")),
                std::stod(ends), 1)
        << last;
    auto const text = metrics();
    EXPECT_NEAR(static_cast<double>(told(text, "weir_ledger_quarantine_ends_timestamp_seconds" + of("rename-it"))),
                std::stod(ends), 1)
        << text;
    EXPECT_THAT(text, HasSubstr(in("rename-it", "quarantined")));
    EXPECT_THAT(text, HasSubstr("weir_ledger_quarantine_values_not_back" + of("rename-it") + " 0\n"));
    if (std::system("command -v promtool >/dev/null 2>&1") == 0) {
        folder.write("metrics.txt", text);
        EXPECT_EQ(std::system(("promtool check metrics < '" + folder.path("metrics.txt") + "'").c_str()), 0);
    }

    // Its time is over, and it is still told of until somebody has purged.
    sql("UPDATE weir.entries SET at = at - interval '8 days'");
    EXPECT_THAT(metrics(), HasSubstr("weir_ledger_quarantine_ends_timestamp_seconds" + of("rename-it")));
    ASSERT_EQ(weir({"purge"}).status, 0);
    EXPECT_THAT(metrics(), HasSubstr(in("rename-it", "done")));
    EXPECT_THAT(metrics(), Not(HasSubstr("weir_ledger_quarantine_ends")));
}

TEST_F(Ledger, AddsUpWhatEachPhaseTook) {
    ASSERT_EQ(weir({"run", plan(rename_plan), "--until", "expand"}).status, 0);
    sql("DELETE FROM weir.entries WHERE seq > 1");
    sql(R"(INSERT INTO weir.entries (run, seq, epoch, kind, step, detail, at)
SELECT 1, 1 + row_number() OVER (), b.epoch, e.kind, e.step, '{}', b.at + make_interval(secs => second)
FROM weir.entries b, (VALUES (1, 'step_done', 'expand.1'), (2, 'step_told', 'expand.1'), (3, 'step_begun', 'backfill.1'),
  (63, 'stopped', ''), (80, 'step_done', 'backfill.1'), (100, 'gate_opened', ''), (110, 'approval', ''),
  (200, 'gate_approved', ''), (201, 'step_begun', 'contract.1'), (261, 'backed_up', 'contract.1'),
  (270, 'step_done', 'contract.2'), (271, 'quarantined', ''), (9000, 'step_done', 'quarantine.1'),
  (9001, 'step_begun', 'quarantine.2'), (9005, 'step_done', 'quarantine.2'), (9005, 'finished', '')) e (second, kind, step)
WHERE b.seq = 1)");
    Client client{db.conninfo};
    auto const listed = client.exec(to_text(list_history(5)));
    ASSERT_EQ(listed.size(), 1U);
    Row row;
    for (auto const& field : listed[0]) row.fields.push_back(field);
    EXPECT_THAT(work_of_run(row).phases_ms, ElementsAre(Pair("expand", 2000), Pair("backfill", 78'000),
                                                        Pair("contract", 70'000), Pair("quarantine", 5000)));
}

TEST_F(Ledger, TellsWhetherSomebodyWorksOnTheRun) {
    auto process = start({"run", plan(rename_plan)});
    ASSERT_TRUE(at_gate(process));
    EXPECT_THAT(metrics(), HasSubstr("weir_ledger_run_led" + of("rename-it") + " 1\n"));
    EXPECT_THAT(metrics(), HasSubstr(in("rename-it", "waiting")));
    process.signal(SIGKILL);
    process.wait();
    EXPECT_TRUE(wait_until([&] { return has(metrics(), "weir_ledger_run_led" + of("rename-it") + " 0\n"); }, 30s));
    ASSERT_EQ(weir({"abort", "rename-it", "--approve", "all"}).status, 6);
    EXPECT_THAT(metrics(), HasSubstr(in("rename-it", "undone")));
    EXPECT_TRUE(refused(weir({"status", "--metrics", "--json"}), 2, "usage", {"--metrics stands alone"}));
    EXPECT_TRUE(refused(weir({"status", "rename-it", "--metrics"}), 2, "usage", {"--metrics stands alone"}));
    EXPECT_TRUE(refused(weir({"abort", "rename-it", "--metrics"}), 2, "usage", {"--metrics"}));
}

/// Without the figures, which have more or fewer digits from one moment to the next.
std::string series_of(std::string const& text) {
    return std::regex_replace(text, std::regex{"(^|\n)(weir_[^\n]*) [^ \n]+(?=\n)"}, "$1$2");
}

TEST_F(Ledger, AScrapeDoesNotGrowWithTheHistory) {
    int const port = free_port();
    std::string const url{"http://127.0.0.1:" + std::to_string(port)};
    auto const file = plan(rename_plan);
    ASSERT_EQ(weir({"run", file, "--until", "proof"}).status, 0);
    std::vector<std::string> scrapes, lists;
    for (int const runs : {0, 100}) {
        if (runs > 0) give_history(runs);
        auto process = start({"run", file, "--http", "127.0.0.1:" + std::to_string(port)});
        // Not by the ledger: the gate was open before.
        ASSERT_TRUE(wait_until(
            [&] { return has(get(url + "/metrics").body, "weir_run_state{plan=\"rename-it\",state=\"waiting\"} 1"); },
            30s))
            << process.out() << process.err();
        // Each signal has been measured once.
        std::string scrape;
        for (std::string const signal :
             {"archive_backlog", "blocked_by_us", "commit_latency", "freeze_age", "lock_queue", "slot_retention"})
            ASSERT_TRUE(wait_until(
                [&] {
                    scrape = get(url + "/metrics").body;
                    return has(scrape, "weir_signal_value{signal=\"" + signal + "\"");
                },
                30s))
                << signal << "\n"
                << scrape;
        scrapes.push_back(series_of(scrape));
        lists.push_back(get(url + "/api/runs").body);
        process.signal(SIGKILL);
        process.wait();
        EXPECT_TRUE(wait_until([&] { return has(metrics(), "weir_ledger_run_led" + of("rename-it") + " 0\n"); }, 30s));
    }
    EXPECT_EQ(scrapes[0], scrapes[1]);
    EXPECT_EQ(json::parse(lists[0]).at("runs").as_array().size(), 1U);
    EXPECT_EQ(json::parse(lists[1]).at("runs").as_array().size(), History::most) << "and no more";
    auto const text = metrics();
    EXPECT_THAT(text, HasSubstr("state=\"done\"} 100\n"));
    EXPECT_EQ(count(text, "weir_ledger_run_led{"), 21U) << "this one, and the newest of those that are over";
}

TEST_F(Ledger, TheHistoryIsReadOnceForAllWhoAsk) {
    boost::asio::io_context io;
    History history{io.get_executor(), db.conninfo, "rename-it", {.fresh = 10min, .idle = 50ms}};
    std::vector<History::Text> given;
    auto const ask = [&] { history.want([&](History::Text text) { given.push_back(std::move(text)); }); };
    auto const until = [&](auto const& condition) {
        return wait_until([&] {
            io.restart();
            io.run_for(5ms);
            return condition();
        });
    };
    ask();
    ask();
    ASSERT_TRUE(until([&] { return given.size() == 2; }));
    ask();
    ASSERT_EQ(given.size(), 3U) << "known already";
    ASSERT_TRUE(given[0]);
    EXPECT_EQ(*given[0], "{\"runs\":[]}") << "there is no ledger yet";
    EXPECT_EQ(given[1], given[0]);
    EXPECT_EQ(given[2], given[0]);
    // Nobody asks any more: the session goes.
    EXPECT_TRUE(until([&] { return sessions() == "0"; }));

    History again{io.get_executor(), db.conninfo, "rename-it", {.fresh = {}, .idle = 1min}};
    ASSERT_EQ(weir({"run", plan(rename_plan), "--until", "expand"}).status, 0);
    History::Text text;
    again.want([&](History::Text got) { text = std::move(got); });
    ASSERT_TRUE(until([&] { return text != nullptr; }));
    EXPECT_EQ(json::parse(*text).at("runs").at(0).at("plan"), "rename-it");
    EXPECT_EQ(sessions(), "1");
}

TEST_F(Ledger, AHistoryThatCannotBeReadIsNone) {
    boost::asio::io_context io;
    History history{io.get_executor(), "host=/nowhere", "rename-it"};
    std::optional<History::Text> given;
    history.want([&](History::Text text) { given = std::move(text); });
    EXPECT_TRUE(wait_until([&] {
        io.restart();
        io.run_for(5ms);
        return given.has_value();
    }));
    EXPECT_EQ(*given, nullptr);
}

}  // namespace
}  // namespace weir::tests
