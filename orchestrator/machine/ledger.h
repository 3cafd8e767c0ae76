#pragma once
/// The ledger: schema `weir` in the database that is changed. What it holds, the SQL that writes it, and the fold that
/// turns its entries into the state of a run. Pure; docs/ledger.md shows the tables.
///
/// Entries are append-only; (run, seq) is their key, and an entry is the first write of its transaction: a second
/// transaction for the same seq waits for the first instead of passing it.
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "orchestrator/machine/protocol.h"
#include "plans/problem.h"
#include "plans/step.h"

namespace weir {

inline constexpr int ledger_version = 3;

/// Raised by every newcomer before it acts; every transaction of ours checks it.
enum class Epoch : std::int64_t {};

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
/// What cannot stand in a ledger that only weir has written, in words, one a row and a few at most; no row: nothing.
/// For all runs. REQUIRES all parts; needs what a reader of the ledger may.
Batch audit_ledger();
/// One row: version and epoch. Only after look_for_ledger() said that there is one.
Batch read_meta();
/// One row: 't' when the session's role may lead runs, 'f' when it may at most order. REQUIRES a ledger.
Batch may_write_ledger();
/// Raises the epoch, synchronously; one row: the new epoch.
Batch raise_epoch();

/// Raises it only if it is still `seen`; one row when it was, and it fences whoever acts under that one. For somebody
/// who does not lead yet.
Batch raise_past(Epoch seen);

/// Raises WE001 in the server unless `epoch` is the ledger's.
Sql fence(Epoch epoch);

/// Raises WE008 (with a hint) when rows stand where weir neither fills nor proves: in an inheritance child, in a
/// foreign table among the partitions. No table of that name: nothing.
Sql check_kinds(TableName const& table);
/// Raises WE008 (with a hint) when a rule of the table or of a partition rewrites each UPDATE, or each DELETE.
Sql check_rules(TableName const& table, bool deletes);
/// For a transaction that destroys, under its lock on the table: raises WE007 unless step `proof` of the run came to
/// its end and each leaf is what it was when that proof noted it (attachments, file, BEFORE triggers, rules, columns),
/// and WE008 as check_kinds().
Sql check_shape(TableName const& table, RunId run, std::string const& proof);
/// For such a transaction, after what it destroys, when others stand on the same proof: the table as it is left is what
/// was proven. REQUIRES check_shape() before it, under the same lock.
Sql keep_shape(TableName const& table, RunId run, std::string const& proof);
/// Notes the table as it is now as read whole, for step `proof` of the run and for `<proof>.back`: both then read what
/// changes later alone.
Sql note_shape(TableName const& table, RunId run, std::string const& proof);

// Advisory locks; only ever tried, never waited for (a waiting SELECT holds a snapshot, and CREATE INDEX CONCURRENTLY
// waits for snapshots: together they deadlock).
Batch try_leader();  ///< one row: 't' or 'f'
Batch who_leads();   ///< pid, user, application, since, address of the leader's session; no row: nobody
/// As who_leads(), the session's exact start as text, and whether this session's role may end it ('t'/'f').
Batch look_at_leader();
/// Ends the leader's session if it is still this one.
Batch end_leader(std::string const& pid, std::string const& started);
/// Ends all working sessions. REQUIRES the lead and a raised epoch.
Batch end_hands();
Batch try_all_hands();         ///< 't' when no working session lives; the lock is given back at once
Batch take_hand(Epoch epoch);  ///< 't' or 'f', and the session's pid: its share of `hands`, and then the fence

enum class EntryKind : std::uint8_t {
    began,       ///< plan text, catalog snapshot, version, hash
    step_begun,  ///< standalone, fill, proof
    step_done,
    step_told,  ///< the synchronous echo of a transactional step
    backed_up,  ///< a dump is made; it ends its step, and may come again when the file was gone
    gate_opened,
    approval,  ///< one of several that a gate needs
    gate_approved,
    checked,   ///< a proof was repeated while the gate was open
    paused,    ///< by an order
    resumed,   ///< by an order
    set,       ///< a setting was changed by an order
    aborting,  ///< from here on the run undoes
    step_undone,
    quarantined,   ///< contract is done, and what it set aside is kept
    rolling_back,  ///< from here on the run undoes, contract included
    reopened,      ///< an undo stands as at the open gate, and waits until nothing uses the new shape
    finished,
    undone,
    rolled_back,
    stopped,  ///< why the last orchestrator stopped; information only
};
std::string_view name(EntryKind kind);

/// What an entry may say beside its kind.
struct EntryDetail {
    std::string name, plan, catalog, version, hash, identity;  ///< began
    std::string user;           ///< gate_approved, aborting, rolling_back, paused, resumed, set
    std::string message, hint;  ///< stopped
    /// Of a proof (step_done, checked): rows looked at, filled again because they were found wrong, and wrong at the
    /// end.
    std::optional<std::int64_t> rows_read{}, rows_filled{}, rows_wrong{};
    /// Paused, resumed, set: what was obeyed. Stopped: what was refused. Began: the newest that was given before, to
    /// this plan or another.
    std::optional<std::int64_t> order{};
    std::string key{}, value{};                   ///< set
    std::optional<std::int64_t> quarantine_ms{};  ///< quarantined: for how long
    /// Rolling_back: so many values need not go back. Both that and aborting: of so many rows the values are given up.
    std::optional<std::int64_t> accept_loss{};
    std::string file{}, sha256{};         ///< backed_up
    std::optional<std::int64_t> bytes{};  ///< backed_up: the size of the file
};

/// One row: 't' when the gate's own condition holds: its time is over by the server's clock, or its query is true.
/// REQUIRES one of both. Read only.
Batch gate_condition(RunId run, std::optional<Millis> after, std::optional<UserExpr> const& until);

/// One row: 't' when the quarantine is over by the server's clock, its end as text, and in milliseconds since 1970.
/// REQUIRES a quarantined entry. Read only.
Batch quarantine_end(RunId run);
/// One row: how many values did not go back to the columns that the run set aside. Read only.
Batch count_lost(RunId run);
/// When the quarantine ends that the entry `e` of an enclosing query began.
Sql end_of_quarantine();
/// As count_lost(), within a query: `run` gives the run's number.
Sql values_lost(Sql const& run);
/// Names of plans whose newest run is in a quarantine that is over, oldest first.
Batch list_due();

Sql insert_entry(RunId run, std::int64_t seq, Epoch epoch, EntryKind kind, std::string const& step,
                 EntryDetail const& detail = {});

/// A dump as the ledger has it.
struct BackupMade {
    std::string file;
    std::int64_t bytes{};
    bool operator==(BackupMade const&) const = default;
};

/// The newest run of a plan name, whole: its begin, then what happened.
struct RunRecord {
    RunId run{};
    EntryDetail begin;
    std::int64_t last_seq{};
    std::set<std::string> begun, done, undone_steps;
    std::map<std::string, BackupMade> backups;  ///< by step; the newest
    bool gate_opened{}, gate_approved{}, aborting{}, finished{}, undone{};
    bool quarantined{};                              ///< stays true when it is rolled back
    bool rolling_back{}, reopened{}, rolled_back{};  ///< beside `aborting` and `undone`
    std::optional<std::int64_t> accept_loss{};       ///< of the newest rolling_back or aborting that says so
    std::set<std::string> approvals;                 ///< database users
    std::string paused_by;                           ///< empty: not paused
    std::int64_t last_order{};  ///< to pause, resume or set: it and those before it are not obeyed again
    std::int64_t last_abort{};  ///< the order to abort that was obeyed before `reopened`; 0: none
    std::optional<std::int64_t> refused_abort{};                ///< the newest order to abort that was refused
    std::vector<std::pair<std::string, std::string>> settings;  ///< changed by orders, in their order
    std::string began_at, ended_at;
};

/// Row fields: run, seq, kind, step, at, name, plan, catalog, version, hash, identity, user, order, key, value,
/// accept_loss, file, bytes. Ordered by seq.
Batch read_run(std::string const& plan_name);
/// Nothing when there are no rows. Unknown kinds are passed over: a newer ledger is refused by its version.
std::optional<RunRecord> fold(std::vector<Row> const& rows);
/// One row: the number for a new run.
Batch next_run();

/// One row: the id of the newest order, 0 for none.
Batch newest_order();
/// Orders for a plan given since the run began, oldest first: id, word, argument, user. One that is committed late may
/// come to be seen after others with higher ids.
Batch read_orders(std::string const& plan_name, RunId run);
Batch insert_order(std::string const& plan_name, std::string_view word, std::string const& argument);

// The heartbeat: one row a run, written again and again for as long as an orchestrator leads it. Fenced; needs no lock
// that others could wait for.

/// One row: the number of this beat, larger than all before it, whoever wrote them. Commits with synchronous_commit =
/// on, so that its time is what a commit of the application takes; hence no server timeout ends it when a synchronous
/// standby is missing, and one that is cancelled then has committed, and says so by success.
Batch write_beat(RunId run, Epoch epoch);
/// Keeps `picture`, a JSON document, beside the beat. Waits for no standby, so it may be lost with a crash.
Batch write_picture(RunId run, Epoch epoch, std::string const& picture);
/// One row, also on a standby: whether the server is one ('t'/'f'), and the run's newest beat there, or nothing.
Batch read_beat(RunId run);
/// Of a run: the beat, seconds since it was written by the server's own clock, and the picture, if any. No row: no beat
/// was ever written. REQUIRES a ledger of version 2 (read_meta()).
Batch read_picture(RunId run);

}  // namespace weir
