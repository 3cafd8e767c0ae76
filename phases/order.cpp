#include "phases/order.h"

#include <algorithm>
#include <cassert>
#include <string>
#include <utility>

namespace weir {
namespace {

/// Which change makes a column, by table; an empty column is the table.
using Makers = std::map<TableName, std::vector<std::pair<std::string, int>>>;

Makers makers_of(std::vector<Part> const& parts) {
    Makers makers;
    for (auto const& part : parts)
        if (part.change != 0)
            for (auto const& made : part.operation->makes()) makers[made.table].emplace_back(made.column, part.change);
    return makers;
}

std::string named(std::vector<Part> const& parts, int change) {
    std::string what = "change " + std::to_string(change);
    for (auto const& part : parts)
        if (part.change == change)
            for (auto const& made : part.operation->makes())
                return what + " (" + made.table.text() + (made.column.empty() ? "" : "." + made.column) + ")";
    return what;
}

}  // namespace

ChangeOrder::ChangeOrder(std::vector<Part> const& parts) {
    auto const makers = makers_of(parts);
    for (auto const& part : parts) {
        if (part.change == 0) continue;
        auto& needs = needs_[part.change];
        for (auto const& read : part.operation->reads()) {
            auto const there = makers.find(read.table);
            if (there == makers.end()) continue;
            for (auto const& [column, change] : there->second)
                if (change != part.change && (column == read.column || column.empty() || read.column.empty()))
                    needs.insert(change);
        }
    }
    for (auto const& [through, its_own] : needs_) {
        if (its_own.empty()) continue;
        for (auto& [change, needs] : needs_)
            if (needs.contains(through)) needs.insert(its_own.begin(), its_own.end());
    }
}

bool ChangeOrder::depends(int change, int on) const {
    auto const found = needs_.find(change);
    return found != needs_.end() && found->second.contains(on);
}

std::vector<Part> ChangeOrder::sorted(std::vector<Part> parts) const {
    if (std::all_of(needs_.begin(), needs_.end(), [](auto const& one) { return one.second.empty(); })) return parts;
    std::map<int, std::size_t> rank;
    while (rank.size() < needs_.size()) {
        auto const ready = [&](auto const& one) {
            return !rank.contains(one.first) && std::all_of(one.second.begin(), one.second.end(), [&](int on) {
                return rank.contains(on) || depends(on, one.first);
            });
        };
        auto const next = std::find_if(needs_.begin(), needs_.end(), ready);
        assert(next != needs_.end());
        rank.emplace(next->first, rank.size());
    }
    auto const place = [&](Part const& part) {
        auto const found = rank.find(part.change);
        return std::pair{part.phase, found == rank.end() ? rank.size() : found->second};
    };
    std::stable_sort(parts.begin(), parts.end(), [&](Part const& a, Part const& b) { return place(a) < place(b); });
    return parts;
}

Problems ChangeOrder::circles(std::vector<Part> const& parts) const {
    Problems problems;
    std::set<int> told;
    for (auto const& part : parts) {
        if (part.change == 0 || !depends(part.change, part.change) || told.contains(part.change)) continue;
        std::string others;
        for (auto const& [other, needs] : needs_)
            if (depends(part.change, other) && depends(other, part.change)) {
                told.insert(other);
                if (other != part.change) others += (others.empty() ? "" : ", ") + named(parts, other);
            }
        problems.push_back({Code::conflict, part.place,
                            named(parts, part.change) + " reads what depends on it: " + others,
                            "none of them can come first: put one of them into a plan of its own"});
    }
    return problems;
}

}  // namespace weir
