/// Programs and plans that nobody made for these tests: pgbench with its own tables and script, and every example.
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "tests/support/bench.h"

namespace weir::tests {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

std::string example(std::string const& name) { return std::string{WEIR_SOURCE_DIR} + "/examples/" + name; }

class Pgbench : public ::testing::Test, public Bench {
  protected:
    /// WEIR_TEST_SCALE; 5 in a long run, else 1.
    std::string scale = std::getenv("WEIR_TEST_SCALE") != nullptr ? std::getenv("WEIR_TEST_SCALE")
                        : long_run()                              ? "5"
                                                                  : "1";

    Launch pgbench(Words words) const {
        Launch launch;
        launch.command = {server_program("pgbench")};
        launch.command.insert(launch.command.end(), words.begin(), words.end());
        launch.command.push_back(db.conninfo);
        return launch;
    }
    void SetUp() override {
        auto const made = run(pgbench({"-i", "-q", "-s", scale}), 120s);
        ASSERT_EQ(made.status, 0) << told(made);
    }
    /// Runs the plan while pgbench works, and gives what pgbench printed at its end.
    Ran under_load(std::string const& plan) {
        // Longer than the run can take; it is interrupted when that is over.
        Process load{pgbench({"-n", "-c", "4", "-j", "2", "-T", "600", "-P", "1", "--failures-detailed"})};
        EXPECT_TRUE(wait_until([&] { return has(load.err(), "progress: 1") || !load.running(); }, 20s)) << load.err();
        auto const ran = weir({"run", plan, "--approve", "all"}, {}, 240s);
        EXPECT_EQ(ran.status, 0) << told(ran);
        auto const before = count(load.err(), "progress: ");
        EXPECT_TRUE(wait_until([&] { return count(load.err(), "progress: ") >= before + 2 || !load.running(); }, 20s));
        EXPECT_TRUE(load.running()) << "pgbench gave up: " << load.err();
        load.signal(SIGTERM);
        load.wait(20s);
        return {ran.status, load.out(), load.err()};
    }
};

void expect_no_failures(Ran const& load) {
    EXPECT_EQ(load.err.find("ERROR"), std::string::npos) << load.err;
    EXPECT_EQ(load.err.find("aborted"), std::string::npos) << load.err;
    // Each line of progress says `… 0 failed …`.
    EXPECT_EQ(count(load.err, "progress: "), count(load.err, " 0 failed")) << load.err;
    auto const last = load.err.rfind("progress: ");
    std::cout << load.err.substr(last);
}

TEST_F(Pgbench, RenamesFiller) {
    auto const load = under_load(example("pgbench-rename-filler.yaml"));
    expect_no_failures(load);
    EXPECT_EQ(
        value("SELECT count(*) FROM pg_attribute WHERE attrelid = 'pgbench_accounts'::regclass AND attname = 'note'"),
        "1");
    EXPECT_EQ(value("SELECT count(*) FROM pgbench_accounts"), scale + "00000");
    EXPECT_EQ(value("SELECT count(*) FROM pgbench_accounts WHERE note IS NULL OR octet_length(note) <> 84"), "0");
    // pgbench's own invariant.
    EXPECT_EQ(
        value("SELECT (SELECT sum(abalance) FROM pgbench_accounts) = (SELECT sum(delta) FROM pgbench_history) AND "
              "(SELECT sum(abalance) FROM pgbench_accounts) = (SELECT sum(bbalance) FROM pgbench_branches)"),
        "t");
    EXPECT_EQ(leftovers(), "");
    EXPECT_EQ(ledger_faults(), "");
}

TEST_F(Pgbench, AddsACategory) {
    auto const load = under_load(example("pgbench-add-column.yaml"));
    expect_no_failures(load);
    EXPECT_EQ(value("SELECT count(*) FROM pgbench_accounts WHERE category IS DISTINCT FROM 'branch ' || bid"), "0");
    EXPECT_EQ(value("SELECT attnotnull FROM pg_attribute WHERE attrelid = 'pgbench_accounts'::regclass AND attname = "
                    "'category'"),
              "t");
    EXPECT_EQ(leftovers(), "");
    EXPECT_EQ(ledger_faults(), "");
}

/// Each example as it stands, on the table that it is written for.
class Example : public Bench, public ::testing::TestWithParam<std::string> {};

std::vector<std::string> examples() {
    std::vector<std::string> all;
    for (auto const& entry : fs::directory_iterator{example("")})
        if (entry.path().extension() == ".yaml") all.push_back(entry.path().filename().string());
    std::sort(all.begin(), all.end());
    return all;
}

TEST_P(Example, Runs) {
    auto const file = example(GetParam());
    std::stringstream text;
    text << std::ifstream{file}.rdbuf();
    if (has(text.str(), "pgbench_accounts")) {
        sql("CREATE TABLE pgbench_accounts (aid int PRIMARY KEY, bid int, abalance int, filler char(84));"
            "INSERT INTO pgbench_accounts SELECT i, i % 3, 0, '' FROM generate_series(1, 1000) i");
    } else if (has(text.str(), "table: events")) {
        sql("CREATE TABLE events (id bigint PRIMARY KEY, at timestamptz NOT NULL);"
            "INSERT INTO events SELECT i, now() - i * interval '1 day' FROM generate_series(1, 200) i;"
            "CREATE TABLE cases (event_id bigint REFERENCES events); INSERT INTO cases VALUES (150)");
    } else if (has(text.str(), "table: legacy_users")) {
        sql("CREATE TABLE legacy_users (id bigint PRIMARY KEY, name text); INSERT INTO legacy_users VALUES (1, 'a')");
    } else {
        ASSERT_TRUE(has(text.str(), "table: users")) << "an example for a table that this test does not know";
        sql("CREATE TABLE addresses (user_id bigint, kind text, city text);"
            "INSERT INTO addresses SELECT i, k, 'city ' || i FROM generate_series(1, 900) i, "
            "unnest('{home,work}'::text[]) k");
        sql("CREATE TABLE users (id bigint PRIMARY KEY, name text NOT NULL);"
            "INSERT INTO users SELECT i, 'user ' || i FROM generate_series(1, 1000) i");
    }
    auto const before = dump();
    auto const shown = weir({"plan", file});
    EXPECT_EQ(shown.status, 0) << told(shown);
    EXPECT_FALSE(ledger());
    // There, back as far as it goes, and there again.
    auto const half = weir({"run", file, "--until", "backfill"});
    EXPECT_EQ(half.status, 0) << told(half);
    auto const name = value("SELECT detail->>'name' FROM weir.entries WHERE kind = 'began'");
    auto const undone = weir({"abort", name});
    EXPECT_EQ(undone.status, 6) << told(undone);
    EXPECT_EQ(dump(), before);
    auto const ran = weir({"run", file, "--approve", "all"});
    EXPECT_EQ(ran.status, 0) << told(ran);
    if (has(text.str(), "quarantine:"))
        sql("UPDATE weir.entries SET at = at - interval '8 days' WHERE kind = 'quarantined'");
    auto const again = weir({"run", file});
    EXPECT_EQ(again.status, 0) << told(again);
    EXPECT_EQ(leftovers(), "");
    EXPECT_EQ(ledger_faults(), "") << entries();
    if (has(text.str(), "delete_rows:"))
        EXPECT_EQ(value("SELECT count(*) FROM events"), "90");
    else
        EXPECT_NE(dump(), before);
}

INSTANTIATE_TEST_SUITE_P(All, Example, ::testing::ValuesIn(examples()), [](auto const& param_info) {
    std::string name = param_info.param;
    for (auto& c : name)
        if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
    return name;
});

}  // namespace
}  // namespace weir::tests
