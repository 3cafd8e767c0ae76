#include "plans/expression.h"

#include <gtest/gtest.h>

#include <string>

namespace weir {
namespace {

std::string repeated(std::string_view piece, int times) {
    std::string text;
    while (times-- > 0) text += piece;
    return text;
}

TEST(Expression, AcceptsWhatIsOne) {
    for (std::string const text : {"name",
                                   "users.name",
                                   "\"Name\"",
                                   "upper(name)",
                                   "a + b * 2",
                                   "first || ' ' || last",
                                   "NULL",
                                   "'it''s'",
                                   "E'a\\nb'",
                                   "1",
                                   "yes",
                                   "name::text",
                                   "CAST(a AS numeric(10,2))",
                                   "CASE WHEN a THEN 1 ELSE 2 END",
                                   "a IS NULL AND b IS NOT NULL",
                                   "(a, b)",
                                   "ROW(a, b)",
                                   "(ARRAY[1, 2])[1]",
                                   "(SELECT max(x) FROM t)",
                                   "EXISTS (SELECT 1 FROM a, b)",
                                   "count(*) OVER (PARTITION BY a ORDER BY b)",
                                   "sum(a) FILTER (WHERE b)",
                                   "a IN (1, 2)",
                                   "a = ANY (ARRAY[1])",
                                   "x -- trailing comment",
                                   "/* ) */ a",
                                   "a /* nested /* ; */ */",
                                   "';'",
                                   "')'",
                                   "$$ ; ) $$",
                                   "$weir$ $1 $weir$",
                                   "upper(name) || '$weir$' -- trailing comment",
                                   "\"a;b)\"",
                                   "U&'d\\0061t'",
                                   "a COLLATE \"C\"",
                                   "now() AT TIME ZONE 'UTC'",
                                   "(j -> 'a') ->> 'b'",
                                   "j ? 'key'",
                                   "(a).b",
                                   "x BETWEEN 1 AND 2",
                                   "NOT a",
                                   "DATE '2020-01-01'",
                                   "extract(year FROM d)",
                                   "trim(both 'x' FROM y)",
                                   "f(a => 1)",
                                   "f(VARIADIC a)",
                                   "ünï || 'ö'",
                                   "  a  ",
                                   "\na\n",
                                   "users.*",
                                   "XMLELEMENT(name a)",
                                   "grouping",
                                   "current_user"}) {
        auto const declared = declare_expression(text, {});
        auto const* expression = std::get_if<UserExpr>(&declared);
        ASSERT_NE(expression, nullptr) << text << ": " << std::get<Problem>(declared).message;
        EXPECT_EQ(expression->text(), text);
    }
}

TEST(Expression, RefusesWhatIsNotOneOrIsMore) {
    for (std::string const text : {"",
                                   " ",
                                   "\n\t",
                                   "-- nothing",
                                   "/* nothing */",
                                   "name), (1",
                                   "1); drop table x; select (1",
                                   "/* open",
                                   "1) from t where (true",
                                   "a)",
                                   "(a",
                                   "((a)",
                                   ")(",
                                   "a) -- ",
                                   "a)/*",
                                   "1) UNION SELECT (2",
                                   "1 /* ) */ ) , ( 2",
                                   "'a') , ('b'",
                                   "$$a$$) , ($$b$$",
                                   "\"a\") , (\"b\"",
                                   "a;",
                                   ";",
                                   "a; drop table t",
                                   "$1",
                                   "a = $2",
                                   "a b",
                                   "a AS b",
                                   "1 AS \"x\"",
                                   "1 FROM t",
                                   "1 WHERE true",
                                   "1 LIMIT 1",
                                   "1 ORDER BY 1",
                                   "1 INTO t",
                                   "1 UNION SELECT 2",
                                   "1 FOR UPDATE",
                                   "DISTINCT a",
                                   "ALL a",
                                   "a, b",
                                   "a,",
                                   ",",
                                   "select 1",
                                   "SELECT a, b FROM t",
                                   "values (1)",
                                   "with x as (select 1) select * from x",
                                   "table t",
                                   "insert into t values (1)",
                                   "drop table t",
                                   "*",
                                   "a +",
                                   "+",
                                   "a ==",
                                   "'open",
                                   "\"open",
                                   "$a$ open",
                                   "$weir$ $weirx$",
                                   "E'\\'",
                                   "\"\"",
                                   "x'",
                                   "a[",
                                   "a]",
                                   "[1)",
                                   "a[1)",
                                   "(a]",
                                   "?",
                                   ":a",
                                   "\\",
                                   "@",
                                   "U&\"\\zzzz\"",
                                   "f(a",
                                   "f(a))",
                                   "CASE WHEN a THEN 1",
                                   "array[1",
                                   "1 = 1) OR (1",
                                   "a\x01b",
                                   "`a`",

                                   "'a' 'b'"}) {
        auto const declared = declare_expression(text, {"plan.yaml", 3, 7});
        auto const* problem = std::get_if<Problem>(&declared);
        ASSERT_NE(problem, nullptr) << "accepted: " << text;
        EXPECT_EQ(problem->code, Code::bad_expression);
        EXPECT_EQ(problem->place, (Place{"plan.yaml", 3, 7}));
        EXPECT_FALSE(problem->message.empty());
        EXPECT_EQ(problem->message.find('\n'), std::string::npos) << problem->message;
    }
}

TEST(Expression, RefusesBytesThatAreNoText) {
    using namespace std::string_literals;
    for (auto const& text :
         {"a\0b"s, "a\0"s, "\0"s, "'\xE9'"s, "\xC0\x80"s, "'\xED\xA0\x80'"s, std::string(64 * 1024 + 1, 'a')})
        EXPECT_TRUE(std::holds_alternative<Problem>(declare_expression(text, {})));
    EXPECT_TRUE(std::holds_alternative<UserExpr>(declare_expression("'" + std::string(64 * 1024 - 2, 'a') + "'", {})));
}

TEST(Expression, SaysWhatIsWrongInWordsForPeople) {
    auto const message = [](std::string_view text) { return std::get<Problem>(declare_expression(text, {})).message; };
    EXPECT_EQ(message("a +"), "not one SQL expression: syntax error at the end");
    EXPECT_EQ(message("é +"), "not one SQL expression: syntax error at the end");
    EXPECT_EQ(message("a b"), "not one SQL expression: syntax error at or near \"b\"");
    EXPECT_EQ(message("a, b"), "not one SQL expression: these are several expressions");
    EXPECT_EQ(message("select 1"), "not one SQL expression: this is a query");
    EXPECT_EQ(message("a)"), "not one SQL expression: a closing bracket without an opening one");
    EXPECT_EQ(message("drop table t"), "not one SQL expression: syntax error at or near \"table\"");
}

TEST(Expression, SurvivesWhatIsNestedDeeply) {
    EXPECT_TRUE(std::holds_alternative<UserExpr>(declare_expression(repeated("a || ", 300) + "a", {})));
    for (auto const& text :
         {repeated("1+", 32'000) + "1", repeated("(", 30'000) + "1" + repeated(")", 30'000),
          repeated("- ", 30'000) + "1", repeated("not ", 16'000) + "a",
          repeated("f(", 3000) + "1" + repeated(")", 3000), repeated("a[", 3000) + "1" + repeated("]", 3000),
          "1" + repeated("::int", 12'000), repeated("case when a then ", 2000) + "b" + repeated(" end", 2000),
          repeated("(select ", 3000) + "1" + repeated(")", 3000)})
        EXPECT_TRUE(std::holds_alternative<Problem>(declare_expression(text, {}))) << text.substr(0, 20);
}

TEST(Type, AcceptsWhatIsOne) {
    for (std::string const text : {"text",
                                   "int",
                                   "integer",
                                   "bigint",
                                   "numeric(10,2)",
                                   "numeric",
                                   "double precision",
                                   "character varying(30)",
                                   "varchar(30)",
                                   "char",
                                   "\"char\"",
                                   "bit varying(3)",
                                   "timestamp with time zone",
                                   "timestamp(3) without time zone",
                                   "timestamptz(3)",
                                   "interval",
                                   "interval day to second",
                                   "text[]",
                                   "text[][]",
                                   "integer[3]",
                                   "integer ARRAY",
                                   "integer ARRAY[4]",
                                   "public.citext",
                                   "shop.colour[]",
                                   "\"My Type\"",
                                   "\"Shop\".\"My Type\"(1)",
                                   "geometry(Point, 4326)",
                                   "  text  ",
                                   "national character varying(3)",
                                   "json"}) {
        auto const declared = declare_type(text, {});
        ASSERT_TRUE(std::holds_alternative<TypeName>(declared)) << text << ": " << std::get<Problem>(declared).message;
        EXPECT_EQ(std::get<TypeName>(declared).text(), text);
    }
}

TEST(Type, RefusesWhatIsNotOneOrIsMore) {
    for (std::string const text : {"",
                                   " ",
                                   "1",
                                   "'text'",
                                   "text) , (1",
                                   "text; drop table t",
                                   "text;",
                                   "text COLLATE \"C\"",
                                   "text = 1",
                                   "text AS x",
                                   "text x",
                                   "text, 1",
                                   "text FROM t",
                                   "text WHERE true",
                                   "text LIMIT 1",
                                   "text UNION SELECT 1",
                                   "text INTO x",
                                   "text ORDER BY 1",
                                   "text GROUP BY 1",
                                   "text FOR UPDATE",
                                   "text OFFSET 1",
                                   "text HAVING true",
                                   "text WINDOW w AS ()",
                                   "text::int",
                                   "text IS NULL",
                                   "text NOT NULL",
                                   "text DEFAULT 1",
                                   "text CHECK (true)",
                                   "text || 'a'",
                                   "text -- c",
                                   "text /* c */",
                                   "SETOF text",
                                   "setof int[]",
                                   "users.name%TYPE",
                                   "text%TYPE",
                                   "text(",
                                   "text)",
                                   "numeric(10,2",
                                   "serial",
                                   "BIGSERIAL",
                                   "smallserial",
                                   "serial8",
                                   "\"serial\"",
                                   "numeric($1)",
                                   "text AND true",
                                   "text IN (1)",
                                   "text AT TIME ZONE 'x'",
                                   "(text)",
                                   "text[a]",
                                   "NULL",
                                   "",
                                   "-- c"}) {
        EXPECT_TRUE(std::holds_alternative<Problem>(declare_type(text, {}))) << "accepted: " << text;
    }
}

struct Stripped {
    std::string statement, shown;
};

TEST(Statement, IsTakenUpToItsEnd) {
    struct Case {
        std::string_view written, taken;
    };
    for (auto const& [written, taken] : {
             Case{"select 1", "select 1"},
             Case{"select 1;", "select 1"},
             Case{"-- first\nselect 1 -- last\n;; /* end */\n", "-- first\nselect 1"},
             Case{"insert into t values (';')", "insert into t values (';')"},
             Case{"do $$ begin null; end $$;", "do $$ begin null; end $$"},
             Case{"create function f(int) returns int return $1 + 1;",
                  "create function f(int) returns int return $1 + 1"},
             Case{"create function f() returns int begin atomic select 1; select 2; end;",
                  "create function f() returns int begin atomic select 1; select 2; end"},
             Case{"create rule r as on insert to t do (select 1; select 2)",
                  "create rule r as on insert to t do (select 1; select 2)"},
             Case{"copy t to '/data/t'", "copy t to '/data/t'"},
             Case{"set constraints all immediate", "set constraints all immediate"},
             Case{"vacuum t", "vacuum t"},
         }) {
        auto const declared = declare_statement(written, {});
        auto const* statement = std::get_if<Statement>(&declared);
        ASSERT_NE(statement, nullptr) << written << ": " << std::get<Problem>(declared).message;
        EXPECT_EQ(statement->text(), taken);
    }
}

TEST(Statement, RefusesWhatIsNotOneOrReachesPastIt) {
    struct Case {
        std::string_view written, words;
    };
    for (auto const& [written, words] : {
             Case{"", "there is no statement in it"},
             Case{"-- nothing", "there is no SQL in it"},
             Case{";;", "there is no SQL in it"},
             Case{"selct 1", "syntax error at or near \"selct\""},
             Case{"select 'x", "unterminated quoted string"},
             Case{"select 1; select 2", "it is more than one statement"},
             Case{"select 1; commit", "it is more than one statement"},
             Case{"commit", "it begins or ends a transaction"},
             Case{"begin;", "it begins or ends a transaction"},
             Case{"/* */ savepoint s", "it begins or ends a transaction"},
             Case{"prepare transaction 'x'", "it begins or ends a transaction"},
             Case{"set role x", "it changes the session"},
             Case{"set local search_path to x", "it changes the session"},
             Case{"reset all", "it changes the session"},
             Case{"discard all", "it changes the session"},
             Case{"copy t from stdin", "it reads from or writes to the client"},
             Case{"copy (select 1) to stdout", "it reads from or writes to the client"},
             Case{"\\d users", "syntax error"},
         }) {
        auto const declared = declare_statement(written, {"plan.yaml", 2, 3});
        auto const* problem = std::get_if<Problem>(&declared);
        ASSERT_NE(problem, nullptr) << written;
        EXPECT_EQ(problem->code, Code::bad_expression);
        EXPECT_EQ(problem->place, (Place{"plan.yaml", 2, 3}));
        EXPECT_EQ(problem->message.rfind("not one SQL statement: " + std::string{words}, 0), 0U)
            << written << ": " << problem->message;
    }
    EXPECT_TRUE(std::holds_alternative<Problem>(declare_statement(std::string_view{"select\0 1", 9}, {})));
    EXPECT_TRUE(std::holds_alternative<Problem>(declare_statement("select '" + repeated("x", 70'000) + "'", {})));
    EXPECT_TRUE(std::holds_alternative<Problem>(
        declare_statement("select " + repeated("f(", 5000) + "1" + repeated(")", 5000), {})));
}

TEST(Statement, IsShownWithoutItsValues) {
    for (auto const& [statement, shown] : {
             Stripped{"SELECT 1", "SELECT ?"},
             Stripped{"select *\n\tfrom users  where mail = 'ada@x' and id=7",
                      "select * from users where mail = ? and id=?"},
             Stripped{"SELECT 1.5, 1e9, B'01', X'1F', N'x', $$ada$$, $q$a'da$q$, 'a'\n'b'",
                      "SELECT ?, ?, ?, ?, N?, ?, ?, ?"},
             Stripped{"UPDATE users SET name = 'O''Brien', at = DATE '2020-01-01' WHERE id IN (1, 2)",
                      "UPDATE users SET name = ?, at = DATE ? WHERE id IN (?, ?)"},
             Stripped{"SELECT a -- ada\nFROM t /* ada /* x */ */ WHERE b", "SELECT a FROM t WHERE b"},
             Stripped{"/* ada */ SELECT 1", "SELECT ?"},
             Stripped{"SELECT \"it's\" FROM \"T\" WHERE x = $1", "SELECT \"it's\" FROM \"T\" WHERE x = $1"},
             Stripped{"BEGIN; INSERT INTO t VALUES (1, 'x');", "BEGIN; INSERT INTO t VALUES (?, ?);"},
             Stripped{"(SELECT 'x') UNION SELECT 'y'", "(SELECT ?) UNION SELECT ?"},
             Stripped{"ALTER TABLE t ADD c text DEFAULT 'x'", "ALTER TABLE t ADD c text DEFAULT ?"},
             Stripped{"CREATE UNIQUE INDEX i ON t (a) WHERE b = 'x'", "CREATE UNIQUE INDEX i ON t (a) WHERE b = ?"},
             Stripped{"COPY t FROM '/tmp/ada'", "COPY t FROM ?"},
             // A value may stand there without quotes.
             Stripped{"SET app.customer TO ada", "SET …"},
             Stripped{"BEGIN; SET app.customer TO ada", "BEGIN …"},
             Stripped{"SELECT 'ada';; SET x = ada; SELECT 1", "SELECT …"},
             Stripped{";", "…"},
             Stripped{"set local x = ada", "set …"},
             Stripped{"ALTER ROLE r SET app.customer TO ada", "ALTER …"},
             Stripped{"EXECUTE q(ada)", "EXECUTE …"},
             Stripped{"NOTIFY ada", "NOTIFY …"},
             Stripped{"DO 'ada'", "DO …"},
             // Quoted in some sessions, and not in others.
             Stripped{R"(SELECT 'it\'s ada', 'x')", "SELECT …"},
             Stripped{R"(SELECT E'\'ada')", "SELECT …"},
             // What the grammar does not take, or the server has cut.
             Stripped{"SELECT * FROM users WHERE name = 'ada", "SELECT …"},
             Stripped{"SELECT * FROM users WHERE name = 'O'Brien'", "SELECT …"},
             Stripped{"SELECT ada FROM t WHERE", "SELECT …"},
             Stripped{"SELECT 1 /* ada", "SELECT …"},
             Stripped{"4111111111111111", "…"},
             Stripped{"ada lovelace", "…"},
             Stripped{"", "…"},
             Stripped{" \n", "…"},
             Stripped{"-- ada", "…"},
             Stripped{"/* ada */ SELEKT", "…"},
             Stripped{std::string{"SELECT 'a\0b'", 12}, "SELECT …"},
             Stripped{"SELECT '" + repeated("x", 100000) + "'", "SELECT …"},
             Stripped{"SELECT " + repeated("(", 5000) + "1" + repeated(")", 5000), "SELECT " + repeated("(", 93)},
         }) {
        EXPECT_EQ(without_values(statement, 100), shown) << statement.substr(0, 200);
    }
    EXPECT_EQ(without_values("SELECT äöü FROM t", 9), "SELECT äö");
    EXPECT_EQ(on_one_line(" SELECT\n 'ö'  ", 100), "SELECT 'ö'");
    EXPECT_EQ(on_one_line("SELECT 'öö'", 9), "SELECT 'ö");
}

}  // namespace
}  // namespace weir
