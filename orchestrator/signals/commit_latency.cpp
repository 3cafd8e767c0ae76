#include "orchestrator/signals/commit_latency.h"

#include <algorithm>
#include <vector>

namespace weir {
namespace {

constexpr Millis window{5000};
/// A first commit that takes no longer than this says nothing yet.
constexpr double telling = 0.1;

}  // namespace

void CommitLatency::took(double seconds, Millis at) {
    taken_.push_back({seconds, at});
    while (taken_.front().at < at - window) taken_.pop_front();
}

std::optional<double> CommitLatency::value(Millis now, std::optional<double> waited) const {
    std::vector<double> recent;
    for (auto const& one : taken_)
        if (one.at >= now - window) recent.push_back(one.seconds);
    if (recent.empty() && !taken_.empty()) recent.push_back(taken_.back().seconds);
    if (recent.empty()) return waited && *waited > telling ? waited : std::nullopt;
    auto const middle = recent.begin() + static_cast<std::ptrdiff_t>(recent.size() / 2);
    std::ranges::nth_element(recent, middle);
    return std::max(*middle, waited.value_or(0));
}

}  // namespace weir
