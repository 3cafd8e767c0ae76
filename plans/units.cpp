#include <array>
#include <charconv>
#include <cstdint>
#include <limits>
#include <utility>

#include "plans/reader.h"

namespace weir {
namespace {

template <std::size_t N>
std::optional<std::int64_t> read_number(std::string_view text,
                                        std::array<std::pair<std::string_view, std::int64_t>, N> const& units) {
    std::int64_t number = 0;
    if (text.empty() || text.front() < '0' || text.front() > '9') return std::nullopt;
    auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{}) return std::nullopt;
    auto const unit = text.substr(static_cast<std::size_t>(end - text.data()));
    for (auto const& [name, factor] : units)
        if (unit == name && number <= std::numeric_limits<std::int64_t>::max() / factor) return number * factor;
    return std::nullopt;
}

}  // namespace

std::optional<Millis> read_duration(std::string_view text) {
    static constexpr std::array<std::pair<std::string_view, std::int64_t>, 5> units{
        {{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}}};
    auto const millis = read_number(text, units);
    return millis ? std::optional{Millis{*millis}} : std::nullopt;
}

std::optional<std::int64_t> read_size(std::string_view text) {
    static constexpr std::array<std::pair<std::string_view, std::int64_t>, 4> units{
        {{"kB", 1LL << 10}, {"MB", 1LL << 20}, {"GB", 1LL << 30}, {"TB", 1LL << 40}}};
    return read_number(text, units);
}

}  // namespace weir
