#include "metrics/event_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <regex>
#include <sstream>

namespace weir {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;

/// One of each, in the order of Event::what.
std::vector<decltype(Event::what)> one_of_each() {
    return {RunBegan{"full-name", 3, true, 8},
            PhaseBegan{Phase::backfill},
            StepBegan{"expand.1", "add", Phase::expand},
            StepDone{"expand.1", "add", Phase::expand, milliseconds{12}},
            StepUndone{"expand.1", "add", milliseconds{12}},
            WorkKnown{"backfill.1", "users", 10, 2, 500, 100, false},
            BatchDone{"backfill.1", "users", 4, 200, milliseconds{40}, true, 150},
            BatchRetried{"backfill.1", "users", "deadlock"},
            WayChanged{"backfill.1", "users", Way::in_page, "updates can stay on their page"},
            WorkersChanged{"backfill.1", 2, "the rate rose"},
            Vacuumed{"backfill.1", "users", 4000, milliseconds{70}},
            LockTried{"expand.1", false, milliseconds{5}, {"pid 7"}, {Sealed{"pid 7: 'c4n4ry'"}}},
            BlockerEnded{"expand.1", true, "pid 7", Sealed{"pid 7: 'c4n4ry'"}},
            WaitsFor{"proof.3", {"pid 8"}, {Sealed{"pid 8: 'c4n4ry'"}}},
            PaceChanged{0.5, {"replication lag of r1 is 3 s, limit 2 s"}},
            ReplicaLag{"r1", {}, 100},
            SignalsJudged{{{"wal_rate", "", "B/s", 30, 20, 1.5, milliseconds{40}, true, ""}}},
            ForecastMade{"backfill.1", Instant{milliseconds{1'700'000'000'007}}, {}, 1, 1000, {}, "done in …"},
            Paused{"ops"},
            Resumed{"ops"},
            SettingChanged{"batch.target", "20ms", "ops"},
            GateOpened{"contract", {"note"}},
            GateVoted{"contract", "ada", 1, 2},
            GateApproved{"contract", "ada"},
            ProofDone{"proof.1", "users", 2, {Sealed{"id=7"}}},
            DumpGrew{"contract.1", 4096},
            BackedUp{"contract.1", "/b/n.dump", 5000, "ab12"},
            TableSized{"users", 2000, 1000, 7},
            OrderTaken{"set", "batch.target 20ms", "ops"},
            Serving{"127.0.0.1:9187"},
            Warned{"message", "hint", Sealed{"c4n4ry"}},
            ConnectionLost{"gone"},
            Stopped{{Code::misses, {}, "2 rows", "look", Sealed{"among them id='c4n4ry'\nand more"}}},
            RunDone{RunState::done, milliseconds{99}}};
}

TEST(EventJson, HasAStableShape) {
    Instant const at{milliseconds{1'700'000'000'007}};
    auto const all = one_of_each();
    ASSERT_EQ(all.size(), std::variant_size_v<decltype(Event::what)>);
    std::vector<std::string> objects;
    for (std::size_t i = 0; i < all.size(); ++i) {
        ASSERT_EQ(all[i].index(), i);
        auto const text = to_json({at, all[i]});
        std::string const stamp = R"({"at":"2023-11-14T22:13:20.007Z","event":)";
        ASSERT_THAT(text, testing::StartsWith(stamp));
        objects.push_back(text.substr(stamp.size()));
    }
    EXPECT_THAT(
        objects,
        ElementsAre(
            R"("run_began","plan":"full-name","run":3,"resumed":true,"steps":8})",
            R"("phase_began","phase":"backfill"})", R"("step_began","step":"expand.1","title":"add","phase":"expand"})",
            R"("step_done","step":"expand.1","title":"add","phase":"expand","took_ms":12})",
            R"("step_undone","step":"expand.1","title":"add","took_ms":12})",
            R"("work_known","step":"backfill.1","table":"users","pages":10,"pages_done":2,"rows_estimate":500,"rows_done":100,"proof":false})",
            R"("batch_done","step":"backfill.1","table":"users","pages":4,"rows":200,"took_ms":40,"proof":true,"hot":150})",
            R"("batch_retried","step":"backfill.1","table":"users","reason":"deadlock"})",
            R"("way_changed","step":"backfill.1","table":"users","way":"in_page","reason":"updates can stay on their page"})",
            R"("workers_changed","step":"backfill.1","workers":2,"reason":"the rate rose"})",
            R"("vacuumed","step":"backfill.1","table":"users","dead_rows":4000,"took_ms":70})",
            R"("lock_tried","step":"expand.1","got":false,"waited_ms":5,"blockers":["pid 7"]})",
            R"("blocker_ended","step":"expand.1","how":"terminated","blocker":"pid 7"})",
            R"("waits_for","step":"proof.3","blockers":["pid 8"]})",
            R"("pace_changed","pace":0.500,"reasons":["replication lag of r1 is 3 s, limit 2 s"]})",
            R"("replica_lag","replica":"r1","lag_ms":null,"bytes":100})",
            R"("signals_judged","signals":[{"signal":"wal_rate","subject":"","unit":"B/s","value":30.000,"limit":20.000,"load":1.500,"age_ms":40,"holds":true,"problem":""}]})",
            R"("forecast_made","step":"backfill.1","low":"2023-11-14T22:13:20.007Z","high":null,"openings_low":1,"openings_high":1000,"closes":null,"text":"done in …"})",
            R"("paused","user":"ops"})", R"("resumed","user":"ops"})",
            R"("setting_changed","key":"batch.target","value":"20ms","user":"ops"})",
            R"("gate_opened","gate":"contract","notes":["note"]})",
            R"("gate_voted","gate":"contract","user":"ada","have":1,"needed":2})",
            R"("gate_approved","gate":"contract","user":"ada"})",
            R"("proof_done","step":"proof.1","table":"users","rows_wrong":2,"keys":[]})",
            R"("dump_grew","step":"contract.1","bytes":4096})",
            R"("backed_up","step":"contract.1","file":"/b/n.dump","bytes":5000,"sha256":"ab12"})",
            R"("table_sized","table":"users","bytes":2000,"bytes_before":1000,"dead_rows":7})",
            R"("order_taken","order":"set","argument":"batch.target 20ms","user":"ops"})",
            R"("serving","address":"127.0.0.1:9187"})", R"("warned","message":"message","hint":"hint"})",
            R"("connection_lost","message":"gone"})",
            R"("stopped","code":"misses","message":"2 rows","hint":"look","exit":4})",
            R"("run_done","state":"done","took_ms":99,"until":""})"));
}

TEST(EventJson, Escapes) {
    auto const text = to_json({Instant{}, Warned{"a\"b\\c\nd\x01 \xFFü\xC3", "\xED\xA0\x80"}});
    EXPECT_THAT(text, HasSubstr(R"("message":"a\"b\\c\u000ad\u0001 )"
                                "\xEF\xBF\xBDü\xEF\xBF\xBD\""));
    EXPECT_THAT(text, HasSubstr("\"hint\":\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""));
}

/// The words of a cell of a table, without their marks, in order.
std::vector<std::string> words_of(std::string text) {
    std::ranges::replace(text, ',', ' ');
    std::erase(text, '`');
    std::vector<std::string> words;
    std::istringstream in{text};
    for (std::string word; in >> word;) words.push_back(word);
    return words;
}

using Table = std::map<std::string, std::vector<std::string>>;

Table table() {
    Table all;
    for (auto const& row : event_fields()) all[std::string{row.event}].assign(row.fields.begin(), row.fields.end());
    return all;
}

TEST(EventJson, IsDocumentedFieldByField) {
    Table documented;
    std::ifstream file{WEIR_SOURCE_DIR "/docs/progress.md"};
    for (std::string line; std::getline(file, line);) {
        if (!line.starts_with("| `")) continue;
        std::vector<std::string> cells;
        std::istringstream row{line};
        for (std::string cell; std::getline(row, cell, '|');) cells.push_back(cell);
        ASSERT_GE(cells.size(), 4U) << line;
        documented[words_of(cells[1]).at(0)] = words_of(cells[2]);
    }
    EXPECT_EQ(documented, table());
}

TEST(EventJson, WritesTheFieldsOfTheTable) {
    Table real;
    for (auto const& what : one_of_each()) {
        auto text = to_json({Instant{}, what});
        std::vector<std::string> keys;
        std::string event;
        // Keys are the quoted words before a colon; no value of these events holds one.
        for (std::size_t colon = text.find("\":"); colon != std::string::npos; colon = text.find("\":", colon + 1)) {
            auto const key = text.substr(text.rfind('"', colon - 1) + 1, colon - text.rfind('"', colon - 1) - 1);
            if (key == "event") event = text.substr(colon + 3, text.find('"', colon + 3) - colon - 3);
            if (key != "event" && key != "at") keys.push_back(key);
        }
        real[event] = keys;
    }
    EXPECT_EQ(real, table());
}

/// Of the page's script: `name: e => …` are the words of an event, and `e.field` in them is one of its fields.
TEST(EventJson, TheDashboardReadsFieldsOfTheTable) {
    auto const known = table();
    std::ifstream file{WEIR_SOURCE_DIR "/metrics/dashboard/script.js"};
    std::regex const teller{"^    ([a-z_]+): e => (.*)$"}, field{"\\be\\.([a-z_0-9]+)"};
    std::size_t tellers = 0;
    for (std::string line; std::getline(file, line);) {
        std::smatch found;
        if (!std::regex_match(line, found, teller)) continue;
        ++tellers;
        auto const event = known.find(found[1]);
        ASSERT_NE(event, known.end()) << line;
        auto const body = found[2].str();
        for (std::sregex_iterator one{body.begin(), body.end(), field}, end; one != end; ++one)
            EXPECT_THAT(event->second, testing::Contains((*one)[1].str())) << line;
    }
    EXPECT_GT(tellers, 20U);
}

}  // namespace
}  // namespace weir
