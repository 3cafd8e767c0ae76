#include "orchestrator/out/process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <unistd.h>

#include <cstring>
#include <string_view>

namespace weir {
namespace {

std::vector<char*> pointers(std::vector<std::string>& texts) {
    std::vector<char*> all;
    for (auto& text : texts) all.push_back(text.data());
    all.push_back(nullptr);
    return all;
}

std::vector<std::string> merged(std::map<std::string, std::string> const& more, Inherited inherited) {
    std::vector<std::string> all;
    for (char** entry = environ; *entry != nullptr; ++entry) {
        std::string_view const text{*entry};
        auto const name = text.substr(0, text.find('='));
        if (inherited == Inherited::path && name != "PATH") continue;
        if (!more.contains(std::string{name})) all.emplace_back(text);
    }
    // A byte 0 would end the text, and so hide what follows it.
    for (auto const& [name, value] : more) all.push_back(name + "=" + value.substr(0, value.find('\0')));
    return all;
}

}  // namespace

Spawned spawn(std::vector<std::string> command, std::map<std::string, std::string> const& more, Inherited inherited,
              int out, int err) {
    Spawned made;
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&files, err, STDERR_FILENO);
    // Libraries open descriptors of their own, and not all of them close on exec.
    posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(
        &attributes, static_cast<short>(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP));
    auto variables = merged(more, inherited);
    made.error = ::posix_spawnp(&made.pid, command[0].c_str(), &files, &attributes, pointers(command).data(),
                                pointers(variables).data());
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
    return made;
}

std::string words_of_errno(int error) {
    std::array<char, 256> words{};
    return ::strerror_r(error, words.data(), words.size());
}

}  // namespace weir
