#pragma once
/// The command line; the door to Boost.Program_options.
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "plans/event.h"
#include "plans/problem.h"

namespace weir {

enum class Verb { run, plan, status, approve, abort, pause, resume, set, rollback, purge, ledger, version, help };

struct Options {
    Verb verb{Verb::help};
    std::vector<std::string> words;  ///< what stands after the command; of help: the command that it is about, or none
    std::string database;            ///< --database; empty: libpq's own variables and files
    std::optional<Phase> until;
    std::set<std::string> approve;
    bool no_wait{};
    bool take_over{};
    bool subscribers_ready{};
    bool allow_command{};  ///< the plan's notify.command may be run
    std::optional<std::int64_t> accept_loss;
    std::string http;              ///< ADDR:PORT; empty: none
    std::optional<Millis> linger;  ///< how long the listener of `http` stays for a last scrape
    std::string progress{"auto"};  ///< auto, bar, plain, json, none
    bool json{};                   ///< --json, and with it `progress` is json; and the other way round
    bool watch{};
    bool metrics{};  ///< of status
};

/// Code::usage problems name the option and say what it takes. REQUIRES argv as main gets it.
std::variant<Options, Problem> read_options(int argc, char const* const* argv);

/// What `weir help` prints of a command: an example first, then what it takes; no command of that name: of all.
std::string help_text(std::string_view command);

}  // namespace weir
