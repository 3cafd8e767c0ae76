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
    Key{"settings", Use::optional,
        "what expressions and fired triggers see of timezone, search_path and the like; default: what a new session of "
        "the table's owner gets"},
    Key{"role", Use::optional,
        "the role that changes the tables, and that batches run as; default: each table's owner changes it, and "
        "batches run as weir's own role"},
    Key{"replicas", Use::optional, "replicas that must be there, each by its application_name"},
    Key{"schedule", Use::optional, "when the backfill may work"},
    Key{"drop", Use::optional, "how long a dropped column or table is kept aside"},
    Key{"backup", Use::optional, "where tables are dumped to before anything of them is dropped or deleted"},
    Key{"notify", Use::optional, "who is told when a run begins, waits, is held, stops or ends"},
    Key{"approvals", Use::optional, "how many database users must approve a gate, 1 to 5; default 1"},
    Key{"on_unconvertible", Use::later, "what becomes of a value that the expression refuses", "remove the key"},
};

inline constexpr std::array gates{
    Key{"contract", Use::optional,
        "manual: the run waits before the contract phase until it is approved; none: it goes on; or when it approves "
        "itself"},
};
inline constexpr std::array gate{
    Key{"after", Use::optional, "so long after the gate opened it approves itself, 1s or more"},
    Key{"until_sql", Use::optional, "one SELECT; when it gives true the gate approves itself"},
};
inline constexpr int approvals_max = 5;

inline constexpr std::array drop{
    Key{"quarantine", Use::required,
        "so long a dropped column or table is kept aside, and `weir rollback` brings it back; 0s (the default) drops "
        "at once"},
};

inline constexpr std::array backup{
    Key{"directory", Use::required,
        "a directory that is there, on the machine where weir runs; pg_dump writes into it"},
};

/// On these may depend what an expression gives; weir's own reading and printing depends on none of them.
inline constexpr std::array session{
    Key{"search_path", Use::optional,
        "schemas in which unqualified names are looked up, in order; a list, or one text"},
    Key{"timezone", Use::optional, "time zone of timestamps, such as Europe/Berlin"},
    Key{"datestyle", Use::optional, "how dates are read and printed, such as ISO, DMY"},
    Key{"intervalstyle", Use::optional, "how intervals are printed"},
    Key{"timezone_abbreviations", Use::optional, "the set of abbreviations of time zones"},
    Key{"extra_float_digits", Use::optional, "digits of floating point numbers as text"},
    Key{"bytea_output", Use::optional, "how bytea is printed: hex or escape"},
    Key{"xmlbinary", Use::optional, "how binary values stand in XML: base64 or hex"},
    Key{"xmloption", Use::optional, "what XML is taken for: content or document"},
    Key{"array_nulls", Use::optional, "whether NULL in an array's text is NULL: on or off"},
    Key{"transform_null_equals", Use::optional, "whether x = NULL means x IS NULL: on or off"},
    Key{"default_text_search_config", Use::optional, "the text search configuration of to_tsvector(text)"},
    Key{"lc_monetary", Use::optional, "the locale of money"},
    Key{"lc_numeric", Use::optional, "the locale of to_char's numbers"},
    Key{"lc_time", Use::optional, "the locale of to_char's dates"},
};
inline constexpr std::size_t schemas_max = 32;

inline constexpr std::array batch{
    Key{"target", Use::optional, "the time that one batch is aimed at, 1ms to 10s; default 20ms"},
    Key{"workers", Use::optional,
        "batches at a time, 1 to 8, or auto: as many as raise the rate and leave commits as fast; default auto"},
    Key{"order", Use::optional,
        "auto: a few rows of each page at a time wherever that pays; plain: page by page; default auto"},
};

inline constexpr std::array throttle{
    Key{"replication_lag", Use::optional,
        "the lag of a replica at which the backfill stands still, 100ms or more, or none; default 2s"},
    Key{"replication_bytes", Use::optional, "WAL that a replica has yet to replay, such as 1GB, or none; default none"},
    Key{"blocked_by_us", Use::optional, "how long a session waits for a lock of weir's, or none; default 100ms"},
    Key{"lock_queue", Use::optional, "sessions that wait for locks on the plan's tables, or none; default 20"},
    Key{"wal_rate", Use::optional, "WAL that the whole server writes, such as 50MB/s, or none; default none"},
    Key{"commit_latency", Use::optional, "the time of a small synchronous commit, or none; default 500ms"},
    Key{"archive_backlog", Use::optional, "WAL that is not archived yet, or none; default 8GB"},
    Key{"slot_retention", Use::optional, "WAL that a replication slot keeps from being removed, or none; default 20GB"},
    Key{"oldest_xmin", Use::optional,
        "age of the oldest transaction that keeps dead rows from being removed, or none; default none"},
    Key{"freeze_age", Use::optional,
        "transactions since the oldest row that is not frozen, or none; default 1500000000"},
    Key{"active_sessions", Use::optional, "sessions of others that work at the same time, or none; default none"},
    Key{"free_disk", Use::later, "free space on the server's disk",
        "PostgreSQL does not tell it: use throttle.prometheus with the node's own metrics"},
    Key{"sql", Use::optional, "numbers that queries give, each with its limit"},
    Key{"http", Use::optional, "addresses that answer with a number or with 200 when all is well"},
    Key{"prometheus", Use::optional, "numbers that Prometheus queries give, each with its limit"},
};

/// What a limit is written in.
enum class Measure : std::uint8_t { time, size, rate, count };

/// A signal with one limit for all its readings.
struct Signal {
    std::string_view name;  ///< of the key, and of Reading::signal
    Measure measure;
    double least;                    ///< the smallest limit, in the unit of the signal
    std::optional<double> standard;  ///< the limit of a plan that says nothing
    bool writes_only;                ///< nothing that only reads can make it worse: proofs are not held by it
};

/// Why these limits, and why none for some: docs/signals.md.
inline constexpr std::array signals{
    Signal{"replication_lag", Measure::time, 0.1, 2.0, true},
    Signal{"replication_bytes", Measure::size, 1 << 20, std::nullopt, true},
    Signal{"blocked_by_us", Measure::time, 0.01, 0.1, true},
    Signal{"lock_queue", Measure::count, 1, 20, true},
    Signal{"wal_rate", Measure::rate, 1 << 10, std::nullopt, true},
    Signal{"commit_latency", Measure::time, 0.001, 0.5, false},
    Signal{"archive_backlog", Measure::size, 1 << 20, 8.0 * (1 << 30), true},
    Signal{"slot_retention", Measure::size, 1 << 20, 20.0 * (1 << 30), true},
    Signal{"oldest_xmin", Measure::time, 1, std::nullopt, true},
    Signal{"freeze_age", Measure::count, 1e6, 1.5e9, true},
    Signal{"active_sessions", Measure::count, 1, std::nullopt, false},
};

/// Of the items of throttle.sql, throttle.http and throttle.prometheus.
inline constexpr std::array sql_signal{
    Key{"name", Use::required, "what messages and metrics call it: lower-case letters, digits and hyphens, 1 to 60"},
    Key{"query", Use::required, "one SELECT that gives one number"},
    Key{"limit", Use::required, "the number at which the backfill stands still"},
};
inline constexpr std::array http_signal{
    Key{"name", Use::required, "what messages and metrics call it: lower-case letters, digits and hyphens, 1 to 60"},
    Key{"url", Use::required, "http or https, without a password; whatever is not 2xx stops the backfill"},
    Key{"limit", Use::optional, "the body is a number, and at this number the backfill stands still"},
};
inline constexpr std::array prometheus_signal{
    Key{"name", Use::required, "what messages and metrics call it: lower-case letters, digits and hyphens, 1 to 60"},
    Key{"url", Use::required, "of the Prometheus server, http or https, without a password"},
    Key{"query", Use::required, "PromQL; of several samples the largest counts"},
    Key{"limit", Use::required, "the number at which the backfill stands still"},
};
inline constexpr std::size_t custom_signals_max = 16;

/// Of an item of replicas that is a mapping.
inline constexpr std::array replica{
    Key{"name", Use::required, "its application_name, as the primary sees it"},
    Key{"dsn", Use::required, "where to read the heartbeat on it: libpq's URL or keywords, without a password"},
};
inline constexpr std::size_t replicas_max = 32;

inline constexpr std::array locks{
    Key{"timeout", Use::optional, "the longest that one try may make others wait, 5ms to 10s; default 100ms"},
    Key{"give_up", Use::optional,
        "after this time without the lock the run stops, safe to resume, 1s or more; default 15m"},
    Key{"on_blocked", Use::optional,
        "what becomes of a session that stays in the way: wait (nothing), cancel (what it runs) or terminate (the "
        "session); default wait"},
};

inline constexpr std::array notify{
    Key{"webhook", Use::optional,
        "http or https address that gets a JSON document by POST, or $NAME: the environment variable that holds it"},
    Key{"command", Use::optional,
        "program that is run, or a list of program and arguments; without a shell, with variables WEIR_…"},
    Key{"held", Use::optional, "told when the run is held so long, 1s or more, or none; default 30m"},
};
inline constexpr std::size_t command_words_max = 32;

inline constexpr std::array schedule{
    Key{"window", Use::optional, "the time of the day in which the backfill works, or a list of such windows"},
    Key{"at", Use::optional, "YYYY-MM-DD HH:MM: nothing of the backfill begins before"},
    Key{"timezone", Use::optional, "IANA name of the time zone of at, and of windows that name none; default UTC"},
    Key{"cron", Use::later, "when runs begin", "start `weir run` from cron or a systemd timer and remove the key"},
};

inline constexpr std::array window{
    Key{"days", Use::optional,
        "days on which the window begins, such as [mon-fri], [mon, thu] or [sat-mon]; default every day"},
    Key{"from", Use::required, "HH:MM at which the window begins"},
    Key{"to", Use::required, "HH:MM at which the window ends, 24:00 at most; not after from: on the next day"},
    Key{"timezone", Use::optional, "IANA name such as Europe/Berlin; default schedule.timezone"},
};

inline constexpr std::array<std::string_view, 7> days{"mon", "tue", "wed", "thu", "fri", "sat", "sun"};

/// Every operation of the language; those that the table does not hold are refused as not supported.
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
inline constexpr Bounds quarantine{Millis{0}, Millis{std::int64_t{3650} * 24 * 3600 * 1000}};
inline constexpr Bounds gate_after{Millis{1000}, std::nullopt};
inline constexpr Bounds batch_target{Millis{1}, Millis{10'000}};
inline constexpr Bounds lock_timeout{Millis{5}, Millis{10'000}};
inline constexpr Bounds notify_held{Millis{1000}, std::nullopt};
inline constexpr Bounds lock_give_up{Millis{1000}, std::nullopt};
inline constexpr int workers_max = 8;
inline constexpr int workers_auto = 4;  ///< at most, when weir chooses

}  // namespace weir::keys
