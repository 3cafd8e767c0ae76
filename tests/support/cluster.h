#pragma once
/// Throwaway PostgreSQL servers: real ones, on Unix sockets in a short folder of their own, gone when the test ends.
///
/// One template is made once a process (initdb), each server is a copy of it. A killed test leaves no server (the
/// kernel tells it), and its folder is swept by the next test process. Found by WEIR_PG_BIN, `pg_config --bindir`,
/// the newest /usr/lib/postgresql/*/bin, or PATH. Start servers from the test's own thread (tests/support/process.h).
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/process.h"

struct pg_conn;
struct pg_result;

namespace weir::tests {

/// Built with a sanitizer: what a plain build goes through in full may be a sample.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool sanitized = true;
#else
inline constexpr bool sanitized = false;
#endif

/// Long sweeps run only when WEIR_TEST_LONG is set.
bool long_run();

using Field = std::optional<std::string>;
using Rows = std::vector<std::vector<Field>>;

/// The server said no, or the connection broke; what() is its message.
class SqlError : public std::runtime_error {
  public:
    SqlError(std::string const& message, std::string sqlstate)
        : std::runtime_error{message}, sqlstate_{std::move(sqlstate)} {}
    /// `08006` when there is no connection (any more) to say one.
    std::string const& sqlstate() const { return sqlstate_; }

  private:
    std::string sqlstate_;
};

/// One session, for what an application does: hold a transaction open, wait for a lock, be cancelled.
/// Closed by the destructor. For one thread.
class Client {
  public:
    explicit Client(std::string const& conninfo);
    ~Client();
    Client(Client const&) = delete;
    Client& operator=(Client const&) = delete;

    /// Several statements in one string are one implicit transaction; gives the rows of the last. Throws SqlError.
    Rows exec(std::string const& sql);
    /// The same, but gives the SQLSTATE, empty for success.
    std::string try_exec(std::string const& sql);
    /// The first field of the first row; throws when there is none or it is NULL.
    std::string value(std::string const& sql);
    /// Sends without waiting; result() or try_result() must follow.
    void send(std::string const& sql);
    bool busy();  ///< what was sent is not answered yet
    Rows result(std::chrono::milliseconds deadline = std::chrono::seconds{30});
    std::string try_result(std::chrono::milliseconds deadline = std::chrono::seconds{30});
    void cancel();
    int backend() const;  ///< its process id on the server
    bool connected() const;

  private:
    Rows rows_of(pg_result* result) const;
    pg_conn* connection_;
};

/// One statement or string in a session of its own. Throws SqlError.
Rows query(std::string const& conninfo, std::string const& sql);
/// The same, giving the SQLSTATE; empty for success.
std::string try_query(std::string const& conninfo, std::string const& sql);
/// The first field of the first row; throws when there is none or it is NULL.
std::string query_value(std::string const& conninfo, std::string const& sql);

/// One server over one data folder.
class Server {
  public:
    virtual ~Server();  ///< stops at once and removes the folder
    Server(Server const&) = delete;
    Server& operator=(Server const&) = delete;

    /// `host=… port=… user=postgres dbname=…`
    std::string conninfo(std::string_view database = "postgres", std::string_view user = "postgres") const;
    /// The same as `postgresql://…`, for a program's `--database`.
    std::string url(std::string_view database = "postgres", std::string_view user = "postgres") const;

    void start();  ///< returns when it takes connections; throws with the end of its log when it does not
    void stop();   ///< fast: ends sessions, writes a checkpoint
    void restart() { stop(), start(); }
    /// To the postmaster; SIGQUIT and SIGKILL are the crashes, and this returns when it has ended of those.
    void kill(int signal);
    bool running();
    /// ALTER SYSTEM and a reload; a setting that needs it takes effect at the next restart().
    void set(std::string const& setting, std::string const& value);
    std::string log() const;  ///< since the last start
    std::filesystem::path const& data() const { return data_; }
    int port() const { return port_; }

  protected:
    Server(std::filesystem::path data, int port, std::map<std::string, std::string> environment = {});
    std::map<std::string, std::string> const& environment() const { return environment_; }

  private:
    std::filesystem::path data_;
    int port_;
    std::map<std::string, std::string> environment_;
    std::unique_ptr<Process> process_;
};

/// A streaming standby.
class Replica : public Server {
  public:
    std::string const& name() const { return name_; }
    void pause();  ///< replay stops; WAL still arrives
    void resume();
    /// Waits until everything that the primary has written is replayed here; false when the deadline passes.
    bool catch_up(std::chrono::milliseconds deadline = std::chrono::seconds{20});

  private:
    friend class Cluster;
    Replica(std::filesystem::path data, int port, std::string name, std::string primary,
            std::map<std::string, std::string> environment);
    std::string name_;
    std::string primary_;
};

/// A database of its own for one test.
struct Database {
    std::string name;
    std::string conninfo;
    std::string url;
};

/// A primary, and the replicas that a test gives it.
class Cluster : public Server {
  public:
    struct Options {
        bool fsync{};                       ///< only crash tests need it
        std::vector<std::string> settings;  ///< lines of postgresql.conf
        std::vector<std::string> hba;       ///< lines of pg_hba.conf before the one that trusts everybody
        std::map<std::string, std::string> environment{};  ///< of its processes, and of its replicas'
    };
    Cluster() : Cluster{Options{}} {}
    explicit Cluster(Options const& options);
    ~Cluster() override;

    /// The one of this process, started at first use; tests that stop or reconfigure a server make their own.
    static Cluster& shared();

    /// Fresh and empty, with a name that is not used again. It lives as long as the cluster.
    Database create_database();
    struct ReplicaOptions {
        std::string min_apply_delay;  ///< `2s`; empty: none
    };
    Replica& add_replica(std::string const& name) { return add_replica(name, ReplicaOptions{}); }
    Replica& add_replica(std::string const& name, ReplicaOptions const& options);
    Replica& replica(std::string_view name);
    void remove_replica(std::string_view name);  ///< stops it and removes its folder

  private:
    Cluster(Options const& options, int port);
    std::vector<std::unique_ptr<Replica>> replicas_;
    int databases_{};
};

/// `it's` as `'it''s'`; for servers with standard_conforming_strings.
std::string sql_literal(std::string_view text);

/// A program of the server's installation: `pgbench`, `psql`, `pg_dump`.
std::string server_program(std::string_view name);

}  // namespace weir::tests
