#include "orchestrator/postgres/wire.h"

#include <gtest/gtest.h>

namespace weir {
namespace {

struct Case {
    char const* text;
    char const* sqlstate;
    char const* message;
    char const* detail;
};

TEST(Wire, reads_what_libpq_prints) {
    Case const cases[]{
        {"ERROR:  42501: permission denied for table t\nLOCATION:  aclcheck_error, aclchk.c:3650\n", "42501",
         "permission denied for table t", ""},
        {"ERROR:  23505: duplicate key value violates unique constraint \"t_pkey\"\nDETAIL:  Key (id)=(1) already "
         "exists.\nSCHEMA NAME:  public\nTABLE NAME:  t\nCONSTRAINT NAME:  t_pkey\nLOCATION:  _bt_check_unique, "
         "nbtinsert.c:673\n",
         "23505", "duplicate key value violates unique constraint \"t_pkey\"", "Key (id)=(1) already exists."},
        {"ERROR:  42703: column \"nope\" does not exist\nLINE 1: select nope\n               ^\nHINT:  Perhaps.\n",
         "42703", "column \"nope\" does not exist", "hint: Perhaps."},
        {"ERROR:  WE001: one\ntwo\nDETAIL:  three\nfour\nHINT:  five\nCONTEXT:  PL/pgSQL function f() line 1\nLINE of "
         "it\n",
         "WE001", "one\ntwo", "three\nfour\nhint: five"},
        {"FEHLER:  55P03: konnte Sperre nicht setzen\n", "55P03", "konnte Sperre nicht setzen", ""},
        {"ОШИБКА:  40P01: обнаружена взаимоблокировка\n", "40P01", "обнаружена взаимоблокировка", ""},
        {"connection to server on socket \"/tmp/x/.s.PGSQL.5432\" failed: FATAL:  3D000: database \"nope\" does not "
         "exist\nLOCATION:  InitPostgres, postinit.c:885\n",
         "3D000", "database \"nope\" does not exist", ""},
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
    }
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
