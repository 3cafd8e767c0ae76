#pragma once
/// Which of the events people are told of, and in which words (docs/notify.md). No clock, no socket.
#include <functional>
#include <optional>
#include <set>
#include <string>

#include "orchestrator/out/notifier.h"
#include "plans/event.h"

namespace weir {

/// A listener over all connections of one `weir run`: a run that goes on after a lost connection is not told of again.
/// `held` needs events to notice that time has passed; while signals are measured there is one each second.
class Notices : public Listener {
  public:
    /// `tell` is called inside hear(). `held`: how long the run must be held before that is told.
    Notices(std::optional<Millis> held, std::function<void(Notice)> tell) : patience_{held}, tell_{std::move(tell)} {}

    void hear(Event const& event) noexcept override;

  private:
    void look(Event const& event);
    void say(std::string event, std::string text, std::map<std::string, std::string> more = {});

    std::optional<Millis> patience_;
    std::function<void(Notice)> tell_;
    Instant at_;
    std::string plan_, phase_, gate_;
    std::int64_t run_{};
    bool begun_{}, stopped_{};
    std::optional<Instant> held_since_;
    bool held_told_{};
    std::string reason_;
};

}  // namespace weir
