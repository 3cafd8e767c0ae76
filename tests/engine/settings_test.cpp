/// Whose settings hold: what a plan's expressions and the application's own code see while weir writes is what a new
/// session of the table's owner would have, or what the plan says.
#include "filling.h"

namespace weir::tests {
namespace {

using ::testing::HasSubstr;

class Settings : public Filling {
  protected:
    explicit Settings(Cluster& server = Cluster::shared()) : Filling{server} {}
    ~Settings() override {
        for (auto const& role : roles_)
            sql("REASSIGN OWNED BY " + role + " TO postgres; DROP OWNED BY " + role + "; DROP ROLE " + role);
    }

    void set(std::string const& setting) { sql("ALTER DATABASE " + db.name + " SET " + setting); }

    /// A role of this test alone; gone at its end.
    std::string role(std::string const& what, std::string const& attributes = "") {
        auto name = what + "_" + db.name;
        sql("CREATE ROLE " + name + " LOGIN " + attributes);
        roles_.push_back(name);
        return name;
    }

    /// 500 instants, four hours apart, over the change of the clocks.
    void make_visits(std::string const& more = "") {
        sql("CREATE TABLE visits (id int PRIMARY KEY, at timestamptz NOT NULL); INSERT INTO visits SELECT i, "
            "'2024-02-01 00:00+00'::timestamptz + i * interval '4 hours' FROM generate_series(1, 500) i;" +
            more);
    }
    std::string days(std::string_view more = "") const {
        return plan(
            "weir: 1\nname: days\nexpand:\n  - add_column: { table: visits, column: day, type: date }\nbackfill:\n"
            "  - fill: { table: visits, set: { day: \"at::date\" } }\n" +
            std::string{more});
    }
    /// The rows whose day is not that of this zone.
    std::string off(std::string const& zone) const {
        return value("SELECT count(*) FROM visits WHERE day IS DISTINCT FROM (at AT TIME ZONE '" + zone + "')::date");
    }
    /// Everything that can be seen in the catalogs, and what weir keeps.
    std::string objects() const {
        return value(
            "SELECT (SELECT count(*) FROM pg_class) || ' ' || (SELECT count(*) FROM pg_proc) || ' ' || (SELECT "
            "count(*) FROM pg_trigger) || ' ' || (SELECT count(*) FROM pg_namespace WHERE nspname !~ '^pg_') || ' ' || "
            "(SELECT count(*) FROM pg_type) || ' ' || (SELECT count(*) FROM pg_attribute) || ' ' || (SELECT count(*) "
            "FROM pg_constraint)");
    }

  private:
    std::vector<std::string> roles_;
};

TEST_F(Settings, ADayIsTheDatabasesOwn) {
    set("timezone = 'America/New_York'");
    make_visits();
    auto const file = days();
    auto const preview = weir({"plan", file});
    EXPECT_THAT(preview.out, HasSubstr("timezone = America/New_York (database " + db.name + ")"));
    EXPECT_THAT(preview.out,
                HasSubstr("the value of day may depend on settings of the session: date(timestamp with time "
                          "zone)"));
    auto const done = weir({"run", file});
    ASSERT_EQ(done.status, 0) << told(done);
    EXPECT_EQ(value("SELECT count(*) FROM visits WHERE day IS DISTINCT FROM at::date"), "0");
    EXPECT_EQ(off("America/New_York"), "0");
    EXPECT_NE(off("UTC"), "0");
}

/// What an undo counts as lost is judged as the fill judged it.
TEST_F(Settings, AnUndoFindsTheRunsOwnValuesByThem) {
    set("timezone = 'America/New_York'");
    make_visits("ALTER TABLE visits ADD note text;");
    auto const file = days("contract:\n  - drop_column: { table: visits, column: note }\n");
    ASSERT_EQ(weir({"run", file, "--no-wait"}).status, 3);
    EXPECT_EQ(off("America/New_York"), "0");
    // For a UTC server that would be the plan's own.
    sql("UPDATE visits SET day = (at AT TIME ZONE 'UTC')::date WHERE id = 1");
    ASSERT_EQ(value("SELECT day <> at::date FROM visits WHERE id = 1"), "t");
    EXPECT_EQ(weir({"abort", "days"}).status, 3);
    auto const lossy = weir({"abort", "days"});
    EXPECT_EQ(lossy.status, 4) << told(lossy);
    EXPECT_THAT(lossy.out + lossy.err, HasSubstr("1 row has a value in visits.day"));
    auto const done = weir({"abort", "days", "--accept-loss", "1"});
    EXPECT_EQ(done.status, 6) << told(done);
}

TEST_F(Settings, ALiteralIsReadAsTheDatabaseReadsIt) {
    set("timezone = 'Asia/Tokyo'");
    set("datestyle = 'SQL, DMY'");
    make_visits("ALTER TABLE visits ADD early boolean");
    auto const file = plan(
        "weir: 1\nname: early\nbackfill:\n  - fill: { table: visits, set: { early: \"at < '02/03/2024'\" } }\n  - "
        "delete_rows: { table: visits, where: \"at >= '01/04/2024'\" }\n");
    EXPECT_THAT(weir({"plan", file}).out, HasSubstr("a constant of type timestamp with time zone"));
    auto const done = weir({"run", file, "--approve", "all"});
    ASSERT_EQ(done.status, 0) << told(done);
    EXPECT_EQ(value("SELECT count(*) FROM visits WHERE early IS DISTINCT FROM (at < '2024-03-02 00:00+09')"), "0");
    EXPECT_EQ(value("SELECT max(at) < '2024-04-01 00:00+09' AND max(at) >= '2024-03-31 20:00+09' FROM visits"), "t");
}

TEST_F(Settings, TheOwnersOwnStandBeforeTheDatabases) {
    auto const owner = role("owner");
    set("timezone = 'America/New_York'");
    sql("ALTER ROLE " + owner + " SET timezone = 'Europe/Berlin'");
    make_visits("ALTER TABLE visits OWNER TO " + owner);
    auto const file = days();
    EXPECT_THAT(weir({"plan", file}).out, HasSubstr("timezone = Europe/Berlin (role " + owner + ")"));
    sql("ALTER ROLE " + owner + " IN DATABASE " + db.name + " SET timezone = 'Asia/Tokyo'");
    EXPECT_THAT(weir({"plan", file}).out,
                HasSubstr("timezone = Asia/Tokyo (role " + owner + " in database " + db.name + ")"));
    auto const done = weir({"run", file});
    ASSERT_EQ(done.status, 0) << told(done);
    EXPECT_EQ(off("Asia/Tokyo"), "0");
}

TEST_F(Settings, ThePlansOwnStandBeforeAll) {
    set("timezone = 'America/New_York'");
    make_visits();
    auto const done = weir({"run", days("settings: { timezone: Pacific/Auckland }\n")});
    ASSERT_EQ(done.status, 0) << told(done);
    EXPECT_EQ(off("Pacific/Auckland"), "0");
    EXPECT_THAT(weir({"plan", days("settings: { timezone: UTC }\n")}).err, HasSubstr("is not the one that was begun"));
}

TEST_F(Settings, AValueThatTheServerDoesNotTakeIsRefusedWhereItStands) {
    make_visits();
    auto const before = objects();
    auto const zone = weir({"run", days("settings: { timezone: Mars/Base }\n")});
    EXPECT_TRUE(refused(zone, 1, "bad-value",
                        {"plan.yaml:7:23", "settings.timezone", "invalid value for parameter", "Mars/Base"}));
    auto const path = weir({"run", days("settings: { search_path: [public, nowhere] }\n")});
    EXPECT_TRUE(refused(path, 1, "bad-value", {"plan.yaml:7:26", "settings.search_path", "schema nowhere does not"}));
    EXPECT_EQ(objects(), before);
}

TEST_F(Settings, ARunGoesOnWithWhatItBeganWith) {
    set("timezone = 'America/New_York'");
    sql("CREATE TABLE visits (id int PRIMARY KEY, at timestamptz NOT NULL, note text); INSERT INTO visits SELECT i, "
        "'2024-02-01 00:00+00'::timestamptz + i * interval '4 minutes', repeat('x', 80) FROM generate_series(1, 20000) "
        "i");
    table = "visits";
    auto const file = days(slow);
    begin(file);
    ASSERT_TRUE(await("batch_done", 5));
    kill();
    ASSERT_TRUE(wait_until([&] {
        return value(
                   "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'weir%' AND datname = "
                   "current_database()") == "0";
    }));
    ASSERT_NE(value("SELECT count(*) FROM visits WHERE day IS NULL"), "0");
    set("timezone = 'Asia/Tokyo'");
    EXPECT_THAT(weir({"plan", file}).out, HasSubstr("timezone = America/New_York"));
    fill(file);
    ASSERT_EQ(ran.status, 0) << told(ran);
    EXPECT_EQ(off("America/New_York"), "0");
}

/// Weir's own role has settings, and its connection options: they say nothing of the owner's.
TEST_F(Settings, WhatWeirsOwnSessionHasIsNotTheOwners) {
    auto const owner = role("owner");
    auto const mine = role("mine", "SUPERUSER");
    sql("ALTER ROLE " + mine + " SET timezone = 'Asia/Tokyo'");
    make_visits("ALTER TABLE visits OWNER TO " + owner);
    user = mine;
    auto const before = objects();
    auto const hidden = weir({"run", days()});
    EXPECT_TRUE(refused(hidden, 1, "missing-key",
                        {"settings.timezone", "a session of " + owner, "the settings of role " + mine}));
    EXPECT_EQ(objects(), before);
    set("timezone = 'America/New_York'");
    auto const options = weir({"plan", days()}, {{"PGOPTIONS", "-c timezone=Asia/Tokyo -c intervalstyle=iso_8601"}});
    EXPECT_TRUE(refused(options, 1, "missing-key", {"settings.intervalstyle", "the options of weir's connection"}));
    auto const done = weir({"run", days()}, {{"PGOPTIONS", "-c timezone=Asia/Tokyo"}});
    ASSERT_EQ(done.status, 0) << told(done);
    EXPECT_EQ(off("America/New_York"), "0");
}

/// Nobody but the server's configuration says anything.
class OwnServer : public Settings {
  protected:
    OwnServer() : Settings{own()} {}
    static Cluster& own() {
        static Cluster cluster{
            {.settings = {"timezone = 'Asia/Kolkata'", "default_text_search_config = 'german'"}, .hba = {}}};
        return cluster;
    }
};

TEST_F(OwnServer, ADayIsTheServers) {
    make_visits();
    auto const file = days();
    Environment const shell{{"PGTZ", "Asia/Tokyo"}, {"PGDATESTYLE", "German"}};
    EXPECT_THAT(weir({"plan", file}, shell).out, HasSubstr("timezone = Asia/Kolkata (the server)"));
    auto const done = weir({"run", file}, shell);
    ASSERT_EQ(done.status, 0) << told(done);
    EXPECT_EQ(off("Asia/Kolkata"), "0");
}

/// Everything that the application does without a schema finds its own in `app`, and a namesake in `public`.
class Path : public Settings, public ::testing::WithParamInterface<std::string> {
  protected:
    void make_posts() {
        for (std::string const schema : {"app", "public"}) {
            bool const right = schema == "app";
            if (right) sql("CREATE SCHEMA app");
            std::string const in = schema + ".";
            sql("CREATE TABLE " + in + "audit_log (post int); CREATE TABLE " + in +
                "late_log (post int); CREATE TABLE " + in + "gone_log (post int);" +  //
                "CREATE FUNCTION " + in + "slugify(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$SELECT '" +
                (right ? "' || lower($1)" : "wrong'") + "$$;" +  //
                "CREATE FUNCTION " + in + "norm(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$SELECT " +
                (right ? "upper($1)" : "'wrong'") + "$$;" +  //
                "CREATE FUNCTION " + in + "fits_in(text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$SELECT " +
                (right ? "true" : "false") + "$$;" +  //
                "CREATE FUNCTION " + in + "points(text) RETURNS int LANGUAGE sql IMMUTABLE AS $$SELECT " +
                (right ? "length($1)" : "-1") + "$$");
        }
        set("search_path = app, public");
        sql("CREATE FUNCTION app.shout(n text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$BEGIN RETURN norm(n); "
            "END$$;"
            "CREATE FUNCTION app.fits(n text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$BEGIN RETURN fits_in(n); "
            "END$$;"
            "CREATE FUNCTION app.touch() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO audit_log VALUES "
            "(new.id); new.slug := slugify(new.note); RETURN new; END$$;"
            "CREATE FUNCTION app.late() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO late_log VALUES "
            "(new.id); RETURN NULL; END$$;"
            "CREATE FUNCTION app.gone() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO gone_log VALUES "
            "(old.id); RETURN old; END$$");
        sql("CREATE TABLE public.posts (id int NOT NULL, note text NOT NULL, slug text, loud text GENERATED ALWAYS AS "
            "(app.shout(note)) STORED, CHECK (app.fits(note)))" +
            GetParam());
        if (!GetParam().empty())
            sql("CREATE TABLE public.posts_1 PARTITION OF public.posts FOR VALUES FROM (0) TO (300);"
                "CREATE TABLE public.posts_2 PARTITION OF public.posts FOR VALUES FROM (300) TO (1000)");
        sql("CREATE INDEX ON public.posts (app.shout(note));"
            "INSERT INTO public.posts (id, note) SELECT i, 'Note ' || i FROM generate_series(1, 500) i;"
            "CREATE TRIGGER touch BEFORE UPDATE ON public.posts FOR EACH ROW EXECUTE FUNCTION app.touch();"
            "CREATE CONSTRAINT TRIGGER late AFTER UPDATE ON public.posts DEFERRABLE INITIALLY DEFERRED FOR EACH ROW "
            "EXECUTE FUNCTION app.late();"
            "CREATE TRIGGER gone BEFORE DELETE ON public.posts FOR EACH ROW EXECUTE FUNCTION app.gone()");
    }
};

TEST_P(Path, TheApplicationsCodeFindsWhatItMeans) {
    make_posts();
    table = "posts";
    auto const file = plan(
        "weir: 1\nname: posts\nexpand:\n  - add_column: { table: posts, column: score, type: int }\n  - add_column: { "
        "table: posts, column: name, type: text }\n  - sync_columns: { table: posts, from: note, to: name, forward: "
        "slugify(note) }\nbackfill:\n  - fill: { table: posts, set: { score: points(note) } }\n  - fill: { table: "
        "posts, set: { name: slugify(note) } }\n  - set_not_null: { table: posts, column: score }\ncontract:\n  - "
        "delete_rows: { table: posts, where: points(note) = 8 }\ngates: { contract: none }\n");
    EXPECT_THAT(weir({"plan", file}).out, HasSubstr("search_path = app, public (database " + db.name + ")"));
    fill(file, "contract");
    ASSERT_EQ(ran.status, 0) << told(ran);
    EXPECT_EQ(value("SELECT count(*) FROM posts"), "99");
    EXPECT_EQ(value("SELECT count(*) FROM posts WHERE slug IS DISTINCT FROM lower(note) OR name IS DISTINCT FROM "
                    "lower(note) OR loud IS DISTINCT FROM upper(note) OR score IS DISTINCT FROM length(note)"),
              "0");
    for (auto const* log : {"audit_log", "late_log"})
        EXPECT_EQ(value("SELECT count(*) >= 1000 AND count(DISTINCT post) = 500 FROM app." + std::string{log}), "t")
            << log;
    EXPECT_EQ(value("SELECT count(*) FROM app.gone_log"), "401");
    EXPECT_EQ(value("SELECT (SELECT count(*) FROM public.audit_log) + (SELECT count(*) FROM public.late_log) + (SELECT "
                    "count(*) FROM public.gone_log)"),
              "0");
    EXPECT_EQ(told_of("warned").size(), 0U);
}

INSTANTIATE_TEST_SUITE_P(Of, Path, ::testing::Values("", " PARTITION BY RANGE (id)"),
                         [](auto const& of) { return std::string{of.param.empty() ? "ATable" : "Partitions"}; });

TEST_F(Settings, AGateAsksInTheSameWay) {
    sql("CREATE SCHEMA app; CREATE TABLE app.flags (ready boolean); INSERT INTO app.flags VALUES (true);"
        "CREATE TABLE public.flags (ready boolean); INSERT INTO public.flags VALUES (false);"
        "CREATE TABLE users (id int PRIMARY KEY, name text)");
    set("search_path = app, public");
    auto const done = weir({"run",
                            plan("weir: 1\nname: gate\ncontract:\n  - drop_column: { table: users, column: name }\n"
                                 "gates: { contract: { until_sql: \"SELECT ready FROM flags\" } }\n"),
                            "--no-wait"});
    EXPECT_EQ(done.status, 0) << told(done);
}

/// Operators and functions of its own that stand before those of the server: weir's statements need neither.
TEST_F(Settings, WeirsOwnStatementsNeedNoPath) {
    make({.rows = 3000});
    sql("CREATE SCHEMA evil");
    struct Operator {
        std::string sign, type, result;
    };
    int number = 0;
    for (auto const& [sign, type, result] :
         {Operator{"=", "bigint", "boolean"}, Operator{"=", "oid", "boolean"}, Operator{"=", "text", "boolean"},
          Operator{"=", "tid", "boolean"}, Operator{"=", "integer", "boolean"}, Operator{"+", "bigint", "bigint"},
          Operator{"+", "integer", "integer"}, Operator{"-", "bigint", "bigint"}, Operator{">=", "tid", "boolean"},
          Operator{"<", "tid", "boolean"}, Operator{"||", "text", "text"}, Operator{"-", "integer", "integer"}}) {
        auto const function = "evil.f" + std::to_string(++number) + "(" + type + ", " + type + ")";
        sql("CREATE FUNCTION " + function + " RETURNS " + result + " LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION '" +
            sign + " of " + type + " was called'; END$$; CREATE OPERATOR evil." + sign + " (FUNCTION = evil.f" +
            std::to_string(number) + ", LEFTARG = " + type + ", RIGHTARG = " + type + ")");
    }
    sql("CREATE FUNCTION evil.count() RETURNS bigint LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'count was called'; "
        "END$$");
    set("search_path = evil, pg_catalog, public");
    sql("ALTER TABLE users ADD parity bigint");
    auto const file = plan(
        "weir: 1\nname: evil\nbackfill:\n  - fill: { table: users, set: { parity: \"mod(id, 2)\" } }\n  - "
        "delete_rows: { table: users, where: id > 2900 }\n");
    fill(file, "proof");
    ASSERT_EQ(ran.status, 0) << told(ran);
    Client reader{db.conninfo};
    reader.exec("SET search_path = pg_catalog, public");
    EXPECT_EQ(reader.value("SELECT count(*) FROM users WHERE parity IS DISTINCT FROM mod(id, 2)"), "0");
    EXPECT_EQ(reader.value("SELECT max(id) FROM users"), "2900");

    // So many partitions that the sync is made and dropped in parts; and the table goes.
    sql("CREATE TABLE public.many (id bigint, a text) PARTITION BY LIST (id); DO $$ BEGIN FOR i IN 1..60 LOOP EXECUTE "
        "format('CREATE TABLE public.many_%s PARTITION OF many FOR VALUES IN (%s)', i, i); END LOOP; END $$; INSERT "
        "INTO many "
        "SELECT i, 'x' FROM generate_series(1, 60) i");
    auto const patient = std::string{"locks: { timeout: 2s }\n"};
    auto const renamed =
        weir({"run",
              plan("weir: 1\nname: renamed\nchanges:\n  - rename_column: { table: many, from: a, to: b "
                   "}\n" +
                   patient),
              "--approve", "all"});
    EXPECT_EQ(renamed.status, 0) << told(renamed);
    EXPECT_EQ(reader.value("SELECT count(*) FROM many WHERE b = 'x'"), "60");
    auto const dropped = weir({"run",
                               plan("weir: 1\nname: dropped\ncontract:\n  - drop_table: { table: many }\ndrop: { "
                                    "quarantine: 1d }\n" +
                                    patient),
                               "--approve", "all"});
    EXPECT_EQ(dropped.status, 0) << told(dropped);
    EXPECT_EQ(reader.value("SELECT to_regclass('many') IS NULL"), "t");
    auto const back = weir({"rollback", "dropped", "--approve", "all"});
    EXPECT_EQ(back.status, 6) << told(back);
    EXPECT_EQ(reader.value("SELECT count(*) FROM many WHERE b = 'x'"), "60");
}

// ---- conditions that their own work changes ----

class Conditions : public Settings {
  protected:
    void make_scores() {
        sql("CREATE TABLE scores (id int PRIMARY KEY, score int, rank int, note text) PARTITION BY RANGE (id);"
            "CREATE TABLE scores_1 PARTITION OF scores FOR VALUES FROM (0) TO (1000);"
            "INSERT INTO scores SELECT i, i * 7 % 100 FROM generate_series(1, 900) i;"
            "CREATE VIEW means AS SELECT avg(score) AS mean FROM scores; CREATE VIEW of_means AS SELECT * FROM means;"
            "CREATE FUNCTION mean() RETURNS numeric LANGUAGE sql STABLE AS 'SELECT avg(score) FROM scores';"
            "CREATE FUNCTION parsed() RETURNS numeric LANGUAGE sql STABLE RETURN (SELECT mean FROM of_means);"
            "CREATE TABLE bounds (bound int); INSERT INTO bounds VALUES (50)");
    }
    /// The plan is refused for this alone, and nothing is left behind.
    ::testing::AssertionResult refuses(std::string const& list, std::string const& operation, Words const& parts) {
        auto const before = objects();
        auto const file = plan("weir: 1\nname: conditions\n" + list + ":\n  - " + operation + "\n");
        auto const is = refused(weir({"run", file, "--approve", "all"}), 1, "bad-expression", parts);
        if (!is) return is;
        if (objects() != before) return ::testing::AssertionFailure() << "something is left behind";
        return ::testing::AssertionSuccess();
    }
};

TEST_F(Conditions, ThatReadTheTableAreRefused) {
    make_scores();
    auto const of = [](std::string const& where) { return "delete_rows: { table: scores, where: \"" + where + "\" }"; };
    Words const itself{"plan.yaml:4:42", "where reads scores, whose rows this deletes", "name the bound itself"};
    EXPECT_TRUE(refuses("backfill", of("score < (SELECT avg(score) FROM scores)"), itself));
    EXPECT_TRUE(refuses("contract", of("score < (SELECT avg(score) FROM scores)"), itself));
    EXPECT_TRUE(refuses("backfill", of("id IN (SELECT s.id FROM scores_1 s)"), itself));
    EXPECT_TRUE(refuses("backfill", of("score < (SELECT mean FROM of_means)"), {"by view public.of_means"}));
    EXPECT_TRUE(refuses("backfill", of("score < mean()"), {"by function public.mean()"}));
    EXPECT_TRUE(refuses("backfill", of("score < parsed()"), {"by function public.parsed()"}));
    EXPECT_TRUE(refuses("backfill", of("ctid < '(3,1)'"), {"where reads ctid"}));
    EXPECT_TRUE(refuses("backfill",
                        "fill: { table: scores, set: { rank: 1 }, where: \"id = (SELECT max(id) FROM "
                        "scores)\" }",
                        {"where reads scores, whose rows this writes"}));
    EXPECT_TRUE(refuses("backfill",
                        "fill: { table: scores, set: { rank: \"(SELECT count(*) FROM scores s WHERE s.score "
                        "> scores.score)\" } }",
                        {"the value of rank reads scores"}));
    EXPECT_TRUE(refuses("backfill", "fill: { table: scores, set: { rank: mean }, from: of_means, on: true }",
                        {"on reads scores by view public.of_means"}));
    EXPECT_TRUE(refuses("backfill", "fill: { table: scores, set: { rank: 1, note: note }, where: rank IS NULL }",
                        {"where reads rank"}));
}

TEST_F(Conditions, ThatAreAnotherAnswerEachTimeAreRefused) {
    make_scores();
    EXPECT_TRUE(refuses("backfill", "fill: { table: scores, set: { rank: 1 }, where: random() < 0.5 }",
                        {"where calls a volatile function"}));
    EXPECT_TRUE(refuses("backfill", "delete_rows: { table: scores, where: random() < 0.5 }",
                        {"where calls a volatile function"}));
    EXPECT_TRUE(refuses("backfill", "fill: { table: scores, set: { rank: bound }, from: bounds, on: random() < 0.5 }",
                        {"on calls a volatile function"}));
    sql("CREATE VIEW any_bound AS SELECT * FROM bounds WHERE random() < 0.5; CREATE VIEW of_any_bound AS TABLE "
        "any_bound");
    for (auto const* others : {"of_any_bound", "bounds TABLESAMPLE system (50)"})
        EXPECT_TRUE(
            refuses("backfill",
                    std::string{"delete_rows: { table: scores, where: \"id IN (SELECT bound FROM "} + others + ")\" }",
                    {"where calls a volatile function"}))
            << others;
}

TEST_F(Conditions, OverOtherTablesAndTheTimeAreAllowed) {
    make_scores();
    sql("ALTER TABLE scores ADD token uuid, ADD at timestamptz DEFAULT '2020-01-01'");
    auto const done = weir({"run",
                            plan("weir: 1\nname: conditions\nbackfill:\n  - fill: { table: scores, set: { token: "
                                 "gen_random_uuid() }, where: \"at < now() - interval '1 day'\" }\n  - delete_rows: { "
                                 "table: scores, where: score < (SELECT bound FROM bounds) AND at < now() }\n"),
                            "--approve", "all"});
    ASSERT_EQ(done.status, 0) << told(done);
    EXPECT_EQ(value("SELECT count(*) FROM scores WHERE score < 50"), "0");
    EXPECT_EQ(value("SELECT count(*) = count(DISTINCT token) AND count(*) = count(token) FROM scores"), "t");
}

}  // namespace
}  // namespace weir::tests
