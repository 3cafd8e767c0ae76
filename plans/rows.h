#pragma once
/// What a fill writes and a proof reads of one table. Several operations may want something of its rows: each of them
/// is a fragment, and all are done in one pass.
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "plans/sql.h"

namespace weir {

struct Assignment {
    Ident column;
    /// Over the columns of the row as it was before, by bare name. Of the column's own type where fragments are joined:
    /// there a row that does not want it keeps what it has by the same expression.
    Sql value;
};

/// What one operation wants. The predicates are over the columns of a row, by bare name.
struct Fragment {
    std::string column;           ///< for people: what is right or not, `full_name`; empty where rows are deleted
    std::vector<Assignment> set;  ///< what a fill writes where the fragment wants it; empty where rows are deleted
    Sql todo;                     ///< true for a row that is not right yet: `NOT ok`, or `column IS NULL AND where`
    Sql miss_after_gate;          ///< the same once the new application writes; what the proof then counts
    Sql fill_after_gate;          ///< and which of those a fill may still write: `new IS NULL` and todo
    /// Raises (SQLSTATE WE003) unless the sync's triggers are those of its step: present, ALWAYS, untouched. Empty: no
    /// sync.
    Batch guard{};
    /// The step that destroys what the predicates read, when others stand on the same proof: once it is done there is
    /// nothing to prove of the fragment. Empty: the proof is this fragment's alone, or no step stands on it.
    std::string ends_with{};
};

/// The work of a fill or a proof on one table, which stands under its own name as alias, leaf or not.
struct Rows {
    TableName table;
    std::vector<Fragment> fragments;  ///< at least one; no two set the same column
    std::vector<Ident> key{};         ///< names a row in messages; ctid when empty
    /// SET LOCAL statements for every batch that writes.
    Batch settings{};
    /// What the fragments and all that a write fires see: for every transaction that writes or counts, after whatever
    /// of it is weir's own.
    Batch session{};
    /// Whom the statements that read and write them run as; nothing: weir.
    std::optional<Ident> role{};
    /// The rows of `todo` are deleted; there is one fragment. `todo` may come to mean more rows at any time (now(), a
    /// subquery): rows that the proof finds and deletes are no misses, however often. A miss is a row that still
    /// matches after the deletion in the same transaction, where now() is the same.
    bool erases{};
    /// Why an update of the columns can never stay on its page, for people: `the index users_name_idx is on the
    /// column`. Empty: it may.
    std::string never_in_page{};
};

/// All fragments in one, before the gate is open or after.
struct Wanted {
    Sql todo;   ///< true for a row that is to be written
    Sql wrong;  ///< true for one that is not right
    /// `a = …`. Where there are several fragments, a column that its own fragment does not want written keeps what it
    /// has, byte for byte. Empty where rows are deleted.
    Sql set;
    std::vector<Sql> wrong_each;  ///< of each fragment
};
Wanted wanted(Rows const&, bool gate_opened);

/// Of all fragments.
Batch guard(Rows const&);
/// True when each fragment has a sync: no row that a pass has read can become wrong without its triggers.
bool guarded(Rows const&);

/// Without the fragments that ended with one of these steps.
Rows standing(Rows, std::set<std::string> const& done);

}  // namespace weir
