#pragma once
/// A throwaway PostgreSQL server for this suite: its own folder, its own socket, gone with the test process.
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <string>

#include "orchestrator/machine/protocol.h"
#include "orchestrator/postgres/session.h"

namespace weir::testing {

class Server {
  public:
    /// One a test process, started at the first call.
    static Server& instance();

    std::string conninfo(std::string const& database = "postgres", std::string const& user = "postgres") const;
    /// A new, empty database; its name.
    std::string create_database();
    /// By psql, as the superuser; fails the test when psql does. Its output, unaligned, without headers.
    std::string psql(std::string const& database, std::string const& text) const;

    ~Server();
    Server(Server const&) = delete;
    Server& operator=(Server const&) = delete;

  private:
    Server();
    std::string folder_;
    int pid_{};
    int databases_{};
};

/// A Session with an io_context of its own, spoken to as if it were synchronous.
class Caller {
  public:
    explicit Caller(std::string conninfo, SessionRole role = {"weir test", true})
        : session{io.get_executor(), std::move(conninfo), std::move(role)} {}

    Outcome connect() {
        Outcome got;
        session.connect([&](Outcome outcome) { got = std::move(outcome); });
        run();
        return got;
    }
    Outcome execute(Batch batch, Transaction transaction = Transaction::implicit,
                    Limits limits = {Millis{0}, Millis{0}, Millis{30000}}) {
        Outcome got;
        session.execute(std::move(batch), transaction, limits, [&](Outcome outcome) { got = std::move(outcome); });
        run();
        return got;
    }
    void run() {
        io.restart();
        io.run();
    }

    boost::asio::io_context io;
    Session session;
};

}  // namespace weir::testing
