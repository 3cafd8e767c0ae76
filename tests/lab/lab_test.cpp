#include <dirent.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "tests/support/cluster.h"
#include "tests/support/process.h"
#include "tests/support/schema_dump.h"

namespace weir::tests {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::Not;

Launch shell(std::string const& text) {
    return {.command = {"/bin/sh", "-c", text}, .environment = {}, .directory = {}};
}

TEST(Process, gives_output_and_exit_status) {
    auto launch = shell("echo out $WEIR_WORD; pwd >&2; exit 3");
    launch.environment = {{"WEIR_WORD", "word"}};
    launch.directory = "/usr";
    auto const ran = run(launch);
    EXPECT_EQ(ran.status, 3);
    EXPECT_EQ(ran.out, "out word\n");
    EXPECT_EQ(ran.err, "/usr\n");
}

TEST(Process, takes_more_output_than_a_pipe_holds) {
    EXPECT_EQ(run(shell("head -c 1000000 /dev/zero")).out.size(), 1000000U);
}

TEST(Process, is_signalled_and_ends_with_its_object) {
    pid_t child = 0;
    {
        Process sleeper{{.command = {"sleep", "100"}, .environment = {}, .directory = {}}};
        child = sleeper.pid();
        EXPECT_TRUE(sleeper.running());
        EXPECT_THROW(sleeper.wait(20ms), std::runtime_error);
    }
    EXPECT_EQ(::kill(child, 0), -1);
    Process other{{.command = {"sleep", "100"}, .environment = {}, .directory = {}}};
    other.signal(SIGTERM);
    EXPECT_EQ(other.wait(), 128 + SIGTERM);
}

TEST(Process, says_why_it_cannot_start) {
    EXPECT_THROW(run({.command = {"/nowhere/at/all"}, .environment = {}, .directory = {}}), std::system_error);
}

TEST(Process, inherits_no_file_of_ours) {
    int const ours = open("/dev/null", O_RDONLY);  // NOLINT: without O_CLOEXEC on purpose
    ASSERT_GE(ours, 0);
    auto const listed = run(shell("ls /proc/$$/fd")).out;
    close(ours);
    EXPECT_EQ(listed, "0\n1\n2\n");
}

TEST(Process, wait_until_sees_the_condition_or_the_deadline) {
    int asked = 0;
    EXPECT_TRUE(wait_until([&] { return ++asked == 3; }, 5s));
    EXPECT_FALSE(wait_until([] { return false; }, 20ms));
}

TEST(Cluster, answers_and_throws_with_the_servers_message) {
    auto const database = Cluster::shared().create_database();
    auto const rows = query(database.conninfo, "SELECT 1, NULL, 'a b'");
    ASSERT_EQ(rows.size(), 1U);
    EXPECT_EQ(rows[0], (std::vector<Field>{"1", std::nullopt, "a b"}));
    EXPECT_EQ(query_value(database.url, "SELECT current_database()"), database.name);
    try {
        query(database.conninfo, "SELECT nothing");
        FAIL();
    } catch (SqlError const& error) {
        EXPECT_EQ(error.sqlstate(), "42703");
        EXPECT_THAT(error.what(), HasSubstr("column \"nothing\" does not exist"));
    }
    EXPECT_EQ(try_query(database.conninfo, "SELECT 1"), "");
    EXPECT_EQ(try_query(database.conninfo, "SELECT 1/0"), "22012");
    EXPECT_EQ(try_query(Cluster::shared().conninfo("none"), "SELECT 1"), "08006");
}

TEST(Cluster, gives_each_test_a_database_of_its_own) {
    auto const one = Cluster::shared().create_database();
    auto const other = Cluster::shared().create_database();
    EXPECT_NE(one.name, other.name);
    query(one.conninfo, "CREATE TABLE t (a int)");
    EXPECT_EQ(try_query(other.conninfo, "SELECT * FROM t"), "42P01");
}

TEST(Cluster, sessions_hold_locks_and_can_be_waited_for) {
    auto const database = Cluster::shared().create_database();
    Client holder{database.conninfo};
    Client waiter{database.conninfo};
    holder.exec("CREATE TABLE t (a int)");
    holder.exec("BEGIN");
    holder.exec("LOCK t");
    waiter.send("SELECT count(*) FROM t");
    EXPECT_TRUE(wait_until([&] {
        return query_value(database.conninfo, "SELECT count(*) FROM pg_locks WHERE NOT granted AND pid = " +
                                                  std::to_string(waiter.backend())) == "1";
    }));
    EXPECT_TRUE(waiter.busy());
    holder.exec("COMMIT");
    EXPECT_EQ(waiter.result().at(0).at(0), "0");
    waiter.send("SELECT pg_sleep(60)");
    // A cancel that comes before its statement hits nothing.
    EXPECT_TRUE(wait_until([&] {
        return query_value(database.conninfo,
                           "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND pid = " +
                               std::to_string(waiter.backend())) == "1";
    }));
    waiter.cancel();
    EXPECT_EQ(waiter.try_result(), "57014");
}

TEST(Cluster, has_replicas_that_stream_pause_and_lag) {
    Cluster cluster;
    auto& replica = cluster.add_replica("r1");
    auto const database = cluster.create_database();
    auto const on_replica = replica.conninfo(database.name);
    query(database.conninfo, "CREATE TABLE t AS SELECT 1 AS a");
    ASSERT_TRUE(replica.catch_up());
    EXPECT_EQ(query_value(on_replica, "SELECT a FROM t"), "1");
    EXPECT_EQ(query_value(cluster.conninfo(), "SELECT application_name FROM pg_stat_replication"), "r1");

    replica.pause();
    query(database.conninfo, "UPDATE t SET a = 2");
    EXPECT_FALSE(replica.catch_up(200ms));
    EXPECT_EQ(query_value(on_replica, "SELECT a FROM t"), "1");
    replica.resume();
    EXPECT_TRUE(replica.catch_up());
    EXPECT_EQ(query_value(on_replica, "SELECT a FROM t"), "2");

    auto& late = cluster.add_replica("late", {.min_apply_delay = "1h"});
    query(database.conninfo, "UPDATE t SET a = 3");
    EXPECT_FALSE(late.catch_up(200ms));
    EXPECT_EQ(query_value(cluster.conninfo(), "SELECT count(*) FROM pg_stat_replication"), "2");
    cluster.remove_replica("late");
    EXPECT_TRUE(
        wait_until([&] { return query_value(cluster.conninfo(), "SELECT count(*) FROM pg_stat_replication") == "1"; }));
}

TEST(Cluster, stops_restarts_and_survives_a_crash) {
    Cluster cluster{{.fsync = true, .settings = {"work_mem = '5MB'"}, .hba = {}}};
    EXPECT_EQ(query_value(cluster.conninfo(), "SHOW fsync"), "on");
    EXPECT_EQ(query_value(cluster.conninfo(), "SHOW work_mem"), "5MB");
    cluster.set("work_mem", "6MB");
    EXPECT_EQ(query_value(cluster.conninfo(), "SHOW work_mem"), "6MB");
    query(cluster.conninfo(), "CREATE TABLE kept AS SELECT 1 AS a");
    cluster.stop();
    EXPECT_FALSE(cluster.running());
    EXPECT_EQ(try_query(cluster.conninfo(), "SELECT 1"), "08006");
    cluster.start();
    Client idle{cluster.conninfo()};
    cluster.kill(SIGKILL);
    EXPECT_FALSE(cluster.running());
    cluster.start();
    EXPECT_EQ(query_value(cluster.conninfo(), "SELECT a FROM kept"), "1");
    EXPECT_EQ(idle.try_exec("SELECT 1"), "08006");
    cluster.restart();
    EXPECT_TRUE(cluster.running());
}

TEST(Cluster, can_ask_for_passwords) {
    Cluster cluster{{.fsync = false, .settings = {}, .hba = {"local all guarded scram-sha-256"}}};
    query(cluster.conninfo(), "CREATE ROLE guarded LOGIN PASSWORD 'right'");
    EXPECT_EQ(try_query(cluster.conninfo("postgres", "guarded") + " password=right", "SELECT 1"), "");
    EXPECT_EQ(try_query(cluster.conninfo("postgres", "guarded") + " password=wrong", "SELECT 1"), "08006");
}

TEST(Cluster, leaves_nothing_behind) {
    std::filesystem::path data;
    pid_t postmaster = 0;
    {
        Cluster cluster;
        cluster.add_replica("r1");
        data = cluster.data();
        postmaster = static_cast<pid_t>(
            std::stol(query_value(cluster.conninfo(), "SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1)")));
        EXPECT_EQ(::kill(postmaster, 0), 0);
    }
    EXPECT_EQ(::kill(postmaster, 0), -1);
    EXPECT_FALSE(std::filesystem::exists(data));
}

TEST(SchemaDump, sees_every_kind_of_object) {
    auto const database = Cluster::shared().create_database();
    query(database.conninfo, R"(
        CREATE ROLE schema_dump_reader;
        CREATE TABLE users (id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, name varchar(20) COLLATE "C" NOT NULL
                            DEFAULT 'anon' CHECK (name <> ''), age numeric(10,2));
        CREATE INDEX by_age ON users (age DESC) WHERE age > 1;
        COMMENT ON COLUMN users.name IS 'it''s';
        ALTER TABLE users ALTER name SET STATISTICS 7, ALTER name SET STORAGE external;
        GRANT SELECT (name) ON users TO schema_dump_reader;
        CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
        CREATE TRIGGER t BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION f();
        CREATE VIEW v AS SELECT name FROM users;
        CREATE TYPE mood AS ENUM ('a', 'b');
        CREATE SCHEMA hidden; CREATE TABLE hidden.x (a int);)");
    auto const dump = schema_dump(database.conninfo, {"hidden"});
    for (auto const* part :
         {"table public.users owner postgres", "column public.users.name number 2 type character varying(20)",
          "collate \"C\" not null default 'anon'::character varying", "storage e", "target 7",
          "schema_dump_reader=SELECT", "constraint users_name_check on public.users CHECK",
          "index CREATE INDEX by_age ON public.users USING btree (age DESC)", "trigger CREATE TRIGGER t BEFORE",
          "routine public.f()", "comment on table column public.users.name: 'it''s'", "view public.v",
          "values 'a', 'b'", "sequence public.users_id_seq type bigint", "owned by public.users.id i"})
        EXPECT_THAT(dump, HasSubstr(part));
    EXPECT_THAT(dump, Not(HasSubstr("hidden")));
    EXPECT_THAT(schema_dump(database.conninfo), HasSubstr("hidden.x"));
}

TEST(SchemaDump, is_the_same_after_there_and_back) {
    auto const database = Cluster::shared().create_database();
    query(database.conninfo, "CREATE ROLE schema_dump_other; CREATE TABLE t (a int, b text, c int)");
    auto const before = schema_dump(database.conninfo);
    query(database.conninfo, "ALTER TABLE t ADD d int");
    EXPECT_NE(schema_dump(database.conninfo), before);
    query(database.conninfo, "ALTER TABLE t DROP d; GRANT SELECT ON t TO schema_dump_other");
    EXPECT_NE(schema_dump(database.conninfo), before);
    query(database.conninfo, "REVOKE SELECT ON t FROM schema_dump_other");
    EXPECT_EQ(schema_dump(database.conninfo), before);
    query(database.conninfo, "ALTER TABLE t DROP b, ADD b text");  // another order of live columns
    EXPECT_NE(schema_dump(database.conninfo), before);
}

}  // namespace
}  // namespace weir::tests
