// The ledger on a real server: an earlier version's, and the statements of the heartbeat.
#include "orchestrator/postgres/leadership.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>

#include "server.h"

namespace weir {
namespace {

using testing::Server;

TEST(ControlName, TellsPlansApartWhoseNamesBeginAlike) {
    EXPECT_EQ(control_name("p"), "weir p control");
    std::string const alike(58, 'a');
    EXPECT_LE(control_name(alike + "-1").size(), 63U);
    EXPECT_NE(control_name(alike + "-1"), control_name(alike + "-2"));
    EXPECT_EQ(control_name(std::string(50, 'b')), "weir " + std::string(50, 'b') + " control");
}

struct LedgerTest : ::testing::Test {
    LedgerTest() {
        auto opened = Asker::open(io, server.conninfo(database), {"weir p control", true});
        if (auto const* problem = std::get_if<Problem>(&opened)) throw std::runtime_error{to_text(*problem)};
        asker = std::get<std::unique_ptr<Asker>>(std::move(opened));
        if (auto const problem = make_ledger(*asker)) throw std::runtime_error{to_text(*problem)};
    }
    Epoch raise() {
        auto const raised = raise_and_wait(*asker);
        auto const* problem = std::get_if<Problem>(&raised);
        EXPECT_EQ(problem, nullptr) << to_text(*problem);
        return problem == nullptr ? std::get<Epoch>(raised) : Epoch{};
    }
    std::string value(Batch batch, std::size_t field = 0) {
        auto const outcome = asker->ask(std::move(batch));
        EXPECT_EQ(outcome.fate, Fate::done) << outcome.message;
        if (outcome.rows.empty()) return "no row";
        return outcome.rows[0].fields.at(field).value_or("null");
    }
    std::string psql(std::string const& text) { return server.psql(database, text); }
    /// As the first version left it.
    void make_old() {
        psql(
            "DROP TABLE weir.heartbeat; UPDATE weir.meta SET version = 1;"
            "ALTER TABLE weir.orders DROP CONSTRAINT orders_word_check,"
            " ADD CONSTRAINT orders_word_check CHECK (word IN ('approve', 'abort'))");
    }
    static constexpr auto shape =
        "SELECT c.relname, a.attname, a.atttypid::regtype, a.attnotnull, c.reloptions FROM pg_attribute a "
        "JOIN pg_class c ON c.oid = a.attrelid WHERE c.relnamespace = 'weir'::regnamespace AND a.attnum > 0 ORDER BY "
        "1, "
        "a.attnum; SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = "
        "'weir'::regnamespace ORDER BY 1; SELECT version FROM weir.meta";

    Server& server{Server::instance()};
    std::string database{server.create_database()};
    boost::asio::io_context io;
    std::unique_ptr<Asker> asker;
};

TEST_F(LedgerTest, an_earlier_version_becomes_this_one_with_the_first_lead) {
    auto const fresh = psql(shape);
    raise();
    EXPECT_EQ(psql(shape), fresh) << "one of this version stays as it is";
    make_old();
    EXPECT_NE(psql(shape), fresh);
    raise();
    EXPECT_EQ(psql(shape), fresh);
}

TEST_F(LedgerTest, an_upgrade_is_refused_beside_a_publication_for_all_tables) {
    make_old();
    psql("CREATE PUBLICATION everything FOR ALL TABLES");
    auto const raised = raise_and_wait(*asker);
    auto const* problem = std::get_if<Problem>(&raised);
    ASSERT_NE(problem, nullptr);
    EXPECT_EQ(problem->code, Code::not_now);
    EXPECT_EQ(psql("SELECT to_regclass('weir.heartbeat') IS NULL"), "t");
}

TEST_F(LedgerTest, beats_count_on_whoever_writes_them) {
    auto const first = raise();
    EXPECT_EQ(value(read_beat(RunId{7}), 1), "null");
    EXPECT_EQ(value(read_picture(RunId{7})), "no row");
    EXPECT_EQ(value(write_beat(RunId{7}, first)), "1");
    EXPECT_EQ(value(write_beat(RunId{7}, first)), "2");
    EXPECT_EQ(value(write_beat(RunId{8}, first)), "1");
    auto const second = raise();
    auto const late = asker->ask(write_beat(RunId{7}, first));
    EXPECT_EQ(late.fate, Fate::fenced);
    EXPECT_EQ(asker->ask(write_picture(RunId{7}, first, "{}")).fate, Fate::fenced);
    EXPECT_EQ(value(write_beat(RunId{7}, second)), "3");
    EXPECT_EQ(value(read_beat(RunId{7}), 0), "f");
    EXPECT_EQ(value(read_beat(RunId{7}), 1), "3");
}

TEST_F(LedgerTest, a_picture_stands_beside_the_beat) {
    auto const epoch = raise();
    value(write_beat(RunId{7}, epoch));
    EXPECT_EQ(value(read_picture(RunId{7}), 2), "null");
    value(write_picture(RunId{7}, epoch, R"({"plan": "it's \\ here"})"));
    EXPECT_EQ(value(read_picture(RunId{7}), 2), R"({"plan": "it's \\ here"})");
    EXPECT_EQ(value(write_beat(RunId{7}, epoch)), "2");
    EXPECT_EQ(value(read_picture(RunId{7}), 0), "2");
    EXPECT_EQ(value(read_picture(RunId{7}), 2), R"({"plan": "it's \\ here"})");
    EXPECT_EQ(asker->ask(write_picture(RunId{7}, epoch, "{")).fate, Fate::refused);
}

TEST_F(LedgerTest, beats_stay_on_their_page) {
    auto const epoch = raise();
    value(write_beat(RunId{7}, epoch));
    value(write_picture(RunId{7}, epoch, "{\"state\":\"" + std::string(1500, 'x') + "\"}"));
    for (int i = 0; i < 300; ++i) value(write_beat(RunId{7}, epoch));
    EXPECT_EQ(psql("SELECT pg_relation_size('weir.heartbeat') <= 16384"), "t");
}

}  // namespace
}  // namespace weir
