#include "phases/program.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <map>
#include <set>
#include <sstream>

#include "phases/craft/aside.h"
#include "phases/craft/leaves.h"
#include "phases/craft/role.h"
#include "phases/craft/settings.h"
#include "phases/craft/shape.h"
#include "phases/craft/subject.h"
#include "phases/craft/writes.h"
#include "phases/join.h"
#include "phases/order.h"

namespace weir {
namespace {

void indent(std::ostringstream& out, std::string const& text, std::string_view by) {
    std::istringstream lines{text};
    for (std::string line; std::getline(lines, line);) out << by << line << '\n';
}

void print(std::ostringstream& out, std::string_view label, Batch const& batch, std::string const& note) {
    out << "  " << label << '\n';
    if (batch.empty()) out << "    -- " << (note.empty() ? "nothing" : note) << '\n';
    for (auto const& statement : batch) indent(out, statement.text() + ";", "    ");
}

Batch statements(Rows const& rows, bool proof) {
    Batch all;
    if (!proof) all = rows.settings;
    all.insert(all.end(), rows.session.begin(), rows.session.end());
    if (rows.role) all.push_back(sql("SET LOCAL ROLE {0}", *rows.role));
    auto const what = wanted(rows, false);
    if (proof)
        all.push_back(sql("SELECT count(*) FROM {0} AS {1}\n  WHERE ctid >= '(…,0)' AND ctid < '(…,0)' AND {2}",
                          rows.table, rows.table.name, what.todo));
    else if (rows.erases)
        all.push_back(sql("DELETE FROM {0} AS {1}\n  WHERE ctid >= '(…,0)' AND ctid < '(…,0)' AND {2}", rows.table,
                          rows.table.name, what.todo));
    else
        all.push_back(sql("UPDATE {0} AS {1} SET {2}\n  WHERE ctid >= '(…,0)' AND ctid < '(…,0)' AND {3}", rows.table,
                          rows.table.name, what.set, what.todo));
    if (rows.role) all.push_back(sql("RESET ROLE"));
    auto const guards = guard(rows);
    all.insert(all.end(), guards.begin(), guards.end());
    return all;
}

}  // namespace

std::vector<TableName> tables_of(Plan const& plan) {
    std::set<TableName> tables;
    for (auto const& part : plan.parts)
        for (auto const& touched : part.operation->touches()) tables.insert(touched.table);
    return {tables.begin(), tables.end()};
}

std::map<std::string, int> recipes_of(Plan const& plan) {
    std::map<std::string, int> recipes;
    for (auto const& part : plan.parts) recipes.emplace(part.of, part.recipe);
    return recipes;
}

std::string other_recipes(Plan const& plan, std::map<std::string, int> const& begun) {
    std::string others;
    if (begun.empty()) return others;
    for (auto const& [name, recipe] : recipes_of(plan)) {
        auto const found = begun.find(name);
        int const then = found == begun.end() ? 0 : found->second;
        if (then != recipe)
            others += (others.empty() ? "" : ", ") + name + " (" + std::to_string(then) + " then, " +
                      std::to_string(recipe) + " now)";
    }
    return others;
}

namespace {

std::vector<Part> in_order(Plan const& plan) { return ChangeOrder{plan.parts}.sorted(plan.parts); }

/// Walks the plan: `visit` sees each operation in the world just before it; operations after a problem on the same
/// column are passed over, and so are those on a `tainted` one.
template <class Visit>
Problems walk(Plan const& plan, Catalog& catalog, Visit visit, std::set<Touched> tainted = {}) {
    Problems problems;
    for (auto const& part : in_order(plan)) {
        auto const touched = part.operation->touches();
        if (std::any_of(touched.begin(), touched.end(), [&](Touched const& t) { return tainted.contains(t); })) {
            tainted.insert(touched.begin(), touched.end());
            continue;
        }
        visit(part, catalog);
        auto found = part.operation->validate(catalog);
        if (found.empty()) {
            part.operation->apply(catalog, trial_run);
        } else {
            tainted.insert(touched.begin(), touched.end());
            problems.insert(problems.end(), found.begin(), found.end());
        }
    }
    return problems;
}

}  // namespace

Questions questions(Plan const& plan, Catalog const& catalog) {
    Questions asked;
    Catalog world = catalog;
    walk(plan, world, [&](Part const& part, Catalog const& before) {
        for (auto& question : part.operation->questions(before))
            if (std::find(asked.begin(), asked.end(), question) == asked.end()) asked.push_back(std::move(question));
    });
    if (!plan.fire_triggers) asked.emplace_back(QuietQuestion{});
    for (auto& question : setting_questions(plan)) asked.push_back(std::move(question));
    for (auto& question : role_questions(plan, catalog)) asked.push_back(std::move(question));
    return asked;
}

namespace {

/// What keeps `fire_triggers: no` from being granted. REQUIRES that the operations can be compiled.
Problems quiet_problems(Plan const& plan, Catalog world) {
    Problems problems;
    if (Answer const* may = answer(world, QuietQuestion{}); may && !may->sqlstate.empty())
        problems.push_back({Code::no_privilege, plan.fire_triggers_at,
                            "the connected role may not keep triggers quiet: " + may->error,
                            "from PostgreSQL 15 on: GRANT SET ON PARAMETER session_replication_role TO the role that "
                            "weir uses; before, only a superuser may"});
    for (auto const& part : in_order(plan)) {
        for (auto const& step : part.operation->compile(world, trial_run)) {
            if (!step.rows) continue;
            for (auto& problem : quiet_refused(*step.rows, *world.find(step.rows->table), plan.fire_triggers_at))
                if (std::find(problems.begin(), problems.end(), problem) == problems.end())
                    problems.push_back(std::move(problem));
        }
        part.operation->apply(world, trial_run);
    }
    return problems;
}

/// What the plan must say of settings, because it cannot be seen. REQUIRES that the operations can be compiled.
Problems hidden_problems(Plan const& plan, Catalog world) {
    Problems problems;
    std::set<std::string> owners;
    for (auto const& part : in_order(plan)) {
        for (auto const& step : part.operation->compile(world, trial_run)) {
            if (!step.rows && step.stakes.empty()) continue;
            Table const& table = *world.find(step.rows ? step.rows->table : step.stakes.front().table);
            if (!owners.insert(table.owner).second) continue;
            for (auto& problem : hidden_settings(plan, table, part.place)) problems.push_back(std::move(problem));
        }
        part.operation->apply(world, trial_run);
    }
    return problems;
}

/// Steps that no server does in time, or at all: of each table what it needs most. REQUIRES that the operations can be
/// compiled.
Problems leaf_problems(Plan const& plan, Catalog const& catalog) {
    std::map<TableName, std::pair<Place, Steps>> by_table;
    Catalog world = catalog;
    for (auto const& part : in_order(plan)) {
        auto const touched = part.operation->touches();
        if (!touched.empty()) {
            auto& steps = by_table.try_emplace(touched.front().table, part.place, Steps{}).first->second.second;
            for (auto& step : part.operation->compile(world, trial_run)) steps.push_back(std::move(step));
        }
        part.operation->apply(world, trial_run);
    }
    Problems problems;
    for (auto const& [table, steps] : by_table)
        too_many_leaves(steps.second, catalog, table, plan.settings.lock_timeout, steps.first, problems);
    return problems;
}

/// True, and a problem for the first that names it, when a table of that name or with that old name is in quarantine.
bool table_is_aside(Catalog const& catalog, TableName const& named, Place const& place, Problems& problems) {
    for (auto const& [table, comment] : catalog.aside_tables) {
        auto const aside = aside_of(table.name.text(), comment);
        if (!aside || table.schema != named.schema || (table.name != named.name && aside->column != named.name.text()))
            continue;
        auto const message = named.text() + " is in the quarantine of run " + std::to_string(aside->run) + ": " +
                             aside->column + " is kept aside as " + table.text();
        if (std::none_of(problems.begin(), problems.end(), [&](Problem const& p) { return p.message == message; }))
            problems.push_back({Code::conflict, place, message, way_out_of_quarantine("table")});
        return true;
    }
    return false;
}

}  // namespace

Problems validate(Plan const& plan, Catalog const& catalog) {
    Catalog world = catalog;
    std::map<Touched, int> changed;
    std::set<Touched> twice;
    Problems problems;
    for (auto const& part : plan.parts) {
        if (part.change == 0) continue;
        for (auto const& touched : part.operation->touches()) {
            auto const first = changed.emplace(touched, part.change).first->second;
            if (first == part.change || !twice.insert(touched).second) continue;
            problems.push_back({Code::conflict, part.place,
                                "two changes touch " + touched.table.text() + "." + touched.column,
                                "put the second one into a plan of its own"});
        }
    }
    for (auto const& part : plan.parts)
        for (auto const& touched : part.operation->touches())
            if (table_is_aside(catalog, touched.table, part.place, problems)) twice.insert(touched);
    for (auto const& part : plan.parts)
        for (auto const& touched : part.operation->touches()) {
            Table const* table = catalog.find(touched.table);
            if (table == nullptr) continue;
            for (auto const& column : table->columns) {
                auto const aside = aside_of(column);
                bool const meant = aside && (touched.column == column.name || touched.column == aside->column ||
                                             (touched.column == aside->to && !aside->to.empty()));
                if (!meant || !twice.insert(touched).second) continue;
                problems.push_back({Code::conflict, part.place,
                                    said(touched.table, touched.column) + " is in the quarantine of run " +
                                        std::to_string(aside->run) + ": " + said(touched.table, aside->column) +
                                        " is kept aside as " + column.name,
                                    way_out_of_quarantine("column")});
            }
        }
    for (auto& problem : ChangeOrder{plan.parts}.circles(plan.parts)) problems.push_back(std::move(problem));
    auto found = walk(
        plan, world, [](Part const&, Catalog const&) {}, twice);
    problems.insert(problems.end(), found.begin(), found.end());
    if (problems.empty())
        for (auto const& part : plan.parts)
            for (auto& problem : part.operation->validate_outcome(world)) problems.push_back(std::move(problem));
    for (auto& problem : refused_settings(plan, catalog)) problems.push_back(std::move(problem));
    for (auto& problem : refused_roles(plan, catalog)) problems.push_back(std::move(problem));
    if (problems.empty()) problems = hidden_problems(plan, catalog);
    if (problems.empty() && !plan.fire_triggers) problems = quiet_problems(plan, catalog);
    if (problems.empty()) problems = leaf_problems(plan, catalog);
    std::stable_sort(problems.begin(), problems.end(),
                     [](Problem const& a, Problem const& b) { return a.place < b.place; });
    return problems;
}

namespace {

/// What the steps of its phase destroy.
void describe_backup(Step& backup, Steps const& steps, std::string const& directory) {
    std::set<TableName> tables;
    for (auto const& step : steps)
        if (step.phase == backup.phase) tables.insert(step.destroys.begin(), step.destroys.end());
    std::string names;
    for (auto const& table : tables) {
        names += (names.empty() ? "" : ", ") + table.text();
        backup.forward.holds.push_back({table, LockMode::access_share});
    }
    backup.saves = {tables.begin(), tables.end()};
    backup.title = "back up " + names;
    backup.notes = {"pg_dump writes the tables, with all partitions, to " + directory +
                    ", and pg_restore --list must show their rows in it; nothing of them is dropped or deleted before"};
    backup.forward.note = "pg_dump --format=custom, outside any transaction of weir's";
    backup.undo.note = "nothing to undo: the dump stays";
}

void prepend(Batch& to, Batch const& what) {
    if (!to.empty()) to.insert(to.begin(), what.begin(), what.end());
}

/// What removes what a deed left damaged: what takes the deed back.
void fill_in_repairs(Step& step) {
    auto const fill_in = [](Deed& deed, Deed const& other) {
        if (!deed.probe.empty() && deed.repair.empty()) deed.repair = other.statements;
    };
    fill_in(step.forward, step.undo);
    fill_in(step.undo, step.forward);
}

std::vector<Held> held_by(Plan const& plan, Catalog const& catalog) {
    std::vector<Held> all;
    for (auto const& name : tables_of(plan)) {
        Table const* table = catalog.find(name);
        if (table == nullptr) continue;
        auto settings = settings_of(plan, *table);
        if (settings.empty()) continue;
        auto const known = std::find_if(all.begin(), all.end(), [&](Held const& h) { return h.owner == table->owner; });
        if (known == all.end())
            all.push_back({table->owner, {name}, std::move(settings)});
        else
            known->tables.push_back(name);
    }
    return all;
}

/// For all that an operation does to its table.
Batch session_of(Plan const& plan, Catalog const& catalog, Operation const& operation, bool local = true) {
    auto const touched = operation.touches();
    Table const* table = touched.empty() ? nullptr : catalog.find(touched.front().table);
    return table == nullptr ? Batch{} : hold(settings_of(plan, *table), local);
}

/// Who does what changes the operation's table.
std::optional<Ident> role_of(Plan const& plan, Catalog const& catalog, Operation const& operation) {
    auto const touched = operation.touches();
    Table const* table = touched.empty() ? nullptr : catalog.find(touched.front().table);
    return table == nullptr ? std::nullopt : std::optional{role_for(plan, *table)};
}

/// Whose values an undo drops, and what is not the plan's own among them, judged as the plan's expressions are. Counted
/// while the sync still lives: its step is undone before the one that made the column.
void find_losses(Steps& steps, Plan const& plan, Catalog const& catalog) {
    std::vector<std::pair<ColumnStake, Step*>> made;
    for (auto& step : steps)
        for (auto const& stake : step.stakes)
            if (stake.made) made.emplace_back(stake, &step);
    for (auto const& [column, maker] : made) {
        Step* last = maker;
        ColumnStake const* sync = nullptr;
        std::vector<Sql> strange{sql("pg_catalog.num_nulls({0}) OPERATOR(pg_catalog.=) 0", column.column)};
        for (auto& step : steps)
            for (auto const& stake : step.stakes) {
                if (stake.table != column.table || stake.column != column.column) continue;
                if (stake.by_plan) strange.push_back(sql("({0}) IS NOT TRUE", *stake.by_plan));
                if (!stake.synced) continue;
                last = &step;
                sync = &stake;
            }
        Sql const todo = sql("({0})", Sql::join(strange, " AND "));
        Rows rows{column.table, {{column.column.text(), {}, todo, todo, todo}}};
        if (auto const* table = catalog.find(column.table)) rows.session = hold(settings_of(plan, *table));
        rows.role = plan.role;
        last->undo.loses = UndoLoss{said(column.table, column.column.text()), std::move(rows), strange.front(),
                                    sync ? sync->held_while : Batch{}};
    }
}

/// That a sync was not touched says nothing of rows that came with a leaf: the table must be what was proven, too. What
/// was never proven is counted.
void hold_losses_to_proofs(Steps& steps, RunId run) {
    for (auto& step : steps) {
        if (!step.undo.loses || step.undo.loses->none_while.empty()) continue;
        auto& loss = *step.undo.loses;
        auto const proof = std::find_if(steps.rbegin(), steps.rend(), [&](Step const& s) {
            return s.kind == StepKind::proof && s.phase == Phase::proof && s.rows->table == loss.rows.table;
        });
        if (proof == steps.rend())
            loss.none_while.clear();
        else
            loss.none_while.push_back(check_shape(loss.rows.table, run, proof->id));
    }
}

}  // namespace

Program compile(Plan const& plan, Catalog const& catalog, RunId run) {
    Program program;
    program.run = run;
    program.plan = plan.name;
    program.held = held_by(plan, catalog);
    Catalog world = catalog;
    std::array<int, 5> count{};
    bool needs_gate = false;
    ChangeOrder const order{plan.parts};
    std::vector<Compiled> parts;
    for (auto const& part : order.sorted(plan.parts)) {
        if (part.phase == Phase::contract) {
            needs_gate = needs_gate || part.operation->needs_gate(world);
            for (auto& note : part.operation->gate_notes(world))
                if (std::find(program.gate_notes.begin(), program.gate_notes.end(), note) == program.gate_notes.end())
                    program.gate_notes.push_back(std::move(note));
        }
        if (auto look = part.operation->gate_look(world, run)) program.gate_looks.push_back(std::move(*look));
        auto steps = part.operation->compile(world, run);
        Batch const session = session_of(plan, catalog, *part.operation);
        for (auto& step : steps) {
            step.phase = part.phase;
            if (step.rows) {
                Table const& table = *world.find(step.rows->table);
                step.rows->role = plan.role;
                if (!plan.fire_triggers) step.rows->settings = quiet_settings();
                step.rows->session = session;
                step.rows->never_in_page = why_never_in_page(*step.rows, table, world.server_version);
                if (step.kind == StepKind::fill)
                    for (auto& note : trigger_notes(*step.rows, table, !plan.fire_triggers))
                        step.notes.push_back(std::move(note));
            }
            if (step.undo.proves) {
                if (!plan.fire_triggers) step.undo.proves->settings = quiet_settings();
                step.undo.proves->session = session;
                step.undo.proves->role = plan.role;
            }
            fill_in_repairs(step);
            auto const role = role_of(plan, catalog, *part.operation);
            for (auto* deed : {&step.forward, &step.undo}) {
                // For what stands alone, too: ANALYZE evaluates the expressions of indexes.
                auto const before = deed->standalone ? session_of(plan, catalog, *part.operation, false) : session;
                if (role && !deed->standalone) deed->statements = by_role(*role, deed->statements);
                prepend(deed->statements, before);
                prepend(deed->repair, before);
            }
        }
        parts.push_back({part.phase, part.change, std::move(steps)});
        part.operation->apply(world, run);
    }
    std::set<Phase> saved;
    for (auto& part : joined(std::move(parts), order)) {
        bool const destroys =
            std::any_of(part.steps.begin(), part.steps.end(), [](Step const& s) { return !s.destroys.empty(); });
        if (!plan.backup.empty() && destroys && saved.insert(part.phase).second) {
            Step backup;
            backup.kind = StepKind::backup;
            backup.phase = part.phase;
            program.steps.push_back(std::move(backup));
        }
        std::move(part.steps.begin(), part.steps.end(), std::back_inserter(program.steps));
    }
    find_losses(program.steps, plan, catalog);
    for (auto& step : program.steps)
        if (step.kind == StepKind::backup) describe_backup(step, program.steps, plan.backup);
    for (auto& step : program.steps)
        step.id = std::string{name(step.phase)} + "." + std::to_string(++count[static_cast<std::size_t>(step.phase)]);
    for (auto step = program.steps.begin(); step != program.steps.end(); ++step) {
        auto const before = [&](auto const& wanted) {
            return std::find_if(std::make_reverse_iterator(step), program.steps.rend(), wanted);
        };
        auto const locks = [](Step const& s, TableName const& table) {
            return std::any_of(s.forward.locks.begin(), s.forward.locks.end(),
                               [&](auto const& l) { return l.table == table; });
        };
        if (step->stands_on_proof)
            step->proven_by =
                before([&](Step const& s) { return s.kind == StepKind::proof && locks(*step, s.rows->table); })->id;
        if (step->kind == StepKind::proof && step->aside)
            before([&](Step const& s) { return s.aside == step->aside && locks(s, step->rows->table); })->noted_for =
                step->id;
    }
    end_fragments(program.steps);
    hold_losses_to_proofs(program.steps, run);
    bool const contracts = std::any_of(program.steps.begin(), program.steps.end(),
                                       [](Step const& s) { return s.phase == Phase::contract; });
    program.gate = contracts && (plan.contract_gate ? *plan.contract_gate != Gate::none : needs_gate);
    if (program.gate && plan.contract_gate == Gate::after) program.gate_after = plan.gate_after;
    if (program.gate) program.gate_until = plan.gate_until;
    if (program.gate_until && !plan.parts.empty())
        program.gate_session = session_of(plan, catalog, *plan.parts.front().operation);
    program.approvals = plan.approvals;
    if (std::any_of(program.steps.begin(), program.steps.end(),
                    [](Step const& s) { return s.phase == Phase::quarantine; }))
        program.quarantine = plan.quarantine;
    if (!program.gate) program.gate_notes.clear();
    program.hash = hash_of(program);
    return program;
}

Catalog apply(Plan const& plan, Catalog catalog, RunId run) {
    for (auto const& part : in_order(plan)) part.operation->apply(catalog, run);
    return catalog;
}

Batch statements(Step const& step) {
    return step.rows ? statements(*step.rows, step.kind == StepKind::proof) : step.forward.statements;
}

std::string to_text(Program const& program) {
    std::ostringstream out;
    out << "plan " << program.plan << ": " << program.steps.size() << " steps"
        << (program.gate ? ", a gate before contract" : ", no gate") << '\n';
    for (auto const& held : program.held) {
        std::string tables;
        for (auto const& table : held.tables) tables += (tables.empty() ? "" : ", ") + table.text();
        out << "\nsettings for " << tables << ", as a new session of " << held.owner << " has them\n";
        for (auto const& setting : held.settings)
            if (!setting.hidden) out << "  " << to_text(setting) << '\n';
    }
    bool contracting = false;
    bool aside = false;
    for (auto const& step : program.steps) {
        if (step.phase == Phase::contract && !contracting) {
            contracting = true;
            if (program.gate) {
                out << "\ngate contract: waits for `weir approve " << program.plan << " contract`";
                if (program.approvals > 1) out << " by " << program.approvals << " database users";
                if (program.gate_after) out << ", at most " << program.gate_after->count() / 1000 << " s";
                if (program.gate_until) out << ", or until this is true: " << program.gate_until->text();
                out << '\n';
                for (auto const& note : program.gate_notes) out << "  note: " << note << '\n';
            }
        }
        if (step.phase == Phase::quarantine && !aside) {
            aside = true;
            out << "\nquarantine: " << program.quarantine.count() / 1000 << " s, until then `weir rollback "
                << program.plan << "` brings back what is set aside; then `weir purge` or `weir run` goes on\n";
        }
        out << '\n' << step.id << "  " << step.title << '\n';
        out << "  phase    " << name(step.phase) << '\n';
        out << "  kind     " << kind_name(step) << '\n';
        for (auto const& lock : step.forward.holds)
            out << "  lock     " << lock.table.text() << ": " << name(lock.mode) << " (" << who_waits(lock.mode)
                << " wait)\n";
        for (auto const& note : step.notes) out << "  note     " << note << '\n';
        if (step.kind == StepKind::fill && !step.rows->never_in_page.empty())
            out << "  note     " << step.rows->never_in_page << '\n';
        print(out, "forward", statements(step), step.forward.note);
        print(out, step.undo.standalone ? "undo, standalone" : "undo", step.undo.statements, step.undo.note);
    }
    return out.str();
}

}  // namespace weir
