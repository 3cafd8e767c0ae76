#include "orchestrator/cli/carry_out.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <optional>
#include <utility>
#include <variant>

#include "orchestrator/cli/commands.h"
#include "orchestrator/cli/progress.h"

namespace weir {
namespace {

/// Stdout and stderr are one terminal, file or pipe.
bool one_output() {
    struct stat out {
    }, error{};
    return ::fstat(STDOUT_FILENO, &out) == 0 && ::fstat(STDERR_FILENO, &error) == 0 && out.st_dev == error.st_dev &&
           out.st_ino == error.st_ino;
}

/// Says on stderr, in the end, why the run stopped: whoever reads that alone, or chose no progress, hears of it, too.
class LastWord : public Listener {
  public:
    explicit LastWord(ProgressMode mode) : display_{STDOUT_FILENO, mode}, said_{says_it(mode) && one_output()} {}
    ~LastWord() override {
        if (why_ && !said_) tell(*why_);
    }
    LastWord(LastWord const&) = delete;
    LastWord& operator=(LastWord const&) = delete;

    void hear(Event const& event) noexcept override {
        display_.hear(event);
        if (auto const* stopped = std::get_if<Stopped>(&event.what)) why_ = stopped->why;
        if (std::holds_alternative<RunBegan>(event.what)) why_.reset();
    }

  private:
    static bool says_it(ProgressMode mode) { return mode == ProgressMode::plain || mode == ProgressMode::bar; }

    Progress display_;
    bool said_;  ///< by the display, where stderr goes
    std::optional<Problem> why_;
};

}  // namespace

int carry_out(Options const& options, Task task, Plan const* plan, std::string const& name,
              std::function<void()> interrupted) {
    RunRequest request{.task = task,
                       .plan = plan,
                       .name = name,
                       .database = options.database,
                       .until = options.until,
                       .approve = options.approve,
                       .no_wait = options.no_wait,
                       .take_over = options.take_over,
                       .subscribers_ready = options.subscribers_ready,
                       .accept_loss = options.accept_loss,
                       .http = options.http,
                       .linger = options.linger,
                       .display = {},
                       .refused = [](Problems const& problems) { tell(problems); },
                       .interrupted = std::move(interrupted),
                       .nothing_to_do = {}};
    request.display = [&] {
        // What stdio holds goes out before the display writes to the descriptor itself.
        std::fflush(stdout);
        auto const mode = progress_mode(options.progress).value_or(ProgressMode::automatic);
        return std::make_unique<LastWord>(resolve(mode, STDOUT_FILENO));
    };
    request.nothing_to_do = [&](std::string const& state, std::string const& since) {
        say_nothing_to_do(options, name, state, since,
                          "plan " + name + " is " + state + " since " + since + ": nothing to do");
    };
    return run(request);
}

void say_nothing_to_do(Options const& options, std::string const& plan, std::string const& state,
                       std::string const& since, std::string const& words) {
    say(options, {{"event", "nothing_to_do"}, {"plan", plan}, {"state", state}, {"since", since}}, words);
}

}  // namespace weir
