/// Old and new applications write at once while the sync is made, the backfill runs and the old column goes. Every
/// write notes in the same transaction what it wrote; at the end each row must hold the last value written, in the
/// shape that its writer gave it. Two planted bugs show that the oracle sees.
#include <array>
#include <atomic>
#include <iostream>
#include <mutex>
#include <random>
#include <thread>

#include "lab.h"

namespace weir::tests {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr int all_rows = 6000;
constexpr int busy_rows = 300;  ///< half of the writes go to these, so that writers meet

/// One statement that writes `value` into `column` of row `id`.
using Statement = std::string (*)(std::mt19937& random, std::string const& id, std::string const& value,
                                  std::string const& column);

/// The row first, then the note of it; so two writers of one row note in the order of their writes.
std::string of_table(std::mt19937& random, std::string const& id, std::string const& value, std::string const& column) {
    auto const kind = random() % 4;
    auto const v = sql_literal(value);
    std::string row;
    if (kind == 0) row = "w AS (UPDATE t SET " + column + " = " + v + " WHERE id = " + id + " RETURNING id)";
    if (kind == 1)
        row = "w AS (INSERT INTO t (id, " + column + ", c) VALUES (" + id + ", " + v +
              ", 0) ON CONFLICT (id) DO UPDATE SET " + column + " = excluded." + column + " RETURNING id)";
    if (kind == 2)
        row = "d AS (DELETE FROM t WHERE id = " + id + " RETURNING id), w AS (INSERT INTO t (id, " + column +
              ", c) SELECT id, " + v + ", 1 FROM d RETURNING id)";
    if (kind == 3) return "UPDATE t SET c = c + 1 WHERE id = " + id;
    return "WITH " + row + " INSERT INTO witness (id, by, value) SELECT id, '" + column + "', " + v +
           " FROM w ON CONFLICT (id) DO UPDATE SET by = excluded.by, value = excluded.value";
}

/// Through the root or into the partition; by one column, by both, by whole rows, COPY and MERGE. Where an INSERT could
/// not be written as one statement with its note it is two of one transaction, and fails when another one was first.
std::string of_partitions(std::mt19937& random, std::string const& id, std::string const& value,
                          std::string const& column) {
    auto const kind = random() % 16;
    auto const v = sql_literal(value);
    auto const k = std::to_string(std::stoi(id) % 2);
    auto const t = random() % 2 == 0 ? std::string{"t"} : "t" + k;
    auto const noted = "INSERT INTO witness (id, by, value) SELECT id, '" + column + "', " + v +
                       " FROM w ON CONFLICT (id) DO UPDATE SET by = excluded.by, value = excluded.value";
    auto const then = "; WITH w AS (SELECT " + id + " AS id) " + noted;
    auto const again = "WITH d AS (DELETE FROM t WHERE id = " + id + " RETURNING *), w AS (INSERT INTO " + t;
    auto const where = " WHERE id = " + id + " AND k = " + k;
    if (kind == 0)
        return "COPY " + t + " (id, k, " + column + ") FROM PROGRAM 'printf \"" + id + "\\t" + k + "\\t" + value +
               "\"'" + then;
    if (kind == 1)
        return "DELETE FROM t" + where + "; COPY " + t + " (id, k, " + column + ") FROM PROGRAM 'printf \"" + id +
               "\\t" + k + "\\t" + value + "\"'" + then;
    if (kind < 4)
        return "DELETE FROM t" + where + "; MERGE INTO t USING (VALUES (" + id + ", " + k +
               ")) s(id, k) ON t.id = s.id AND t.k = s.k WHEN MATCHED THEN UPDATE SET " + column + " = " + v +
               " WHEN NOT MATCHED THEN INSERT (id, k, " + column + ") VALUES (s.id, s.k, " + v + ")" + then;
    if (kind < 6) return "WITH w AS (UPDATE " + t + " SET " + column + " = " + v + where + " RETURNING id) " + noted;
    if (kind < 9)
        return "WITH w AS (INSERT INTO " + t + " (id, k, " + column + ", c) VALUES (" + id + ", " + k + ", " + v +
               ", 0) ON CONFLICT (id, k) DO UPDATE SET " + column + " = excluded." + column + " RETURNING id) " + noted;
    if (kind < 12)
        return again + " (id, k, " + column + ", c) SELECT id, k, " + v + ", 1 FROM d RETURNING id) " + noted;
    if (kind < 13)
        return again + " (id, k, a, b, c) SELECT id, k, " + v + ", " + v + ", 1 FROM d RETURNING id) " + noted;
    if (kind < 14) return again + " (id, k, a, c, b) SELECT id, k, a, c + 1, b FROM d RETURNING id) SELECT FROM w";
    return "UPDATE " + t + " SET c = c + 1" + where;
}

class Load {
  public:
    explicit Load(std::string conninfo, Statement statement = of_table)
        : conninfo_{std::move(conninfo)}, statement_{statement} {}

    enum class Who { old_ones, both, new_ones };
    void start(int threads, Who who) {
        stop_ = false;
        for (int i = 0; i < threads; ++i) {
            bool const old_one = who == Who::old_ones || (who == Who::both && i % 2 == 0);
            threads_.emplace_back([this, i, old_one] { write(i, old_one); });
        }
    }
    void stop() {
        stop_ = true;
        for (auto& thread : threads_) thread.join();
        threads_.clear();
    }
    ~Load() { stop(); }

    std::string errors() {
        std::lock_guard const lock{mutex_};
        return errors_;
    }
    long writes() const { return writes_; }
    std::chrono::milliseconds longest() const { return std::chrono::milliseconds{longest_}; }

  private:
    void write(int thread, bool old_one) {
        try {
            Client client{conninfo_};
            std::mt19937 random{static_cast<unsigned>(thread + 17 * ++generation_)};
            for (long n = 0; !stop_; ++n) {
                auto const id = std::to_string(1 + random() % (random() % 2 == 0 ? busy_rows : all_rows));
                auto const tag = std::to_string(thread) + "." + std::to_string(generation_) + "." + std::to_string(n);
                // Ten characters are all that the old column takes of a new value.
                auto const value = old_one ? "o" + tag : tag + ", a long text by the new application";
                auto const began = Clock::now();
                auto const code = client.try_exec(statement_(random, id, value, old_one ? "a" : "b"));
                auto const took = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - began).count();
                for (auto seen = longest_.load(); took > seen && !longest_.compare_exchange_weak(seen, took);) {
                }
                ++writes_;
                // Of two that write a row anew one is first.
                bool const second = code == "23505" && statement_ == of_partitions;
                if (!code.empty() && !second) complain(code + " by " + (old_one ? "old" : "new") + " writer");
            }
        } catch (std::exception const& error) {
            complain(error.what());
        }
    }

    void complain(std::string const& words) {
        std::lock_guard const lock{mutex_};
        if (errors_.size() < 500) errors_ += words + "; ";
    }

    std::string conninfo_;
    Statement statement_;
    std::vector<std::thread> threads_;
    std::atomic<bool> stop_{};
    std::atomic<int> generation_{};
    std::atomic<long> writes_{};
    std::atomic<long> longest_{};
    std::mutex mutex_;
    std::string errors_;
};

struct World : Lab {
    World()
        : Lab{"CREATE TABLE t (id int PRIMARY KEY, a text NOT NULL DEFAULT 'anon', c int, filler text) WITH "
              "(fillfactor = 70);"
              "CREATE TABLE witness (id int PRIMARY KEY, by text, value text);"
              "INSERT INTO t SELECT i, 'first ' || i, 0, repeat('x', 150) FROM generate_series(1, " +
              std::to_string(all_rows) + ") i; ANALYZE t"} {
        compile_plan(mapping("text", "a", "left(b, 10)", true) +
                     "contract:\n  - drop_column: { table: t, column: a }\n");
    }

    /// Range by range, as the machine does it, pass after pass until `end`; how many rows were written.
    long backfill(Clock::time_point end, std::chrono::milliseconds rest) {
        Client hand{database.conninfo};
        auto const work = wanted(this->work(), false);
        long written = 0;
        while (Clock::now() < end) {
            int const pages =
                std::stoi(hand.value("SELECT pg_relation_size('t') / current_setting('block_size')::int"));
            for (int page = 0; page < pages && Clock::now() < end; page += 2) {
                auto const range = "ctid >= '(" + std::to_string(page) + ",0)' AND ctid < '(" +
                                   std::to_string(page + 2) + ",0)' AND " + work.todo.text();
                auto const text =
                    "SET LOCAL weir.batch = 'on'; SET LOCAL lock_timeout = '10ms'; "
                    "WITH u AS (UPDATE ONLY t SET " +
                    work.set.text() + " WHERE " + range +
                    " RETURNING 1) "
                    "SELECT count(*) FROM u";
                try {
                    written += std::stol(hand.exec(text).at(0).at(0).value());
                } catch (SqlError const& error) {  // the next pass comes back to it
                    if (error.sqlstate() != "55P03" && error.sqlstate() != "40P01") throw;
                }
                std::this_thread::sleep_for(rest);
            }
        }
        return written;
    }

    /// Filled and yet not right: a trigger let it pass, whatever a later batch would make of it.
    std::string let_pass() {
        return rows("SELECT count(*) FROM t WHERE num_nulls(b) = 0 AND " + wanted(work(), false).todo.text());
    }

    std::string differing() {
        return rows("SELECT count(*) FILTER (WHERE NOT coalesce(" + wanted(work(), false).todo.text() +
                    ", false) IS FALSE), "
                    "count(*) FILTER (WHERE w.by = 'a' AND (a <> value OR b IS DISTINCT FROM value)), "
                    "count(*) FILTER (WHERE w.by = 'b' AND (a <> left(value, 10) OR b IS DISTINCT FROM value)), "
                    "count(*) FILTER (WHERE w.id IS NULL AND (a <> 'first ' || t.id OR b IS DISTINCT FROM a)) "
                    "FROM (SELECT t.id, a, b FROM t) t LEFT JOIN witness w ON w.id = t.id");
    }
};

TEST(Oracle, no_write_of_either_application_is_lost_from_expand_to_contract) {
    World world;
    Load load{world.database.conninfo};
    load.start(6, Load::Who::old_ones);
    std::this_thread::sleep_for(500ms);
    world.steps_of(Phase::expand);
    std::this_thread::sleep_for(300ms);
    load.stop();

    load.start(6, Load::Who::both);
    auto const written = world.backfill(Clock::now() + 4500ms, 10ms);
    std::this_thread::sleep_for(300ms);
    load.stop();
    EXPECT_EQ(world.let_pass(), "0");
    EXPECT_GT(written, all_rows / 10);
    world.backfill(Clock::now() + 300ms, 0ms);  // undisturbed: what was locked in every pass
    EXPECT_EQ(world.differing(), "0|0|0|0");
    EXPECT_EQ(world.rows("SELECT count(*) FROM t"), std::to_string(all_rows));
    EXPECT_EQ(load.errors(), "");

    load.start(6, Load::Who::new_ones);
    world.steps_of(Phase::backfill);
    world.steps_of(Phase::proof);
    world.steps_of(Phase::contract);
    std::this_thread::sleep_for(500ms);
    load.stop();
    EXPECT_EQ(world.rows("SELECT count(*) FROM t JOIN witness USING (id) WHERE b IS DISTINCT FROM value"), "0");
    EXPECT_EQ(load.errors(), "");
    EXPECT_GT(load.writes(), 1000);
    std::cout << "  " << load.writes() << " writes, " << written << " rows filled, longest wait "
              << load.longest().count() << " ms\n";
}

/// The same with a bug; true when the oracle sees it.
bool red_with(std::string const& bug) {
    World world;
    world.steps_of(Phase::expand);
    world.run(bug);
    Load load{world.database.conninfo};
    load.start(6, Load::Who::both);
    world.backfill(Clock::now() + 1s, 1ms);
    std::this_thread::sleep_for(200ms);
    load.stop();
    auto const let_pass = world.let_pass();
    world.backfill(Clock::now() + 300ms, 0ms);
    auto const differing = world.differing();
    std::cout << "  let pass: " << let_pass << ", differing: " << differing << '\n';
    return let_pass != "0" || differing != "0|0|0|0";
}

TEST(Oracle, sees_a_missing_update_trigger) {
    EXPECT_TRUE(red_with(R"(DROP TRIGGER "~weir_run0000000001_0001_last_u" ON t)"));
}

TEST(Oracle, sees_a_predicate_that_takes_everything_for_right) {
    EXPECT_TRUE(
        red_with("CREATE OR REPLACE FUNCTION weir_sync.r1_1_ok(a text, b text) RETURNS boolean LANGUAGE sql "
                 "IMMUTABLE PARALLEL SAFE RETURN true"));
}

TEST(Oracle, sees_triggers_that_let_the_declared_direction_win) {
    EXPECT_TRUE(red_with(
        R"(DROP TRIGGER " weir_run0000000001_0001_first_u" ON t; DROP TRIGGER " weir_run0000000001_0001_first_i" ON t)"));
}

TEST(Oracle, is_green_without_a_bug) { EXPECT_FALSE(red_with("SELECT 1")); }

// ---- defaults that come, change and go

/// Old and new application write into partitions while somebody changes defaults; each row must hold the last value
/// that was written.
struct Defaults : Lab {
    Defaults()
        : Lab{"CREATE TABLE t (id int, k int, a text, c int, PRIMARY KEY (id, k)) PARTITION BY LIST (k);"
              "CREATE TABLE t0 PARTITION OF t FOR VALUES IN (0); CREATE TABLE t1 PARTITION OF t FOR VALUES IN (1);"
              "CREATE TABLE witness (id int PRIMARY KEY, by text, value text);"
              "INSERT INTO t SELECT i, i % 2, 'first ' || i, 0 FROM generate_series(1, " +
              std::to_string(all_rows) + ") i"} {
        expand(mapping("text", "", ""));
        fill();
    }

    void change(std::vector<char const*> const& statements, Load& load, long writes) {
        std::mt19937 random{7};
        std::size_t changes = 0;
        Client person{database.conninfo};
        person.exec("SET lock_timeout = '50ms'");
        auto const deadline = Clock::now() + 60s;
        auto const until = load.writes() + writes;
        while ((load.writes() < until || changes < 20) && Clock::now() < deadline) {
            auto const code = person.try_exec(statements[random() % statements.size()]);
            if (code.empty()) ++changes;
            if (!code.empty() && code != "55P03" && code != "40P01") throw std::runtime_error{code};
        }
        EXPECT_GE(changes, 20U);
        EXPECT_GE(load.writes(), until);
    }

    std::string differing() {
        return rows(
            "SELECT count(*) FILTER (WHERE a IS DISTINCT FROM b), count(*) FILTER (WHERE a <> coalesce(w.value, "
            "'first ' || t.id)), count(*) - " +
            std::to_string(all_rows) + " FROM t LEFT JOIN witness w ON w.id = t.id");
    }
};

constexpr std::array of_old{
    "ALTER TABLE t ALTER a SET DEFAULT 'x'",
    "ALTER TABLE t ALTER a SET DEFAULT 'y'",
    "ALTER TABLE t ALTER a DROP DEFAULT",
    "ALTER TABLE t ALTER a SET DEFAULT 'v' || clock_timestamp()::text",
    "ALTER TABLE t0 ALTER a SET DEFAULT 'imported'",
    "ALTER TABLE t0 ALTER a DROP DEFAULT",
    "ALTER TABLE t1 ALTER a SET DEFAULT 'leaf' || random()::text",
    "ALTER TABLE ONLY t ALTER a SET DEFAULT 'root'",
};
constexpr std::array of_new{
    "ALTER TABLE t ALTER b SET DEFAULT 'anonymous'",
    "ALTER TABLE t ALTER b DROP DEFAULT",
    "ALTER TABLE t1 ALTER b SET DEFAULT 'leaf' || clock_timestamp()::text",
    "ALTER TABLE ONLY t ALTER b SET DEFAULT 'root'",
};

/// What differs at the end, with a bug or without.
std::string after_changes(std::string const& bug, long writes, std::string& errors) {
    Defaults world;
    if (world.app.value("SELECT current_setting('server_version_num')::int >= 150000") == "f") return "0|0|0";
    world.run(bug);
    Load load{world.database.conninfo, of_partitions};
    load.start(4, Load::Who::both);
    world.change({of_old.begin(), of_old.end()}, load, writes);
    load.stop();
    world.run("ALTER TABLE t ALTER a DROP DEFAULT");
    load.start(4, Load::Who::both);
    world.change({of_new.begin(), of_new.end()}, load, writes);
    load.stop();
    errors = load.errors();
    EXPECT_EQ(world.rows("SELECT coalesce(sum(last_value), 0) FROM pg_sequences WHERE sequencename ~ '_both$'"), "0");
    return world.differing();
}

TEST(Oracle, no_value_is_lost_to_a_default_that_comes_changes_or_goes) {
    std::string errors;
    EXPECT_EQ(after_changes("SELECT 1", 4000, errors), "0|0|0");
    EXPECT_EQ(errors, "");
}

TEST(Oracle, sees_a_default_that_is_remembered) {
    std::string errors;
    EXPECT_NE(after_changes("CREATE OR REPLACE FUNCTION weir_sync.r1_1_first() RETURNS trigger LANGUAGE plpgsql AS $$ "
                            "BEGIN IF num_nulls(NEW.a) = 1 OR TG_OP = 'UPDATE' THEN NEW.a := NEW.b; END IF; "
                            "RETURN NEW; END $$",
                            400, errors),
              "0|0|0");
}

}  // namespace
}  // namespace weir::tests
