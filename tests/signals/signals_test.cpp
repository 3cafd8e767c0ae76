#include "orchestrator/signals/signals.h"

#include "eye.h"
#include "plans/expression.h"

namespace weir {
namespace {

using namespace tests;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

UserExpr expression(std::string const& text) { return std::get<UserExpr>(declare_expression(text, Place{})); }

Asked everything() {
    return {.plan = "plan",
            .keys = {"wal_rate", "slot_retention", "freeze_age", "active_sessions", "blocked_by_us", "lock_queue",
                     "oldest_xmin", "archive_backlog", "replication_lag"},
            .tables = {{Ident::of("public"), Ident::of("users")}},
            .sql = {{"one", expression("(SELECT 1)")}, {"two", expression("(SELECT 2)")}}};
}

std::string name(Reading const& reading) {
    return reading.subject.empty() ? reading.signal : reading.signal + " " + reading.subject;
}

TEST(SignalsTest, WhatIsAskedForAndNothingElse) {
    EXPECT_THAT(signals_of({}), SizeIs(0));
    EXPECT_THAT(signals_of({.plan = "plan", .keys = {"replication_lag", "commit_latency"}, .tables = {}, .sql = {}}),
                SizeIs(0));
    std::vector<std::string> names;
    for (auto const& signal : signals_of(everything())) names.push_back(name(signal->read({}, Millis{0}).front()));
    EXPECT_THAT(names, ElementsAre("wal_rate", "slot_retention", "freeze_age", "active_sessions", "blocked_by_us",
                                   "lock_queue", "oldest_xmin", "archive_backlog", "sql one", "sql two"));
}

TEST(SignalsTest, OddAnswersHaveNoValueAndAReason) {
    std::vector<std::pair<Outcome, std::string>> answers;
    auto const failed = [&](Fate fate, std::string sqlstate, std::string message, std::string words) {
        Outcome outcome;
        outcome.fate = fate;
        outcome.sqlstate = std::move(sqlstate);
        outcome.message = std::move(message);
        answers.emplace_back(std::move(outcome), std::move(words));
    };
    failed(Fate::lost, "", "server closed the connection", "the primary did not answer: server closed the connection");
    failed(Fate::in_doubt, "57P01", "terminating connection", "terminating connection");
    failed(Fate::canceled, "57014", "canceling statement due to statement timeout", "due to statement timeout");
    failed(Fate::refused, "55000", "recovery is in progress", "recovery is in progress");
    failed(Fate::refused, "42501", "permission denied for view v", "permission denied for view v");
    answers.emplace_back(Outcome{}, "no rows");
    answers.emplace_back(answer_of({{}}), "no rows");
    answers.emplace_back(answer_of({std::vector<Field>(9)}), "no rows");
    for (std::size_t count = 1; count < 7; ++count) {
        for (auto const* text : {"", "many", "0/3000060", "1 2", "nan", "99999999999999999999x"})
            answers.emplace_back(answer_of({std::vector<Field>(count, text)}), "");
        // Two rows where there is one; the slots have many, and then these are not of them.
        answers.emplace_back(answer_of({std::vector<Field>(count, "x"), std::vector<Field>(count, "1")}), "");
    }
    for (auto const& signal : signals_of(everything()))
        for (auto const& [outcome, words] : answers) {
            auto const readings = signal->read(outcome, Millis{1000});
            ASSERT_THAT(readings, SizeIs(1));
            EXPECT_FALSE(readings[0].value) << name(readings[0]);
            EXPECT_THAT(readings[0].problem, HasSubstr(words)) << name(readings[0]);
            EXPECT_FALSE(readings[0].problem.empty()) << name(readings[0]);
            EXPECT_EQ(readings[0].limit, 0);
            bool const grant = outcome.sqlstate == "42501" && readings[0].signal != "sql";
            EXPECT_EQ(readings[0].problem.find("GRANT pg_monitor TO weir's role") != std::string::npos, grant);
        }
}

TEST(SignalsTest, OneThatFailsLeavesTheOthers) {
    auto& cluster = Cluster::shared();
    auto const database = cluster.create_database();
    auto asked = everything();
    asked.sql.insert(asked.sql.begin(), {"broken", expression("(SELECT 1 / 0)")});
    auto const signals = signals_of(asked);
    Eye eye{database.conninfo};
    // Twice: a rate needs two.
    for (auto const& signal : signals) eye.measure(*signal, Millis{0});
    for (auto const& signal : signals)
        for (auto const& reading : eye.measure(*signal, Millis{1000})) {
            EXPECT_EQ(reading.value.has_value(), reading.subject != "broken")
                << name(reading) << ": " << reading.problem;
            EXPECT_EQ(reading.value.has_value(), reading.problem.empty()) << name(reading);
        }
}

}  // namespace
}  // namespace weir
