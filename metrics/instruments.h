#pragma once
/// The Prometheus side of the event stream: counts what it hears, and writes it out when asked. docs/metrics.md lists
/// every series; a test holds that list against this code.
#include <memory>
#include <string>

#include "plans/event.h"

namespace weir {

/// Needs nothing but events: no clock (the time is that of the last event), no thread, no socket.
///
/// Promises: no NaN, ever; a figure that is not known is left out. Labels are the plan, table and replica, and else
/// words from closed sets, so the number of series is bounded by the plan. Series in a stable order. Row and page
/// counts are gauges, because they may fall when a run goes on after a failover or an abort.
///
/// hear() and text() are called on the io thread, and on no other: a scrape sees whole events.
class Instruments : public Listener {
  public:
    /// `version` is weir's own, for weir_build_info.
    explicit Instruments(std::string version);
    ~Instruments() override;
    Instruments(Instruments const&) = delete;
    Instruments& operator=(Instruments const&) = delete;

    void hear(Event const& event) noexcept override;
    /// The text exposition format, version 0.0.4.
    std::string text() const;

  private:
    struct World;
    std::unique_ptr<World> world_;
};

}  // namespace weir
