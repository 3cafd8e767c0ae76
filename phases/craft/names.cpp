#include "phases/craft/names.h"

#include <cstdint>

#include "plans/plan.h"

namespace weir {
namespace {

constexpr std::size_t name_bytes = 63;

/// `001`: as text it sorts as the number does.
std::string padded(std::int64_t number, std::size_t digits) {
    auto const text = std::to_string(number);
    return std::string(text.size() < digits ? digits - text.size() : 0, '0') + text;
}

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

Ident fitting_or(std::string const& prefix, std::string const& name, std::string const& substitute,
                 std::string const& suffix) {
    bool const fits = prefix.size() + name.size() + suffix.size() <= name_bytes;
    return Ident::of(prefix + (fits ? name : substitute) + suffix);
}

Ident aside_name(Ident const& name, RunId run) { return fitting(run_prefix("weir_q", run), name.text()); }

Ident not_null_check_name(Ident const& column, std::size_t position, RunId run) {
    return fitting_or(run_prefix("weir_r", run), column.text(), "column_" + std::to_string(position), "_not_null");
}

SyncNames sync_names(RunId run, int number, bool in_order) {
    auto const tag = run_prefix("r", run) + std::to_string(number);
    // PostgreSQL fires triggers by name, as text.
    auto const trigger =
        in_order ? "weir_run" + padded(static_cast<std::int64_t>(run), 10) + "_" + padded(number, 4) : "weir_" + tag;
    return {Ident::of(" " + trigger + "_first_i"),
            Ident::of(" " + trigger + "_first_u"),
            Ident::of("~" + trigger + "_last_i"),
            Ident::of("~" + trigger + "_last_u"),
            Ident::of(tag + "_f"),
            Ident::of(tag + "_g"),
            Ident::of(tag + "_ok"),
            Ident::of(tag + "_first"),
            Ident::of(tag + "_last"),
            Ident::of(tag + "_lost"),
            Ident::of(tag + "_both")};
}

Sql own_triggers() { return sql("^[ ~]weir_r(un)?[0-9]"); }

}  // namespace weir
