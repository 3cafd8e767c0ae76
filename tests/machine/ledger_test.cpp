#include "orchestrator/machine/ledger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dialogue.h"

namespace weir {
namespace {

using testing::HasSubstr;

/// As read_run() asks for it; `order` of orders that were obeyed, or refused.
Row entry(int seq, std::string kind, std::string step = "", std::string order = "") {
    return row({"7", std::to_string(seq), std::move(kind), std::move(step), "at " + std::to_string(seq), "", "", "", "",
                "", "", "", std::move(order), "", "", "", "", ""});
}

/// What a record holds, in one line.
std::string shown(std::optional<RunRecord> const& record) {
    if (!record) return "none";
    std::string text = "last " + std::to_string(record->last_seq);
    auto const list = [&](char const* word, std::set<std::string> const& steps) {
        for (auto const& step : steps) text += std::string{" "} + word + ":" + step;
    };
    list("begun", record->begun);
    list("done", record->done);
    list("undone", record->undone_steps);
    if (record->gate_opened) text += " opened";
    if (record->gate_approved) text += " approved";
    if (record->aborting) text += " aborting";
    if (record->finished) text += " FINISHED";
    if (record->undone) text += " UNDONE";
    if (!record->ended_at.empty()) text += " ended " + record->ended_at;
    if (record->refused_abort) text += " refused " + std::to_string(*record->refused_abort);
    return text;
}

TEST(Fold, Table) {
    auto const began = row({"7", "1", "began", "", "at 1", "n", "p", "c", "v", "h", "i"});
    struct Case {
        std::vector<Row> rows;
        std::string record;
    };
    for (auto const& [rows, record] : {
             Case{{}, "none"},
             Case{{began}, "last 1"},
             Case{{began, entry(2, "step_done", "expand.1")}, "last 2 done:expand.1"},
             Case{{began, entry(2, "step_done", "expand.1"), entry(3, "step_told", "expand.1")},
                  "last 3 done:expand.1"},
             Case{{began, entry(2, "step_begun", "fill")}, "last 2 begun:fill"},
             Case{{began, entry(2, "step_begun", "fill"), entry(3, "stopped"), entry(4, "step_done", "fill")},
                  "last 4 begun:fill done:fill"},
             Case{{began, entry(2, "gate_opened")}, "last 2 opened"},
             Case{{began, entry(2, "gate_opened"), entry(3, "gate_approved")}, "last 3 opened approved"},
             Case{{began, entry(2, "step_done", "a"), entry(3, "aborting"), entry(4, "step_undone", "a")},
                  "last 4 done:a undone:a aborting"},
             Case{{began, entry(2, "aborting"), entry(3, "undone")}, "last 3 aborting UNDONE ended at 3"},
             Case{{began, entry(2, "finished")}, "last 2 FINISHED ended at 2"},
             Case{{began, entry(2, "of a later version", "x")}, "last 2"},
             Case{{began, entry(9, "stopped")}, "last 9"},
             Case{{began, entry(2, "stopped", "", "41"), entry(3, "step_done", "fill")}, "last 3 done:fill refused 41"},
         }) {
        EXPECT_EQ(shown(fold(rows)), record);
    }
}

TEST(Fold, TheBeginningIsKept) {
    auto const record = fold({row({"7", "1", "began", "", "at 1", "n", "p", "c", "v", "h", "i"}), entry(2, "stopped")});
    ASSERT_TRUE(record);
    EXPECT_EQ(record->run, RunId{7});
    EXPECT_EQ(record->began_at, "at 1");
    auto const& begin = record->begin;
    EXPECT_EQ(begin.name + begin.plan + begin.catalog + begin.version + begin.hash + begin.identity, "npcvhi");
}

TEST(Ledger, EveryKindHasANameOfItsOwn) {
    std::set<std::string_view> names;
    for (int k = 0; k <= static_cast<int>(EntryKind::stopped); ++k) names.insert(name(static_cast<EntryKind>(k)));
    EXPECT_EQ(names.size(), static_cast<std::size_t>(EntryKind::stopped) + 1);
}

TEST(Ledger, AnEntryQuotesWhatItHolds) {
    EntryDetail detail;
    detail.user = "o'hara";
    detail.message = R"(a \ b)";
    auto const made = insert_entry(RunId{7}, 3, Epoch{9}, EntryKind::stopped, "x'); DROP TABLE t; --", detail).text();
    EXPECT_THAT(made, HasSubstr("VALUES (7, 3, 9, 'stopped', 'x''); DROP TABLE t; --', "));
    EXPECT_THAT(made, HasSubstr("'user', 'o''hara'::text"));
    EXPECT_THAT(made, HasSubstr(R"('message', E'a \\ b'::text)"));
}

TEST(Ledger, TheEpochIsLookedAtOnlyOnceTheHandIsTaken) {
    auto const batch = take_hand(Epoch{4});
    ASSERT_EQ(batch.size(), 3U);
    EXPECT_THAT(batch[0].text(), HasSubstr("pg_try_advisory_lock_shared"));
    EXPECT_EQ(batch[1], fence(Epoch{4}));
    EXPECT_THAT(batch[2].text(), HasSubstr("pg_locks"));
}

}  // namespace
}  // namespace weir
