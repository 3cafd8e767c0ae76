#include "orchestrator/run/foretell.h"

#include <algorithm>
#include <utility>

namespace weir {
namespace {

constexpr Millis every{5000};

}  // namespace

void Foreteller::hear(Event const& event) noexcept {
    if (schedule_.windows.empty() && !schedule_.at) return;
    if (std::holds_alternative<ForecastMade>(event.what)) return;
    note(event);
    foretell(event.at);
}

void Foreteller::note(Event const& event) {
    if (auto const* began = std::get_if<StepBegan>(&event.what)) {
        work_.reset();
        proving_ = began->phase == Phase::proof ? began->step : "";
    } else if (auto const* known = std::get_if<WorkKnown>(&event.what)) {
        if (!work_ || work_->step != known->step || work_->table != known->table) {
            work_.emplace();
            work_->step = known->step;
            work_->table = known->table;
            work_->proof = known->proof || proving_ == known->step;
        }
        work_->pages = known->pages;
        work_->pages_done = known->pages_done;
    } else if (auto const* batch = std::get_if<BatchDone>(&event.what)) {
        // Rows that a proof fills again are not the work that is counted.
        if (!work_ || work_->step != batch->step || (work_->proof && !batch->proof)) return;
        work_->proof = batch->proof;
        work_->pages_done += batch->pages;
        work_->rate.add(event.at, batch->took, static_cast<double>(batch->pages));
    } else if (std::holds_alternative<StepDone>(event.what) || std::holds_alternative<RunBegan>(event.what) ||
               std::holds_alternative<GateOpened>(event.what) || std::holds_alternative<ConnectionLost>(event.what) ||
               std::holds_alternative<Stopped>(event.what) || std::holds_alternative<RunDone>(event.what)) {
        work_.reset();
    }
}

void Foreteller::foretell(Instant at) {
    if (!work_ || (work_->looked && at >= *work_->looked && at - *work_->looked < every)) return;
    auto const pages = static_cast<double>(std::max<std::int64_t>(work_->pages - work_->pages_done, 0));
    auto const now = opening(schedule_, at);
    auto left = work_->rate.range_for(pages, at);
    if (auto const one = work_->rate.time_for(pages, at); one && !left) left = Rate::Range{*one, *one};
    if (now.open) work_->left = left;
    if (!work_->left) {
        if (std::exchange(work_->told, false)) tell_({work_->step, {}, {}, 0, 0, {}, ""});
        return;
    }
    work_->looked = at;
    work_->told = true;
    auto const made = forecast(schedule_, at, work_->left->low, work_->left->high);
    tell_({work_->step, made.low.at, made.high.at, made.low.openings, made.high.openings,
           now.open ? now.until : std::nullopt, to_text(made, schedule_)});
}

}  // namespace weir
