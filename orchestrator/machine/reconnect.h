#pragma once
/// The connections of a run, one after another: how long to rest before the next, and when that is enough. Pure; it
/// outlives the run machines, each of which begins anew from the ledger, and hands on what the ledger does not know.
///
///   lost while batches ran, and they were not done since   1 s, 10 s, 60 s; each next machine begins with half the
///                                                           pages a range, from the second loss on range by range;
///                                                           the fourth stops the run
///   lost otherwise, or not had (refused)                    100 ms, twice as long each time, at most 2 s; for 15 min
///
/// A range that ran is under suspicion until its batch is done; a loss while none of the suspects ran begins the count
/// anew. It lives as long as the process: another one begins with no suspicion.
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "orchestrator/machine/protocol.h"
#include "plans/problem.h"

namespace weir {

class ReconnectMachine {
  public:
    static constexpr int losses_at_most = 4;
    static constexpr Millis refused_for{900'000};
    /// The server may take our own dead session for a living leader until it notices.
    static constexpr Millis ghost_for{120'000};

    struct Next {
        std::optional<Problem> stop{};  ///< the run ends with it
        Millis rest{};                  ///< else: before the next try
        std::optional<Problem> tell{};  ///< a warning
    };

    /// A connection that had all its sessions; `at_work`: what they were at.
    Next lost(Millis now, std::string const& why, std::vector<PageRange> const& at_work);
    /// There is none, or not with all its sessions.
    Next refused(Millis now, Problem const& why);

    /// A batch or a step came to its end.
    void hear(Event const& event);

    /// It was lost once: what refuses the next is no answer to the command that began it all.
    bool was_lost() const { return lost_at_.has_value(); }
    /// Of a range, for the next machine; nothing: as it likes.
    std::optional<std::int64_t> pages_at_first() const { return pages_; }
    /// The next machine goes range by range, so that it shows which one it is.
    bool plain() const { return losses_ > 1; }

  private:
    void forget();

    std::vector<PageRange> suspects_;
    int losses_{};  ///< in which one of them ran
    std::optional<std::int64_t> pages_;
    bool progress_{true};  ///< since the last loss
    std::optional<Millis> lost_at_;
    std::string lost_;
    Millis rest_{};
    std::set<std::string> told_;
};

}  // namespace weir
