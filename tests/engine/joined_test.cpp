/// Several columns of one table in one plan: the table is read and written once, and each column is judged by itself.
#include "filling.h"

namespace weir::tests {
namespace {

class Joined : public Filling {
  protected:
    Joined() { table = "people"; }

    /// people(id, name, nick, score, seen): nick is NULL in every third row.
    void make_people(int rows, bool partitioned = false) const {
        sql("CREATE TABLE people (id bigint PRIMARY KEY, name text NOT NULL, nick text, score numeric(8,2), seen int)" +
            std::string{partitioned ? " PARTITION BY RANGE (id)" : " WITH (autovacuum_enabled = off)"});
        if (partitioned) sql("CREATE TABLE people_1 PARTITION OF people FOR VALUES FROM (0) TO (1000000)");
        sql("INSERT INTO people SELECT i, 'name ' || i, CASE WHEN i % 3 > 0 THEN 'nick ' || i END, i / 8.0, 0 FROM "
            "generate_series(1, " +
            std::to_string(rows) + ") i");
        sql("VACUUM (ANALYZE) people");
    }
    std::string renames(std::string_view more = "") const {
        return plan(
            "weir: 1\nname: three\nchanges:\n"
            "  - rename_column: { table: people, from: name, to: full_name }\n"
            "  - rename_column: { table: people, from: nick, to: nickname }\n"
            "  - rename_column: { table: people, from: score, to: points }\n" +
            std::string{more});
    }
    /// Rows that the new columns are wrong for.
    std::string wrong_rows() const {
        return value(
            "SELECT count(*) FROM people WHERE (full_name, nickname, points) IS DISTINCT FROM (name, nick, score)");
    }
    std::int64_t rows_proven() const {
        std::int64_t rows = 0;
        for (auto const& one : told_of("batch_done"))
            if (has(one.line(), "\"proof\":true")) rows += one.number("rows");
        return rows;
    }
    std::string updates() const { return value("SELECT pg_stat_get_tuples_updated('people'::regclass)"); }
};

TEST_F(Joined, ThreeColumnsAreOnePassOverTheTable) {
    make_people(20'000);
    auto const before = std::stoll(updates());
    fill(renames());
    ASSERT_EQ(ran.status, 0) << told(ran);
    EXPECT_EQ(wrong_rows(), "0");
    EXPECT_EQ(rows_told(), 20'000);
    EXPECT_EQ(rows_proven(), 20'000);
    EXPECT_TRUE(wait_until([&] { return std::stoll(updates()) - before >= 20'000; }));
    EXPECT_EQ(std::stoll(updates()) - before, 20'000) << "each row is written once";
    EXPECT_EQ(times("proof_done"), 1U);
    EXPECT_EQ(value("SELECT count(DISTINCT step) FROM weir.progress"), "2");
}

// Rows that are right already for one column and not for another keep the one.
TEST_F(Joined, OnlyWhatIsMissingIsWritten) {
    make_people(9'000);
    ASSERT_EQ(weir({"run", renames(), "--until", "expand"}).status, 0);
    // Both applications write by then: a row that one of them touches is right in all columns.
    sql("UPDATE people SET full_name = 'new ' || id WHERE id % 10 = 1; UPDATE people SET nick = 'old ' || id WHERE id "
        "% "
        "10 = 2; UPDATE people SET seen = 1 WHERE id % 10 = 3");
    // One column is right already, as if a fill of it alone had been here.
    sql("BEGIN; SET LOCAL weir.batch = 'on'; UPDATE people SET full_name = name WHERE id % 10 = 4; COMMIT");
    ASSERT_EQ(value("SELECT count(*) FROM people WHERE full_name = name AND points IS NULL"), "900");
    auto const kept = value("SELECT md5(string_agg((id, name, nick, score)::text, ',' ORDER BY id)) FROM people");
    fill(renames());
    ASSERT_EQ(ran.status, 0) << told(ran);
    EXPECT_EQ(wrong_rows(), "0");
    EXPECT_EQ(rows_told(), 6'300) << "three tenths were right in all columns";
    EXPECT_EQ(value("SELECT md5(string_agg((id, name, nick, score)::text, ',' ORDER BY id)) FROM people"), kept);
    EXPECT_EQ(value("SELECT count(*) FROM people WHERE full_name = 'new ' || id AND name = full_name"), "900");
}

// The old application writes until the gate, the new one from expand to the end; what each wrote last stands.
TEST_F(Joined, WritersInBetweenLoseNothing) {
    make_people(20'000);
    sql("CREATE TABLE witness (id bigint PRIMARY KEY, name text, nick text, score numeric(8,2)); INSERT INTO witness "
        "SELECT id, name, nick, score FROM people");
    auto const file = renames("batch: { target: 2ms }\n");
    ASSERT_EQ(weir({"run", file, "--until", "expand"}).status, 0);
    // Each session has rows of its own, so that the witness knows who was last.
    // A NULL that the new application writes over a NULL that is not filled yet is no write: it writes none.
    auto const write = [](std::string const& name, std::string const& nick, std::string const& score, int mine) {
        return [=](long turn) {
            auto const id = std::to_string(turn * 97 % 4'999 * 4 + mine);
            auto const n = std::to_string(turn);
            auto const set = [&](std::string const& into, std::string const& a, std::string const& b,
                                 std::string const& c) {
                std::string all = "UPDATE " + into + " SET ";
                if (turn % 4 != 1) all += a + " = 'w" + n + "', ";
                if (turn % 4 != 2) all += b + (mine < 3 && turn % 3 == 0 ? " = NULL, " : " = 'k" + n + "', ");
                return all + c + " = " + std::to_string(turn % 1000) + ".50 WHERE id = " + id + ";";
            };
            return "BEGIN;" + set("people", name, nick, score) + set("witness", "name", "nick", "score") + "COMMIT";
        };
    };
    Loop old_one{db.conninfo, write("name", "nick", "score", 1)},
        old_two{db.conninfo, write("name", "nick", "score", 2)};
    Loop new_one{db.conninfo, write("full_name", "nickname", "points", 3)};
    ASSERT_TRUE(old_one.more(5) && old_two.more(5) && new_one.more(5));
    fill(file);
    ASSERT_EQ(ran.status, 0) << told(ran);
    EXPECT_TRUE(old_one.more(5) && new_one.more(5));
    old_one.stop(), old_two.stop();
    EXPECT_EQ(wrong_rows(), "0");
    auto const whole = weir({"run", file, "--approve", "all"});
    EXPECT_EQ(whole.status, 0) << told(whole);
    EXPECT_TRUE(new_one.more(5));
    new_one.stop();
    for (auto const* session : {&old_one, &old_two, &new_one}) EXPECT_EQ(session->errors(), "");
    EXPECT_EQ(value("SELECT count(*) FROM people p FULL JOIN witness w USING (id) WHERE (p.full_name, p.nickname, "
                    "p.points) IS DISTINCT FROM (w.name, w.nick, w.score)"),
              "0");
    EXPECT_EQ(value("SELECT coalesce(string_agg(step, ' ' ORDER BY seq), '') FROM weir.entries WHERE kind = 'checked'"),
              "")
        << "each drop found the table as its proof had left it";
}

TEST_F(Joined, AnAbortAtTheGateCountsEachColumn) {
    make_people(300);
    auto const before = dump();
    ASSERT_EQ(weir({"run", renames(), "--no-wait"}).status, 3);
    // Past the syncs.
    sql("ALTER TABLE people DISABLE TRIGGER USER; UPDATE people SET full_name = 'past' WHERE id < 3; UPDATE people SET "
        "points = 7 WHERE id < 6; ALTER TABLE people ENABLE TRIGGER USER");
    EXPECT_EQ(weir({"abort", "three"}).status, 3);
    auto const refusal = weir({"abort", "three"});
    EXPECT_EQ(refusal.status, 4) << told(refusal);
    EXPECT_TRUE(has(refusal.out, "7 rows have values in people.full_name, people.points")) << told(refusal);
    EXPECT_EQ(weir({"abort", "three", "--accept-loss", "7"}).status, 6);
    EXPECT_EQ(dump(), before);
    EXPECT_EQ(leftovers(), "");
}

// Somebody attaches a partition between proof and drop, and its rows are wrong for one column or for two.
TEST_F(Joined, MissesAreToldByColumn) {
    make_people(300, true);
    auto const file = renames();
    ASSERT_EQ(weir({"run", file, "--no-wait"}).status, 3);
    sql("CREATE TABLE people_2 (LIKE people); INSERT INTO people_2 (id, name, full_name, nick, nickname) VALUES "
        "(2000001, 'a', 'a', 'b', 'other'), (2000002, 'a', 'other', 'b', 'other'), (2000003, 'a', 'a', NULL, NULL); "
        "ALTER TABLE people ATTACH PARTITION people_2 FOR VALUES FROM (2000000) TO (3000000)");
    auto const stopped = weir({"run", file, "--approve", "all"});
    EXPECT_EQ(stopped.status, 4) << told(stopped);
    EXPECT_TRUE(has(stopped.out, "2 rows of people are not right: 1 in full_name, 2 in nickname")) << told(stopped);
    sql("UPDATE people SET name = full_name, nick = nickname WHERE id > 2000000");
    EXPECT_EQ(finish(file).status, 0);
    EXPECT_EQ(value("SELECT count(*) FROM people WHERE nickname = 'other'"), "2");
}

// The first drop is done when the leaf comes: only what is still there is read in it.
TEST_F(Joined, ALeafThatComesBetweenTwoDropsIsProvenForTheSecond) {
    make_people(300, true);
    auto const file = renames("locks: { timeout: 200ms }\n");
    ASSERT_EQ(weir({"run", file, "--no-wait"}).status, 3);
    // The second drop is refused until the trigger is gone.
    sql("CREATE FUNCTION stop() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN IF EXISTS (SELECT FROM "
        "pg_event_trigger_dropped_objects() WHERE object_identity LIKE '%people.nick') THEN RAISE EXCEPTION 'not yet'; "
        "END IF; END $$; CREATE EVENT TRIGGER stop ON sql_drop EXECUTE FUNCTION stop()");
    auto const stopped = weir({"run", file, "--approve", "all"});
    EXPECT_EQ(stopped.status, 4) << told(stopped);
    ASSERT_EQ(value("SELECT string_agg(attname, ' ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = "
                    "'people'::regclass AND attname IN ('name', 'nick', 'score')"),
              "nick score");
    sql("DROP EVENT TRIGGER stop; CREATE TABLE people_2 (LIKE people); INSERT INTO people_2 (id, "
        "full_name, nick) VALUES (2000001, 'a', 'only here'); ALTER TABLE people ATTACH PARTITION people_2 FOR VALUES "
        "FROM (2000000) TO (3000000)");
    auto const whole = finish(file);
    EXPECT_EQ(whole.status, 0) << told(whole);
    EXPECT_EQ(value("SELECT nickname FROM people WHERE id = 2000001"), "only here");
    EXPECT_EQ(value("SELECT count(*) FROM weir.entries WHERE kind = 'checked' AND step = 'contract.1'"), "1");
}

}  // namespace
}  // namespace weir::tests
