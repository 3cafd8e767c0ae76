#include "orchestrator/signals/wal_rate.h"

#include "eye.h"

namespace weir {
namespace {

using namespace tests;

struct WalRateTest : testing::Test {
    /// The value at that time and position; -1: none.
    double at(int ms, std::int64_t lsn) {
        auto const readings = signal.read(answer_of({{std::to_string(lsn)}}), Millis{ms});
        EXPECT_EQ(readings.size(), 1U);
        EXPECT_EQ(readings[0].signal, "wal_rate");
        EXPECT_EQ(readings[0].unit, "B/s");
        EXPECT_EQ(readings[0].value.has_value(), readings[0].problem.empty());
        return readings[0].value.value_or(-1);
    }
    WalRate signal;
};

TEST_F(WalRateTest, IsTheDifferenceOverTwoSeconds) {
    EXPECT_EQ(at(0, 1000), -1);
    EXPECT_EQ(at(1000, 3000), 2000);
    EXPECT_EQ(at(2000, 3000), 1000);
    EXPECT_EQ(at(3000, 3000), 0) << "the first sample is out of the window";
    EXPECT_EQ(at(3500, 6000), 1200) << "from 1 s on";
    EXPECT_EQ(at(13'500, 16'000), 1000) << "a slow poll is its own window";
}

TEST_F(WalRateTest, ManyPollsMakeNoMemory) {
    at(0, 0);
    for (int ms = 25; ms < 100'000; ms += 25) ASSERT_DOUBLE_EQ(at(ms, ms * 1000LL), 1e6);
}

TEST_F(WalRateTest, APositionThatFallsBeginsAgain) {
    at(0, 1'000'000);
    at(1000, 2'000'000);
    EXPECT_EQ(at(2000, 900), -1);
    EXPECT_EQ(at(3000, 1000), 100);
}

TEST_F(WalRateTest, NoTimeIsNoRate) {
    EXPECT_EQ(at(0, 1000), -1);
    EXPECT_EQ(at(0, 2000), -1);
    EXPECT_EQ(at(500, 2000), 2000);
}

TEST_F(WalRateTest, AFailureLeavesTheHistory) {
    at(0, 1000);
    Outcome broken;
    broken.fate = Fate::canceled;
    broken.message = "canceling statement due to statement timeout";
    auto const readings = signal.read(broken, Millis{1000});
    ASSERT_EQ(readings.size(), 1U);
    EXPECT_EQ(readings[0].problem, "the primary did not answer: canceling statement due to statement timeout");
    EXPECT_EQ(at(2000, 3000), 1000);
}

TEST_F(WalRateTest, CountsWhatARealServerWrites) {
    auto const database = Cluster::shared().create_database();
    Eye eye{Cluster::shared().conninfo(database.name, nobody(Cluster::shared()))};
    eye.one(signal, Millis{0});
    Client client{database.conninfo};
    auto const before = client.value("SELECT pg_current_wal_insert_lsn()");
    client.exec("CREATE TABLE t AS SELECT repeat('x', 1000) AS x FROM generate_series(1, 2000)");
    auto const reading = eye.one(signal, Millis{1000});
    ASSERT_TRUE(reading.value) << reading.problem;
    auto const written =
        std::stod(client.value("SELECT pg_current_wal_insert_lsn() - " + sql_literal(before) + "::pg_lsn"));
    EXPECT_GE(*reading.value, 2'000'000);
    EXPECT_LE(*reading.value, written * 1.5) << "and little besides";
}

}  // namespace
}  // namespace weir
