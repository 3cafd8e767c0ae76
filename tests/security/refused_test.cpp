/// What weir does not work through or beside, each shown by the real thing: one message, its code, exit 5, nothing
/// made.
#include <unistd.h>

#include <filesystem>

#include "tests/support/bench.h"

namespace weir::tests {
namespace {

/// PgBouncer in front of a bench's database, on a Unix socket.
class PgBouncer {
  public:
    PgBouncer(Bench const& bench, std::string const& mode) {
        auto const of = [&](std::string const& key) {
            auto const at = bench.db.conninfo.find(key) + key.size();
            return bench.db.conninfo.substr(at, bench.db.conninfo.find(' ', at) - at);
        };
        url_ = "postgresql://postgres@/" + bench.db.name + "?host=" + folder_.path() + "&port=6432";
        auto const config = folder_.write(
            "pgbouncer.ini", "[databases]\n" + bench.db.name + " = host=" + of("host=") + " port=" + of("port=") +
                                 " user=postgres\n[pgbouncer]\nlisten_addr =\n"
                                 "listen_port = 6432\nunix_socket_dir = " +
                                 folder_.path() + "\nauth_type = any\npool_mode = " + mode +
                                 "\nignore_startup_parameters = extra_float_digits\n");
        // It refuses to be root, as the server does.
        auto const& user = server_user();
        if (user.other && ::chown(folder_.path().c_str(), user.uid, user.gid) != 0)
            throw std::runtime_error{"cannot give away " + folder_.path()};
        process_ = std::make_unique<Process>(Launch{
            .command = {program(), config}, .environment = {}, .directory = folder_.path(), .as_server_user = true});
        if (!wait_until(
                [&] { return std::filesystem::exists(folder_.path(".s.PGSQL.6432")) || !process_->running(); }) ||
            !process_->running())
            throw std::runtime_error{"pgbouncer does not start: " + process_->err()};
    }
    std::string const& url() const { return url_; }
    /// Debian installs it into /usr/sbin, which is not in everybody's PATH.
    static std::string program() {
        return std::filesystem::exists("/usr/sbin/pgbouncer") ? "/usr/sbin/pgbouncer" : "pgbouncer";
    }

  private:
    Folder folder_;
    std::string url_;
    std::unique_ptr<Process> process_;
};

class Beside : public ::testing::Test, public Bench {
  protected:
    void SetUp() override { make_users(*this, 30); }
    Ran through(std::string const& url, Words words) const {
        auto launch = this->launch(std::move(words));
        launch.command.back() = url;
        return run(std::move(launch));
    }
    std::string file = plan(rename_plan);
};

TEST_F(Beside, PoolersAreRefusedInEveryMode) {
    for (std::string const mode : {"transaction", "session", "statement"}) {
        PgBouncer const pooler{*this, mode};
        // The way is open for others …
        EXPECT_EQ(query_value(pooler.url(), "SELECT count(*) FROM users"), "30") << mode;
        // … and not for weir, in any command.
        for (Words const& words : {Words{"run", file}, Words{"run", file, "--take-over"}, Words{"plan", file},
                                   Words{"status"}, Words{"pause", "rename-it"}, Words{"abort", "rename-it"}})
            EXPECT_TRUE(refused(through(pooler.url(), words), 5, "pooler",
                                {"through a connection pooler", "leads to the server itself"}))
                << mode << " " << words[0];
        EXPECT_FALSE(ledger()) << mode;
    }
    // A run that lives beside the pooler's applications is none of its business.
    PgBouncer const pooler{*this, "transaction"};
    EXPECT_EQ(weir({"run", file, "--approve", "all"}).status, 0);
    EXPECT_EQ(query_value(pooler.url(), "SELECT count(full_name) FROM users"), "30");
}

TEST_F(Beside, ALedgerOfANewerVersionIsLeftAlone) {
    ASSERT_EQ(weir({"run", file, "--until", "expand"}).status, 0);
    auto const version = value("SELECT version FROM weir.meta");
    sql("UPDATE weir.meta SET version = 99");
    auto const before = entries();
    auto const epoch = value("SELECT epoch FROM weir.meta");
    for (Words const& words :
         {Words{"run", file}, Words{"run", file, "--take-over"}, Words{"status"}, Words{"pause", "rename-it"},
          Words{"approve", "rename-it", "contract"}, Words{"abort", "rename-it"}})
        EXPECT_TRUE(refused(weir(words), 5, "ledger-version",
                            {"of version 99", "knows " + version, "use the weir that wrote it"}))
            << words[0];
    EXPECT_EQ(entries(), before);
    EXPECT_EQ(value("SELECT epoch FROM weir.meta"), epoch);
    EXPECT_EQ(value("SELECT count(*) FROM weir.orders"), "0");
    sql("DELETE FROM weir.meta");
    EXPECT_TRUE(refused(weir({"run", file}), 5, "ledger-damaged", {"weir.meta is empty"}));
    sql("INSERT INTO weir.meta VALUES (true, " + version + ", " + epoch + ")");
    EXPECT_EQ(weir({"run", file, "--approve", "all"}).status, 0);
}

TEST_F(Beside, AReplicaIsRefusedInEveryCommand) {
    Cluster own;
    Bench bench{own};
    make_users(bench, 5);
    auto const theirs = bench.plan(rename_plan);
    ASSERT_EQ(bench.weir({"run", theirs, "--until", "expand"}).status, 0);
    auto& standby = own.add_replica("s1");
    ASSERT_TRUE(standby.catch_up());
    for (Words const& words : {Words{"run", theirs}, Words{"run", theirs, "--take-over"}, Words{"pause", "rename-it"},
                               Words{"approve", "rename-it", "contract"}, Words{"abort", "rename-it"}}) {
        auto launch = bench.launch(words);
        launch.command.back() = standby.url(bench.db.name);
        EXPECT_TRUE(refused(run(std::move(launch)), 5, "is-replica",
                            {"the server is a replica", "target_session_attrs=read-write"}))
            << words[0];
    }
}

TEST_F(Beside, AChangedPlanIsShownWithBothHashes) {
    ASSERT_EQ(weir({"run", file, "--until", "expand"}).status, 0);
    auto const began = value("SELECT detail->>'identity' FROM weir.entries WHERE kind = 'began'");
    auto const edited = std::string{
        "weir: 1\nname: rename-it\nchanges:\n  - rename_column: { table: users, from: name, "
        "to: other }\n"};
    auto const ran = weir({"run", plan(edited, "edited.yaml"), "--take-over"});
    ASSERT_TRUE(refused(ran, 5, "changed-plan", {began, "edited.yaml", "put them back"}));
    // The other hash is that which this plan would have got.
    sql("DROP SCHEMA weir, weir_sync CASCADE");
    make_users(*this, 30);
    ASSERT_EQ(weir({"run", plan(edited, "edited.yaml"), "--until", "expand"}).status, 0);
    auto const other = value("SELECT detail->>'identity' FROM weir.entries WHERE kind = 'began'");
    EXPECT_NE(other, began);
    EXPECT_TRUE(has(ran.err, other + " instead of " + began)) << ran.err;
}

/// A subscriber of everything, in another database of the same server.
class Subscribed : public ::testing::Test {
  protected:
    void SetUp() override {
        make_users(here, 20);
        there.sql("CREATE TABLE users (id bigint PRIMARY KEY, name varchar(80), note text)");
        there.sql("CREATE TABLE witness (id bigint PRIMARY KEY, value text NOT NULL)");
        here.sql("CREATE PUBLICATION everything FOR ALL TABLES");
        // Whoever decodes WAL from before it was made finds no such publication, again and again.
        here.sql("CREATE PUBLICATION listed FOR TABLE witness");
        here.sql("SELECT pg_create_logical_replication_slot('theirs', 'pgoutput')");
        there.sql("CREATE SUBSCRIPTION mine CONNECTION " + sql_literal(here.db.conninfo) +
                  " PUBLICATION everything WITH (create_slot = false, slot_name = 'theirs')");
        ASSERT_TRUE(wait_until([&] { return there.value("SELECT count(*) FROM users") == "20"; }, 30s));
    }

    Cluster own{Cluster::Options{.fsync = false, .settings = {"wal_level = logical"}, .hba = {}}};
    Bench here{own}, there{own};
};

TEST_F(Subscribed, APublicationOfAllTablesWouldStopItsSubscribers) {
    auto const theirs = here.plan(rename_plan);
    EXPECT_TRUE(refused(here.weir({"run", theirs}), 5, "not-now",
                        {"publication everything is FOR ALL TABLES", "list the tables in the publication"}));
    EXPECT_FALSE(here.ledger());
    // The subscriber goes on.
    here.sql("INSERT INTO users VALUES (21, 'late', 'x')");
    EXPECT_TRUE(wait_until([&] { return there.value("SELECT count(*) FROM users") == "21"; }, 30s));
    EXPECT_FALSE(has(there.value("SELECT string_agg(nspname, ' ') FROM pg_namespace"), "weir"));
    // As the hint says: with a list it works, and the subscriber gets what the list names.
    there.sql("ALTER SUBSCRIPTION mine SET PUBLICATION listed");
    here.sql("DROP PUBLICATION everything");
    auto const ran = here.weir({"run", theirs, "--approve", "all"});
    EXPECT_EQ(ran.status, 0) << told(ran);
    here.sql("INSERT INTO witness VALUES (22, 'later')");
    EXPECT_TRUE(wait_until([&] { return there.value("SELECT count(*) FROM witness WHERE id = 22") == "1"; }, 30s));
    there.sql(
        "ALTER SUBSCRIPTION mine DISABLE; ALTER SUBSCRIPTION mine SET (slot_name = NONE); DROP SUBSCRIPTION mine");
}

TEST_F(Subscribed, APublicationOfAllTablesWhoseSubscribersAreReady) {
    auto const theirs = here.plan(rename_plan);
    EXPECT_TRUE(refused(here.weir({"run", theirs}), 5, "not-now", {"`weir ledger`", "--subscribers-ready"}));

    auto const printed = run({.command = {WEIR_PROGRAM, "ledger"}, .environment = {}, .directory = ""});
    ASSERT_EQ(printed.status, 0) << told(printed);
    there.sql(printed.out);
    // weir's DDL is replicated as little as anybody's.
    there.sql("ALTER TABLE users ADD COLUMN full_name varchar(80)");
    auto const ran = here.weir({"run", theirs, "--approve", "all", "--subscribers-ready"});
    EXPECT_EQ(ran.status, 0) << told(ran);
    EXPECT_EQ(here.ledger_faults(), "");
    here.sql("INSERT INTO users (id, full_name) VALUES (21, 'late')");
    here.sql("UPDATE users SET full_name = 'Bo' WHERE id = 1");
    EXPECT_TRUE(wait_until(
        [&] {
            return there.value(
                       "SELECT coalesce(string_agg(full_name, ',' ORDER BY id), '') FROM users WHERE id IN "
                       "(1, 21)") == "Bo,late";
        },
        30s));
    EXPECT_EQ(there.value("SELECT count(full_name) FROM users"), "21") << "what the fill wrote, too";
    // Rows of the ledger come when the subscriber asks for the new tables.
    EXPECT_EQ(there.value("SELECT count(*) FROM weir.entries"), "0");
    there.sql("ALTER SUBSCRIPTION mine REFRESH PUBLICATION");
    auto const all =
        "SELECT (SELECT count(*) FROM weir.entries) || ', ' || coalesce((SELECT max(epoch) FROM weir.meta), 0)";
    EXPECT_TRUE(wait_until([&] { return there.value(all) == here.value(all); }, 30s));
    // From then on they come by themselves; and what is aside must be there as well.
    there.sql("ALTER TABLE witness ALTER value DROP NOT NULL, ADD COLUMN content text, ADD COLUMN weir_q2_value text");
    auto const kept = here.plan(R"(weir: 1
name: kept
changes:
  - rename_column: { table: witness, from: value, to: content }
drop: { quarantine: 7d }
)",
                                "kept.yaml");
    auto const again = here.weir({"run", kept, "--approve", "all"});
    EXPECT_EQ(again.status, 0) << "who has a ledger needs no word" << told(again);
    here.sql("INSERT INTO witness (id, content) VALUES (22, 'later')");
    EXPECT_TRUE(wait_until(
        [&] {
            return there.value(
                       "SELECT count(*) FROM witness WHERE id = 22 AND content = 'later' AND weir_q2_value = "
                       "'later'") == "1" &&
                   there.value("SELECT count(*) FROM weir.entries WHERE run = 2 AND kind = 'quarantined'") == "1";
        },
        30s));
    there.sql(
        "ALTER SUBSCRIPTION mine DISABLE; ALTER SUBSCRIPTION mine SET (slot_name = NONE); DROP SUBSCRIPTION mine");
    auto const status = there.weir({"status"});
    EXPECT_EQ(status.status, 0) << told(status);
    EXPECT_TRUE(has(status.out, "in quarantine")) << told(status);
}

}  // namespace
}  // namespace weir::tests
