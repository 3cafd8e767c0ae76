/// The program on a real terminal and without one: nothing that colours, nothing wider than the window, and no escape
/// code where nobody could read it.
#include <algorithm>
#include <regex>
#include <set>
#include <sstream>

#include "tests/support/bench.h"

namespace weir::tests {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

/// Without their ESC.
std::set<std::string> codes(std::string const& text) {
    static std::regex const code{"\x1b(\\[[0-9;?]*[A-Za-z]|.)"};
    std::set<std::string> all;
    for (std::sregex_iterator one{text.begin(), text.end(), code}, end; one != end; ++one) all.insert((*one)[1]);
    return all;
}

/// Characters of the longest line as it is shown.
std::size_t widest(std::string const& text) {
    std::istringstream lines{std::regex_replace(text, std::regex{"\x1b\\[[0-9;?]*[A-Za-z]|\r+"}, "\n")};
    std::size_t most = 0;
    for (std::string line; std::getline(lines, line);)
        most = std::max(most, static_cast<std::size_t>(std::ranges::count_if(
                                  line, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; })));
    return most;
}

class Terminal : public ::testing::Test, public Bench {
  protected:
    void SetUp() override { make_users(*this, 500); }
    /// On a pseudo-terminal of this size, as script(1) makes it.
    Process on_terminal(int columns, int rows, Words const& words, Environment const& more = {}) const {
        auto made = launch(words, more);
        std::string line = "stty cols " + std::to_string(columns) + " rows " + std::to_string(rows) + "; exec";
        for (auto const& word : made.command) line += " '" + word + "'";
        made.command = {"script", "-qefc", line, "/dev/null"};
        made.environment.insert({"TERM", "xterm"});
        return Process{std::move(made)};
    }
    std::string file{plan(rename_plan)};
};

TEST_F(Terminal, ARunKeepsToTheWindowAndUsesNoColour) {
    for (Environment const& more : {Environment{}, Environment{{"NO_COLOR", "1"}}}) {
        auto process = on_terminal(50, 20, {"run", file}, more);
        ASSERT_TRUE(at_gate(process)) << process.out() << process.err();
        ASSERT_TRUE(wait_until([&] { return has(process.out(), "\rrename-it: waiting at gate contract"); }, 30s))
            << process.out();
        auto const shown = process.out();
        EXPECT_EQ(codes(shown), (std::set<std::string>{"[K"})) << shown;
        // Lines that last are for the log of the terminal, which breaks them; the one that is redrawn must fit.
        std::istringstream pieces{shown};
        int redrawn = 0;
        for (std::string piece; std::getline(pieces, piece, '\r');) {
            auto const end = piece.find("\x1b[K");
            if (end == std::string::npos) continue;
            EXPECT_LE(widest(piece.substr(0, end)), 49U) << piece;
            ++redrawn;
        }
        EXPECT_GT(redrawn, 0);
        process.signal(SIGKILL);
        process.wait();
        // What it ran goes with its terminal.
        ASSERT_TRUE(wait_until([&] { return weir({"run", file, "--no-wait"}).status == 3; }, 30s));
    }
}

TEST_F(Terminal, ARunThatIsPipedHasNoEscapeCodes) {
    auto const piped = weir({"run", file, "--no-wait"}, {{"TERM", "xterm"}});
    EXPECT_EQ(piped.status, 3) << told(piped);
    EXPECT_THAT(piped.out, HasSubstr("gate contract is open"));
    EXPECT_THAT(piped.out + piped.err, Not(HasSubstr("\x1b")));
    EXPECT_THAT(piped.out + piped.err, Not(HasSubstr("\r")));
    // A terminal that knows no codes gets none.
    auto dumb = on_terminal(80, 24, {"run", file, "--no-wait"}, {{"TERM", "dumb"}});
    auto const ran = wait(dumb);
    EXPECT_EQ(ran.status, 3) << told(ran);
    EXPECT_THAT(ran.out, HasSubstr("gate contract is open"));
    EXPECT_THAT(ran.out, Not(HasSubstr("\x1b")));
}

TEST_F(Terminal, AWatchedStatusKeepsToTheWindowAndUsesNoColour) {
    auto process = start({"run", file});
    ASSERT_TRUE(at_gate(process)) << process.out() << process.err();
    auto narrow = on_terminal(40, 6, {"status", "rename-it", "--watch"}, {{"NO_COLOR", "1"}});
    ASSERT_TRUE(wait_until([&] { return has(narrow.out(), "steps done"); }, 30s)) << narrow.out() << narrow.err();
    ASSERT_EQ(weir({"approve", "rename-it", "contract"}).status, 0);
    EXPECT_EQ(wait(process).status, 0);
    auto const ran = wait(narrow);
    EXPECT_EQ(ran.status, 0) << told(ran);
    EXPECT_EQ(codes(ran.out), (std::set<std::string>{"[2J", "[H", "[J", "[K"}));
    EXPECT_LE(widest(ran.out), 39U) << ran.out;
    // One picture over the other: none is longer than the window.
    std::string rest = ran.out;
    for (auto at = rest.find("\x1b[H"); at != std::string::npos; at = rest.find("\x1b[H")) {
        rest = rest.substr(at + 3);
        EXPECT_LE(count(rest.substr(0, rest.find("\x1b[J")), "\n"), 5U) << ran.out;
    }
    EXPECT_THAT(rest, HasSubstr(" done")) << "the last picture";
}

}  // namespace
}  // namespace weir::tests
