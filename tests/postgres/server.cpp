#include "server.h"

#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <thread>
#include <vector>

namespace weir::testing {
namespace {

std::string bin() {
    auto const* chosen = std::getenv("WEIR_TEST_PGBIN");
    return chosen != nullptr ? chosen : "/usr/lib/postgresql/15/bin";
}

/// In the child: a server refuses to run as root, and must not outlive the test.
void become_postgres() {
    if (::geteuid() == 0) {
        auto const* user = ::getpwnam("postgres");
        if (user == nullptr || ::setgid(user->pw_gid) != 0 || ::setuid(user->pw_uid) != 0) ::_exit(126);
    }
    ::prctl(PR_SET_PDEATHSIG, SIGINT);
}

int spawn(std::vector<std::string> words, std::string const& log) {
    std::vector<char*> argv;
    for (auto& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    int const pid = ::fork();
    if (pid == 0) {
        become_postgres();
        if (std::freopen(log.c_str(), "a", stdout) == nullptr) ::_exit(125);
        ::dup2(STDOUT_FILENO, STDERR_FILENO);
        ::execv(argv[0], argv.data());
        ::_exit(127);
    }
    return pid;
}

}  // namespace

Server& Server::instance() {
    static Server server;
    return server;
}

Server::Server() {
    std::array<char, 20> name{"/tmp/weir-XXXXXX"};
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error{"no folder for a server"};
    folder_ = name.data();
    if (::geteuid() == 0) {
        auto const* user = ::getpwnam("postgres");
        if (user == nullptr || ::chown(folder_.c_str(), user->pw_uid, user->pw_gid) != 0)
            throw std::runtime_error{"no user postgres"};
    }
    int status = 0;
    int const init = spawn({bin() + "/initdb", "-D", folder_ + "/data", "-U", "postgres", "-A", "trust", "-E", "UTF8",
                            "--locale=C.UTF-8", "-N"},
                           folder_ + "/log");
    if (::waitpid(init, &status, 0) != init || status != 0)
        throw std::runtime_error{"initdb failed: " + folder_ + "/log"};
    pid_ = spawn(
        {bin() + "/postgres", "-D", folder_ + "/data", "-k", folder_, "-p", "5432", "-c", "listen_addresses=", "-c",
         "fsync=off", "-c", "max_connections=60", "-c", "max_prepared_transactions=5", "-c", "wal_level=logical"},
        folder_ + "/log");
    for (int tries = 0; tries < 200; ++tries) {
        std::string const probe = bin() + "/pg_isready -q -h " + folder_;
        if (std::system(probe.c_str()) == 0) return;
        std::this_thread::sleep_for(std::chrono::milliseconds{50});
    }
    throw std::runtime_error{"the server does not start: " + folder_ + "/log"};
}

Server::~Server() {
    ::kill(pid_, SIGINT);
    int status = 0;
    ::waitpid(pid_, &status, 0);
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
}

std::string Server::conninfo(std::string const& database, std::string const& user) const {
    return "host=" + folder_ + " port=5432 user=" + user + " dbname=" + database;
}

std::string Server::create_database() {
    auto const name = "d" + std::to_string(++databases_);
    psql("postgres", "CREATE DATABASE " + name);
    return name;
}

std::string Server::psql(std::string const& database, std::string const& text) const {
    std::string const script = folder_ + "/script.sql";
    std::ofstream{script} << text;
    auto const command = bin() + "/psql -X -q -At -v ON_ERROR_STOP=1 -h " + folder_ + " -U postgres -d " + database +
                         " -f " + script + " 2>&1";
    auto* const pipe = ::popen(command.c_str(), "r");
    std::string output;
    std::array<char, 4096> buffer{};
    while (auto const n = std::fread(buffer.data(), 1, buffer.size(), pipe)) output.append(buffer.data(), n);
    int const status = ::pclose(pipe);
    EXPECT_EQ(status, 0) << output;
    while (!output.empty() && output.back() == '\n') output.pop_back();
    return output;
}

}  // namespace weir::testing
