/// What becomes of the files around a dump, with programs that only say what they are told to; the real ones are run by
/// the suites program, golden and security.
#include "orchestrator/out/dump.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <stdexcept>
#include <thread>

#include "orchestrator/out/pg_program.h"

namespace weir {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class Dumping : public ::testing::Test {
  protected:
    Dumping() {
        std::string text = (fs::temp_directory_path() / "weir-dump-test-XXXXXX").string();
        if (::mkdtemp(text.data()) == nullptr) throw std::runtime_error{"no folder"};
        folder = text;
        fs::create_directories(folder / "bin");
        fs::create_directories(folder / "dumps");
        path_before = std::getenv("PATH");
        ::setenv("PATH", ((folder / "bin").string() + ":" + path_before).c_str(), 1);
        program("pg_dump", "printf abc");
        program("pg_restore", "echo '3347; 0 16394 TABLE DATA public users owner'");
        dumper = std::make_unique<Dumper>(
            io.get_executor(), Dumper::Config{(folder / "dumps").string(), "dbname='shop'", "weir p backup"});
    }
    ~Dumping() override {
        ::setenv("PATH", path_before.c_str(), 1);
        std::error_code error;
        fs::remove_all(folder, error);
    }
    void program(std::string const& called, std::string const& script) const {
        auto const file = folder / "bin" / called;
        std::ofstream{file} << "#!/bin/sh\n" << script << "\n";
        fs::permissions(file, fs::perms::owner_all);
    }
    void touch(std::string const& file) const { std::ofstream{folder / "dumps" / file} << "old"; }
    bool there(std::string const& file) const { return fs::exists(folder / "dumps" / file); }
    Outcome make(std::vector<DumpedTable> tables = {{"16394", "public", "users", true}}) {
        std::optional<Outcome> answer;
        dumper->dump({CommandId{1}, "contract.1", name, std::move(tables), Millis{1000}},
                     [&](Outcome outcome) { answer = std::move(outcome); });
        return wait(answer);
    }
    Outcome wait(std::optional<Outcome>& answer) {
        io.restart();
        while (!answer && io.run_one() > 0) {
        }
        return answer.value();
    }

    fs::path folder;
    std::string path_before;
    std::string const name = "p.run1.contract.1.20260101T000000Z.dump";
    boost::asio::io_context io;
    std::unique_ptr<Dumper> dumper;
};

TEST_F(Dumping, LeavesOneFileForItsOwnerAndTellsItsSum) {
    auto const before = ::umask(0);
    auto const outcome = make();
    ::umask(before);
    ASSERT_EQ(outcome.fate, Fate::done) << outcome.message;
    EXPECT_EQ(outcome.rows.at(0).fields.at(0), (folder / "dumps" / name).string());
    EXPECT_EQ(outcome.rows[0].fields.at(1), "3");
    EXPECT_EQ(outcome.rows[0].fields.at(2), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    struct stat found {};
    ASSERT_EQ(::stat((folder / "dumps" / name).c_str(), &found), 0);
    EXPECT_EQ(found.st_mode & 0777U, 0600U);
    EXPECT_FALSE(there(name + ".part"));

    std::optional<Outcome> answer;
    dumper->look({CommandId{2}, (folder / "dumps" / name).string()}, [&](Outcome looked) { answer = looked; });
    EXPECT_EQ(wait(answer).rows.at(0).fields.at(0), "3");
    answer.reset();
    dumper->look({CommandId{3}, (folder / "dumps").string()}, [&](Outcome looked) { answer = looked; });
    EXPECT_TRUE(wait(answer).rows.empty()) << "a directory is no dump";
}

TEST_F(Dumping, RemovesOnlyWhatADeadOneOfItsStepLeft) {
    touch("p.run1.contract.1.20250101T000000Z.dump.part");
    touch("p.run1.contract.1.20250101T000001Z.dump");
    touch("p.run1.contract.12.20250101T000000Z.dump.part");
    touch("p.run1.contract.1.20250101T000002Z.dump.part");
    int const other = ::open((folder / "dumps/p.run1.contract.1.20250101T000002Z.dump.part").c_str(), O_RDONLY);
    ASSERT_EQ(::flock(other, LOCK_EX), 0);
    EXPECT_EQ(make().fate, Fate::done);
    ::close(other);
    EXPECT_FALSE(there("p.run1.contract.1.20250101T000000Z.dump.part"));
    EXPECT_TRUE(there("p.run1.contract.1.20250101T000001Z.dump")) << "it is whole";
    EXPECT_TRUE(there("p.run1.contract.12.20250101T000000Z.dump.part")) << "another step's";
    EXPECT_TRUE(there("p.run1.contract.1.20250101T000002Z.dump.part")) << "somebody writes it";
}

TEST_F(Dumping, NeverWritesOverAFile) {
    touch(name);
    auto const outcome = make();
    EXPECT_EQ(outcome.fate, Fate::refused);
    EXPECT_THAT(outcome.message, HasSubstr("already"));
    EXPECT_EQ(fs::file_size(folder / "dumps" / name), 3U);
    EXPECT_FALSE(there(name + ".part"));
}

TEST_F(Dumping, MustHoldTheRowsOfEachTableThatHasSome) {
    EXPECT_EQ(make({{"16394", "public", "users", true}, {"16390", "public", "parts", false}}).fate, Fate::done);
    fs::remove(folder / "dumps" / name);
    // The oid alone counts: a name may hold anything.
    program("pg_restore",
            "echo '; 0 1639 TABLE DATA'; echo '7; 0 1639 TABLE DATA public users; 0 16394 TABLE DATA x'; "
            "echo '8; 1259 16394 TABLE public users owner'");
    auto const outcome = make();
    EXPECT_EQ(outcome.fate, Fate::refused);
    EXPECT_THAT(outcome.message, HasSubstr("the rows of public.users are not in the dump"));
    EXPECT_FALSE(there(name));
    EXPECT_FALSE(there(name + ".part"));
}

TEST_F(Dumping, EndsWhatDoesNotWantToEnd) {
    program("pg_dump", "trap '' TERM\nprintf abc\nwhile :; do sleep 1; done");
    std::optional<Outcome> answer;
    dumper->dump({CommandId{1}, "contract.1", name, {}, Millis{1000}}, [&](Outcome outcome) { answer = outcome; });
    auto const limit = std::chrono::steady_clock::now() + std::chrono::seconds{20};
    auto const written = [&] {
        std::error_code error;
        return fs::file_size(folder / "dumps" / (name + ".part"), error) == 3 && !error;
    };
    // From then on it does not hear of it.
    while (!written() && std::chrono::steady_clock::now() < limit) std::this_thread::yield();
    ASSERT_TRUE(written());
    dumper->cancel();
    EXPECT_EQ(wait(answer).fate, Fate::canceled);
    EXPECT_FALSE(there(name + ".part"));
}

TEST_F(Dumping, ThatFindsNoRoomLeavesNothing) {
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
    auto const handler = std::signal(SIGXFSZ, SIG_IGN);
    rlimit const narrow{2, before.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &narrow), 0);
    auto const outcome = make();
    ::setrlimit(RLIMIT_FSIZE, &before);
    std::signal(SIGXFSZ, handler);
    EXPECT_EQ(outcome.fate, Fate::refused);
    EXPECT_THAT(outcome.message, HasSubstr("cannot write " + (folder / "dumps" / name).string()));
    EXPECT_FALSE(there(name));
    EXPECT_FALSE(there(name + ".part"));
}

TEST_F(Dumping, TellsTheEndOfWhatItSaidInWholeCharacters) {
    // Letters of three bytes: what is kept of them, 1 000 bytes, begins within one.
    program("pg_dump", "i=0; while [ $i -lt 1500 ]; do printf '\\342\\202\\254' >&2; i=$((i + 1)); done; exit 3");
    auto const outcome = make();
    EXPECT_EQ(outcome.fate, Fate::refused);
    EXPECT_EQ(outcome.message, "pg_dump ended with 3");
    EXPECT_THAT(outcome.more.reveal(), testing::StartsWith("pg_dump says: \xE2\x82\xAC\xE2\x82\xAC"));
    EXPECT_EQ(outcome.more.reveal().find('?'), std::string::npos);
}

TEST(Room, IsThatOfTheDirectorysDisk) {
    EXPECT_GT(free_bytes("/tmp").value_or(0), 0);
    EXPECT_EQ(free_bytes("/proc"), 0) << "what has no room";
    EXPECT_EQ(free_bytes("/there/is/no/such/directory"), std::nullopt);
}

TEST(Harmless, HidesSecretsAndControls) {
    ::setenv("PGPASSWORD", "s3cret-x", 1);
    for (auto const& [said, shown] : std::vector<std::pair<std::string, std::string>>{
             {"it is s3cret-x, s3cret-x", "it is ***, ***"},
             {"host=h password=abc port=1", "host=h password=*** port=1"},
             {"password='a b' x", "password=*** x"},
             {"password=", "password=***"},
             {"postgresql://u:abc@h/db and postgres://v:d@i", "postgresql://u:***@h/db and postgres://v:***@i"},
             {"postgresql://u@h:5432/db", "postgresql://u@h:5432/db"},
             {"a\nb\x01\tc \n", "a b  c"},
             {"Zo\xC3\xAB", "Zo\xC3\xAB"},
             {"Zo\xC3", "Zo?"},
             {"", ""}})
        EXPECT_EQ(harmless(said), shown);
    ::unsetenv("PGPASSWORD");
    EXPECT_EQ(harmless("it is s3cret-x"), "it is s3cret-x");
}

}  // namespace
}  // namespace weir
