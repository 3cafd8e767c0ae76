/// The alert rules by Prometheus' own tool: they are well-formed, each fires in its world and in no other, and the
/// worlds are strict enough to notice when a part of a rule is missing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <stdexcept>

namespace weir {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

std::string const source{WEIR_SOURCE_DIR};

std::string read(fs::path const& path) {
    std::ifstream file{path};
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

std::vector<std::string> lines_of(std::string const& text) {
    std::vector<std::string> lines;
    std::istringstream in{text};
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    return lines;
}

/// The first word that stands after `key` in each line that begins with it.
std::vector<std::string> values(std::string const& text, std::string const& key) {
    std::vector<std::string> all;
    for (auto const& line : lines_of(text)) {
        auto const from = line.find_first_not_of(" -");
        if (from != std::string::npos && line.compare(from, key.size(), key) == 0)
            all.push_back(line.substr(from + key.size()));
    }
    return all;
}

struct AlertsTest : testing::Test {
    void SetUp() override {
        if (std::system("command -v promtool >/dev/null 2>&1") != 0) GTEST_SKIP() << "promtool is not installed";
        std::string name = (fs::temp_directory_path() / "weir-alerts-XXXXXX").string();
        ASSERT_NE(::mkdtemp(name.data()), nullptr);
        folder = name;
        fs::copy_file(source + "/metrics/alerts_test.yaml", folder / "alerts_test.yaml");
    }
    void TearDown() override {
        std::error_code ignored;
        if (!folder.empty()) fs::remove_all(folder, ignored);
    }
    bool passes(std::string const& text) {
        std::ofstream{folder / "alerts.yaml"} << text;
        return promtool("test rules alerts_test.yaml");
    }
    bool promtool(std::string const& words) {
        return std::system(("cd '" + folder.string() + "' && promtool " + words + " >out.txt 2>&1").c_str()) == 0;
    }
    fs::path folder;
    std::string const rules = read(source + "/metrics/alerts.yaml");
};

TEST_F(AlertsTest, EachFiresInItsWorldAndInNoOther) {
    EXPECT_TRUE(passes(rules)) << read(folder / "out.txt");
    EXPECT_TRUE(promtool("check rules alerts.yaml")) << read(folder / "out.txt");
}

/// The tests without the worlds that last for hours, which cost most of the time.
std::string without_long_worlds(std::string text) {
    for (std::string const world : {"a gate", "paused overnight"}) {
        auto const from = text.find("  - name: " + world + "\n");
        if (from == std::string::npos) throw std::runtime_error{"no world called " + world};
        text.erase(from, text.find("  - name: ", from + 1) - from);
    }
    return text;
}

TEST_F(AlertsTest, NoPartOfARuleIsThereInVain) {
#ifdef __SANITIZE_ADDRESS__
    GTEST_SKIP() << "nothing of it is compiled with sanitizers";
#endif
    auto const worlds = read(folder / "alerts_test.yaml");
    std::ofstream{folder / "alerts_test.yaml"} << without_long_worlds(worlds);
    ASSERT_TRUE(passes(rules)) << read(folder / "out.txt");
    auto const lines = lines_of(rules);
    int taken_out = 0;
    for (std::size_t i = 0; i < lines.size(); ++i) {
        auto const from = lines[i].find_first_not_of(' ');
        if (from == std::string::npos) continue;
        auto const word = lines[i].substr(from, lines[i].find(' ', from) - from);
        if (word != "and" && word != "unless") continue;
        std::string less;
        for (std::size_t j = 0; j < lines.size(); ++j) {
            // What `on (…)` is followed by may stand on a line of its own.
            bool const tail = j == i + 1 && lines[j].starts_with("            (");
            if (j != i && !tail) less += lines[j] + "\n";
        }
        EXPECT_FALSE(passes(less)) << "not missed:" << lines[i];
        ++taken_out;
    }
    EXPECT_EQ(taken_out, 8) << "each on a line of its own";
}

TEST(AlertsDocument, HasASectionForEachAlertAndNoOther) {
    auto const rules = read(source + "/metrics/alerts.yaml");
    auto const document = read(source + "/docs/alerts.md");
    auto const alerts = values(rules, "alert: ");
    EXPECT_GE(alerts.size(), 8U);
    auto const worlds = read(source + "/metrics/alerts_test.yaml");
    for (auto const& alert : alerts) {
        EXPECT_THAT(worlds, HasSubstr("eval_time: 2h, alertname: " + alert + ", exp_alerts: []"));
        bool const fires = worlds.find("labels: 'ALERTS{alertname=\"" + alert + "\"") != std::string::npos ||
                           worlds.find("labels: '{alertname=\"" + alert + "\"") != std::string::npos ||
                           worlds.find("alertname: " + alert + "\n        exp_alerts:\n") != std::string::npos ||
                           worlds.find("count(ALERTS{alertname=\"" + alert + "\"") != std::string::npos;
        EXPECT_TRUE(fires) << alert << " is expected in no world";
    }
    EXPECT_EQ(values(rules, "summary: ").size(), alerts.size());
    EXPECT_EQ(values(rules, "description: ").size(), alerts.size());
    EXPECT_EQ(values(rules, "labels: { severity: ").size(), alerts.size());
    auto const runbooks = values(rules, "runbook_url: ");
    ASSERT_EQ(runbooks.size(), alerts.size());
    std::set<std::string> sections;
    for (auto const& heading : values(document, "## "))
        if (heading.starts_with("Weir")) sections.insert(heading);
    EXPECT_EQ(sections, (std::set<std::string>{alerts.begin(), alerts.end()}));
    for (std::size_t i = 0; i < alerts.size(); ++i) {
        std::string anchor;
        for (char const c : alerts[i]) anchor += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
        EXPECT_EQ(runbooks[i], "docs/alerts.md#" + anchor);
    }
}

TEST(AlertsDocument, RulesAskOnlyForSeriesThatAreThere) {
    std::set<std::string> known;
    for (auto const& line : lines_of(read(source + "/docs/metrics.md")))
        if (line.starts_with("| `weir_")) known.insert(line.substr(3, line.find('`', 3) - 3));
    for (auto const* file : {"/metrics/alerts.yaml", "/metrics/alerts_test.yaml"}) {
        auto const text = read(source + file);
        for (std::size_t at = text.find("weir_"); at != std::string::npos; at = text.find("weir_", at + 1)) {
            auto const end = text.find_first_not_of("abcdefghijklmnopqrstuvwxyz_", at);
            EXPECT_TRUE(known.contains(text.substr(at, end - at))) << file << ": " << text.substr(at, end - at);
        }
    }
}

}  // namespace
}  // namespace weir
