#include "orchestrator/cli/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

namespace weir {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

std::variant<Options, Problem> read(std::vector<std::string> const& words) {
    std::vector<char const*> argv;
    for (auto const& word : words) argv.push_back(word.c_str());
    return read_options(static_cast<int>(argv.size()), argv.data());
}

std::vector<std::string> words_of(std::string const& text) {
    std::istringstream in{text};
    std::vector<std::string> words;
    for (std::string word; in >> word && word != "|";) words.push_back(word);
    return words;
}

constexpr std::array commands{"run", "plan",     "status", "approve", "abort",   "pause", "resume",
                              "set", "rollback", "purge",  "ledger",  "version", "help"};

TEST(Help, OfACommandBeginsWithAnExampleThatWorks) {
    for (std::string const command : commands) {
        auto const text = help_text(command);
        auto const example = text.substr(0, text.find('\n'));
        EXPECT_THAT(example, StartsWith("  weir " + command));
        auto const given = read(words_of(example));
        EXPECT_TRUE(std::holds_alternative<Options>(given)) << example << ": " << std::get<Problem>(given).message;
    }
}

TEST(Help, IsGivenInEachWay) {
    for (std::string const command : commands)
        for (auto const& words : std::vector<std::vector<std::string>>{
                 {"weir", command, "--help"}, {"weir", "--help", command}, {"weir", "help", command}}) {
            auto const given = read(words);
            ASSERT_TRUE(std::holds_alternative<Options>(given)) << command;
            EXPECT_EQ(std::get<Options>(given).verb, Verb::help);
            EXPECT_EQ(std::get<Options>(given).words, std::vector<std::string>{command});
        }
    for (auto const& words : std::vector<std::vector<std::string>>{{"weir"}, {"weir", "help"}, {"weir", "--help"}}) {
        auto const given = read(words);
        ASSERT_TRUE(std::holds_alternative<Options>(given));
        EXPECT_EQ(std::get<Options>(given).words, std::vector<std::string>{});
    }
    EXPECT_THAT(std::get<Problem>(read({"weir", "help", "aprove"})).hint, HasSubstr("did you mean approve?"));
}

TEST(Help, OfACommandShowsItsOptionsAlone) {
    auto const run = help_text("run");
    EXPECT_THAT(run, HasSubstr("--no-wait"));
    EXPECT_THAT(run, Not(HasSubstr("--watch")));
    EXPECT_THAT(help_text("status"), HasSubstr("--watch"));
    EXPECT_THAT(help_text("pause"), Not(HasSubstr("--until")));
    EXPECT_THAT(help_text(""), Not(HasSubstr("--until")));
}

TEST(Options, ThatACommandDoesNotTakeAreRefusedByName) {
    for (auto const& words : std::vector<std::vector<std::string>>{{"weir", "pause", "p", "--until", "expand"},
                                                                   {"weir", "plan", "p", "--no-wait"},
                                                                   {"weir", "run", "p", "--watch"}}) {
        auto const problem = std::get<Problem>(read(words));
        EXPECT_EQ(problem.code, Code::usage);
        EXPECT_THAT(problem.message, HasSubstr(words[3] + " is no option of " + words[1]));
        EXPECT_EQ(problem.hint, "weir help " + words[1]);
    }
}

}  // namespace
}  // namespace weir
