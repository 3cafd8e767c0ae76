#include "orchestrator/postgres/wire.h"

#include <gtest/gtest.h>

namespace weir {
namespace {

struct Case {
    char const* text;
    char const* sqlstate;
    char const* message;
    char const* detail;
    char const* hint = "";
    char const* source = "";
};

TEST(Wire, reads_what_libpq_prints) {
    Case const cases[]{
        {"ERROR:  42501: permission denied for table t\nLOCATION:  aclcheck_error, aclchk.c:3650\n", "42501",
         "permission denied for table t", "", "", "aclchk.c"},
        {"ERROR:  23505: duplicate key value violates unique constraint \"t_pkey\"\nDETAIL:  Key (id)=(1) already "
         "exists.\nSCHEMA NAME:  public\nTABLE NAME:  t\nCONSTRAINT NAME:  t_pkey\nLOCATION:  _bt_check_unique, "
         "nbtinsert.c:673\n",
         "23505", "duplicate key value violates unique constraint \"t_pkey\"", "Key (id)=(1) already exists.", "",
         "nbtinsert.c"},
        {"ERROR:  42703: column \"nope\" does not exist\nLINE 1: select nope\n               ^\nHINT:  Perhaps.\n",
         "42703", "column \"nope\" does not exist", "", "Perhaps."},
        {"ERROR:  WE001: one\ntwo\nDETAIL:  three\nfour\nHINT:  five\nCONTEXT:  PL/pgSQL function f() line 1\nLINE of "
         "it\n",
         "WE001", "one\ntwo", "three\nfour", "five"},
        {"FEHLER:  55P03: konnte Sperre nicht setzen\n", "55P03", "konnte Sperre nicht setzen", ""},
        {"ОШИБКА:  40P01: обнаружена взаимоблокировка\n", "40P01", "обнаружена взаимоблокировка", ""},
        {"connection to server on socket \"/tmp/x/.s.PGSQL.5432\" failed: FATAL:  3D000: database \"nope\" does not "
         "exist\nLOCATION:  InitPostgres, postinit.c:885\n",
         "3D000", "database \"nope\" does not exist", "", "", "postinit.c"},
        {"FATAL:  57P01: terminating connection due to administrator command\nserver closed the connection "
         "unexpectedly\n\tThis probably means the server terminated abnormally\n",
         "57P01", "terminating connection due to administrator command", ""},
        {"PANIC:  XX000: could not write: No space left\n", "XX000", "could not write: No space left", ""},
        {"ERROR:  P0001: ERROR:  42501: nested words\n", "P0001", "ERROR:  42501: nested words", ""},
        {"ERROR:  22P02: \nDETAIL:  odd\n", "22P02", "", "odd"},
        {"server closed the connection unexpectedly\n\tThis probably means …\n", "",
         "server closed the connection unexpectedly\n\tThis probably means …", ""},
        {"connection to server at \"10.0.0.1\", port 5432 failed: Connection refused\n", "",
         "connection to server at \"10.0.0.1\", port 5432 failed: Connection refused", ""},
        {"ERROR:  4250x: not a code\n", "", "ERROR:  4250x: not a code", ""},
        {"", "", "", ""},
    };
    for (auto const& c : cases) {
        auto const error = read_error(c.text);
        EXPECT_EQ(error.sqlstate, c.sqlstate) << c.text;
        EXPECT_EQ(error.message, c.message) << c.text;
        EXPECT_EQ(error.detail, c.detail) << c.text;
        EXPECT_EQ(error.hint, c.hint) << c.text;
        EXPECT_EQ(error.source, c.source) << c.text;
        EXPECT_EQ(error.table + error.constraint, "") << "a value could look like it: " << c.text;
    }
}

TEST(Wire, quotes_the_server_only_where_no_value_can_be) {
    struct Quoted {
        char const *sqlstate, *source, *context;
        bool quoted;
    };
    for (auto const& c : {
             Quoted{"", "", "", true},
             Quoted{"WE003", "pl_exec.c", "PL/pgSQL function weir.check_sync()", true},
             Quoted{"57P01", "postgres.c", "", true},
             Quoted{"55P03", "lock.c", "", true},
             Quoted{"55P03", "pl_exec.c", "", false},
             Quoted{"42501", "aclchk.c", "", true},
             Quoted{"42501", "plpy_elog.c", "", false},
             Quoted{"53100", "md.c", "", true},
             Quoted{"54000", "nbtinsert.c", "", true},
             Quoted{"3D000", "postinit.c", "", true},
             Quoted{"3D000", "dbcommands.c", "", false},
             Quoted{"42P07", "heap.c", "", true},
             Quoted{"42P07", "heap.c", "SQL statement", false},
             Quoted{"42703", "parse_relation.c", "", false},
             Quoted{"22P02", "numutils.c", "", false},
             Quoted{"23505", "nbtinsert.c", "", false},
             Quoted{"P0001", "pl_exec.c", "", false},
             Quoted{"XX000", "elog.c", "", false},
         }) {
        ServerError error;
        error.sqlstate = c.sqlstate;
        error.source = c.source;
        error.context = c.context;
        error.message = "the words";
        EXPECT_EQ(for_anybody(error) == "the words", c.quoted) << c.sqlstate << " " << c.source;
    }
    ServerError depends;
    depends.sqlstate = "2BP01";
    depends.source = "dependency.c";
    depends.message = "cannot drop";
    depends.detail = "view a depends\nview b depends";
    EXPECT_EQ(for_anybody(depends), "cannot drop (view a depends; view b depends)");
}

TEST(Wire, what_it_does_not_quote_is_sealed_whole) {
    ServerError error;
    error.sqlstate = "23505";
    error.message = "duplicate key";
    error.detail = "Key (mail)=(a@b) already exists.";
    error.hint = "choose";
    error.query = "INSERT";
    error.context = "SQL statement\nPL/pgSQL function f()";
    error.table = "t";
    error.source = "nbtinsert.c";
    auto const outcome = failure(error, true);
    EXPECT_EQ(outcome.message, "unique violation: table t");
    EXPECT_EQ(words_of(outcome).reveal(),
              "the server says: duplicate key\ndetail: Key (mail)=(a@b) already exists.\nthe server's hint: choose\n"
              "query: INSERT\ncontext: SQL statement\nPL/pgSQL function f()");
    error.sqlstate = "57P01";
    EXPECT_EQ(failure(error, true).message, "duplicate key");
    error = {};
    error.sqlstate = "57P01";
    error.message = "terminating";
    EXPECT_TRUE(words_of(failure(error, true)).empty()) << "what is said already is not said again";
}

TEST(Wire, decides_the_fate) {
    struct {
        char const* sqlstate;
        Fate in_flight, idle;
    } const cases[]{
        {"55P03", Fate::lock_busy, Fate::lock_busy}, {"40P01", Fate::deadlock, Fate::deadlock},
        {"40001", Fate::deadlock, Fate::deadlock},   {"57014", Fate::canceled, Fate::canceled},
        {"WE001", Fate::fenced, Fate::fenced},       {"57P01", Fate::in_doubt, Fate::lost},
        {"57P02", Fate::in_doubt, Fate::lost},       {"57P03", Fate::in_doubt, Fate::lost},
        {"57P05", Fate::in_doubt, Fate::lost},       {"25P03", Fate::in_doubt, Fate::lost},
        {"25P04", Fate::in_doubt, Fate::lost},       {"08006", Fate::in_doubt, Fate::lost},
        {"53300", Fate::in_doubt, Fate::lost},       {"42501", Fate::refused, Fate::refused},
        {"23505", Fate::refused, Fate::refused},     {"WE100", Fate::refused, Fate::refused},
        {"28P01", Fate::refused, Fate::refused},     {"3D000", Fate::refused, Fate::refused},
        {"53100", Fate::refused, Fate::refused},     {"53200", Fate::refused, Fate::refused},
        {"", Fate::refused, Fate::refused},
    };
    for (auto const& c : cases) {
        EXPECT_EQ(fate_of(c.sqlstate, true), c.in_flight) << c.sqlstate;
        EXPECT_EQ(fate_of(c.sqlstate, false), c.idle) << c.sqlstate;
    }
}

}  // namespace
}  // namespace weir
