#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>

#include "orchestrator/out/notifier.h"
#include "orchestrator/out/process.h"

namespace weir {
namespace {

constexpr std::size_t last_words = 1000;
constexpr int glance_ms = 50;

struct Started {
    pid_t pid{-1};
    int output{-1};
    int error{};
};

Started start(std::vector<std::string> const& command, std::map<std::string, std::string> const& environment) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) return {-1, -1, errno};
    auto const made = spawn(command, environment, Inherited::path, ends[1], ends[1]);
    ::close(ends[1]);
    if (made.error != 0) ::close(ends[0]);
    return {made.pid, made.error == 0 ? ends[0] : -1, made.error};
}

}  // namespace

Commanded run_hook(std::vector<std::string> const& command, std::map<std::string, std::string> const& environment,
                   Millis limit, std::function<bool()> const& stop) {
    auto const child = start(command, environment);
    if (child.error != 0) return {false, "it cannot be started: " + words_of_errno(child.error)};
    auto const deadline = std::chrono::steady_clock::now() + limit;
    std::string said;
    bool open = true, stopped = false, late = false;
    int status = 0;
    auto const read_on = [&](int wait_ms) {
        pollfd ready{child.output, POLLIN, 0};
        if (!open) {
            ::poll(nullptr, 0, wait_ms);
            return;
        }
        if (::poll(&ready, 1, wait_ms) <= 0) return;
        std::array<char, 4096> some{};
        auto const got = ::read(child.output, some.data(), some.size());
        open = got > 0;
        if (got <= 0) return;
        said.append(some.data(), static_cast<std::size_t>(got));
        if (said.size() > last_words) said.erase(0, said.size() - last_words);
    };
    while (::waitpid(child.pid, &status, WNOHANG) == 0) {
        stopped = stop();
        late = std::chrono::steady_clock::now() >= deadline;
        if (stopped || late) {
            ::kill(-child.pid, SIGKILL);
            ::waitpid(child.pid, &status, 0);
            break;
        }
        read_on(glance_ms);
    }
    for (auto before = said.size() + 1; open && said.size() != before && said.size() < last_words;) {
        before = said.size();
        read_on(0);
    }
    ::close(child.output);
    if (stopped) return {false, "it was ended, because weir ends"};
    while (!said.empty() && (said.back() == '\n' || said.back() == ' ')) said.pop_back();
    std::ranges::replace(said, '\n', ' ');
    auto const words = said.empty() ? "" : ": " + said;
    if (late) {
        auto const s = std::to_string(static_cast<double>(limit.count()) / 1000);
        return {false, "it did not end within " + s.substr(0, s.find('.') + 2) + " s and was killed" + words};
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {true, ""};
    if (WIFEXITED(status)) return {false, "it ended with " + std::to_string(WEXITSTATUS(status)) + words};
    return {false, "it was ended by signal " + std::to_string(WTERMSIG(status)) + words};
}

}  // namespace weir
