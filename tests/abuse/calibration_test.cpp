/// The oracle itself: it finds nothing where there is nothing, and each of three faults that are planted. What changes
/// the table here is not weir but a migration of a few statements, so that the fault is its own.
#include "abuse.h"

namespace weir::tests {
namespace {

class Calibration : public ::testing::Test, public Bench {
  protected:
    static constexpr int rows = 2000;

    std::unique_ptr<Oracle> make(bool retries_in_doubt = false) {
        make_oracle(*this, rows);
        auto oracle = std::make_unique<Oracle>(
            db.conninfo, Oracle::Options{.sessions = 3, .rows = rows, .seed = 7, .retries_in_doubt = retries_in_doubt});
        EXPECT_TRUE(oracle->more(50));
        return oracle;
    }
    /// The column with what keeps it equal, in one transaction.
    void expand() const {
        sql(R"(ALTER TABLE users ADD COLUMN full_name varchar(80);
CREATE FUNCTION toy() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
IF TG_OP = 'INSERT' THEN
    IF new.full_name IS NULL THEN new.full_name := new.name; ELSE new.name := new.full_name; END IF;
ELSIF new.full_name IS DISTINCT FROM old.full_name THEN new.name := new.full_name;
ELSE new.full_name := new.name; END IF;
RETURN new; END $$;
CREATE TRIGGER toy BEFORE INSERT OR UPDATE ON users FOR EACH ROW EXECUTE FUNCTION toy())");
    }
    /// In chunks of 200, and at last what the writers inserted before there was a column; `skipped` is left out.
    void fill(int skipped = -1) const {
        std::string const update = "UPDATE users SET full_name = name WHERE full_name IS NULL AND id ";
        for (int chunk = 0; chunk < rows / 200; ++chunk)
            if (chunk != skipped)
                sql(update + "BETWEEN " + std::to_string(chunk * 200 + 1) + " AND " +
                    std::to_string((chunk + 1) * 200));
        sql(update + "> " + std::to_string(rows));
    }
    static constexpr char const* drop_trigger = "DROP TRIGGER toy ON users;";
    static constexpr char const* drop_column =
        "ALTER TABLE users ALTER COLUMN full_name SET DEFAULT 'nobody', DROP COLUMN name;";
};

TEST_F(Calibration, WithoutAMigrationNothingIsFound) {
    auto const oracle = make();
    EXPECT_TRUE(oracle->more(300));
    EXPECT_EQ(oracle->rows(), "") << "while they write";
    auto const verdict = oracle->judge();
    EXPECT_EQ(verdict.faults(), "");
    EXPECT_GE(verdict.acknowledged, 350);
    EXPECT_EQ(verdict.unknown, 0);
}

TEST_F(Calibration, ARightMigrationIsFoundRight) {
    auto const oracle = make();
    expand();
    EXPECT_TRUE(oracle->more(100));
    EXPECT_EQ(oracle->rows(), "");
    fill();
    EXPECT_TRUE(oracle->more(100));
    EXPECT_EQ(oracle->rows(true), "");
    sql(std::string{drop_trigger} + drop_column);
    EXPECT_TRUE(oracle->more(100));
    EXPECT_EQ(oracle->judge().faults(), "");
}

TEST_F(Calibration, AChunkThatIsSkippedIsFound) {
    auto const oracle = make();
    expand();
    fill(3);
    EXPECT_THAT(oracle->rows(true), ::testing::HasSubstr("wrong in full_name"));
    sql(std::string{drop_trigger} + drop_column);
    EXPECT_TRUE(oracle->more(20));
    EXPECT_THAT(oracle->judge().faults(), ::testing::HasSubstr("wrong in full_name"));
}

TEST_F(Calibration, ATriggerThatGoesOneTransactionEarlyIsFound) {
    auto const oracle = make();
    expand();
    fill();
    EXPECT_TRUE(oracle->more(50));
    sql(drop_trigger);
    EXPECT_TRUE(oracle->more(50));
    sql(drop_column);
    EXPECT_TRUE(oracle->more(50));
    EXPECT_THAT(oracle->judge().faults(), ::testing::HasSubstr("wrong in full_name"));
}

TEST_F(Calibration, ACommitInDoubtThatIsMadeAgainIsFound) {
    auto const oracle = make(true);
    EXPECT_TRUE(wait_until([&] { return !oracle->rows().empty(); }, 20s));
    EXPECT_THAT(oracle->judge().faults(), ::testing::HasSubstr("counted wrong"));
}

TEST_F(Calibration, WhatTheServerLosesIsToldApartFromWhatARunLoses) {
    auto const oracle = make();
    oracle->stop();
    // A transaction that is gone as if it had never been: with all it did.
    sql("WITH gone AS (DELETE FROM witness WHERE tx = (SELECT max(tx) FROM witness x WHERE kind = 'insert' AND tx > 0 "
        "AND NOT EXISTS (SELECT FROM witness o WHERE o.id = x.id AND o.tx <> x.tx)) RETURNING id) DELETE FROM users "
        "USING gone WHERE users.id = gone.id");
    auto const verdict = oracle->judge();
    EXPECT_EQ(verdict.lost, 1);
    EXPECT_EQ(verdict.faults_but_lost(), "");
    EXPECT_EQ(verdict.faults(), "1 acknowledged transactions are lost\n");
    // And a row that only the table lost.
    sql("DELETE FROM users WHERE id = 1");
    EXPECT_THAT(oracle->judge().faults_but_lost(), ::testing::HasSubstr("1 rows missing, such as 1"));
}

}  // namespace
}  // namespace weir::tests
