#include "orchestrator/signals/sql_number.h"

#include "orchestrator/signals/answer.h"

namespace weir {
namespace {

constexpr auto key = "sql";

/// Its query is the plan's, so what is wrong with it is said in the server's words, not as a primary that is silent.
std::string problem(Outcome const& outcome) {
    switch (outcome.fate) {
        case Fate::done:
            if (outcome.rows.size() == 1 && outcome.rows[0].fields.size() == 1) {
                auto const& field = outcome.rows[0].fields[0];
                return field ? "the query gives " + *field : "the query gives no row, or NULL";
            }
            return answer::why(outcome);
        case Fate::lost:
        case Fate::in_doubt:
            return answer::why(outcome);
        default:
            return "the query failed: " + outcome.message;
    }
}

}  // namespace

Batch SqlNumber::measure() const {
    return {sql("SET LOCAL transaction_read_only = on"), sql("SELECT CAST({0} AS pg_catalog.float8)", query_)};
}

std::vector<Reading> SqlNumber::read(Outcome const& outcome, Millis /*now*/) {
    auto const* row = answer::only_row(outcome, 1);
    auto reading = answer::reading(key, "");
    reading.subject = name_;
    reading.value = row != nullptr ? answer::number(row->fields[0]) : std::nullopt;
    if (!reading.value) reading.problem = problem(outcome);
    return {reading};
}

}  // namespace weir
