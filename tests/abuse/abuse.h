#pragma once
/// The real program abused on a real server, with the oracle's writers throughout and recovery proven at the end.
///
/// A few rounds of each by default; WEIR_ABUSE=full: as many as docs/reliability.md tells; WEIR_ABUSE_ROUNDS=N: so
/// many. Every round is named by a number in its failures: WEIR_TEST_SEED=that WEIR_ABUSE_ROUNDS=1 repeats its choices.
#include <functional>
#include <string>

#include "tests/support/oracle.h"

namespace weir::tests {

/// WEIR_ABUSE=full. What a crash of a process cannot show (only one of the machine could), such as fsync, is left out
/// else.
bool full();

/// Chances of one round.
class Dice {
  public:
    explicit Dice(std::uint64_t start) : start_{start}, random_{start} {}
    std::uint64_t start() const { return start_; }
    int below(int n) { return std::uniform_int_distribution<int>{0, n - 1}(random_); }
    bool coin() { return below(2) == 0; }
    template <class T>
    T const& one_of(std::vector<T> const& all) {
        return all.at(static_cast<std::size_t>(below(static_cast<int>(all.size()))));
    }
    /// Log-uniform from 1 ms to `most`: the short steps at the beginning of a run get as many as its long ones.
    std::chrono::milliseconds moment(std::chrono::milliseconds most);

  private:
    std::uint64_t start_;
    std::mt19937_64 random_;
};

class Abuse : public ::testing::Test, public Bench {
  protected:
    explicit Abuse(Cluster& server = Cluster::shared()) : Bench{server} {}

    static constexpr int rows = sanitized ? 2000 : 10'000;
    /// So many that there is time to meet a fill in its middle; in_the_fill() is read off `--progress plain`.
    static constexpr int rows_to_fill = 10'000;
    static bool in_the_fill(Process const& process) { return has(process.out(), " rows/s, "); }
    std::string const file = plan(std::string{rename_plan} + "batch: { target: 1ms, workers: 2 }\nthrottle: none\n");

    /// `few` rounds, or `all` of them, until one fails.
    void abuse(int few, int all, std::function<void(Dice&)> const& round);

    /// A fresh table, with so many leaves if it is to be partitioned, and writers on it.
    std::unique_ptr<Oracle> make(Dice const& dice, int leaves = 0);
    /// What an undisturbed run with writers makes of it; measured once for each number of leaves.
    struct Calm {
        std::string before, after;
        std::chrono::milliseconds took{};
    };
    Calm const& calm(int leaves = 0);

    Process begin(Words more = {}) const {
        Words words{"run", file, "--progress", "json"};
        words.insert(words.end(), more.begin(), more.end());
        return start(std::move(words));
    }
    /// Waits so long, or until it ends.
    static void let(Process& process, std::chrono::milliseconds time);
    static void kill(Process& process) { process.signal(SIGKILL), process.wait(); }
    /// Runs it again and again while it was stopped safely or a dead one still leads. The time to its first step or
    /// batch is kept for the figures.
    void recover();
    /// The verdict on a finished run.
    void expect_done(Oracle& oracle, int leaves = 0);
    /// The verdict on one that is undone.
    void expect_undone(Oracle& oracle, int leaves = 0);
    /// What the server may lose by itself is only told.
    bool server_may_lose{};
    /// What a full disk refuses to the writers is only counted.
    bool disk_gets_full{};

    /// The ledger and the table to the last byte and version.
    std::string everything() const;

    /// Added to the figures that are printed at the end of the rounds.
    void count(std::string const& what, long n = 1) { counts_[what] += n; }

  private:
    void add(Verdict const& verdict);
    Verdict sum_;
    std::map<std::string, long> counts_;
    std::chrono::milliseconds slowest_{};
};

/// On a server of its own.
struct OwnServer {
    Cluster own{Cluster::Options{.fsync = full(), .settings = {}, .hba = {}}};
};
class ServerAbuse : private OwnServer, public Abuse {
  protected:
    ServerAbuse() : Abuse{own} {}
};

}  // namespace weir::tests
