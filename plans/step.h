#pragma once
/// A step: the smallest thing that weir does, undoes, probes and writes into the ledger.
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "plans/event.h"
#include "plans/lock.h"
#include "plans/sql.h"

namespace weir {

/// The ledger's number of a run; golden cases use 1.
enum class RunId : std::int64_t {};

enum class StepKind : std::uint8_t {
    transactional,  ///< one string with its ledger entry: all or nothing
    standalone,     ///< cannot run in a transaction (VACUUM): begun, statement, probe, done
    fill,           ///< batches over page ranges, each with its progress row
    proof,          ///< a read-only pass over all pages
    backup,         ///< pg_dump of tables, beside the database: begun, dump, done
};
std::string_view name(StepKind kind);

/// What a probe finds of a standalone step that was begun: a failed CREATE INDEX CONCURRENTLY leaves `damaged`.
enum class Probe : std::uint8_t { absent, done, damaged };
std::optional<Probe> probe(std::string_view word);

struct Assignment {
    Ident column;
    Sql value;  ///< over the columns of the row, by bare name
};

/// The work of a fill or a proof on one table; the predicates are over the columns of a row, by bare name, and the
/// table stands under its own name as alias, leaf or not.
struct Rows {
    TableName table;
    std::vector<Assignment> set;  ///< what a fill writes
    Sql todo;                     ///< true for a row that is not right yet: `NOT ok`, or `column IS NULL AND where`
    Sql miss_after_gate;          ///< the same once the new application writes; what the proof then counts
    Sql fill_after_gate;          ///< and which of those a fill may still write: `new IS NULL` and todo
    std::vector<Ident> key;       ///< names a row in messages; ctid when empty
    /// Raises (SQLSTATE WE003) unless the sync's triggers are those of its step: present, ALWAYS, untouched. Empty: no
    /// sync.
    Batch guard;
    /// SET LOCAL statements for every batch that writes.
    Batch settings{};
    /// What `set`, `todo` and all that a write fires see: for every transaction that writes or counts, after whatever
    /// of it is weir's own.
    Batch session{};
    /// Whom the statements that read and write them run as; nothing: weir.
    std::optional<Ident> role{};
    /// The rows of `todo` are deleted; `set` is empty. `todo` may come to mean more rows at any time (now(), a
    /// subquery): rows that the proof finds and deletes are no misses, however often. A miss is a row that still
    /// matches after the deletion in the same transaction, where now() is the same.
    bool erases{};
    /// Why an update of `set` can never stay on its page, for people: `the index users_name_idx is on the column`.
    /// Empty: it may.
    std::string never_in_page{};
};

/// What a step says of a column that an undo may drop, so that the values in it can be judged before.
struct ColumnStake {
    TableName table;
    Ident column;
    bool made{};  ///< `forward` adds it, and `undo` drops it
    /// True for a row in which the column holds what the plan itself puts there; nothing: the step puts nothing there.
    std::optional<Sql> by_plan{};
    bool synced{};  ///< `by_plan` is a sync's: it alone says what is the plan's, as long as the sync lives
    /// As long as this raises nothing, whatever the column holds is held by the old one, too. Empty: it cannot be
    /// known.
    Batch held_while{};
};

/// Rows whose values an undo would drop and the old shape cannot hold: those of `rows.todo`.
struct UndoLoss {
    std::string column;  ///< for people: `users.full_name`
    Rows rows;
    /// Every row with a value in the column: for when the server refuses `rows.todo`, because what it reads was
    /// dropped.
    Sql any;
    /// As long as this raises nothing (else SQLSTATE WE003, WE007) there are none. Empty: they must be counted.
    Batch none_while{};
};

struct Step {
    std::string id;  ///< unique in the program, stable between compiles: `expand.1`
    Phase phase{};
    StepKind kind{};
    std::string title;  ///< for people: `add users.full_name and keep it equal to users.name`
    /// Taken first, in this order (see in_lock_order()), within the ladder's try: every table that `forward` locks so
    /// that others feel it. LOCK TABLE goes to partitions by itself. Only what LOCK TABLE can lock.
    std::vector<TableLock> locks;
    /// The strongest lock per table while the step runs, as pg_locks would show; a test compares it with the server.
    std::vector<TableLock> holds;
    bool undo_scans{};  ///< the same for `undo`
    /// What `undo` stands on, asked before a rollback begins: raises (SQLSTATE WE003) when rows may have been written
    /// past the sync.
    Batch undo_guard{};
    /// The sequence that counts what `undo` cannot bring back; dropped when the run is rolled back.
    std::optional<Ident> lost_counter{};
    bool scans{};  ///< reads the whole table (VALIDATE): no statement_timeout
    /// What `forward` destroys, or sets aside, stands on the proof before it: the table must be what was proven, which
    /// is looked at under the lock. compile() finds that proof's step and table.
    bool stands_on_proof{};
    std::string proven_by{};
    /// It is about the table as a whole: what has become a part of it goes along, and stops nothing.
    bool whole_table{};
    /// The column that the step sets aside, or that it proves before that is dropped.
    std::optional<Ident> aside{};
    /// Of a step that sets a column aside: what must be right before `undo`, read like a proof. What the step leaves
    /// behind is noted as read (weir.note_shape), for this and for the proof `noted_for`, which compile() finds.
    std::optional<Rows> undo_rows{};
    std::string noted_for{};
    Batch forward;
    Batch undo;  ///< empty: nothing to do, and `undo_note` says why
    std::string undo_note;
    std::vector<std::string> notes{};   ///< what the operator should know of it: the triggers that it fires
    std::vector<TableLock> undo_locks;  ///< as `locks`, for `undo`
    Batch probe;               ///< standalone only: one SELECT that gives a Probe's word; empty: harmless to repeat
    bool may_fail{};           ///< standalone only: the run goes on without it, with a warning (VACUUM)
    std::optional<Rows> rows;  ///< fill and proof
    /// What is in these tables before it is not all there after it, and no undo brings it back.
    std::vector<TableName> destroys{};
    std::vector<ColumnStake> stakes{};
    std::optional<UndoLoss> undo_loses{};  ///< made of the stakes of all steps by compile()
    std::vector<TableName> saves{};        ///< backup only: what is dumped, with all partitions
};

using Steps = std::vector<Step>;

}  // namespace weir
