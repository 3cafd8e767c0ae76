/// The Grafana board's queries, each asked of a real Prometheus while it scrapes a real run.
#include <boost/json.hpp>
#include <fstream>
#include <set>
#include <sstream>

#include "prometheus.h"

namespace weir::tests {
namespace {

namespace json = boost::json;

/// A run that goes well has none of these; docs/metrics.md and the tests of the instruments know the series.
bool of_rare_cases(std::string const& query) {
    return has(query, "weir_errors_total") || has(query, "ALERTS") || has(query, "weir_vacuums_total") ||
           // Told when a fill that lasts takes another one.
           has(query, "weir_workers") ||
           // Known after a quarter of a minute of work.
           has(query, "weir_eta_low_seconds") || has(query, "weir_eta_high_seconds");
}

std::string replaced(std::string text, std::string const& what, std::string const& with) {
    for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + with.size()))
        text.replace(at, what.size(), with);
    return text;
}

struct Board {
    Board() {
        std::ifstream file{WEIR_SOURCE_DIR "/metrics/grafana.json"};
        std::ostringstream text;
        text << file.rdbuf();
        walk(json::parse(text.str()));
    }
    void walk(json::value const& value) {
        if (value.is_array())
            for (auto const& one : value.as_array()) walk(one);
        if (!value.is_object()) return;
        auto const& object = value.as_object();
        if (auto const* expr = object.if_contains("expr")) queries.insert(ready(std::string{expr->as_string()}));
        if (auto const* definition = object.if_contains("definition")) variables.emplace(definition->as_string());
        for (auto const& [key, inner] : object) {
            if (key == "id" && object.contains("gridPos")) ids.push_back(inner.as_int64());
            walk(inner);
        }
    }
    static std::string ready(std::string query) {
        for (auto const* name : {"$job", "$instance", "$plan"}) query = replaced(std::move(query), name, ".*");
        return replaced(std::move(query), "$__rate_interval", "3s");
    }
    std::set<std::string> queries, variables;
    std::vector<std::int64_t> ids;
};

TEST(GrafanaBoard, EveryQueryOfALiveRunGivesData) {
    if (!Prometheus::installed()) GTEST_SKIP() << "package prometheus is not installed";
    Board const board;
    ASSERT_GE(board.queries.size(), 25U);
    EXPECT_EQ(board.variables.size(), 3U);
    EXPECT_EQ((std::set<std::int64_t>{board.ids.begin(), board.ids.end()}).size(), board.ids.size());
    Cluster cluster;
    auto& replica = cluster.add_replica("r1");
    Bench const bench{cluster};
    make_users(bench, 3000);
    bench.sql("CREATE TABLE load (value int); INSERT INTO load VALUES (9)");
    ASSERT_TRUE(replica.catch_up());
    auto const file = bench.plan(std::string{rename_plan} +
                                 "throttle: { replication_lag: 10s, sql: [ { name: queue, query: \"SELECT value FROM "
                                 "load\", limit: 3 } ] }\n"
                                 "schedule: { window: { from: \"00:00\", to: \"24:00\" } }\n"
                                 "gates: { contract: manual }\nlocks: { on_blocked: wait }\n");
    int const port = free_port();
    Prometheus const prometheus{port};

    auto missing = board.queries;
    std::erase_if(missing, of_rare_cases);
    auto const ask = [&] {
        std::erase_if(missing, [&](auto const& query) { return !prometheus.query(query).series.empty(); });
    };
    /// Until nothing is missing of what holds this word.
    auto const seen = [&](std::string const& part) {
        return wait_until(
            [&] {
                ask();
                return std::ranges::none_of(missing, [&](auto const& query) { return has(query, part); });
            },
            30s);
    };

    // Somebody reads the table, so that the first lock is not to be had.
    Client holder{bench.db.conninfo};
    holder.exec("BEGIN");
    holder.exec("SELECT FROM users LIMIT 1");
    auto process = bench.start({"run", file, "--http", "127.0.0.1:" + std::to_string(port), "--progress", "plain"});
    EXPECT_TRUE(seen("weir_blockers{")) << process.out() << process.err() << prometheus.log();
    EXPECT_TRUE(seen("weir_blocked_since"));
    holder.exec("COMMIT");
    EXPECT_TRUE(seen("weir_throttle"));
    // The rest of the fill is held by the locked row.
    auto const expanded = [&] {
        return bench.value(
                   "SELECT count(*) FROM pg_attribute WHERE attrelid = 'users'::regclass AND attname = "
                   "'full_name'") == "1";
    };
    ASSERT_TRUE(wait_until(expanded, 30s)) << process.out() << process.err();
    holder.exec("BEGIN");
    holder.exec("SELECT FROM users WHERE id = (SELECT max(id) FROM users) FOR UPDATE");
    bench.sql("UPDATE load SET value = 1");
    EXPECT_TRUE(seen("weir_batch_rows")) << process.out() << process.err();
    EXPECT_TRUE(seen("weir_eta_seconds"));
    EXPECT_TRUE(seen("weir_forecast"));
    EXPECT_TRUE(seen("weir_batch_retries"));
    EXPECT_EQ(bench.weir({"set", "rename-it", "batch.target", "30ms"}).status, 0);
    EXPECT_TRUE(seen("weir_orders_total"));
    holder.exec("COMMIT");
    ASSERT_TRUE(bench.at_gate(process)) << process.out() << process.err();
    seen("");
    EXPECT_THAT(missing, testing::IsEmpty()) << process.out() << prometheus.log();

    for (auto const& query : board.queries) EXPECT_EQ(prometheus.query(query).problem, "") << query;
    for (auto const& variable : board.variables) {
        // label_values(selector, label) is Grafana's own word for this.
        auto const comma = variable.rfind(", ");
        auto const from = variable.find('(') + 1;
        auto const label = variable.substr(comma + 2, variable.size() - comma - 3);
        auto const selector = Board::ready(variable.substr(from, comma - from));
        EXPECT_EQ(prometheus.query("count by (" + label + ") (" + selector + ")").series.size(), 1U) << variable;
    }
    process.signal(SIGINT);
    process.wait();
}

}  // namespace
}  // namespace weir::tests
