#include "golden.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

namespace weir::test {

std::string slurp(std::string const& path) {
    std::ifstream file{path, std::ios::binary};
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

void expect_golden(std::string const& path, std::string const& actual) {
    char const* update = std::getenv("UPDATE_GOLDEN");
    if (update != nullptr && std::string_view{update} == "1") {
        std::ofstream{path, std::ios::binary} << actual;
        return;
    }
    EXPECT_EQ(slurp(path), actual) << path << " differs; UPDATE_GOLDEN=1 rewrites it";
}

}  // namespace weir::test
