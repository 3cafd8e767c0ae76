#include "metrics/throttle_reason.h"

#include <algorithm>
#include <array>
#include <string>

#include "plans/keys.h"

namespace weir {
namespace {

struct Reason {
    std::string_view words, label;
};
/// Beside the signals of keys::signals, which are called by their own names.
constexpr std::array reasons{Reason{"sql ", "sql"},
                             Reason{"http ", "http"},
                             Reason{"prometheus ", "prometheus"},
                             Reason{"paused by", "paused"},
                             Reason{"pace ", "rising"},
                             Reason{"outside the window", "schedule"},
                             Reason{"before the time of schedule.at", "schedule"}};

}  // namespace

std::vector<std::string_view> throttle_reasons() {
    std::vector<std::string_view> labels;
    for (auto const& signal : keys::signals) labels.push_back(signal.name);
    for (auto const& reason : reasons) labels.push_back(reason.label);
    labels.push_back(other_reason);
    return labels;
}

std::string_view throttle_reason(std::string_view reason) {
    for (auto const& signal : keys::signals) {
        std::string words{signal.name};
        std::ranges::replace(words, '_', ' ');
        if (reason.starts_with(words)) return signal.name;
    }
    for (auto const& [words, label] : reasons)
        if (reason.starts_with(words)) return label;
    return other_reason;
}

}  // namespace weir
