#pragma once
/// Programs that weir runs: started as weir wants them started, read, waited for, and ended. Linux.
#include <sys/types.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir {

/// Words of the system for an errno.
std::string words_of_errno(int error);

/// A file descriptor that is closed at the end; -1: none.
class OwnedFd {
  public:
    explicit OwnedFd(int fd = -1) : fd_{fd} {}
    ~OwnedFd() { close(); }
    OwnedFd(OwnedFd const&) = delete;
    OwnedFd& operator=(OwnedFd const&) = delete;
    OwnedFd(OwnedFd&& other) noexcept : fd_{std::exchange(other.fd_, -1)} {}
    OwnedFd& operator=(OwnedFd&& other) noexcept {
        close();
        fd_ = std::exchange(other.fd_, -1);
        return *this;
    }
    int get() const { return fd_; }
    void close();

  private:
    int fd_;
};

/// What a program finds in its environment beside what it is given.
enum class Inherited : std::uint8_t {
    all,   ///< of ours: it needs what libpq needs
    path,  ///< PATH alone: a secret of ours is none of its business
};

/// How a program ended.
struct Ended {
    int status{};  ///< as waitpid() has it
    int lost{};    ///< an errno: somebody else waited for it, and nobody can tell

    bool good() const;          ///< with 0
    std::string words() const;  ///< `ended with 3`, `was ended by signal 9`
};

/// A child process and its two streams. One thread at a time.
class Child {
  public:
    enum class Stream : std::uint8_t { out, err };
    using Take = std::function<void(Stream, std::string_view bytes)>;
    /// Whether it writes to two pipes, or with stderr into that of stdout.
    enum class Streams : std::uint8_t { apart, joined };
    /// At most so many bytes are given to `take` at once.
    static constexpr std::size_t piece = 1U << 17;
    /// At most so long nobody looks whether it ended.
    static constexpr std::chrono::milliseconds glance{50};

    /// Thrown by the constructor.
    struct NotStarted {
        int error{};     ///< an errno
        bool no_pipe{};  ///< else the program itself could not be run
    };

    /// Without a shell; found in PATH when there is no `/` in its name. It gets what it inherits with `more` over it,
    /// no stdin, no other descriptor than its streams, no blocked or ignored signal, and a process group of its own:
    /// Ctrl-C is for weir, and what the program started can be ended with it.
    Child(std::vector<std::string> command, std::map<std::string, std::string> const& more, Inherited inherited,
          Streams streams);
    /// end() with two seconds.
    ~Child();
    Child(Child const&) = delete;
    Child& operator=(Child const&) = delete;

    /// A stream is open: it, or what it started, may still write.
    bool open() const { return streams_[0].get() >= 0 || streams_[1].get() >= 0; }
    /// Waits for something to read for so long at most, and gives each stream's next piece; waits the whole time when
    /// no stream is open.
    void read(std::chrono::milliseconds patience, Take const& take);
    /// Nothing while it runs. Does not wait.
    std::optional<Ended> ended();
    /// SIGTERM and, after `mercy`, SIGKILL to it and to what it started; with no mercy SIGKILL at once. Afterwards it
    /// is gone. Nothing when it has ended before.
    void end(std::chrono::milliseconds mercy);

  private:
    pid_t pid_{-1};  ///< also of its process group
    std::optional<Ended> ended_;
    std::array<OwnedFd, 2> streams_;
    std::vector<char> some_;
};

}  // namespace weir
