#pragma once
/// The one line that shows a run on a terminal, and what it is made of. Pure: time is that of the events.
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "metrics/rate.h"
#include "plans/event.h"

namespace weir {

/// The fill or proof that goes on.
struct Work {
    std::string step, table;
    bool proof{};
    std::int64_t pages{}, pages_done{}, rows_estimate{}, rows_done{};
    std::int64_t written{}, hot{};  ///< by this process
    Rate page_rate{}, row_rate{};

    void add(BatchDone const& batch, Instant at);
    /// 0 to 100.
    int percent() const;
    /// `1200 of about 50000 rows`.
    std::string counts() const;
    /// `81 % in place`: updates whose new version stayed on its page. Nothing for a proof, and before the first.
    std::optional<std::string> in_place() const;
    /// `7 to 9 min left`; nothing while no rate is known.
    std::optional<std::string> time_left(Instant at) const;
};

/// What a run does now, as far as it is shown. Empty texts: nothing of that kind.
struct Shown {
    std::string plan, phase, title;
    std::string waiting;                 ///< at which gate
    std::string paused;                  ///< by whom
    std::vector<std::string> reasons;    ///< of a pace below 1; empty: unhindered
    bool held{};                         ///< else only slowed
    int busy_tries{};                    ///< for the locks of the step
    std::string waits_for;               ///< who is in the way of them
    std::optional<std::int64_t> dumped;  ///< bytes of the dump so far
    std::optional<Work> work;
    ForecastMade forecast;
    struct Lag {
        Instant at;
        std::optional<Millis> lag;
    };
    std::map<std::string, Lag> lags;  ///< by replica
    bool over{};                      ///< nothing is shown any more
};

/// The line, not cut to any width.
std::string line_of(Shown const& shown, Instant at);

/// `40 ms`, `2.5 s`, `3 min 20 s`, `5 h 10 min`, `2 d 3 h`.
std::string duration(Millis time);
/// `1.5 GB written`.
std::string dumped_words(std::int64_t bytes);

}  // namespace weir
