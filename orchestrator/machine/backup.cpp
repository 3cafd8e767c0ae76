#include "orchestrator/machine/backup.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstdio>

namespace weir {

namespace {

/// The relations to dump, as `c`.
Sql relations_of(std::vector<TableName> const& tables) {
    std::vector<Sql> wanted;
    for (auto const& table : tables)
        wanted.push_back(sql("({0}, {1})", Value{table.schema.text()}, Value{table.name.text()}));
    return sql(R"(FROM (VALUES {0}) w (schema, name)
JOIN pg_catalog.pg_namespace wn ON wn.nspname = w.schema
JOIN pg_catalog.pg_class r ON r.relnamespace = wn.oid AND r.relname = w.name
CROSS JOIN LATERAL (SELECT r.oid UNION SELECT p.relid FROM pg_catalog.pg_partition_tree(r.oid) p) t (relid)
JOIN pg_catalog.pg_class c ON c.oid = t.relid)",
               Sql::join(wanted, ", "));
}

constexpr Limits list_limits{Millis{1000}, Millis{5000}, Millis{10000}};

}  // namespace

Batch list_dumped(std::vector<TableName> const& tables) {
    return {sql("SET LOCAL transaction_read_only = on"), sql(R"(SELECT c.oid, n.nspname, c.relname, c.relkind = 'r'
{0}
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
ORDER BY n.nspname, c.relname)",
                                                             relations_of(tables))};
}

Batch size_of_dumped(std::vector<TableName> const& tables) {
    return {sql("SET LOCAL transaction_read_only = on"),
            sql("SELECT coalesce(pg_catalog.sum(s.size), 0)::pg_catalog.int8\n"
                "FROM (SELECT DISTINCT c.oid, pg_catalog.pg_table_size(c.oid) AS size {0}) s",
                relations_of(tables))};
}

Room room_for(std::int64_t table_bytes, std::int64_t free_bytes) {
    constexpr std::int64_t narrowest = 50;
    if (free_bytes < table_bytes / narrowest) return Room::none;
    return free_bytes < table_bytes ? Room::doubtful : Room::enough;
}

std::optional<std::vector<DumpedTable>> dumped_tables(std::vector<TableName> const& tables,
                                                      std::vector<Row> const& rows) {
    std::vector<DumpedTable> all;
    for (auto const& row : rows) {
        auto const field = [&](std::size_t i) { return row.fields.at(i).value_or(""); };
        all.push_back({field(0), field(1), field(2), field(3) == "t"});
    }
    bool const whole = std::all_of(tables.begin(), tables.end(), [&](TableName const& table) {
        return std::any_of(all.begin(), all.end(), [&](DumpedTable const& one) {
            return one.schema == table.schema.text() && one.name == table.name.text();
        });
    });
    return whole ? std::optional{all} : std::nullopt;
}

std::string dump_name(std::string const& plan, RunId run, std::string const& step, Instant at) {
    auto const day = std::chrono::floor<std::chrono::days>(at);
    std::chrono::year_month_day const date{day};
    std::chrono::hh_mm_ss const time{at - day};
    std::array<char, 64> text{};
    (void)std::snprintf(text.data(), text.size(), "%04d%02u%02uT%02d%02d%02d%03dZ", static_cast<int>(date.year()),
                        static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                        static_cast<int>(time.hours().count()), static_cast<int>(time.minutes().count()),
                        static_cast<int>(time.seconds().count()), static_cast<int>(time.subseconds().count()));
    return plan + ".run" + std::to_string(static_cast<std::int64_t>(run)) + "." + step + "." + text.data() + ".dump";
}

bool backup_ahead(Program const& program, RunRecord const& record) {
    if (record.aborting || record.finished || record.undone) return false;
    bool backed = false;
    for (auto const& step : program.steps) {
        backed = backed || step.kind == StepKind::backup;
        if (backed && !step.destroys.empty() && !record.done.contains(step.id)) return true;
    }
    return false;
}

std::vector<TableName> still_destroyed(Program const& program, RunRecord const& record, Phase phase) {
    std::vector<TableName> tables;
    for (auto const& step : program.steps)
        if (step.phase == phase && !record.done.contains(step.id))
            tables.insert(tables.end(), step.destroys.begin(), step.destroys.end());
    return tables;
}

Step const* Backup::unseen(Program const& program, RunRecord const& record, Phase phase) const {
    Step const* backup = nullptr;
    for (auto const& step : program.steps)
        if (step.phase == phase && step.kind == StepKind::backup) backup = &step;
    bool const wanted = backup != nullptr && record.done.contains(backup->id) && !seen_.contains(backup->id) &&
                        !still_destroyed(program, record, phase).empty();
    return wanted ? backup : nullptr;
}

void Backup::look(Step const& step, BackupMade const& made, Ids& ids, Commands& out) {
    assert(!pending_);
    step_ = step.id;
    made_ = made;
    state_ = State::looking;
    pending_ = ids();
    out.emplace_back(Look{*pending_, made.file});
}

void Backup::make(Step const& step, std::vector<TableName> due, Ids& ids, Commands& out) {
    assert(!pending_ && step.kind == StepKind::backup);
    step_ = step.id;
    title_ = step.title;
    due_ = std::move(due);
    state_ = State::listing;
    pending_ = ids();
    out.emplace_back(Execute{*pending_, control, list_dumped(step.saves), Transaction::implicit, list_limits});
}

void Backup::completed(Stamp at, Completed const& completed, bool leaving, Millis lock_wait, Ids& ids, Commands& out) {
    assert(owns(completed.command));
    pending_.reset();
    if (state_ == State::listing) {
        listed(at, completed.outcome, leaving, lock_wait, ids, out);
    } else if (state_ == State::dumping) {
        dumped(completed.outcome, leaving);
    } else {
        assert(state_ == State::looking);
        looked(at, completed.outcome, out);
    }
}

Then Backup::moved(Outcome const& outcome) const {
    switch (state_) {
        case State::idle:
        case State::listing:
        case State::dumping:
        case State::looking:
            break;
        case State::made:
            return then::Write{{EntryKind::backed_up, step_, detail_, {}}};
        case State::refused:
            return then::Fail{outcome};
        case State::failed:
            return then::Stop{problem_};
        case State::missing:
        case State::stopped:
        case State::there:
            return then::GoOn{};
    }
    return then::Wait{};
}

void Backup::listed(Stamp at, Outcome const& outcome, bool leaving, Millis lock_wait, Ids& ids, Commands& out) {
    if (outcome.fate != Fate::done || leaving) {
        state_ = outcome.fate != Fate::done ? State::refused : State::stopped;
        return;
    }
    // A table that was dropped already is in the dump that was made before.
    auto tables = dumped_tables(due_, outcome.rows);
    if (!tables) {
        fail("not every table is there", {});
        return;
    }
    state_ = State::dumping;
    out.emplace_back(Announce{{at.wall, DumpGrew{step_, 0}}});
    pending_ = ids();
    out.emplace_back(Dump{*pending_, step_, dump_name(plan_, run_, step_, at.wall), *std::move(tables), lock_wait});
}

void Backup::dumped(Outcome const& outcome, bool leaving) {
    if (outcome.fate != Fate::done && leaving) {
        state_ = State::stopped;
        return;
    }
    if (outcome.fate != Fate::done || outcome.rows.empty() || outcome.rows[0].fields.size() < 3) {
        fail(outcome.message, words_of(outcome));
        return;
    }
    auto const& fields = outcome.rows[0].fields;
    detail_ = {};
    detail_.file = fields[0].value_or("");
    detail_.bytes = std::stoll("0" + fields[1].value_or(""));
    detail_.sha256 = fields[2].value_or("");
    state_ = State::made;
}

void Backup::looked(Stamp at, Outcome const& outcome, Commands& out) {
    bool const there = outcome.fate == Fate::done && !outcome.rows.empty();
    if (there && outcome.rows[0].fields.at(0) == std::to_string(made_.bytes)) {
        seen_.insert(step_);
        state_ = State::there;
        return;
    }
    state_ = State::missing;
    out.emplace_back(Announce{
        {at.wall, Warned{"the dump " + made_.file + " of step " + step_ +
                             (there ? " is not as large as it was" : " is not here any more") + ": it is made anew",
                         "what the run has dropped or deleted since is not in the new one; keep the old one "
                         "where it is, if there is one"}}});
}

void Backup::fail(std::string const& why, Sealed more) {
    state_ = State::failed;
    problem_ = {Code::backup_failed,
                {},
                "step " + step_ + " (" + title_ + "): " + why,
                "mend that and run again: it makes the dump anew, and nothing that it is for is dropped or deleted "
                "before",
                std::move(more)};
}

}  // namespace weir
