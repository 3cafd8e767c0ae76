#include "plans/zone.h"

#include <date/tz.h>

#include <array>
#include <cstdio>
#include <exception>

namespace weir {
namespace {

constexpr std::string_view utc{"UTC"};
/// What this machine is set to is another zone on the machine that resumes.
constexpr std::string_view of_the_machine{"localtime"};

date::tzdb const* database() {
    try {
        auto const& database = date::get_tzdb();
        return database.zones.empty() ? nullptr : &database;
    } catch (std::exception const&) {
        return nullptr;
    }
}

date::time_zone const& zone_of(void const* zone) { return *static_cast<date::time_zone const*>(zone); }

struct Times {
    Instant first, last;
};

Times times(void const* zone, LocalMinute time) {
    auto const since = time.time_since_epoch();
    if (zone == nullptr) return {Instant{since}, Instant{since}};
    auto const info = zone_of(zone).get_info(date::local_time<std::chrono::minutes>{since});
    Instant const first{since - info.first.offset};
    if (info.result == date::local_info::nonexistent) return {Instant{info.first.end}, Instant{info.first.end}};
    if (info.result != date::local_info::ambiguous) return {first, first};
    // Set back to just this time, it never shows less.
    bool const exactly = info.second.begin.time_since_epoch() + info.second.offset == since;
    return {first, exactly ? first : Instant{since - info.second.offset}};
}

}  // namespace

std::optional<Zone> Zone::of(std::string_view name) {
    Zone zone;
    if (name == utc) return zone;
    if (name == of_the_machine) return std::nullopt;
    try {
        auto const* found = date::locate_zone(name);
        // The file is read at the first question.
        found->get_info(date::sys_seconds{});
        zone.name_ = name;
        zone.zone_ = found;
        return zone;
    } catch (std::exception const&) {
        return std::nullopt;
    }
}

LocalMinute Zone::local(Instant at) const {
    auto const offset = zone_ != nullptr ? zone_of(zone_).get_info(at).offset : std::chrono::seconds{};
    return LocalMinute{std::chrono::floor<std::chrono::minutes>(at.time_since_epoch() + offset)};
}

Instant Zone::first(LocalMinute time) const { return times(zone_, time).first; }
Instant Zone::last(LocalMinute time) const { return times(zone_, time).last; }

std::string Zone::text(Instant at) const {
    auto const minute = local(at);
    auto const day = std::chrono::floor<std::chrono::days>(minute);
    std::chrono::year_month_day const date{day};
    std::chrono::hh_mm_ss const time{minute - day};
    std::array<char, 40> text{};
    auto const length =
        std::snprintf(text.data(), text.size(), "%04d-%02u-%02u %02d:%02d ", static_cast<int>(date.year()),
                      static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                      static_cast<int>(time.hours().count()), static_cast<int>(time.minutes().count()));
    return std::string(text.data(), static_cast<std::size_t>(length)) +
           (zone_ != nullptr ? zone_of(zone_).get_info(at).abbrev : std::string{utc});
}

std::vector<std::string> zone_names() {
    std::vector<std::string> names;
    if (auto const* all = database())
        for (auto const& zone : all->zones)
            if (zone.name() != of_the_machine) names.push_back(zone.name());
    return names;
}

}  // namespace weir
