// Goal: of a table whose columns are filled and proven in one pass each column is written, judged and named by itself,
// and a proof that several steps stand on stays true while they are done one after another.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dialogue.h"
#include "orchestrator/machine/backfill_sql.h"
#include "orchestrator/machine/misses.h"
#include "orchestrator/machine/step_try.h"
#include "world.h"

namespace weir {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

Rows two() {
    auto rows = rows_of_users();
    rows.fragments.push_back({"city",
                              {{Ident::of("city"), sql("town")}},
                              sql("NOT ok2"),
                              sql("NOT ok2_after_gate"),
                              sql("city IS NULL"),
                              {sql("SELECT weir.check_sync('users', 1, 2, 4)")}});
    return rows;
}

PageSpan const span{{RunId{1}, "contract.1"}, {1, 2, 1, users()}, 0, 0, 16};

std::string plainly(Batch const& batch) {
    std::string text;
    for (auto const& statement : batch) text += plain(statement.text()) + "\n";
    return text;
}

TEST(Fragments, AColumnIsWrittenOnlyWhereItsOwnPredicateHolds) {
    auto const before = plainly(write_rows(two(), wanted(two(), false), span, OnLocked::wait));
    EXPECT_THAT(before, AllOf(HasSubstr(R"("full_name" = CASE WHEN NOT ok THEN name ELSE "full_name" END)"),
                              HasSubstr(R"("city" = CASE WHEN NOT ok2 THEN town ELSE "city" END)"),
                              HasSubstr("AND (NOT ok OR NOT ok2) RETURNING")));
    auto const after = plainly(write_rows(two(), wanted(two(), true), span, OnLocked::wait));
    EXPECT_THAT(after, AllOf(HasSubstr(R"("city" = CASE WHEN city IS NULL THEN town ELSE "city" END)"),
                             HasSubstr("AND (full_name IS NULL OR city IS NULL) RETURNING"), Not(HasSubstr("ok"))));
    EXPECT_THAT(plainly(count_span(two(), wanted(two(), true).wrong, span, false)),
                HasSubstr("(NOT ok_after_gate OR NOT ok2_after_gate)"));
}

TEST(Fragments, OneAloneIsWrittenAsItStands) {
    EXPECT_THAT(plainly(write_rows(rows_of_users(), wanted(rows_of_users(), false), span, OnLocked::wait)),
                AllOf(HasSubstr(R"(SET "full_name" = name WHERE)"), HasSubstr("AND NOT ok RETURNING")));
    EXPECT_THAT(plainly(name_misses(rows_of_users(), wanted(rows_of_users(), false), span, 3)),
                AllOf(HasSubstr("LIMIT 10),"), Not(HasSubstr("full_name"))));
}

TEST(Fragments, WhatIsWrongIsNamedByKeyAndColumn) {
    auto const text = plainly(name_misses(two(), wanted(two(), false), span, 3));
    EXPECT_THAT(text, AllOf(HasSubstr(R"((NOT ok) IS TRUE AS "w0", (NOT ok2) IS TRUE AS "w1")"),
                            HasSubstr(R"(CASE WHEN w."w0" THEN 'full_name' END, CASE WHEN w."w1" THEN 'city' END)"),
                            HasSubstr(R"(count(*) FILTER (WHERE w."w1") OVER () AS "c1")"),
                            HasSubstr(R"(SELECT k."k", k."c0", k."c1" FROM k)")));

    BackfillMachine machine{
        {.run = RunId{1}, .epoch = Epoch{5}, .step = "proof.1", .rows = two(), .proof = true, .workers = 1}};
    Ids ids;
    Commands out;
    Millis now{1000};
    auto const answer = [&](Outcome outcome) {
        auto const id = std::get<Execute>(*std::find_if(out.begin(), out.end(), [](Command const& command) {
                            return std::holds_alternative<Execute>(command);
                        })).id;
        out.clear();
        machine.completed(stamp(now), {id, std::move(outcome)}, ids, out);
    };
    machine.start(stamp(now), ids, out);
    answer(done({row({"16384", "public", "users", "77", "0", "16", "0", "0", "100", "10", "on", "16384", ""})}));
    answer(done({row({"160", "3"})}));
    answer(done({row({"0", "0", "1000"})}));
    answer(done({row({"160", "3"})}));
    answer(done(
        {row({"id=1 (city)", "1", "3"}), row({"id=2 (full_name, city)", "1", "3"}), row({"id=3 (city)", "1", "3"})}));
    ASSERT_EQ(machine.state(), BackfillMachine::State::misses);
    EXPECT_EQ(machine.rows_wrong(), 3);
    EXPECT_THAT(machine.wrong_each(), ElementsAre(1, 3));
    auto const problem = misses(machine, two(), false);
    EXPECT_EQ(problem.message, "3 rows of users are not right: 1 in full_name, 3 in city");
    EXPECT_EQ(problem.more.reveal(), "among them id=1 (city); id=2 (full_name, city); id=3 (city)");
    EXPECT_EQ(misses_at_gate(machine, two()).message,
              "3 rows of users are not right while the gate is open: 1 in full_name, 3 in city");
}

/// Two drops on the word of one proof.
Program two_drops() {
    auto made = program({transactional("expand.1", Phase::expand), work("backfill.1", Phase::backfill, false),
                         work("contract.1", Phase::contract, true), transactional("contract.2", Phase::contract, false),
                         transactional("contract.3", Phase::contract, false)},
                        false);
    auto& steps = made.steps;
    for (auto step : {1, 2}) steps[static_cast<std::size_t>(step)].rows = two();
    steps[3].proven_by = steps[4].proven_by = "contract.1";
    steps[2].rows->fragments[0].ends_with = "contract.2";
    steps[2].rows->fragments[1].ends_with = "contract.3";
    return made;
}

TEST(Fragments, AStepLeavesTheProofToThoseAfterIt) {
    auto const made = two_drops();
    auto const text = [&](std::size_t step) {
        return plain(to_text(forward_try(made, made.steps[step], Epoch{5}, 9, Settings{}).body));
    };
    auto const first = text(3);
    EXPECT_THAT(first, HasSubstr("UPDATE weir.progress p SET shape = s.shape"));
    EXPECT_LT(first.find("check_shape"), first.find("forward('contract.2')"));
    EXPECT_LT(first.find("forward('contract.2')"), first.find("SET shape"));
    EXPECT_THAT(text(4), AllOf(HasSubstr("check_shape"), Not(HasSubstr("SET shape"))));
}

TEST(Fragments, WhatOneStepDestroyedIsNotProvenAgainForTheNext) {
    Sim sim{two_drops()};
    sim.start();
    while (!sim.world.has("step_done", "contract.2")) {
        ASSERT_FALSE(sim.pending.empty());
        sim.answer(0, Sim::Answer::done);
    }
    EXPECT_FALSE(sim.world.has("checked")) << "the first drop leaves the proof as it is";
    sim.world.attach(0);
    sim.calm(1000);
    EXPECT_EQ(sim.exit, 0);
    EXPECT_TRUE(sim.world.has("checked", "contract.1"));
    EXPECT_THAT(sim.world.objections, IsEmpty());
}

}  // namespace
}  // namespace weir
