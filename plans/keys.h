#pragma once
/// The keys of a plan file, once: the reader checks by these tables and the JSON Schema is made of them.
#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

#include "plans/event.h"

namespace weir::keys {

enum class Use : std::uint8_t {
    required,
    optional,
    later,  ///< has its meaning already, and is refused with `instead` as the hint
};

struct Key {
    std::string_view name;
    Use use;
    std::string_view meaning;
    std::string_view instead{};  ///< what to do as long as it is not supported
};

inline constexpr int format = 1;
inline constexpr std::size_t name_max = 60;

inline constexpr std::array top{
    Key{"weir", Use::required, "version of the file's format: 1"},
    Key{"name", Use::required,
        "name of the plan, unique in a database: lower-case letters, digits and hyphens, 1 to 60"},
    Key{"description", Use::optional, "what the plan is for, in your words"},
    Key{"changes", Use::optional, "high-level changes, in order; each spreads over the phases by itself"},
    Key{"expand", Use::optional, "primitives of the expand phase, in order"},
    Key{"backfill", Use::optional, "primitives of the backfill phase, in order"},
    Key{"contract", Use::optional, "primitives of the contract phase, in order"},
    Key{"gates", Use::optional, "where the run waits for an approval"},
    Key{"batch", Use::optional, "how the backfill works"},
    Key{"throttle", Use::optional, "what slows the backfill down; none for nothing"},
    Key{"locks", Use::optional, "how locks that others can feel are taken"},
    Key{"fire_triggers", Use::optional,
        "yes: rows that weir writes fire the application's triggers; no: they are kept quiet; default yes"},
    Key{"schedule", Use::later, "when the run may work", "start weir at the time that you want and remove the key"},
    Key{"drop", Use::later, "how long a dropped column is kept aside",
        "keep the contract gate closed for as long as you may want the column back, and remove the key"},
    Key{"backup", Use::later, "a dump before the first destructive step",
        "dump the tables before you approve the contract gate, and remove the key"},
    Key{"notify", Use::later, "who is told of events", "remove the key"},
    Key{"replicas", Use::later, "replicas that must be there", "remove the key"},
    Key{"approvals", Use::later, "how many people must approve a gate", "remove the key: one approval opens a gate"},
    Key{"on_unconvertible", Use::later, "what becomes of a value that the expression refuses", "remove the key"},
};

inline constexpr std::array gates{
    Key{"contract", Use::optional,
        "manual: the run waits before the contract phase until it is approved; none: it goes on"},
};

inline constexpr std::array batch{
    Key{"target", Use::optional, "the time that one batch is aimed at, 1ms to 10s; default 50ms"},
    Key{"workers", Use::optional,
        "batches at a time, 1 to 8, or auto: as many as raise the rate and leave commits as fast; default auto"},
    Key{"order", Use::optional,
        "auto: a few rows of each page at a time wherever that pays; plain: page by page; default auto"},
};

inline constexpr std::array throttle{
    Key{"replication_lag", Use::optional,
        "the lag of a replica at which the backfill stands still, 100ms or more, or none; default 2s"},
    Key{"blocked_by_us", Use::later, "sessions that wait for weir", "remove the key"},
    Key{"lock_queue", Use::later, "sessions that wait for the table", "remove the key"},
    Key{"wal_rate", Use::later, "WAL written a second", "remove the key"},
    Key{"commit_latency", Use::later, "the time of a commit", "remove the key"},
    Key{"archive_backlog", Use::later, "WAL that is not archived yet", "remove the key"},
    Key{"slot_retention", Use::later, "WAL that a replication slot holds", "remove the key"},
    Key{"oldest_xmin", Use::later, "age of the oldest snapshot", "remove the key"},
    Key{"freeze_age", Use::later, "distance to wraparound", "remove the key"},
    Key{"active_sessions", Use::later, "sessions at work", "remove the key"},
    Key{"free_disk", Use::later, "free space on the server's disk", "remove the key"},
    Key{"sql", Use::later, "a number that a query gives", "remove the key"},
    Key{"http", Use::later, "an HTTP check", "remove the key"},
    Key{"prometheus", Use::later, "a Prometheus query", "remove the key"},
};

inline constexpr std::array locks{
    Key{"timeout", Use::optional, "the longest that one try may make others wait, 5ms to 10s; default 100ms"},
    Key{"give_up", Use::optional,
        "after this time without the lock the run stops, safe to resume, 1s or more; default 15m"},
    Key{"on_blocked", Use::optional,
        "what becomes of a session that stays in the way: wait (nothing), cancel (what it runs) or terminate (the "
        "session); default wait"},
};

/// Every operation that the design knows; those that the table does not hold are refused as not supported.
inline constexpr std::array<std::string_view, 30> operations{
    "rename_column",   "change_type",     "split_column",    "merge_columns",
    "add_column",      "set_not_null",    "rename_table",    "move_column",
    "create_table",    "sync_columns",    "stop_sync",       "fill",
    "drop_not_null",   "set_default",     "drop_default",    "add_check",
    "add_foreign_key", "add_unique",      "add_primary_key", "add_index",
    "drop_index",      "drop_constraint", "drop_column",     "drop_table",
    "add_enum_value",  "create_enum",     "set_comment",     "sql",
    "delete_rows",     "mark_applied",
};

struct Bounds {
    Millis least;
    std::optional<Millis> most;
};
inline constexpr Bounds batch_target{Millis{1}, Millis{10'000}};
inline constexpr Bounds lock_timeout{Millis{5}, Millis{10'000}};
inline constexpr Bounds lock_give_up{Millis{1000}, std::nullopt};
inline constexpr Bounds lag_limit{Millis{100}, std::nullopt};
inline constexpr int workers_max = 8;
inline constexpr int workers_auto = 4;  ///< at most, when weir chooses

}  // namespace weir::keys
