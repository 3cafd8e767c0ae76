/// A password that weir is given by libpq's ways is found nowhere that others can look, whether the run succeeds or
/// fails.
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

#include "tests/security/web.h"
#include "tests/support/bench.h"

namespace weir::tests {
namespace {

std::string file_text(std::string const& path) {
    std::ifstream file{path, std::ios::binary};
    return {std::istreambuf_iterator<char>{file}, {}};
}

std::string const canary = "c4n4ry-Zwitsch";
std::string const wrong = "wrong-c4n4ry-Zwitsch";

enum class Way { variable, passfile, service };

class Canary : public ::testing::TestWithParam<Way> {
  protected:
    static std::unique_ptr<Cluster>& server() {
        static auto made = [] {
            auto cluster = std::make_unique<Cluster>(
                Cluster::Options{.fsync = false, .settings = {}, .hba = {"local all keeper scram-sha-256"}});
            query(cluster->conninfo(),
                  "CREATE ROLE keeper LOGIN PASSWORD '" + canary + "'; GRANT pg_monitor TO keeper");
            // Only now: the statement above holds it.
            cluster->restart();
            for (auto const* setting : {"log_statement", "log_min_error_statement", "log_min_messages"})
                cluster->set(setting, std::string_view{setting} == "log_statement" ? "all" : "debug1");
            cluster->set("log_connections", "on");
            return cluster;
        }();
        return made;
    }
    static void TearDownTestSuite() { server().reset(); }

    void SetUp() override {
        make_users(bench, 300);
        bench.sql("ALTER TABLE users OWNER TO keeper; GRANT CREATE ON DATABASE " + bench.db.name + " TO keeper");
        bench.user = "keeper";
    }

    /// The program with the password given in this test's way.
    Launch with(std::string const& password, Words words) const {
        auto launch = bench.launch(std::move(words));
        auto const secret = [&](std::string const& name, std::string const& text) {
            auto path = bench.folder.write(name, text);
            ::chmod(path.c_str(), 0600);
            return path;
        };
        if (GetParam() == Way::variable) launch.environment["PGPASSWORD"] = password;
        if (GetParam() == Way::passfile)
            launch.environment["PGPASSFILE"] = secret("pass", "*:*:*:keeper:" + password + "\n");
        if (GetParam() == Way::service) {
            launch.environment["PGSERVICEFILE"] =
                secret("service", "[shop]\nuser=keeper\nhost=" + host() + "\nport=" + std::to_string(cluster.port()) +
                                      "\ndbname=" + bench.db.name + "\npassword=" + password + "\n");
            launch.command.back() = "service=shop";
        }
        return launch;
    }
    std::string host() const {
        auto const at = bench.db.conninfo.find("host=") + 5;
        return bench.db.conninfo.substr(at, bench.db.conninfo.find(' ', at) - at);
    }
    Ran weir(Words words, std::string const& password = canary) {
        auto ran = run(with(password, std::move(words)));
        keep("output", ran.out + ran.err);
        return ran;
    }
    void keep(std::string const& where, std::string const& text) {
        seen[where] += text;
        EXPECT_FALSE(has(text, canary)) << where << ": " << text;
    }
    /// What others see of a program that runs, and of its sessions.
    void look_at(Process const& process) {
        keep("command line", file_text("/proc/" + std::to_string(process.pid()) + "/cmdline"));
        keep("pg_stat_activity", bench.value("SELECT string_agg(a::text, '|') FROM pg_stat_activity a WHERE "
                                             "application_name LIKE 'weir%'"));
    }
    void look_at_what_stays() {
        keep("ledger",
             bench.value(R"(SELECT string_agg(query_to_xml('SELECT * FROM weir.' || relname, true, true, '')::text, '')
FROM pg_class WHERE relnamespace = 'weir'::regnamespace AND relkind = 'r')"));
        keep("functions", bench.value("SELECT coalesce(string_agg(prosrc, ''), '-') FROM pg_proc WHERE pronamespace IN "
                                      "('weir'::regnamespace, 'weir_sync'::regnamespace)"));
        keep("the server's log", cluster.log());
    }

    Cluster& cluster = *server();
    Bench bench{cluster};
    std::map<std::string, std::string> seen;
};

TEST_P(Canary, IsFoundNowhereWhenARunSucceeds) {
    auto const file = bench.plan(std::string{rename_plan} + "backup: { directory: \"" + bench.folder.path() + "\" }\n");
    auto const address = free_address();
    auto launch = with(canary, {"run", file, "--progress", "json", "--http", address});
    // What others see of pg_dump, too.
    auto const said = bench.folder.path("said");
    auto const program = bench.folder.write("pg_dump", "#!/bin/sh\ncat /proc/$$/cmdline >> '" + said + "'\nexec " +
                                                           server_program("pg_dump") + " \"$@\"\n");
    ::chmod(program.c_str(), 0755);
    launch.environment["PATH"] = bench.folder.path() + ":" + std::getenv("PATH");
    Process process{std::move(launch)};
    ASSERT_TRUE(wait_until([&] { return has(process.out(), "\"gate_opened\"") || !process.running(); }, 30s));
    ASSERT_TRUE(process.running()) << process.out() << process.err();
    // The search can find it: this is where it may stand, for its own user alone.
    EXPECT_EQ(has(file_text("/proc/" + std::to_string(process.pid()) + "/environ"), canary),
              GetParam() == Way::variable);
    look_at(process);
    keep("/metrics", get(address, "/metrics"));
    keep("/healthz", get(address, "/healthz"));
    EXPECT_TRUE(has(seen["/metrics"], "weir_")) << seen["/metrics"];
    EXPECT_TRUE(has(seen["command line"], "run")) << seen["command line"];
    EXPECT_EQ(weir({"status"}).status, 0);
    EXPECT_EQ(weir({"status", "--json"}).status, 0);
    EXPECT_EQ(weir({"set", "rename-it", "batch.target", "20ms"}).status, 0);
    EXPECT_EQ(weir({"run", file}).status, 5);
    EXPECT_EQ(weir({"approve", "rename-it", "contract"}).status, 0);
    auto const done = wait(process);
    keep("output", done.out + done.err);
    EXPECT_EQ(done.status, 0) << told(done);
    keep("pg_dump's command line", file_text(said));
    EXPECT_TRUE(has(seen["pg_dump's command line"], "user='keeper'"));
    look_at_what_stays();
    EXPECT_TRUE(has(seen["ledger"], "backed_up"));
    EXPECT_TRUE(has(seen["ledger"], "finished"));
    EXPECT_TRUE(has(seen["the server's log"], "weir rename-it control"));
}

TEST_P(Canary, IsFoundNowhereWhenARunFails) {
    // The wrong one, and hosts and databases that are not there.
    for (auto const& password : {wrong, std::string{}}) {
        auto const ran = weir({"run", bench.plan(rename_plan)}, password);
        EXPECT_TRUE(refused(ran, 5, "cannot-connect")) << password;
    }
    for (auto const* rest : {"dbname=nowhere", "host=127.0.0.1 port=1", "application_name=x options='-c nonsense=1'"}) {
        auto launch = with(canary, {"run", bench.plan(rename_plan)});
        launch.command.back() = (GetParam() == Way::service
                                     ? "service=shop "
                                     : bench.db.conninfo.substr(0, bench.db.conninfo.find("user=")) + "user=keeper ") +
                                rest;
        auto const ran = run(std::move(launch));
        keep("output", ran.out + ran.err);
        EXPECT_TRUE(refused(ran, 5, "cannot-connect")) << rest;
    }
    // A statement that the server refuses, in the middle.
    auto const failing = bench.plan(
        "weir: 1\nname: failing\nexpand:\n  - add_column: { table: users, column: extra, type: int }\n"
        "backfill:\n  - fill: { table: users, set: { extra: 1 / (id - 7)::int } }\n",
        "failing.yaml");
    auto const stopped = weir({"run", failing, "--progress", "json"});
    EXPECT_EQ(stopped.status, 4) << told(stopped);
    // A password where none may stand.
    auto const replicas = bench.plan(
        std::string{rename_plan} + "replicas: [ { name: r1, dsn: \"host=r1 password=" + canary + "\" } ]\n", "r.yaml");
    EXPECT_EQ(weir({"run", replicas}).status, 1);
    look_at_what_stays();
    // The server goes away under a run.
    Process process{with(canary, {"run", bench.plan(rename_plan), "--progress", "json"})};
    ASSERT_TRUE(wait_until([&] { return has(process.out(), "\"gate_opened\"") || !process.running(); }, 30s));
    look_at(process);
    cluster.kill(SIGQUIT);
    ASSERT_TRUE(wait_until([&] { return has(process.out(), "connection_lost"); })) << process.out();
    process.signal(SIGINT);
    auto const ended = wait(process);
    keep("output", ended.out + ended.err);
    EXPECT_EQ(ended.status, 4) << told(ended);
    cluster.start();
    look_at_what_stays();
    EXPECT_TRUE(has(seen["output"], "division by zero"));
    EXPECT_TRUE(has(seen["ledger"], "division by zero"));
}

std::string way_name(::testing::TestParamInfo<Way> const& info) {
    return info.param == Way::variable ? "PGPASSWORD" : info.param == Way::passfile ? "PGPASSFILE" : "ServiceFile";
}
#ifdef __SANITIZE_ADDRESS__
INSTANTIATE_TEST_SUITE_P(By, Canary, ::testing::Values(Way::passfile), way_name);
#else
INSTANTIATE_TEST_SUITE_P(By, Canary, ::testing::Values(Way::variable, Way::passfile, Way::service), way_name);
#endif

}  // namespace
}  // namespace weir::tests
