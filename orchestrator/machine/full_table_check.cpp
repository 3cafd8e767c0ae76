#include "orchestrator/machine/full_table_check.h"

#include <cassert>
#include <utility>

namespace weir {
namespace {

constexpr int passes_at_most = 5;
constexpr int changes_at_most = 3;

/// An application that does not know the column inserts such rows for ever; each pass has filled what it found.
Warned still_found(std::int64_t found, Rows const& rows) {
    auto const which = std::to_string(found) + " rows of " + rows.table.text();
    if (rows.erases)
        return {which + " came to be deleted while it was read once more, and were deleted",
                "those that come now are left to the next plan that deletes"};
    return {which + " were written without a value while it was read once more, and were filled",
            "those that come now are left to the application, which should write the column"};
}

}  // namespace

std::optional<Outcome> FullTableCheck::root_changed(TableName const& table, std::string const& what) {
    if (++changes_ < changes_at_most) return std::nullopt;
    Outcome outcome;
    outcome.fate = Fate::refused;
    outcome.sqlstate = "WE008";
    outcome.message = table.text() + " was changed " + std::to_string(changes_) +
                      " times while it was proven, the last time: " + what;
    outcome.advice = "leave its triggers, rules and columns as they are until the run is done, and run again";
    return outcome;
}

void FullTableCheck::counted(bool begun) {
    if (state_ == State::first_afresh)
        state_ = State::first;
    else if (state_ == State::second_afresh)
        state_ = State::second;
    else if (state_ == State::second_as_found)
        state_ = begun ? State::second_unsure : State::second;
    assert(is_counted());
}

void FullTableCheck::found(std::int64_t rows) {
    assert(is_counted());
    if (is_second()) found_ += rows;
}

FullTableCheck::Verdict FullTableCheck::ended(std::string const& step, Rows const& rows, Instant at, Commands& out) {
    assert(is_counted());
    if (state_ == State::second && found_ == 0) return Verdict::done;
    if (is_second() && ++unclean_ >= passes_at_most) {
        if (found_ > 0) out.emplace_back(Announce{{at, still_found(found_, rows)}});
        return Verdict::done;
    }
    if (is_second() && found_ > 0)
        out.emplace_back(Announce{
            {at, BatchRetried{step, rows.table.text(), "rows moved past the proof; the pages are read once more"}}});
    // What is left of an earlier orchestrator's second pass is gone on with.
    state_ = is_second() || afresh_ ? State::second_afresh : State::second_as_found;
    found_ = 0;
    return Verdict::again;
}

}  // namespace weir
