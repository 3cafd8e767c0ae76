#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>

#include "orchestrator/out/notifier.h"

namespace weir {
namespace {

constexpr std::size_t last_words = 1000;
constexpr int glance_ms = 50;

std::vector<char*> pointers(std::vector<std::string>& texts) {
    std::vector<char*> all;
    for (auto& text : texts) all.push_back(text.data());
    all.push_back(nullptr);
    return all;
}

std::vector<std::string> merged(std::map<std::string, std::string> const& more) {
    std::vector<std::string> all;
    for (char** entry = environ; *entry != nullptr; ++entry) {
        std::string_view const text{*entry};
        if (!more.contains(std::string{text.substr(0, text.find('='))})) all.emplace_back(text);
    }
    // A byte 0 would end the text, and so hide what follows it.
    for (auto const& [name, value] : more) all.push_back(name + "=" + value.substr(0, value.find('\0')));
    return all;
}

struct Spawned {
    pid_t pid{-1};
    int output{-1};
    int error{};
};

Spawned spawn(std::vector<std::string> command, std::map<std::string, std::string> const& environment) {
    Spawned made;
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
        made.error = errno;
        return made;
    }
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&files, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&files, ends[1], STDERR_FILENO);
    // Libraries open descriptors of their own, and not all of them close on exec.
    posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    // A group of its own: Ctrl-C is for weir, and what the command started can be ended with it.
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(
        &attributes, static_cast<short>(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP));
    auto variables = merged(environment);
    made.error = ::posix_spawnp(&made.pid, command[0].c_str(), &files, &attributes, pointers(command).data(),
                                pointers(variables).data());
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
    ::close(ends[1]);
    if (made.error == 0)
        made.output = ends[0];
    else
        ::close(ends[0]);
    return made;
}

}  // namespace

Commanded run_hook(std::vector<std::string> const& command, std::map<std::string, std::string> const& environment,
                   Millis limit, std::function<bool()> const& stop) {
    auto const child = spawn(command, environment);
    if (child.error != 0) {
        std::array<char, 256> words{};
        return {false, "it cannot be started: " + std::string{::strerror_r(child.error, words.data(), words.size())}};
    }
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
