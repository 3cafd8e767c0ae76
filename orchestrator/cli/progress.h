#pragma once
/// The event stream on a terminal, in a log, or as JSON lines (docs/progress.md). It writes names and numbers, not SQL;
/// what may quote rows is written to a terminal alone.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "plans/event.h"

namespace weir {

enum class ProgressMode : std::uint8_t {
    automatic,  ///< bar on a terminal that can redraw a line, else plain
    bar,        ///< one line that is rewritten, and lasting lines for what one has to know
    plain,      ///< a line for each notable event
    json,       ///< an object for each event
    none,
};
/// `auto`, `bar`, `plain`, `json`, `none`; nothing for another word.
std::optional<ProgressMode> progress_mode(std::string_view word);
/// Resolves automatic: bar when `fd` is a terminal and TERM is set and not `dumb`.
ProgressMode resolve(ProgressMode mode, int fd);

/// The one who runs reads a terminal; whatever else a descriptor is goes on to others, or is kept.
Audience audience_of(int fd);

/// Hears events on the io thread and writes to `fd`, which stays the caller's and must outlive it. Uses the descriptor
/// itself: flush what stdio holds for it before the first event.
///
/// Never blocks a run: what a stopped terminal or a slow pipe does not take waits in memory, up to a MiB; beyond that
/// lines are dropped and counted. A reader that is gone (EPIPE) silences it and does no harm; SIGPIPE is kept off. Time
/// is that of the events; the line is redrawn at most five times a second. No colours, so NO_COLOR has nothing to
/// change. Control characters in names are shown as `?`.
class Progress : public Listener {
  public:
    /// `width`: columns to keep to in bar mode; 0 asks the terminal at each redraw.
    Progress(int fd, ProgressMode mode, int width = 0);
    /// Erases the bar, and gives a slow reader up to a second for the rest.
    ~Progress() override;
    Progress(Progress const&) = delete;
    Progress& operator=(Progress const&) = delete;

    void hear(Event const& event) noexcept override;

  private:
    struct World;
    std::unique_ptr<World> world_;
};

}  // namespace weir
