#include "orchestrator/signals/active_sessions.h"

#include "orchestrator/signals/answer.h"

namespace weir {
namespace {

constexpr auto key = "active_sessions";
constexpr auto unit = "sessions";

}  // namespace

Batch ActiveSessions::measure() const {
    return {sql(R"(SELECT pg_catalog.count(*) FILTER (WHERE a.state IN ('active', 'fastpath function call')
                                       AND a.backend_type = 'client backend'),
       pg_catalog.count(*) FILTER (WHERE {0})
FROM pg_catalog.pg_stat_activity AS a
WHERE NOT {1})",
                answer::hidden(), answer::ours(plan_))};
}

std::vector<Reading> ActiveSessions::read(Outcome const& outcome, Millis /*now*/) {
    auto const* row = answer::only_row(outcome, 2);
    auto const active = row != nullptr ? answer::integer(row->fields[0]) : std::nullopt;
    auto const hidden = row != nullptr ? answer::integer(row->fields[1]) : std::nullopt;
    if (!active || !hidden) return {answer::unread(key, unit, answer::why(outcome))};
    if (*hidden > 0) return {answer::unread(key, unit, answer::sessions_are_hidden(*hidden))};
    auto reading = answer::reading(key, unit);
    reading.value = static_cast<double>(*active);
    return {reading};
}

}  // namespace weir
