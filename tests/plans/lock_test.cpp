#include "plans/lock.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace weir {
namespace {

TableName table(std::string const& name) { return {Ident::of("public"), Ident::of(name)}; }

std::string order(std::vector<std::string> const& tables,
                  std::vector<std::pair<std::string, std::string>> const& keys) {
    std::vector<TableLock> locks;
    for (auto const& name : tables) locks.push_back({table(name), LockMode::access_exclusive});
    std::vector<Refers> refers;
    for (auto const& [from, to] : keys) refers.emplace_back(table(from), table(to));
    std::string text;
    for (auto const& lock : in_lock_order(locks, refers)) text += (text.empty() ? "" : " ") + lock.table.name.text();
    return text;
}

TEST(LockOrder, IsAsApplicationsLock) {
    struct Case {
        std::string what;
        std::vector<std::string> tables;
        std::vector<std::pair<std::string, std::string>> keys;
        std::string order;
    };
    for (auto const& [what, tables, keys, wanted] :
         {Case{"nothing", {}, {}, ""}, Case{"one", {"a"}, {{"a", "a"}}, "a"},
          Case{"nothing known: by name", {"b", "a"}, {}, "a b"},
          Case{"the one that refers first", {"a", "b"}, {{"b", "a"}}, "b a"},
          Case{"a chain", {"a", "b", "c"}, {{"c", "b"}, {"b", "a"}}, "c b a"},
          Case{"a chain over a table that is not locked says nothing", {"a", "c"}, {{"c", "b"}, {"b", "a"}}, "a c"},
          Case{"two children of one, by name", {"a", "z", "m"}, {{"z", "a"}, {"m", "a"}}, "m z a"},
          Case{"to itself", {"a", "b"}, {{"a", "a"}, {"b", "a"}}, "b a"},
          Case{"a circle: by name", {"b", "a"}, {{"a", "b"}, {"b", "a"}}, "a b"},
          Case{"a circle, and what hangs on it", {"a", "b", "z"}, {{"a", "b"}, {"b", "a"}, {"z", "a"}}, "z a b"},
          Case{"a circle that refers to another", {"a", "y", "z"}, {{"y", "z"}, {"z", "y"}, {"z", "a"}}, "y z a"}})
        EXPECT_EQ(order(tables, keys), wanted) << what;
}

TEST(LockOrder, KeepsTheStrongerModeOfATable) {
    auto const found = in_lock_order({{table("a"), LockMode::access_exclusive}, {table("a"), LockMode::row_share}}, {});
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found[0].mode, LockMode::access_exclusive);
}

}  // namespace
}  // namespace weir
