#pragma once
/// A golden case on a real server: its database, its world, and a driver that performs a run's commands and can stop,
/// abort or look at any point of it.
#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "orchestrator/machine/run.h"
#include "orchestrator/postgres/ask.h"
#include "phases/program.h"
#include "tests/support/cluster.h"
#include "tests/support/golden.h"

namespace weir::tests {

/// `plan.yaml`, or an empty plan when the reader refuses it.
std::variant<Plan, Problems> plan_of(GoldenCase const& golden, std::string const& file = "plan.yaml");

enum class How {
    to_the_end,    ///< gates approved
    with_shell,    ///< the same, by orchestrator/postgres/shell.h instead of the driver
    die,           ///< vanish as soon as the machine says that step `at` is done: what it wants next never happens
    order_abort,   ///< order an abort at that moment, while the machine goes on
    rollback,      ///< `weir rollback`
    rollback_die,  ///< vanish when the machine says that step `at` is undone
    undo,          ///< undo what the ledger says is done, as `weir abort` does without a living leader
};

struct Drive {
    How how{How::to_the_end};
    std::string at{};
    bool watch_locks{};  ///< write the locks held just before each commit into lab.locks
    bool strip_locks{};  ///< leave out LOCK TABLE, to see what the statements take by themselves
    /// Asked before each string of a working session; false: vanish, and it is not sent.
    std::function<bool(Execute const&)> goes_on{};
    /// Told of each step that is done, before anything else happens.
    std::function<void(std::string const&)> done{};
};

struct Driven {
    int exit{-1};  ///< -1: it died, as asked
    std::vector<Event> events;
    Program program;
    std::string problem;  ///< why nothing began, or why it stopped
};

class Bench {
  public:
    /// A fresh database with the world of before.sql, the ledger, and after earlier.yaml, if there is one.
    explicit Bench(GoldenCase golden);

    /// A fresh database with the world that this SQL makes, and the ledger.
    explicit Bench(std::string const& before);

    Database const& database() const { return database_; }
    std::string const& conninfo() const { return conninfo_; }  ///< as the case's role
    /// As the case's role.
    std::variant<Catalog, Problem> world(Plan const& plan) const;
    Driven drive(Plan const& plan, Drive how) const;
    /// A program made by hand: its live run goes on, or a new one begins.
    Driven drive(Program program, Drive how) const;
    /// Commands of DDL that neither the tables' owner gave, nor weir in its own schemas; a line each.
    std::string by_others() const;
    /// The schema, weir_sync included and the ledger left out.
    std::string schema() const;
    /// The rows of the plan's tables as text, without the columns named.
    std::string rows(std::vector<Touched> const& without, std::vector<TableName> const& tables) const;

  private:
    Driven drive(Asker& asker, boost::asio::io_context& io, RunMachine::Config config, EntryDetail const& begin,
                 Drive how) const;

    GoldenCase golden_;
    Database database_;
    std::string conninfo_;
    std::string owner_, user_;  ///< of the tables; who runs weir
};

}  // namespace weir::tests
