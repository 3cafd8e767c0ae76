#include "orchestrator/machine/backup.h"

#include <algorithm>
#include <array>
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

}  // namespace weir
