#pragma once
/// Servers and an application in simulated time, for the pace controller: replicas that replay at most so much, a disk
/// whose commits grow slow near saturation, sessions of an application, readings with noise that come late or not at
/// all. WAL is counted in shares of what the workers write at full pace: 1 is their speed.
#include <algorithm>
#include <cmath>
#include <deque>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "orchestrator/machine/pace.h"

namespace weir::pace_sim {

inline constexpr Millis step{25};
inline constexpr Millis max_age{2000};

/// Something that differs for a while.
struct Span {
    Millis from{}, to{};
    double value{};
    bool at(Millis now) const { return now >= from && now < to; }
};

inline double within(std::vector<Span> const& spans, Millis now, double otherwise) {
    for (auto const& span : spans)
        if (span.at(now)) return span.value;
    return otherwise;
}

struct Replica {
    double bandwidth{10};        ///< WAL a second that it replays
    Millis network{};            ///< until WAL is there, and until its answer is back
    double limit{2};             ///< s
    std::vector<Span> replay{};  ///< its bandwidth meanwhile
};

struct Immediate {
    std::string signal;
    double limit{1};
    Millis poll{500};
    Millis window{500};  ///< the time constant of what is measured
};

struct World {
    double application{0.05};    ///< WAL a second
    std::vector<Span> bursts{};  ///< its WAL meanwhile
    std::vector<Replica> replicas{};
    std::optional<Immediate> wal_rate{};
    std::optional<Immediate> commit_latency{};  ///< in times of a quiet disk
    double disk{4};                             ///< WAL a second at which it is saturated
    std::vector<Span> checkpoints{};            ///< capacity of the disk meanwhile
    std::optional<Immediate> active_sessions{};
    double slows{1};               ///< by how much more of its sessions are active at our full speed, as a share
    double sessions{4};            ///< of the application
    std::vector<Span> crowds{};    ///< its sessions meanwhile
    std::vector<Span> silences{};  ///< nothing is measured
    int workers{4};
    Millis batch{50};
    Millis poll{250};               ///< of the lags
    Millis late{};                  ///< how late an answer may be
    double noise{0.03};             ///< of what is measured, relative
    double lost{};                  ///< share of the measurements that are lost
    std::optional<double> fixed{};  ///< this pace, whatever is measured
    Millis time{90'000};
    std::uint64_t seed{1};
};

inline constexpr Millis every{250};

struct Sample {
    Millis at{};
    double pace{};   ///< 0: held
    double load{};   ///< the worst true one
    double wrote{};  ///< since the last sample
};

struct Course {
    std::vector<Sample> samples;
    std::vector<Millis> stops;
    int wrong_batches{};  ///< began while a reading that was known was over its limit, or too old

    template <class F>
    double mean(Millis from, Millis to, F of) const {
        double sum = 0;
        int n = 0;
        for (auto i = index(from); i < std::min(index(to), samples.size()); ++i, ++n) sum += of(samples[i]);
        return n == 0 ? 0 : sum / n;
    }
    static std::size_t index(Millis at) { return static_cast<std::size_t>((at + every - Millis{1}) / every); }
    double pace(Millis from, Millis to) const {
        return mean(from, to, [](Sample const& s) { return s.pace; });
    }
    double load(Millis from, Millis to) const {
        return mean(from, to, [](Sample const& s) { return s.load; });
    }
    /// As a share of what is written at full pace.
    double throughput(Millis from, Millis to) const {
        return mean(from, to, [](Sample const& s) { return s.wrote * 4; });
    }
    /// The highest mean of a second.
    double peak(Millis from, Millis to) const {
        double most = 0;
        for (auto t = from; t + Millis{1000} <= to; t += Millis{250}) most = std::max(most, load(t, t + Millis{1000}));
        return most;
    }
    /// Peak to peak of the pace while it goes, as a share of its mean.
    double swing(Millis from, Millis to) const {
        double most = 0;
        double least = 1;
        for (auto const& sample : samples)
            if (sample.at >= from && sample.at < to && sample.pace > 0) {
                most = std::max(most, sample.pace);
                least = std::min(least, sample.pace);
            }
        return std::max(most - least, 0.0) / std::max(pace(from, to), 1e-9);
    }
    long stops_within(Millis from, Millis to) const {
        return std::ranges::count_if(stops, [&](Millis at) { return at >= from && at < to; });
    }
    /// From when on the throughput of five seconds is always at least `least`.
    std::optional<Millis> reached(double least, Millis from, Millis to) const {
        std::optional<Millis> since;
        for (auto t = from; t + Millis{5000} <= to; t += Millis{500}) {
            bool const there = throughput(t, t + Millis{5000}) >= least;
            if (!there) since.reset();
            if (there && !since) since = t;
        }
        return since;
    }
};

class Simulation {
  public:
    explicit Simulation(World const& world) : world_{world}, dice_{world.seed} {
        for (auto const& replica : world_.replicas) lags_.push_back({replica});
        workers_.resize(static_cast<std::size_t>(world_.workers));
        for (std::size_t i = 0; i < lags_.size(); ++i) {
            auto name = "r" + std::to_string(i + 1);
            eyes_.push_back({"replication_lag", name, "s", lags_[i].replica.limit, world_.poll, Millis{}});
        }
        for (auto const* immediate : {&world_.wal_rate, &world_.commit_latency, &world_.active_sessions})
            if (*immediate)
                eyes_.push_back({(*immediate)->signal, "", "", (*immediate)->limit, (*immediate)->poll, {}});
        for (auto& eye : eyes_) eye.next = Millis{static_cast<std::int64_t>(chance() * 250)};
    }

    Course run() {
        Course course;
        double written = 0;
        for (now_ = Millis{}; now_ < world_.time; now_ += step) {
            double const wrote = work(course);
            written += wrote;
            move(wrote);
            measure();
            if (now_ % every == Millis{}) {
                double load = 0;
                for (std::size_t i = 0; i < eyes_.size(); ++i) load = std::max(load, truth(i) / eyes_[i].limit);
                course.samples.push_back({now_, pace_.go ? pace_.pace : 0, load, written});
                written = 0;
            }
        }
        course.stops = stops_;
        return course;
    }

  private:
    struct Lag {
        Replica replica;
        std::deque<double> stamps{};  ///< WAL written by the end of each step that is not replayed yet
        Millis first{};               ///< of the front
        double replayed{};
        double value{};
    };
    struct Eye {
        std::string signal, subject, unit;
        double limit{};
        Millis poll{}, next{};
        std::optional<Millis> arrives{}, measured{};
        double value{};
    };
    struct Worker {
        Millis ends{};  ///< of its batch
        Millis took{};
    };

    double chance() { return std::uniform_real_distribution<double>{}(dice_); }
    double blurred(double value) {
        return std::max(value * (1 + world_.noise * std::normal_distribution<double>{}(dice_)), 0.0);
    }
    /// With the same readings only their age can matter.
    Pace const& judge(bool news) {
        auto const old = [&](Reading const& reading) { return now_ - *reading.at > reading.max_age; };
        // Before everybody was heard once, nobody is.
        if (readings_.size() == eyes_.size() && (news || (pace_.go && std::ranges::any_of(readings_, old)))) {
            bool const went = pace_.go;
            pace_ = controller_.judge(readings_, {}, now_, max_age);
            if (world_.fixed) {
                pace_.go = true;
                pace_.pace = *world_.fixed;
            }
            if (went && !pace_.go) stops_.push_back(now_);
        }
        return pace_;
    }

    /// WAL of our workers in this step.
    double work(Course& course) {
        Millis busy{};
        auto const end = now_ + step;
        for (auto& worker : workers_) {
            auto from = now_;
            while (from < end) {
                if (worker.ends <= from) {
                    auto const& pace = judge(false);
                    auto const begins = worker.ends + rest_after(worker.took, pace.pace);
                    if (!pace.go || begins >= end) break;
                    if (forbidden()) ++course.wrong_batches;
                    from = std::max(from, begins);
                    // No two batches are alike: or the workers would go in step.
                    worker.took = Millis{static_cast<std::int64_t>(seconds(world_.batch) * (0.5 + chance()) * 1000)};
                    worker.ends = from + worker.took;
                }
                auto const until = std::min(worker.ends, end);
                busy += until - from;
                from = until;
            }
        }
        busy_ = seconds(busy) / seconds(step) / world_.workers;
        return busy_ * seconds(step);
    }
    static double seconds(Millis time) { return static_cast<double>(time.count()) / 1000; }

    /// Judged here once more, in other words than the controller's.
    bool forbidden() const {
        return std::ranges::any_of(readings_, [&](Reading const& reading) {
            return !reading.value || *reading.value > reading.limit || now_ - *reading.at > reading.max_age;
        });
    }

    void move(double wrote) {
        auto const application = within(world_.bursts, now_, world_.application);
        written_ += wrote + application * seconds(step);
        auto const rate = wrote / seconds(step) + application;
        for (auto& lag : lags_) {
            if (lag.stamps.empty()) lag.first = now_;
            lag.stamps.push_back(written_);
            auto const bandwidth = within(lag.replica.replay, now_, lag.replica.bandwidth);
            // What is on its way cannot be replayed yet.
            auto const on_its_way = static_cast<std::size_t>(lag.replica.network / step);
            double const there = lag.stamps.size() > on_its_way ? lag.stamps[lag.stamps.size() - 1 - on_its_way] : 0;
            lag.replayed = std::max(lag.replayed, std::min(there, lag.replayed + bandwidth * seconds(step)));
            while (!lag.stamps.empty() && lag.stamps.front() <= lag.replayed + 1e-9) {
                lag.stamps.pop_front();
                lag.first += step;
            }
            lag.value = lag.stamps.empty() ? 0 : seconds(now_ + step - lag.first);
        }
        auto const follow = [](double& value, double aim, Millis window) {
            value += (aim - value) * std::min(seconds(step) / seconds(window), 1.0);
        };
        if (world_.wal_rate) follow(wal_rate_, rate, world_.wal_rate->window);
        if (world_.commit_latency) {
            auto const capacity = within(world_.checkpoints, now_, world_.disk);
            follow(use_, rate / capacity, world_.commit_latency->window);
            latency_ = 1 / (1 - std::min(use_, 0.99));
        }
        if (world_.active_sessions)
            follow(sessions_, within(world_.crowds, now_, world_.sessions) * (1 + world_.slows * busy_),
                   world_.active_sessions->window);
    }

    double truth(std::size_t eye) const {
        if (eye < lags_.size()) return lags_[eye].value;
        auto const& signal = eyes_[eye].signal;
        return signal == "wal_rate" ? wal_rate_ : signal == "commit_latency" ? latency_ : sessions_;
    }

    void measure() {
        bool news = false;
        for (std::size_t i = 0; i < eyes_.size(); ++i) {
            auto& eye = eyes_[i];
            if (!eye.arrives && now_ >= eye.next) {
                if (within(world_.silences, now_, 0) > 0 || chance() < world_.lost) {
                    eye.next = now_ + eye.poll;
                } else {
                    eye.value = blurred(truth(i));
                    // As weir's own: never too small, and too large by a poll at most.
                    if (i < lags_.size()) eye.value += chance() * seconds(eye.poll) + seconds(lags_[i].replica.network);
                    eye.measured = now_;
                    eye.arrives = now_ + Millis{static_cast<std::int64_t>(chance() * seconds(world_.late) * 1000)};
                }
            }
            if (!eye.arrives || now_ < *eye.arrives) continue;
            eye.arrives.reset();
            eye.next = now_ + eye.poll;
            tell(eye);
            news = true;
        }
        if (news) judge(true);
    }

    void tell(Eye const& eye) {
        auto found = std::ranges::find_if(readings_, [&](Reading const& reading) {
            return reading.signal == eye.signal && reading.subject == eye.subject;
        });
        if (found == readings_.end()) {
            Reading reading;
            reading.signal = eye.signal;
            reading.subject = eye.subject;
            reading.unit = eye.unit;
            reading.limit = eye.limit;
            reading.max_age = std::max(max_age, eye.poll * 3);
            found = readings_.insert(readings_.end(), std::move(reading));
        }
        found->value = eye.value;
        found->at = eye.measured;
    }

    World world_;
    std::mt19937_64 dice_;
    PaceController controller_;
    Pace pace_{.go = false, .may_write = false, .pace = 1, .reasons = {}, .worst = {}, .judged = {}};
    Millis now_{};
    std::vector<Lag> lags_;
    std::vector<Eye> eyes_;
    std::vector<Reading> readings_;
    std::vector<Worker> workers_;
    double written_{}, wal_rate_{}, use_{}, latency_{1}, sessions_{}, busy_{};
    std::vector<Millis> stops_;
};

}  // namespace weir::pace_sim
