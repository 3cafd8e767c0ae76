#include "phases/order.h"

#include <algorithm>
#include <string>

namespace weir {
namespace {

bool same(Touched const& read, Touched const& made) {
    return read.table == made.table && (read.column == made.column || read.column.empty() || made.column.empty());
}

bool reads_of(Operation const& reader, Operation const& maker) {
    auto const reads = reader.reads();
    auto const makes = maker.makes();
    return std::any_of(reads.begin(), reads.end(), [&](Touched const& read) {
        return std::any_of(makes.begin(), makes.end(), [&](Touched const& made) { return same(read, made); });
    });
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
    for (auto const& reader : parts) {
        if (reader.change == 0) continue;
        auto& needs = needs_[reader.change];
        for (auto const& maker : parts)
            if (maker.change != 0 && maker.change != reader.change && reads_of(*reader.operation, *maker.operation))
                needs.insert(maker.change);
    }
    for (auto const& [through, unused] : needs_)
        for (auto& [change, needs] : needs_)
            if (needs.contains(through)) needs.insert(needs_[through].begin(), needs_[through].end());
}

bool ChangeOrder::depends(int change, int on) const {
    auto const found = needs_.find(change);
    return found != needs_.end() && found->second.contains(on);
}

std::vector<Part> ChangeOrder::sorted(std::vector<Part> parts) const {
    std::map<int, std::size_t> rank;
    while (rank.size() < needs_.size()) {
        auto const ready = [&](auto const& one) {
            return !rank.contains(one.first) && std::all_of(one.second.begin(), one.second.end(), [&](int on) {
                return rank.contains(on) || depends(on, one.first);
            });
        };
        auto const next = std::find_if(needs_.begin(), needs_.end(), ready);
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
