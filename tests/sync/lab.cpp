#include "lab.h"

#include <thread>

#include "orchestrator/machine/ledger_schema.h"
#include "orchestrator/postgres/uses.h"
#include "orchestrator/postgres/world.h"
#include "phases/operations.h"
#include "plans/reader.h"

namespace weir::tests {
namespace {

std::string text(Problems const& problems) { return to_text(problems); }

std::string quoted(std::string const& expression) {
    std::string out = "'";
    for (char const c : expression) out += c == '\'' ? std::string{"''"} : std::string{c};
    return out + "'";
}

/// Emptied before each use: a hundred databases cost the suite more than its tests do.
Database empty_database() {
    static Database const shared = Cluster::shared().create_database();
    query(shared.conninfo, R"(
DO $$
DECLARE s text;
BEGIN
  FOR s IN SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' LOOP
    EXECUTE format('DROP SCHEMA %I CASCADE', s);
  END LOOP;
END $$;
CREATE SCHEMA public AUTHORIZATION pg_database_owner;
GRANT USAGE ON SCHEMA public TO PUBLIC;
ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO PUBLIC)");
    return shared;
}

}  // namespace

std::string mapping(std::string const& type, std::string const& forward, std::string const& reverse, bool not_null) {
    std::string sync = "table: t, from: a, to: b";
    if (!forward.empty()) sync += ", forward: " + quoted(forward);
    if (!reverse.empty()) sync += ", reverse: " + quoted(reverse);
    return "expand:\n  - add_column: { table: t, column: b, type: " + quoted(type) + " }\n  - sync_columns: { " + sync +
           " }\nbackfill:\n  - fill: { table: t, set: { b: " + quoted(forward.empty() ? "a" : forward) + " } }\n" +
           (not_null ? "  - set_not_null: { table: t, column: b }\n" : "");
}

Lab::Lab(std::string const& setup) : database{empty_database()}, app{database.conninfo} {
    app.exec(setup);
    auto opened = Asker::open(io_, database.conninfo, SessionRole{"weir sync test", true});
    if (auto const* problem = std::get_if<Problem>(&opened)) throw std::runtime_error{to_text(*problem)};
    asker_ = std::get<std::unique_ptr<Asker>>(std::move(opened));
}

Plan Lab::plan(std::string const& body) {
    auto read =
        read_plan("weir: 1\nname: plan-" + std::to_string(plans_) + "\n" + body, "plan.yaml", weir::operations());
    if (auto const* problems = std::get_if<Problems>(&read)) throw std::runtime_error{text(*problems)};
    return std::get<Plan>(std::move(read));
}

Catalog Lab::world(Plan const& plan) {
    auto read = read_world(*asker_, plan);
    if (auto const* problem = std::get_if<Problem>(&read)) throw std::runtime_error{to_text(*problem)};
    return std::get<Catalog>(std::move(read));
}

std::string Lab::problems(std::string const& body) {
    auto const wanted = plan(body);
    return text(validate(wanted, world(wanted)));
}

void Lab::compile_plan(std::string const& body) {
    auto const wanted = plan(body);
    auto const catalog = world(wanted);
    if (auto const bad = validate(wanted, catalog); !bad.empty()) throw std::runtime_error{text(bad)};
    if (plans_++ == 0) {
        auto const made = asker_->ask(create_ledger());
        if (made.fate != Fate::done) throw std::runtime_error{made.message};
    }
    auto const next = asker_->ask(next_run());
    run_ = RunId{std::stoll(next.rows.at(0).fields.at(0).value())};
    seq_ = 0;
    program_ = compile(wanted, catalog, run_);
}

void Lab::expand(std::string const& body) {
    compile_plan(body);
    steps_of(Phase::expand);
}

void Lab::steps_of(Phase phase) {
    for (auto const& each : program_->steps)
        if (each.phase == phase && is_transactional(each)) step(each);
}

Outcome Lab::try_step(Step const& step, bool undo) {
    Batch batch{fence(Epoch{0}),
                insert_entry(run_, seq_ + 1, Epoch{0}, undo ? EntryKind::step_undone : EntryKind::step_done, step.id)};
    auto const& deed = undo ? step.undo : step.forward;
    for (auto const& lock : deed.locks) batch.push_back(lock_table(lock, Waiting::lock_timeout));
    batch.insert(batch.end(), deed.statements.begin(), deed.statements.end());
    auto const outcome = asker_->ask(batch, Limits{Millis{20}, Millis{5000}, Millis{10000}});
    if (outcome.fate == Fate::done) ++seq_;
    return outcome;
}

void Lab::step(Step const& step, bool undo) {
    for (int tries = 0;; ++tries) {
        auto const outcome = try_step(step, undo);
        if (outcome.fate == Fate::done) return;
        if (outcome.fate != Fate::lock_busy || tries == 200)
            throw std::runtime_error{step.title + ": " + outcome.sqlstate + " " + outcome.message};
        std::this_thread::sleep_for(std::chrono::milliseconds{5});
    }
}

void Lab::undo_all() {
    for (auto each = program_->steps.rbegin(); each != program_->steps.rend(); ++each)
        if (each->phase == Phase::expand) step(*each, true);
}

weir::Rows const& Lab::work() const {
    for (auto const& each : program_->steps)
        if (each.kind == StepKind::fill) return *each.rows;
    throw std::runtime_error{"no fill in the plan"};
}

int Lab::fill() {
    auto const& rows = work();
    std::vector<Sql> sets;
    for (auto const& [column, value] : rows.set) sets.push_back(sql("{0} = {1}", column, value));
    auto const outcome = asker_->ask({sql("SET LOCAL weir.batch = 'on'"),
                                      sql("WITH u AS (UPDATE {0} AS {1} SET {2} WHERE {3} RETURNING 1) SELECT count(*) "
                                          "FROM u",
                                          rows.table, rows.table.name, Sql::join(sets, ", "), rows.todo)});
    if (outcome.fate != Fate::done) throw std::runtime_error{outcome.sqlstate + " " + outcome.message};
    return std::stoi(outcome.rows.at(0).fields.at(0).value());
}

int Lab::wrong() {
    auto const& rows = work();
    auto const outcome =
        asker_->ask({sql("SELECT count(*) FROM {0} AS {1} WHERE {2}", rows.table, rows.table.name, rows.todo)});
    if (outcome.fate != Fate::done) throw std::runtime_error{outcome.sqlstate + " " + outcome.message};
    return std::stoi(outcome.rows.at(0).fields.at(0).value());
}

std::string Lab::guard() {
    auto const outcome = asker_->ask(work().guard);
    return outcome.fate == Fate::done ? "" : outcome.sqlstate;
}

std::string Lab::look() {
    std::string out;
    for (auto const& look : program_->gate_looks) {
        auto const outcome = asker_->ask({look});
        if (outcome.fate != Fate::done) throw std::runtime_error{outcome.sqlstate + " " + outcome.message};
        for (auto const& row : outcome.rows) out += row.fields.at(1).value() + "\n";
    }
    return out;
}

std::string Lab::uses() {
    auto const found = uses_of(*asker_, run_);
    if (auto const* problem = std::get_if<Problem>(&found)) throw std::runtime_error{to_text(*problem)};
    std::string out;
    for (auto const& use : std::get<std::vector<Use>>(found)) out += to_text(use) + "\n";
    return out;
}

std::string Lab::rows(std::string const& statement) {
    std::string out;
    for (auto const& row : app.exec(statement)) {
        if (!out.empty()) out += ", ";
        for (std::size_t i = 0; i < row.size(); ++i) out += (i == 0 ? "" : "|") + row[i].value_or("~");
    }
    return out;
}

std::string Lab::refusal(std::string const& statement) {
    try {
        app.exec(statement);
        return "";
    } catch (SqlError const& error) {
        return error.what();
    }
}

}  // namespace weir::tests
