#pragma once
/// Measures every signal of a run and gives the readings to whoever judges them.
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "orchestrator/machine/ledger.h"
#include "orchestrator/machine/protocol.h"
#include "orchestrator/postgres/ask.h"
#include "plans/plan.h"
#include "plans/sql.h"

namespace boost::asio {
class io_context;
}

namespace weir {

/// Sessions: the pulse (heartbeat and picture), the eye (what the primary answers in SQL), the asker (the plan's own
/// queries, so that a slow one delays no other; only when there are any), and one for each replica with an address.
///
/// Each signal has a poll of its own; the readings of all are given together, each with the steady time that it is true
/// for. As long as a signal has not been measured yet it is a reading without value. Limits are for the caller to fill.
/// With `throttle: none` only the pulse beats.
///
/// Hears SettingChanged: what is measured follows the limits. Lives on the io_context's thread.
class Watch : public Listener {
  public:
    struct Config {
        std::string conninfo, plan;
        RunId run{};
        Epoch epoch{};
        Settings settings;
        std::vector<TableName> tables;         ///< that the plan works on
        std::function<std::string()> picture;  ///< JSON for `weir status`, asked for once a second
        std::function<void(Measured)> give;
        std::function<void(TableSized)> sized;
    };

    Watch(boost::asio::io_context& io, Config config);
    ~Watch() override;  ///< stop()
    Watch(Watch const&) = delete;
    Watch& operator=(Watch const&) = delete;

    void start();
    /// Closes the sessions; nothing is given afterwards. May be called inside a callback, and again.
    void stop();
    void hear(Event const& event) noexcept override;

  private:
    struct World;
    std::shared_ptr<World> world_;
};

/// What the settings ask for and this role may not read, found by measuring each signal once. A limit that the plan
/// names is a problem; one that is only weir's own default is taken out of `settings`, and a warning says so.
struct Unreadable {
    Problems problems;
    std::vector<Warned> warnings;
};
Unreadable try_signals(Asker& asker, std::string const& plan, std::vector<TableName> const& tables, Settings& settings);

}  // namespace weir
