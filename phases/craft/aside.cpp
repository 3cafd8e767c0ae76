#include "phases/craft/aside.h"

#include "plans/sql.h"

namespace weir {
namespace {

constexpr std::size_t name_bytes = 63;

}  // namespace

std::string run_prefix(std::string_view word, RunId run) {
    return std::string{word} + std::to_string(static_cast<std::int64_t>(run)) + "_";
}

Ident fitting(std::string const& prefix, std::string const& name, std::string const& suffix) {
    if (prefix.size() + name.size() + suffix.size() <= name_bytes) return Ident::of(prefix + name + suffix);
    auto const mark = "_" + fingerprint(name).substr(0, 8) + suffix;
    auto cut = name.substr(0, name_bytes - prefix.size() - mark.size());
    while (!is_utf8(cut)) cut.pop_back();
    return Ident::of(prefix + cut + mark);
}

Ident aside_name(Ident const& name, RunId run) { return fitting(run_prefix("weir_q", run), name.text()); }

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
