#include "orchestrator/run/history.h"

#include <boost/asio/steady_timer.hpp>
#include <boost/json.hpp>
#include <chrono>
#include <cmath>
#include <utility>
#include <vector>

#include "orchestrator/postgres/session.h"
#include "orchestrator/run/runs.h"

namespace weir {
namespace {

namespace json = boost::json;
using Clock = std::chrono::steady_clock;

constexpr Limits limits{Millis{500}, Millis{2000}, Millis{4000}};

std::int64_t millis(double seconds) { return std::llround(seconds * 1000); }

json::object shown(Row const& row, std::string const& leader) {
    auto const run = run_of(row, leader);
    auto const work = work_of_run(row);
    json::object times;
    for (auto const& [phase, took] : work.phases_ms) times[phase] = took;
    json::object one{{"plan", run.plan},
                     {"run", run.run},
                     {"state", in_words(run.standing, run.led)},
                     {"by", run.by},
                     {"began_ms", millis(run.began)},
                     {"last_entry_ms", millis(run.last)},
                     {"phases_ms", std::move(times)},
                     {"rows", work.rows}};
    if (is_over(run.standing)) one["ended_ms"] = millis(run.last);
    if (work.rows_read) {
        one["rows_read"] = *work.rows_read;
        one["rows_filled"] = work.rows_filled.value_or(0);
        one["rows_wrong"] = work.rows_wrong.value_or(0);
    }
    if (run.quarantine_ends) {
        one["quarantine_ends_ms"] = millis(*run.quarantine_ends);
        one["values_not_back"] = run.values_not_back;
    }
    if (!run.stopped.empty()) {
        one["stopped"] = run.stopped;
        one["hint"] = run.hint;
    }
    return one;
}

bool no_ledger(Outcome const& outcome) { return outcome.sqlstate == "42P01" || outcome.sqlstate == "3F000"; }
bool gone(Outcome const& outcome) { return outcome.fate == Fate::lost || outcome.fate == Fate::in_doubt; }

}  // namespace

struct History::World : std::enable_shared_from_this<World> {
    World(boost::asio::any_io_executor executor, std::string database, std::string const& plan, Times given)
        : times{given},
          home{std::move(executor)},
          conninfo{std::move(database)},
          name{("weir " + plan + " history").substr(0, 63)},
          idle{home} {}

    enum class Doing { absent, connecting, connected, asking };

    Times times;
    boost::asio::any_io_executor home;
    std::string conninfo, name;
    boost::asio::steady_timer idle;
    std::unique_ptr<Session> session;
    Doing doing{Doing::absent};
    std::vector<std::function<void(Text)>> waiting;
    Text last;
    Clock::time_point tried{};
    bool stopped{};

    void want(std::function<void(Text)> give) {
        if (stopped) return;
        wait_for_quiet();
        // What failed is not tried again at once either.
        if (tried != Clock::time_point{} && Clock::now() - tried < times.fresh) return give(last);
        waiting.push_back(std::move(give));
        if (doing == Doing::absent)
            connect();
        else if (doing == Doing::connected)
            ask();
    }

    void wait_for_quiet() {
        idle.expires_after(times.idle);
        idle.async_wait([self = weak_from_this()](boost::system::error_code error) {
            auto const world = self.lock();
            if (error || !world || world->doing != Doing::connected) return;
            world->session.reset();
            world->doing = Doing::absent;
        });
    }

    void connect() {
        doing = Doing::connecting;
        if (!session) session = std::make_unique<Session>(home, conninfo, SessionRole{name, false});
        session->connect([this](Outcome const& outcome) {
            if (outcome.fate != Fate::done) return answer(Doing::absent, nullptr);
            ask();
        });
    }

    void ask() {
        doing = Doing::asking;
        session->execute(who_leads(), Transaction::implicit, limits, [this](Outcome const& outcome) {
            if (outcome.fate != Fate::done) return answer(gone(outcome) ? Doing::absent : Doing::connected, nullptr);
            list(outcome.rows.empty() ? "" : outcome.rows[0].fields[2].value_or(""));
        });
    }

    void list(std::string leader) {
        session->execute(list_history(most), Transaction::implicit, limits,
                         [this, leader = std::move(leader)](Outcome const& outcome) {
                             if (outcome.fate != Fate::done && !no_ledger(outcome))
                                 return answer(gone(outcome) ? Doing::absent : Doing::connected, nullptr);
                             json::array runs;
                             for (auto const& row : outcome.rows) runs.push_back(shown(row, leader));
                             answer(Doing::connected, std::make_shared<std::string const>(
                                                          json::serialize(json::object{{"runs", std::move(runs)}})));
                         });
    }

    void answer(Doing now, Text text) {
        doing = now;
        tried = Clock::now();
        last = std::move(text);
        auto const all = std::exchange(waiting, {});
        for (auto const& give : all)
            if (!stopped) give(last);
    }

    void stop() {
        stopped = true;
        idle.cancel();
        waiting.clear();
        session.reset();
    }
};

History::History(boost::asio::any_io_executor home, std::string conninfo, std::string const& plan, Times times)
    : world_{std::make_shared<World>(std::move(home), std::move(conninfo), plan, times)} {}
History::History(boost::asio::any_io_executor home, std::string conninfo, std::string const& plan)
    : History{std::move(home), std::move(conninfo), plan, Times{}} {}
History::~History() { stop(); }
void History::want(std::function<void(Text)> give) { world_->want(std::move(give)); }
void History::stop() { world_->stop(); }

}  // namespace weir
