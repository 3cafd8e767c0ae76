#include "orchestrator/postgres/connection.h"

#include <libpq-events.h>
#include <libpq-fe.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <pqxx/pqxx>
#include <utility>
#include <vector>

#include "orchestrator/postgres/wire.h"

namespace weir {
namespace {

using Clock = std::chrono::steady_clock;
using Handle = std::unique_ptr<PGconn, decltype(&PQfinish)>;
using Options = std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)>;

// ---- libpqxx over a PGconn that stays ours: 6.4 by a policy, 7 by seizing and releasing ---------------------------

#if PQXX_VERSION_MAJOR >= 7
class Taken {
  public:
    explicit Taken(PGconn* raw) : connection_{pqxx::connection::seize_raw_connection(raw)} {}
    ~Taken() { std::move(connection_).release_raw_connection(); }
    Taken(Taken const&) = delete;
    Taken& operator=(Taken const&) = delete;
    pqxx::connection& get() { return connection_; }

  private:
    pqxx::connection connection_;
};
#else
class Policy : public pqxx::connectionpolicy {
  public:
    explicit Policy(handle raw) : connectionpolicy{std::string{}}, raw_{raw} {}
    handle do_startconnect(handle) override { return raw_; }
    handle do_completeconnect(handle) override { return raw_; }
    handle do_dropconnect(handle) noexcept override { return nullptr; }
    handle do_disconnect(handle) noexcept override { return nullptr; }
    bool is_ready(handle raw) const noexcept override { return raw != nullptr; }

  private:
    handle raw_;
};

class Taken : public pqxx::connection_base {
  public:
    explicit Taken(PGconn* raw) : connection_base{policy_}, policy_{raw} {
        init();
        set_verbosity(verbose);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
        inhibit_reactivation(true);
#pragma GCC diagnostic pop
    }
    ~Taken() { close(); }
    Taken(Taken const&) = delete;
    Taken& operator=(Taken const&) = delete;
    pqxx::connection_base& get() { return *this; }

  private:
    Policy policy_;
};
#endif

class SocketBreaker : public Breaker {
  public:
    explicit SocketBreaker(PGconn* raw) : cancel_{PQgetCancel(raw)}, socket_{::dup(PQsocket(raw))} {}
    ~SocketBreaker() override {
        PQfreeCancel(cancel_);
        if (socket_ >= 0) ::close(socket_);
    }
    SocketBreaker(SocketBreaker const&) = delete;
    SocketBreaker& operator=(SocketBreaker const&) = delete;
    void cancel() noexcept override {
        std::array<char, 256> words{};
        if (cancel_ != nullptr) PQcancel(cancel_, words.data(), static_cast<int>(words.size()));
    }
    void cut() noexcept override {
        if (socket_ >= 0) ::shutdown(socket_, SHUT_RDWR);
    }

  private:
    PGcancel* cancel_;
    int socket_;
};

Outcome refusal(std::string message, std::string advice) {
    Outcome outcome;
    outcome.fate = Fate::refused;
    outcome.message = std::move(message);
    outcome.advice = std::move(advice);
    return outcome;
}

Outcome loss(std::string message) {
    Outcome outcome;
    outcome.fate = Fate::lost;
    outcome.message = std::move(message);
    return outcome;
}

char const* value_of(Options const& options, std::string_view keyword) {
    for (auto const* option = options.get(); option != nullptr && option->keyword != nullptr; ++option)
        if (keyword == option->keyword && option->val != nullptr && option->val[0] != '\0') return option->val;
    return nullptr;
}

/// `postgres://u:pa/ss@host` parses as host `u`, port `pa`: libpq would then print a part of the password.
bool hides_a_password(std::string_view conninfo) {
    auto const scheme = conninfo.find("://");
    if (scheme == std::string_view::npos || scheme > 10) return false;
    auto const rest = conninfo.substr(scheme + 3, conninfo.find('?', scheme) - scheme - 3);
    auto const at = rest.rfind('@');
    return at != std::string_view::npos && rest.substr(0, at).find(':') != std::string_view::npos;
}

std::optional<Outcome> check(std::string const& conninfo) {
    static constexpr auto advice = "put the password into a PGPASSFILE or a service file";
    if (hides_a_password(conninfo)) return refusal("the database address holds a password", advice);
    char* words = nullptr;
    Options const options{PQconninfoParse(conninfo.c_str(), &words), &PQconninfoFree};
    std::unique_ptr<char, decltype(&PQfreemem)> const said{words, &PQfreemem};
    if (!options) {
        // libpq quotes what it could not read; that may be a piece of a password.
        bool const quotable = conninfo.find("pass") == std::string::npos && conninfo.find('@') == std::string::npos;
        auto why = quotable && said ? std::string{said.get()} : std::string{};
        while (!why.empty() && why.back() == '\n') why.pop_back();
        return refusal("the database address cannot be read" + (why.empty() ? why : ": " + why),
                       "postgresql://user@host:5432/database, or host=… dbname=…");
    }
    if (value_of(options, "password") != nullptr || value_of(options, "sslpassword") != nullptr)
        return refusal("the database address holds a password", advice);
    return std::nullopt;
}

std::vector<std::string> split(std::string_view list) {
    std::vector<std::string> parts;
    for (;;) {
        auto const comma = list.find(',');
        parts.emplace_back(list.substr(0, comma));
        if (comma == std::string_view::npos) return parts;
        list.remove_prefix(comma + 1);
    }
}

struct Host {
    std::optional<std::string> host, address, port;
};

/// PQconnectPoll goes to the next host only when one fails; a black hole does not. So each is tried by itself.
std::vector<Host> hosts_of(Options const& options) {
    auto const list = [&](std::string_view keyword) {
        auto const* value = value_of(options, keyword);
        return value == nullptr ? std::vector<std::string>{} : split(value);
    };
    auto const names = list("host");
    auto const addresses = list("hostaddr");
    auto const ports = list("port");
    auto const count = std::max(names.size(), addresses.size());
    bool const well_formed = (names.empty() || names.size() == count) &&
                             (addresses.empty() || addresses.size() == count) &&
                             (ports.size() <= 1 || ports.size() == count);
    if (count < 2 || !well_formed) return {Host{}};
    std::vector<Host> hosts(count);
    for (std::size_t i = 0; i < count; ++i) {
        if (!names.empty()) hosts[i].host = names[i];
        if (!addresses.empty()) hosts[i].address = addresses[i];
        if (!ports.empty()) hosts[i].port = ports[ports.size() == 1 ? 0 : i];
    }
    return hosts;
}

/// What libpq marks with `*` is secret: whoever needs it finds it where libpq found it, in a file or the environment.
std::string address_of(PGconn* raw, std::string const& conninfo) {
    Options const options{PQconninfo(raw), &PQconninfoFree};
    // Which service it was, the connection does not keep.
    Options const given{PQconninfoParse(conninfo.c_str(), nullptr), &PQconninfoFree};
    std::string text;
    auto const add = [&](std::string_view key, std::string_view value) {
        if (value.empty()) return;
        text += (text.empty() ? "" : " ") + std::string{key} + "='";
        for (char const c : value) text += (c == '\'' || c == '\\' ? "\\" : "") + std::string{c};
        text += "'";
    };
    auto const own = {"host",   "hostaddr",         "port",           "target_session_attrs",
                      "dbname", "application_name", "client_encoding"};
    for (auto const* option = options.get(); option != nullptr && option->keyword != nullptr; ++option)
        if (option->val != nullptr && option->dispchar[0] == '\0' &&
            std::find(own.begin(), own.end(), std::string_view{option->keyword}) == own.end())
            add(option->keyword, option->val);
    if (auto const* service = value_of(given, "service")) add("service", service);
    add("host", PQhost(raw));
    if (value_of(options, "hostaddr") != nullptr) add("hostaddr", PQhostaddr(raw));
    add("port", PQport(raw));
    add("dbname", PQdb(raw));
    // A name may lead to several machines: never to one that is behind.
    add("target_session_attrs", "primary");
    return text;
}

Handle start(std::string const& conninfo, SessionRole const& role, Host const& host) {
    // What stands before dbname gives way to the user's own; what stands after it does not.
    std::vector<char const*> keys{"keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout",
                                  "dbname",          "application_name",    "client_encoding"};
    std::vector<char const*> values{"10", "3", "3", "15000", conninfo.c_str(), role.application_name.c_str(), "UTF8"};
    auto const add = [&](char const* key, std::optional<std::string> const& value) {
        if (!value) return;
        keys.push_back(key);
        values.push_back(value->c_str());
    };
    add("host", host.host);
    add("hostaddr", host.address);
    add("port", host.port);
    keys.push_back(nullptr);
    values.push_back(nullptr);
    return Handle{PQconnectStartParams(keys.data(), values.data(), 1), &PQfinish};
}

void ignore_notice(void*, PGresult const*) {}

std::optional<Outcome> wait_until_connected(PGconn* raw, Millis limit, int abort_fd) {
    auto const end = Clock::now() + limit;
    auto const first = PQstatus(raw) == CONNECTION_BAD ? PGRES_POLLING_FAILED : PGRES_POLLING_WRITING;
    for (auto status = first; status != PGRES_POLLING_OK;) {
        if (status == PGRES_POLLING_FAILED) {
            auto outcome = failure(PQerrorMessage(raw), false);
            // Without a code nobody at the other end spoke: that may be better in a moment.
            if (outcome.sqlstate.empty()) outcome.fate = Fate::lost;
            return outcome;
        }
        auto const left = std::chrono::duration_cast<Millis>(end - Clock::now());
        std::array<pollfd, 2> fds{};
        fds[0] = {PQsocket(raw), static_cast<short>(status == PGRES_POLLING_READING ? POLLIN : POLLOUT), 0};
        fds[1] = {abort_fd, POLLIN, 0};
        if (left.count() <= 0 || ::poll(fds.data(), fds.size(), static_cast<int>(left.count())) == 0)
            return loss("no answer from the server within " + std::to_string(limit.count()) + " ms");
        if (fds[1].revents != 0) {
            Outcome outcome;
            outcome.fate = Fate::canceled;
            outcome.message = "connecting was cancelled";
            return outcome;
        }
        if (fds[0].revents != 0) status = PQconnectPoll(raw);
    }
    return std::nullopt;
}

Batch settings(int version) {
    Batch batch{
        sql("SET client_encoding = 'UTF8'"),
        sql("SET search_path = pg_catalog, public, pg_temp"),
        sql("SET client_min_messages = warning"),
        sql("SET DateStyle = 'ISO, YMD'"),
        sql("SET IntervalStyle = 'postgres'"),
        sql("SET TimeZone = 'UTC'"),
        sql("SET extra_float_digits = 3"),
        sql("SET bytea_output = 'hex'"),
        sql("SET standard_conforming_strings = on"),
        sql("SET quote_all_identifiers = off"),
        sql("SET transform_null_equals = off"),
        sql("SET row_security = off"),
        sql("SET jit = off"),
        sql("SET max_parallel_workers_per_gather = 0"),
        sql("SET default_transaction_isolation = 'read committed'"),
        sql("SET default_transaction_read_only = off"),
        sql("SET default_transaction_deferrable = off"),
        sql("SET lock_timeout = 0"),
        sql("SET statement_timeout = 0"),
        sql("SET idle_in_transaction_session_timeout = '2s'"),
        // So that the server, too, notices that we are out of reach, and our locks are free.
        sql("SET tcp_keepalives_idle = 10"),
        sql("SET tcp_keepalives_interval = 3"),
        sql("SET tcp_keepalives_count = 3"),
        sql("SET tcp_user_timeout = '15s'"),
    };
    if (version >= 140000) batch.push_back(sql("SET idle_session_timeout = 0"));
    if (version >= 170000) batch.push_back(sql("SET transaction_timeout = 0"));
    return batch;
}

int to_int(std::string const& text) {
    int number = 0;
    std::from_chars(text.data(), text.data() + text.size(), number);
    return number;
}

}  // namespace

struct Connection::World {
    Handle raw{nullptr, &PQfinish};
    std::optional<Taken> pqxx;  // before raw in destruction: it still looks at it
    std::shared_ptr<Breaker> breaker;
    ConnectionFacts facts;
    bool working{};
    std::string fatal;  // what the server said while nothing ran; libpq hands that out as a notice
    ServerError error;  // of the string that ran last, in the server's own fields
    bool unreplicated{};
    std::vector<Millis> marks;

    /// pqxx keeps no field but the text of all, in which a value could look like a name.
    static int see(PGEventId what, void* about, void* self) {
        if (what != PGEVT_RESULTCREATE) return 1;
        auto const* const result = static_cast<PGEventResultCreate*>(about)->result;
        if (PQresultStatus(result) != PGRES_FATAL_ERROR) return 1;
        auto const field = [&](int code) {
            auto const* const text = PQresultErrorField(result, code);
            return std::string{text == nullptr ? "" : text};
        };
        static_cast<World*>(self)->error = {.sqlstate = field(PG_DIAG_SQLSTATE),
                                            .message = field(PG_DIAG_MESSAGE_PRIMARY),
                                            .detail = field(PG_DIAG_MESSAGE_DETAIL),
                                            .hint = field(PG_DIAG_MESSAGE_HINT),
                                            .query = field(PG_DIAG_INTERNAL_QUERY),
                                            .context = field(PG_DIAG_CONTEXT),
                                            .schema = field(PG_DIAG_SCHEMA_NAME),
                                            .table = field(PG_DIAG_TABLE_NAME),
                                            .column = field(PG_DIAG_COLUMN_NAME),
                                            .type = field(PG_DIAG_DATATYPE_NAME),
                                            .constraint = field(PG_DIAG_CONSTRAINT_NAME),
                                            .source = field(PG_DIAG_SOURCE_FILE)};
        return 1;
    }

    static void hear(void* self, PGresult const* notice) {
        auto const* severity = PQresultErrorField(notice, PG_DIAG_SEVERITY_NONLOCALIZED);
        if (severity == nullptr) return;
        std::string_view const word{severity};
        auto* const world = static_cast<World*>(self);
        if (word == "FATAL" || word == "PANIC") world->fatal = PQresultErrorMessage(notice);
        auto const* state = PQresultErrorField(notice, PG_DIAG_SQLSTATE);
        auto const* message = PQresultErrorField(notice, PG_DIAG_MESSAGE_PRIMARY);
        if (word == "NOTICE" && state != nullptr && mark_state == state && message != nullptr)
            world->marks.emplace_back(to_int(message));
        // Its words are translated, and its SQLSTATE is that of any warning.
        auto const* function = PQresultErrorField(notice, PG_DIAG_SOURCE_FUNCTION);
        if (word == "WARNING" && function != nullptr && std::string_view{function} == "SyncRepWaitForLSN")
            world->unreplicated = true;
    }

    bool broken() const { return PQstatus(raw.get()) != CONNECTION_OK; }

    Outcome lost(bool in_flight) const {
        auto outcome = failure(fatal.empty() ? PQerrorMessage(raw.get()) : fatal.c_str(), in_flight);
        outcome.fate = in_flight ? Fate::in_doubt : Fate::lost;
        if (outcome.message.empty()) outcome.message = "the connection is lost";
        return outcome;
    }

    /// Reads what came while nothing ran, so that a session that was ended in the meantime is lost, not in doubt.
    int listen() {
        pollfd readable{PQsocket(raw.get()), POLLIN, 0};
        int count = 0;
        // Twice and more: the server's last words come before the end of the stream.
        while (!broken() && ::poll(&readable, 1, 0) > 0) {
            if (PQconsumeInput(raw.get()) == 0) break;
            while (auto* const notification = PQnotifies(raw.get())) {
                PQfreemem(notification);
                ++count;
            }
            if (!fatal.empty()) ::poll(&readable, 1, 1000);
        }
        return count;
    }
};

Connection::Connection(std::unique_ptr<World> world) : world_{std::move(world)} {}
Connection::~Connection() = default;
ConnectionFacts const& Connection::facts() const { return world_->facts; }
std::shared_ptr<Breaker> Connection::breaker() const { return world_->breaker; }
int Connection::socket() const { return PQsocket(world_->raw.get()); }
Outcome Connection::last_words() const { return world_->lost(false); }

std::optional<int> Connection::notifications() {
    int const count = world_->listen();
    if (world_->broken() || !world_->fatal.empty()) return std::nullopt;
    return count;
}

std::variant<std::unique_ptr<Connection>, Outcome> Connection::open(std::string const& conninfo,
                                                                    SessionRole const& role, int abort_fd) {
    if (auto refused = check(conninfo)) return *std::move(refused);
    auto raw = start(conninfo, role, {});
    if (!raw) return loss("out of memory");
    Options const options{PQconninfo(raw.get()), &PQconninfoFree};
    auto const hosts = hosts_of(options);
    auto const* timeout = value_of(options, "connect_timeout");
    Millis const limit{timeout != nullptr && to_int(timeout) > 0 ? to_int(timeout) * 1000 : 10000};

    std::optional<Outcome> failed;
    for (auto const& host : hosts) {
        if (hosts.size() > 1) raw = start(conninfo, role, host);
        if (!raw) return loss("out of memory");
        PQsetErrorVerbosity(raw.get(), PQERRORS_VERBOSE);
        PQsetNoticeReceiver(raw.get(), ignore_notice, nullptr);
        failed = wait_until_connected(raw.get(), limit, abort_fd);
        if (!failed || failed->fate == Fate::canceled) break;
    }
    if (failed) return *std::move(failed);

    auto world = std::make_unique<World>();
    world->raw = std::move(raw);
    try {
        world->pqxx.emplace(world->raw.get());
    } catch (std::exception const&) {
        return world->lost(false);
    }
    PQsetNoticeReceiver(world->raw.get(), &World::hear, world.get());
    if (PQregisterEventProc(world->raw.get(), &World::see, "weir", world.get()) == 0) return loss("out of memory");
    world->breaker = std::make_shared<SocketBreaker>(world->raw.get());
    auto& facts = world->facts;
    facts.server_version = PQserverVersion(world->raw.get());
    Sql const may_set = facts.server_version >= 150000
                            ? sql("pg_catalog.has_parameter_privilege('deadlock_timeout', 'SET')")
                            : sql("pg_catalog.current_setting('is_superuser') = 'on'");

    world->working = role.working;
    std::unique_ptr<Connection> connection{new Connection{std::move(world)}};
    auto outcome = connection->settle();
    if (outcome.fate == Fate::done)
        outcome =
            connection->run({sql("SELECT pg_catalog.pg_backend_pid(), pg_catalog.pg_is_in_recovery(), "
                                 "pg_catalog.current_setting('is_superuser'), session_user, "
                                 "pg_catalog.current_database(), {0}",
                                 may_set)});
    if (outcome.fate == Fate::in_doubt) outcome.fate = Fate::lost;  // nothing that was sent changes anything
    if (outcome.fate != Fate::done) return outcome;
    if (outcome.rows.size() != 1 || outcome.rows[0].fields.size() != 6)
        return refusal("no answer to the first query", "");
    auto const field = [&](std::size_t i) { return outcome.rows[0].fields[i].value_or(""); };
    facts.pid = to_int(field(0));
    facts.pooler = PQbackendPID(connection->world_->raw.get()) != facts.pid;
    facts.in_recovery = field(1) == "t";
    facts.superuser = field(2) == "on";
    facts.user = field(3);
    facts.database = field(4);
    facts.may_set_deadlock_timeout = field(5) == "t";
    facts.address = address_of(connection->world_->raw.get(), conninfo);
    return connection;
}

Outcome Connection::settle() {
    auto batch = settings(facts().server_version);
    batch.insert(batch.begin(), sql("RESET ALL"));
    auto outcome = run(batch);
    if (outcome.fate == Fate::done && world_->working && facts().server_version >= 140000) {
        // Not every platform can do it; then a dead orchestrator's statement runs to its end.
        outcome = run({sql("SET client_connection_check_interval = '500ms'")});
        if (outcome.fate == Fate::refused) outcome.fate = Fate::done;
    }
    return outcome;
}

Outcome Connection::run(Batch const& batch) {
    auto const began = Clock::now();
    auto const timed = [&](Outcome outcome) {
        outcome.took = std::chrono::duration_cast<Millis>(Clock::now() - began);
        return outcome;
    };
    world_->listen();
    if (world_->broken() || !world_->fatal.empty()) return timed(world_->lost(false));

    Outcome outcome;
    world_->unreplicated = false;
    world_->error = {};
    world_->marks.clear();
    try {
        pqxx::nontransaction work{world_->pqxx->get()};
        auto const result = work.exec(to_text(batch));
        outcome.rows.reserve(static_cast<std::size_t>(result.size()));
        for (auto const& row : result) {
            Row read;
            for (auto const& field : row)
                read.fields.push_back(field.is_null() ? std::nullopt
                                                      : std::optional{std::string{field.c_str(), field.size()}});
            outcome.rows.push_back(std::move(read));
        }
    } catch (std::exception const& error) {
        if (world_->broken()) return timed(world_->lost(true));
        auto& seen = world_->error;
        outcome = seen.sqlstate.empty() ? failure(error.what(), true) : failure(std::move(seen), true);
    }
    // An implicit transaction ends with its string. One that does not was begun inside it, against the rules, and would
    // hold its locks.
    if (PQtransactionStatus(world_->raw.get()) != PQTRANS_IDLE) {
        try {
            pqxx::nontransaction{world_->pqxx->get()}.exec("ROLLBACK");
        } catch (std::exception const&) {
            return timed(world_->lost(true));
        }
        if (outcome.fate == Fate::done) outcome = refusal("the string left a transaction open; it was rolled back", "");
    }
    outcome.unreplicated = world_->unreplicated && outcome.fate == Fate::done;
    outcome.marks = std::exchange(world_->marks, {});
    return timed(std::move(outcome));
}

}  // namespace weir
