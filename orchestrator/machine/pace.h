#pragma once
/// How fast the backfill may go, decided from what was measured. Pure: no clock, no socket; copyable.
///
/// The load of a reading is value / limit. Above 1 it stops at once, and goes on at `go_again`. Below, the pace (the
/// share of the time in which a worker works) is moved on a scale of logarithms, for each reading by a
/// proportional-integral rule; the lowest of these paces counts (a selector of limits):
///
///     level  grows while the load is below `target`, by `rise` a second at most (by `sprint` while the load is below
///            `idle` and a lag below `blur`, by `dash` while they are below a tenth of the limit and of `blur`), and
///            ever less as it comes near: by the cube of the room that is left for a lag, by its power 1.8, from half
///            of the target on, for others. Above the target it shrinks by `fall` times the excess; for a lag of T
///            seconds by 1 / (1 + 4 T) of that
///     ln pace = level - brake · ln(1 + lag / blur)
///
/// The second term is for the replication lag alone. A lag sums up what is written too fast and shows it no
/// sooner than it lasts itself: its rule has to brake before the load is high, and move more slowly the longer the lag.
/// Every other signal follows the pace within a poll or two, and the level alone is enough. On the logarithmic scale
/// the growth of a lag does not depend on how fast the replica is, so the rule needs no figure of the servers.
///
/// The pace falls at once and rises as slowly as its level. Of a rule that asks for more than the pace is, only a
/// little is remembered (`slack`, or a step of that rise), or it would leap as soon as what holds it back lets go; what
/// rises only at full pace is not bounded so, up to the brake of a load of `free`: noise below that costs nothing.
/// Source: K. J. Åström, T. Hägglund, Advanced PID Control (ISA, 2006), chapters 3 (anti-windup by tracking) and 5
/// (selectors); the slow start and the cut at a stop are those of RFC 5681.
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "orchestrator/machine/protocol.h"

namespace weir {

/// What became of one reading.
struct Judged {
    Reading reading;
    std::optional<double> load;  ///< nothing: not read, or no limit
    std::optional<Millis> age;   ///< nothing: never measured
    bool stops{};                ///< alone, it would hold a step that writes
    bool worst{};                ///< it holds us back now: it stops, or the pace is its pace
    bool operator==(Judged const&) const = default;
};

struct Pace {
    bool go{true};
    bool may_write{true};  ///< `go` of a step that writes: a proof that goes must not repair rows while this is false
    double pace{1};        ///< (0, 1]; also while it stops: what it will go on with
    /// What holds it back, with figures, in the readings' order: `replication lag of r1 is 3.2 s, limit 2 s`; while it
    /// goes the one reading whose pace it is: `replication lag of r1 is 1.7 s, limit 2 s: pace 40 %`. These begin
    /// with the signal's name in words. While it only rises: `pace 25 %, rising: no signal is near its limit`. Empty at
    /// pace 1.
    std::vector<std::string> reasons;
    bool rising{};               ///< below 1 only because it may not rise faster: no load is near its limit
    std::string worst;           ///< name of the signal of the first reason; empty at pace 1
    std::vector<Judged> judged;  ///< every reading, in the readings' order
    bool operator==(Pace const&) const = default;
};

/// Fails closed: what could not be read, was never measured, or was measured too long ago, stops.
///
/// Each reading (by signal and subject) remembers for itself whether it stopped; who is measured no more is forgotten.
/// A limit of 0 or less is none: such a reading is for the display, and neither stops nor slows.
class PaceController {
  public:
    static constexpr double target = 0.8;    ///< load, where it settles
    static constexpr double go_again = 0.8;  ///< load
    static constexpr double free = 0.6;      ///< load; at full pace nothing brakes below it
    static constexpr double floor = 0.05;    ///< the lowest pace: what we do not cause never holds us for ever
    static constexpr double start = 0.1;     ///< the first pace, when there is a limit
    static constexpr double rise = 0.25;     ///< of ln pace, a second
    static constexpr double sprint = 0.6;    ///< the same while the load is below `idle`, and a lag below `blur`
    static constexpr double idle = 0.25;     ///< load
    static constexpr double dash = 2;  ///< the same while the load is below `faint`, and a lag below so much of `blur`
    static constexpr double faint = 0.1;  ///< load
    static constexpr double fall = 0.5;   ///< of ln pace, a second, for an excess of 1
    static constexpr double brake = 0.9;
    static constexpr Millis blur{500};  ///< readings closer than this are smoothed; half of a limit below 1 s
    static constexpr double cut = 0.3;  ///< of ln pace, at a stop
    /// So far below the pace of its last stop a signal that is no lag stays for some seconds: the bound rises by
    /// `forget` times the cube of the seconds since (RFC 9438).
    static constexpr double recall = 0.1;     ///< of ln pace
    static constexpr double forget = 0.0002;  ///< of ln pace
    /// Held so long by a load between `go_again` and the limit, of which nothing is ours, it goes on at the floor.
    static constexpr Millis patience{30'000};
    /// A signal whose readings may be older than this is measured too seldom to be followed: it only stops and lets go.
    static constexpr Millis slow{4000};
    static constexpr double slack = 0.3;  ///< of ln pace

    /// `measured` is when the readings came (for those without a time of their own), or nothing before the first ones;
    /// `max_age` is how old they may be: three polls, for those without an age of their own. All times are steady. Call
    /// it with every measurement and, so that silence is noticed, before every batch; the same readings may be judged
    /// again. When no signal is asked for (`throttle: none`) do not ask at all: no readings at all are an old
    /// measurement too. `writes`: the step writes; else what is `writes_only` neither holds nor slows it.
    Pace judge(std::vector<Reading> const& readings, std::optional<Millis> measured, Millis now, Millis max_age,
               bool writes = true);

    /// A step begins after a time in which nothing could be learnt: from `start`, or from where it is if that is less.
    void begin();

  private:
    struct Rule {
        bool held{};
        std::optional<Millis> at;  ///< of the last measurement; nothing: it begins anew
        double load{};             ///< smoothed
        double level{};
        double stopped_at{};            ///< ln pace at its last stop
        std::optional<Millis> stopped;  ///< the end of that stop; not of a lag
        std::optional<Millis> below;    ///< held, but since then not above its limit
        double wish{};                  ///< ln pace
        bool rises{};                   ///< only `rise` keeps it
    };
    /// How a reading answers.
    struct Gains;
    void move(Rule& rule, Reading const& reading, Millis at, bool go) const;

    std::map<std::pair<std::string, std::string>, Rule> rules_;  ///< by signal and subject
    std::optional<double> log_pace_;                             ///< nothing: nothing was limited yet
    bool went_{};
};

inline constexpr Millis longest_rest{2000};

/// How long a worker rests after something that took `took`, at this pace. REQUIRES pace > 0.
Millis rest_after(Millis took, double pace);

}  // namespace weir
