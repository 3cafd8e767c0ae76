#pragma once
/// How the server itself would write what hangs on a table's columns, were they called otherwise or of another type:
/// ScratchQuestion, answered. Nothing is parsed: a temporary copy of the table is altered and renamed, and prints.
#include "plans/catalog/catalog.h"

namespace weir {

/// For trial(). It raises WE100 with a document for definitions_from_json(), or what the server has against it: its
/// words are the refusal (an operator class that does not take the type, a CHECK that does not fit it, a default that
/// cannot be cast). The role needs SELECT on the table and TEMPORARY on the database; the only lock is ACCESS SHARE on
/// the table.
///
/// Told is whatever has the name of a column in its text. Of each definition there are two texts: with the twins' names
/// and types, and with the names aside and the types as they are. Indexes, CHECKs, defaults and extended statistics are
/// made anew with the new type, so that the server judges them; the columns of a policy, of a publication's filter and
/// of a generated column are renamed in what it keeps of them, whatever their types. An index is told without what
/// stands before USING (its name, its table and ONLY, UNIQUE), a CHECK without NOT VALID, and statistics without their
/// names.
///
/// Not told: exclusion constraints where a column of theirs gets another type; foreign keys, triggers, rules, views, and
/// policies of other tables that read this one. A column that has the name of a twin already, as after a crash, counts
/// for nothing.
Batch ask_scratch(ScratchQuestion const& question);

}  // namespace weir
