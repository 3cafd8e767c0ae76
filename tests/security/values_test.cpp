/// What stands in rows, and in what other sessions run, is found on the terminal of the one who runs and nowhere else:
/// whatever fails, in whatever phase, and whoever is in the way.
#include <sys/stat.h>

#include <fstream>
#include <iterator>
#include <optional>

#include "tests/security/web.h"
#include "tests/support/terminal.h"

namespace weir::tests {
namespace {

using ::testing::HasSubstr;

/// Each value that is planted holds one of them.
Words const canaries{"c4n4ry", "8675309", "1789-07-14"};

struct Case {
    std::string name;
    std::string before;    ///< SQL; table t is there already
    std::string plan;      ///< without its head
    std::string sqlstate;  ///< of the stop
    Words names{};         ///< objects that are named for anybody
    bool seen{true};       ///< the server quotes the value at all
    Words options{};
    std::optional<int> refused{};  ///< before the run begins, with this exit code
};

constexpr auto* table = R"(
CREATE TABLE k (mail text PRIMARY KEY);
CREATE TABLE t (id int PRIMARY KEY, mail text, n bigint, at text, b text);
INSERT INTO t VALUES (1, 'c4n4ry@ada', 8675309, '1789-07-14 25:61'), (2, 'c4n4ry@ada', 8675309, '1789-07-14 25:61');
ANALYZE t;
)";

template <class Param>
std::string name_of(::testing::TestParamInfo<Param> const& of) {
    return of.param.name;
}

std::string fill(std::string const& column, std::string const& expression) {
    return "backfill:\n  - fill: { table: t, set: { " + column + ": \"" + expression + "\" } }\n";
}

std::string raises(std::string const& what) {
    return "CREATE FUNCTION public.f(v text) RETURNS text LANGUAGE plpgsql AS $$BEGIN " + what + " RETURN v; END$$;";
}

/// An event trigger that raises what it reads: how a step of DDL fails on values.
std::string raises_at(std::string const& command, std::string const& when = "to_regclass('weir.entries') IS NOT NULL") {
    return "CREATE FUNCTION public.no() RETURNS event_trigger LANGUAGE plpgsql AS $$BEGIN IF " + when +
           " THEN RAISE EXCEPTION 'of %', "
           "(SELECT string_agg(mail, ' ') FROM public.t) USING DETAIL = 'c4n4ry'; END IF; END$$; CREATE EVENT TRIGGER "
           "no ON "
           "ddl_command_end WHEN TAG IN ('" +
           command + "') EXECUTE FUNCTION public.no();";
}

std::vector<Case> cases() {
    return {
        {"NotNull",
         "ALTER TABLE t ADD c int NOT NULL DEFAULT 1; CREATE FUNCTION public.g() RETURNS trigger LANGUAGE plpgsql AS "
         "$$BEGIN new.c := NULL; RETURN new; END$$; CREATE TRIGGER g BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION "
         "public.g();",
         fill("b", "mail"),
         "23502",
         {"table public.t, column c"}},
        {"Check",
         "ALTER TABLE t ADD CONSTRAINT plain CHECK (b !~ '@');",
         fill("b", "mail"),
         "23514",
         {"constraint plain"}},
        {"Unique", "ALTER TABLE t ADD CONSTRAINT one UNIQUE (b);", fill("b", "mail"), "23505", {"constraint one"}},
        {"ForeignKey",
         "ALTER TABLE t ADD CONSTRAINT known FOREIGN KEY (b) REFERENCES k;",
         fill("b", "mail"),
         "23503",
         {"constraint known"}},
        {"Exclude",
         "ALTER TABLE t ADD CONSTRAINT apart EXCLUDE USING hash (b WITH =);",
         fill("b", "mail"),
         "23P01",
         {"constraint apart"}},
        {"Domain",
         "CREATE DOMAIN public.plain AS text CONSTRAINT no_at CHECK (VALUE !~ '@'); ALTER TABLE t ADD d public.plain;",
         fill("d", "mail"),
         "23514",
         {"type public.plain", "constraint no_at"},
         false},
        {"Text", "ALTER TABLE t ADD i int;", fill("i", "mail::int"), "22P02"},
        {"Range", "ALTER TABLE t ADD i int2;", fill("i", "n::int2"), "22003", {}, false},
        {"RangeOfAText", "ALTER TABLE t ADD i int2;", fill("i", "(n::text)::int2"), "22003"},
        {"Date", "ALTER TABLE t ADD d timestamp;", fill("d", "at::timestamp"), "22008"},
        {"Json", "ALTER TABLE t ADD j jsonb;", fill("j", "mail::jsonb"), "22P02"},
        {"Enum", "CREATE TYPE public.colour AS ENUM ('red'); ALTER TABLE t ADD e public.colour;",
         fill("e", "mail::public.colour"), "22P02"},
        {"Name", "ALTER TABLE t ADD r regclass;", fill("r", "mail::regclass"), "42P01"},
        {"Pattern", "", fill("b", "regexp_replace('x', '(' || mail, '')"), "2201B", {}, false},
        {"Raised", raises("RAISE EXCEPTION 'of %', v USING DETAIL = v, HINT = v;"), fill("b", "public.f(mail)"),
         "P0001"},
        {"RaisedAsAnother",
         raises("RAISE EXCEPTION 'of %', v USING ERRCODE = '42501', TABLE = v, COLUMN = v, CONSTRAINT = v;"),
         fill("b", "public.f(mail)"), "42501"},
        {"Dynamic", raises("EXECUTE 'SELECT 1 / 0, ' || quote_literal(v);"), fill("b", "public.f(mail)"), "22012"},
        {"Trigger",
         "CREATE FUNCTION public.g() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION '%', new; END$$; "
         "CREATE TRIGGER g BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION public.g();",
         fill("b", "mail"), "P0001"},
        {"Misses",
         "ALTER TABLE t DROP CONSTRAINT t_pkey; UPDATE t SET mail = mail || id; ALTER TABLE t ADD PRIMARY KEY (mail);",
         fill("b", "nullif(mail, mail)"), "misses"},
        {"Expand", raises_at("ALTER TABLE"), "expand:\n  - add_column: { table: t, column: c, type: int }\n", "P0001"},
        {"Validate",
         "UPDATE t SET b = 'x' WHERE id = 1;",
         "backfill:\n  - set_not_null: { table: t, column: b }\n",
         "23514",
         {"table public.t"},
         false},
        {"Contract",
         "CREATE TABLE o (t int CONSTRAINT of_t REFERENCES t); UPDATE t SET id = 8675309 WHERE id = 1; INSERT INTO o "
         "VALUES (8675309);",
         "contract:\n  - delete_rows: { table: t, where: \"true\" }\n",
         "23503",
         {"constraint of_t"},
         true,
         {"--approve", "all"}},
        {"Judged",
         raises_at("ALTER TABLE", "true"),
         "expand:\n  - add_column: { table: t, column: c, type: int }\n",
         "bad-value",
         {},
         false,
         {},
         1},
        {"Ledger",
         raises_at("CREATE TRIGGER", "true"),
         "expand:\n  - add_column: { table: t, column: c, type: int }\n",
         "P0001",
         {},
         true,
         {},
         4},
        {"Query",
         "",
         fill("b", "mail") + "throttle: { sql: [ { name: odd, query: \"SELECT mail FROM t LIMIT 1\", limit: 3 } ] }\n",
         "bad-expression",
         {},
         true,
         {},
         1},
    };
}

class Values : public ::testing::Test, public Bench {
  protected:
    void SetUp() override {
        auto const path =
            folder.write("hook", "#!/bin/sh\n{ env; echo \"$@\"; cat; } >> " + folder.path("heard") + "\n");
        ::chmod(path.c_str(), 0755);
        sql(table);
    }
    /// The plan `p` with this body, whoever may be told of it is.
    std::string told_of(std::string const& body) {
        return plan("weir: 1\nname: p\n" + body + "notify: { webhook: \"" + box.url() + "\", command: [ " +
                    folder.path("hook") + ", word ] }\n");
    }
    std::string heard() const {
        std::ifstream file{folder.path("heard")};
        return {std::istreambuf_iterator<char>{file}, {}};
    }
    void keep(std::string const& where, std::string const& text) {
        seen[where] += text;
        for (auto const& canary : canaries) EXPECT_FALSE(has(text, canary)) << where << ": " << text;
    }
    void look_at_the_web(std::string const& address) {
        for (auto const* path : {"/", "/api/run", "/api/runs"}) keep(path, get(address, path));
    }
    /// It lingers until /metrics was scraped after its end.
    Ran until_scraped(Process& process, std::string const& address) {
        EXPECT_TRUE(wait_until(
            [&] {
                keep("/metrics", get(address, "/metrics"));
                return !process.running();
            },
            60s));
        return wait(process);
    }
    void look_at_what_stays() {
        keep("ledger",
             value(R"(SELECT string_agg(query_to_xml('SELECT * FROM weir.' || relname, true, true, '')::text, '')
FROM pg_class WHERE relnamespace = 'weir'::regnamespace AND relkind = 'r')"));
        for (Words const& words :
             {Words{"status"}, Words{"status", "p"}, Words{"status", "--json"}, Words{"status", "--metrics"}})
            keep("status", weir(words).out);
        keep("webhook", box.posted());
        keep("hook", heard());
    }
    std::string on_terminal(Words const& words, int status) const {
        auto const ran = at_terminal(*this, words);
        EXPECT_EQ(ran.status, status) << tests::told(ran);
        return ran.out;
    }
    bool any(std::string const& text) const {
        return std::ranges::any_of(canaries, [&](auto const& canary) { return has(text, canary); });
    }

    Postbox box;
    std::map<std::string, std::string> seen;
};

class Failing : public Values, public ::testing::WithParamInterface<Case> {};

TEST_P(Failing, IsToldInFullOnTheTerminalAlone) {
    auto const& c = GetParam();
    if (!c.before.empty()) sql(c.before);
    auto const file = told_of(c.plan);
    auto const address = free_address();
    Words words{"run", file, "--allow-command"};
    words.insert(words.end(), c.options.begin(), c.options.end());
    auto there = words;
    there.insert(there.end(), {"--progress", "json", "--http", address, "--linger", "60s"});
    auto process = start(there, {{"PGPASSWORD", "c4n4ry"}, {"SOMETHING", "c4n4ry"}});
    bool const begins = !c.refused;
    ASSERT_TRUE(wait_until([&] { return has(process.out(), "\"run_done\"") || has(process.err(), "error["); }, 60s))
        << process.out() << process.err();
    EXPECT_TRUE(wait_until([&] { return !begins || has(heard(), "WEIR_EVENT=stopped"); }, 30s)) << heard();
    look_at_the_web(address);
    auto const ended = until_scraped(process, address);
    keep("output", ended.out + ended.err);
    if (begins) look_at_what_stays();
    EXPECT_EQ(ended.status, c.refused.value_or(4)) << tests::told(ended);
    auto const all = ended.out + ended.err;
    EXPECT_THAT(all, HasSubstr(c.sqlstate));
    for (auto const& name : c.names) {
        EXPECT_THAT(all, HasSubstr(name));
        EXPECT_THAT(seen["ledger"], HasSubstr(name));
        EXPECT_THAT(seen["webhook"], HasSubstr(name));
        EXPECT_THAT(seen["hook"], HasSubstr(name));
    }
    if (begins) {
        EXPECT_THAT(seen["ledger"], HasSubstr(c.sqlstate));
        EXPECT_THAT(seen["/api/run"], HasSubstr(c.sqlstate));
        EXPECT_THAT(seen["hook"], HasSubstr("WEIR_CODE="));
    }
    auto const shown = on_terminal(words, ended.status);
    EXPECT_EQ(any(shown), c.seen) << shown;
    if (begins) look_at_what_stays();
}

INSTANTIATE_TEST_SUITE_P(Of, Failing, ::testing::ValuesIn(cases()), name_of<Case>);

TEST_F(Values, AFailureOfUndoAndPurgeIsToldInFullOnTheTerminalAlone) {
    auto const file = plan(
        "weir: 1\nname: p\ncontract:\n  - drop_column: { table: t, column: at }\n"
        "drop: { quarantine: 7d }\n");
    ASSERT_EQ(weir({"run", file, "--approve", "all"}).status, 0);
    sql(raises_at("ALTER TABLE"));
    for (Words const& words : {Words{"rollback", "p"}, Words{"purge", "p"}}) {
        if (words[0] == "purge") {
            sql("ALTER EVENT TRIGGER no DISABLE");
            ASSERT_EQ(weir({"rollback", "p", "--approve", "all"}).status, 6);
            ASSERT_EQ(weir({"run", file, "--approve", "all"}).status, 0);
            // Its time is over.
            sql("UPDATE weir.entries SET detail = jsonb_set(detail, '{quarantine_ms}', '\"0\"') WHERE kind = "
                "'quarantined'; ALTER EVENT TRIGGER no ENABLE");
        }
        for (auto const* way : {"plain", "json"}) {
            auto more = words;
            more.insert(more.end(), {"--progress", way});
            auto const ran = weir(more);
            EXPECT_EQ(ran.status, 4) << tests::told(ran);
            EXPECT_THAT(ran.out, HasSubstr("P0001"));
            keep("output", ran.out + ran.err);
        }
        look_at_what_stays();
        EXPECT_TRUE(any(on_terminal(words, 4)));
        look_at_what_stays();
    }
}

TEST_F(Values, WhatPgDumpSaysIsToldInFullOnTheTerminalAlone) {
    std::filesystem::create_directory(folder.path("dumps"));
    auto const fake = folder.write("pg_dump", "#!/bin/sh\n[ \"$1\" = --version ] && exec " + server_program("pg_dump") +
                                                  " --version\necho 'pg_dump: error: row c4n4ry' >&2\nexit 1\n");
    ::chmod(fake.c_str(), 0755);
    Environment const path{{"PATH", folder.path() + ":" + std::getenv("PATH")}};
    auto const file =
        plan("weir: 1\nname: p\ncontract:\n  - drop_column: { table: t, column: at }\nbackup: { directory: " +
             folder.path("dumps") + " }\n");
    auto const ran = weir({"run", file, "--approve", "all"}, path);
    EXPECT_EQ(ran.status, 4) << tests::told(ran);
    EXPECT_THAT(ran.out, HasSubstr("pg_dump ended with 1"));
    keep("output", ran.out + ran.err);
    look_at_what_stays();
}

TEST_F(Values, AQueryOfThePlanThatFailsLaterIsToldInFullOnTheTerminalAlone) {
    sql("CREATE TABLE g (v text)");
    auto const file = told_of(
        "contract:\n  - drop_column: { table: t, column: at }\n"
        "gates: { contract: { until_sql: SELECT bool_or(v::int > 0) FROM g } }\n"
        "throttle: { sql: [ { name: odd, query: \"SELECT coalesce(max(v::int), 0) FROM g\", limit: 3 } ] }\n");
    auto const address = free_address();
    auto process = start({"run", file, "--allow-command", "--progress", "json", "--http", address});
    ASSERT_TRUE(wait_until([&] { return has(process.out(), "\"gate_opened\"") || !process.running(); }, 60s));
    ASSERT_TRUE(process.running()) << process.out() << process.err();
    sql("INSERT INTO g VALUES ('c4n4ry')");
    EXPECT_TRUE(wait_until(
        [&] {
            return has(process.out(), "whether the gate may open cannot be asked") &&
                   has(process.out(), "the query failed: a text cannot be read") &&
                   has(value("SELECT picture FROM weir.heartbeat"), "the query failed: a text cannot be read");
        },
        60s))
        << process.out();
    look_at_the_web(address);
    look_at_what_stays();
    process.signal(SIGINT);
    auto const ended = wait(process);
    keep("output", ended.out + ended.err);
    EXPECT_THAT(seen["/api/run"], HasSubstr("the query failed: a text cannot be read"));
}

struct Runs {
    std::string name, statement, shown;
};

class InTheWay : public Values, public ::testing::WithParamInterface<Runs> {};

TEST_P(InTheWay, WhatItRunsIsShownAsItIsOnTheTerminalAlone) {
    auto const& c = GetParam();
    Client blocker{db.conninfo};
    blocker.exec("BEGIN; LOCK t IN ACCESS SHARE MODE");
    blocker.exec(c.statement);
    auto const file = told_of("expand:\n  - add_column: { table: t, column: c, type: int }\nlocks: { give_up: 1s }\n");
    auto const address = free_address();
    auto process = start({"run", file, "--allow-command", "--progress", "json", "--http", address, "--linger", "60s"});
    ASSERT_TRUE(wait_until([&] { return has(process.out(), "lock_tried") || !process.running(); }, 60s))
        << process.out() << process.err();
    keep("application names", value("SELECT string_agg(application_name, ' ') FROM pg_stat_activity"));
    EXPECT_THAT(seen["application names"], HasSubstr("weir p control"));
    look_at_the_web(address);
    ASSERT_TRUE(wait_until([&] { return has(process.out(), "\"run_done\"") || !process.running(); }, 60s));
    EXPECT_TRUE(wait_until([&] { return has(heard(), "WEIR_EVENT=stopped"); }, 30s)) << heard();
    look_at_the_web(address);
    auto const ended = until_scraped(process, address);
    EXPECT_EQ(ended.status, 4) << tests::told(ended);
    keep("output", ended.out + ended.err);
    look_at_what_stays();
    for (auto const* where : {"output", "ledger", "status", "webhook", "hook", "/api/run"})
        EXPECT_THAT(seen[where], HasSubstr(c.shown)) << where;
    EXPECT_TRUE(any(on_terminal({"run", file, "--allow-command"}, 4)));
    look_at_what_stays();
}

INSTANTIATE_TEST_SUITE_P(
    As, InTheWay,
    ::testing::Values(Runs{"Literals", "SELECT count(*) FROM t WHERE mail = 'c4n4ry@ada' AND n = 8675309 /* c4n4ry */",
                           "SELECT count(*) FROM t WHERE mail = ? AND n = ?"},
                      Runs{"AWordWithoutQuotes", "SET LOCAL app.customer TO c4n4ry", "SET …"},
                      Runs{"ABackslash", R"(SELECT E'\'' || 'c4n4ry')", "SELECT …"}),
    name_of<Runs>);

}  // namespace
}  // namespace weir::tests
