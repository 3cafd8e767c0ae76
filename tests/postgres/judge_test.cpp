#include "orchestrator/postgres/judge.h"

#include <gtest/gtest.h>

#include <utility>

#include "server.h"

namespace weir {
namespace {

using testing::Caller;
using testing::Server;
using Names = std::vector<std::string>;

class Judge : public ::testing::Test {
  protected:
    void SetUp() override {
        server.psql(database, R"(
CREATE TYPE colour AS ENUM ('red', 'green');
CREATE TABLE users (id int PRIMARY KEY, name text NOT NULL DEFAULT 'anon', region text, n numeric(10,2), at text,
                    c colour, big bigint, clock timestamp, loud text GENERATED ALWAYS AS (upper(name)) STORED);
CREATE FUNCTION half(i int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT i / 2';
CREATE FUNCTION wobble(i int) RETURNS int LANGUAGE plpgsql STABLE AS 'BEGIN RETURN i / 2; END';
CREATE FUNCTION shaky(i int) RETURNS int LANGUAGE plpgsql VOLATILE AS 'BEGIN RETURN i / 2; END';
CREATE FUNCTION either(a int, b int) RETURNS boolean LANGUAGE sql VOLATILE AS 'SELECT a = b';
CREATE OPERATOR ?? (FUNCTION = either, LEFTARG = int, RIGHTARG = int);
INSERT INTO users (id) VALUES (1);
)");
        ASSERT_EQ(caller.connect().fate, Fate::done);
    }
    Answer ask(Question const& question, Batch const& session = {}) {
        auto const outcome = caller.execute(judge_batch(question, session), Transaction::implicit,
                                            Limits{Millis{1000}, Millis{5000}, Millis{10000}});
        EXPECT_EQ(outcome.fate, Fate::done) << outcome.message;
        auto answer = judge_answer(question, outcome);
        said_type = std::exchange(answer.type, "");
        said_volatile = std::exchange(answer.calls_volatile, false);
        ways = std::exchange(answer.reads_table, {});
        system_columns = std::exchange(answer.system_columns, {});
        by_settings = std::exchange(answer.by_settings, {});
        return answer;
    }
    Answer expression(std::string text, std::string type) {
        return ask(ExpressionQuestion{users, std::move(text), std::move(type)});
    }
    Answer mapping(std::string from, std::string to, std::string from_type, std::string to_type, std::string forward,
                   std::string reverse) {
        return ask(MappingQuestion{users, std::move(from), std::move(to), std::move(from_type), std::move(to_type),
                                   std::move(forward), std::move(reverse)});
    }

    std::string said_type;  ///< of the last answer
    bool said_volatile{};   ///< the same
    Names ways, system_columns, by_settings;
    Server& server{Server::instance()};
    std::string database{server.create_database()};
    Caller caller{server.conninfo(database)};
    TableName users{Ident::of("public"), Ident::of("users")};
};

TEST_F(Judge, expressions) {
    EXPECT_EQ(expression("upper(name) || coalesce(region, '') -- said", "text"),
              (Answer{"", "", true, {"name", "region"}, {}, false, ""}));
    EXPECT_EQ(expression("half(id)", "integer"), (Answer{"", "", true, {"id"}, {}, false, ""}));
    EXPECT_EQ(expression("wobble(id)", "integer"), (Answer{"", "", false, {"id"}, {}, false, ""}));
    EXPECT_EQ(expression("random()", "double precision"), (Answer{"", "", false, {}, {}, false, ""}));
    EXPECT_EQ(expression("at::timestamptz", "timestamp with time zone"),
              (Answer{"", "", false, {"at"}, {}, false, ""}));
    EXPECT_EQ(expression("(SELECT max(u.id) FROM users u)", "integer").immutable, false);
    EXPECT_EQ(expression("(SELECT max(u.id) FROM users u)", "integer").sqlstate, "");
    EXPECT_FALSE(expression("clock", "timestamp with time zone").immutable);  // the assignment's cast is not
    EXPECT_EQ(expression("id", "bigint"), (Answer{"", "", true, {"id"}, {}, false, ""}));
    EXPECT_EQ(expression("big", "integer").sqlstate, "");  // an assignment cast
    EXPECT_EQ(expression("'green'", "public.colour"), (Answer{"", "", true, {}, {}, false, ""}));
    EXPECT_EQ(expression("NULL", "integer"), (Answer{"", "", true, {}, {}, false, ""}));
    EXPECT_EQ(expression("n::numeric(10,4)", "numeric(12,4)"), (Answer{"", "", true, {"n"}, {}, false, ""}));
    EXPECT_EQ(said_type, "numeric(12,4)");
    expression("c", "colour");
    EXPECT_EQ(said_type, "public.colour");
}

TEST_F(Judge, the_table_stands_under_its_own_name) {
    EXPECT_EQ(expression("upper(users.name)", "text"), (Answer{"", "", false, {"name"}, {}, false, ""}));
    auto const correlated = expression("(SELECT max(u.id) FROM users u WHERE u.name = users.name)", "integer");
    EXPECT_EQ(correlated, (Answer{"", "", false, {"name"}, {}, false, ""}));
    EXPECT_EQ(
        ask(ExpressionQuestion{users, "EXISTS (SELECT FROM pg_class users WHERE relname = name)", "boolean"}).sqlstate,
        "");
}

TEST_F(Judge, columns_that_the_plan_adds_before) {
    auto const planned = [&](std::string text) {
        return ask(ExpressionQuestion{users, std::move(text), "text", {{"new", "text"}, {"odd \" name", "colour"}}});
    };
    EXPECT_EQ(planned("name || new"), (Answer{"", "", true, {"name", "new"}, {}, false, ""}));
    EXPECT_EQ(planned("\"odd \"\" name\"::text").sqlstate, "");
    EXPECT_EQ(planned("newer").sqlstate, "42703");
    EXPECT_EQ(ask(ExpressionQuestion{users, "1", "integer", {{"new", "nope"}}}).sqlstate, "42704");
    EXPECT_EQ(ask(ExpressionQuestion{users, "1", "integer", {{"new", "int, b int"}}}).sqlstate, "42601");
}

TEST_F(Judge, volatile_expressions) {
    for (auto const* text : {"at < now()::text", "wobble(id) = 1", "upper(name) = region", "half(id) > 1",
                             "EXISTS (SELECT FROM users u WHERE u.id > users.id)", "current_timestamp > clock"}) {
        EXPECT_EQ(expression(text, "boolean").sqlstate, "") << text;
        EXPECT_FALSE(said_volatile) << text;
    }
    for (auto const* text :
         {"random() < 0.5", "clock < clock_timestamp()", "shaky(id) = 1", "id ?? 1",
          "EXISTS (SELECT FROM users u WHERE shaky(u.id) = 1)", "EXISTS (SELECT FROM generate_series(1, shaky(1)))"}) {
        EXPECT_EQ(expression(text, "boolean").sqlstate, "") << text;
        EXPECT_TRUE(said_volatile) << text;
    }
}

TEST_F(Judge, what_reads_the_table_itself) {
    server.psql(database, R"(
CREATE VIEW ages AS SELECT max(id) AS oldest FROM users;
CREATE VIEW "older ages" AS SELECT * FROM ages;
CREATE TABLE other (id int, name text);
CREATE TABLE superusers_table (i int);
CREATE FUNCTION by_text() RETURNS int LANGUAGE sql STABLE AS 'SELECT max(id) FROM users';
CREATE FUNCTION by_plpgsql() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT max(id) FROM Users); END';
CREATE FUNCTION by_tree() RETURNS int LANGUAGE sql STABLE RETURN (SELECT oldest FROM "older ages");
CREATE FUNCTION superusers(i int) RETURNS int LANGUAGE sql STABLE AS 'SELECT max(s.i) FROM superusers_table s';
CREATE FUNCTION no_word(i int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT i /* of users */';
CREATE FUNCTION more(int, int) RETURNS boolean LANGUAGE sql STABLE RETURN $1 > $2 + (SELECT max(id) FROM users);
CREATE OPERATOR >>> (FUNCTION = more, LEFTARG = int, RIGHTARG = int);
)");
    auto const of = [&](std::string const& text) {
        EXPECT_EQ(expression(text, "boolean").sqlstate, "") << text;
        return ways;
    };
    EXPECT_EQ(of("id < (SELECT avg(u.id) FROM users u)"), (Names{""}));
    EXPECT_EQ(of("EXISTS (SELECT FROM other o WHERE o.id = (SELECT max(users.id) FROM users))"), (Names{""}));
    EXPECT_EQ(of("id = (SELECT oldest FROM ages)"), (Names{"view public.ages"}));
    EXPECT_EQ(of("id = (SELECT oldest FROM \"older ages\")"), (Names{"view public.\"older ages\""}));
    EXPECT_EQ(of("id = by_text()"), (Names{"function public.by_text()"}));
    EXPECT_EQ(of("id = by_plpgsql()"), (Names{"function public.by_plpgsql()"}));
    EXPECT_EQ(of("id = by_tree()"), (Names{"function public.by_tree()"}));
    EXPECT_EQ(of("id >>> 1"), (Names{"operator public.>>>(integer,integer)"}));
    EXPECT_EQ(of("users.id > 3 AND EXISTS (SELECT FROM other o WHERE o.id = users.id)"), Names{});
    EXPECT_EQ(of("id IN (SELECT o.id FROM other o) AND superusers(id) = no_word(id)"), Names{});
}

TEST_F(Judge, what_reads_a_partition_or_its_kin) {
    server.psql(database, R"(
CREATE TABLE parts (id int) PARTITION BY RANGE (id);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10) PARTITION BY RANGE (id);
CREATE TABLE parts_1_1 PARTITION OF parts_1 FOR VALUES FROM (0) TO (5);
CREATE TABLE looks_like (LIKE parts);
)");
    auto const of = [&](std::string const& table) {
        auto const text = "id IN (SELECT p.id FROM " + table + " p)";
        ask(ExpressionQuestion{{Ident::of("public"), Ident::of("parts")}, text, "boolean"});
        return ways;
    };
    EXPECT_EQ(of("parts_1_1"), (Names{""}));
    EXPECT_EQ(of("parts"), (Names{""}));
    EXPECT_EQ(of("looks_like"), Names{});
}

TEST_F(Judge, system_columns_that_a_write_changes) {
    expression("ctid < '(10,0)' AND xmin::text = '3' AND tableoid > 0", "boolean");
    EXPECT_EQ(system_columns, (Names{"ctid", "xmin"}));
    expression("EXISTS (SELECT FROM pg_class c WHERE c.xmin::text = name)", "boolean");
    EXPECT_EQ(system_columns, Names{});
}

TEST_F(Judge, what_depends_on_settings) {
    expression("at::timestamptz", "timestamp with time zone");
    EXPECT_EQ(by_settings, (Names{"a cast by way of text"}));
    expression("clock::timestamptz < now() - interval '1 day'", "boolean");
    EXPECT_EQ(by_settings, (Names{"a constant of type interval", "timestamptz(timestamp without time zone)",
                                  "timestamptz_mi_interval(timestamp with time zone,interval)"}));
    expression("id::text || upper(name) || half(id)::text", "text");
    EXPECT_EQ(by_settings, Names{});
    expression("clock < '2024-01-02'", "boolean");
    EXPECT_EQ(by_settings, (Names{"a constant of type timestamp without time zone"}));
}

TEST_F(Judge, names_and_literals_are_those_of_the_session) {
    server.psql(database, R"(
CREATE SCHEMA app;
CREATE FUNCTION app.points(i int) RETURNS int LANGUAGE sql IMMUTABLE RETURN i;
CREATE TYPE app.mood AS ENUM ('good');
)");
    Batch const session{
        sql("SELECT pg_catalog.set_config('search_path', 'app, public', true), "
            "pg_catalog.set_config('datestyle', 'ISO, DMY', true)")};
    auto const under = [&](std::string text, std::string type) {
        return ask(ExpressionQuestion{users, std::move(text), std::move(type)}, session).sqlstate;
    };
    EXPECT_EQ(under("points(id)", "integer"), "");
    EXPECT_EQ(expression("points(id)", "integer").sqlstate, "42883");
    EXPECT_EQ(under("'31/12/2024'", "timestamp without time zone"), "");
    EXPECT_EQ(expression("'31/12/2024'", "timestamp without time zone").sqlstate, "22008");
    EXPECT_EQ(under("NULL", "mood"), "");
    EXPECT_EQ(said_type, "app.mood");
    EXPECT_EQ(ask(MappingQuestion{users, "id", "n2", "integer", "integer", "points(id)", ""}, session).sqlstate, "");
}

TEST_F(Judge, settings) {
    auto const says = [&](std::string name, std::string value, Names schemas = {}) {
        return ask(SettingQuestion{std::move(name), std::move(value), std::move(schemas)}).sqlstate;
    };
    EXPECT_EQ(says("timezone", "Europe/Berlin"), "");
    EXPECT_EQ(says("timezone", "Mars/Base"), "22023");
    EXPECT_EQ(says("datestyle", "it's"), "22023");
    EXPECT_EQ(says("extra_float_digits", "99"), "22023");
    EXPECT_EQ(says("search_path", "", {"public", "pg_catalog", "pg_temp"}), "");
    EXPECT_EQ(says("search_path", "", {"public", "no\"where"}), "WE102");
    EXPECT_EQ(says("search_path", "", {}), "");
}

TEST_F(Judge, types_are_named_as_the_catalog_reader_names_them) {
    auto const type = [&](std::string text) {
        expression("NULL", std::move(text));
        return said_type;
    };
    EXPECT_EQ(type("varchar(20)"), "character varying(20)");
    EXPECT_EQ(type("colour"), "public.colour");
    EXPECT_EQ(type("numeric(10, 2)[]"), "numeric(10,2)[]");
}

TEST_F(Judge, refused_expressions) {
    EXPECT_EQ(expression("name", "integer").sqlstate, "42804");
    EXPECT_NE(expression("name", "integer").error.find("is of type integer but expression is of type text"),
              std::string::npos);
    auto const unknown = expression("nam", "text");
    EXPECT_EQ(unknown.sqlstate, "42703");
    EXPECT_EQ(unknown.error, "column \"nam\" does not exist");
    EXPECT_EQ(expression("public.users.name", "text").sqlstate, "42P01");
    EXPECT_EQ(expression("nope(id)", "integer").sqlstate, "42883");
    EXPECT_EQ(expression("max(id)", "integer").sqlstate, "42803");
    EXPECT_EQ(expression("'mauve'", "public.colour").sqlstate, "22P02");
    EXPECT_EQ(expression("1 / 0", "integer").sqlstate, "22012");
    EXPECT_EQ(ask(ExpressionQuestion{{Ident::of("public"), Ident::of("nope")}, "1", "integer"}).sqlstate, "42P01");
}

TEST_F(Judge, mappings) {
    // Identity: a rename, and a change of type that goes both ways by assignment.
    EXPECT_EQ(mapping("name", "full_name", "text", "text", "", ""),
              (Answer{"", "", true, {"name"}, {"full_name"}, true, ""}));
    EXPECT_EQ(mapping("id", "id_new", "integer", "bigint", "", ""),
              (Answer{"", "", true, {"id"}, {"id_new"}, true, ""}));
    EXPECT_EQ(mapping("name", "number", "text", "integer", "", "").sqlstate, "42804");
    EXPECT_FALSE(mapping("clock", "at3", "timestamp", "timestamp with time zone", "", "").immutable);

    EXPECT_EQ(mapping("name", "b", "text", "text", "upper(name)", "lower(b)"),
              (Answer{"", "", true, {"name"}, {"b"}, true, ""}));
    EXPECT_EQ(mapping("name", "b", "text", "text", "upper(name)", ""), (Answer{"", "", true, {"name"}, {}, true, ""}));
    // f or g turns NULL into something.
    EXPECT_FALSE(mapping("name", "b", "text", "text", "coalesce(name, '')", "b").null_is_value);
    EXPECT_FALSE(mapping("name", "b", "text", "text", "name", "coalesce(left(b, 10), '')").null_is_value);
    EXPECT_FALSE(mapping("name", "b", "text", "text", "coalesce(name, 'x')", "").null_is_value);
    // More columns than one: their values would decide.
    EXPECT_EQ(mapping("name", "b", "text", "text", "name || region", "split_part(b, ' ', 1)"),
              (Answer{"", "", true, {"name", "region"}, {"b"}, false, ""}));
    EXPECT_EQ(mapping("name", "at2", "text", "timestamp with time zone", "name::timestamptz", "").immutable, false);
    EXPECT_EQ(mapping("name", "b", "text", "text", "name", "b || random()").immutable, false);
    EXPECT_EQ(mapping("c", "c2", "public.colour", "text", "c::text", "c2::public.colour").immutable, false);
    EXPECT_EQ(mapping("name", "odd \"b", "text", "text", "name", "\"odd \"\"b\"").reverse_columns, Names{"odd \"b"});
    EXPECT_EQ(mapping("n", "cents", "numeric(10,2)", "bigint", "(n * 100)::bigint", "cents / 100.0"),
              (Answer{"", "", true, {"n"}, {"cents"}, true, ""}));
}

TEST_F(Judge, refused_mappings) {
    EXPECT_EQ(mapping("name", "b", "text", "text", "users.name", "b").sqlstate, "42P01");
    EXPECT_EQ(mapping("name", "b", "text", "text", "name", "b || region").sqlstate, "42703");
    EXPECT_EQ(mapping("name", "b", "text", "integer", "name", "b::text").sqlstate, "42804");
    EXPECT_EQ(mapping("name", "b", "text", "integer", "length(name)", "b").sqlstate, "");  // int to text by assignment
    EXPECT_EQ(mapping("name", "b", "text", "text", "", "b").sqlstate, "42601");
    EXPECT_EQ(mapping("name", "b", "text", "text", "name", "b / 0").sqlstate, "42883");
    EXPECT_EQ(mapping("name", "b", "text", "text", "(SELECT name)", "b").immutable, false);
}

TEST_F(Judge, who_may_keep_triggers_quiet) {
    EXPECT_EQ(ask(QuietQuestion{}).sqlstate, "");
    EXPECT_EQ(caller.execute({sql("SHOW session_replication_role")}).rows.at(0).fields.at(0).value_or(""), "origin");
    server.psql(database, "DO $$ BEGIN IF to_regrole('clerk') IS NULL THEN CREATE ROLE clerk LOGIN; END IF; END $$");
    Caller clerk{server.conninfo(database, "clerk")};
    ASSERT_EQ(clerk.connect().fate, Fate::done);
    EXPECT_EQ(judge_answer(QuietQuestion{}, clerk.execute(judge_batch(QuietQuestion{}))).sqlstate, "42501");
}

TEST_F(Judge, leaves_nothing_behind) {
    auto const count = [&] {
        return server.psql(
            database,
            "SELECT (SELECT count(*) FROM pg_class) || ' ' || (SELECT count(*) FROM pg_proc) || ' ' || "
            "(SELECT count(*) FROM pg_attribute) || ' ' || (SELECT count(*) FROM pg_locks WHERE locktype = "
            "'relation' AND relation = 'users'::regclass)");
    };
    auto const before = count();
    expression("upper(name)", "text");
    mapping("name", "b", "text", "text", "upper(name)", "lower(b)");
    mapping("name", "b", "text", "text", "users.name", "lower(b)");
    EXPECT_EQ(count(), before);
    EXPECT_EQ(server.psql(database, "SELECT id || name FROM users"), "1anon");
}

TEST_F(Judge, without_an_answer_says_so) {
    Outcome lost;
    lost.fate = Fate::lost;
    EXPECT_EQ(judge_answer(ExpressionQuestion{users, "1", "integer"}, lost).sqlstate, "XX000");
    Outcome canceled;
    canceled.fate = Fate::canceled;
    canceled.sqlstate = "57014";
    EXPECT_EQ(judge_answer(ExpressionQuestion{users, "1", "integer"}, canceled).sqlstate, "57014");
}

TEST_F(Judge, whatGoesWithATable) {
    server.psql(database, R"(
CREATE TABLE logs (id int PRIMARY KEY, "who's" int REFERENCES users, line text) PARTITION BY RANGE (id);
DO $$ BEGIN FOR i IN 1..200 LOOP
  EXECUTE format('CREATE TABLE logs_%s PARTITION OF logs FOR VALUES FROM (%s) TO (%s)', i, i, i + 1);
END LOOP; END $$;
COMMENT ON TABLE logs IS E'two\n"lines"';
CREATE VIEW seen AS SELECT line FROM logs_7;
CREATE FUNCTION told() RETURNS int LANGUAGE sql AS 'SELECT count(*)::int FROM Logs';
CREATE FUNCTION others() RETURNS int LANGUAGE sql AS 'SELECT count(*)::int FROM logs_7';
)");
    TableName const logs{Ident::of("public"), Ident::of("logs")};
    auto const answer = ask(DropQuestion{logs});
    ASSERT_TRUE(answer.belongings) << answer.error;
    auto const& own = *answer.belongings;
    EXPECT_EQ(own.comment, "two\n\"lines\"");
    EXPECT_TRUE(own.may_rename);
    EXPECT_EQ(own.relations.size(), 401U) << "partitions and the indexes of their keys, whatever the answer's length";
    ASSERT_EQ(own.obstacles.size(), 1U);
    EXPECT_EQ(own.obstacles[0].what, (Dependent{"view", "public.seen"}));
    EXPECT_EQ(own.mentions, (Names{"public.told"}));
    TableName const nowhere{Ident::of("public"), Ident::of("nowhere")};
    EXPECT_EQ(ask(DropQuestion{nowhere}).sqlstate, "42P01");
}

}  // namespace
}  // namespace weir
