#pragma once
/// Looks at replicas themselves: which heartbeat they show (signals/heartbeat.h).
#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "orchestrator/machine/ledger.h"
#include "orchestrator/signals/heartbeat.h"
#include "plans/plan.h"

namespace weir {

/// One session, `weir PLAN replica`, for each replica that has an address; nothing is written there, and no transaction
/// outlasts its one SELECT. It looks when a beat was committed, and closer (ten times a period, 25 to 100 ms) while one
/// is missing. A query that the standby cancels because replay must go on is simply asked again; a session that is lost
/// is opened again, with growing rests.
///
/// Lives on `home`'s thread: constructor, methods, destructor and callbacks.
class ReplicaWatch {
  public:
    struct Config {
        std::string plan;  ///< for application_name
        RunId run{};
        std::vector<Replica> replicas;  ///< of the plan; those without an address are passed over
        /// Several times a second: one reading a replica, in the plan's order: signal `replication_lag`, the subject
        /// its name, value in seconds (HeartbeatLag), limit 0 for the caller to fill, and the steady time that they are
        /// true for. Without value when the replica cannot be reached or read, is no replica, or has not shown a
        /// beat of this pulse yet.
        std::function<void(std::vector<Reading>, Millis at)> give;
    };

    /// `beats` are those of the run's Pulse and must outlive this.
    ReplicaWatch(boost::asio::any_io_executor home, Config config, Beats const& beats);
    ~ReplicaWatch();  ///< stop()
    ReplicaWatch(ReplicaWatch const&) = delete;
    ReplicaWatch& operator=(ReplicaWatch const&) = delete;

    void start();
    /// Closes the sessions; nothing is called back afterwards. May be called inside a callback, and again.
    void stop();
    /// A beat was committed. Cheap.
    void look();

  private:
    struct World;
    std::shared_ptr<World> world_;
};

/// One list of both ways: for a replica that is watched itself its own reading takes the place of the primary's
/// estimate, with the bytes that the primary knows.
std::vector<Reading> joined(std::vector<Reading> by_primary, std::vector<Reading> const& by_heartbeat);

}  // namespace weir
