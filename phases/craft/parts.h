#pragma once
/// The operations that more than one row of the table is made of: what a high-level change spreads over the phases.
#include <memory>

#include "plans/operation.h"

namespace weir {

/// Fills and proves `to` by the live sync that keeps it equal to its old column, then vacuums: three parts.
std::vector<Part> synced_fill_parts(TableName table, Ident to, Place place);

/// VACUUM and ANALYZE after batches that wiped the visibility map and changed what the statistics say; the run goes on
/// without it.
std::shared_ptr<Operation const> make_vacuum(TableName table, std::vector<Touched> touched);

/// NOT NULL by CHECK NOT VALID, VALIDATE, SET NOT NULL; only when `like` (if given) is NOT NULL itself.
std::shared_ptr<Operation const> make_set_not_null(TableName table, Ident column, std::optional<Ident> like,
                                                   Place place);

/// Sets a column aside in contract, with a way back, and drops it in quarantine: two parts.
std::vector<Part> quarantine_parts(TableName table, Ident column, Phase listed, Place place, Millis quarantine);

/// Drops a column, with its live sync if it has one. `listed` must be contract.
std::shared_ptr<Operation const> make_drop_column(TableName table, Ident column, Phase listed, Place place);

}  // namespace weir
