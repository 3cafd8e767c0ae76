#include "metrics/text.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <utility>

namespace weir {
namespace {

/// At most one decimal, and none that is 0.
std::string short_text(double value) {
    auto text = decimal(value, 1);
    if (text.ends_with(".0")) text.resize(text.size() - 2);
    return text;
}

}  // namespace

std::string joined(std::vector<std::string> const& parts, std::string_view between) {
    std::string text;
    for (auto const& part : parts) {
        if (!text.empty()) text += between;
        text += part;
    }
    return text;
}

std::string decimal(double value, int digits) {
    std::string text(64, '\0');
    auto const written = std::snprintf(text.data(), text.size(), "%.*f", digits, value);
    text.resize(static_cast<std::size_t>(std::clamp(written, 0, 63)));
    return text;
}

std::string figure(double value, std::string_view unit) {
    if (unit == "s" && value < 1) return std::to_string(std::llround(value * 1000)) + " ms";
    if (unit == "B" || unit == "B/s") {
        static constexpr std::array<std::pair<double, std::string_view>, 4> sizes{
            {{1LL << 40, "TB"}, {1LL << 30, "GB"}, {1LL << 20, "MB"}, {1LL << 10, "kB"}}};
        for (auto const& [size, name] : sizes)
            if (value >= size) return short_text(value / size) + " " + std::string{name} + (unit == "B/s" ? "/s" : "");
    }
    return short_text(value) + (unit.empty() ? "" : " " + std::string{unit});
}

std::string iso(Instant at, bool milliseconds) {
    auto const day = std::chrono::floor<std::chrono::days>(at);
    std::chrono::year_month_day const date{day};
    std::chrono::hh_mm_ss const time{at - day};
    std::string text(64, '\0');
    auto const written = std::snprintf(
        text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02d", static_cast<int>(date.year()),
        static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), static_cast<int>(time.hours().count()),
        static_cast<int>(time.minutes().count()), static_cast<int>(time.seconds().count()));
    text.resize(static_cast<std::size_t>(std::clamp(written, 0, 63)));
    if (milliseconds) {
        auto const fraction = std::to_string(1000 + time.subseconds().count());
        text += "." + fraction.substr(1);
    }
    return text + "Z";
}

std::string printable(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        auto const byte = static_cast<unsigned char>(text[i]);
        bool const c1 = byte == 0xC2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xA0;
        if (c1) ++i;
        out += byte < 0x20 || byte == 0x7F || c1 ? '?' : text[i];
    }
    return out;
}

std::string truncated(std::string text, std::size_t columns) {
    std::size_t seen = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if ((static_cast<unsigned char>(text[i]) & 0xC0) == 0x80) continue;
        if (seen++ == columns) {
            text.resize(i);
            break;
        }
    }
    return text;
}

}  // namespace weir
