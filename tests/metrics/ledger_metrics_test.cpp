#include "metrics/ledger_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace weir {
namespace {

using testing::HasSubstr;
using testing::Not;

std::vector<RunSeen> history(int runs) {
    std::vector<RunSeen> all;
    for (int i = 0; i < runs; ++i)
        all.push_back({.plan = "plan-" + std::to_string(1000 + i),
                       .state = "done",
                       .over = true,
                       .began = 1000.0 * i,
                       .last_entry = 1000.0 * i + 7});
    return all;
}

TEST(LedgerMetrics, TellTheNewestRunOfEachPlan) {
    auto const text = ledger_metrics("shop", 1'764'000'000.5,
                                     {{.plan = "a", .state = "undone", .over = true, .began = 1, .last_entry = 2},
                                      {.plan = "b", .state = "running", .led = true, .began = 3, .last_entry = 4},
                                      {.plan = "a",
                                       .state = "quarantined",
                                       .began = 5,
                                       .last_entry = 6,
                                       .quarantine_ends = 7,
                                       .values_not_back = 2}});
    for (auto const* line : {"weir_ledger_read_timestamp_seconds{database=\"shop\"} 1764000000.5\n",
                             "weir_ledger_runs{database=\"shop\",state=\"undone\"} 1\n",
                             "weir_ledger_runs{database=\"shop\",state=\"done\"} 0\n",
                             "weir_ledger_run_state{database=\"shop\",plan=\"a\",state=\"quarantined\"} 1\n",
                             "weir_ledger_run_led{database=\"shop\",plan=\"a\"} 0\n",
                             "weir_ledger_run_led{database=\"shop\",plan=\"b\"} 1\n",
                             "weir_ledger_run_began_timestamp_seconds{database=\"shop\",plan=\"b\"} 3\n",
                             "weir_ledger_run_last_entry_timestamp_seconds{database=\"shop\",plan=\"a\"} 6\n",
                             "weir_ledger_quarantine_ends_timestamp_seconds{database=\"shop\",plan=\"a\"} 7\n",
                             "weir_ledger_quarantine_values_not_back{database=\"shop\",plan=\"a\"} 2\n"})
        EXPECT_THAT(text, HasSubstr(line));
    EXPECT_THAT(text, Not(HasSubstr("plan=\"a\",state=\"undone\"")));
    EXPECT_THAT(text, Not(HasSubstr("quarantine_ends_timestamp_seconds{database=\"shop\",plan=\"b\"")));
}

TEST(LedgerMetrics, DoNotGrowWithTheHistory) {
    auto const lines = [](int runs) {
        auto const text = ledger_metrics("shop", 1, history(runs));
        return std::count(text.begin(), text.end(), '\n');
    };
    EXPECT_GT(lines(20), lines(19));
    EXPECT_EQ(lines(1000), lines(20));
    auto runs = history(100);
    runs.insert(runs.begin(), {.plan = "waits", .state = "waiting", .began = 0, .last_entry = 0});
    auto const text = ledger_metrics("shop", 1, runs);
    EXPECT_THAT(text, HasSubstr("plan=\"waits\"")) << "old, and not over";
    EXPECT_THAT(text, HasSubstr("plan=\"plan-1099\""));
    EXPECT_THAT(text, HasSubstr("plan=\"plan-1080\""));
    EXPECT_THAT(text, Not(HasSubstr("plan=\"plan-1079\"")));
    EXPECT_THAT(text, HasSubstr("weir_ledger_runs{database=\"shop\",state=\"done\"} 100\n"));
}

TEST(LedgerMetrics, AnEmptyLedgerIsToldAsOne) {
    auto const text = ledger_metrics("a\"b\\c\nd", 1, {});
    EXPECT_THAT(text, HasSubstr("weir_ledger_runs{database=\"a\\\"b\\\\c\\nd\",state=\"running\"} 0\n"));
    EXPECT_THAT(text, Not(HasSubstr("plan=")));
}

}  // namespace
}  // namespace weir
