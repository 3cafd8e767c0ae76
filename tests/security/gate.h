#pragma once
/// A gate in front of a server: what passes it can be held, as by a network that fell silent.
#include <atomic>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/support/bench.h"

namespace weir::tests {

class Gate {
  public:
    /// `conninfo` is that of a server on a Unix socket.
    explicit Gate(std::string const& conninfo);
    ~Gate();
    Gate(Gate const&) = delete;
    Gate& operator=(Gate const&) = delete;

    /// For `--database`: the same database through the gate.
    std::string url(std::string const& database) const;
    /// Held: nothing passes in either direction and nothing is closed.
    void hold(bool held) { held_ = held; }

  private:
    void work();
    Folder folder_;
    std::string server_, port_;
    int listening_{-1};
    std::vector<std::pair<int, int>> pairs_;
    std::atomic<bool> held_{}, stopping_{};
    std::thread thread_;
};

}  // namespace weir::tests
