/// `weir plan --json`, for programs that look at a plan before it is run.
#include <boost/json.hpp>

#include "tests/support/bench.h"

namespace weir::tests {
namespace {

using ::testing::HasSubstr;
namespace json = boost::json;

class PlanJson : public ::testing::Test, public Bench {
  protected:
    void SetUp() override { make_users(*this, 50); }
    json::object shown(std::string const& file) const {
        auto const ran = weir({"plan", file, "--json"});
        EXPECT_EQ(ran.status, 0) << told(ran);
        return json::parse(ran.out).as_object();
    }
};

TEST_F(PlanJson, SaysWhatThePlanDoes) {
    auto const file = plan(std::string{rename_plan} + "drop: { quarantine: 7d }\n");
    auto const all = shown(file);
    EXPECT_FALSE(ledger()) << "nothing is changed";
    EXPECT_EQ(all.at("plan"), "rename-it");
    EXPECT_EQ(all.at("gate"), true);
    EXPECT_EQ(all.at("quarantine_ms"), 7 * 24 * 3600 * 1000LL);
    EXPECT_FALSE(all.at("gate_notes").as_array().empty());
    auto const& steps = all.at("steps").as_array();
    auto const text = weir({"plan", file}).out;
    EXPECT_EQ(count(text, "\n  phase    "), steps.size());
    auto const& first = steps.at(0);
    EXPECT_EQ(first.at("step"), "expand.1");
    EXPECT_EQ(first.at("phase"), "expand");
    EXPECT_EQ(first.at("kind"), "transactional");
    EXPECT_EQ(first.at("locks").at(0).at("table"), "users");
    EXPECT_EQ(first.at("locks").at(0).at("mode"), "ACCESS EXCLUSIVE");
    EXPECT_EQ(first.at("locks").at(0).at("who_waits"), "readers and writers");
    EXPECT_THAT(json::serialize(first.at("forward")), HasSubstr("ADD COLUMN"));
    EXPECT_THAT(json::serialize(first.at("undo")), HasSubstr("DROP COLUMN"));
    for (auto const& step : steps)
        EXPECT_TRUE(!step.at("undo").as_array().empty() || step.as_object().contains("undo_note"));
}

TEST_F(PlanJson, SaysThatARunGoesOnAndThatAPlanIsDone) {
    auto const file = plan(rename_plan);
    ASSERT_EQ(weir({"run", file, "--until", "expand"}).status, 0);
    EXPECT_EQ(shown(file).at("run"), 1);
    ASSERT_EQ(weir({"run", file, "--approve", "all"}).status, 0);
    auto const done = shown(file);
    EXPECT_TRUE(done.contains("done_since"));
    EXPECT_TRUE(done.at("steps").as_array().empty());
}

}  // namespace
}  // namespace weir::tests
