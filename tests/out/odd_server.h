#pragma once
/// A server that answers as the test wants, byte by byte, on the loopback interface.
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

namespace weir::tests {

class OddServer {
  public:
    /// One client; its request was read. Runs on a thread of its own, and should end when send() gives false.
    class Talk {
      public:
        std::string const& request() const { return request_; }
        bool send(std::string const& text);
        /// Until the client or the server goes.
        void hold();

      private:
        friend class OddServer;
        explicit Talk(boost::asio::ip::tcp::socket socket) : socket_{std::move(socket)} {}
        boost::asio::ip::tcp::socket socket_;
        std::string request_;
    };

    explicit OddServer(std::function<void(Talk&)> answer);
    ~OddServer();
    OddServer(OddServer const&) = delete;
    OddServer& operator=(OddServer const&) = delete;

    std::string url(std::string const& path = "/") const { return "http://127.0.0.1:" + std::to_string(port_) + path; }
    int port() const { return port_; }

  private:
    void serve();

    std::function<void(Talk&)> answer_;
    boost::asio::io_context io_;
    boost::asio::ip::tcp::acceptor acceptor_;
    int port_;
    std::mutex mutex_;
    bool stopping_{};
    std::list<Talk> talks_;
    std::list<std::thread> threads_;
    std::thread accepting_;
};

/// A whole answer of HTTP/1.1.
std::string http_answer(int status, std::string const& body, std::string const& headers = "");

}  // namespace weir::tests
