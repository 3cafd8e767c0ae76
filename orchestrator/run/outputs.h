#pragma once
/// Who hears of a run, over all its connections: the display, the metrics, the people who are told, the page.
#include <boost/asio/io_context.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "metrics/instruments.h"
#include "orchestrator/out/notifier.h"
#include "orchestrator/run/dashboard.h"
#include "orchestrator/run/interrupts.h"
#include "orchestrator/run/notices.h"
#include "orchestrator/run/run.h"

namespace weir {

/// On the io thread.
class Outputs {
  public:
    /// Makes the display, and nothing else yet. All of these outlive it.
    Outputs(boost::asio::io_context& io, Interrupts const& interrupts, RunRequest const& request);

    /// The webhook's address, or that of `http`, may be none that works.
    std::optional<Problem> start();

    /// An event from outside a machine, for everybody.
    void say(decltype(Event::what) what);
    /// All but the page, in the order in which they hear.
    std::vector<Listener*> listeners() { return {&instruments_, display_.get(), &notices_}; }
    /// It hears after the others. Nothing: nobody asked for it.
    DashboardServer* dashboard() { return dashboard_.get(); }

    /// After the last event: runs the io_context until everybody was told, and the page was scraped once more where
    /// that is waited for. An interrupt ends the waiting.
    void finish();

  private:
    void warn(std::string message, std::string hint);
    template <class Over>
    bool wait(Millis most, Over const& over);

    boost::asio::io_context& io_;
    Interrupts const& interrupts_;
    RunRequest const& request_;
    Instruments instruments_;
    std::unique_ptr<Listener> display_;
    std::unique_ptr<Notifier> notifier_;
    Notices notices_;
    std::unique_ptr<DashboardServer> dashboard_;
};

/// The wall clock, as events bear it.
Instant wall_now();

}  // namespace weir
