#pragma once
/// The dump that a plan's `backup` asks for: what is dumped, how the file is called, when one is ahead. Pure;
/// orchestrator/out/dump.h makes it.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "orchestrator/machine/ledger.h"
#include "orchestrator/machine/protocol.h"
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

}  // namespace weir
