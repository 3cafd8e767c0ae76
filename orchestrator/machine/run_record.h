#pragma once
/// What a run has done, as the ledger says it: the kinds of entries, the SQL that writes and reads them, and the fold
/// that turns them into the state of a run. Pure.
///
/// Entries are append-only; (run, seq) is their key, and an entry is the first write of its transaction: a second
/// transaction for the same seq waits for the first instead of passing it.
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "orchestrator/machine/protocol.h"
#include "plans/step.h"

namespace weir {

/// Raised by every newcomer before it acts; every transaction of ours checks it.
enum class Epoch : std::int64_t {};

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
    std::string began_at, ended_at;                             ///< of fold() alone
};

/// The run as it is when this entry stands, too.
void apply(RunRecord& record, EntryKind kind, std::string const& step, EntryDetail const& detail);

/// Row fields: run, seq, kind, step, at, name, plan, catalog, version, hash, identity, user, order, key, value,
/// accept_loss, file, bytes. Ordered by seq.
Batch read_run(std::string const& plan_name);
/// Nothing when there are no rows. Unknown kinds are passed over: a newer ledger is refused by its version.
std::optional<RunRecord> fold(std::vector<Row> const& rows);
/// What cannot stand in a ledger that only weir has written, in words, one a row and a few at most; no row: nothing.
/// For all runs. REQUIRES all parts; needs what a reader of the ledger may.
Batch audit_ledger();
}  // namespace weir
