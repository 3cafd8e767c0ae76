#pragma once
/// Replication lag by a heartbeat: the pulse (signals/pulse.h) writes beats on the primary and notes when each was
/// committed; which of them a replica shows tells how far it is behind. By our own steady clock alone: neither server's
/// clock matters. Pure; one thread at a time; times are steady and may not go back.
#include <cstdint>
#include <deque>
#include <optional>

#include "plans/event.h"

namespace weir {

/// The time between two beats: a quarter of the smallest lag limit (in seconds), at least 100 ms and at most 1 s.
Millis beat_period(std::optional<double> smallest_lag_limit);

/// When beats were committed. Bounded: of those long ago some are forgotten, evenly.
class Beats {
  public:
    explicit Beats(Millis period) : period_{period} {}

    /// `committed` is when the answer came. A number that is not above the last begins anew: another server leads, and
    /// it had received less.
    void note(std::int64_t beat, Millis committed);
    /// Nothing before the first.
    std::optional<std::int64_t> newest() const;
    Millis period() const { return period_; }

    struct Place {
        Millis committed{};           ///< of it, or of the last one before it that is remembered
        std::optional<Millis> after;  ///< when the very next one was committed, if that is remembered
    };
    /// Nothing for a beat before the first that is known.
    std::optional<Place> find(std::int64_t beat) const;

  private:
    struct Noted {
        std::int64_t beat{};
        Millis committed{};
    };
    void thin();

    Millis period_;
    std::deque<Noted> noted_;  ///< growing in both fields
};

/// How far one replica is behind: the larger of the time that the newest beat seen there took to arrive, and the age of
/// the oldest beat that is missing there. A beat that is due and was not written counts as missing, so that nothing
/// seems near only because nobody measures.
///
/// An idle primary reads what a beat takes to arrive, nearly 0; a replica that is behind steadily reads by how much;
/// one whose replay is paused, or that receives nothing, grows by a second a second. Too large by at most the time
/// between two looks. Too small by at most one period, for a replica that stopped just after a beat had arrived.
class HeartbeatLag {
  public:
    /// The newest beat that the replica shows now.
    void saw(Beats const& beats, std::int64_t beat, Millis now);
    /// In seconds. Nothing as long as the replica has not shown a beat that we wrote: it may be behind by any time.
    std::optional<double> lag(Beats const& beats, Millis now) const;
    /// A beat was written that it has not shown yet.
    bool misses(Beats const& beats) const;

  private:
    std::optional<std::int64_t> beat_;
    Millis seen_{};                  ///< when it was seen first
    std::optional<Millis> transit_;  ///< from its commit until then; none: it is not one of ours
};

}  // namespace weir
