#include "tests/support/bench.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <random>
#include <stdexcept>

namespace weir::tests {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

/// With these a test goes its long way, and a new one each time.
constexpr char const* in_full_by[]{"WEIR_ABUSE", "WEIR_TEST_LONG", "WEIR_TEST_SCALE", "WEIR_WIRE"};

std::uint64_t seed() {
    char const* text = std::getenv("WEIR_TEST_SEED");
    bool const in_full =
        std::any_of(std::begin(in_full_by), std::end(in_full_by), [](char const* name) { return std::getenv(name); });
    auto const chosen = text != nullptr ? std::strtoull(text, nullptr, 10)
                        : in_full       ? static_cast<std::uint64_t>(Clock::now().time_since_epoch().count())
                                        : 1;
    std::cout << "WEIR_TEST_SEED=" << chosen << std::endl;
    return chosen;
}

bool has(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

std::size_t count(std::string_view text, std::string_view part) {
    std::size_t n = 0;
    for (auto at = text.find(part); at != std::string_view::npos; at = text.find(part, at + part.size())) ++n;
    return n;
}

std::string told(Ran const& ran) {
    return "exit " + std::to_string(ran.status) + "\n--- stdout\n" + ran.out + "--- stderr\n" + ran.err + "---\n";
}

::testing::AssertionResult refused(Ran const& ran, int exit, std::string const& code, Words const& parts) {
    auto const all = ran.out + ran.err;
    auto const no = [&](std::string const& why) { return ::testing::AssertionFailure() << why << "\n" << told(ran); };
    if (ran.status != exit) return no("exit code is not " + std::to_string(exit));
    // Why a run stopped is said by its display and on stderr, on one terminal once.
    auto const& said = ran.err.empty() ? ran.out : ran.err;
    if (count(said, "error[") + count(said, "stopped[") != 1 || count(ran.out, "stopped[") > 1)
        return no("not exactly one message");
    if (!has(said, "[" + code + "]")) return no("no message of code " + code);
    if (count(said, "hint: ") != 1 || count(ran.out, "hint: ") > 1) return no("not exactly one hint");
    for (auto const& part : parts)
        if (!has(all, part)) return no("does not say: " + part);
    return ::testing::AssertionSuccess();
}

Folder::Folder() {
    std::string name = (fs::temp_directory_path() / "weir-program-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error{"no temporary folder"};
    path_ = name;
}

Folder::~Folder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
}

std::string Folder::write(std::string const& name, std::string_view text) const {
    std::ofstream{path_ / name, std::ios::binary} << text;
    return path(name);
}

std::string Folder::path(std::string const& name) const { return (path_ / name).string(); }

Launch Bench::launch(Words words, Environment environment) const {
    Launch launch;
    launch.command = {WEIR_PROGRAM};
    launch.command.insert(launch.command.end(), words.begin(), words.end());
    launch.command.push_back("--database");
    // The database may be on a server of its own, or on two.
    auto const more = has(db.url, "?") ? "&user=" : "?user=";
    launch.command.push_back(user == "postgres" ? db.url : db.url + more + user);
    launch.environment = std::move(environment);
    launch.environment.try_emplace("WEIR_CRASH", "");
    launch.environment.try_emplace("PGPASSFILE", "/nonexistent");
    return launch;
}

Ran Bench::weir(Words words, Environment environment, std::chrono::milliseconds deadline) const {
    return run(launch(std::move(words), std::move(environment)), deadline);
}

Ran Bench::finish(std::string const& plan, int times) const {
    Ran ran;
    for (int i = 0; i < times; ++i) {
        ran = weir({"run", plan, "--approve", "all"});
        bool const dead_leader = ran.status == 5 && has(ran.err, "[other-leader]");
        if (ran.status != 4 && !dead_leader) break;
        if (dead_leader) ++dead_leaders;
        if (dead_leader) std::this_thread::sleep_for(50ms);
    }
    return ran;
}

std::string Bench::leftovers() const {
    auto const rows = sql(
        R"(SELECT 'trigger ' || tgname FROM pg_trigger WHERE tgname LIKE '%weir%' AND tgrelid::regclass::text NOT LIKE 'weir.%'
UNION ALL SELECT 'function ' || proname FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace WHERE n.nspname = 'weir_sync'
UNION ALL SELECT 'constraint ' || conname FROM pg_constraint c JOIN pg_class r ON r.oid = conrelid JOIN pg_namespace n ON n.oid = r.relnamespace
  WHERE conname LIKE '%weir%' AND n.nspname <> 'weir'
UNION ALL SELECT 'relation ' || relname FROM pg_class r JOIN pg_namespace n ON n.oid = relnamespace WHERE relname LIKE '%weir%' AND n.nspname <> 'weir'
UNION ALL SELECT 'schema ' || nspname FROM pg_namespace WHERE nspname LIKE '%weir%' AND nspname NOT IN ('weir', 'weir_sync')
UNION ALL SELECT 'schema missing' WHERE (SELECT count(*) FROM pg_namespace WHERE nspname IN ('weir', 'weir_sync')) <> 2)");
    std::string all;
    for (auto const& row : rows) all += *row[0] + "\n";
    return all;
}

std::string Bench::entries() const {
    auto const rows =
        sql("SELECT kind || CASE WHEN step = '' THEN '' ELSE ' ' || step END FROM weir.entries "
            "WHERE run = (SELECT max(run) FROM weir.entries) ORDER BY seq");
    std::string all;
    for (auto const& row : rows) all += (all.empty() ? "" : ", ") + *row[0];
    return all;
}

std::string Bench::ledger_faults() const {
    auto const rows = sql(R"(WITH e AS (SELECT * FROM weir.entries WHERE run = (SELECT max(run) FROM weir.entries))
SELECT 'step ' || step || ' done ' || count(*) || ' times' FROM e WHERE kind = 'step_done' GROUP BY step HAVING count(*) <> 1
UNION ALL SELECT kind || ' ' || count(*) || ' times' FROM e WHERE kind IN ('began', 'finished', 'gate_approved') GROUP BY kind HAVING count(*) <> 1
UNION ALL SELECT 'not finished' WHERE (SELECT kind FROM e ORDER BY seq DESC LIMIT 1) <> 'finished'
UNION ALL SELECT 'a gap in seq' WHERE (SELECT max(seq) - count(*) FROM e) <> 0
UNION ALL SELECT 'epoch falls at ' || x.seq FROM (SELECT seq, epoch, lag(epoch) OVER (ORDER BY seq) AS was FROM e) x WHERE x.epoch < x.was)");
    std::string all;
    for (auto const& row : rows) all += *row[0] + "\n";
    return all;
}

bool Bench::at_gate(Process& process, std::chrono::milliseconds deadline) const {
    return wait_until([&] { return has(process.out(), "gate contract is open") || !process.running(); }, deadline) &&
           process.running();
}

void make_users(Bench const& bench, int rows) {
    bench.sql(
        "DROP TABLE IF EXISTS users, witness; DROP SCHEMA IF EXISTS weir, weir_sync CASCADE;"
        "CREATE TABLE users (id bigint PRIMARY KEY, name varchar(80) NOT NULL DEFAULT 'nobody', note text);"
        "COMMENT ON COLUMN users.name IS 'who';"
        "CREATE TABLE witness (id bigint PRIMARY KEY, value text NOT NULL);"
        "INSERT INTO users SELECT i, 'user ' || i, repeat('x', 40) FROM generate_series(1, " +
        std::to_string(rows) +
        ") i;"
        "INSERT INTO witness SELECT id, name FROM users");
    bench.sql("VACUUM ANALYZE users");
}

std::string share_out(Bench& bench) {
    bench.sql(R"(
DO $$
DECLARE one record;
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'bench_weir') THEN
    CREATE ROLE bench_owner;
    CREATE ROLE bench_app LOGIN;
    CREATE ROLE bench_weir LOGIN;
    GRANT bench_owner, pg_monitor, pg_signal_backend TO bench_weir;
    IF current_setting('server_version_num')::int >= 150000 THEN
      GRANT SET ON PARAMETER deadlock_timeout, session_replication_role TO bench_weir;
    END IF;
  END IF;
  EXECUTE format('GRANT CREATE ON DATABASE %I TO bench_weir', current_database());
  FOR one IN SELECT c.oid::regclass AS name FROM pg_class c
      WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') LOOP
    EXECUTE format('ALTER TABLE %s OWNER TO bench_owner', one.name);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO bench_app', one.name);
  END LOOP;
END $$)");
    bench.user = "bench_weir";
    return bench.db.conninfo + " user=bench_app";
}

std::string differing(Bench const& bench, std::string const& column) {
    return bench.value("SELECT count(*) FROM users u FULL JOIN witness w USING (id) WHERE u." + column +
                       " IS DISTINCT FROM w.value");
}

Writers::Writers(Bench const& bench, int sessions, int rows) : conninfo_{bench.db.conninfo}, rows_{rows} {
    for (int i = 0; i < sessions; ++i) threads_.emplace_back([this, i] { work(i); });
}

void Writers::stop() {
    stopping_ = true;
    for (auto& thread : threads_)
        if (thread.joinable()) thread.join();
}

bool Writers::more(long n, std::chrono::milliseconds deadline) const {
    return wait_until([this, until = writes_ + n] { return writes_ >= until; }, deadline);
}

std::string Writers::errors() const {
    std::lock_guard const lock{mutex_};
    return errors_;
}

void Writers::work(int number) {
    std::mt19937 random{static_cast<std::mt19937::result_type>(number + 1)};
    std::unique_ptr<Client> client;
    long next = 1'000'000'000L * (number + 1);
    while (!stopping_) {
        try {
            if (!client || !client->connected()) client = std::make_unique<Client>(conninfo_);
        } catch (SqlError const&) {
            std::this_thread::sleep_for(20ms);  // the server is not there just now
            continue;
        }
        int const by = column_;
        std::string const column = by == 0 ? "name" : "full_name";
        bool const insert = random() % 4 == 0;
        auto const id =
            insert ? std::to_string(++next) : std::to_string(std::uniform_int_distribution<int>{1, rows_}(random));
        auto const value = "'w" + std::to_string(number) + " " + std::to_string(random()) + "'";
        auto const text = insert ? "INSERT INTO users (id, " + column + ") VALUES (" + id + ", " + value +
                                       "); INSERT INTO witness VALUES (" + id + ", " + value + ")"
                                 : "UPDATE users SET " + column + " = " + value + " WHERE id = " + id +
                                       "; UPDATE witness SET value = " + value + " WHERE id = " + id;
        auto const began = Clock::now();
        try {
            client->exec(text);
            ++writes_;
        } catch (SqlError const& error) {
            if (error.sqlstate() == "42703" && by == 0) {
                column_ = 1;
            } else if (client->connected() && !error.sqlstate().starts_with("57P")) {
                std::lock_guard const lock{mutex_};
                errors_ += error.sqlstate() + " " + error.what() + "\n";
            }
        }
        long const took = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - began).count();
        for (long seen = longest_; took > seen && !longest_.compare_exchange_weak(seen, took);) {
        }
        std::this_thread::sleep_for(1ms);
    }
}

Ran wait(Process& process, std::chrono::milliseconds deadline) {
    int const status = process.wait(deadline);
    return {status, process.out(), process.err()};
}

}  // namespace weir::tests
