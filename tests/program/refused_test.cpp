/// What cannot work is said before anything starts: one message, one hint, the exit code, and nothing left behind.
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fstream>

#include "tests/support/terminal.h"

namespace weir::tests {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class Refused : public ::testing::Test, public Bench {
  protected:
    void SetUp() override { make_users(*this, 30); }
    void TearDown() override {
        EXPECT_FALSE(ledger()) << "a ledger was made";
        EXPECT_EQ(value("SELECT count(*) FROM pg_attribute WHERE attrelid = 'public.users'::regclass AND attnum > 0"),
                  "3");
    }
    std::string file = plan(rename_plan);

    std::string changes(std::string const& list) const {
        return plan("weir: 1\nname: bad\nchanges:\n" + list, "bad.yaml");
    }
    std::string phases(std::string const& list) const { return plan("weir: 1\nname: bad\n" + list, "bad.yaml"); }
    Ran bare(Words words, Environment environment = {}) const {
        words.insert(words.begin(), WEIR_PROGRAM);
        environment.try_emplace("PGPASSFILE", "/nonexistent");
        return run({.command = std::move(words), .environment = std::move(environment), .directory = ""});
    }
};

TEST_F(Refused, NoServer) {
    EXPECT_TRUE(
        refused(bare({"run", file, "--database", "postgresql://postgres@/x?host=/nowhere"}), 5, "cannot-connect"));
    EXPECT_TRUE(refused(bare({"run", file, "--database", "postgresql://postgres@127.0.0.1:1/x"}), 5, "cannot-connect"));
    auto const several =
        bare({"run", file, "--database", "postgresql://postgres@/x?host=/nowhere,127.0.0.1&port=5432,1"});
    EXPECT_TRUE(refused(several, 5, "cannot-connect", {"127.0.0.1", "; "}));
    EXPECT_EQ(count(several.err, "\n"), 2U) << "a message and its hint\n" << several.err;
}

TEST_F(Refused, UnknownDatabase) {
    EXPECT_TRUE(refused(bare({"run", file, "--database", cluster.url("no_such_database")}), 5, "cannot-connect",
                        {"no_such_database"}));
}

TEST_F(Refused, NonsenseForAUrl) {
    auto const ran = bare({"run", file, "--database", "nonsense=1"});
    EXPECT_TRUE(ran.status == 2 || ran.status == 5) << told(ran);
    EXPECT_THAT(ran.err, HasSubstr("hint: "));
}

TEST_F(Refused, WrongPassword) {
    Cluster own{Cluster::Options{.fsync = false, .settings = {}, .hba = {"local all locked scram-sha-256"}}};
    Bench bench{own};
    bench.sql("CREATE ROLE locked LOGIN PASSWORD 'right-canary'");
    bench.user = "locked";
    auto const none = bench.weir({"run", file});
    EXPECT_TRUE(refused(none, 5, "cannot-connect"));
    auto const wrong = bench.weir({"run", file}, {{"PGPASSWORD", "wrong-canary"}});
    EXPECT_TRUE(refused(wrong, 5, "cannot-connect", {"password"}));
    EXPECT_THAT(wrong.out + wrong.err, Not(HasSubstr("canary")));
    // With the right one it comes further: the table is not there.
    auto const right = bench.weir({"run", file}, {{"PGPASSWORD", "right-canary"}});
    EXPECT_TRUE(refused(right, 1, "unknown-table"));
    EXPECT_THAT(right.out + right.err, Not(HasSubstr("canary")));
    EXPECT_FALSE(bench.ledger());
}

TEST_F(Refused, PasswordOnTheCommandLine) {
    auto const host = "host=" + db.conninfo.substr(5, db.conninfo.find(' ') - 5);
    for (std::string const& url :
         {"postgresql://postgres:s3cret-canary@/x?" + host,
          std::string{"postgresql://postgres:s3cret-canary@localhost:1/x"},
          std::string{"postgres://postgres@/x?password=s3cret-canary"}, "password=s3cret-canary " + db.conninfo,
          db.conninfo + " password='s3cret-canary'", std::string{"postgres://postgres:s3cret/canary@localhost/x"}}) {
        for (Words const& words : {Words{"run", file}, Words{"plan", file}, Words{"status"},
                                   Words{"approve", "a", "contract"}, Words{"abort", "a"}}) {
            auto all = words;
            all.push_back("--database");
            all.push_back(url);
            auto const ran = bare(all);
            EXPECT_TRUE(refused(ran, 2, "usage")) << url << words[0];
            EXPECT_THAT(ran.out + ran.err, Not(HasSubstr("canary"))) << url;
        }
    }
}

TEST_F(Refused, UnknownTableAndColumn) {
    EXPECT_TRUE(refused(weir({"run", changes("  - rename_column: { table: user, from: name, to: n }\n")}), 1,
                        "unknown-table", {"user", "bad.yaml:4:"}));
    EXPECT_TRUE(refused(weir({"run", changes("  - rename_column: { table: users, from: nmae, to: n }\n")}), 1,
                        "unknown-column", {"nmae", "name"}));
    EXPECT_TRUE(refused(weir({"run", changes("  - rename_column: { table: Users, from: name, to: n }\n")}), 1,
                        "unknown-table", {"Users"}));
}

TEST_F(Refused, NameTaken) {
    EXPECT_TRUE(refused(weir({"run", changes("  - rename_column: { table: users, from: name, to: note }\n")}), 1,
                        "name-taken", {"note"}));
    EXPECT_TRUE(refused(weir({"run", phases("expand:\n  - add_column: { table: users, column: note, type: text }\n")}),
                        1, "name-taken", {"note"}));
}

TEST_F(Refused, Expressions) {
    auto const fill = [&](std::string const& expression, std::string const& type = "text") {
        return weir(
            {"run", phases("expand:\n  - add_column: { table: users, column: extra, type: " + type +
                           " }\nbackfill:\n  - fill: { table: users, set: { extra: \"" + expression + "\" } }\n")});
    };
    EXPECT_TRUE(refused(fill("name ||"), 1, "bad-expression"));
    EXPECT_TRUE(refused(fill("name; DROP TABLE users"), 1, "bad-expression"));
    EXPECT_TRUE(refused(fill("'abc'::jsonb || name", "int"), 1, "bad-expression"));
    EXPECT_TRUE(refused(fill("upper(nmae)"), 1, "bad-expression", {"nmae"}));
    EXPECT_TRUE(refused(fill("now()", "int"), 1, "bad-expression"));
    EXPECT_TRUE(refused(fill("1", "no_such_type"), 1, "bad-value", {"no_such_type"}));
}

TEST_F(Refused, WithoutPrivilege) {
    auto const suffix = db.name;
    sql("CREATE ROLE stranger_" + suffix + " LOGIN; GRANT CREATE ON DATABASE " + suffix + " TO stranger_" + suffix +
        "; GRANT ALL ON users TO stranger_" + suffix);
    user = "stranger_" + suffix;
    EXPECT_TRUE(refused(weir({"run", file}), 5, "no-privilege", {"users"}));
    sql("CREATE ROLE owner_" + suffix + " LOGIN; ALTER TABLE users OWNER TO owner_" + suffix +
        "; GRANT ALL ON SCHEMA public TO owner_" + suffix);
    user = "owner_" + suffix;
    EXPECT_TRUE(refused(weir({"run", file}), 5, "no-privilege", {"weir"}));
    user = "postgres";
}

TEST_F(Refused, AStandby) {
    Cluster own;
    Bench bench{own};
    make_users(bench, 5);
    auto& standby = own.add_replica("s1");
    ASSERT_TRUE(standby.catch_up());
    auto const ran = bare({"run", file, "--database", standby.url(bench.db.name)});
    EXPECT_TRUE(refused(ran, 5, "is-replica"));
    EXPECT_FALSE(bench.ledger());
}

TEST_F(Refused, APublicationOfAllTables) {
    sql("CREATE PUBLICATION everything FOR ALL TABLES");
    EXPECT_TRUE(refused(weir({"run", file}), 5, "not-now", {"everything"}));
    sql("DROP PUBLICATION everything");
}

TEST_F(Refused, Files) {
    EXPECT_TRUE(refused(weir({"run", folder.path("nothing.yaml")}), 1, "not-readable", {"nothing.yaml"}));
    EXPECT_TRUE(refused(weir({"run", folder.path()}), 1, "not-supported"));
    EXPECT_TRUE(refused(weir({"run", plan("weir: 1\nname: \xff\xfe\n")}), 1, "not-readable"));
    EXPECT_TRUE(refused(weir({"run", plan("")}), 1, "not-readable"));
    EXPECT_TRUE(refused(weir({"run", plan(std::string(std::size_t{10} << 20U, '#'))}), 1, "not-readable"));
}

TEST_F(Refused, CommandLines) {
    auto const usage = [&](Words const& words, Words const& parts) { return refused(weir(words), 2, "usage", parts); };
    EXPECT_TRUE(usage({"run", file, "--aprove", "all"}, {"--aprove", "did you mean --approve?"}));
    EXPECT_TRUE(usage({"run", file, "--appr", "all"}, {"--appr"}));
    EXPECT_TRUE(usage({"rnu", file}, {"rnu", "did you mean run?"}));
    EXPECT_TRUE(usage({"run"}, {"weir run PLAN"}));
    EXPECT_TRUE(usage({"run", file, file}, {"weir run PLAN"}));
    EXPECT_TRUE(usage({"run", file, "--until", "soon"}, {"soon", "expand"}));
    EXPECT_TRUE(usage({"run", file, "--approve", "expand"}, {"expand", "contract"}));
    EXPECT_TRUE(usage({"run", file, "--progress", "loud"}, {"loud", "plain"}));
    EXPECT_TRUE(usage({"run", file, "--metrics"}, {"--metrics"}));
    EXPECT_TRUE(refused(bare({"run", file, "--until"}), 2, "usage", {"until"}));
}

TEST_F(Refused, HttpAddresses) {
    for (std::string const address : {"nonsense", "127.0.0.1:99999", "127.0.0.1:", "127.0.0.1:x", "203.0.113.1:9187"})
        EXPECT_TRUE(refused(weir({"run", file, "--http", address}), 2, "usage", {address})) << address;
    int const taken = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ASSERT_EQ(bind(taken, reinterpret_cast<sockaddr*>(&at), sizeof at), 0);
    ASSERT_EQ(listen(taken, 1), 0);
    socklen_t size = sizeof at;
    getsockname(taken, reinterpret_cast<sockaddr*>(&at), &size);
    auto const address = "127.0.0.1:" + std::to_string(ntohs(at.sin_port));
    EXPECT_TRUE(refused(weir({"run", file, "--http", address}), 2, "usage", {address}));
    close(taken);
}

TEST_F(Refused, AReplicaWhoseLagMayNotBeRead) {
    Cluster own;
    Bench bench{own};
    make_users(bench, 30);
    bench.sql(
        "CREATE ROLE plain LOGIN; ALTER TABLE users OWNER TO plain; GRANT ALL ON SCHEMA public TO plain; GRANT CREATE "
        "ON DATABASE " +
        bench.db.name + " TO plain");
    bench.user = "plain";
    own.add_replica("r1");
    EXPECT_TRUE(refused(bench.weir({"run", file}), 5, "no-privilege", {"pg_monitor", "replication_lag: none"}));
    EXPECT_FALSE(bench.ledger());
    auto const none = bench.plan(std::string{rename_plan} + "throttle: { replication_lag: none }\n");
    auto const ran = bench.weir({"run", none, "--approve", "all"});
    EXPECT_EQ(ran.status, 0) << told(ran);
    // And with the grant it is read.
    make_users(bench, 30);
    bench.sql("ALTER TABLE users OWNER TO plain; GRANT pg_monitor TO plain");
    auto const granted = bench.weir({"run", file, "--approve", "all"});
    EXPECT_EQ(granted.status, 0) << told(granted);
    bench.sql("DROP OWNED BY plain CASCADE");
}

/// These begin a run.
class Changed : public ::testing::Test, public Bench {};

TEST_F(Changed, PlansAreRefusedOnceTheyBegan) {
    make_users(*this, 30);
    auto const file = plan(rename_plan);
    ASSERT_EQ(weir({"run", file, "--until", "backfill"}).status, 0);
    auto const before = entries();
    auto const edited = plan(
        "weir: 1\nname: rename-it\nchanges:\n  - rename_column: { table: users, from: name, to: other }\n", "e.yaml");
    auto const ran = weir({"run", edited});
    auto const identity = value("SELECT detail->>'identity' FROM weir.entries WHERE kind = 'began'");
    EXPECT_TRUE(refused(ran, 5, "changed-plan", {identity, "instead of", "weir abort rename-it"}));
    // Two fingerprints: 36 characters each.
    EXPECT_NE(ran.err.find(" instead of "), std::string::npos);
    EXPECT_EQ(entries(), before);
    // What does not change the work may change.
    auto const tuned =
        plan(std::string{rename_plan} + "description: tuned\nbatch: { target: 20ms }\nlocks: { timeout: 300ms }\n",
             "t.yaml");
    EXPECT_EQ(weir({"run", tuned, "--approve", "all"}).status, 0);
    EXPECT_TRUE(refused(weir({"run", edited}), 5, "changed-plan", {identity, "done"}));
}

TEST_F(Changed, SchemasNamedLikeOursAreLeftAlone) {
    make_users(*this, 30);
    sql("CREATE SCHEMA weir; CREATE TABLE weir.water (level int)");
    EXPECT_TRUE(refused(weir({"run", plan(rename_plan)}), 5, "ledger-version", {"schema weir"}));
    EXPECT_EQ(value("SELECT count(*) FROM pg_class WHERE relnamespace = 'weir'::regnamespace"), "1");
}

TEST_F(Changed, TwoRowsForOneStopTheFill) {
    make_users(*this, 30);
    sql("CREATE TABLE cities (user_id int, city text); INSERT INTO cities SELECT i, 'c' || i FROM generate_series(1, "
        "30) i;"
        "INSERT INTO cities VALUES (7, 'another')");
    auto const file = plan(
        "weir: 1\nname: cities\nexpand:\n  - add_column: { table: users, column: city, type: text }\n"
        "backfill:\n  - fill: { table: users, set: { city: cities.city }, from: cities, on: user_id = users.id }\n");
    auto const ran = weir({"run", file});
    EXPECT_TRUE(
        refused(ran, 4, "statement-refused", {"fill users.city from cities", "21000", "more than one row", "unique"}));
    sql("DELETE FROM cities WHERE city = 'another' OR user_id = 9");
    auto const again = at_terminal(*this, {"run", file});
    EXPECT_TRUE(refused(again, 4, "misses", {"1 rows", "among them id=9", "no row"}));
    sql("INSERT INTO cities VALUES (9, 'late')");
    EXPECT_EQ(weir({"run", file}).status, 0);
    EXPECT_EQ(value("SELECT count(*) FROM users WHERE city IS NULL"), "0");
}

TEST_F(Changed, RowsThatOthersReferToStopADeletion) {
    make_users(*this, 30);
    sql("CREATE TABLE notes (user_id int REFERENCES users); INSERT INTO notes VALUES (7)");
    auto const file =
        plan("weir: 1\nname: purge\ncontract:\n  - delete_rows: { table: users, where: id > 5 AND id < 20 }\n");
    auto const shown = weir({"plan", file});
    EXPECT_NE(shown.out.find("a row that notes still refers to (notes_user_id_fkey) stops the run"), std::string::npos);
    EXPECT_EQ(weir({"run", file, "--no-wait"}).status, 3);
    EXPECT_EQ(value("SELECT count(*) FROM users"), "30");
    auto const ran = weir({"run", file, "--approve", "all"});
    EXPECT_TRUE(refused(ran, 4, "statement-refused", {"delete rows of users", "23503", "notes", "refer"}));
    sql("TRUNCATE notes");
    EXPECT_EQ(weir({"run", file}).status, 0);
    EXPECT_EQ(value("SELECT count(*) FROM users"), "16");
}

TEST_F(Changed, RowsThatATriggerKeepsAreNamed) {
    make_users(*this, 30);
    sql("CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
        "CREATE TRIGGER keep BEFORE DELETE ON users FOR EACH ROW WHEN (OLD.id = 9) EXECUTE FUNCTION keep()");
    auto const file = plan("weir: 1\nname: purge\nbackfill:\n  - delete_rows: { table: users, where: id > 5 }\n");
    EXPECT_TRUE(refused(weir({"run", file}), 4, "misses", {"1 rows of users are still there", "trigger"}));
    EXPECT_THAT(at_terminal(*this, {"run", file}).out, ::testing::HasSubstr("among them id=9"));
    sql("DROP TRIGGER keep ON users");
    EXPECT_EQ(weir({"run", file}).status, 0);
    EXPECT_EQ(value("SELECT count(*) FROM users"), "5");
}

// Every batch, and every look of the proof, meets rows that were not due before.
TEST_F(Changed, RowsThatBecomeDueMeanwhileAreNoMisses) {
    make_users(*this, 30);
    sql("CREATE TABLE events (id int PRIMARY KEY, at timestamptz NOT NULL);"
        "INSERT INTO events SELECT i, clock_timestamp() + i * interval '50 us' FROM generate_series(1, 200000) i");
    auto const ran = weir({"run", plan("weir: 1\nname: purge\nbackfill:\n"
                                       "  - delete_rows: { table: events, where: at < now() }\n")});
    EXPECT_EQ(ran.status, 0) << ran.out << ran.err;
    EXPECT_EQ((ran.out + ran.err).find("without a value"), std::string::npos) << ran.out << ran.err;
    EXPECT_GT(std::stoi(value("SELECT count(*) FROM events")), 0) << "all were due before the end";
}

TEST_F(Changed, ACharacterThatTheDatabaseCannotHoldIsFoundBeforeAnythingIsMade) {
    std::string const latin = db.name + "_latin";
    sql("CREATE DATABASE " + latin + " ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0");
    db = {latin, cluster.conninfo(latin), cluster.url(latin)};
    sql("CREATE TABLE t (id int PRIMARY KEY)");
    std::string const text =
        "weir: 1\nname: euro\n# costs 5 €\nexpand:\n  - add_column: { table: t, column: price, type: int }\n";
    auto const ran = weir({"run", plan(text, "euro.yaml")});
    EXPECT_TRUE(refused(ran, 1, "bad-value", {"euro.yaml:3:11", "the encoding of this database"}));
    EXPECT_EQ(value("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'weir%'"), "0");
}

TEST_F(Changed, FillsThatGiveNullAreNamed) {
    make_users(*this, 30);
    sql("UPDATE users SET note = NULL WHERE id IN (7, 9)");
    auto const file = plan(
        "weir: 1\nname: nulls\nexpand:\n  - add_column: { table: users, column: extra, type: text }\n"
        "backfill:\n  - fill: { table: users, set: { extra: upper(note) } }\n"
        "  - set_not_null: { table: users, column: extra }\n");
    auto const ran = at_terminal(*this, {"run", file, "--approve", "all"});
    EXPECT_TRUE(refused(ran, 4, "misses", {"2 rows", "among them id=7; id=9"}));
    sql("UPDATE users SET note = 'n' WHERE note IS NULL");
    EXPECT_EQ(finish(file).status, 0);
    EXPECT_EQ(value("SELECT count(*) FROM users WHERE extra IS NULL"), "0");
}

}  // namespace
}  // namespace weir::tests
