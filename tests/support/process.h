#pragma once
/// Programs as tests run them: started without a shell, listened to, signalled, and never left behind.
///
/// Linux only. A Process must be started by a thread that lives as long as the program shall: the kernel sends the
/// death signal when the *thread* ends that started it. Start them from the test's own thread.
#include <sys/types.h>

#include <chrono>
#include <csignal>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace weir::tests {

struct Launch {
    std::vector<std::string> command;                ///< the program, by path or found in PATH, and its arguments
    std::map<std::string, std::string> environment;  ///< added to our own; an empty value removes the name
    std::string directory;                           ///< where it runs; empty: where we do
    bool as_server_user{};      ///< as `postgres` when we are root; the server refuses to run as root
    int death_signal{SIGKILL};  ///< what it gets when we die, however we die
};

/// One running program. Its stdin is empty; what it writes is kept in memory and can be read while it runs.
class Process {
  public:
    /// Throws when the program cannot be started at all.
    explicit Process(Launch launch);
    ~Process();  ///< ends it with SIGKILL when it still runs
    Process(Process const&) = delete;
    Process& operator=(Process const&) = delete;
    Process(Process&& other) noexcept;
    Process& operator=(Process&&) = delete;

    pid_t pid() const { return pid_; }
    std::string out() const;  ///< its stdout so far
    std::string err() const;  ///< its stderr so far
    bool running();
    bool halted() const;  ///< stopped by SIGSTOP, until SIGCONT
    /// Does nothing when it has ended already.
    void signal(int number);
    /// Waits for the end and gives the exit code, or 128 + the signal that ended it. Throws when the deadline passes.
    int wait(std::chrono::milliseconds deadline = std::chrono::seconds{60});

  private:
    pid_t pid_{-1};
    int out_{-1};
    int err_{-1};
    int status_{-1};
};

struct Ran {
    int status{};
    std::string out;
    std::string err;
};

/// Runs a program to its end.
Ran run(Launch launch, std::chrono::milliseconds deadline = std::chrono::seconds{60});

/// Asks every 10 ms until it is so; false when the deadline passes first.
bool wait_until(std::function<bool()> const& condition, std::chrono::milliseconds deadline = std::chrono::seconds{10});

/// The user that servers run as: `postgres` when we are root, else ourselves.
struct ServerUser {
    uid_t uid{};
    gid_t gid{};
    bool other{};  ///< we have to become somebody else
    std::vector<gid_t> groups;
    std::string name;
};
ServerUser const& server_user();

}  // namespace weir::tests
