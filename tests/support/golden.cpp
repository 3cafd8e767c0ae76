#include "tests/support/golden.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <ostream>
#include <sstream>
#include <string_view>

namespace weir::tests {

std::string GoldenCase::text(std::string const& file) const {
    std::ifstream in{folder + "/" + file, std::ios::binary};
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
}

bool GoldenCase::has(std::string const& file) const { return std::filesystem::exists(folder + "/" + file); }

void GoldenCase::rewrite(std::string const& file, std::string const& content) const {
    auto const path = folder + "/" + file;
    if (content.empty())
        std::filesystem::remove(path);
    else
        std::ofstream{path, std::ios::binary} << content;
}

std::vector<GoldenCase> golden_cases(std::string const& source) {
    constexpr std::string_view as{"-- as: "};
    std::vector<GoldenCase> all;
    for (auto const& entry : std::filesystem::directory_iterator{source + "/tests/golden"}) {
        if (!entry.is_directory()) continue;
        GoldenCase golden{entry.path().filename().string(), entry.path().string(), {}};
        auto const before = golden.text("before.sql");
        if (before.starts_with(as)) golden.role = before.substr(as.size(), before.find('\n') - as.size());
        all.push_back(std::move(golden));
    }
    std::sort(all.begin(), all.end(), [](auto const& a, auto const& b) { return a.name < b.name; });
    return all;
}

bool golden_is_updated() {
    char const* update = std::getenv("UPDATE_GOLDEN");
    return update != nullptr && std::string_view{update} == "1";
}

std::string test_name(GoldenCase const& golden) {
    std::string name = golden.name;
    std::replace(name.begin(), name.end(), '-', '_');
    return name;
}

void PrintTo(GoldenCase const& golden, std::ostream* out) { *out << golden.name; }

}  // namespace weir::tests
