#pragma once
/// Joins how fast a fill or proof goes with when the schedule lets it work, and tells when it will be done.
#include <functional>
#include <optional>
#include <string>

#include "metrics/rate.h"
#include "orchestrator/machine/schedule.h"
#include "plans/event.h"

namespace weir {

/// A listener that tells an event of its own: at most one each five seconds of the events' time, and only where the
/// plan has a schedule. While the schedule is closed what was left when it closed counts; when it is open and the rate
/// of the last minute is not known, one forecast without text takes the last one back. It speaks of the step that works
/// now, not of the steps after it.
class Foreteller : public Listener {
  public:
    /// `tell` is called inside hear(), so this must be the last of the listeners that hear what it tells.
    Foreteller(Schedule schedule, std::function<void(ForecastMade)> tell)
        : schedule_{std::move(schedule)}, tell_{std::move(tell)} {}

    void hear(Event const& event) noexcept override;

  private:
    struct Work {
        std::string step, table;
        std::int64_t pages{}, pages_done{};
        bool proof{};
        Rate rate{};
        std::optional<Rate::Range> left{};  ///< as known last
        std::optional<Instant> looked{};
        bool told{};
    };
    void note(Event const& event);
    void foretell(Instant at);

    Schedule schedule_;
    std::function<void(ForecastMade)> tell_;
    std::optional<Work> work_;
    std::string proving_;  ///< the step, when its phase is proof
};

}  // namespace weir
