#include "orchestrator/cli/line.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <limits>

#include "metrics/text.h"

namespace weir {
namespace {

/// A lag that was not told of for so long is not shown.
constexpr Millis lag_age{60'000};

std::string short_number(double value) {
    struct Unit {
        double size;
        char const* name;
    };
    for (auto const& unit : {Unit{1e9, "G"}, Unit{1e6, "M"}, Unit{1e3, "k"}})
        if (value >= unit.size * 0.9995) {
            auto const count = value / unit.size;
            return decimal(count, count < 99.95 ? 1 : 0) + unit.name;
        }
    return decimal(value, 0);
}

/// `7 to 9 min left`, in the unit that suits the long end. A range that is narrower than its unit is the one figure.
std::string left_words(Millis left, std::optional<Rate::Range> const& range) {
    auto one = duration(left) + " left";
    if (!range) return one;
    struct Unit {
        std::int64_t below, seconds;
        char const* name;
    };
    constexpr std::array units{Unit{120, 1, "s"}, Unit{120 * 60, 60, "min"}, Unit{48 * 3600, 3600, "h"},
                               Unit{std::numeric_limits<std::int64_t>::max(), 86400, "d"}};
    auto const low = range->low.count(), high = range->high.count();
    auto const& unit = *std::ranges::find_if(units, [&](auto const& u) { return high < u.below; });
    auto const rounded = [&](std::int64_t n) { return (n + unit.seconds / 2) / unit.seconds; };
    if (rounded(low) == rounded(high)) return one;
    auto const from = rounded(low) == 0 ? std::string{"up"} : std::to_string(rounded(low));
    return from + " to " + std::to_string(rounded(high)) + " " + unit.name + " left";
}

/// What stands after the progress: the worst lag, and what holds the run back.
std::string tail(Shown const& shown, Instant at) {
    std::string text;
    Shown::Lag const* worst = nullptr;
    for (auto const& [replica, lag] : shown.lags) {
        if (at - lag.at > lag_age) continue;
        if (!worst || !lag.lag || (worst->lag && *lag.lag > *worst->lag)) worst = &lag;
    }
    if (worst) text += worst->lag ? "  lag " + duration(*worst->lag) : "  lag ?";
    if (!shown.reasons.empty()) text += (shown.held ? "  held: " : "  slowed: ") + joined(shown.reasons, "; ");
    if (shown.busy_tries > 0) text += "  waits for a lock" + (shown.waits_for.empty() ? "" : " of " + shown.waits_for);
    return text;
}

/// Held, nobody knows how long it will take.
std::string work_text(Work const& work, bool held, Instant at) {
    constexpr int cells = 20;
    int const part = work.percent();
    auto const full = static_cast<std::size_t>(part * cells / 100);
    std::string text = std::string{work.proof ? "proof " : "fill "} + work.table + " [" + std::string(full, '#') +
                       std::string(static_cast<std::size_t>(cells) - full, '.') + "] " + std::to_string(part) + "%  " +
                       short_number(static_cast<double>(work.rows_done)) + "/" +
                       short_number(static_cast<double>(work.rows_estimate)) + " rows";
    if (auto const rate = work.row_rate.per_second(at)) text += "  " + short_number(*rate) + "/s";
    if (auto const left = work.time_left(at); left && part < 100 && !held) text += "  " + *left;
    return text;
}

}  // namespace

void Work::add(BatchDone const& batch, Instant at) {
    proof = batch.proof;
    pages_done += batch.pages;
    rows_done += batch.rows;
    page_rate.add(at, batch.took, static_cast<double>(batch.pages));
    row_rate.add(at, batch.took, static_cast<double>(batch.rows));
    written += batch.rows;
    hot += batch.hot;
}

int Work::percent() const {
    if (pages <= 0) return 100;
    return static_cast<int>(std::clamp<std::int64_t>(pages_done * 100 / pages, 0, 100));
}

std::string Work::counts() const {
    // A table that was never analyzed has no estimate.
    return std::to_string(rows_done) + (rows_estimate > 0 ? " of about " + std::to_string(rows_estimate) : "") +
           " rows";
}

std::optional<std::string> Work::in_place() const {
    if (proof || written <= 0) return {};
    return std::to_string(std::clamp<std::int64_t>(hot * 100 / written, 0, 100)) + " % in place";
}

std::optional<std::string> Work::time_left(Instant at) const {
    auto const ahead = static_cast<double>(pages - pages_done);
    auto const left = page_rate.time_for(ahead, at);
    if (!left) return {};
    return left_words(*left, page_rate.range_for(ahead, at));
}

std::string duration(Millis time) {
    auto const ms = std::max<std::int64_t>(time.count(), 0);
    if (ms < 1000) return std::to_string(ms) + " ms";
    if (ms < 60'000) return decimal(static_cast<double>(ms) / 1000.0, 1) + " s";
    auto const seconds = ms / 1000;
    if (seconds < 3600) return std::to_string(seconds / 60) + " min " + std::to_string(seconds % 60) + " s";
    if (seconds < 48 * 3600) return std::to_string(seconds / 3600) + " h " + std::to_string(seconds / 60 % 60) + " min";
    return std::to_string(seconds / 86400) + " d " + std::to_string(seconds / 3600 % 24) + " h";
}

std::string dumped_words(std::int64_t bytes) { return figure(static_cast<double>(bytes), "B") + " written"; }

std::string line_of(Shown const& shown, Instant at) {
    if (!shown.waiting.empty()) return shown.plan + ": " + shown.waiting + tail(shown, at);
    if (!shown.work && !shown.paused.empty()) return shown.plan + ": " + shown.paused + tail(shown, at);
    if (!shown.work)
        return shown.plan + ": " + shown.phase + (shown.title.empty() ? "" : ": " + shown.title) +
               (shown.dumped ? ", " + dumped_words(*shown.dumped) : "") + tail(shown, at);
    auto text = work_text(*shown.work, shown.held, at) + tail(shown, at);
    if (!shown.held && shown.forecast.step == shown.work->step && !shown.forecast.text.empty())
        text += "  " + shown.forecast.text;
    // Last, so that a narrow terminal keeps what holds the run back.
    if (auto const share = shown.work->in_place()) text += "  " + *share;
    return text;
}

}  // namespace weir
