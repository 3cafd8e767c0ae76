#pragma once
/// The program where the one who runs it sees it.
#include <string>
#include <utility>

#include "tests/support/bench.h"

namespace weir::tests {

/// On a pseudo-terminal, as script(1) makes it; stdout and stderr are one, and lines end as a terminal's do.
inline Ran at_terminal(Bench const& bench, Words words, Environment environment = {}) {
    auto launch = bench.launch(std::move(words), std::move(environment));
    std::string line = "exec";
    for (auto const& word : launch.command) line += " '" + word + "'";
    launch.command = {"script", "-qefc", line, "/dev/null"};
    launch.environment.insert({"TERM", "xterm"});
    return run(std::move(launch));
}

}  // namespace weir::tests
