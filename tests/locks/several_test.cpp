// Goal: a step that needs several busy tables gets them, forward and back, and nobody waits long for it.
#include <iostream>

#include "tests/support/bench.h"

namespace weir::tests {
namespace {

using ::testing::HasSubstr;
using Clock = std::chrono::steady_clock;

/// Sessions that leave a table no gap: each holds it for some milliseconds, and begins again.
class Busy {
  public:
    Busy(std::string const& conninfo, std::string const& table, int sessions = 8) {
        for (int i = 0; i < sessions; ++i)
            threads_.emplace_back(
                [this, conninfo, text = "BEGIN; SELECT FROM " + table + " LIMIT 1; SELECT pg_sleep(0.005); COMMIT"] {
                    Client client{conninfo};
                    while (!stopping_) {
                        auto const began = Clock::now();
                        if (!client.try_exec(text).empty()) {
                            ++errors_;
                            (void)client.try_exec("ROLLBACK");
                        }
                        long const took =
                            std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - began).count();
                        for (long seen = longest_; took > seen && !longest_.compare_exchange_weak(seen, took);) {
                        }
                        ++done_;
                    }
                });
    }
    ~Busy() { stop(); }
    Busy(Busy const&) = delete;
    Busy& operator=(Busy const&) = delete;
    void stop() {
        stopping_ = true;
        for (auto& thread : threads_)
            if (thread.joinable()) thread.join();
    }
    bool more(long n) const {
        return wait_until([&, until = done_ + n] { return done_ >= until; }, 30s);
    }
    /// The longest since this was asked last.
    std::chrono::milliseconds longest() { return std::chrono::milliseconds{longest_.exchange(0)}; }
    int errors() const { return errors_; }

  private:
    std::atomic<bool> stopping_{};
    std::atomic<long> longest_{}, done_{};
    std::atomic<int> errors_{};
    std::vector<std::thread> threads_;
};

class SeveralTables : public ::testing::Test, public Bench {
  protected:
    /// orders refers to users and shops, shops to users: by name it would be orders, shops, users by chance only.
    void make_tables() const {
        sql(R"(CREATE TABLE a_users (id int PRIMARY KEY);
CREATE TABLE b_shops (id int PRIMARY KEY, owner int REFERENCES a_users);
CREATE TABLE orders (id int PRIMARY KEY, buyer int REFERENCES a_users, shop int REFERENCES b_shops);
INSERT INTO a_users SELECT generate_series(1, 50);
INSERT INTO b_shops SELECT i, i FROM generate_series(1, 20) i;
INSERT INTO orders SELECT i, 1 + i % 50, 1 + i % 20 FROM generate_series(1, 500) i)");
    }
};

TEST_F(SeveralTables, ADropGetsThemThoughTheOneReferredToIsNeverFree) {
    make_tables();
    auto const file = plan(R"(weir: 1
name: drop-it
contract:
  - drop_table: { table: orders }
locks: { give_up: 60s }
)");
    Busy users{db.conninfo, "a_users"};
    ASSERT_TRUE(users.more(200));
    (void)users.longest();
    ASSERT_TRUE(users.more(400));
    auto const calm = users.longest();
    auto const ran = weir({"run", file, "--approve", "all"}, {}, 90s);
    auto const through = users.longest();
    users.stop();
    std::cout << "longest by itself " << calm.count() << " ms, beside the run " << through.count() << " ms\n";
    EXPECT_EQ(ran.status, 0) << told(ran);
    EXPECT_EQ(value("SELECT to_regclass('orders') IS NULL"), "t");
    EXPECT_EQ(users.errors(), 0);
    // The bound is 100 ms; a machine with few cores needs room beside it.
    EXPECT_LT(through, 2 * calm + 100ms + 400ms);
    EXPECT_EQ(ledger_faults(), "");
}

TEST_F(SeveralTables, AKeyIsLiftedAndComesBackThoughBothAreNeverFree) {
    make_tables();
    auto const before = dump();
    auto const file = plan(R"(weir: 1
name: keep-it
contract:
  - drop_table: { table: orders }
drop: { quarantine: 7d }
locks: { give_up: 60s }
)");
    Busy users{db.conninfo, "a_users", 6};
    Busy shops{db.conninfo, "b_shops", 6};
    ASSERT_TRUE(users.more(100));
    auto const ran = weir({"run", file, "--approve", "all"}, {}, 120s);
    ASSERT_EQ(ran.status, 0) << told(ran);
    EXPECT_EQ(value("SELECT count(*) FROM pg_constraint WHERE conrelid = 'weir_q1_orders'::regclass AND contype = 'f'"),
              "0");
    Ran back;
    wait_until([&] {
        back = weir({"rollback", "keep-it"}, {}, 120s);
        return !has(back.err, "[other-leader]");
    });
    EXPECT_EQ(back.status, 6) << told(back);
    users.stop();
    shops.stop();
    EXPECT_EQ(users.errors(), 0);
    EXPECT_EQ(shops.errors(), 0);
    EXPECT_EQ(dump(), before);
}

}  // namespace
}  // namespace weir::tests
