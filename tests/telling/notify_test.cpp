/// Notices of the real program: to a server that answers, to none, and to a command.
#include <fstream>
#include <sstream>

#include "prometheus.h"

namespace weir::tests {
namespace {

using ::testing::HasSubstr;

class Notify : public ::testing::Test, public Bench {
  protected:
    void SetUp() override {
        make_users(*this, 50);
        folder.write("hook", "#!/bin/sh\necho \"$WEIR_EVENT $WEIR_PLAN $WEIR_CODE\" >> \"$1\"\n");
        std::filesystem::permissions(folder.path("hook"), std::filesystem::perms::owner_all);
    }
    std::string with_notify(std::string const& notify) const {
        return plan(std::string{rename_plan} + "notify: " + notify + "\n");
    }
    std::string told() const {
        std::ifstream file{folder.path("told")};
        std::ostringstream text;
        text << file.rdbuf();
        return text.str();
    }
};

TEST_F(Notify, ACommandHearsOfTheWholeRun) {
    auto const file = with_notify("{ command: [ " + folder.path("hook") + ", " + folder.path("told") + " ] }");
    auto process = start({"run", file, "--allow-command"});
    ASSERT_TRUE(at_gate(process)) << process.out() << process.err();
    EXPECT_TRUE(wait_until([&] { return has(told(), "gate rename-it"); }));
    process.signal(SIGINT);
    EXPECT_EQ(wait(process).status, 4);
    EXPECT_EQ(told(), "started rename-it \ngate rename-it \nstopped rename-it interrupted\n");
    ASSERT_EQ(weir({"run", file, "--approve", "all", "--allow-command"}).status, 0);
    EXPECT_THAT(told(), HasSubstr("done rename-it \n")) << "the end is told before the program ends";
}

TEST_F(Notify, ACommandIsRunOnlyIfTheCommandLineAllowsIt) {
    auto const file =
        with_notify("\n  held: 1h\n  command: [ " + folder.path("hook") + ", " + folder.path("told") + " ]");
    EXPECT_TRUE(refused(weir({"run", file}), 1, "command-not-allowed",
                        {file + ":7:12: ", "notify.command runs " + folder.path("hook"), "--allow-command"}));
    EXPECT_FALSE(ledger()) << "nothing was begun";
    EXPECT_FALSE(std::filesystem::exists(folder.path("told")));
    EXPECT_EQ(weir({"plan", file}).status, 0) << "looking at it runs nothing";
    ASSERT_EQ(weir({"run", file, "--allow-command", "--no-wait"}).status, 3);
    auto const before = told();
    EXPECT_THAT(before, HasSubstr("gate rename-it"));
    EXPECT_TRUE(refused(weir({"run", file, "--approve", "all"}), 1, "command-not-allowed"));
    // What has only the name runs no command, and needs no leave.
    EXPECT_EQ(weir({"abort", "rename-it", "--approve", "all"}).status, 6);
    EXPECT_EQ(told(), before);
    EXPECT_EQ(leftovers(), "");
}

TEST_F(Notify, NobodyThereDoesNoHarm) {
    auto const port = std::to_string(free_port());
    auto const file = with_notify("{ webhook: \"http://127.0.0.1:" + port + "/SECRET\", command: /no/such/hook }");
    auto process = start({"run", file, "--allow-command", "--progress", "plain"});
    // Two signals: the first ends the run, the second does not wait for those who cannot be told.
    ASSERT_TRUE(at_gate(process)) << process.out() << process.err();
    EXPECT_TRUE(wait_until([&] {
        return has(process.out(), "notify.command, run for \"gate\": it cannot be started");
    })) << process.out();
    ASSERT_EQ(weir({"approve", "rename-it", "contract"}).status, 0);
    EXPECT_TRUE(wait_until([&] { return has(process.out(), "plan rename-it is done"); })) << process.out();
    process.signal(SIGINT);
    auto const ran = wait(process);
    EXPECT_EQ(ran.status, 0) << tests::told(ran);
    EXPECT_THAT(ran.out, HasSubstr("not everybody was told of the end"));
    EXPECT_FALSE(has(ran.out + ran.err, "SECRET"));
    EXPECT_EQ(ledger_faults(), "");
}

TEST_F(Notify, AnAddressInTheEnvironmentIsNeverShown) {
    auto const file = with_notify("{ webhook: $WEIR_TEST_HOOK }");
    EXPECT_TRUE(refused(weir({"run", file, "--no-wait"}), 1, "bad-value", {"WEIR_TEST_HOOK", "not set"}));
    EXPECT_FALSE(ledger());
    auto const hook = "http://127.0.0.1:" + std::to_string(free_port()) + "/SECRET";
    auto process = start({"run", file, "--until", "expand"}, {{"WEIR_TEST_HOOK", hook}});
    EXPECT_TRUE(wait_until([&] { return has(process.out(), "stopped after"); })) << process.out() << process.err();
    process.signal(SIGINT);
    auto const ran = wait(process);
    EXPECT_EQ(ran.status, 0) << tests::told(ran);
    EXPECT_FALSE(has(ran.out + ran.err, "SECRET"));
    EXPECT_EQ(value("SELECT count(*) FROM weir.entries WHERE detail::text LIKE '%SECRET%'"), "0");
}

}  // namespace
}  // namespace weir::tests
