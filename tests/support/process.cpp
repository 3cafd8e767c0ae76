#include "tests/support/process.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <utility>

namespace weir::tests {
namespace {

using namespace std::chrono_literals;

[[noreturn]] void fail(std::string const& what) { throw std::system_error{errno, std::generic_category(), what}; }

// Output goes to a file in memory: nobody has to read along, and no full pipe can ever stop the program.
int memory_file(char const* name) {
    int const made = memfd_create(name, MFD_CLOEXEC);
    if (made < 0) fail("memfd_create");
    return made;
}

std::string content(int file) {
    std::string all;
    std::array<char, 65536> part;
    for (;;) {
        ssize_t const got = pread(file, part.data(), part.size(), static_cast<off_t>(all.size()));
        if (got <= 0) return all;
        all.append(part.data(), static_cast<std::size_t>(got));
    }
}

std::vector<std::string> environment_of(Launch const& launch) {
    std::vector<std::string> all;
    for (char** entry = environ; *entry != nullptr; ++entry) {
        std::string_view const text{*entry};
        if (!launch.environment.contains(std::string{text.substr(0, text.find('='))})) all.emplace_back(text);
    }
    for (auto const& [name, value] : launch.environment)
        if (!value.empty()) all.push_back(name + "=" + value);
    return all;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
    std::vector<char*> all;
    all.reserve(texts.size() + 1);
    for (auto& text : texts) all.push_back(text.data());
    all.push_back(nullptr);
    return all;
}

std::string joined(std::vector<std::string> const& words) {
    std::string all;
    for (auto const& word : words) all += (all.empty() ? "" : " ") + word;
    return all;
}

}  // namespace

ServerUser const& server_user() {
    static ServerUser const user = [] {
        ServerUser made{.uid = geteuid(), .gid = getegid(), .other = false, .groups = {}, .name = {}};
        passwd const* entry = made.uid == 0 ? getpwnam("postgres") : getpwuid(made.uid);
        if (entry != nullptr) made.name = entry->pw_name;
        if (made.uid != 0) return made;
        if (entry == nullptr) throw std::runtime_error{"a server does not run as root, and there is no user postgres"};
        made.uid = entry->pw_uid;
        made.gid = entry->pw_gid;
        made.other = true;
        int count = 64;
        made.groups.resize(static_cast<std::size_t>(count));
        if (getgrouplist(entry->pw_name, entry->pw_gid, made.groups.data(), &count) < 0) count = 0;
        made.groups.resize(static_cast<std::size_t>(count));
        return made;
    }();
    return user;
}

Process::Process(Launch launch) {
    if (launch.command.empty()) throw std::invalid_argument{"no program to run"};
    // Everything that may allocate or take a lock happens before the fork: other threads may hold those locks.
    auto environment = environment_of(launch);
    auto arguments = pointers(launch.command);
    auto variables = pointers(environment);
    ServerUser const* user = launch.as_server_user && server_user().other ? &server_user() : nullptr;
    pid_t const parent = getpid();
    out_ = memory_file("stdout");
    err_ = memory_file("stderr");
    std::array<int, 2> broken{};  // the child says errno here when it cannot start; exec closes it
    if (pipe2(broken.data(), O_CLOEXEC) != 0) fail("pipe2");

    pid_ = fork();
    if (pid_ < 0) fail("fork");
    if (pid_ == 0) {
        bool ready = true;
        if (user != nullptr)
            ready = setgroups(user->groups.size(), user->groups.data()) == 0 && setgid(user->gid) == 0 &&
                    setuid(user->uid) == 0;
        // After setuid, which would clear it; and the parent may have died in between.
        ready = ready && prctl(PR_SET_PDEATHSIG, launch.death_signal) == 0 && getppid() == parent;
        int const nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
        ready = ready && nothing >= 0 && dup2(nothing, 0) == 0 && dup2(out_, 1) == 1 && dup2(err_, 2) == 2;
        if (!launch.directory.empty()) ready = ready && chdir(launch.directory.c_str()) == 0;
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, nullptr);
        // No listening socket or connection of ours may live on in a child.
        ready = ready && close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) == 0;
        if (ready) execvpe(arguments[0], arguments.data(), variables.data());
        int const why = errno;
        [[maybe_unused]] auto const said = write(broken[1], &why, sizeof why);
        _exit(127);
    }
    close(broken[1]);
    int why = 0;
    ssize_t got = 0;
    do got = read(broken[0], &why, sizeof why);
    while (got < 0 && errno == EINTR);
    close(broken[0]);
    if (got == sizeof why) {
        waitpid(pid_, nullptr, 0);
        close(out_);
        close(err_);
        throw std::system_error{why, std::generic_category(), "cannot run " + launch.command[0]};
    }
}

Process::Process(Process&& other) noexcept
    : pid_{std::exchange(other.pid_, -1)},
      out_{std::exchange(other.out_, -1)},
      err_{std::exchange(other.err_, -1)},
      status_{other.status_} {}

Process::~Process() {
    if (pid_ > 0 && running()) {
        ::kill(pid_, SIGKILL);
        waitpid(pid_, nullptr, 0);
    }
    if (out_ >= 0) close(out_);
    if (err_ >= 0) close(err_);
}

std::string Process::out() const { return content(out_); }
std::string Process::err() const { return content(err_); }

bool Process::running() {
    if (status_ >= 0) return false;
    int raw = 0;
    if (waitpid(pid_, &raw, WNOHANG) != pid_) return true;
    status_ = WIFSIGNALED(raw) ? 128 + WTERMSIG(raw) : WEXITSTATUS(raw);
    return false;
}

bool Process::halted() const {
    if (status_ >= 0) return false;
    // `17 (weir) T …`: the name may hold anything, even a parenthesis.
    std::ifstream file{"/proc/" + std::to_string(pid_) + "/stat"};
    std::string const stat{std::istreambuf_iterator<char>{file}, {}};
    auto const at = stat.rfind(") ");
    return at != std::string::npos && stat.compare(at + 2, 1, "T") == 0;
}

void Process::signal(int number) {
    if (running()) ::kill(pid_, number);
}

int Process::wait(std::chrono::milliseconds deadline) {
    if (!wait_until([this] { return !running(); }, deadline))
        throw std::runtime_error{"process " + std::to_string(pid_) + " still runs after " +
                                 std::to_string(deadline.count()) + " ms; it said: " + out() + err()};
    return status_;
}

Ran run(Launch launch, std::chrono::milliseconds deadline) {
    auto const what = joined(launch.command);
    Process process{std::move(launch)};
    try {
        int const status = process.wait(deadline);
        return {status, process.out(), process.err()};
    } catch (std::runtime_error const& error) {
        throw std::runtime_error{what + ": " + error.what()};
    }
}

bool wait_until(std::function<bool()> const& condition, std::chrono::milliseconds deadline) {
    auto const until = std::chrono::steady_clock::now() + deadline;
    for (;;) {
        if (condition()) return true;
        if (std::chrono::steady_clock::now() >= until) return false;
        std::this_thread::sleep_for(10ms);
    }
}

}  // namespace weir::tests
