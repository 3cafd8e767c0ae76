#include "orchestrator/signals/answer.h"

#include <charconv>
#include <cmath>
#include <utility>

namespace weir::answer {
namespace {

// The server cuts an application_name to this.
constexpr std::size_t name_max = 63;

template <class T>
std::optional<T> whole(std::optional<std::string> const& field) {
    if (!field) return {};
    T value{};
    auto const* end = field->data() + field->size();
    auto const [stop, wrong] = std::from_chars(field->data(), end, value);
    if (wrong != std::errc{} || stop != end) return {};
    return value;
}

}  // namespace

std::optional<std::int64_t> integer(std::optional<std::string> const& field) { return whole<std::int64_t>(field); }

std::optional<double> number(std::optional<std::string> const& field) {
    auto const value = whole<double>(field);
    return value && std::isfinite(*value) ? value : std::nullopt;
}

Reading reading(std::string_view signal, std::string_view unit) {
    Reading made;
    made.signal = signal;
    made.unit = unit;
    return made;
}

Reading unread(std::string_view signal, std::string_view unit, std::string problem) {
    auto made = reading(signal, unit);
    made.problem = std::move(problem);
    return made;
}

std::string why(Outcome const& outcome) {
    if (outcome.fate == Fate::done) return "the primary did not answer: no rows that weir understands";
    if (outcome.sqlstate == "42501") return outcome.message + "; GRANT pg_monitor TO weir's role";
    return "the primary did not answer: " +
           (outcome.message.empty() ? std::string{name(outcome.fate)} : outcome.message);
}

Row const* only_row(Outcome const& outcome, std::size_t fields) {
    bool const fits = outcome.fate == Fate::done && outcome.rows.size() == 1 && outcome.rows[0].fields.size() == fields;
    return fits ? &outcome.rows[0] : nullptr;
}

Sql ours(std::string const& plan) {
    return sql("coalesce(pg_catalog.starts_with(a.application_name, {0}), false)",
               Value{("weir " + plan + " ").substr(0, name_max)});
}

Sql hidden() {
    // A member of pg_read_all_stats sees what there is to see, whatever a provider keeps to itself.
    return sql(R"((a.backend_type IS NULL AND a.datid IS NOT NULL
               AND NOT pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE')))");
}

std::string sessions_are_hidden(std::int64_t count) {
    return "what " + std::to_string(count) +
           (count == 1 ? " session of another role does" : " sessions of other roles do") +
           " is hidden; GRANT pg_monitor (or pg_read_all_stats) TO weir's role";
}

Sql somebody_waits() {
    return sql(R"((SELECT pg_catalog.bool_or(s.wait_event_type IS NOT DISTINCT FROM 'Lock' OR s.backend_type IS NULL)
        FROM pg_catalog.pg_stat_activity AS s))");
}

}  // namespace weir::answer
