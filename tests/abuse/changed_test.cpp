/// A person at random instants of a run: attaches a leaf with rows, takes one away, writes to it and attaches it again,
/// makes a child, a trigger, a rule, a foreign leaf. The run is done; or it stops, names what was made, and is done or
/// undone when that is taken away again. Nothing is lost or altered.
#include <algorithm>
#include <optional>

#include "abuse.h"

namespace weir::tests {
namespace {

class ShapeMeanwhile : public Abuse {
  protected:
    static constexpr int leaves = 4;

    struct Act {
        std::string name;
        bool of_partitions{}, of_tables{};
        /// Empty: another function does it.
        std::string does;
        Words names;
        std::string takes_away;
    };

    /// What is made, and with which words it is taken away again. The column that the application writes is {name}.
    /// What DROP TRIGGER locks it locks crosswise to a writer, leaf before root: so the root is locked before.
    static std::vector<Act> acts() {
        std::string const rows_of_kid =
            "INSERT INTO kid ({columns}) SELECT {values} FROM generate_series(600000001, 600000050) i; INSERT INTO "
            "witness SELECT -i, 'insert', i, 0, 'kid ' || i FROM generate_series(600000001, 600000050) i";
        std::string const no_kid = "DELETE FROM witness WHERE id BETWEEN 600000001 AND 600000050; ";
        std::string const norm =
            "CREATE FUNCTION norm() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN BEGIN new.name := rtrim(new.name); "
            "EXCEPTION WHEN undefined_column THEN NULL; END; RETURN new; END $$; ";
        std::string const on = " FOR EACH ROW EXECUTE FUNCTION norm(); ";
        return {
            {"a leaf with rows",
             true,
             false,
             "CREATE TABLE kid (LIKE users INCLUDING DEFAULTS); " + rows_of_kid +
                 "; ALTER TABLE users ATTACH PARTITION kid FOR VALUES FROM (600000000) TO (600001000)",
             {"kid", "are not right"},
             no_kid + "ALTER TABLE users DETACH PARTITION kid; DROP TABLE kid"},
            {"a leaf written elsewhere", true, false, "", {}, ""},
            {"a leaf away for a while", true, false, "", {}, ""},
            {"a foreign leaf",
             true,
             false,
             "CREATE FOREIGN DATA WRAPPER elsewhere; CREATE SERVER far FOREIGN DATA WRAPPER elsewhere; DO $$ BEGIN "
             "EXECUTE (SELECT 'CREATE FOREIGN TABLE distant (' || string_agg(format('%I %s%s', attname, "
             "format_type(atttypid, atttypmod), CASE WHEN attnotnull THEN ' NOT NULL' ELSE '' END), ', ' ORDER BY "
             "attnum) || ') SERVER far' FROM pg_attribute WHERE attrelid = 'users'::regclass AND attnum > 0 AND NOT "
             "attisdropped); END $$; ALTER TABLE users ATTACH PARTITION distant FOR VALUES FROM (700000000) TO "
             "(700001000)",
             {"distant"},
             "DROP FOREIGN DATA WRAPPER elsewhere CASCADE"},
            {"a rule of a leaf",
             true,
             false,
             "CREATE RULE nowhere AS ON UPDATE TO users_1 DO INSTEAD NOTHING",
             {"nowhere"},
             "DROP RULE nowhere ON users_1"},
            {"a trigger of a leaf",
             true,
             false,
             norm + "CREATE TRIGGER \"~~norm\" BEFORE INSERT OR UPDATE ON users_2" + on,
             {"~~norm"},
             "DROP TRIGGER \"~~norm\" ON users_2; DROP FUNCTION norm()"},
            {"a trigger",
             true,
             true,
             norm + "CREATE TRIGGER \"~~norm\" BEFORE INSERT OR UPDATE ON users" + on +
                 "INSERT INTO users (id, {name}) VALUES (1500000000, 'said  '); INSERT INTO witness VALUES "
                 "(-1500000000, 'insert', 1500000000, 0, {said})",
             {"~~norm", "are not right"},
             "LOCK TABLE users; DROP TRIGGER \"~~norm\" ON users; DROP FUNCTION norm(); DELETE FROM users WHERE id = "
             "1500000000; DELETE "
             "FROM witness WHERE id = 1500000000"},
            {"a trigger between ours",
             true,
             true,
             "CREATE FUNCTION seen() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN new.note := 'seen'; RETURN new; END "
             "$$; CREATE TRIGGER seen BEFORE INSERT OR UPDATE ON users FOR EACH ROW EXECUTE FUNCTION seen()",
             {"seen"},
             "LOCK TABLE users; DROP TRIGGER seen ON users; DROP FUNCTION seen()"},
            {"a child",
             false,
             true,
             "CREATE TABLE kid () INHERITS (users); " + rows_of_kid,
             {"kid", "are not right"},
             no_kid + "DROP TABLE kid"},
            {"a column",
             true,
             true,
             "ALTER TABLE users ADD COLUMN more text DEFAULT 'more'",
             {"more"},
             "ALTER TABLE users DROP COLUMN more"},
        };
    }

    bool has_column(std::string const& column, std::string const& table = "users") const {
        return value("SELECT count(*) FROM pg_attribute WHERE attrelid = to_regclass('" + table +
                     "') AND NOT attisdropped AND attname = '" + column + "'") == "1";
    }
    bool must_have(std::string const& column) const {
        return value("SELECT count(*) FROM pg_attribute WHERE attrelid = 'users'::regclass AND attname = '" + column +
                     "' AND attnotnull") == "1";
    }
    static std::string with(std::string text, std::string const& key, std::string const& instead) {
        for (std::size_t at; (at = text.find(key)) != std::string::npos;) text.replace(at, key.size(), instead);
        return text;
    }
    /// One transaction, again when it met a deadlock. What the server refuses has not happened.
    bool does(std::string const& text) const {
        std::string state;
        wait_until([&] { return (state = try_query(db.conninfo, text)) != "40P01"; }, 30s);
        return state.empty();
    }
    bool made(Act const& act) const {
        bool const old = has_column("name");
        // What comes from elsewhere has nothing in the new column, and where that may not be, what is out of date. The
        // trigger trims the old column only.
        bool const both = old && must_have("full_name");
        auto text = with(act.does, "{columns}", both ? "id, name, full_name" : "id, {name}");
        text = with(text, "{values}", both ? "i, 'kid ' || i, 'stale'" : "i, 'kid ' || i");
        return does(with(with(text, "{name}", old ? "name" : "full_name"), "{said}", old ? "'said'" : "'said  '"));
    }

    /// Each row of users_N gets another value there, while it is no part of users.
    void write_elsewhere(int leaf, Dice& dice) {
        auto const table = "users_" + std::to_string(leaf);
        auto const number = std::to_string(++written_);
        std::string const column = has_column("name", table) ? "name" : "full_name";
        std::string const every = std::to_string(2 + dice.below(20));
        EXPECT_TRUE(does("WITH w AS (UPDATE " + table + " SET " + column + " = 'elsewhere " + number +
                         "', hits = hits + 1 WHERE id % " + every +
                         " = 0 RETURNING id, hits) INSERT INTO witness SELECT "
                         "-id - 1000000 * " +
                         number + ", 'update', id, hits, 'elsewhere " + number + "' FROM w"));
    }
    bool detach(int leaf) const { return does("ALTER TABLE users DETACH PARTITION users_" + std::to_string(leaf)); }
    /// In the shape that users has now: its columns, and what they must be.
    void attach(int leaf) const {
        auto const table = "users_" + std::to_string(leaf);
        auto const [from, to] = leaf_range(rows, leaves, leaf);
        auto const alter = "ALTER TABLE " + table + " ";
        EXPECT_TRUE(wait_until(
            [&] {
                bool const old = has_column("name"), made = has_column("full_name");
                std::string fit;
                if (made && !has_column("full_name", table)) fit += alter + "ADD COLUMN full_name varchar(80); ";
                if (made && has_column("name", table) && (!old || must_have("full_name")))
                    fit += "UPDATE " + table + " SET full_name = name WHERE full_name IS NULL" +
                           (old ? "; " : " OR full_name <> name; ");
                if (!old && has_column("name", table))
                    fit += alter + "DROP COLUMN name; " + alter + "ALTER COLUMN full_name SET DEFAULT 'nobody'; ";
                if (!made && has_column("full_name", table)) fit += alter + "DROP COLUMN full_name; ";
                // One that somebody made meanwhile.
                bool const more = has_column("more");
                if (more && !has_column("more", table)) fit += alter + "ADD COLUMN more text DEFAULT 'more'; ";
                if (!more && has_column("more", table)) fit += alter + "DROP COLUMN more; ";
                if (made && must_have("full_name")) fit += alter + "ALTER COLUMN full_name SET NOT NULL; ";
                return does(fit + with(checks_of_users, "{leaf}", table) + "ALTER TABLE users ATTACH PARTITION " +
                            table + " FOR VALUES FROM (" + std::to_string(from) + ") TO (" + std::to_string(to) + ")");
            },
            30s))
            << "cannot be attached again";
    }
    static constexpr char const* checks_of_users =
        "DO $$ DECLARE k record; BEGIN FOR k IN SELECT conname FROM pg_constraint WHERE conrelid = '{leaf}'::regclass "
        "AND contype = 'c' LOOP EXECUTE format('ALTER TABLE {leaf} DROP CONSTRAINT %I', k.conname); END LOOP; FOR k IN "
        "SELECT conname, replace(pg_get_constraintdef(oid), ' NOT VALID', '') AS def FROM pg_constraint WHERE conrelid "
        "= 'users'::regclass AND contype = 'c' LOOP EXECUTE format('ALTER TABLE {leaf} ADD CONSTRAINT %I %s', "
        "k.conname, k.def); END LOOP; END $$; ";

    int written_{};
};

TEST_F(ShapeMeanwhile, TheRunIsDoneOrStopsByName) {
    abuse(3, 200, [this](Dice& dice) {
        int const parts = dice.below(3) == 0 ? 0 : leaves;
        auto const took = calm(parts).took;
        sql("DROP TABLE IF EXISTS users_0, users_1, users_2, users_3, users_w, kid CASCADE; DROP FUNCTION IF EXISTS "
            "norm(), seen() CASCADE");
        written_ = 0;
        auto const oracle = make(dice, parts);
        auto process = begin({"--approve", "all"});
        std::vector<Act> there;
        Words names;
        std::optional<int> away;
        for (int n = 1 + dice.below(3); n > 0; --n) {
            auto act = dice.one_of(acts());
            if (!(parts > 0 ? act.of_partitions : act.of_tables)) act = acts().at(6);
            if (std::any_of(there.begin(), there.end(), [&](Act const& one) {
                    return one.name == act.name || (has(one.does, "norm") && has(act.does, "norm"));
                }))
                continue;
            let(process, dice.moment(took));
            // The rule is on users_1, and lets nobody write there.
            bool const ruled =
                std::any_of(there.begin(), there.end(), [](Act const& one) { return one.name == "a rule of a leaf"; });
            int const leaf = ruled ? 2 + dice.below(leaves - 2) : dice.below(leaves);
            bool const running = process.running();
            if (act.does.empty()) {
                if (away || !detach(leaf)) continue;
                names.push_back("users_" + std::to_string(leaf));
                names.emplace_back("are not right");
                if (act.name == "a leaf written elsewhere") {
                    write_elsewhere(leaf, dice);
                    if (dice.coin()) let(process, dice.moment(took / 4 + 1ms));
                    attach(leaf);
                } else {
                    away = leaf;
                }
                there.push_back(act);
            } else if (made(act)) {
                there.push_back(act);
                names.insert(names.end(), act.names.begin(), act.names.end());
            } else {
                count("refused by the server");
                continue;
            }
            count(act.name + (running ? "" : " when it was over"));
        }
        auto ran = wait(process, 120s);
        auto const all = ran.out + ran.err;
        bool const undoes = ran.status == 4 && !has(ran.out, "\"event\":\"gate_opened\"") && dice.coin();
        if (ran.status != 0) {
            // What was made before it looked is refused.
            EXPECT_EQ(ran.status, has(ran.out, "\"event\":\"run_began\"") ? 4 : 1) << told(ran);
            auto const at = all.find("\"event\":\"stopped\"");
            auto const why = at == std::string::npos ? all : all.substr(at);
            EXPECT_TRUE(std::any_of(names.begin(), names.end(), [&](auto const& one) { return has(why, one); }))
                << "stopped, and not by a name of " << testing::PrintToString(names) << told(ran);
            count("stopped");
        }
        if (away) attach(*away);
        // A foreign leaf that leads nowhere cannot be read: it goes before the rows are judged, the others after.
        for (auto const& act : there)
            if (act.name == "a foreign leaf") sql(act.takes_away);
        // Of two values the old column's is right; what the new one had was made elsewhere.
        if (has_column("name") && has_column("full_name"))
            sql("UPDATE users SET full_name = name WHERE full_name IS DISTINCT FROM name AND full_name IS NOT NULL");
        EXPECT_EQ(oracle->rows(ran.status == 0), "") << told(ran);
        for (auto const& act : there)
            if (act.name != "a foreign leaf" && !act.takes_away.empty()) sql(act.takes_away);
        if (undoes) {
            auto const abort = weir({"abort", "rename-it"});
            EXPECT_EQ(abort.status, 6) << told(abort);
            expect_undone(*oracle, parts);
            count("undone");
            return;
        }
        if (ran.status != 0) recover();
        expect_done(*oracle, parts);
    });
}

}  // namespace
}  // namespace weir::tests
