/// Several workers on one table and on many leaves: each row once, and nobody in another's way.
#include "filling.h"

namespace weir::tests {
namespace {

class Workers : public Filling, public ::testing::WithParamInterface<std::string> {
  protected:
    void SetUp() override { log_before_ = cluster.log().size(); }
    /// No worker waited for a row of another's: the server says `while updating tuple` then. (A wait without such a
    /// line is for the lock under which a table gets longer; it is over in a moment, but on a busy machine that may be
    /// longer than a batch waits.)
    void expect_apart() {
        EXPECT_EQ(times("batch_retried", "deadlock"), 0U);
        auto const log = cluster.log().substr(log_before_);
        EXPECT_FALSE(has(log, "ing tuple (")) << log;
    }
    std::string workers() const { return "batch: { workers: " + GetParam() + " }\n"; }

  private:
    std::size_t log_before_{};
};

TEST_P(Workers, OnOneTable) {
    make({.rows = 30'000});
    fill(rename(workers()), "backfill");
    ASSERT_EQ(ran.status, 0) << told(ran);
    EXPECT_EQ(wrong(), "0");
    EXPECT_EQ(rows_told(), 30'000);
    EXPECT_EQ(ledger_rows(), "same");
    expect_apart();
    EXPECT_GE(hot_share(30'000), 0.6);
}

TEST_P(Workers, OnSixteenLeavesOfAllSizes) {
    sql("CREATE TABLE users (id bigint NOT NULL, name text NOT NULL, note text) PARTITION BY LIST (id)");
    int rows = 0;
    for (int i = 0; i < 16; ++i) {
        // 0, 0, 1, 60, 3000 and 9000 rows.
        int const each = std::vector<int>{0, 3000, 1, 60, 9000, 0, 700, 2}[static_cast<std::size_t>(i % 8)];
        auto const leaf = "users_" + std::to_string(i);
        sql("CREATE TABLE " + leaf + " PARTITION OF users FOR VALUES IN (" + std::to_string(i) + "); INSERT INTO " +
            leaf + " SELECT " + std::to_string(i) + ", 'user ' || j, repeat('x', 40) FROM generate_series(1, " +
            std::to_string(each) + ") j");
        rows += each;
    }
    sql("CREATE INDEX ON users (note); ANALYZE users");
    fill(rename(workers()), "backfill");
    ASSERT_EQ(ran.status, 0) << told(ran);
    EXPECT_EQ(wrong(), "0");
    EXPECT_EQ(rows_told(), rows);
    EXPECT_EQ(ledger_rows(), "same");
    expect_apart();
}

INSTANTIATE_TEST_SUITE_P(Are, Workers, ::testing::Values("1", "4", "8", "auto"));

}  // namespace
}  // namespace weir::tests
