#pragma once
/// The dashboard: one HTML page, embedded from metrics/dashboard/ at build time. It asks for nothing but `/api/events`.
#include <string_view>

namespace weir {

struct Dashboard {
    std::string_view page;
    std::string_view policy;  ///< its Content-Security-Policy: the page's own script and style by their hashes
};
Dashboard dashboard();

}  // namespace weir
