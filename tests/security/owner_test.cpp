/// Three roles: one owns the tables, one is the application, one is weir. What weir leaves behind belongs to whom it
/// would belong if the owner had done it, with the owner's default privileges; and what it cannot become it says first.
#include "tests/support/bench.h"

namespace weir::tests {
namespace {

using ::testing::HasSubstr;

class Owner : public ::testing::Test {
  protected:
    Owner() {
        query(own.conninfo(),
              "CREATE ROLE keeper; CREATE ROLE shop LOGIN; CREATE ROLE guest; CREATE ROLE worker LOGIN; "
              "GRANT keeper TO worker");
        bench.sql("GRANT CREATE ON DATABASE " + bench.db.name + " TO worker; GRANT CREATE ON SCHEMA public TO keeper");
        bench.user = "worker";
    }
    ~Owner() override {
        bench.sql("DROP EVENT TRIGGER IF EXISTS note");
        for (auto const* role : {"worker", "keeper", "shop", "guest"})
            bench.sql("DROP OWNED BY " + std::string{role} + " CASCADE; DROP ROLE " + role);
    }
    static void TearDownTestSuite() { server().reset(); }
    static std::unique_ptr<Cluster>& server() {
        static auto made = std::make_unique<Cluster>();
        return made;
    }
    bool since(int version) { return std::stoi(bench.value("SHOW server_version_num")) >= version * 10000; }

    void make_tables() {
        make_users(bench, 200);
        bench.sql(
            "ALTER TABLE users OWNER TO keeper; ALTER TABLE witness OWNER TO keeper;"
            "GRANT SELECT, INSERT, UPDATE, DELETE ON users, witness TO shop;"
            // Neither role gives PUBLIC what PostgreSQL would.
            "ALTER DEFAULT PRIVILEGES FOR ROLE worker, keeper REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;"
            "ALTER DEFAULT PRIVILEGES FOR ROLE keeper GRANT SELECT ON TABLES TO guest;"
            "ALTER DEFAULT PRIVILEGES FOR ROLE keeper GRANT USAGE ON SEQUENCES TO guest;"
            "ALTER DEFAULT PRIVILEGES FOR ROLE worker GRANT ALL ON TABLES TO guest;"
            "CREATE TABLE said (by text, tag text, what text); GRANT INSERT ON said TO PUBLIC;"
            "CREATE FUNCTION note() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.said "
            "SELECT current_user, c.command_tag, c.object_identity FROM pg_event_trigger_ddl_commands() c; END $$;"
            "CREATE EVENT TRIGGER note ON ddl_command_end EXECUTE FUNCTION note()");
    }
    /// Everything of `public` that is not a row, but who did what.
    std::string shape() const { return bench.dump(); }
    /// Who changed what is not weir's own.
    std::string by() const {
        return bench.value(
            "SELECT coalesce(string_agg(DISTINCT by, ',' ORDER BY by), '') FROM said WHERE tag NOT IN ('GRANT', "
            "'REVOKE') "
            "AND what !~ '^(weir|weir_sync|pg_temp(_[0-9]+)?)(\\.|$)' AND what !~ '(on|for) weir\\.'");
    }
    void as_shop(std::string const& text) const { query(bench.cluster.conninfo(bench.db.name, "shop"), text); }

    Cluster& own = *server();
    Bench bench{own};
};

TEST_F(Owner, ChangesTheTablesByItselfAndTheLedgerIsWeirs) {
    make_tables();
    auto const before = shape();
    auto const plan = bench.plan(kept_plan);
    ASSERT_EQ(bench.weir({"run", plan, "--no-wait"}).status, 3);
    as_shop(
        "INSERT INTO users (id, name) VALUES (1001, 'old'); INSERT INTO users (id, full_name) VALUES (1002, 'new')");
    EXPECT_EQ(bench.value("SELECT string_agg(full_name || name, ',' ORDER BY id) FROM users WHERE id > 1000"),
              "oldold,newnew");
    EXPECT_EQ(by(), "keeper");
    // Undone.
    ASSERT_EQ(bench.weir({"abort", "rename-it", "--approve", "all"}).status, 6);
    EXPECT_EQ(shape(), before);
    // Contracted, and rolled back.
    ASSERT_EQ(bench.weir({"run", plan, "--approve", "all"}).status, 0);
    as_shop("INSERT INTO users (id, full_name) VALUES (1003, 'newer')");
    auto const back = bench.weir({"rollback", "rename-it", "--approve", "all"});
    ASSERT_EQ(back.status, 6) << told(back);
    EXPECT_EQ(shape(), before);
    EXPECT_EQ(bench.value("SELECT name FROM users WHERE id = 1003"), "newer");
    EXPECT_EQ(by(), "keeper");
    EXPECT_EQ(
        bench.value("SELECT string_agg(DISTINCT o.rolname, ',') FROM (SELECT relowner FROM pg_class WHERE "
                    "relnamespace = 'weir'::regnamespace UNION SELECT proowner FROM pg_proc WHERE pronamespace "
                    "IN ('weir'::regnamespace, 'weir_sync'::regnamespace)) x JOIN pg_roles o ON o.oid = x.relowner"),
        "worker");
}

// The same by hand, by the owner: owners and privileges are what its own DDL gives.
TEST_F(Owner, LeavesWhatTheOwnersOwnDdlWouldLeave) {
    make_tables();
    bench.sql(
        "CREATE TABLE orders (id int PRIMARY KEY, by bigint REFERENCES users, note text); ALTER TABLE orders OWNER TO "
        "keeper");
    bench.sql("DELETE FROM said");
    auto const plan = bench.plan(
        "weir: 1\nname: more\nexpand:\n  - add_column: { table: users, column: upper, type: text }\n"
        "backfill:\n  - fill: { table: users, set: { upper: upper(name) } }\n"
        "  - set_not_null: { table: users, column: upper }\n"
        "contract:\n  - drop_column: { table: users, column: note }\n  - drop_table: { table: orders }\n"
        "drop: { quarantine: 7d }\n");
    auto const before = shape();
    auto ran = bench.weir({"run", plan, "--approve", "all"});
    ASSERT_EQ(ran.status, 0) << told(ran);
    ran = bench.weir({"rollback", "more", "--approve", "all"});
    ASSERT_EQ(ran.status, 6) << told(ran);
    EXPECT_EQ(shape(), before);
    ran = bench.weir({"run", plan, "--approve", "all"});
    ASSERT_EQ(ran.status, 0) << told(ran);
    bench.sql("UPDATE weir.entries SET at = at - interval '8 days' WHERE kind = 'quarantined'");
    ran = bench.weir({"run", plan, "--approve", "all"});
    ASSERT_EQ(ran.status, 0) << told(ran);
    EXPECT_EQ(by(), "keeper");
    auto const after = shape();

    Bench hand{own};
    make_users(hand, 200);
    hand.sql(
        "ALTER TABLE users OWNER TO keeper; ALTER TABLE witness OWNER TO keeper; GRANT CREATE ON SCHEMA public TO "
        "keeper;"
        "GRANT SELECT, INSERT, UPDATE, DELETE ON users, witness TO shop;"
        "CREATE TABLE orders (id int PRIMARY KEY, by bigint REFERENCES users, note text); ALTER TABLE orders OWNER TO "
        "keeper;"
        "CREATE TABLE said (by text, tag text, what text); GRANT INSERT ON said TO PUBLIC;"
        "CREATE FUNCTION note() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.said "
        "SELECT current_user, c.command_tag, c.object_identity FROM pg_event_trigger_ddl_commands() c; END $$;"
        "CREATE EVENT TRIGGER note ON ddl_command_end EXECUTE FUNCTION note();"
        "SET ROLE keeper; ALTER TABLE users ADD COLUMN upper text; UPDATE users SET upper = upper(name);"
        "ALTER TABLE users ALTER COLUMN upper SET NOT NULL, DROP COLUMN note; DROP TABLE orders");
    EXPECT_EQ(after, hand.dump());
    hand.sql("DROP EVENT TRIGGER note; DROP OWNED BY keeper, shop CASCADE");
}

TEST_F(Owner, BatchesRunAsTheRoleOfThePlanAlone) {
    make_tables();
    bench.sql(
        "ALTER TABLE users ADD COLUMN seen text;"
        "CREATE FUNCTION seen() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.seen := current_user; RETURN NEW; END "
        "$$; GRANT EXECUTE ON FUNCTION seen() TO PUBLIC;"
        "CREATE TRIGGER seen BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION seen()");
    auto const fill = [&](std::string const& name, std::string const& rest) {
        auto const ran = bench.weir(
            {"run", bench.plan("weir: 1\nname: " + name + "\nexpand:\n  - add_column: { table: users, column: " + name +
                                   ", type: text }\nbackfill:\n  - fill: { table: users, set: { " + name +
                                   ": upper(name) } }\n" + rest,
                               name + ".yaml")});
        EXPECT_EQ(ran.status, 0) << told(ran);
        EXPECT_EQ(bench.ledger_faults(), "");
        return bench.value("SELECT string_agg(DISTINCT seen, ',') FROM users WHERE " + name + " = upper(name)");
    };
    EXPECT_EQ(fill("first", ""), "worker");
    EXPECT_EQ(fill("second", "role: keeper\n"), "keeper");
    EXPECT_EQ(fill("third", "role: keeper\nbatch: { order: plain }\n"), "keeper");
    auto const ran = bench.weir({"run", bench.plan("weir: 1\nname: gone\nrole: keeper\nbackfill:\n"
                                                   "  - delete_rows: { table: users, where: id > 100 }\n")});
    EXPECT_EQ(ran.status, 0) << told(ran);
    EXPECT_EQ(bench.value("SELECT count(*) FROM users WHERE id > 100"), "0");
}

TEST_F(Owner, IsRefusedBeforeAnythingStarts) {
    make_tables();
    std::string const fill = "weir: 1\nname: x\nbackfill:\n  - fill: { table: users, set: { note: \"'x'\" } }\n";
    auto const refuse = [&](std::string const& text, int exit, std::string const& code, Words const& parts) {
        EXPECT_TRUE(refused(bench.weir({"run", bench.plan(text)}), exit, code, parts));
        EXPECT_FALSE(bench.ledger());
    };
    refuse(fill + "role: keepr\n", 1, "bad-value", {"no such role", "did you mean keeper?"});
    bench.sql("GRANT keeper TO guest");
    refuse(fill + "role: guest\n", 5, "no-privilege", {"may not become guest", "GRANT \"guest\""});
    bench.sql("REVOKE keeper FROM guest; GRANT guest TO worker");
    refuse(fill + "role: guest\n", 5, "no-privilege", {"role guest does not own table users"});
    bench.sql("REVOKE USAGE ON LANGUAGE plpgsql FROM PUBLIC; GRANT USAGE ON LANGUAGE plpgsql TO worker, guest");
    refuse(std::string{rename_plan}, 5, "no-privilege", {"keeper may not use the language plpgsql"});
    bench.sql("GRANT USAGE ON LANGUAGE plpgsql TO PUBLIC; REVOKE USAGE ON LANGUAGE plpgsql FROM worker, guest");
    bench.sql("ALTER TABLE users ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY");
    refuse(fill + "role: keeper\n", 5, "no-privilege", {"row-level security is forced on users", "keeper"});
    bench.sql("ALTER TABLE users DISABLE ROW LEVEL SECURITY");
    bench.sql("REVOKE CREATE ON SCHEMA public FROM keeper, PUBLIC");
    refuse("weir: 1\nname: x\ncontract:\n  - drop_table: { table: witness }\ndrop: { quarantine: 1d }\n", 5,
           "no-privilege",
           {"role keeper, which changes it, may not give a table of schema public another name",
            "GRANT CREATE ON SCHEMA \"public\" TO \"keeper\""});
    // What makes nothing in the schema needs no CREATE on it.
    auto const ran = bench.weir({"run", bench.plan(rename_plan), "--approve", "all"});
    EXPECT_EQ(ran.status, 0) << told(ran);
}

TEST_F(Owner, MustBeOneThatWeirMayBecome) {
    if (!since(16)) GTEST_SKIP() << "memberships have options from 16 on";
    make_tables();
    bench.sql("GRANT keeper TO worker WITH SET FALSE, INHERIT TRUE");
    EXPECT_TRUE(refused(bench.weir({"run", bench.plan(rename_plan)}), 5, "no-privilege",
                        {"the connected role may not become keeper, which changes users", "SET TRUE"}));
    EXPECT_FALSE(bench.ledger());
    bench.sql("GRANT keeper TO worker WITH SET TRUE");
    EXPECT_EQ(bench.weir({"run", bench.plan(rename_plan), "--approve", "all"}).status, 0);
}

// What is asked is asked in a way that the server's log has no line of it.
TEST_F(Owner, AsksWithoutAnErrorInTheServersLog) {
    make_tables();
    auto const plan = bench.plan(std::string{rename_plan} +
                                 "backfill:\n  - fill: { table: users, set: { note: upper(name) } }\n"
                                 "contract:\n  - drop_table: { table: witness }\n"
                                 "settings: { timezone: Europe/Berlin }\n");
    auto const from = own.log().size();
    auto const ran = bench.weir({"plan", plan});
    ASSERT_EQ(ran.status, 0) << told(ran);
    auto const log = own.log().substr(from);
    EXPECT_EQ(log.find("ERROR"), std::string::npos) << log;
    EXPECT_EQ(log.find("WARNING"), std::string::npos) << log;
}

}  // namespace
}  // namespace weir::tests
