#pragma once
/// The schema of a database as text, to compare before and after: what differs in the text differs for an application.
#include <string>
#include <vector>

namespace weir::tests {

/// One object a line (a function's body takes several), sorted, names always qualified. Live columns count in their
/// order, so that a dropped one leaves no trace; an absent privilege list and the default one are the same.
/// System schemas and what belongs to an extension are left out, and the schemas in `excluded` with all that is in
/// them.
std::string schema_dump(std::string const& conninfo, std::vector<std::string> const& excluded = {});

}  // namespace weir::tests
