#pragma once
/// Measures what the primary answers in SQL.
#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "orchestrator/machine/protocol.h"
#include "orchestrator/postgres/session.h"
#include "orchestrator/run/alarm.h"
#include "orchestrator/signals/signal.h"
#include "plans/plan.h"

namespace weir {

/// A reading of the eye is no older than this when it counts.
inline constexpr Millis least_age{2000};

/// By the clock that readings bear.
Millis steady_now();

/// A signal of the primary with its poll.
struct Due {
    std::string key;  ///< signal, and the name of a query
    std::unique_ptr<Signal> signal;
    Millis every{};
    Millis next{};
};

/// What the limits ask for. `queries`: the plan's own, so that a slow one delays no other; else all but those.
std::vector<Due> dues_of(Settings const& settings, std::string const& plan, std::vector<TableName> const& tables,
                         bool queries);

/// Asks the primary for each signal when it is due, one after the other on one session. While there is none, each says
/// why. Lives on the io_context's thread.
class Eye {
  public:
    /// `name`: of the session. `give` gets what came of each question, with the steady time that it is true for.
    Eye(boost::asio::io_context& io, std::string conninfo, std::string name,
        std::function<void(std::string const& key, std::vector<Reading>)> give);

    /// From the next question on.
    void ask_for(std::vector<Due> dues);
    /// Closes the session; nothing is given afterwards.
    void stop();

  private:
    void connect();
    void next();
    void lost(Outcome const& outcome);
    void tell(Due& due, Outcome const& outcome, Millis at);
    void after(Millis time, std::function<void()> then);

    boost::asio::io_context& io_;
    std::string conninfo_, name_;
    std::function<void(std::string const&, std::vector<Reading>)> give_;
    Alarm timer_;
    std::vector<Due> dues_;
    Due* asking_{};
    std::unique_ptr<Session> session_;
    bool stopped_{};
};

}  // namespace weir
