#include "orchestrator/postgres/ask.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <optional>
#include <utility>

#include "orchestrator/machine/room.h"

namespace weir {
namespace {

constexpr std::chrono::seconds commit_patience{1};
constexpr Limits at_once{Millis{1000}, Millis{2000}, Millis{3000}};

Outcome wait(boost::asio::io_context& io, std::optional<Outcome>& answer) {
    io.restart();
    while (!answer && io.run_one() > 0) {
    }
    if (!answer) {
        Outcome none;
        none.fate = Fate::lost;
        none.message = "no answer";
        return none;
    }
    return *std::move(answer);
}

/// libpq says a line for each host that it tried, and one more for what it guesses.
std::string one_line(std::string const& text) {
    std::string line;
    for (char const c : text) {
        if (c == '\n')
            line += "; ";
        else if (c != '\t')
            line += c;
    }
    while (line.ends_with("; ")) line.resize(line.size() - 2);
    return line;
}

std::string connect_hint(Outcome const& outcome) {
    if (outcome.sqlstate == "28P01" || outcome.sqlstate == "28000")
        return "give the password by PGPASSFILE (~/.pgpass) or a service file; check user and pg_hba.conf";
    if (outcome.sqlstate == "3D000") return "check the database's name in --database or PGDATABASE";
    if (outcome.sqlstate == "53300")
        return "the server has no connection left for weir: raise max_connections or close some";
    if (no_room(outcome)) return no_room_hint(outcome, "run the same command again");
    if (outcome.message.find("password") != std::string::npos)
        return "give the password by PGPASSFILE (~/.pgpass) or a service file";
    return "check host, port and user in --database, or PGHOST, PGPORT and PGUSER; is the server running?";
}

}  // namespace

std::variant<std::unique_ptr<Asker>, Problem> Asker::open(boost::asio::io_context& io, std::string const& conninfo,
                                                          SessionRole role) {
    std::unique_ptr<Asker> asker{
        new Asker{io, conninfo, std::make_unique<Session>(io.get_executor(), conninfo, std::move(role))}};
    std::optional<Outcome> answer;
    asker->session_->connect([&](Outcome outcome) { answer = std::move(outcome); });
    auto const outcome = wait(io, answer);
    if (outcome.fate == Fate::refused && outcome.sqlstate.empty() && !outcome.advice.empty())
        return Problem{Code::usage, {}, outcome.message, outcome.advice};
    if (outcome.fate != Fate::done)
        return Problem{Code::cannot_connect,
                       {},
                       "cannot connect: " + one_line(outcome.message),
                       connect_hint(outcome),
                       words_of(outcome)};
    auto const& facts = asker->facts();
    if (facts.pooler)
        return Problem{Code::pooler,
                       {},
                       "the connection goes through a connection pooler",
                       "give weir a --database that leads to the server itself; the application may keep the pooler"};
    if (facts.server_version < 140000)
        return Problem{Code::server_version,
                       {},
                       "the server is PostgreSQL " + std::to_string(facts.server_version / 10000),
                       "weir needs 14 or newer"};
    if (facts.in_recovery)
        return Problem{Code::is_replica,
                       {},
                       "the server is a replica",
                       "connect to the primary (target_session_attrs=read-write chooses it among several hosts)"};
    return asker;
}

Outcome Asker::ask(Batch batch, Limits limits) {
    std::optional<Outcome> answer;
    session_->execute(std::move(batch), Transaction::implicit, limits,
                      [&](Outcome outcome) { answer = std::move(outcome); });
    return wait(io_, answer);
}

Outcome Asker::ask(Batch batch, Waits const& waits) {
    std::optional<Outcome> answer;
    std::string standbys;
    boost::asio::steady_timer timer{io_};
    std::unique_ptr<Session> eye;
    std::function<void()> look;
    auto const look_later = [&] {
        timer.expires_after(commit_patience);
        timer.async_wait([&](boost::system::error_code error) {
            if (!error && !answer) look();
        });
    };
    look = [&] {
        if (!eye) {
            eye = std::make_unique<Session>(io_.get_executor(), conninfo_, SessionRole{"weir look", false});
            eye->connect([](Outcome const&) {});
        }
        eye->execute({sql("SELECT pg_catalog.current_setting('synchronous_standby_names') "
                          "FROM pg_catalog.pg_stat_activity a WHERE a.pid = {0} AND a.wait_event = 'SyncRep'",
                          Int{facts().pid})},
                     Transaction::implicit, at_once, [&](Outcome const& seen) {
                         if (answer) return;
                         if (seen.fate != Fate::done || seen.rows.empty()) {
                             look_later();
                             return;
                         }
                         standbys = seen.rows[0].fields[0].value_or("");
                         (void)waits(standbys);
                         // It ends the wait, not the commit.
                         session_->cancel();
                     });
    };
    if (waits) look_later();
    session_->execute(std::move(batch), Transaction::implicit, Limits{Millis{2000}, Millis{30000}, Millis{35000}},
                      [&](Outcome outcome) { answer = std::move(outcome); });
    auto outcome = wait(io_, answer);
    // What they would still say speaks of this frame.
    eye.reset();
    timer.cancel();
    io_.restart();
    io_.poll();
    if (!waits) return outcome;
    // A commit that comes after it: once that is confirmed, so is this.
    while (outcome.unreplicated && waits(standbys)) {
        auto const after = ask({sql("SET LOCAL synchronous_commit = on"),
                                sql("SELECT pg_catalog.pg_logical_emit_message(true, 'weir', '')")},
                               at_once);
        if (after.fate == Fate::lost || after.fate == Fate::in_doubt) return after;
        outcome.unreplicated = after.fate != Fate::done || after.unreplicated;
    }
    return outcome;
}

Problem problem_of(Outcome const& outcome, std::string const& doing, std::string const& grant) {
    std::string const words = doing + ": " + outcome.message;
    auto more = words_of(outcome);
    if (outcome.sqlstate == "42501") return {Code::no_privilege, {}, words, grant, std::move(more)};
    if (outcome.fate == Fate::lost || outcome.fate == Fate::in_doubt)
        return {
            Code::cannot_connect, {}, words, "the connection was lost; run the same command again", std::move(more)};
    if (no_room(outcome))
        return {Code::no_room,
                {},
                words + " (" + outcome.sqlstate + ")",
                no_room_hint(outcome, "run the same command again"),
                std::move(more)};
    return {Code::statement_refused,
            {},
            words + (outcome.sqlstate.empty() ? "" : " (" + outcome.sqlstate + ")"),
            outcome.advice.empty() ? "run the same command again" : outcome.advice,
            std::move(more)};
}

}  // namespace weir
