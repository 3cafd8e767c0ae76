/// Wall clocks that step by an hour under a run: the server's, weir's own, or both.
#include <map>
#include <regex>

#include "abuse.h"
#include "tests/support/clock.h"

namespace weir::tests {
namespace {

struct ServerByAClock {
    SteppedClock server_clock;
    Cluster own{
        Cluster::Options{.fsync = full(), .settings = {}, .hba = {}, .environment = server_clock.environment()}};
};

struct Measured {
    int all{}, hours{};  ///< hours: half of one or more
};

/// What was measured in seconds; a measurement is told again until the next one.
Measured measured(std::string const& out) {
    static std::regex const reading{
        R"re("signal":"(\w+)","subject":"([^"]*)","unit":"s","value":(\d+)[^}]*"age_ms":(\d+))re"};
    std::map<std::string, long> known;
    Measured all;
    for (std::sregex_iterator at{out.begin(), out.end(), reading}, end; at != end; ++at) {
        auto const& part = *at;
        auto const subject = part.str(1) + part.str(2);
        long const age = std::stol(part.str(4));
        auto const before = known.find(subject);
        bool const fresh = before == known.end() || age <= before->second;
        known[subject] = age;
        if (!fresh) continue;
        ++all.all;
        if (std::stol(part.str(3)) >= 1800) ++all.hours;
    }
    return all;
}

class Clocks : protected ServerByAClock, public Abuse {
  protected:
    Clocks() : Abuse{own} {}

    /// A sanitizer wants to be the first that is loaded: then only the server's clock steps.
    Environment ours() const { return sanitized ? Environment{} : our_clock.environment(); }
    void step(Dice& dice) {
        std::int64_t const hour = dice.coin() ? 3600 : -3600;
        int const whose = sanitized ? 0 : dice.below(3);
        if (whose != 1) server_clock.set(server_clock.ahead() + hour);
        if (whose != 0) our_clock.set(our_clock.ahead() + hour);
        count(std::string{hour > 0 ? "ahead " : "back "} + (whose == 0   ? "(server)"
                                                            : whose == 1 ? "(weir)"
                                                                         : "(both)"));
    }
    /// `time` is now by a clock that is so far ahead.
    bool is_now(std::string const& time, std::int64_t ahead) const {
        auto const now = std::chrono::system_clock::now().time_since_epoch() + std::chrono::seconds{ahead};
        return value("SELECT abs(extract(epoch FROM " + time + "::timestamptz) - " +
                     std::to_string(std::chrono::duration_cast<std::chrono::seconds>(now).count()) + ") < 600") == "t";
    }

    SteppedClock our_clock;
    // All signals on.
    std::string const signals =
        plan(std::string{rename_plan} + "batch: { target: 1ms, workers: 2 }\n", "with-signals.yaml");
};

TEST_F(Clocks, ThatStepAtAnyInstantChangeNothingOfARun) {
    cluster.add_replica("r1");
    abuse(2, 60, [this](Dice& dice) {
        auto const oracle = make(dice);
        auto process = start({"run", signals, "--progress", "json"}, ours());
        EXPECT_TRUE(wait_until([&] { return has(process.out(), "\"run_began\"") || !process.running(); }, 30s));
        int const steps = 1 + dice.below(3);
        for (int i = 0; i < steps; ++i) {
            let(process, dice.moment(calm().took));
            step(dice);
        }
        EXPECT_TRUE(is_now("clock_timestamp()", server_clock.ahead()));
        EXPECT_TRUE(wait_until([&] { return has(process.out(), "\"gate_opened\"") || !process.running(); }, 60s));
        EXPECT_TRUE(wait_until([&] { return measured(process.out()).all > 0 || !process.running(); }, 30s));
        // The order is written by the clock as it is now.
        EXPECT_EQ(weir({"approve", "rename-it", "contract"}, ours()).status, 0);
        auto const ran = wait(process);
        EXPECT_EQ(ran.status, 0) << told(ran);
        auto const last = ran.out.rfind("{\"at\":\"");
        EXPECT_TRUE(last != std::string::npos &&
                    is_now(sql_literal(ran.out.substr(last + 7, 20)), sanitized ? 0 : our_clock.ahead()))
            << ran.out;
        EXPECT_EQ(weir::tests::count(ran.out, "\"run_began\""), 1U) << "it led throughout";
        EXPECT_EQ(value("SELECT epoch FROM weir.meta"), "1");
        auto const seen = measured(ran.out);
        EXPECT_LE(seen.hours, steps) << ran.out;
        expect_done(*oracle);
    });
}

}  // namespace
}  // namespace weir::tests
