#include "orchestrator/signals/heartbeat.h"

#include <algorithm>
#include <cmath>
#include <iterator>

namespace weir {
namespace {

constexpr std::size_t noted_bound = 1024;
constexpr double shortest = 0.1;
constexpr double longest = 1.0;

}  // namespace

Millis beat_period(std::optional<double> smallest_lag_limit) {
    auto const seconds = smallest_lag_limit ? std::clamp(*smallest_lag_limit / 4, shortest, longest) : longest;
    return Millis{static_cast<std::int64_t>(std::floor(seconds * 1000))};
}

void Beats::note(std::int64_t beat, Millis committed) {
    if (!noted_.empty() && beat <= noted_.back().beat) noted_.clear();
    noted_.push_back({beat, committed});
    if (noted_.size() > noted_bound) thin();
}

/// Every second one of the older half: the further back, the wider the gaps. A gap makes a lag too large, never too
/// small.
void Beats::thin() {
    std::deque<Noted> kept;
    for (std::size_t i = 0; i < noted_.size(); ++i)
        if (i >= noted_.size() / 2 || i % 2 == 0) kept.push_back(noted_[i]);
    noted_ = std::move(kept);
}

std::optional<std::int64_t> Beats::newest() const {
    return noted_.empty() ? std::nullopt : std::optional{noted_.back().beat};
}

std::optional<Beats::Place> Beats::find(std::int64_t beat) const {
    auto const after = std::ranges::upper_bound(noted_, beat, {}, &Noted::beat);
    if (after == noted_.begin()) return std::nullopt;
    auto const at = std::prev(after);
    Place place{at->committed, std::nullopt};
    if (after != noted_.end() && after->beat == beat + 1) place.after = after->committed;
    return place;
}

void HeartbeatLag::saw(Beats const& beats, std::int64_t beat, Millis now) {
    auto const place = beats.find(beat);
    if (beat_ == beat && (transit_ || !place)) return;
    beat_ = beat;
    seen_ = now;
    transit_.reset();
    if (!place) return;
    // A replica may show a beat before the primary's answer has come.
    bool const ahead = beat > *beats.newest();
    transit_ = ahead ? Millis{0} : std::max(now - place->committed, Millis{0});
}

std::optional<double> HeartbeatLag::lag(Beats const& beats, Millis now) const {
    if (!beat_ || !transit_) return std::nullopt;
    auto const place = beats.find(*beat_);
    if (!place) return std::nullopt;
    auto const next_due = [&] {
        if (place->after) return *place->after;
        if (*beat_ > *beats.newest()) return seen_ + beats.period();
        return place->committed + beats.period();
    }();
    return static_cast<double>(std::max({*transit_, now - next_due, Millis{0}}).count()) / 1000;
}

bool HeartbeatLag::misses(Beats const& beats) const {
    auto const newest = beats.newest();
    return newest && (!beat_ || *beat_ < *newest);
}

}  // namespace weir
