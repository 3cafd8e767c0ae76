#pragma once
/// The golden cases: one folder each under tests/golden, read by every suite that looks at them.
///
///   before.sql     the world before; a first line `-- as: ROLE` says who owns the tables and runs weir (else
///                  golden_owner owns what the superuser made, and golden_weir, a member of it, runs weir)
///   earlier.yaml   optional: a plan that was run to its end before
///   plan.yaml      the plan
///   catalog.json   what the reader makes of that world, the server's answers included; server and database normalised
///   steps.txt      exactly what `weir plan` prints; or
///   problems.txt   why the plan is refused
///   after.sql      optional: one query that gives true when the rows are right at the end
///
/// UPDATE_GOLDEN=1 rewrites catalog.json, steps.txt and problems.txt.
#include <iosfwd>
#include <string>
#include <vector>

namespace weir::tests {

struct GoldenCase {
    std::string name;
    std::string folder;
    std::string role;  ///< empty: golden_weir, for tables of golden_owner
    /// The text of a file of the folder; empty when there is none.
    std::string text(std::string const& file) const;
    bool has(std::string const& file) const;
    /// Writes it, and removes it when `content` is empty.
    void rewrite(std::string const& file, std::string const& content) const;
};

/// By name. `source` is the root of the source tree.
std::vector<GoldenCase> golden_cases(std::string const& source);

/// UPDATE_GOLDEN=1.
bool golden_is_updated();

/// For test names: the folder's name with `_` where gtest wants no `-`.
std::string test_name(GoldenCase const& golden);
/// How gtest names the parameter.
void PrintTo(GoldenCase const& golden, std::ostream* out);

}  // namespace weir::tests
