// Goal: what the owner of a table has set reaches every statement that may depend on it, and the plan's own stands
// before it; without a server.
#include "phases/craft/settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "phases/operations.h"
#include "phases/program.h"
#include "plans/reader.h"
#include "tests/support/golden.h"

namespace weir::tests {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class WhatHolds : public ::testing::Test {
  protected:
    WhatHolds() {
        auto const cases = golden_cases(WEIR_SOURCE_DIR);
        auto const found =
            std::find_if(cases.begin(), cases.end(), [](auto const& one) { return one.name == "phases-rename"; });
        text_ = found->text("plan.yaml");
        catalog = std::get<Catalog>(catalog_from_json(found->text("catalog.json")));
    }
    Plan plan(std::string const& more = "") const {
        return std::get<Plan>(read_plan(text_ + more, "plan.yaml", operations()));
    }
    Table& table() { return catalog.tables.begin()->second; }
    Program program(std::string const& more = "") const { return compile(plan(more), catalog, RunId{1}); }

    Catalog catalog;

  private:
    std::string text_;
};

Batch const path{sql("SELECT pg_catalog.set_config('search_path', 'app, public', true)")};

TEST_F(WhatHolds, ReachesEveryStatement) {
    auto const without = program();
    EXPECT_THAT(to_text(without), Not(HasSubstr("settings")));
    table().settings = {{"search_path", "app, public", "database shop"}};
    auto const with = program();
    EXPECT_NE(with.hash, without.hash);
    EXPECT_THAT(to_text(with), HasSubstr("search_path = app, public (database shop)"));
    int rows = 0;
    for (auto const& step : with.steps) {
        if (step.rows) {
            ++rows;
            EXPECT_EQ(step.rows->session, path) << step.id;
        } else if (is_transactional(step)) {
            for (auto const& batch : {step.forward.statements, step.undo.statements})
                EXPECT_TRUE(batch.empty() || batch.front() == path.front()) << step.id;
        } else if (is_standalone(step)) {
            EXPECT_EQ(step.forward.statements.front().text(),
                      "SELECT pg_catalog.set_config('search_path', 'app, public', false)");
        }
    }
    EXPECT_EQ(rows, 3);
    // What undoes nothing still undoes nothing.
    for (std::size_t i = 0; i < with.steps.size(); ++i)
        EXPECT_EQ(with.steps[i].undo.statements.empty(), without.steps[i].undo.statements.empty());
}

TEST_F(WhatHolds, IsThePlansBeforeTheOwners) {
    table().settings = {{"app.tenant", "7", "database shop"}, {"timezone", "Asia/Tokyo", "database shop"}};
    auto const both = settings_of(plan("settings: { timezone: UTC, search_path: [App, $user] }\n"), table());
    EXPECT_THAT(both, ElementsAre(SessionSetting{"app.tenant", "7", "database shop"},
                                  SessionSetting{"search_path", "\"App\", \"" + table().owner + "\"", "the plan"},
                                  SessionSetting{"timezone", "UTC", "the plan"}));
}

TEST_F(WhatHolds, MustBeSaidWhereItCannotBeSeen) {
    table().settings = {{"timezone", "UTC", "the settings of role weir", true}};
    auto const problems = validate(plan(), catalog);
    ASSERT_EQ(problems.size(), 1U);
    EXPECT_EQ(problems[0].code, Code::missing_key);
    EXPECT_THAT(problems[0].message, HasSubstr("behind the settings of role weir"));
    EXPECT_TRUE(validate(plan("settings: { timezone: UTC }\n"), catalog).empty());
}

TEST_F(WhatHolds, IsKeptInTheSnapshot) {
    table().settings = {{"timezone", "UTC", "the settings of role weir", true},
                        {"datestyle", "ISO, DMY", "the server"}};
    catalog.answers[SettingQuestion{"timezone", "UTC", {}}] = {};
    Answer judged;
    judged.reads_table = {"", "view public.v"};
    judged.system_columns = {"ctid"};
    judged.by_settings = {"date(timestamp with time zone)"};
    catalog.answers[SettingQuestion{"search_path", "", {"app"}}] = judged;
    EXPECT_EQ(std::get<Catalog>(catalog_from_json(to_json(catalog))), catalog);
}

}  // namespace
}  // namespace weir::tests
