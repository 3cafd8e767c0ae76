/// An application for the quickstart: it reads, updates and inserts users at a fixed rate by one column's name, and
/// writes down how long each request took, counted from the moment it was due (so that waiting requests count in full).
///
///     load --database CONNINFO --table users --column name --witness witness [--rate 300] [--clients 8]
///          [--seconds 0] [--log FILE] [--default anon]
///
/// Every write also goes to the witness table in the same transaction: the value that the user must have at the end.
/// SIGTERM or SIGINT ends it in good order. Exit 0 when no request failed, 1 when one did, 2 for usage.
#include <libpq-fe.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

std::atomic<bool> ending{false};
static_assert(std::atomic<bool>::is_always_lock_free);

struct Settings {
    std::string database, table, column, witness, log, default_value;
    int rate{300}, clients{8}, seconds{0};
};

struct Failed {
    std::string message;
};

struct Done {
    char kind{};
    bool good{};
    std::int64_t began{};  ///< milliseconds since the program's start, when it was due
    std::int64_t took{};   ///< microseconds since then
};

class Session {
  public:
    explicit Session(Settings const& settings) : settings_{settings} {}
    ~Session() { PQfinish(connection_); }
    Session(Session const&) = delete;
    Session& operator=(Session const&) = delete;

    /// As drivers do: statements are prepared once and kept.
    std::optional<std::string> run(std::string const& name, std::string const& sql,
                                   std::vector<std::string> const& values) {
        if (!prepared_.contains(name)) {
            check(PQprepare(connection_, name.c_str(), sql.c_str(), 0, nullptr));
            prepared_[name] = true;
        }
        std::vector<char const*> texts;
        for (auto const& value : values) texts.push_back(value.c_str());
        return check(PQexecPrepared(connection_, name.c_str(), static_cast<int>(texts.size()), texts.data(), nullptr,
                                    nullptr, 0));
    }

    void plain(char const* sql) { check(PQexec(connection_, sql)); }

    /// After an error: the transaction is given up; a broken connection is opened anew.
    void recover() {
        if (connected()) {
            if (PQtransactionStatus(connection_) != PQTRANS_IDLE) PQclear(PQexec(connection_, "ROLLBACK"));
            return;
        }
        PQfinish(connection_);
        prepared_.clear();
        connection_ = PQconnectdb(settings_.database.c_str());
    }

    bool connected() const { return connection_ != nullptr && PQstatus(connection_) == CONNECTION_OK; }

    void connect() {
        recover();
        if (!connected()) throw Failed{PQerrorMessage(connection_)};
    }

  private:
    std::optional<std::string> check(PGresult* result) {
        auto const status = PQresultStatus(result);
        if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
            // Without DETAIL, which names the row: messages are counted.
            char const* const primary = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
            std::string const message = primary == nullptr ? PQerrorMessage(connection_) : std::string{primary} + "\n";
            PQclear(result);
            throw Failed{message};
        }
        std::optional<std::string> value;
        if (PQntuples(result) > 0 && PQgetisnull(result, 0, 0) == 0) value = PQgetvalue(result, 0, 0);
        PQclear(result);
        return value;
    }

    Settings const& settings_;
    PGconn* connection_{};
    std::map<std::string, bool> prepared_;
};

class Load {
  public:
    explicit Load(Settings settings) : settings_{std::move(settings)} {}

    int run() {
        {
            Session first{settings_};
            first.connect();
            auto const largest = first.run("largest", "SELECT coalesce(max(id), 0) FROM " + settings_.table, {});
            users_ = std::stoll(largest.value_or("0"));
        }
        if (users_ < 1) throw Failed{"table " + settings_.table + " has no rows\n"};
        start_ = Clock::now();
        std::vector<std::thread> clients;
        for (int number = 0; number < settings_.clients; ++number)
            clients.emplace_back([this, number] { client(number); });
        while (!ending && (settings_.seconds == 0 || Clock::now() < start_ + std::chrono::seconds{settings_.seconds}))
            std::this_thread::sleep_for(20ms);
        ending = true;
        for (auto& client : clients) client.join();
        return report();
    }

  private:
    /// Requests are due at fixed times whether or not earlier ones are answered, as people do not wait for each other.
    /// What was due before the end is still carried out, so that no long wait is forgotten.
    void client(int number) {
        Session session{settings_};
        std::mt19937_64 random{static_cast<std::uint64_t>(number) * 7919U +
                               static_cast<std::uint64_t>(start_.time_since_epoch().count())};
        auto const apart = std::chrono::duration_cast<Clock::duration>(
            std::chrono::duration<double>{double(settings_.clients) / settings_.rate});
        auto due = start_ + apart * number / settings_.clients;
        for (std::int64_t request = 0;; ++request, due += apart) {
            while (!ending && Clock::now() < due)
                std::this_thread::sleep_until(std::min(due, Clock::now() + Clock::duration{20ms}));
            if (Clock::now() < due) return;
            Done done{.kind = 'r', .good = true, .began = milliseconds(due), .took = 0};
            try {
                session.connect();
                done.kind = one(session, random, number, request);
            } catch (Failed const& failed) {
                done.good = false;
                std::lock_guard const lock{mutex_};
                ++errors_[failed.message];
            }
            if (!done.good) {
                session.recover();
                if (ending && !session.connected()) return;  // nobody is there to carry out what is left
            }
            done.took = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - due).count();
            std::lock_guard const lock{mutex_};
            done_.push_back(done);
        }
    }

    /// The user's row is locked before its witness, always: the last writer of one is the last writer of the other.
    char one(Session& session, std::mt19937_64& random, int number, std::int64_t request) const {
        auto const& [table, column, witness] = std::tie(settings_.table, settings_.column, settings_.witness);
        auto const id = std::to_string(std::uniform_int_distribution<std::int64_t>{1, users_}(random));
        auto const value = column + " " + std::to_string(number) + "." + std::to_string(request);
        auto const dice = std::uniform_int_distribution<int>{0, 99}(random);
        auto const note = [&](std::string const& user, std::string const& written) {
            session.run("witness",
                        "INSERT INTO " + witness +
                            " (id, value) VALUES ($1::bigint, $2::text) ON CONFLICT (id) "
                            "DO UPDATE SET value = excluded.value",
                        {user, written});
        };
        if (dice < 50) {
            session.run("read", "SELECT " + column + ", visits FROM " + table + " WHERE id = $1::bigint", {id});
            return 'r';
        }
        if (dice < 65) {
            session.run("visit", "UPDATE " + table + " SET visits = visits + 1 WHERE id = $1::bigint", {id});
            return 'v';
        }
        session.plain("BEGIN");
        if (dice < 90) {
            session.run("update", "UPDATE " + table + " SET " + column + " = $2::text WHERE id = $1::bigint",
                        {id, value});
            note(id, value);
        } else if (dice < 97 || settings_.default_value.empty()) {
            auto const made = session.run("insert",
                                          "INSERT INTO " + table + " (" + column +
                                              ", email) VALUES ($1::text, "
                                              "'new@example.org') RETURNING id",
                                          {value});
            note(made.value(), value);
        } else {
            auto const made = session.run(
                "default", "INSERT INTO " + table + " (email) VALUES ('none@example.org') RETURNING id", {});
            note(made.value(), settings_.default_value);
        }
        session.plain("COMMIT");
        return 'w';
    }

    std::int64_t milliseconds(Clock::time_point at) const {
        return std::chrono::duration_cast<std::chrono::milliseconds>(at - start_).count();
    }

    int report() {
        if (!settings_.log.empty()) {
            std::FILE* const file = std::fopen(settings_.log.c_str(), "w");
            if (file == nullptr) throw Failed{"cannot write " + settings_.log + "\n"};
            for (auto const& done : done_)
                std::fprintf(file, "%lld %c %s %lld\n", static_cast<long long>(done.began), done.kind,
                             done.good ? "ok" : "error", static_cast<long long>(done.took));
            std::fclose(file);
        }
        std::size_t failed = 0;
        for (auto const& [message, times] : errors_) {
            failed += times;
            std::fprintf(stderr, "%zu times: %s", times, message.c_str());
        }
        std::vector<std::int64_t> took;
        for (auto const& done : done_) took.push_back(done.took);
        std::sort(took.begin(), took.end());
        auto const at = [&](std::size_t percent) {
            return took.empty() ? 0.0 : double(took[(took.size() - 1) * percent / 100]) / 1000;
        };
        std::printf("requests=%zu errors=%zu p50_ms=%.1f p99_ms=%.1f longest_ms=%.1f\n", done_.size(), failed, at(50),
                    at(99), at(100));
        return failed == 0 ? 0 : 1;
    }

    Settings settings_;
    Clock::time_point start_;
    std::int64_t users_{};
    std::mutex mutex_;
    std::vector<Done> done_;
    std::map<std::string, std::size_t> errors_;
};

Settings read(int count, char** words) {
    Settings settings;
    std::map<std::string, std::string*> const texts{
        {"--database", &settings.database}, {"--table", &settings.table}, {"--column", &settings.column},
        {"--witness", &settings.witness},   {"--log", &settings.log},     {"--default", &settings.default_value}};
    std::map<std::string, int*> const numbers{
        {"--rate", &settings.rate}, {"--clients", &settings.clients}, {"--seconds", &settings.seconds}};
    for (int at = 1; at + 1 < count; at += 2) {
        if (auto const text = texts.find(words[at]); text != texts.end())
            *text->second = words[at + 1];
        else if (auto const number = numbers.find(words[at]); number != numbers.end())
            *number->second = std::atoi(words[at + 1]);
        else
            throw std::invalid_argument{words[at]};
    }
    if (count % 2 == 0 || settings.table.empty() || settings.column.empty() || settings.witness.empty() ||
        settings.rate < 1 || settings.clients < 1)
        throw std::invalid_argument{"--table, --column and --witness are needed"};
    return settings;
}

}  // namespace

int main(int count, char** words) {
    try {
        auto settings = read(count, words);
        struct sigaction stop {};
        stop.sa_handler = [](int) { ending = true; };
        sigaction(SIGTERM, &stop, nullptr);
        sigaction(SIGINT, &stop, nullptr);
        return Load{std::move(settings)}.run();
    } catch (Failed const& failed) {
        std::fprintf(stderr, "load: %s", failed.message.c_str());
        return 1;
    } catch (std::invalid_argument const& problem) {
        std::fprintf(stderr, "load: usage: %s\n", problem.what());
        return 2;
    }
}
