// Goal: what the scratch copy says of a column's dependents is what the server says of a table that was altered so, for
// every kind of index, quoted names, partitioned tables and policies; its errors come as answers; nothing stays.
#include "orchestrator/postgres/scratch.h"

#include <gtest/gtest.h>

#include <map>

#include "orchestrator/postgres/judge.h"
#include "server.h"

namespace weir {
namespace {

using testing::Caller;
using testing::Server;

/// `index users_name_idx` and its two texts.
using Told = std::map<std::string, std::pair<std::string, std::string>>;

class Scratch : public ::testing::Test {
  protected:
    void SetUp() override { ASSERT_EQ(caller.connect().fate, Fate::done); }

    Answer ask(TableName const& table, std::vector<ScratchColumn> columns) {
        Question const question = ScratchQuestion{table, std::move(columns)};
        auto const before = server.psql(database, everything);
        auto const answer = judge_answer(question, caller.execute(judge_batch(question)));
        EXPECT_EQ(server.psql(database, everything), before) << "it leaves something behind";
        return answer;
    }
    Told told(TableName const& table, std::vector<ScratchColumn> columns) {
        auto const answer = ask(table, std::move(columns));
        EXPECT_EQ(answer.error, "");
        Told all;
        if (answer.definitions)
            for (auto const& one : *answer.definitions) all[one.kind + " " + one.name] = {one.twin, one.aside};
        return all;
    }
    bool since(int version) { return std::stoi(server.psql(database, "SHOW server_version_num")) >= version * 10000; }

    static constexpr auto everything = "SELECT count(*), max(oid::bigint) FROM pg_class";
    Server& server{Server::instance()};
    std::string database{server.create_database()};
    Caller caller{server.conninfo(database)};
    TableName const users{Ident::of("public"), Ident::of("users")};
};

TEST_F(Scratch, TellsEachKindWithTheNewTypeAndWithTheOldName) {
    server.psql(database, R"(
CREATE TABLE users (id int GENERATED ALWAYS AS IDENTITY, a int NOT NULL DEFAULT 7 CHECK (a > 0), b text, c int4range, words tsvector,
                    gone int, CONSTRAINT "both ""of"" them" CHECK (a < length(b) OR a = 1) NOT VALID);
ALTER TABLE users DROP COLUMN gone;
ALTER TABLE users ADD PRIMARY KEY (a), ADD CONSTRAINT pair UNIQUE (b, a);
CREATE INDEX "users on t USING x WHERE ""y""" ON users USING btree (a DESC NULLS LAST, b COLLATE "C" text_pattern_ops)
  INCLUDE (c) WITH (fillfactor = 70) WHERE a > 10;
CREATE INDEX by_hash ON users USING hash (a);
CREATE INDEX by_gin ON users USING gin (words) WHERE a = 3;
CREATE INDEX by_gist ON users USING gist (c) WHERE a IS NOT NULL;
CREATE INDEX by_brin ON users USING brin (a) WITH (pages_per_range = 8);
CREATE UNIQUE INDEX by_expression ON users (abs(a), lower(b));
CREATE INDEX elsewhere ON users (b);
CREATE STATISTICS two (ndistinct, mcv) ON a, b FROM users;
CREATE STATISTICS three ON a, b FROM users;
CREATE STATISTICS one ON (a + 1) FROM users;
CREATE STATISTICS other ON b, c FROM users;
CREATE POLICY mine ON users USING (a = length(current_user) AND EXISTS (SELECT FROM pg_class k WHERE k.relnatts = users.a))
  WITH CHECK (a > 1);
CREATE POLICY theirs ON users FOR SELECT USING (b = current_user);
)");
    auto found = told(users, {{"a", "weir_n1_a", "weir_q1_a", "bigint"}});
    auto const take = [&](std::string const& what) {
        auto const at = found.find(what);
        if (at == found.end()) return std::pair<std::string, std::string>{};
        auto texts = at->second;
        found.erase(at);
        return texts;
    };
    auto const same = [](std::string const& before, std::string const& behind) {
        return std::pair{before + "weir_n1_a" + behind, before + "weir_q1_a" + behind};
    };
    EXPECT_EQ(take("index users_pkey"), same("USING btree (", ")"));
    EXPECT_EQ(take("index pair"), same("USING btree (b, ", ")"));
    EXPECT_EQ(take("index users on t USING x WHERE \"y\""),
              (std::pair<std::string, std::string>{
                  "USING btree (weir_n1_a DESC NULLS LAST, b COLLATE \"C\" text_pattern_ops) INCLUDE (c) WITH "
                  "(fillfactor='70') WHERE (weir_n1_a > 10)",
                  "USING btree (weir_q1_a DESC NULLS LAST, b COLLATE \"C\" text_pattern_ops) INCLUDE (c) WITH "
                  "(fillfactor='70') WHERE (weir_q1_a > 10)"}));
    EXPECT_EQ(take("index by_hash"), same("USING hash (", ")"));
    EXPECT_EQ(take("index by_gin"), same("USING gin (words) WHERE (", " = 3)"));
    EXPECT_EQ(take("index by_gist"), same("USING gist (c) WHERE (", " IS NOT NULL)"));
    EXPECT_EQ(take("index by_brin"), same("USING brin (", ") WITH (pages_per_range='8')"));
    EXPECT_EQ(take("index by_expression"), same("USING btree (abs(", "), lower(b))"));
    EXPECT_EQ(take("check users_a_check"), same("CHECK ((", " > 0))"));
    EXPECT_EQ(take("check both \"of\" them"),
              (std::pair<std::string, std::string>{"CHECK (((weir_n1_a < length(b)) OR (weir_n1_a = 1)))",
                                                   "CHECK (((weir_q1_a < length(b)) OR (weir_q1_a = 1)))"}));
    EXPECT_EQ(take("statistics public.two"), same("(ndistinct, mcv) ON ", ", b"));
    EXPECT_EQ(take("statistics public.three"), same("ON ", ", b"));
    EXPECT_EQ(take("statistics public.one"), same("ON (", " + 1)"));
    EXPECT_EQ(take("default a"), (std::pair<std::string, std::string>{"7", "7"}));
    auto const mine = take("using mine");
    EXPECT_NE(mine.first.find("(weir_n1_a = length("), std::string::npos) << mine.first;
    EXPECT_NE(mine.first.find("= users.weir_n1_a"), std::string::npos) << mine.first;
    EXPECT_NE(mine.second.find("= users.weir_q1_a"), std::string::npos) << mine.second;
    EXPECT_EQ(take("with check mine"), same("(", " > 1)"));
    for (auto const& [what, texts] : found) ADD_FAILURE() << what << ": " << texts.first;
}

// Beside a column that has the twin's name already, as after a crash; two columns at a time.
TEST_F(Scratch, RenamesWhereTheTypeStays) {
    server.psql(database, R"(
CREATE SCHEMA "Odd ""one";
CREATE TABLE "Odd ""one"."or""der %s" ("the ""key"" %I" text, n int, twin text, gen int GENERATED ALWAYS AS (n * 2) STORED,
  EXCLUDE USING btree (n WITH =), CHECK ("the ""key"" %I" <> twin));
CREATE INDEX "i ""x"" %I" ON "Odd ""one"."or""der %s" ("the ""key"" %I", n);
CREATE INDEX of_twin ON "Odd ""one"."or""der %s" (twin);
)");
    TableName const table{Ident::of("Odd \"one"), Ident::of("or\"der %s")};
    auto const found = told(table, {{"the \"key\" %I", "twin", "was \"it\""}, {"n", "m", "n0"}});
    EXPECT_EQ(found.at("index i \"x\" %I"),
              (std::pair<std::string, std::string>{"USING btree (twin, m)", "USING btree (\"was \"\"it\"\"\", n0)"}));
    EXPECT_EQ(found.at("generated gen"), (std::pair<std::string, std::string>{"(m * 2)", "(n0 * 2)"}));
    EXPECT_FALSE(found.contains("index of_twin"));
    EXPECT_EQ(found.size(), 3U) << "the index of the exclusion constraint is told, too";
}

TEST_F(Scratch, KnowsAPartitionedTable) {
    server.psql(database, R"(
CREATE TABLE users (id int, a int, b text) PARTITION BY LIST (id);
CREATE TABLE users_1 PARTITION OF users FOR VALUES IN (1);
CREATE INDEX whole ON users (a);
CREATE INDEX of_one ON ONLY users (b, a);
CREATE INDEX only_there ON users_1 (a);
)");
    auto const found = told(users, {{"a", "twin", "aside", "numeric(10,2)"}});
    EXPECT_EQ(found.size(), 2U);
    EXPECT_EQ(found.at("index whole"),
              (std::pair<std::string, std::string>{"USING btree (twin)", "USING btree (aside)"}));
    EXPECT_EQ(found.at("index of_one"),
              (std::pair<std::string, std::string>{"USING btree (b, twin)", "USING btree (b, aside)"}));
}

TEST_F(Scratch, KnowsWhatNewerServersHave) {
    if (!since(15)) GTEST_SKIP();
    server.psql(database, R"(
CREATE TABLE users (id int PRIMARY KEY, a int);
CREATE UNIQUE INDEX alike ON users (a) NULLS NOT DISTINCT;
CREATE PUBLICATION part FOR TABLE users WHERE (id > 3);
CREATE TABLE lone (a int PRIMARY KEY);
CREATE PUBLICATION few FOR TABLE lone WHERE (a > 3);
)");
    EXPECT_EQ(told(users, {{"a", "twin", "aside", "bigint"}}).at("index alike").first,
              "USING btree (twin) NULLS NOT DISTINCT");
    auto const found = told({Ident::of("public"), Ident::of("lone")}, {{"a", "twin", "aside", "bigint"}});
    EXPECT_EQ(found.at("filter few"), (std::pair<std::string, std::string>{"(twin > 3)", "(aside > 3)"}));
}

TEST_F(Scratch, RefusesInTheServersWords) {
    server.psql(database, R"(
CREATE TABLE users (a int DEFAULT 7, b text, words tsvector, CHECK (a > 0));
CREATE INDEX ON users USING gin (words);
)");
    auto const of_check = ask(users, {{"a", "twin", "aside", "boolean"}});
    EXPECT_EQ(of_check.sqlstate, "42883");
    EXPECT_EQ(of_check.error, "operator does not exist: boolean > integer");
    auto const of_index = ask(users, {{"words", "twin", "aside", "json"}});
    EXPECT_EQ(of_index.sqlstate, "42704") << of_index.error;
    EXPECT_NE(of_index.error.find("json"), std::string::npos);
    auto const of_default = ask({Ident::of("public"), Ident::of("users")}, {{"b", "twin", "aside", "no_such_type"}});
    EXPECT_EQ(of_default.sqlstate, "42704");
    EXPECT_FALSE(of_default.definitions);
    EXPECT_EQ(ask({Ident::of("public"), Ident::of("nobody")}, {{"a", "t", "x"}}).sqlstate, "42P01");
    // What is no type never reaches the server.
    EXPECT_EQ(ask(users, {{"a", "twin", "aside", "int); DROP TABLE users; --"}}).sqlstate, "42601");
    EXPECT_EQ(ask(users, {{"b", "twin", "aside", "text", "\"C\"; DROP TABLE users"}}).sqlstate, "42601");
    EXPECT_EQ(ask(users, {{"b", "twin", "aside", "text", "\"pg_catalog\".\"C\""}}).sqlstate, "");
}

TEST_F(Scratch, LeavesOutWhatHasNoPlaceOnAnotherType) {
    server.psql(database, R"(
CREATE TABLE users (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a int, half int GENERATED ALWAYS AS (a / 2) STORED,
  room int4range, EXCLUDE USING gist (room WITH &&) WHERE (a > 0));
)");
    auto const found = told(users, {{"a", "twin", "aside", "bigint"}});
    EXPECT_EQ(found.size(), 1U);
    EXPECT_EQ(found.at("generated half").first, "(twin / 2)");
    EXPECT_EQ(told(users, {{"id", "twin", "aside", "bigint"}}).at("index users_pkey").first, "USING btree (twin)");
}

}  // namespace
}  // namespace weir
