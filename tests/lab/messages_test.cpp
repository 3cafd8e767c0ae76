#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "plans/code.h"

namespace weir::tests {
namespace {

struct Paragraph {
    int exit{};  ///< of the chapter that it stands in
    std::string text;
};

std::map<std::string, Paragraph> documented(std::vector<std::string>& in_order) {
    std::ifstream file{std::string{WEIR_SOURCE_DIR} + "/docs/messages.md"};
    std::map<std::string, Paragraph> all;
    int exit = 0;
    std::string current;
    for (std::string line; std::getline(file, line);) {
        if (line.starts_with("## Exit ")) {
            exit = std::stoi(line.substr(8));
            current.clear();
        } else if (line.starts_with("### ")) {
            current = line.substr(4);
            in_order.push_back(current);
            all[current].exit = exit;
        } else if (!current.empty()) {
            all[current].text += line + "\n";
        }
    }
    return all;
}

TEST(Messages, every_code_is_explained_with_its_exit_code_and_what_to_do) {
    std::vector<std::string> in_order;
    auto paragraphs = documented(in_order);
    std::vector<std::string> expected;
    for (auto const& row : codes()) {
        std::string const name{row.name};
        expected.push_back(name);
        ASSERT_TRUE(paragraphs.contains(name)) << "docs/messages.md lacks ### " << name;
        EXPECT_EQ(paragraphs[name].exit, row.exit) << name;
        EXPECT_THAT(paragraphs[name].text, ::testing::HasSubstr("**What to do:**")) << name;
        EXPECT_GT(paragraphs[name].text.find("**What to do:**"), 20U) << name << " does not say what it means";
    }
    EXPECT_EQ(in_order, expected) << "in the order of plans/code.cpp, and no code that does not exist";
}

TEST(Messages, every_code_of_the_header_is_in_the_table_once) {
    std::set<Code> seen;
    std::set<std::string_view> names;
    for (auto const& row : codes()) {
        EXPECT_TRUE(seen.insert(row.code).second) << row.name;
        EXPECT_TRUE(names.insert(row.name).second) << row.name;
        EXPECT_EQ(name(row.code), row.name);
        EXPECT_EQ(exit_code(row.code), row.exit);
    }
    EXPECT_EQ(seen.size(), static_cast<std::size_t>(Code::not_now) + 1);
}

}  // namespace
}  // namespace weir::tests
