/// Somebody changes the shape of the table (its partitions, children, triggers, rules, columns) between a look of
/// weir's and what it does by that look. Either every row is right in the end, or the run stops, names what was changed
/// and has destroyed nothing; and when what was made is taken away again, it goes on to its end.
#include <algorithm>
#include <iostream>
#include <tuple>

#include "filling.h"

namespace weir::tests {
namespace {

/// What is changed, of which kind of table, and how it is mended.
struct Change {
    std::string name;
    bool partitioned{};
    /// `{name}` is the column that the application writes at that moment.
    std::string does;
    /// A stop has one of these in its message.
    Words names;
    /// After a stop; empty: nothing is to be done.
    std::string mends;
    /// It can do harm by being there alone: the run may not end as if nothing were.
    bool must_stop{};
};

struct Kind {
    std::string name;
    std::string text;
    bool in_quarantine{};
};

void PrintTo(Change const& change, std::ostream* out) { *out << change.name; }
void PrintTo(Kind const& kind, std::ostream* out) { *out << kind.name; }

using Case = std::tuple<Kind, Change>;
std::string name_of(Case const& one) { return std::get<0>(one).name + "_" + std::get<1>(one).name; }

std::string const again_equal =
    "DO $$ BEGIN IF (SELECT count(*) FROM pg_attribute WHERE attrelid = 'users'::regclass AND NOT attisdropped AND "
    "attname IN ('name', 'full_name')) = 2 THEN UPDATE users SET full_name = name WHERE full_name IS DISTINCT FROM "
    "name; END IF; END $$";

/// A proof's own stop; the rows' keys are for a terminal.
std::string const not_right = "are not right";

/// Rows 9001 to 9020, which the witness knows, too, in a table with users' columns.
std::string rows_of(std::string const& table) {
    return "INSERT INTO " + table + " (id, {name}) SELECT i, 'new ' || i FROM generate_series(9001, 9020) i; INSERT " +
           "INTO witness SELECT i, 'new ' || i FROM generate_series(9001, 9020) i; ";
}
std::string const rows_gone = "DELETE FROM witness WHERE id > 9000; ";

std::vector<Change> changes() {
    std::string const norm =
        "CREATE FUNCTION norm() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN new.{name} := lower(new.{name}); RETURN "
        "new; END'; CREATE TRIGGER \"~~norm\" BEFORE INSERT OR UPDATE ON users FOR EACH ROW EXECUTE FUNCTION norm(); "
        "UPDATE users SET {name} = 'MiXeD' WHERE id = 7; UPDATE witness SET value = 'mixed' WHERE id = 7";
    std::string const no_norm = "DROP TRIGGER \"~~norm\" ON users; " + again_equal;
    std::string const moved =
        "ALTER TABLE users DETACH PARTITION users_0; UPDATE users_0 SET {name} = {name} || '!' WHERE id % 5 = 0; "
        "UPDATE witness SET value = value || '!' WHERE id < 200 AND id % 5 = 0; ";
    return {
        {"KidWithRows",
         false,
         "CREATE TABLE kid () INHERITS (users); " + rows_of("kid"),
         {"kid"},
         rows_gone + "DROP TABLE kid"},
        {"KidOfTables",
         false,
         "CREATE TABLE kid (LIKE users); " + rows_of("kid") + "ALTER TABLE kid INHERIT users",
         {"kid"},
         "ALTER TABLE kid NO INHERIT users; " + rows_gone},
        {"TriggerAfterOurs", false, norm, {"~~norm", not_right}, no_norm},
        {"TriggerBetweenOurs",
         false,
         "CREATE FUNCTION norm() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN IF TG_OP = ''INSERT'' THEN new.note := "
         "''seen''; END IF; RETURN new; END'; CREATE TRIGGER norm BEFORE INSERT OR UPDATE ON users FOR EACH ROW "
         "EXECUTE "
         "FUNCTION norm(); UPDATE users SET {name} = 'MiXeD' WHERE id = 7; UPDATE witness SET value = 'MiXeD' WHERE "
         "id = 7",
         {"norm"},
         "DROP TRIGGER norm ON users"},
        {"RuleInsteadOfUpdates",
         false,
         "CREATE RULE nowhere AS ON UPDATE TO users DO INSTEAD NOTHING",
         {"nowhere"},
         "DROP RULE nowhere ON users"},
        {"ColumnAdded", false, "ALTER TABLE users ADD COLUMN more text DEFAULT 'more'", {"more"}, ""},
        {"ColumnDropped", false, "ALTER TABLE users DROP COLUMN note", {"note"}, ""},
        {"ColumnRetyped",
         false,
         "ALTER TABLE users ALTER COLUMN note TYPE varchar(100) USING note || '.'",
         {"note"},
         ""},
        {"LeafWithRows",
         true,
         "CREATE TABLE users_9 (LIKE users); " + rows_of("users_9") +
             "ALTER TABLE users ATTACH PARTITION users_9 FOR VALUES FROM (9000) TO (10000)",
         {"users_9"},
         "ALTER TABLE users DETACH PARTITION users_9; " + rows_gone},
        {"LeafOfALeaf",
         true,
         "CREATE TABLE users_9 (LIKE users) PARTITION BY RANGE (id); CREATE TABLE users_9_0 PARTITION OF users_9 FOR "
         "VALUES FROM (9000) TO (10000); " +
             rows_of("users_9") + "ALTER TABLE users ATTACH PARTITION users_9 FOR VALUES FROM (9000) TO (10000)",
         {"users_9"},
         "ALTER TABLE users DETACH PARTITION users_9; " + rows_gone},
        {"LeafGone",
         true,
         "ALTER TABLE users DETACH PARTITION users_3; DELETE FROM witness WHERE id >= 600",
         {"users_3"},
         ""},
        {"LeafWrittenElsewhere",
         true,
         moved + "ALTER TABLE users ATTACH PARTITION users_0 FOR VALUES FROM (0) TO (200)",
         {"users_0", not_right},
         again_equal},
        {"TriggerOfALeaf",
         true,
         "CREATE FUNCTION norm() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN new.{name} := lower(new.{name}); RETURN "
         "new; END'; CREATE TRIGGER \"~~norm\" BEFORE INSERT OR UPDATE ON users_0 FOR EACH ROW EXECUTE FUNCTION "
         "norm(); UPDATE users SET {name} = 'MiXeD' WHERE id = 7; UPDATE witness SET value = 'mixed' WHERE id = 7",
         {"~~norm", not_right},
         "DROP TRIGGER \"~~norm\" ON users_0; " + again_equal},
        {"ForeignLeaf",
         true,
         "CREATE EXTENSION postgres_fdw; CREATE TABLE far AS SELECT i AS id, 'far ' || i AS name FROM "
         "generate_series(9001, 9020) i; DO $$ BEGIN EXECUTE format('CREATE SERVER near FOREIGN DATA WRAPPER "
         "postgres_fdw OPTIONS (host %L, port %L, dbname %L)', current_setting('unix_socket_directories'), "
         "current_setting('port'), current_database()); CREATE USER MAPPING FOR CURRENT_USER SERVER near OPTIONS "
         "(user 'postgres'); EXECUTE (SELECT 'CREATE FOREIGN TABLE users_far (' || string_agg(format('%I %s%s', "
         "attname, format_type(atttypid, atttypmod), CASE WHEN attnotnull THEN ' NOT NULL' ELSE '' END), ', ' ORDER BY "
         "attnum) || ') SERVER near OPTIONS (table_name ''far'')' FROM pg_attribute WHERE attrelid = 'users'::regclass "
         "AND attnum > 0 AND NOT attisdropped); END $$; ALTER TABLE users ATTACH PARTITION users_far FOR VALUES FROM "
         "(9000) TO (10000)",
         {"users_far"},
         "DROP EXTENSION postgres_fdw CASCADE; DROP TABLE far",
         true},
    };
}

Kind const rename_kind{"Rename", "changes:\n  - rename_column: { table: users, from: name, to: full_name }\n"};
Kind const kept_kind{"Kept", rename_kind.text + "drop: { quarantine: 7d }\n", true};
std::string const listed_text = R"(expand:
  - add_column: { table: users, column: full_name, type: text }
  - sync_columns: { table: users, from: name, to: full_name }
backfill:
  - fill: { table: users, set: { full_name: name } }
contract:
  - drop_column: { table: users, column: name }
)";
Kind const listed_kind{"Listed", listed_text};
Kind const listed_kept_kind{"ListedKept", listed_text + "drop: { quarantine: 7d }\n", true};
/// Nothing is dropped, and there is no sync: what is inserted has no value until the fill comes to it.
Kind const filled_kind{"Filled", R"(expand:
  - add_column: { table: users, column: full_name, type: text }
backfill:
  - fill: { table: users, set: { full_name: name } }
  - set_not_null: { table: users, column: full_name }
)"};

class Meanwhile : public Filling {
  protected:
    /// users(id, name, note), ordinary with 300 rows or in users_0 .. users_3 with 200 each, and what its rows hold.
    void make_table(bool partitioned, int rows_a_leaf = 200) {
        sql("DROP TABLE IF EXISTS users, users_0, users_3, users_9, kid, witness CASCADE; DROP SCHEMA IF EXISTS weir, "
            "weir_sync CASCADE; DROP FUNCTION IF EXISTS norm(); DROP EXTENSION IF EXISTS postgres_fdw CASCADE; DROP "
            "TABLE IF EXISTS far");
        if (partitioned) {
            sql("CREATE TABLE users (id bigint NOT NULL, name text, note text) PARTITION BY RANGE (id)");
            for (int i = 0; i < 4; ++i)
                sql("CREATE TABLE users_" + std::to_string(i) + " PARTITION OF users FOR VALUES FROM (" +
                    std::to_string(i * rows_a_leaf) + ") TO (" + std::to_string((i + 1) * rows_a_leaf) + ")");
            sql("INSERT INTO users SELECT i, 'user ' || i, 'x' FROM generate_series(0, " +
                std::to_string(4 * rows_a_leaf - 1) + ") i");
        } else {
            sql("CREATE TABLE users (id bigint PRIMARY KEY, name text, note text);"
                "INSERT INTO users SELECT i, 'user ' || i, 'x' FROM generate_series(1, 300) i");
        }
        sql("CREATE TABLE witness (id bigint PRIMARY KEY, value text); INSERT INTO witness SELECT id, name FROM users");
        sql("VACUUM (ANALYZE) users");
    }
    /// On a machine that is busy with other suites the usual bound would be too much work; and it is below the server's
    /// deadlock_timeout, so that it is never the application that yields.
    std::string plan_of(Kind const& kind) const {
        return plan("weir: 1\nname: shape-it\nthrottle: none\nbatch: { workers: 1 }\nlocks: { timeout: 900ms }\n" +
                    kind.text);
    }

    bool has_column(std::string const& column) const {
        return value(
                   "SELECT count(*) FROM pg_attribute WHERE attrelid = 'users'::regclass AND NOT attisdropped AND "
                   "attname = '" +
                   column + "'") == "1";
    }
    /// By the old column as long as it is there.
    std::string text_of(std::string text) const {
        std::string const column = has_column("name") ? "name" : "full_name";
        for (std::size_t at; (at = text.find("{name}")) != std::string::npos;) text.replace(at, 6, column);
        return text;
    }
    /// Rows whose value is not what the witness knows; `column` is an expression over the row `j`.
    std::string lost(std::string const& column) const {
        return value(
            "SELECT count(*) FROM witness w FULL JOIN (SELECT id, to_jsonb(u) AS j FROM users u) u USING (id) "
            "WHERE " +
            column + " IS DISTINCT FROM w.value");
    }
    void expect_right(Ran const& end) const {
        EXPECT_EQ(end.status, 0) << told(end);
        // Without a sync what a row held when it was filled stays, whatever is written to the old column afterwards.
        EXPECT_EQ(lost(synced ? "j->>'full_name'"
                              : "(CASE j->>'full_name' WHEN 'user ' || id THEN coalesce(w.value, 'surplus') ELSE "
                                "j->>'full_name' END)"),
                  "0")
            << told(end);
    }
    bool synced{true};
    bool stopped(Ran const& end, Change const& change) const {
        if (end.status == 0) return false;
        EXPECT_EQ(end.status, 4) << told(end);
        auto const all = end.out + end.err;
        EXPECT_TRUE(std::any_of(change.names.begin(), change.names.end(),
                                [&](auto const& one) { return has(stop_of(all), one); }))
            << "stopped for another reason: " << told(end);
        return true;
    }
    static std::string stop_of(std::string const& all) {
        auto const at = all.find("\"event\":\"stopped\"");
        return at == std::string::npos ? all : all.substr(at);
    }
    /// Done and right; or stopped, with nothing lost, and done and right when it is mended.
    void right_or_stopped(Ran const& end, Change const& change, std::string const& file, bool harmless = false) {
        if (stopped(end, change)) {
            if (!change.must_stop) {
                EXPECT_EQ(lost("coalesce(j->>'name', j->>'weir_q1_name')"), "0") << "after " << told(end);
            }
            if (!change.mends.empty()) sql(change.mends);
            expect_right(weir({"run", file, "--approve", "all"}));
        } else {
            EXPECT_TRUE(!change.must_stop || harmless) << "went on past it: " << told(end);
            if (!change.must_stop) expect_right(end);
        }
    }

    /// The application's transaction that has the table, and is in the way of a drop.
    std::unique_ptr<Client> holder() const {
        auto made = std::make_unique<Client>(db.conninfo);
        made->exec("BEGIN; LOCK TABLE ONLY users IN ACCESS SHARE MODE");
        return made;
    }
    static bool waits_in_contract(Process& process) {
        return wait_until(
                   [&] {
                       for (auto const& one : story(process.out(), "lock_tried"))
                           if (one.text("step").starts_with("contract") && has(one.line(), "\"got\":false"))
                               return true;
                       return !process.running();
                   },
                   40s) &&
               process.running();
    }
    static bool halted(Process& process) {
        return wait_until([&] { return process.halted() || !process.running(); }, 40s) && process.running();
    }
};

class OfEach : public Meanwhile, public ::testing::WithParamInterface<Case> {
  protected:
    Kind const& kind = std::get<0>(GetParam());
    Change const& change = std::get<1>(GetParam());
    std::string const file = plan_of(kind);
    void SetUp() override {
        synced = kind.name != filled_kind.name;
        make_table(change.partitioned);
    }
};

/// All proofs are made, and the drop waits for who reads the table.
TEST_P(OfEach, WhileTheDropWaitsForItsLock) {
    auto const gate = weir({"run", file, "--no-wait"});
    ASSERT_EQ(gate.status, 3) << told(gate);
    auto const application = holder();
    auto process = start({"run", file, "--approve", "all", "--progress", "json"});
    ASSERT_TRUE(waits_in_contract(process)) << process.out();
    application->exec(text_of(change.does));
    application->exec("COMMIT");
    right_or_stopped(wait(process), change, file);
}

TEST_P(OfEach, AtTheGate) {
    auto const gate = weir({"run", file, "--no-wait"});
    ASSERT_EQ(gate.status, 3) << told(gate);
    sql(text_of(change.does));
    right_or_stopped(weir({"run", file, "--approve", "all", "--progress", "json"}), change, file);
}

INSTANTIATE_TEST_SUITE_P(Meanwhile, OfEach,
                         ::testing::Combine(::testing::Values(rename_kind, kept_kind, listed_kind, listed_kept_kind),
                                            ::testing::ValuesIn(changes())),
                         [](auto const& param_info) { return name_of(param_info.param); });

/// Between any two strings that a run sends: every 29th in the default lanes, others with each kind.
class BetweenStrings : public OfEach {};

TEST_P(BetweenStrings, TheRunEndsRightOrStopsByName) {
    auto const spread = std::hash<std::string>{}(name_of(GetParam()));
    int const every = long_run() ? 1 : sanitized ? 67 : 29;
    int met = 0;
    for (int n = 1 + static_cast<int>(spread % static_cast<std::size_t>(every));; n += every) {
        SCOPED_TRACE("halted before string " + std::to_string(n));
        make_table(change.partitioned);
        auto process =
            start({"run", file, "--approve", "all", "--progress", "json"}, {{"WEIR_HALT", std::to_string(n)}});
        if (!halted(process)) {
            if (met > 0 || n == 1) break;
            n = (n + 1) / 2 - every;  // a run of fewer strings
            continue;
        }
        ++met;
        bool const dropped = !has_column("name");
        // The server may refuse it, as to retype what a trigger reads; then nothing was changed.
        bool const done = try_query(db.conninfo, text_of(change.does)).empty();
        process.signal(SIGCONT);
        auto const end = wait(process);
        if (done)
            right_or_stopped(end, change, file, dropped);
        else
            expect_right(end);
        if (HasFailure()) return;
    }
    std::cout << "met " << met << " times\n";
    EXPECT_GT(met, 0);
}

INSTANTIATE_TEST_SUITE_P(Meanwhile, BetweenStrings,
                         ::testing::Combine(::testing::Values(rename_kind, kept_kind, listed_kind, filled_kind),
                                            ::testing::ValuesIn(changes())),
                         [](auto const& param_info) { return name_of(param_info.param); });

/// The old column is aside: the change comes before it is dropped, or brought back.
class InQuarantine : public Meanwhile, public ::testing::WithParamInterface<Change> {
  protected:
    Change const& change = GetParam();
    std::string const file = plan_of(kept_kind);
    void kept() {
        make_table(change.partitioned);
        auto const end = weir({"run", file, "--approve", "all"});
        ASSERT_EQ(end.status, 0) << told(end);
        ASSERT_TRUE(has_column("weir_q1_name"));
    }
};

TEST_P(InQuarantine, APurgeEndsRightOrStopsByName) {
    kept();
    sql(text_of(change.does));
    sql("UPDATE weir.entries SET at = at - interval '8 days' WHERE kind = 'quarantined'");
    auto const end = weir({"purge", "shape-it"});
    if (stopped(end, change)) {
        EXPECT_TRUE(has_column("weir_q1_name"));
        if (!change.mends.empty()) sql(change.mends);
        expect_right(weir({"purge", "shape-it"}));
    } else {
        EXPECT_FALSE(change.must_stop) << "went on past it: " << told(end);
        expect_right(end);
    }
    EXPECT_FALSE(has_column("weir_q1_name"));
}

TEST_P(InQuarantine, ARollbackEndsRightOrStopsByName) {
    kept();
    sql(text_of(change.does));
    Words const back{"rollback", "shape-it", "--approve", "all", "--progress", "json"};
    auto end = weir(back);
    if (end.status != 6) {
        ASSERT_TRUE(stopped(end, change));
        EXPECT_TRUE(has_column("full_name"));
        if (!change.must_stop) {
            EXPECT_EQ(lost("j->>'full_name'"), "0");
        }
        if (!change.mends.empty()) sql(change.mends);
        // What was aside is as the new column is, before it comes back.
        sql("DO $$ BEGIN IF EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'users'::regclass AND attname = "
            "'weir_q1_name') THEN UPDATE users SET full_name = full_name || ' ' WHERE weir_q1_name IS DISTINCT FROM "
            "full_name; UPDATE users SET full_name = rtrim(full_name) WHERE full_name LIKE '% '; END IF; END $$");
        end = weir(back);
    } else {
        EXPECT_FALSE(change.must_stop) << "went on past it: " << told(end);
    }
    EXPECT_EQ(end.status, 6) << told(end);
    EXPECT_EQ(lost("j->>'name'"), "0");
}

INSTANTIATE_TEST_SUITE_P(Meanwhile, InQuarantine, ::testing::ValuesIn(changes()),
                         [](auto const& param_info) { return param_info.param.name; });

/// A leaf with a value in the column aside alone: made from an old copy.
TEST_F(Meanwhile, ALeafOfTheOldShapeIsNotPurgedWithItsOnlyValues) {
    make_table(true);
    auto const file = plan_of(kept_kind);
    ASSERT_EQ(weir({"run", file, "--approve", "all"}).status, 0);
    sql("CREATE TABLE users_9 (LIKE users); INSERT INTO users_9 (id, weir_q1_name) SELECT i, 'new ' || i FROM "
        "generate_series(9001, 9020) i; INSERT INTO witness SELECT i, 'new ' || i FROM generate_series(9001, 9020) i; "
        "ALTER TABLE users ATTACH PARTITION users_9 FOR VALUES FROM (9000) TO (10000)");
    sql("UPDATE weir.entries SET at = at - interval '8 days' WHERE kind = 'quarantined'");
    auto const end = weir({"purge", "shape-it"});
    if (end.status == 0) {
        expect_right(end);
    } else {
        EXPECT_EQ(end.status, 4) << told(end);
        EXPECT_TRUE(has(end.out + end.err, "users_9")) << told(end);
        EXPECT_TRUE(has_column("weir_q1_name"));
    }
}

/// A leaf that the last proof is past already; the others are still to be read.
TEST_F(Meanwhile, AProvenLeafThatWasWrittenElsewhereIsProvenAgain) {
    make_table(true);
    auto const file = plan_of(rename_kind);
    ASSERT_EQ(weir({"run", file, "--no-wait"}).status, 3);
    auto process = start({"run", file, "--approve", "all", "--progress", "json"}, {{"WEIR_HALT", "1+"}});
    auto const proven = [&](std::string const& leaf) {
        auto const all = story(process.out(), "batch_done");
        return std::any_of(all.begin(), all.end(), [&](Happened const& one) {
            return has(one.text("table"), leaf) && one.text("step").starts_with("contract");
        });
    };
    while (halted(process) && !proven("users_0"))
        process.signal(SIGCONT), wait_until([&] { return !process.halted(); });
    ASSERT_TRUE(process.running()) << process.out();
    ASSERT_FALSE(proven("users_3")) << "all of it is proven already";
    sql("ALTER TABLE users DETACH PARTITION users_0; UPDATE users_0 SET name = name || '!' WHERE id % 5 = 0; UPDATE "
        "witness SET value = value || '!' WHERE id < 200 AND id % 5 = 0; ALTER TABLE users ATTACH PARTITION users_0 "
        "FOR VALUES FROM (0) TO (200)");
    while (halted(process)) process.signal(SIGCONT), wait_until([&] { return !process.halted(); });
    right_or_stopped(wait(process), {"", true, "", {"users_0", not_right}, again_equal}, file);
}

/// A new leaf three times a second, then ever less often, keeps no proof from its end, nor the drop. They come more
/// often than a busy machine can look at them, at first.
TEST_F(Meanwhile, LeavesThatKeepComingDoNotKeepTheRunFromItsEnd) {
    make_table(true, 15'000);
    auto const file = plan_of(rename_kind);
    Loop maker{db.conninfo, [](long turn) {
                   std::this_thread::sleep_for(300ms + 50ms * turn);
                   auto const from = std::to_string(100'000 + turn * 10), to = std::to_string(100'010 + turn * 10);
                   return "CREATE TABLE users_t" + from + " PARTITION OF users FOR VALUES FROM (" + from + ") TO (" +
                          to + "); INSERT INTO witness VALUES (" + from +
                          ", 'late'); DO $$ BEGIN EXECUTE format('INSERT INTO users (id, %I) VALUES (" + from +
                          ", ''late'')', (SELECT attname FROM pg_attribute WHERE attrelid = 'users'::regclass AND NOT "
                          "attisdropped AND attname IN ('name', 'full_name') ORDER BY attname = 'name' DESC LIMIT 1)); "
                          "END $$";
               }};
    auto process = start({"run", file, "--approve", "all", "--progress", "json"});
    auto const end = wait(process, 120s);
    maker.stop();
    EXPECT_GE(maker.turns(), 2) << maker.errors();
    expect_right(end);
}

/// A foreign leaf that is there from the start.
class ForeignLeaf : public Meanwhile {
  protected:
    std::string objects() const {
        return value(
            "SELECT (SELECT count(*) FROM pg_class) || ' ' || (SELECT count(*) FROM pg_proc) || ' ' || (SELECT "
            "count(*) FROM pg_trigger) || ' ' || (SELECT count(*) FROM pg_namespace) || ' ' || (SELECT "
            "count(*) FROM pg_attribute)");
    }
    void expect_refused(std::string const& change, std::string const& leaf) {
        auto const before = objects();
        auto const end = weir({"run", plan_of({"", change}), "--approve", "all"});
        EXPECT_TRUE(refused(end, 1, "wrong-table-kind", {leaf})) << change;
        EXPECT_EQ(objects(), before) << change;
    }
    void expect_all_refused(std::string const& leaf) {
        for (std::string const change :
             {"changes:\n  - rename_column: { table: users, from: name, to: full_name }\n",
              "expand:\n  - add_column: { table: users, column: full_name, type: text }\n",
              "expand:\n  - sync_columns: { table: users, from: name, to: note }\n",
              "backfill:\n  - fill: { table: users, set: { note: name } }\n",
              "backfill:\n  - set_not_null: { table: users, column: name }\n",
              "backfill:\n  - delete_rows: { table: users, where: id = 1 }\n",
              "contract:\n  - drop_column: { table: users, column: note }\n",
              "contract:\n  - drop_column: { table: users, column: note }\ndrop: { quarantine: 7d }\n"})
            expect_refused(change, leaf);
    }
};

TEST_F(ForeignLeaf, OfAPartitionedTableIsRefusedAndNothingIsLeftBehind) {
    make_table(true);
    sql(text_of(changes().back().does));
    expect_all_refused("users_far");
}

TEST_F(ForeignLeaf, DeepBelowIsRefused) {
    make_table(true);
    sql("CREATE FOREIGN DATA WRAPPER elsewhere; CREATE SERVER far FOREIGN DATA WRAPPER elsewhere; CREATE TABLE users_9 "
        "PARTITION OF users FOR VALUES FROM (9000) TO (10000) PARTITION BY RANGE (id); CREATE SCHEMA archive; CREATE "
        "FOREIGN TABLE archive.old PARTITION OF users_9 FOR VALUES FROM (9000) TO (9500) SERVER far");
    expect_all_refused("archive.old");
}

TEST_F(ForeignLeaf, OfInheritanceIsRefusedByItsName) {
    make_table(false);
    sql("CREATE FOREIGN DATA WRAPPER elsewhere; CREATE SERVER far FOREIGN DATA WRAPPER elsewhere; CREATE FOREIGN TABLE "
        "users_far () INHERITS (users) SERVER far");
    expect_all_refused("users_far");
}

/// What is dropped as a whole loses no row of the other server.
TEST_F(ForeignLeaf, GoesWithATableThatIsDropped) {
    make_table(true);
    sql(text_of(changes().back().does));
    auto const end = weir({"run", plan_of({"", "contract:\n  - drop_table: { table: users }\n"}), "--approve", "all"});
    EXPECT_EQ(end.status, 0) << told(end);
    EXPECT_EQ(value("SELECT to_regclass('users') IS NULL AND to_regclass('users_far') IS NULL"), "t");
    EXPECT_EQ(value("SELECT count(*) FROM far"), "20");
}

/// delete_rows: what comes with a leaf, or a child, while it runs.
class Deleting : public Meanwhile {
  protected:
    std::string const file = plan_of({"", "backfill:\n  - delete_rows: { table: users, where: \"id % 2 = 0\" }\n"});
    Ran meanwhile(std::string const& does) {
        auto process = start({"run", file, "--approve", "all", "--progress", "json"}, {{"WEIR_HALT", "1+"}});
        while (halted(process) && story(process.out(), "batch_done").empty())
            process.signal(SIGCONT), wait_until([&] { return !process.halted(); });
        EXPECT_TRUE(process.running()) << process.out();
        sql(text_of(does));
        while (halted(process)) process.signal(SIGCONT), wait_until([&] { return !process.halted(); });
        return wait(process);
    }
    std::string left() const { return value("SELECT count(*) FROM users WHERE id % 2 = 0"); }
    std::string odd_lost() const {
        return value(
            "SELECT count(*) FROM witness w LEFT JOIN users u USING (id) WHERE w.id % 2 = 1 AND u.name IS "
            "DISTINCT FROM w.value");
    }
};

TEST_F(Deleting, ALeafThatComesIsCleanedToo) {
    make_table(true);
    auto const all = changes();
    auto const leaf =
        std::find_if(all.begin(), all.end(), [](Change const& one) { return one.name == "LeafWithRows"; });
    auto const end = meanwhile(leaf->does);
    EXPECT_EQ(end.status, 0) << told(end);
    EXPECT_EQ(left(), "0");
    EXPECT_EQ(odd_lost(), "0");
}

TEST_F(Deleting, AChildThatComesIsCleanedOrStopsItByName) {
    make_table(false);
    auto const end = meanwhile(changes().front().does);
    EXPECT_EQ(odd_lost(), "0");
    if (end.status == 0) {
        EXPECT_EQ(left(), "0");
    } else {
        EXPECT_TRUE(stopped(end, changes().front())) << told(end);
        sql(changes().front().mends);
        auto const again = weir({"run", file, "--approve", "all"});
        EXPECT_EQ(again.status, 0) << told(again);
        EXPECT_EQ(left(), "0");
    }
}

TEST_F(Deleting, AForeignLeafThatComesStopsItByName) {
    make_table(true);
    auto const end = meanwhile(changes().back().does);
    EXPECT_TRUE(stopped(end, changes().back())) << told(end);
    sql(changes().back().mends);
    auto const again = weir({"run", file, "--approve", "all"});
    EXPECT_EQ(again.status, 0) << told(again);
    EXPECT_EQ(left(), "0");
    EXPECT_EQ(odd_lost(), "0");
}

}  // namespace
}  // namespace weir::tests
