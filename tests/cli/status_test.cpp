#include "orchestrator/cli/status.h"

#include <gtest/gtest.h>

#include <vector>

#include "metrics/text.h"

namespace weir {
namespace {

TEST(PictureLines, SayHowADumpGrows) {
    EXPECT_EQ(picture_lines(R"({"pace":1,"step":"contract.1","title":"back up users","dump_bytes":2097152})", 0),
              (std::vector<std::string>{"contract.1: back up users, 2 MB written by pg_dump"}));
}

TEST(StatusWords, TellTheWorkOfAStep) {
    struct Case {
        StepWork work;
        std::optional<std::int64_t> rate;
        std::string line;
    };
    for (auto const& one : std::vector<Case>{
             {{.step = "backfill.1", .pages_done = 1200, .pages = 9000, .rows = 540'000, .hot = 437'400},
              {},
              "backfill.1   pages 1200 of 9000, 540000 rows, 81 % in place"},
             {{.step = "backfill.1", .pages_done = 1, .pages = 9, .rows = 1000, .hot = 999},
              12'100,
              "backfill.1   pages 1 of 9, 1000 rows, 99 % in place, 12100 rows/s"},
             {{.step = "backfill.1", .pages = 9}, 0, "backfill.1   pages 0 of 9, 0 rows, 0 rows/s"},
             {{.step = "backfill.12", .pages_done = 9, .pages = 9, .rows = 10},
              {},
              "backfill.12  pages 9 of 9, 10 rows, 0 % in place"},
             {{.step = "proof.1", .pages_done = 4, .pages = 9, .rows = 500, .rows_wrong = 3},
              70,
              "proof.1      pages 4 of 9, 500 rows, 70 rows/s, 3 rows not right"},
             {{.step = "a-very-long-step.1", .pages = 1}, {}, "a-very-long-step.1 pages 0 of 1, 0 rows"},
         })
        EXPECT_EQ(work_line(one.work, one.rate), one.line);
}

TEST(StatusWords, TellTheRateBetweenTwoReadings) {
    struct Case {
        char const* what;
        StepWork before, after;
        std::optional<std::int64_t> rate;
    };
    for (auto const& one : std::vector<Case>{
             {"a second", {.pages = 9, .rows = 100, .read_at = 7}, {.pages = 9, .rows = 400, .read_at = 8}, 300},
             {"longer", {.pages = 9, .rows = 100, .read_at = 7}, {.pages = 9, .rows = 400, .read_at = 7 + 1.5}, 200},
             {"it stands still", {.pages = 9, .rows = 100, .read_at = 7}, {.pages = 9, .rows = 100, .read_at = 8}, 0},
             {"ends in between",
              {.pages_done = 8, .pages = 9, .rows = 100, .read_at = 7},
              {.pages_done = 9, .pages = 9, .rows = 150, .read_at = 8},
              50},
             {"began anew", {.pages = 9, .rows = 100, .read_at = 7}, {.pages = 9, .rows = 10, .read_at = 8}, {}},
             {"was over",
              {.pages_done = 9, .pages = 9, .rows = 100, .read_at = 7},
              {.pages_done = 9, .pages = 9, .rows = 100, .read_at = 8},
              {}},
             {"no time", {.pages = 9, .read_at = 7}, {.pages = 9, .rows = 5, .read_at = 7}, {}},
             {"the clock was set back", {.pages = 9, .read_at = 7}, {.pages = 9, .rows = 5, .read_at = 6}, {}},
         })
        EXPECT_EQ(rows_per_second(one.before, one.after), one.rate) << one.what;
}

TEST(StatusWords, TellAProof) {
    ProofFigures proof{
        .step = "proof.1", .at = "2026-11-21 02:47:48+00", .rows_read = "50000", .rows_filled = "3", .rows_wrong = "0"};
    EXPECT_EQ(proof_line(proof), "proof.1      proved 2026-11-21 02:47:48+00: 50000 rows read, 3 filled, 0 not right");
    proof.again = true;
    proof.rows_wrong = "2";
    EXPECT_EQ(proof_line(proof),
              "proof.1      proved again 2026-11-21 02:47:48+00: 50000 rows read, 3 filled, 2 not right");
}

TEST(StatusWords, WriteFiguresAsPeopleReadThem) {
    struct Case {
        double value;
        std::string_view unit;
        std::string text;
    };
    for (auto const& one : std::vector<Case>{{0.04, "s", "40 ms"},
                                             {2.0, "s", "2 s"},
                                             {2.54, "s", "2.5 s"},
                                             {0, "s", "0 ms"},
                                             {1.5 * (1 << 30), "B", "1.5 GB"},
                                             {50 << 20, "B/s", "50 MB/s"},
                                             {100, "B", "100 B"},
                                             {20, "sessions", "20 sessions"},
                                             {1.5, "", "1.5"}})
        EXPECT_EQ(figure(one.value, one.unit), one.text);
}

TEST(StatusWords, TellAPicture) {
    auto const lines = picture_lines(
        R"({"step":"backfill.1","pace":0.4,"reasons":["wal rate is 60 B/s, limit 50 B/s"],
"work":{"eta_s":200,"eta_low_s":150,"eta_high_s":250,"forecast":"done in this window, at x"},
"ways":[{"table":"users","way":"in_page","reason":"updates stay"},{"table":"p2","way":"ranges","reason":""}],
"workers":2,"workers_reason":"the rate rose","blockers":["pid 7"],
"signals":[{"signal":"wal_rate","value":62914560,"limit":52428800,"unit":"B/s","age_ms":300,"holds":true},
{"signal":"replication_lag","subject":"r1","unit":"s","age_ms":0,"limit":2,"problem":"replica r1 is gone"},
{"signal":"oldest_xmin","value":3,"unit":"s","age_ms":1000}]})",
        1.0);
    std::vector<std::string> const wanted{
        "backfill.1: 3 min to 4 min left; done in this window, at x",
        "users: in-page order, because updates stay",
        "p2: page range by page range",
        "2 workers, because the rate rose",
        "pace 40 %: wal rate is 60 B/s, limit 50 B/s",
        "in the way of a lock: pid 7",
        "signals:",
        "  wal rate                       60 MB/s, limit 50 MB/s, 1.3 s ago, holds the run back",
        "  replication lag of r1          not known, limit 2 s, 1 s ago: replica r1 is gone",
        "  oldest xmin                    3 s, no limit, 2 s ago"};
    EXPECT_EQ(lines, wanted);
    EXPECT_EQ(picture_lines(R"({"pace":0,"reasons":["paused by ops"]})", 0),
              std::vector<std::string>{"held: paused by ops"});
    EXPECT_TRUE(picture_lines("", 0).empty());
    EXPECT_TRUE(picture_lines("[1]", 0).empty());
    EXPECT_TRUE(picture_lines(R"({"pace":1,"work":3,"ways":{},"signals":[1]})", 0) ==
                std::vector<std::string>{"signals:"});
}

TEST(StatusScreen, OverwritesLineByLineAndKeepsToTheTerminal) {
    EXPECT_EQ(screen("one\ntwo\n", 0, 0, true), "\x1b[2J\x1b[Hone\x1b[K\ntwo\x1b[K\n\x1b[J");
    EXPECT_EQ(screen("one\ntwo", 80, 24, false), "\x1b[Hone\x1b[K\ntwo\x1b[K\n\x1b[J");
    // The last column and the last row stay free.
    EXPECT_EQ(screen("höher\n2\n3\n", 4, 3, false), "\x1b[Hhöh\x1b[K\n2\x1b[K\n\x1b[J");
    EXPECT_EQ(screen("", 80, 24, false), "\x1b[H\x1b[J");
}

}  // namespace
}  // namespace weir
