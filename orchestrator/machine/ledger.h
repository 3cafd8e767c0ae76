#pragma once
/// The ledger: schema `weir` in the database that is changed. The SQL that leads by it, asks it and steers by it; its
/// tables are made by ledger_schema.h, its entries are read and written by run_record.h. Pure; docs/ledger.md shows the
/// tables.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "orchestrator/machine/protocol.h"
#include "orchestrator/machine/run_record.h"

namespace weir {

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
