#include "orchestrator/postgres/settings.h"

#include <gtest/gtest.h>

#include "server.h"

namespace weir {
namespace {

using testing::Caller;
using testing::Server;

class OwnersSettings : public ::testing::Test {
  protected:
    void SetUp() override {
        server.psql(database, "CREATE ROLE " + owner + "; CREATE SCHEMA \"" + owner +
                                  "\"; CREATE TABLE things (id int); ALTER TABLE things OWNER TO " + owner);
        ASSERT_EQ(caller.connect().fate, Fate::done);
    }
    void TearDown() override { server.psql(database, "DROP OWNED BY " + owner + "; DROP ROLE " + owner); }

    /// `value (from)`; empty when it is not told.
    std::string told(std::string const& name) {
        TableName const things{Ident::of("public"), Ident::of("things")};
        auto const read = settings_answer(caller.execute(settings_batch({things}), Transaction::implicit,
                                                         Limits{Millis{1000}, Millis{5000}, Millis{10000}}));
        if (auto const* problem = std::get_if<Problem>(&read)) return to_text(*problem);
        for (auto const& setting : std::get<0>(read).at(owner))
            if (setting.name == name) return setting.value + (setting.hidden ? " hidden (" : " (") + setting.from + ")";
        return "";
    }
    void alter(std::string const& what) { server.psql(database, "ALTER " + what); }

    Server& server{Server::instance()};
    std::string database{server.create_database()};
    std::string owner{"owner_" + database};
    Caller caller{server.conninfo(database)};
};

TEST_F(OwnersSettings, TheNearestWins) {
    EXPECT_EQ(told("intervalstyle"), "");
    alter("DATABASE " + database + " SET intervalstyle = 'sql_standard'");
    EXPECT_EQ(told("intervalstyle"), "sql_standard (database " + database + ")");
    alter("ROLE " + owner + " SET intervalstyle = 'iso_8601'");
    EXPECT_EQ(told("intervalstyle"), "iso_8601 (role " + owner + ")");
    alter("ROLE " + owner + " IN DATABASE " + database + " SET intervalstyle = 'postgres_verbose'");
    EXPECT_EQ(told("intervalstyle"), "postgres_verbose (role " + owner + " in database " + database + ")");
}

TEST_F(OwnersSettings, UserInThePathIsTheOwner) {
    EXPECT_EQ(told("search_path"), owner + ", public (the server)");
    alter("DATABASE " + database + " SET search_path = app, \"$user\", \"$user x\", public");
    EXPECT_EQ(told("search_path"), "app, " + owner + ", \"$user x\", public (database " + database + ")");
}

TEST_F(OwnersSettings, OfApplicationsAndExtensionsToo) {
    alter("DATABASE " + database + " SET app.tenant = 'it''s = 1'");
    alter("ROLE " + owner + " SET \"App\".\"Region\" = 'eu'");
    EXPECT_EQ(told("app.tenant"), "it's = 1 (database " + database + ")");
    EXPECT_EQ(told("app.region"), "eu (role " + owner + ")");
    // How weir works is weir's own.
    alter("DATABASE " + database + " SET statement_timeout = '1s'");
    alter("DATABASE " + database + " SET weir.batch = 'on'");
    EXPECT_EQ(told("statement_timeout") + told("weir.batch"), "");
}

TEST_F(OwnersSettings, AValueThatIsNoneAnyMoreIsPassedOver) {
    alter("DATABASE " + database + " SET timezone = 'Asia/Tokyo'");
    alter("ROLE " + owner + " SET timezone = 'Asia/Kolkata'");
    server.psql(database, "UPDATE pg_db_role_setting SET setconfig = '{TimeZone=Mars/Base}' WHERE setrole = '" + owner +
                              "'::regrole");
    EXPECT_EQ(told("timezone"), "Asia/Tokyo (database " + database + ")");
}

TEST_F(OwnersSettings, NothingIsLeftInTheSession) {
    alter("DATABASE " + database + " SET timezone = 'Asia/Tokyo'");
    auto const now = [&] {
        auto const shown =
            caller.execute({sql("SELECT current_setting('timezone') || current_setting('search_path') || "
                                "current_setting('datestyle')")});
        return shown.rows.at(0).fields.at(0).value_or("");
    };
    auto const before = now();
    EXPECT_NE(told("timezone"), "");
    EXPECT_EQ(now(), before);
}

}  // namespace
}  // namespace weir
