// Goal: what `weir plan` says of each case on a real server is what its folder says, and the world that the catalog
// reader and the judge find is the one that the folder keeps for the suite `phases`.
#include <gtest/gtest.h>

#include "bench.h"

namespace weir::tests {
namespace {

class Golden : public ::testing::TestWithParam<GoldenCase> {};

/// What differs between servers and says nothing about a plan.
std::string stored(Catalog catalog) {
    catalog.server_version = 15;
    catalog.database = "golden";
    catalog.lock_slots = catalog.locks_per_transaction = 0;
    auto const forget_new = [](Acl& grants) {
        if (grants) std::erase_if(*grants, [](Grant const& g) { return g.privilege == "MAINTAIN"; });
    };
    for (auto& [name, table] : catalog.tables) {
        forget_new(table.grants);
        for (auto& view : table.views) {
            forget_new(view.grants);
            view.definition.clear();
        }
    }
    return to_json(catalog);
}

void expect_file(GoldenCase const& golden, std::string const& file, std::string const& text) {
    if (golden_is_updated()) golden.rewrite(file, text);
    EXPECT_EQ(golden.text(file), text) << golden.folder << "/" << file << " differs; UPDATE_GOLDEN=1 rewrites it";
    EXPECT_EQ(golden.has(file), !text.empty()) << file;
}

TEST_P(Golden, PlanIsAsWritten) {
    auto const& golden = GetParam();
    auto const plan = plan_of(golden);
    if (auto const* problems = std::get_if<Problems>(&plan)) {
        expect_file(golden, "problems.txt", to_text(*problems));
        return;
    }
    Bench const bench{golden};
    auto const before = bench.schema();
    auto const world = bench.world(std::get<Plan>(plan));
    ASSERT_TRUE(std::holds_alternative<Catalog>(world)) << to_text(std::get<Problem>(world));
    auto const& catalog = std::get<Catalog>(world);
    expect_file(golden, "catalog.json", stored(catalog));
    auto const problems = validate(std::get<Plan>(plan), catalog);
    expect_file(golden, "problems.txt", to_text(problems));
    RunId const run{golden.has("earlier.yaml") ? 2 : 1};
    expect_file(golden, "steps.txt", problems.empty() ? to_text(compile(std::get<Plan>(plan), catalog, run)) : "");
    EXPECT_EQ(bench.schema(), before) << "looking leaves nothing behind";
}

INSTANTIATE_TEST_SUITE_P(Cases, Golden, ::testing::ValuesIn(golden_cases(WEIR_SOURCE_DIR)),
                         [](auto const& test) { return test_name(test.param); });

}  // namespace
}  // namespace weir::tests
