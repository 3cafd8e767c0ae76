#include "orchestrator/machine/pace.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <set>

namespace weir {
namespace {

double seconds(Millis time) { return static_cast<double>(time.count()) / 1000.0; }

std::string figure(double value, int digits = 1) {
    std::string text(64, '\0');
    auto const written = std::snprintf(text.data(), text.size(), "%.*f", digits, value);
    text.resize(static_cast<std::size_t>(std::clamp(written, 0, 63)));
    if (text.find('.') != std::string::npos) {
        text.erase(text.find_last_not_of('0') + 1);
        if (text.ends_with('.')) text.pop_back();
    }
    return text;
}

std::string words(std::string signal) {
    std::ranges::replace(signal, '_', ' ');
    return signal;
}

std::string subject(Reading const& reading) {
    auto text = words(reading.signal);
    if (!reading.subject.empty()) text += " of " + reading.subject;
    return text;
}

std::string with_unit(std::string const& number, std::string const& unit) {
    return unit.empty() ? number : number + " " + unit;
}

struct Figures {
    std::string value, limit;
};

/// With as many digits as it takes to differ: `is 2 s, limit 2 s` would be no reason.
Figures figures(double value, double limit) {
    Figures both{figure(value), figure(limit)};
    for (int digits = 2; both.value == both.limit && digits <= 6; ++digits)
        both = {figure(value, digits), figure(limit, digits)};
    return both;
}

std::string above(Reading const& reading) {
    auto const [value, limit] = figures(*reading.value, reading.limit);
    return subject(reading) + " is " + with_unit(value, reading.unit) + ", limit " + with_unit(limit, reading.unit);
}

std::string still(Reading const& reading) {
    return subject(reading) + " is " + with_unit(figure(*reading.value), reading.unit) + ", goes on at " +
           with_unit(figure(reading.limit * PaceController::go_again, 2), reading.unit) + " (limit " +
           with_unit(figure(reading.limit), reading.unit) + ")";
}

std::string unread(Reading const& reading) {
    auto text = words(reading.signal) + " is not known";
    if (!reading.problem.empty()) return text + ": " + reading.problem;
    return reading.subject.empty() ? text : text + " for " + reading.subject;
}

std::string old(Reading const& reading, Millis age, Millis max_age) {
    auto const [value, limit] = figures(seconds(age), seconds(max_age));
    auto const signal = reading.signal.empty() ? std::string{"the signal"} : words(reading.signal);
    return signal + " was last measured " + value + " s ago, limit " + limit + " s";
}

std::string at_pace(double pace) { return "pace " + figure(pace * 100, 0) + " %"; }

std::string slowed(Reading const& reading, double pace, bool rises) {
    return rises ? at_pace(pace) + ", rising: no signal is near its limit" : above(reading) + ": " + at_pace(pace);
}

}  // namespace

struct PaceController::Gains {
    bool lag;
    double limit, blur;

    explicit Gains(Reading const& reading) : lag{reading.signal == "replication_lag"}, limit{reading.limit} {
        blur = lag ? std::min(seconds(PaceController::blur), limit / 2) : seconds(PaceController::blur);
    }
    double braked(double load) const { return lag ? brake * std::log1p(load * limit / blur) : 0.0; }
    double rise_at(double load) const {
        auto const below = [&](double most, double of_blur) {
            return load < most && (!lag || load * limit < blur * of_blur);
        };
        return below(faint, faint) ? dash : below(idle, 1) ? sprint : rise;
    }
    double drift(double load) const {
        auto const room = target - load;
        if (room > 0) return rise_at(load) * std::min(std::pow(room / (lag ? target : target / 2), lag ? 3 : 1.8), 1.0);
        return fall * room / (1 + (lag ? 4 * load * limit : 0.0));
    }
};

void PaceController::begin() {
    auto const least = std::log(start);
    if (!log_pace_ || *log_pace_ <= least) return;
    log_pace_ = least;
    for (auto& [who, rule] : rules_) rule.at.reset();
}

/// A new measurement of a reading that has a value.
void PaceController::move(Rule& rule, Reading const& reading, Millis at, bool go) const {
    Gains const gains{reading};
    auto const load = std::clamp(*reading.value / reading.limit, 0.0, 2.0);
    if (!rule.at) {
        rule.at = at;
        rule.load = load;
        rule.wish = *log_pace_;
        rule.level = *log_pace_ + gains.braked(load);
        rule.rises = true;
        return;
    }
    // A gap says nothing of what was in it.
    auto const time = std::clamp(seconds(at - *rule.at), 0.0, 1.0);
    rule.at = at;
    rule.load += (load - rule.load) * std::min(time / gains.blur, 1.0);
    if (go) rule.level += gains.drift(rule.load) * time;
    auto const braked = gains.braked(rule.load);
    // At full pace the level may rise beyond it, as far as the brake of a load that is free.
    bool const full = *log_pace_ > -0.01;
    auto const ceiling =
        rule.stopped ? std::min(rule.stopped_at - recall + forget * std::pow(seconds(at - *rule.stopped), 3), 0.0)
                     : 0.0;
    auto const most = ceiling + gains.braked(std::max(rule.load, free));
    rule.level = std::max(std::min(rule.level, most), std::log(floor) + braked);
    auto const step = go ? gains.rise_at(rule.load) * time : 0.0;
    if (!full) rule.level = std::min(rule.level, *log_pace_ + braked + std::max(slack, step));
    auto const wish = std::min(rule.level - braked, ceiling);
    auto const risen = *log_pace_ + step;
    rule.rises = wish > risen - 1e-6;
    rule.wish = std::max(std::min(wish, risen), std::log(floor));
}

Pace PaceController::judge(std::vector<Reading> const& readings, std::optional<Millis> measured, Millis now,
                           Millis max_age, bool writes) {
    Pace pace;
    auto const stop = [&](bool holds, std::string reason, std::string const& signal) {
        pace.may_write = false;
        if (!holds) return;
        pace.go = false;
        if (std::ranges::find(pace.reasons, reason) != pace.reasons.end()) return;
        if (pace.reasons.empty()) pace.worst = signal;
        pace.reasons.push_back(std::move(reason));
    };
    std::set<std::pair<std::string, std::string>> seen;
    std::set<std::string> silent;
    for (auto const& reading : readings) {
        auto& judged = pace.judged.emplace_back();
        judged.reading = reading;
        auto const at = reading.at ? reading.at : measured;
        if (at) judged.age = now - *at;
        if (!(reading.limit > 0)) continue;
        auto const oldest = reading.max_age > Millis{0} ? reading.max_age : max_age;
        bool const holds = writes || !reading.writes_only;
        std::pair const who{reading.signal, reading.subject};
        seen.insert(who);
        auto& rule = rules_[who];
        if (reading.value) judged.load = *reading.value / reading.limit;
        std::string reason;
        bool const held_before = rule.held;
        if (!reading.value) {
            // What could not be read has to come well below its limit before it is trusted again.
            reason = unread(reading);
        } else if (!(*judged.load <= 1)) {
            reason = above(reading);
        } else if (rule.held && *judged.load > go_again) {
            if (!rule.below) rule.below = at;
            if (!at || *at - *rule.below < patience)
                reason = still(reading);
            else
                rule.level = std::log(floor);
        }
        rule.held = !reason.empty();
        if (!rule.held || !judged.load || !(*judged.load <= 1)) rule.below.reset();
        if (!reason.empty()) {
            judged.stops = true;
            judged.worst = holds;
            stop(holds, std::move(reason), reading.signal);
        }
        if (!at || *judged.age > oldest) {
            judged.stops = true;
            judged.worst = holds;
            if (!at) stop(holds, "signals have not been measured yet", reading.signal);
            // One reason a signal: they are silent together.
            if (at && silent.insert(reading.signal).second)
                stop(holds, old(reading, *judged.age, oldest), reading.signal);
        }
        // What exceeds its limit while another holds us is not our pace's fault.
        if (went_ && rule.held && !held_before && judged.load && *judged.load > 1 && rule.at) {
            rule.level -= cut;
            rule.stopped_at = *log_pace_;
            if (!Gains{reading}.lag) rule.stopped = at;
        }
        if (rule.held && rule.stopped) rule.stopped = at;
    }
    std::erase_if(rules_, [&](auto const& entry) { return !seen.contains(entry.first); });
    // Who measures may be silent also when there was nobody to measure.
    bool const asks =
        writes || std::ranges::any_of(readings, [](Reading const& reading) { return !reading.writes_only; });
    bool const own = std::ranges::any_of(readings, [](Reading const& reading) { return reading.at.has_value(); });
    if (!own && !measured) stop(asks, "signals have not been measured yet", "");
    if (!own && measured && now - *measured > max_age && silent.empty()) {
        auto const first = readings.empty() ? Reading{} : readings.front();
        stop(asks, old(first, now - *measured, max_age), first.signal);
    }

    double lowest = 0;
    Judged* slowest = nullptr;
    bool rises = false;
    for (auto& judged : pace.judged) {
        auto const& reading = judged.reading;
        if (!(reading.limit > 0) || (reading.writes_only && !writes) || reading.max_age > slow) continue;
        if (!log_pace_) log_pace_ = std::log(start);
        auto& rule = rules_[{reading.signal, reading.subject}];
        auto const at = reading.at ? reading.at : measured;
        if (!judged.load || !std::isfinite(*judged.load) || !at)
            rule.at.reset();
        else if (rule.at != at)
            move(rule, reading, *at, pace.go);
        if (!rule.at || rule.wish >= lowest) continue;
        lowest = rule.wish;
        slowest = &judged;
        rises = rule.rises;
    }
    went_ = pace.go;
    if (!log_pace_) return pace;
    log_pace_ = pace.go ? lowest : std::min(*log_pace_, lowest);
    pace.pace = std::exp(*log_pace_);
    if (pace.go && slowest != nullptr) {
        slowest->worst = !rises;
        pace.worst = slowest->reading.signal;
        pace.rising = rises;
        pace.reasons.push_back(slowed(slowest->reading, pace.pace, rises));
    }
    return pace;
}

Millis rest_after(Millis took, double pace) {
    auto const rest = static_cast<double>(std::max(took, Millis{1}).count()) * (1 / std::min(pace, 1.0) - 1);
    return std::min(Millis{std::llround(std::min(rest, 1e6))}, longest_rest);
}

}  // namespace weir
