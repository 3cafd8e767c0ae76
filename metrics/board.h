#pragma once
/// What the dashboard shows of the live run: the picture, the steps with their SQL and locks, the last events, and the
/// figures of the last quarter of an hour for its charts. docs/dashboard.md has the JSON.
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "plans/event.h"
#include "plans/lock.h"

namespace weir {

struct BoardStep {
    std::string id, title, kind, sql;
    Phase phase{};
    std::vector<TableLock> locks;  ///< as Step::holds
    std::vector<std::string> notes;
    bool done{};  ///< before this process began
};

/// One thread. Bounded: 200 events and 900 samples, each text of a step or an event cut at 16 KiB.
class Board : public Listener {
  public:
    struct Config {
        std::string version;
        /// The event as one JSON object (docs/progress.md).
        std::function<std::string(Event const&)> to_json;
        /// What the page is to hear, as it happens: `run`, `picture` or `event`, and one JSON object. Must not block.
        std::function<void(std::string_view kind, std::string const& json)> tell;
    };
    explicit Board(Config config);
    ~Board() override;
    Board(Board const&) = delete;
    Board& operator=(Board const&) = delete;

    /// Tells of events that a person would miss: neither of batches nor of readings, which the picture sums up, and of
    /// tries for a lock and of the pace only when that changes something.
    void hear(Event const& event) noexcept override;
    /// The program of the run, before its first event; `gate`: it waits before contract.
    void steps(std::vector<BoardStep> steps, bool gate, Instant now);
    /// Once a second: keeps a sample and tells of the picture, if it is another one than the last.
    void tick(Instant now);

    /// `/api/run`: everything, as of the last news or sample: one text for all who ask before the next.
    std::shared_ptr<std::string const> run(Instant now) const;
    /// A run leads and works, or waits, on a connection that is not known to be lost.
    bool ready() const;

  private:
    struct World;
    std::unique_ptr<World> world_;
};

}  // namespace weir
