#include "orchestrator/cli/status_read.h"

#include <algorithm>
#include <boost/json.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <thread>
#include <utility>

#include "orchestrator/machine/ledger.h"
#include "orchestrator/postgres/leadership.h"
#include "phases/operations.h"
#include "plans/reader.h"

namespace weir {
namespace {

// Of many runs at once, `runs` as an array of their numbers; the run is the last field of a row.

Batch list_progress(std::string const& runs) {
    return {
        sql(R"(SELECT p.step, sum(p.next_page - p.from_page), sum(p.to_page - p.from_page), sum(p.rows), sum(p.misses),
  sum(p.hot), extract(epoch FROM pg_catalog.clock_timestamp()), p.run
FROM weir.progress p WHERE p.run = ANY ({0}::bigint[]) GROUP BY p.run, p.step ORDER BY p.run, p.step)",
            Value{runs})};
}

/// The newest of each step.
Batch list_proofs(std::string const& runs) {
    return {sql(R"(SELECT DISTINCT ON (e.run, e.step) e.step, e.at::timestamptz(0), e.detail->>'rows_read',
  coalesce(e.detail->>'rows_filled', '0'), coalesce(e.detail->>'rows_wrong', '0'), e.kind = 'checked', e.run
FROM weir.entries e
WHERE e.run = ANY ({0}::bigint[]) AND e.kind IN ('step_done', 'checked') AND e.detail ? 'rows_read'
ORDER BY e.run, e.step, e.seq DESC)",
                Value{runs})};
}

/// The newest of each step.
Batch list_backups(std::string const& runs) {
    return {
        sql(R"(SELECT DISTINCT ON (e.run, e.step) e.step, e.at::timestamptz(0), e.detail->>'file', e.detail->>'bytes',
  e.detail->>'sha256', e.run
FROM weir.entries e WHERE e.run = ANY ({0}::bigint[]) AND e.kind = 'backed_up' ORDER BY e.run, e.step, e.seq DESC)",
            Value{runs})};
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

/// What the rows of `asked` say, of each run.
std::optional<Problem> read_of_each(Asker& asker, Batch const& asked, std::map<std::string, RunReport*> const& runs,
                                    std::size_t run_field, std::function<void(RunReport&, Row const&)> const& take) {
    auto const read = asker.ask(asked);
    if (read.fate != Fate::done) return problem_of(read, "cannot read the ledger");
    for (auto const& row : read.rows)
        if (auto const run = runs.find(field(row, run_field)); run != runs.end()) take(*run->second, row);
    return {};
}

std::optional<Problem> read_works(Asker& asker, std::vector<RunReport>& reports) {
    std::map<std::string, RunReport*> runs;
    std::string ids;
    for (auto& report : reports) {
        auto const id = field(report.row, 0);
        runs.emplace(id, &report);
        ids += (ids.empty() ? "{" : ",") + id;
    }
    if (runs.empty()) return {};
    ids += "}";
    if (auto problem = read_of_each(asker, list_progress(ids), runs, 7, [](RunReport& run, Row const& row) {
            run.progress.push_back({work_of(row), {}});
        }))
        return problem;
    if (auto problem = read_of_each(asker, list_proofs(ids), runs, 6,
                                    [](RunReport& run, Row const& row) { run.proofs.push_back(proof_of(row)); }))
        return problem;
    return read_of_each(asker, list_backups(ids), runs, 5,
                        [](RunReport& run, Row const& row) { run.backups.push_back(row); });
}

/// A second reading tells how fast it goes.
std::optional<Problem> rate(Asker& asker, RunReport& run) {
    auto& all = run.progress;
    if (std::ranges::all_of(all, [](auto const& one) { return one.work.over(); })) return {};
    std::this_thread::sleep_for(std::chrono::seconds{1});
    auto const again = asker.ask(list_progress("{" + field(run.row, 0) + "}"));
    if (again.fate != Fate::done) return problem_of(again, "cannot read the ledger");
    std::vector<RatedWork> now;
    for (auto const& row : again.rows) {
        auto const work = work_of(row);
        auto const before = std::ranges::find(all, work.step, [](auto const& one) { return one.work.step; });
        now.push_back({work, before == all.end() ? std::nullopt : rows_per_second(before->work, work)});
    }
    all = std::move(now);
    return {};
}

/// What of a run is read only for who asks for it, or while somebody works on it.
std::optional<Problem> read_the_rest(Asker& asker, RunReport& run, bool named) {
    auto const id = field(run.row, 0);
    if (named && is_aside(run.standing)) run.uses = uses_of(asker, RunId{std::stoll(id)});
    if (run.standing == Standing::at_gate || run.standing == Standing::stopped_at_gate) {
        auto const began = asker.ask({sql(
            "SELECT b.detail->>'plan' FROM weir.entries b WHERE b.run = {0}::bigint AND b.kind = 'began'", Value{id})});
        if (began.fate != Fate::done) return problem_of(began, "cannot read the ledger");
        if (!began.rows.empty()) {
            auto const plan = read_plan(field(began.rows[0], 0), "", operations());
            if (auto const* known = std::get_if<Plan>(&plan)) run.approvals_needed = known->approvals;
        }
    }
    if (!run.led || is_over(run.standing)) return {};
    if (auto problem = rate(asker, run)) return problem;
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
        if (auto const users = field(run.row, 22); !users.empty()) {
            auto const array = boost::json::parse(users);
            for (auto const& user : array.as_array())
                if (user.is_string()) run.approvals.emplace_back(user.as_string());
        }
        report.runs.push_back(std::move(run));
    }
    if (auto problem = read_works(asker, report.runs)) return *std::move(problem);
    for (auto& run : report.runs)
        if (auto problem = read_the_rest(asker, run, !name.empty())) return *std::move(problem);
    return report;
}

}  // namespace weir
