#pragma once
/// The door to Hinnant's date library (https://howardhinnant.github.io/date/tz.html): the time zones of the system.
///
/// They are read from /usr/share/zoneinfo (package tzdata) when the first zone is looked for, and not again: a process
/// keeps what it read. The library does not read the rule that such a file may end with, so that the file must list its
/// changes by itself, as Debian's do until 2037; later every zone stays as it is then. Safe from any thread.
#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "plans/event.h"

namespace weir {

/// What a clock on a wall shows.
using LocalMinute = std::chrono::local_time<std::chrono::minutes>;

class Zone {
  public:
    /// UTC, which needs no tzdata.
    Zone() = default;
    /// An IANA name such as `Europe/Berlin`; nothing when there is no such zone, or its file cannot be read.
    static std::optional<Zone> of(std::string_view name);

    std::string const& name() const { return name_; }
    LocalMinute local(Instant at) const;  ///< rounded down
    /// The first instant at which the clock shows `time` or later: the instant of the leap, when it leaps over it.
    Instant first(LocalMinute time) const;
    /// The instant from which on it never shows less than `time` again: where the clock is set back from behind it to
    /// before it, the second time that it comes to it.
    Instant last(LocalMinute time) const;
    /// `2026-11-23 01:00 CET`; seconds are left out.
    std::string text(Instant at) const;

    bool operator==(Zone const& other) const { return name_ == other.name_; }

  private:
    std::string name_{"UTC"};
    void const* zone_{};  ///< of the library, which keeps it; null for UTC
};

/// All that Zone::of knows, sorted; empty when the system's database is missing.
std::vector<std::string> zone_names();

}  // namespace weir
