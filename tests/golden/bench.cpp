#include "bench.h"

#include <boost/asio/steady_timer.hpp>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <stdexcept>

#include "orchestrator/out/dump.h"
#include "orchestrator/postgres/leadership.h"
#include "orchestrator/postgres/shell.h"
#include "orchestrator/postgres/world.h"
#include "orchestrator/run/prepared.h"
#include "phases/operations.h"
#include "plans/reader.h"
#include "tests/support/schema_dump.h"

namespace weir::tests {
namespace {

namespace asio = boost::asio;

/// Roles belong to the whole server; made once.
void make_roles() {
    static bool const made = [] {
        query(Cluster::shared().conninfo(),
              "CREATE ROLE golden_app LOGIN; CREATE ROLE golden_reader; CREATE ROLE \"golden \"\"odd\"\" role\"; "
              "CREATE ROLE golden_owner; CREATE ROLE golden_weir LOGIN; GRANT golden_owner TO golden_weir");
        // Before 15 nobody but a superuser may set them.
        query(Cluster::shared().conninfo(), R"(
DO $$ BEGIN
  IF current_setting('server_version_num')::int >= 150000 THEN
    GRANT SET ON PARAMETER deadlock_timeout, session_replication_role TO golden_weir;
  ELSE
    ALTER ROLE golden_weir SUPERUSER;
  END IF;
END $$)");
        return true;
    }();
    static_cast<void>(made);
}

/// The tables, and what else of before.sql has an owner, belong to one role; another reads and writes them; weir is a
/// third.
constexpr auto owners = R"(
DO $$
DECLARE one record;
BEGIN
  FOR one IN SELECT n.oid::regnamespace AS name FROM pg_namespace n
    WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' LOOP
    EXECUTE format('GRANT USAGE, CREATE ON SCHEMA %s TO golden_owner', one.name);
    EXECUTE format('GRANT USAGE ON SCHEMA %s TO golden_app', one.name);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA %s TO golden_app', one.name);
  END LOOP;
  FOR one IN SELECT c.oid::regclass AS name, c.relkind FROM pg_class c
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND c.relowner = 'postgres'::regrole
      AND c.relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace, 'pg_toast'::regnamespace)
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
                        AND c.relkind = 'S' AND d.deptype IN ('a', 'i')) LOOP
    EXECUTE format('ALTER %s %s OWNER TO golden_owner', CASE one.relkind WHEN 'v' THEN 'VIEW'
      WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'f' THEN 'FOREIGN TABLE' WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, one.name);
  END LOOP;
  EXECUTE format('GRANT CREATE ON DATABASE %I TO golden_weir', current_database());
END $$)";

/// Again after a deadlock with an autovacuum that analyzes what was just made.
void make_owners(std::string const& conninfo) {
    for (int left = 5; left > 0; --left)
        if (try_query(conninfo, owners) != "40P01") return;
    query(conninfo, owners);
}

/// Who gave each command of DDL. What it makes in a trial is rolled back with that.
constexpr auto who = R"(
CREATE TABLE lab.commands (tag text, kind text, identity text, by text);
GRANT ALL ON lab.commands TO PUBLIC;
CREATE FUNCTION lab.note() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO lab.commands SELECT c.command_tag, c.object_type, c.object_identity, current_user
  FROM pg_catalog.pg_event_trigger_ddl_commands() c;
END $$;
CREATE FUNCTION lab.note_drop() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO lab.commands SELECT tg_tag, c.object_type, c.object_identity, current_user
  FROM pg_catalog.pg_event_trigger_dropped_objects() c;
END $$;
CREATE EVENT TRIGGER note ON ddl_command_end EXECUTE FUNCTION lab.note();
CREATE EVENT TRIGGER note_drop ON sql_drop EXECUTE FUNCTION lab.note_drop())";

/// The locks that a transaction holds when it commits: a deferred trigger fires last. Partitions count for their root,
/// and a table that it renames or drops is called as it was before.
constexpr auto lab = R"(
CREATE SCHEMA IF NOT EXISTS lab;
GRANT USAGE ON SCHEMA lab TO PUBLIC;
CREATE TABLE lab.probe (label text);
CREATE TABLE lab.locks (label text, schema text, name text, mode text);
GRANT ALL ON lab.probe, lab.locks TO PUBLIC;
CREATE TABLE lab.names (tx bigint, oid oid, schema text, name text);
GRANT ALL ON lab.names TO PUBLIC;
CREATE FUNCTION lab.remember() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO lab.names
  SELECT pg_catalog.txid_current(), held.oid, n.nspname, c.relname
  FROM pg_catalog.pg_class held
  JOIN pg_catalog.pg_class c ON c.oid = coalesce(pg_catalog.pg_partition_root(held.oid)::oid, held.oid)
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE held.relkind IN ('r', 'p') AND c.relkind IN ('r', 'p')
    AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'weir', 'weir_sync', 'lab');
  RETURN NULL;
END $$;
CREATE TRIGGER remember AFTER INSERT ON lab.probe FOR EACH ROW EXECUTE FUNCTION lab.remember();
CREATE FUNCTION lab.look() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO lab.locks
  SELECT NEW.label, k.schema, k.name, l.mode
  FROM pg_catalog.pg_locks l JOIN lab.names k ON k.tx = pg_catalog.txid_current() AND k.oid = l.relation
  WHERE l.pid = pg_catalog.pg_backend_pid() AND l.granted AND l.locktype = 'relation';
  DELETE FROM lab.names WHERE tx = pg_catalog.txid_current();
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER look AFTER INSERT ON lab.probe DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION lab.look())";

Stamp now() {
    using namespace std::chrono;
    return {time_point_cast<milliseconds>(system_clock::now()),
            duration_cast<milliseconds>(steady_clock::now().time_since_epoch())};
}

struct Record : Listener {
    std::vector<Event> events;
    void hear(Event const& event) noexcept override { events.push_back(event); }
};

/// Performs what the machine wants, as the shell does, and lets the test step in between decision and deed.
class Driver {
  public:
    Driver(asio::io_context& io, std::string conninfo, RunMachine machine, Session& control_session, Drive drive,
           Dumps& dumps)
        : io_{io},
          conninfo_{std::move(conninfo)},
          machine_{std::move(machine)},
          control_{control_session},
          drive_{std::move(drive)},
          dumps_{dumps} {}

    int run() {
        give(Started{});
        io_.restart();
        while (!over_ && io_.run_one() > 0) {
        }
        hands_.clear();
        timers_.clear();
        return exit_;
    }
    std::vector<Event> events;

  private:
    void give(decltype(Input::what) what) {
        if (over_) return;
        auto commands = machine_.resume(Input{now(), std::move(what)});
        bool here = false;
        for (auto const& command : commands)
            if (auto const* announce = std::get_if<Announce>(&command)) {
                events.push_back(announce->event);
                if (auto const* began = std::get_if<StepBegan>(&announce->event.what)) step_ = began->step;
                if (auto const* done = std::get_if<StepDone>(&announce->event.what); done && drive_.done)
                    drive_.done(done->step);
                if (auto const* done = std::get_if<StepDone>(&announce->event.what))
                    here = here || (done->step == drive_.at && drive_.how != How::rollback_die);
                if (auto const* undone = std::get_if<StepUndone>(&announce->event.what))
                    here = here || (undone->step == drive_.at && drive_.how == How::rollback_die);
            }
        if (here && (drive_.how == How::die || drive_.how == How::rollback_die)) {
            over_ = true;
            return;
        }
        for (auto& command : commands) perform(std::move(command));
        if (here && drive_.how == How::order_abort) give(Ordered{OrderWord::abort, "", "golden", 1});
    }

    Session::Reply reply(CommandId id) {
        return [this, id](Outcome outcome) {
            running_.erase(id);
            give(Completed{id, std::move(outcome)});
        };
    }
    Session& session(SessionId id) { return id == control ? control_ : *hands_.at(id); }

    /// The step that a string is about, by the entry that it writes, and which way it goes.
    std::string label(Batch const& batch) const {
        for (auto const& statement : batch) {
            auto const& text = statement.text();
            if (!text.starts_with("INSERT INTO weir.entries")) continue;
            auto const undo = text.find("'step_undone', '");
            auto const done = text.find("'step_done', '");
            auto const from = undo != std::string::npos ? undo + 16 : done == std::string::npos ? done : done + 14;
            if (from == std::string::npos) continue;
            return (undo != std::string::npos ? "undo " : "") + text.substr(from, text.find('\'', from) - from);
        }
        return step_;
    }

    Batch changed(Execute const& execute) const {
        Batch batch;
        auto const about = label(execute.batch);
        if (drive_.watch_locks && execute.session != control && execute.transaction == Transaction::implicit &&
            !about.empty())
            batch.push_back(sql("INSERT INTO lab.probe VALUES ({0})", Value{about}));
        for (auto const& statement : execute.batch)
            if (!drive_.strip_locks || !statement.text().starts_with("LOCK TABLE")) batch.push_back(statement);
        return batch;
    }

    void perform(Command command) {
        if (over_) return;
        if (auto const* execute = std::get_if<Execute>(&command);
            execute != nullptr && execute->session != control && drive_.goes_on && !drive_.goes_on(*execute)) {
            over_ = true;
            return;
        }
        if (auto* connect = std::get_if<Connect>(&command)) {
            hands_[connect->session] =
                std::make_unique<Session>(io_.get_executor(), conninfo_, SessionRole{"weir golden hand", true});
            running_[connect->id] = connect->session;
            hands_[connect->session]->connect(reply(connect->id));
        } else if (auto* execute = std::get_if<Execute>(&command)) {
            running_[execute->id] = execute->session;
            session(execute->session)
                .execute(changed(*execute), execute->transaction, execute->limits, reply(execute->id));
        } else if (auto* rest = std::get_if<Rest>(&command)) {
            auto timer = std::make_unique<asio::steady_timer>(io_, rest->time);
            timer->async_wait([this, id = rest->id](boost::system::error_code error) {
                if (over_) return;
                Outcome outcome;
                if (error) outcome.fate = Fate::canceled;
                give(Completed{id, std::move(outcome)});
            });
            timers_[rest->id] = std::move(timer);
        } else if (auto const* dump = std::get_if<Dump>(&command)) {
            dumps_.dump(*dump, reply(dump->id));
        } else if (auto const* look = std::get_if<Look>(&command)) {
            dumps_.look(*look, reply(look->id));
        } else if (auto* cancel = std::get_if<Cancel>(&command)) {
            if (auto const timer = timers_.find(cancel->target); timer != timers_.end()) timer->second->cancel();
            if (auto const at = running_.find(cancel->target); at != running_.end()) session(at->second).cancel();
        } else if (auto* finish = std::get_if<Finish>(&command)) {
            exit_ = finish->exit;
            over_ = true;
        }
    }

    asio::io_context& io_;
    std::string conninfo_;
    RunMachine machine_;
    Session& control_;
    Drive drive_;
    Dumps& dumps_;
    std::map<SessionId, std::unique_ptr<Session>> hands_;
    std::map<CommandId, SessionId> running_;
    std::map<CommandId, std::unique_ptr<asio::steady_timer>> timers_;
    std::string step_;
    bool over_{};
    int exit_{-1};
};

std::unique_ptr<Asker> open(asio::io_context& io, std::string const& conninfo) {
    auto opened = Asker::open(io, conninfo, {"weir golden control", true});
    if (auto* problem = std::get_if<Problem>(&opened)) throw std::runtime_error{to_text(*problem)};
    return std::get<std::unique_ptr<Asker>>(std::move(opened));
}

/// A folder of this process with one for each database, gone at its end.
std::string dumps_of(Database const& database) {
    struct Scratch {
        std::filesystem::path path{(std::filesystem::temp_directory_path() / "weir-dumps-XXXXXX").string()};
        Scratch() {
            auto text = path.string();
            if (::mkdtemp(text.data()) == nullptr) throw std::runtime_error{"no folder for dumps"};
            path = text;
        }
        ~Scratch() {
            std::error_code error;
            std::filesystem::remove_all(path, error);
        }
    };
    static Scratch const scratch;
    auto const folder = scratch.path / database.name;
    std::filesystem::create_directories(folder);
    return folder.string();
}

/// The lock of a leader that just went may outlive its socket by a moment.
std::optional<Problem> lead(Asker& asker) {
    std::optional<Problem> problem;
    wait_until([&] { return !(problem = take_lead(asker)); }, std::chrono::seconds{5});
    return problem;
}

}  // namespace

std::variant<Plan, Problems> plan_of(GoldenCase const& golden, std::string const& file) {
    return read_plan(golden.text(file), file, operations());
}

Bench::Bench(GoldenCase golden) : golden_{std::move(golden)} {
    make_roles();
    database_ = Cluster::shared().create_database();
    auto const alone = !golden_.role.empty();
    owner_ = alone ? golden_.role : "golden_owner";
    user_ = alone ? golden_.role : "golden_weir";
    conninfo_ = Cluster::shared().conninfo(database_.name, user_);
    query(database_.conninfo, golden_.text("before.sql"));
    if (!alone) make_owners(database_.conninfo);
    query(database_.conninfo, lab);
    query(database_.conninfo, who);
    {
        // So that what a run leaves in weir_sync is part of every comparison.
        asio::io_context io;
        auto const asker = open(io, conninfo_);
        if (auto const problem = make_ledger(*asker); problem && golden_.has("steps.txt"))
            throw std::runtime_error{to_text(*problem)};
    }
    if (!golden_.has("earlier.yaml")) return;
    auto const earlier = plan_of(golden_, "earlier.yaml");
    if (auto const* problems = std::get_if<Problems>(&earlier)) throw std::runtime_error{to_text(*problems)};
    auto const driven = drive(std::get<Plan>(earlier), {});
    if (driven.exit != 0) throw std::runtime_error{"earlier.yaml: " + driven.problem};
}

Bench::Bench(std::string const& before)
    : database_{Cluster::shared().create_database()}, conninfo_{database_.conninfo} {
    query(conninfo_, before);
    asio::io_context io;
    auto const asker = open(io, conninfo_);
    if (auto const problem = make_ledger(*asker)) throw std::runtime_error{to_text(*problem)};
}

std::variant<Catalog, Problem> Bench::world(Plan const& plan) const {
    asio::io_context io;
    auto const asker = open(io, conninfo_);
    auto world = read_world(*asker, plan);
    auto* const catalog = std::get_if<Catalog>(&world);
    // Each server has its own settings.
    if (catalog != nullptr)
        for (auto& [name, table] : catalog->tables) {
            table.settings.clear();
            std::erase_if(table.mentions, [](Mention const& m) { return m.function.starts_with("lab."); });
        }
    // And other roles, by its other cases.
    if (catalog != nullptr)
        for (auto& [question, answer] : catalog->answers)
            if (answer.role)
                std::erase_if(answer.role->roles, [](std::string const& role) {
                    return role != "golden_app" && role != "golden_owner" && role != "golden_weir";
                });
    if (catalog != nullptr)
        std::erase_if(catalog->other_relations, [](TableName const& name) { return name.schema.text() == "lab"; });
    return world;
}

namespace {

Driven not_begun(std::string why) {
    Driven driven;
    driven.exit = 70;
    driven.problem = std::move(why);
    return driven;
}

}  // namespace

Driven Bench::drive(Plan const& plan, Drive how) const {
    asio::io_context io;
    auto const asker = open(io, conninfo_);
    if (auto const problem = lead(*asker)) return not_begun(to_text(*problem));
    auto prepared = prepare(*asker, plan);
    if (auto const* problems = std::get_if<Problems>(&prepared)) return not_begun(to_text(*problems));
    auto const ready = std::get<Prepared>(std::move(prepared));
    if (!ready.ledger)
        if (auto const problem = make_ledger(*asker)) return not_begun(to_text(*problem));
    RunMachine::Config config;
    config.program = ready.program;
    config.settings = plan.settings;
    return drive(
        *asker, io, std::move(config),
        {plan.name, plan.text, ready.catalog, "golden", ready.program.hash, fingerprint(plan.identity), {}, {}, {}},
        std::move(how));
}

Driven Bench::drive(Program program, Drive how) const {
    asio::io_context io;
    auto const asker = open(io, conninfo_);
    if (auto const problem = lead(*asker)) return not_begun(to_text(*problem));
    auto const before = load_run(*asker, program.plan);
    if (auto const* problem = std::get_if<Problem>(&before)) return not_begun(to_text(*problem));
    // The ledger's next number.
    if (auto const& record = std::get<std::optional<RunRecord>>(before))
        program.run = RunId{static_cast<std::int64_t>(record->run) + (record->undone ? 1 : 0)};
    RunMachine::Config config;
    EntryDetail begin;
    begin.name = program.plan;
    config.program = std::move(program);
    return drive(*asker, io, std::move(config), begin, std::move(how));
}

Driven Bench::drive(Asker& leader, asio::io_context& io, RunMachine::Config config, EntryDetail const& begin,
                    Drive how) const {
    auto* const asker = &leader;
    Driven driven;
    auto const raised = raise_and_wait(*asker);
    if (auto const* problem = std::get_if<Problem>(&raised)) return not_begun(to_text(*problem));
    auto const epoch = std::get<Epoch>(raised);

    auto const found = std::get<std::optional<RunRecord>>(load_run(*asker, config.program.plan));
    if (found && !found->undone) {
        config.record = *found;
    } else {
        config.record.run = config.program.run;
        config.record.begin = begin;
        auto const began =
            asker->ask({fence(epoch), insert_entry(config.program.run, 1, epoch, EntryKind::began, "", begin)});
        if (began.fate != Fate::done) return not_begun(began.message);
        config.record.last_seq = 1;
    }
    driven.program = config.program;
    config.settings.throttle = {};  // nobody measures here
    // Looking at the locks is work, too, and nobody is made to wait: only the declared locks are of interest.
    config.settings.lock_timeout = std::max(config.settings.lock_timeout, Millis{2000});
    config.sweep.pages_at_least = 0;
    config.epoch = epoch;
    config.user = asker->facts().user;
    config.approve = {"all"};
    config.abort = how.how == How::undo;
    config.rollback = how.how == How::rollback || how.how == How::rollback_die;
    config.may_set_deadlock_timeout = asker->facts().may_set_deadlock_timeout;
    RunMachine machine{std::move(config)};
    Dumper dumper{io.get_executor(), {dumps_of(database_), asker->facts().address, "weir golden backup"}};
    if (how.how == How::with_shell) {
        Record record;
        bool over = false;
        Shell shell{io.get_executor(),
                    {conninfo_,
                     driven.program.plan,
                     {&record},
                     [&](Finish const& finish) { driven.exit = finish.exit, over = true; },
                     &dumper},
                    std::move(machine),
                    asker->session()};
        shell.give(Started{});
        io.restart();
        while (!over && io.run_one() > 0) {
        }
        driven.events = std::move(record.events);
    } else {
        Driver driver{io, conninfo_, std::move(machine), asker->session(), how, dumper};
        driven.exit = driver.run();
        driven.events = std::move(driver.events);
    }
    for (auto const& event : driven.events) {
        if (auto const* stopped = std::get_if<Stopped>(&event.what)) driven.problem += to_text(stopped->why);
        if (auto const* warned = std::get_if<Warned>(&event.what)) driven.problem += warned->message + "\n";
    }
    return driven;
}

std::string Bench::by_others() const {
    std::string all;
    for (auto const& row :
         query(database_.conninfo, R"(
SELECT DISTINCT c.tag || ' ' || c.kind || ' ' || coalesce(c.identity, '') || ' by ' || c.by FROM lab.commands c
WHERE c.tag NOT IN ('GRANT', 'REVOKE') AND c.identity !~ '^(lab|pg_temp(_[0-9]+)?)\.' AND c.by <> CASE
  WHEN c.identity ~ '^(for )?(weir|weir_sync)(\.|$)|( on| for) weir\.' THEN )" +
                                       sql_literal(user_) + " ELSE " + sql_literal(owner_) + " END ORDER BY 1"))
        all += row[0].value_or("") + "\n";
    return all;
}

std::string Bench::schema() const { return schema_dump(database_.conninfo, {"weir", "lab"}); }

std::string Bench::rows(std::vector<Touched> const& without, std::vector<TableName> const& tables) const {
    Client client{database_.conninfo};
    std::string all;
    for (auto const& table : tables) {
        std::string const name = sql("{0}", table).text();
        std::string left_out = "''";
        for (auto const& [other, column] : without)
            if (other == table) left_out += ", " + sql_literal(column);
        auto const columns = client.value(
            "SELECT coalesce(string_agg(format('%L, %I::text', attname, attname), ', ' ORDER BY attnum), '')"
            " FROM pg_attribute WHERE attrelid = " +
            sql_literal(name) + "::regclass AND attnum > 0 AND NOT attisdropped AND attname NOT IN (" + left_out + ")");
        for (auto const& row :
             client.exec("SELECT jsonb_build_array(" + columns + ")::text FROM " + name + " ORDER BY 1"))
            all += row[0].value_or("") + "\n";
    }
    return all;
}

}  // namespace weir::tests
