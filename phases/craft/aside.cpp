#include "phases/craft/aside.h"

namespace weir {
std::string days(Millis time) {
    auto const s = time.count() / 1000;
    if (s % 86400 == 0) return std::to_string(s / 86400) + " d";
    if (s % 3600 == 0) return std::to_string(s / 3600) + " h";
    return std::to_string(s) + " s";
}

std::string way_out_of_quarantine(std::string_view what) {
    return "weir status names the plan: weir purge ends it when its time is over, weir rollback brings the " +
           std::string{what} + " back";
}

}  // namespace weir
