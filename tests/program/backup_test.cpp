/// The dump before what destroys, made by the real pg_dump: it restores, it is asked for before anything is touched,
/// and whoever fails, is killed or is interrupted meanwhile drops nothing.
#include <sys/stat.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "metrics/text.h"
#include "tests/support/terminal.h"

namespace weir::tests {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;
using ::testing::Not;
using ::testing::SizeIs;

std::string text_of(std::string const& path) {
    std::ifstream file{path, std::ios::binary};
    return {std::istreambuf_iterator<char>{file}, {}};
}

Ran tool(Words words) {
    Launch launch;
    launch.command = std::move(words);
    return run(std::move(launch));
}

class Backup : public ::testing::Test, public Bench {
  protected:
    void SetUp() override {
        fs::create_directory(folder.path("dumps"));
        fs::create_directory(folder.path("bin"));
        make_users(*this, 100);
    }

    std::string saved_plan(std::string const& more = "", std::string const& directory = "") const {
        return plan(std::string{rename_plan} + "backup: { directory: \"" +
                    (directory.empty() ? folder.path("dumps") : directory) + "\" }\n" + more);
    }
    std::vector<std::string> files() const {
        std::vector<std::string> names;
        for (auto const& entry : fs::directory_iterator{folder.path("dumps")})
            names.push_back(entry.path().filename().string());
        return names;
    }
    /// A pg_dump that says its version as the real one does, and else does this.
    Environment instead(std::string const& script) const {
        auto const path =
            folder.write("bin/pg_dump", "#!/bin/sh\nreal=" + server_program("pg_dump") +
                                            "\n[ \"$1\" = --version ] && exec $real --version\n" + script);
        fs::permissions(path, fs::perms::owner_all | fs::perms::group_exec | fs::perms::others_exec |
                                  fs::perms::group_read | fs::perms::others_read);
        return {{"PATH", folder.path("bin") + ":" + std::getenv("PATH")}};
    }
    /// Writes as long as somebody reads, and leaves its process id behind.
    Environment endless() const {
        return instead("echo $$ > '" + folder.path("pid") +
                       "'\ntrap 'exit 1' TERM\nwhile echo some bytes; do sleep 0.05; done\n");
    }
    bool writing() const {
        return wait_until([&] {
            auto const names = files();
            return names.size() == 1 && names[0].ends_with(".part") &&
                   !text_of(folder.path("dumps/" + names[0])).empty();
        });
    }
    bool ended() const {
        return wait_until([&] { return ::kill(std::stoi(text_of(folder.path("pid"))), 0) != 0; });
    }
    bool untouched() const {
        return value(
                   "SELECT count(*) FROM information_schema.columns WHERE table_name = 'users' AND column_name = "
                   "'name'") == "1";
    }
};

TEST_F(Backup, IsThereBeforeTheColumnIsNot) {
    sql("UPDATE users SET name = 'Zoë' WHERE id = 7");
    auto const before = value("SELECT md5(string_agg(id || name, ',' ORDER BY id)) FROM users");
    auto const file = saved_plan();
    auto const preview = weir({"plan", file});
    EXPECT_THAT(preview.out, HasSubstr("contract.1  back up users"));
    EXPECT_THAT(preview.out, HasSubstr("pg_dump writes the tables, with all partitions, to " + folder.path("dumps")));
    auto const ran = weir({"run", file, "--approve", "all"});
    ASSERT_EQ(ran.status, 0) << told(ran);
    ASSERT_THAT(files(), ElementsAre(MatchesRegex(R"(rename-it\.run1\.contract\.1\.[0-9]{8}T[0-9]{9}Z\.dump)")));
    auto const dump = folder.path("dumps/" + files()[0]);
    struct stat found {};
    ASSERT_EQ(::stat(dump.c_str(), &found), 0);
    EXPECT_EQ(found.st_mode & 0777U, 0600U);

    // The same three facts everywhere.
    auto const summed = tool({"sha256sum", dump});
    auto const sum = summed.out.substr(0, 64);
    EXPECT_THAT(ran.out, HasSubstr("contract.1 backed up to " + dump + ", "));
    EXPECT_THAT(ran.out, HasSubstr(sum));
    EXPECT_EQ(value("SELECT concat_ws(' ', step, detail->>'file', detail->>'bytes', detail->>'sha256') FROM "
                    "weir.entries WHERE kind = 'backed_up'"),
              "contract.1 " + dump + " " + std::to_string(found.st_size) + " " + sum);
    auto const status = weir({"status", "rename-it"});
    EXPECT_THAT(status.out, HasSubstr(dump + ", " + std::to_string(found.st_size) + " bytes, SHA-256 " + sum));
    auto const json = weir({"status", "--json"});
    EXPECT_THAT(json.out, HasSubstr(R"("bytes":)" + std::to_string(found.st_size) + R"(,"sha256":")" + sum + "\""));
    EXPECT_EQ(ledger_faults(), "") << entries();

    // The triggers of the sync that was live need weir's functions, which are not in the dump.
    for (bool const all : {false, true}) {
        auto const other = cluster.create_database();
        Words words{server_program("pg_restore"), "--dbname", other.conninfo, dump};
        if (!all) words.insert(words.begin() + 1, {"--section=pre-data", "--section=data"});
        auto const restored = tool(words);
        EXPECT_EQ(restored.status, all ? 1 : 0) << told(restored);
        EXPECT_EQ(query_value(other.conninfo, "SELECT md5(string_agg(id || name, ',' ORDER BY id)) FROM users"),
                  before);
        EXPECT_EQ(query_value(other.conninfo, "SELECT count(*) FROM pg_index WHERE indrelid = 'users'::regclass"),
                  all ? "1" : "0");
    }
}

TEST_F(Backup, ThatCannotBeMadeIsRefusedBeforeAnythingIsTouched) {
    folder.write("file", "");
    auto const old = folder.write("bin/pg_dump", "#!/bin/sh\necho 'pg_dump (PostgreSQL) 13.9'\n");
    fs::permissions(old, fs::perms::all);
    Environment const other{{"PATH", folder.path("bin") + ":" + std::getenv("PATH")}};
    auto const no = [&](std::string const& directory, Environment const& environment, Words const& parts) {
        EXPECT_TRUE(refused(weir({"run", saved_plan("", directory)}, environment), 5, "no-backup", parts));
        EXPECT_FALSE(ledger());
    };
    no(folder.path("none"), {}, {"is not there: " + folder.path("none"), "make it"});
    no(folder.path("file"), {}, {"is not there: " + folder.path("file")});
    no("/proc", {}, {"cannot write into the directory for the backup, /proc", "let the user that weir runs as"});
    no("", {{"PATH", "/nonexistent"}}, {"pg_dump cannot be started", "come first in PATH"});
    no("", other, {"pg_dump is of PostgreSQL 13", "install the client programs of PostgreSQL"});
    EXPECT_THAT(files(), IsEmpty()) << "what tried whether one can write there is gone";
}

TEST_F(Backup, ThatFindsNoRoomIsRefusedBeforeAnythingIsTouched) {
    // Out of line, in a partition.
    sql("DROP TABLE users; CREATE TABLE users (id int PRIMARY KEY, name text NOT NULL) PARTITION BY RANGE (id); "
        "CREATE TABLE users_p1 PARTITION OF users FOR VALUES FROM (1) TO (100); ALTER TABLE users_p1 ALTER name SET "
        "STORAGE EXTERNAL; INSERT INTO users SELECT i, repeat(md5(i::text), 1000) FROM generate_series(1, 50) i");
    auto const size = std::stoll(value("SELECT pg_table_size('users_p1')"));
    ASSERT_GT(size, 50 * 32'000);
    auto const file = saved_plan();
    auto const room = [](long long bytes) { return Environment{{"WEIR_ROOM", std::to_string(bytes)}}; };
    EXPECT_TRUE(refused(weir({"run", file}, room(size / 50 - 1)), 5, "no-backup",
                        {folder.path("dumps"), "the tables to dump take " + figure(static_cast<double>(size), "B")}));
    EXPECT_FALSE(ledger());
    // What may fit is tried.
    auto const tight = weir({"run", file, "--until", "expand"}, room(size - 1));
    EXPECT_EQ(tight.status, 0) << told(tight);
    EXPECT_THAT(tight.out, HasSubstr("and the tables to dump take"));
    EXPECT_THAT(tight.out, HasSubstr("compressed they may fit"));
    auto const wide = weir({"run", file, "--approve", "all"}, room(2 * size));
    EXPECT_EQ(wide.status, 0) << told(wide);
    EXPECT_THAT(wide.out, Not(HasSubstr("the tables to dump take")));
    // Nothing is ahead any more.
    EXPECT_EQ(weir({"run", file}, room(0)).status, 0);
}

TEST_F(Backup, ThatFailsStopsTheRunWithItsWords) {
    auto const file = saved_plan();
    auto failing = instead("echo \"pg_dump: error: no: password=$PGPASSWORD, $PGPASSWORD\" >&2\nexit 3\n");
    failing["PGPASSWORD"] = "c4n4ry";
    auto const failed = at_terminal(*this, {"run", file, "--approve", "all"}, failing);
    EXPECT_EQ(failed.status, 4) << told(failed);
    EXPECT_THAT(failed.out,
                HasSubstr("stopped[backup-failed]: step contract.1 (back up users): pg_dump ended with 3\r\n"
                          "  pg_dump says: pg_dump: error: no: password=*** ***"));
    EXPECT_THAT(failed.out, HasSubstr("hint: "));
    EXPECT_THAT(failed.out, Not(HasSubstr("c4n4ry")));
    EXPECT_EQ(value("SELECT count(*) FROM weir.entries WHERE detail::text LIKE '%c4n4ry%'"), "0");
    EXPECT_THAT(weir({"status", "rename-it"}).out, HasSubstr("pg_dump ended with 3"));
    EXPECT_TRUE(untouched());
    EXPECT_THAT(files(), IsEmpty());

    auto const empty = weir({"run", file}, instead("exec $real --schema-only \"$@\"\n"));
    EXPECT_EQ(empty.status, 4) << told(empty);
    EXPECT_THAT(empty.out, HasSubstr("the rows of public.users are not in the dump"));
    auto const torn = weir({"run", file}, instead("$real \"$@\" | head -c 200\n"));
    EXPECT_EQ(torn.status, 4) << told(torn);
    EXPECT_THAT(torn.out, HasSubstr("pg_restore ended with 1"));
    EXPECT_TRUE(untouched());
    EXPECT_THAT(files(), IsEmpty());

    auto const ran = weir({"run", file});
    EXPECT_EQ(ran.status, 0) << told(ran);
    EXPECT_THAT(files(), ElementsAre(EndsWith("Z.dump")));
    EXPECT_EQ(ledger_faults(), "") << entries();
}

TEST_F(Backup, StallsNobodyAndEndsWithAnInterrupt) {
    auto const file = saved_plan();
    Writers writers{*this, 2, 100};
    auto process = start({"run", file, "--approve", "all", "--progress", "plain"}, endless());
    ASSERT_TRUE(writing()) << process.out() << process.err();
    // The leader lives on, and nothing of it holds a lock on the table.
    auto const beat = std::stoll(value("SELECT beat FROM weir.heartbeat"));
    EXPECT_TRUE(wait_until([&] { return std::stoll(value("SELECT beat FROM weir.heartbeat")) > beat + 2; }));
    EXPECT_EQ(value("SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE l.relation = "
                    "'users'::regclass AND a.application_name LIKE 'weir %'"),
              "0");
    EXPECT_TRUE(writers.more(50));
    EXPECT_TRUE(wait_until([&] { return has(weir({"status", "rename-it"}).out, "back up users, "); }));
    EXPECT_THAT(process.out(), HasSubstr("contract.1 dumps the tables with pg_dump"));
    process.signal(SIGINT);
    auto const ran = wait(process, 10s);
    EXPECT_EQ(ran.status, 4) << told(ran);
    EXPECT_THAT(ran.out, HasSubstr("stopped[interrupted]"));
    EXPECT_TRUE(ended());
    EXPECT_THAT(files(), IsEmpty());
    EXPECT_TRUE(untouched());
    writers.stop();
    EXPECT_EQ(writers.errors(), "");
}

TEST_F(Backup, OfAWeirThatWasKilledIsReplaced) {
    auto const file = saved_plan();
    {
        auto process = start({"run", file, "--approve", "all"}, endless());
        ASSERT_TRUE(writing()) << process.out() << process.err();
        process.signal(SIGKILL);
        EXPECT_EQ(wait(process).status, 128 + SIGKILL);
    }
    EXPECT_TRUE(ended()) << "pg_dump has nobody who reads it any more";
    EXPECT_THAT(files(), ElementsAre(EndsWith("Z.dump.part")));
    EXPECT_TRUE(untouched());
    auto const ran = finish(file);
    EXPECT_EQ(ran.status, 0) << told(ran);
    EXPECT_THAT(files(), ElementsAre(EndsWith("Z.dump")));
    EXPECT_EQ(ledger_faults(), "") << entries();
}

TEST_F(Backup, IsMadeOnceAndAgainOnlyWhenItIsGone) {
    auto const file = saved_plan("locks: { timeout: 300ms, give_up: 2s }\n");
    ASSERT_EQ(weir({"run", file, "--until", "proof"}).status, 0);
    Client reader{db.conninfo};
    reader.exec("BEGIN; LOCK TABLE users IN ACCESS SHARE MODE");
    for (int i = 0; i < 2; ++i) {
        auto const ran = weir({"run", file, "--approve", "all"});
        EXPECT_EQ(ran.status, 4) << told(ran);
        EXPECT_THAT(ran.out, HasSubstr("stopped[gave-up-lock]"));
        EXPECT_THAT(files(), SizeIs(1));
    }
    EXPECT_EQ(value("SELECT count(*) FROM weir.entries WHERE kind = 'backed_up'"), "1");
    auto const first = files()[0];
    fs::remove(folder.path("dumps/" + first));
    reader.exec("ROLLBACK");
    auto const ran = weir({"run", file});
    EXPECT_EQ(ran.status, 0) << told(ran);
    EXPECT_THAT(ran.out,
                HasSubstr("warning: the dump " + folder.path("dumps/" + first) + " of step contract.1 is not"));
    EXPECT_EQ(value("SELECT count(*) FROM weir.entries WHERE kind = 'backed_up'"), "2");
    ASSERT_THAT(files(), SizeIs(1));
    EXPECT_NE(files()[0], first);
}

TEST_F(Backup, OfARunAfterAnUndoneOneIsMadeWhereThePlanSays) {
    auto const file = saved_plan();
    ASSERT_EQ(weir({"run", file, "--until", "proof"}).status, 0);
    ASSERT_EQ(weir({"abort", "rename-it"}).status, 6);
    auto const ran = weir({"run", file, "--approve", "all"});
    EXPECT_EQ(ran.status, 0) << told(ran);
    EXPECT_THAT(files(), ElementsAre(MatchesRegex(R"(rename-it\.run2\.contract\.1\..*\.dump)")));
}

TEST_F(Backup, OfRowsIsMadeBeforeTheFirstOfThemIsDeleted) {
    auto const file = plan(
        "weir: 1\nname: tidy\ncontract:\n  - delete_rows: { table: users, where: \"id <= 60\" }\n"
        "backup: { directory: \"" +
        folder.path("dumps") + "\" }\n");
    auto const no = at_terminal(*this, {"run", file, "--approve", "all"}, instead("echo no room >&2; exit 1\n"));
    EXPECT_EQ(no.status, 4) << told(no);
    EXPECT_THAT(no.out, AllOf(HasSubstr("stopped[backup-failed]"), HasSubstr("pg_dump says: no room")));
    EXPECT_EQ(value("SELECT count(*) FROM users"), "100");
    auto const ran = weir({"run", file, "--approve", "all"});
    ASSERT_EQ(ran.status, 0) << told(ran);
    EXPECT_EQ(value("SELECT count(*) FROM users"), "40");
    ASSERT_THAT(files(), ::testing::SizeIs(1));
    auto const other = cluster.create_database();
    auto const restored =
        tool({server_program("pg_restore"), "--dbname", other.conninfo, folder.path("dumps/" + files()[0])});
    EXPECT_EQ(restored.status, 0) << told(restored);
    EXPECT_EQ(query_value(other.conninfo, "SELECT count(*) FROM users"), "100");
}

TEST_F(Backup, WaitsForALockNoLongerThanItsPlanSays) {
    auto const file = saved_plan("locks: { timeout: 300ms, give_up: 2s }\n");
    ASSERT_EQ(weir({"run", file, "--until", "proof"}).status, 0);
    Client other{db.conninfo};
    other.exec("BEGIN; LOCK TABLE users IN ACCESS EXCLUSIVE MODE");
    auto const ran = at_terminal(*this, {"run", file, "--approve", "all"});
    EXPECT_EQ(ran.status, 4) << told(ran);
    EXPECT_THAT(ran.out, HasSubstr("stopped[backup-failed]"));
    EXPECT_THAT(ran.out, HasSubstr("public.users IN ACCESS SHARE MODE"));
    EXPECT_THAT(files(), IsEmpty());
}

TEST_F(Backup, OfWhatIsInQuarantineIsMadeByThePurge) {
    auto const file = saved_plan("drop: { quarantine: 7d }\n");
    auto const ran = weir({"run", file, "--approve", "all"});
    ASSERT_EQ(ran.status, 0) << told(ran);
    EXPECT_THAT(files(), IsEmpty());
    sql("UPDATE users SET full_name = 'written since' WHERE id = 3");
    sql("UPDATE weir.entries SET at = at - interval '8 days' WHERE kind = 'quarantined'");
    fs::rename(folder.path("dumps"), folder.path("away"));
    EXPECT_TRUE(refused(weir({"purge", "rename-it"}), 5, "no-backup", {folder.path("dumps")}));
    EXPECT_EQ(value("SELECT count(weir_q1_name) FROM users"), "100");
    fs::rename(folder.path("away"), folder.path("dumps"));
    auto const purged = weir({"purge", "rename-it"});
    EXPECT_EQ(purged.status, 0) << told(purged);
    ASSERT_THAT(files(), ElementsAre(EndsWith("Z.dump")));
    auto const listed =
        tool({server_program("pg_restore"), "--file=-", "--data-only", folder.path("dumps/" + files()[0])});
    EXPECT_THAT(listed.out, HasSubstr("weir_q1_name"));
    EXPECT_THAT(listed.out, HasSubstr("written since"));
}

TEST_F(Backup, MayMoveToAnotherDirectoryAndNotBeForgotten) {
    auto const ran = weir({"run", saved_plan(), "--until", "backfill"});
    ASSERT_EQ(ran.status, 0) << told(ran);
    EXPECT_TRUE(refused(weir({"run", plan(rename_plan)}), 5, "changed-plan"));
    fs::create_directory(folder.path("others"));
    auto const moved = weir({"run", saved_plan("", folder.path("others")), "--approve", "all"});
    EXPECT_EQ(moved.status, 0) << told(moved);
    EXPECT_THAT(files(), IsEmpty());
    EXPECT_FALSE(fs::is_empty(folder.path("others")));
}

}  // namespace
}  // namespace weir::tests
