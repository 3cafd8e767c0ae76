#include "tests/security/gate.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstring>

namespace weir::tests {
namespace {

std::string word_after(std::string const& conninfo, std::string const& key) {
    auto const at = conninfo.find(key) + key.size();
    return conninfo.substr(at, conninfo.find(' ', at) - at);
}

sockaddr_un address(std::string const& path) {
    sockaddr_un at{};
    at.sun_family = AF_UNIX;
    if (path.size() >= sizeof at.sun_path) throw std::runtime_error{"socket path is too long: " + path};
    std::memcpy(at.sun_path, path.c_str(), path.size() + 1);
    return at;
}

/// False: this side is over.
bool pass(int from, int to) {
    std::array<char, 65536> data{};
    auto const n = ::recv(from, data.data(), data.size(), 0);
    if (n <= 0) return false;
    for (ssize_t sent = 0; sent < n;) {
        auto const m = ::send(to, data.data() + sent, static_cast<std::size_t>(n - sent), MSG_NOSIGNAL);
        if (m <= 0) return false;
        sent += m;
    }
    return true;
}

}  // namespace

Gate::Gate(std::string const& conninfo)
    : server_{word_after(conninfo, "host=") + "/.s.PGSQL." + word_after(conninfo, "port=")},
      port_{word_after(conninfo, "port=")} {
    listening_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    auto const at = address(folder_.path(".s.PGSQL." + port_));
    if (::bind(listening_, reinterpret_cast<sockaddr const*>(&at), sizeof at) != 0 || ::listen(listening_, 64) != 0)
        throw std::runtime_error{"no gate"};
    thread_ = std::thread{[this] { work(); }};
}

Gate::~Gate() {
    stopping_ = true;
    thread_.join();
    for (auto const& [client, server] : pairs_) {
        ::close(client);
        ::close(server);
    }
    ::close(listening_);
}

std::string Gate::url(std::string const& database) const {
    return "postgresql://postgres@/" + database + "?host=" + folder_.path() + "&port=" + port_;
}

void Gate::work() {
    while (!stopping_) {
        std::vector<pollfd> fds;
        if (!held_) {
            fds.push_back({listening_, POLLIN, 0});
            for (auto const& [client, server] : pairs_) {
                fds.push_back({client, POLLIN, 0});
                fds.push_back({server, POLLIN, 0});
            }
        }
        if (::poll(fds.data(), fds.size(), 10) <= 0 || held_) continue;
        std::vector<std::pair<int, int>> left;
        for (std::size_t i = 0; i < pairs_.size(); ++i) {
            auto const [client, server] = pairs_[i];
            bool const open = (fds[2 * i + 1].revents == 0 || pass(client, server)) &&
                              (fds[2 * i + 2].revents == 0 || pass(server, client));
            if (open) {
                left.push_back(pairs_[i]);
                continue;
            }
            ::close(client);
            ::close(server);
        }
        pairs_ = std::move(left);
        if (fds[0].revents == 0) continue;
        int const client = ::accept4(listening_, nullptr, nullptr, SOCK_CLOEXEC);
        int const server = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        auto const at = address(server_);
        if (::connect(server, reinterpret_cast<sockaddr const*>(&at), sizeof at) != 0) {
            ::close(client);
            ::close(server);
            continue;
        }
        pairs_.emplace_back(client, server);
    }
}

}  // namespace weir::tests
