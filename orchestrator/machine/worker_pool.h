#pragma once
/// How many workers fill at a time (`batch.workers: auto`). Pure: times are given, nothing is read.
///
/// It begins with one. After a window of work one more is tried for a window; it stays when the rows a second rose by
/// 15 % and a commit does not take notably longer than before, else it goes, and the next trial waits longer each time.
/// A pool whose commits grow slow against those of one worker loses one. The commit that is timed is an empty one of
/// our own (WorkerPool::commit_due): what the application's commits feel, and no lock is held meanwhile.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "plans/event.h"

namespace weir {

class WorkerPool {
  public:
    static constexpr Millis window{3000};
    static constexpr Millis settling{300};  ///< after a change, before a window begins
    static constexpr Millis commit_every{500};
    static constexpr Millis first_pause{30'000};  ///< after a trial that failed; doubled each time
    static constexpr Millis longest_pause{600'000};
    static constexpr double gain{1.15};

    /// Fixed when `at_first` is `most`. REQUIRES 1 <= at_first <= most.
    WorkerPool(int at_first, int most) : size_{at_first}, most_{most}, fixed_{at_first == most} {}

    int size() const { return size_; }
    bool commit_due(Millis now) const;
    void committed(Millis now, Millis took);
    void wrote(Millis now, std::int64_t rows);
    /// Held, or everything waits: the time that passes says nothing.
    void interrupted();
    /// The reason, when the size changed; with figures.
    std::optional<std::string> judge(Millis now);

  private:
    struct Figures {
        double rate{};
        double commit{};  ///< median, ms
    };
    void restart() { began_.reset(); }
    void resize(int size, Millis now);

    int size_, most_;
    bool fixed_;
    std::optional<Millis> began_;  ///< the window
    std::optional<Millis> settled_;
    std::int64_t rows_{};
    std::vector<double> commits_;
    std::optional<Millis> last_commit_;
    std::optional<Figures> before_;  ///< a trial is on: what the smaller pool did
    std::optional<double> calm_;     ///< commit of one worker
    Millis pause_{first_pause};
    std::optional<Millis> not_before_;
};

}  // namespace weir
