#include "orchestrator/signals/slot_retention.h"

#include "eye.h"

namespace weir {
namespace {

using namespace tests;
using testing::ElementsAre;
using testing::SizeIs;

/// A server of its own: slots and what they lose are the whole server's.
struct SlotRetentionTest : testing::Test {
    static void SetUpTestSuite() {
        cluster = std::make_unique<Cluster>(Cluster::Options{
            .settings = {"wal_keep_size = 0", "max_slot_wal_keep_size = -1", "max_replication_slots = 20"}, .hba = {}});
    }
    static void TearDownTestSuite() { cluster.reset(); }
    void TearDown() override {
        cluster->set("max_slot_wal_keep_size", "-1");
        client.exec("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots");
    }
    /// Fills one segment and begins another.
    void write() {
        client.exec("SELECT pg_logical_emit_message(false, 'weir', repeat('x', 1000))");
        client.exec("SELECT pg_switch_wal()");
    }

    inline static std::unique_ptr<Cluster> cluster;
    Client client{cluster->conninfo()};
    Eye eye{cluster->conninfo("postgres", nobody(*cluster))};
    SlotRetention signal;
};

TEST_F(SlotRetentionTest, NoSlotRetainsNothing) {
    auto const reading = eye.one(signal);
    EXPECT_EQ(reading.signal, "slot_retention");
    EXPECT_EQ(reading.unit, "B");
    EXPECT_EQ(reading.subject, "");
    EXPECT_EQ(reading.value, 0);
    EXPECT_EQ(reading.remark, "");
}

TEST_F(SlotRetentionTest, ASlotRetainsSinceItsPosition) {
    client.exec("SELECT pg_create_physical_replication_slot('backup', true)");
    client.exec("SELECT pg_create_physical_replication_slot('never_used')");
    auto const before = client.value(
        "SELECT pg_current_wal_insert_lsn() - restart_lsn FROM pg_replication_slots WHERE slot_name = 'backup'");
    write();
    write();
    auto const readings = eye.measure(signal);
    ASSERT_THAT(readings, SizeIs(2));
    EXPECT_EQ(readings[0].subject, "backup");
    EXPECT_EQ(readings[0].remark, "the slot is inactive");
    EXPECT_GT(*readings[0].value, std::stod(before) + (1 << 24));
    EXPECT_EQ(readings[1].subject, "never_used");
    EXPECT_EQ(readings[1].value, 0);
}

TEST_F(SlotRetentionTest, ASlotThatFallsBehindIsUnreservedThenLost) {
    client.exec("SELECT pg_create_physical_replication_slot('slow', true)");
    cluster->set("max_slot_wal_keep_size", "1MB");
    // wal_status of a slot that no checkpoint has judged yet.
    EXPECT_TRUE(wait_until([&] {
        write();
        return client.value("SELECT wal_status FROM pg_replication_slots") == "unreserved";
    }));
    auto const unreserved = eye.one(signal);
    EXPECT_GT(unreserved.value, 0);
    EXPECT_EQ(unreserved.remark, "the slot is unreserved: the next checkpoint may remove what it needs");
    client.exec("CHECKPOINT");
    ASSERT_EQ(client.value("SELECT wal_status FROM pg_replication_slots"), "lost");
    auto const lost = eye.one(signal);
    EXPECT_EQ(lost.subject, "slow");
    EXPECT_EQ(lost.value, 0);
    EXPECT_EQ(lost.remark, "the slot is lost: the WAL that it needs is gone");
}

TEST_F(SlotRetentionTest, TheEightWorst) {
    for (int i = 0; i < 10; ++i) {
        client.exec("SELECT pg_create_physical_replication_slot('slot_" + std::to_string(i) + "', true)");
        write();
        // A slot begins at the last one.
        client.exec("CHECKPOINT");
    }
    auto const readings = eye.measure(signal);
    ASSERT_THAT(readings, SizeIs(8));
    EXPECT_EQ(readings.front().subject, "slot_0");
    EXPECT_EQ(readings.back().subject, "slot_7");
    EXPECT_GT(*readings.front().value, *readings.back().value);
}

TEST_F(SlotRetentionTest, ReadsRowsOrNothing) {
    auto const readings =
        signal.read(answer_of({{"a", "70", "extended", "t"}, {"b", "7", {}, "f"}, {"c", "0", "lost", "f"}}), Millis{0});
    std::vector<std::string> remarks;
    for (auto const& reading : readings) remarks.push_back(reading.subject + ": " + reading.remark);
    EXPECT_THAT(remarks,
                ElementsAre("a: ", "b: the slot is inactive", "c: the slot is lost: the WAL that it needs is gone"));
    auto const broken = signal.read(answer_of({{"a", "70", "extended", "t"}, {"b", {}, {}, "f"}}), Millis{0});
    ASSERT_THAT(broken, SizeIs(1));
    EXPECT_FALSE(broken[0].value);
}

}  // namespace
}  // namespace weir
