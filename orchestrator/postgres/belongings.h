#pragma once
/// What goes with a table that is dropped, what stands in its way, and what of it others feel: DropQuestion, answered.
#include "plans/catalog/catalog.h"

namespace weir {

/// For trial(). It raises WE100 with a document for belongings_from_json(), as every answer of the judge comes, or
/// 42P01 when there is no such table. It reads the catalog and takes no lock. `role` is who would drop it; empty: its
/// owner.
///
/// A part of the table is what PostgreSQL would drop with it without a word: its partitions, indexes, triggers,
/// policies, owned sequences, and what is part of those. An obstacle is what DROP TABLE … RESTRICT would name, and
/// beside it what that would take away from others in silence: a publication's or a subscription's table.
Batch ask_belongings(DropQuestion const& question, std::string const& role);

}  // namespace weir
