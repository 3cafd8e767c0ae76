#include "orchestrator/signals/table_size.h"

#include "orchestrator/signals/answer.h"

namespace weir {

Batch TableSizes::measure() const {
    std::vector<Sql> rows;
    for (auto const& table : tables_)
        rows.push_back(sql("({0}, pg_catalog.to_regclass({1})::pg_catalog.oid)", Value{table.text()},
                           Value{sql("{0}", table).text()}));
    // pg_partition_tree() knows nothing of a table without partitions.
    return {sql("SET LOCAL transaction_read_only = on"),
            sql(R"(SELECT t.name, pg_catalog.sum(pg_catalog.pg_total_relation_size(c.oid)),
  coalesce(pg_catalog.sum(s.n_dead_tup), 0)
FROM (VALUES {0}) AS t (name, root)
JOIN pg_catalog.pg_class c ON c.relkind = 'r'
  AND (c.oid = t.root OR c.oid IN (SELECT p.relid FROM pg_catalog.pg_partition_tree(t.root) p))
LEFT JOIN pg_catalog.pg_stat_all_tables s ON s.relid = c.oid
GROUP BY t.name)",
                Sql::join(rows, ", "))};
}

std::vector<TableSized> TableSizes::read(Outcome const& outcome) {
    std::vector<TableSized> news;
    if (outcome.fate != Fate::done) return news;
    for (auto const& row : outcome.rows) {
        if (row.fields.size() != 3 || !row.fields[0]) continue;
        auto const bytes = answer::integer(row.fields[1]), dead = answer::integer(row.fields[2]);
        if (!bytes || !dead) continue;
        auto& table = seen_[*row.fields[0]];
        bool const first = table.table.empty();
        if (!first && table.bytes == *bytes && table.dead_rows == *dead) continue;
        table = {*row.fields[0], *bytes, first ? *bytes : table.bytes_before, *dead};
        news.push_back(table);
    }
    return news;
}

}  // namespace weir
