#include "orchestrator/cli/progress.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <sstream>

namespace weir {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

std::vector<std::string> lines(std::string const& text) {
    std::vector<std::string> all;
    std::istringstream in{text};
    for (std::string line; std::getline(in, line);) all.push_back(line);
    return all;
}

class ProgressTest : public testing::Test {
  protected:
    ProgressTest() { EXPECT_EQ(::pipe(ends.data()), 0); }
    ~ProgressTest() override {
        progress.reset();
        for (int const end : ends)
            if (end >= 0) ::close(end);
    }
    void begin(ProgressMode mode, int width = 100) { progress.emplace(ends[1], mode, width); }
    void at(int ms) { now = t0 + milliseconds{ms}; }
    void hear(decltype(Event::what) what) { progress->hear({now, std::move(what)}); }
    std::string written() {
        std::string text;
        std::array<char, 4096> some{};
        for (pollfd ready{ends[0], POLLIN, 0}; ::poll(&ready, 1, 0) == 1 && (ready.revents & POLLIN) != 0;) {
            auto const count = ::read(ends[0], some.data(), some.size());
            if (count <= 0) break;
            text.append(some.data(), static_cast<std::size_t>(count));
        }
        return text;
    }
    /// Without the time in front, which is the same in these tests unless they set it.
    std::vector<std::string> said() {
        auto all = lines(written());
        for (auto& line : all) line = line.substr(line.find(' ') + 1);
        return all;
    }
    void begin_fill() {
        hear(RunBegan{.plan = "full-name", .run = 3, .steps = 8});
        hear(StepBegan{.step = "backfill.1", .title = "fill users.full_name", .phase = Phase::backfill});
        hear(WorkKnown{.step = "backfill.1", .table = "users", .pages = 1000, .rows_estimate = 50'000});
    }
    void batch(int pages, milliseconds took = milliseconds{100}) {
        hear(BatchDone{.step = "backfill.1", .table = "users", .pages = pages, .rows = pages * 50, .took = took});
    }

    Instant const t0{seconds{1'700'000'000}};
    Instant now = t0;
    std::array<int, 2> ends{-1, -1};
    std::optional<Progress> progress;
};

TEST_F(ProgressTest, PlainTellsARun) {
    begin(ProgressMode::plain);
    begin_fill();
    EXPECT_THAT(written(), testing::StartsWith("2023-11-14T22:13:20Z run 3 of plan full-name begins, 8 steps\n"));
    hear(
        StepDone{.step = "backfill.1", .title = "fill users.full_name", .phase = Phase::backfill, .took = seconds{75}});
    hear(ProofDone{.step = "proof.1", .table = "users", .rows_wrong = 0, .keys = {}});
    hear(ProofDone{.step = "proof.1", .table = "users", .rows_wrong = 2, .keys = {Sealed{"id=7"}, Sealed{"id=9"}}});
    hear(GateOpened{.gate = "contract", .notes = {"prepared SELECT * break"}});
    hear(GateApproved{.gate = "contract", .user = "ada"});
    hear(Warned{"a slot is inactive", "drop it"});
    hear(Stopped{{Code::gave_up_lock, {}, "gave up", "end pid 7"}});
    hear(RunDone{.state = RunState::stopped, .took = seconds{4000}});
    EXPECT_THAT(said(),
                ElementsAre("backfill.1 done in 1 min 15 s: fill users.full_name", "proof.1 users: every row is right",
                            "proof.1 users: 2 rows are not right", HasSubstr("gate contract is open"),
                            "  weir approve full-name contract", "  note: prepared SELECT * break",
                            "gate contract was approved by ada", "warning: a slot is inactive", "  hint: drop it",
                            "stopped[gave-up-lock]: gave up", "  hint: end pid 7",
                            "plan full-name stopped after 1 h 6 min; run it again to go on"));
}

/// A pseudo-terminal: what is written to it can be read at the other end.
class Pty {
  public:
    Pty() : master_{::posix_openpt(O_RDWR | O_NOCTTY)} {
        EXPECT_EQ(::grantpt(master_), 0);
        EXPECT_EQ(::unlockpt(master_), 0);
        fd = ::open(::ptsname(master_), O_RDWR | O_NOCTTY);
    }
    ~Pty() {
        ::close(fd);
        ::close(master_);
    }
    Pty(Pty const&) = delete;
    Pty& operator=(Pty const&) = delete;
    std::string written() const {
        std::string text;
        std::array<char, 4096> some{};
        for (pollfd ready{master_, POLLIN, 0}; ::poll(&ready, 1, 100) == 1 && (ready.revents & POLLIN) != 0;) {
            auto const count = ::read(master_, some.data(), some.size());
            if (count <= 0) break;
            text.append(some.data(), static_cast<std::size_t>(count));
        }
        return text;
    }
    int fd{-1};

  private:
    int master_;
};

TEST_F(ProgressTest, WhatMayQuoteRowsIsForATerminalAlone) {
    Sealed const sealed{"the server says: c4n4ry\ndetail: c4n4ry"};
    std::vector<decltype(Event::what)> const all{
        LockTried{"expand.1", false, milliseconds{5}, {"pid 7 (?)"}, {Sealed{"pid 7 (c4n4ry)"}}},
        BlockerEnded{"expand.1", true, "pid 7 (?)", Sealed{"pid 7 (c4n4ry)"}},
        WaitsFor{"expand.1", {"pid 8 (?)"}, {Sealed{"pid 8 (c4n4ry)"}}},
        ProofDone{"proof.1", "users", 1, {Sealed{"id=c4n4ry"}}},
        Warned{"a warning", "mend it", sealed},
        Stopped{{Code::statement_refused, {}, "stopped", "mend it", sealed}}};
    for (auto const mode : {ProgressMode::plain, ProgressMode::bar, ProgressMode::json}) {
        begin(mode);
        for (auto const& event : all) hear(event);
        progress.reset();
        auto const log = written();
        EXPECT_THAT(log, Not(HasSubstr("c4n4ry")));
        EXPECT_THAT(log, HasSubstr("mend it"));
        EXPECT_EQ(log.find("shown on a terminal only") != std::string::npos, mode != ProgressMode::json);

        Pty const pty;
        progress.emplace(pty.fd, mode, 100);
        for (auto const& event : all) hear(event);
        progress.reset();
        auto const shown = pty.written();
        EXPECT_THAT(shown, HasSubstr("the server says: c4n4ry"));
        EXPECT_THAT(shown, HasSubstr("detail: c4n4ry"));
        EXPECT_THAT(shown, HasSubstr("id=c4n4ry"));
        EXPECT_THAT(shown, HasSubstr("pid 7 (c4n4ry)"));
        EXPECT_THAT(shown, Not(HasSubstr("shown on a terminal only")));
    }
}

TEST_F(ProgressTest, PlainReportsEveryTenSecondsOrTenPercent) {
    begin(ProgressMode::plain);
    begin_fill();
    written();
    at(1000);
    batch(50, seconds{1});
    EXPECT_THAT(said(), IsEmpty());
    at(2000);
    batch(50, seconds{1});
    EXPECT_THAT(
        said(),
        ElementsAre("backfill.1 users: 10 %, 5000 of about 50000 rows, 2500 rows/s, 18.0 s left, 0 % in place"));
    at(3000);
    batch(1);
    EXPECT_THAT(said(), IsEmpty());
    at(12'000);
    batch(1);
    EXPECT_THAT(said(), ElementsAre(HasSubstr("10 %, 5100 of")));
}

TEST_F(ProgressTest, TellsTheForecastWhenItTakesMoreWindows) {
    begin(ProgressMode::plain);
    begin_fill();
    written();
    hear(ForecastMade{"backfill.1", now, now, 1, 1, {}, "done in this window, at a"});
    hear(ForecastMade{"backfill.1", now, now, 1, 1, {}, "done in this window, at b"});
    hear(ForecastMade{"backfill.1", now, now, 2, 2, {}, "done in 2 openings, at c"});
    hear(ForecastMade{"backfill.1", {}, {}, 0, 0, {}, ""});
    EXPECT_THAT(said(), ElementsAre("backfill.1: done in this window, at a", "backfill.1: done in 2 openings, at c"));
}

TEST_F(ProgressTest, TheBarEndsWithTheForecast) {
    begin(ProgressMode::bar, 200);
    begin_fill();
    hear(ForecastMade{"backfill.1", now, now, 1, 1, {}, "done in this window, at a"});
    at(1000);
    batch(10);
    EXPECT_THAT(written(), HasSubstr("  done in this window, at a"));
    hear(StepBegan{.step = "proof.1", .title = "prove", .phase = Phase::proof});
    hear(WorkKnown{.step = "proof.1", .table = "users", .pages = 1000, .rows_estimate = 50'000});
    written();
    at(2000);
    hear(BatchDone{.step = "proof.1", .table = "users", .pages = 1, .rows = 50, .took = seconds{1}, .proof = true});
    EXPECT_THAT(written(), Not(HasSubstr("this window"))) << "it was of another step";
}

TEST_F(ProgressTest, TellsTheShareInPlace) {
    struct Case {
        char const* what;
        std::int64_t rows, hot;
        bool proof;
        std::string end;
    };
    for (auto const& one : std::vector<Case>{
             {"no row written yet", 0, 0, false, ""},
             {"all", 500, 500, false, "100 % in place"},
             {"none", 500, 0, false, "0 % in place"},
             {"never rounded up", 1000, 999, false, "99 % in place"},
             {"a proof reads", 500, 500, true, ""},
         }) {
        for (auto const mode : {ProgressMode::plain, ProgressMode::bar}) {
            begin(mode, 200);
            begin_fill();
            written();
            at(1000);
            hear(BatchDone{.step = "backfill.1",
                           .table = "users",
                           .pages = 100,
                           .rows = one.rows,
                           .took = seconds{1},
                           .proof = one.proof,
                           .hot = one.hot});
            auto const text = written();
            if (one.end.empty())
                EXPECT_THAT(text, Not(HasSubstr("in place"))) << one.what;
            else
                EXPECT_THAT(text, HasSubstr((mode == ProgressMode::bar ? "left  " : "left, ") + one.end)) << one.what;
            at(0);
            progress.reset();
            written();
        }
    }
}

TEST_F(ProgressTest, TheShareInPlaceIsTheFirstToFallOffANarrowTerminal) {
    std::string const whole =
        "fill users [##..................] 10%  500/50.0k rows  500/s  "
        "held: replication lag of r1 is 3.2 s, limit 2 s  0 % in place";
    for (std::size_t const width : {40U, 60U, 80U, 120U, 140U}) {
        begin(ProgressMode::bar, static_cast<int>(width));
        begin_fill();
        written();
        hear(PaceChanged{0, {"replication lag of r1 is 3.2 s, limit 2 s"}});
        at(1000);
        hear(BatchDone{.step = "backfill.1", .table = "users", .pages = 100, .rows = 500, .took = seconds{1}});
        auto const text = written();
        auto const bar = text.substr(text.rfind('\r') + 1);
        auto const shown = bar.substr(0, bar.find('\x1b'));
        EXPECT_EQ(shown, whole.substr(0, width - 1));
        at(0);
        progress.reset();
        written();
    }
}

TEST_F(ProgressTest, TheTimeLeftIsARangeWhenTheRateVaries) {
    struct Case {
        char const* what;
        int slow, fast, pages;  ///< pages a second, five seconds each in turn; pages in all
        std::string left;
    };
    // With 8 and 12 in turn the rate is 10 +- 1.2 pages a second, two standard errors.
    for (auto const& one : std::vector<Case>{
             {"steady", 10, 10, 600 + 900, "1 min 30 s left"},
             {"seconds", 8, 12, 600 + 900, "81 to 103 s left"},
             {"minutes", 8, 12, 600 + 5000, "7 to 9 min left"},
             {"hours", 8, 12, 600 + 200'000, "5 to 6 h left"},
             {"days", 8, 12, 600 + 9'000'000, "9 to 12 d left"},
             {"narrower than its unit", 9, 11, 600 + 80'000, "2 h 13 min left"},
             {"the long end has no bound", 0, 0, 1000, ""},
         }) {
        for (auto const mode : {ProgressMode::plain, ProgressMode::bar}) {
            begin(mode, 200);
            hear(RunBegan{.plan = "full-name", .run = 3, .steps = 8});
            hear(WorkKnown{.step = "backfill.1", .table = "users", .pages = one.pages});
            for (int i = 1; i <= 60; ++i) {
                at(1000 * i);
                batch((i - 1) / 5 % 2 == 0 ? one.slow : one.fast, seconds{1});
            }
            auto const text = written();
            auto const last = text.substr(text.rfind(mode == ProgressMode::bar ? '\r' : 'Z'));
            if (one.left.empty())
                EXPECT_THAT(last, Not(HasSubstr("left"))) << one.what;
            else
                EXPECT_THAT(last, HasSubstr((mode == ProgressMode::bar ? "  " : ", ") + one.left)) << one.what;
            at(0);
            progress.reset();
            written();
        }
    }
}

TEST_F(ProgressTest, PlainTellsHowAFillGoes) {
    struct Case {
        decltype(Event::what) what;
        std::string line;
    };
    begin(ProgressMode::plain);
    begin_fill();
    written();
    std::string const step = "backfill.1";
    for (auto const& one : std::vector<Case>{
             {WayChanged{step, "users_p1", Way::in_page, "updates may stay on their page"},
              "backfill.1 users_p1: in-page order from now on, because updates may stay on their page"},
             {WayChanged{step, "users", Way::ranges, "only 2 % of 40000 updates stayed on their page"},
              "backfill.1 users: page range by page range from now on, because only 2 % of 40000 updates stayed on "
              "their "
              "page"},
             {WayChanged{step, "users", Way::ranges, ""}, "backfill.1 users: page range by page range from now on"},
             {WorkersChanged{step, 1, "a commit takes 40 ms, and 9 ms with one worker"},
              "backfill.1: 1 worker from now on, because a commit takes 40 ms, and 9 ms with one worker"},
             {WorkersChanged{step, 3, "one more raised the rate from 1100 to 1840 rows/s"},
              "backfill.1: 3 workers from now on, because one more raised the rate from 1100 to 1840 rows/s"},
             {Vacuumed{step, "users", 40'000, milliseconds{1200}},
              "backfill.1 users: vacuumed in 1.2 s, after 40000 dead rows"},
             {Vacuumed{step, "users", 1, milliseconds{3}}, "backfill.1 users: vacuumed in 3 ms, after 1 dead row"},
         }) {
        hear(one.what);
        EXPECT_THAT(said(), ElementsAre(one.line));
    }
}

TEST_F(ProgressTest, BarTellsNothingLastingOfHowAFillGoes) {
    begin(ProgressMode::bar);
    begin_fill();
    written();
    hear(WayChanged{"backfill.1", "users", Way::ranges, "of this"});
    hear(WorkersChanged{"backfill.1", 2, "of that"});
    hear(Vacuumed{"backfill.1", "users", 9, seconds{1}});
    EXPECT_THAT(written(), Not(HasSubstr("\n")));
}

TEST_F(ProgressTest, PlainTellsOfADumpNowAndThen) {
    begin(ProgressMode::plain);
    hear(StepBegan{"contract.1", "back up users", Phase::contract});
    written();
    for (int second = 0; second < 12; ++second) {
        at(second * 1000);
        hear(DumpGrew{"contract.1", std::int64_t{second} << 20});
    }
    hear(BackedUp{"contract.1", "/b/n.dump", 3 << 20, "ab12"});
    EXPECT_THAT(said(), ElementsAre("contract.1 dumps the tables with pg_dump: 0 B written; nobody waits for it",
                                    "contract.1 dumps the tables with pg_dump: 10 MB written; nobody waits for it",
                                    "contract.1 backed up to /b/n.dump, 3 MB, SHA-256 ab12"));
}

TEST_F(ProgressTest, BarShowsHowADumpGrows) {
    begin(ProgressMode::bar);
    hear(StepBegan{"contract.1", "back up users", Phase::contract});
    at(1000);
    hear(DumpGrew{"contract.1", 5 << 20});
    EXPECT_THAT(written(), HasSubstr("contract: back up users, 5 MB written"));
}

TEST_F(ProgressTest, PlainSaysOnceThatItIsHeldAndOnceThatItGoesOn) {
    begin(ProgressMode::plain);
    begin_fill();
    written();
    hear(PaceChanged{0, {"replication lag of r1 is 3.2 s, limit 2 s"}});
    at(1000);
    hear(PaceChanged{0, {"replication lag of r1 is 3.3 s, limit 2 s"}});
    at(4000);
    hear(PaceChanged{1, {}});
    hear(PaceChanged{1, {}});
    EXPECT_THAT(said(), ElementsAre("held: replication lag of r1 is 3.2 s, limit 2 s", "goes on after 4.0 s"));
}

TEST_F(ProgressTest, ASlowerPaceIsShownAndNotTold) {
    std::string const reason = "replication lag of r1 is 1.7 s, limit 2 s: pace 40 %";
    begin(ProgressMode::plain);
    begin_fill();
    written();
    hear(PaceChanged{0.4, {reason}});
    hear(PaceChanged{0, {"replication lag of r1 is 2.1 s, limit 2 s"}});
    at(2000);
    hear(PaceChanged{0.4, {reason}});
    hear(PaceChanged{1, {}});
    EXPECT_THAT(said(), ElementsAre("held: replication lag of r1 is 2.1 s, limit 2 s", "goes on after 2.0 s"));
    begin(ProgressMode::bar, 200);
    begin_fill();
    hear(PaceChanged{0.4, {reason}});
    at(4000);
    batch(100, seconds{1});
    EXPECT_THAT(written(), HasSubstr("  slowed: " + reason));
}

TEST_F(ProgressTest, PlainDoesNotRepeatALockWait) {
    begin(ProgressMode::plain);
    begin_fill();
    written();
    hear(LockTried{.step = "expand.1", .got = true, .waited = {}, .blockers = {}});
    for (int i = 0; i < 50; ++i) {
        at(i * 100);
        hear(LockTried{.step = "expand.1", .got = false, .waited = milliseconds{5}, .blockers = {"pid 7 (psql)"}});
    }
    hear(LockTried{.step = "expand.1", .got = true, .waited = {}, .blockers = {}});
    EXPECT_THAT(said(), ElementsAre(HasSubstr("expand.1 waits for a lock, held by pid 7 (psql)"),
                                    "expand.1 got its locks after 51 tries"));
}

TEST_F(ProgressTest, PlainTellsOfALockWaitAnewWhenOthersAreInTheWay) {
    begin(ProgressMode::plain);
    auto const busy = [&](std::string blocker) {
        hear(LockTried{.step = "expand.1", .got = false, .waited = {}, .blockers = {std::move(blocker)}});
    };
    busy("pid 7 (user web, active, open for 1.0 s: SELECT 1)");
    busy("pid 7 (user web, active, open for 1.2 s: SELECT 1)");
    busy("pid 8 (user web, active, open for 0.1 s: SELECT 2)");
    hear(BlockerEnded{.step = "expand.1", .session = true, .blocker = "pid 8 (user web)"});
    hear(BlockerEnded{.step = "expand.1", .session = false, .blocker = "pid 8 (user web)"});
    hear(WaitsFor{.step = "proof.3", .blockers = {"pid 9 (psql)", "pid 10"}});
    EXPECT_THAT(said(),
                ElementsAre(HasSubstr("held by pid 7 (user web, active, open for 1.0 s"), HasSubstr("held by pid 8"),
                            HasSubstr("expand.1 terminated the session of pid 8 (user web)"),
                            HasSubstr("expand.1 canceled the statement of pid 8"),
                            "proof.3 runs, and waits for pid 9 (psql); pid 10"));
}

TEST_F(ProgressTest, NamesCannotSteerATerminal) {
    begin(ProgressMode::plain);
    hear(
        Warned{"table \x1b[2Jx\ny \xC2\x9B"
               "31m ü",
               ""});
    EXPECT_THAT(said(), ElementsAre("warning: table ?[2Jx?y ?31m ü"));
}

TEST_F(ProgressTest, BarIsOneLineThatIsErased) {
    begin(ProgressMode::bar, 200);
    begin_fill();
    at(1000);
    batch(100, seconds{1});
    hear(ReplicaLag{.replica = "r1", .lag = milliseconds{400}});
    at(1300);
    hear(PaceChanged{0, {"replication lag of r1 is 3.2 s, limit 2 s"}});
    auto const text = written();
    EXPECT_THAT(
        text,
        HasSubstr("\rfill users [##..................] 10%  5.0k/50.0k rows  5.0k/s  9.0 s left  0 % in place\x1b[K"));
    EXPECT_THAT(text, HasSubstr("lag 400 ms  held: replication lag of r1"));
    EXPECT_EQ(lines(text).front(), "run 3 of plan full-name begins, 8 steps");
    at(1400);
    hear(GateOpened{.gate = "contract", .notes = {}});
    EXPECT_THAT(written(), testing::StartsWith("\r\x1b[Kgate contract is open"));
    hear(RunDone{});
    EXPECT_THAT(written(), testing::AllOf(HasSubstr("plan full-name is done"), Not(testing::EndsWith("[K"))));
}

TEST_F(ProgressTest, BarIsErasedWhenTheProgramEndsWithoutAWord) {
    begin(ProgressMode::bar);
    begin_fill();
    written();
    progress.reset();
    EXPECT_EQ(written(), "\r\x1b[K");
}

TEST_F(ProgressTest, BarIsRedrawnFiveTimesASecond) {
    begin(ProgressMode::bar);
    begin_fill();
    written();
    for (int ms = 1; ms <= 2000; ++ms) {
        at(ms);
        batch(0, milliseconds{1});
    }
    auto const text = written();
    EXPECT_LE(std::count(text.begin(), text.end(), '\r'), 10);
    EXPECT_GE(std::count(text.begin(), text.end(), '\r'), 9);
    at(-3'600'000);
    batch(1);
    EXPECT_THAT(written(), Not(IsEmpty())) << "a clock that was set back does not freeze it";
}

TEST_F(ProgressTest, BarKeepsToTheWidth) {
    begin(ProgressMode::bar, 30);
    hear(RunBegan{.plan = "p"});
    at(1000);
    hear(StepBegan{.step = "s", .title = std::string{"füüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüü"}});
    auto const text = written();
    auto const bar = text.substr(text.rfind('\r') + 1);
    auto const shown = bar.substr(0, bar.find('\x1b'));
    EXPECT_EQ(std::count_if(shown.begin(), shown.end(), [](char c) { return (c & 0xC0) != 0x80; }), 29);
}

TEST_F(ProgressTest, NoneIsSilent) {
    begin(ProgressMode::none);
    begin_fill();
    EXPECT_EQ(written(), "");
}

TEST_F(ProgressTest, AReaderThatIsGoneDoesNoHarm) {
    for (auto const mode : {ProgressMode::plain, ProgressMode::bar, ProgressMode::json}) {
        begin(mode);
        if (ends[0] >= 0) ::close(std::exchange(ends[0], -1));
        begin_fill();
        batch(10);
        hear(RunDone{});
        progress.reset();
    }
}

TEST_F(ProgressTest, AReaderThatSleepsDoesNotStopTheRun) {
    begin(ProgressMode::json);
    for (int i = 0; i < 20'000; ++i) batch(i);
    std::string text;
    for (int turn = 0; turn < 100; ++turn) {
        hear(Warned{"awake", ""});
        text += written();
    }
    auto const all = lines(text);
    auto const whole =
        std::ranges::count_if(all, [](auto const& line) { return line.front() == '{' && line.back() == '}'; });
    EXPECT_EQ(whole, std::ssize(all)) << "a line is dropped whole or not at all";
    EXPECT_GT(whole, 5000);
    EXPECT_LT(whole, 20'000);
    EXPECT_TRUE(text.find("{\"event\":\"lines_dropped\",\"count\":") != std::string::npos);
    EXPECT_THAT(all.back(), HasSubstr("awake"));
}

TEST(ProgressModes, AreFiveWords) {
    EXPECT_EQ(progress_mode("auto"), ProgressMode::automatic);
    EXPECT_EQ(progress_mode("json"), ProgressMode::json);
    EXPECT_FALSE(progress_mode("fancy"));
    std::array<int, 2> ends{};
    ASSERT_EQ(::pipe(ends.data()), 0);
    EXPECT_EQ(resolve(ProgressMode::automatic, ends[1]), ProgressMode::plain);
    EXPECT_EQ(resolve(ProgressMode::bar, ends[1]), ProgressMode::bar);
    for (int const end : ends) ::close(end);
    int const terminal = ::posix_openpt(O_RDWR | O_NOCTTY);
    if (terminal < 0) GTEST_SKIP() << "no pseudo terminals here";
    char const* const term = std::getenv("TERM");
    std::string const before = term ? term : "";
    ::setenv("TERM", "xterm", 1);
    EXPECT_EQ(resolve(ProgressMode::automatic, terminal), ProgressMode::bar);
    ::setenv("TERM", "dumb", 1);
    EXPECT_EQ(resolve(ProgressMode::automatic, terminal), ProgressMode::plain);
    ::setenv("TERM", before.c_str(), 1);
    ::close(terminal);
}

}  // namespace
}  // namespace weir
