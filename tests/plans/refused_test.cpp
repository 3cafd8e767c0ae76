// Every file in refused/ is refused with exactly the text that stands beside it; those called kind-… are about the
// fields of the operation `try`.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "golden.h"
#include "plans/reader.h"
#include "table.h"

namespace weir {
namespace {

std::string const folder = std::string{WEIR_SOURCE_DIR} + "/tests/plans/refused/";

std::vector<std::string> cases() {
    std::vector<std::string> names;
    for (auto const& entry : std::filesystem::directory_iterator{folder})
        if (entry.path().extension() == ".yaml") names.push_back(entry.path().stem().string());
    std::sort(names.begin(), names.end());
    return names;
}

class Refused : public testing::TestWithParam<std::string> {};

TEST_P(Refused, SaysWhatIsWrong) {
    auto const table = GetParam().starts_with("kind-") ? test::every_kind() : test::operations();
    auto const read = read_plan(test::slurp(folder + GetParam() + ".yaml"), "plan.yaml", table);
    auto const* problems = std::get_if<Problems>(&read);
    ASSERT_NE(problems, nullptr) << "it is accepted";
    ASSERT_FALSE(problems->empty());
    EXPECT_EQ(exit_code(*problems), 1);
    test::expect_golden(folder + GetParam() + ".txt", to_text(*problems));
}

INSTANTIATE_TEST_SUITE_P(Reader, Refused, testing::ValuesIn(cases()), [](auto const& each) {
    auto name = each.param;
    std::replace(name.begin(), name.end(), '-', '_');
    return name;
});

TEST(Reader, RefusesAFileLargerThanTheLimitWithoutParsingIt) {
    auto const read = read_plan(std::string(10 * 1024 * 1024, '['), "plan.yaml", test::operations());
    EXPECT_EQ(to_text(std::get<Problems>(read)),
              "plan.yaml: error[not-readable]: the file is larger than 1 MB (10485760 bytes)\n  hint: is it a plan?\n");
}

TEST(Reader, SurvivesHostileFilesOfTheLargestSize) {
    for (std::string_view const piece :
         {"[", "{", "- ", "? ", "a: {", "!", "&a ", "*a ", "\"", "'", "\n", "a:\n", "b, ", "#"}) {
        std::string text;
        while (text.size() + piece.size() <= plan_bytes_max) text += piece;
        EXPECT_TRUE(std::holds_alternative<Problems>(read_plan(text, "plan.yaml", test::operations()))) << piece;
    }
}

}  // namespace
}  // namespace weir
