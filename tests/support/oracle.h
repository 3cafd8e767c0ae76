#pragma once
/// What an application must find again, whatever was done to a run: writers that keep a journal, and the verdict.
///
/// Each transaction of a writer changes one row of `users` and adds a row to `witness`, which weir never touches. Its
/// number is in the writer's journal, in memory, before it is sent. What the witness holds is what the server has kept;
/// what `users` must hold follows from the witness alone (rows with a negative tx are a test's own: the first ones, and
/// what somebody else wrote). So what a server loses (a failover to a standby that was
/// behind) and what a run loses are told apart, and the rows can be judged at any time, in one snapshot.
#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/bench.h"

namespace weir::tests {

/// The tables: users(id, name not null, hits, note), so many rows, and witness. Everything of weir's is removed.
/// With `leaves`, users is partitioned by range of id: its rows lie in users_0, users_1, …, what the writers insert in
/// users_w, and ids from 500 000 000 to 999 999 999 have no leaf: they are for what a test attaches. It has no key
/// then, so that a leaf may be a foreign table.
void make_oracle(Bench const& bench, int rows, int leaves = 0);
/// The ids of one of users_0, users_1, …: from, to.
std::pair<int, int> leaf_range(int rows, int leaves, int leaf);

struct Verdict {
    long attempted{}, acknowledged{};
    long unknown{};      ///< the connection broke before the answer
    long recovered{};    ///< of the unknown ones: done after all
    long lost{};         ///< acknowledged, and the witness does not have it: lost by the server
    long unexpected{};   ///< in the witness, though it was refused or never attempted
    std::string rows;    ///< what is wrong in `users` by the witness, as Oracle::rows() tells; empty: nothing
    std::string sums;    ///< what the journal and the sum of all increments disagree on; empty: nothing
    long full{};         ///< refused by the server because its disk was full, where that was to be expected
    std::string errors;  ///< errors that an application would notice, joined; empty: none
    std::chrono::milliseconds longest{};  ///< of the statements that were answered

    /// Everything that must not be; empty: the promise was held.
    std::string faults() const;
    /// The same where the server itself may lose what it had acknowledged.
    std::string faults_but_lost() const;
    std::string told() const;  ///< the figures, in one line
};

/// Sessions that insert, update and delete by the old name, by the new one when there is one, and go on by the new one
/// when the old is gone. Connections that end are made anew. Values and rows are chosen by `seed`.
class Oracle {
  public:
    struct Options {
        int sessions{3};
        int rows{1000};  ///< as given to make_oracle()
        std::uint64_t seed{1};
        bool retries_in_doubt{};  ///< planted: some answers get lost after the COMMIT; what was not answered is sent
                                  ///< again
        bool disk_gets_full{};    ///< a refusal for want of room (53100) is the server's, and no error of a run
    };
    Oracle(std::string conninfo, Options const& options);
    ~Oracle() { stop(); }
    Oracle(Oracle const&) = delete;
    Oracle& operator=(Oracle const&) = delete;

    void stop();
    long writes() const { return writes_; }  ///< acknowledged
    /// Waits until so many more are acknowledged.
    bool more(long n, std::chrono::milliseconds deadline = std::chrono::seconds{30}) const;

    /// What is wrong in `users`, in one snapshot, also while the writers and a run work: rows that are missing,
    /// invented or altered, and values in which the old and the new column differ. A new column that is NULL is not
    /// filled yet, unless `filled`. Empty: nothing.
    std::string rows(bool filled = false) const;
    /// The writers are stopped first.
    Verdict judge(bool filled = true);

  private:
    enum class Fate : char { attempted, acknowledged, refused, unknown };
    struct Attempt {
        std::int64_t tx;
        bool increments;
        Fate fate;
    };
    struct Writer {
        std::vector<Attempt> journal;  // its thread's alone until it has ended
        std::thread thread;
    };
    void work(Writer& writer, int number);
    void note(std::string const& error);

    std::string conninfo_;
    Options options_;
    std::atomic<bool> stopping_{};
    std::atomic<long> writes_{}, longest_{}, full_{};
    mutable std::mutex mutex_;
    std::string errors_;
    std::vector<Writer> writers_;
};

/// What a finished or undone run must not leave: objects of weir's outside its ledger, invalid indexes, constraints
/// that are not validated. Empty: nothing.
std::string shape_faults(Bench const& bench);

}  // namespace weir::tests
