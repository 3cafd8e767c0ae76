// Goal: a connection that a batch ends by itself, or that is not to be had, is tried again ever more rarely, and the
// run says what to do.
#include <regex>

#include "tests/support/bench.h"

namespace weir::tests {
namespace {

using ::testing::HasSubstr;

class Reconnects : public ::testing::Test, public Bench {};

TEST_F(Reconnects, ARowThatEndsItsSessionIsFoundByItsPages) {
    make_users(*this, 5000);
    sql("CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(60); RETURN new; END $$;"
        "CREATE TRIGGER poison BEFORE UPDATE ON users FOR EACH ROW WHEN (old.id = 3333) EXECUTE FUNCTION poison()");
    auto const file = plan(std::string{rename_plan} + "throttle: none\n");
    auto process = start({"run", file, "--approve", "all", "--progress", "json"});
    auto const ran = wait(process, 300s);
    EXPECT_EQ(ran.status, 4) << told(ran);
    EXPECT_THAT(ran.out, HasSubstr("connection-lost"));
    EXPECT_EQ(count(ran.out, "\"event\":\"connection_lost\""), 4U);
    std::smatch pages;
    ASSERT_TRUE(std::regex_search(ran.out, pages,
                                  std::regex{"lost 4 times[^\"]*step backfill.1, pages (\\d+) to (\\d+) of users"}))
        << told(ran);
    auto const page = std::stol(value("SELECT (ctid::text::point)[0]::int FROM users WHERE id = 3333"));
    EXPECT_LE(std::stol(pages[1]), page);
    EXPECT_GE(std::stol(pages[2]), page);
    EXPECT_LT(std::stol(pages[2]) - std::stol(pages[1]), 8) << "it was narrowed down";
    sql("DROP TRIGGER poison ON users");
    EXPECT_EQ(finish(file).status, 0);
    EXPECT_EQ(ledger_faults(), "") << entries();
}

TEST_F(Reconnects, SessionsThatAreNotToBeHadAreTriedEverMoreRarely) {
    make_users(*this, 100);
    sql("DROP ROLE IF EXISTS few; CREATE ROLE few LOGIN; ALTER TABLE users OWNER TO few; GRANT CREATE ON DATABASE " +
        db.name + " TO few; GRANT CREATE ON SCHEMA public TO few; GRANT pg_monitor TO few");
    user = "few";
    auto process = start({"run", plan(std::string{rename_plan} + "throttle: none\n"), "--progress", "json"});
    ASSERT_TRUE(wait_until([&] { return has(process.out(), "\"gate_opened\"") || !process.running(); }, 30s))
        << process.out() << process.err();
    // Enough for the control session, and not for the hands.
    sql("ALTER ROLE few CONNECTION LIMIT 2");
    sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'weir rename-it %' AND "
        "datname = current_database()");
    ASSERT_TRUE(wait_until([&] { return has(process.out(), "weir goes on trying") || !process.running(); }, 60s));
    auto const told_so_far = process.out();
    EXPECT_TRUE(process.running()) << told_so_far << process.err();
    // 0.1, 0.2, 0.4, 0.8, 1.6 s apart: the one after 3 s tells.
    EXPECT_LE(count(told_so_far.substr(0, told_so_far.find("weir goes on trying")), "\"event\":\"connection_lost\""),
              7U);
    EXPECT_THAT(told_so_far, HasSubstr("too many connections"));
    sql("ALTER ROLE few CONNECTION LIMIT -1");
    ASSERT_EQ(weir({"approve", "rename-it", "contract"}).status, 0);
    EXPECT_EQ(wait(process).status, 0) << process.out();
    EXPECT_EQ(ledger_faults(), "") << entries();
    user = "postgres";
}

}  // namespace
}  // namespace weir::tests
