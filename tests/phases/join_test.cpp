// Goal: what changes want of one table becomes one fill and one proof, in the order of what depends on what; phase
// lists stay as they are written. Operations made by hand, and no server.
#include "phases/join.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>

#include "phases/program.h"

namespace weir::tests {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TableName table(std::string const& name) { return {Ident::of("public"), Ident::of(name)}; }

enum class Does { fill, prove, drop, vacuum, alter, erase };

/// Fills `column` from `reads`, and the like.
class Made : public Operation {
  public:
    Made(Does does, std::string on, std::string column, std::string reads)
        : does_{does}, on_{std::move(on)}, column_{std::move(column)}, reads_{std::move(reads)} {}

    Problems validate(Catalog const&) const override { return {}; }
    Steps compile(Catalog const&, RunId) const override {
        Step step;
        auto const what = on_ + "." + column_;
        step.forward.holds = {{table(on_), LockMode::row_exclusive}};
        step.undo.note = "nothing";
        if (does_ == Does::fill || does_ == Does::prove || does_ == Does::erase) {
            step.kind = does_ == Does::prove ? StepKind::proof : StepKind::fill;
            step.title = (does_ == Does::prove ? "prove every row of " : "fill ") + what + ", as it is";
            step.rows = rows();
            step.rows->erases = does_ == Does::erase;
            return {step};
        }
        if (does_ == Does::vacuum) {
            step.title = "vacuum " + on_;
            step.vacuums = table(on_);
            step.forward.standalone = step.forward.may_fail = true;
            step.forward.statements = {sql("VACUUM {0}", table(on_))};
            return {step};
        }
        step.title = (does_ == Does::drop ? "drop " : "alter ") + what;
        step.forward.locks = step.forward.holds = {{table(on_), LockMode::access_exclusive}};
        step.forward.statements = {sql("SELECT {0}", Ident::of(column_))};
        if (does_ == Does::alter) return {step};
        Step proof;
        proof.kind = StepKind::proof;
        proof.title = "prove " + what + " again";
        proof.rows = rows();
        step.stands_on_proof = true;
        step.destroys = {table(on_)};
        Step back;
        back.title = "way back of " + what;
        Step rest;
        rest.title = "rest of " + what;
        rest.forward.locks = step.forward.locks;
        rest.forward.statements = {sql("SELECT 1")};
        return {proof, step, back, rest};
    }
    void apply(Catalog&, RunId) const override {}
    std::vector<Touched> touches() const override { return {{table(on_), column_}}; }
    std::vector<Touched> makes() const override { return touches(); }
    std::vector<Touched> reads() const override {
        return reads_.empty() ? std::vector<Touched>{} : std::vector<Touched>{{table(on_), reads_}};
    }

  private:
    Rows rows() const {
        Ident const column = Ident::of(column_);
        return {table(on_),
                {{column_,
                  {{column, sql("f({0})", column)}},
                  sql("NOT ok({0})", column),
                  sql("NOT ok({0})", column),
                  sql("{0} IS NULL", column),
                  {sql("SELECT guard({0})", column)}}},
                {}};
    }

    Does does_;
    std::string on_, column_, reads_;
};

struct One {
    int change;
    Does does;
    std::string on, column, reads{};
};

/// `change` 0 is a phase list; contract for what drops, proof for what proves or comes after.
Plan plan(std::vector<One> const& parts) {
    Plan made;
    made.name = "p";
    for (auto const phase : {Phase::backfill, Phase::proof, Phase::contract})
        for (auto const& one : parts) {
            bool const fills = one.does == Does::fill || one.does == Does::erase;
            if ((fills ? Phase::backfill : one.does == Does::drop ? Phase::contract : Phase::proof) != phase) continue;
            Part part{phase, std::make_shared<Made>(one.does, one.on, one.column, one.reads), one.change};
            part.place = {"plan.yaml", one.change, 1};
            made.parts.push_back(std::move(part));
        }
    return made;
}

Catalog world() {
    Catalog catalog;
    for (auto const* name : {"t", "u"}) catalog.tables[table(name)].kind = "r";
    return catalog;
}

Program program(std::vector<One> const& parts) { return compile(plan(parts), world(), RunId{1}); }

std::vector<std::string> titles(Program const& program) {
    std::vector<std::string> all;
    for (auto const& step : program.steps) all.push_back(step.title);
    return all;
}

TEST(Join, WhatChangesWantOfOneTableIsOnePass) {
    auto const made = program({{1, Does::fill, "t", "a"},
                               {1, Does::prove, "t", "a"},
                               {1, Does::alter, "t", "a"},
                               {1, Does::vacuum, "t", ""},
                               {2, Does::fill, "u", "a"},
                               {2, Does::prove, "u", "a"},
                               {2, Does::vacuum, "u", ""},
                               {3, Does::fill, "t", "b"},
                               {3, Does::prove, "t", "b"},
                               {3, Does::alter, "t", "b"},
                               {3, Does::vacuum, "t", ""}});
    EXPECT_THAT(titles(made),
                ElementsAre("fill t.a, t.b, as it is", "fill u.a, as it is", "prove every row of t.a, t.b, as it is",
                            "alter t.a", "prove every row of u.a, as it is", "vacuum u", "alter t.b", "vacuum t"));
    auto const& fill = made.steps[0];
    EXPECT_EQ(fill.id, "backfill.1");
    auto const before = wanted(*fill.rows, false);
    EXPECT_EQ(before.todo.text(), R"((NOT ok("a") OR NOT ok("b")))");
    EXPECT_EQ(before.set.text(), R"("a" = CASE WHEN NOT ok("a") THEN f("a") ELSE "a" END, )"
                                 R"("b" = CASE WHEN NOT ok("b") THEN f("b") ELSE "b" END)");
    auto const after = wanted(*fill.rows, true);
    EXPECT_EQ(after.todo.text(), R"(("a" IS NULL OR "b" IS NULL))");
    EXPECT_EQ(after.wrong.text(), before.wrong.text());
    EXPECT_THAT(after.set.text(), HasSubstr(R"("b" = CASE WHEN "b" IS NULL THEN f("b") ELSE "b" END)"));
    EXPECT_EQ(guard(*fill.rows).size(), 2U);
}

TEST(Join, OneFragmentIsAsItAlwaysWas) {
    auto const made = program({{1, Does::fill, "t", "a"}});
    auto const all = wanted(*made.steps[0].rows, false);
    EXPECT_EQ(all.todo.text(), R"(NOT ok("a"))");
    EXPECT_EQ(all.set.text(), R"("a" = f("a"))");
}

TEST(Join, ManyColumnsAreCountedInTheTitle) {
    std::vector<One> parts;
    for (int i = 1; i <= 6; ++i) parts.push_back({i, Does::fill, "t", "c" + std::to_string(i)});
    EXPECT_THAT(titles(program(parts)), ElementsAre("fill t.c1, t.c2, t.c3 and 3 more columns, as it is"));
}

TEST(Join, PhaseListsAndDeletionsAreDoneOneByOne) {
    EXPECT_THAT(titles(program({{1, Does::fill, "t", "a"},
                                {2, Does::erase, "t", "x"},
                                {0, Does::fill, "t", "b"},
                                {0, Does::fill, "t", "c"}})),
                ElementsAre("fill t.a, as it is", "fill t.x, as it is", "fill t.b, as it is", "fill t.c, as it is"));
}

TEST(Join, OfTheVacuumsOfATableTheLastIsLeft) {
    EXPECT_THAT(titles(program({{1, Does::vacuum, "t", ""},
                                {2, Does::vacuum, "u", ""},
                                {0, Does::alter, "t", "a"},
                                {0, Does::vacuum, "t", ""},
                                {0, Does::alter, "t", "b"}})),
                ElementsAre("vacuum u", "alter t.a", "vacuum t", "alter t.b"));
}

TEST(Join, WhatIsDestroyedComesRightBehindTheProof) {
    auto const made = program({{1, Does::drop, "t", "a"}, {2, Does::drop, "u", "a"}, {3, Does::drop, "t", "b"}});
    EXPECT_THAT(titles(made), ElementsAre("prove t.a, t.b again", "drop t.a", "way back of t.a", "drop t.b",
                                          "way back of t.b", "rest of t.a", "rest of t.b", "prove u.a again",
                                          "drop u.a", "way back of u.a", "rest of u.a"));
    EXPECT_EQ(made.steps[1].proven_by, "contract.1");
    EXPECT_EQ(made.steps[3].proven_by, "contract.1");
    EXPECT_EQ(made.steps[8].proven_by, "contract.8");
    auto const& proven = *made.steps[0].rows;
    EXPECT_EQ(proven.fragments[0].ends_with, "contract.2");
    EXPECT_EQ(proven.fragments[1].ends_with, "contract.4");
    EXPECT_EQ(standing(proven, {"contract.1"}).fragments.size(), 2U);
    auto const left = standing(proven, {"contract.1", "contract.2", "contract.3"});
    ASSERT_EQ(left.fragments.size(), 1U);
    EXPECT_EQ(wanted(left, false).todo.text(), R"(NOT ok("b"))");
    EXPECT_EQ(guard(left).size(), 1U);
    EXPECT_EQ(made.steps[7].rows->fragments[0].ends_with, "");
}

TEST(Order, AChangeComesAfterWhatItReads) {
    std::vector<One> const parts{{1, Does::fill, "t", "c", "b"}, {2, Does::fill, "t", "x"},
                                 {3, Does::fill, "t", "b", "a"}, {4, Does::fill, "t", "a"},
                                 {0, Does::fill, "t", "y", "z"}, {0, Does::fill, "t", "z"}};
    EXPECT_THAT(validate(plan(parts), world()), IsEmpty());
    // Not one pass: a row's new values are made of its old ones.
    EXPECT_THAT(titles(program(parts)), ElementsAre("fill t.x, t.a, as it is", "fill t.b, as it is",
                                                    "fill t.c, as it is", "fill t.y, as it is", "fill t.z, as it is"));
}

TEST(Order, NothingJoinsPastWhatItWaitsFor) {
    EXPECT_THAT(titles(program({{1, Does::fill, "t", "a"},
                                {2, Does::fill, "t", "b", "a"},
                                {3, Does::fill, "t", "c", "b"},
                                {4, Does::fill, "t", "d", "a"}})),
                ElementsAre("fill t.a, as it is", "fill t.b, t.d, as it is", "fill t.c, as it is"));
}

TEST(Order, IsThatOfThePlanWhereNothingDepends) {
    auto const given = plan({{1, Does::fill, "t", "b"},
                             {2, Does::fill, "t", "a", "other"},
                             {1, Does::prove, "t", "b"},
                             {2, Does::prove, "t", "a"}});
    auto const sorted = ChangeOrder{given.parts}.sorted(given.parts);
    ASSERT_EQ(sorted.size(), given.parts.size());
    for (std::size_t i = 0; i < sorted.size(); ++i) EXPECT_EQ(sorted[i].operation, given.parts[i].operation);
}

TEST(Order, ACircleIsAProblem) {
    auto const problems = validate(plan({{1, Does::fill, "t", "a", "c"},
                                         {2, Does::fill, "t", "b", "a"},
                                         {3, Does::fill, "t", "c", "b"},
                                         {4, Does::fill, "t", "d", "c"}}),
                                   world());
    ASSERT_EQ(problems.size(), 1U);
    EXPECT_EQ(problems[0].code, Code::conflict);
    EXPECT_EQ(problems[0].place.line, 1);
    EXPECT_THAT(problems[0].message, AllOf(HasSubstr("change 1 (t.a)"), HasSubstr("change 2 (t.b), change 3 (t.c)")));
    EXPECT_THAT(problems[0].hint, HasSubstr("a plan of its own"));
}

}  // namespace
}  // namespace weir::tests
