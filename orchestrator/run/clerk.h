#pragma once
/// Hears what operators order.
#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <functional>
#include <set>
#include <string>

#include "orchestrator/machine/ledger.h"
#include "orchestrator/machine/protocol.h"
#include "orchestrator/postgres/ask.h"
#include "orchestrator/postgres/ear.h"
#include "orchestrator/postgres/session.h"
#include "orchestrator/run/alarm.h"

namespace weir {

/// Reads orders from the ledger when the ear wakes, and slowly beside it: a black hole sends nothing. Each order is
/// given once. Lives on the io_context's thread.
class Clerk {
  public:
    /// `session`: the control session, which must outlive it.
    Clerk(boost::asio::io_context& io, std::string const& conninfo, std::string plan, RunId run, Session& session);

    /// Gives what was ordered before: a gate that is approved already must not be waited for. Not while the io_context
    /// runs.
    void catch_up(Asker& asker, std::function<void(Ordered)> give);
    /// `lost`: the control session is.
    void start(std::function<void(Lost)> lost);
    /// Nothing is given afterwards. May be called inside a callback.
    void stop();

  private:
    void listen();
    void listen_later();
    void poll();
    void read();
    void take(Outcome const& outcome);

    Ear ear_;
    std::string plan_;
    RunId run_;
    Session& control_;
    Alarm poll_, again_;
    std::function<void(Ordered)> give_;
    std::function<void(Lost)> lost_;
    std::set<std::int64_t> taken_;
    bool stopped_{};
};

}  // namespace weir
