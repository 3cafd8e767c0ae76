#include "orchestrator/machine/in_page.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace weir {
namespace {

/// MaxHeapTuplesPerPage of 8 kB pages: no page has more rows, so no stripe needs more rounds.
constexpr std::int64_t rows_a_page_most = 291;
constexpr std::int64_t pages_least = 16;
/// Of first rounds: below it the pages are as good as full.
constexpr double room_at = 0.9;
constexpr std::int64_t retry_most = 256;
/// Sweeps of the fewest pages that may take longer than the bound.
constexpr std::int64_t too_long_most = 3;

}  // namespace

InPageOrder::InPageOrder(Config config) : config_{std::move(config)}, pages_{config_.tuning.pages_at_first} {
    set_density(config_.rows_a_page);
    reason_ = "updates may stay on their page";
    if (config_.plain) {
        to_ranges("the plan says so (batch.order)");
    } else if (!config_.never.empty()) {
        to_ranges(config_.never);
    } else if (config_.pages > 0 && config_.pages < config_.tuning.pages_at_least) {
        to_ranges("the table is small");
    } else if (density_ > 0 && density_ < config_.tuning.rows_a_page_at_least) {
        auto const rows = std::llround(density_);
        to_ranges("a page holds " + (rows <= 1 ? std::string{"one row"} : std::to_string(rows) + " rows"));
    }
    final_ = way_ == Way::ranges;
}

void InPageOrder::set_density(double rows_a_page) {
    density_ = rows_a_page;
    // A guess until the first stripe is done.
    double const rows = density_ > 0 ? density_ : 40;
    base_ =
        std::clamp<std::int64_t>(std::llround(rows / static_cast<double>(config_.tuning.sweeps)), 1, rows_a_page_most);
    rows_a_page_ = std::max(rows_a_page_, base_);
}

void InPageOrder::add(std::int64_t from, std::int64_t to, bool begun) {
    Stripe stripe;
    stripe.from = stripe.at = from;
    stripe.to = to;
    stripes_.push_back(stripe);
    if (begun) ripen(stripes_.size() - 1);
}

void InPageOrder::add_done(std::int64_t from, std::int64_t to) {
    stripes_.push_back({.from = from, .to = to, .state = State::given});
}

bool InPageOrder::ready(Stripe const& stripe, std::int64_t horizon) const {
    return stripe.xid == 0 || stripe.xid < horizon;
}

void InPageOrder::ripen(std::size_t stripe) {
    auto& s = stripes_[stripe];
    if (s.state == State::open) std::erase(opened_, stripe);
    s.state = State::ripe;
    ripe_.push_back(stripe);
}

void InPageOrder::come_back(std::int64_t horizon) {
    if (held_ && horizon > *held_) to_in_page("what kept the old row versions is gone");
}

std::optional<std::size_t> InPageOrder::ripe(std::int64_t horizon) {
    come_back(horizon);
    // What the last round replaced makes room for what is left.
    auto const found = std::find_if(ripe_.begin(), ripe_.end(),
                                    [&](std::size_t i) { return way_ == Way::ranges || ready(stripes_[i], horizon); });
    if (found != ripe_.end()) {
        auto const stripe = *found;
        ripe_.erase(found);
        stripes_[stripe].state = State::given;
        return stripe;
    }
    if (way_ != Way::ranges) return std::nullopt;
    // Held: those that wait for the horizon, one after the other; it may move before the last one.
    auto const oldest = std::min_element(opened_.begin(), opened_.end(), [&](std::size_t a, std::size_t b) {
        return std::pair{stripes_[a].taken, stripes_[a].xid} < std::pair{stripes_[b].taken, stripes_[b].xid};
    });
    if (oldest != opened_.end() && !stripes_[*oldest].taken) {
        auto const stripe = *oldest;
        opened_.erase(oldest);
        stripes_[stripe].state = State::given;
        return stripe;
    }
    while (fresh_ < stripes_.size() && stripes_[fresh_].state != State::fresh) ++fresh_;
    if (fresh_ == stripes_.size()) return std::nullopt;
    auto const stripe = fresh_++;
    stripes_[stripe].state = State::given;
    if (!final_ && !held_ && ++by_ranges_ >= retry_after_) {
        retry_after_ = std::min(retry_after_ * 2, retry_most);
        to_in_page("it is tried again after " + std::to_string(by_ranges_) + " stripes");
    }
    return stripe;
}

std::optional<InPageOrder::Turn> InPageOrder::sweep(std::int64_t horizon, bool may_open) {
    come_back(horizon);
    if (way_ == Way::ranges) return std::nullopt;
    auto const turn = [&](std::size_t i) {
        auto& s = stripes_[i];
        s.taken = true;
        bool const first = s.rounds == 0;
        return Turn{i, s.at, std::min(s.at + pages_, s.to), s.rows_a_page, first, s.pass_locked};
    };
    // A round that has begun goes on; then the stripe that waited longest, so that all of them end together.
    std::optional<std::size_t> next;
    for (auto const i : opened_) {
        auto const& s = stripes_[i];
        if (s.taken) continue;
        if (s.at > s.from) return turn(i);
        if (ready(s, horizon) && (!next || s.xid < stripes_[*next].xid)) next = i;
    }
    if (next) return turn(*next);
    if (!may_open) return std::nullopt;
    while (fresh_ < stripes_.size() && stripes_[fresh_].state != State::fresh) ++fresh_;
    if (fresh_ == stripes_.size()) return std::nullopt;
    auto const i = fresh_++;
    stripes_[i].state = State::open;
    stripes_[i].rows_a_page = rows_a_page_;
    opened_.push_back(i);
    return turn(i);
}

void InPageOrder::swept(Turn const& turn, Swept const& result) {
    auto& s = stripes_[turn.stripe];
    s.taken = false;
    s.at = turn.to;
    s.rows += result.rows;
    s.round_rows += result.rows;
    if (result.rows > 0) s.next_xid = std::max(s.next_xid, result.xid);
    auto const pages = turn.to - turn.from;
    if (result.took > config_.target)
        pages_ = std::min(pages_, std::max(pages / 2, pages_least));
    else if (result.took * 2 < config_.target && pages == pages_)
        pages_ = std::min(pages_ * 3 / 2 + 1, config_.tuning.pages_at_most);
    if (turn.first) {
        learn_room(turn, result);
    } else {
        s.judged_rows += result.rows;
        s.judged_hot += result.hot;
    }
    // The way may have changed, here or while the sweep ran.
    if (s.state == State::open && s.at >= s.to) end_round(turn.stripe);
    if (s.state == State::open && way_ == Way::ranges && !held_) ripen(turn.stripe);
}

void InPageOrder::end_round(std::size_t stripe) {
    auto& s = stripes_[stripe];
    // Less than half of what was asked for: what is left is found faster by the predicate.
    bool const over = s.round_rows * 2 < (s.to - s.from) * s.rows_a_page || ++s.rounds >= rows_a_page_most;
    s.xid = s.next_xid;
    s.next_xid = 0;
    s.at = s.from;
    s.round_rows = 0;
    if (over && density_ <= 0 && s.rows > 0)
        set_density(static_cast<double>(s.rows) / static_cast<double>(s.to - s.from));
    if (over || (s.rounds > 1 && (s.rounds - 1) % config_.tuning.judged_rounds == 0)) judge(s);
    // judge() may have gone over to page ranges: then it is ripe already.
    if (over && s.state == State::open) ripen(stripe);
}

void InPageOrder::learn_room(Turn const& turn, Swept const& result) {
    if (!config_.counted || result.rows == 0 || turn.rows_a_page != rows_a_page_) return;
    bool const room = static_cast<double>(result.hot) >= room_at * static_cast<double>(result.rows);
    rows_a_page_ = room ? std::min(rows_a_page_ * 2, rows_a_page_most) : std::max(rows_a_page_ / 2, base_);
}

void InPageOrder::judge(Stripe& stripe) {
    judged_rows_ += std::exchange(stripe.judged_rows, 0);
    judged_hot_ += std::exchange(stripe.judged_hot, 0);
    if (!config_.counted || way_ == Way::ranges || judged_rows_ < config_.tuning.judged_rows) return;
    bool const pays =
        static_cast<double>(judged_hot_) >= config_.tuning.hot_at_least * static_cast<double>(judged_rows_);
    if (pays)
        retry_after_ = retry_first;
    else
        to_ranges("only " + std::to_string(judged_hot_ * 100 / judged_rows_) + " % of " + std::to_string(judged_rows_) +
                  " updates stayed on their page");
    judged_rows_ = judged_hot_ = 0;
}

void InPageOrder::failed(Turn const& turn, Trouble trouble) {
    auto& s = stripes_[turn.stripe];
    s.taken = false;
    bool give_up = false;
    if (trouble == Trouble::locked) {
        s.pass_locked = true;
    } else if (auto const pages = turn.to - turn.from; pages > pages_least) {
        pages_ = std::max(pages / 2, pages_least);
    } else {
        give_up = true;
        if (++too_long_ == too_long_most && way_ == Way::in_page) {
            to_ranges("a sweep of " + std::to_string(pages) + " pages takes longer than the bound");
            final_ = true;
        }
    }
    if ((give_up || (way_ == Way::ranges && !held_)) && s.state == State::open) ripen(turn.stripe);
}

void InPageOrder::filled(Swept const& result) {
    if (!config_.counted || way_ != Way::ranges) return;
    dead_ += result.rows - std::min(result.hot, result.rows);
    if (due_xid_ > 0 || dead_ < config_.tuning.vacuum_at_least) return;
    std::int64_t pages = 0;
    for (auto const& s : stripes_) pages += s.to - s.from;
    auto const rows = density_ * static_cast<double>(pages);
    if (static_cast<double>(dead_) * static_cast<double>(config_.tuning.vacuum_every) >= rows) due_xid_ = result.xid;
}

void InPageOrder::to_ranges(std::string reason) {
    way_ = Way::ranges;
    reason_ = std::move(reason);
    by_ranges_ = 0;
    held_.reset();
    for (auto const i : std::vector<std::size_t>{opened_})
        if (!stripes_[i].taken) ripen(i);
}

void InPageOrder::to_in_page(std::string reason) {
    way_ = Way::in_page;
    reason_ = std::move(reason);
    held_.reset();
    judged_rows_ = judged_hot_ = 0;
}

bool InPageOrder::waits() const {
    if (way_ == Way::ranges) return false;
    return !ripe_.empty() ||
           std::any_of(opened_.begin(), opened_.end(), [&](std::size_t i) { return !stripes_[i].taken; });
}

void InPageOrder::held(std::string const& why) {
    if (way_ == Way::ranges) return;
    std::int64_t oldest = 0;
    auto const look = [&](std::size_t i) {
        auto const xid = stripes_[i].taken ? 0 : stripes_[i].xid;
        if (xid > 0 && (oldest == 0 || xid < oldest)) oldest = xid;
    };
    std::for_each(opened_.begin(), opened_.end(), look);
    std::for_each(ripe_.begin(), ripe_.end(), look);
    way_ = Way::ranges;
    reason_ = why;
    held_ = oldest;
}

bool InPageOrder::exhausted() const {
    if (!ripe_.empty() || !opened_.empty()) return false;
    return std::none_of(stripes_.begin() + static_cast<std::ptrdiff_t>(std::min(fresh_, stripes_.size())),
                        stripes_.end(), [](Stripe const& s) { return s.state == State::fresh; });
}

bool InPageOrder::vacuum_due(std::int64_t horizon) const { return due_xid_ > 0 && due_xid_ < horizon; }

void InPageOrder::vacuumed() { dead_ = due_xid_ = 0; }

}  // namespace weir
