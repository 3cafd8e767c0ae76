/// Equality is by bytes: what an application can see is carried, and fill and proof come to an end for every type.
#include "lab.h"

namespace weir::tests {
namespace {

struct Pair {
    char const* type;
    char const* one;
    char const* other;  ///< another value, or one that `=` takes for the same
};

void PrintTo(Pair const& pair, std::ostream* out) { *out << pair.type << ' ' << pair.one << ' ' << pair.other; }

class Equality : public ::testing::TestWithParam<Pair> {};

TEST_P(Equality, every_change_that_an_application_can_see_is_carried_both_ways) {
    auto const [type, one, other] = GetParam();
    Lab lab{
        "CREATE TYPE pair AS (x int, y text); CREATE DOMAIN short AS varchar(5);"
        "CREATE TABLE t (id int PRIMARY KEY, a " +
        std::string{type} +
        ");"
        "INSERT INTO t VALUES (1, " +
        one + "), (2, " + other + "), (3, NULL)"};
    lab.expand(rename);
    EXPECT_EQ(lab.fill(), 2);  // NULL is as NULL was
    EXPECT_EQ(lab.wrong(), 0);
    EXPECT_EQ(lab.fill(), 0);
    auto const same = "SELECT bool_and(pg_catalog.record_image_eq(ROW(a), ROW(b))) FROM t";
    auto const is = [&](char const* column, char const* value) {
        return lab.rows("SELECT pg_catalog.record_image_eq(ROW(" + std::string{column} +
                        "), ROW(v)) FROM t, "
                        "(SELECT a AS v FROM keep WHERE id = " +
                        value + ") k WHERE t.id = 1");
    };
    lab.run("CREATE TABLE keep AS TABLE t");
    lab.run("UPDATE t SET a = (SELECT a FROM keep WHERE id = 2) WHERE id = 1");
    EXPECT_EQ(is("b", "2"), "t");
    lab.run("UPDATE t SET b = (SELECT b FROM keep WHERE id = 1) WHERE id = 1");
    EXPECT_EQ(is("a", "1"), "t");
    lab.run("UPDATE t SET b = " + std::string{other} + " WHERE id = 1");
    EXPECT_EQ(is("a", "2"), "t");
    lab.run("INSERT INTO t (id, a) VALUES (4, " + std::string{one} + ")");
    lab.run("INSERT INTO t (id, b) VALUES (5, " + std::string{one} + ")");
    lab.run("UPDATE t SET b = NULL WHERE id = 1");
    lab.run("UPDATE t SET a = NULL WHERE id = 2");
    EXPECT_EQ(lab.rows(same), "t");
    EXPECT_EQ(lab.rows("SELECT count(*) FROM t WHERE num_nulls(b) = 1"), "3");
    EXPECT_EQ(lab.wrong(), 0);
}

INSTANTIATE_TEST_SUITE_P(
    Types, Equality,
    ::testing::Values(Pair{"json", "'{\"x\": 1}'", "'{\"x\":1}'"}, Pair{"jsonb", "'{\"x\": 1.0}'", "'{\"x\": 1.00}'"},
                      Pair{"point", "'(1,2)'", "'(1,3)'"}, Pair{"xml", "'<a/>'", "'<a />'"},
                      Pair{"numeric", "1.0", "1.00"}, Pair{"numeric(10,2)", "1.5", "1.25"},
                      Pair{"double precision", "'-0'", "0"}, Pair{"double precision", "'NaN'", "'Infinity'"},
                      Pair{"interval", "'1 day'", "'24 hours'"}, Pair{"character(5)", "'ab'", "'abc'"},
                      Pair{"varchar(5)", "'ab'", "'ab '"}, Pair{"bit(3)", "B'101'", "B'100'"},
                      Pair{"bit varying(5)", "B'1'", "B'10'"}, Pair{"text[]", "'{a,b}'", "'[2:3]={a,b}'"},
                      Pair{"numeric[]", "'{1.0}'", "'{1.00}'"}, Pair{"pair", "(1,'x')", "(1,'y')"},
                      Pair{"pair", "(1,NULL)", "(NULL,NULL)"}, Pair{"short", "'ab'", "'abcde'"},
                      Pair{"int4range", "'[1,5)'", "'[1,6)'"}, Pair{"bytea", "'\\x00'", "'\\x0000'"},
                      Pair{"text", "repeat('long ', 20000)", "repeat('long ', 20001)"},
                      Pair{"timestamp(0)", "'2024-01-01 00:00:00.4'", "'2024-01-01 00:00:01.4'"},
                      Pair{"\"char\"", "'x'", "'y'"}, Pair{"money", "'1.50'", "'2'"},
                      Pair{"tsvector", "'a b'", "'a:1 b'"}, Pair{"text COLLATE \"C\"", "'a'", "'A'"},
                      Pair{"name", "'a'", "'b'"}, Pair{"oid", "1", "2"}, Pair{"bool", "true", "false"},
                      Pair{"timestamptz", "'2024-01-01 00:00Z'", "'2024-01-01 00:00:00.000001Z'"}));

TEST(Sync, a_change_of_case_alone_is_carried_for_citext) {
    Lab lab{"CREATE SCHEMA ext"};
    if (!lab.code("CREATE EXTENSION citext SCHEMA ext").empty()) GTEST_SKIP() << "no citext here";
    lab.run("CREATE TABLE t (id int PRIMARY KEY, a ext.citext); INSERT INTO t VALUES (1, 'a')");
    lab.expand(rename);
    lab.fill();
    lab.run("UPDATE t SET a = 'A'");
    EXPECT_EQ(lab.rows("SELECT b FROM t"), "A");
    lab.run("UPDATE t SET b = 'a'");
    EXPECT_EQ(lab.rows("SELECT a FROM t"), "a");
}

// ---- modifiers: f yields what the column stores

constexpr char const* numbers =
    "CREATE TABLE t (id int PRIMARY KEY, a numeric); INSERT INTO t VALUES (1, 1.005), (2, 7)";

TEST(Sync, a_fill_into_a_rounding_type_converges) {
    for (auto const* reverse : {"", "b"}) {
        Lab lab{numbers};
        lab.expand(mapping("numeric(10,2)", "a", reverse));
        EXPECT_EQ(lab.fill(), 2);
        EXPECT_EQ(lab.wrong(), 0);
        lab.run("UPDATE t SET a = 2.345 WHERE id = 1");
        EXPECT_EQ(lab.rows("SELECT a, b FROM t WHERE id = 1"), "2.345|2.35");
        EXPECT_EQ(lab.wrong(), 0);
    }
}

TEST(Sync, a_text_shorter_than_a_padded_column_converges) {
    for (auto const* reverse : {"", "b"}) {
        Lab lab{"CREATE TABLE t (id int PRIMARY KEY, a text); INSERT INTO t VALUES (1, 'ab'), (2, 'abcde')"};
        lab.expand(mapping("character(5)", "a", reverse));
        EXPECT_EQ(lab.fill(), 2);
        EXPECT_EQ(lab.wrong(), 0) << "reverse: " << reverse;
        lab.run("UPDATE t SET a = 'x' WHERE id = 1");
        EXPECT_EQ(lab.rows("SELECT a, b FROM t WHERE id = 1"), "x|x    ");
        EXPECT_EQ(lab.wrong(), 0) << "reverse: " << reverse;
    }
}

TEST(Sync, blanks_of_the_new_application_survive_a_padded_old_column) {
    Lab lab{"CREATE TABLE t (id int PRIMARY KEY, a character(5)); INSERT INTO t VALUES (1, 'ab')"};
    lab.expand(mapping("text", "a", "b"));
    lab.fill();
    EXPECT_EQ(lab.rows("SELECT a, b || '.' FROM t"), "ab   |ab.");
    lab.run("UPDATE t SET b = 'xy '");
    EXPECT_EQ(lab.rows("SELECT a, b || '.' FROM t"), "xy   |xy .");
    EXPECT_EQ(lab.wrong(), 0);
}

TEST(Sync, a_value_too_long_for_the_new_column_fails_loudly) {
    struct Case {
        char const* type;
        char const* code;
    };
    for (auto const& [type, code] :
         {Case{"varchar(3)", "22001"}, Case{"character(3)", "22001"}, Case{"short", "22001"}}) {
        Lab lab{
            "CREATE DOMAIN short AS varchar(3);"
            "CREATE TABLE t (id int PRIMARY KEY, a text); INSERT INTO t VALUES (1, 'abc')"};
        lab.expand(mapping(type, "a", ""));
        lab.fill();
        EXPECT_EQ(lab.code("INSERT INTO t VALUES (2, 'abcd')"), code) << type;
        EXPECT_EQ(lab.code("UPDATE t SET a = 'abcd'"), code) << type;
        EXPECT_EQ(lab.rows("SELECT a, b FROM t"), "abc|abc") << type;
        // Written before the sync was there: the fill says so, and nothing is cut.
        lab.run("ALTER TABLE t DISABLE TRIGGER USER; INSERT INTO t VALUES (3, 'abcd')");
        EXPECT_THROW(lab.fill(), std::runtime_error) << type;
    }
}

TEST(Sync, a_cut_value_in_the_new_column_is_never_taken_for_right) {
    for (auto const* type : {"varchar(3)", "character(3)", "short"}) {
        Lab lab{
            "CREATE DOMAIN short AS varchar(3);"
            "CREATE TABLE t (id int PRIMARY KEY, a text); INSERT INTO t VALUES (1, 'abc')"};
        lab.expand(mapping(type, "a", ""));
        lab.fill();
        lab.run("ALTER TABLE t DISABLE TRIGGER USER; UPDATE t SET a = 'abcd'");
        try {
            EXPECT_EQ(lab.wrong(), 1) << type;
        } catch (std::runtime_error const& refused) {  // or the server refuses to convert it
            EXPECT_NE(std::string{refused.what()}.find("22001"), std::string::npos) << refused.what();
        }
    }
}

TEST(Sync, an_enum_goes_to_text_and_back) {
    Lab lab{
        "CREATE TYPE colour AS ENUM ('red', 'green'); CREATE TABLE t (id int PRIMARY KEY, a colour);"
        "INSERT INTO t VALUES (1, 'red')"};
    // The server calls enum_in and enum_out stable, because an enum may grow: a mapping over them is refused, not
    // trusted.
    EXPECT_NE(lab.problems(mapping("text", "a::text", "b::public.colour")).find("not immutable"), std::string::npos);
    lab.expand(mapping("text", "CASE a WHEN 'red' THEN 'R' WHEN 'green' THEN 'G' END",
                       "CASE b WHEN 'R' THEN 'red'::public.colour WHEN 'G' THEN 'green' END"));
    lab.fill();
    lab.run("UPDATE t SET b = 'G'");
    EXPECT_EQ(lab.rows("SELECT a, b FROM t"), "green|G");
}

}  // namespace
}  // namespace weir::tests
