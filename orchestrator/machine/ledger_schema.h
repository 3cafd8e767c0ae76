#pragma once
/// The tables and functions of the ledger: making them, bringing them up to date, and looking whether all is there.
/// Pure; docs/ledger.md shows the tables.
#include "plans/sql.h"

namespace weir {

inline constexpr int ledger_version = 3;

/// Creates the schemas weir and weir_sync with all that is in them, in one string.
Batch create_ledger();
/// The same without its one row, for the subscribers of a publication FOR ALL TABLES, which get the rows from there.
Batch create_ledger_copy();
/// Makes an earlier version's ledger one of this version, in one string; one that is already stays as it is.
Batch upgrade_ledger();
/// One row: is table weir.meta there ('t'/'f'), is one of the ledger's schemas, is another table of a ledger.
Batch look_for_ledger();
/// One row: what of the ledger is not there, in words and separated by commas; NULL: nothing is missing. Only after
/// look_for_ledger() said that there is one.
Batch look_for_parts();
}  // namespace weir
