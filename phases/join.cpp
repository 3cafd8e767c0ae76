#include "phases/join.h"

#include <algorithm>
#include <cassert>
#include <iterator>
#include <string>
#include <utility>

#include "phases/craft/subject.h"
#include "phases/program.h"

namespace weir {
namespace {

/// Beyond that a title counts.
constexpr std::size_t columns_named = 4;

Step const* leading(Compiled const& part) {
    if (part.change == 0 || part.steps.empty()) return nullptr;
    Step const& first = part.steps.front();
    // What proves a column that is aside is noted with the step that set it aside.
    return first.rows && !first.rows->erases && !first.aside ? &first : nullptr;
}

bool alike(Step const& a, Step const& b) {
    return a.kind == b.kind && a.rows->table == b.rows->table && a.rows->settings == b.rows->settings &&
           a.rows->session == b.rows->session;
}

template <class T>
void add_new(std::vector<T>& to, std::vector<T> const& more) {
    for (auto const& one : more)
        if (std::find(to.begin(), to.end(), one) == to.end()) to.push_back(one);
}

void merge(Step& into, Step more) {
    auto& rows = *into.rows;
    std::move(more.rows->fragments.begin(), more.rows->fragments.end(), std::back_inserter(rows.fragments));
    // It is read after the steps of those before it are done, too.
    rows.key = std::move(more.rows->key);
    if (rows.never_in_page.empty()) rows.never_in_page = std::move(more.rows->never_in_page);
    add_new(into.forward.holds, more.forward.holds);
    add_new(into.notes, more.notes);
    std::move(more.stakes.begin(), more.stakes.end(), std::back_inserter(into.stakes));
}

/// `fill t.a` of several columns.
std::string title(Step const& step) {
    auto const& rows = *step.rows;
    auto const first = said(rows.table, rows.fragments.front().column);
    auto const at = step.title.find(first);
    auto const count = rows.fragments.size();
    if (at == std::string::npos) return step.title + ", with " + std::to_string(count - 1) + " more";
    std::string all;
    for (std::size_t i = 0; i < (count > columns_named ? columns_named - 1 : count); ++i)
        all += (i == 0 ? "" : ", ") + said(rows.table, rows.fragments[i].column);
    if (count > columns_named) all += " and " + std::to_string(count - columns_named + 1) + " more columns";
    return std::string{step.title}.replace(at, first.size(), all);
}

/// Moves what stands on the proof before it, with the way back that belongs to it, behind `to`.
void take_standing(Steps& from, Steps& to) {
    if (from.empty() || !from.front().stands_on_proof) return;
    auto const rest =
        std::find_if(std::next(from.begin()), from.end(), [](Step const& step) { return !statements(step).empty(); });
    std::move(from.begin(), rest, std::back_inserter(to));
    from.erase(from.begin(), rest);
}

void join_passes(std::vector<Compiled>& parts, ChangeOrder const& order) {
    for (std::size_t first = 0; first < parts.size(); ++first) {
        if (!leading(parts[first])) continue;
        std::vector<std::size_t> group{first};
        for (auto next = first + 1; next < parts.size() && parts[next].phase == parts[first].phase; ++next) {
            auto const* step = leading(parts[next]);
            if (!step || !alike(*leading(parts[first]), *step)) continue;
            // It goes ahead of all that stands between.
            bool const free =
                std::none_of(parts.begin() + static_cast<std::ptrdiff_t>(first),
                             parts.begin() + static_cast<std::ptrdiff_t>(next), [&](Compiled const& part) {
                                 return part.change != 0 && order.depends(parts[next].change, part.change);
                             });
            if (free) group.push_back(next);
        }
        if (group.size() == 1) continue;
        Step pass = std::move(parts[first].steps.front());
        parts[first].steps.erase(parts[first].steps.begin());
        for (auto member = std::next(group.begin()); member != group.end(); ++member) {
            merge(pass, std::move(parts[*member].steps.front()));
            parts[*member].steps.erase(parts[*member].steps.begin());
        }
        pass.title = title(pass);
        Steps all{std::move(pass)};
        for (auto const member : group) take_standing(parts[member].steps, all);
        for (auto const member : group)
            std::move(parts[member].steps.begin(), parts[member].steps.end(), std::back_inserter(all));
        for (auto const member : group) parts[member].steps.clear();
        parts[first].steps = std::move(all);
    }
}

void keep_last_vacuums(std::vector<Compiled>& parts) {
    for (auto part = parts.begin(); part != parts.end(); ++part)
        std::erase_if(part->steps, [&](Step const& step) {
            return step.vacuums && std::any_of(std::next(part), parts.end(), [&](Compiled const& other) {
                       return other.phase == part->phase &&
                              std::any_of(other.steps.begin(), other.steps.end(),
                                          [&](Step const& more) { return more.vacuums == step.vacuums; });
                   });
        });
}

}  // namespace

std::vector<Compiled> joined(std::vector<Compiled> parts, ChangeOrder const& order) {
    join_passes(parts, order);
    keep_last_vacuums(parts);
    std::erase_if(parts, [](Compiled const& part) { return part.steps.empty(); });
    return parts;
}

void end_fragments(Steps& steps) {
    for (auto& proof : steps) {
        if (!proof.rows || proof.rows->fragments.size() < 2) continue;
        auto fragment = proof.rows->fragments.begin();
        for (auto const& step : steps) {
            if (step.proven_by != proof.id) continue;
            assert(fragment != proof.rows->fragments.end());
            fragment++->ends_with = step.id;
        }
        assert(fragment == proof.rows->fragments.begin() || fragment == proof.rows->fragments.end());
    }
}

}  // namespace weir
