// Goal: the golden programs without a server: what compile() makes of a stored catalog is what the folder says, and the
// simulated worlds hold together. The suite `golden` holds the stored catalogs against real servers.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "phases/operations.h"
#include "phases/program.h"
#include "plans/reader.h"
#include "tests/support/golden.h"

namespace weir::tests {
namespace {

std::string text_of(std::filesystem::path const& path) {
    std::ifstream file{path, std::ios::binary};
    return {std::istreambuf_iterator<char>{file}, {}};
}

class GoldenPlan : public ::testing::TestWithParam<GoldenCase> {
  protected:
    GoldenCase const& golden() const { return GetParam(); }
    RunId run() const { return RunId{golden().has("earlier.yaml") ? 2 : 1}; }
};

std::string problems_text(std::variant<Plan, Problems> const& read, GoldenCase const& golden) {
    if (auto const* problems = std::get_if<Problems>(&read)) return to_text(*problems);
    auto const& plan = std::get<Plan>(read);
    auto const catalog = catalog_from_json(golden.text("catalog.json"));
    if (auto const* problem = std::get_if<Problem>(&catalog)) return to_text(*problem);
    return to_text(validate(plan, std::get<Catalog>(catalog)));
}

TEST_P(GoldenPlan, CompilesFromTheStoredCatalog) {
    if (golden_is_updated()) return;
    auto const read = read_plan(golden().text("plan.yaml"), "plan.yaml", operations());
    ASSERT_EQ(problems_text(read, golden()), golden().text("problems.txt"));
    ASSERT_NE(golden().has("steps.txt"), golden().has("problems.txt")) << "a case is a program or a refusal";
    if (golden().has("problems.txt")) return;
    auto const catalog = std::get<Catalog>(catalog_from_json(golden().text("catalog.json")));
    EXPECT_EQ(to_text(compile(std::get<Plan>(read), catalog, run())), golden().text("steps.txt"));
}

TEST_P(GoldenPlan, StoredCatalogIsWrittenAsItWasRead) {
    if (golden_is_updated() || !golden().has("catalog.json")) return;
    auto const catalog = catalog_from_json(golden().text("catalog.json"));
    ASSERT_TRUE(std::holds_alternative<Catalog>(catalog));
    EXPECT_EQ(to_json(std::get<Catalog>(catalog)), golden().text("catalog.json"));
}

// What a resumed run relies on: the same plan and snapshot give the same program, and compiling changes neither.
TEST_P(GoldenPlan, CompilesTwiceToTheSameHash) {
    if (golden_is_updated() || !golden().has("steps.txt")) return;
    auto const plan = std::get<Plan>(read_plan(golden().text("plan.yaml"), "plan.yaml", operations()));
    auto const catalog = std::get<Catalog>(catalog_from_json(golden().text("catalog.json")));
    auto const again = std::get<Catalog>(catalog_from_json(to_json(catalog)));
    EXPECT_EQ(compile(plan, catalog, run()).hash, compile(plan, again, run()).hash);
    EXPECT_EQ(catalog, again);
}

// What the server shows while a step runs (`holds`, compared in the suite `golden`) is asked for beforehand, tables
// that refer to others first.
TEST_P(GoldenPlan, LocksBeforehandAllThatItHolds) {
    if (golden_is_updated() || !golden().has("steps.txt")) return;
    auto const plan = std::get<Plan>(read_plan(golden().text("plan.yaml"), "plan.yaml", operations()));
    auto const catalog = std::get<Catalog>(catalog_from_json(golden().text("catalog.json")));
    for (auto const& step : compile(plan, catalog, run()).steps) {
        for (auto const* locks : {&step.forward.locks, &step.undo.locks}) {
            for (auto const& [name, table] : catalog.tables)
                for (auto const& key : table.foreign_keys) {
                    auto const at = [&](TableName const& wanted) {
                        return std::find_if(locks->begin(), locks->end(),
                                            [&](TableLock const& lock) { return lock.table == wanted; });
                    };
                    auto const to = at(key.to);
                    if (auto const from = at(key.table); !key.theirs && from != locks->end() && to != locks->end()) {
                        EXPECT_LT(from - locks->begin(), to - locks->begin()) << step.title << ": " << key.name;
                    }
                    auto const end = catalog.neighbours.find(key.to);
                    if (end == catalog.neighbours.end()) continue;
                    for (auto const& further : end->second.refers)
                        if (to != locks->end() && at(further) != locks->end()) {
                            EXPECT_LE(to - locks->begin(), at(further) - locks->begin()) << step.title;
                        }
                }
        }
        if (step.kind != StepKind::statements) continue;
        for (auto const* deed : {&step.forward, &step.undo}) {
            if (deed->standalone) continue;
            EXPECT_EQ(deed->locks.size(), deed->holds.size()) << step.title;
            for (auto const& held : deed->holds)
                EXPECT_NE(std::find(deed->locks.begin(), deed->locks.end(), held), deed->locks.end())
                    << step.title << ": " << held.table.text();
        }
        EXPECT_EQ(step.undo.statements.empty(), step.undo.locks.empty()) << step.title;
    }
}

// A plan that was carried out cannot be carried out again by accident; fill and set_not_null find nothing to do.
TEST_P(GoldenPlan, IsRefusedOrHarmlessInTheWorldThatItLeavesBehind) {
    if (golden_is_updated() || !golden().has("steps.txt")) return;
    auto const plan = std::get<Plan>(read_plan(golden().text("plan.yaml"), "plan.yaml", operations()));
    auto const catalog = std::get<Catalog>(catalog_from_json(golden().text("catalog.json")));
    auto const after = apply(plan, catalog, run());
    if (!validate(plan, after).empty()) return;
    for (auto const& step : compile(plan, after, RunId{3}).steps) EXPECT_FALSE(is_transactional(step)) << step.title;
}

INSTANTIATE_TEST_SUITE_P(Cases, GoldenPlan, ::testing::ValuesIn(golden_cases(WEIR_SOURCE_DIR)),
                         [](auto const& test) { return test_name(test.param); });

/// Each operation of the table has what its author owes: a plain case, a refusal, hostile names, a second time.
TEST(GoldenCases, CoverEachOperation) {
    for (auto const& row : operations()) {
        int programs = 0, refusals = 0, hostile = 0, second = 0;
        for (auto const& golden : golden_cases(WEIR_SOURCE_DIR)) {
            if (golden.text("plan.yaml").find(std::string{row.name} + ":") == std::string::npos) continue;
            programs += golden.has("steps.txt") ? 1 : 0;
            refusals += golden.has("problems.txt") ? 1 : 0;
            hostile += golden.name.find("hostile") != std::string::npos ? 1 : 0;
            second += golden.has("earlier.yaml") ? 1 : 0;
        }
        EXPECT_GE(programs, 1) << row.name;
        EXPECT_GE(refusals, 1) << row.name;
        EXPECT_GE(hostile, 1) << row.name;
        EXPECT_GE(second, 1) << row.name;
    }
}

/// And a page of its own, and an example that names it.
TEST(Docs, CoverEachOperation) {
    std::filesystem::path const root{WEIR_SOURCE_DIR};
    std::string examples;
    for (auto const& file : std::filesystem::directory_iterator{root / "examples"})
        if (file.path().extension() == ".yaml") examples += text_of(file.path());
    for (auto const& row : operations()) {
        std::string const name{row.name};
        EXPECT_TRUE(text_of(root / "docs/operations" / (name + ".md")).starts_with("# " + name + "\n")) << name;
        EXPECT_NE(examples.find(name + ":"), std::string::npos) << name;
    }
}

}  // namespace
}  // namespace weir::tests
