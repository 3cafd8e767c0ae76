// Goal: the simulated world is the real one. Each golden program is run on a real server: undone after steps up to the
// gate (which: some()), both by an orchestrator that finds a dead one's work and by an order to a living one; then run
// to its end, where the catalog must be what apply() says. While it runs, every transaction's locks are those that its
// step declares.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "bench.h"

namespace weir::tests {
namespace {

std::vector<GoldenCase> programs() {
    auto all = golden_cases(WEIR_SOURCE_DIR);
    std::erase_if(all, [](GoldenCase const& golden) { return !golden.has("steps.txt"); });
    return all;
}

/// Answers are about expressions over columns that may be gone by then; nothing else is left out.
std::string compared(Catalog catalog) {
    catalog.answers.clear();
    return to_json(catalog);
}

Catalog world_of(Bench const& bench, Plan const& plan) {
    auto world = bench.world(plan);
    if (auto const* problem = std::get_if<Problem>(&world)) throw std::runtime_error{to_text(*problem)};
    return std::get<Catalog>(std::move(world));
}

/// A fill of a column that was there before leaves its values when it is undone, and says so.
std::vector<Touched> filled_for_good(Program const& program) {
    std::vector<Touched> columns;
    for (auto const& step : program.steps)
        if (step.kind == StepKind::fill)
            for (auto const& fragment : step.rows->fragments)
                for (auto const& [column, value] : fragment.set) columns.push_back({step.rows->table, column.text()});
    return columns;
}

/// What a deletion took is gone for good, and says so.
void leave_erased(Program const& program, std::vector<TableName>& tables) {
    for (auto const& step : program.steps)
        if (step.rows && step.rows->erases) std::erase(tables, step.rows->table);
}

class Real : public ::testing::TestWithParam<GoldenCase> {
  protected:
    Plan plan_{std::get<Plan>(plan_of(GetParam()))};
    Bench bench_{GetParam()};
};

/// The steps after which a run can still be undone.
std::vector<std::string> before_contract(Program const& program) {
    std::vector<std::string> ids;
    for (auto const& step : program.steps)
        if (step.phase < Phase::contract) ids.push_back(step.id);
    return ids;
}

/// Those of contract after which it still can: nothing is dropped yet.
std::vector<std::string> in_contract(Program const& program) {
    std::vector<std::string> ids;
    bool begun = false;
    for (auto const& step : program.steps) {
        if (step.phase != Phase::contract) continue;
        if (step.kind == StepKind::statements && !step.destroys.empty()) break;
        begun = begun || (step.kind != StepKind::proof && step.kind != StepKind::backup);
        if (begun) ids.push_back(step.id);
    }
    return ids;
}

/// What only a rollback undoes.
std::vector<std::string> undone_in_quarantine(Program const& program) {
    std::vector<std::string> ids;
    for (auto const& step : program.steps)
        if (step.phase == Phase::contract && !step.undo.statements.empty()) ids.push_back(step.id);
    return ids;
}

/// The world that it stands for is that between contract and the last drop.
Plan until_quarantine(Plan plan) {
    std::erase_if(plan.parts, [](Part const& part) { return part.phase == Phase::quarantine; });
    return plan;
}

/// What lab.locks holds: the strongest mode for each label (`expand.1`, `undo expand.1`) and table.
using Held = std::map<std::string, std::map<TableName, LockMode>>;

Held held(Bench const& bench) {
    Held strongest;
    for (auto const& row :
         query(bench.database().conninfo, "SELECT DISTINCT label, schema, name, mode FROM lab.locks")) {
        auto const mode = lock_mode(row[3].value());
        if (!mode) continue;
        auto& found = strongest[row[0].value()]
                          .try_emplace(TableName{Ident::of(row[1].value()), Ident::of(row[2].value())}, *mode)
                          .first->second;
        found = std::max(found, *mode);
    }
    return strongest;
}

void expect_declared(std::map<TableName, LockMode> found, std::vector<TableLock> const& declared) {
    for (auto const& lock : declared) {
        auto const at = found.find(lock.table);
        // Who refers to a row is asked only when one is deleted.
        if (at == found.end() && lock.mode == LockMode::row_share) continue;
        EXPECT_EQ(at == found.end() ? "none" : name(at->second), name(lock.mode)) << lock.table.text();
        found.erase(lock.table);
    }
    for (auto const& [table, mode] : found)
        EXPECT_EQ(name(mode), name(LockMode::access_share)) << table.text() << " is not declared";
}

/// What lab.locks saw since it was looked at last is what the steps declare; and it saw all that was done or undone.
void expect_truth(Bench const& bench, std::vector<Driven> const& drives) {
    auto const found = held(bench);
    auto const look = [&](std::string const& label, std::vector<TableLock> const& declared, bool must) {
        SCOPED_TRACE(label);
        auto const at = found.find(label);
        if (at != found.end())
            expect_declared(at->second, declared);
        else
            EXPECT_FALSE(must) << "not seen";
    };
    for (auto const& driven : drives)
        for (auto const& step : driven.program.steps) {
            bool done = false;
            bool undone = false;
            for (auto const& event : driven.events) {
                if (auto const* one = std::get_if<StepDone>(&event.what)) done = done || one->step == step.id;
                if (auto const* one = std::get_if<StepUndone>(&event.what)) undone = undone || one->step == step.id;
            }
            // A table without pages has no batches.
            // Those of pg_dump are its own session's.
            if (done && !is_standalone(step) && step.kind != StepKind::backup)
                look(step.id, step.forward.holds, is_transactional(step) && !step.forward.holds.empty());
            if (undone) look("undo " + step.id, step.undo.holds, true);
        }
    query(bench.database().conninfo, "TRUNCATE lab.locks, lab.probe");
}

/// Every second step, of one case these and of the next those, and the last; every step in a long run. Of a plan that
/// does the same to many columns some.
std::vector<std::string> some(std::vector<std::string> const& steps, std::string const& of) {
    std::size_t const stride = sanitized           ? std::max(steps.size(), std::size_t{1})
                               : steps.size() > 12 ? steps.size() / 4
                               : long_run()        ? 1
                                                   : 3;
    std::vector<std::string> chosen;
    for (std::size_t i = std::hash<std::string>{}(of) % stride; i + 1 < steps.size(); i += stride)
        chosen.push_back(steps[i]);
    if (!steps.empty()) chosen.push_back(steps.back());
    return chosen;
}

TEST_P(Real, IsUndoneAfterStepsThenEndsAsSimulatedWithLocksAsDeclared) {
    auto const before = world_of(bench_, plan_);
    auto const program = compile(plan_, before, RunId{1});
    auto tables = tables_of(plan_);
    leave_erased(program, tables);
    auto const left_out = filled_for_good(program);
    auto const schema = bench_.schema();
    auto const rows = bench_.rows(left_out, tables);
    auto const expect_as_before = [&](Driven const& driven) {
        ASSERT_EQ(driven.exit, 6) << driven.problem;
        ASSERT_EQ(bench_.schema(), schema);
        ASSERT_EQ(compared(world_of(bench_, plan_)), compared(before));
        ASSERT_EQ(bench_.rows(left_out, tables), rows);
    };
    auto const steps = before_contract(program);
    // Every other time LOCK TABLE is left out: what is declared is what the statements take by themselves, and no more.
    bool strip = false;
    auto chosen = some(steps, GetParam().name);
    if (!chosen.empty()) chosen.push_back(chosen.back());
    for (auto const& step : chosen) {
        strip = !strip;
        SCOPED_TRACE("undone after " + step + (strip ? ", without LOCK TABLE" : ""));
        auto const died = bench_.drive(plan_, {How::die, step, true, strip});
        ASSERT_EQ(died.exit, -1) << died.problem;
        auto const undone = bench_.drive(plan_, {How::undo, "", true, strip});
        expect_as_before(undone);
        if (HasFatalFailure()) return;
        expect_truth(bench_, {died, undone});
    }
    if (!steps.empty()) {
        // The order comes while the machine begins what is next; another case has its order at another step.
        auto const& step = steps[std::hash<std::string>{}(GetParam().name) % steps.size()];
        SCOPED_TRACE("abort ordered after " + step);
        if (step != program.steps.back().id) {
            auto ordered = bench_.drive(plan_, {How::order_abort, step, false, false});
            // The gate was open: it is told so again.
            if (ordered.exit == 3) ordered = bench_.drive(plan_, {How::undo, "", false, false});
            expect_as_before(ordered);
            if (HasFatalFailure()) return;
        }
    }
    for (auto const& step : some(in_contract(program), GetParam().name)) {
        strip = !strip;
        SCOPED_TRACE("undone in contract after " + step + (strip ? ", without LOCK TABLE" : ""));
        auto const died = bench_.drive(plan_, {How::die, step, true, strip});
        ASSERT_EQ(died.exit, -1) << died.problem;
        auto const undone = bench_.drive(plan_, {How::rollback, "", true, strip});
        expect_as_before(undone);
        if (HasFatalFailure()) return;
        expect_truth(bench_, {died, undone});
    }
    if (program.quarantine.count() > 0) {
        // From the quarantine back, died after each step of the way; each time the plan begins a new run.
        for (auto const& step : some(undone_in_quarantine(program), GetParam().name)) {
            strip = !strip;
            SCOPED_TRACE("rolled back, died after " + step + (strip ? ", without LOCK TABLE" : ""));
            auto const kept = bench_.drive(plan_, {How::to_the_end, "", true, strip});
            ASSERT_EQ(kept.exit, 0) << kept.problem;
            EXPECT_EQ(compared(world_of(bench_, plan_)),
                      compared(apply(until_quarantine(plan_), before, kept.program.run)));
            auto const died = bench_.drive(plan_, {How::rollback_die, step, true, strip});
            ASSERT_EQ(died.exit, -1) << died.problem;
            auto const back = bench_.drive(plan_, {How::rollback, "", true, strip});
            expect_as_before(back);
            if (HasFatalFailure()) return;
            expect_truth(bench_, {kept, died, back});
        }
    }
    auto const driven = bench_.drive(plan_, {How::to_the_end, "", true, true});
    ASSERT_EQ(driven.exit, 0) << driven.problem;
    EXPECT_EQ(driven.problem, "");
    expect_truth(bench_, {driven});
    if (program.quarantine.count() > 0) {
        query(bench_.database().conninfo,
              "UPDATE weir.entries SET at = at - interval '8 days' WHERE kind = 'quarantined'");
        auto const purged = bench_.drive(plan_, {How::to_the_end, "", true, true});
        ASSERT_EQ(purged.exit, 0) << purged.problem;
        expect_truth(bench_, {purged});
    }
    EXPECT_EQ(compared(world_of(bench_, plan_)), compared(apply(plan_, before, driven.program.run)));
    EXPECT_EQ(bench_.by_others(), "");
    if (GetParam().has("after.sql")) {
        EXPECT_EQ(query_value(bench_.database().conninfo, GetParam().text("after.sql")), "t");
    }
}

/// A deed by hand, beside the machine; with an entry, so that what it makes is the run's.
void perform(Bench const& bench, Program const& program, Step const& step, Deed const& deed) {
    static std::int64_t far = 1'000'000;
    Batch batch{insert_entry(program.run, ++far, Epoch{0}, EntryKind::step_told, step.id)};
    for (auto const& lock : deed.locks) batch.push_back(lock_table(lock, Waiting::lock_timeout));
    batch.insert(batch.end(), deed.statements.begin(), deed.statements.end());
    // With the end of a rollback.
    if (deed.lost_counter) batch.push_back(sql("DROP SEQUENCE IF EXISTS weir_sync.{0}", *deed.lost_counter));
    query(bench.conninfo(), to_text(batch));
}

class Walk : public Real {};

/// Each step, as soon as it is done, is undone and done again. Steps that are undone together (a CHECK that is dropped
/// in a later one, a sync made in parts) go back together, until the schema is what it was before the first of them.
TEST_P(Walk, EachStepGoesForwardBackAndForward) {
    auto const next = query_value(bench_.database().conninfo, "SELECT coalesce(max(run), 0) + 1 FROM weir.entries");
    auto const program = compile(plan_, world_of(bench_, plan_), RunId{std::stoll(next)});
    auto const& steps = program.steps;
    std::vector<std::string> schemas{bench_.schema()};  // before each step
    Drive drive;
    drive.done = [&](std::string const& id) {
        SCOPED_TRACE(id);
        schemas.push_back(bench_.schema());
        auto const last = schemas.size() - 2;
        ASSERT_EQ(steps.at(last).id, id);
        // Its undo may need that of those after it which do nothing forward.
        bool const more = last + 1 < steps.size() && steps[last + 1].phase == steps[last].phase &&
                          is_transactional(steps[last + 1]) && steps[last + 1].forward.statements.empty();
        if (more || !is_transactional(steps[last]) || steps[last].undo.statements.empty()) return;
        auto first = last;
        for (;; --first) {
            ASSERT_FALSE(steps[first].undo.standalone) << steps[first].id << " is in the way";
            if (!steps[first].undo.statements.empty()) perform(bench_, program, steps[first], steps[first].undo);
            if (bench_.schema() == schemas[first]) break;
            ASSERT_GT(first, 0U) << "not what it was before\n" << bench_.schema();
        }
        for (auto again = first; again <= last; ++again)
            if (is_transactional(steps[again]) && !steps[again].forward.statements.empty())
                perform(bench_, program, steps[again], steps[again].forward);
        ASSERT_EQ(bench_.schema(), schemas.back());
    };
    auto const driven = bench_.drive(plan_, drive);
    ASSERT_EQ(driven.exit, 0) << driven.problem;
    if (program.quarantine.count() > 0) return;
    EXPECT_EQ(schemas.size(), steps.size() + 1);
    if (GetParam().has("after.sql")) {
        EXPECT_EQ(query_value(bench_.database().conninfo, GetParam().text("after.sql")), "t");
    }
}

INSTANTIATE_TEST_SUITE_P(Cases, Real, ::testing::ValuesIn(programs()),
                         [](auto const& test) { return test_name(test.param); });

/// All in a long run; else a fixed sample, of which a sanitizer lane takes less.
std::vector<GoldenCase> walked() {
    auto all = programs();
    std::size_t const every = long_run() ? 1 : 4;
    std::vector<GoldenCase> some;
    for (std::size_t i = 0; i < all.size(); i += every) some.push_back(all[i]);
    return some;
}

INSTANTIATE_TEST_SUITE_P(Cases, Walk, ::testing::ValuesIn(walked()),
                         [](auto const& test) { return test_name(test.param); });

// The driver above stands in for the shell; here is the shell itself.
TEST(Shell, RunsToTheSimulatedEndToo) {
    int ran = 0;
    for (auto const& golden : golden_cases(WEIR_SOURCE_DIR)) {
        if (golden.name != "phases-rename" && golden.name != "rename-partitioned" && golden.name != "fill-several")
            continue;
        SCOPED_TRACE(golden.name);
        Bench const bench{golden};
        auto const plan = std::get<Plan>(plan_of(golden));
        auto const before = world_of(bench, plan);
        auto const driven = bench.drive(plan, {How::with_shell, "", false, false});
        ASSERT_EQ(driven.exit, 0) << driven.problem;
        EXPECT_EQ(compared(world_of(bench, plan)), compared(apply(plan, before, driven.program.run)));
        EXPECT_EQ(query_value(bench.database().conninfo, golden.text("after.sql")), "t");
        ++ran;
    }
    EXPECT_EQ(ran, 3);
}

// VACUUM commits by itself, so it is met while it waits: its request is what it would hold.
TEST(Vacuum, WantsTheLockThatItsStepDeclares) {
    auto const all = golden_cases(WEIR_SOURCE_DIR);
    auto const golden = std::find_if(all.begin(), all.end(), [](auto const& g) { return g.name == "rename-plain"; });
    ASSERT_NE(golden, all.end());
    Bench const bench{*golden};
    auto const plan = std::get<Plan>(plan_of(*golden));
    int met = 0;
    for (auto const& step : compile(plan, world_of(bench, plan), RunId{1}).steps) {
        if (!is_standalone(step)) continue;
        Client blocker{bench.conninfo()};
        Client vacuum{bench.conninfo()};
        blocker.exec("BEGIN; LOCK TABLE users IN SHARE UPDATE EXCLUSIVE MODE");
        vacuum.send(step.forward.statements.front().text());
        std::string mode;
        EXPECT_TRUE(wait_until([&] {
            auto const rows =
                query(bench.conninfo(), "SELECT mode FROM pg_locks WHERE NOT granted AND relation = 'users'::regclass");
            if (!rows.empty()) mode = rows[0][0].value();
            return !rows.empty();
        }));
        blocker.exec("ROLLBACK");
        vacuum.result();
        ASSERT_EQ(step.forward.holds.size(), 1U);
        EXPECT_EQ(lock_mode(mode), step.forward.holds.front().mode);
        ++met;
    }
    EXPECT_GT(met, 0);
}

}  // namespace
}  // namespace weir::tests
