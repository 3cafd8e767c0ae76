/// Sessions of the application as they come: any search_path, role, setting, and statements prepared long ago.
#include "lab.h"

namespace weir::tests {
namespace {

constexpr char const* table = R"(
CREATE TABLE t (id int PRIMARY KEY, a text NOT NULL DEFAULT 'anon', c int);
INSERT INTO t VALUES (1, 'one', 1), (2, 'two', 2);
)";
constexpr char const* all = "SELECT id, a, b FROM t ORDER BY id";

std::string as(Lab const& lab, std::string const& role) {
    auto conninfo = lab.database.conninfo;
    auto const at = conninfo.find("user=postgres");
    return conninfo.replace(at, std::string{"user=postgres"}.size(), "user=" + role);
}

TEST(Sync, names_in_expressions_do_not_resolve_by_the_search_path_of_the_application) {
    Lab lab{std::string{table} + R"(
CREATE FUNCTION public.norm(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT 'good:' || $1 $$;
CREATE SCHEMA evil;
CREATE FUNCTION evil.norm(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT 'EVIL:' || $1 $$;
CREATE FUNCTION evil.record_image_eq(record, record) RETURNS boolean LANGUAGE internal AS 'record_image_ne';
CREATE FUNCTION evil.num_nulls(VARIADIC "any") RETURNS int LANGUAGE internal AS 'pg_num_nonnulls';
CREATE FUNCTION evil.current_setting(text, boolean) RETURNS text LANGUAGE sql AS $$ SELECT 'on' $$;
CREATE FUNCTION evil.same(text, text) RETURNS boolean LANGUAGE sql AS $$ SELECT false $$;
CREATE FUNCTION evil."left"(text, int) RETURNS text LANGUAGE sql AS $$ SELECT 'EVIL' $$;
CREATE OPERATOR evil.= (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.same);
)"};
    lab.expand(mapping("text", "norm(a)", "left(substr(b, 6), 20)"));
    for (auto const* path : {"evil, public", "evil, pg_catalog, public", "evil", "''", "pg_temp, evil, public"}) {
        lab.run("SET search_path = " + std::string{path});
        lab.run("UPDATE public.t SET a = 'x', b = NULL WHERE id = 1");
        lab.run("UPDATE public.t SET b = 'good:y' WHERE id = 2");
        lab.run("INSERT INTO public.t (id, b) VALUES (3, 'good:z')");
        EXPECT_EQ(lab.rows("SELECT id, a, b FROM public.t ORDER BY id"), "1|x|good:x, 2|y|good:y, 3|z|good:z") << path;
        lab.run("DELETE FROM public.t WHERE id OPERATOR(pg_catalog.=) 3");
        lab.run("UPDATE public.t SET a = 'old', b = 'good:old'");
    }
}

/// Whatever `=`, `<>`, `<`, `~`, `||` and friends mean to the session, here they mean something else.
constexpr char const* hostile = R"(
CREATE SCHEMA evil;
DO $$
DECLARE t text; o text;
BEGIN
  FOREACH t IN ARRAY ARRAY['text', 'name', 'oid', 'int4', 'int8', 'bool', 'xid', '"char"', 'regclass', 'anyarray'] LOOP
    EXECUTE format('CREATE FUNCTION evil.no(pg_catalog.%1$s, pg_catalog.%1$s) RETURNS boolean LANGUAGE sql AS '
                   '''SELECT false''', t);
    FOREACH o IN ARRAY ARRAY['=', '<>', '<', '>', '<=', '>=', '~', '!~'] LOOP
      EXECUTE format('CREATE OPERATOR evil.%2$s (LEFTARG = pg_catalog.%1$s, RIGHTARG = pg_catalog.%1$s, FUNCTION = evil.no)',
                     t, o);
    END LOOP;
  END LOOP;
END $$;
CREATE FUNCTION evil.glue(text, text) RETURNS text LANGUAGE sql AS $$ SELECT 'EVIL'::text $$;
CREATE OPERATOR evil.|| (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.glue);
CREATE FUNCTION evil.glue(text, anynonarray) RETURNS text LANGUAGE sql AS $$ SELECT 'EVIL'::text $$;
CREATE OPERATOR evil.|| (LEFTARG = text, RIGHTARG = anynonarray, FUNCTION = evil.glue);
CREATE FUNCTION evil.lower(text) RETURNS text LANGUAGE sql AS $$ SELECT 'EVIL'::text $$;
CREATE FUNCTION evil.num_nulls(VARIADIC "any") RETURNS int LANGUAGE internal AS 'pg_num_nonnulls';
CREATE FUNCTION evil.record_image_eq(record, record) RETURNS boolean LANGUAGE internal AS 'record_image_ne';
CREATE FUNCTION evil.record_image_ne(record, record) RETURNS boolean LANGUAGE internal AS 'record_image_eq';
CREATE FUNCTION evil.nextval(regclass) RETURNS bigint LANGUAGE sql AS $$ SELECT 0::bigint $$;
CREATE AGGREGATE evil.count("any") (SFUNC = int8inc_any, STYPE = int8, INITCOND = '40');
CREATE DOMAIN evil.text AS pg_catalog.text CHECK (false);
CREATE DOMAIN evil.name AS pg_catalog.name CHECK (false);
CREATE DOMAIN evil.oid AS pg_catalog.oid CHECK (false);
)";
constexpr char const* evil_path = "SET search_path = evil, pg_catalog, public";

TEST(Sync, no_operator_of_the_applications_search_path_reaches_into_what_runs_in_its_session) {
    Lab lab{std::string{table} + hostile + "ALTER TABLE t ADD r text DEFAULT 'r'"};
    lab.expand(
        "expand:\n  - add_column: { table: t, column: b, type: text }\n"
        "  - add_column: { table: t, column: o, type: text }\n"
        "  - sync_columns: { table: t, from: a, to: b, forward: \"lower(a) || '-' || r\", "
        "reverse: \"split_part(b, '-', 1)\" }\n"
        "  - sync_columns: { table: t, from: c, to: o, forward: \"lower(c::text || 'C')\" }\n"
        "backfill:\n  - fill: { table: t, set: { b: \"lower(a) || '-' || r\" } }\n"
        "  - set_not_null: { table: t, column: b }\n"
        "contract:\n  - drop_column: { table: t, column: a }\n"
        "drop: { quarantine: 7d }\n");
    lab.fill();
    lab.run(evil_path);
    auto const row = [&](int id) {
        return lab.rows("SELECT a, b, o FROM public.t WHERE id OPERATOR(pg_catalog.=) " + std::to_string(id));
    };
    lab.run("UPDATE public.t SET a = 'UNO' WHERE id OPERATOR(pg_catalog.=) 1");
    EXPECT_EQ(row(1), "UNO|uno-r|1c");
    lab.run("UPDATE public.t SET r = 'R' WHERE id OPERATOR(pg_catalog.=) 1");
    EXPECT_EQ(row(1), "UNO|uno-R|1c");
    lab.run("UPDATE public.t SET b = 'due-x', c = 2 WHERE id OPERATOR(pg_catalog.=) 1");
    EXPECT_EQ(row(1), "due|due-x|2c");
    lab.run("UPDATE public.t SET o = 'own' WHERE id OPERATOR(pg_catalog.=) 1");
    lab.run("UPDATE public.t SET c = 3 WHERE id OPERATOR(pg_catalog.=) 1");
    EXPECT_EQ(row(1), "due|due-x|own");
    lab.run("INSERT INTO public.t (id, b, c) VALUES (3, 'tre-y', 3)");
    EXPECT_EQ(row(3), "tre|tre-y|3c");
    lab.run("ALTER TABLE public.t ALTER b SET DEFAULT 'x-y', ALTER a DROP DEFAULT");
    lab.run("INSERT INTO public.t (id, a) VALUES (4, 'Four')");
    EXPECT_EQ(row(4), "Four|four-r|~");
    lab.run("ALTER TABLE public.t ALTER b DROP DEFAULT");
    lab.run(
        "SET weir.batch = 'on'; UPDATE public.t SET a = 'Five' WHERE id OPERATOR(pg_catalog.=) 4; RESET weir.batch");
    EXPECT_EQ(row(4), "Five|five-r|~");
    // The ledger's own: an order is anybody's who may write it.
    EXPECT_EQ(lab.code("SELECT weir.fence(0)"), "");
    EXPECT_EQ(lab.code("SELECT weir.fence(1)"), "WE001");
    auto const file = lab.rows("SELECT pg_catalog.pg_relation_filenode('public.t')");
    EXPECT_EQ(lab.code("SELECT weir.same_file('public.t'::regclass, " + file + ", 'public.t'::regclass)"), "");
    EXPECT_EQ(lab.code("SELECT weir.same_file('public.t'::regclass, 1, 'public.t'::regclass)"), "WE002");
    for (auto const& one : guard(lab.work())) EXPECT_EQ(lab.code(one.text()), "");
    lab.run("INSERT INTO weir.orders (plan, word, by_user) VALUES ('p', 'pause', 'somebody else')");
    EXPECT_EQ(lab.rows("SELECT by_user FROM weir.orders"), "postgres");

    lab.steps_of(Phase::contract);
    lab.run("UPDATE public.t SET b = 'six-r' WHERE id OPERATOR(pg_catalog.=) 4");
    lab.run("INSERT INTO public.t (id, b) VALUES (5, 'no reverse of it')");
    lab.run("INSERT INTO public.t (id, weir_q1_a) VALUES (6, 'Aside')");
    EXPECT_EQ(lab.rows("SELECT weir_q1_a, b FROM public.t WHERE id OPERATOR(pg_catalog.>=) 4 ORDER BY b"),
              "Aside|aside-r, no reverse of it|no reverse of it, six|six-r");
    EXPECT_EQ(lab.rows("SELECT last_value FROM weir_sync.r1_1_lost"), "1");
    lab.run("RESET search_path");
}

TEST(Sync, every_operator_in_a_body_of_ours_is_qualified) {
    Lab lab{std::string{table} + "ALTER TABLE t ADD r text, ADD one text, ADD way text"};
    lab.expand(
        "expand:\n  - add_column: { table: t, column: b, type: int }\n"
        "  - sync_columns: { table: t, from: a, to: b, forward: \"length(a || r)\", reverse: \"b::text\" }\n"
        "  - sync_columns: { table: t, from: one, to: way, forward: \"lower(one)\" }\n"
        "backfill:\n  - fill: { table: t, set: { b: \"length(a || r)\" } }\n"
        "  - set_not_null: { table: t, column: b }\n"
        "contract:\n  - drop_column: { table: t, column: a }\ndrop: { quarantine: 7d }\n");
    // Without literals, comments, type names and what is qualified nothing that reads like an operator is left.
    auto const bare = [&] {
        return lab.rows(R"(
SELECT p.proname, left(x.rest, 200) FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang,
  LATERAL (SELECT substring(regexp_replace(p.prosrc,
    '''[^'']*''|--[^\n]*|OPERATOR\(pg_catalog\.[^)]+\)|:=|::|(?:ERRCODE|HINT) =|"[^"]*"|count\(\*\)', '', 'g')
    from '[^\n]*(?:[-+*/<>=~!@#%^&|]|\mLIKE\M|\mIN \(|IS (?:NOT )?DISTINCT)[^\n]*')) x(rest)
WHERE l.lanname = 'plpgsql' AND x.rest IS NOT NULL AND (p.pronamespace = 'weir_sync'::regnamespace
  OR p.pronamespace = 'weir'::regnamespace AND p.proname IN ('sign_order', 'fence', 'same_file', 'check_sync'))
ORDER BY 1)");
    };
    EXPECT_EQ(bare(), "");
    lab.fill();
    lab.steps_of(Phase::contract);
    EXPECT_EQ(bare(), "");
    EXPECT_EQ(lab.rows("SELECT count(*) > 5 FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang WHERE l.lanname = "
                       "'plpgsql' AND pronamespace IN ('weir'::regnamespace, 'weir_sync'::regnamespace)"),
              "t");
}

TEST(Sync, a_role_without_rights_on_weirs_schemas_can_write) {
    for (bool const hardened : {false, true}) {
        Lab lab{std::string{table} +
                "DO $$ BEGIN CREATE ROLE app_sync LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;"
                "GRANT SELECT, INSERT, UPDATE, DELETE ON t TO app_sync"};
        // Many installations take this from PUBLIC; functions made later are nobody's then.
        if (hardened) lab.run("ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC");
        lab.expand(rename);
        Client app{as(lab, "app_sync")};
        EXPECT_EQ(app.try_exec("SELECT * FROM weir.entries"), "42501");
        EXPECT_EQ(app.try_exec("CREATE FUNCTION weir_sync.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'"), "42501");
        EXPECT_NO_THROW(app.exec("UPDATE t SET a = 'uno' WHERE id = 1")) << hardened;
        EXPECT_NO_THROW(app.exec("UPDATE t SET b = 'due' WHERE id = 2")) << hardened;
        EXPECT_NO_THROW(app.exec("INSERT INTO t (id, b) VALUES (3, 'tre')")) << hardened;
        EXPECT_NO_THROW(app.exec("INSERT INTO t (id, a) VALUES (4, 'quattro')")) << hardened;
        EXPECT_EQ(lab.rows(all), "1|uno|uno, 2|due|due, 3|tre|tre, 4|quattro|quattro") << hardened;
        EXPECT_EQ(lab.guard(), "");
    }
}

TEST(Sync, a_writer_with_rights_on_columns_alone_writes_the_new_one_as_it_wrote_the_old_one) {
    Lab lab{std::string{table} +
            "DO $$ BEGIN CREATE ROLE columns_sync LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;"
            "GRANT SELECT ON t TO columns_sync; GRANT UPDATE (a) ON t TO columns_sync"};
    lab.expand(rename);
    Client app{as(lab, "columns_sync")};
    EXPECT_NO_THROW(app.exec("UPDATE t SET a = 'uno' WHERE id = 1"));
    EXPECT_NO_THROW(app.exec("UPDATE t SET b = 'due' WHERE id = 2"));
    EXPECT_EQ(app.try_exec("UPDATE t SET c = 1"), "42501");
    EXPECT_EQ(lab.rows(all), "1|uno|uno, 2|due|due");
}

TEST(Sync, a_function_that_a_writer_may_not_call_refuses_its_writes) {
    Lab lab{std::string{table} +
            "DO $$ BEGIN CREATE ROLE calls_sync LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;"
            "GRANT SELECT, INSERT, UPDATE ON t TO calls_sync;"
            "CREATE FUNCTION norm(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN lower($1); END';"
            "REVOKE EXECUTE ON FUNCTION norm(text) FROM PUBLIC"};
    lab.expand(mapping("text", "norm(a)", ""));
    Client app{as(lab, "calls_sync")};
    EXPECT_EQ(app.try_exec("UPDATE t SET a = 'uno' WHERE id = 1"), "42501");
    lab.run("GRANT EXECUTE ON FUNCTION norm(text) TO calls_sync");
    EXPECT_NO_THROW(app.exec("UPDATE t SET a = 'UNO' WHERE id = 1"));
    EXPECT_EQ(lab.rows(all), "1|UNO|uno, 2|two|~");
}

TEST(Sync, a_replicating_session_is_synced_too) {
    Lab lab{table};
    lab.expand(rename);
    lab.run("SET session_replication_role = replica");
    lab.run("UPDATE t SET a = 'uno' WHERE id = 1");
    lab.run("UPDATE t SET b = 'due' WHERE id = 2");
    lab.run("INSERT INTO t (id, b) VALUES (3, 'tre')");
    EXPECT_EQ(lab.rows(all), "1|uno|uno, 2|due|due, 3|tre|tre");
}

TEST(Sync, the_settings_of_the_session_do_not_matter) {
    Lab lab{"CREATE TABLE t (id int PRIMARY KEY, a timestamp, c float8); INSERT INTO t VALUES (1, '2024-06-01 12:00')"};
    lab.expand(mapping("timestamptz", "a AT TIME ZONE 'Europe/Berlin'", "b AT TIME ZONE 'Europe/Berlin'"));
    lab.fill();
    lab.run(
        "SET TimeZone = 'America/New_York'; SET DateStyle = 'German'; SET IntervalStyle = 'iso_8601'; "
        "SET extra_float_digits = -15; SET transform_null_equals = on; SET row_security = on");
    lab.run("UPDATE t SET a = '2024-06-02 12:00'");
    EXPECT_EQ(lab.wrong(), 0);
    lab.run("UPDATE t SET b = '2024-06-03 10:00Z'");
    EXPECT_EQ(lab.wrong(), 0);
    lab.run("SET DateStyle = ISO; SET TimeZone = UTC");
    EXPECT_EQ(lab.rows("SELECT a, b FROM t"), "2024-06-03 12:00:00|2024-06-03 10:00:00+00");
}

TEST(Sync, a_conversion_that_raises_makes_that_write_fail_and_nothing_else) {
    Lab lab{"CREATE TABLE t (id int PRIMARY KEY, a text, c int); INSERT INTO t VALUES (1, '1', 0), (2, '2', 0)"};
    lab.expand(mapping("int", "a::int", "b::text"));
    lab.fill();
    EXPECT_EQ(lab.code("INSERT INTO t (id, a) VALUES (3, 'twelve')"), "22P02");
    EXPECT_EQ(lab.code("UPDATE t SET a = 'twelve' WHERE id = 1"), "22P02");
    EXPECT_EQ(lab.code("UPDATE t SET c = 5"), "");
    EXPECT_EQ(lab.code("UPDATE t SET a = '12' WHERE id = 1"), "");
    EXPECT_EQ(lab.code("UPDATE t SET b = 13 WHERE id = 2"), "");
    EXPECT_EQ(lab.rows("SELECT id, a, b, c FROM t ORDER BY id"), "1|12|12|5, 2|13|13|5");
    EXPECT_EQ(lab.guard(), "");
}

TEST(Sync, a_reverse_that_raises_makes_the_new_applications_write_fail) {
    Lab lab{"CREATE TABLE t (id int PRIMARY KEY, a int, c int); INSERT INTO t VALUES (1, 1, 0)"};
    lab.expand(mapping("bigint", "a", "b"));
    lab.fill();
    EXPECT_EQ(lab.code("UPDATE t SET b = 3000000000"), "22003");
    EXPECT_EQ(lab.code("UPDATE t SET b = 2000000000"), "");
    EXPECT_EQ(lab.rows("SELECT a, b FROM t"), "2000000000|2000000000");
}

TEST(Sync, prepared_statements_live_through_expand_and_contract_save_select_star) {
    Lab lab{table};
    Client old_one{lab.database.conninfo};
    old_one.exec(R"(
PREPARE star AS SELECT * FROM t WHERE id = $1;
PREPARE named AS SELECT c FROM t WHERE id = $1;
PREPARE read AS SELECT a FROM t WHERE id = $1;
PREPARE write AS UPDATE t SET a = $2 WHERE id = $1;
PREPARE add AS INSERT INTO t (id, a) VALUES ($1, $2) RETURNING id, a;
PREPARE upsert AS INSERT INTO t (id, a) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET a = excluded.a;
PREPARE unrelated AS UPDATE t SET c = $2 WHERE id = $1;
)");
    auto const use = [&] {
        // Six times: then a generic plan is kept.
        for (int i = 0; i < 6; ++i) {
            old_one.exec("EXECUTE named(1)");
            old_one.exec("EXECUTE read(1)");
            old_one.exec("EXECUTE write(1, 'w" + std::to_string(i) + "')");
            old_one.exec("EXECUTE upsert(2, 'u" + std::to_string(i) + "')");
            old_one.exec("EXECUTE unrelated(1, 1)");
            old_one.exec("DELETE FROM t WHERE id = 9");
            old_one.exec("EXECUTE add(9, 'added')");
        }
    };
    use();
    old_one.exec("EXECUTE star(1)");
    lab.compile_plan(rename);
    lab.steps_of(Phase::expand);
    EXPECT_NO_THROW(use());
    EXPECT_EQ(old_one.try_exec("EXECUTE star(1)"), "0A000");
    EXPECT_EQ(lab.rows(all), "1|w5|w5, 2|u5|u5, 9|added|added");
    lab.fill();
    lab.steps_of(Phase::backfill);
    lab.steps_of(Phase::proof);
    EXPECT_NO_THROW(use());

    Client new_one{lab.database.conninfo};
    new_one.exec(R"(
PREPARE star AS SELECT * FROM t WHERE id = $1;
PREPARE read AS SELECT b FROM t WHERE id = $1;
PREPARE write AS UPDATE t SET b = $2 WHERE id = $1;
PREPARE add AS INSERT INTO t (id, b) VALUES ($1, $2) RETURNING id, b;
PREPARE upsert AS INSERT INTO t (id, b) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET b = excluded.b;
)");
    auto const use_new = [&] {
        for (int i = 0; i < 6; ++i) {
            new_one.exec("EXECUTE read(1)");
            new_one.exec("EXECUTE write(1, 'n" + std::to_string(i) + "')");
            new_one.exec("EXECUTE upsert(2, 'v" + std::to_string(i) + "')");
            new_one.exec("DELETE FROM t WHERE id = 9");
            new_one.exec("EXECUTE add(9, 'new')");
        }
    };
    use_new();
    new_one.exec("EXECUTE star(1)");
    lab.steps_of(Phase::contract);
    EXPECT_NO_THROW(use_new());
    EXPECT_EQ(new_one.try_exec("EXECUTE star(1)"), "0A000");
    EXPECT_NO_THROW(old_one.exec("EXECUTE named(1)"));
    EXPECT_EQ(lab.rows("SELECT id, b FROM t ORDER BY id"), "1|n5, 2|v5, 9|new");
}

}  // namespace
}  // namespace weir::tests
