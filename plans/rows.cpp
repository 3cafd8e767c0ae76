#include "plans/rows.h"

#include <algorithm>
#include <cassert>

namespace weir {

Wanted wanted(Rows const& rows, bool gate_opened) {
    assert(!rows.fragments.empty() && (!rows.erases || rows.fragments.size() == 1));
    bool const alone = rows.fragments.size() == 1;
    std::vector<Sql> todo, sets;
    Wanted all;
    for (auto const& fragment : rows.fragments) {
        Sql const& mine = gate_opened ? fragment.fill_after_gate : fragment.todo;
        todo.push_back(mine);
        all.wrong_each.push_back(gate_opened ? fragment.miss_after_gate : fragment.todo);
        for (auto const& [column, value] : fragment.set)
            sets.push_back(alone ? sql("{0} = {1}", column, value)
                                 : sql("{0} = CASE WHEN {1} THEN {2} ELSE {0} END", column, mine, value));
    }
    auto const any = [&](std::vector<Sql> const& of) {
        return alone ? of.front() : sql("({0})", Sql::join(of, " OR "));
    };
    all.todo = any(todo);
    all.wrong = any(all.wrong_each);
    all.set = Sql::join(sets, ", ");
    return all;
}

Batch guard(Rows const& rows) {
    Batch all;
    for (auto const& fragment : rows.fragments) all.insert(all.end(), fragment.guard.begin(), fragment.guard.end());
    return all;
}

bool guarded(Rows const& rows) {
    return std::none_of(rows.fragments.begin(), rows.fragments.end(),
                        [](Fragment const& fragment) { return fragment.guard.empty(); });
}

Rows standing(Rows rows, std::set<std::string> const& done) {
    std::erase_if(rows.fragments, [&](Fragment const& fragment) { return done.contains(fragment.ends_with); });
    return rows;
}

}  // namespace weir
