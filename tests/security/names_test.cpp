/// Random hostile names, texts and expressions through weir's quoting to a real server: each arrives as it is, and
/// nothing that was not declared changes. WEIR_TEST_SCALE is how many (default 400).
#include <cstdlib>
#include <random>
#include <set>

#include "phases/operations.h"
#include "plans/expression.h"
#include "plans/problem.h"
#include "plans/reader.h"
#include "plans/sql.h"
#include "tests/support/bench.h"

namespace weir::tests {
namespace {

#ifdef __SANITIZE_ADDRESS__
constexpr int scale_default = 100;
#else
constexpr int scale_default = 400;
#endif

int scale() {
    char const* text = std::getenv("WEIR_TEST_SCALE");
    return text != nullptr ? std::max(1, std::atoi(text)) : scale_default;
}

class Hostile {
  public:
    explicit Hostile(std::uint64_t seed) : random_{seed} {}

    std::size_t below(std::size_t n) { return std::uniform_int_distribution<std::size_t>{0, n - 1}(random_); }

    /// Whole characters, 1 byte to `longest`, often just as long as that.
    std::string text(std::size_t longest) {
        auto const wanted = below(3) == 0 ? longest - below(2) : 1 + below(longest);
        std::string made;
        for (int tries = 0; made.size() < wanted && tries < 100; ++tries) {
            auto const next = piece();
            if (made.size() + next.size() <= longest) made += next;
        }
        while (made.size() < wanted) made += 'x';
        return made;
    }

    /// What may be an expression, and what breaks out of one.
    std::string expression() {
        static std::vector<std::string> const tokens{"a",
                                                     "\"a\"",
                                                     "1",
                                                     "'x'",
                                                     "''",
                                                     "'",
                                                     "\"",
                                                     "$$x$$",
                                                     "$$",
                                                     "$a$",
                                                     "E'\\''",
                                                     "U&'\\0041'",
                                                     "(",
                                                     ")",
                                                     "[",
                                                     "]",
                                                     ",",
                                                     ";",
                                                     "--",
                                                     "--\n",
                                                     "/*",
                                                     "*/",
                                                     "/* */",
                                                     "\n",
                                                     "||",
                                                     "+",
                                                     "::text",
                                                     "CAST(a AS int)",
                                                     "CASE WHEN true THEN 1 END",
                                                     "IS NULL",
                                                     "AND",
                                                     "= ANY (ARRAY[1])",
                                                     "(SELECT 1)",
                                                     "(SELECT a FROM bait)",
                                                     ") FROM bait; DROP TABLE bait; --",
                                                     "; DELETE FROM bait",
                                                     "1); TRUNCATE bait; SELECT (1",
                                                     "(WITH w AS (DELETE FROM bait RETURNING a) SELECT a FROM w)",
                                                     "\\",
                                                     "\\'",
                                                     "COMMIT",
                                                     "; COMMIT; DROP TABLE bait",
                                                     "$1",
                                                     ":a",
                                                     "\xC3\xBC",
                                                     "INTO other",
                                                     "FOR UPDATE",
                                                     "UNION SELECT 1",
                                                     "coalesce(a, 2)",
                                                     "length('x')",
                                                     "row(1, 2)",
                                                     "interval '1 day'",
                                                     "B'1'",
                                                     "current_user",
                                                     "{0}",
                                                     "}",
                                                     "%s"};
        std::string made;
        for (auto n = 1 + below(6); n > 0; --n) made += (below(4) == 0 ? "" : " ") + tokens[below(tokens.size())];
        return made;
    }

  private:
    std::string piece() {
        static std::vector<std::string> const pieces{"\"",
                                                     "\"\"",
                                                     "'",
                                                     "''",
                                                     "\\",
                                                     "\\\\",
                                                     "\";--",
                                                     "\"; DROP TABLE bait; --",
                                                     "'; DROP TABLE bait; --",
                                                     "$$",
                                                     "$weir$",
                                                     "$1",
                                                     "{0}",
                                                     "}}",
                                                     "%s",
                                                     "%I",
                                                     "\n",
                                                     "\r",
                                                     "\t",
                                                     "\x01",
                                                     "\x7f",
                                                     " ",
                                                     ".",
                                                     ",",
                                                     "(",
                                                     ")",
                                                     "--",
                                                     "/*",
                                                     "*/",
                                                     ";",
                                                     "&",
                                                     "select",
                                                     "user",
                                                     "TABLE",
                                                     "A",
                                                     "z",
                                                     "0",
                                                     "ü",
                                                     "\xC2\x9B",
                                                     "\x1b[2J",
                                                     "ß",
                                                     "Ж",
                                                     "€",
                                                     "日",
                                                     "😀",
                                                     "\xC2\xA0",
                                                     "\xE2\x80\xAE",
                                                     "e\xCC\x81",
                                                     "E'",
                                                     "U&\"",
                                                     "\xEF\xBB\xBF"};
        return pieces[below(pieces.size())];
    }
    std::mt19937_64 random_;
};

/// Within double quotes of YAML.
std::string in_yaml(std::string const& text) {
    static constexpr auto hex = "0123456789abcdef";
    std::string quoted;
    for (std::size_t i = 0; i < text.size(); ++i) {
        auto byte = static_cast<unsigned char>(text[i]);
        // U+0080 to U+009F are control characters, too.
        bool const wide = byte == 0xc2 && static_cast<unsigned char>(text[i + 1]) < 0xa0;
        if (wide) byte = static_cast<unsigned char>(text[++i]);
        if (wide || byte < 0x20 || byte == 0x7f) {
            quoted += std::string{"\\x"} + hex[byte / 16U] + hex[byte % 16U];
            continue;
        }
        if (byte == '"' || byte == '\\') quoted += '\\';
        quoted += text[i];
    }
    return "\"" + quoted + "\"";
}

class Names : public ::testing::Test, public Bench {
  protected:
    void SetUp() override {
        sql("CREATE TABLE bait (a int, b text); INSERT INTO bait VALUES (1, 'one'), (2, 'two')");
        before_ = world();
    }
    void TearDown() override {
        if (calibrated) {
            EXPECT_EQ(world(), before_);
        }
    }
    /// All that could change in this database.
    std::string world() const {
        return dump() +
               value("SELECT coalesce((SELECT string_agg(b::text || b.xmin, '|' ORDER BY a) FROM bait b), '')");
    }
    std::string before_;
    bool calibrated{true};
    std::uint64_t seed_ = seed();
    Hostile hostile{seed_};
};

TEST_F(Names, TheSearchFindsWhatBreaksOut) {
    calibrated = false;
    Client client{db.conninfo};
    client.try_exec("COMMENT ON TABLE bait IS ''; DELETE FROM bait WHERE a = 1; --'");
    EXPECT_NE(world(), before_);
    auto const deleted = world();
    client.try_exec("CREATE TABLE \"x\" (a int); DROP TABLE bait; --\" (a int)");
    EXPECT_ANY_THROW(world());
    EXPECT_NE(deleted, "");
}

TEST_F(Names, ArriveAsTheyAre) {
    Client client{db.conninfo};
    int made = 0, longest = 0;
    for (int i = 0; i < scale(); ++i) {
        std::array const names{hostile.text(63), hostile.text(63), hostile.text(63), hostile.text(63)};
        auto const words = hostile.text(200);
        std::vector<Ident> idents;
        for (auto const& name : names) {
            auto ident = Ident::make(name);
            ASSERT_TRUE(ident) << i;
            idents.push_back(*std::move(ident));
            if (name.size() == 63) ++longest;
        }
        // With the switches by which an old application may read backslashes otherwise.
        auto const conforming = hostile.below(2) == 0 ? "on" : "off";
        auto const table = TableName{idents[0], idents[1]};
        auto const text =
            to_text(Batch{weir::sql("CREATE SCHEMA {0}", idents[0]),
                          weir::sql("CREATE TABLE {0} ({1} text DEFAULT {2})", table, idents[2], Value{words}),
                          weir::sql("COMMENT ON COLUMN {0}.{1} IS {2}", table, idents[2], Value{words}),
                          weir::sql("ALTER TABLE {0} RENAME COLUMN {1} TO {2}", table, idents[2], idents[3]),
                          weir::sql("INSERT INTO {0} DEFAULT VALUES", table)});
        client.exec(std::string{"BEGIN; SET LOCAL standard_conforming_strings = "} + conforming);
        auto const state = client.try_exec(text);
        if (state.empty()) {
            ++made;
            auto const rows = client.exec(to_text(
                Batch{weir::sql("SELECT n.nspname, c.relname, a.attname, col_description(c.oid, a.attnum), t.{1}, "
                                "count(*) OVER () FROM pg_class c "
                                "JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = "
                                "c.oid CROSS JOIN {0} t "
                                "WHERE c.oid >= 16384 AND c.relkind = 'r' AND c.relname <> 'bait' AND a.attnum > 0",
                                table, idents[3])}));
            ASSERT_EQ(rows.size(), 1U) << i;
            EXPECT_EQ(rows[0][0], names[0]) << i;
            EXPECT_EQ(rows[0][1], names[1]) << i;
            EXPECT_EQ(rows[0][2], names[3]) << i;
            EXPECT_EQ(rows[0][3], words) << i;
            EXPECT_EQ(rows[0][4], words) << i;
        } else {
            // Only for what the words mean, never for how they are written: a schema, a column that is there.
            EXPECT_TRUE(state == "42P06" || state == "42939" || state == "42701") << i << " " << state << "\n" << text;
        }
        client.exec("ROLLBACK");
    }
    EXPECT_GT(made, scale() * 9 / 10);
    EXPECT_GT(longest, scale() / 4);
}

TEST_F(Names, ThatWouldBeCutAreRefused) {
    for (int i = 0; i < scale(); ++i) {
        auto name = hostile.text(63);
        name.resize(63, 'x');
        if (!is_utf8(name)) continue;
        EXPECT_TRUE(Ident::make(name));
        for (std::string const more : {"x", "ü", "😀"}) EXPECT_FALSE(Ident::make(name + more)) << i;
        // A character that stands across the last byte.
        EXPECT_FALSE(Ident::make(std::string(62, 'a') + "ü"));
    }
}

TEST_F(Names, OfPlansAreOfFewLetters) {
    int refused = 0;
    for (int i = 0; i < scale(); ++i) {
        auto const name = hostile.text(60);
        auto const quoted = in_yaml(name);
        auto const plan = read_plan(
            "weir: 1\nname: " + quoted + "\nchanges:\n  - rename_column: { table: t, from: " + quoted + ", to: b }\n",
            "p.yaml", operations());
        bool const plain = name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == std::string::npos;
        auto const* problems = std::get_if<Problems>(&plan);
        EXPECT_EQ(problems == nullptr, plain) << i << " " << quoted;
        if (problems == nullptr) continue;
        ++refused;
        EXPECT_EQ(problems->front().place.line, 2) << i << to_text(*problems);
        // No message carries a control character to somebody's terminal.
        for (char const c : to_text(*problems))
            ASSERT_TRUE(c == '\n' || static_cast<unsigned char>(c) >= 0x20) << i << to_text(*problems);
    }
    EXPECT_GT(refused, scale() / 2);
}

TEST_F(Names, LiveThroughWholePlans) {
    for (int round = 0; round < std::max(1, scale() / 400); ++round) {
        Bench here, there;
        std::set<std::string> names;
        while (names.size() < 5) {
            auto name = hostile.text(63);
            bool const in_quotes = name.size() > 1 && name.front() == '"' && name.back() == '"';
            if (!in_quotes) names.insert(std::move(name));
        }
        std::vector<std::string> const n{names.begin(), names.end()};
        // The server's own quoting is the measure.
        auto const by_server = [&](Bench const& bench, std::string const& format) {
            std::string list;
            for (auto const& name : n) list += ", " + sql_literal(name);
            bench.sql(bench.value("SELECT format(" + sql_literal(format) + list + ")"));
        };
        for (auto const* bench : {&here, &there}) {
            by_server(*bench,
                      "CREATE SCHEMA %1$I; CREATE TABLE %1$I.%2$I (id bigint PRIMARY KEY, %3$I text NOT NULL); "
                      "INSERT INTO %1$I.%2$I SELECT i, i::text FROM generate_series(1, 50) i");
            bench->sql("CREATE TABLE bait (a int); INSERT INTO bait VALUES (1)");
        }
        by_server(there,
                  "ALTER TABLE %1$I.%2$I RENAME COLUMN %3$I TO %4$I; ALTER TABLE %1$I.%2$I ADD COLUMN %5$I text");
        auto const table = "[" + in_yaml(n[0]) + ", " + in_yaml(n[1]) + "]";
        auto const ran = here.weir(
            {"run",
             here.plan("weir: 1\nname: hostile\nchanges:\n  - rename_column: { table: " + table + ", from: " +
                       in_yaml(n[2]) + ", to: " + in_yaml(n[3]) + " }\nexpand:\n  - add_column: { table: " + table +
                       ", column: " + in_yaml(n[4]) + ", type: text }\nbackfill:\n  - fill: { table: " + table +
                       ", set: { ? " + in_yaml(n[4]) + " : \"'it''s'\" } }\n"),
             "--approve", "all"});
        ASSERT_EQ(ran.status, 0) << round << told(ran);
        EXPECT_EQ(here.dump(), there.dump());
        by_server(
            here,
            "CREATE VIEW public.seen AS SELECT count(*) AS n FROM %1$I.%2$I WHERE %4$I = id::text AND %5$I = 'it''s'");
        EXPECT_EQ(here.value("SELECT n FROM seen"), "50");
        EXPECT_EQ(here.value("SELECT count(*) FROM bait"), "1");
        EXPECT_EQ(here.value("SELECT count(*) FROM pg_proc WHERE pronamespace = 'weir_sync'::regnamespace"), "0");
        EXPECT_EQ(here.ledger_faults(), "");
    }
}

TEST_F(Names, ExpressionsStayOne) {
    Client client{db.conninfo};
    int declared = 0, refused = 0, answered = 0;
    for (int i = 0; i < scale() || declared <= scale() / 20 || answered <= scale() / 50; ++i) {
        ASSERT_LT(i, 100 * scale()) << declared << " were expressions, " << answered << " of them gave a value";
        auto const text = hostile.expression();
        auto const made = declare_expression(text, {});
        if (std::holds_alternative<Problem>(made)) {
            ++refused;
            continue;
        }
        ++declared;
        auto const& expression = std::get<UserExpr>(made);
        // One row, one column, and the mark beside it: whatever it says, the statement is still ours.
        auto const batch = to_text(Batch{weir::sql("SELECT {0}, 'mark' FROM bait WHERE a = 1 AND 7 = 7", expression)});
        try {
            auto const rows = client.exec(batch);
            ++answered;
            ASSERT_EQ(rows.size(), 1U) << i << batch;
            EXPECT_EQ(rows[0].back(), "mark") << i << batch;
        } catch (SqlError const& error) {
            EXPECT_NE(error.sqlstate(), "") << batch;
        }
        EXPECT_EQ(client.value("SELECT pg_current_xact_id_if_assigned() IS NULL"), "t") << batch;
    }
    EXPECT_GT(refused, scale() / 3);
}

}  // namespace
}  // namespace weir::tests
