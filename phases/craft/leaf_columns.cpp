#include "phases/craft/leaf_columns.h"

#include <algorithm>
#include <tuple>

#include "phases/craft/hand_over.h"

namespace weir {
namespace {

LeafColumn* find(Leaf& leaf, std::string_view column) {
    auto const found =
        std::find_if(leaf.columns.begin(), leaf.columns.end(), [&](LeafColumn const& c) { return c.name == column; });
    return found == leaf.columns.end() ? nullptr : &*found;
}

/// The partition's column, as far as it may differ here.
Column on_leaf(Leaf& leaf, Column column) {
    column.comment.reset();
    column.grants.clear();
    LeafColumn const* own = find(leaf, column.name);
    if (own == nullptr) return column;
    column.default_expression = own->default_expression.value_or(column.default_expression);
    column.not_null = own->not_null.value_or(column.not_null);
    column.statistics_target = own->statistics_target.value_or(column.statistics_target);
    column.comment = own->comment;
    column.grants = own->grants;
    return column;
}

template <class T>
std::optional<T> if_other(T const& here, T const& roots) {
    return here == roots ? std::nullopt : std::optional{here};
}

/// Notes what `here` has of its own beside `roots`, the table's column of that name.
void note(Leaf& leaf, Column const& here, Column const& roots) {
    LeafColumn* own = find(leaf, here.name);
    if (own == nullptr) {
        leaf.columns.push_back({.name = here.name});
        own = &leaf.columns.back();
    }
    own->default_expression = if_other(here.default_expression, roots.default_expression);
    own->not_null = if_other(here.not_null, roots.not_null);
    own->statistics_target = if_other(here.statistics_target, roots.statistics_target);
    own->comment = here.comment;
    own->grants = here.grants;
}

/// Only those that differ, in the table's order.
void tidy(Table& table) {
    auto const place = [&](LeafColumn const& column) { return table.find(column.name) - table.columns.data(); };
    for (auto& leaf : table.differing_leaves) {
        std::erase_if(leaf.columns, [](LeafColumn const& c) { return c == LeafColumn{.name = c.name}; });
        std::sort(leaf.columns.begin(), leaf.columns.end(),
                  [&](LeafColumn const& a, LeafColumn const& b) { return place(a) < place(b); });
    }
    std::erase_if(table.differing_leaves, [](Leaf const& l) { return l.columns.empty() && l.constraints.empty(); });
}

void hand_over_there(Leaf& leaf, Column const& from, Column const& to, Column const& now) {
    bool const statistics = to.statistics_target < 0 || to.statistics_target == from.statistics_target;
    bool const comments = !to.comment || to.comment == from.comment;
    auto const old = on_leaf(leaf, from);
    auto const was = on_leaf(leaf, to);
    auto here = was;
    handed_over(old, here);
    here.statistics_target =
        statistics && was.statistics_target == to.statistics_target ? old.statistics_target : was.statistics_target;
    if (!comments) here.comment = was.comment;
    here.not_null = was.not_null || (!from.not_null && old.not_null);
    note(leaf, here, now);
}

}  // namespace

void not_null_on_leaves(Table& table, std::string_view column) {
    for (auto& leaf : table.differing_leaves)
        if (LeafColumn* own = find(leaf, column)) own->not_null.reset();
    tidy(table);
}

void dropped_on_leaves(Table& table, std::string_view column) {
    for (auto& leaf : table.differing_leaves)
        std::erase_if(leaf.columns, [&](LeafColumn const& c) { return c.name == column; });
    tidy(table);
}

void handed_over_on_leaves(Table& table, Column const& from, Column const& to, Column const& now) {
    for (auto& leaf : table.differing_leaves) hand_over_there(leaf, from, to, now);
    tidy(table);
}

void set_aside_on_leaves(Table& table, Column const& column, Column const* to, Column const* now,
                         std::string const& mark, std::string const& aside, int server_version) {
    bool const taken = now != nullptr;
    auto const seen = [&](Column const& from, Column const* other) {
        bool const moved = taken && !from.default_expression.empty() &&
                           (other->default_expression.empty() || other->default_expression == from.default_expression);
        return std::tuple{to ? from.default_expression : "", moved, from.not_null};
    };
    for (auto& leaf : table.differing_leaves) {
        auto here = on_leaf(leaf, column);
        std::optional<Column> other;
        if (to) other = on_leaf(leaf, *to);
        Column const* const beside = other ? &*other : nullptr;
        bool const noted = here.comment || seen(here, beside) != seen(column, to);
        here.comment = noted ? std::optional{noted_aside(here, beside, taken, mark)} : std::nullopt;
        auto roots = column;
        roots.not_null = false;
        if (server_version < 18 || column.not_null) here.not_null = false;
        if (to) {
            here.default_expression.clear();
            roots.default_expression.clear();
        }
        if (taken) hand_over_there(leaf, column, *to, *now);
        note(leaf, here, roots);
        find(leaf, column.name)->name = aside;
    }
    tidy(table);
}

}  // namespace weir
