#include "plans/zone.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir {
namespace {

using namespace std::chrono;

Zone zone(std::string_view name) {
    auto found = Zone::of(name);
    if (!found) ADD_FAILURE() << "no zone " << name;
    return found.value_or(Zone{});
}

LocalMinute clock(int y, unsigned m, unsigned d, int hour, int minute) {
    return local_days{year{y} / month{m} / day{d}} + hours{hour} + minutes{minute};
}

Instant utc(int y, unsigned m, unsigned d, int hour, int minute) {
    return sys_days{year{y} / month{m} / day{d}} + hours{hour} + minutes{minute};
}

TEST(Zone, KnowsTheNamesOfTheSystem) {
    EXPECT_EQ(Zone{}.name(), "UTC");
    EXPECT_EQ(Zone::of("UTC"), Zone{});
    EXPECT_EQ(zone("America/Argentina/Buenos_Aires").name(), "America/Argentina/Buenos_Aires");
    for (auto const* name :
         {"", "Berlin", "europe/berlin", "localtime", "../../../etc/passwd", "/etc/passwd", "+01:00"})
        EXPECT_EQ(Zone::of(name), std::nullopt) << name;
    EXPECT_THAT(zone_names(), testing::Contains("Europe/Berlin"));
    EXPECT_THAT(zone_names(), testing::Not(testing::Contains("localtime")));
}

TEST(Zone, Tells) {
    EXPECT_EQ(Zone{}.text(utc(2024, 2, 29, 23, 59) + 59'999ms), "2024-02-29 23:59 UTC");
    EXPECT_EQ(zone("Europe/Berlin").text(utc(2026, 11, 23, 0, 0)), "2026-11-23 01:00 CET");
    EXPECT_EQ(zone("Europe/Berlin").text(utc(2026, 7, 1, 22, 30)), "2026-07-02 00:30 CEST");
    EXPECT_EQ(zone("Asia/Kathmandu").text(utc(2026, 1, 1, 0, 0)), "2026-01-01 05:45 +0545");
    EXPECT_EQ(zone("America/New_York").local(utc(1969, 12, 31, 23, 0) + 30s), clock(1969, 12, 31, 18, 0));
}

TEST(Zone, FindsTheInstantsOfAClock) {
    struct Case {
        std::string zone;
        LocalMinute time;
        Instant first, last;
    };
    for (auto const& [name, time, first, last] : {
             Case{"UTC", clock(2026, 3, 29, 2, 30), utc(2026, 3, 29, 2, 30), utc(2026, 3, 29, 2, 30)},
             Case{"Europe/Berlin", clock(2026, 3, 29, 1, 59), utc(2026, 3, 29, 0, 59), utc(2026, 3, 29, 0, 59)},
             // the gap: 02:00 is 03:00
             Case{"Europe/Berlin", clock(2026, 3, 29, 2, 0), utc(2026, 3, 29, 1, 0), utc(2026, 3, 29, 1, 0)},
             Case{"Europe/Berlin", clock(2026, 3, 29, 2, 59), utc(2026, 3, 29, 1, 0), utc(2026, 3, 29, 1, 0)},
             Case{"Europe/Berlin", clock(2026, 3, 29, 3, 0), utc(2026, 3, 29, 1, 0), utc(2026, 3, 29, 1, 0)},
             // the fold: 02:00 to 03:00 comes twice
             Case{"Europe/Berlin", clock(2026, 10, 25, 1, 59), utc(2026, 10, 24, 23, 59), utc(2026, 10, 24, 23, 59)},
             Case{"Europe/Berlin", clock(2026, 10, 25, 2, 0), utc(2026, 10, 25, 0, 0), utc(2026, 10, 25, 0, 0)},
             Case{"Europe/Berlin", clock(2026, 10, 25, 2, 1), utc(2026, 10, 25, 0, 1), utc(2026, 10, 25, 1, 1)},
             Case{"Europe/Berlin", clock(2026, 10, 25, 2, 30), utc(2026, 10, 25, 0, 30), utc(2026, 10, 25, 1, 30)},
             Case{"Europe/Berlin", clock(2026, 10, 25, 3, 0), utc(2026, 10, 25, 2, 0), utc(2026, 10, 25, 2, 0)},
             // half an hour
             Case{"Australia/Lord_Howe", clock(2026, 10, 4, 2, 10), utc(2026, 10, 3, 15, 30), utc(2026, 10, 3, 15, 30)},
             Case{"Australia/Lord_Howe", clock(2026, 4, 5, 1, 45), utc(2026, 4, 4, 14, 45), utc(2026, 4, 4, 15, 15)},
             // a day that was left out
             Case{"Pacific/Apia", clock(2011, 12, 30, 12, 0), utc(2011, 12, 30, 10, 0), utc(2011, 12, 30, 10, 0)},
             Case{"Pacific/Apia", clock(2011, 12, 31, 0, 0), utc(2011, 12, 30, 10, 0), utc(2011, 12, 30, 10, 0)},
         }) {
        EXPECT_EQ(zone(name).first(time), first) << name << " " << Zone{}.text(first);
        EXPECT_EQ(zone(name).last(time), last) << name << " " << Zone{}.text(last);
    }
}

}  // namespace
}  // namespace weir
