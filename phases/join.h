#pragma once
/// What operations want of one table, done in one go. Pure.
///
/// What `changes` produce in one phase for one table is one fill and one proof: each operation's rows become a fragment
/// of them (plans/rows.h). Not joined are phase lists, deletions, and what reads a column that another one of them
/// makes. What destroys on the word of a joined proof comes right behind it, before all else that those operations do.
/// Of a table's vacuums in a phase the last one is left, whoever wants it.
#include <vector>

#include "phases/order.h"
#include "plans/step.h"

namespace weir {

/// The steps of one part, as it compiled them; of several, where they were joined.
struct Compiled {
    Phase phase{};
    int change{};  ///< as Part::change
    Steps steps;
};

/// REQUIRES the order of execution.
std::vector<Compiled> joined(std::vector<Compiled> parts, ChangeOrder const& order);

/// Of each joined proof: which step ends which fragment (Fragment::ends_with). REQUIRES ids, and Step::proven_by.
void end_fragments(Steps& steps);

}  // namespace weir
