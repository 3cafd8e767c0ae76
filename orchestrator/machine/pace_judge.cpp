#include "orchestrator/machine/pace_judge.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "plans/keys.h"

namespace weir {
namespace {

constexpr Millis signals_every{1000};

void say(Stamp at, Commands& out, decltype(Event::what) what) {
    out.emplace_back(Announce{{at.wall, std::move(what)}});
}

/// What the settings say of a signal; 0: no limit.
void limit(Reading& reading, Throttle const& throttle) {
    auto const custom = [&](std::vector<CustomSignal> const& all, double otherwise) {
        auto const one = std::find_if(all.begin(), all.end(), [&](auto const& s) { return s.name == reading.subject; });
        reading.limit = one == all.end() ? 0 : one->limit.value_or(otherwise);
    };
    if (reading.signal == "sql")
        custom(throttle.sql, 0);
    else if (reading.signal == "http")
        custom(throttle.http, 1);
    else if (reading.signal == "prometheus")
        custom(throttle.prometheus, 0);
    else
        reading.limit = throttle.limit(reading.signal).value_or(0);
    for (auto const& signal : keys::signals)
        if (signal.name == reading.signal) reading.writes_only = signal.writes_only;
}

}  // namespace

void PaceJudge::measured(Measured const& measured, Settings const& settings, Stamp at, Commands& out) {
    for (auto const& reading : measured.readings) {
        if (reading.signal != "replication_lag" || reading.subject.empty()) continue;
        // All readings come with each answer: of a hundred replicas most are as they were told.
        auto const known = told_lags_.find(reading.subject);
        if (reading.at && known != told_lags_.end() && known->second == reading.at) continue;
        told_lags_[reading.subject] = reading.at;
        std::optional<Millis> lag;
        if (reading.value) lag = Millis{static_cast<std::int64_t>(*reading.value * 1000)};
        say(at, out, ReplicaLag{reading.subject, lag, reading.bytes});
    }
    readings_ = measured.readings;
    for (auto& reading : readings_) limit(reading, settings.throttle);
    measured_ = at.steady;
}

void PaceJudge::begin(Stamp at) {
    if (!worked_ || at.steady - *worked_ > learnt_for) controller_.begin();
}

std::string PaceJudge::closed(Schedule const& schedule, Stamp at) {
    if (!opening_ || !opening_->holds(at.wall)) opening_ = opening(schedule, at.wall);
    return closed_reason(schedule, *opening_);
}

PaceJudge::Verdict PaceJudge::judge(Work work, Settings const& settings, std::string const& paused_by, Stamp at,
                                    Commands& out) {
    bool const works = work != Work::none;
    bool const undoes = work == Work::undoes;
    if (works) worked_ = at.steady;
    Pace pace;
    if (!settings.throttle.none()) {
        bool const reads = undoes || work == Work::reads;
        pace = controller_.judge(readings_, measured_, at.steady, reading_age_max, !reads);
        tell_signals(pace, works, at, out);
    }
    auto const reason = works && !undoes ? closed(settings.schedule, at) : "";
    bool const closes = !std::exchange(shut_, !reason.empty()) && shut_;
    auto const stands = [&](std::string const& why, char const* worst) {
        pace.go = pace.may_write = false;
        pace.worst = worst;
        pace.reasons.insert(pace.reasons.begin(), why);
    };
    if (!reason.empty()) stands(reason, "schedule");
    if (!paused_by.empty() && !undoes) stands("paused by " + paused_by, "paused");
    if (!works && paused_by.empty()) pace = {};
    double const now = pace.go ? pace.pace : 0;
    tell_pace(pace, now, at, out);
    return {now, pace.may_write, closes};
}

void PaceJudge::tell_pace(Pace const& pace, double now, Stamp at, Commands& out) {
    bool const turned = (now > 0) != (told_pace_ > 0) || (now < 1) != (told_pace_ < 1);
    // Which signal is the last to let it rise is news to nobody.
    auto const worst = pace.go && pace.rising ? "" : pace.worst;
    if (!turned && std::abs(now - told_pace_) < 0.1 && !(now < 1 && worst != told_worst_)) return;
    told_pace_ = now;
    told_worst_ = worst;
    say(at, out, PaceChanged{now, now < 1 ? pace.reasons : std::vector<std::string>{}});
}

void PaceJudge::tell_signals(Pace const& pace, bool works, Stamp at, Commands& out) {
    if (told_signals_ && at.steady - *told_signals_ < signals_every) return;
    told_signals_ = at.steady;
    SignalsJudged all;
    for (auto const& one : pace.judged) {
        auto const& reading = one.reading;
        all.signals.push_back({reading.signal, reading.subject, reading.unit, reading.value, reading.limit, one.load,
                               one.age.value_or(Millis{0}), works && (one.worst || one.stops),
                               reading.value ? reading.remark : reading.problem});
    }
    say(at, out, std::move(all));
}

}  // namespace weir
