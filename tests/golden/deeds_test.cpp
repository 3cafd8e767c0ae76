// Steps of shapes that no operation has yet, on a real server: forward, undo, forward, and left at any point between.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bench.h"
#include "phases/craft/deeds.h"
#include "phases/craft/subject.h"

namespace weir::tests {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr auto before = R"(
CREATE TABLE t (id int PRIMARY KEY, a int);
INSERT INTO t SELECT i, i FROM generate_series(1, 100) i;
CREATE INDEX old_a ON t (a))";

TableName t() { return {Ident::of("public"), Ident::of("t")}; }

/// `there`: the probe of what makes the index; else of what drops it.
Batch probe_of(std::string const& index, bool there) {
    Value const name{"public." + index};
    if (!there)
        return {sql("SELECT CASE WHEN pg_catalog.to_regclass({0}) IS NULL THEN 'done' ELSE 'absent' END", name)};
    return {
        sql("SELECT CASE WHEN x.indexrelid IS NULL THEN 'absent' WHEN x.indisvalid THEN 'done' ELSE 'damaged' END\n"
            "FROM (SELECT pg_catalog.to_regclass({0})::pg_catalog.oid AS o) r\n"
            "LEFT JOIN pg_catalog.pg_index x ON x.indexrelid = r.o",
            name)};
}

Deed make_index(std::string const& index) {
    return alone(lock_of(t(), LockMode::share_update_exclusive),
                 sql("CREATE UNIQUE INDEX CONCURRENTLY {0} ON {1} (a)", Ident::of(index), t()), probe_of(index, true));
}

Deed drop_index(std::string const& index) {
    return alone(lock_of(t(), LockMode::share_update_exclusive),
                 sql("DROP INDEX CONCURRENTLY IF EXISTS public.{0}", Ident::of(index)), probe_of(index, false));
}

/// A type, an index made and one dropped without a lock that anybody feels, a column.
Program made() {
    Program program;
    program.run = RunId{1};
    program.plan = "deeds";
    auto type = ddl("create type mood", {}, {sql("CREATE TYPE mood AS ENUM ('well')")}, {sql("DROP TYPE mood")});
    auto added = there_and_back("make index new_a", make_index("new_a"), drop_index("new_a"));
    auto dropped = there_and_back("drop index old_a", drop_index("old_a"), make_index("old_a"));
    dropped.undo.statements = {sql("CREATE INDEX CONCURRENTLY old_a ON {0} (a)", t())};
    added.forward.repair = added.undo.statements;
    dropped.undo.repair = dropped.forward.statements;
    auto column = ddl("add column b", lock_of(t(), LockMode::access_exclusive),
                      {sql("ALTER TABLE {0} ADD COLUMN b mood", t())}, {sql("ALTER TABLE {0} DROP COLUMN b", t())});
    program.steps = {type, added, dropped, column};
    for (std::size_t i = 0; i < program.steps.size(); ++i) program.steps[i].id = "expand." + std::to_string(i + 1);
    program.hash = "by hand";
    return program;
}

/// Vanish when this statement is to be sent; `first` is done by somebody else before.
std::function<bool(Execute const&)> until(std::string statement, std::function<void()> first = {}) {
    return [statement = std::move(statement), first = std::move(first)](Execute const& execute) {
        if (to_text(execute.batch).find(statement) == std::string::npos) return true;
        if (first) first();
        return false;
    };
}

class Deeds : public ::testing::Test {
  protected:
    void aborted() {
        auto const back = bench.drive(program, {How::undo});
        EXPECT_EQ(back.exit, 6) << back.problem;
        EXPECT_EQ(bench.schema(), schema);
        EXPECT_EQ(invalid(), "0");
    }
    void to_the_end() {
        auto const done = bench.drive(program, {How::to_the_end});
        EXPECT_EQ(done.exit, 0) << done.problem;
        EXPECT_EQ(invalid(), "0");
        EXPECT_EQ(value("SELECT to_regclass('new_a') IS NOT NULL AND to_regclass('old_a') IS NULL"), "t");
    }
    /// It goes until this statement is to be sent, and is gone.
    void gone_at(std::string const& statement, How how = How::to_the_end, std::function<void()> first = {}) {
        Drive drive{how};
        bool met = false;
        auto const stop = until(statement, std::move(first));
        drive.goes_on = [&](Execute const& execute) {
            bool const on = stop(execute);
            met = met || !on;
            return on;
        };
        auto const died = bench.drive(program, drive);
        EXPECT_TRUE(met) << statement;
        EXPECT_EQ(died.exit, -1) << died.problem;
    }
    /// What a statement of CONCURRENTLY leaves that its session's end interrupts: somebody is in its way until then.
    void interrupted(std::string const& statement) {
        Client writer{bench.conninfo()};
        writer.exec("BEGIN");
        writer.exec("UPDATE t SET a = a WHERE id = 1");
        Client session{bench.conninfo()};
        session.exec("SET lock_timeout = '300ms'");
        EXPECT_THROW(session.exec(statement), std::exception);
        writer.exec("ROLLBACK");
    }
    std::string value(std::string const& question) { return query_value(bench.database().conninfo, question); }
    std::string invalid() { return value("SELECT count(*) FROM pg_index WHERE NOT indisvalid OR NOT indislive"); }

    Bench bench{before};
    Program program = made();
    std::string schema = bench.schema();
};

TEST_F(Deeds, ForwardUndoForwardAfterEachStep) {
    for (auto const& step : program.steps) {
        SCOPED_TRACE(step.title);
        auto const died = bench.drive(program, {How::die, step.id});
        ASSERT_EQ(died.exit, -1) << died.problem;
        aborted();
    }
    to_the_end();
}

TEST_F(Deeds, AFailedTryIsUndone) {
    query(bench.conninfo(), "UPDATE t SET a = 1 WHERE id = 2");
    auto const stopped = bench.drive(program, {How::to_the_end});
    EXPECT_EQ(stopped.exit, 4);
    EXPECT_THAT(stopped.problem, HasSubstr("unique violation: table public.t, constraint new_a"));
    EXPECT_EQ(invalid(), "1");
    aborted();
    query(bench.conninfo(), "UPDATE t SET a = 2 WHERE id = 2");
    to_the_end();
}

TEST_F(Deeds, AFailedTryIsRepairedBeforeTheNext) {
    query(bench.conninfo(), "UPDATE t SET a = 1 WHERE id = 2");
    EXPECT_EQ(bench.drive(program, {How::to_the_end}).exit, 4);
    EXPECT_EQ(bench.drive(program, {How::to_the_end}).exit, 4) << "the same, and not that it is there already";
    query(bench.conninfo(), "UPDATE t SET a = 2 WHERE id = 2");
    to_the_end();
}

TEST_F(Deeds, KilledBetweenBegunAndDone) {
    auto const making = program.steps[1].forward.statements.front().text();
    auto const dropping = program.steps[2].forward.statements.front().text();
    gone_at(making);
    aborted();
    gone_at(making, How::to_the_end, [&] { interrupted(making); });
    EXPECT_EQ(invalid(), "1");
    aborted();
    gone_at(making, How::to_the_end, [&] { query(bench.conninfo(), making); });
    aborted();
    gone_at(dropping);
    aborted();
    gone_at(dropping, How::to_the_end, [&] { interrupted(dropping); });
    EXPECT_EQ(invalid(), "1");
    aborted();
    gone_at(dropping, How::to_the_end, [&] { query(bench.conninfo(), dropping); });
    aborted();
    gone_at(making, How::to_the_end, [&] { interrupted(making); });
    to_the_end();
}

TEST_F(Deeds, KilledWhileItUndoes) {
    auto const making = program.steps[2].undo.statements.front().text();
    auto const dropping = program.steps[1].undo.statements.front().text();
    for (auto const& statement : {making, dropping})
        for (bool const in_part : {false, true}) {
            SCOPED_TRACE(statement + (in_part ? ", in its midst" : ""));
            ASSERT_EQ(bench.drive(program, {How::die, "expand.4"}).exit, -1);
            if (in_part)
                gone_at(statement, How::undo, [&] { interrupted(statement); });
            else
                gone_at(statement, How::undo);
            EXPECT_EQ(invalid(), in_part ? "1" : "0");
            aborted();
        }
    to_the_end();
}

TEST_F(Deeds, AStepWithoutLocksMakesNoErrorInTheServersLog) {
    auto const said = Cluster::shared().log().size();
    ASSERT_EQ(bench.drive(program, {How::die, "expand.1"}).exit, -1);
    aborted();
    to_the_end();
    EXPECT_THAT(Cluster::shared().log().substr(said), Not(HasSubstr("ERROR")));
}

}  // namespace
}  // namespace weir::tests
