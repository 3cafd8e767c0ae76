#include "orchestrator/cli/descriptor.h"

#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>

namespace weir {
namespace {

constexpr std::size_t backlog = 1 << 20;

/// Keeps SIGPIPE from ending the program while this thread writes, and takes the one that it caused itself.
class WithoutSigpipe {
  public:
    WithoutSigpipe() {
        sigemptyset(&pipe_);
        sigaddset(&pipe_, SIGPIPE);
        sigset_t pending;
        sigpending(&pending);
        was_pending_ = sigismember(&pending, SIGPIPE) == 1;
        pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
    }
    ~WithoutSigpipe() {
        if (!was_pending_) {
            timespec const now{};
            while (sigtimedwait(&pipe_, nullptr, &now) == -1 && errno == EINTR) {
            }
        }
        pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    }
    WithoutSigpipe(WithoutSigpipe const&) = delete;
    WithoutSigpipe& operator=(WithoutSigpipe const&) = delete;

  private:
    sigset_t pipe_{}, before_{};
    bool was_pending_{};
};

}  // namespace

Descriptor::Descriptor(int fd, bool json) : fd_{fd}, terminal_{::isatty(fd) == 1}, json_{json} {}

void Descriptor::line(std::string const& text) {
    if (gone_) return;
    if (waiting_.size() + text.size() > backlog) flush({});
    if (waiting_.size() + text.size() > backlog) {
        ++dropped_;
        return;
    }
    auto const count = std::to_string(dropped_);
    if (dropped_ > 0 && json_) waiting_ += R"({"event":"lines_dropped","count":)" + count + "}\n";
    if (dropped_ > 0 && !json_) waiting_ += "(" + count + " lines were dropped: the reader was too slow)\n";
    dropped_ = 0;
    waiting_ += text;
    flush({});
}

void Descriptor::flush(Millis patience) {
    WithoutSigpipe const guard;
    auto const deadline = std::chrono::steady_clock::now() + patience;
    while (!waiting_.empty() && !gone_) {
        pollfd ready{fd_, POLLOUT, 0};
        auto const left = std::chrono::ceil<Millis>(deadline - std::chrono::steady_clock::now());
        auto const count = ::poll(&ready, 1, static_cast<int>(std::max(left, Millis{0}).count()));
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) return;
        // A descriptor that is ready takes this much without blocking: a pipe PIPE_BUF, a terminal less.
        auto const some = std::min<std::size_t>(waiting_.size(), terminal_ ? 256 : 4096);
        auto const written = ::write(fd_, waiting_.data(), some);
        if (written > 0)
            waiting_.erase(0, static_cast<std::size_t>(written));
        else if (errno == EAGAIN)
            return;
        else if (errno != EINTR)
            gone_ = true;
    }
}

int Descriptor::width() const {
    winsize size{};
    if (::ioctl(fd_, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
    return 80;
}

}  // namespace weir
