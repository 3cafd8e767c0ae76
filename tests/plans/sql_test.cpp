#include "plans/sql.h"

#include <gtest/gtest.h>

#include <stdexcept>

#include "plans/expression.h"
#include "plans/problem.h"

namespace weir {
namespace {

std::string written(SqlPart auto const& part) {
    std::string text;
    part.write(text);
    return text;
}

UserExpr expression(std::string_view text) { return std::get<UserExpr>(declare_expression(text, {})); }

TEST(Ident, IsAlwaysQuoted) {
    EXPECT_EQ(written(Ident::of("users")), R"("users")");
    EXPECT_EQ(written(Ident::of("Or\"der")), R"("Or""der")");
    EXPECT_EQ(written(Ident::of("a; drop table b --")), R"("a; drop table b --")");
    EXPECT_EQ(written(Ident::of("\"")), R"("""")");
}

TEST(Ident, Has1To63BytesOfUtf8) {
    using namespace std::string_literals;
    EXPECT_TRUE(Ident::make("a"));
    EXPECT_TRUE(Ident::make(std::string(63, 'a')));
    EXPECT_TRUE(Ident::make(std::string(61, 'a') + "é"));
    for (auto const& bad : {""s, std::string(64, 'a'), std::string(62, 'a') + "é", "a\0b"s, "\0"s, "\xC3"s, "a\xFF"s,
                            "\xC0\x80"s, "\xED\xA0\x80"s, "\xF4\x90\x80\x80"s, "\xE2\x82"s, "\x80"s})
        EXPECT_FALSE(Ident::make(bad));
    EXPECT_THROW(Ident::of(""), std::logic_error);
}

TEST(Utf8, TakesWholeCharactersOnly) {
    for (auto const* good : {"", "a", "é", "€", "😀", "\xEF\xBF\xBF", "\xF4\x8F\xBF\xBF"})
        EXPECT_TRUE(is_utf8(good)) << good;
    for (auto const* bad :
         {"\x80", "\xC3", "\xC1\x81", "\xE0\x80\x80", "\xF0\x80\x80\x80", "\xF8\x88\x80\x80\x80", "a\xE2\x82"})
        EXPECT_FALSE(is_utf8(bad));
}

TEST(TableName, IsQualifiedInSqlAndShortForPeople) {
    EXPECT_EQ(written(TableName{Ident::of("public"), Ident::of("users")}), R"("public"."users")");
    EXPECT_EQ((TableName{Ident::of("public"), Ident::of("users")}).text(), "users");
    EXPECT_EQ((TableName{Ident::of("shop"), Ident::of("a.b")}).text(), "shop.a.b");
}

TEST(Value, IsALiteralWhateverItHolds) {
    EXPECT_EQ(written(Value{""}), "''");
    EXPECT_EQ(written(Value{"it's"}), "'it''s'");
    EXPECT_EQ(written(Value{R"(a\b)"}), R"(E'a\\b')");
    EXPECT_EQ(written(Value{R"(\')"}), R"(E'\\''')");
    EXPECT_THROW(written(Value{std::string(1, '\0')}), std::logic_error);
    EXPECT_EQ(written(Int{-5}), "-5");
}

TEST(Template, FillsNumberedPlaceholders) {
    EXPECT_EQ(sql("SELECT {1}, {0}, {1}", Int{1}, Ident::of("a")).text(), R"(SELECT "a", 1, "a")");
    EXPECT_EQ(sql("SELECT '{{}}'").text(), "SELECT '{}'");
    // What is filled in is not looked at again.
    EXPECT_EQ(sql("{0}{1}", Value{"{1}"}, Value{"{0}"}).text(), "'{1}''{0}'");
    EXPECT_EQ(sql("SELECT {0}", sql("{0}", Int{7})).text(), "SELECT 7");
}

TEST(Body, HasATagThatIsNotInside) {
    EXPECT_EQ(Sql::body(sql("BEGIN END")).text(), "$weir$BEGIN END$weir$");
    EXPECT_EQ(Sql::body(sql("SELECT '$weir$'")).text(), "$weir1$SELECT '$weir$'$weir1$");
    EXPECT_EQ(Sql::body(sql("SELECT '$weir$ $weir1$'")).text(), "$weir2$SELECT '$weir$ $weir1$'$weir2$");
    EXPECT_EQ(Sql::body(sql("a $weir")).text(), "$weir1$a $weir$weir1$");
    auto const nested = Sql::body(Sql::body(sql("a")));
    EXPECT_EQ(nested.text(), "$weir1$$weir$a$weir$$weir1$");
}

TEST(UserExpr, CannotEatItsBracketWithAComment) {
    EXPECT_EQ(written(expression("name -- old")), "(name -- old\n)");
    EXPECT_EQ(sql("UPDATE t SET a = {0} WHERE true", expression("b -- c")).text(),
              "UPDATE t SET a = (b -- c\n) WHERE true");
}

TEST(Sql, JoinsPartsAndStatements) {
    EXPECT_EQ(Sql::join({sql("a"), sql("b"), sql("c")}, ", ").text(), "a, b, c");
    EXPECT_EQ(Sql::join({}, ", ").text(), "");
    EXPECT_EQ(to_text(Batch{sql("BEGIN"), sql("COMMIT")}), "BEGIN;\nCOMMIT");
    EXPECT_TRUE(Sql{}.empty());
}

}  // namespace
}  // namespace weir
