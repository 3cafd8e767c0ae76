#include "orchestrator/out/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace weir {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr milliseconds mercy_at_the_end{2000};

std::vector<char*> pointers(std::vector<std::string>& texts) {
    std::vector<char*> all;
    for (auto& text : texts) all.push_back(text.data());
    all.push_back(nullptr);
    return all;
}

std::vector<std::string> merged(std::map<std::string, std::string> const& more, Inherited inherited) {
    std::vector<std::string> all;
    for (char** entry = environ; *entry != nullptr; ++entry) {
        std::string_view const text{*entry};
        auto const name = text.substr(0, text.find('='));
        if (inherited == Inherited::path && name != "PATH") continue;
        if (!more.contains(std::string{name})) all.emplace_back(text);
    }
    // A byte 0 would end the text, and so hide what follows it.
    for (auto const& [name, value] : more) all.push_back(name + "=" + value.substr(0, value.find('\0')));
    return all;
}

struct Pipe {
    Pipe() {
        std::array<int, 2> ends{};
        if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw Child::NotStarted{errno, true};
        read = OwnedFd{ends[0]};
        write = OwnedFd{ends[1]};
    }
    OwnedFd read, write;
};

/// How posix_spawn() is to start it.
class Manner {
  public:
    Manner(int out, int err) {
        posix_spawn_file_actions_init(&files);
        posix_spawnattr_init(&attributes);
        posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
        posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
        posix_spawn_file_actions_adddup2(&files, err, STDERR_FILENO);
        // Libraries open descriptors of their own, and not all of them close on exec.
        posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);
        sigset_t none, all;
        sigemptyset(&none);
        sigfillset(&all);
        posix_spawnattr_setsigmask(&attributes, &none);
        posix_spawnattr_setsigdefault(&attributes, &all);
        posix_spawnattr_setpgroup(&attributes, 0);
        posix_spawnattr_setflags(
            &attributes, static_cast<short>(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP));
    }
    ~Manner() {
        posix_spawn_file_actions_destroy(&files);
        posix_spawnattr_destroy(&attributes);
    }
    Manner(Manner const&) = delete;
    Manner& operator=(Manner const&) = delete;

    posix_spawn_file_actions_t files{};
    posix_spawnattr_t attributes{};
};

int count(milliseconds time) { return static_cast<int>(time.count()); }

}  // namespace

std::string words_of_errno(int error) {
    std::array<char, 256> words{};
    return ::strerror_r(error, words.data(), words.size());
}

void OwnedFd::close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

bool Ended::good() const { return WIFEXITED(status) && WEXITSTATUS(status) == 0; }

std::string Ended::words() const {
    if (WIFEXITED(status)) return "ended with " + std::to_string(WEXITSTATUS(status));
    return "was ended by signal " + std::to_string(WTERMSIG(status));
}

Child::Child(std::vector<std::string> command, std::map<std::string, std::string> const& more, Inherited inherited,
             Streams streams) {
    Pipe out;
    std::optional<Pipe> err;
    if (streams == Streams::apart) err.emplace();
    Manner const manner{out.write.get(), err ? err->write.get() : out.write.get()};
    auto variables = merged(more, inherited);
    int const error = ::posix_spawnp(&pid_, command[0].c_str(), &manner.files, &manner.attributes,
                                     pointers(command).data(), pointers(variables).data());
    if (error != 0) throw NotStarted{error, false};
    streams_[0] = std::move(out.read);
    if (err) streams_[1] = std::move(err->read);
}

Child::~Child() { end(mercy_at_the_end); }

void Child::read(milliseconds patience, Take const& take) {
    std::array<pollfd, 2> fds{pollfd{streams_[0].get(), POLLIN, 0}, pollfd{streams_[1].get(), POLLIN, 0}};
    if (::poll(fds.data(), fds.size(), count(patience)) <= 0) return;
    some_.resize(piece);
    for (std::size_t i = 0; i < fds.size(); ++i) {
        if (fds[i].revents == 0) continue;
        auto const got = ::read(fds[i].fd, some_.data(), some_.size());
        if (got > 0)
            take(Stream{static_cast<std::uint8_t>(i)}, {some_.data(), static_cast<std::size_t>(got)});
        else if (got == 0 || errno != EINTR)
            streams_[i].close();
    }
}

std::optional<Ended> Child::ended() {
    if (ended_) return ended_;
    int status = 0;
    auto const got = ::waitpid(pid_, &status, WNOHANG);
    if (got == 0 || (got < 0 && errno == EINTR)) return {};
    ended_ = got < 0 ? Ended{0, errno} : Ended{status, 0};
    return ended_;
}

void Child::end(milliseconds mercy) {
    if (pid_ < 0 || ended_) return;
    if (mercy > milliseconds{0}) {
        ::kill(-pid_, SIGTERM);
        auto const limit = Clock::now() + mercy;
        auto const over = [this] {
            siginfo_t info{};
            return ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
                   info.si_pid == pid_;
        };
        while (!over() && Clock::now() < limit) ::poll(nullptr, 0, count(glance) / 10);
    }
    // With what it started; until it is waited for, the number is its own.
    ::kill(-pid_, SIGKILL);
    int status = 0;
    ::waitpid(pid_, &status, 0);
    ended_ = Ended{status, 0};
}

}  // namespace weir
