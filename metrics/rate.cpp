#include "metrics/rate.h"

#include <algorithm>
#include <cmath>

namespace weir {

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
    if (!rate || *rate <= 0) return {};
    double const seconds = std::ceil(left / *rate);
    double const year = 366.0 * 24 * 3600;
    if (seconds > year) return {};
    return std::chrono::seconds{static_cast<std::int64_t>(seconds)};
}

void Rate::clear() {
    slots_.clear();
    began_.reset();
}

}  // namespace weir
