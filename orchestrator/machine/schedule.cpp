#include "orchestrator/machine/schedule.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <vector>

#include "plans/keys.h"

namespace weir {
namespace {

using std::chrono::days;
using std::chrono::local_days;

/// No window stays open or closed longer, unless it does so for ever.
constexpr days horizon{400};
/// A window that is open began on the same day or the day before, save where a zone leaves out a day; or on the day
/// after, where a clock that is set back shows the day before once more.
constexpr days before{2}, after{1};

struct Span {
    Instant begin, end;
};

bool is_on(Window const& window, local_days day) {
    return (window.days >> (std::chrono::weekday{day}.iso_encoding() - 1) & 1U) != 0;
}

Span span(Window const& window, local_days day) {
    auto const last_day = window.to > window.from ? day : day + days{1};
    return {window.zone.first(day + window.from), window.zone.last(last_day + window.to)};
}

local_days day_of(Window const& window, Instant at) { return std::chrono::floor<days>(window.zone.local(at)); }

/// When what is open at `at` closes; `at` itself when nothing is.
Instant reach(std::vector<Window> const& windows, Instant at) {
    Instant end = at;
    for (bool grown = true; grown && end - at <= horizon;) {
        grown = false;
        for (auto const& window : windows) {
            auto const today = day_of(window, end);
            for (auto day = today - before; day <= today + after; day += days{1}) {
                if (!is_on(window, day)) continue;
                auto const [begins, ends] = span(window, day);
                if (begins > end || ends <= end) continue;
                end = ends;
                grown = true;
            }
        }
    }
    return end;
}

/// The next beginning of a window after `at`.
std::optional<Instant> next_begin(std::vector<Window> const& windows, Instant at) {
    std::optional<Instant> next;
    for (auto const& window : windows)
        for (auto day = day_of(window, at); day <= day_of(window, at) + horizon; day += days{1}) {
            if (!is_on(window, day)) continue;
            auto const [begins, ends] = span(window, day);
            if (begins <= at || ends <= begins) continue;
            next = next ? std::min(*next, begins) : begins;
            break;
        }
    return next;
}

std::string days_text(unsigned set) {
    auto const count = static_cast<unsigned>(keys::days.size());
    auto const on = [&](unsigned day) { return (set >> (day % count) & 1U) != 0; };
    std::string text;
    // Each stretch of days, from the first that begins one.
    for (unsigned first = 0; first < count; ++first) {
        if (!on(first) || on(first + count - 1)) continue;
        unsigned last = first;
        while (on(last + 1)) ++last;
        text += (text.empty() ? "" : ",") + std::string{keys::days.at(first)};
        if (last > first) text += (last == first + 1 ? "," : "-") + std::string{keys::days.at(last % count)};
    }
    return text;
}

std::string clock_text(std::chrono::minutes time) {
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "%02d:%02d", static_cast<int>(time.count() / 60),
                  static_cast<int>(time.count() % 60));
    return text.data();
}

/// The zone to tell an instant in: that of the window which begins then, else the schedule's own.
Zone const& zone_of(Schedule const& schedule, Instant at) {
    for (auto const& window : schedule.windows) {
        auto const day = day_of(window, at);
        if (is_on(window, day) && span(window, day).begin == at) return window.zone;
    }
    return schedule.windows.empty() || schedule.at == at ? schedule.zone : schedule.windows.front().zone;
}

Completion completion(Schedule const& schedule, Instant now, Millis work) {
    Completion end;
    if (work <= Millis{0}) {
        end.at = now;
        return end;
    }
    for (Instant at = now; end.openings < openings_at_most;) {
        auto const next = opening(schedule, at);
        if (next.open) {
            ++end.openings;
            if (!next.until || *next.until - at >= work) {
                end.at = at + work;
                return end;
            }
            work -= *next.until - at;
        } else if (!next.until) {
            return end;
        }
        at = *next.until;
    }
    return end;
}

}  // namespace

Opening opening(Schedule const& schedule, Instant at) {
    auto const begin = std::max(at, schedule.at.value_or(at));
    bool const early = begin > at;
    if (schedule.windows.empty()) return {at, !early, early ? schedule.at : std::nullopt};
    auto const end = reach(schedule.windows, begin);
    if (end == begin) return {at, false, next_begin(schedule.windows, begin)};
    if (early) return {at, false, begin};
    return {at, true, end - at > horizon ? std::nullopt : std::optional{end}};
}

std::string to_text(Window const& window) {
    auto const on = window.days == Window::every_day ? "" : days_text(window.days) + " ";
    return on + clock_text(window.from) + "-" + clock_text(window.to) + " " + window.zone.name();
}

std::string closed_reason(Schedule const& schedule, Opening const& now) {
    if (now.open) return "";
    std::string text;
    if (schedule.at && now.at < *schedule.at) {
        text = "before the time of schedule.at";
    } else {
        for (auto const& window : schedule.windows) text += (text.empty() ? "" : "; ") + to_text(window);
        text = (schedule.windows.size() == 1 ? "outside the window " : "outside the windows ") + text;
    }
    return text +
           (now.until ? ", opens " + zone_of(schedule, *now.until).text(*now.until) : ", does not open within a year");
}

Forecast forecast(Schedule const& schedule, Instant now, Millis low, Millis high) {
    Forecast forecast{completion(schedule, now, low), completion(schedule, now, high), false};
    forecast.this_opening =
        forecast.high.at && forecast.high.openings <= 1 && (high <= Millis{0} || opening(schedule, now).open);
    return forecast;
}

std::string to_text(Forecast const& forecast, Schedule const& schedule) {
    auto const& zone = schedule.windows.empty() ? schedule.zone : schedule.windows.front().zone;
    auto const& [low, high, this_opening] = forecast;
    auto const times = [&]() -> std::string {
        if (!low.at) return "";
        if (!high.at) return ", not before " + zone.text(*low.at);
        auto const from = zone.text(*low.at);
        auto const to = zone.text(*high.at);
        return from == to ? ", at " + to : ", between " + from + " and " + to;
    }();
    if (!low.at) return "not done within " + std::to_string(low.openings) + " openings";
    if (schedule.windows.empty()) return "done" + times.substr(1);
    if (this_opening) return "done in this window" + times;
    auto const least = std::to_string(low.openings);
    auto const most = high.at ? std::to_string(high.openings) : "more than " + std::to_string(high.openings);
    return "done in " + (least == most ? least : least + " to " + most) + (most == "1" ? " opening" : " openings") +
           times;
}

}  // namespace weir
