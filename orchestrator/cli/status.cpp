#include "orchestrator/cli/status.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/json.hpp>
#include <chrono>
#include <cstdio>
#include <thread>

#include "metrics/text.h"
#include "orchestrator/cli/commands.h"
#include "orchestrator/cli/progress.h"
#include "orchestrator/postgres/leadership.h"
#include "orchestrator/postgres/uses.h"
#include "orchestrator/run/prepared.h"
#include "orchestrator/run/runs.h"

namespace weir {
namespace {

namespace json = boost::json;

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

std::string field(Row const& row, std::size_t i) { return row.fields[i].value_or(""); }

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

struct Rated {
    StepWork work;
    std::optional<std::int64_t> rate;
};

/// `live`: somebody works on the run now, so that a second reading tells how fast.
std::variant<std::vector<Rated>, Problem> read_work(Asker& asker, std::string const& run, bool live) {
    auto const read = asker.ask(list_progress(run));
    if (read.fate != Fate::done) return problem_of(read, "cannot read the ledger");
    std::vector<Rated> all;
    for (auto const& row : read.rows) all.push_back({work_of(row), {}});
    if (!live || std::ranges::all_of(all, [](auto const& one) { return one.work.over(); })) return all;
    std::this_thread::sleep_for(std::chrono::seconds{1});
    auto const again = asker.ask(list_progress(run));
    if (again.fate != Fate::done) return problem_of(again, "cannot read the ledger");
    std::vector<Rated> now;
    for (auto const& row : again.rows) {
        auto const work = work_of(row);
        auto const before = std::ranges::find(all, work.step, [](auto const& one) { return one.work.step; });
        now.push_back({work, before == all.end() ? std::nullopt : rows_per_second(before->work, work)});
    }
    return now;
}

/// As `%-Ns` does.
std::string wide(std::string text, std::size_t columns) {
    text.resize(std::max(text.size(), columns), ' ');
    return text;
}

std::string words_of(Row const& row, Standing standing, bool led, std::vector<Rated> const& progress,
                     std::vector<ProofFigures> const& proofs, std::vector<Row> const& backups,
                     std::vector<std::string> const& uses, std::vector<std::string> const& live) {
    auto const name = printable(field(row, 1));
    auto text = wide(name, 24) + " run " + wide(field(row, 0), 4) + " " + wide(in_words(standing, led), 28) +
                " began " + field(row, 2);
    auto const line = [&](std::string const& words) { text += "  " + printable(words) + "\n"; };
    bool const over = is_over(standing);
    if (over) text += ", ended " + field(row, 4);
    text += "\n";
    for (auto const& made : backups)
        line(field(made, 0) + " backed up " + field(made, 1) + ": " + field(made, 2) + ", " + field(made, 3) +
             " bytes, SHA-256 " + field(made, 4));
    if (over) return text;
    if (is_aside(standing)) {
        line("set aside until " + field(row, 13) +
             (field(row, 17) == "0" ? "" : ", " + field(row, 17) + " values did not go back"));
        for (auto const& use : uses) line(use);
        line("hint: weir rollback " + name + " brings it back; weir purge drops it then");
    }
    line(field(row, 6) + " steps done, last " + (field(row, 5).empty() ? "none" : field(row, 5)));
    for (auto const& step : progress) line(work_line(step.work, step.rate));
    for (auto const& proof : proofs) line(proof_line(proof));
    for (auto const& words : live) line(words);
    if (!field(row, 10).empty()) {
        line("stopped: " + field(row, 10));
        line("hint: " + field(row, 11));
    }
    if (standing == Standing::paused) {
        line("paused by " + field(row, 12));
        line("hint: to go on: weir resume " + name);
    }
    if (standing == Standing::rolling_back)
        line(std::string{"hint: "} +
             (field(row, 16) == "t"
                  ? "the old shape is there again beside the new one; when nothing uses the new one any more"
                  : "to go on") +
             ": weir rollback " + name);
    if (standing == Standing::undoing && field(row, 16) == "t")
        line("hint: when nothing uses the new shape any more: weir abort " + name);
    if (standing == Standing::at_gate || standing == Standing::stopped_at_gate)
        line("hint: when the new application is deployed: weir approve " + name + " contract");
    return text;
}

struct Shown {
    std::string text;
    bool over{};  ///< nothing of it will change by itself
};

/// `watched`: of all runs only those that are not over.
std::variant<Shown, Problem> look(Asker& asker, Options const& options, bool watched) {
    auto const ledger = has_ledger(asker);
    if (auto const* problem = std::get_if<Problem>(&ledger)) return *problem;
    std::string const name = options.words.empty() ? "" : options.words[0];

    std::vector<Row> runs;
    std::string leader;
    if (std::get<bool>(ledger)) {
        auto const listed = asker.ask(list_runs(name));
        if (listed.fate != Fate::done) return problem_of(listed, "cannot read the ledger");
        runs = listed.rows;
        auto const who = asker.ask(who_leads());
        if (who.fate == Fate::done && !who.rows.empty()) leader = field(who.rows[0], 2);
    }
    if (!name.empty() && runs.empty())
        return Problem{
            Code::unknown_plan, {}, "no run of a plan " + name + " is known here", "weir status lists all runs"};

    json::array documents;
    Shown shown;
    shown.over = !name.empty();
    std::size_t ended = 0;
    for (auto const& row : runs) {
        bool const led = leader == control_name(field(row, 1));
        auto const standing = standing_of(row);
        bool const over = is_over(standing);
        shown.over = shown.over && (over || is_aside(standing));
        if (watched && over && name.empty()) {
            ++ended;
            continue;
        }
        auto const read = read_work(asker, field(row, 0), led && !over);
        if (auto const* problem = std::get_if<Problem>(&read)) return *problem;
        auto const& progress = std::get<std::vector<Rated>>(read);
        auto const proved = asker.ask(list_proofs(field(row, 0)));
        if (proved.fate != Fate::done) return problem_of(proved, "cannot read the ledger");
        std::vector<ProofFigures> proofs;
        for (auto const& proof : proved.rows) proofs.push_back(proof_of(proof));
        auto const backups = asker.ask(list_backups(field(row, 0)));
        if (backups.fate != Fate::done) return problem_of(backups, "cannot read the ledger");
        std::optional<json::array> uses;
        std::vector<std::string> still_used;
        if (!name.empty() && is_aside(standing)) {
            auto const found = uses_of(asker, RunId{std::stoll(field(row, 0))});
            if (auto const* problem = std::get_if<Problem>(&found))
                still_used = {problem->message, "hint: " + problem->hint};
            if (auto const* those = std::get_if<std::vector<Use>>(&found)) {
                uses.emplace();
                for (auto const& use : *those) {
                    still_used.push_back("still used: " + to_text(use));
                    uses->push_back(json::object{{use.of_table ? "table" : "column", use.column},
                                                 {"was", use.was},
                                                 {"how", use.how},
                                                 {"by", use.by}});
                }
            }
        }
        std::string picture;
        double age = 0;
        if (led && !over) {
            auto const drawn = asker.ask(read_picture(RunId{std::stoll(field(row, 0))}));
            if (drawn.fate == Fate::done && !drawn.rows.empty()) {
                age = std::stod(field(drawn.rows[0], 1));
                if (age <= picture_age_max) picture = field(drawn.rows[0], 2);
            }
        }
        if (!options.json) {
            shown.text +=
                words_of(row, standing, led, progress, proofs, backups.rows, still_used, picture_lines(picture, age));
            continue;
        }
        json::array steps;
        for (auto const& [work, rate] : progress) {
            json::object step{{"step", work.step},   {"pages_done", work.pages_done},
                              {"pages", work.pages}, {"rows", work.rows},
                              {"hot", work.hot},     {"rows_wrong", work.rows_wrong}};
            if (rate) step["rows_per_second"] = *rate;
            steps.push_back(std::move(step));
        }
        json::array proven;
        for (auto const& proof : proofs)
            proven.push_back(json::object{{"step", proof.step},
                                          {"at", proof.at},
                                          {"again", proof.again},
                                          {"rows_read", std::stoll(proof.rows_read)},
                                          {"rows_filled", std::stoll(proof.rows_filled)},
                                          {"rows_wrong", std::stoll(proof.rows_wrong)}});
        json::object document{{"plan", field(row, 1)},
                              {"run", std::stoll(field(row, 0))},
                              {"state", in_words(standing, led)},
                              {"began", field(row, 2)},
                              {"last_entry", field(row, 4)},
                              {"last_step", field(row, 5)},
                              {"steps_done", std::stoll(field(row, 6))},
                              {"progress", std::move(steps)},
                              {"proofs", std::move(proven)}};
        if (is_aside(standing)) {
            document["quarantine_until"] = field(row, 13);
            document["values_not_back"] = std::stoll(field(row, 17));
            if (uses) document["uses"] = *std::move(uses);
        }
        if (!field(row, 10).empty()) {
            document["stopped"] = field(row, 10);
            document["hint"] = field(row, 11);
        }
        json::array dumps;
        for (auto const& made : backups.rows)
            dumps.push_back(json::object{{"step", field(made, 0)},
                                         {"at", field(made, 1)},
                                         {"file", field(made, 2)},
                                         {"bytes", std::stoll(field(made, 3))},
                                         {"sha256", field(made, 4)}});
        document["backups"] = std::move(dumps);
        boost::system::error_code unreadable;
        if (auto live = json::parse(picture, unreadable); !picture.empty() && !unreadable) {
            document["live"] = std::move(live);
            document["live_age_s"] = age;
        }
        if (standing == Standing::paused) document["paused_by"] = field(row, 12);
        documents.push_back(std::move(document));
    }
    if (options.json)
        shown.text = json::serialize(json::object{{"leader", leader}, {"runs", std::move(documents)}}) + "\n";
    else if (runs.empty())
        shown.text = "no run yet in this database\n";
    else if (!leader.empty())
        shown.text += "working now: " + leader + "\n";
    if (ended > 0) shown.text += std::to_string(ended) + (ended == 1 ? " run is over\n" : " runs are over\n");
    return shown;
}

using Opened = std::variant<std::unique_ptr<Asker>, Problem>;

/// Until the run that was named is over, or for ever. A server that is away is waited for.
int watch(Options const& options, boost::asio::io_context& io, Opened opened) {
    bool const redraws = !options.json && resolve(ProgressMode::automatic, STDOUT_FILENO) == ProgressMode::bar;
    std::string before;
    for (bool first = true;; first = false) {
        auto const began = std::chrono::steady_clock::now();
        std::optional<Problem> problem;
        Shown shown;
        if (auto const* failed = std::get_if<Problem>(&opened)) {
            problem = *failed;
        } else {
            auto looked = look(*std::get<std::unique_ptr<Asker>>(opened), options, true);
            if (auto const* wrong = std::get_if<Problem>(&looked))
                problem = *wrong;
            else
                shown = std::get<Shown>(std::move(looked));
        }
        if (problem) {
            if (first) return tell(*problem);
            shown.text = to_text(*problem, audience_of(STDOUT_FILENO));
        }
        if (shown.text != before) {
            winsize size{};
            if (redraws && ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) size = {};
            auto const text = redraws        ? screen(shown.text, size.ws_col, size.ws_row, first)
                              : options.json ? shown.text
                                             : shown.text + "\n";
            std::fwrite(text.data(), 1, text.size(), stdout);
            if (std::fflush(stdout) != 0) return 0;
            before = shown.text;
        }
        if (shown.over) return 0;
        std::this_thread::sleep_until(began + std::chrono::seconds{1});
        if (problem) opened = Asker::open(io, options.database, {"weir status", false});
    }
}

}  // namespace

int status_command(Options const& options) {
    if (options.metrics) return status_metrics(options);
    boost::asio::io_context io;
    auto opened = Asker::open(io, options.database, {"weir status", false});
    if (options.watch) return watch(options, io, std::move(opened));
    if (auto* problem = std::get_if<Problem>(&opened)) return tell(*problem);
    auto const looked = look(*std::get<std::unique_ptr<Asker>>(opened), options, false);
    if (auto const* problem = std::get_if<Problem>(&looked)) return tell(*problem);
    auto const& text = std::get<Shown>(looked).text;
    std::fwrite(text.data(), 1, text.size(), stdout);
    return 0;
}

}  // namespace weir
