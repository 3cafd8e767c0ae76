#include "tests/wire/cutter.h"

#include <arpa/inet.h>
#include <netinet/in.h>
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

bool send_all(int to, std::string_view data) {
    while (!data.empty()) {
        auto const sent = ::send(to, data.data(), data.size(), MSG_NOSIGNAL);
        if (sent <= 0) return false;
        data.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
}

/// False: this side is over.
bool receive(int from, std::string& into) {
    std::array<char, 65536> data{};
    auto const n = ::recv(from, data.data(), data.size(), 0);
    if (n <= 0) return false;
    into.append(data.data(), static_cast<std::size_t>(n));
    return true;
}

std::size_t number_at(std::string const& text, std::size_t at) {
    std::uint32_t number{};
    std::memcpy(&number, text.data() + at, sizeof number);
    return ntohl(number);
}

/// The size of the first message, or 0 when it is not complete.
std::size_t first_message(std::string const& text, bool typed) {
    std::size_t const head = typed ? 1 : 0;
    if (text.size() < head + 4) return 0;
    auto const size = head + number_at(text, head);
    return text.size() < size ? 0 : size;
}

bool writes(std::string const& message) {
    return message[0] == 'Q' &&
           (has(message, "INSERT INTO weir.entries") || has(message, "UPDATE weir.progress p SET") ||
            has(message, "UPDATE weir.meta SET epoch"));
}

std::string terminated() {
    std::string const body{"SFATAL\0VFATAL\0C57P01\0Mterminating connection due to administrator command\0\0", 75};
    auto const size = htonl(static_cast<std::uint32_t>(body.size() + 4));
    std::string text{"E"};
    text.append(reinterpret_cast<char const*>(&size), sizeof size);
    return text + body;
}

}  // namespace

Cutter::Cutter(std::string const& conninfo, Fault fault)
    : fault_{fault}, server_{word_after(conninfo, "host=") + "/.s.PGSQL." + word_after(conninfo, "port=")} {
    listening_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof at;
    if (::bind(listening_, reinterpret_cast<sockaddr const*>(&at), size) != 0 || ::listen(listening_, 64) != 0 ||
        ::getsockname(listening_, reinterpret_cast<sockaddr*>(&at), &size) != 0)
        throw std::runtime_error{"no gate"};
    port_ = ntohs(at.sin_port);
    thread_ = std::thread{[this] { work(); }};
}

Cutter::~Cutter() {
    stopping_ = true;
    thread_.join();
    for (auto const& pair : pairs_) {
        ::close(pair.client);
        ::close(pair.server);
    }
    ::close(listening_);
}

std::string Cutter::url(std::string const& database) const {
    return "postgresql://postgres@127.0.0.1:" + std::to_string(port_) + "/" + database +
           "?sslmode=disable&gssencmode=disable";
}

std::string Cutter::what() const {
    std::lock_guard const lock{mutex_};
    return what_;
}

bool Cutter::forge(Pair& pair) {
    (void)send_all(pair.client, terminated());
    return false;
}

bool Cutter::message(Pair& pair, std::string const& text) {
    using Kind = Fault::Kind;
    if (writes(text) && ++messages_ == fault_.at && !acted_ && fault_.kind >= Kind::lose_request) {
        acted_ = true;
        {
            std::lock_guard const lock{mutex_};
            what_ = text.substr(5);
        }
        if (fault_.kind == Kind::lose_request) return false;
        if (fault_.kind == Kind::forge_instead) return forge(pair);
        pair.swallows = true;
    }
    if (fault_.kind == Kind::cut_to_server && !acted_ &&
        to_server_ + static_cast<std::int64_t>(text.size()) >= fault_.at) {
        acted_ = true;
        (void)send_all(pair.server, std::string_view{text}.substr(0, static_cast<std::size_t>(fault_.at - to_server_)));
        return false;
    }
    to_server_ += static_cast<std::int64_t>(text.size());
    return send_all(pair.server, text);
}

bool Cutter::client_said(Pair& pair) {
    if (!receive(pair.client, pair.from_client)) return false;
    while (auto const size = first_message(pair.from_client, pair.started)) {
        auto const text = pair.from_client.substr(0, size);
        pair.from_client.erase(0, size);
        pair.started = true;
        if (!message(pair, text)) return false;
    }
    return true;
}

bool Cutter::server_said(Pair& pair) {
    std::string text;
    if (!receive(pair.server, text)) return false;
    if (pair.swallows) {
        pair.swallowed += text;
        while (auto const size = first_message(pair.swallowed, true)) {
            char const type = pair.swallowed[0];
            pair.swallowed.erase(0, size);
            if (type == 'E') pair.failed = true;
            if (type != 'Z') continue;
            committed_ = !pair.failed;
            return fault_.kind == Fault::Kind::forge_after && forge(pair);
        }
        return true;
    }
    auto const size = static_cast<std::int64_t>(text.size());
    if (fault_.kind == Fault::Kind::cut_to_client && !acted_ && to_client_ + size >= fault_.at) {
        acted_ = true;
        (void)send_all(pair.client, std::string_view{text}.substr(0, static_cast<std::size_t>(fault_.at - to_client_)));
        return false;
    }
    to_client_ += size;
    return send_all(pair.client, text);
}

void Cutter::work() {
    while (!stopping_) {
        std::vector<pollfd> fds;
        if (!held_) {
            fds.push_back({listening_, POLLIN, 0});
            for (auto const& pair : pairs_) {
                fds.push_back({pair.client, POLLIN, 0});
                fds.push_back({pair.server, POLLIN, 0});
            }
        }
        if (::poll(fds.data(), fds.size(), 10) <= 0 || held_) continue;
        for (std::size_t i = 0; i < pairs_.size(); ++i)
            if ((fds[2 * i + 1].revents != 0 && !client_said(pairs_[i])) ||
                (fds[2 * i + 2].revents != 0 && !server_said(pairs_[i]))) {
                pairs_[i].over = true;
                ::close(pairs_[i].client);
                ::close(pairs_[i].server);
            }
        std::erase_if(pairs_, [](Pair const& pair) { return pair.over; });
        if (fds[0].revents == 0) continue;
        Pair pair;
        pair.client = ::accept4(listening_, nullptr, nullptr, SOCK_CLOEXEC);
        pair.server = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_un at{};
        at.sun_family = AF_UNIX;
        if (server_.size() >= sizeof at.sun_path) throw std::runtime_error{"socket path is too long: " + server_};
        std::memcpy(at.sun_path, server_.c_str(), server_.size() + 1);
        if (::connect(pair.server, reinterpret_cast<sockaddr const*>(&at), sizeof at) != 0) {
            ::close(pair.client);
            ::close(pair.server);
            continue;
        }
        pairs_.push_back(std::move(pair));
    }
}

}  // namespace weir::tests
