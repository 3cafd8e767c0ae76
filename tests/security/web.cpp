#include "tests/security/web.h"

#include <chrono>
#include <iterator>

namespace weir::tests {

namespace asio = boost::asio;
using asio::ip::tcp;
using std::chrono_literals::operator""s;

std::string free_address() {
    asio::io_context io;
    tcp::acceptor const taken{io, {asio::ip::address_v4::loopback(), 0}};
    return "127.0.0.1:" + std::to_string(taken.local_endpoint().port());
}

std::string get(std::string const& address, std::string const& path) {
    tcp::iostream stream;
    stream.expires_after(5s);
    stream.connect("127.0.0.1", address.substr(address.find(':') + 1));
    stream << "GET " << path << " HTTP/1.1\r\nHost: " << address << "\r\nConnection: close\r\n\r\n" << std::flush;
    return {std::istreambuf_iterator<char>{stream}, {}};
}

Postbox::Postbox() : door_{io_, {asio::ip::address_v4::loopback(), 0}}, thread_{[this] { serve(); }} {}

Postbox::~Postbox() {
    over_ = true;
    tcp::iostream last;
    last.expires_after(1s);
    last.connect("127.0.0.1", std::to_string(door_.local_endpoint().port()));
    last << "X\r\n\r\n" << std::flush;
    thread_.join();
}

std::string Postbox::url() const {
    return "http://127.0.0.1:" + std::to_string(door_.local_endpoint().port()) + "/hook";
}

std::string Postbox::posted() const {
    std::lock_guard const lock{mutex_};
    return posted_;
}

void Postbox::serve() {
    while (!over_) {
        tcp::iostream guest;
        door_.accept(guest.socket());
        guest.expires_after(5s);
        std::string text, line;
        std::size_t length = 0;
        while (std::getline(guest, line) && line != "\r") {
            text += line + "\n";
            std::string const key = "Content-Length: ";
            if (line.starts_with(key)) length = std::stoul(line.substr(key.size()));
        }
        std::string body(length, '\0');
        guest.read(body.data(), static_cast<std::streamsize>(length));
        {
            std::lock_guard const lock{mutex_};
            posted_ += text + body + "\n";
        }
        guest << "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" << std::flush;
    }
}

}  // namespace weir::tests
