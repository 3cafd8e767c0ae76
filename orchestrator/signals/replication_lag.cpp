#include "orchestrator/signals/replication_lag.h"

#include <algorithm>
#include <charconv>
#include <set>
#include <utility>

namespace weir {
namespace {

enum Column : std::size_t { application, pid, address, state, replayed, replay_lag, current, columns };

std::optional<std::int64_t> integer(std::optional<std::string> const& field) {
    if (!field) return {};
    std::int64_t number{};
    auto const* end = field->data() + field->size();
    auto const [stop, wrong] = std::from_chars(field->data(), end, number);
    if (wrong != std::errc{} || stop != end) return {};
    return number;
}

std::optional<double> number(std::optional<std::string> const& field) {
    if (!field) return {};
    double value{};
    auto const* end = field->data() + field->size();
    auto const [stop, wrong] = std::from_chars(field->data(), end, value);
    if (wrong != std::errc{} || stop != end) return {};
    return value;
}

double seconds(Millis time) { return static_cast<double>(time.count()) / 1000.0; }

Reading unread(std::string name, std::string problem) {
    Reading reading;
    reading.signal = "replication_lag";
    reading.subject = std::move(name);
    reading.unit = "s";
    reading.problem = std::move(problem);
    return reading;
}

}  // namespace

struct ReplicationLag::Sender {
    std::string application, address;
    std::int64_t pid{};
    std::optional<std::string> state;
    std::optional<std::int64_t> replayed;
    std::optional<double> replay_lag;
};

Batch ReplicationLag::measure() {
    // LSNs as byte positions. The left join keeps the row with the primary's own LSN when there is no replica.
    return {sql(R"(SELECT r.application_name, r.pid, r.address, r.state, r.replayed, r.replay_lag, w.current
FROM (SELECT pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), '0/0')::pg_catalog.int8 AS current) AS w
LEFT JOIN (
    SELECT s.application_name, s.pid, pg_catalog.host(s.client_addr) AS address, s.state,
           pg_catalog.pg_wal_lsn_diff(s.replay_lsn, '0/0')::pg_catalog.int8 AS replayed,
           (EXTRACT(epoch FROM s.replay_lag))::pg_catalog.float8 AS replay_lag
    FROM pg_catalog.pg_stat_replication AS s
    WHERE s.state IS DISTINCT FROM 'backup'
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_replication_slots AS l
                      WHERE l.active_pid = s.pid AND l.slot_type = 'logical')
) AS r ON true
ORDER BY r.application_name, r.pid)")};
}

double ReplicationLag::lag(std::int64_t replayed, std::optional<double> replay_lag, Millis now) const {
    if (auto const since = written_.since(replayed, now)) return seconds(*since);
    return std::max(seconds(written_.watched(now)), replay_lag.value_or(0));
}

Reading ReplicationLag::reading(Sender const& sender, std::string name, std::int64_t current, Millis now) const {
    if (!sender.state) {
        auto problem = "the lag of replica " + name + " cannot be read; weir's role needs pg_monitor";
        return unread(std::move(name), std::move(problem));
    }
    if (*sender.state != "streaming" && *sender.state != "catchup") {
        auto problem = "replica " + name + " is not streaming (" + *sender.state + ")";
        return unread(std::move(name), std::move(problem));
    }
    if (!sender.replayed) {
        auto problem = "replica " + name + " does not say what it has replayed";
        return unread(std::move(name), std::move(problem));
    }
    auto reading = unread(std::move(name), {});
    reading.value = lag(*sender.replayed, sender.replay_lag, now);
    reading.bytes = std::max(current - *sender.replayed, std::int64_t{0});
    return reading;
}

/// Finds for each known replica of one application_name its row, or none; a row that is left over is a new replica.
std::vector<ReplicationLag::Sender const*> ReplicationLag::place(std::vector<Replica>& replicas,
                                                                 std::vector<Sender const*> const& senders) {
    std::vector<Sender const*> placed(replicas.size());
    std::set<Sender const*> left{senders.begin(), senders.end()};
    // The same connection first, then the same machine, then whoever came instead (a replica that was given a new
    // address).
    auto const match = [&](auto const& same) {
        for (std::size_t i = 0; i < replicas.size(); ++i)
            for (auto const* sender : senders)
                if (!placed[i] && left.contains(sender) && same(replicas[i], *sender)) {
                    placed[i] = sender;
                    left.erase(sender);
                }
    };
    match([](Replica const& replica, Sender const& sender) { return replica.pid == sender.pid; });
    match([](Replica const& replica, Sender const& sender) { return replica.address == sender.address; });
    match([](Replica const&, Sender const&) { return true; });
    for (auto const* sender : senders) {
        // Visible, and has never replayed: pg_receivewal, the WAL stream of a base backup, or a standby that is
        // starting.
        if (!left.contains(sender) || (sender->state && !sender->replayed)) continue;
        for (auto& replica : replicas) replica.alive = false;
        replicas.push_back({sender->address, sender->pid, {}, true});
        placed.push_back(sender);
    }
    for (std::size_t i = 0; i < replicas.size(); ++i) {
        auto& replica = replicas[i];
        if (!placed[i]) continue;
        auto const& sender = *placed[i];
        if (replica.pid != sender.pid || replica.replayed != sender.replayed) replica.alive = true;
        replica.address = sender.address;
        replica.pid = sender.pid;
        if (sender.replayed) replica.replayed = sender.replayed;
    }
    // A replica that reconnects shows twice until the server notices that its old connection is dead. The old one never
    // moves again, and when it vanishes nobody is missing. Nor is one that could never be read: it may have been a
    // backup.
    auto const there = std::ranges::count_if(placed, [](auto const* sender) { return sender != nullptr; });
    for (std::size_t i = replicas.size(); i-- > 0;)
        if (!placed[i] && ((!replicas[i].alive && there > 0) || !replicas[i].replayed)) {
            replicas.erase(replicas.begin() + static_cast<std::ptrdiff_t>(i));
            placed.erase(placed.begin() + static_cast<std::ptrdiff_t>(i));
        }
    return placed;
}

std::vector<std::string> ReplicationLag::names(std::string const& application, std::vector<Replica> const& replicas) {
    std::string const base = application.empty() ? "walreceiver" : application;
    std::vector<std::string> names;
    std::map<std::string, int> taken;
    for (auto const& replica : replicas) {
        auto name = base;
        if (replicas.size() > 1 && !replica.address.empty()) name += "@" + replica.address;
        if (auto const count = ++taken[name]; count > 1) name += "#" + std::to_string(count);
        names.push_back(std::move(name));
    }
    return names;
}

std::vector<Reading> ReplicationLag::read(Outcome const& outcome, Millis now) {
    std::optional<std::int64_t> lsn;
    bool whole = outcome.fate == Fate::done && !outcome.rows.empty();
    std::vector<Sender> senders;
    for (auto const& row : outcome.rows) {
        if (!whole || row.fields.size() != columns || !(lsn = integer(row.fields[current]))) {
            whole = false;
            break;
        }
        // The row of the left join: no replica.
        if (!row.fields[pid]) continue;
        senders.push_back({.application = row.fields[application].value_or(""),
                           .address = row.fields[address].value_or(""),
                           .pid = integer(row.fields[pid]).value_or(0),
                           .state = row.fields[state],
                           .replayed = integer(row.fields[replayed]),
                           .replay_lag = number(row.fields[replay_lag])});
    }
    std::vector<Reading> readings;
    if (!whole) {
        auto const why = "the primary did not answer: " +
                         (outcome.message.empty() ? std::string{"no rows that weir understands"} : outcome.message);
        for (auto const& [application, replicas] : known_)
            for (auto& name : names(application, replicas)) readings.push_back(unread(std::move(name), why));
        for (auto const& name : never_seen()) readings.push_back(unread(name, why));
        if (readings.empty()) readings.push_back(unread("", why));
        return readings;
    }
    // A failover to a server that had received less begins another history.
    written_.note(*lsn, now);

    std::map<std::string, std::vector<Sender const*>> present;
    for (auto const& replica : known_) present[replica.first];
    for (auto const& sender : senders) present[sender.application].push_back(&sender);
    std::vector<Reading> gone;
    for (auto const& [application, rows] : present) {
        auto& replicas = known_[application];
        auto const placed = place(replicas, rows);
        auto const called = names(application, replicas);
        for (std::size_t i = 0; i < replicas.size(); ++i)
            if (placed[i])
                readings.push_back(reading(*placed[i], called[i], *lsn, now));
            else
                gone.push_back(unread(called[i], "replica " + called[i] + " is gone"));
        if (replicas.empty()) known_.erase(application);
    }
    std::ranges::move(gone, std::back_inserter(readings));
    for (auto const& name : never_seen()) readings.push_back(unread(name, "replica " + name + " is not there"));
    return readings;
}

std::vector<std::string> ReplicationLag::never_seen() const {
    std::vector<std::string> names;
    std::ranges::copy_if(expected_, std::back_inserter(names),
                         [&](std::string const& name) { return !known_.contains(name); });
    return names;
}

std::vector<Reading> ReplicationLag::bytes(std::vector<Reading> const& lags) {
    auto readings = lags;
    for (auto& reading : readings) {
        reading.signal = "replication_bytes";
        reading.unit = "B";
        if (reading.value) reading.value = static_cast<double>(reading.bytes);
    }
    return readings;
}

}  // namespace weir
