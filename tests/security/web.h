#pragma once
/// What a test needs of the web: an address to listen on, one page, and somebody who takes whatever is posted.
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <mutex>
#include <string>
#include <thread>

namespace weir::tests {

/// `127.0.0.1:PORT`, free a moment ago.
std::string free_address();
/// The whole answer; empty when nobody answers within 5 s.
std::string get(std::string const& address, std::string const& path);

/// Answers 200 to everything and keeps it.
class Postbox {
  public:
    Postbox();
    ~Postbox();
    Postbox(Postbox const&) = delete;
    Postbox& operator=(Postbox const&) = delete;
    std::string url() const;
    /// All that came so far.
    std::string posted() const;

  private:
    void serve();
    boost::asio::io_context io_;
    boost::asio::ip::tcp::acceptor door_;
    std::atomic<bool> over_{};
    mutable std::mutex mutex_;
    std::string posted_;
    std::thread thread_;
};

}  // namespace weir::tests
