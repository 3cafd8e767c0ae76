#include "orchestrator/signals/sql_number.h"

#include "eye.h"
#include "plans/expression.h"

namespace weir {
namespace {

using namespace tests;
using testing::HasSubstr;

SqlNumber number(std::string const& query) {
    return SqlNumber{"jobs", std::get<UserExpr>(declare_expression("(" + query + "\n)", Place{}))};
}

struct SqlNumberTest : testing::Test {
    Reading ask(std::string const& query) {
        auto signal = number(query);
        auto reading = eye.one(signal);
        EXPECT_EQ(reading.signal, "sql");
        EXPECT_EQ(reading.subject, "jobs");
        EXPECT_EQ(reading.unit, "");
        EXPECT_EQ(reading.value.has_value(), reading.problem.empty());
        return reading;
    }
    Database database{Cluster::shared().create_database()};
    Eye eye{database.conninfo};
};

TEST_F(SqlNumberTest, OneNumberOfAnyType) {
    query(database.conninfo, "CREATE TABLE jobs (id int); INSERT INTO jobs SELECT generate_series(1, 7)");
    for (auto const& [text, value] : std::vector<std::pair<std::string, double>>{
             {"SELECT count(*) FROM jobs", 7},
             {"SELECT count(*) FROM public.jobs -- all", 7},
             {"SELECT 12345678901234567890::numeric", 12345678901234567890.0},
             {"SELECT 0.1::real", 0.1F},
             {"SELECT '1e3'", 1000},
             {"SELECT -1", -1},
             {"VALUES (2)", 2},
             {"WITH j AS (SELECT 1 AS a UNION ALL SELECT 2) SELECT max(a) FROM j", 2}})
        EXPECT_NEAR(ask(text).value.value_or(-999), value, std::abs(value) * 1e-6) << text;
}

TEST_F(SqlNumberTest, WhatIsNoOneNumberIsSaid) {
    for (auto const& [text, words] : std::vector<std::pair<std::string, std::string>>{
             {"SELECT 1 WHERE false", "the query gives no row, or NULL"},
             {"SELECT NULL", "the query gives no row, or NULL"},
             {"SELECT 'NaN'::float8", "the query gives NaN"},
             {"SELECT 'infinity'::float8", "the query gives Infinity"},
             {"SELECT generate_series(1, 2)", "the query failed: a subquery gives more than one row"},
             {"SELECT 1, 2", "the query failed: syntax error"},
             {"SELECT now()", "the query failed: cannot cast"},
             {"SELECT 'many'", "the query failed: a text cannot be read as a value of its type"},
             {"SELECT n FROM nowhere", "the query failed: undefined table"}})
        EXPECT_THAT(ask(text).problem, HasSubstr(words)) << text;
}

TEST_F(SqlNumberTest, WritesNothing) {
    query(database.conninfo,
          "CREATE SEQUENCE s; CREATE FUNCTION write() RETURNS int LANGUAGE plpgsql AS "
          "$$ BEGIN SET LOCAL transaction_read_only = off; CREATE TABLE t (); RETURN 1; END $$");
    EXPECT_THAT(ask("SELECT nextval('public.s')").problem, HasSubstr("in a read-only transaction"));
    EXPECT_THAT(ask("SELECT write()").problem, HasSubstr("read-write mode"));
    EXPECT_EQ(query_value(database.conninfo, "SELECT count(*) FROM pg_class WHERE relname = 't'"), "0");
}

TEST_F(SqlNumberTest, AQueryThatTakesTooLongHarmsNobodyElse) {
    auto slow = number("SELECT 1 FROM pg_sleep(60)");
    auto const reading = eye.one(slow, Eye::steady(), {Millis{100}, Millis{50}, {}});
    EXPECT_EQ(reading.problem, "the query failed: canceling statement due to statement timeout");
    EXPECT_EQ(ask("SELECT 5").value, 5);
}

TEST_F(SqlNumberTest, NeedsWhatTheQueryNeeds) {
    query(database.conninfo, "CREATE TABLE secret (n int)");
    Eye plain{Cluster::shared().conninfo(database.name, nobody(Cluster::shared()))};
    auto signal = number("SELECT count(*) FROM public.secret");
    EXPECT_EQ(plain.one(signal).problem, "the query failed: permission denied for table secret");
}

}  // namespace
}  // namespace weir
