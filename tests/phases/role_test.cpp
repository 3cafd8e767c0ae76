// Goal: what is the owner's runs as the owner, and what is weir's as weir, whatever stands beside it.
#include "phases/craft/role.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> texts(Batch const& batch) {
    std::vector<std::string> all;
    for (auto const& statement : batch) all.push_back(statement.text());
    return all;
}

TEST(Under, ChangesTheRoleWhereTheStatementsChangeHands) {
    auto const role = Ident::of("shop \"owner\"");
    auto const alter = sql("ALTER TABLE t ADD c int");
    auto const make = sql("CREATE FUNCTION weir_sync.f() …").by_weir();
    auto const become = std::string{"SET LOCAL ROLE \"shop \"\"owner\"\"\""};
    EXPECT_THAT(texts(by_role(role, {alter, make, make, alter, alter})),
                ElementsAre(become, alter.text(), "RESET ROLE", make.text(), make.text(), become, alter.text(),
                            alter.text(), "RESET ROLE"));
    EXPECT_THAT(texts(by_role(role, {make, alter})), ElementsAre(make.text(), become, alter.text(), "RESET ROLE"));
    EXPECT_EQ(by_role(role, {make, make}), (Batch{make, make}));
    EXPECT_EQ(by_role(role, {}), Batch{});
}

TEST(Under, AFragmentSaysNothingOfTheWhole) {
    EXPECT_EQ(sql("ALTER TABLE t {0}", sql("ADD c int").by_weir()).by(), By::owner);
    EXPECT_EQ(sql("SELECT 1").by_weir().by(), By::weir);
    EXPECT_NE(sql("SELECT 1").by_weir(), sql("SELECT 1"));
}

}  // namespace
}  // namespace weir
