#pragma once
/// Question and answer before a run begins, and in the commands that only look: one statement at a time.
#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <memory>
#include <string>
#include <variant>

#include "orchestrator/postgres/session.h"
#include "plans/problem.h"

namespace boost::asio {
class io_context;
}

namespace weir {

/// A session whose answers are waited for by running the io_context. Not for use while something else runs it.
class Asker {
  public:
    /// Connects; a Problem (cannot-connect with the server's words and a hint, pooler, is-replica, server-version,
    /// usage for a password in the URL) when weir cannot work there.
    static std::variant<std::unique_ptr<Asker>, Problem> open(boost::asio::io_context& io, std::string const& conninfo,
                                                              SessionRole role);

    Outcome ask(Batch batch, Limits limits = {Millis{2000}, Millis{30000}, Millis{35000}});
    /// Whether to go on waiting for a synchronous standby; it gets synchronous_standby_names. Called from within, now
    /// and then.
    using Waits = std::function<bool(std::string const& standbys)>;
    /// The same for a string that commits synchronously: once its commit has waited for a synchronous standby for a
    /// second, `waits` is asked, and as long as that says so, it comes back only when a standby has the commit. Looked
    /// at by a session of its own.
    Outcome ask(Batch batch, Waits const& waits);
    Session& session() { return *session_; }
    ConnectionFacts const& facts() const { return session_->facts(); }

  private:
    Asker(boost::asio::io_context& io, std::string conninfo, std::unique_ptr<Session> session)
        : io_{io}, conninfo_{std::move(conninfo)}, session_{std::move(session)} {}
    boost::asio::io_context& io_;
    std::string conninfo_;
    std::unique_ptr<Session> session_;
};

/// What to tell a person of an outcome that was not expected; no-privilege for 42501, no-room for class 53, else
/// cannot-connect or statement-refused.
/// `grant` is the hint where a privilege is missing.
Problem problem_of(Outcome const& outcome, std::string const& doing,
                   std::string const& grant = "grant it, or connect as a role that has it");

}  // namespace weir
