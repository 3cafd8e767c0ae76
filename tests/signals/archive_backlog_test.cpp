#include "orchestrator/signals/archive_backlog.h"

#include "eye.h"

namespace weir {
namespace {

using namespace tests;
using testing::HasSubstr;

constexpr double segment = 1 << 24;

/// A server of its own that archives.
struct ArchiveBacklogTest : testing::Test {
    static void SetUpTestSuite() {
        cluster = std::make_unique<Cluster>(Cluster::Options{
            .settings = {"archive_mode = on", "archive_command = 'true'", "wal_keep_size = 0"}, .hba = {}});
    }
    static void TearDownTestSuite() { cluster.reset(); }
    void write() {
        client.exec("SELECT pg_logical_emit_message(false, 'weir', repeat('x', 1000))");
        client.exec("SELECT pg_switch_wal()");
    }
    void archive_by(std::string const& command) { cluster->set("archive_command", command); }

    inline static std::unique_ptr<Cluster> cluster;
    Client client{cluster->conninfo()};
    Eye eye{cluster->conninfo()};
    ArchiveBacklog signal;
};

TEST_F(ArchiveBacklogTest, WhatIsArchivedIsNoBacklog) {
    archive_by("true");
    write();
    auto const reading = eye.until(signal, [](Reading const& r) { return r.value == 0; });
    EXPECT_EQ(reading.signal, "archive_backlog");
    EXPECT_EQ(reading.unit, "B");
    EXPECT_EQ(reading.remark, "");
}

TEST_F(ArchiveBacklogTest, AFailingArchiverGrowsABacklogAndIsTold) {
    archive_by("false");
    auto const name = client.value("SELECT pg_walfile_name(pg_current_wal_insert_lsn())");
    write();
    EXPECT_GE(eye.until(signal, [](Reading const& r) { return r.value > 0; }).value, segment);
    auto const failing = eye.until(signal, [](Reading const& r) { return !r.remark.empty(); });
    EXPECT_THAT(failing.remark, testing::MatchesRegex("archiving [0-9A-F]+ failed last"));
    write();
    write();
    EXPECT_EQ(eye.one(signal).value, *failing.value + 2 * segment);

    archive_by("true");
    auto const after = eye.until(signal, [](Reading const& r) { return r.value == 0; });
    EXPECT_EQ(after.remark, "");
}

TEST_F(ArchiveBacklogTest, NeedsPgMonitor) {
    auto const role = nobody(*cluster);
    Eye plain{cluster->conninfo("postgres", role)};
    auto const reading = plain.one(signal);
    EXPECT_FALSE(reading.value);
    EXPECT_EQ(reading.problem,
              "permission denied for function pg_ls_archive_statusdir; GRANT pg_monitor TO weir's role");
    client.exec("GRANT pg_monitor TO " + role);
    EXPECT_TRUE(plain.one(signal).value);
}

TEST_F(ArchiveBacklogTest, WithoutArchivingThereIsNoneAndNoPrivilegeNeeded) {
    auto& shared = Cluster::shared();
    Eye plain{shared.conninfo("postgres", nobody(shared))};
    auto const reading = plain.one(signal);
    EXPECT_EQ(reading.value, 0) << reading.problem;
}

}  // namespace
}  // namespace weir
