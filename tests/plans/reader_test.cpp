#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "golden.h"
#include "phases/operations.h"
#include "plans/address.h"
#include "plans/keys.h"
#include "plans/reader.h"
#include "table.h"

namespace weir {
namespace {

using test::Dummy;
using test::parts_of;
using testing::ElementsAre;

Plan accept(std::string_view text) {
    auto read = read_plan(text, "plan.yaml", test::operations());
    if (auto const* problems = std::get_if<Problems>(&read)) {
        ADD_FAILURE() << to_text(*problems);
        return {};
    }
    return std::get<Plan>(std::move(read));
}

constexpr std::string_view head = "weir: 1\nname: x\n";

Plan with(std::string_view rest) {
    return accept(std::string{head} + "changes:\n  - rename_column: { table: users, from: a, to: b }\n" +
                  std::string{rest});
}

Dummy const& operation(Plan const& plan, std::size_t index) {
    return dynamic_cast<Dummy const&>(*plan.parts.at(index).operation);
}

constexpr std::string_view by_phases = R"(weir: 1
name: users-full-name
description: users.name becomes users.full_name
expand:
  - add_column:   { table: users, column: full_name, type: text }
  - sync_columns: { table: users, from: name, to: full_name }
backfill:
  - fill:         { table: users, set: { full_name: name } }
  - set_not_null: { table: users, column: full_name }
contract:
  - drop_column:  { table: users, column: name }
)";

TEST(Reader, AcceptsAChange) {
    auto const plan = accept(
        "weir: 1\nname: users-full-name\nchanges:\n  - rename_column: { table: users, from: name, to: full_name }\n");
    EXPECT_EQ(plan.name, "users-full-name");
    EXPECT_EQ(plan.description, "");
    EXPECT_EQ(plan.file, "plan.yaml");
    EXPECT_EQ(plan.contract_gate, std::nullopt);
    EXPECT_THAT(parts_of(plan.parts), ElementsAre("rename_column:expand", "rename_column:backfill",
                                                  "rename_column:proof", "rename_column:contract"));
    auto const& values = operation(plan, 0).values;
    EXPECT_EQ(values.get<TableName>("table").text(), "users");
    EXPECT_EQ(values.get<TableName>("table").schema.text(), "public");
    EXPECT_EQ(values.get<Ident>("to").text(), "full_name");
    EXPECT_EQ(values.place, (Place{"plan.yaml", 4, 5}));
    EXPECT_EQ(values.place_of("to"), (Place{"plan.yaml", 4, 52}));
}

TEST(Reader, AcceptsThePhasesOneByOne) {
    auto const plan = accept(by_phases);
    EXPECT_EQ(plan.description, "users.name becomes users.full_name");
    EXPECT_EQ(plan.text, by_phases);
    EXPECT_THAT(parts_of(plan.parts), ElementsAre("add_column:expand", "sync_columns:expand", "fill:backfill",
                                                  "set_not_null:backfill", "fill:proof", "drop_column:contract"));
    auto const& set = operation(plan, 2).values.get<FieldAssignments>("set");
    ASSERT_EQ(set.size(), 1U);
    EXPECT_EQ(set.front().first.text(), "full_name");
    EXPECT_EQ(set.front().second.text(), "name");
    EXPECT_EQ(operation(plan, 2).values.find<UserExpr>("where"), nullptr);
}

TEST(Reader, PutsChangesBeforeTheListOfEachPhase) {
    auto const plan = accept(R"(weir: 1
name: both
contract:
  - drop_column: { table: t, column: c }
expand:
  - add_column: { table: t, column: c, type: int }
backfill:
  - fill: { table: t, set: { c: 1 } }
changes:
  - rename_column: { table: users, from: a, to: b }
)");
    EXPECT_THAT(parts_of(plan.parts),
                ElementsAre("rename_column:expand", "add_column:expand", "rename_column:backfill", "fill:backfill",
                            "rename_column:proof", "fill:proof", "rename_column:contract", "drop_column:contract"));
}

TEST(Reader, HasTheDefaultsOfTheManual) {
    auto const plan = with("");
    EXPECT_EQ(plan.settings, Settings{});
    EXPECT_EQ(plan.settings.batch_target, Millis{20});
    EXPECT_FALSE(plan.settings.workers);
    EXPECT_EQ(plan.settings.throttle, standard_throttle());
    EXPECT_EQ(plan.settings.lock_timeout, Millis{100});
    EXPECT_EQ(plan.settings.lock_give_up, Millis{900'000});
}

TEST(Reader, ReadsASchedule) {
    using namespace std::chrono_literals;
    auto const schedule = [](std::string const& text) { return with("schedule: " + text + "\n").settings.schedule; };
    auto const berlin = Zone::of("Europe/Berlin").value();
    EXPECT_EQ(with("").settings.schedule, Schedule{});
    EXPECT_EQ(schedule("{ window: { days: [mon-fri], from: \"01:00\", to: \"05:00\", timezone: Europe/Berlin } }"),
              (Schedule{{{0b001'1111, 1h, 5h, berlin}}, std::nullopt, {}}));
    EXPECT_EQ(schedule("{ window: { from: 22:30, to: 24:00 } }"),
              (Schedule{{{0b111'1111, 22h + 30min, 24h, {}}}, std::nullopt, {}}));
    EXPECT_EQ(schedule("{ window: { days: sat-mon, from: 22:00, to: 04:00 } }"),
              (Schedule{{{0b110'0001, 22h, 4h, {}}}, std::nullopt, {}}));
    EXPECT_EQ(
        schedule("{ timezone: Europe/Berlin, window: [{ days: [tue, thu-thu], from: 00:00, to: 00:01 }, "
                 "{ days: [mon-sun], from: 23:59, to: 00:00, timezone: UTC }] }"),
        (Schedule{{{0b000'1010, 0min, 1min, berlin}, {0b111'1111, 23h + 59min, 0min, {}}}, std::nullopt, berlin}));
    EXPECT_EQ(schedule("{ at: \"2026-12-01 01:00\", timezone: Europe/Berlin }"),
              (Schedule{{}, Instant{std::chrono::sys_days{std::chrono::year{2026} / 12 / 1}}, berlin}));
    EXPECT_EQ(schedule("{ at: 2024-02-29 23:59 }").at,
              (Instant{std::chrono::sys_days{std::chrono::year{2024} / 2 / 29} + 23h + 59min}));
    auto const leap = schedule("{ at: 2026-03-29 02:30, timezone: Europe/Berlin }");
    EXPECT_EQ(leap.zone.text(leap.at.value()), "2026-03-29 03:00 CEST") << "there is no 02:30";
    EXPECT_EQ(with("schedule: { at: 2026-12-01 01:00 }\n").identity, with("").identity);
}

TEST(Reader, ReadsSettings) {
    auto const plan = with(
        "batch: { target: 1s, workers: 4 }\nthrottle: { replication_lag: 500ms }\n"
        "locks: { timeout: 5ms, give_up: 1h, on_blocked: wait }\ngates: { contract: none }\n");
    Settings wanted;
    wanted.batch_target = Millis{1000};
    wanted.workers = 4;
    wanted.throttle.limits["replication_lag"] = 0.5;
    wanted.throttle.named = {"replication_lag"};
    wanted.lock_timeout = Millis{5};
    wanted.lock_give_up = Millis{3'600'000};
    EXPECT_EQ(plan.settings, wanted);
    EXPECT_EQ(plan.contract_gate, Gate::none);
    EXPECT_EQ(with("gates: { contract: manual }\n").contract_gate, Gate::manual);
    EXPECT_TRUE(with("throttle: none\n").settings.throttle.none());
    EXPECT_EQ(with("throttle: { replication_lag: none }\n").settings.throttle.limit("replication_lag"), std::nullopt);
    EXPECT_EQ(with("throttle: {}\n").settings.throttle.limit("replication_lag"), 2);
    EXPECT_FALSE(with("batch: { workers: auto }\n").settings.workers);
    EXPECT_TRUE(with("batch: { order: plain }\n").settings.plain);
    EXPECT_FALSE(with("batch: { order: auto }\n").settings.plain);
    EXPECT_EQ(with("").settings.on_blocked, OnBlocked::wait);
    EXPECT_EQ(with("locks: { on_blocked: cancel }\n").settings.on_blocked, OnBlocked::cancel);
    EXPECT_EQ(with("locks: { on_blocked: terminate }\n").settings.on_blocked, OnBlocked::terminate);
}

TEST(Reader, ReadsGatesThatApproveThemselves) {
    auto const after = with("gates: { contract: { after: 24h } }\n");
    EXPECT_EQ(after.contract_gate, Gate::after);
    EXPECT_EQ(after.gate_after, Millis{86'400'000});
    auto const until =
        with("gates: { contract: { until_sql: \"select count(*) = 0 from old_pods\" } }\napprovals: 2\n");
    EXPECT_EQ(until.contract_gate, Gate::until_sql);
    ASSERT_TRUE(until.gate_until);
    EXPECT_EQ(until.gate_until->text(), "(select count(*) = 0 from old_pods\n)");
    EXPECT_EQ(until.approvals, 2);
    EXPECT_EQ(with("").approvals, 1);
    EXPECT_EQ(with("approvals: 1\n").identity, with("").identity);
    EXPECT_NE(until.identity, with("approvals: 2\n").identity);
    EXPECT_NE(after.identity, with("gates: { contract: { after: 23h } }\n").identity);
}

TEST(Reader, ReadsWhatExpressionsShallSee) {
    auto const text = with("settings: { timezone: Europe/Berlin, search_path: \"app,  $user , public\" }\n");
    ASSERT_EQ(text.session.size(), 2U);
    EXPECT_EQ(text.session[0].name, "search_path");
    EXPECT_THAT(text.session[0].schemas, ElementsAre("app", "$user", "public"));
    EXPECT_EQ(text.session[1].name, "timezone");
    EXPECT_EQ(text.session[1].value, "Europe/Berlin");
    auto const listed = with("settings:\n  search_path: [app, $user, public]\n  timezone: \"Europe/Berlin\"\n");
    EXPECT_EQ(listed.identity, text.identity);
    EXPECT_EQ(with("settings: { extra_float_digits: 1 }\n").session.at(0).value, "1");
    // They decide what a plan means.
    EXPECT_NE(with("").identity, text.identity);
    EXPECT_NE(with("settings: { timezone: Europe/Berlin, search_path: [app, public] }\n").identity, text.identity);
    EXPECT_TRUE(with("").session.empty());
}

TEST(Reader, ReadsEveryLimitInItsUnit) {
    auto const throttle =
        with(
            "throttle:\n"
            "  replication_lag: none\n"
            "  replication_bytes: 1GB\n"
            "  blocked_by_us: 50ms\n"
            "  lock_queue: 3\n"
            "  wal_rate: 50MB/s\n"
            "  commit_latency: 20ms\n"
            "  archive_backlog: 1TB\n"
            "  slot_retention: none\n"
            "  oldest_xmin: 1h\n"
            "  freeze_age: 1000000\n"
            "  active_sessions: 80\n"
            "  sql: [ { name: queue, query: select count(*) from jobs -- waiting, limit: 1.5 } ]\n"
            "  http: [ { name: health, url: \"http://app:8080/ok\" } ]\n"
            "  prometheus:\n"
            "    - { name: cpu, url: \"https://prom.example.org\", query: \"max(load1)\", limit: 0.8 }\n")
            .settings.throttle;
    std::map<std::string, double, std::less<>> const limits{
        {"replication_bytes", 1 << 30}, {"blocked_by_us", 0.05},  {"lock_queue", 3},
        {"wal_rate", 50 << 20},         {"commit_latency", 0.02}, {"archive_backlog", 1LL << 40},
        {"oldest_xmin", 3600},          {"freeze_age", 1e6},      {"active_sessions", 80}};
    EXPECT_EQ(throttle.limits, limits);
    ASSERT_EQ(throttle.sql.size(), 1U);
    EXPECT_EQ(throttle.sql[0].limit, 1.5);
    ASSERT_TRUE(throttle.sql[0].ask);
    EXPECT_EQ(throttle.sql[0].ask->text(), "(select count(*) from jobs -- waiting\n)");
    EXPECT_EQ(throttle.http.at(0).url, "http://app:8080/ok");
    EXPECT_EQ(throttle.http.at(0).limit, std::nullopt);
    EXPECT_EQ(throttle.prometheus.at(0).query, "max(load1)");
}

TEST(Reader, EverySignalHasItsKey) {
    for (auto const& signal : keys::signals)
        EXPECT_TRUE(std::ranges::any_of(keys::throttle, [&](auto const& key) {
            return key.name == signal.name && key.use == keys::Use::optional;
        })) << signal.name;
}

TEST(Reader, ReadsReplicas) {
    EXPECT_THAT(with("").settings.replicas, testing::IsEmpty());
    EXPECT_THAT(with("replicas: []\n").settings.replicas, testing::IsEmpty());
    auto const replicas = with(
                              "replicas: [ r1, { name: north 2, dsn: \"host=r2 dbname=shop\" }, { name: r3, dsn: "
                              "postgresql://r3/shop } ]\n")
                              .settings.replicas;
    EXPECT_EQ(replicas,
              (std::vector<Replica>{{"r1", ""}, {"north 2", "host=r2 dbname=shop"}, {"r3", "postgresql://r3/shop"}}));
}

TEST(Reader, ReplicasMayChangeDuringARun) { EXPECT_EQ(with("replicas: [r1]\n").identity, with("").identity); }

TEST(Reader, ReadsWhoIsTold) {
    EXPECT_EQ(with("").notify, Notify{});
    EXPECT_EQ(with("").notify.held, std::chrono::minutes{30});
    auto const plan =
        with("notify: { webhook: \"https://example.org/hook?a=b\", command: ./on-event.sh, held: 10m }\n");
    EXPECT_EQ(plan.notify.webhook, "https://example.org/hook?a=b");
    EXPECT_EQ(plan.notify.command, std::vector<std::string>{"./on-event.sh"});
    EXPECT_EQ(plan.notify.held, std::chrono::minutes{10});
    auto const other = with("notify: { webhook: $SLACK_HOOK, command: [sh, -c, \"echo hi\"], held: none }\n");
    EXPECT_EQ(other.notify.webhook, "$SLACK_HOOK");
    EXPECT_EQ(other.notify.command, (std::vector<std::string>{"sh", "-c", "echo hi"}));
    EXPECT_EQ(other.notify.held, std::nullopt);
    EXPECT_EQ(plan.identity, with("").identity) << "it may change during a run";
}

TEST(Address, IsReadableAndHoldsNoPassword) {
    using enum Address;
    struct Case {
        std::string_view text;
        Address expected;
    };
    for (auto const& [text, expected] : {
             Case{"host=r1 dbname=shop", good},
             Case{" host = r1  options='-c a=b password=x' ", good},
             Case{R"(application_name='it\'s' user=a\ b)", good},
             Case{"service=shop passfile=/etc/weir.pass", good},
             Case{"postgresql://weir@r1:5432/shop?sslmode=require", good},
             Case{"postgres://r1:1,r2:2/shop", good},
             Case{"postgresql:///shop?host=/tmp&user=me@corp", good},
             Case{"postgresql://r1/shop?", good},
             Case{"password=x host=r1", password},
             Case{"host=r1 password = x", password},
             Case{"host='r 1' password=x", password},
             Case{"host=r1 sslpassword=x", password},
             Case{"postgresql://weir:x@r1/shop", password},
             Case{"postgresql://weir:a/b@r1/shop", password},
             Case{"postgresql://weir:a@b@r1/shop", password},
             Case{"postgresql://weir:a?b=c@r1/shop", password},
             Case{"postgresql://weir:@r1", password},
             Case{"postgresql://r1/shop?password=x", password},
             Case{"postgresql://r1/shop?user=a&sslpassword=x", password},
             Case{"postgresql://r1/shop?%70assword=x", unreadable},
             Case{"postgresql://r1/shop?a=b&&c=d", unreadable},
             Case{"", unreadable},
             Case{"   ", unreadable},
             Case{"r1", unreadable},
             Case{"host=r1\tpassword=x", unreadable},
             Case{"host='r1", unreadable},
             Case{"host=r1\\", unreadable},
             Case{"Password=x", unreadable},
             Case{"mysql://r1/shop", unreadable},
         })
        EXPECT_EQ(read_address(text), expected) << text;
}

TEST(Setting, ChangesOneAndKeepsTheOthers) {
    Settings base;
    base.workers = 3;
    auto const changed = [&](std::string_view key, std::string_view value) {
        auto result = with_setting(base, key, value);
        if (auto const* problems = std::get_if<Problems>(&result)) ADD_FAILURE() << problems->at(0).message;
        return std::get<Settings>(result);
    };
    auto wanted = base;
    wanted.throttle.limits["wal_rate"] = 50 << 20;
    wanted.throttle.named = {"wal_rate"};
    EXPECT_EQ(changed("throttle.wal_rate", "50MB/s"), wanted);
    wanted = base;
    wanted.throttle = {};
    EXPECT_EQ(changed("throttle", "none"), wanted);
    wanted = base;
    wanted.batch_target = Millis{30};
    EXPECT_EQ(changed("batch.target", "30ms"), wanted);
    wanted.workers = 1;
    EXPECT_EQ(changed("batch", "{ target: 30ms, workers: 1 }"), wanted);
    EXPECT_EQ(changed("batch.workers", "auto").workers, std::nullopt);
    EXPECT_EQ(changed("locks.give_up", "1h").lock_give_up, Millis{3'600'000});
}

TEST(Setting, SaysWhatIsWrong) {
    struct Case {
        std::string_view key, value, words;
    };
    for (auto const& [key, value, words] :
         {Case{"throttle.replication_lag", "soon", "\"throttle.replication_lag\" cannot be \"soon\""},
          Case{"throttle.lag", "2s", "unknown key \"throttle.lag\""}, Case{"name", "x", "there is no setting \"name\""},
          Case{"throttle.wal_rate", "", "\"throttle.wal_rate\" must be a rate such as 50MB/s, and here stands nothing"},
          Case{"batch.target: 5ms\nname", "x", "there is no setting"},
          Case{"batch.target", "5ms\nname: x", "there is no"}, Case{"batch.target", "{", ""},
          Case{"changes", "[]", "there is no setting"}, Case{"", "", "there is no setting"},
          Case{"batch.target", "5ms # fast", ""}, Case{"batch", "{ target: 5ms }, x: y", ""}}) {
        auto const result = with_setting({}, key, value);
        auto const* problems = std::get_if<Problems>(&result);
        if (value == "5ms # fast") {
            EXPECT_EQ(problems, nullptr);
            continue;
        }
        ASSERT_NE(problems, nullptr) << key << " " << value;
        EXPECT_THAT(problems->at(0).message, testing::HasSubstr(words)) << key;
        EXPECT_EQ(problems->at(0).place.line, 0);
    }
}

TEST(Setting, BringsNoQueryNoAddressAndNoSharperEnd) {
    Settings base;
    base.on_blocked = OnBlocked::cancel;
    struct Case {
        std::string_view key, value, named;
    };
    for (auto const& [key, value, named] :
         {Case{"throttle.sql", "[ { name: a, query: select 1, limit: 1 } ]", "throttle.sql"},
          Case{"throttle", "{ sql: [ { name: a, query: select 1, limit: 1 } ] }", "throttle.sql"},
          Case{"throttle", "{ http: [ { name: a, url: \"http://x/\" } ] }", "throttle.http"},
          Case{"throttle.prometheus", "[ { name: a, url: \"http://x/\", query: up, limit: 1 } ]",
               "throttle.prometheus"},
          Case{"locks.on_blocked", "terminate", "locks.on_blocked"},
          Case{"locks", "{ on_blocked: terminate }", "locks.on_blocked"}}) {
        auto const result = with_setting(base, key, value);
        auto const* problems = std::get_if<Problems>(&result);
        ASSERT_NE(problems, nullptr) << key << " " << value;
        ASSERT_EQ(problems->size(), 1U) << to_text(*problems);
        EXPECT_THAT(problems->at(0).message, testing::HasSubstr("\"" + std::string{named} + "\" comes from the plan"));
    }
    // What the plan has may stay, and go.
    auto const full = with("throttle: { sql: [ { name: a, query: select 1, limit: 1 } ] }\n").settings;
    ASSERT_EQ(full.throttle.sql.size(), 1U);
    auto const tuned = with_setting(full, "throttle.wal_rate", "50MB/s");
    EXPECT_EQ(std::get<Settings>(tuned).throttle.sql, full.throttle.sql);
    EXPECT_TRUE(std::get<Settings>(with_setting(full, "throttle", "none")).throttle.none());
    EXPECT_TRUE(std::holds_alternative<Settings>(
        with_setting(full, "throttle.sql", "[ { name: a, query: select 1, limit: 1 } ]")));
    EXPECT_EQ(std::get<Settings>(with_setting(base, "locks.on_blocked", "wait")).on_blocked, OnBlocked::wait);
}

TEST(Reader, FiresTriggersUnlessTheFirstPlanSaidNo) {
    EXPECT_TRUE(with("").fire_triggers);
    EXPECT_TRUE(with("fire_triggers: yes\n").fire_triggers);
    EXPECT_FALSE(with("fire_triggers: no\n").fire_triggers);
    EXPECT_EQ(with("").identity, with("fire_triggers: yes\n").identity);
    EXPECT_NE(with("").identity, with("fire_triggers: no\n").identity);
}

TEST(Reader, KnowsWhoChangesTheTables) {
    EXPECT_EQ(with("").role, std::nullopt);
    auto const plan = with("role: Shop \"owner\"\n");
    ASSERT_TRUE(plan.role);
    EXPECT_EQ(plan.role->text(), "Shop \"owner\"");
    EXPECT_EQ(plan.role_at.line, 5);
    EXPECT_NE(plan.identity, with("").identity);
    EXPECT_NE(plan.identity, with("role: other\n").identity);
}

TEST(Reader, AcceptsEveryBound) {
    for (auto const* rest : {"batch: { target: 1ms, workers: 1 }\n", "batch: { target: 10s, workers: 8 }\n",
                             "locks: { timeout: 10s, give_up: 1s }\n", "locks: { timeout: 5ms, give_up: 365d }\n",
                             "throttle: { replication_lag: 100ms }\n"})
        with(rest);
}

TEST(Reader, TakesTableNamesAsTheyAreStored) {
    auto const table = [](std::string const& written) {
        auto const plan =
            accept(std::string{head} + "contract:\n  - drop_column: { table: " + written + ", column: c }\n");
        auto const& name = operation(plan, 0).values.get<TableName>("table");
        return name.schema.text() + "|" + name.name.text();
    };
    EXPECT_EQ(table("Order"), "public|Order");
    EXPECT_EQ(table("shop.Order"), "shop|Order");
    EXPECT_EQ(table("[shop, a.b]"), "shop|a.b");
    EXPECT_EQ(table("'say \"hi\" now'"), "public|say \"hi\" now");
    EXPECT_EQ(table("1"), "public|1");
    EXPECT_EQ(table("\"null\""), "public|null");
}

TEST(Reader, TakesEveryScalarAsTheTextOfAnExpression) {
    auto const plan = accept(std::string{head} + R"(backfill:
  - fill:
      table: t
      set:
        a: yes
        b: 1
        c: "NULL"
        d: "'it''s'"
        e: >-
          upper(
            name)
        f: |
          name -- the old one
      where: a IS NULL and b = '#'
)");
    auto const& set = operation(plan, 0).values.get<FieldAssignments>("set");
    std::vector<std::string> texts;
    for (auto const& assignment : set) texts.push_back(assignment.second.text());
    EXPECT_THAT(texts, ElementsAre("yes", "1", "NULL", "'it''s'", "upper(\n  name)", "name -- the old one\n"));
}

TEST(Reader, AcceptsWhatEditorsDoToFiles) {
    std::string text{by_phases};
    accept("\xEF\xBB\xBF" + text);
    accept("# a comment\n---\n" + text + "...\n# the end\n");
    accept("%YAML 1.2\n---\n" + text);
    std::string windows;
    for (char const c : text) windows += c == '\n' ? std::string{"\r\n"} : std::string{c};
    auto const plan = accept(windows);
    EXPECT_EQ(plan.identity, accept(by_phases).identity);
}

/// Where a mark of the YAML parser points after characters of several bytes: here, taken for characters, to the closing
/// quote of what it means.
TEST(Reader, FindsQuotesBehindWideCharacters) {
    for (std::string const before : {"", "\xEF\xBB\xBF"})
        for (std::string const name : {"\xC3\xBC\xC3\xBC", "\xE2\x82\xAC", "\xF0\x9F\x98\x80", "x\xEF\xBB\xBF"})
            accept(before + "weir: 1\nname: p\ncontract:\n  - drop_column: { table: " + name + ", column: \"b\" }\n");
}

TEST(Reader, IdentityIsOfTheChangesAndNotOfTheirForm) {
    auto const identity = [](std::string const& text) { return accept(std::string{head} + text).identity; };
    auto const base = identity("changes:\n  - rename_column: { table: users, from: a, to: b }\n");
    EXPECT_EQ(
        base,
        identity("# hello\nchanges:\n\n- rename_column:\n    to: 'b'\n    from: \"a\"\n    table: public.users # x\n"));
    EXPECT_EQ(
        base,
        identity(
            "description: x\nbatch: { target: 1s }\nlocks: { timeout: 1s }\nthrottle: none\nexpand: []\ngates: {}\n"
            "changes: [rename_column: { table: [public, users], from: a, to: b }]\n"));
    EXPECT_NE(base, identity("changes:\n  - rename_column: { table: users, from: a, to: c }\n"));
    EXPECT_NE(base,
              identity("changes:\n  - rename_column: { table: users, from: a, to: b }\ngates: { contract: none }\n"));
    EXPECT_EQ(
        base,
        R"({"changes":[{"rename_column":{"from":"a","table":["public","users"],"to":"b"}}],"expand":[],"backfill":[],"contract":[],"gates":{}})");

    auto const fill = identity("backfill:\n  - fill: { table: t, set: { a: x, b: y } }\n");
    EXPECT_EQ(fill, identity("backfill:\n  - fill: { set: { b: y, a: x }, table: t }\n"));
    EXPECT_NE(fill, identity("expand:\n  - fill: { table: t, set: { a: x, b: y } }\n"));

    auto const two = identity(
        "changes:\n- rename_column: { table: u, from: a, to: b }\n- rename_column: { table: u, from: c, to: d }\n");
    EXPECT_NE(two, identity("changes:\n- rename_column: { table: u, from: c, to: d }\n- rename_column: { table: u, "
                            "from: a, to: b }\n"));
}

// Whatever is done to a plan, the reader answers: a plan, or at least one problem, and always the same.
TEST(Reader, AnswersToDamagedPlans) {
    constexpr std::string_view pieces[] = {"{",  "}",   "[", "]", "\"", "'",  ",",  ":",  ": ",    "- ",    "&a",
                                           "*a", "!t ", "#", "|", ">",  "\n", "  ", "\t", "---\n", "...\n", "%",
                                           "@",  "? ",  "~", "(", ")",  ";",  "$1", "\\", "\xC3",  "\x01",  "\r"};
    std::mt19937 random{42};
    auto const below = [&](std::size_t n) { return static_cast<std::size_t>(random()) % n; };
    for (int round = 0; round < 3000; ++round) {
        std::string text{by_phases};
        for (auto times = below(4) + 1; times > 0; --times) {
            auto const at = below(text.size());
            switch (below(3)) {
                case 0:
                    text.insert(at, pieces[below(std::size(pieces))]);
                    break;
                case 1:
                    text.erase(at, below(12) + 1);
                    break;
                default:
                    text.insert(below(text.size()), text.substr(at, below(40)));
            }
            if (text.empty()) text = "a";
        }
        auto const read = read_plan(text, "plan.yaml", test::operations());
        auto const* problems = std::get_if<Problems>(&read);
        if (problems == nullptr) continue;
        ASSERT_FALSE(problems->empty()) << text;
        ASSERT_EQ(*problems, std::get<Problems>(read_plan(text, "plan.yaml", test::operations()))) << text;
        for (auto const& problem : *problems) {
            ASSERT_FALSE(problem.message.empty()) << text;
            ASSERT_TRUE(is_utf8(to_text(problem))) << text;
        }
    }
}

TEST(Reader, ReadsDurations) {
    EXPECT_EQ(read_duration("0ms"), Millis{0});
    EXPECT_EQ(read_duration("150ms"), Millis{150});
    EXPECT_EQ(read_duration("2s"), Millis{2000});
    EXPECT_EQ(read_duration("15m"), Millis{900'000});
    EXPECT_EQ(read_duration("24h"), Millis{86'400'000});
    EXPECT_EQ(read_duration("7d"), Millis{604'800'000});
    EXPECT_EQ(read_duration("106751991167d"), Millis{106751991167 * 86'400'000});
    for (auto const* bad : {"", "1", "s", "-1s", "+1s", "1.5s", " 1s", "1 s", "1s ", "1S", "1min", "1ms1", "0x1s",
                            "106751991168d", "9223372036854775808ms", "99999999999999999999d"})
        EXPECT_EQ(read_duration(bad), std::nullopt) << bad;
}

TEST(Reader, ReadsSizes) {
    EXPECT_EQ(read_size("512kB"), 512 * 1024);
    EXPECT_EQ(read_size("50MB"), 50 * 1024 * 1024);
    EXPECT_EQ(read_size("2GB"), 2LL * 1024 * 1024 * 1024);
    for (auto const* bad : {"", "1", "1B", "1KB", "1mb", "1 MB", "-1MB", "1.5GB", "9999999999GB"})
        EXPECT_EQ(read_size(bad), std::nullopt) << bad;
}

TEST(Schema, IsTheShippedOne) {
    test::expect_golden(std::string{WEIR_SOURCE_DIR} + "/docs/plan.schema.json", plan_schema(weir::operations()));
}

}  // namespace
}  // namespace weir
