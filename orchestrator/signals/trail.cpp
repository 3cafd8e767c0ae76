#include "orchestrator/signals/trail.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>

namespace weir {
namespace {

constexpr std::size_t history_bound = 1024;

}  // namespace

void Trail::note(std::int64_t position, Millis now) {
    if (!history_.empty() && position < history_.back().position) {
        history_.clear();
        began_.reset();
    }
    if (!began_) began_ = now;
    if (!history_.empty() && history_.back().position == position)
        history_.back().at = now;
    else
        history_.push_back({position, now, now});
    if (history_.size() <= history_bound) return;
    // Far back coarse steps do.
    std::deque<Sample> thinned{history_.front()};
    for (std::size_t i = 1; i < history_.size(); ++i) {
        bool const last = i + 1 == history_.size();
        if (last || history_[i + 1].at - thinned.back().at > (now - history_[i].at) / 30)
            thinned.push_back(history_[i]);
    }
    history_ = std::move(thinned);
    while (history_.size() > history_bound) history_.pop_front();
}

std::optional<Millis> Trail::since(std::int64_t position, Millis now) const {
    if (!history_.empty() && position >= history_.back().position) return Millis{0};
    auto const after = std::ranges::upper_bound(history_, position, {}, &Sample::position);
    if (after == history_.begin()) return std::nullopt;
    auto const before = std::prev(after);
    auto const share =
        static_cast<double>(position - before->position) / static_cast<double>(after->position - before->position);
    return now - before->at - Millis{std::llround(share * static_cast<double>((after->from - before->at).count()))};
}

}  // namespace weir
