#pragma once
/// The public stream: what happened, for ledger, metrics, log and progress display. Names and numbers only: what may
/// quote rows, or what other sessions run, is Sealed, and only a display on a terminal opens it.
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "plans/problem.h"

namespace weir {

using Instant = std::chrono::sys_time<std::chrono::milliseconds>;
using Millis = std::chrono::milliseconds;

/// `quarantine`: what contract set aside is dropped, when its time is over.
enum class Phase : std::uint8_t { expand, backfill, proof, contract, quarantine };
std::string_view name(Phase phase);

/// What a run is doing, for the metric weir_run_state and the progress line.
enum class RunState : std::uint8_t { pending, running, paused, waiting, stopped, quarantined, done, undone };
std::string_view name(RunState state);

/// How the rows of a leaf are gone through.
enum class Way : std::uint8_t {
    in_page,  ///< a few rows of each page at a time, so that updates stay on their page (docs/backfill.md)
    ranges,   ///< page range by page range, each row once
};
std::string_view name(Way way);

// clang-format off
struct RunBegan      { std::string plan; std::int64_t run{}; bool resumed{}; int steps{}; };
struct PhaseBegan    { Phase phase{}; };
struct StepBegan     { std::string step, title; Phase phase{}; };
struct StepDone      { std::string step, title; Phase phase{}; Millis took{}; };
struct StepUndone    { std::string step, title; Millis took{}; };
/// The work of a fill or a proof became known, or changed: pages to look at in all, and rows by the server's estimate.
/// A step that begins in phase proof is taken for a proof also where `proof` is not set.
struct WorkKnown     { std::string step, table; std::int64_t pages{}, pages_done{}, rows_estimate{}, rows_done{}; bool proof{}; };
/// `table` is the leaf: a partition, or the table of WorkKnown itself.
/// Pages `from` up to `to` are done with it; both 0: they are gone through again.
/// `hot` counts the written rows whose new version stayed on its page and needed no index entry.
struct BatchDone     { std::string step, table; std::int64_t pages{}, rows{}; Millis took{}; bool proof{}; std::int64_t hot{}, from{}, to{}; };
struct BatchRetried  { std::string step, table, reason; };
/// How a leaf (`table`) is filled from now on, and why, with figures: `2 % of 40000 updates stayed on their page`.
struct WayChanged    { std::string step, table; Way way{}; std::string reason; };
/// How many batches run at a time from now on, and why.
struct WorkersChanged{ std::string step; int workers{}; std::string reason; };
/// A VACUUM that the fill ran for itself, so that later batches find room; `dead_rows` are those that it made since the last.
struct Vacuumed      { std::string step, table; std::int64_t dead_rows{}; Millis took{}; };
/// One try for the locks of a step, or a look that showed that a try would be in vain (`waited` is 0 then). `blockers`:
/// who was in the way when it was looked last; `seen` says the same with what they run as they wrote it.
struct LockTried     { std::string step; bool got{}; Millis waited{}; std::vector<std::string> blockers; std::vector<Sealed> seen{}; };
/// Somebody in the way was ended, as `locks.on_blocked` says: its session, or else what it ran.
struct BlockerEnded  { std::string step; bool session{}; std::string blocker; Sealed seen{}; };
/// Whom a long statement of a step waits for just now.
struct WaitsFor      { std::string step; std::vector<std::string> blockers; std::vector<Sealed> seen{}; };
/// 1 = unhindered, 0 = stopped; each reason says signal, value and limit, and begins with the signal's name in words:
/// `replication lag of r1 is 3.2 s, limit 2 s`.
struct PaceChanged   { double pace{1}; std::vector<std::string> reasons; };
struct ReplicaLag    { std::string replica; std::optional<Millis> lag; std::int64_t bytes{}; };
/// What was measured last, and how it is judged: `load` is value / limit, 1 at the limit; nothing without a value or a
/// limit. `holds`: because of it the backfill stands still or goes slower now.
struct SignalState   { std::string signal, subject, unit; std::optional<double> value; double limit{}; std::optional<double> load; Millis age{}; bool holds{}; std::string problem; };
struct SignalsJudged { std::vector<SignalState> signals; };
/// When the fill or proof that works now will be finished, as its rate and the schedule let it; told only where a schedule
/// is. Nothing is known any more: `text` is empty. `low` or `high` absent: not within the openings that are looked at.
struct ForecastMade  { std::string step; std::optional<Instant> low, high; int openings_low{}, openings_high{}; std::optional<Instant> closes; std::string text; };
struct Paused        { std::string user; };
struct Resumed       { std::string user; };
/// By an order: the key and value as a plan file has them.
struct SettingChanged{ std::string key, value, user; };
struct GateOpened    { std::string gate; std::vector<std::string> notes; };
/// One of the `needed` approvals; `have` with it.
struct GateVoted     { std::string gate, user; int have{}, needed{}; };
struct GateApproved  { std::string gate, user; };
/// `keys` name some of the rows: a key is what stands in a row.
struct ProofDone     { std::string step, table; std::int64_t rows_wrong{}; std::vector<Sealed> keys; };
/// A dump of a step grew: bytes that are written so far.
struct DumpGrew      { std::string step; std::int64_t bytes{}; };
/// A dump is whole, on disk and checked; `sha256` in hexadecimal digits.
struct BackedUp      { std::string step, file; std::int64_t bytes{}; std::string sha256; };
/// A table that the plan works on: heap, indexes and TOAST of all its partitions now, and when this process looked first;
/// dead rows by the server's statistics.
struct TableSized    { std::string table; std::int64_t bytes{}, bytes_before{}, dead_rows{}; };
/// An order from the ledger took effect: `approve`, `pause`, `resume`, `set` or `abort`.
struct OrderTaken    { std::string order, argument, user; };
/// What `--http` asked for is served there, under the port that it has.
struct Serving       { std::string address; };
struct Warned        { std::string message, hint; Sealed more{}; };
/// The run is being begun anew with another connection; RunBegan follows when there is one.
struct ConnectionLost{ std::string message; };
struct Stopped       { Problem why; };
/// `until`, `until_at`: the end of the quarantine by the server's clock, for RunState::quarantined.
struct RunDone       { RunState state{RunState::done}; Millis took{}; std::string until{}; std::optional<Instant> until_at{}; };
// clang-format on

struct Event {
    Instant at;
    std::variant<RunBegan, PhaseBegan, StepBegan, StepDone, StepUndone, WorkKnown, BatchDone, BatchRetried, WayChanged,
                 WorkersChanged, Vacuumed, LockTried, BlockerEnded, WaitsFor, PaceChanged, ReplicaLag, SignalsJudged,
                 ForecastMade, Paused, Resumed, SettingChanged, GateOpened, GateVoted, GateApproved, ProofDone,
                 DumpGrew, BackedUp, TableSized, OrderTaken, Serving, Warned, ConnectionLost, Stopped, RunDone>
        what;
};

/// Hears events on the io thread, in order. Must not block and must not throw.
class Listener {
  public:
    virtual ~Listener() = default;
    virtual void hear(Event const& event) noexcept = 0;
};

}  // namespace weir
