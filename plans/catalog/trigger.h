#pragma once
/// What a table does when it is written or read: triggers, rewrite rules, row security.
#include <optional>
#include <string>
#include <vector>

namespace weir {

struct Trigger {
    std::string name;
    std::string definition;    ///< pg_get_triggerdef()
    std::string enabled{"O"};  ///< tgenabled: O, D, R, A
    std::string partition{};   ///< the one that it is on, as people write it; empty: the table itself
    bool each_row{};           ///< else once a statement
    bool before{};             ///< else after it
    bool on_update{};
    bool on_delete{};
    std::vector<std::string> columns{};  ///< of UPDATE OF; empty: any
    std::string function{};              ///< `touch`, `shop.touch`
    std::optional<std::string> comment{};
    bool operator==(Trigger const&) const = default;
};

/// A rewrite rule: it puts something in the place of a statement, or beside it. The rule that makes a view is none.
struct Rule {
    std::string name;
    std::string event;         ///< `INSERT`, `UPDATE`, `DELETE`
    std::string partition{};   ///< the one that it is on, as people write it; empty: the table itself
    std::string enabled{"O"};  ///< ev_enabled: O, D, R, A
    std::string definition{};  ///< pg_get_ruledef()
    std::optional<std::string> comment{};
    bool operator==(Rule const&) const = default;
};

struct Policy {
    std::string name;
    std::string partition{};   ///< the one that it is on, as people write it; empty: the table itself
    std::string command{"*"};  ///< polcmd: *, r, a, w, d
    bool permissive{true};
    std::vector<std::string> roles{};  ///< sorted; an empty name is PUBLIC
    std::optional<std::string> using_expression{}, check_expression{};
    std::optional<std::string> comment{};
    bool operator==(Policy const&) const = default;
};

}  // namespace weir
