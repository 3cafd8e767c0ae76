#include "orchestrator/machine/schedule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>
#include <map>
#include <random>

namespace weir {
namespace {

using namespace std::chrono;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::uint8_t weekdays = 0b001'1111;
constexpr std::uint8_t every_day = Window::every_day;

Zone zone(std::string_view name) { return Zone::of(name).value(); }

Instant utc(int y, unsigned m, unsigned d, int hour = 0, int minute = 0) {
    return sys_days{year{y} / month{m} / day{d}} + hours{hour} + minutes{minute};
}

Window window(std::string_view of, minutes from, minutes to, std::uint8_t days = every_day) {
    return {days, from, to, zone(of)};
}

Schedule in(std::vector<Window> windows) { return {std::move(windows), std::nullopt, {}}; }

/// Each opening that begins in the time, as its zone's clock shows it.
std::vector<std::string> openings(Schedule const& schedule, Instant from, Instant to, Zone const& of) {
    std::vector<std::string> found;
    for (auto next = opening(schedule, from); next.at < to && next.until; next = opening(schedule, *next.until)) {
        EXPECT_GT(*next.until, next.at);
        if (next.open) found.push_back(of.text(next.at) + " to " + of.text(*next.until));
    }
    return found;
}

// ---- one window -----------------------------------------------------------------------------------------------------

TEST(Schedule, WithoutWindowsItIsAlwaysOpen) {
    auto const now = opening({}, utc(2026, 11, 21));
    EXPECT_TRUE(now.open);
    EXPECT_EQ(now.until, std::nullopt);
    EXPECT_EQ(closed_reason({}, now), "");
}

TEST(Schedule, OpensAtItsBeginAndClosesAtItsEnd) {
    auto const schedule = in({window("Europe/Berlin", 1h, 5h, weekdays)});
    struct Case {
        Instant at;
        bool open;
        Instant until;
    };
    for (auto const& [at, open, until] : {
             Case{utc(2026, 11, 20, 0, 0) - 1ms, false, utc(2026, 11, 20, 0, 0)},
             Case{utc(2026, 11, 20, 0, 0), true, utc(2026, 11, 20, 4, 0)},
             Case{utc(2026, 11, 20, 4, 0) - 1ms, true, utc(2026, 11, 20, 4, 0)},
             Case{utc(2026, 11, 20, 4, 0), false, utc(2026, 11, 23, 0, 0)},  // a Friday
             Case{utc(2026, 11, 21, 2, 0), false, utc(2026, 11, 23, 0, 0)},
         }) {
        auto const now = opening(schedule, at);
        EXPECT_EQ(now.open, open) << Zone{}.text(at);
        EXPECT_EQ(now.until, until) << Zone{}.text(at);
        EXPECT_EQ(now.at, at);
    }
}

TEST(Schedule, AnAnswerHoldsUntilTheNextChangeAndNotBeforeItWasAsked) {
    auto const now = opening(in({window("UTC", 1h, 5h)}), utc(2026, 1, 1, 2));
    EXPECT_TRUE(now.holds(utc(2026, 1, 1, 2)));
    EXPECT_TRUE(now.holds(utc(2026, 1, 1, 5) - 1ms));
    EXPECT_FALSE(now.holds(utc(2026, 1, 1, 5)));
    EXPECT_FALSE(now.holds(utc(2026, 1, 1, 2) - 1ms)) << "a clock that is set back";
    EXPECT_TRUE(opening({}, utc(2026, 1, 1)).holds(utc(2036, 1, 1)));
}

TEST(Schedule, OpeningsOfDaysThatAreOdd) {
    struct Case {
        std::string what, of;
        Window window;
        Instant from;
        int days;
        std::vector<std::string> expected;
    };
    for (auto const& [what, of, window, from, days, expected] : {
             Case{"the gap: from a time that is left out",
                  "Europe/Berlin",
                  window("Europe/Berlin", 2h, 4h),
                  utc(2026, 3, 28, 0),
                  2,
                  {"2026-03-28 02:00 CET to 2026-03-28 04:00 CET", "2026-03-29 03:00 CEST to 2026-03-29 04:00 CEST"}},
             Case{"the gap: from the middle of it",
                  "Europe/Berlin",
                  window("Europe/Berlin", 2h + 30min, 4h),
                  utc(2026, 3, 29, 0),
                  1,
                  {"2026-03-29 03:00 CEST to 2026-03-29 04:00 CEST"}},
             Case{"the gap: to the middle of it",
                  "Europe/Berlin",
                  window("Europe/Berlin", 1h, 2h + 30min),
                  utc(2026, 3, 28, 22),
                  1,
                  {"2026-03-29 01:00 CET to 2026-03-29 03:00 CEST"}},
             Case{"the gap: nothing else",
                  "Europe/Berlin",
                  window("Europe/Berlin", 2h + 10min, 2h + 50min),
                  utc(2026, 3, 29, 0),
                  2,
                  {"2026-03-30 02:10 CEST to 2026-03-30 02:50 CEST"}},
             Case{"the fold: all of it",
                  "Europe/Berlin",
                  window("Europe/Berlin", 2h, 4h),
                  utc(2026, 10, 24, 20),
                  1,
                  {"2026-10-25 02:00 CEST to 2026-10-25 04:00 CET"}},
             Case{"the fold: until its middle, which is the second one",
                  "Europe/Berlin",
                  window("Europe/Berlin", 1h, 2h + 30min),
                  utc(2026, 10, 24, 20),
                  1,
                  {"2026-10-25 01:00 CEST to 2026-10-25 02:30 CET"}},
             Case{"the fold: until it begins, which is the first time",
                  "Europe/Berlin",
                  window("Europe/Berlin", 1h, 2h),
                  utc(2026, 10, 24, 20),
                  1,
                  {"2026-10-25 01:00 CEST to 2026-10-25 02:00 CEST"}},
             Case{"the fold: from its middle, which is the first one",
                  "Europe/Berlin",
                  window("Europe/Berlin", 2h + 30min, 3h),
                  utc(2026, 10, 24, 20),
                  1,
                  {"2026-10-25 02:30 CEST to 2026-10-25 03:00 CET"}},
             Case{"half an hour left out",
                  "Australia/Lord_Howe",
                  window("Australia/Lord_Howe", 2h, 3h),
                  utc(2026, 10, 3, 12),
                  1,
                  {"2026-10-04 02:30 +11 to 2026-10-04 03:00 +11"}},
             Case{"half an hour twice",
                  "Australia/Lord_Howe",
                  window("Australia/Lord_Howe", 1h + 30min, 2h),
                  utc(2026, 4, 4, 12),
                  1,
                  {"2026-04-05 01:30 +11 to 2026-04-05 02:00 +1030"}},
             Case{"a day left out: what would begin on it",
                  "Pacific/Apia",
                  window("Pacific/Apia", 1h, 5h),
                  utc(2011, 12, 29, 0),
                  2,
                  {"2011-12-29 01:00 -10 to 2011-12-29 05:00 -10", "2011-12-31 01:00 +14 to 2011-12-31 05:00 +14"}},
             Case{"a day left out: what would end on it",
                  "Pacific/Apia",
                  window("Pacific/Apia", 22h, 4h, 0b000'1000),  // Thursday the 29th
                  utc(2011, 12, 29, 12),
                  2,
                  {"2011-12-29 22:00 -10 to 2011-12-31 00:00 +14"}},
             Case{"a minute after midnight back to the day before",
                  "America/St_Johns",
                  window("America/St_Johns", 0h, 5h),
                  utc(2010, 11, 7, 0),
                  1,
                  {"2010-11-07 00:00 NDT to 2010-11-07 05:00 NST"}},
             Case{"a leap day",
                  "America/New_York",
                  window("America/New_York", 23h, 1h, 0b000'1000),  // Thursday
                  utc(2024, 2, 26, 0),
                  7,
                  {"2024-02-29 23:00 EST to 2024-03-01 01:00 EST"}},
             Case{"over midnight and the end of the year, begun on the day that is named",
                  "UTC",
                  window("UTC", 22h, 4h, 0b000'1000),
                  utc(2026, 12, 31, 0),
                  7,
                  {"2026-12-31 22:00 UTC to 2027-01-01 04:00 UTC"}},
             Case{"whole days touch",
                  "Europe/Berlin",
                  window("Europe/Berlin", 0h, 24h, 0b110'0000),
                  utc(2026, 11, 18, 0),
                  7,
                  {"2026-11-21 00:00 CET to 2026-11-23 00:00 CET"}},
             Case{"nearly a whole day, over midnight",
                  "UTC",
                  window("UTC", 5h, 4h),
                  utc(2026, 11, 18, 4),
                  2,
                  {"2026-11-18 05:00 UTC to 2026-11-19 04:00 UTC", "2026-11-19 05:00 UTC to 2026-11-20 04:00 UTC"}},
         })
        EXPECT_EQ(openings(in({window}), from, from + hours{24 * days}, zone(of)), expected) << what;
}

// ---- several windows ------------------------------------------------------------------------------------------------

TEST(Schedule, WindowsThatTouchOrOverlapAreOneOpening) {
    auto const day = utc(2026, 11, 18);
    EXPECT_THAT(openings(in({window("UTC", 1h, 3h), window("UTC", 3h, 5h)}), day, day + 24h, {}),
                ElementsAre("2026-11-18 01:00 UTC to 2026-11-18 05:00 UTC"));
    EXPECT_THAT(openings(in({window("UTC", 2h, 5h), window("UTC", 1h, 3h), window("UTC", 2h, 3h)}), day, day + 24h, {}),
                ElementsAre("2026-11-18 01:00 UTC to 2026-11-18 05:00 UTC"));
    EXPECT_THAT(
        openings(in({window("UTC", 3h + 1min, 5h), window("Europe/Berlin", 2h, 4h)}), day, day + 24h, {}),
        ElementsAre("2026-11-18 01:00 UTC to 2026-11-18 03:00 UTC", "2026-11-18 03:01 UTC to 2026-11-18 05:00 UTC"));
    EXPECT_THAT(openings(in({window("UTC", 22h, 24h, weekdays), window("UTC", 0h, 4h, 0b011'1110)}),
                         utc(2026, 11, 20, 12), utc(2026, 11, 22), {}),
                ElementsAre("2026-11-20 22:00 UTC to 2026-11-21 04:00 UTC"));
}

TEST(Schedule, WindowsThatLeaveNothingOutNeverClose) {
    auto const now = opening(in({window("Europe/Berlin", 0h, 24h)}), utc(2026, 11, 18));
    EXPECT_TRUE(now.open);
    EXPECT_EQ(now.until, std::nullopt);
    EXPECT_TRUE(opening(in({window("UTC", 0h, 12h), window("UTC", 12h, 0h)}), utc(2026, 11, 18)).open);
    // By another clock there is a gap for half of the year.
    auto const two = opening(in({window("Europe/Berlin", 1h, 13h), window("UTC", 12h, 0h)}), utc(2026, 11, 18));
    EXPECT_TRUE(two.open);
    EXPECT_EQ(two.until, utc(2027, 3, 28, 11)) << Zone{}.text(*two.until);
}

// ---- schedule.at ----------------------------------------------------------------------------------------------------

TEST(Schedule, NothingBeginsBeforeItsTime) {
    Schedule alone{{}, utc(2026, 12, 1), zone("Europe/Berlin")};
    EXPECT_FALSE(opening(alone, utc(2026, 12, 1) - 1ms).open);
    EXPECT_EQ(opening(alone, utc(2026, 11, 1)).until, utc(2026, 12, 1));
    EXPECT_TRUE(opening(alone, utc(2026, 12, 1)).open);
    EXPECT_EQ(opening(alone, utc(2026, 12, 1)).until, std::nullopt);

    Schedule inside{{window("UTC", 1h, 5h)}, utc(2026, 12, 1, 3), {}};
    EXPECT_EQ(opening(inside, utc(2026, 12, 1, 2)).until, utc(2026, 12, 1, 3));
    EXPECT_FALSE(opening(inside, utc(2026, 12, 1, 2)).open);
    EXPECT_TRUE(opening(inside, utc(2026, 12, 1, 3)).open);
    EXPECT_EQ(opening(inside, utc(2026, 12, 1, 3)).until, utc(2026, 12, 1, 5));

    Schedule outside{{window("UTC", 1h, 5h)}, utc(2026, 12, 1, 6), {}};
    EXPECT_EQ(opening(outside, utc(2026, 11, 30, 2)).until, utc(2026, 12, 2, 1));
    Schedule at_the_end{{window("UTC", 1h, 5h)}, utc(2026, 12, 1, 5), {}};
    EXPECT_EQ(opening(at_the_end, utc(2026, 11, 30, 2)).until, utc(2026, 12, 2, 1));
}

// ---- words ----------------------------------------------------------------------------------------------------------

TEST(Schedule, TellsWindows) {
    for (auto const& [days, text] : std::map<int, std::string>{{every_day, "22:00-04:30 UTC"},
                                                               {weekdays, "mon-fri 22:00-04:30 UTC"},
                                                               {0b110'0001, "sat-mon 22:00-04:30 UTC"},
                                                               {0b100'0001, "sun,mon 22:00-04:30 UTC"},
                                                               {0b001'0101, "mon,wed,fri 22:00-04:30 UTC"},
                                                               {0b111'1110, "tue-sun 22:00-04:30 UTC"},
                                                               {0b110'1100, "wed,thu,sat,sun 22:00-04:30 UTC"},
                                                               {0b100'0000, "sun 22:00-04:30 UTC"}})
        EXPECT_EQ(to_text(window("UTC", 22h, 4h + 30min, static_cast<std::uint8_t>(days))), text);
    EXPECT_EQ(to_text(window("Asia/Tokyo", 0h, 24h)), "00:00-24:00 Asia/Tokyo");
}

TEST(Schedule, TellsWhyItIsClosed) {
    auto const reason = [](Schedule const& schedule, Instant at) {
        return closed_reason(schedule, opening(schedule, at));
    };
    auto const berlin = window("Europe/Berlin", 1h, 5h, weekdays);
    EXPECT_EQ(reason(in({berlin}), utc(2026, 11, 20, 3)), "");
    EXPECT_EQ(reason(in({berlin}), utc(2026, 11, 21, 10)),
              "outside the window mon-fri 01:00-05:00 Europe/Berlin, opens 2026-11-23 01:00 CET");
    EXPECT_EQ(reason(in({berlin, window("Asia/Tokyo", 3h, 4h, 0b100'0000)}), utc(2026, 11, 21, 10)),
              "outside the windows mon-fri 01:00-05:00 Europe/Berlin; sun 03:00-04:00 Asia/Tokyo, opens 2026-11-22 "
              "03:00 JST");
    EXPECT_EQ(reason({{berlin}, utc(2026, 12, 1, 12), zone("America/New_York")}, utc(2026, 11, 20, 3)),
              "before the time of schedule.at, opens 2026-12-02 01:00 CET");
    EXPECT_EQ(reason({{berlin}, utc(2026, 12, 1, 2), zone("America/New_York")}, utc(2026, 11, 20, 3)),
              "before the time of schedule.at, opens 2026-11-30 21:00 EST");
    EXPECT_EQ(reason({{}, utc(2026, 12, 1), zone("Europe/Berlin")}, utc(2026, 11, 20, 3)),
              "before the time of schedule.at, opens 2026-12-01 01:00 CET");
}

// ---- forecast -------------------------------------------------------------------------------------------------------

TEST(Schedule, ForeseesTheEnd) {
    struct Case {
        std::string what;
        Schedule schedule;
        Instant now;
        minutes low, high;
        std::string text;
        bool this_opening;
    };
    auto const nights = in({window("UTC", 1h, 5h, weekdays)});
    auto const thursday = utc(2026, 11, 19, 2);
    for (auto const& [what, schedule, now, low, high, text, this_opening] : {
             Case{"always",
                  {},
                  thursday,
                  60min,
                  90min,
                  "done between 2026-11-19 03:00 UTC and 2026-11-19 03:30 UTC",
                  true},
             Case{"at once", nights, thursday, 0min, 0min, "done in this window, at 2026-11-19 02:00 UTC", true},
             Case{"within this one, to its last minute", nights, thursday, 60min, 180min,
                  "done in this window, between 2026-11-19 03:00 UTC and 2026-11-19 05:00 UTC", true},
             Case{"perhaps within this one", nights, thursday, 60min, 181min,
                  "done in 1 to 2 openings, between 2026-11-19 03:00 UTC and 2026-11-20 01:01 UTC", false},
             Case{"over a weekend", nights, thursday, 181min, 10h,
                  "done in 2 to 3 openings, between 2026-11-20 01:01 UTC and 2026-11-23 04:00 UTC", false},
             Case{"in the next one", nights, utc(2026, 11, 19, 6), 60min, 60min,
                  "done in 1 opening, at 2026-11-20 02:00 UTC", false},
             Case{"before its time",
                  {{}, utc(2026, 12, 1), zone("Europe/Berlin")},
                  thursday,
                  60min,
                  120min,
                  "done between 2026-12-01 02:00 CET and 2026-12-01 03:00 CET",
                  false},
             Case{"never closed", in({window("UTC", 0h, 24h)}), thursday, 60min, hours{24 * 3000},
                  "done in this window, between 2026-11-19 03:00 UTC and 2035-02-05 02:00 UTC", true},
             Case{"endless", nights, thursday, 60min, hours{4 * 1001},
                  "done in 1 to more than 1000 openings, not before 2026-11-19 03:00 UTC", false},
             Case{"endless in any case", nights, thursday, hours{4 * 1001}, hours{4 * 1001},
                  "not done within 1000 openings", false},
             Case{"a short night", in({window("Europe/Berlin", 2h, 4h)}), utc(2026, 3, 28, 12), 60min, 61min,
                  "done in 1 to 2 openings, between 2026-03-29 04:00 CEST and 2026-03-30 02:01 CEST", false},
         }) {
        auto const seen = forecast(schedule, now, low, high);
        EXPECT_EQ(to_text(seen, schedule), text) << what;
        EXPECT_EQ(seen.this_opening, this_opening) << what;
    }
}

// ---- any window, minute by minute -----------------------------------------------------------------------------------

/// What the C library's clock shows in minutes since 1970, for each minute from `first` on.
std::vector<std::int64_t> clocks(std::string const& of, std::int64_t first, std::size_t count) {
    ::setenv("TZ", (":" + of).c_str(), 1);
    ::tzset();
    std::vector<std::int64_t> shown(count);
    for (std::size_t i = 0; i < count; ++i) {
        std::time_t const time = (first + static_cast<std::int64_t>(i)) * 60;
        std::tm parts{};
        ::localtime_r(&time, &parts);
        shown[i] = ::timegm(&parts) / 60;
    }
    return shown;
}

/// Which minutes are open, by looking at the clock every minute.
std::vector<bool> walked(Schedule const& schedule, std::int64_t first, std::size_t count) {
    std::vector<bool> open(count, schedule.windows.empty());
    for (auto const& window : schedule.windows) {
        auto const shown = clocks(window.zone.name(), first, count);
        for (auto day = shown.front() / 1440 + 1; day <= shown.back() / 1440; ++day) {
            if ((window.days >> ((day + 3) % 7) & 1) == 0) continue;  // 1970 began on a Thursday
            auto const begin = day * 1440 + window.from.count();
            auto const end = (window.to > window.from ? day : day + 1) * 1440 + window.to.count();
            auto const opens = std::find_if(shown.begin(), shown.end(), [&](auto at) { return at >= begin; });
            auto const closes = std::find_if(shown.rbegin(), shown.rend(), [&](auto at) { return at < end; }).base();
            for (auto at = opens; at < closes; ++at) open[static_cast<std::size_t>(at - shown.begin())] = true;
        }
    }
    if (schedule.at) {
        auto const until = duration_cast<minutes>(schedule.at->time_since_epoch()).count() - first;
        for (std::int64_t i = 0; i < std::min(until, static_cast<std::int64_t>(count)); ++i)
            open[static_cast<std::size_t>(i)] = false;
    }
    return open;
}

TEST(Schedule, IsThatOfAWatchmanWhoLooksAtTheClockEveryMinute) {
    constexpr std::array zones{"UTC",
                               "Europe/Berlin",
                               "America/New_York",
                               "America/St_Johns",
                               "Pacific/Apia",
                               "Asia/Kathmandu",
                               "Australia/Lord_Howe",
                               "America/Sao_Paulo",
                               "America/Havana",
                               "Antarctica/Troll",
                               "Africa/Casablanca",
                               "Asia/Tehran"};
    // Days near which a clock is changed somewhere, and a leap day.
    std::array const days_of_note{utc(2011, 12, 30), utc(2026, 3, 29), utc(2026, 10, 25), utc(2026, 3, 8),
                                  utc(2026, 11, 1),  utc(2010, 11, 7), utc(2026, 4, 5),   utc(2026, 10, 4),
                                  utc(2024, 2, 29),  utc(2018, 2, 18), utc(2018, 11, 4),  utc(2026, 12, 31)};
    auto const* asked = std::getenv("WEIR_SEED");
    auto const seed = asked != nullptr ? std::strtoull(asked, nullptr, 10) : 1;
    auto const* told = std::getenv("WEIR_SCHEDULES");
    auto const worlds = told != nullptr ? std::strtoull(told, nullptr, 10) : 100;
    constexpr std::size_t margin = 4 * 1440, looked_at = 9 * 1440, count = looked_at + 3 * margin;
    std::mt19937_64 random{seed};
    auto const upto = [&](int most) { return std::uniform_int_distribution<int>{0, most}(random); };
    // Most times of the day fall where clocks are changed.
    auto const time = [&] { return minutes{upto(2) == 0 ? upto(1439) : upto(12) * 15}; };

    for (std::uint64_t world = 0; world < worlds && !testing::Test::HasFailure(); ++world) {
        Schedule schedule;
        for (auto windows = upto(3); windows > 0; --windows) {
            Window made{static_cast<std::uint8_t>(1 + upto(every_day - 1)), time(), time(),
                        zone(zones.at(static_cast<std::size_t>(upto(zones.size() - 1))))};
            if (upto(2) == 0) made.days = every_day;
            if (made.from == made.to) made.to += 1min;
            schedule.windows.push_back(std::move(made));
        }
        auto const note = days_of_note.at(static_cast<std::size_t>(upto(days_of_note.size() - 1)));
        auto const begin = floor<minutes>(note) - minutes{3 * 1440 + upto(1440)};
        if (upto(3) == 0) schedule.at = begin + minutes{upto(looked_at)};
        auto const first = begin.time_since_epoch().count() - static_cast<std::int64_t>(margin);
        auto const open = walked(schedule, first, count);
        std::string told_as = "seed " + std::to_string(seed) + ", world " + std::to_string(world);
        for (auto const& window : schedule.windows) told_as += "; " + to_text(window);
        SCOPED_TRACE(told_as);

        auto const is_open = [&](Instant at) {
            return open[static_cast<std::size_t>(duration_cast<minutes>(at.time_since_epoch()).count() - first)];
        };
        Instant const end = begin + minutes{looked_at};
        int changes = 0;
        for (auto now = opening(schedule, begin);; now = opening(schedule, *now.until), ++changes) {
            auto const until = std::min(now.until.value_or(end), end);
            for (auto at = now.at; at < until; at += 1min)
                ASSERT_EQ(is_open(at), now.open) << Zone{}.text(at) << " of " << Zone{}.text(now.at);
            if (until == end) break;
            ASSERT_NE(is_open(*now.until), now.open) << Zone{}.text(*now.until);
        }
        for (int i = 0; i < 20; ++i) {
            auto const at = begin + minutes{upto(looked_at - 1)} + milliseconds{upto(59'999)};
            auto const now = opening(schedule, at);
            ASSERT_EQ(now.open, is_open(at)) << Zone{}.text(at);
            if (!now.until || *now.until >= end) continue;
            for (auto next = floor<minutes>(at) + 1min; next < *now.until; next += 1min)
                ASSERT_EQ(is_open(next), now.open) << Zone{}.text(next) << " of " << Zone{}.text(at);
            ASSERT_NE(is_open(*now.until), now.open) << Zone{}.text(*now.until);
        }
        // Work that ends while the watchman looks ends after as many open minutes.
        minutes const work{1 + upto(600)};
        auto const finish = forecast(schedule, begin, work, work).low;
        minutes done{};
        int entered = 0;
        Instant at = begin;
        for (; at < end && done < work; at += 1min) {
            if (!is_open(at)) continue;
            if (done == 0min || !is_open(at - 1min)) ++entered;
            done += 1min;
        }
        if (done == work) {
            ASSERT_EQ(finish.at, at);
            ASSERT_EQ(finish.openings, entered);
        }
    }
    ::unsetenv("TZ");
    ::tzset();
}

}  // namespace
}  // namespace weir
