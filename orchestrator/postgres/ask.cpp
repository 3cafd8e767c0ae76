#include "orchestrator/postgres/ask.h"

#include <boost/asio/io_context.hpp>
#include <optional>
#include <utility>

namespace weir {
namespace {

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

std::string connect_hint(Outcome const& outcome) {
    if (outcome.sqlstate == "28P01" || outcome.sqlstate == "28000")
        return "give the password by PGPASSFILE (~/.pgpass) or a service file; check user and pg_hba.conf";
    if (outcome.sqlstate == "3D000") return "check the database's name in --database or PGDATABASE";
    if (outcome.sqlstate == "53300")
        return "the server has no connection left for weir: raise max_connections or close some";
    if (outcome.message.find("password") != std::string::npos)
        return "give the password by PGPASSFILE (~/.pgpass) or a service file";
    return "check host, port and user in --database, or PGHOST, PGPORT and PGUSER; is the server running?";
}

}  // namespace

std::variant<std::unique_ptr<Asker>, Problem> Asker::open(boost::asio::io_context& io, std::string const& conninfo,
                                                          SessionRole role) {
    std::unique_ptr<Asker> asker{
        new Asker{io, std::make_unique<Session>(io.get_executor(), conninfo, std::move(role))}};
    std::optional<Outcome> answer;
    asker->session_->connect([&](Outcome outcome) { answer = std::move(outcome); });
    auto const outcome = wait(io, answer);
    if (outcome.fate == Fate::refused && outcome.sqlstate.empty() && !outcome.detail.empty())
        return Problem{Code::usage,
                       {},
                       outcome.message,
                       outcome.detail.starts_with("hint: ") ? outcome.detail.substr(6) : outcome.detail};
    if (outcome.fate != Fate::done)
        return Problem{Code::cannot_connect, {}, "cannot connect: " + outcome.message, connect_hint(outcome)};
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

Problem problem_of(Outcome const& outcome, std::string const& doing, std::string const& grant) {
    std::string const words = doing + ": " + outcome.message;
    if (outcome.sqlstate == "42501") return {Code::no_privilege, {}, words, grant};
    if (outcome.fate == Fate::lost || outcome.fate == Fate::in_doubt)
        return {Code::cannot_connect, {}, words, "the connection was lost; run the same command again"};
    return {Code::statement_refused,
            {},
            words + (outcome.sqlstate.empty() ? "" : " (" + outcome.sqlstate + ")"),
            outcome.detail.empty() ? "run the same command again" : outcome.detail};
}

}  // namespace weir
