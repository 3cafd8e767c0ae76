/// docs/security.md on a real server: its SQL makes the roles, and each may do what the page says and no more.
#include <fstream>
#include <sstream>

#include "tests/support/bench.h"

namespace weir::tests {
namespace {

using ::testing::HasSubstr;

/// The page's SQL blocks, in order.
std::vector<std::string> blocks() {
    std::ifstream file{WEIR_SOURCE_DIR "/docs/security.md"};
    std::vector<std::string> found;
    bool inside = false;
    for (std::string line; std::getline(file, line);) {
        if (line == "```sql") {
            inside = true;
            found.emplace_back();
        } else if (line == "```") {
            inside = false;
        } else if (inside) {
            found.back() += line + "\n";
        }
    }
    return found;
}

/// The database `shop` of the page, on a server of the suite's own: roles belong to a whole server.
class Roles : public ::testing::Test {
  protected:
    Roles() {
        query(own.conninfo(), "CREATE ROLE shop_owner; CREATE ROLE stranger LOGIN");
        query(own.conninfo(), "CREATE DATABASE shop");
        bench.db = {"shop", own.conninfo("shop"), own.url("shop")};
        bench.user = "weir";
    }
    ~Roles() override {
        query(own.conninfo(), "DROP DATABASE shop WITH (FORCE)");
        for (auto const* role :
             {"alice", "bob", "carol", "weir_operator", "weir_reader", "weir", "shop_owner", "stranger"}) {
            if (query_value(own.conninfo(), "SELECT count(*) FROM pg_roles WHERE rolname = " + sql_literal(role)) ==
                "0")
                continue;
            query(own.conninfo(), std::string{"DROP OWNED BY "} + role);
            query(own.conninfo(), std::string{"DROP ROLE "} + role);
        }
    }
    void SetUp() override { ASSERT_EQ(sql_blocks.size(), 4U); }
    static void TearDownTestSuite() { server().reset(); }
    static std::unique_ptr<Cluster>& server() {
        static auto made = std::make_unique<Cluster>();
        return made;
    }

    /// Tables as a team has them: not weir's, in a schema where weir may create nothing.
    void make_tables() {
        make_users(bench, 300);
        bench.sql("ALTER TABLE users OWNER TO shop_owner; ALTER TABLE witness OWNER TO shop_owner");
    }
    void make_weir() { bench.sql(sql_blocks[0]); }
    /// A run that waits at its gate with the ledger made, and the people of the page.
    void make_people(std::string const& rest = "") {
        file = bench.plan(std::string{rename_plan} + rest);
        auto const ran = bench.weir({"run", file, "--no-wait"});
        ASSERT_EQ(ran.status, 3) << told(ran);
        bench.sql(sql_blocks[2]);
        bench.sql(sql_blocks[3]);
    }
    Ran as(std::string const& who, Words words, Environment environment = {}) {
        auto const before = std::exchange(bench.user, who);
        auto ran = bench.weir(std::move(words), std::move(environment));
        bench.user = before;
        return ran;
    }
    std::string conninfo(std::string const& who) const { return own.conninfo("shop", who); }
    std::string try_as(std::string const& who, std::string const& text) const { return try_query(conninfo(who), text); }
    std::string votes() const {
        return bench.value(
            "SELECT coalesce(string_agg(DISTINCT by_user, ',' ORDER BY by_user), '') FROM weir.orders "
            "WHERE word = 'approve'");
    }

    std::vector<std::string> sql_blocks = blocks();
    Cluster& own = *server();
    Bench bench{own};
    std::string file;
};

TEST_F(Roles, WeirRunsWholePlansWithNoMore) {
    make_weir();
    make_tables();
    auto const rename = bench.plan(rename_plan);
    auto const ran = bench.weir({"run", rename, "--approve", "all"});
    EXPECT_EQ(ran.status, 0) << told(ran);
    EXPECT_EQ(bench.ledger_faults(), "");
    // With the schemas there, nothing needs to be created in the database any more.
    bench.sql("REVOKE CREATE ON DATABASE shop FROM weir");
    auto const more = bench.plan(
        "weir: 1\nname: more\n"
        "changes:\n  - rename_column: { table: users, from: full_name, to: display }\n"
        "expand:\n  - add_column: { table: users, column: upper, type: text }\n"
        "backfill:\n  - fill: { table: users, set: { upper: upper(note) } }\n"
        "  - set_not_null: { table: users, column: upper }\n"
        "  - delete_rows: { table: users, where: id > 250 }\n"
        "contract:\n  - drop_column: { table: users, column: note }\n",
        "more.yaml");
    auto const second = bench.weir({"run", more, "--approve", "all"});
    EXPECT_EQ(second.status, 0) << told(second);
    EXPECT_EQ(bench.ledger_faults(), "");
    EXPECT_EQ(bench.value("SELECT count(*) FROM users WHERE upper = repeat('X', 40)"), "250");
    EXPECT_EQ(bench.value("SELECT string_agg(attname, ',' ORDER BY attname) FROM pg_attribute WHERE attrelid = "
                          "'users'::regclass AND attnum > 0 AND NOT attisdropped"),
              "display,id,upper");
    EXPECT_EQ(bench.leftovers(), "");
    // Undoing needs no more either.
    auto const back =
        bench.plan("weir: 1\nname: back\nchanges:\n  - rename_column: { table: users, from: upper, to: u }\n");
    ASSERT_EQ(bench.weir({"run", back, "--no-wait"}).status, 3);
    EXPECT_EQ(bench.weir({"abort", "back", "--approve", "all"}).status, 6);
    EXPECT_EQ(bench.leftovers(), "");
    EXPECT_EQ(bench.value("SELECT rolsuper::text || rolcreaterole::text || rolcreatedb::text FROM pg_roles WHERE "
                          "rolname = 'weir'"),
              "falsefalsefalse");
}

TEST_F(Roles, EachGrantOfWeirsIsNeeded) {
    // Without its line the refusal names what is missing, and nothing is made.
    for (std::string const line : {"GRANT CONNECT, CREATE ON DATABASE shop TO weir;", "GRANT shop_owner TO weir;"}) {
        auto text = sql_blocks[0];
        auto const at = text.find(line);
        ASSERT_NE(at, std::string::npos) << line;
        bench.sql("REVOKE CONNECT ON DATABASE shop FROM PUBLIC");
        bench.sql(text.erase(at, line.size()));
        make_tables();
        auto const ran = bench.weir({"run", bench.plan(rename_plan), "--no-wait"});
        EXPECT_EQ(ran.status, 5) << line << told(ran);
        EXPECT_THAT(ran.err, HasSubstr("hint: ")) << line;
        EXPECT_FALSE(bench.ledger()) << line;
        bench.sql("DROP OWNED BY weir; DROP ROLE weir");
    }
}

TEST_F(Roles, WeirUsesTheFurtherGrantsWhereAPlanAsks) {
    make_weir();
    make_tables();
    auto const quiet = bench.plan(
        "weir: 1\nname: quiet\nfire_triggers: no\nexpand:\n  - add_column: { table: users, column: extra, type: text "
        "}\n"
        "backfill:\n  - fill: { table: users, set: { extra: upper(name) } }\n");
    EXPECT_TRUE(refused(bench.weir({"run", quiet}), 5, "no-privilege", {"session_replication_role"}));
    own.add_replica("r1");
    auto const loud = bench.plan(
        "weir: 1\nname: loud\nexpand:\n  - add_column: { table: users, column: extra, type: text }\n", "loud.yaml");
    EXPECT_TRUE(refused(bench.weir({"run", loud}), 5, "no-privilege", {"pg_monitor"}));
    bench.sql(sql_blocks[1]);
    auto const ran = bench.weir({"run", quiet});
    EXPECT_EQ(ran.status, 0) << told(ran);
    EXPECT_EQ(bench.value("SELECT count(*) FROM users WHERE extra IS NULL"), "0");
    own.remove_replica("r1");
}

TEST_F(Roles, OperatorsOrder) {
    make_weir();
    make_tables();
    make_people();
    // By the program …
    ASSERT_EQ(as("alice", {"status"}).status, 0);
    EXPECT_THAT(as("alice", {"status", "rename-it"}).out, HasSubstr("gate contract"));
    for (Words const& words : {Words{"pause", "rename-it"}, Words{"set", "rename-it", "batch.target", "20ms"},
                               Words{"resume", "rename-it"}}) {
        auto const ran = as("alice", words);
        EXPECT_EQ(ran.status, 0) << told(ran);
    }
    auto process = bench.start({"run", file, "--progress", "plain"});
    ASSERT_TRUE(bench.at_gate(process)) << process.err();
    EXPECT_EQ(as("alice", {"pause", "rename-it"}).status, 0);
    ASSERT_TRUE(wait_until([&] { return has(process.out(), "paused by alice"); })) << process.out();
    // … and by nothing but an INSERT.
    EXPECT_EQ(try_as("bob", "INSERT INTO weir.orders (plan, word) VALUES ('rename-it', 'resume')"), "");
    ASSERT_TRUE(wait_until([&] { return has(process.out(), "resumed by bob"); })) << process.out();
    EXPECT_EQ(try_as("bob", "INSERT INTO weir.orders (plan, word, argument) VALUES ('rename-it', 'approve', 'other')"),
              "");
    EXPECT_EQ(as("bob", {"approve", "rename-it", "contract"}).status, 0);
    auto const done = wait(process);
    EXPECT_EQ(done.status, 0) << told(done);
    EXPECT_THAT(done.out, HasSubstr("was approved by bob"));
    EXPECT_EQ(bench.value("SELECT string_agg(DISTINCT detail->>'user', ',') FROM weir.entries WHERE kind = 'set'"),
              "alice");
    EXPECT_EQ(bench.ledger_faults(), "");
}

TEST_F(Roles, AnOperatorsAbortIsAnOrder) {
    make_weir();
    make_tables();
    auto const before = bench.dump();
    make_people();
    auto const ordered = as("alice", {"abort", "rename-it"});
    EXPECT_EQ(ordered.status, 0) << told(ordered);
    EXPECT_THAT(ordered.out, HasSubstr("the next `weir run` of it"));
    EXPECT_EQ(bench.value("SELECT count(*) FROM weir.entries WHERE kind IN ('aborting', 'undone')"), "0");
    EXPECT_EQ(bench.weir({"run", file}).status, 3) << "the gate was open";
    EXPECT_EQ(bench.value("SELECT detail->>'user' FROM weir.entries WHERE kind = 'aborting'"), "alice");
    EXPECT_EQ(as("alice", {"abort", "rename-it"}).status, 0);
    auto const ran = bench.weir({"run", file});
    EXPECT_EQ(ran.status, 6) << told(ran);
    EXPECT_EQ(bench.dump(), before);
    // While somebody works on it, that one obeys.
    auto process = bench.start({"run", file});
    ASSERT_TRUE(bench.at_gate(process)) << process.err();
    EXPECT_EQ(as("bob", {"abort", "rename-it"}).status, 0);
    EXPECT_EQ(wait(process).status, 3);
    EXPECT_EQ(bench.weir({"run", file}).status, 3) << "bob's first word is heard already";
    // The second one says that nothing uses the new shape any more.
    EXPECT_EQ(as("bob", {"abort", "rename-it"}).status, 0);
    EXPECT_EQ(bench.weir({"run", file}).status, 6);
    EXPECT_EQ(bench.dump(), before);
}

TEST_F(Roles, AnOperatorsAbortOfWhatIsInQuarantineIsNoOrder) {
    make_weir();
    make_tables();
    make_people("drop: { quarantine: 7d }\n");
    ASSERT_EQ(bench.weir({"run", file, "--approve", "all"}).status, 0);
    EXPECT_TRUE(refused(as("alice", {"abort", "rename-it"}), 5, "not-now", {"weir rollback rename-it brings"}));
    EXPECT_EQ(bench.value("SELECT count(*) FROM weir.orders WHERE word = 'abort'"), "0");
}

TEST_F(Roles, OperatorsMayDoNothingElse) {
    make_weir();
    make_tables();
    make_people();
    auto const entries = bench.entries();
    Client const superuser{bench.db.conninfo};
    // All that any role of the page holds on relations of the ledger, by the server's word.
    EXPECT_EQ(
        bench.value(
            R"(SELECT string_agg(r.rolname || ' ' || p.what || ' ' || c.relname, ', ' ORDER BY r.rolname, p.what, c.relname)
FROM pg_class c CROSS JOIN (VALUES ('alice'), ('carol'), ('stranger')) r(rolname)
CROSS JOIN (VALUES ('SELECT'), ('INSERT'), ('UPDATE'), ('REFERENCES')) p(what)
WHERE c.relnamespace IN ('weir'::regnamespace, 'weir_sync'::regnamespace) AND c.relkind IN ('r', 'v', 'p')
  AND (has_any_column_privilege(r.rolname, c.oid, p.what)
    OR has_table_privilege(r.rolname, c.oid, 'DELETE, TRUNCATE, TRIGGER')))"),
        "alice INSERT orders, alice SELECT entries, alice SELECT heartbeat, alice SELECT meta, alice SELECT "
        "progress, carol SELECT entries, carol SELECT heartbeat, carol SELECT meta, carol SELECT progress");
    EXPECT_EQ(bench.value("SELECT string_agg(a.attname, ',' ORDER BY a.attname) FROM pg_attribute a WHERE a.attrelid = "
                          "'weir.orders'::regclass AND a.attnum > 0 AND has_column_privilege('alice', a.attrelid, "
                          "a.attnum, 'INSERT')"),
              "argument,plan,word");
    for (std::string const text :
         {"INSERT INTO weir.orders (plan, word, by_user) VALUES ('rename-it', 'pause', 'bob')",
          "INSERT INTO weir.orders (plan, word, at) VALUES ('rename-it', 'pause', '2000-01-01')",
          "INSERT INTO weir.orders (id, plan, word) OVERRIDING SYSTEM VALUE VALUES (99, 'rename-it', 'pause')",
          "UPDATE weir.orders SET by_user = 'bob'",
          "DELETE FROM weir.orders",
          "TRUNCATE weir.orders",
          "SELECT by_user FROM weir.orders",
          "ALTER TABLE weir.orders DISABLE TRIGGER sign_order",
          "CREATE OR REPLACE FUNCTION weir.sign_order() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
          "CREATE FUNCTION weir_sync.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
          "CREATE TABLE weir.mine (a int)",
          "UPDATE weir.meta SET epoch = epoch + 1",
          "INSERT INTO weir.entries (run, seq, epoch, kind) VALUES (1, 999, 1, 'gate_approved')",
          "UPDATE weir.progress SET next_page = 0",
          "DELETE FROM weir.heartbeat",
          "DROP SCHEMA weir CASCADE",
          "SET ROLE weir",
          "SET SESSION AUTHORIZATION weir",
          "SET session_replication_role = replica",
          "SELECT * FROM users",
          "UPDATE users SET name = ''",
          "ALTER TABLE users DROP COLUMN full_name",
          "DROP TRIGGER \"~weir_run0000000001_0001_last_u\" ON users",
          "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'postgres'"})
        EXPECT_EQ(try_as("alice", text), "42501") << text;
    EXPECT_EQ(try_as("alice", "INSERT INTO weir.orders (plan, word) VALUES ('rename-it', 'drop table')"), "23514");
    // Nor by the program.
    EXPECT_TRUE(refused(as("alice", {"run", file, "--approve", "all"}), 5, "no-privilege"));
    for (Words const& words :
         {Words{"set", "rename-it", "throttle.sql", "[ { name: a, query: select 1, limit: 1 } ]"},
          Words{"set", "rename-it", "throttle.http", "[ { name: a, url: \"http://127.0.0.1/\" } ]"},
          Words{"set", "rename-it", "locks.on_blocked", "terminate"}})
        EXPECT_TRUE(refused(as("alice", words), 1, "bad-value", {words[2], "comes from the plan alone"}));
    // An order that was written past the program is not obeyed either.
    EXPECT_EQ(try_as("alice",
                     "INSERT INTO weir.orders (plan, word, argument) VALUES ('rename-it', 'set', 'throttle.sql [ { "
                     "name: a, query: \"select count(*) from users\", limit: 1 } ]')"),
              "");
    auto const ran = bench.weir({"run", file, "--no-wait"});
    EXPECT_EQ(ran.status, 3) << told(ran);
    EXPECT_THAT(ran.out, HasSubstr("the order of alice to set throttle.sql"));
    EXPECT_THAT(ran.out, HasSubstr("is not obeyed"));
    EXPECT_EQ(bench.value("SELECT count(*) FROM weir.entries WHERE kind = 'set'"), "0");
    EXPECT_THAT(bench.entries(), HasSubstr(entries));
}

TEST_F(Roles, ReadersReadAndOrderNothing) {
    make_weir();
    make_tables();
    make_people();
    EXPECT_THAT(as("carol", {"status"}).out, HasSubstr("rename-it"));
    EXPECT_THAT(as("carol", {"status", "rename-it", "--json"}).out, HasSubstr(R"("state":)"));
    EXPECT_THAT(as("carol", {"status", "--metrics"}).out, HasSubstr("weir_ledger_run_state"));
    auto process = bench.start({"run", file});
    ASSERT_TRUE(bench.at_gate(process)) << process.err();
    EXPECT_THAT(as("carol", {"status", "rename-it"}).out, HasSubstr("working now: weir rename-it control"));
    for (Words const& words :
         {Words{"pause", "rename-it"}, Words{"resume", "rename-it"}, Words{"approve", "rename-it", "contract"},
          Words{"set", "rename-it", "batch.target", "20ms"}, Words{"abort", "rename-it"}})
        EXPECT_TRUE(refused(as("carol", words), 5, "no-privilege",
                            {"cannot give the order: permission denied for table orders", "docs/security.md"}))
            << words[0];
    process.signal(SIGINT);
    EXPECT_EQ(wait(process).status, 4);
    // Nobody leads now: no way to act by oneself either.
    EXPECT_TRUE(refused(as("carol", {"abort", "rename-it"}), 5, "no-privilege", {"docs/security.md"}));
    EXPECT_TRUE(refused(as("carol", {"run", file}), 5, "no-privilege"));
    EXPECT_EQ(bench.value("SELECT count(*) FROM weir.orders"), "0");
    // Somebody without any grant is told the page, too.
    for (Words const& words : {Words{"status"}, Words{"pause", "rename-it"}, Words{"abort", "rename-it"}})
        EXPECT_TRUE(refused(as("stranger", words), 5, "no-privilege", {"schema weir", "docs/security.md"})) << words[0];
}

TEST_F(Roles, OnePersonIsOneApproval) {
    make_weir();
    make_tables();
    make_people("approvals: 2\n");
    bench.sql(
        "GRANT bob TO alice; CREATE SCHEMA desk AUTHORIZATION bob; GRANT USAGE ON SCHEMA desk TO alice;"
        "SET ROLE bob; CREATE FUNCTION desk.approve() RETURNS void LANGUAGE sql SECURITY DEFINER AS $$ INSERT INTO "
        "weir.orders (plan, word, argument) VALUES ('rename-it', 'approve', 'contract') $$");
    auto process = bench.start({"run", file, "--progress", "plain"});
    ASSERT_TRUE(bench.at_gate(process)) << process.err();
    std::string const insert =
        "INSERT INTO weir.orders (plan, word, argument) VALUES ('rename-it', 'approve', 'contract')";
    std::string const forged =
        "INSERT INTO weir.orders (plan, word, argument, by_user) VALUES ('rename-it', 'approve', 'contract', 'bob')";
    ASSERT_EQ(as("alice", {"approve", "rename-it", "contract"}).status, 0);
    EXPECT_EQ(as("alice", {"approve", "rename-it", "contract"}, {{"PGOPTIONS", "-c role=bob"}}).status, 0);
    EXPECT_EQ(try_as("alice", "SET ROLE bob; " + insert), "");
    EXPECT_EQ(try_as("alice", "SELECT desk.approve()"), "");
    EXPECT_EQ(try_as("alice", "SET SESSION AUTHORIZATION bob; " + insert), "42501");
    EXPECT_EQ(try_as("alice", forged), "42501");
    // Even where somebody granted too much, the trigger's word counts.
    bench.sql("GRANT INSERT ON weir.orders TO weir_operator");
    EXPECT_EQ(try_as("alice", forged), "");
    EXPECT_EQ(try_as("alice",
                     "INSERT INTO weir.orders (id, plan, word, argument, by_user) OVERRIDING SYSTEM VALUE "
                     "VALUES (1000, 'rename-it', 'approve', 'contract', 'bob')"),
              "");
    EXPECT_EQ(votes(), "alice");
    ASSERT_TRUE(wait_until([&] { return has(process.out(), "1 of 2 approvals"); })) << process.out();
    // It has heard of all these: an order after them is obeyed, and the gate is still closed.
    EXPECT_EQ(try_as("alice",
                     "INSERT INTO weir.orders (id, plan, word, argument) OVERRIDING SYSTEM VALUE VALUES "
                     "(1001, 'rename-it', 'set', 'batch.target 20ms')"),
              "");
    ASSERT_TRUE(wait_until([&] { return has(process.out(), "alice set batch.target"); })) << process.out();
    EXPECT_EQ(bench.value("SELECT count(*) FROM weir.entries WHERE kind = 'gate_approved'"), "0");
    process.signal(SIGINT);
    ASSERT_EQ(wait(process).status, 4);
    // --approve is the word of the login that runs, whatever role it takes.
    auto const done = as("postgres", {"run", file, "--no-wait", "--approve", "all"}, {{"PGOPTIONS", "-c role=weir"}});
    EXPECT_EQ(done.status, 0) << told(done);
    EXPECT_EQ(bench.value("SELECT string_agg(detail->>'user', ',' ORDER BY seq) FROM weir.entries WHERE kind = "
                          "'approval'"),
              "alice,postgres");
}

}  // namespace
}  // namespace weir::tests
