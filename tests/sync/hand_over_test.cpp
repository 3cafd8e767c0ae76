/// What the new column has when the old one goes: what the old one has at that moment, or its own.
#include "lab.h"

namespace weir::tests {
namespace {

constexpr char const* roles = R"(
DO $$ DECLARE r text; BEGIN FOREACH r IN ARRAY ARRAY['hand_one', 'hand_two'] LOOP
  BEGIN EXECUTE 'CREATE ROLE ' || r; EXCEPTION WHEN duplicate_object THEN NULL; END; END LOOP; END $$;
)";
constexpr char const* aside = "drop: { quarantine: 7d }\n";
/// Each relation of the tree, the column `like` that name: default, NOT NULL, comment, statistics, grants.
std::string column(Lab& lab, std::string const& name) {
    return lab.rows(
        "SELECT r.oid::regclass, pg_get_expr(d.adbin, d.adrelid), c.attnotnull, col_description(r.oid, c.attnum), "
        "c.attstattarget, (SELECT string_agg(x.grantee::regrole || ' ' || x.privilege_type || CASE WHEN x.is_grantable "
        "THEN '*' ELSE '' END, ' ' ORDER BY x.grantee::regrole::text, x.privilege_type) FROM aclexplode(c.attacl) x) "
        "FROM pg_class r JOIN pg_attribute c ON c.attrelid = r.oid LEFT JOIN pg_attrdef d ON d.adrelid = r.oid AND "
        "d.adnum = c.attnum WHERE r.relkind IN ('r', 'p') AND r.relname ~ '^t' AND c.attname = '" +
        name + "' ORDER BY r.relname");
}

void to_the_gate(Lab& lab) {
    lab.fill();
    lab.steps_of(Phase::backfill);
    lab.steps_of(Phase::proof);
}

void undo_contract(Lab& lab) {
    auto const& steps = lab.program().steps;
    for (auto each = steps.rbegin(); each != steps.rend(); ++each)
        if (each->phase == Phase::contract && is_transactional(*each) && !each->undo.statements.empty())
            lab.step(*each, true);
}

struct Way {
    std::string plan;
    bool kept;
};

std::vector<Way> ways() {
    std::string const primitives = mapping("text", "", "") + "contract:\n  - drop_column: { table: t, column: a }\n";
    return {{rename, false}, {std::string{rename} + aside, true}, {primitives, false}, {primitives + aside, true}};
}

constexpr char const* changes = R"(
ALTER TABLE t ALTER a SET DEFAULT 'y' || clock_timestamp()::text, ALTER a SET STATISTICS 77, ALTER a SET NOT NULL;
COMMENT ON COLUMN t.a IS 'it''s new';
GRANT SELECT (a), UPDATE (a) ON t TO hand_one;
GRANT INSERT (a) ON t TO hand_two WITH GRANT OPTION;
REVOKE SELECT (a) ON t FROM hand_two;
)";
constexpr char const* changed =
    "t|('y'::text || (clock_timestamp())::text)|t|it's new|77|hand_one SELECT hand_one UPDATE hand_two INSERT*";

TEST(HandOver, what_the_old_column_got_since_the_run_began_is_the_new_ones) {
    for (auto const& way : ways()) {
        Lab lab{std::string{roles} +
                "CREATE TABLE t (id int PRIMARY KEY, a text DEFAULT 'x'); INSERT INTO t VALUES (1, 'one');"
                "COMMENT ON COLUMN t.a IS 'old'; GRANT SELECT (a) ON t TO hand_two"};
        lab.expand(way.plan);
        to_the_gate(lab);
        lab.run(changes);
        lab.steps_of(Phase::contract);
        EXPECT_EQ(column(lab, "b"), changed) << way.plan;
        lab.run("INSERT INTO t (id) VALUES (2)");
        EXPECT_EQ(lab.rows("SELECT left(b, 1) FROM t WHERE id = 2"), "y") << way.plan;
        if (!way.kept) continue;
        EXPECT_EQ(lab.code("INSERT INTO t (id, b) VALUES (3, 'c')"), "") << way.plan;
        undo_contract(lab);
        EXPECT_EQ(column(lab, "a"), changed) << way.plan;
        EXPECT_EQ(lab.rows("SELECT count(*) FROM pg_attrdef WHERE adrelid = 't'::regclass"), "1") << way.plan;
        EXPECT_EQ(lab.rows("SELECT a, b FROM t WHERE id = 3"), "c|c");
        lab.run("INSERT INTO t (id, b) VALUES (4, 'd'), (5, 'e')");
        lab.run("INSERT INTO t (id, a) VALUES (6, 'f')");
        EXPECT_EQ(lab.rows("SELECT a, b FROM t WHERE id > 3 ORDER BY id"), "d|d, e|e, f|f");
    }
}

TEST(HandOver, what_the_new_column_was_given_of_its_own_stays) {
    for (auto const& way : ways()) {
        Lab lab{std::string{roles} +
                "CREATE TABLE t (id int PRIMARY KEY, a text DEFAULT 'x'); INSERT INTO t VALUES (1, 'one');"
                "COMMENT ON COLUMN t.a IS 'old'; GRANT SELECT (a) ON t TO hand_two"};
        lab.expand(way.plan);
        to_the_gate(lab);
        lab.run(
            "ALTER TABLE t ALTER b SET DEFAULT 'anonymous', ALTER b SET STATISTICS 5; COMMENT ON COLUMN t.b IS 'own';"
            "GRANT UPDATE (b) ON t TO hand_one");
        auto const before = column(lab, "a");
        lab.steps_of(Phase::contract);
        EXPECT_EQ(column(lab, "b"), "t|'anonymous'::text|f|own|5|hand_one UPDATE hand_two SELECT") << way.plan;
        if (!way.kept) continue;
        undo_contract(lab);
        EXPECT_EQ(column(lab, "a"), before) << way.plan;
        EXPECT_EQ(column(lab, "b"), "t|'anonymous'::text|f|own|5|hand_one UPDATE hand_two SELECT") << way.plan;
    }
}

TEST(HandOver, a_grant_taken_from_the_new_column_does_not_come_back) {
    Lab lab{std::string{roles} + "CREATE TABLE t (id int PRIMARY KEY, a text); GRANT SELECT (a) ON t TO hand_two"};
    lab.expand(rename);
    to_the_gate(lab);
    lab.run("REVOKE SELECT (b) ON t FROM hand_two");
    lab.steps_of(Phase::contract);
    EXPECT_EQ(column(lab, "b"), "t|~|f|~|-1|~");
}

TEST(HandOver, partitions_keep_what_they_have_of_their_own) {
    for (auto const& way : ways()) {
        Lab lab{R"(
CREATE TABLE t (id int, k int, a text DEFAULT 'root') PARTITION BY LIST (k);
CREATE TABLE t1 PARTITION OF t FOR VALUES IN (1);
CREATE TABLE t2 PARTITION OF t FOR VALUES IN (2) PARTITION BY LIST (k);
CREATE TABLE t22 PARTITION OF t2 FOR VALUES IN (2);
INSERT INTO t VALUES (1, 1, 'one'), (2, 2, 'two');
)"};
        lab.expand(way.plan);
        to_the_gate(lab);
        lab.run(
            "ALTER TABLE t1 ALTER a SET DEFAULT 'leaf', ALTER a SET NOT NULL; ALTER TABLE t22 ALTER a DROP DEFAULT;"
            "COMMENT ON COLUMN t22.a IS 'mine'; ALTER TABLE ONLY t ALTER a SET DEFAULT 'later'");
        auto const before = column(lab, "a");
        EXPECT_EQ(before,
                  "t|'later'::text|f|~|-1|~, t1|'leaf'::text|t|~|-1|~, t2|'root'::text|f|~|-1|~, t22|~|f|mine|-1|~");
        lab.steps_of(Phase::contract);
        EXPECT_EQ(column(lab, "b"), before) << way.plan;
        if (!way.kept) continue;
        EXPECT_EQ(lab.code("INSERT INTO t (id, k, b) VALUES (5, 1, 'x')"), "") << way.plan;
        undo_contract(lab);
        EXPECT_EQ(column(lab, "a"), before) << way.plan;
        EXPECT_EQ(lab.rows("SELECT count(*) FROM pg_attrdef d JOIN pg_attribute c ON c.attrelid = adrelid AND "
                           "c.attnum = adnum WHERE c.attname = 'b'"),
                  "0")
            << way.plan;
    }
}

TEST(HandOver, a_column_of_another_meaning_gets_nothing) {
    Lab lab{"CREATE TABLE t (id int PRIMARY KEY, a text DEFAULT 'x'); COMMENT ON COLUMN t.a IS 'old'"};
    lab.expand(mapping("text", "upper(a)", "lower(b)") + "contract:\n  - drop_column: { table: t, column: a }\n");
    to_the_gate(lab);
    lab.run("ALTER TABLE t ALTER a SET NOT NULL");
    lab.steps_of(Phase::contract);
    EXPECT_EQ(column(lab, "b"), "t|~|f|~|-1|~");
}

TEST(HandOver, not_null_that_came_late_is_set_by_a_scan_only_where_that_is_short) {
    Lab lab{
        "CREATE TABLE t (id int, a text) WITH (autovacuum_enabled = off);"
        "INSERT INTO t SELECT i, 'v' FROM generate_series(1, 40000) i; "
        "ALTER TABLE t ADD pad text; UPDATE t SET pad = repeat('x', 900)"};
    lab.expand(rename);
    to_the_gate(lab);
    lab.run("ALTER TABLE t ALTER a SET NOT NULL");
    std::vector<Step const*> contract;
    for (auto const& step : lab.program().steps)
        if (step.phase == Phase::contract && is_transactional(step)) contract.push_back(&step);
    auto const refused = lab.try_step(*contract.at(0));
    EXPECT_EQ(refused.sqlstate, "WE008") << refused.message;
    EXPECT_NE(refused.message.find("column a of public.t became NOT NULL"), std::string::npos) << refused.message;
    lab.run("ALTER TABLE t ADD CONSTRAINT proven CHECK (b IS NOT NULL)");
    lab.step(*contract.at(0));
    EXPECT_EQ(column(lab, "b"), "t|~|t|~|-1|~");
}

}  // namespace
}  // namespace weir::tests
