// Goal: what a catalog's indexes mean for row versions, where a golden case would depend on the server's version.
#include "phases/craft/writes.h"

#include <gtest/gtest.h>

namespace weir::tests {
namespace {

Rows filling(std::string_view column) {
    Sql const all = sql("true");
    return {{Ident::of("public"), Ident::of("users")},
            {{std::string{column}, {{Ident::of(column), sql("1")}}, all, all, all}}};
}

TEST(Writes, AnIndexOnAFilledColumnLeavesNoVersionOnItsPage) {
    Table table;
    table.indexes["by_name"] = {"", "btree", {"age", "name"}};
    EXPECT_EQ(why_never_in_page(filling("name"), table, 15),
              "the index by_name is on users.name, so each new row version needs index entries");
    EXPECT_EQ(why_never_in_page(filling("city"), table, 15), "");
}

TEST(Writes, BrinCountsBeforePostgreSql16) {
    Table table;
    table.indexes["by_age"] = {"", "brin", {"age"}};
    EXPECT_NE(why_never_in_page(filling("age"), table, 15), "");
    EXPECT_EQ(why_never_in_page(filling("age"), table, 16), "");
}

}  // namespace
}  // namespace weir::tests
