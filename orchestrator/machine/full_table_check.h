#pragma once
/// Whether a proof has seen the whole table. Pure; copyable.
///
/// Without a sync a row that is not right may move, by an update of the application, from a range not read yet to one
/// that was. So a second pass over all pages, with progress of its own (`<step>.look`), ends such a proof. When it
/// finds a row it is made again, a few times: rows that the application inserts without the column are its own.
///
///   first ──> second ──> done          each state also as it is before the pages of its pass are counted
///               └─ found rows, or may have: once more, from the first page
///
/// A change of the root's triggers, rules or columns changes all leaves, so everything is read anew; the third time it
/// ends the proof.
#include <cstdint>
#include <optional>
#include <string>

#include "orchestrator/machine/protocol.h"
#include "plans/event.h"
#include "plans/step.h"

namespace weir {

class FullTableCheck {
  public:
    enum class State : std::uint8_t {
        first_afresh,     ///< pages not counted yet; what was done before is to be forgotten
        first,            ///< on its way; pages may have been done before
        second_afresh,    ///< as first_afresh
        second_as_found,  ///< pages not counted yet; an earlier orchestrator may have begun it
        second,           ///< begun by this one
        second_unsure,    ///< begun by another one, and what that found is not known
    };
    enum class Verdict : std::uint8_t {
        done,
        again,  ///< another pass is to be made: count its pages
    };

    /// `changes` of the root's shape were seen by earlier passes of this proof.
    FullTableCheck(bool afresh, int changes)
        : state_{afresh ? State::first_afresh : State::first}, afresh_{afresh}, changes_{changes} {}

    /// The name that the pass's progress has in the ledger.
    std::string progress_of(std::string const& step) const { return is_second() ? step + ".look" : step; }
    /// What is done of the pass is to be forgotten when its pages are counted.
    bool restart() const { return state_ == State::first_afresh || state_ == State::second_afresh; }
    /// The root is another one than the proof began with, by these words. Why the proof cannot go on; nothing: it reads
    /// everything anew.
    std::optional<Outcome> root_changed(TableName const& table, std::string const& what);
    /// The pages of the pass were counted, and some of them are done: `begun`.
    void counted(bool begun);
    /// A count of the pass found rows that are not right.
    void found(std::int64_t rows);
    /// All pages of the pass are done, and no row of them is wrong. Says in `out` what its end means, if anything.
    /// REQUIRES a proof that needs the check, with counted pages.
    Verdict ended(std::string const& step, Rows const& rows, Instant at, Commands& out);

    State state() const { return state_; }
    int changes() const { return changes_; }

  private:
    bool is_second() const { return state_ >= State::second_afresh; }
    bool is_counted() const {
        return state_ == State::first || state_ == State::second || state_ == State::second_unsure;
    }

    State state_;
    bool afresh_;
    int changes_;
    std::int64_t found_{};  ///< by this second pass
    int unclean_{};         ///< second passes that were not clean
};

}  // namespace weir
