#pragma once
/// The dump that a plan's `backup` asks for: what is dumped, how the file is called, when one is ahead, and the child
/// of the run machine that has it made. Pure; orchestrator/out/dump.h makes it.
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "orchestrator/machine/ledger.h"
#include "orchestrator/machine/protocol.h"
#include "orchestrator/machine/then.h"
#include "phases/program.h"

namespace weir {

/// One row a table, with all its partitions: oid, schema, name, whether it holds rows of its own ('t'/'f'). Read only.
Batch list_dumped(std::vector<TableName> const& tables);
/// Nothing when one of `tables` is not among the rows.
std::optional<std::vector<DumpedTable>> dumped_tables(std::vector<TableName> const& tables,
                                                      std::vector<Row> const& rows);

/// `users-full-name.run1.contract.1.20261121T164754123Z.dump`; what stands before the time is that step's alone
/// in its database.
std::string dump_name(std::string const& plan, RunId run, std::string const& step, Instant at);

/// One row: the bytes that these tables take, with all partitions and what is stored out of line, without indexes.
/// Read only.
Batch size_of_dumped(std::vector<TableName> const& tables);

/// What a dump of tables of that size may be expected to find. A dump is compressed, and how much is known only when it
/// is made: `doubtful` is less room than the tables take, `none` less than a fiftieth of it, into which not even the
/// narrowest rows go.
enum class Room : std::uint8_t { enough, doubtful, none };
Room room_for(std::int64_t table_bytes, std::int64_t free_bytes);

/// The run may come to a step that destroys and is not done, and the program has a dump before it.
bool backup_ahead(Program const& program, RunRecord const& record);

/// Has the dump of a step made, and looks whether one that was made before is still there. Copyable.
class Backup {
  public:
    enum class State : std::uint8_t {
        idle,
        listing,  ///< what there is to dump
        dumping,
        looking,  ///< whether the dump of an earlier orchestrator is still there
        made,     ///< detail() goes into the ledger
        stopped,  ///< nothing was made, as was asked
        refused,  ///< the server does not say what there is: the outcome that was given last
        failed,   ///< problem()
        there,    ///< looked for, and found
        missing,  ///< looked for, and not there as it was: warned of
    };

    Backup(std::string plan, RunId run) : plan_{std::move(plan)}, run_{run} {}

    /// The step whose dump must be looked for before the run goes on in `phase`.
    Step const* unseen(Program const& program, RunRecord const& record, Phase phase) const;
    void look(Step const& step, BackupMade const& made, Ids& ids, Commands& out);
    /// `due`: the tables that the phase has still to destroy.
    void make(Step const& step, std::vector<TableName> due, Ids& ids, Commands& out);
    /// The dump is in the ledger.
    void seen() { seen_.insert(step_); }

    bool owns(CommandId id) const { return pending_ == id; }
    std::optional<CommandId> pending() const { return pending_; }
    /// `leaving`: nothing is begun any more. `lock_wait`: for the locks of pg_dump. REQUIRES owns(completed.command).
    void completed(Stamp at, Completed const& completed, bool leaving, Millis lock_wait, Ids& ids, Commands& out);

    /// What follows from where it is; `outcome`: given last.
    Then moved(Outcome const& outcome) const;

    State state() const { return state_; }
    std::string const& step() const { return step_; }
    EntryDetail const& detail() const { return detail_; }  ///< of State::made
    Problem const& problem() const { return problem_; }    ///< of State::failed

  private:
    void listed(Stamp at, Outcome const& outcome, bool leaving, Millis lock_wait, Ids& ids, Commands& out);
    void dumped(Outcome const& outcome, bool leaving);
    void looked(Stamp at, Outcome const& outcome, Commands& out);
    void fail(std::string const& why, Sealed more);

    std::string plan_;
    RunId run_;
    State state_{State::idle};
    std::optional<CommandId> pending_;
    std::set<std::string> seen_;  ///< steps whose dump is there: made or looked for
    std::string step_, title_;
    std::vector<TableName> due_;
    BackupMade made_;  ///< that is looked for
    EntryDetail detail_;
    Problem problem_;
};

/// The tables that steps of this phase which are not done destroy.
std::vector<TableName> still_destroyed(Program const& program, RunRecord const& record, Phase phase);

}  // namespace weir
