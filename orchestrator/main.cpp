#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <exception>

#include "orchestrator/cli/commands.h"

namespace {

int dispatch(weir::Options const& options) {
    switch (options.verb) {
        case weir::Verb::run:
            return weir::run_command(options);
        case weir::Verb::plan:
            return weir::plan_command(options);
        case weir::Verb::status:
            return weir::status_command(options);
        case weir::Verb::approve:
            return weir::approve_command(options);
        case weir::Verb::abort:
            return weir::abort_command(options);
        case weir::Verb::pause:
            return weir::pause_command(options);
        case weir::Verb::resume:
            return weir::resume_command(options);
        case weir::Verb::set:
            return weir::set_command(options);
        case weir::Verb::rollback:
            return weir::rollback_command(options);
        case weir::Verb::purge:
            return weir::purge_command(options);
        case weir::Verb::ledger:
            return weir::ledger_command(options);
        case weir::Verb::version:
            weir::say(options, {{"version", weir::version}}, "weir " + std::string{weir::version});
            return 0;
        case weir::Verb::help:
            std::fputs(weir::help_text(options.words.empty() ? "" : options.words[0]).c_str(), stdout);
            return 0;
    }
    return 70;
}

/// A standard descriptor that is closed would be given to the next connection, and what is meant for people would go to
/// the server.
void fill_closed_descriptors() {
    for (int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
        if (fcntl(fd, F_GETFD) == -1 && errno == EBADF && open("/dev/null", O_RDWR) != fd) _exit(70);
}

/// libpq would set them for each session, and nobody could see any more what the server itself has.
void forget_settings_of_the_shell() {
    for (char const* name : {"PGTZ", "PGDATESTYLE"}) ::unsetenv(name);
}

}  // namespace

int main(int argc, char** argv) {
    fill_closed_descriptors();
    forget_settings_of_the_shell();
    try {
        auto const options = weir::read_options(argc, argv);
        if (auto const* problem = std::get_if<weir::Problem>(&options)) return weir::tell(*problem);
        return dispatch(std::get<weir::Options>(options));
    } catch (std::exception const& error) {
        std::fprintf(
            stderr,
            "error[bug]: %s\n  hint: this is a bug in weir; the ledger is exact, and running the same command again is "
            "safe\n",
            error.what());
        return 70;
    }
}
