#pragma once
/// Killed at every string of a command (in the default lanes at every second, with sanitizers every fifth), which is
/// then given again. Each time in a copy of one database.
#include <gtest/gtest.h>

#include <csignal>
#include <iostream>
#include <string>

#include "tests/support/bench.h"

namespace weir::tests {

template <class Base>
class KilledIn : public Base {
  protected:
    Database made;  ///< what is copied
    /// Every string only in the full rounds.
    int const every = long_run() ? 1 : sanitized ? 5 : 2;

    /// Bench::db is a copy of `made` from now on.
    void copy() {
        static int number = 0;
        auto const name = made.name + "_" + std::to_string(++number);
        auto const admin = this->cluster.conninfo("template1");
        wait_until([&] {
            return query_value(admin, "SELECT count(*) FROM pg_stat_activity WHERE datname = '" + made.name + "'") ==
                   "0";
        });
        query(admin, "CREATE DATABASE " + name + " TEMPLATE " + made.name);
        this->db = {name, this->cluster.conninfo(name), this->cluster.url(name)};
    }

    /// Until the command ends with `end`. `dead`: what is found after the kill; `expect`: what the second one leaves.
    template <class Dead, class Expect>
    void sweep(Words const& words, int end, int at_least, Dead dead, Expect expect) {
        // Before a string or after it: the other one in the next sweep.
        for (int way = 0; way < (long_run() ? 2 : 1); ++way) {
            int crashes = 0;
            for (int n = 1;; n += every) {
                copy();
                auto const when = ((n / every + way) % 2 == 0 ? "before:" : "after:") + std::to_string(n);
                auto const crashed = this->weir(words, {{"WEIR_CRASH", when}});
                if (crashed.status == end) break;
                ASSERT_EQ(crashed.status, 128 + SIGKILL) << when << told(crashed);
                ++crashes;
                dead(when);
                expect(when, this->again(words));
                if (this->HasFailure()) return;
            }
            std::cout << "crashed " << crashes << " times\n";
            EXPECT_GE(crashes, at_least / every);
        }
    }
};

}  // namespace weir::tests
