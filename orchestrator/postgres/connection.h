#pragma once
/// One PGconn, used by one thread: libpq opens it, libpqxx takes it over. The floor's own; others use Session and Ear.
/// No exception leaves these functions, save std::bad_alloc.
#include <memory>
#include <string>
#include <variant>

#include "orchestrator/machine/protocol.h"
#include "orchestrator/postgres/session.h"

namespace weir {

/// The two ways to get a thread out of a call that does not come back; both for any thread.
class Breaker {
  public:
    virtual ~Breaker() = default;
    /// Asks the server to cancel. Blocks: it makes a connection of its own.
    virtual void cancel() noexcept = 0;
    /// Shuts the socket down: whoever waits for it comes back with a lost connection. Does not block.
    virtual void cut() noexcept = 0;
};

class Connection {
  public:
    /// Tries each host of `conninfo` for 10 s (or its connect_timeout), and gives up when `abort_fd` is readable.
    /// The session's settings are made and the facts are read. Resolving a host's name is libc's and cannot be aborted.
    static std::variant<std::unique_ptr<Connection>, Outcome> open(std::string const& conninfo, SessionRole const& role,
                                                                   int abort_fd);
    ~Connection();
    Connection(Connection const&) = delete;
    Connection& operator=(Connection const&) = delete;

    /// One string, one round trip; the rows of the last statement.
    Outcome run(Batch const& batch);
    /// Makes the session's settings anew, whatever was set since.
    Outcome settle();
    ConnectionFacts const& facts() const;
    std::shared_ptr<Breaker> breaker() const;
    int socket() const;
    /// The notifications that came since; nothing when the connection is lost, and then `last_words()` say why.
    std::optional<int> notifications();
    Outcome last_words() const;

  private:
    struct World;
    explicit Connection(std::unique_ptr<World> world);
    std::unique_ptr<World> world_;
};

}  // namespace weir
