/// `--json` of every command that has no document of its own elsewhere: JSON alone on stdout.
#include <boost/json.hpp>
#include <cstdlib>
#include <sstream>

#include "tests/support/bench.h"

namespace weir::tests {
namespace {

namespace json = boost::json;

class JsonAlone : public ::testing::Test, public Bench {
  protected:
    void SetUp() override { make_users(*this, 50); }
    /// Each line is an object, or parse() throws.
    std::vector<json::object> lines(Words words, int status) const {
        words.emplace_back("--json");
        auto const ran = weir(words);
        EXPECT_EQ(ran.status, status) << told(ran);
        EXPECT_EQ(ran.err, "");
        return parsed(ran.out);
    }
    static std::vector<json::object> parsed(std::string const& text) {
        std::vector<json::object> objects;
        std::istringstream stream{text};
        for (std::string line; std::getline(stream, line);) objects.push_back(json::parse(line).as_object());
        return objects;
    }
    static bool opened(Process& process) {
        return wait_until([&] { return has(process.out(), "\"gate_opened\"") || !process.running(); }) &&
               process.running();
    }
    static std::string ends(std::vector<json::object> const& events) {
        if (events.empty() || events.back().at("event") != "run_done") return "no run_done";
        return json::value_to<std::string>(events.back().at("state"));
    }
};

TEST_F(JsonAlone, OfRunsFromTheFirstToThePurge) {
    auto const kept = plan(std::string{rename_plan} + "drop: { quarantine: 7d }\n");
    EXPECT_EQ(ends(lines({"run", kept, "--until", "backfill"}, 0)), "stopped");
    EXPECT_EQ(ends(lines({"abort", "rename-it"}, 6)), "undone");
    EXPECT_EQ(ends(lines({"run", kept, "--approve", "all"}, 0)), "quarantined");
    EXPECT_EQ(ends(lines({"rollback", "rename-it", "--approve", "all"}, 6)), "undone");
    EXPECT_EQ(ends(lines({"run", kept, "--approve", "all"}, 0)), "quarantined");
    auto const none = lines({"purge"}, 0);
    ASSERT_EQ(none.size(), 1U);
    EXPECT_EQ(none[0], (json::object{{"event", "nothing_to_do"}, {"plan", ""}, {"state", ""}, {"since", ""}}));
    sql("UPDATE weir.entries SET at = at - interval '8 days' WHERE kind = 'quarantined'");
    EXPECT_EQ(ends(lines({"purge", "rename-it"}, 0)), "done");
    auto const again = lines({"run", kept}, 0);
    ASSERT_EQ(again.size(), 1U);
    EXPECT_EQ(again[0].at("event"), "nothing_to_do");
    EXPECT_EQ(again[0].at("plan"), "rename-it");
    EXPECT_EQ(again[0].at("state"), "done");
    EXPECT_FALSE(again[0].at("since").as_string().empty());
}

TEST_F(JsonAlone, OfOrders) {
    auto process = start({"run", plan(rename_plan), "--json"});
    ASSERT_TRUE(opened(process)) << process.out();
    auto const one = [&](Words const& words, json::object rest) {
        rest["event"] = "ordered";
        rest["plan"] = "rename-it";
        rest["order"] = words[0];
        auto const said = lines(words, 0);
        ASSERT_EQ(said.size(), 1U);
        EXPECT_EQ(said[0], rest);
    };
    one({"pause", "rename-it"}, {});
    one({"set", "rename-it", "throttle.replication_lag", "5s"}, {{"key", "throttle.replication_lag"}, {"value", "5s"}});
    one({"resume", "rename-it"}, {});
    one({"abort", "rename-it"}, {});
    auto const ran = wait(process);
    EXPECT_EQ(ran.status, 3) << told(ran);
    auto const events = parsed(ran.out);
    EXPECT_EQ(ends(events), "waiting");
    std::string taken;
    std::int64_t sized = 0;
    for (auto const& event : events) {
        if (event.at("event") == "order_taken") taken += json::value_to<std::string>(event.at("order")) + " ";
        if (event.at("event") == "table_sized") sized = event.at("bytes").as_int64();
    }
    EXPECT_EQ(taken, "pause set resume abort ");
    EXPECT_GT(sized, 0);
    EXPECT_EQ(ends(lines({"abort", "rename-it"}, 6)), "undone");
    auto second = start({"run", plan(rename_plan), "--json"});
    ASSERT_TRUE(opened(second)) << second.out();
    one({"approve", "rename-it", "contract"}, {{"gate", "contract"}});
    auto const done = wait(second);
    EXPECT_EQ(done.status, 0) << told(done);
    EXPECT_EQ(count(done.out, R"("event":"order_taken","order":"approve","argument":"contract","user":"postgres")"),
              1U);
}

TEST_F(JsonAlone, OfTheVersionAndOfNoTwoWays) {
    auto const ran = run({.command = {WEIR_PROGRAM, "version", "--json"}, .environment = {}, .directory = ""});
    EXPECT_EQ(ran.status, 0) << told(ran);
    auto const ledger = run({.command = {WEIR_PROGRAM, "ledger", "--json"}, .environment = {}, .directory = ""});
    ASSERT_EQ(ledger.status, 0) << told(ledger);
    EXPECT_EQ(parsed(ledger.out)[0].at("statements").as_array()[0].as_string(), "CREATE SCHEMA weir");
    auto const version = parsed(ran.out);
    ASSERT_EQ(version.size(), 1U);
    EXPECT_FALSE(version[0].at("version").as_string().empty());
    EXPECT_TRUE(refused(weir({"run", "x.yaml", "--json", "--progress", "bar"}), 2, "usage", {"exclude each other"}));
}

TEST(Ledger, ThatIsNotWrittenWholeIsNotDone) {
    EXPECT_EQ(WEXITSTATUS(std::system((std::string{WEIR_PROGRAM} + " ledger > /dev/full 2> /dev/null").c_str())), 1);
    EXPECT_EQ(WEXITSTATUS(std::system((std::string{WEIR_PROGRAM} + " ledger > /dev/null").c_str())), 0);
}

}  // namespace
}  // namespace weir::tests
