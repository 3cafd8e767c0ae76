#pragma once
/// What people are told of a run, in lines that last. Pure: time is that of the events.
#include <functional>
#include <string>
#include <utility>

#include "orchestrator/cli/line.h"
#include "plans/event.h"

namespace weir {

enum class Weight : std::uint8_t {
    notable,  ///< what one has to know
    detail,   ///< what belongs into a log
};

/// Follows the events: tells of them, and keeps what is shown up to date.
class Words {
  public:
    /// `tell` is called inside hear(), in order, with lines without their ends; `shown` must outlive it.
    Words(Audience audience, Shown& shown, std::function<void(Weight, std::string const&)> tell)
        : audience_{audience}, shown_{shown}, tell_{std::move(tell)} {}

    void hear(Event const& event);

  private:
    struct Teller;
    void say(std::string const& text) { tell_(Weight::notable, text); }
    void detail(std::string const& text) { tell_(Weight::detail, text); }
    void more(Sealed const& lines);
    void hint(std::string const& text);
    void leave_step();

    Audience audience_;
    Shown& shown_;
    std::function<void(Weight, std::string const&)> tell_;
    bool proving_{};
    std::string pids_;  ///< of who is in the way
    Instant held_since_, lock_said_, dump_said_, work_said_;
    int percent_said_{};
};

}  // namespace weir
