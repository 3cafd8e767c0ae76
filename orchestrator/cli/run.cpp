#include <unistd.h>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <memory>
#include <set>
#include <thread>

#include "metrics/instruments.h"
#include "metrics/picture.h"
#include "metrics/text.h"
#include "orchestrator/cli/alarm.h"
#include "orchestrator/cli/commands.h"
#include "orchestrator/cli/dashboard.h"
#include "orchestrator/cli/foretell.h"
#include "orchestrator/cli/notices.h"
#include "orchestrator/cli/prepared.h"
#include "orchestrator/cli/progress.h"
#include "orchestrator/cli/watch.h"
#include "orchestrator/machine/backup.h"
#include "orchestrator/machine/reconnect.h"
#include "orchestrator/out/dump.h"
#include "orchestrator/postgres/ear.h"
#include "orchestrator/postgres/leadership.h"
#include "orchestrator/postgres/shell.h"
#include "orchestrator/postgres/uses.h"
#include "phases/program.h"
#include "plans/reader.h"

namespace weir {
namespace {

namespace asio = boost::asio;
using std::chrono::milliseconds;

constexpr milliseconds orders_poll{5000};
constexpr milliseconds reconnect_rest{1000};
constexpr milliseconds dying_leader{1000};
constexpr milliseconds orders_glance{50};
/// For the notices of the end.
constexpr milliseconds last_words{20'000};
constexpr Limits small{Millis{1000}, Millis{1500}, Millis{2000}};

Instant wall_now() { return std::chrono::time_point_cast<milliseconds>(std::chrono::system_clock::now()); }

/// The tables that the program works on.
std::vector<TableName> tables_of(Program const& program) {
    std::set<TableName> tables;
    for (auto const& step : program.steps) {
        for (auto const& lock : step.holds) tables.insert(lock.table);
        if (step.rows) tables.insert(step.rows->table);
    }
    return {tables.begin(), tables.end()};
}

/// Reads orders from the ledger when the ear wakes, and slowly beside it: a black hole sends nothing.
class Clerk {
  public:
    Clerk(asio::io_context& io, std::string const& conninfo, std::string plan, RunId run, Session& session)
        : ear_{io.get_executor(), conninfo, "weir " + plan + " ear", [this] { read(); },
               [this](Outcome) { listen_later(); }},
          plan_{std::move(plan)},
          run_{run},
          control_{session},
          poll_{io.get_executor()},
          again_{io.get_executor()} {}

    /// Gives what was ordered before: a gate that is approved already must not be waited for. Not while the io_context
    /// runs.
    void catch_up(Asker& asker, std::function<void(Ordered)> give) {
        give_ = std::move(give);
        take(asker.ask(read_orders(plan_, run_)));
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
        again_.in(reconnect_rest, [this] { listen(); });
    }
    void poll() {
        poll_.in(orders_poll, [this] {
            read();
            poll();
        });
    }
    void read() {
        if (stopped_) return;
        control_.execute(read_orders(plan_, run_), Transaction::implicit, small, [this](Outcome outcome) {
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
            if (!taken_.insert(id).second) continue;
            auto const word = order_word(field(1));
            // Whoever may insert may write any gate's name.
            if (word == OrderWord::approve && field(2) != "contract") continue;
            if (word) give_({*word, field(2), field(3), id});
            if (stopped_) return;
        }
    }

    Ear ear_;
    std::string plan_;
    RunId run_;
    Session& control_;
    Alarm poll_, again_;
    std::function<void(Ordered)> give_;
    std::function<void(Lost)> lost_;
    std::set<std::int64_t> taken_;
    bool stopped_{};
};

/// Queries of the plan that are asked only later: one that the server refuses is said before anything starts.
std::optional<Problems> queries_run(Asker& asker, Plan const& plan, Program const& program) {
    Problems problems;
    auto const ask = [&](UserExpr const& query, Sql const& value, std::string const& where, std::string const& hint,
                         Batch const& session = {}) {
        Batch batch{sql("SET LOCAL transaction_read_only = on")};
        batch.insert(batch.end(), session.begin(), session.end());
        batch.push_back(value);
        auto const outcome = asker.ask(std::move(batch));
        if (outcome.fate != Fate::done)
            problems.push_back(
                {Code::bad_expression,
                 {plan.file, 0, 0},
                 "the server refuses the query of " + where + ": " + outcome.message + " in " + query.text(),
                 hint,
                 words_of(outcome)});
    };
    if (plan.gate_until)
        ask(*plan.gate_until, sql("SELECT coalesce({0}, false)", *plan.gate_until), "gates.contract.until_sql",
            "it is one SELECT that gives one row with true or false; try it in psql as the role that weir uses",
            program.gate_session);
    for (auto const& signal : plan.settings.throttle.sql)
        if (signal.ask)
            ask(*signal.ask, sql("SELECT {0}::pg_catalog.float8", *signal.ask), "throttle.sql " + signal.name,
                "it is one SELECT that gives one row with one number; try it in psql as the role that weir uses");
    if (problems.empty()) return std::nullopt;
    return problems;
}

/// SIGINT and SIGTERM, from the first moment on: whoever works hears of them, and who comes next asks `times`.
class Interrupts {
  public:
    explicit Interrupts(asio::io_context& io) : signals_{io, SIGINT, SIGTERM} { hear(); }
    std::function<void(int times)> give;
    int times() const { return times_; }
    void stop() { signals_.cancel(); }

  private:
    void hear() {
        signals_.async_wait([this](boost::system::error_code error, int) {
            if (error) return;
            ++times_;
            if (give) give(times_);
            hear();
        });
    }
    asio::signal_set signals_;
    int times_{};
};

enum class Task { run, abort, rollback, purge };

/// What a run needs beside its server, over all its connections.
struct Outputs {
    asio::io_context& io;
    Interrupts& interrupts;
    Options const& options;
    Task task;
    Plan const* plan;  ///< of Task::run only; else the ledger's is taken
    std::string name;
    Listener& progress;
    Instruments& instruments;
    Listener& notices;
    DashboardServer* http;  ///< nothing: nobody asked for it
    ReconnectMachine& reconnect;
    bool take_over{};          ///< until the lead is ours for the first time
    std::optional<Epoch> led;  ///< the last that was acted under; nothing: none, or it cannot be known
    bool displaced{};          ///< another one has led since
    /// The undo waited for this command already; nothing: the ledger was not read yet. What this process itself writes
    /// is no second word, whatever its connections do.
    std::optional<bool> told_again{};

    /// Tells everybody who listens.
    void say(decltype(Event::what) what) const {
        Event const event{wall_now(), std::move(what)};
        instruments.hear(event);
        progress.hear(event);
        notices.hear(event);
        if (http) http->hear(event);
    }
};

/// What came of one connection. `lost`: it was, and the run is not over.
using Stay = std::variant<Finish, Problems>;

class ToReconnect : public Listener {
  public:
    explicit ToReconnect(ReconnectMachine& machine) : machine_{machine} {}
    void hear(Event const& event) noexcept override { machine_.hear(event); }

  private:
    ReconnectMachine& machine_;
};

struct Running {
    Outputs& outputs;
    Asker& asker;
    Prepared ready;
    Settings settings;
    std::vector<Warned> warnings;
    std::string backups;  ///< the directory; empty: the plan wants none
};

Finish drive(Running r, Epoch epoch, RunRecord record) {
    auto const& name = r.outputs.name;
    auto const& options = r.outputs.options;
    auto& io = r.outputs.io;
    RunMachine::Config config;
    config.program = r.ready.program;
    config.record = std::move(record);
    config.settings = r.settings;
    config.epoch = epoch;
    config.user = r.asker.facts().user;
    config.until = options.until;
    config.approve = options.approve;
    config.no_wait = options.no_wait;
    config.abort = r.outputs.task == Task::abort;
    config.rollback = r.outputs.task == Task::rollback;
    config.accept_loss = options.accept_loss;
    if (!r.outputs.told_again) r.outputs.told_again = config.record.reopened;
    config.told_again = *r.outputs.told_again;
    config.may_set_deadlock_timeout = r.asker.facts().may_set_deadlock_timeout;
    config.pages_at_first = r.outputs.reconnect.pages_at_first();
    config.plain = r.outputs.reconnect.plain();
    config.connects_again = true;

    Finish ended{70};
    bool over = false;
    auto const run = r.ready.program.run;
    // As the machine will take them: what orders have set holds.
    for (auto const& [key, value] : config.record.settings) {
        auto changed = with_setting(r.settings, key, value);
        if (auto* settings = std::get_if<Settings>(&changed)) r.settings = std::move(*settings);
    }
    Picture picture;
    Shell* working = nullptr;
    Watch watch{io,
                {.conninfo = options.database,
                 .plan = name,
                 .run = run,
                 .epoch = epoch,
                 .settings = r.settings,
                 .tables = tables_of(config.program),
                 .picture = [&] { return picture.json(wall_now()); },
                 .give = [&](Measured measured) { working->give(std::move(measured)); },
                 .sized = [&](TableSized table) { working->announce(std::move(table)); }}};
    Clerk clerk{io, options.database, name, run, r.asker.session()};
    Foreteller foreteller{r.settings.schedule, [&](ForecastMade forecast) { working->announce(std::move(forecast)); }};
    auto& interrupts = r.outputs.interrupts;
    ToReconnect reconnect{r.outputs.reconnect};
    std::vector<Listener*> listeners{&r.outputs.instruments, &picture,    &watch,    &r.outputs.progress,
                                     &r.outputs.notices,     &foreteller, &reconnect};
    if (auto* http = r.outputs.http) {
        http->program(config.program, config.record.done);
        listeners.insert(listeners.end() - 1, http);
    }
    Dumper dumper{io.get_executor(),
                  {.directory = r.backups,
                   .address = r.asker.facts().address,
                   .application_name = "weir " + name + " backup",
                   .grew = [&](std::string const& step, std::int64_t bytes) {
                       working->announce(DumpGrew{step, bytes});
                   }}};
    Shell::Config shell_config{.conninfo = options.database,
                               .plan = name,
                               .listeners = listeners,
                               .finished =
                                   [&](Finish const& finish) {
                                       ended = finish;
                                       over = true;
                                       watch.stop();
                                       clerk.stop();
                                       interrupts.give = nullptr;
                                   },
                               .dumps = &dumper};
    Shell shell{io.get_executor(), std::move(shell_config), RunMachine{std::move(config)}, r.asker.session()};
    working = &shell;
    for (auto& warning : r.warnings) shell.announce(std::move(warning));
    clerk.catch_up(r.asker, [&](Ordered order) { shell.give(std::move(order)); });
    shell.give(Started{});
    if (!over) interrupts.give = [&](int times) { shell.give(Interrupted{times}); };
    if (!over && interrupts.times() > 0) shell.give(Interrupted{interrupts.times()});
    if (!over) watch.start();
    if (!over) clerk.start([&](Lost lost) { shell.give(std::move(lost)); });
    io.restart();
    while (!over && io.run_one() > 0) {
    }
    return ended;
}

/// Whether the dumps that are ahead find room. What cannot be seen is no reason to stand still: a dump that finds none
/// stops the run, and nothing is dropped.
std::variant<std::monostate, Warned, Problem> tight_room(Asker& asker, Program const& program, RunRecord const& record,
                                                         std::string const& directory) {
    std::vector<TableName> tables;
    for (auto const& step : program.steps)
        if (!record.done.contains(step.id)) tables.insert(tables.end(), step.saves.begin(), step.saves.end());
    auto const free = free_bytes(directory);
    if (tables.empty() || !free) return {};
    auto const asked = asker.ask(size_of_dumped(tables));
    if (asked.fate != Fate::done || asked.rows.empty()) return {};
    auto const size = std::stoll(asked.rows[0].fields[0].value_or("0"));
    auto const found = "the directory for the backup, " + directory + ", has room for " +
                       figure(static_cast<double>(*free), "B") + ", and the tables to dump take " +
                       figure(static_cast<double>(size), "B");
    switch (room_for(size, *free)) {
        case Room::enough:
            return {};
        case Room::doubtful:
            return Warned{found,
                          "compressed they may fit; if not, the run stops at the dump, and nothing of them is dropped"};
        case Room::none:
            return Problem{Code::no_backup, {}, found, "make room there, or set backup.directory to a larger disk"};
    }
    return {};
}

/// Takes the lead and the ledger's word, then drives.
Stay act(Outputs& outputs, Asker& asker) {
    auto const* plan = outputs.plan;
    auto const& name = outputs.name;
    if (outputs.led)
        if (auto problem = passed(asker, *outputs.led)) {
            outputs.displaced = problem->code == Code::other_leader;
            return Problems{*problem};
        }
    bool const end_hands = outputs.take_over;
    std::string ended;
    if (auto problem = end_hands ? take_over(asker, name, ended) : take_lead(asker)) return Problems{*problem};
    outputs.take_over = false;
    // The looking is repeated now that nobody else can act.
    auto prepared = plan ? prepare(asker, *plan) : prepare_live(asker, name);
    if (auto* problems = std::get_if<Problems>(&prepared)) return *problems;
    auto ready = std::get<Prepared>(std::move(prepared));
    auto const nothing_to_do = [&](RunRecord const& record) {
        auto const state = std::string{how_it_ended(record)};
        say(outputs.options, {{"event", "nothing_to_do"}, {"plan", name}, {"state", state}, {"since", record.ended_at}},
            "plan " + name + " is " + state + " since " + record.ended_at + ": nothing to do");
        return Finish{record.finished ? 0 : 6};
    };
    if (ready.record && ready.record->finished) return nothing_to_do(*ready.record);
    if (outputs.task == Task::purge && !(ready.record->quarantined && !ready.record->rolling_back))
        return Problems{{Code::not_now,
                         {},
                         "plan " + name + " has nothing in quarantine that may be dropped",
                         ready.record->rolling_back ? "it is being rolled back: weir rollback " + name + " goes on"
                                                    : "its run is not so far: weir status " + name + " shows it"}};
    // Who has only the name goes by the plan as the ledger has it.
    auto const& said = plan ? *plan : *ready.began;
    Settings settings;
    if (plan) settings = plan->settings;
    settings.lock_timeout = said.settings.lock_timeout;
    settings.lock_give_up = said.settings.lock_give_up;
    settings.on_blocked = said.settings.on_blocked;
    bool const saves = outputs.task == Task::run || outputs.task == Task::purge;
    bool const goes_on = ready.record && !ready.record->undone;
    std::string backups;
    std::optional<Warned> room;
    if (!said.backup.empty() && saves && backup_ahead(ready.program, goes_on ? *ready.record : RunRecord{})) {
        std::error_code error;
        backups = std::filesystem::absolute(said.backup, error).lexically_normal().string();
        if (auto problem = dump_problem(backups, asker.facts().server_version)) return Problems{*problem};
        auto const tight = tight_room(asker, ready.program, goes_on ? *ready.record : RunRecord{}, backups);
        if (auto* problem = std::get_if<Problem>(&tight)) return Problems{*problem};
        if (auto* warned = std::get_if<Warned>(&tight)) room = *warned;
    }
    auto unreadable = try_signals(asker, name, tables_of(ready.program), settings);
    if (room) unreadable.warnings.push_back(*room);
    if (plan && !unreadable.problems.empty()) return unreadable.problems;
    if (plan)
        if (auto problems = queries_run(asker, *plan, ready.program)) return *problems;
    if (saves && ready.record && ready.record->quarantined && !ready.record->rolling_back) {
        auto const found = uses_of(asker, ready.record->run);
        if (auto const* problem = std::get_if<Problem>(&found)) {
            if (problem->code == Code::cannot_connect) return Problems{*problem};
            unreadable.warnings.push_back({problem->message, problem->hint, problem->more});
        } else {
            for (auto const& use : std::get<std::vector<Use>>(found))
                unreadable.warnings.push_back(
                    {"what is dropped when the quarantine is over is still used: " + to_text(use),
                     "mend that first; weir rollback " + name + " brings it back as long as it is there"});
        }
    }
    bool waited = false;
    auto const waits = [&](std::string const& standbys) {
        if (!std::exchange(waited, true))
            outputs.say(
                Warned{"waits for a synchronous standby: none of synchronous_standby_names ('" + standbys +
                           "') confirms what weir writes to its ledger, so commits of the application wait, too",
                       "bring back a standby, or change that setting; no step is taken and no table of yours is locked "
                       "meanwhile"});
        return outputs.interrupts.times() == 0;
    };
    if (!ready.ledger)
        if (auto problem = make_ledger(asker, waits, outputs.options.subscribers_ready)) return Problems{*problem};
    // It may be raised without our hearing of it.
    outputs.led.reset();
    auto const raised = raise_and_wait(asker, end_hands, waits, outputs.options.subscribers_ready);
    if (auto const* problem = std::get_if<Problem>(&raised)) return Problems{*problem};
    auto const epoch = std::get<Epoch>(raised);
    outputs.led = epoch;
    if (!ended.empty())
        unreadable.warnings.push_back({"took over from " + ended, "that weir exits with code 5 as soon as it notices"});

    RunRecord record;
    if (goes_on) {
        // What the predecessor's last strings did is known only now that its hands are gone.
        auto loaded = load_run(asker, name);
        if (auto* problem = std::get_if<Problem>(&loaded)) return Problems{*problem};
        record = *std::get<std::optional<RunRecord>>(std::move(loaded));
        if (record.finished || record.undone) return nothing_to_do(record);
    } else {
        record.run = ready.program.run;
        record.begin.name = name;
        record.begin.plan = plan->text;
        record.begin.catalog = ready.catalog;
        record.begin.version = version;
        record.begin.hash = ready.program.hash;
        record.begin.identity = fingerprint(plan->identity);
        auto const newest = asker.ask(newest_order());
        if (newest.fate != Fate::done) return Problems{problem_of(newest, "cannot read the ledger")};
        record.begin.order = std::stoll(newest.rows[0].fields[0].value_or("0"));
        auto const began = asker.ask({sql("SET LOCAL synchronous_commit = on"), fence(epoch),
                                      insert_entry(record.run, 1, epoch, EntryKind::began, "", record.begin)},
                                     waits);
        if (began.fate != Fate::done) return Problems{problem_of(began, "cannot write the ledger")};
        record.last_seq = 1;
    }
    return drive({outputs, asker, std::move(ready), settings, std::move(unreadable.warnings), std::move(backups)},
                 epoch, std::move(record));
}

/// A server as its history tells it: a promoted standby has the same system and a higher timeline.
struct Origin {
    std::string system;
    std::int64_t timeline{};
};

std::variant<Origin, Problem> origin(Asker& asker) {
    // pg_control_checkpoint() would tell the old timeline until the first checkpoint after a promotion.
    auto const asked = asker.ask({sql(
        "SELECT system_identifier, "
        "('x' || substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 1, 8))::bit(32)::pg_catalog.int8 "
        "FROM pg_catalog.pg_control_system()")});
    if (asked.fate != Fate::done || asked.rows.empty()) return problem_of(asked, "cannot see which server this is");
    return Origin{asked.rows[0].fields[0].value_or(""), std::stoll(asked.rows[0].fields[1].value_or("0"))};
}

/// Not the server that was worked on, or one that is behind in its history.
std::optional<Problem> strange(Origin const& now, Origin const& before) {
    constexpr auto hint =
        "let --database lead to the primary (target_session_attrs=read-write chooses it among several hosts), and run "
        "again";
    if (now.system != before.system)
        return Problem{Code::wrong_server,
                       {},
                       "the address leads to another cluster: system " + now.system + " instead of " + before.system,
                       hint};
    if (now.timeline < before.timeline)
        return Problem{Code::wrong_server,
                       {},
                       "the server is on timeline " + std::to_string(now.timeline) + ", and the run was on " +
                           std::to_string(before.timeline) + ": an old primary",
                       hint};
    return std::nullopt;
}

/// While a server restarts, fails over, or has not noticed yet that our last session is dead.
bool passes(Problems const& problems) {
    return std::ranges::all_of(problems, [](Problem const& problem) {
        return problem.code == Code::cannot_connect || problem.code == Code::is_replica ||
               problem.code == Code::other_leader;
    });
}

/// The run on its first connection and, when that is lost, on others: each time the lead is taken anew and the ledger
/// read anew.
int run_on(Outputs& outputs) {
    auto& io = outputs.io;
    std::optional<Origin> seen;
    auto& reconnect = outputs.reconnect;
    for (;;) {
        auto const stay = [&]() -> Stay {
            auto opened = Asker::open(io, outputs.options.database, {control_name(outputs.name), true});
            if (auto* problem = std::get_if<Problem>(&opened)) return Problems{*problem};
            auto& asker = *std::get<std::unique_ptr<Asker>>(opened);
            auto now = origin(asker);
            if (auto* problem = std::get_if<Problem>(&now)) return Problems{*problem};
            if (seen)
                if (auto problem = strange(std::get<Origin>(now), *seen)) return Problems{*problem};
            seen = std::get<Origin>(std::move(now));
            return act(outputs, asker);
        }();
        auto const* ended = std::get_if<Finish>(&stay);
        if (ended && ended->lost.empty()) return ended->exit;
        auto const now = std::chrono::duration_cast<Millis>(std::chrono::steady_clock::now().time_since_epoch());
        ReconnectMachine::Next next;
        if (ended && ended->connected) {
            next = reconnect.lost(now, ended->lost, ended->at_work);
        } else if (ended) {
            next = reconnect.refused(now, {Code::connection_lost, {}, ended->lost, ""});
        } else {
            auto const& problems = std::get<Problems>(stay);
            if (!reconnect.was_lost() || outputs.displaced || !passes(problems)) return tell(problems);
            next = reconnect.refused(now, problems[0]);
        }
        if (next.stop) {
            outputs.say(Stopped{*next.stop});
            return exit_code(next.stop->code);
        }
        if (next.tell) outputs.say(Warned{next.tell->message, next.tell->hint, next.tell->more});
        if (outputs.interrupts.times() == 0) {
            asio::steady_timer timer{io, next.rest};
            bool rested = false;
            timer.async_wait([&](boost::system::error_code) { rested = true; });
            outputs.interrupts.give = [&](int) { timer.cancel(); };
            io.restart();
            while (!rested && io.run_one() > 0) {
            }
            outputs.interrupts.give = nullptr;
        }
        if (outputs.interrupts.times() > 0) {
            Problem const why{Code::interrupted,
                              {},
                              "interrupted while the connection was lost",
                              "run the same command again to go on"};
            outputs.say(Stopped{why});
            return exit_code(why.code);
        }
    }
}

int with_outputs(Options const& options, Task task, Plan const* plan, std::string const& name) {
    // A closed pipe is an error of write(), never the end of a run.
    std::signal(SIGPIPE, SIG_IGN);
    asio::io_context io;
    Interrupts interrupts{io};
    Instruments instruments{std::string{version}};
    // What stdio holds goes out before the display writes to the descriptor itself.
    std::fflush(stdout);
    Progress progress{STDOUT_FILENO,
                      resolve(progress_mode(options.progress).value_or(ProgressMode::automatic), STDOUT_FILENO)};
    auto address = webhook_address(plan ? plan->notify : Notify{});
    if (auto* problem = std::get_if<Problem>(&address)) return tell(*problem);
    std::unique_ptr<Notifier> notifier;
    auto const warn = [&](std::string message, std::string hint) {
        Event const event{wall_now(), Warned{std::move(message), std::move(hint)}};
        instruments.hear(event);
        progress.hear(event);
    };
    if (plan && (!plan->notify.webhook.empty() || !plan->notify.command.empty())) {
        Notifier::Config config;
        config.webhook = std::get<std::string>(std::move(address));
        config.command = plan->notify.command;
        config.failed = [&](std::string message) { warn(std::move(message), "the run goes on"); };
        notifier = std::make_unique<Notifier>(io.get_executor(), std::move(config));
    }
    Notices notices{plan ? plan->notify.held : std::nullopt, [&](Notice notice) {
                        if (notifier) notifier->tell(std::move(notice));
                    }};
    std::unique_ptr<DashboardServer> http;
    if (!options.http.empty()) {
        http = std::make_unique<DashboardServer>(io, options.http, instruments, options.database, name);
        if (auto problem = http->start()) return tell(*problem);
    }
    ReconnectMachine reconnect{};
    Outputs outputs{io,         interrupts, options,           task, plan, name, progress, instruments, notices,
                    http.get(), reconnect,  options.take_over, {}};
    int const exit = run_on(outputs);
    int const interrupted = interrupts.times();
    auto const until = [&](Millis most, auto const& over) {
        auto const deadline = std::chrono::steady_clock::now() + most;
        io.restart();
        while (!over() && interrupts.times() == interrupted && std::chrono::steady_clock::now() < deadline)
            io.run_one_until(deadline);
        return over();
    };
    auto const told = [&] { return !notifier || notifier->idle(); };
    if (!until(last_words, told)) warn("not everybody was told of the end", "see notify in the plan");
    if (http) http->say_goodbye();
    if (!http || !options.linger) return exit;
    // What begins only now sees the end.
    auto const scrapes = http->scrapes();
    if (!until(*options.linger, [&] { return http->scrapes() > scrapes; }) && interrupts.times() == interrupted)
        warn("/metrics was not scraped once more within --linger",
             "give a time longer than the scrape interval, and see that Prometheus reaches " + options.http);
    return exit;
}

}  // namespace

int run_command(Options const& options) {
    auto loaded = load_plan(options.words[0]);
    if (auto* problems = std::get_if<Problems>(&loaded)) return tell(*problems);
    auto const& plan = std::get<Plan>(loaded);
    if (auto const& command = plan.notify.command; !command.empty() && !options.allow_command)
        return tell(
            {Code::command_not_allowed, plan.notify.command_at,
             "notify.command runs " + command[0] + ", and this command line does not allow it",
             "read what it does, then: weir run " + options.words[0] + " --allow-command; or take it out of the plan"});
    return with_outputs(options, Task::run, &plan, plan.name);
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
    bool const led = !leader.rows.empty() && leader.rows[0].fields[2] == control_name(name);
    auto const may = asker.ask(may_write_ledger());
    if (may.fate != Fate::done) return tell(problem_of(may, "cannot read the ledger"));
    bool const operates = may.rows[0].fields[0] != "t";
    bool const gate_was_open = std::get<Prepared>(prepared).record->gate_opened;
    auto const ordered_said = [&](std::string const& by) {
        say(options, {{"event", "ordered"}, {"plan", name}, {"order", "abort"}},
            "ordered: " + name + " is undone by the weir that runs it (" + by + ")" +
                (gate_was_open
                     ? "\nhint: the gate was open, so that it first ends with exit code 3; when nothing uses the new "
                       "shape any more, once more: weir abort " +
                           name
                     : ""));
    };
    // Nobody works on it, or somebody on another run: then take_lead() says who.
    if (!led && !operates) return with_outputs(options, Task::abort, nullptr, name);
    // Nobody would obey: whoever works on it next drops what is aside.
    auto const& held = *std::get<Prepared>(prepared).record;
    if (held.quarantined && !held.rolling_back)
        return tell({Code::not_now,
                     {},
                     "contract of " + name + " is done, and what it set aside is in quarantine",
                     "weir rollback " + name + " brings everything back"});
    auto const ordered = asker.ask(insert_order(name, "abort", ""));
    if (ordered.fate != Fate::done) return tell(order_refused(ordered));
    if (operates) {
        ordered_said(led ? control_name(name) : "nobody now: by the next `weir run` of it");
        return 0;
    }
    // What looks like a leader may be the last moments of one that was killed: then nobody hears the order.
    auto const deadline = std::chrono::steady_clock::now() + dying_leader;
    while (std::chrono::steady_clock::now() < deadline) {
        auto const still = asker.ask(who_leads());
        if (still.fate != Fate::done) break;
        if (still.rows.empty()) {
            auto record = load_run(asker, name);
            auto const* known = std::get_if<std::optional<RunRecord>>(&record);
            if (known && *known && ((*known)->undone || (*known)->reopened)) break;
            return with_outputs(options, Task::abort, nullptr, name);
        }
        std::this_thread::sleep_for(orders_glance);
    }
    ordered_said(control_name(name));
    return 0;
}

int rollback_command(Options const& options) {
    return with_outputs(options, Task::rollback, nullptr, options.words[0]);
}

int purge_command(Options const& options) {
    if (!options.words.empty()) return with_outputs(options, Task::purge, nullptr, options.words[0]);
    std::vector<Row> due;
    {
        boost::asio::io_context io;
        auto opened = Asker::open(io, options.database, {"weir purge", false});
        if (auto* problem = std::get_if<Problem>(&opened)) return tell(*problem);
        auto& asker = *std::get<std::unique_ptr<Asker>>(opened);
        auto const ledger = has_ledger(asker);
        if (auto const* problem = std::get_if<Problem>(&ledger)) return tell(*problem);
        if (std::get<bool>(ledger)) {
            auto const listed = asker.ask(list_due());
            if (listed.fate != Fate::done) return tell(problem_of(listed, "cannot read the ledger"));
            due = listed.rows;
        }
    }
    if (due.empty())
        say(options, {{"event", "nothing_to_do"}, {"plan", ""}, {"state", ""}, {"since", ""}},
            "no quarantine is over: nothing to do");
    for (auto const& row : due)
        if (int const exit = with_outputs(options, Task::purge, nullptr, row.fields[0].value_or("")); exit != 0)
            return exit;
    return 0;
}

}  // namespace weir
