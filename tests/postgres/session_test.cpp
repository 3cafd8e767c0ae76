#include "orchestrator/postgres/session.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <signal.h>

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <chrono>
#include <filesystem>
#include <memory>
#include <thread>

#include "orchestrator/postgres/ear.h"
#include "server.h"

namespace weir {
namespace {

using testing::Caller;
using testing::Server;
using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

std::string cell(Outcome const& outcome) {
    if (outcome.rows.empty() || outcome.rows[0].fields.empty()) return "(nothing)";
    return outcome.rows[0].fields[0].value_or("(null)");
}

class SessionTest : public ::testing::Test {
  protected:
    Server& server{Server::instance()};
    std::string database{server.create_database()};
    std::string conninfo{server.conninfo(database)};

    /// A connected session.
    std::unique_ptr<Caller> caller(std::string const& user = "postgres") {
        auto made = std::make_unique<Caller>(server.conninfo(database, user));
        auto const outcome = made->connect();
        EXPECT_EQ(outcome.fate, Fate::done) << outcome.message;
        return made;
    }
    void wait_until(std::string const& condition) {
        for (int tries = 0; tries < 200; ++tries) {
            if (server.psql(database, "SELECT " + condition) == "t") return;
            std::this_thread::sleep_for(20ms);
        }
        ADD_FAILURE() << "never: " << condition;
    }
};

TEST_F(SessionTest, tells_the_facts_and_guards_itself) {
    auto const session = caller();
    auto const& facts = session->session.facts();
    EXPECT_GE(facts.server_version, 140000);
    EXPECT_FALSE(facts.pooler);
    EXPECT_FALSE(facts.in_recovery);
    EXPECT_TRUE(facts.superuser);
    EXPECT_EQ(facts.user, "postgres");
    EXPECT_EQ(facts.database, database);
    EXPECT_EQ(cell(session->execute({sql("SELECT pg_backend_pid()")})), std::to_string(facts.pid));
    auto const settings = session->execute(
        {sql("SELECT string_agg(name || '=' || setting, ' ' ORDER BY lower(name)) FROM pg_settings WHERE name IN "
             "('application_name', 'search_path', 'TimeZone', 'client_encoding', 'client_connection_check_interval', "
             "'idle_in_transaction_session_timeout', 'row_security')")});
    EXPECT_EQ(cell(settings),
              "application_name=weir test client_connection_check_interval=500 client_encoding=UTF8 "
              "idle_in_transaction_session_timeout=2000 row_security=off search_path=pg_catalog, public, pg_temp "
              "TimeZone=UTC");
}

TEST_F(SessionTest, what_stands_before_a_standalone_statement_holds_for_it_alone) {
    auto const session = caller();
    ASSERT_EQ(session
                  ->execute({sql("CREATE SCHEMA app; CREATE FUNCTION app.norm(text) RETURNS text LANGUAGE sql "
                                 "IMMUTABLE AS 'SELECT upper($1)'; CREATE FUNCTION app.shout(n text) RETURNS text "
                                 "LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN norm(n); END'; SET LOCAL search_path "
                                 "= app, public; CREATE TABLE public.t (n text); CREATE INDEX ON public.t "
                                 "(app.shout(n)); INSERT INTO public.t VALUES ('a'), ('b'), ('b')")})
                  .fate,
              Fate::done);
    auto const shown = [&] {
        return cell(
            session->execute({sql("SELECT string_agg(name || '=' || setting, ' ' ORDER BY name) FROM "
                                  "pg_settings WHERE source = 'session'")}));
    };
    auto const before = shown();
    auto const vacuum = sql("VACUUM (ANALYZE) public.t");
    auto const set =
        sql("SELECT pg_catalog.set_config('search_path', 'app, public', false), "
            "pg_catalog.set_config('timezone', 'Asia/Tokyo', false)");
    if (session->session.facts().server_version < 170000) {
        EXPECT_EQ(session->execute({vacuum}, Transaction::standalone, {}).sqlstate, "42883");
    }
    EXPECT_EQ(session->execute({set, sql("VACUUM public.nowhere")}, Transaction::standalone, {}).sqlstate, "42P01");
    EXPECT_EQ(shown(), before);
    if (session->session.facts().server_version < 170000) {
        EXPECT_EQ(session->execute({set, vacuum}, Transaction::standalone, {}).fate, Fate::done);
    }
    EXPECT_EQ(shown(), before);
}

TEST_F(SessionTest, rows_are_those_of_the_last_statement) {
    auto const session = caller();
    auto const outcome =
        session->execute({sql("SELECT 1"), sql("SELECT 'a', NULL UNION ALL SELECT 'ü', '' ORDER BY 1")});
    ASSERT_EQ(outcome.rows.size(), 2U);
    EXPECT_EQ(outcome.rows[0].fields[0], "a");
    EXPECT_EQ(outcome.rows[0].fields[1], std::nullopt);
    EXPECT_EQ(outcome.rows[1].fields[0], "ü");
    EXPECT_EQ(outcome.rows[1].fields[1], "");
    EXPECT_TRUE(session->execute({}).rows.empty());
}

TEST_F(SessionTest, an_implicit_transaction_is_all_or_nothing) {
    auto const session = caller();
    ASSERT_EQ(session->execute({sql("CREATE TABLE public.t (id int PRIMARY KEY)")}).fate, Fate::done);
    auto const outcome = session->execute({sql("INSERT INTO t VALUES (1)"), sql("INSERT INTO t VALUES (1)")});
    EXPECT_EQ(outcome.fate, Fate::refused);
    EXPECT_EQ(outcome.sqlstate, "23505");
    EXPECT_EQ(outcome.message, "unique violation: table public.t, constraint t_pkey");
    EXPECT_EQ(outcome.said.reveal(), "duplicate key value violates unique constraint \"t_pkey\"");
    EXPECT_EQ(outcome.more.reveal(), "detail: Key (id)=(1) already exists.");
    EXPECT_EQ(cell(session->execute({sql("SELECT count(*) FROM t")})), "0");
}

/// A function of the application may say what it likes in any field of an error, and values may hold lines.
TEST_F(SessionTest, what_is_for_anybody_holds_no_value) {
    auto const session = caller();
    auto const made = session->execute(
        {sql("CREATE DOMAIN public.grade AS int CONSTRAINT small CHECK (VALUE < 10)"),
         sql("CREATE TABLE public.t (id int PRIMARY KEY, a text NOT NULL CHECK (a <> 'c4n4ry'), g public.grade, "
             "p int REFERENCES public.t (id))"),
         sql(R"(CREATE FUNCTION public.says(sqlstate text, value text) RETURNS int LANGUAGE plpgsql AS $$BEGIN
  RAISE EXCEPTION '%', value USING ERRCODE = sqlstate, DETAIL = value, HINT = value, TABLE = value, COLUMN = value,
    CONSTRAINT = value, SCHEMA = value, DATATYPE = value; END$$)"),
         sql(R"(CREATE FUNCTION public.runs(value text) RETURNS int LANGUAGE plpgsql AS $$BEGIN
  EXECUTE 'SELECT ' || value; RETURN 1; END$$)")});
    ASSERT_EQ(made.fate, Fate::done) << made.message;
    struct Case {
        Sql statement;
        std::string sqlstate, message;
    };
    std::string const raised = "an error that only a function can raise";
    for (auto const& [statement, sqlstate, message] : {
             Case{sql("INSERT INTO public.t VALUES (1, NULL)"), "23502",
                  "NOT NULL violation: table public.t, column a"},
             Case{sql("INSERT INTO public.t VALUES (1, 'c4n4ry')"), "23514",
                  "check violation: table public.t, constraint t_a_check"},
             Case{sql("INSERT INTO public.t VALUES (1, 'x', NULL, 77)"), "23503",
                  "foreign key violation: table public.t, constraint t_p_fkey"},
             Case{sql("SELECT 77::public.grade"), "23514", "check violation: type public.grade, constraint small"},
             Case{sql("SELECT 'c4n4ry'::int"), "22P02", "a text cannot be read as a value of its type"},
             Case{sql("SELECT 'c4n4ry'::regclass"), "42P01", "undefined table"},
             Case{sql("SELECT 'c4n4ry'::regrole"), "42704", "undefined object"},
             Case{sql("SELECT public.runs('c4n4ry')"), "42703", "undefined column"},
             Case{sql("SELECT public.runs('1 / 0 -- c4n4ry')"), "22012", "division by zero"},
             Case{sql("SELECT public.says('P0001', 'c4n4ry')"), "P0001", "a function raised an exception of its own"},
             Case{sql("SELECT public.says('23505', 'c4n4ry')"), "23505", "unique violation"},
             Case{sql("SELECT public.says('42501', 'c4n4ry')"), "42501", "insufficient privilege"},
             Case{sql("SELECT public.says('55P03', 'c4n4ry')"), "55P03",
                  "an object is not in the state that is needed"},
             Case{sql("SELECT public.says('42P07', 'c4n4ry')"), "42P07", "syntax error or access rule violation"},
             Case{sql("SELECT public.says('CANRY', 'c4n4ry')"), "CANRY", raised},
             Case{sql("SELECT public.says('22P02', E'x\nTABLE NAME:  c4n4ry\nLOCATION:  f, nbtinsert.c:1')"), "22P02",
                  "a text cannot be read as a value of its type"},
         }) {
        auto const outcome = session->execute({statement});
        EXPECT_EQ(outcome.sqlstate, sqlstate) << outcome.message;
        EXPECT_EQ(outcome.message, message);
        EXPECT_EQ(outcome.advice, "");
        EXPECT_FALSE(outcome.said.empty());
    }
    auto const there = session->execute({sql("CREATE TABLE public.t (id int)")});
    EXPECT_EQ(there.message, "relation \"t\" already exists");
}

TEST_F(SessionTest, limits_hold_inside_and_do_not_leak) {
    auto const session = caller();
    Limits const limits{123ms, 456ms, 10s};
    auto const show = sql("SELECT current_setting('lock_timeout') || ' ' || current_setting('statement_timeout')");
    EXPECT_EQ(cell(session->execute({show}, Transaction::implicit, limits)), "123ms 456ms");
    EXPECT_EQ(cell(session->execute({show}, Transaction::standalone, limits)), "123ms 456ms");
    EXPECT_EQ(cell(session->execute({show})), "0 0");
    EXPECT_EQ(session->execute({sql("SELECT 1/0")}, Transaction::standalone, limits).sqlstate, "22012");
    EXPECT_EQ(cell(session->execute({show})), "0 0");
}

TEST_F(SessionTest, standalone_may_vacuum) {
    auto const session = caller();
    ASSERT_EQ(session->execute({sql("CREATE TABLE public.t (id int)")}).fate, Fate::done);
    EXPECT_EQ(session->execute({sql("VACUUM t")}, Transaction::standalone).fate, Fate::done);
    EXPECT_EQ(session->execute({sql("CREATE INDEX CONCURRENTLY i ON t (id)")}, Transaction::standalone).fate,
              Fate::done);
    auto const inside = session->execute({sql("VACUUM t")});
    EXPECT_EQ(inside.fate, Fate::refused);
    EXPECT_EQ(inside.sqlstate, "25001");
}

TEST_F(SessionTest, privilege_errors_have_their_code) {
    server.psql(database,
                "CREATE TABLE t (id int); DO $$ BEGIN IF to_regrole('nobody_much') IS NULL THEN "
                "CREATE ROLE nobody_much LOGIN; END IF; END $$");
    auto const session = caller("nobody_much");
    EXPECT_FALSE(session->session.facts().superuser);
    auto const outcome = session->execute({sql("SELECT * FROM t")});
    EXPECT_EQ(outcome.fate, Fate::refused);
    EXPECT_EQ(outcome.sqlstate, "42501");
    EXPECT_EQ(outcome.message, "permission denied for table t");
    EXPECT_EQ(cell(session->execute({sql("SELECT 1")})), "1");
}

TEST_F(SessionTest, lock_timeout_and_fence) {
    auto const holder = caller();
    auto const waiter = caller();
    ASSERT_EQ(holder->execute({sql("CREATE TABLE public.t (id int)")}).fate, Fate::done);
    Outcome held;
    holder->session.execute({sql("LOCK TABLE t"), sql("SELECT pg_sleep(5)")}, Transaction::implicit,
                            Limits{0ms, 0ms, 0ms}, [&](Outcome outcome) { held = std::move(outcome); });
    wait_until("EXISTS (SELECT FROM pg_locks WHERE relation = 't'::regclass AND granted)");
    auto const busy = waiter->execute({sql("LOCK TABLE t")}, Transaction::implicit, Limits{50ms, 1s, 5s});
    EXPECT_EQ(busy.fate, Fate::lock_busy);
    EXPECT_EQ(busy.sqlstate, "55P03");
    EXPECT_GE(busy.took, 50ms);
    EXPECT_EQ(waiter->execute({sql("LOCK TABLE t NOWAIT")}).fate, Fate::lock_busy);
    holder->session.cancel();
    holder->run();
    EXPECT_EQ(held.fate, Fate::canceled);

    ASSERT_EQ(
        holder
            ->execute({sql("CREATE FUNCTION public.fence() RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION "
                           "'epoch 7 is over' USING ERRCODE = 'WE001'; END $$")})
            .fate,
        Fate::done);
    auto const fenced = holder->execute({sql("INSERT INTO t VALUES (1)"), sql("SELECT fence()")});
    EXPECT_EQ(fenced.fate, Fate::fenced);
    EXPECT_EQ(fenced.message, "epoch 7 is over");
    EXPECT_EQ(cell(holder->execute({sql("SELECT count(*) FROM t")})), "0");
}

TEST_F(SessionTest, deadlock_and_serialization_failure) {
    auto const one = caller();
    auto const two = caller();
    ASSERT_EQ(
        one->execute({sql("CREATE TABLE public.t (id int, n int)"), sql("INSERT INTO t VALUES (1, 0), (2, 0)")}).fate,
        Fate::done);
    Outcome first;
    one->session.execute(
        {sql("UPDATE t SET n = 1 WHERE id = 1"), sql("SELECT pg_sleep(0.4)"), sql("UPDATE t SET n = 1 WHERE id = 2")},
        Transaction::implicit, Limits{0ms, 0ms, 0ms}, [&](Outcome o) { first = std::move(o); });
    auto const second = two->execute(
        {sql("UPDATE t SET n = 2 WHERE id = 2"), sql("SELECT pg_sleep(0.4)"), sql("UPDATE t SET n = 2 WHERE id = 1")});
    one->run();
    auto const& loser = first.fate == Fate::done ? second : first;
    EXPECT_EQ(loser.fate, Fate::deadlock);
    EXPECT_EQ(loser.sqlstate, "40P01");

    one->session.execute({sql("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")}, Transaction::implicit, Limits{},
                         [](Outcome const&) {});
    one->run();
    auto const repeatable = [&](Caller& caller) {
        Outcome got;
        caller.session.execute({sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"), sql("SELECT count(*) FROM t"),
                                sql("SELECT pg_sleep(0.3)"), sql("UPDATE t SET n = n + 1")},
                               Transaction::implicit, Limits{0ms, 0ms, 0ms}, [&](Outcome o) { got = std::move(o); });
        std::this_thread::sleep_for(100ms);
        EXPECT_EQ(two->execute({sql("UPDATE t SET n = n + 1")}).fate, Fate::done);
        caller.run();
        return got;
    };
    auto const failed = repeatable(*one);
    EXPECT_EQ(failed.sqlstate, "40001") << failed.message;
    EXPECT_EQ(failed.fate, Fate::deadlock);
}

TEST_F(SessionTest, timeouts_and_cancels_are_canceled) {
    auto const session = caller();
    auto const timed = session->execute({sql("SELECT pg_sleep(5)")}, Transaction::implicit, Limits{0ms, 80ms, 5s});
    EXPECT_EQ(timed.fate, Fate::canceled);
    EXPECT_EQ(timed.sqlstate, "57014");

    auto const began = Clock::now();
    auto const gave_up = session->execute({sql("SELECT pg_sleep(20)")}, Transaction::implicit, Limits{0ms, 0ms, 150ms});
    EXPECT_EQ(gave_up.fate, Fate::canceled);
    EXPECT_LT(Clock::now() - began, 3s);

    std::thread other{[&] {
        std::this_thread::sleep_for(150ms);
        session->session.cancel();
    }};
    auto const cancelled = session->execute({sql("SELECT pg_sleep(20)")}, Transaction::implicit, Limits{0ms, 0ms, 0ms});
    other.join();
    EXPECT_EQ(cancelled.fate, Fate::canceled);
    EXPECT_LT(cancelled.took, 3s);
    EXPECT_EQ(cell(session->execute({sql("SELECT 1")})), "1");

    session->session.cancel();  // nothing runs: nothing happens
    EXPECT_EQ(cell(session->execute({sql("SELECT 2")})), "2");
}

TEST_F(SessionTest, a_cancel_before_the_string_is_sent_keeps_it_from_being_sent) {
    auto const session = caller();
    ASSERT_EQ(session->execute({sql("CREATE TABLE public.t (id int)")}).fate, Fate::done);
    std::vector<Fate> fates;
    auto const note = [&](Outcome const& outcome) { fates.push_back(outcome.fate); };
    session->session.execute({sql("SELECT pg_sleep(10)")}, Transaction::implicit, Limits{0ms, 0ms, 0ms}, note);
    session->session.execute({sql("INSERT INTO t VALUES (1)")}, Transaction::implicit, Limits{0ms, 0ms, 0ms}, note);
    session->session.cancel();
    session->session.execute({sql("INSERT INTO t VALUES (2)")}, Transaction::implicit, Limits{0ms, 0ms, 0ms}, note);
    session->run();
    EXPECT_EQ(fates, (std::vector{Fate::canceled, Fate::canceled, Fate::done}));
    EXPECT_EQ(cell(session->execute({sql("SELECT string_agg(id::text, ',') FROM t")})), "2");
}

TEST_F(SessionTest, a_storm_of_cancels_is_borne) {
    auto const session = caller();
    ASSERT_EQ(session->execute({sql("CREATE TABLE public.t (id int)")}).fate, Fate::done);
    std::atomic<bool> enough{};
    std::thread storm{[&] {
        while (!enough) {
            session->session.cancel();
            std::this_thread::sleep_for(1ms);
        }
    }};
    int done = 0;
    for (int i = 0; i < 200; ++i) {
        auto const outcome = session->execute({sql("INSERT INTO t VALUES (1)"), sql("SELECT pg_sleep(0.001)")},
                                              i % 2 == 0 ? Transaction::implicit : Transaction::standalone);
        EXPECT_TRUE(outcome.fate == Fate::done || outcome.fate == Fate::canceled)
            << outcome.sqlstate << outcome.message;
        done += outcome.fate == Fate::done ? 1 : 0;
    }
    enough = true;
    storm.join();
    EXPECT_EQ(cell(session->execute(
                  {sql("SELECT count(*) >= {0} AND current_setting('statement_timeout') = '0' FROM t", Int{done})})),
              "t");
}

TEST_F(SessionTest, terminated_in_flight_is_in_doubt_and_idle_is_lost) {
    auto const session = caller();
    auto const pid = std::to_string(session->session.facts().pid);
    std::thread killer{[&] {
        wait_until("EXISTS (SELECT FROM pg_stat_activity WHERE pid = " + pid + " AND wait_event = 'PgSleep')");
        server.psql(database, "SELECT pg_terminate_backend(" + pid + ")");
    }};
    auto const doubt = session->execute({sql("SELECT pg_sleep(20)")});
    killer.join();
    EXPECT_EQ(doubt.fate, Fate::in_doubt);
    EXPECT_EQ(doubt.sqlstate, "57P01");
    EXPECT_EQ(doubt.message, "terminating connection due to administrator command");

    // Never again by itself, however often it is asked.
    for (int i = 0; i < 4; ++i) EXPECT_EQ(session->execute({sql("SELECT 1")}).fate, Fate::lost);

    ASSERT_EQ(session->connect().fate, Fate::done);
    auto const next = std::to_string(session->session.facts().pid);
    EXPECT_NE(next, pid);
    server.psql(database, "SELECT pg_terminate_backend(" + next + ")");
    wait_until("NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = " + next + ")");
    auto const lost = session->execute({sql("SELECT 1")});
    EXPECT_EQ(lost.fate, Fate::lost);
    EXPECT_EQ(lost.sqlstate, "57P01");
    for (int i = 0; i < 4; ++i) EXPECT_EQ(session->execute({sql("SELECT 1")}).fate, Fate::lost);
}

TEST_F(SessionTest, give_up_ends_a_commit_that_waits_for_a_standby) {
    auto const session = caller();
    ASSERT_EQ(session->execute({sql("CREATE TABLE public.t (id int)")}).fate, Fate::done);
    server.psql(database, "ALTER SYSTEM SET synchronous_standby_names = 'nope'");
    server.psql(database, "SELECT pg_reload_conf()");
    wait_until("current_setting('synchronous_standby_names') = 'nope'");
    std::this_thread::sleep_for(100ms);
    auto const outcome =
        session->execute({sql("INSERT INTO t VALUES (1)")}, Transaction::implicit, Limits{100ms, 100ms, 600ms});
    server.psql(database, "ALTER SYSTEM RESET synchronous_standby_names");
    server.psql(database, "SELECT pg_reload_conf()");
    EXPECT_GE(outcome.took, 600ms);
    EXPECT_LT(outcome.took, 5s);
    // The server has committed locally, and says so with a warning only.
    EXPECT_EQ(outcome.fate, Fate::done) << outcome.message;
    EXPECT_EQ(server.psql(database, "SELECT count(*) FROM t"), "1");
}

TEST_F(SessionTest, connect_failures_say_why) {
    auto const fails = [](std::string const& address) { return Caller{address}.connect(); };
    auto const no_database = fails(server.conninfo("nope"));
    EXPECT_EQ(no_database.fate, Fate::refused);
    EXPECT_EQ(no_database.sqlstate, "3D000");
    EXPECT_EQ(no_database.message, "database \"nope\" does not exist");
    EXPECT_EQ(fails(server.conninfo(database, "nobody_at_all")).sqlstate, "28000");

    auto const nobody = fails("host=/tmp/nowhere dbname=x");
    EXPECT_LT(nobody.took, 1s);
    EXPECT_EQ(nobody.fate, Fate::lost);
    EXPECT_EQ(nobody.sqlstate, "");
    EXPECT_NE(nobody.message, "");

    server.psql(database, "ALTER DATABASE " + database + " CONNECTION LIMIT 0");
    server.psql("postgres",
                "DO $$ BEGIN IF to_regrole('nobody_much') IS NULL THEN CREATE ROLE nobody_much LOGIN; END IF; END $$");
    auto const full = fails(server.conninfo(database, "nobody_much"));
    EXPECT_EQ(full.sqlstate, "53300");
    EXPECT_EQ(full.fate, Fate::lost);
    EXPECT_EQ(Caller{conninfo}.execute({sql("SELECT 1")}).fate, Fate::lost);
}

TEST_F(SessionTest, a_password_in_the_address_is_refused_and_not_repeated) {
    for (std::string const address :
         {"postgresql://u:s3cret@localhost/d", "host=localhost password=s3cret",
          "postgresql://localhost/d?password=s3cret", "postgres://u:s3/cret@localhost/d", "postgres://u:s3cret@[bad/d",
          "password=s3cret nonsense", "postgres://u:s3cret@x@localhost/d", "host=localhost sslpassword=s3cret"}) {
        auto const outcome = Caller{address}.connect();
        EXPECT_EQ(outcome.fate, Fate::refused) << address;
        EXPECT_EQ((outcome.message + outcome.advice).find("s3"), std::string::npos) << outcome.message;
        EXPECT_NE(outcome.advice, "") << address;
    }
    EXPECT_EQ(Caller{"nonsense"}.connect().fate, Fate::refused);
}

/// A listener that accepts and says nothing.
class BlackHole {
  public:
    BlackHole() : folder_{"/tmp/weir-hole-" + std::to_string(::getpid())} {
        socket_ = ::socket(AF_UNIX, SOCK_STREAM, 0);
        std::filesystem::create_directory(folder_);
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        (folder_ + "/.s.PGSQL.5432").copy(address.sun_path, sizeof address.sun_path - 1);
        EXPECT_EQ(::bind(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
        EXPECT_EQ(::listen(socket_, 8), 0);
    }
    ~BlackHole() {
        ::close(socket_);
        std::filesystem::remove_all(folder_);
    }
    BlackHole(BlackHole const&) = delete;
    BlackHole& operator=(BlackHole const&) = delete;
    std::string const& folder() const { return folder_; }

  private:
    std::string folder_;
    int socket_;
};

TEST_F(SessionTest, a_host_that_says_nothing_does_not_hold_up_the_next_one) {
    BlackHole const hole;
    auto const good = conninfo.substr(5, conninfo.find(' ') - 5);
    auto const rest = conninfo.substr(conninfo.find(' '));
    auto const began = Clock::now();
    EXPECT_EQ(Caller{"host=" + hole.folder() + rest + " connect_timeout=1"}.connect().fate, Fate::lost);
    EXPECT_LT(Clock::now() - began, 3s);
    auto const outcome = Caller{"host=" + hole.folder() + "," + good + rest + " connect_timeout=1"}.connect();
    EXPECT_EQ(outcome.fate, Fate::done) << outcome.message;
}

TEST_F(SessionTest, connecting_can_be_cancelled_and_the_end_is_bounded) {
    BlackHole const hole;
    Caller waiting{"host=" + hole.folder() + " dbname=x"};
    std::thread other{[&] {
        std::this_thread::sleep_for(100ms);
        waiting.session.cancel();
    }};
    auto const began = Clock::now();
    EXPECT_EQ(waiting.connect().fate, Fate::canceled);
    EXPECT_LT(Clock::now() - began, 2s);
    other.join();

    auto const busy = caller();
    bool called = false;
    auto const then = Clock::now();
    {
        Session session{busy->io.get_executor(), conninfo, {"weir test", true}};
        session.connect([](Outcome const&) {});
        busy->run();
        session.execute({sql("SELECT pg_sleep(30)")}, Transaction::implicit, Limits{0ms, 0ms, 0ms},
                        [&](Outcome const&) { called = true; });
        std::this_thread::sleep_for(100ms);
    }
    EXPECT_LT(Clock::now() - then, 3s);
    busy->run();
    EXPECT_FALSE(called);
    wait_until("NOT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep')");
}

TEST_F(SessionTest, a_server_that_stands_still_is_cut_off_at_the_end) {
    auto session = caller();
    auto const pid = session->session.facts().pid;
    session->session.execute({sql("SELECT pg_sleep(30)")}, Transaction::implicit, Limits{0ms, 0ms, 0ms},
                             [](Outcome const&) {});
    std::this_thread::sleep_for(100ms);
    ASSERT_EQ(::kill(pid, SIGSTOP), 0);
    auto const began = Clock::now();
    session.reset();
    EXPECT_LT(Clock::now() - began, 5s);
    ::kill(pid, SIGCONT);
}

TEST_F(SessionTest, an_open_transaction_is_ended_and_told) {
    auto const session = caller();
    auto const outcome = session->execute({sql("BEGIN"), sql("SELECT 1")});
    EXPECT_EQ(outcome.fate, Fate::refused);
    EXPECT_EQ(cell(session->execute({sql("SELECT 1")})), "1");
    auto const failed = session->execute({sql("BEGIN"), sql("SELECT 1/0")});
    EXPECT_EQ(failed.sqlstate, "22012");
    EXPECT_EQ(cell(session->execute({sql("SELECT 1")})), "1");
}

TEST_F(SessionTest, notices_are_swallowed) {
    auto const session = caller();
    ::testing::internal::CaptureStderr();
    session->execute({sql("SET LOCAL client_min_messages = debug1"),
                      sql("DO $$ BEGIN RAISE WARNING 'loud'; RAISE NOTICE 'quiet'; END $$"),
                      sql("DROP TABLE IF EXISTS nope")});
    EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
}

TEST_F(SessionTest, ear_wakes_and_tells_its_loss) {
    boost::asio::io_context io;
    int woken = 0;
    std::vector<Outcome> lost;
    Ear ear{io.get_executor(), conninfo, "weir ear", [&] { ++woken; },
            [&](Outcome o) { lost.push_back(std::move(o)); }};
    auto const listen = [&] {
        Outcome got;
        ear.listen([&](Outcome outcome) { got = std::move(outcome); });
        io.restart();
        io.run();
        return got;
    };
    auto const until = [&](auto const& condition) {
        auto const guard = boost::asio::make_work_guard(io);
        for (auto const end = Clock::now() + 5s; !condition() && Clock::now() < end;) {
            io.restart();
            io.run_for(20ms);
        }
        return condition();
    };
    ASSERT_EQ(listen().fate, Fate::done);
    server.psql(database, "NOTIFY weir");
    EXPECT_TRUE(until([&] { return woken == 1; }));
    server.psql(database, "NOTIFY other; NOTIFY weir, 'payload'");
    EXPECT_TRUE(until([&] { return woken == 2; }));
    server.psql(database, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'weir ear'");
    EXPECT_TRUE(until([&] { return lost.size() == 1; }));
    EXPECT_EQ(lost.at(0).fate, Fate::lost);
    EXPECT_EQ(lost.at(0).sqlstate, "57P01");
    ASSERT_EQ(listen().fate, Fate::done);
    server.psql(database, "NOTIFY weir");
    EXPECT_TRUE(until([&] { return woken == 3; }));
    EXPECT_EQ(lost.size(), 1U);
}

}  // namespace
}  // namespace weir
