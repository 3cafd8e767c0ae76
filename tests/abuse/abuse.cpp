#include "abuse.h"

#include <cmath>
#include <cstdlib>
#include <iostream>

namespace weir::tests {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

bool full() {
    char const* const word = std::getenv("WEIR_ABUSE");
    return word != nullptr && std::string_view{word} == "full";
}

namespace {

int rounds(int few, int all) {
    char const* const number = std::getenv("WEIR_ABUSE_ROUNDS");
    if (number != nullptr && *number != '\0') return std::atoi(number);
    if (full()) return all;
    return sanitized ? 1 : few;
}

milliseconds since(Clock::time_point began) { return std::chrono::duration_cast<milliseconds>(Clock::now() - began); }

bool works(std::string const& out) {
    for (std::string_view const event : {"step_done", "batch_done", "step_undone", "gate_opened", "run_done"})
        if (has(out, "\"event\":\"" + std::string{event} + "\"")) return true;
    return false;
}

}  // namespace

milliseconds Dice::moment(milliseconds most) {
    std::uniform_real_distribution<double> exponent{0, std::log(static_cast<double>(most.count()))};
    return milliseconds{std::llround(std::exp(exponent(random_)))};
}

void Abuse::abuse(int few, int all, std::function<void(Dice&)> const& round) {
    auto const first = seed();
    int const n = rounds(few, all);
    ASSERT_GT(n, 0) << "WEIR_ABUSE_ROUNDS is no number of rounds";
    (void)calm();
    sum_ = {};
    int i = 0;
    for (; i < n && !HasFailure(); ++i) {
        auto const number = std::to_string(first + static_cast<std::uint64_t>(i));
        SCOPED_TRACE("again: WEIR_TEST_SEED=" + number + " WEIR_ABUSE_ROUNDS=1");
        Dice dice{first + static_cast<std::uint64_t>(i)};
        round(dice);
    }
    std::cout << i << " rounds: " << sum_.told();
    if (slowest_ != milliseconds{}) std::cout << ", back at work in " << slowest_.count() << " ms at most";
    for (auto const& [what, times] : counts_) std::cout << ", " << what << " " << times;
    std::cout << std::endl;
}

std::unique_ptr<Oracle> Abuse::make(Dice const& dice, int leaves) {
    make_oracle(*this, rows, leaves);
    return std::make_unique<Oracle>(share_out(*this), Oracle::Options{.sessions = 3,
                                                                      .rows = rows,
                                                                      .seed = dice.start(),
                                                                      .retries_in_doubt = false,
                                                                      .disk_gets_full = disk_gets_full});
}

Abuse::Calm const& Abuse::calm(int leaves) {
    static std::map<int, Calm> measured;
    auto const measure = [&, this] {
        Calm made;
        auto const oracle = make(Dice{1}, leaves);
        made.before = dump();
        EXPECT_TRUE(oracle->more(20));
        auto const began = Clock::now();
        auto const ran = weir({"run", file, "--approve", "all"});
        made.took = since(began);
        EXPECT_EQ(ran.status, 0) << told(ran);
        EXPECT_TRUE(oracle->more(20));
        made.after = dump();
        auto const verdict = oracle->judge();
        EXPECT_EQ(verdict.faults(), "");
        EXPECT_EQ(shape_faults(*this), "");
        EXPECT_EQ(ledger_faults(), "") << entries();
        std::cout << "undisturbed " << made.took.count() << " ms: " << verdict.told() << std::endl;
        return made;
    };
    if (!measured.contains(leaves)) measured.emplace(leaves, measure());
    return measured.at(leaves);
}

void Abuse::let(Process& process, milliseconds time) {
    wait_until([&, until = Clock::now() + time] { return Clock::now() >= until || !process.running(); }, time);
}

void Abuse::recover() {
    auto const began = Clock::now();
    bool back = false;
    Ran ran;
    EXPECT_TRUE(wait_until(
        [&] {
            auto process = begin({"--approve", "all"});
            back = back || wait_until([&] { return works(process.out()) || !process.running(); }, 60s);
            if (back && works(process.out())) slowest_ = std::max(slowest_, since(began));
            ran = wait(process, 90s);
            return ran.status != 4 && !has(ran.out + ran.err, "other-leader");
        },
        90s));
    EXPECT_EQ(ran.status, 0) << told(ran);
}

void Abuse::add(Verdict const& verdict) {
    sum_.attempted += verdict.attempted;
    sum_.acknowledged += verdict.acknowledged;
    sum_.unknown += verdict.unknown;
    sum_.recovered += verdict.recovered;
    sum_.lost += verdict.lost;
    sum_.unexpected += verdict.unexpected;
    sum_.full += verdict.full;
    sum_.longest = std::max(sum_.longest, verdict.longest);
}

void Abuse::expect_done(Oracle& oracle, int leaves) {
    EXPECT_TRUE(oracle.more(20)) << "the application does not go on";
    auto const verdict = oracle.judge();
    add(verdict);
    EXPECT_EQ(server_may_lose ? verdict.faults_but_lost() : verdict.faults(), "") << verdict.told();
    EXPECT_EQ(dump(), calm(leaves).after);
    EXPECT_EQ(shape_faults(*this), "");
    EXPECT_EQ(ledger_faults(), "") << entries();
}

void Abuse::expect_undone(Oracle& oracle, int leaves) {
    EXPECT_TRUE(oracle.more(20)) << "the application does not go on";
    EXPECT_EQ(oracle.rows(), "");
    EXPECT_EQ(dump(), calm(leaves).before);
    EXPECT_EQ(shape_faults(*this), "");
}

std::string Abuse::everything() const {
    return value(
        "SELECT coalesce((SELECT md5(string_agg(e::text || e.xmin, '|' ORDER BY run, seq)) FROM weir.entries e), '') "
        "|| "
        "coalesce((SELECT md5(string_agg(p::text || p.xmin, '|' ORDER BY step, from_page)) FROM weir.progress p), '') "
        "|| (SELECT md5(string_agg(u::text || u.xmin, '|' ORDER BY id)) FROM users u) || (SELECT epoch FROM "
        "weir.meta)");
}

}  // namespace weir::tests
