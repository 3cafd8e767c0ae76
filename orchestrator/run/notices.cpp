#include "orchestrator/run/notices.h"

#include <algorithm>
#include <utility>

#include "metrics/text.h"
#include "metrics/throttle_reason.h"

namespace weir {
namespace {

std::string rough(Millis time) {
    auto const s = time.count() / 1000;
    if (s < 120) return std::to_string(s) + " s";
    if (s < 7200) return std::to_string(s / 60) + " min";
    return std::to_string(s / 3600) + " h";
}

/// A person or the schedule did it on purpose.
bool meant(std::string const& reason) {
    auto const label = throttle_reason(reason);
    return label == "paused" || label == "schedule";
}

}  // namespace

void Notices::hear(Event const& event) noexcept {
    at_ = event.at;
    look(event);
    if (!patience_ || !held_since_ || held_told_ || at_ - *held_since_ < *patience_) return;
    held_told_ = true;
    say("held", "has been held for " + rough(at_ - *held_since_) + ": " + reason_,
        {{"reason", reason_}, {"hint", "weir status " + plan_ + " shows every signal with its limit"}});
}

void Notices::look(Event const& event) {
    if (auto const* began = std::get_if<RunBegan>(&event.what)) {
        plan_ = began->plan;
        run_ = began->run;
        stopped_ = false;
        held_since_.reset();
        held_told_ = false;
        if (!std::exchange(begun_, true))
            say("started", began->resumed ? "goes on" : "begins", {{"resumed", began->resumed ? "true" : "false"}});
    } else if (auto const* phase = std::get_if<PhaseBegan>(&event.what)) {
        phase_ = name(phase->phase);
    } else if (auto const* pace = std::get_if<PaceChanged>(&event.what)) {
        bool const held = pace->pace <= 0 && std::ranges::none_of(pace->reasons, meant);
        reason_ = held ? joined(pace->reasons, "; ") : "";
        if (!held) {
            held_since_.reset();
            held_told_ = false;
        } else if (!held_since_) {
            held_since_ = at_;
        }
    } else if (auto const* open = std::get_if<GateOpened>(&event.what)) {
        if (std::exchange(gate_, open->gate) != open->gate)
            say("gate",
                "waits at gate " + open->gate + ": deploy the application that uses the new shape, then approve",
                {{"gate", open->gate}, {"hint", "weir approve " + plan_ + " " + open->gate}});
    } else if (std::holds_alternative<GateApproved>(event.what)) {
        gate_.clear();
    } else if (auto const* stop = std::get_if<Stopped>(&event.what)) {
        stopped_ = true;
        say("stopped", "stopped: " + stop->why.message,
            {{"code", std::string{name(stop->why.code)}}, {"message", stop->why.message}, {"hint", stop->why.hint}});
    } else if (auto const* end = std::get_if<RunDone>(&event.what)) {
        held_since_.reset();
        if (end->state == RunState::done) say("done", "is done after " + rough(end->took));
        if (end->state == RunState::undone) say("undone", "is undone after " + rough(end->took));
        if (end->state == RunState::stopped && !stopped_)
            say("stopped", "stopped after phase " + phase_ + ", as it was told", {{"hint", "run it again to go on"}});
    }
}

void Notices::say(std::string event, std::string text, std::map<std::string, std::string> more) {
    Notice notice{std::move(event), "weir: plan " + plan_ + " " + std::move(text), std::move(more)};
    notice.fields["plan"] = plan_;
    notice.fields["run"] = std::to_string(run_);
    notice.fields["at"] = iso(at_, false);
    if (!phase_.empty()) notice.fields["phase"] = phase_;
    if (auto const hint = notice.fields.find("hint"); hint != notice.fields.end() && !hint->second.empty())
        notice.text += " (" + hint->second + ")";
    tell_(std::move(notice));
}

}  // namespace weir
