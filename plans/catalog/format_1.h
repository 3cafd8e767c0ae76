#pragma once
#include <boost/json.hpp>

namespace weir {

/// Makes of a snapshot of format 1 the document of today: dependents stood at each column, a foreign key among the
/// constraints, among the table's keys (one to the table itself twice) and in the answer to a DropQuestion. What such a
/// snapshot does not tell (the other end of a key that nobody asked about) has the name `-`. False: it is none.
bool from_format_1(boost::json::value& document);

}  // namespace weir
