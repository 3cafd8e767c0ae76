/// What a look shows, asked of real servers brought into each state.
#include <algorithm>

#include "orchestrator/machine/ladder.h"
#include "tests/support/bench.h"

namespace weir::tests {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Kind = Blocker::Kind;

TableName table(std::string const& name) { return {Ident::of("public"), Ident::of(name)}; }

std::vector<Blocker> blockers(Client& client, Sql const& question) {
    std::vector<Row> rows;
    for (auto const& fields : client.exec(question.text())) rows.push_back({fields});
    return blockers_of(rows);
}

class Look : public ::testing::Test, public Bench {
  protected:
    Look() { make_users(*this, 100); }

    std::vector<Blocker> look(LockMode mode = LockMode::access_exclusive, Millis spared = spared_after) {
        return blockers(eye, look_for({{table("users"), mode}}, spared));
    }
    /// One session in a transaction that did this.
    std::unique_ptr<Client> holder(std::string const& what, std::string const& more = "") const {
        auto made = std::make_unique<Client>(db.conninfo + more);
        made->exec("BEGIN");
        made->exec(what);
        return made;
    }
    /// A role for this database that may read and write users.
    void role(std::string const& name) const {
        sql("DO $$ BEGIN IF to_regrole('" + name + "') IS NULL THEN CREATE ROLE " + name +
            " LOGIN; END IF; END $$; GRANT SELECT, INSERT, UPDATE ON users TO " + name);
    }
    std::string as(std::string const& name) const { return cluster.conninfo(db.name, name); }

    Client eye{db.conninfo};
};

TEST_F(Look, AFreeTable) {
    EXPECT_THAT(look(), IsEmpty());
    EXPECT_THAT(blockers(eye, look_for({{table("nothing"), LockMode::access_exclusive}})), IsEmpty());
}

TEST_F(Look, AReaderIsInTheWayOfWhatItConflictsWith) {
    auto const reader = holder("SELECT count(*) FROM users", " application_name=report");
    auto const found = look();
    ASSERT_THAT(found, SizeIs(1));
    EXPECT_EQ(found[0].pid, reader->backend());
    EXPECT_EQ(found[0].kind, Kind::session);
    EXPECT_TRUE(found[0].holds);
    EXPECT_TRUE(found[0].idle);
    ASSERT_TRUE(found[0].age);
    EXPECT_THAT(found[0].text, AllOf(HasSubstr("pid " + std::to_string(reader->backend()) +
                                               " (user postgres, application report, idle "
                                               "in transaction, open for "),
                                     HasSubstr(" s: SELECT count(*) FROM users)")));
    EXPECT_THAT(look(LockMode::share_row_exclusive), IsEmpty()) << "readers do not conflict with it";
    // The same session's next transaction is another one.
    auto const before = found[0].key;
    reader->exec("COMMIT");
    reader->exec("BEGIN");
    reader->exec("SELECT count(*) FROM users");
    EXPECT_NE(look().at(0).key, before);
}

TEST_F(Look, OnlyOfThisTableAndThisDatabase) {
    sql("CREATE TABLE other (id int)");
    auto const elsewhere = holder("SELECT count(*) FROM other");
    EXPECT_THAT(look(), IsEmpty());
    // Tables of a copy have the same numbers.
    auto const name = db.name + "_copy";
    eye.exec("SELECT 1");
    Client admin{cluster.conninfo()};
    elsewhere->exec("COMMIT");
    admin.exec("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '" + db.name + "'");
    admin.exec("CREATE DATABASE " + name + " TEMPLATE " + db.name);
    Client copy{cluster.conninfo(name)};
    copy.exec("BEGIN");
    copy.exec("SELECT count(*) FROM users");
    Client here{db.conninfo};
    EXPECT_THAT(blockers(here, look_for({{table("users"), LockMode::access_exclusive}})), IsEmpty());
    EXPECT_THAT(blockers(admin, look_for({{table("users"), LockMode::access_exclusive}})), IsEmpty());
}

TEST_F(Look, PartitionsOfPartitions) {
    sql("CREATE TABLE parent (id int) PARTITION BY RANGE (id);"
        "CREATE TABLE middle PARTITION OF parent FOR VALUES FROM (0) TO (10) PARTITION BY RANGE (id);"
        "CREATE TABLE leaf PARTITION OF middle FOR VALUES FROM (0) TO (5)");
    auto const writer = holder("INSERT INTO leaf VALUES (1)");
    auto const found = blockers(eye, look_for({{table("parent"), LockMode::share_row_exclusive}}));
    ASSERT_THAT(found, SizeIs(1));
    EXPECT_EQ(found[0].pid, writer->backend());
    // It locks no partition itself, or it would wait for this one.
    writer->exec("ROLLBACK");
    auto const alter = holder("LOCK TABLE leaf IN ACCESS EXCLUSIVE MODE");
    eye.exec("SET lock_timeout = '2s'");
    EXPECT_THAT(blockers(eye, look_for({{table("parent"), LockMode::share_row_exclusive}})), SizeIs(1));
}

TEST_F(Look, AQueryThatRunsLongerThanItsTransactionCounts) {
    auto const reader = holder("SELECT count(*) FROM users");
    ASSERT_TRUE(wait_until([&] { return look().at(0).age > Millis{200}; }));
    auto const older = *look().at(0).age;
    reader->exec("SELECT 1");
    EXPECT_GE(look().at(0).age, older) << "the transaction's age, not the last statement's";
}

TEST_F(Look, WhoWaitsWithAnExclusiveLockIsAheadOfUs) {
    auto const reader = holder("SELECT count(*) FROM users");
    Client waiter{db.conninfo + " application_name=migration"};
    waiter.send("ALTER TABLE users ADD COLUMN x int");
    // What it waits for does not conflict with ours, and still we would wait behind it.
    auto const ahead = [&] { return look(LockMode::share_row_exclusive); };
    ASSERT_TRUE(wait_until([&] { return ahead().size() == 1; }));
    EXPECT_EQ(ahead()[0].pid, waiter.backend());
    EXPECT_FALSE(ahead()[0].holds);
    EXPECT_THAT(ahead()[0].text, AllOf(HasSubstr("application migration, waiting for a lock itself for "),
                                       HasSubstr("ALTER TABLE users")));
    // Readers that queue up behind it wait with a weak lock: they are gone as soon as it is.
    Client second{db.conninfo};
    second.send("SELECT count(*) FROM users");
    ASSERT_TRUE(wait_until([&] {
        return eye.value("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'users'::regclass") == "2";
    }));
    EXPECT_THAT(look(), SizeIs(2)) << "the reader that holds, and the migration";
    waiter.cancel();
    EXPECT_NE(waiter.try_result(), "");
    second.result();
}

TEST_F(Look, APreparedTransaction) {
    auto const session = holder("UPDATE users SET note = 'x' WHERE id = 1");
    session->exec("SAVEPOINT a");
    session->exec("UPDATE users SET note = 'y' WHERE id = 2");
    session->exec("PREPARE TRANSACTION 'it''s forgotten'");
    auto const found = look();
    ASSERT_THAT(found, SizeIs(1));
    EXPECT_EQ(found[0].kind, Kind::prepared);
    EXPECT_EQ(found[0].pid, 0);
    EXPECT_TRUE(found[0].age);
    EXPECT_NE(found[0].spared, "");
    EXPECT_THAT(found[0].text, HasSubstr("prepared transaction 'it''s forgotten' of postgres, prepared 0."));
    session->exec("ROLLBACK PREPARED 'it''s forgotten'");
    EXPECT_THAT(look(), IsEmpty());
}

TEST_F(Look, WhoIsSparedAndWhy) {
    role("spared_app");
    auto const plain = as("spared_app");
    auto const client = [&](std::string const& conninfo, std::string const& what) {
        auto made = std::make_unique<Client>(conninfo);
        made->exec("BEGIN");
        made->exec(what);
        return made;
    };
    std::string const read = "SELECT count(*) FROM users";
    struct Case {
        std::string conninfo, what, spared;
        Millis spared_after;
    };
    for (auto const& c :
         {Case{plain, read, "", Millis{0}},
          Case{plain, "UPDATE users SET note = '' WHERE id = 1", "", weir::spared_after},
          Case{plain, "UPDATE users SET note = '' WHERE id = 1", "written for a long time", Millis{-1}},
          Case{db.conninfo, read, "its user postgres is a superuser", Millis{0}},
          Case{plain + " application_name='weir other hand 1'", read, "a session of weir", Millis{0}},
          Case{db.conninfo + " replication=database", read, "it is no client but a walsender", Millis{0}}}) {
        auto const blocker = client(c.conninfo, c.what);
        auto const found = look(LockMode::access_exclusive, c.spared_after);
        ASSERT_THAT(found, SizeIs(1)) << c.conninfo;
        if (c.spared.empty())
            EXPECT_EQ(found[0].spared, "") << c.conninfo << c.what;
        else
            EXPECT_THAT(found[0].spared, HasSubstr(c.spared)) << c.conninfo << c.what;
    }
}

TEST_F(Look, WithoutTheRightToSeeSessionsOfOthers) {
    role("look_app");
    role("look_weir");
    Client app{as("look_app") + " application_name=shop"};
    app.exec("BEGIN");
    app.exec("SELECT count(*) FROM users");
    Client weir{as("look_weir")};
    auto const question = look_for({{table("users"), LockMode::access_exclusive}});
    auto found = blockers(weir, question);
    ASSERT_THAT(found, SizeIs(1));
    EXPECT_EQ(found[0].kind, Kind::session);
    EXPECT_EQ(found[0].pid, app.backend());
    EXPECT_FALSE(found[0].age);
    EXPECT_THAT(found[0].text, AllOf(HasSubstr("user look_app, application shop"), HasSubstr("hidden")));
    EXPECT_THAT(found[0].spared, HasSubstr("hidden"));
    auto const key = found[0].key;
    EXPECT_EQ(blockers(weir, question).at(0).key, key);
    sql("GRANT pg_read_all_stats TO look_weir");
    found = blockers(weir, question);
    EXPECT_TRUE(found.at(0).age);
    EXPECT_EQ(found.at(0).spared, "");
    sql("REVOKE pg_read_all_stats FROM look_weir");
}

TEST_F(Look, WhomAStatementWaitsFor) {
    Client busy{db.conninfo};
    EXPECT_THAT(blockers(eye, look_behind(busy.backend())), IsEmpty());
    // CREATE INDEX CONCURRENTLY waits for whoever has an old snapshot, by its virtual transaction.
    auto const old = holder("SELECT count(*) FROM users", " application_name=report");
    old->exec("SAVEPOINT a");
    auto const writer = holder("UPDATE users SET note = '' WHERE id = 1", " application_name=batch");
    busy.send("CREATE INDEX CONCURRENTLY users_note ON users (note)");
    std::vector<Blocker> found;
    ASSERT_TRUE(wait_until([&] { return !(found = blockers(eye, look_behind(busy.backend()))).empty(); }));
    ASSERT_THAT(found, SizeIs(1));
    EXPECT_EQ(found[0].pid, writer->backend());
    EXPECT_THAT(found[0].text, AllOf(HasSubstr("application batch"), HasSubstr("UPDATE users")));
    writer->exec("COMMIT");
    busy.result();
    EXPECT_THAT(blockers(eye, look_behind(busy.backend())), IsEmpty());
}

}  // namespace
}  // namespace weir::tests
