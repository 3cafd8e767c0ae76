/// What the pure parts cost by themselves; tests/benchmarks/run.sh --micro builds and runs this.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <deque>
#include <stdexcept>
#include <utility>
#include <vector>

#include "dialogue.h"
#include "orchestrator/machine/backfill.h"
#include "orchestrator/machine/in_page.h"
#include "orchestrator/machine/ledger.h"
#include "orchestrator/machine/schedule.h"
#include "phases/operations.h"
#include "plans/reader.h"

namespace weir {
namespace {

constexpr std::int64_t stripe_pages = 1024;
constexpr std::int64_t rows_a_page = 80;

// ---- in-page order --------------------------------------------------------------------------------------------------

InPageOrder order_of(std::int64_t stripes) {
    InPageOrder::Config config;
    config.rows_a_page = rows_a_page;
    InPageOrder order{std::move(config)};
    for (std::int64_t i = 0; i < stripes; ++i) order.add(i * stripe_pages, (i + 1) * stripe_pages, false);
    return order;
}

/// One decision and what came of it; the argument is the size of the leaf in stripes of 1024 pages. The horizon lags by
/// so many batches that several stripes are open at a time.
void in_page_order_batch(benchmark::State& state) {
    constexpr std::int64_t lag = 500;
    auto const made = order_of(state.range(0));
    std::vector<std::int64_t> const full(static_cast<std::size_t>(state.range(0)), stripe_pages * rows_a_page);
    auto order = made;
    auto left = full;
    std::int64_t xid = lag;
    std::size_t open = 0;
    for (auto _ : state) {
        auto const horizon = xid - lag;
        if (auto const turn = order.sweep(horizon, true)) {
            auto& rest = left[turn->stripe];
            auto const rows = std::min(rest, (turn->to - turn->from) * turn->rows_a_page);
            rest -= rows;
            ++xid;
            order.swept(*turn, {rows, turn->first ? 0 : rows, xid, Millis{50}});
        } else if (order.ripe(horizon)) {
            order.filled({0, 0, ++xid, Millis{50}});
        } else if (order.exhausted()) {
            state.PauseTiming();
            order = made;
            left = full;
            state.ResumeTiming();
        } else {
            xid += lag;  // it waits
        }
        open = std::max(open, order.open());
    }
    state.SetItemsProcessed(state.iterations());
    state.counters["open"] = static_cast<double>(open);
}
BENCHMARK(in_page_order_batch)->Arg(12)->Arg(1'000);

// ---- backfill machine -----------------------------------------------------------------------------------------------

/// A backfill and a server that answers everything at once, and says that nobody sees what was written before.
class Filling {
  public:
    Filling(int workers, bool plain) : machine_{config(workers, plain)} {
        machine_.start(stamp(now_), ids_, out_);
        answer();
    }
    bool over() const { return flying_.empty() && machine_.state() != BackfillMachine::State::running; }
    /// Decides and renders what follows upon one answer.
    void answer() {
        take();
        if (flying_.empty()) throw std::logic_error{"the machine waits for nothing"};
        auto const [id, outcome] = std::move(flying_.front());
        flying_.pop_front();
        now_ += Millis{50};
        machine_.completed(stamp(now_), {id, outcome}, ids_, out_);
        take();
    }

  private:
    static BackfillMachine::Config config(int workers, bool plain) {
        return {.run = RunId{1},
                .epoch = Epoch{5},
                .step = "backfill.1",
                .rows = rows_of_users(),
                .workers = workers,
                .plain = plain,
                .sweep = {}};
    }
    /// What the server will say.
    Outcome said(Execute const& command) {
        if (first_) {
            first_ = false;
            std::vector<Row> rows;
            for (std::int64_t i = 0; i < 400; ++i)
                rows.push_back(row({"16384", "public", "users", "7", std::to_string(i * stripe_pages),
                                    std::to_string((i + 1) * stripe_pages), std::to_string(i * stripe_pages), "0", "0",
                                    std::to_string(rows_a_page), "on", "16384"}));
            return done(std::move(rows));
        }
        auto const xid = std::to_string(++xid_);
        if (command.batch.size() == 1) return done({row({xid})});
        return done({row({"320", "300", xid, xid})});
    }
    void take() {
        for (auto const& command : out_) {
            if (auto const* execute = std::get_if<Execute>(&command)) flying_.emplace_back(execute->id, said(*execute));
            if (auto const* rest = std::get_if<Rest>(&command)) flying_.emplace_back(rest->id, done());
        }
        out_.clear();
    }

    BackfillMachine machine_;
    Ids ids_;
    Commands out_;
    std::deque<std::pair<CommandId, Outcome>> flying_;
    Millis now_{1000};
    std::int64_t xid_{1000};
    bool first_{true};
};

/// From an answer to the next string; the arguments are the workers, and 1 for page ranges only.
void backfill_batch(benchmark::State& state) {
    auto const workers = static_cast<int>(state.range(0));
    bool const plain = state.range(1) != 0;
    Filling filling{workers, plain};
    for (auto _ : state) {
        if (filling.over()) {
            state.PauseTiming();
            filling = Filling{workers, plain};
            state.ResumeTiming();
        }
        filling.answer();
    }
    state.SetItemsProcessed(state.iterations());
}
BENCHMARK(backfill_batch)->ArgNames({"workers", "plain"})->Args({1, 0})->Args({8, 0})->Args({1, 1})->Args({8, 1});

// ---- SQL ------------------------------------------------------------------------------------------------------------

void sql_batch(benchmark::State& state) {
    Ident const column = Ident::of("full \"name\"");
    auto const table = users();
    for (auto _ : state) {
        Batch batch{sql("SET LOCAL weir.batch = 'on'"), fence(Epoch{5}),
                    sql("LOCK TABLE ONLY {0} IN ROW EXCLUSIVE MODE", table),
                    sql("UPDATE ONLY {0} AS {1} SET {2} = {3} WHERE {1}.ctid >= {4}::pg_catalog.tid "
                        "AND {1}.ctid < {5}::pg_catalog.tid AND {2} IS NULL",
                        table, table.name, column, sql("name"), Value{"(16,0)"}, Value{"(32,0)"}),
                    sql("UPDATE weir.progress SET next_page = {0}, rows = rows + {1} WHERE step = {2}", Int{32},
                        Int{1280}, Value{"backfill.1"})};
        auto text = to_text(batch);
        benchmark::DoNotOptimize(text);
    }
    state.SetItemsProcessed(state.iterations());
}
BENCHMARK(sql_batch);

// ---- ledger ---------------------------------------------------------------------------------------------------------

void fold_entries(benchmark::State& state) {
    auto const count = state.range(0);
    std::vector<Row> rows{row({"1", "1", "began", "", "then", "name", "plan", "{}", "0.1.0", "hash", "identity"})};
    for (std::int64_t i = 2; i <= count; ++i)
        rows.push_back(row({"1", std::to_string(i), i % 2 == 0 ? "step_begun" : "step_done",
                            "backfill." + std::to_string(i / 2), "then", "", "", "", "", "", ""}));
    for (auto _ : state) {
        auto record = fold(rows);
        benchmark::DoNotOptimize(record);
    }
    state.SetItemsProcessed(state.iterations() * count);
}
BENCHMARK(fold_entries)->Arg(100)->Arg(10'000)->Unit(benchmark::kMicrosecond);

// ---- plans ----------------------------------------------------------------------------------------------------------

void read_a_plan(benchmark::State& state) {
    constexpr std::string_view text = R"(weir: 1
name: users-full-name
expand:
  - add_column:   { table: users, column: full_name, type: text }
  - sync_columns: { table: users, from: name, to: full_name }
backfill:
  - fill:         { table: users, set: { full_name: name } }
  - set_not_null: { table: users, column: full_name }
contract:
  - drop_column:  { table: users, column: name }
schedule: { window: { days: [mon-fri], from: "01:00", to: "05:00", timezone: Europe/Berlin } }
)";
    for (auto _ : state) {
        auto plan = read_plan(text, "plan.yaml", operations());
        if (!std::holds_alternative<Plan>(plan)) state.SkipWithError("the plan is refused");
        benchmark::DoNotOptimize(plan);
    }
    state.SetItemsProcessed(state.iterations());
}
BENCHMARK(read_a_plan)->Unit(benchmark::kMicrosecond);

// ---- schedule -------------------------------------------------------------------------------------------------------

void schedule_opening(benchmark::State& state) {
    Schedule schedule;
    schedule.windows.push_back(
        {0b001'1111, std::chrono::hours{22}, std::chrono::hours{5}, Zone::of("Europe/Berlin").value_or(Zone{})});
    auto at = stamp(Millis{0}).wall;
    for (auto _ : state) {
        auto now = opening(schedule, at);
        benchmark::DoNotOptimize(now);
        at += std::chrono::hours{1};
    }
    state.SetItemsProcessed(state.iterations());
}
BENCHMARK(schedule_opening);

}  // namespace
}  // namespace weir

BENCHMARK_MAIN();
