#include "orchestrator/machine/blockers.h"

#include <algorithm>
#include <cassert>
#include <string_view>
#include <utility>

#include "plans/expression.h"

namespace weir {
namespace {

constexpr std::size_t query_at_most = 100;

/// pg_locks writes AccessExclusiveLock where SQL writes ACCESS EXCLUSIVE.
Sql pg_locks_mode(LockMode mode) {
    std::string text;
    bool upper = true;
    for (char const c : name(mode)) {
        if (c == ' ') {
            upper = true;
            continue;
        }
        text += upper ? c : static_cast<char>(c - 'A' + 'a');
        upper = false;
    }
    return sql("({0})", Value{text + "Lock"});
}

/// The rows of blockers_of() for `way`: pid, vxid, holds. Sessions of other roles show neither age nor query to a role
/// without pg_read_all_stats; who wrote is seen in pg_locks by everybody.
Sql described(Millis spared) {
    return sql(
        R"(SELECT pg_catalog.concat_ws(' ', coalesce(o.pid, 0), o.vxid, a.backend_start) AS key,
  coalesce(o.pid, 0) AS pid, k.kind, o.holds, coalesce(a.state LIKE 'idle in transaction%', false) AS idle, g.age,
  CASE
    WHEN k.kind = 'prepared' THEN pg_catalog.concat('prepared transaction ', pg_catalog.quote_literal(p.gid), ' of ',
      p.owner, ', prepared ', g.seconds, ' s ago')
    WHEN a.backend_start IS NULL THEN pg_catalog.concat('pid ', o.pid, ' (',
      CASE WHEN a.usesysid IS NULL THEN 'an autovacuum or another background process'
           ELSE k.who END,
      '; its query is hidden from weir''s role)')
    ELSE pg_catalog.concat('pid ', o.pid, ' (', CASE WHEN a.usename IS NULL THEN a.backend_type ELSE k.who END, ', ',
      CASE WHEN o.holds THEN pg_catalog.concat(coalesce(a.state, 'at work'), ', open')
           ELSE 'waiting for a lock itself' END, ' for ', coalesce(g.seconds, 0), ' s)')
  END AS text,
  CASE
    WHEN k.kind = 'prepared' THEN 'a prepared transaction has no session'
    WHEN k.kind = 'wraparound' THEN 'it is an autovacuum against wraparound'
    WHEN k.kind = 'autovacuum' THEN ''
    WHEN a.backend_start IS NULL THEN 'its session is hidden from weir''s role'
    WHEN a.backend_type <> 'client backend' THEN pg_catalog.concat('it is no client but a ', a.backend_type)
    WHEN a.application_name LIKE 'weir %' THEN 'it is a session of weir'
    WHEN r.rolsuper IS NOT FALSE THEN pg_catalog.concat('its user ', a.usename, ' is a superuser')
    WHEN o.wrote AND g.age > {0} THEN 'it has written for a long time, which would be lost'
    ELSE '' END AS spared,
  CASE WHEN o.pid IS NOT NULL AND a.backend_start IS NOT NULL THEN nullif(a.query, '') END AS query
FROM way o
LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = o.pid
LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.usesysid
LEFT JOIN pg_catalog.pg_prepared_xacts p ON o.pid IS NULL AND EXISTS (SELECT FROM locks x WHERE x.pid IS NULL
  AND x.locktype = 'transactionid' AND x.virtualtransaction = o.vxid AND x.transactionid = p.transaction)
CROSS JOIN LATERAL (SELECT CASE
    WHEN o.pid IS NULL THEN 'prepared'
    WHEN a.usesysid IS NULL AND a.backend_type IS NULL THEN 'autovacuum'
    WHEN a.backend_type = 'autovacuum worker' AND a.query LIKE '%(to prevent wraparound)%' THEN 'wraparound'
    WHEN a.backend_type = 'autovacuum worker' THEN 'autovacuum'
    ELSE 'session' END,
    pg_catalog.concat('user ', a.usename, ', application ' || nullif(a.application_name, ''))) k (kind, who)
CROSS JOIN LATERAL (SELECT CASE WHEN o.pid IS NULL THEN p.prepared WHEN NOT o.holds THEN o.waits
    ELSE least(a.xact_start, CASE WHEN a.state = 'active' THEN a.query_start END) END) b (began)
CROSS JOIN LATERAL (SELECT extract(epoch FROM pg_catalog.clock_timestamp() - b.began) AS exact) e
CROSS JOIN LATERAL (SELECT (e.exact * 1000)::pg_catalog.int8 AS age, pg_catalog.round(e.exact, 1) AS seconds) g
WHERE o.pid IS NULL OR a.pid IS NOT NULL
ORDER BY o.holds DESC, g.age DESC NULLS LAST LIMIT 20)",
        Int{spared.count()});
}

constexpr std::string_view of_a_session{"let the session end its transaction"};

Sql wrote() {
    return sql(
        "EXISTS (SELECT FROM locks t WHERE t.pid = w.pid AND t.locktype = 'transactionid' AND t.granted "
        "AND t.mode = 'ExclusiveLock')");
}

}  // namespace

Sql look_for(std::vector<TableLock> const& locks, Millis spared) {
    assert(!locks.empty());
    std::vector<Sql> wanted;
    for (auto const& lock : locks) {
        std::vector<Sql> modes;
        for (int m = 0; m < 8; ++m)
            if (conflicts(static_cast<LockMode>(m), lock.mode))
                modes.push_back(pg_locks_mode(static_cast<LockMode>(m)));
        wanted.push_back(sql("SELECT pg_catalog.to_regclass({0})::pg_catalog.oid, m.mode FROM (VALUES {1}) m (mode)",
                             Value{sql("{0}", lock.table).text()}, Sql::join(modes, ", ")));
    }
    // pg_partition_tree() would lock the partitions; pg_inherits is read by anybody at any time.
    return sql(R"(WITH RECURSIVE wanted (relation, mode) AS (
  SELECT * FROM ({0}) named (relation, mode)
  UNION SELECT i.inhrelid, w.mode FROM wanted w JOIN pg_catalog.pg_inherits i ON i.inhparent = w.relation),
locks AS MATERIALIZED (SELECT * FROM pg_catalog.pg_locks),
way AS (SELECT w.pid, w.vxid, w.holds, w.waits, {1} AS wrote FROM (
  SELECT l.pid, l.virtualtransaction AS vxid, pg_catalog.bool_or(l.granted) AS holds,
    pg_catalog.min(l.waitstart) AS waits
  FROM locks l JOIN wanted ON wanted.relation = l.relation AND wanted.mode = l.mode
  WHERE l.locktype = 'relation' AND l.pid IS DISTINCT FROM pg_catalog.pg_backend_pid()
    AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
    AND (l.granted OR l.mode NOT IN ('AccessShareLock', 'RowShareLock', 'RowExclusiveLock'))
  GROUP BY l.pid, l.virtualtransaction) w)
{2})",
               Sql::join(wanted, " UNION ALL "), wrote(), described(spared));
}

Sql look_behind(int pid) {
    return sql(R"(WITH locks AS MATERIALIZED (SELECT * FROM pg_catalog.pg_locks),
way AS (SELECT w.pid, w.vxid, true AS holds, NULL::pg_catalog.timestamptz AS waits, {0} AS wrote FROM (
  SELECT DISTINCT nullif(b.pid, 0) AS pid, coalesce(l.virtualtransaction, '') AS vxid
  FROM pg_catalog.unnest(pg_catalog.pg_blocking_pids({1})) b (pid)
  LEFT JOIN locks l ON l.pid = b.pid AND l.locktype = 'virtualxid' AND l.granted) w)
{2})",
               wrote(), Int{pid}, described(spared_after));
}

std::vector<Blocker> blockers_of(std::vector<Row> const& rows) {
    std::vector<Blocker> found;
    for (auto const& row : rows) {
        if (row.fields.size() < 8) continue;
        auto const field = [&](std::size_t i) { return row.fields[i].value_or(""); };
        Blocker blocker;
        blocker.key = field(0);
        blocker.pid = std::stoi("0" + field(1));
        auto const kind = field(2);
        blocker.kind = kind == "prepared"     ? Blocker::Kind::prepared
                       : kind == "autovacuum" ? Blocker::Kind::autovacuum
                       : kind == "wraparound" ? Blocker::Kind::wraparound
                                              : Blocker::Kind::session;
        blocker.holds = field(3) == "t";
        blocker.idle = field(4) == "t";
        if (row.fields[5]) blocker.age = Millis{std::stoll(field(5))};
        blocker.text = field(6);
        blocker.spared = field(7);
        auto seen = blocker.text;
        if (row.fields.size() > 8 && row.fields[8] && blocker.text.ends_with(')')) {
            // What an autovacuum does is the server's word.
            bool const somebody = blocker.kind == Blocker::Kind::session;
            auto const with = [&](std::string const& statement) {
                return blocker.text.substr(0, blocker.text.size() - 1) + ": " + statement + ")";
            };
            seen = with(on_one_line(*row.fields[8], query_at_most));
            blocker.text = somebody ? with(without_values(*row.fields[8], query_at_most)) : seen;
        }
        blocker.seen = Sealed{std::move(seen)};
        found.push_back(std::move(blocker));
    }
    return found;
}

std::vector<std::string> texts_of(std::vector<Blocker> const& blockers) {
    std::vector<std::string> texts;
    for (auto const& blocker : blockers) texts.push_back(blocker.text);
    return texts;
}

std::vector<Sealed> seen_of(std::vector<Blocker> const& blockers) {
    std::vector<Sealed> seen;
    for (auto const& blocker : blockers) seen.push_back(blocker.seen);
    return seen;
}

std::string advice_about(Blocker const& blocker) {
    switch (blocker.kind) {
        case Blocker::Kind::prepared:
            return "end the prepared transaction: COMMIT PREPARED or ROLLBACK PREPARED";
        case Blocker::Kind::wraparound:
            return "let the autovacuum against wraparound come to its end: it is needed";
        case Blocker::Kind::autovacuum:
            return "wait for the autovacuum, or let weir pass it: GRANT SET ON PARAMETER deadlock_timeout TO weir's "
                   "role (from PostgreSQL 15 on)";
        case Blocker::Kind::session:
            break;
    }
    return std::string{of_a_session} + ", or end it: SELECT pg_terminate_backend(" + std::to_string(blocker.pid) + ")";
}

std::string advice_about(std::vector<Blocker> const& blockers, OnBlocked on_blocked) {
    std::vector<std::string> parts;
    for (auto const& blocker : blockers) {
        auto part = advice_about(blocker);
        if (blocker.kind == Blocker::Kind::session && on_blocked == OnBlocked::wait)
            part += " (locks.on_blocked can do that)";
        bool const said = std::any_of(parts.begin(), parts.end(), [&](std::string const& other) {
            return other == part || (blocker.kind == Blocker::Kind::session && other.starts_with(of_a_session));
        });
        if (!said) parts.push_back(std::move(part));
    }
    std::string all;
    for (auto const& part : parts) all += part + "; ";
    return all.empty() ? all : all + "then run again";
}

}  // namespace weir
