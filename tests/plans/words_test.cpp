#include <gtest/gtest.h>

#include <set>
#include <string>

#include "plans/code.h"
#include "plans/lock.h"
#include "plans/plan.h"
#include "plans/problem.h"

namespace weir {
namespace {

using enum LockMode;
constexpr int modes = 8;

TEST(Lock, ConflictIsMutual) {
    for (int a = 0; a < modes; ++a)
        for (int b = 0; b < modes; ++b)
            EXPECT_EQ(conflicts(LockMode(a), LockMode(b)), conflicts(LockMode(b), LockMode(a)))
                << name(LockMode(a)) << " " << name(LockMode(b));
}

TEST(Lock, HasTheRowsOfTheManual) {
    // Table 13.2, one character a mode in the order of LockMode; x: conflicts.
    constexpr std::string_view rows[modes] = {
        ".......x", "......xx", "....xxxx", "...xxxxx", "..xx.xxx", "..xxxxxx", ".xxxxxxx", "xxxxxxxx",
    };
    for (int a = 0; a < modes; ++a)
        for (int b = 0; b < modes; ++b)
            EXPECT_EQ(conflicts(LockMode(a), LockMode(b)), rows[a][static_cast<std::size_t>(b)] == 'x')
                << name(LockMode(a)) << " " << name(LockMode(b));
}

TEST(Lock, NamesGoBothWays) {
    EXPECT_EQ(name(share_update_exclusive), "SHARE UPDATE EXCLUSIVE");
    EXPECT_EQ(lock_mode("ShareUpdateExclusiveLock"), share_update_exclusive);
    EXPECT_EQ(lock_mode("AccessExclusiveLock"), access_exclusive);
    EXPECT_EQ(lock_mode("ExclusiveLock"), exclusive);
    EXPECT_EQ(lock_mode("SIReadLock"), std::nullopt);
    EXPECT_EQ(who_waits(access_exclusive), "readers and writers");
    EXPECT_EQ(who_waits(share), "writers");
    EXPECT_EQ(who_waits(share_update_exclusive), "schema changes and vacuum");
}

TEST(Lock, IsTakenByName) {
    TableName const users{Ident::of("public"), Ident::of("users")};
    EXPECT_EQ(lock_table({users, access_exclusive}, Waiting::no_wait).text(),
              R"(LOCK TABLE "public"."users" IN ACCESS EXCLUSIVE MODE NOWAIT)");
    EXPECT_EQ(lock_table({users, row_share}, Waiting::lock_timeout).text(),
              R"(LOCK TABLE "public"."users" IN ROW SHARE MODE)");
}

TEST(Code, EachHasOneRowAndOneName) {
    std::set<std::string_view> names;
    std::set<Code> seen;
    for (auto const& row : codes()) {
        EXPECT_TRUE(names.insert(row.name).second) << row.name;
        EXPECT_TRUE(seen.insert(row.code).second) << row.name;
        EXPECT_EQ(name(row.code), row.name);
        EXPECT_EQ(exit_code(row.code), row.exit);
        EXPECT_EQ(row.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz-"), std::string_view::npos) << row.name;
        EXPECT_TRUE(row.exit == 1 || row.exit == 2 || row.exit == 4 || row.exit == 5) << row.name;
    }
    // The enumerators count from 0 without gaps, and not_now is the last.
    for (int i = 0; i <= static_cast<int>(Code::not_now); ++i) EXPECT_TRUE(seen.contains(Code(i))) << i;
    EXPECT_EQ(codes().size(), static_cast<std::size_t>(Code::not_now) + 1);
}

TEST(Problem, IsOneLineAndAHint) {
    EXPECT_EQ(to_text(Problem{Code::bad_value, {"a.yaml", 2, 3}, "no", "do"}),
              "a.yaml:2:3: error[bad-value]: no\n  hint: do\n");
    EXPECT_EQ(to_text(Problem{Code::usage, {}, "no", ""}), "error[usage]: no\n");
    Problem const sealed{Code::misses, {}, "2 rows", "look", Sealed{"among them id='ada'\nthe server says: \x1b[m"}};
    EXPECT_EQ(to_text(sealed, Audience::terminal),
              "error[misses]: 2 rows\n  among them id='ada'\n  the server says:  [m\n  hint: look\n");
    EXPECT_EQ(to_text(sealed), "error[misses]: 2 rows\n  " + std::string{withheld} + "\n  hint: look\n");
    EXPECT_EQ(to_text(Problem{Code::not_readable, {"a.yaml", 0, 0}, "no", ""}), "a.yaml: error[not-readable]: no\n");
    EXPECT_EQ(to_text(Problems{{Code::usage, {"a", 2, 1}, "second", ""}, {Code::usage, {"a", 1, 9}, "first", ""}}),
              "a:1:9: error[usage]: first\na:2:1: error[usage]: second\n");
    EXPECT_EQ(exit_code(Problems{}), 0);
    EXPECT_EQ(exit_code(Problems{{Code::usage, {}, "", ""}, {Code::pooler, {}, "", ""}, {Code::bad_yaml, {}, "", ""}}),
              5);
}

TEST(Nearest, IsNearEnoughToBeMeant) {
    std::vector<std::string_view> const keys{"changes", "expand", "backfill", "contract", "to", "from"};
    EXPECT_EQ(nearest("chnges", keys), "changes");
    EXPECT_EQ(nearest("Changes", keys), "changes");
    EXPECT_EQ(nearest("contact", keys), "contract");
    EXPECT_EQ(nearest("backfil", keys), "backfill");
    EXPECT_EQ(nearest("frm", keys), "from");
    EXPECT_EQ(nearest("xyzzy", keys), "");
    EXPECT_EQ(nearest("", {}), "");
}

TEST(Fingerprint, IsStable) {
    EXPECT_EQ(fingerprint("a"), fingerprint("a"));
    EXPECT_NE(fingerprint("a"), fingerprint("b"));
    EXPECT_EQ(fingerprint("").size(), 36U);
}

}  // namespace
}  // namespace weir
