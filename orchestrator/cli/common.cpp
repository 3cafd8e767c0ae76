#include <unistd.h>

#include <boost/json/serialize.hpp>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "orchestrator/cli/commands.h"
#include "orchestrator/cli/progress.h"
#include "orchestrator/postgres/ask.h"
#include "phases/operations.h"
#include "plans/reader.h"

namespace weir {

Problem order_refused(Outcome const& outcome) {
    return problem_of(outcome, "cannot give the order",
                      "whoever orders needs INSERT on weir.orders; docs/security.md has the grants of an operator");
}

void say(Options const& options, boost::json::object const& document, std::string const& words) {
    std::printf("%s\n", options.json ? boost::json::serialize(document).c_str() : words.c_str());
}

int tell(Problem const& problem) { return tell(Problems{problem}); }

int tell(Problems const& problems) {
    std::fputs(to_text(problems, audience_of(STDERR_FILENO)).c_str(), stderr);
    return exit_code(problems);
}

std::variant<Plan, Problems> load_plan(std::string const& path) {
    std::error_code error;
    if (std::filesystem::is_directory(path, error))
        return Problems{{Code::not_supported,
                         {path, 0, 0},
                         "a folder of plans is not supported by this version",
                         "name one plan file"}};
    std::ifstream file{path, std::ios::binary};
    if (!file) return Problems{{Code::not_readable, {path, 0, 0}, "cannot open the plan file", "check the path"}};
    // One byte more than is read at most is enough to know that it is too large.
    std::string text(plan_bytes_max + 1, '\0');
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(file.gcount()));
    return read_plan(text, path, operations());
}

}  // namespace weir
