#include "orchestrator/signals/wal_rate.h"

#include "orchestrator/signals/answer.h"

namespace weir {
namespace {

constexpr auto key = "wal_rate";
constexpr auto unit = "B/s";
constexpr Millis window{2000};

}  // namespace

Batch WalRate::measure() const {
    // Inserted, not flushed: asynchronous commits reach the disk in bursts.
    return {sql("SELECT pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_insert_lsn(), '0/0')::pg_catalog.int8")};
}

std::vector<Reading> WalRate::read(Outcome const& outcome, Millis now) {
    auto const* row = answer::only_row(outcome, 1);
    auto const lsn = row != nullptr ? answer::integer(row->fields[0]) : std::nullopt;
    if (!lsn) return {answer::unread(key, unit, answer::why(outcome))};
    if (!history_.empty() && *lsn < history_.back().lsn) history_.clear();
    // Two answers within one millisecond are one sample.
    if (history_.empty() || history_.back().at < now) history_.push_back({*lsn, now});
    while (history_.size() > 2 && history_[1].at <= now - window) history_.pop_front();
    if (history_.size() < 2) return {answer::unread(key, unit, "a rate needs two measurements, and this is the first")};
    auto const& from = history_.front();
    auto reading = answer::reading(key, unit);
    reading.value = static_cast<double>(*lsn - from.lsn) * 1000 / static_cast<double>((now - from.at).count());
    return {reading};
}

}  // namespace weir
