#pragma once
/// A plan file, read and checked; what it says about the world is judged later, against a Catalog.
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "plans/event.h"
#include "plans/operation.h"

namespace weir {

enum class Gate : std::uint8_t { manual, none };

/// What becomes of a session that stays in the way of a lock.
enum class OnBlocked : std::uint8_t {
    wait,       ///< nothing
    cancel,     ///< the statement that it runs is cancelled
    terminate,  ///< the session is ended
};

struct Settings {
    Millis batch_target{50};                ///< `batch.target`: what a batch's time is aimed at
    std::optional<int> workers;             ///< `batch.workers`: 1..8; nothing for `auto`
    bool plain{};                           ///< `batch.order: plain`: page ranges, each row once, whatever it costs
    std::optional<Millis> lag_limit{2000};  ///< `throttle.replication_lag`; nothing for `none` (or `throttle: none`)
    Millis lock_timeout{100};  ///< `locks.timeout`: the longest that a statement of ours may make others wait
    Millis lock_give_up{15 * 60 * 1000};    ///< `locks.give_up`: after that the run stops, safe to resume
    OnBlocked on_blocked{OnBlocked::wait};  ///< `locks.on_blocked`
    bool operator==(Settings const&) const = default;
};

struct Plan {
    std::string name;
    std::string description;
    std::string text;                   ///< the file as it was read; the ledger keeps it
    std::string file;                   ///< for messages
    std::vector<Part> parts;            ///< in execution order: by phase; inside a phase `changes` first, then the list
    std::optional<Gate> contract_gate;  ///< nothing: the default of docs/plan.md
    bool fire_triggers{true};           ///< else batches keep the application's triggers quiet
    Place fire_triggers_at;
    Settings settings;
    /// Canonical text of `changes`, the phase lists, `gates` and `fire_triggers: no`: what may not change once the run
    /// began.
    std::string identity;
};

/// A stable 128-bit name of a text (RFC 4122 version 5 UUID): plans and programs are compared by it.
std::string fingerprint(std::string_view text);

}  // namespace weir
