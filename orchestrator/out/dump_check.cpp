#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <climits>
#include <cstdlib>
#include <filesystem>

#include "orchestrator/out/dump.h"
#include "orchestrator/out/pg_program.h"
#include "orchestrator/out/process.h"

namespace weir {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr std::size_t version_at_most = 1000;
constexpr std::chrono::seconds version_limit{10};

std::optional<int> major_of(std::string const& program, std::string& said) {
    auto const limit = Clock::now() + version_limit;
    run_program(
        {program, "--version"},
        [&](std::string_view bytes) {
            if (said.size() < version_at_most) said += bytes;
        },
        [&] { return Clock::now() >= limit; });
    // `pg_dump (PostgreSQL) 15.20 (Debian …)`
    auto const from = said.find(") ");
    int major = 0;
    if (from == std::string::npos ||
        std::from_chars(said.data() + from + 2, said.data() + said.size(), major).ec != std::errc{})
        return std::nullopt;
    return major;
}

}  // namespace

std::optional<Problem> dump_problem(std::string const& directory, int server_version) {
    auto const no = [](std::string message, std::string hint, Sealed more = {}) {
        return Problem{Code::no_backup, {}, std::move(message), std::move(hint), std::move(more)};
    };
    int const server = server_version / 10000;
    int dump = 0;
    for (std::string const program : {"pg_dump", "pg_restore"}) {
        auto const wanted = std::max(server, dump);
        auto const advice = "install the client programs of PostgreSQL " + std::to_string(wanted) +
                            " or newer where weir runs, and let them come first in PATH";
        std::string said;
        try {
            auto const major = major_of(program, said);
            if (!major) return no(program + " does not tell its version: " + harmless(said), advice);
            if (*major < wanted)
                return no(program + " is of PostgreSQL " + std::to_string(*major) +
                              ", and what it would have to read is of " + std::to_string(wanted),
                          advice);
            dump = *major;
        } catch (Failed const& failed) {
            return no("the backup needs " + program + ": " + failed.what(), advice, failed.said);
        } catch (Canceled const&) {
            return no(program + " --version does not end", advice);
        }
    }
    std::error_code error;
    if (!fs::is_directory(directory, error))
        return no("the directory for the backup is not there: " + directory,
                  "make it, or set backup.directory; one that is not absolute begins where weir is started");
    auto probe = directory + "/.weir-XXXXXX";
    int const fd = ::mkostemp(probe.data(), O_CLOEXEC);
    if (fd < 0)
        return no("cannot write into the directory for the backup, " + directory + ": " + words_of_errno(errno),
                  "let the user that weir runs as write there, or set backup.directory");
    ::unlink(probe.c_str());
    ::close(fd);
    return std::nullopt;
}

std::optional<std::int64_t> free_bytes(std::string const& directory) {
#ifdef WEIR_FAILPOINTS
    if (char const* text = std::getenv("WEIR_ROOM")) return std::atoll(text);
#endif
    std::error_code error;
    auto const room = fs::space(directory, error);
    if (error) return std::nullopt;
    return static_cast<std::int64_t>(std::min<std::uintmax_t>(room.available, INT64_MAX));
}

}  // namespace weir
