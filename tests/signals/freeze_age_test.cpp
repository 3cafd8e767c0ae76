#include "orchestrator/signals/freeze_age.h"

#include "eye.h"

namespace weir {
namespace {

using namespace tests;

TEST(FreezeAgeTest, IsTheOldestDatabase) {
    auto& cluster = Cluster::shared();
    auto const database = cluster.create_database();
    Eye eye{cluster.conninfo(database.name, nobody(cluster))};
    FreezeAge signal;
    auto const before = eye.one(signal);
    ASSERT_TRUE(before.value) << before.problem;
    EXPECT_EQ(before.signal, "freeze_age");
    EXPECT_EQ(before.unit, "transactions");
    EXPECT_THAT(before.remark, testing::StartsWith("database "));
    Client client{database.conninfo};
    EXPECT_NEAR(*before.value, std::stod(client.value("SELECT max(age(datfrozenxid)) FROM pg_database")), 5);
    for (int i = 0; i < 50; ++i) client.exec("SELECT pg_current_xact_id()");
    EXPECT_GE(*eye.one(signal).value, *before.value + 50);
}

TEST(FreezeAgeTest, MultixactsCountWhenTheyAreOlder) {
    FreezeAge signal;
    auto readings = signal.read(tests::answer_of({{"100", "2000", "shop"}}), Millis{0});
    ASSERT_EQ(readings.size(), 1U);
    EXPECT_EQ(readings[0].value, 2000);
    EXPECT_EQ(readings[0].remark, "multixacts of database shop");
    readings = signal.read(tests::answer_of({{"300", "200", "shop"}}), Millis{0});
    EXPECT_EQ(readings[0].value, 300);
    EXPECT_EQ(readings[0].remark, "database shop");
}

}  // namespace
}  // namespace weir
