#include "orchestrator/cli/status_read.h"

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "orchestrator/machine/ledger.h"
#include "orchestrator/postgres/leadership.h"

namespace weir {
namespace {

Batch list_progress(std::string const& run) {
    return {
        sql(R"(SELECT p.step, sum(p.next_page - p.from_page), sum(p.to_page - p.from_page), sum(p.rows), sum(p.misses),
  sum(p.hot), extract(epoch FROM pg_catalog.clock_timestamp())
FROM weir.progress p WHERE p.run = {0}::bigint GROUP BY p.step ORDER BY p.step)",
            Value{run})};
}

/// The newest of each step.
Batch list_proofs(std::string const& run) {
    return {sql(R"(SELECT DISTINCT ON (e.step) e.step, e.at::timestamptz(0), e.detail->>'rows_read',
  coalesce(e.detail->>'rows_filled', '0'), coalesce(e.detail->>'rows_wrong', '0'), e.kind = 'checked'
FROM weir.entries e WHERE e.run = {0}::bigint AND e.kind IN ('step_done', 'checked') AND e.detail ? 'rows_read'
ORDER BY e.step, e.seq DESC)",
                Value{run})};
}

/// The newest of each step.
Batch list_backups(std::string const& run) {
    return {sql(R"(SELECT DISTINCT ON (e.step) e.step, e.at::timestamptz(0), e.detail->>'file', e.detail->>'bytes',
  e.detail->>'sha256'
FROM weir.entries e WHERE e.run = {0}::bigint AND e.kind = 'backed_up' ORDER BY e.step, e.seq DESC)",
                Value{run})};
}

/// Older than this the weir that drew it may be gone.
constexpr double picture_age_max = 10;

StepWork work_of(Row const& row) {
    auto const number = [&](std::size_t i) { return static_cast<std::int64_t>(std::stoll(field(row, i))); };
    return {.step = field(row, 0),
            .pages_done = number(1),
            .pages = number(2),
            .rows = number(3),
            .rows_wrong = number(4),
            .hot = number(5),
            .read_at = std::stod(field(row, 6))};
}

ProofFigures proof_of(Row const& row) {
    return {.step = field(row, 0),
            .at = field(row, 1),
            .rows_read = field(row, 2),
            .rows_filled = field(row, 3),
            .rows_wrong = field(row, 4),
            .again = field(row, 5) == "t"};
}

/// `live`: somebody works on the run now, so that a second reading tells how fast.
std::variant<std::vector<RatedWork>, Problem> read_work(Asker& asker, std::string const& run, bool live) {
    auto const read = asker.ask(list_progress(run));
    if (read.fate != Fate::done) return problem_of(read, "cannot read the ledger");
    std::vector<RatedWork> all;
    for (auto const& row : read.rows) all.push_back({work_of(row), {}});
    if (!live || std::ranges::all_of(all, [](auto const& one) { return one.work.over(); })) return all;
    std::this_thread::sleep_for(std::chrono::seconds{1});
    auto const again = asker.ask(list_progress(run));
    if (again.fate != Fate::done) return problem_of(again, "cannot read the ledger");
    std::vector<RatedWork> now;
    for (auto const& row : again.rows) {
        auto const work = work_of(row);
        auto const before = std::ranges::find(all, work.step, [](auto const& one) { return one.work.step; });
        now.push_back({work, before == all.end() ? std::nullopt : rows_per_second(before->work, work)});
    }
    return now;
}

/// What of a run is read only for who asks for it, or while somebody works on it.
std::optional<Problem> read_the_rest(Asker& asker, RunReport& run, bool named) {
    auto const id = field(run.row, 0);
    bool const works = run.led && !is_over(run.standing);
    auto work = read_work(asker, id, works);
    if (auto* problem = std::get_if<Problem>(&work)) return std::move(*problem);
    run.progress = std::get<std::vector<RatedWork>>(std::move(work));
    auto const proved = asker.ask(list_proofs(id));
    if (proved.fate != Fate::done) return problem_of(proved, "cannot read the ledger");
    for (auto const& proof : proved.rows) run.proofs.push_back(proof_of(proof));
    auto backups = asker.ask(list_backups(id));
    if (backups.fate != Fate::done) return problem_of(backups, "cannot read the ledger");
    run.backups = std::move(backups.rows);
    if (named && is_aside(run.standing)) run.uses = uses_of(asker, RunId{std::stoll(id)});
    if (!works) return {};
    auto const drawn = asker.ask(read_picture(RunId{std::stoll(id)}));
    if (drawn.fate != Fate::done || drawn.rows.empty()) return {};
    run.picture_age = std::stod(field(drawn.rows[0], 1));
    if (run.picture_age <= picture_age_max) run.picture = field(drawn.rows[0], 2);
    return {};
}

}  // namespace

std::string field(Row const& row, std::size_t i) { return row.fields[i].value_or(""); }

std::variant<StatusReport, Problem> read_status(Asker& asker, std::string const& name, bool watched) {
    auto const ledger = has_ledger(asker);
    if (auto const* problem = std::get_if<Problem>(&ledger)) return *problem;
    StatusReport report;
    std::vector<Row> rows;
    if (std::get<bool>(ledger)) {
        auto const listed = asker.ask(list_runs(name));
        if (listed.fate != Fate::done) return problem_of(listed, "cannot read the ledger");
        rows = listed.rows;
        auto const who = asker.ask(who_leads());
        if (who.fate == Fate::done && !who.rows.empty()) report.leader = field(who.rows[0], 2);
    }
    if (!name.empty() && rows.empty())
        return Problem{
            Code::unknown_plan, {}, "no run of a plan " + name + " is known here", "weir status lists all runs"};
    report.over = !name.empty();
    for (auto& row : rows) {
        auto const standing = standing_of(row);
        bool const over = is_over(standing);
        report.over = report.over && (over || is_aside(standing));
        if (watched && over && name.empty()) {
            ++report.left_out;
            continue;
        }
        RunReport run{.row = std::move(row), .standing = standing};
        run.led = report.leader == control_name(field(run.row, 1));
        if (auto problem = read_the_rest(asker, run, !name.empty())) return *std::move(problem);
        report.runs.push_back(std::move(run));
    }
    return report;
}

}  // namespace weir
