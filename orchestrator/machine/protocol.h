#pragma once
/// How the machine and its shell speak: inputs go in, commands come out. Nothing here knows a socket or a clock.
///
/// Every Connect, Execute, Rest, Dump and Look gets exactly one Completed, also when it was cancelled; everything else
/// comes unasked, at any time. All inputs are given on one thread.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "plans/event.h"
#include "plans/sql.h"

namespace weir {

enum class CommandId : std::uint64_t {};
/// 0 control (leader, ledger), 1.. hands: worker n is hand n, and DDL runs on hand 1.
enum class SessionId : std::uint8_t {};
inline constexpr SessionId control{0};
inline constexpr SessionId first_hand{1};

/// What may be done next; decided from the SQLSTATE in one function (postgres/wire.h).
enum class Fate : std::uint8_t {
    done,
    lock_busy,  ///< 55P03: the lock was not to be had in time
    deadlock,   ///< 40P01, 40001: rolled back, may be tried again
    canceled,   ///< 57014: statement_timeout or a cancel; rolled back
    fenced,     ///< WE001: another orchestrator leads now
    refused,    ///< the server says no; trying again changes nothing
    lost,       ///< the session is gone, and nothing was in flight
    in_doubt,   ///< the session was lost while a string was in flight: it may have committed
};
std::string_view name(Fate fate);

struct Row {
    std::vector<std::optional<std::string>> fields;
};

struct Outcome {
    Fate fate{Fate::done};
    std::string sqlstate;   ///< empty when done
    std::string message;    ///< what happened, for anybody: no value of a row is in it (postgres/wire.h)
    Sealed said;            ///< the server's own message, without severity and code
    Sealed more;            ///< its DETAIL, HINT and CONTEXT, each begun on a line of its own; may be empty
    std::string advice;     ///< of weir's own doors: what to do about it; may be empty
    std::vector<Row> rows;  ///< of the last statement
    /// Those of mark() that the string passed, each with the time since weir.began; also when it failed.
    std::vector<Millis> marks;
    Millis took{};
    /// The wait for a synchronous standby was cancelled: committed here, and on no standby for sure. Fate::done.
    bool unreplicated{};
};

/// What a terminal shows beneath `message`: the server's words, unless they are there already.
Sealed words_of(Outcome const& outcome);
/// How far a string came, rolled back or not. Needs client_min_messages = notice, and weir.began: seconds of the epoch.
Sql mark();
/// The SQLSTATE of the notice that it is told by.
inline constexpr std::string_view mark_state{"WE200"};

/// One measurement. No value: it could not be read. Its load is value / limit: 1 is at the limit.
struct Reading {
    std::string signal;   ///< `replication_lag`
    std::string subject;  ///< the replica's name; may be empty
    std::optional<double> value;
    double limit{};
    std::string unit;      ///< `s`
    std::int64_t bytes{};  ///< lag in bytes, for the display
    std::string problem;   ///< why there is no value: `replica r1 is gone`
    /// The steady time of the measurement, when it has one of its own: readings come from several sessions.
    std::optional<Millis> at;
    Millis max_age{};    ///< older than this it stops: three of its polls; 0: as the caller of the controller says
    bool writes_only{};  ///< only what writes can move it: a step that only reads is not held by it
    std::string remark;  ///< beside a value, what a person should know of it: `pid 4711 (psql) waits`
};

enum class OrderWord : std::uint8_t {
    approve,
    abort,
    pause,  ///< nothing new is begun until `resume`
    resume,
    set,  ///< `argument` is a setting's key, a space, and its value
};
/// The word of the ledger and the command line; nothing for a word that this version does not know.
std::string_view name(OrderWord word);
std::optional<OrderWord> order_word(std::string_view name);

// clang-format off
struct Started {};
struct Completed   { CommandId command{}; Outcome outcome; };
struct Measured    { std::vector<Reading> readings; };
struct Ordered     { OrderWord word{}; std::string argument, user; std::int64_t order{}; };
struct Interrupted { int times{}; };      ///< 1: finish the batches; 2: cancel them
struct Lost        { SessionId session{}; std::string message; };
struct Ticked {};                         ///< some seconds went by
struct Stamp       { Instant wall; Millis steady{}; };  ///< wall: events; steady: pace, rests, ages
// clang-format on

struct Input {
    Stamp at;
    std::variant<Started, Completed, Measured, Ordered, Interrupted, Lost, Ticked> what;
};

enum class Transaction : std::uint8_t {
    implicit,    ///< one string, one transaction; limits are SET LOCAL inside it
    standalone,  ///< one statement that refuses a transaction; limits are set for the session before and reset after
};

struct Limits {
    Millis lock{100};       ///< lock_timeout; 0: none
    Millis statement{100};  ///< statement_timeout; 0: none
    Millis give_up{30000};  ///< after that the shell cancels: no server timeout covers COMMIT; 0: never
    bool operator==(Limits const&) const = default;
};

/// What one session was at when its connection was lost: a batch over pages `from` up to `to` of a leaf of the table,
/// or, where both are 0, one statement of the step over the whole of it.
struct PageRange {
    std::string step, leaf;
    std::int64_t from{}, to{};
    bool operator==(PageRange const&) const = default;
};

/// A table for a dump. `rows`: it holds rows of its own, and the dump must hold them.
struct DumpedTable {
    std::string oid, schema, name;
    bool rows{};
    bool operator==(DumpedTable const&) const = default;
};

// clang-format off
struct Connect  { CommandId id{}; SessionId session{}; };
struct Execute  { CommandId id{}; SessionId session{}; Batch batch; Transaction transaction{}; Limits limits; };
struct Rest     { CommandId id{}; Millis time{}; };
/// Tables dumped to `file` in the plan's directory, checked and on disk. One row: the file's whole path, its size, its
/// SHA-256. Else refused, with what happened, or canceled; then no file of that name is there. `lock_wait`: for the
/// locks of pg_dump.
struct Dump     { CommandId id{}; std::string step, file; std::vector<DumpedTable> tables; Millis lock_wait{}; };
/// One row with the size of the file; no row when it is not there, or cannot be seen.
struct Look     { CommandId id{}; std::string file; };
struct Cancel   { CommandId target{}; };  ///< a wish; the answer is still the target's Completed
struct Announce { Event event; };
/// `lost`: why, when it ends because a connection was lost; another orchestrator may go on at once. `connected`: it had
/// all its sessions. `at_work`: what they were at.
struct Finish   { int exit{}; std::string lost{}; bool connected{}; std::vector<PageRange> at_work{}; Millis proofs_took{}; };
// clang-format on

using Command = std::variant<Connect, Execute, Rest, Dump, Look, Cancel, Announce, Finish>;
using Commands = std::vector<Command>;

struct Ids {
    std::uint64_t last{};
    CommandId operator()() { return CommandId{++last}; }
};

}  // namespace weir
