#pragma once
/// Starts programs as weir wants them started. Linux.
#include <sys/types.h>

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace weir {

struct Spawned {
    pid_t pid{-1};  ///< also of its process group
    int error{};    ///< an errno; 0: it runs
};

/// What a program finds in its environment beside what it is given.
enum class Inherited : std::uint8_t {
    all,   ///< of ours: it needs what libpq needs
    path,  ///< PATH alone: a secret of ours is none of its business
};

/// Without a shell; found in PATH when there is no `/` in its name. It gets what it inherits with `more` over it, no
/// stdin, `out` and `err` as stdout and stderr, no other descriptor, no blocked or ignored signal, and a process group
/// of its own: Ctrl-C is for weir, and what the program started can be ended with it.
Spawned spawn(std::vector<std::string> command, std::map<std::string, std::string> const& more, Inherited inherited,
              int out, int err);

/// Words of the system for an errno.
std::string words_of_errno(int error);

}  // namespace weir
