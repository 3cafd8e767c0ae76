#include "orchestrator/postgres/connection.h"

#include <libpq-events.h>
#include <libpq-fe.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <chrono>
#include <pqxx/pqxx>
#include <utility>
#include <vector>

#include "orchestrator/postgres/dial.h"
#include "orchestrator/postgres/wire.h"

namespace weir {
namespace {

using Clock = std::chrono::steady_clock;

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
    Handle raw;
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
    auto dialled = dial(conninfo, role, abort_fd);
    if (auto* failed = std::get_if<Outcome>(&dialled)) return std::move(*failed);

    auto world = std::make_unique<World>();
    world->raw = std::get<Handle>(std::move(dialled));
    try {
        world->pqxx.emplace(world->raw.get());
    } catch (std::exception const&) {
        return world->lost(false);
    }
    PQsetNoticeReceiver(world->raw.get(), &World::hear, world.get());
    if (PQregisterEventProc(world->raw.get(), &World::see, "weir", world.get()) == 0)
        return own_words(Fate::lost, "out of memory");
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
        return own_words(Fate::refused, "no answer to the first query");
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
        if (outcome.fate == Fate::done)
            outcome = own_words(Fate::refused, "the string left a transaction open; it was rolled back");
    }
    outcome.unreplicated = world_->unreplicated && outcome.fate == Fate::done;
    outcome.marks = std::exchange(world_->marks, {});
    return timed(std::move(outcome));
}

}  // namespace weir
