#include "orchestrator/out/process.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <cerrno>

namespace weir {
namespace {

using std::chrono::milliseconds;

std::vector<std::string> shell(std::string words) { return {"sh", "-c", std::move(words)}; }

struct Said {
    std::string out, err;
};

Ended run_to_its_end(Child& child, Said& said) {
    std::optional<Ended> ended;
    while (child.open() || !(ended = child.ended()))
        child.read(Child::glance, [&](Child::Stream from, std::string_view bytes) {
            (from == Child::Stream::out ? said.out : said.err) += bytes;
        });
    return *ended;
}

TEST(Child, HasItsStreamsApartOrJoined) {
    for (auto const streams : {Child::Streams::apart, Child::Streams::joined}) {
        Child child{shell("echo a; echo b >&2"), {}, Inherited::path, streams};
        Said said;
        EXPECT_TRUE(run_to_its_end(child, said).good());
        EXPECT_EQ(said.out, streams == Child::Streams::apart ? "a\n" : "a\nb\n");
        EXPECT_EQ(said.err, streams == Child::Streams::apart ? "b\n" : "");
    }
}

TEST(Child, SaysHowItEnded) {
    Said said;
    Child three{shell("exit 3"), {}, Inherited::path, Child::Streams::joined};
    auto const ended = run_to_its_end(three, said);
    EXPECT_FALSE(ended.good());
    EXPECT_EQ(ended.words(), "ended with 3");
    Child killed{shell("kill -9 $$"), {}, Inherited::path, Child::Streams::joined};
    EXPECT_EQ(run_to_its_end(killed, said).words(), "was ended by signal 9");
}

TEST(Child, ThatCannotBeStartedIsThrown) {
    try {
        Child child{{"/no/such/program"}, {}, Inherited::path, Child::Streams::apart};
        FAIL() << "it runs";
    } catch (Child::NotStarted const& why) {
        EXPECT_EQ(why.error, ENOENT);
        EXPECT_FALSE(why.no_pipe);
    }
}

TEST(Child, IsGivenVariablesAndWhatItInherits) {
    ::setenv("WEIR_TEST_OURS", "ours", 1);
    for (auto const inherited : {Inherited::all, Inherited::path}) {
        Child child{shell("echo \"$WEIR_TEST_OURS $GIVEN\""), {{"GIVEN", "given"}}, inherited, Child::Streams::apart};
        Said said;
        run_to_its_end(child, said);
        EXPECT_EQ(said.out, inherited == Inherited::all ? "ours given\n" : " given\n");
    }
    ::unsetenv("WEIR_TEST_OURS");
}

TEST(Child, IsEndedWithWhatItStarted) {
    Said said;
    Child child{shell("sleep 60 & echo $!; wait"), {}, Inherited::path, Child::Streams::joined};
    while (said.out.find('\n') == std::string::npos)
        child.read(Child::glance, [&](Child::Stream, std::string_view bytes) { said.out += bytes; });
    EXPECT_FALSE(child.ended());
    child.end(milliseconds{0});
    ASSERT_TRUE(child.ended());
    EXPECT_EQ(child.ended()->words(), "was ended by signal 9");
    // The stream is closed when nobody is left who could write.
    while (child.open()) child.read(Child::glance, [](Child::Stream, std::string_view) {});
}

TEST(Child, MayFinishWhenItIsAskedTo) {
    Said said;
    Child child{shell("trap 'exit 7' TERM; echo ready; while :; do sleep 0.05; done"),
                {},
                Inherited::path,
                Child::Streams::joined};
    while (said.out.find('\n') == std::string::npos)
        child.read(Child::glance, [&](Child::Stream, std::string_view bytes) { said.out += bytes; });
    child.end(milliseconds{10'000});
    EXPECT_EQ(child.ended()->words(), "ended with 7");
}

}  // namespace
}  // namespace weir
