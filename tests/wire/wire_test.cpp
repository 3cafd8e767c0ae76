/// The conversation abused: the real program and a real server with a gate between them that cuts, loses and forges.
/// However it goes, the run goes on by itself or when it is run again, and ends as if nothing had been.
///
/// A sample of all places; WEIR_WIRE=full takes more: one in a hundred of all cuts, 100 lost messages of each kind.
#include <random>
#include <set>

#include "tests/wire/cutter.h"

namespace weir::tests {
namespace {

using Kind = Fault::Kind;

bool full() {
    char const* text = std::getenv("WEIR_WIRE");
    return text != nullptr && std::string_view{text} == "full";
}

class Wire : public ::testing::Test, public Bench {
  protected:
    static constexpr int rows = 300;
    static constexpr char const* contents = "SELECT md5(string_agg(u::text, '|' ORDER BY id)) FROM users u";
    std::string file = plan(std::string{rename_plan} + "batch: { workers: 2 }\n");
    std::string expected_dump, expected_data;
    std::int64_t to_server{}, to_client{}, messages{};

    Process begin(Cutter& gate) const {
        auto launch = this->launch({"run", file, "--approve", "all", "--progress", "plain"});
        launch.command.back() = gate.url(db.name);
        return Process{std::move(launch)};
    }

    void undisturbed() {
        make_users(*this, rows);
        Cutter gate{db.conninfo, {}};
        auto process = begin(gate);
        auto const ran = wait(process);
        ASSERT_EQ(ran.status, 0) << told(ran);
        to_server = gate.to_server();
        to_client = gate.to_client();
        messages = gate.messages();
        expected_dump = dump();
        expected_data = value(contents);
        std::cout << "a run says " << to_server << " bytes and " << messages << " messages that write, and hears "
                  << to_client << " bytes\n";
    }

    struct Seen {
        bool acted{}, committed{}, by_itself{};
    };

    /// One run with this fault, to its end; what must hold, holds.
    Seen abuse(Fault fault, std::string const& when) {
        make_users(*this, rows);
        Seen seen;
        std::string what;
        Ran ran;
        {
            Cutter gate{db.conninfo, fault};
            auto process = begin(gate);
            ran = wait(process);
            seen = {gate.acted(), gate.committed(), ran.status == 0};
            what = gate.what();
        }
        // Before it leads, a lost connection is a refusal: nobody waits for what was never begun.
        EXPECT_TRUE(ran.status == 0 || ran.status == 4 || ran.status == 5) << when << told(ran) << what;
        if (ran.status != 0) {
            EXPECT_TRUE(has(ran.out + ran.err, "hint: ")) << when << told(ran) << what;
            EXPECT_FALSE(has(ran.out, " begins")) << when << told(ran) << what;
        }
        if (!seen.by_itself) ran = finish(file);
        EXPECT_EQ(ran.status, 0) << when << told(ran) << what;
        EXPECT_EQ(dump(), expected_dump) << when << what;
        EXPECT_EQ(value(contents), expected_data) << when << what;
        EXPECT_EQ(differing(*this, "full_name"), "0") << when << what;
        EXPECT_EQ(ledger_faults(), "") << when << ": " << entries() << what;
        EXPECT_EQ(leftovers(), "") << when << what;
        return seen;
    }

    /// `number` of 1..last, not the same twice, spread over all of them.
    static std::set<std::int64_t> sample(std::mt19937_64& random, std::int64_t last, std::int64_t number) {
        std::set<std::int64_t> chosen;
        for (std::int64_t i = 0; i < number; ++i)
            chosen.insert(
                std::uniform_int_distribution<std::int64_t>{1 + last * i / number, last * (i + 1) / number}(random));
        return chosen;
    }

    void cut(Kind kind, std::int64_t bytes, char const* name) {
        std::mt19937_64 random{seed()};
        std::int64_t const number = full() ? (bytes + 99) / 100 : sanitized ? 2 : 4;
        int acted = 0, by_itself = 0;
        for (auto const at : sample(random, bytes, number)) {
            auto const seen = abuse({kind, at}, std::string{name} + " after " + std::to_string(at) + " bytes: ");
            acted += seen.acted ? 1 : 0;
            by_itself += seen.by_itself ? 1 : 0;
            if (HasFailure()) return;
        }
        std::cout << name << ": cut " << acted << " times, " << by_itself << " runs went on by themselves\n";
        // The conversation is not as long every time.
        EXPECT_GE(acted, number / 2);
    }

    void lose(Kind kind, char const* name) {
        std::mt19937_64 random{seed()};
        std::int64_t const number = full() ? 100 : sanitized ? 2 : 3;
        int acted = 0, committed = 0, by_itself = 0;
        for (std::int64_t left = number; left > 0;) {
            auto const some = std::min(left, messages);
            left -= some;
            for (auto const at : sample(random, messages, some)) {
                auto const seen = abuse({kind, at}, std::string{name} + ", message " + std::to_string(at) + ": ");
                acted += seen.acted ? 1 : 0;
                committed += seen.committed ? 1 : 0;
                by_itself += seen.by_itself ? 1 : 0;
                if (HasFailure()) return;
            }
        }
        std::cout << name << ": " << acted << " times, " << committed << " had committed, " << by_itself
                  << " runs went on by themselves\n";
        EXPECT_GE(acted, number / 2);
        if (kind == Kind::lose_answer || kind == Kind::forge_after) {
            EXPECT_GT(committed, 0);
        }
    }
};

TEST_F(Wire, CutWhileWeirSpeaks) {
    undisturbed();
    cut(Kind::cut_to_server, to_server, "what weir says");
}

TEST_F(Wire, CutWhileTheServerSpeaks) {
    undisturbed();
    cut(Kind::cut_to_client, to_client, "what the server says");
}

TEST_F(Wire, RequestLost) {
    undisturbed();
    lose(Kind::lose_request, "the request was lost");
}

TEST_F(Wire, AnswerLostAfterTheCommit) {
    undisturbed();
    lose(Kind::lose_answer, "the answer was lost");
}

TEST_F(Wire, LastWordsForgedInsteadOfTheWork) {
    undisturbed();
    lose(Kind::forge_instead, "57P01 instead of the work");
}

TEST_F(Wire, LastWordsForgedAfterTheWork) {
    undisturbed();
    lose(Kind::forge_after, "57P01 after the work");
}

}  // namespace
}  // namespace weir::tests
