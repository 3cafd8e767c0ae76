#include "tests/support/cluster.h"

#include <fcntl.h>
#include <libpq-fe.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <system_error>
#include <thread>
#include <utility>

namespace weir::tests {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr char const* prefix = "/tmp/weir-";  // short: a socket's path may have 107 bytes

std::string find_programs() {
    auto const good = [](fs::path const& folder) {
        return fs::exists(folder / "postgres") && fs::exists(folder / "initdb");
    };
    if (char const* told = std::getenv("WEIR_PG_BIN"); told != nullptr && *told != '\0') {
        if (good(told)) return told;
        throw std::runtime_error{"WEIR_PG_BIN=" + std::string{told} + " holds no postgres"};
    }
    try {
        auto told = run({.command = {"pg_config", "--bindir"}, .environment = {}, .directory = {}}).out;
        while (!told.empty() && told.back() == '\n') told.pop_back();
        if (good(told)) return told;
    } catch (std::system_error const&) {  // no pg_config: look further
    }
    std::pair<int, std::string> newest{0, ""};
    std::error_code none;
    for (auto const& entry : fs::directory_iterator{"/usr/lib/postgresql", none})
        if (good(entry.path() / "bin"))
            newest = std::max(newest, {std::atoi(entry.path().filename().c_str()), (entry.path() / "bin").string()});
    if (newest.first > 0) return newest.second;
    if (char const* path = std::getenv("PATH")) {
        std::istringstream folders{path};
        for (std::string folder; std::getline(folders, folder, ':');)
            if (good(folder)) return folder;
    }
    throw std::runtime_error{"no PostgreSQL server found; set WEIR_PG_BIN to the folder of initdb and postgres"};
}

void give_to_server(fs::path const& path) {
    auto const& user = server_user();
    if (user.other && chown(path.c_str(), user.uid, user.gid) != 0)
        throw std::system_error{errno, std::generic_category(), "chown " + path.string()};
}

void must(Launch launch) {
    auto const name = launch.command[0];
    launch.as_server_user = true;
    auto const ran = run(std::move(launch));
    if (ran.status != 0) throw std::runtime_error{name + " failed: " + ran.out + ran.err};
}

void append(fs::path const& file, std::string const& text) {
    std::ofstream out{file, std::ios::app};
    out << text;
    if (!out.flush()) throw std::runtime_error{"cannot write " + file.string()};
}

/// The folder of this process: template, data folders, sockets. Others see by its lock that it is alive.
class Home {
  public:
    static Home& get() {
        static Home home;
        return home;
    }
    Home(Home const&) = delete;
    Home& operator=(Home const&) = delete;
    ~Home() {
        std::error_code ignored;
        fs::remove_all(root_, ignored);
        close(lock_);
    }

    fs::path const& root() const { return root_; }
    int next_port() { return next_port_++; }

    fs::path const& template_folder() {
        if (!template_.empty()) return template_;
        auto const folder = root_ / "template";
        must({.command = {server_program("initdb"), "-D", folder.string(), "-A", "trust", "-U", "postgres", "-E",
                          "UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions"},
              .environment = {},
              .directory = root_.string()});
        return template_ = folder;
    }

  private:
    Home() {
        sweep();
        std::string name = std::string{prefix} + "XXXXXX";
        if (mkdtemp(name.data()) == nullptr) throw std::system_error{errno, std::generic_category(), "mkdtemp"};
        root_ = name;
        // Locked before it has its name: a sweeper never sees it free while we live.
        auto const early = root_ / "early";
        lock_ = open(early.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
        if (lock_ < 0 || flock(lock_, LOCK_EX | LOCK_NB) != 0)
            throw std::system_error{errno, std::generic_category(), "lock " + early.string()};
        fs::rename(early, root_ / "owner");
        fs::permissions(root_, fs::perms{0755});  // programs of other users reach the sockets
        give_to_server(root_);
    }

    static void sweep() {
        std::error_code ignored;
        for (auto const& entry : fs::directory_iterator{"/tmp", ignored}) {
            if (!entry.path().string().starts_with(prefix)) continue;
            int const owner = open((entry.path() / "owner").c_str(), O_RDWR | O_CLOEXEC);
            if (owner < 0) continue;
            if (flock(owner, LOCK_EX | LOCK_NB) == 0) fs::remove_all(entry.path(), ignored);
            close(owner);
        }
    }

    fs::path root_;
    fs::path template_;
    std::atomic<int> next_port_{5433};
    int lock_{-1};
};

fs::path fresh_folder(std::string const& what, int port) { return Home::get().root() / (what + std::to_string(port)); }

std::string end_of(std::string const& log) {
    constexpr std::size_t most = 4000;
    return log.size() <= most ? log : log.substr(log.size() - most);
}

std::string trimmed(char const* message) {
    std::string text{message};
    while (!text.empty() && text.back() == '\n') text.pop_back();
    return text;
}

}  // namespace

bool long_run() {
    char const* text = std::getenv("WEIR_TEST_LONG");
    return text != nullptr && *text != '\0' && std::string_view{text} != "0";
}

std::string server_program(std::string_view name) {
    static std::string const folder = find_programs();
    return folder + "/" + std::string{name};
}

std::string sql_literal(std::string_view text) {
    std::string all = "'";
    for (char const c : text) all += c == '\'' ? std::string{"''"} : std::string{c};
    return all + "'";
}

// ---- sessions -------------------------------------------------------------------------------------------------------

Client::Client(std::string const& conninfo) : connection_{PQconnectdb(conninfo.c_str())} {
    if (PQstatus(connection_) == CONNECTION_OK) {
        PQsetNoticeProcessor(
            connection_, [](void*, char const*) {}, nullptr);
        return;
    }
    auto const message = trimmed(PQerrorMessage(connection_));
    PQfinish(connection_);
    throw SqlError{message, "08006"};
}

Client::~Client() { PQfinish(connection_); }

Rows Client::rows_of(PGresult* result) const {
    auto const owned = std::unique_ptr<PGresult, void (*)(PGresult*)>{result, PQclear};
    auto const status = result == nullptr ? PGRES_FATAL_ERROR : PQresultStatus(result);
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK && status != PGRES_EMPTY_QUERY) {
        char const* state = result == nullptr ? nullptr : PQresultErrorField(result, PG_DIAG_SQLSTATE);
        throw SqlError{trimmed(result == nullptr ? PQerrorMessage(connection_) : PQresultErrorMessage(result)),
                       state == nullptr ? "08006" : state};
    }
    Rows rows(static_cast<std::size_t>(PQntuples(result)));
    for (std::size_t row = 0; row < rows.size(); ++row)
        for (int column = 0; column < PQnfields(result); ++column) {
            auto const number = static_cast<int>(row);
            if (PQgetisnull(result, number, column) != 0)
                rows[row].emplace_back();
            else
                rows[row].emplace_back(std::string{PQgetvalue(result, number, column),
                                                   static_cast<std::size_t>(PQgetlength(result, number, column))});
        }
    return rows;
}

Rows Client::exec(std::string const& sql) { return rows_of(PQexec(connection_, sql.c_str())); }

std::string Client::try_exec(std::string const& sql) {
    try {
        exec(sql);
        return "";
    } catch (SqlError const& error) {
        return error.sqlstate();
    }
}

std::string Client::value(std::string const& sql) {
    auto const rows = exec(sql);
    if (rows.empty() || rows[0].empty() || !rows[0][0]) throw std::runtime_error{"no value: " + sql};
    return *rows[0][0];
}

void Client::send(std::string const& sql) {
    if (PQsendQuery(connection_, sql.c_str()) != 1) throw SqlError{trimmed(PQerrorMessage(connection_)), "08006"};
}

bool Client::busy() { return PQconsumeInput(connection_) == 1 && PQisBusy(connection_) == 1; }

Rows Client::result(std::chrono::milliseconds deadline) {
    auto const until = Clock::now() + deadline;
    PGresult* last = nullptr;
    for (;;) {
        while (busy()) {
            auto const left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now()).count();
            if (left <= 0) {
                PQclear(last);
                throw std::runtime_error{"no answer in time"};
            }
            pollfd waiting{.fd = PQsocket(connection_), .events = POLLIN, .revents = 0};
            poll(&waiting, 1, static_cast<int>(left));
        }
        PGresult* const next = PQgetResult(connection_);
        if (next == nullptr) break;
        PQclear(std::exchange(last, next));
    }
    return rows_of(last);
}

std::string Client::try_result(std::chrono::milliseconds deadline) {
    try {
        result(deadline);
        return "";
    } catch (SqlError const& error) {
        return error.sqlstate();
    }
}

void Client::cancel() {
    PGcancel* const wish = PQgetCancel(connection_);
    char why[256];
    PQcancel(wish, why, sizeof why);
    PQfreeCancel(wish);
}

int Client::backend() const { return PQbackendPID(connection_); }
bool Client::connected() const { return PQstatus(connection_) == CONNECTION_OK; }

Rows query(std::string const& conninfo, std::string const& sql) { return Client{conninfo}.exec(sql); }

std::string try_query(std::string const& conninfo, std::string const& sql) {
    try {
        return Client{conninfo}.try_exec(sql);
    } catch (SqlError const& error) {
        return error.sqlstate();
    }
}

std::string query_value(std::string const& conninfo, std::string const& sql) { return Client{conninfo}.value(sql); }

// ---- servers --------------------------------------------------------------------------------------------------------

Server::Server(fs::path data, int port, std::map<std::string, std::string> environment)
    : data_{std::move(data)}, port_{port}, environment_{std::move(environment)} {
    environment_.try_emplace("PGDATA", "");
}

Server::~Server() {
    if (process_) {
        process_->signal(SIGQUIT);
        try {
            process_->wait(10s);
        } catch (std::exception const&) {  // then its destructor kills it
        }
        process_.reset();
    }
    std::error_code ignored;
    fs::remove_all(data_, ignored);
}

std::string Server::conninfo(std::string_view database, std::string_view user) const {
    return "host=" + Home::get().root().string() + " port=" + std::to_string(port_) + " user=" + std::string{user} +
           " dbname=" + std::string{database};
}

std::string Server::url(std::string_view database, std::string_view user) const {
    return "postgresql://" + std::string{user} + "@/" + std::string{database} + "?host=" + Home::get().root().string() +
           "&port=" + std::to_string(port_);
}

void Server::start() {
    auto const until = Clock::now() + 60s;
    for (;;) {
        process_.reset();
        process_ = std::make_unique<Process>(Launch{.command = {server_program("postgres"), "-D", data_.string()},
                                                    .environment = environment_,
                                                    .directory = data_.string(),
                                                    .as_server_user = true,
                                                    .death_signal = SIGINT});
        bool const up = wait_until([&] { return !process_->running() || PQping(conninfo().c_str()) == PQPING_OK; },
                                   std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now()));
        if (up && process_->running()) return;
        // After a crash the children of the old postmaster may need a moment to see that it is gone.
        bool const leftovers = log().find("pre-existing shared memory block") != std::string::npos ||
                               log().find("is another postmaster") != std::string::npos;
        if (!leftovers || Clock::now() >= until)
            throw std::runtime_error{"the server does not start: " + end_of(log())};
        std::this_thread::sleep_for(50ms);
    }
}

void Server::stop() {
    if (!running()) return;
    process_->signal(SIGINT);
    process_->wait(60s);
}

void Server::kill(int signal) {
    if (!running()) return;
    process_->signal(signal);
    if (signal == SIGQUIT || signal == SIGKILL) process_->wait(20s);
}

bool Server::running() { return process_ && process_->running(); }

void Server::set(std::string const& setting, std::string const& value) {
    Client client{conninfo()};
    auto const before = client.value("SELECT pg_conf_load_time()");
    client.exec("ALTER SYSTEM SET " + setting + " = " + sql_literal(value));
    client.exec("SELECT pg_reload_conf()");
    // A reload is a signal and takes its time: a new session must see it.
    if (!wait_until([&] { return query_value(conninfo(), "SELECT pg_conf_load_time()") != before; }))
        throw std::runtime_error{"the server did not reload"};
}

std::string Server::log() const { return process_ ? process_->out() + process_->err() : std::string{}; }

// ---- replica --------------------------------------------------------------------------------------------------------

Replica::Replica(fs::path data, int port, std::string name, std::string primary,
                 std::map<std::string, std::string> environment)
    : Server{std::move(data), port, std::move(environment)}, name_{std::move(name)}, primary_{std::move(primary)} {}

void Replica::pause() {
    query(conninfo(), "SELECT pg_wal_replay_pause()");
    if (!wait_until([&] { return query_value(conninfo(), "SELECT pg_get_wal_replay_pause_state()") == "paused"; }))
        throw std::runtime_error{"replica " + name_ + " does not pause"};
}

void Replica::resume() { query(conninfo(), "SELECT pg_wal_replay_resume()"); }

bool Replica::catch_up(std::chrono::milliseconds deadline) {
    Client primary{primary_};
    // A commit that is flushed takes along what asynchronous ones left in the buffers.
    primary.exec("SET synchronous_commit = local");
    primary.exec("SELECT pg_logical_emit_message(true, 'weir', '')");
    auto const written = primary.value("SELECT pg_current_wal_flush_lsn()");
    return wait_until(
        [&] {
            return query_value(conninfo(), "SELECT pg_last_wal_replay_lsn() >= " + sql_literal(written) + "::pg_lsn") ==
                   "t";
        },
        deadline);
}

// ---- cluster --------------------------------------------------------------------------------------------------------

Cluster::Cluster(Options const& options) : Cluster{options, Home::get().next_port()} {}

Cluster::Cluster(Options const& options, int port) : Server{fresh_folder("p", port), port, options.environment} {
    must({.command = {"cp", "-a", Home::get().template_folder().string(), data().string()},
          .environment = {},
          .directory = Home::get().root().string()});
    std::string settings = "listen_addresses = ''\nport = " + std::to_string(port) + "\nunix_socket_directories = '" +
                           Home::get().root().string() + "'\nfsync = " + (options.fsync ? "on" : "off") +
                           "\nwal_level = replica\nmax_connections = 100\nmax_wal_senders = 10\nwal_keep_size = 1GB\n"
                           "max_prepared_transactions = 10\nshared_buffers = 64MB\ntimezone = 'UTC'\n"
                           "log_line_prefix = '%m [%p] %q%a '\n";
    for (auto const& line : options.settings) settings += line + "\n";
    append(data() / "postgresql.conf", settings);
    if (!options.hba.empty()) {
        std::ostringstream rest;
        rest << std::ifstream{data() / "pg_hba.conf"}.rdbuf();
        std::string lines;
        for (auto const& line : options.hba) lines += line + "\n";
        std::ofstream{data() / "pg_hba.conf"} << lines << rest.str();
    }
    start();
}

Cluster::~Cluster() {
    replicas_.clear();  // a standby has no use for a primary that goes first
}

Cluster& Cluster::shared() {
    static Cluster cluster;
    return cluster;
}

Database Cluster::create_database() {
    auto const name = "test_" + std::to_string(++databases_);
    query(conninfo("template1"), "CREATE DATABASE " + name);
    return {name, conninfo(name), url(name)};
}

Replica& Cluster::add_replica(std::string const& name, ReplicaOptions const& options) {
    int const port = Home::get().next_port();
    auto made = std::unique_ptr<Replica>{new Replica{fresh_folder("r", port), port, name, conninfo(), environment()}};
    must({.command = {server_program("pg_basebackup"), "-d", conninfo(), "-D", made->data().string(), "-X", "stream",
                      "-c", "fast", "--no-sync"},
          .environment = {},
          .directory = Home::get().root().string()});
    append(made->data() / "postgresql.auto.conf",
           "port = " + std::to_string(port) + "\nprimary_conninfo = " +
               sql_literal("host=" + Home::get().root().string() + " port=" + std::to_string(this->port()) +
                           " user=postgres application_name=" + name) +
               "\n" +
               (options.min_apply_delay.empty()
                    ? ""
                    : "recovery_min_apply_delay = " + sql_literal(options.min_apply_delay) + "\n"));
    append(made->data() / "standby.signal", "");
    made->start();
    if (!wait_until([&] {
            return query_value(conninfo(),
                               "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'"
                               " AND application_name = " +
                                   sql_literal(name)) != "0";
        }))
        throw std::runtime_error{"replica " + name + " does not stream: " + end_of(made->log())};
    return *replicas_.emplace_back(std::move(made));
}

Replica& Cluster::replica(std::string_view name) {
    for (auto const& replica : replicas_)
        if (replica->name() == name) return *replica;
    throw std::logic_error{"no replica " + std::string{name}};
}

void Cluster::remove_replica(std::string_view name) {
    std::erase_if(replicas_, [&](auto const& replica) { return replica->name() == name; });
}

}  // namespace weir::tests
