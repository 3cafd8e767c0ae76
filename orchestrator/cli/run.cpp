#include <unistd.h>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <functional>
#include <memory>
#include <thread>

#include "metrics/instruments.h"
#include "orchestrator/cli/commands.h"
#include "orchestrator/cli/prepared.h"
#include "orchestrator/cli/progress.h"
#include "orchestrator/http/listener.h"
#include "orchestrator/postgres/ear.h"
#include "orchestrator/postgres/leadership.h"
#include "orchestrator/postgres/shell.h"
#include "orchestrator/signals/replication_lag.h"

namespace weir {
namespace {

namespace asio = boost::asio;
using std::chrono::milliseconds;

constexpr milliseconds lag_poll{250};
constexpr milliseconds orders_poll{5000};
constexpr milliseconds reconnect_rest{1000};
constexpr milliseconds dying_leader{1000};
constexpr milliseconds orders_glance{50};
constexpr Limits small{Millis{1000}, Millis{1500}, Millis{2000}};

Millis steady_now() { return std::chrono::duration_cast<Millis>(std::chrono::steady_clock::now().time_since_epoch()); }

/// Measures the replicas on a session of its own, again and again.
class Eye {
  public:
    Eye(asio::io_context& io, std::string conninfo, std::string name, Millis limit)
        : io_{io}, conninfo_{std::move(conninfo)}, name_{std::move(name)}, limit_{limit}, timer_{io} {}

    void start(std::function<void(Measured)> give) {
        give_ = std::move(give);
        connect();
    }
    void stop() {
        stopped_ = true;
        timer_.cancel();
        session_.reset();
    }

  private:
    void connect() {
        session_ = std::make_unique<Session>(io_.get_executor(), conninfo_, SessionRole{name_, false});
        session_->connect([this](Outcome outcome) {
            if (outcome.fate == Fate::done)
                measure();
            else
                lost(outcome);
        });
    }
    void measure() {
        session_->execute(ReplicationLag::measure(), Transaction::implicit, small, [this](Outcome outcome) {
            tell(outcome);
            if (outcome.fate == Fate::lost || outcome.fate == Fate::in_doubt)
                after(reconnect_rest, [this] { connect(); });
            else
                after(poll(), [this] { measure(); });
        });
    }
    /// A reading may be too large by one poll: under a small limit the polls must be closer, or it would hold for ever.
    milliseconds poll() const { return std::clamp(limit_ / 4, milliseconds{25}, lag_poll); }
    void lost(Outcome const& outcome) {
        tell(outcome);
        after(reconnect_rest, [this] { connect(); });
    }
    void tell(Outcome const& outcome) {
        auto readings = lag_.read(outcome, steady_now());
        for (auto& reading : readings) reading.limit = static_cast<double>(limit_.count()) / 1000;
        give_(Measured{std::move(readings)});
    }
    void after(milliseconds time, std::function<void()> then) {
        if (stopped_) return;
        timer_.expires_after(time);
        timer_.async_wait([this, then = std::move(then)](boost::system::error_code error) {
            if (!error && !stopped_) then();
        });
    }

    asio::io_context& io_;
    std::string conninfo_, name_;
    Millis limit_;
    asio::steady_timer timer_;
    std::unique_ptr<Session> session_;
    ReplicationLag lag_;
    std::function<void(Measured)> give_;
    bool stopped_{};
};

/// Reads orders from the ledger when the ear wakes, and slowly beside it: a black hole sends nothing.
class Clerk {
  public:
    Clerk(asio::io_context& io, std::string const& conninfo, std::string plan, RunId run, Session& session)
        : ear_{io.get_executor(), conninfo, "weir " + plan + " ear", [this] { read(); },
               [this](Outcome) { listen_later(); }},
          plan_{std::move(plan)},
          run_{run},
          control_{session},
          poll_{io},
          again_{io} {}

    /// Gives what was ordered before: a gate that is approved already must not be waited for. Not while the io_context
    /// runs.
    void catch_up(Asker& asker, std::function<void(Ordered)> give) {
        give_ = std::move(give);
        take(asker.ask(read_orders(plan_, run_, last_)));
    }
    void start(std::function<void(Lost)> lost) {
        lost_ = std::move(lost);
        listen();
        poll();
    }
    void stop() {
        stopped_ = true;
        poll_.cancel();
        again_.cancel();
    }

  private:
    void listen() {
        ear_.listen([this](Outcome outcome) {
            if (stopped_) return;
            if (outcome.fate == Fate::done)
                read();
            else
                listen_later();
        });
    }
    void listen_later() {
        if (stopped_) return;
        again_.expires_after(reconnect_rest);
        again_.async_wait([this](boost::system::error_code error) {
            if (!error && !stopped_) listen();
        });
    }
    void poll() {
        poll_.expires_after(orders_poll);
        poll_.async_wait([this](boost::system::error_code error) {
            if (error || stopped_) return;
            read();
            poll();
        });
    }
    void read() {
        if (stopped_) return;
        control_.execute(read_orders(plan_, run_, last_), Transaction::implicit, small, [this](Outcome outcome) {
            if (stopped_) return;
            // With the control session the leader's lock is gone: somebody else may lead by now.
            if (outcome.fate == Fate::lost || outcome.fate == Fate::in_doubt) lost_({control, outcome.message});
            take(outcome);
        });
    }
    void take(Outcome const& outcome) {
        if (outcome.fate != Fate::done) return;
        for (auto const& row : outcome.rows) {
            auto const field = [&](std::size_t i) { return row.fields[i].value_or(""); };
            auto const id = std::stoll(field(0));
            if (id <= last_) continue;
            last_ = id;
            give_({field(1) == "abort" ? OrderWord::abort : OrderWord::approve, field(2), field(3), id});
            if (stopped_) return;
        }
    }

    Ear ear_;
    std::string plan_;
    RunId run_;
    Session& control_;
    asio::steady_timer poll_, again_;
    std::function<void(Ordered)> give_;
    std::function<void(Lost)> lost_;
    std::int64_t last_{};
    bool stopped_{};
};

/// Columns that the role may not read: said before anything starts, not as a stop that never ends.
std::optional<Problem> lag_is_readable(Asker& asker) {
    ReplicationLag lag;
    for (auto const& reading : lag.read(asker.ask(ReplicationLag::measure()), steady_now()))
        if (!reading.value && reading.problem.find("pg_monitor") != std::string::npos)
            return Problem{Code::no_privilege,
                           {},
                           "the replication lag cannot be measured: " + reading.problem,
                           "GRANT pg_monitor TO the role that weir uses, or write throttle: { replication_lag: none }"};
    return std::nullopt;
}

struct Running {
    asio::io_context& io;
    Asker& asker;
    Prepared ready;
    Settings settings;
    Options const& options;
    Listener& progress;
    Instruments& instruments;
};

int drive(Running r, Epoch epoch, RunRecord record, bool abort) {
    auto const name = r.ready.program.plan;
    RunMachine::Config config;
    config.program = r.ready.program;
    config.record = std::move(record);
    config.settings = r.settings;
    config.epoch = epoch;
    config.user = r.asker.facts().user;
    config.until = r.options.until;
    config.approve = r.options.approve;
    config.no_wait = r.options.no_wait;
    config.abort = abort;
    config.may_set_deadlock_timeout = r.asker.facts().may_set_deadlock_timeout;

    int exit = 70;
    bool over = false;
    auto const run = r.ready.program.run;
    Eye eye{r.io, r.options.database, "weir " + name + " eye", r.settings.lag_limit.value_or(Millis{0})};
    Clerk clerk{r.io, r.options.database, name, run, r.asker.session()};
    asio::signal_set signals{r.io, SIGINT, SIGTERM};
    Shell::Config shell_config{r.options.database, name, {&r.instruments, &r.progress}, [&](int code) {
                                   exit = code;
                                   over = true;
                                   eye.stop();
                                   clerk.stop();
                                   signals.cancel();
                               }};
    Shell shell{r.io.get_executor(), std::move(shell_config), RunMachine{std::move(config)}, r.asker.session()};
    int times = 0;
    std::function<void()> hear_signals = [&] {
        signals.async_wait([&](boost::system::error_code error, int) {
            if (error) return;
            shell.give(Interrupted{++times});
            if (!over) hear_signals();
        });
    };
    clerk.catch_up(r.asker, [&](Ordered order) { shell.give(std::move(order)); });
    hear_signals();
    shell.give(Started{});
    if (!over && r.settings.lag_limit) eye.start([&](Measured measured) { shell.give(std::move(measured)); });
    if (!over) clerk.start([&](Lost lost) { shell.give(std::move(lost)); });
    r.io.restart();
    while (!over && r.io.run_one() > 0) {
    }
    return exit;
}

/// Takes the lead and the ledger's word, then drives.
int act(asio::io_context& io, Asker& asker, Plan const* plan, std::string const& name, Options const& options,
        Listener& progress, Instruments& instruments) {
    if (auto problem = take_lead(asker)) return tell(*problem);
    // The looking is repeated now that nobody else can act.
    auto prepared = plan ? prepare(asker, *plan) : prepare_live(asker, name);
    if (auto* problems = std::get_if<Problems>(&prepared)) return tell(*problems);
    auto ready = std::get<Prepared>(std::move(prepared));
    if (ready.record && ready.record->finished) {
        std::printf("plan %s is done since %s: nothing to do\n", name.c_str(), ready.record->ended_at.c_str());
        return 0;
    }
    Settings const settings = plan ? plan->settings : Settings{};
    if (settings.lag_limit && plan)
        if (auto problem = lag_is_readable(asker)) return tell(*problem);
    if (!ready.ledger)
        if (auto problem = make_ledger(asker)) return tell(*problem);
    auto const raised = raise_and_wait(asker);
    if (auto const* problem = std::get_if<Problem>(&raised)) return tell(*problem);
    auto const epoch = std::get<Epoch>(raised);

    RunRecord record;
    if (ready.record && !ready.record->undone) {
        // What the predecessor's last strings did is known only now that its hands are gone.
        auto loaded = load_run(asker, name);
        if (auto* problem = std::get_if<Problem>(&loaded)) return tell(*problem);
        record = *std::get<std::optional<RunRecord>>(std::move(loaded));
        if (record.finished || record.undone) {
            std::printf("plan %s is %s since %s: nothing to do\n", name.c_str(), record.finished ? "done" : "undone",
                        record.ended_at.c_str());
            return record.finished ? 0 : 6;
        }
    } else {
        record.run = ready.program.run;
        record.begin.name = name;
        record.begin.plan = plan->text;
        record.begin.catalog = ready.catalog;
        record.begin.version = version;
        record.begin.hash = ready.program.hash;
        record.begin.identity = fingerprint(plan->identity);
        auto const began = asker.ask({sql("SET LOCAL synchronous_commit = on"), fence(epoch),
                                      insert_entry(record.run, 1, epoch, EntryKind::began, "", record.begin)});
        if (began.fate != Fate::done) return tell(problem_of(began, "cannot write the ledger"));
        record.last_seq = 1;
    }
    return drive({io, asker, std::move(ready), settings, options, progress, instruments}, epoch, std::move(record),
                 plan == nullptr);
}

int with_outputs(Options const& options, Plan const* plan, std::string const& name) {
    // A closed pipe is an error of write(), never the end of a run.
    std::signal(SIGPIPE, SIG_IGN);
    asio::io_context io;
    Instruments instruments{std::string{version}};
    // What stdio holds goes out before the display writes to the descriptor itself.
    std::fflush(stdout);
    Progress progress{STDOUT_FILENO,
                      resolve(progress_mode(options.progress).value_or(ProgressMode::automatic), STDOUT_FILENO)};
    std::unique_ptr<HttpListener> http;
    if (!options.http.empty()) {
        http = std::make_unique<HttpListener>(io.get_executor(), options.http, [&] { return instruments.text(); });
        if (auto problem = http->start()) return tell(*problem);
    }
    auto opened = Asker::open(io, options.database, {control_name(name), true});
    if (auto* problem = std::get_if<Problem>(&opened)) return tell(*problem);
    return act(io, *std::get<std::unique_ptr<Asker>>(opened), plan, name, options, progress, instruments);
}

}  // namespace

int run_command(Options const& options) {
    auto loaded = load_plan(options.words[0]);
    if (auto* problems = std::get_if<Problems>(&loaded)) return tell(*problems);
    auto const& plan = std::get<Plan>(loaded);
    return with_outputs(options, &plan, plan.name);
}

int abort_command(Options const& options) {
    boost::asio::io_context io;
    auto opened = Asker::open(io, options.database, {"weir abort " + options.words[0], false});
    if (auto* problem = std::get_if<Problem>(&opened)) return tell(*problem);
    auto& asker = *std::get<std::unique_ptr<Asker>>(opened);
    auto prepared = prepare_live(asker, options.words[0]);
    if (auto* problems = std::get_if<Problems>(&prepared)) return tell(*problems);
    auto const& name = options.words[0];
    auto const leader = asker.ask(who_leads());
    if (leader.fate != Fate::done) return tell(problem_of(leader, "cannot see who leads"));
    // Nobody works on it, or somebody on another run: then take_lead() says who.
    if (leader.rows.empty() || leader.rows[0].fields[2] != control_name(name))
        return with_outputs(options, nullptr, name);
    auto const ordered = asker.ask(insert_order(name, "abort", ""));
    if (ordered.fate != Fate::done) return tell(problem_of(ordered, "cannot give the order"));
    // What looks like a leader may be the last moments of one that was killed: then nobody hears the order.
    auto const deadline = std::chrono::steady_clock::now() + dying_leader;
    while (std::chrono::steady_clock::now() < deadline) {
        auto const still = asker.ask(who_leads());
        if (still.fate != Fate::done) break;
        if (still.rows.empty()) {
            auto record = load_run(asker, name);
            auto const* known = std::get_if<std::optional<RunRecord>>(&record);
            if (known && *known && (*known)->undone) break;
            return with_outputs(options, nullptr, name);
        }
        std::this_thread::sleep_for(orders_glance);
    }
    std::printf("ordered: %s is undone by the weir that runs it (%s)\n", name.c_str(), control_name(name).c_str());
    return 0;
}

}  // namespace weir
