#include "orchestrator/machine/full_table_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dialogue.h"

namespace weir {
namespace {

using testing::HasSubstr;
using State = FullTableCheck::State;
using Verdict = FullTableCheck::Verdict;

struct FullTableCheckTest : testing::Test {
    FullTableCheck check{false, 0};
    Rows rows = rows_of_users();
    Commands out;

    Verdict ended() {
        out.clear();
        return check.ended("proof.1", rows, Instant{}, out);
    }
    /// To the end of a first pass, and to the counted pages of the second.
    void to_second(bool begun) {
        check.counted(false);
        ASSERT_EQ(ended(), Verdict::again);
        check.counted(begun);
    }
};

TEST_F(FullTableCheckTest, ASecondPassWithProgressOfItsOwnEndsIt) {
    check.counted(true);
    EXPECT_EQ(check.progress_of("proof.1"), "proof.1");
    EXPECT_EQ(ended(), Verdict::again);
    EXPECT_EQ(check.progress_of("proof.1"), "proof.1.look");
    EXPECT_FALSE(check.restart()) << "an earlier orchestrator may have begun it";
    check.counted(false);
    EXPECT_EQ(ended(), Verdict::done);
    EXPECT_TRUE(out.empty());
}

TEST_F(FullTableCheckTest, WhatTheFirstPassFindsDoesNotCount) {
    check.counted(false);
    check.found(7);
    EXPECT_EQ(ended(), Verdict::again);
    check.counted(false);
    EXPECT_EQ(ended(), Verdict::done);
}

TEST_F(FullTableCheckTest, OneThatAnotherBeganIsMadeOnceMoreFromItsFirstPage) {
    to_second(true);
    EXPECT_EQ(check.state(), State::second_unsure);
    EXPECT_EQ(ended(), Verdict::again);
    EXPECT_TRUE(out.empty()) << "nothing was found, as far as is known";
    EXPECT_TRUE(check.restart());
    check.counted(false);
    EXPECT_EQ(ended(), Verdict::done);
}

TEST_F(FullTableCheckTest, PagesThatAreCountedAnewKeepWhatWasFound) {
    to_second(false);
    check.found(1);
    check.counted(true);
    EXPECT_EQ(check.state(), State::second);
    EXPECT_EQ(ended(), Verdict::again);
    EXPECT_EQ(told<BatchRetried>(out).size(), 1U);
}

TEST_F(FullTableCheckTest, AFifthPassThatFindsSomethingEndsItWithAWarning) {
    to_second(false);
    for (int pass = 1; pass < 5; ++pass) {
        check.found(2);
        ASSERT_EQ(ended(), Verdict::again);
        check.counted(false);
    }
    check.found(3);
    EXPECT_EQ(ended(), Verdict::done);
    ASSERT_EQ(told<Warned>(out).size(), 1U);
    EXPECT_THAT(told<Warned>(out)[0].message, HasSubstr("3 rows of users were written without a value"));
}

TEST_F(FullTableCheckTest, AfreshBothPassesBeginAnew) {
    check = FullTableCheck{true, 0};
    EXPECT_TRUE(check.restart());
    check.counted(false);
    EXPECT_FALSE(check.restart());
    EXPECT_EQ(ended(), Verdict::again);
    EXPECT_TRUE(check.restart());
}

TEST_F(FullTableCheckTest, TheThirdChangeOfTheRootEndsIt) {
    check = FullTableCheck{false, 1};
    EXPECT_FALSE(check.root_changed(users(), "trigger t"));
    auto const refusal = check.root_changed(users(), "column c");
    ASSERT_TRUE(refusal);
    EXPECT_EQ(refusal->sqlstate, "WE008");
    EXPECT_THAT(refusal->message, HasSubstr("users was changed 3 times while it was proven, the last time: column c"));
    EXPECT_EQ(check.changes(), 3);
}

}  // namespace
}  // namespace weir
