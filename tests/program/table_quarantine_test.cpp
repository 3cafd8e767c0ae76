// Goal: a table that a plan drops with `drop.quarantine` is kept aside with all that is written to it, comes back as it
// was or says what is in the way, or is dropped when its time is over; killed at every string on each of these ways.
#include "killed.h"

namespace weir::tests {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::string_view kept_table_plan = R"(weir: 1
name: drop-it
contract:
  - drop_table: { table: users }
drop: { quarantine: 7d }
)";

class TableQuarantine : public ::testing::Test, public Bench {
  protected:
    std::string const file = plan(kept_table_plan);

    void make_tables() const {
        sql(R"(CREATE TABLE orgs (id int PRIMARY KEY, name text);
CREATE TABLE users (id bigserial PRIMARY KEY, name text NOT NULL, org int, chief bigint REFERENCES users);
ALTER TABLE users ADD CONSTRAINT org_fk FOREIGN KEY (org) REFERENCES orgs ON DELETE RESTRICT;
COMMENT ON CONSTRAINT org_fk ON users IS 'theirs';
COMMENT ON TABLE users IS 'who';
CREATE INDEX users_name_idx ON users (name);
INSERT INTO orgs SELECT i, 'org ' || i FROM generate_series(1, 9) i;
INSERT INTO users (name, org) SELECT 'user ' || i, 1 + i % 9 FROM generate_series(1, 50) i)");
    }
    void quarantined() const {
        auto const ran = weir({"run", file, "--approve", "all"});
        ASSERT_EQ(ran.status, 0) << told(ran);
        EXPECT_THAT(ran.out, HasSubstr("in quarantine until")) << told(ran);
        EXPECT_THAT(entries(), EndsWith("quarantined")) << entries();
    }
    void let_time_pass() const {
        sql("UPDATE weir.entries SET at = at - interval '8 days' WHERE kind = 'quarantined'");
    }
    bool there(std::string const& table) const {
        return value("SELECT to_regclass('" + table + "') IS NOT NULL") == "t";
    }
    std::string error_of(std::string const& statement) const { return Client{db.conninfo}.try_exec(statement); }
    Ran again(Words words) const {
        Ran ran;
        wait_until([&] {
            ran = weir(words);
            return !has(ran.err, "[other-leader]");
        });
        return ran;
    }
};

TEST_F(TableQuarantine, KeepsTheTableAsideAndGuardsNobody) {
    make_tables();
    auto const preview = weir({"plan", file});
    EXPECT_THAT(preview.out, HasSubstr("users is kept aside for 7 d, and weir rollback brings it back"));
    quarantined();
    EXPECT_EQ(error_of("INSERT INTO users (name) VALUES ('by the old name')"), "42P01");
    EXPECT_EQ(value("SELECT count(*) FROM weir_q1_users"), "50");
    EXPECT_EQ(error_of("DELETE FROM orgs WHERE id = 1"), "") << "its foreign key refuses nothing any more";
    EXPECT_EQ(error_of("INSERT INTO weir_q1_users (name, chief) VALUES ('x', 999)"), "23503") << "to itself it stays";
    auto const status = weir({"status"});
    EXPECT_THAT(status.out, HasSubstr("in quarantine"));
    EXPECT_THAT(status.out, HasSubstr("weir rollback drop-it brings it back"));
    for (Words const& words : {Words{"run", file}, Words{"purge", "drop-it"}, Words{"purge"}}) {
        auto const ran = weir(words);
        EXPECT_EQ(ran.status, 0) << told(ran);
        EXPECT_EQ(value("SELECT count(*) FROM weir_q1_users"), "50") << words[0];
    }
}

TEST_F(TableQuarantine, AnAbortAtTheGateHasNothingToUndo) {
    make_tables();
    auto const before = dump();
    ASSERT_EQ(weir({"run", file, "--no-wait"}).status, 3);
    EXPECT_EQ(weir({"abort", "drop-it"}).status, 6);
    EXPECT_EQ(dump(), before);
}

TEST_F(TableQuarantine, ComesBackAsItWasWithTheWritesMadeSince) {
    make_tables();
    auto const before = dump();
    quarantined();
    sql("INSERT INTO weir_q1_users (name, org) VALUES ('since', 2); UPDATE weir_q1_users SET name = 'Bo' WHERE id = 1");
    auto const ran = weir({"rollback", "drop-it"});
    EXPECT_EQ(ran.status, 6) << told(ran);
    EXPECT_EQ(dump(), before);
    EXPECT_EQ(leftovers(), "");
    EXPECT_EQ(value("SELECT string_agg(name, ',' ORDER BY id) FROM users WHERE id IN (1, 51)"), "Bo,since");
    EXPECT_EQ(error_of("DELETE FROM orgs WHERE id = 2"), "23503") << "the foreign key guards again";
    EXPECT_THAT(entries(), EndsWith("rolled_back")) << entries();
    // The same plan begins a new run.
    quarantined();
    EXPECT_EQ(value("SELECT count(*) FROM weir_q2_users"), "51");
}

TEST_F(TableQuarantine, ARowWithoutItsParentStopsTheWayBack) {
    make_tables();
    auto const before = dump();
    quarantined();
    sql("DELETE FROM orgs WHERE id = 3");
    auto const ran = weir({"rollback", "drop-it"});
    EXPECT_EQ(ran.status, 4) << told(ran);
    EXPECT_THAT(ran.out, HasSubstr("a way back: every row of weir_q1_users is checked against foreign key org_fk to "
                                   "orgs): the server refuses (23503)"));
    EXPECT_THAT(ran.out, HasSubstr("foreign key violation: table public.weir_q1_users, constraint org_fk"));
    EXPECT_THAT(ran.out, Not(HasSubstr("(3)")));
    EXPECT_THAT(ran.out, HasSubstr("delete such rows of the table aside, or put back what they refer to; then again: "
                                   "weir rollback drop-it"));
    EXPECT_FALSE(there("users")) << "it gets its name when it is right";
    sql("INSERT INTO orgs VALUES (3, 'org 3')");
    auto const back = weir({"rollback", "drop-it"});
    EXPECT_EQ(back.status, 6) << told(back);
    EXPECT_EQ(dump(), before);
    EXPECT_EQ(value("SELECT count(*) FROM users"), "50");
}

TEST_F(TableQuarantine, ATakenNameRefusesTheWayBack) {
    make_tables();
    quarantined();
    sql("CREATE TABLE users (id int)");
    auto const before = entries();
    auto const ran = weir({"rollback", "drop-it"});
    EXPECT_EQ(ran.status, 5) << told(ran);
    EXPECT_THAT(ran.out, HasSubstr("[not-now]: users is there again: the name of what is kept aside is taken"));
    EXPECT_THAT(ran.out, HasSubstr("rename or drop what took its old name; then again: weir rollback drop-it"));
    EXPECT_EQ(entries(), before) << "a refusal writes nothing";
    sql("DROP TABLE users; CREATE TYPE users AS ENUM ('a type takes the name, too')");
    EXPECT_EQ(weir({"rollback", "drop-it"}).status, 5);
    EXPECT_EQ(entries(), before);
    sql("DROP TYPE users; ALTER TABLE weir_q1_users RENAME TO elsewhere");
    auto const gone = weir({"rollback", "drop-it"});
    EXPECT_EQ(gone.status, 5) << told(gone);
    EXPECT_THAT(gone.out, HasSubstr("weir_q1_users is not there any more"));
    sql("ALTER TABLE elsewhere RENAME TO weir_q1_users");
    EXPECT_EQ(weir({"rollback", "drop-it"}).status, 6);
}

TEST_F(TableQuarantine, IsDroppedWhenItsTimeIsOver) {
    make_tables();
    quarantined();
    sql("CREATE VIEW late AS SELECT name FROM weir_q1_users");
    let_time_pass();
    EXPECT_THAT(weir({"status"}).out, HasSubstr("quarantine is over"));
    auto const stopped = weir({"purge"});
    EXPECT_EQ(stopped.status, 4) << told(stopped);
    EXPECT_THAT(stopped.out, HasSubstr("view late depends on table weir_q1_users"));
    EXPECT_EQ(value("SELECT count(*) FROM late"), "50");
    sql("DROP VIEW late; CREATE TABLE later (u bigint REFERENCES weir_q1_users)");
    auto const again = weir({"purge"});
    EXPECT_EQ(again.status, 4) << told(again);
    EXPECT_THAT(again.out, HasSubstr("later_u_fkey"));
    sql("DROP TABLE later");
    auto const ran = weir({"purge"});
    EXPECT_EQ(ran.status, 0) << told(ran);
    EXPECT_EQ(leftovers(), "");
    EXPECT_EQ(ledger_faults(), "");
    EXPECT_FALSE(there("users_id_seq"));
    EXPECT_EQ(value("SELECT count(*) FROM orgs"), "9");
    EXPECT_TRUE(refused(weir({"rollback", "drop-it"}), 5, "not-now", {"plan drop-it is done"}));
}

TEST_F(TableQuarantine, RefusesAPlanOnWhatItHolds) {
    make_tables();
    quarantined();
    for (std::string const table : {"users", "weir_q1_users"})
        EXPECT_TRUE(refused(weir({"run", plan("weir: 1\nname: other\nexpand:\n  - add_column: { table: " + table +
                                                  ", column: more, type: text }\n",
                                              "other.yaml")}),
                            1, "conflict", {"is in the quarantine of run 1: users is kept aside as weir_q1_users"}));
    // Also when there is another one of that name.
    sql("CREATE TABLE users (id int)");
    EXPECT_TRUE(refused(
        weir({"run", plan("weir: 1\nname: third\ncontract:\n  - drop_table: { table: users }\n", "third.yaml")}), 1,
        "conflict", {"users is in the quarantine of run 1"}));
}

TEST_F(TableQuarantine, AColumnOfItIsNotSetAsideBesides) {
    make_tables();
    sql("ALTER TABLE users ADD COLUMN note text");
    auto const both = plan(
        "weir: 1\nname: both\ncontract:\n  - drop_column: { table: users, column: note }\n  - drop_table: { table: "
        "users }\ndrop: { quarantine: 7d }\n",
        "both.yaml");
    EXPECT_TRUE(
        refused(weir({"run", both}), 1, "conflict", {"the plan sets users.note aside, too", "leave that change out"}));
}

TEST_F(TableQuarantine, WhatItsForeignKeysNeedIsNotDropped) {
    make_tables();
    quarantined();
    auto const parent = plan("weir: 1\nname: parent\ncontract:\n  - drop_table: { table: orgs }\n", "parent.yaml");
    EXPECT_TRUE(
        refused(weir({"run", parent}), 1, "conflict",
                {"a foreign key of users, kept aside as weir_q1_users in the quarantine of run 1, refers to orgs"}));
    let_time_pass();
    ASSERT_EQ(weir({"purge"}).status, 0);
    EXPECT_EQ(weir({"run", parent, "--approve", "all"}).status, 0);
    EXPECT_FALSE(there("orgs"));
}

TEST_F(TableQuarantine, PartitionsKeepTheirNamesAndTheirWrites) {
    sql(R"(CREATE TABLE users (id int PRIMARY KEY) PARTITION BY RANGE (id);
CREATE TABLE users_low PARTITION OF users FOR VALUES FROM (0) TO (100);
INSERT INTO users SELECT i FROM generate_series(1, 50) i)");
    auto const before = dump();
    quarantined();
    sql("INSERT INTO users_low VALUES (51)");
    auto const ran = weir({"rollback", "drop-it"});
    EXPECT_EQ(ran.status, 6) << told(ran);
    EXPECT_EQ(dump(), before);
    EXPECT_EQ(value("SELECT count(*) FROM users"), "51");
}

TEST_F(TableQuarantine, IsBackBesideWhatThePlanMadeUntilNothingUsesThat) {
    make_tables();
    auto const before = dump();
    auto const mixed = plan(
        "weir: 1\nname: drop-it\nexpand:\n  - add_column: { table: orgs, column: code, type: text "
        "}\ncontract:\n  - drop_table: { table: users }\ndrop: { quarantine: 7d }\n",
        "mixed.yaml");
    ASSERT_EQ(weir({"run", mixed, "--approve", "all"}).status, 0);
    auto const half = weir({"rollback", "drop-it"});
    EXPECT_EQ(half.status, 3) << told(half);
    EXPECT_THAT(half.out, HasSubstr("the old shape is there again beside the new one"));
    EXPECT_EQ(value("SELECT count(*) FROM users"), "50");
    EXPECT_EQ(value("SELECT count(code) FROM orgs"), "0");
    EXPECT_EQ(weir({"rollback", "drop-it"}).status, 6);
    EXPECT_EQ(dump(), before);
}

TEST_F(TableQuarantine, AForeignKeyThatChangedSinceTheRunBeganStopsIt) {
    make_tables();
    ASSERT_EQ(weir({"run", file, "--no-wait"}).status, 3);
    sql("ALTER TABLE users ADD CONSTRAINT more_fk FOREIGN KEY (org) REFERENCES orgs");
    auto const made = weir({"run", file, "--approve", "all"});
    EXPECT_EQ(made.status, 4) << told(made);
    EXPECT_THAT(made.out, HasSubstr("has a foreign key that was made since the run began: more_fk"));
    EXPECT_THAT(made.out, HasSubstr("make it what it was when the run began, and run again"));
    EXPECT_TRUE(there("users"));
    sql("ALTER TABLE users DROP CONSTRAINT more_fk, DROP CONSTRAINT org_fk, ADD CONSTRAINT org_fk FOREIGN KEY (org) "
        "REFERENCES orgs ON DELETE CASCADE");
    auto const other = weir({"run", file});
    EXPECT_EQ(other.status, 4) << told(other);
    EXPECT_THAT(other.out, HasSubstr("foreign key org_fk is not what it was when the run began"));
    EXPECT_EQ(value("SELECT count(*) FROM pg_constraint WHERE conname = 'org_fk'"), "1");
    sql("ALTER TABLE weir_q1_users DROP CONSTRAINT org_fk, ADD CONSTRAINT org_fk FOREIGN KEY (org) REFERENCES orgs "
        "ON DELETE RESTRICT");
    EXPECT_EQ(weir({"run", file}).status, 0);
}

TEST_F(TableQuarantine, UsesAreToldByStatusAndBeforeThePurge) {
    make_tables();
    quarantined();
    EXPECT_THAT(weir({"status", "drop-it"}).out, Not(HasSubstr("still used")));
    sql(R"(CREATE VIEW names AS SELECT name FROM weir_q1_users;
CREATE FUNCTION old_way() RETURNS bigint LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT count(*) FROM Users); END';
CREATE FUNCTION new_way(integer) RETURNS bigint LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT count(*) FROM weir_q1_users); END';
CREATE FUNCTION another() RETURNS bigint LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT count(*) FROM users_2); END')");
    auto const status = weir({"status", "drop-it"});
    for (auto const* words : {"still used: view public.names uses weir_q1_users",
                              "still used: function old_way() has the name of weir_q1_users (or users) in its text",
                              "still used: function new_way(integer) has the name of weir_q1_users"})
        EXPECT_THAT(status.out, HasSubstr(words));
    EXPECT_EQ(count(status.out, "still used: "), 3U) << status.out;
    EXPECT_THAT(weir({"status", "drop-it", "--json"}).out,
                HasSubstr(R"({"table":"weir_q1_users","was":"users","how":"depends","by":"view public.names"})"));
    let_time_pass();
    auto const purge = weir({"purge"});
    EXPECT_EQ(purge.status, 4) << told(purge);
    EXPECT_EQ(count(purge.out, "is still used: "), 3U) << told(purge);
    sql("DROP VIEW names");
    auto const dropped = weir({"purge"});
    EXPECT_EQ(dropped.status, 0) << told(dropped);
    EXPECT_EQ(count(dropped.out, "is still used: "), 2U) << "a text alone stops nothing";
}

TEST_F(TableQuarantine, IsDumpedBeforeTheDropAlsoWhenTheFirstDumpIsGone) {
    make_tables();
    std::filesystem::create_directory(folder.path("dumps"));
    auto const dumps = [&] {
        std::vector<std::string> found;
        for (auto const& entry : std::filesystem::directory_iterator{folder.path("dumps")})
            found.push_back(entry.path().string());
        return found;
    };
    auto const both = plan(
        "weir: 1\nname: drop-it\ncontract:\n  - drop_table: { table: users }\n  - drop_table: { table: "
        "orgs }\nbackup: { directory: \"" +
            folder.path("dumps") + "\" }\n",
        "both.yaml");
    ASSERT_EQ(weir({"run", both, "--no-wait"}).status, 3);
    sql("CREATE VIEW held AS SELECT * FROM orgs");
    auto const stopped = weir({"run", both, "--approve", "all"});
    EXPECT_EQ(stopped.status, 4) << told(stopped);
    EXPECT_FALSE(there("users"));
    EXPECT_TRUE(there("orgs"));
    ASSERT_EQ(dumps().size(), 1U);
    std::filesystem::remove(dumps().at(0));
    sql("DROP VIEW held");
    auto const ran = weir({"run", both});
    EXPECT_EQ(ran.status, 0) << told(ran);
    EXPECT_THAT(ran.out, HasSubstr("is not here any more: it is made anew"));
    EXPECT_EQ(dumps().size(), 1U);
    EXPECT_FALSE(there("orgs"));
}

// ---- killed ---------------------------------------------------------------------------------------------------------

class KilledOnATable : public KilledIn<TableQuarantine> {
  protected:
    std::string before;

    void remember() {
        before = dump();
        made = db;
    }
    template <class Expect>
    void sweep(Words const& words, int end, Expect expect) {
        KilledIn::sweep(
            words, end, 8,
            [&](std::string const& when) {
                // What the application meets is one table with all its rows, under one of its names.
                EXPECT_NE(there("users"), there("weir_q1_users") && value("SELECT count(*) FROM weir_q1_users") == "50")
                    << when;
            },
            expect);
    }
};

TEST_F(KilledOnATable, Run) {
    make_tables();
    remember();
    sweep({"run", file, "--approve", "all"}, 0, [&](std::string const& when, Ran const& ran) {
        EXPECT_EQ(ran.status, 0) << when << told(ran);
        EXPECT_THAT(entries(), EndsWith("quarantined")) << when;
        EXPECT_EQ(value("SELECT count(*) FROM weir_q1_users"), "50") << when;
        EXPECT_EQ(error_of("DELETE FROM orgs WHERE id = 1"), "") << when;
    });
}

TEST_F(KilledOnATable, Rollback) {
    make_tables();
    auto const as_it_was = dump();
    quarantined();
    remember();
    sweep({"rollback", "drop-it"}, 6, [&](std::string const& when, Ran const& ran) {
        EXPECT_TRUE(ran.status == 6 || (ran.status == 5 && has(ran.err, "is rolled back"))) << when << told(ran);
        EXPECT_THAT(entries(), EndsWith("rolled_back")) << when;
        EXPECT_EQ(dump(), as_it_was) << when;
        EXPECT_EQ(value("SELECT count(*) FROM users"), "50") << when;
        EXPECT_EQ(leftovers(), "") << when;
    });
}

TEST_F(KilledOnATable, Purge) {
    make_tables();
    quarantined();
    let_time_pass();
    remember();
    KilledIn::sweep(
        {"purge"}, 0, 5, [](auto const&) {},
        [&](std::string const& when, Ran const& ran) {
            EXPECT_EQ(ran.status, 0) << when << told(ran);
            EXPECT_EQ(ledger_faults(), "") << when << entries();
            EXPECT_EQ(leftovers(), "") << when;
            EXPECT_EQ(value("SELECT count(*) FROM orgs"), "9") << when;
        });
}

}  // namespace
}  // namespace weir::tests
