#include "orchestrator/machine/entries.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dialogue.h"

namespace weir {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using Came = Entries::Came;
using State = Entries::State;

struct Writer {
    Entries entries{RunId{1}, Epoch{7}, 4};
    Ids ids;
    Commands out;

    void write(EntryKind kind) { entries.write({kind, "expand.1", {}, {}}, ids, out); }
    Came answer(Outcome const& outcome, bool hurried = false) {
        out.clear();
        return entries.completed(stamp(Millis{5}), {*entries.pending(), outcome}, hurried, ids, out);
    }
    std::string sent() const { return out.empty() ? "" : text(all<Execute>(out).back()); }
};

TEST(Entries, AreNumberedWhenTheyStand) {
    Writer w;
    w.write(EntryKind::step_begun);
    EXPECT_THAT(w.sent(), AllOf(HasSubstr("synchronous_commit = on"), HasSubstr("step_begun")));
    EXPECT_EQ(w.answer(done()), Came::entry);
    EXPECT_EQ(w.entries.state(), State::idle);
    EXPECT_EQ(w.entries.next(), 5);
    w.entries.passed();
    EXPECT_EQ(w.entries.next(), 6);
    w.write(EntryKind::step_done);
    EXPECT_EQ(w.answer(failure(Fate::lost)), Came::failure);
    EXPECT_EQ(w.entries.next(), 6);
}

TEST(Entries, WaitForTheNoteThatIsOnItsWay) {
    Writer w;
    w.entries.write_note(w.ids, w.out);
    EXPECT_THAT(w.out, IsEmpty()) << "there is none";
    w.entries.note(EntryKind::paused, {});
    w.entries.note(EntryKind::resumed, {});
    w.entries.write_note(w.ids, w.out);
    w.entries.write_note(w.ids, w.out);
    EXPECT_THAT(all<Execute>(w.out), SizeIs(1)) << "one at a time";
    w.write(EntryKind::step_done);
    EXPECT_EQ(w.entries.state(), State::held);
    EXPECT_EQ(w.answer(done()), Came::note);
    EXPECT_THAT(w.sent(), HasSubstr("step_done"));
    EXPECT_EQ(w.answer(done()), Came::entry);
    EXPECT_TRUE(w.entries.notes()) << "the second waits for the next occasion";
    EXPECT_EQ(w.entries.next(), 6);
}

TEST(Entries, ANoteThatFailsTakesWhatWaitedWithIt) {
    Writer w;
    w.entries.note(EntryKind::paused, {});
    w.entries.note(EntryKind::resumed, {});
    w.entries.write_note(w.ids, w.out);
    w.write(EntryKind::step_done);
    EXPECT_EQ(w.answer(failure(Fate::refused)), Came::failure);
    EXPECT_THAT(w.out, IsEmpty());
    EXPECT_EQ(w.entries.state(), State::idle);
    EXPECT_FALSE(w.entries.notes());
}

TEST(Entries, AreConfirmedByAStandbyAndToldOnce) {
    Writer w;
    w.write(EntryKind::step_done);
    auto alone = done();
    alone.unreplicated = true;
    EXPECT_EQ(w.answer(alone), Came::nothing);
    EXPECT_EQ(w.entries.state(), State::confirming);
    EXPECT_THAT(told<Warned>(w.out), SizeIs(1));
    EXPECT_THAT(w.sent(), HasSubstr("pg_logical_emit_message"));
    EXPECT_EQ(w.answer(failure(Fate::canceled)), Came::nothing);
    EXPECT_THAT(told<Warned>(w.out), IsEmpty());
    auto other = w;
    EXPECT_EQ(w.answer(done()), Came::entry);
    EXPECT_EQ(w.entries.next(), 5);
    EXPECT_EQ(other.answer(failure(Fate::canceled), true), Came::entry) << "who hurries does not wait";
}

TEST(Entries, WhyItStoppedWaitsForNoStandby) {
    Writer w;
    w.write(EntryKind::stopped);
    EXPECT_THAT(w.sent(), HasSubstr("synchronous_commit = local"));
    auto alone = done();
    alone.unreplicated = true;
    EXPECT_EQ(w.answer(alone), Came::entry);
}

}  // namespace
}  // namespace weir
