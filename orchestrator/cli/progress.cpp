#include "orchestrator/cli/progress.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "metrics/event_json.h"
#include "metrics/text.h"
#include "orchestrator/cli/descriptor.h"
#include "orchestrator/cli/line.h"
#include "orchestrator/cli/words.h"

namespace weir {
namespace {

constexpr Millis redraw{200};
constexpr Millis last_patience{1000};

}  // namespace

Audience audience_of(int fd) { return ::isatty(fd) == 1 ? Audience::terminal : Audience::anybody; }

std::optional<ProgressMode> progress_mode(std::string_view word) {
    if (word == "auto") return ProgressMode::automatic;
    if (word == "bar") return ProgressMode::bar;
    if (word == "plain") return ProgressMode::plain;
    if (word == "json") return ProgressMode::json;
    if (word == "none") return ProgressMode::none;
    return {};
}

ProgressMode resolve(ProgressMode mode, int fd) {
    if (mode != ProgressMode::automatic) return mode;
    char const* const term = std::getenv("TERM");
    bool const redraws = ::isatty(fd) == 1 && term != nullptr && *term != '\0' && std::string_view{term} != "dumb";
    return redraws ? ProgressMode::bar : ProgressMode::plain;
}

struct Progress::World {
    World(int fd, ProgressMode m, int w)
        : out{fd, m == ProgressMode::json}, mode{resolve(m, fd)}, audience{audience_of(fd)}, width{w} {}

    /// In bar mode a line that lasts goes above the bar.
    void tell(Weight weight, std::string const& text) {
        if (mode == ProgressMode::bar) {
            if (weight == Weight::detail) return;
            erase();
            out.line(printable(text) + "\n");
        } else {
            out.line(iso(at, false) + " " + printable(text) + "\n");
        }
    }
    void erase() {
        if (drawn) out.line("\r\x1b[K");
        drawn = false;
    }
    void draw(bool now) {
        if (mode != ProgressMode::bar) return;
        if (shown.over) return erase();
        // A clock that was set back must not freeze the line.
        if (!now && at >= drawn_at && at - drawn_at < redraw) return;
        // A terminal that takes nothing gets the newest line when it does again, not all of them.
        if (!out.idle()) return out.flush({});
        drawn_at = at;
        auto const columns = std::max(width > 0 ? width : out.width(), 10);
        // The last column stays free: some terminals wrap as soon as it is written.
        out.line("\r" + truncated(printable(line_of(shown, at)), static_cast<std::size_t>(columns - 1)) + "\x1b[K");
        drawn = true;
    }

    Descriptor out;
    ProgressMode mode;
    Audience audience;
    int width;
    Instant at, drawn_at;
    bool drawn{};
    Shown shown{};
    Words words{audience, shown, [this](Weight weight, std::string const& text) { tell(weight, text); }};
};

Progress::Progress(int fd, ProgressMode mode, int width) : world_{std::make_unique<World>(fd, mode, width)} {}

Progress::~Progress() {
    world_->erase();
    world_->out.flush(last_patience);
}

void Progress::hear(Event const& event) noexcept {
    auto& world = *world_;
    world.at = event.at;
    if (world.mode == ProgressMode::none) return;
    if (world.mode == ProgressMode::json) return world.out.line(to_json(event, world.audience) + "\n");
    bool const was_drawn = world.drawn;
    world.words.hear(event);
    world.draw(was_drawn && !world.drawn);
}

}  // namespace weir
