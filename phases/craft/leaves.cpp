#include "phases/craft/leaves.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "phases/craft/block.h"
#include "phases/craft/deeds.h"
#include "phases/craft/subject.h"

namespace weir {
namespace {

bool begins(Sql const& statement, Sql const& with) { return statement.text().starts_with(with.text()); }

/// Takes the statements that begin so out of a batch.
Batch taken(Batch& batch, Sql const& beginning) {
    Batch found;
    std::erase_if(batch, [&](Sql const& statement) {
        if (!begins(statement, beginning)) return false;
        found.push_back(statement);
        return true;
    });
    return found;
}

void append(Batch& to, Batch const& more) { to.insert(to.end(), more.begin(), more.end()); }

/// In the order in which they are made: see made_in_parts().
std::vector<Ident> triggers(Mapping const& m) {
    auto const n = sync_names(m);
    if (!m.two_way) return {n.last_update, n.last_insert};
    return {n.first_update, n.last_update, n.first_insert, n.last_insert};
}

void number(Steps& parts, std::string const& title) {
    for (std::size_t i = 0; i < parts.size(); ++i)
        parts[i].title = title + ", part " + std::to_string(i + 1) + " of " + std::to_string(parts.size()) +
                         (parts[i].title.empty() ? "" : ": " + parts[i].title);
}

Step part(std::string title, std::vector<TableLock> locks) {
    return there_and_back(std::move(title), under(std::move(locks), {}), {});
}

/// The drops of triggers in `whole` as a step each, those first that carry on; what is left comes last.
Steps triggers_then_rest(Step whole, Mapping const& m) {
    Steps parts;
    auto names = triggers(m);
    std::stable_partition(names.begin(), names.end(), [n = sync_names(m)](Ident const& name) {
        return name == n.last_update || name == n.last_insert;
    });
    for (auto const& name : names) {
        auto& one = parts.emplace_back(part("without the trigger " + name.text(), whole.forward.locks));
        one.forward.statements = taken(whole.forward.statements, sql("DROP TRIGGER {0} ON ", name));
        one.undo = nothing("none: only forward is possible");
    }
    whole.title.clear();
    parts.push_back(std::move(whole));
    return parts;
}

/// Raises when something else than the sync would keep the column from being dropped: once it is called otherwise, the
/// drop must not fail.
Sql nothing_depends(Mapping const& m) {
    std::vector<Sql> ours;
    for (auto const& name : triggers(m)) ours.push_back(sql("{0}", Value{name.text()}));
    return block(
        sql("  root pg_catalog.oid := pg_catalog.to_regclass({0}); found pg_catalog.text;",
            Value{sql("{0}", m.table).text()}),
        sql(R"(  SELECT pg_catalog.string_agg(DISTINCT pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid), ', ') INTO found
    FROM (SELECT root AS relid UNION SELECT p.relid FROM pg_catalog.pg_partition_tree(root) p) s
    JOIN pg_catalog.pg_attribute a ON a.attrelid = s.relid AND a.attname = {0} AND NOT a.attisdropped
    JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = s.relid
      AND d.refobjsubid = a.attnum AND d.deptype = 'n'
    LEFT JOIN pg_catalog.pg_trigger t ON d.classid = 'pg_catalog.pg_trigger'::pg_catalog.regclass AND t.oid = d.objid
    WHERE t.tgname IS NULL OR t.tgname::text <> ALL (ARRAY[{1}]::text[]);
  IF found IS NOT NULL THEN
    RAISE EXCEPTION 'cannot drop the column, because other objects depend on it: %', found USING ERRCODE = 'WE006';
  END IF;)",
            Value{m.from.name}, Sql::join(ours, ", ")));
}

struct Rate {
    Sql statement;  ///< its beginning
    int time;       ///< microseconds for each partition
    int locks{};    ///< objects beside the partition itself, for each
};

std::vector<Rate> rates(TableName const& table) {
    auto const alter = [&](Sql const& what) { return sql("ALTER TABLE {0} {1}", table, what); };
    return {
        {alter(sql("ADD COLUMN ")), 37},
        {alter(sql("ADD CONSTRAINT ")), 85},
        {alter(sql("DROP CONSTRAINT ")), 55, 1},
        {alter(sql("DROP COLUMN ")), 42},
        {alter(sql("RENAME COLUMN ")), 25},
        {alter(sql("RENAME TO ")), 0},
        {alter(sql("VALIDATE ")), 0},
        {alter(sql("ENABLE ALWAYS ")), 30},
        {alter(sql("ALTER COLUMN ")), 45, 1},
        {sql("DROP TABLE {0} ", table), 220, 10},
    };
}

/// Those that name the table at their end.
std::vector<Rate> rates() { return {{sql("CREATE TRIGGER "), 50, 1}, {sql("DROP TRIGGER "), 33, 1}}; }

/// LOCK TABLE itself.
constexpr int lock_time = 8;

Millis rounded_up(Millis time) { return (time + Millis{49}) / 50 * 50; }

}  // namespace

bool has_many_leaves(Table const& table) { return table.leaves >= many_leaves; }

Steps made_in_parts(Step whole, Mapping const& m, std::optional<Ident> const& made, Ident const& aside) {
    auto const title = whole.title;
    auto const always = [&](Ident const& name) {
        return sql("ALTER TABLE {0} ENABLE ALWAYS TRIGGER {1}", m.table, name);
    };
    auto const undo_locks = lock_of(m.table, LockMode::access_exclusive);
    Batch forward = whole.forward.statements;
    Batch undo = whole.undo.statements;
    auto const all_always = taken(forward, sql("ALTER TABLE {0} ENABLE ALWAYS TRIGGER ", m.table));
    auto const comment = taken(forward, sql("COMMENT ON TRIGGER "));
    auto const guard = taken(undo, sql("SELECT "));

    Steps parts;
    for (auto const& name : triggers(m)) {
        auto& one =
            parts.emplace_back(part("the trigger " + name.text(), lock_of(m.table, LockMode::share_row_exclusive)));
        one.forward.statements = taken(forward, sql("CREATE TRIGGER {0} ", name));
        one.forward.statements.push_back(always(name));
        one.undo = under(undo_locks, taken(undo, sql("DROP TRIGGER IF EXISTS {0} ", name)));
    }
    Step first = made ? part("", whole.forward.locks) : std::move(parts.front());
    Batch const of_trigger = std::exchange(first.forward.statements, forward);
    append(first.forward.statements, of_trigger);
    append(first.undo.statements, undo);
    first.undo = under(undo_locks, std::move(first.undo.statements));
    if (made) {
        first.undo.statements.push_back(sql("ALTER TABLE {0} DROP COLUMN IF EXISTS {1}", m.table, aside));
        parts.insert(parts.begin(), std::move(first));
    } else {
        parts.front() = std::move(first);
    }

    // What else is said of the whole holds from its last part on.
    Step last = std::move(whole);
    last.title = parts.back().title;
    last.forward = parts.back().forward;
    append(last.forward.statements, comment);
    last.undo.locks = last.undo.holds = undo_locks;
    last.undo.statements = guard;
    if (made)
        last.undo.statements.push_back(block(
            {},
            sql(R"(  IF EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = {0}::pg_catalog.regclass AND a.attname = {1}
               AND NOT a.attisdropped) THEN
    ALTER TABLE {2} RENAME COLUMN {3} TO {4};
  END IF;)",
                Value{sql("{0}", m.table).text()}, Value{made->text()}, m.table, *made, aside)));
    append(last.undo.statements, parts.back().undo.statements);
    parts.back() = std::move(last);
    number(parts, title);
    return parts;
}

Steps dropped_in_parts(Step whole, Mapping const& m, Ident const& aside, std::string const& mark) {
    auto const title = whole.title;
    auto const n = sync_names(m);
    Ident const column = Ident::of(m.from.name);
    Mapping then = m;
    then.from.name = aside.text();

    Step first = whole;
    first.title = "it is called " + aside.text() + " from here on";
    Batch& statements = first.forward.statements;
    Batch const dropped = taken(statements, sql("ALTER TABLE {0} DROP COLUMN {1}", m.table, column));
    Batch gone;
    for (auto const& what : {sql("DROP TRIGGER "), sql("DROP FUNCTION "), sql("DROP SEQUENCE ")})
        append(gone, taken(statements, what));
    statements.push_back(nothing_depends(m));
    statements.push_back(sql("ALTER TABLE {0} RENAME COLUMN {1} TO {2}", m.table, column, aside));
    statements.push_back(sql("COMMENT ON COLUMN {0}.{1} IS {2}", m.table, aside, Value{mark}));
    if (m.two_way)
        append(statements, replace_sync(then));
    else
        statements.push_back(sql("CREATE OR REPLACE FUNCTION weir_sync.{0}() RETURNS trigger LANGUAGE plpgsql AS {1}",
                                 n.last, Sql::body(sql("\nBEGIN\n  RETURN NEW;\nEND\n"))));
    statements.push_back(
        sql("COMMENT ON TRIGGER {0} ON {1} IS {2}", n.last_update, m.table, Value{sync_comment(sync_of(then))}));

    // Its proof is behind it: from here on nobody can give the old column anything, nor attach a partition that has it.
    Step nullable = part("it may be null", whole.forward.locks);
    nullable.forward.statements = {sql("ALTER TABLE {0} ALTER COLUMN {1} DROP NOT NULL", m.table, aside)};
    nullable.undo = nothing("none: only forward is possible");

    Step rest = part("", whole.forward.locks);
    rest.destroys = whole.destroys;
    rest.undo = whole.undo;
    append(gone, {nothing_taken_along(m.table, aside), sql("ALTER TABLE {0} DROP COLUMN {1}", m.table, aside)});
    rest.forward.statements = std::move(gone);

    Steps parts{std::move(first), std::move(nullable)};
    for (auto& one : triggers_then_rest(std::move(rest), m)) parts.push_back(std::move(one));
    number(parts, title);
    return parts;
}

Steps purged_in_parts(Step whole, Mapping const& m) {
    auto const title = whole.title;
    auto parts = triggers_then_rest(std::move(whole), m);
    number(parts, title);
    return parts;
}

Cost cost_of(Batch const& batch, std::vector<TableLock> const& locks, int leaves) {
    std::int64_t time = locks.empty() ? 0 : lock_time;
    std::int64_t objects = locks.empty() ? 0 : 1;
    auto known = rates();
    for (auto const& lock : locks)
        for (auto& rate : rates(lock.table)) known.push_back(std::move(rate));
    for (auto const& statement : batch) {
        auto const rate =
            std::find_if(known.begin(), known.end(), [&](Rate const& r) { return begins(statement, r.statement); });
        if (rate == known.end()) continue;
        time += rate->time;
        objects += rate->locks;
    }
    return {Millis{(time * leaves + 999) / 1000}, objects * leaves};
}

void too_many_leaves(Steps const& steps, Catalog const& catalog, TableName const& table, Millis bound,
                     Place const& place, Problems& problems) {
    Table const* shape = catalog.find(table);
    if (shape == nullptr || !has_many_leaves(*shape)) return;
    Cost most;
    Step const* longest = nullptr;
    for (auto const& step : steps) {
        if (step.kind != StepKind::statements) continue;
        for (auto const* deed : {&step.forward, &step.undo}) {
            if (deed->standalone) continue;
            auto const cost = cost_of(deed->statements, deed->locks, shape->leaves);
            if (!deed->scans && cost.time > most.time) {
                most.time = cost.time;
                longest = &step;
            }
            most.locks = std::max(most.locks, cost.locks);
        }
    }
    auto const many = table.text() + " has " + std::to_string(shape->leaves) + " partitions";
    if (most.time > time_for_work(bound))
        problems.push_back({Code::too_many_partitions, place,
                            many + ", and the step \"" + longest->title + "\" locks them for about " +
                                std::to_string(most.time.count()) + " ms: locks.timeout allows " +
                                std::to_string(time_for_work(bound).count()) + " ms",
                            "write locks: { timeout: " + std::to_string(rounded_up(most.time * 3 / 2).count()) +
                                "ms }, if whoever uses the table may wait so long; or merge or drop partitions"});
    if (catalog.lock_slots > 0 && most.locks > catalog.lock_slots) {
        auto const each = std::max(catalog.lock_slots / std::max(catalog.locks_per_transaction, 1), 1);
        problems.push_back(
            {Code::too_many_partitions, place,
             many + ", and a step would lock " + std::to_string(most.locks) +
                 " objects at once: the server keeps no more than " + std::to_string(catalog.lock_slots) +
                 " locks of all sessions together (max_locks_per_transaction is " +
                 std::to_string(catalog.locks_per_transaction) + ")",
             "set max_locks_per_transaction = " + std::to_string((most.locks + most.locks / 5) / each + 1) +
                 " and restart the server; or merge or drop partitions"});
    }
}

}  // namespace weir
