#include "orchestrator/machine/leaves.h"

#include <algorithm>
#include <cassert>
#include <map>

namespace weir {

void Leaves::count(std::vector<StripeRow> const& rows, Config const& config) {
    stripes_.clear();
    leaves_.clear();
    first_ = 0;
    open_at_most_ = config.sweep.open_at_most;
    pages_ = pages_done_ = 0;
    std::map<std::int64_t, std::int64_t> leaf_pages;
    for (auto const& row : rows) leaf_pages[row.leaf.oid] += row.to - row.from;
    for (auto const& row : rows) {
        pages_ += row.to - row.from;
        pages_done_ += row.next - row.from;
        partitioned_ = partitioned_ || row.leaf.oid != row.leaf.root;
        if (leaves_.empty() || leaves_.back().file.oid != row.leaf.oid) {
            InPageOrder::Config order;
            order.rows_a_page = row.rows_a_page;
            order.pages = leaf_pages[row.leaf.oid];
            order.never = config.never_in_page;
            order.plain = config.plain;
            order.counted = row.counted;
            order.target = config.target;
            order.tuning = config.sweep;
            leaves_.push_back({row.leaf, InPageOrder{std::move(order)}, stripes_.size()});
        }
        Stripe const stripe{leaves_.size() - 1, row.from, row.to, row.next};
        if (stripe.done())
            leaves_.back().order.add_done(stripe.from, stripe.to);
        else
            leaves_.back().order.add(stripe.next, stripe.to, stripe.next > stripe.from);
        stripes_.push_back({stripe});
    }
}

std::optional<Leaves::Work> Leaves::find(std::int64_t horizon) {
    while (first_ < leaves_.size() && leaves_[first_].order.exhausted()) ++first_;
    std::size_t open = 0;
    for (auto const& leaf : leaves_) open += leaf.order.open();
    for (auto l = first_; l < leaves_.size(); ++l)
        if (auto work = find_in(l, horizon, open < open_at_most_)) return work;
    return std::nullopt;
}

std::optional<Leaves::Work> Leaves::find_in(std::size_t leaf, std::int64_t horizon, bool may_open) {
    if (take_vacuum(leaf, horizon)) return Work{Kind::vacuum, leaf};
    auto const first = leaves_[leaf].first;
    auto& order = leaves_[leaf].order;
    if (auto const ripe = order.ripe(horizon)) return Work{Kind::range, first + *ripe};
    if (auto const turn = order.sweep(horizon, may_open)) return Work{Kind::sweep, first + turn->stripe, *turn};
    return std::nullopt;
}

bool Leaves::take_vacuum(std::size_t leaf, std::int64_t horizon) {
    auto& asked = leaves_[leaf];
    if (asked.vacuuming || !asked.order.vacuum_due(horizon)) return false;
    asked.vacuuming = true;
    return true;
}

std::int64_t Leaves::vacuumed(std::size_t leaf) {
    assert(leaves_[leaf].vacuuming);
    leaves_[leaf].vacuuming = false;
    auto const dead = leaves_[leaf].order.dead_rows();
    // Somebody may have been in its way: the next one is due when as many rows are dead again.
    leaves_[leaf].order.vacuumed();
    return dead;
}

std::int64_t Leaves::advance(std::size_t stripe, std::int64_t to) {
    auto& tracked = stripes_[stripe];
    assert(tracked.pages.next <= to && to <= tracked.pages.to);
    auto const pages = to - std::exchange(tracked.pages.next, to);
    // What the sweeps told as done is not told twice.
    auto const told = std::min(tracked.told, pages);
    tracked.told -= told;
    pages_done_ += pages - told;
    return pages - told;
}

void Leaves::filled(std::size_t stripe, InPageOrder::Swept const& result) {
    leaves_[stripes_[stripe].pages.leaf].order.filled(result);
}

std::int64_t Leaves::swept(std::size_t stripe, InPageOrder::Turn const& turn, InPageOrder::Swept const& result) {
    auto& tracked = stripes_[stripe];
    auto& order = leaves_[tracked.pages.leaf].order;
    order.swept(turn, result);
    tracked.swept += result.rows;
    // The last pass tells the rest.
    std::int64_t pages = 0;
    if (double const density = order.rows_a_page(); density > 0) {
        auto const all = static_cast<double>(tracked.pages.to - tracked.pages.from);
        auto const share = std::min(static_cast<double>(tracked.swept) / (density * all), 1.0);
        pages = std::max<std::int64_t>(static_cast<std::int64_t>(share * (all - 1)) - tracked.told, 0);
    }
    tracked.told += pages;
    pages_done_ += pages;
    return pages;
}

void Leaves::sweep_failed(std::size_t stripe, InPageOrder::Turn const& turn, InPageOrder::Trouble trouble) {
    leaves_[stripes_[stripe].pages.leaf].order.failed(turn, trouble);
}

bool Leaves::waits() const {
    return std::any_of(leaves_.begin(), leaves_.end(), [](Leaf const& leaf) { return leaf.order.waits(); });
}

void Leaves::go_on_without_horizon() {
    for (auto& leaf : leaves_)
        if (leaf.order.waits())
            leaf.order.held("an old snapshot or transaction keeps the old row versions, and so their room");
}

bool Leaves::done() const {
    return std::all_of(stripes_.begin(), stripes_.end(), [](Tracked const& t) { return t.pages.done(); });
}

std::optional<std::pair<Way, std::string>> Leaves::new_way(std::size_t leaf) {
    auto& asked = leaves_[leaf];
    if (asked.told == asked.order.way()) return std::nullopt;
    asked.told = asked.order.way();
    return std::pair{asked.order.way(), asked.order.reason()};
}

}  // namespace weir
