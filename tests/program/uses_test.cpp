/// A column in quarantine: who still uses it is told by status and before the purge.
#include "tests/support/bench.h"

namespace weir::tests {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

void quarantined(Bench const& bench) {
    make_users(bench, 50);
    auto const ran = bench.weir({"run", bench.plan(kept_plan), "--approve", "all"});
    ASSERT_EQ(ran.status, 0) << told(ran);
}

std::string const used = "still used: ";

TEST(Uses, AreToldByStatusAndBeforeThePurge) {
    Bench const bench;
    quarantined(bench);
    auto const none = bench.weir({"status", "rename-it"});
    EXPECT_THAT(none.out, HasSubstr("set aside until"));
    EXPECT_THAT(none.out, Not(HasSubstr(used))) << "what weir made for it is not told";
    bench.sql(R"(CREATE VIEW still AS SELECT weir_q1_name AS n FROM users;
CREATE POLICY theirs ON users USING (weir_q1_name <> '');
CREATE FUNCTION whole() RETURNS text BEGIN ATOMIC SELECT max(weir_q1_name) FROM users; END;
CREATE FUNCTION old_way(integer) RETURNS bigint LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT count(NAME) FROM Users); END';
CREATE FUNCTION new_way() RETURNS bigint LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT count(full_name) FROM users); END';
CREATE FUNCTION other_table() RETURNS bigint LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT count(name) FROM users_2); END')");
    auto const status = bench.weir({"status", "rename-it"});
    EXPECT_EQ(status.status, 0) << told(status);
    for (auto const* words :
         {"view still uses users.weir_q1_name", "policy theirs on table users uses users.weir_q1_name",
          "function whole() uses users.weir_q1_name",
          "function old_way(integer) has the names of the table and of users.weir_q1_name (or name) in its text"})
        EXPECT_THAT(status.out, HasSubstr(used + words));
    EXPECT_EQ(count(status.out, used), 4U) << status.out;
    EXPECT_EQ(count(bench.weir({"status"}).out, used), 0U) << "only of the run that is asked for";
    auto const json = bench.weir({"status", "rename-it", "--json"});
    EXPECT_THAT(json.out,
                HasSubstr(R"({"column":"users.weir_q1_name","was":"name","how":"depends","by":"view still"})"));
    EXPECT_EQ(count(json.out, R"("how":"mentions")"), 1U);

    bench.sql("UPDATE weir.entries SET at = at - interval '8 days' WHERE kind = 'quarantined'");
    auto const run = bench.weir({"run", bench.plan(kept_plan)});
    EXPECT_EQ(run.status, 4) << told(run);
    EXPECT_EQ(count(run.out, "is still used: "), 4U);
    auto const purge = bench.weir({"purge", "rename-it"});
    EXPECT_EQ(purge.status, 4) << told(purge);
    EXPECT_THAT(purge.out, HasSubstr("warning: what is dropped when the quarantine is over is still used: view still "
                                     "uses users.weir_q1_name"));
    EXPECT_EQ(count(purge.out, "is still used: "), 4U);
    EXPECT_EQ(bench.value("SELECT count(n) FROM still"), "50") << "nothing is dropped with it";
    bench.sql("DROP VIEW still; DROP POLICY theirs ON users; DROP FUNCTION whole()");
    auto const again = bench.weir({"purge", "rename-it"});
    EXPECT_EQ(again.status, 0) << told(again);
    EXPECT_EQ(count(again.out, "is still used: "), 1U) << "a text alone stops nothing";
}

TEST(Uses, AreFoundAmongTheStatementsOfTheServer) {
    Cluster cluster{Cluster::Options{
        .fsync = false,
        .settings = {"shared_preload_libraries = 'pg_stat_statements'", "pg_stat_statements.track = all"},
        .hba = {}}};
    Bench const bench{cluster};
    bench.sql("CREATE SCHEMA \"st ats\"; CREATE EXTENSION pg_stat_statements SCHEMA \"st ats\"");
    quarantined(bench);
    bench.sql("UPDATE users SET full_name = 'Bo' WHERE id = 1");
    EXPECT_THAT(bench.weir({"status", "rename-it"}).out, Not(HasSubstr(used))) << "weir's own are not told";
    auto const dumped = run({.command = {server_program("pg_dump"), "--file=/dev/null", bench.db.conninfo},
                             .environment = {},
                             .directory = ""});
    EXPECT_EQ(dumped.status, 0) << told(dumped);
    EXPECT_THAT(bench.weir({"status", "rename-it"}).out, Not(HasSubstr(used))) << "a dump takes what is there";
    for (int i = 0; i < 2; ++i) bench.sql("SELECT id,\n  WEIR_Q1_NAME FROM users WHERE id = 7");
    auto const status = bench.weir({"status", "rename-it"});
    EXPECT_THAT(status.out,
                HasSubstr(used + "users.weir_q1_name: 2 calls by postgres: SELECT id, WEIR_Q1_NAME FROM users WHERE"));
    EXPECT_EQ(count(status.out, used), 1U) << status.out;
    // Not to be read by everybody.
    bench.sql(
        "REVOKE ALL ON \"st ats\".pg_stat_statements FROM PUBLIC; CREATE ROLE onlooker LOGIN; GRANT USAGE ON "
        "SCHEMA weir TO onlooker; GRANT SELECT ON ALL TABLES IN SCHEMA weir TO onlooker");
    Bench reader{cluster};
    reader.db = bench.db;
    reader.user = "onlooker";
    auto const seen = reader.weir({"status", "rename-it"});
    EXPECT_EQ(seen.status, 0) << told(seen);
    EXPECT_THAT(seen.out, Not(HasSubstr(used)));
}

}  // namespace
}  // namespace weir::tests
