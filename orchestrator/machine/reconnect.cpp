#include "orchestrator/machine/reconnect.h"

#include <algorithm>
#include <array>

#include "orchestrator/machine/backfill.h"

namespace weir {
namespace {

constexpr Millis first_refused_rest{100};
constexpr Millis longest_refused_rest{2000};
constexpr std::array growing{Millis{1000}, Millis{10'000}, Millis{60'000}};
/// A server that restarts is back before that.
constexpr Millis untold_for{3000};

bool is_whole(PageRange const& range) { return range.to == 0; }

bool meet(PageRange const& one, PageRange const& other) {
    if (one.step != other.step || one.leaf != other.leaf) return false;
    return is_whole(one) || is_whole(other) ? is_whole(one) && is_whole(other)
                                            : one.from < other.to && other.from < one.to;
}

std::string text(PageRange const& range) {
    auto const of = range.leaf.empty() ? "" : " of " + range.leaf;
    if (is_whole(range)) return "step " + range.step + of;
    return "step " + range.step + ", pages " + std::to_string(range.from) + " to " + std::to_string(range.to - 1) + of;
}

std::string text(std::vector<PageRange> const& ranges) {
    std::string all;
    for (auto const& range : ranges) all += (all.empty() ? "" : "; ") + text(range);
    return all;
}

std::string advice(PageRange const& range) {
    constexpr auto log = "the server's log says how its process ended";
    if (is_whole(range))
        return std::string{log} +
               ": a function that crashes, no memory left, or somebody who ends the session; mend "
               "that and run again";
    return std::string{log} + ": a function, type or trigger that crashes on one of the rows WHERE ctid >= '(" +
           std::to_string(range.from) + ",0)' AND ctid < '(" + std::to_string(range.to) +
           ",0)', no memory left, or somebody who ends the session; mend that and run again";
}

}  // namespace

ReconnectMachine::Next ReconnectMachine::lost(Millis now, std::string const& why,
                                              std::vector<PageRange> const& at_work) {
    lost_at_ = now;
    lost_ = why;
    told_.clear();
    rest_ = progress_ ? first_refused_rest : std::clamp(rest_, first_refused_rest, longest_refused_rest);
    progress_ = false;
    if (at_work.empty()) {
        Next const next{.rest = rest_};
        rest_ = std::min(rest_ * 2, longest_refused_rest);
        return next;
    }
    std::vector<PageRange> again;
    for (auto const& range : at_work)
        if (std::ranges::any_of(suspects_, [&](PageRange const& suspect) { return meet(range, suspect); }))
            again.push_back(range);
    losses_ = again.empty() ? 1 : losses_ + 1;
    suspects_ = again.empty() ? at_work : again;
    if (losses_ == losses_at_most)
        return {.stop = Problem{Code::connection_lost,
                                {},
                                "the connection was lost " + std::to_string(losses_) +
                                    " times, each time while the same batch ran (" + text(suspects_) + "): " + why,
                                advice(suspects_.front())}};
    std::int64_t longest = 1;
    for (auto const& range : suspects_) longest = std::max(longest, range.to - range.from);
    pages_ = std::max<std::int64_t>(std::min(longest, pages_.value_or(weir::pages_at_first)) / 2, 1);
    Next next{.rest = growing[static_cast<std::size_t>(losses_ - 1)]};
    if (losses_ > 1)
        next.tell = Problem{Code::connection_lost,
                            {},
                            "the connection was lost " + std::to_string(losses_) + " times while the same batch ran (" +
                                text(suspects_) + ")",
                            "weir tries again in " + std::to_string(next.rest.count() / 1000) +
                                " s; the run stops at the " + std::to_string(losses_at_most) + "th time"};
    return next;
}

ReconnectMachine::Next ReconnectMachine::refused(Millis now, Problem const& why) {
    if (!lost_at_) {
        lost_at_ = now;
        lost_ = why.message;
    }
    bool const ghost = why.code == Code::other_leader;
    Next next;
    if (now - *lost_at_ >= (ghost ? ghost_for : refused_for)) {
        next.stop = ghost ? why
                          : Problem{Code::connection_lost,
                                    {},
                                    lost_ + "; since then: " + why.message,
                                    "when the server is back, run the same command again: it goes on where the ledger "
                                    "stands"};
        return next;
    }
    if (!ghost && now - *lost_at_ >= untold_for && told_.insert(why.message).second)
        next.tell = Problem{why.code, {}, why.message + "; weir goes on trying", why.hint};
    next.rest = rest_ = std::clamp(rest_, first_refused_rest, longest_refused_rest);
    rest_ = std::min(rest_ * 2, longest_refused_rest);
    return next;
}

void ReconnectMachine::forget() {
    suspects_.clear();
    losses_ = 0;
    pages_.reset();
}

void ReconnectMachine::hear(Event const& event) {
    if (auto const* batch = std::get_if<BatchDone>(&event.what)) {
        progress_ = true;
        if (suspects_.empty() || batch->to == 0) return;
        std::vector<PageRange> left;
        for (auto const& suspect : suspects_) {
            PageRange const ran{batch->step, batch->table, batch->from, batch->to};
            if (is_whole(suspect) || !meet(suspect, ran)) {
                left.push_back(suspect);
                continue;
            }
            if (suspect.from < ran.from) left.push_back({suspect.step, suspect.leaf, suspect.from, ran.from});
            if (ran.to < suspect.to) left.push_back({suspect.step, suspect.leaf, ran.to, suspect.to});
        }
        suspects_ = std::move(left);
        if (suspects_.empty()) forget();
    } else if (auto const* step = std::get_if<StepDone>(&event.what)) {
        progress_ = true;
        std::erase_if(suspects_, [&](PageRange const& suspect) { return suspect.step == step->step; });
        if (suspects_.empty()) forget();
    }
}

}  // namespace weir
