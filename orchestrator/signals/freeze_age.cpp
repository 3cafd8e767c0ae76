#include "orchestrator/signals/freeze_age.h"

#include <algorithm>

#include "orchestrator/signals/answer.h"

namespace weir {
namespace {

constexpr auto key = "freeze_age";
constexpr auto unit = "transactions";

}  // namespace

Batch FreezeAge::measure() const {
    return {sql(R"(SELECT pg_catalog.age(d.datfrozenxid) AS xids, pg_catalog.mxid_age(d.datminmxid) AS mxids, d.datname
FROM pg_catalog.pg_database AS d
ORDER BY greatest(pg_catalog.age(d.datfrozenxid), pg_catalog.mxid_age(d.datminmxid)) DESC, d.datname LIMIT 1)")};
}

std::vector<Reading> FreezeAge::read(Outcome const& outcome, Millis /*now*/) {
    auto const* row = answer::only_row(outcome, 3);
    auto const xids = row != nullptr ? answer::integer(row->fields[0]) : std::nullopt;
    auto const mxids = row != nullptr ? answer::integer(row->fields[1]) : std::nullopt;
    if (!xids || !mxids) return {answer::unread(key, unit, answer::why(outcome))};
    auto reading = answer::reading(key, unit);
    reading.value = static_cast<double>(std::max(*xids, *mxids));
    reading.remark = (*mxids > *xids ? "multixacts of database " : "database ") + row->fields[2].value_or("?");
    return {reading};
}

}  // namespace weir
