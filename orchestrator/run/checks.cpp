#include "orchestrator/run/checks.h"

#include <filesystem>
#include <set>
#include <utility>

#include "metrics/text.h"
#include "orchestrator/machine/backup.h"
#include "orchestrator/out/dump.h"
#include "orchestrator/postgres/uses.h"

namespace weir {
namespace {

std::variant<std::monostate, Warned, Problem> tight_room(Asker& asker, Program const& program, RunRecord const& record,
                                                         std::string const& directory) {
    std::vector<TableName> tables;
    for (auto const& step : program.steps)
        if (!record.done.contains(step.id)) tables.insert(tables.end(), step.saves.begin(), step.saves.end());
    auto const free = free_bytes(directory);
    if (tables.empty() || !free) return {};
    auto const asked = asker.ask(size_of_dumped(tables));
    if (asked.fate != Fate::done || asked.rows.empty()) return {};
    auto const size = std::stoll(asked.rows[0].fields[0].value_or("0"));
    auto const found = "the directory for the backup, " + directory + ", has room for " +
                       figure(static_cast<double>(*free), "B") + ", and the tables to dump take " +
                       figure(static_cast<double>(size), "B");
    switch (room_for(size, *free)) {
        case Room::enough:
            return {};
        case Room::doubtful:
            return Warned{found,
                          "compressed they may fit; if not, the run stops at the dump, and nothing of them is dropped"};
        case Room::none:
            return Problem{Code::no_backup, {}, found, "make room there, or set backup.directory to a larger disk"};
    }
    return {};
}

}  // namespace

std::vector<TableName> tables_of(Program const& program) {
    std::set<TableName> tables;
    for (auto const& step : program.steps) {
        for (auto const& lock : step.forward.holds) tables.insert(lock.table);
        if (step.rows) tables.insert(step.rows->table);
    }
    return {tables.begin(), tables.end()};
}

Problems refused_queries(Asker& asker, Plan const& plan, Program const& program) {
    Problems problems;
    auto const ask = [&](UserExpr const& query, Sql const& value, std::string const& where, std::string const& hint,
                         Batch const& session = {}) {
        Batch batch{sql("SET LOCAL transaction_read_only = on")};
        batch.insert(batch.end(), session.begin(), session.end());
        batch.push_back(value);
        auto const outcome = asker.ask(std::move(batch));
        if (outcome.fate != Fate::done)
            problems.push_back(
                {Code::bad_expression,
                 {plan.file, 0, 0},
                 "the server refuses the query of " + where + ": " + outcome.message + " in " + query.text(),
                 hint,
                 words_of(outcome)});
    };
    if (plan.gate_until)
        ask(*plan.gate_until, sql("SELECT coalesce({0}, false)", *plan.gate_until), "gates.contract.until_sql",
            "it is one SELECT that gives one row with true or false; try it in psql as the role that weir uses",
            program.gate_session);
    for (auto const& signal : plan.settings.throttle.sql)
        if (signal.ask)
            ask(*signal.ask, sql("SELECT {0}::pg_catalog.float8", *signal.ask), "throttle.sql " + signal.name,
                "it is one SELECT that gives one row with one number; try it in psql as the role that weir uses");
    return problems;
}

std::variant<Backups, Problem> look_at_backups(Asker& asker, std::string const& wanted, Program const& program,
                                               RunRecord const& record) {
    if (wanted.empty() || !backup_ahead(program, record)) return Backups{};
    std::error_code error;
    Backups found{.directory = std::filesystem::absolute(wanted, error).lexically_normal().string()};
    if (auto problem = dump_problem(found.directory, asker.facts().server_version)) return *std::move(problem);
    auto const tight = tight_room(asker, program, record, found.directory);
    if (auto* problem = std::get_if<Problem>(&tight)) return *problem;
    if (auto* warned = std::get_if<Warned>(&tight)) found.warning = *warned;
    return found;
}

std::variant<std::vector<Warned>, Problem> still_used(Asker& asker, std::string const& name, RunId run) {
    std::vector<Warned> warnings;
    auto const found = uses_of(asker, run);
    if (auto const* problem = std::get_if<Problem>(&found)) {
        if (problem->code == Code::cannot_connect) return *problem;
        warnings.push_back({problem->message, problem->hint, problem->more});
        return warnings;
    }
    for (auto const& use : std::get<std::vector<Use>>(found))
        warnings.push_back({"what is dropped when the quarantine is over is still used: " + to_text(use),
                            "mend that first; weir rollback " + name + " brings it back as long as it is there"});
    return warnings;
}

}  // namespace weir
