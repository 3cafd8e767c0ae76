#pragma once
/// The real program against a real server: a database and a folder a test, plans in it, an application that writes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "tests/support/cluster.h"
#include "tests/support/process.h"
#include "tests/support/schema_dump.h"

namespace weir::tests {

using namespace std::chrono_literals;
using Words = std::vector<std::string>;
using Environment = std::map<std::string, std::string>;

/// WEIR_TEST_SEED; else the same in each build, and by the clock where a test goes its long way. Printed, so that a
/// failure can be run again.
std::uint64_t seed();

bool has(std::string_view text, std::string_view part);
std::size_t count(std::string_view text, std::string_view part);

/// What it said and how it ended, for a failing assertion.
std::string told(Ran const& ran);

/// Exactly one message, with this code and a hint, and this exit code; each of `parts` is somewhere in it.
::testing::AssertionResult refused(Ran const& ran, int exit, std::string const& code, Words const& parts = {});

/// A folder that is gone at the end.
class Folder {
  public:
    Folder();
    ~Folder();
    Folder(Folder const&) = delete;
    Folder& operator=(Folder const&) = delete;
    std::string write(std::string const& name, std::string_view text) const;
    std::string path(std::string const& name = "") const;

  private:
    std::filesystem::path path_;
};

/// The program on one database.
class Bench {
  public:
    explicit Bench(Cluster& server = Cluster::shared()) : cluster{server}, db{server.create_database()} {}

    Cluster& cluster;
    Database db;
    Folder folder;
    std::string user{"postgres"};

    std::string plan(std::string_view text, std::string const& name = "plan.yaml") const {
        return folder.write(name, text);
    }
    /// `run plan.yaml …` with --database of this bench added.
    Launch launch(Words words, Environment environment = {}) const;
    Ran weir(Words words, Environment environment = {}, std::chrono::milliseconds deadline = 60s) const;
    Process start(Words words, Environment environment = {}) const {
        return Process{launch(std::move(words), std::move(environment))};
    }
    /// `weir run PLAN --approve all`, again and again while it says that it stopped safely or that the dead one's lock
    /// is still there; gives the last.
    Ran finish(std::string const& plan, int times = 30) const;
    /// How often finish() was told that a dead one still leads.
    mutable int dead_leaders{};

    Rows sql(std::string const& text) const { return query(db.conninfo, text); }
    std::string value(std::string const& text) const { return query_value(db.conninfo, text); }
    std::string dump() const { return schema_dump(db.conninfo, {"weir", "weir_sync"}); }
    bool ledger() const {
        return value("SELECT count(*) FROM pg_namespace WHERE nspname IN ('weir', 'weir_sync')") != "0";
    }
    /// Triggers, functions and schemas of ours, but the schemas weir and weir_sync themselves.
    std::string leftovers() const;
    /// Kinds and steps of the newest run, in order: `began, step_done 1, …`.
    std::string entries() const;
    /// What is wrong with the newest run's ledger as that of a finished one; empty: nothing.
    std::string ledger_faults() const;
    /// Waits until the newest run of the ledger stands at its open gate.
    bool at_gate(Process& process, std::chrono::milliseconds deadline = 30s) const;
};

/// As in production three roles that are no superusers: `bench_owner` owns the tables of `public`, `bench_weir`, a
/// member of it with the further grants of docs/security.md, runs weir from here on, and `bench_app` reads and writes.
/// Its conninfo.
std::string share_out(Bench& bench);

/// users(id, name not null, note) with so many rows, and the plan that renames name to full_name.
inline constexpr std::string_view rename_plan = R"(weir: 1
name: rename-it
changes:
  - rename_column: { table: users, from: name, to: full_name }
)";
void make_users(Bench const& bench, int rows);
/// The same, and what it drops is kept aside.
inline constexpr std::string_view kept_plan = R"(weir: 1
name: rename-it
changes:
  - rename_column: { table: users, from: name, to: full_name }
drop: { quarantine: 7d }
)";

/// Sessions that update and insert by the old name, and by the new one once the old is gone. Every write goes to a
/// witness table in the same transaction. Connections that end are made anew.
class Writers {
  public:
    explicit Writers(Bench const& bench, int sessions = 2, int rows = 100);
    ~Writers() { stop(); }
    Writers(Writers const&) = delete;
    Writers& operator=(Writers const&) = delete;
    void stop();
    void use_new() { column_ = 1; }
    long writes() const { return writes_; }
    /// Waits until so many more writes are done.
    bool more(long n, std::chrono::milliseconds deadline = 20s) const;
    std::chrono::milliseconds longest() const { return std::chrono::milliseconds{longest_}; }
    /// Errors that an application would notice, joined; empty: none.
    std::string errors() const;

  private:
    void work(int number);
    std::string conninfo_;
    int rows_;
    std::atomic<bool> stopping_{};
    std::atomic<int> column_{};
    std::atomic<long> writes_{};
    std::atomic<long> longest_{};
    mutable std::mutex mutex_;
    std::string errors_;
    std::vector<std::thread> threads_;
};
/// Rows whose value (in `column`) is not what the witness saw.
std::string differing(Bench const& bench, std::string const& column);

/// Ends with the exit code and everything that was written.
Ran wait(Process& process, std::chrono::milliseconds deadline = 60s);

}  // namespace weir::tests
