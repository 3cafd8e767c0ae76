#include "orchestrator/run/eye.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <optional>
#include <utility>

#include "orchestrator/signals/replication_lag.h"
#include "orchestrator/signals/signals.h"
#include "plans/keys.h"

namespace weir {
namespace {

constexpr Millis reconnect_rest{1000};
constexpr Limits small{Millis{1000}, Millis{1500}, Millis{2000}};

/// Between two measurements: what the fill moves at once is looked at often, what takes hours seldom.
Millis poll_of(std::string_view signal, std::optional<double> limit) {
    struct Poll {
        std::string_view signal;
        Millis every;
    };
    static constexpr std::array polls{Poll{"replication_lag", Millis{250}},  Poll{"blocked_by_us", Millis{250}},
                                      Poll{"lock_queue", Millis{250}},       Poll{"wal_rate", Millis{500}},
                                      Poll{"active_sessions", Millis{500}},  Poll{"oldest_xmin", Millis{2000}},
                                      Poll{"archive_backlog", Millis{5000}}, Poll{"slot_retention", Millis{5000}},
                                      Poll{"freeze_age", Millis{10'000}}};
    auto const* const found =
        std::find_if(polls.begin(), polls.end(), [&](auto const& p) { return p.signal == signal; });
    auto const every = found == polls.end() ? Millis{1000} : found->every;
    // A lag may read too large by one poll: under a small limit the polls must be closer, or it would hold for ever.
    if (signal == "replication_lag" && limit)
        return std::clamp(Millis{static_cast<std::int64_t>(*limit * 250)}, Millis{25}, every);
    return every;
}

/// The lag as one of the others.
class LagSignal : public Signal {
  public:
    explicit LagSignal(std::vector<std::string> expected) : lag_{std::move(expected)} {}
    Batch measure() const override { return ReplicationLag::measure(); }
    std::vector<Reading> read(Outcome const& outcome, Millis now) override {
        auto lags = lag_.read(outcome, now);
        auto const bytes = ReplicationLag::bytes(lags);
        lags.insert(lags.end(), bytes.begin(), bytes.end());
        return lags;
    }

  private:
    ReplicationLag lag_;
};

/// Those that the primary must show; the others are asked themselves.
std::vector<std::string> names_of(std::vector<Replica> const& replicas) {
    std::vector<std::string> names;
    for (auto const& replica : replicas)
        if (replica.dsn.empty()) names.push_back(replica.name);
    return names;
}

}  // namespace

Millis steady_now() { return std::chrono::duration_cast<Millis>(std::chrono::steady_clock::now().time_since_epoch()); }

std::vector<Due> dues_of(Settings const& settings, std::string const& plan, std::vector<TableName> const& tables,
                         bool queries) {
    auto const& throttle = settings.throttle;
    std::vector<Due> dues;
    if (queries) {
        Asked asked{plan, {}, tables, {}};
        for (auto const& one : throttle.sql)
            if (one.ask) asked.sql.push_back({one.name, *one.ask});
        auto signals = signals_of(asked);
        for (std::size_t i = 0; i < signals.size(); ++i)
            dues.push_back({"sql " + asked.sql[i].name, std::move(signals[i]), poll_of("sql", {}), {}});
        return dues;
    }
    if (throttle.limit("replication_lag") || throttle.limit("replication_bytes") || !settings.replicas.empty())
        dues.push_back({"replication_lag",
                        std::make_unique<LagSignal>(names_of(settings.replicas)),
                        poll_of("replication_lag", throttle.limit("replication_lag")),
                        {}});
    for (auto const& signal : keys::signals) {
        if (!throttle.limit(signal.name)) continue;
        Asked const asked{plan, {std::string{signal.name}}, tables, {}};
        for (auto& one : signals_of(asked))
            dues.push_back(
                {std::string{signal.name}, std::move(one), poll_of(signal.name, throttle.limit(signal.name)), {}});
    }
    return dues;
}

Eye::Eye(boost::asio::io_context& io, std::string conninfo, std::string name,
         std::function<void(std::string const& key, std::vector<Reading>)> give)
    : io_{io},
      conninfo_{std::move(conninfo)},
      name_{std::move(name)},
      give_{std::move(give)},
      timer_{io.get_executor()} {}

void Eye::ask_for(std::vector<Due> dues) {
    dues_ = std::move(dues);
    asking_ = nullptr;
    if (!session_ && !dues_.empty() && !stopped_) connect();
}

void Eye::stop() {
    stopped_ = true;
    timer_.cancel();
    session_.reset();
}

void Eye::connect() {
    session_ = std::make_unique<Session>(io_.get_executor(), conninfo_, SessionRole{name_, false});
    session_->connect([this](Outcome outcome) {
        if (outcome.fate == Fate::done)
            next();
        else
            lost(outcome);
    });
}

void Eye::next() {
    if (dues_.empty()) return after(least_age, [this] { next(); });
    auto& due =
        *std::min_element(dues_.begin(), dues_.end(), [](Due const& a, Due const& b) { return a.next < b.next; });
    auto const now = steady_now();
    if (due.next > now) return after(due.next - now, [this] { next(); });
    asking_ = &due;
    auto const sent = now;
    session_->execute(due.signal->measure(), Transaction::implicit, small, [this, sent](Outcome outcome) {
        if (asking_) {
            auto& asked = *std::exchange(asking_, nullptr);
            asked.next = sent + asked.every;
            tell(asked, outcome, sent);
        }
        if (stopped_) return;
        if (outcome.fate == Fate::lost || outcome.fate == Fate::in_doubt)
            lost(outcome);
        else
            next();
    });
}

/// Nobody is measured any more.
void Eye::lost(Outcome const& outcome) {
    for (auto& due : dues_)
        if (!stopped_) tell(due, outcome, steady_now());
    after(reconnect_rest, [this] { connect(); });
}

void Eye::tell(Due& due, Outcome const& outcome, Millis at) {
    auto readings = due.signal->read(outcome, at);
    for (auto& reading : readings) {
        reading.at = at;
        reading.max_age = std::max(3 * due.every, least_age);
    }
    give_(due.key, std::move(readings));
}

void Eye::after(Millis time, std::function<void()> then) {
    if (!stopped_) timer_.in(time, std::move(then));
}

}  // namespace weir
