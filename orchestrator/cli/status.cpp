#include <boost/asio/io_context.hpp>
#include <boost/json.hpp>
#include <cstdio>

#include "orchestrator/cli/commands.h"
#include "orchestrator/cli/prepared.h"
#include "orchestrator/postgres/leadership.h"

namespace weir {
namespace {

namespace json = boost::json;

Batch list_runs(std::string const& name) {
    Sql const which = name.empty() ? sql("true") : sql("b.detail->>'name' = {0}", Value{name});
    return {sql(R"(SELECT b.run, b.detail->>'name', b.at::timestamptz(0), coalesce(last.kind, ''),
  (SELECT max(e.at)::timestamptz(0) FROM weir.entries e WHERE e.run = b.run),
  coalesce((SELECT e.step FROM weir.entries e WHERE e.run = b.run AND e.step <> '' ORDER BY e.seq DESC LIMIT 1), ''),
  (SELECT count(DISTINCT e.step) FROM weir.entries e WHERE e.run = b.run AND e.kind = 'step_done'),
  EXISTS (SELECT FROM weir.entries e WHERE e.run = b.run AND e.kind = 'gate_opened'),
  EXISTS (SELECT FROM weir.entries e WHERE e.run = b.run AND e.kind = 'gate_approved'),
  EXISTS (SELECT FROM weir.entries e WHERE e.run = b.run AND e.kind = 'aborting'),
  CASE WHEN last.kind = 'stopped' THEN last.detail->>'message' END,
  CASE WHEN last.kind = 'stopped' THEN last.detail->>'hint' END
FROM weir.entries b
LEFT JOIN LATERAL (SELECT e.kind, e.detail FROM weir.entries e WHERE e.run = b.run ORDER BY e.seq DESC LIMIT 1) last ON true
WHERE b.kind = 'began' AND {0} ORDER BY b.run)",
                which)};
}

Batch list_progress(std::string const& run) {
    return {
        sql(R"(SELECT p.step, sum(p.next_page - p.from_page), sum(p.to_page - p.from_page), sum(p.rows), sum(p.misses)
FROM weir.progress p WHERE p.run = {0}::bigint GROUP BY p.step ORDER BY p.step)",
            Value{run})};
}

std::string field(Row const& row, std::size_t i) { return row.fields[i].value_or(""); }

std::string state_of(Row const& row, bool led) {
    std::string const last = field(row, 3);
    if (last == "finished") return "done";
    if (last == "undone") return "undone";
    if (field(row, 9) == "t") return led ? "undoing" : "undoing, nobody works on it";
    bool const at_gate = field(row, 7) == "t" && field(row, 8) != "t";
    if (last == "stopped") return at_gate ? "stopped at gate contract" : "stopped";
    if (at_gate) return "waiting at gate contract";
    return led ? "running" : "begun, nobody works on it";
}

void print(Row const& row, std::string const& state, std::vector<Row> const& progress) {
    std::printf("%-24s run %-4s %-28s began %s", field(row, 1).c_str(), field(row, 0).c_str(), state.c_str(),
                field(row, 2).c_str());
    if (state == "done" || state == "undone") std::printf(", ended %s", field(row, 4).c_str());
    std::printf("\n");
    if (state == "done" || state == "undone") return;
    std::printf("  %s steps done, last %s\n", field(row, 6).c_str(),
                field(row, 5).empty() ? "none" : field(row, 5).c_str());
    for (auto const& step : progress)
        std::printf("  %-12s %s of %s pages, %s rows%s\n", field(step, 0).c_str(), field(step, 1).c_str(),
                    field(step, 2).c_str(), field(step, 3).c_str(),
                    field(step, 4) == "0" ? "" : (", " + field(step, 4) + " rows not right").c_str());
    if (!field(row, 10).empty())
        std::printf("  stopped: %s\n  hint: %s\n", field(row, 10).c_str(), field(row, 11).c_str());
    if (state.ends_with("at gate contract"))
        std::printf("  hint: when the new application is deployed: weir approve %s contract\n", field(row, 1).c_str());
}

}  // namespace

int status_command(Options const& options) {
    boost::asio::io_context io;
    auto opened = Asker::open(io, options.database, {"weir status", false});
    if (auto* problem = std::get_if<Problem>(&opened)) return tell(*problem);
    auto& asker = *std::get<std::unique_ptr<Asker>>(opened);
    auto const ledger = has_ledger(asker);
    if (auto const* problem = std::get_if<Problem>(&ledger)) return tell(*problem);
    std::string const name = options.words.empty() ? "" : options.words[0];

    std::vector<Row> runs;
    std::string leader;
    if (std::get<bool>(ledger)) {
        auto const listed = asker.ask(list_runs(name));
        if (listed.fate != Fate::done) return tell(problem_of(listed, "cannot read the ledger"));
        runs = listed.rows;
        auto const who = asker.ask(who_leads());
        if (who.fate == Fate::done && !who.rows.empty()) leader = field(who.rows[0], 2);
    }
    if (!name.empty() && runs.empty())
        return tell(
            {Code::unknown_plan, {}, "no run of a plan " + name + " is known here", "weir status lists all runs"});

    json::array documents;
    for (auto const& row : runs) {
        auto const state = state_of(row, leader == control_name(field(row, 1)));
        auto const progress = asker.ask(list_progress(field(row, 0)));
        if (progress.fate != Fate::done) return tell(problem_of(progress, "cannot read the ledger"));
        if (!options.json) {
            print(row, state, progress.rows);
            continue;
        }
        json::array steps;
        for (auto const& step : progress.rows)
            steps.push_back(json::object{{"step", field(step, 0)},
                                         {"pages_done", std::stoll(field(step, 1))},
                                         {"pages", std::stoll(field(step, 2))},
                                         {"rows", std::stoll(field(step, 3))},
                                         {"rows_wrong", std::stoll(field(step, 4))}});
        json::object document{{"plan", field(row, 1)},
                              {"run", std::stoll(field(row, 0))},
                              {"state", state},
                              {"began", field(row, 2)},
                              {"last_entry", field(row, 4)},
                              {"last_step", field(row, 5)},
                              {"steps_done", std::stoll(field(row, 6))},
                              {"progress", std::move(steps)}};
        if (!field(row, 10).empty()) {
            document["stopped"] = field(row, 10);
            document["hint"] = field(row, 11);
        }
        documents.push_back(std::move(document));
    }
    if (options.json)
        std::printf("%s\n", json::serialize(json::object{{"leader", leader}, {"runs", std::move(documents)}}).c_str());
    else if (runs.empty())
        std::printf("no run yet in this database\n");
    else if (!leader.empty())
        std::printf("working now: %s\n", leader.c_str());
    return 0;
}

int approve_command(Options const& options) {
    auto const& name = options.words[0];
    auto const& gate = options.words[1];
    boost::asio::io_context io;
    auto opened = Asker::open(io, options.database, {"weir approve " + name, false});
    if (auto* problem = std::get_if<Problem>(&opened)) return tell(*problem);
    auto& asker = *std::get<std::unique_ptr<Asker>>(opened);
    auto prepared = prepare_live(asker, name);
    if (auto* problems = std::get_if<Problems>(&prepared)) return tell(*problems);
    auto const& ready = std::get<Prepared>(prepared);
    if (gate != "contract")
        return tell({Code::unknown_gate, {}, "there is no gate " + gate, "the gate is called contract"});
    if (!ready.program.gate)
        return tell({Code::unknown_gate, {}, "plan " + name + " has no gate", "it goes on by itself"});
    auto const ordered = asker.ask(insert_order(name, "approve", gate));
    if (ordered.fate != Fate::done) return tell(problem_of(ordered, "cannot give the order"));
    std::printf("approved: gate %s of %s\n", gate.c_str(), name.c_str());
    return 0;
}

}  // namespace weir
