#include "metrics/rate.h"

#include <cmath>

namespace weir {
namespace {

/// A forecast of more than a year is none.
std::optional<std::chrono::seconds> whole_seconds(double left, double rate) {
    if (!(rate > 0)) return {};
    double const seconds = std::ceil(left / rate);
    double const year = 366.0 * 24 * 3600;
    if (seconds > year) return {};
    return std::chrono::seconds{static_cast<std::int64_t>(seconds)};
}

}  // namespace

void Rate::add(Instant at, Millis took, double amount) {
    if (!slots_.empty() && at < slots_.back().to) clear();
    // After a pause longer than the window the old beginning says nothing about the work of now.
    if (!slots_.empty() && at - slots_.back().to > window_) clear();
    if (!began_) began_ = at - std::max(took, Millis{0});
    Millis const grain = window_ / 60;
    if (!slots_.empty() && at - slots_.back().from < grain) {
        slots_.back().to = at;
        slots_.back().amount += amount;
    } else {
        slots_.push_back({at, at, amount});
    }
    while (slots_.front().to <= at - window_) slots_.pop_front();
    spread(at, std::clamp(took, Millis{0}, window_), amount);
}

void Rate::spread(Instant at, Millis took, double amount) {
    auto const size = bucket().count();
    auto const to = at.time_since_epoch().count();
    auto const from = to - took.count();
    // A batch that took no time belongs to the moment before it was told of, as the others do.
    auto const share = amount / static_cast<double>(std::max<std::int64_t>(to - from, 1));
    for (auto begin = std::min(from, to - 1); begin < to;) {
        auto const number = begin / size;
        auto const end = std::min(to, (number + 1) * size);
        buckets_[number] += share * static_cast<double>(end - begin);
        begin = end;
    }
    buckets_.erase(buckets_.begin(), buckets_.lower_bound((at - window_).time_since_epoch().count() / size));
}

std::optional<double> Rate::standard_error(Instant now) const {
    auto const size = bucket().count();
    auto const since = std::max(*began_, now - window_).time_since_epoch().count();
    auto const first = (since + size - 1) / size;
    auto const last = now.time_since_epoch().count() / size;  // not over yet, so it does not count
    if (last - first < 3) return {};
    double const n = static_cast<double>(last - first);
    // A bucket without work is not in the map, but counts: the work stood still.
    auto const amount = [&](std::int64_t number) {
        auto const found = buckets_.find(number);
        return found == buckets_.end() ? 0.0 : found->second;
    };
    double sum = 0;
    for (auto number = first; number < last; ++number) sum += amount(number);
    double squares = 0;
    for (auto number = first; number < last; ++number) squares += std::pow(amount(number) - sum / n, 2);
    return std::sqrt(squares / (n - 1) / n) * 1000.0 / static_cast<double>(size);
}

std::optional<double> Rate::per_second(Instant now) const {
    if (slots_.empty() || now < slots_.back().to || slots_.back().to <= now - window_) return {};
    double sum = 0;
    for (auto const& slot : slots_)
        if (slot.to > now - window_) sum += slot.amount;
    // One batch that took less than a tick of the clock is not infinitely fast.
    Millis const span = std::max(std::min(window_, now - *began_), Millis{1});
    return sum * 1000.0 / static_cast<double>(span.count());
}

std::optional<std::chrono::seconds> Rate::time_for(double left, Instant now) const {
    if (left <= 0) return std::chrono::seconds{0};
    auto const rate = per_second(now);
    if (!rate) return {};
    return whole_seconds(left, *rate);
}

std::optional<Rate::Range> Rate::range_for(double left, Instant now) const {
    if (left <= 0) return Range{};
    auto const rate = per_second(now);
    if (!rate) return {};
    auto const error = standard_error(now);
    if (!error) return {};
    auto const low = whole_seconds(left, *rate + 2 * *error);
    auto const high = whole_seconds(left, *rate - 2 * *error);
    if (!low || !high) return {};
    return Range{*low, *high};
}

void Rate::clear() {
    slots_.clear();
    buckets_.clear();
    began_.reset();
}

}  // namespace weir
