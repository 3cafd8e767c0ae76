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
#include "orchestrator/cli/status_read.h"

namespace weir {
namespace {

namespace json = boost::json;

/// As `%-Ns` does.
std::string wide(std::string text, std::size_t columns) {
    text.resize(std::max(text.size(), columns), ' ');
    return text;
}

std::vector<std::string> use_lines(std::variant<std::vector<Use>, Problem> const& uses) {
    if (auto const* problem = std::get_if<Problem>(&uses)) return {problem->message, "hint: " + problem->hint};
    std::vector<std::string> lines;
    for (auto const& use : std::get<std::vector<Use>>(uses)) lines.push_back("still used: " + to_text(use));
    return lines;
}

/// `1 of 2 approvals: ada`.
std::string approvals_line(RunReport const& run) {
    return std::to_string(run.approvals.size()) + " of " + std::to_string(run.approvals_needed) + " approvals" +
           (run.approvals.empty() ? "" : ": " + joined(run.approvals, ", "));
}

/// What a person can do now.
std::vector<std::string> hints(RunReport const& run) {
    auto const name = printable(field(run.row, 1));
    bool const reopened = field(run.row, 16) == "t";
    switch (run.standing) {
        case Standing::paused:
            return {"paused by " + field(run.row, 12), "hint: to go on: weir resume " + name};
        case Standing::rolling_back:
            return {std::string{"hint: "} +
                    (reopened
                         ? "the old shape is there again beside the new one; when nothing uses the new one any more"
                         : "to go on") +
                    ": weir rollback " + name};
        case Standing::undoing:
            if (!reopened) return {};
            return {"hint: when nothing uses the new shape any more: weir abort " + name};
        case Standing::at_gate:
        case Standing::stopped_at_gate:
            if (run.approvals_needed <= 1)
                return {"hint: when the new application is deployed: weir approve " + name + " contract"};
            return {approvals_line(run),
                    "hint: when the new application is deployed, each as another database user: weir approve " + name +
                        " contract"};
        default:
            return {};
    }
}

std::string words_of(RunReport const& run) {
    auto const& row = run.row;
    auto const name = printable(field(row, 1));
    auto text = wide(name, 24) + " run " + wide(field(row, 0), 4) + " " + wide(in_words(run.standing, run.led), 28) +
                " began " + field(row, 2);
    auto const line = [&](std::string const& words) { text += "  " + printable(words) + "\n"; };
    bool const over = is_over(run.standing);
    if (over) text += ", ended " + field(row, 4);
    text += "\n";
    for (auto const& made : run.backups)
        line(field(made, 0) + " backed up " + field(made, 1) + ": " + field(made, 2) + ", " + field(made, 3) +
             " bytes, SHA-256 " + field(made, 4));
    if (over) return text;
    if (is_aside(run.standing)) {
        line("set aside until " + field(row, 13) +
             (field(row, 17) == "0" ? "" : ", " + field(row, 17) + " values did not go back"));
        if (run.uses)
            for (auto const& use : use_lines(*run.uses)) line(use);
        line("hint: weir rollback " + name + " brings it back; weir purge drops it then");
    }
    line(field(row, 6) + " steps done, last " + (field(row, 5).empty() ? "none" : field(row, 5)));
    for (auto const& step : run.progress) line(work_line(step.work, step.rate));
    for (auto const& proof : run.proofs) line(proof_line(proof));
    for (auto const& words : picture_lines(run.picture, run.picture_age)) line(words);
    if (!field(row, 10).empty()) {
        line("stopped: " + field(row, 10));
        line("hint: " + field(row, 11));
    }
    for (auto const& words : hints(run)) line(words);
    return text;
}

json::array progress_of(RunReport const& run) {
    json::array steps;
    for (auto const& [work, rate] : run.progress) {
        json::object step{{"step", work.step},   {"pages_done", work.pages_done},
                          {"pages", work.pages}, {"rows", work.rows},
                          {"hot", work.hot},     {"rows_wrong", work.rows_wrong}};
        if (rate) step["rows_per_second"] = *rate;
        steps.push_back(std::move(step));
    }
    return steps;
}

json::array proofs_of(RunReport const& run) {
    json::array proofs;
    for (auto const& proof : run.proofs)
        proofs.push_back(json::object{{"step", proof.step},
                                      {"at", proof.at},
                                      {"again", proof.again},
                                      {"rows_read", std::stoll(proof.rows_read)},
                                      {"rows_filled", std::stoll(proof.rows_filled)},
                                      {"rows_wrong", std::stoll(proof.rows_wrong)}});
    return proofs;
}

json::array backups_of(RunReport const& run) {
    json::array dumps;
    for (auto const& made : run.backups)
        dumps.push_back(json::object{{"step", field(made, 0)},
                                     {"at", field(made, 1)},
                                     {"file", field(made, 2)},
                                     {"bytes", std::stoll(field(made, 3))},
                                     {"sha256", field(made, 4)}});
    return dumps;
}

json::array to_array(std::vector<Use> const& uses) {
    json::array all;
    for (auto const& use : uses)
        all.push_back(json::object{
            {use.of_table ? "table" : "column", use.column}, {"was", use.was}, {"how", use.how}, {"by", use.by}});
    return all;
}

json::object document_of(RunReport const& run) {
    auto const& row = run.row;
    json::object document{{"plan", field(row, 1)},
                          {"run", std::stoll(field(row, 0))},
                          {"state", in_words(run.standing, run.led)},
                          {"began", field(row, 2)},
                          {"last_entry", field(row, 4)},
                          {"last_step", field(row, 5)},
                          {"steps_done", std::stoll(field(row, 6))},
                          {"progress", progress_of(run)},
                          {"proofs", proofs_of(run)}};
    if (is_aside(run.standing)) {
        document["quarantine_until"] = field(row, 13);
        document["values_not_back"] = std::stoll(field(row, 17));
        if (run.uses)
            if (auto const* uses = std::get_if<std::vector<Use>>(&*run.uses)) document["uses"] = to_array(*uses);
    }
    if (!field(row, 10).empty()) {
        document["stopped"] = field(row, 10);
        document["hint"] = field(row, 11);
    }
    document["backups"] = backups_of(run);
    boost::system::error_code unreadable;
    if (auto live = json::parse(run.picture, unreadable); !run.picture.empty() && !unreadable) {
        document["live"] = std::move(live);
        document["live_age_s"] = run.picture_age;
    }
    if (run.approvals_needed > 1) {
        document["approvals"] = json::array(run.approvals.begin(), run.approvals.end());
        document["approvals_needed"] = run.approvals_needed;
    }
    if (run.standing == Standing::paused) document["paused_by"] = field(row, 12);
    return document;
}

struct Looked {
    std::string text;
    bool over{};  ///< nothing of it will change by itself
};

std::variant<Looked, Problem> look(Asker& asker, Options const& options, bool watched) {
    auto const read = read_status(asker, options.words.empty() ? "" : options.words[0], watched);
    if (auto const* problem = std::get_if<Problem>(&read)) return *problem;
    auto const& report = std::get<StatusReport>(read);
    Looked looked{{}, report.over};
    auto& text = looked.text;
    if (options.json) {
        json::array documents;
        for (auto const& run : report.runs) documents.push_back(document_of(run));
        text = json::serialize(json::object{
                   {"leader", report.leader}, {"runs", std::move(documents)}, {"left_out", report.left_out}}) +
               "\n";
    } else {
        for (auto const& run : report.runs) text += words_of(run);
        if (report.runs.empty() && report.left_out == 0)
            text += "no run yet in this database\n";
        else if (!report.leader.empty())
            text += "working now: " + report.leader + "\n";
        if (report.left_out > 0)
            text += std::to_string(report.left_out) + (report.left_out == 1 ? " run is over\n" : " runs are over\n");
    }
    return looked;
}

using Opened = std::variant<std::unique_ptr<Asker>, Problem>;

/// Until the run that was named is over, or for ever. A server that is away is waited for.
int watch(Options const& options, boost::asio::io_context& io, Opened opened) {
    bool const redraws = !options.json && resolve(ProgressMode::automatic, STDOUT_FILENO) == ProgressMode::bar;
    std::string before;
    for (bool first = true;; first = false) {
        auto const began = std::chrono::steady_clock::now();
        std::optional<Problem> problem;
        Looked looked_at;
        if (auto const* failed = std::get_if<Problem>(&opened)) {
            problem = *failed;
        } else {
            auto looked = look(*std::get<std::unique_ptr<Asker>>(opened), options, true);
            if (auto const* wrong = std::get_if<Problem>(&looked))
                problem = *wrong;
            else
                looked_at = std::get<Looked>(std::move(looked));
        }
        if (problem) {
            if (first) return tell(*problem);
            looked_at.text = to_text(*problem, audience_of(STDOUT_FILENO));
        }
        if (looked_at.text != before) {
            winsize size{};
            if (redraws && ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) size = {};
            auto const text = redraws        ? screen(looked_at.text, size.ws_col, size.ws_row, first)
                              : options.json ? looked_at.text
                                             : looked_at.text + "\n";
            std::fwrite(text.data(), 1, text.size(), stdout);
            if (std::fflush(stdout) != 0) return 0;
            before = looked_at.text;
        }
        if (looked_at.over) return 0;
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
    auto const& text = std::get<Looked>(looked).text;
    std::fwrite(text.data(), 1, text.size(), stdout);
    return 0;
}

}  // namespace weir
