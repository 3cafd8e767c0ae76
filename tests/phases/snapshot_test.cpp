// Goal: a run that an earlier weir began is carried on. The snapshots here are of format 1, which had no number for
// what it lacked; of each the plan must give the program, or the problems, that today's golden case of the same name
// has.
#include <gtest/gtest.h>

#include "phases/operations.h"
#include "phases/program.h"
#include "plans/reader.h"
#include "tests/support/golden.h"

namespace weir::tests {
namespace {

TEST(Snapshot, OfFormat1GivesTheSamePrograms) {
    int read = 0;
    for (auto const& golden : golden_cases(WEIR_SOURCE_DIR)) {
        GoldenCase const stored{golden.name, std::string{WEIR_SOURCE_DIR} + "/tests/phases/snapshots", {}};
        if (!stored.has(golden.name + ".json")) continue;
        SCOPED_TRACE(golden.name);
        auto const earlier = catalog_from_json(stored.text(golden.name + ".json"));
        ASSERT_TRUE(std::holds_alternative<Catalog>(earlier)) << std::get<Problem>(earlier).message;
        auto const& catalog = std::get<Catalog>(earlier);
        auto const plan = std::get<Plan>(read_plan(golden.text("plan.yaml"), "plan.yaml", operations()));
        auto const problems = validate(plan, catalog);
        EXPECT_EQ(to_text(problems), golden.text("problems.txt"));
        if (problems.empty()) {
            EXPECT_EQ(to_text(compile(plan, catalog, RunId{1})), golden.text("steps.txt"));
        }
        // Written again it is a snapshot of today, and says the same.
        auto const again = catalog_from_json(to_json(catalog));
        ASSERT_TRUE(std::holds_alternative<Catalog>(again));
        EXPECT_EQ(std::get<Catalog>(again), catalog);
        ++read;
    }
    EXPECT_EQ(read, 7);
}

TEST(Snapshot, ThatIsNotWhatItsFormatSaysIsRefused) {
    for (auto const* text :
         {R"({"format": 1, "tables": 3})", R"({"format": 1, "tables": [{"columns": [{"dependents": [1]}]}]})",
          R"({"format": 1, "tables": [{"name": ["a", "b"], "columns": [], "foreign_keys": [{}]}]})"}) {
        auto const read = catalog_from_json(text);
        ASSERT_TRUE(std::holds_alternative<Problem>(read)) << text;
        EXPECT_NE(std::get<Problem>(read).message.find("cannot be read"), std::string::npos);
    }
}

}  // namespace
}  // namespace weir::tests
