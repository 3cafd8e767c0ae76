#pragma once
/// The one question about what depends on a table: from pg_depend, of tables and all their parts, for whoever asks.
#include "plans/sql.h"

namespace weir {

/// Common table expressions for a WITH RECURSIVE; names of functions and catalogs are bare, so that `pg_catalog` must
/// come first on the search_path. `roots` gives one column, the oids of tables.
///
///   own (root, classid, objid)       the table and its parts: what PostgreSQL would drop with it without a word, such
///                                    as partitions, indexes, triggers, policies, owned sequences, and their parts
///   dependent (root, classid, objid, objsubid, deptype, inside, relid, attnum, attname, whole_row, relation, view,
///              inherited, kind, identity)
///     what depends on a column of the table or of one of its partitions (`relid`, `attnum`, `attname`), what reads
///     whole rows, and what is no part of the table and depends on one (`attnum` is NULL; `whole_row`: on a table
///     itself or its row type; else on an index, a constraint, a sequence of it). `inside`: it is a part of the table. `relation`: the one that it is,
///     or is a part of; `view`: the one that its rule makes. `inherited`: a parent of it is a dependent, too, or is a
///     part of another object that is. `kind` and `identity` are those of pg_identify_object; a view stands for its
///     rule, and the column for the expression that generates it. Once for each column.
///
/// Left out: a column's own default, NOT NULL, weir's own triggers, and what a partition has from its parent.
Sql own_and_dependent(Sql const& roots);

/// `true` for the names of weir's own triggers.
Sql ours(Sql const& trigger_name);

/// Functions whose text has a word: FROM and WHERE for `p` (pg_proc) and `home` (its pg_namespace). `word` is a pattern.
/// Those of the server and of weir are left out, and those whose dependencies the server knows.
Sql functions_that_say(Sql const& word);

/// A pattern for the name as a whole word, whatever it is made of; `name` is an expression of type text.
Sql whole_word(Sql const& name);

}  // namespace weir
