// Goal: the hash of a program is over what decides and over no wording, so that a weir that says things better still
// finishes the runs of the one before; and a run of other recipes is told by their numbers.
#include <gtest/gtest.h>

#include <functional>
#include <set>
#include <stdexcept>

#include "phases/operations.h"
#include "phases/program.h"
#include "plans/reader.h"
#include "tests/support/golden.h"

namespace weir::tests {
namespace {

Plan plan_of(GoldenCase const& golden) {
    return std::get<Plan>(read_plan(golden.text("plan.yaml"), "plan.yaml", operations()));
}

GoldenCase case_of(std::string const& name) {
    for (auto& golden : golden_cases(WEIR_SOURCE_DIR))
        if (golden.name == name) return golden;
    throw std::runtime_error{name};
}

Program program_of(std::string const& name) {
    auto const golden = case_of(name);
    return compile(plan_of(golden), std::get<Catalog>(catalog_from_json(golden.text("catalog.json"))), RunId{1});
}

TEST(ProgramHash, IsOverNoWording) {
    auto program = program_of("quarantine-rename");
    EXPECT_EQ(hash_of(program), program.hash);
    program.gate_notes.emplace_back("another");
    for (auto& step : program.steps) {
        step.title = "said otherwise";
        step.notes.emplace_back("another");
        step.forward.note = step.undo.note = "said otherwise";
        if (step.undo.loses) step.undo.loses->column = "another word for it";
    }
    EXPECT_EQ(hash_of(program), program.hash);
}

TEST(ProgramHash, IsOverAllThatDecides) {
    auto const whole = program_of("quarantine-rename");
    auto const filled = [](Program& p) -> Rows& {
        for (auto& step : p.steps)
            if (step.kind == StepKind::fill) return *step.rows;
        throw std::logic_error{"no fill"};
    };
    std::vector<std::function<void(Program&)>> const changes{
        [](Program& p) { p.gate = !p.gate; },
        [](Program& p) { p.gate_after = Millis{1}; },
        [](Program& p) { p.approvals = 2; },
        [](Program& p) { p.quarantine += Millis{1}; },
        [](Program& p) { p.steps.pop_back(); },
        [](Program& p) { std::swap(p.steps[0], p.steps[1]); },
        [](Program& p) { p.steps[0].forward.statements.push_back(sql("SELECT 1")); },
        [](Program& p) { p.steps[0].undo.statements.push_back(sql("SELECT 1")); },
        [](Program& p) { p.steps[0].forward.locks.clear(); },
        [](Program& p) { p.steps[0].undo.locks.clear(); },
        [](Program& p) { p.steps[0].forward.probe.push_back(sql("SELECT 1")); },
        [](Program& p) { p.steps[0].undo.guard.push_back(sql("SELECT 1")); },
        [](Program& p) { p.steps[0].forward.standalone = true; },
        [](Program& p) { p.steps[0].forward.may_fail = true; },
        [](Program& p) {
            p.steps[0].destroys.clear(), p.steps[0].destroys.push_back(p.steps[0].forward.locks[0].table);
        },
        [&](Program& p) { filled(p).fragments[0].todo = sql("true"); },
        [&](Program& p) { filled(p).fragments[0].fill_after_gate = sql("true"); },
        [&](Program& p) { filled(p).fragments[0].guard.push_back(sql("SELECT 1")); },
        [&](Program& p) { filled(p).fragments[0].set.clear(); },
        [&](Program& p) { filled(p).never_in_page += "why"; }};
    std::set<std::string> hashes{whole.hash};
    for (auto const& change : changes) {
        auto changed = whole;
        change(changed);
        EXPECT_TRUE(hashes.insert(hash_of(changed)).second) << "change " << hashes.size();
    }
}

TEST(Recipes, AreThoseOfTheOperationsThatThePlanNames) {
    auto const plan = plan_of(case_of("phases-and-changes"));
    auto const now = recipes_of(plan);
    EXPECT_TRUE(now.contains("rename_column"));
    for (auto const& part : plan.parts) EXPECT_TRUE(now.contains(std::string{part.of}));
    EXPECT_EQ(other_recipes(plan, now), "");
    EXPECT_EQ(other_recipes(plan, {}), "") << "of a weir that had none";
    auto then = now;
    then["rename_column"] = 7;
    EXPECT_EQ(other_recipes(plan, then), "rename_column (7 then, 1 now)");
    then.erase("rename_column");
    EXPECT_EQ(other_recipes(plan, then), "rename_column (0 then, 1 now)");
}

TEST(Recipes, StandInTheSnapshot) {
    auto catalog = std::get<Catalog>(catalog_from_json(case_of("phases-and-changes").text("catalog.json")));
    EXPECT_TRUE(catalog.recipes.empty());
    catalog.recipes = {{"fill", 3}, {"rename_column", 2}};
    EXPECT_EQ(std::get<Catalog>(catalog_from_json(to_json(catalog))).recipes, catalog.recipes);
}

}  // namespace
}  // namespace weir::tests
