#include "orchestrator/machine/pace.h"

#include <algorithm>
#include <cstdio>

namespace weir {
namespace {

constexpr double go_again = 0.8;

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
           with_unit(figure(reading.limit * go_again, 2), reading.unit) + " (limit " +
           with_unit(figure(reading.limit), reading.unit) + ")";
}

std::string unread(Reading const& reading) {
    auto text = words(reading.signal) + " is not known";
    if (!reading.problem.empty()) return text + ": " + reading.problem;
    return reading.subject.empty() ? text : text + " for " + reading.subject;
}

}  // namespace

Pace PaceController::judge(std::vector<Reading> const& readings, std::optional<Millis> measured, Millis now,
                           Millis max_age) {
    if (!measured) return {false, {"signals have not been measured yet"}};
    Pace pace;
    std::set<std::pair<std::string, std::string>> held;
    for (auto const& reading : readings) {
        if (!(reading.limit > 0)) continue;
        std::pair const who{reading.signal, reading.subject};
        if (!reading.value) {
            // What could not be read has to come well below its limit before it is trusted again.
            held.insert(who);
            pace.reasons.push_back(unread(reading));
        } else if (!(*reading.value <= reading.limit)) {
            held.insert(who);
            pace.reasons.push_back(above(reading));
        } else if (held_.contains(who) && *reading.value > reading.limit * go_again) {
            held.insert(who);
            pace.reasons.push_back(still(reading));
        }
    }
    held_ = std::move(held);
    if (auto const age = now - *measured; age > max_age) {
        auto const seconds = [](Millis time) { return static_cast<double>(time.count()) / 1000.0; };
        auto const [value, limit] = figures(seconds(age), seconds(max_age));
        auto const signal = readings.empty() ? std::string{"the signal"} : words(readings.front().signal);
        pace.reasons.push_back(signal + " was last measured " + value + " s ago, limit " + limit + " s");
    }
    pace.go = pace.reasons.empty();
    return pace;
}

}  // namespace weir
