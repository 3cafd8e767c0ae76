#pragma once
/// How far the physical replicas are behind, asked of the primary alone. It measures and never judges: the limit and
/// the decision are the pace controller's (machine/pace.h).
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "orchestrator/machine/protocol.h"
#include "orchestrator/signals/trail.h"

namespace weir {

/// Turns rows of pg_stat_replication into readings.
///
/// The server's replay_lag is NULL on an idle primary and keeps its last value while replay is paused, so the lag is
/// estimated here: the primary's LSN is remembered at every measurement, and a replica is behind by the age of the
/// point that it has replayed, as if what lies between two measurements had been written evenly. So an idle primary
/// reads 0, a paused replica grows by a second a second, and while WAL is written evenly, as a fill does, the estimate
/// is right to the round trip; else it is wrong by one poll at most (or 3 % when far behind, because the memory is
/// bounded). For a replica that is behind the first measurement it is the larger of
/// replay_lag and the time since that measurement.
///
/// A replica that was seen once and is missing now is a reading without value: `replica r1 is gone`. So is one that is
/// expected and was never seen: `replica r1 is not there`. Replicas that
/// share an application_name are told apart by address and number (`walreceiver@10.0.0.7`, `walreceiver#2`); a replica
/// that reconnects keeps its place, whatever its new pid or address. Logical subscribers, base backups and receivers
/// that only store WAL are no replicas.
///
/// Pure; one thread at a time. Times are steady and may not go back.
class ReplicationLag {
  public:
    /// `expected` are application_names; at least one replica of each must be there.
    explicit ReplicationLag(std::vector<std::string> expected = {}) : expected_{std::move(expected)} {}

    /// One SELECT, for the eye session of a primary. Needs pg_monitor (or pg_read_all_stats) to see others' rows.
    /// On a replica it fails, and so does the reading.
    static Batch measure();

    /// One reading a replica, those that are there first and in the order of their names: signal `replication_lag`,
    /// value in seconds, `bytes` not replayed yet, limit 0 for the caller to fill. Empty when no replica was ever seen
    /// and none is expected. A measurement that failed gives one reading without value for each replica that is known,
    /// or a single one without subject when none is.
    std::vector<Reading> read(Outcome const& outcome, Millis now);

    /// The same readings as signal `replication_bytes`: how much WAL each replica has yet to replay, in bytes (`B`).
    static std::vector<Reading> bytes(std::vector<Reading> const& lags);

  private:
    struct Sender;
    struct Replica {
        std::string address;  ///< empty: not known, or a local socket
        std::int64_t pid{};
        std::optional<std::int64_t> replayed;  ///< none: it could never be read
        /// Has moved since the last of its name arrived: if not, it may be that one's own dead connection.
        bool alive{true};
    };

    std::vector<std::string> never_seen() const;
    double lag(std::int64_t replayed, std::optional<double> replay_lag, Millis now) const;
    Reading reading(Sender const& sender, std::string name, std::int64_t current, Millis now) const;
    std::vector<Sender const*> place(std::vector<Replica>& replicas, std::vector<Sender const*> const& senders);
    static std::vector<std::string> names(std::string const& application, std::vector<Replica> const& replicas);

    std::vector<std::string> expected_;
    Trail written_;                                      ///< of the primary's LSN
    std::map<std::string, std::vector<Replica>> known_;  ///< by application_name
};

}  // namespace weir
