#pragma once
/// Fills of real tables by the real program, seen through its events and through the server's own counts.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/bench.h"

namespace weir::tests {

/// One object of `--progress json`.
class Happened {
  public:
    explicit Happened(std::string line) : line_{std::move(line)} {}
    std::string text(std::string const& key) const;  ///< empty when it has no such text
    std::int64_t number(std::string const& key) const;
    std::string name() const { return text("event"); }
    std::string const& line() const { return line_; }

  private:
    std::string line_;
};
using Story = std::vector<Happened>;

/// The whole lines of a run's output; of one event where `event` is given.
Story story(std::string const& out, std::string const& event = "");

/// `users(id, name, email, at, note)`, full pages, indexes on id, email and at; some 70 rows a page.
struct Shape {
    int rows{20'000};
    std::string with{"autovacuum_enabled = off"};
    std::string name{"users"};
};

inline constexpr std::string_view slow = "batch: { target: 1ms, workers: 1 }\n";

class Filling : public ::testing::Test, public Bench {
  protected:
    explicit Filling(Cluster& server = Cluster::shared()) : Bench{server} {}
    ~Filling() override;

    void make(Shape const& shape = {});
    /// The plan that renames users.name to full_name; `more` are further lines.
    std::string rename(std::string_view more = "") const { return plan(std::string{rename_plan} + std::string{more}); }
    /// A plan that adds a column to users and fills it.
    std::string add(std::string const& type, std::string const& expression, std::string_view more = "",
                    std::string const& table = "users") const;

    /// Begins `weir run FILE --until UNTIL --progress json`; the counts before it are noted.
    void begin(std::string const& file, std::string const& until = "proof");
    /// Waits until so many events of that name are told that hold `part`; false when the run ends before.
    bool await(std::string const& event, std::size_t times = 1, std::string const& part = "");
    bool running() { return process_ && process_->running(); }
    void kill() { process_->signal(SIGKILL), process_->wait(); }
    /// Its end; the story is whole then.
    Ran const& end(std::chrono::milliseconds deadline = 60s);
    Ran const& fill(std::string const& file, std::string const& until = "proof") {
        begin(file, until);
        return end();
    }
    Story told_of(std::string const& event) const { return story(process_->out(), event); }
    /// Events of that name that hold `part`.
    std::size_t times(std::string const& event, std::string const& part = "") const;
    /// Of the fill's batches as told.
    std::int64_t rows_told() const;

    /// Of the updates since begin(), by the server's counts; waits until it knows `at_least` of them.
    double hot_share(std::int64_t at_least);
    /// Table and indexes now against begin().
    double growth() const;
    std::string ways() const;  ///< `in_page, ranges, …`
    /// The rows of `users` that `full_name` is wrong for.
    std::string wrong() const { return value("SELECT count(*) FROM users WHERE full_name IS DISTINCT FROM name"); }
    /// The ledger's count is that of the rows; true at any time, as both come with one transaction.
    std::string ledger_rows(std::string const& step = "backfill.1") const;

    Ran ran;
    std::string table{"users"};

  private:
    std::int64_t size() const;
    std::optional<Process> process_;
    std::int64_t size_before_{}, updates_before_{}, hot_before_{};
};

/// An application's session that does one thing again and again until it is stopped; each turn is one string.
class Loop {
  public:
    Loop(std::string const& conninfo, std::function<std::string(long turn)> text);
    ~Loop() { stop(); }
    Loop(Loop const&) = delete;
    Loop& operator=(Loop const&) = delete;
    void stop();
    long turns() const { return turns_; }
    std::chrono::milliseconds longest() const { return std::chrono::milliseconds{longest_}; }
    std::string errors() const;
    bool more(long n, std::chrono::milliseconds deadline = 20s) const;

  private:
    std::atomic<bool> stopping_{};
    std::atomic<long> turns_{}, longest_{};
    mutable std::mutex mutex_;
    std::string errors_;
    std::thread thread_;
};

}  // namespace weir::tests
