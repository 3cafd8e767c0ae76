#pragma once
/// One connection with a thread of its own. Neither pqxx nor libpq nor Asio's big headers in sight.
#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <memory>
#include <string>

#include "orchestrator/machine/protocol.h"

namespace weir {

/// How a session introduces itself and guards itself; set once at connect.
struct SessionRole {
    std::string application_name;  ///< `weir users-full-name hand 1`
    bool working{};                ///< holds the shared `hands` lock; client_connection_check_interval is set
};

/// What the connection turned out to be.
struct ConnectionFacts {
    int server_version{};  ///< 150020
    bool pooler{};         ///< PQbackendPID() differs from pg_backend_pid()
    bool in_recovery{};
    bool superuser{};
    bool may_set_deadlock_timeout{};  ///< superuser, or from 15 on GRANT SET ON PARAMETER
    std::string user;                 ///< who logged in (session_user); SET ROLE does not change it
    std::string database;
    int pid{};
    std::string address;  ///< libpq's keywords for another program that works on the same server; no secret in them
};

/// A PGconn, the thread that alone touches it, and at most one statement at a time. The SQLSTATE comes from verbose
/// messages; a connection lost with a string in flight is in_doubt, always; libpqxx may never reconnect by itself.
/// Replies are posted to `home`, exactly one for each call, in order. Methods may be called from `home`'s thread only,
/// save cancel().
class Session {
  public:
    using Reply = std::function<void(Outcome)>;

    /// `conninfo` is a libpq URL or keyword string without a password; empty: libpq's own variables and files.
    Session(boost::asio::any_io_executor home, std::string conninfo, SessionRole role);
    ~Session();  ///< cancels what runs and joins its thread; replies still due are not given
    Session(Session const&) = delete;
    Session& operator=(Session const&) = delete;

    /// On success facts() may be asked. Fate::refused or lost with the server's words otherwise.
    void connect(Reply reply);
    /// Of a standalone batch those before the last statement may set something for it: afterwards the session's
    /// settings are made anew.
    void execute(Batch batch, Transaction transaction, Limits limits, Reply reply);
    /// Asks the server to stop what runs, from a side thread, by the PGcancel taken at connect. Any thread.
    void cancel() noexcept;
    /// REQUIRES a connect() that was done.
    ConnectionFacts const& facts() const;

  private:
    struct World;
    std::unique_ptr<World> world_;
};

}  // namespace weir
