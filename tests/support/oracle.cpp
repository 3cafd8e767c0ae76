#include "tests/support/oracle.h"

#include <algorithm>
#include <unordered_map>

namespace weir::tests {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::int64_t range = 1'000'000'000;  // ids and transactions of one writer

/// By transactions of one row, the last one has the most hits; a row's end counts as one more.
constexpr char const* judged = R"(
WITH last AS (SELECT DISTINCT ON (id) id, kind, hits, value FROM witness ORDER BY id, hits DESC),
     due AS (SELECT id, hits, value FROM last WHERE kind <> 'delete'),
     found AS (SELECT id, hits, to_jsonb(u) AS all_of_it FROM users u),
     pairs AS (SELECT due.id AS due, found.id AS found, due.hits = found.hits AS counted, value,
                      all_of_it ->> 'name' AS old_value, all_of_it ? 'name' AS has_old,
                      all_of_it ->> 'full_name' AS new_value, all_of_it ? 'full_name' AS has_new
               FROM due FULL JOIN found ON found.id = due.id),
     faults AS (SELECT coalesce(due, found) AS id,
                       CASE WHEN found IS NULL THEN 'missing'
                            WHEN due IS NULL THEN 'invented'
                            WHEN NOT counted THEN 'counted wrong'
                            WHEN NOT has_old AND NOT has_new THEN 'without its column'
                            WHEN has_old AND old_value IS DISTINCT FROM value THEN 'wrong in name'
                            WHEN has_new AND new_value IS DISTINCT FROM value AND ({0} OR new_value IS NOT NULL)
                            THEN 'wrong in full_name' END AS fault
                FROM pairs
                UNION ALL SELECT id, 'changed twice in one place' FROM witness GROUP BY id, hits HAVING count(*) > 1)
SELECT count(*) || ' rows ' || fault || ', such as ' || min(id) FROM faults WHERE fault IS NOT NULL GROUP BY fault ORDER BY 1)";

std::string joined(Rows const& rows) {
    std::string all;
    for (auto const& row : rows) all += *row[0] + "\n";
    return all;
}

}  // namespace

std::pair<int, int> leaf_range(int rows, int leaves, int leaf) {
    return {leaf * rows / leaves + 1, (leaf + 1) * rows / leaves + 1};
}

void make_oracle(Bench const& bench, int rows, int leaves) {
    std::string const columns =
        "name varchar(80) NOT NULL DEFAULT 'nobody', hits bigint NOT NULL DEFAULT 0, note text)";
    bench.sql("DROP TABLE IF EXISTS users, witness; DROP SCHEMA IF EXISTS weir, weir_sync CASCADE");
    if (leaves == 0) bench.sql("CREATE TABLE users (id bigint PRIMARY KEY, " + columns);
    if (leaves > 0) {
        auto const leaf = [&](std::string const& name, std::string const& from, std::string const& to) {
            bench.sql("CREATE TABLE users_" + name + " PARTITION OF users FOR VALUES FROM (" + from + ") TO (" + to +
                      ")");
        };
        bench.sql("CREATE TABLE users (id bigint NOT NULL, " + columns +
                  " PARTITION BY RANGE (id); CREATE INDEX users_id ON users (id)");
        for (int i = 0; i < leaves; ++i) {
            auto const [from, to] = leaf_range(rows, leaves, i);
            leaf(std::to_string(i), std::to_string(from), std::to_string(to));
        }
        leaf("w", std::to_string(range), "MAXVALUE");
    }
    bench.sql(
        "COMMENT ON COLUMN users.name IS 'who';"
        "CREATE TABLE witness (tx bigint PRIMARY KEY, kind text NOT NULL, id bigint NOT NULL, hits bigint NOT NULL, "
        "value text);"
        "INSERT INTO users SELECT i, 'user ' || i, 0, repeat('x', 40) FROM generate_series(1, " +
        std::to_string(rows) + ") i; INSERT INTO witness SELECT -id, 'insert', id, 0, name FROM users");
    bench.sql("VACUUM ANALYZE users");
}

// ---- the verdict ----------------------------------------------------------------------------------------------------

std::string Verdict::faults_but_lost() const {
    std::string all;
    if (unexpected != 0) all += std::to_string(unexpected) + " transactions that nobody made\n";
    all += rows;
    all += sums;
    all += errors;
    return all;
}

std::string Verdict::faults() const {
    return (lost == 0 ? "" : std::to_string(lost) + " acknowledged transactions are lost\n") + faults_but_lost();
}

std::string Verdict::told() const {
    return std::to_string(attempted) + " attempted, " + std::to_string(acknowledged) + " acknowledged, " +
           std::to_string(unknown) + " unknown, " + std::to_string(recovered) + " recovered, " + std::to_string(lost) +
           " lost, " + std::to_string(unexpected) + " unexpected, " +
           (full == 0 ? "" : std::to_string(full) + " refused by a full disk, ") + "longest wait " +
           std::to_string(longest.count()) + " ms";
}

std::string Oracle::rows(bool filled) const {
    std::string text{judged};
    text.replace(text.find("{0}"), 3, filled ? "true" : "false");
    return joined(query(conninfo_, text));
}

Verdict Oracle::judge(bool filled) {
    stop();
    Verdict verdict;
    std::unordered_map<std::int64_t, Fate> journal;
    long certain = 0, possible = 0;
    for (auto const& writer : writers_)
        for (auto const& attempt : writer.journal) {
            journal.emplace(attempt.tx, attempt.fate);
            ++verdict.attempted;
            verdict.acknowledged += attempt.fate == Fate::acknowledged ? 1 : 0;
            verdict.unknown += attempt.fate == Fate::unknown ? 1 : 0;
            certain += attempt.increments && attempt.fate == Fate::acknowledged ? 1 : 0;
            possible += attempt.increments && attempt.fate == Fate::unknown ? 1 : 0;
        }
    long found = 0;
    for (auto const& row : query(conninfo_, "SELECT tx FROM witness WHERE tx > 0")) {
        auto const known = journal.find(std::stoll(*row[0]));
        if (known == journal.end() || known->second == Fate::refused) {
            ++verdict.unexpected;
        } else if (known->second == Fate::unknown) {
            ++verdict.recovered;
        } else {
            ++found;
        }
    }
    verdict.lost = verdict.acknowledged - found;
    verdict.rows = rows(filled);
    certain += std::stol(query_value(conninfo_, "SELECT count(*) FROM witness WHERE tx < 0 AND kind = 'update'"));
    auto const sum = std::stol(query_value(conninfo_,
                                           "SELECT (SELECT coalesce(sum(hits), 0) FROM users) + (SELECT "
                                           "coalesce(sum(hits - 1), 0) FROM witness WHERE kind = 'delete')"));
    if (sum < certain - verdict.lost || sum > certain + possible)
        verdict.sums = std::to_string(sum) + " increments in the table, " + std::to_string(certain) +
                       " acknowledged and " + std::to_string(possible) + " unknown ones\n";
    std::lock_guard const lock{mutex_};
    verdict.errors = errors_;
    verdict.full = full_;
    verdict.longest = std::chrono::milliseconds{longest_};
    return verdict;
}

// ---- the writers ----------------------------------------------------------------------------------------------------

Oracle::Oracle(std::string conninfo, Options const& options)
    : conninfo_{std::move(conninfo)}, options_{options}, writers_(static_cast<std::size_t>(options.sessions)) {
    for (int i = 0; i < options_.sessions; ++i) {
        auto& writer = writers_[static_cast<std::size_t>(i)];
        writer.thread = std::thread{[this, &writer, i] { work(writer, i + 1); }};
    }
}

void Oracle::stop() {
    stopping_ = true;
    for (auto& writer : writers_)
        if (writer.thread.joinable()) writer.thread.join();
}

bool Oracle::more(long n, std::chrono::milliseconds deadline) const {
    return wait_until([this, until = writes_ + n] { return writes_ >= until; }, deadline);
}

void Oracle::note(std::string const& error) {
    std::lock_guard const lock{mutex_};
    if (errors_.size() < 4000) errors_ += error + "\n";
}

void Oracle::work(Writer& writer, int number) {
    std::mt19937_64 random{options_.seed + static_cast<std::uint64_t>(number)};
    auto const below = [&](std::int64_t n) { return std::uniform_int_distribution<std::int64_t>{0, n - 1}(random); };
    std::unique_ptr<Client> client;
    std::vector<std::int64_t> own;  // rows that this one inserted, and nobody else writes
    bool old_is_gone = false, new_is_there = false;
    std::int64_t next = range * number;
    while (!stopping_) {
        try {
            if (!client) client = std::make_unique<Client>(conninfo_);
        } catch (SqlError const&) {
            std::this_thread::sleep_for(10ms);  // the server is not there just now
            continue;
        }
        bool const by_new = old_is_gone || below(new_is_there ? 2 : 20) == 0;
        std::string const column = by_new ? "full_name" : "name";
        auto const tx = ++next;
        auto const number_of = std::to_string(tx);
        auto const value = "'w" + number_of + "'";
        auto const dice = below(20);
        bool const inserts = dice < 5, deletes = dice >= 17 && !own.empty();
        bool const of_own = !inserts && !own.empty() && (deletes || below(4) == 0);
        std::size_t const place = of_own ? static_cast<std::size_t>(below(static_cast<std::int64_t>(own.size()))) : 0;
        auto const id = inserts ? tx : of_own ? own[place] : 1 + below(options_.rows);
        std::string change;
        if (inserts)
            change =
                "INSERT INTO users (id, " + column + ") VALUES (" + number_of + ", " + value + ") RETURNING id, hits";
        else if (deletes)
            change = "DELETE FROM users WHERE id = " + std::to_string(id) + " RETURNING id, hits + 1 AS hits";
        else
            change = "UPDATE users SET " + column + " = " + value +
                     ", hits = hits + 1 WHERE id = " + std::to_string(id) + " RETURNING id, hits";
        auto const text = "WITH changed AS (" + change + ") INSERT INTO witness SELECT " + number_of + ", '" +
                          (inserts   ? "insert"
                           : deletes ? "delete"
                                     : "update") +
                          "', id, hits, " + value + " FROM changed " +
                          (options_.retries_in_doubt ? "ON CONFLICT DO NOTHING " : "") + "RETURNING tx";
        writer.journal.push_back({tx, !inserts && !deletes, Fate::attempted});
        auto& fate = writer.journal.back().fate;
        auto const forget = [&] { own.erase(own.begin() + static_cast<std::ptrdiff_t>(place)); };
        auto const began = Clock::now();
        bool const loses_answer = options_.retries_in_doubt && below(20) == 0;
        auto sent = loses_answer ? "BEGIN; " + text + "; COMMIT; SELECT pg_terminate_backend(pg_backend_pid())" : text;
        for (bool again = true; again;) {
            again = false;
            try {
                if (!client) client = std::make_unique<Client>(conninfo_), sent = text;
                bool const done = !client->exec(sent).empty() || options_.retries_in_doubt;
                // The row is gone: only a failover that lost its insert may do that; the verdict on the rows knows.
                fate = done ? Fate::acknowledged : Fate::refused;
                if (done) ++writes_;
                if (done && inserts) own.push_back(tx);
                if ((deletes || !done) && of_own) forget();
                if (done && by_new) new_is_there = true;
                long const took = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - began).count();
                for (long seen = longest_; took > seen && !longest_.compare_exchange_weak(seen, took);) {
                }
            } catch (SqlError const& error) {
                auto const& state = error.sqlstate();
                // A PANIC ends the session, too, with a code of its cause.
                bool const broken = state.starts_with("08") || state.starts_with("57P") || !client->connected();
                fate = broken ? Fate::unknown : Fate::refused;
                if (broken && deletes) forget();
                if (state == "42703") {
                    (by_new ? new_is_there : old_is_gone) = !by_new;
                    if (by_new) old_is_gone = false;
                } else if (!broken && state == "53100" && options_.disk_gets_full) {
                    ++full_;
                } else if (!broken) {
                    note(state + " " + error.what());
                } else {
                    client.reset();
                    again = options_.retries_in_doubt;
                }
            }
        }
        std::this_thread::sleep_for(1ms);
    }
}

// ---- the shape ------------------------------------------------------------------------------------------------------

std::string shape_faults(Bench const& bench) {
    return bench.leftovers() + joined(bench.sql(R"(
SELECT 'invalid index ' || indexrelid::regclass FROM pg_index WHERE NOT (indisvalid AND indisready AND indislive)
UNION ALL SELECT 'constraint not validated ' || conname || ' of ' || conrelid::regclass FROM pg_constraint WHERE NOT convalidated)"));
}

}  // namespace weir::tests
