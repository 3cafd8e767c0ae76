#include "odd_server.h"

#include <sys/socket.h>

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>

namespace weir::tests {

using boost::asio::ip::tcp;
using boost::system::error_code;

bool OddServer::Talk::send(std::string const& text) {
    error_code gone;
    boost::asio::write(socket_, boost::asio::buffer(text), gone);
    return !gone;
}

void OddServer::Talk::hold() {
    std::array<char, 256> more{};
    error_code gone;
    while (socket_.read_some(boost::asio::buffer(more), gone) > 0) {
    }
}

OddServer::OddServer(std::function<void(Talk&)> answer)
    : answer_{std::move(answer)},
      acceptor_{io_, tcp::endpoint{boost::asio::ip::address_v4::loopback(), 0}},
      port_{acceptor_.local_endpoint().port()},
      accepting_{[this] { serve(); }} {}

OddServer::~OddServer() {
    {
        std::lock_guard const lock{mutex_};
        stopping_ = true;
        for (auto& talk : talks_) ::shutdown(talk.socket_.native_handle(), SHUT_RDWR);
    }
    ::shutdown(acceptor_.native_handle(), SHUT_RDWR);
    accepting_.join();
    for (auto& thread : threads_) thread.join();
}

void OddServer::serve() {
    for (;;) {
        error_code failed;
        auto socket = acceptor_.accept(failed);
        if (failed) return;
        std::lock_guard const lock{mutex_};
        if (stopping_) return;
        auto& talk = talks_.emplace_back(Talk{std::move(socket)});
        threads_.emplace_back([this, &talk] {
            std::array<char, 1024> part{};
            error_code gone;
            while (!gone && talk.request_.find("\r\n\r\n") == std::string::npos)
                talk.request_.append(part.data(), talk.socket_.read_some(boost::asio::buffer(part), gone));
            if (!gone) answer_(talk);
            ::shutdown(talk.socket_.native_handle(), SHUT_RDWR);
        });
    }
}

std::string http_answer(int status, std::string const& body, std::string const& headers) {
    return "HTTP/1.1 " + std::to_string(status) + " Word\r\nContent-Length: " + std::to_string(body.size()) +
           "\r\nConnection: close\r\n" + headers + "\r\n" + body;
}

}  // namespace weir::tests
