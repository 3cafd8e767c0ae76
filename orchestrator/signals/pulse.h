#pragma once
/// Writes the heartbeat of a run: what a commit of the application takes now, the time by which replicas are measured
/// (signals/heartbeat.h), and the picture that `weir status` shows from anywhere. Beside it looks how large tables are.
#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "orchestrator/machine/ledger.h"
#include "orchestrator/signals/heartbeat.h"
#include "plans/sql.h"

namespace weir {

/// A session of its own, `weir PLAN pulse`, in no transaction but the beat's own; it takes no lock that others could
/// wait for, and waits no longer than half a second for one. It is never slowed down: the measure must not depend on
/// what it leads to. A lost session is opened again, with growing rests, for as long as it takes.
///
/// A commit that waits for a synchronous standby has no end of its own: after `give_up` it is cancelled, which leaves
/// it committed on the primary alone, and the next beat is written.
///
/// Lives on `home`'s thread: constructor, methods, destructor and callbacks.
class Pulse {
  public:
    struct Config {
        std::string conninfo;
        std::string plan;  ///< for application_name
        RunId run{};
        Epoch epoch{};
        Millis period{1000};     ///< beat_period() of the limits
        Millis give_up{10'000};  ///< well above the limit of commit_latency
        /// The JSON to keep beside the beat, asked for once a second; empty: none is kept. What the server refuses to
        /// read is left out.
        std::function<std::string()> picture;
        /// Looked at every `size_period`, after a beat (signals/table_size.h). May be empty.
        std::vector<TableName> tables;
        Millis size_period{10'000};
        std::function<void(TableSized)> sized;
        /// A beat was committed: time to look at the replicas. May be empty.
        std::function<void()> beaten;
        /// Several times a second: one reading, signal `commit_latency`, value in seconds (signals/commit_latency.h),
        /// limit 0 for the caller to fill, and the steady time that it is true for. Without value as long as no beat
        /// can be written.
        std::function<void(std::vector<Reading>, Millis at)> give;
    };

    Pulse(boost::asio::any_io_executor home, Config config);
    ~Pulse();  ///< stop()
    Pulse(Pulse const&) = delete;
    Pulse& operator=(Pulse const&) = delete;

    void start();
    /// Closes the session; nothing is called back afterwards. May be called inside a callback, and again.
    void stop();
    /// Lives as long as the pulse.
    Beats const& beats() const;

  private:
    struct World;
    std::shared_ptr<World> world_;
};

}  // namespace weir
