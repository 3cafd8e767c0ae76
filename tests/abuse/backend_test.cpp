/// A row that ends the process of whoever updates it in a batch: the run stops before it has done much harm.
#include <iostream>

#include "abuse.h"

namespace weir::tests {
namespace {

class Backends : public ServerAbuse {
  protected:
    /// By a crash, which makes the server end all sessions and recover; or only this session.
    /// The row is none of the writers': what they write they fill, and what they delete ends no batch any more.
    void poison(bool crash) const {
        sql("INSERT INTO users (id, name) VALUES (1500000000, 'poison'); INSERT INTO witness VALUES (-1500000000, "
            "'insert', 1500000000, 0, 'poison')");
        sql(std::string{"CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                        "IF current_setting('weir.batch', true) = 'on' THEN "} +
            (crash ? "EXECUTE format('COPY (SELECT 1) TO PROGRAM %L', 'kill -9 ' || pg_backend_pid()); "
                   : "PERFORM pg_terminate_backend(pg_backend_pid()); ") +
            "PERFORM pg_sleep(60); END IF; RETURN new; END $$");
        sql("CREATE TRIGGER poison BEFORE UPDATE ON users FOR EACH ROW WHEN (old.id = 1500000000) EXECUTE FUNCTION "
            "poison()");
    }
};

TEST_F(Backends, ThatABatchEndsStopTheRunAtTheFourth) {
    std::size_t most = 0;
    abuse(1, 50, [&](Dice& dice) {
        auto const oracle = make(dice);
        bool const crash = dice.below(4) != 0;
        poison(crash);
        auto const before = weir::tests::count(cluster.log(), "all server processes terminated");
        auto process = begin({"--approve", "all"});
        auto const ran = wait(process, 400s);
        EXPECT_EQ(ran.status, 4) << told(ran);
        EXPECT_TRUE(has(ran.out, "connection-lost") && has(ran.out, "lost 4 times") && has(ran.out, "pages "))
            << told(ran);
        // The last crash is not recovered from yet.
        ASSERT_TRUE(wait_until([&] { return try_query(db.conninfo, "SELECT 1").empty(); }, 60s));
        auto const restarts = weir::tests::count(cluster.log(), "all server processes terminated") - before;
        EXPECT_EQ(restarts, crash ? 4U : 0U);
        most = std::max(most, restarts);
        count(crash ? "crashes" : "sessions ended");
        EXPECT_EQ(oracle->rows(), "") << "beside a run that stopped";
        sql("DROP TRIGGER poison ON users; DROP FUNCTION poison()");
        recover();
        sql("DELETE FROM users WHERE id = 1500000000; DELETE FROM witness WHERE id = 1500000000");
        expect_done(*oracle);
    });
    std::cout << "the server restarted " << most << " times a run at most\n";
}

}  // namespace
}  // namespace weir::tests
