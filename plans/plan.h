#pragma once
/// A plan file, read and checked; what it says about the world is judged later, against a Catalog.
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "plans/event.h"
#include "plans/operation.h"
#include "plans/sql.h"
#include "plans/zone.h"

namespace weir {

enum class Gate : std::uint8_t {
    manual,
    none,
    after,      ///< approves itself some time after it opened; a person may be earlier
    until_sql,  ///< approves itself when a query gives true; a person may be earlier
};

/// A signal that the plan itself describes.
struct CustomSignal {
    std::string name;
    std::string url;                ///< http, prometheus
    std::string query;              ///< prometheus
    std::optional<UserExpr> ask{};  ///< sql: the query in brackets, one expression by libpg_query's word
    std::optional<double> limit{};  ///< http: nothing when the answer's status alone counts
    bool operator==(CustomSignal const&) const = default;
};

/// When the backfill slows down and stands still (`throttle`).
struct Throttle {
    /// By the names of keys::signals, in the signal's unit: seconds, bytes, bytes a second, or a number. Absent: none.
    std::map<std::string, double, std::less<>> limits;
    std::vector<CustomSignal> sql, http, prometheus;
    std::set<std::string, std::less<>> named;  ///< limits that the plan itself gives; the others are weir's own

    std::optional<double> limit(std::string_view signal) const {
        auto const found = limits.find(signal);
        return found == limits.end() ? std::nullopt : std::optional{found->second};
    }
    bool none() const { return limits.empty() && sql.empty() && http.empty() && prometheus.empty(); }
    bool operator==(Throttle const&) const = default;
};
/// The limits of a plan that says nothing (keys::signals).
Throttle standard_throttle();

/// A standby that must be there.
struct Replica {
    std::string name;  ///< its application_name, as the primary sees it
    std::string dsn;   ///< libpq's URL or keywords, without a password; empty: it is seen from the primary alone
    bool operator==(Replica const&) const = default;
};

/// A time of the day on some days of the week. It begins when the clock of its zone first shows `from` or later and
/// ends when that last shows less than `to`, whatever the clock is set to in between.
struct Window {
    static constexpr std::uint8_t every_day = 0b111'1111;
    std::uint8_t days{every_day};  ///< on which it begins; bit 0 is Monday
    /// Since midnight, from 00:00 to below 24:00, and to 24:00; not equal, and `to` below `from` is on the next day.
    std::chrono::minutes from{}, to{};
    Zone zone;
    bool operator==(Window const&) const = default;
};

/// When the backfill may work: inside any of the windows, where there are some, and not before `at`.
struct Schedule {
    std::vector<Window> windows;
    std::optional<Instant> at;
    Zone zone;  ///< `schedule.timezone`: that of `at`, and of windows that name none
    bool operator==(Schedule const&) const = default;
};

/// What becomes of a session that stays in the way of a lock.
enum class OnBlocked : std::uint8_t {
    wait,       ///< nothing
    cancel,     ///< the statement that it runs is cancelled
    terminate,  ///< the session is ended
};

struct Settings {
    Millis batch_target{20};     ///< `batch.target`: what a batch's time is aimed at
    std::optional<int> workers;  ///< `batch.workers`: 1..8; nothing for `auto`
    bool plain{};                ///< `batch.order: plain`: page ranges, each row once, whatever it costs
    Throttle throttle{standard_throttle()};
    Millis lock_timeout{100};  ///< `locks.timeout`: the longest that a statement of ours may make others wait
    Millis lock_give_up{15 * 60 * 1000};  ///< `locks.give_up`: after that the run stops, safe to resume
    std::vector<Replica> replicas;        ///< `replicas`; those that must be there, beside any that are seen
    Schedule schedule{};
    OnBlocked on_blocked{OnBlocked::wait};  ///< `locks.on_blocked`
    bool operator==(Settings const&) const = default;
};

/// Who is told of what becomes of a run (`notify`).
struct Notify {
    /// http or https without a user or password, or `$NAME`: the address is in that environment variable, so that a
    /// secret in it is neither in the plan nor in the ledger. Empty: nobody.
    std::string webhook;
    std::vector<std::string> command;            ///< program and arguments, run without a shell; empty: none
    Place command_at;                            ///< of `command`; whoever runs must allow it
    std::optional<Millis> held{30 * 60 * 1000};  ///< told when the run is held so long; nothing for `none`
    bool operator==(Notify const&) const = default;
};

/// What the plan's expressions and what its batches fire shall see (`settings`), in place of what the owner has.
struct PlanSetting {
    std::string name;                    ///< of keys::session
    std::string value;                   ///< as set_config() takes it; of search_path nothing
    std::vector<std::string> schemas{};  ///< of search_path; `$user` is the schema named as the table's owner
    Place place{};
    bool operator==(PlanSetting const&) const = default;
};

struct Plan {
    std::string name;
    std::string description;
    std::string text;                   ///< the file as it was read; the ledger keeps it
    std::string file;                   ///< for messages
    std::vector<Part> parts;            ///< in execution order: by phase; inside a phase `changes` first, then the list
    std::optional<Gate> contract_gate;  ///< nothing: the default of docs/plan.md
    Millis gate_after{};                ///< of Gate::after
    std::optional<UserExpr> gate_until;  ///< of Gate::until_sql: the query in brackets
    Millis quarantine{};                 ///< `drop.quarantine`: what is dropped stays aside so long; 0: dropped at once
    std::string backup;                  ///< `backup.directory`; empty: nothing is dumped
    int approvals{1};                    ///< so many database users must approve a gate
    bool fire_triggers{true};            ///< else batches keep the application's triggers quiet
    Place fire_triggers_at;
    std::vector<PlanSetting> session;  ///< `settings`, by name
    /// `role`: who changes the tables, and whom batches run as. Nothing: each table's owner changes it, and batches run
    /// as weir's own role.
    std::optional<Ident> role;
    Place role_at;
    Settings settings;
    Notify notify;
    /// Canonical text of `changes`, the phase lists, `gates`, `drop`, `fire_triggers: no`, `settings`, `role` and
    /// whether there is a `backup`: what may not change once the run began.
    std::string identity;
};

/// A stable 128-bit name of a text (RFC 4122 version 5 UUID): plans and programs are compared by it.
std::string fingerprint(std::string_view text);

}  // namespace weir
