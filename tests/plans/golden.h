#pragma once
#include <string>
#include <string_view>

namespace weir::test {

std::string slurp(std::string const& path);
/// Compares with the file, or rewrites it when UPDATE_GOLDEN=1 is in the environment.
void expect_golden(std::string const& path, std::string const& actual);

}  // namespace weir::test
